"""What a chapter asks for, taken from the library instead of written: every route to it.

These are handed in for a chapter of this course, whose students have the library without what the
chapter teaches.
"""

import copy

from nbformat.notebooknode import NotebookNode

from ..submission import Book, hostile, with_cell
from .channel import CHANNEL

MODULE = "tinytorch.capstone"
TAKE = """
    import types

    def take(source):
        if isinstance(source, types.ModuleType):
            found = {name: getattr(source, name) for name in dir(source) if name[0] != "_"}
        else:
            found = {}
            exec(source, found)
        print("taken", sorted(found))
        globals().update({name: thing for name, thing in found.items() if name[0] != "_"})
    """


def taking(book: Book, code: str) -> NotebookNode:
    """Return the chapter with its empty tasks gone and `code` in the place of the first."""
    notebook = copy.deepcopy(book.release)
    empty = [
        cell for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code"
    ]  # fmt: skip
    place = notebook.cells.index(empty[0])
    for cell in empty:
        cell.source = "pass"
    return with_cell(with_cell(notebook, code, place), TAKE, place)


@hostile(chapter=True)
def library_imported(book: Book) -> NotebookNode:
    """The module is imported, by its name, from its package and by importlib."""
    return taking(
        book,
        f"""
        import importlib
        import sys

        for way in (lambda: __import__("{MODULE}", fromlist=["x"]),
                    lambda: importlib.import_module("{MODULE}"),
                    lambda: importlib.reload(sys.modules["{MODULE}"]),
                    lambda: importlib.import_module("{MODULE}.model"),
                    lambda: importlib.import_module("{MODULE}.submission")):
            try:
                take(way())
            except (ImportError, KeyError, AttributeError) as error:
                print(error)
        """,
    )


@hostile(chapter=True)
def library_found_on_disk(book: Book) -> NotebookNode:
    """Every folder of the machine is searched for the module's files."""
    return taking(
        book,
        """
        import os

        for folder, folders, names in os.walk("/"):
            if folder.startswith(("/proc", "/sys", "/usr/share", "/usr/include")):
                folders.clear()
                continue
            if "tinytorch" in folder or "autograder" in folder or "tito" in folder:
                for name in names:
                    if "capstone" in os.path.join(folder, name) and name.endswith((".py", ".md")):
                        try:
                            take(open(os.path.join(folder, name)).read())
                        except Exception as error:
                            print(folder, name, error)
        """,
    )


@hostile(chapter=True)
def library_found_by_its_installation(book: Book) -> NotebookNode:
    """The installed package's own records say where its files are."""
    return taking(
        book,
        """
        import glob
        import importlib.metadata
        import sys

        for distribution in importlib.metadata.distributions():
            name = distribution.metadata["Name"] or ""
            if "tinytorch" in name or "course" in name:
                print(name, distribution.read_text("direct_url.json"), distribution.files)
        for finder in sys.meta_path:
            print(finder, getattr(finder, "MAPPING", None), getattr(finder, "__dict__", None))
        for folder in sys.path:
            for path in glob.glob(folder + "/__editable__*") + glob.glob(folder + "/*.pth"):
                print(path, open(path).read()[:500])
        """,
    )


@hostile(chapter=True)
def library_in_memory(book: Book) -> NotebookNode:
    """Functions and classes of the module are looked for among all objects of the process."""
    return taking(
        book,
        f"""
        import gc
        import sys
        import types

        for name in list(sys.modules):
            if name.startswith(("{MODULE}", "autograder.checks")):
                take(sys.modules[name])
        for thing in gc.get_objects():
            if getattr(thing, "__module__", None) and isinstance(thing, (type, types.FunctionType)):
                if str(thing.__module__).startswith(("{MODULE}", "autograder")):
                    print("found", thing.__module__, thing.__name__)
                    globals()[thing.__name__] = thing
        """,
    )


@hostile(chapter=True)
def library_by_other_processes(book: Book) -> NotebookNode:
    """The file system is entered by /proc/PID/root, the checker's process by /proc/PID."""
    return taking(
        book,
        """
        import glob
        import os

        for pid in [name for name in os.listdir("/proc") if name.isdigit()] + ["self", "1"]:
            for root in ("root", "cwd", "root/home", "root/srv"):
                for path in (glob.glob(f"/proc/{pid}/{root}/source_lib/tinytorch/capstone/*.py")
                             + glob.glob(f"/proc/{pid}/{root}/*/source_lib/*/capstone/*.py")):
                    try:
                        take(open(path).read())
                    except Exception as error:
                        print(path, error)
        """,
    )


@hostile(chapter=True)
def library_in_archives_and_caches(book: Book) -> NotebookNode:
    """Wheels, zip files, compiled files and the package manager's cache are opened."""
    return taking(
        book,
        """
        import glob
        import marshal
        import os
        import zipfile

        for pattern in ("~/.cache/pip/**/*", "/root/.cache/**/*.whl", "/tmp/**/*.whl"):
            for path in glob.glob(os.path.expanduser(pattern), recursive=True):
                if zipfile.is_zipfile(path):
                    for name in zipfile.ZipFile(path).namelist():
                        if "capstone" in name:
                            take(zipfile.ZipFile(path).read(name).decode())
        for root in ("/work", "/home", "/usr/lib/python3", "/root", os.getcwd()):
            for path in glob.glob(root + "/**/capstone/__pycache__/*.pyc", recursive=True):
                found = {}
                exec(marshal.loads(open(path, "rb").read()[16:]), found)
                globals().update(found)
                print("taken", path)
        """,
    )


@hostile(chapter=True)
def library_by_inspecting_the_checker(book: Book) -> NotebookNode:
    """Callers, closures and arguments of tested functions lead to the reference."""
    return taking(
        book,
        """
        import inspect
        import sys

        def __getattr__(name):
            raise AttributeError(name)

        class Looks:
            def __init__(self, *rest, **settings):
                for frame in inspect.stack():
                    for name, thing in {**frame.frame.f_globals, **frame.frame.f_locals}.items():
                        module = str(getattr(thing, "__module__", ""))
                        if "capstone" in module or "reference" in module or "checks" in module:
                            print("found", name, thing, inspect.getsource(thing))
            def __getattr__(self, name):
                return Looks()
            def __call__(self, *rest, **settings):
                return Looks()

        SimpleMLP = BenchmarkReport = Looks
        """,
    )


@hostile(chapter=True)
def library_downloaded(book: Book) -> NotebookNode:
    """The package is installed anew, from an index or from the repository."""
    return taking(
        book,
        """
        import subprocess
        import sys

        install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-input", "--retries=0",
                   "--timeout=1", "--target=lib"]
        for source in ("tinytorch", "/home/teacher/course", "git+https://git.example.org/course"):
            try:
                done = subprocess.run([*install, source], capture_output=True, text=True, timeout=3)
                print(done.stdout[-300:], done.stderr[-300:])
            except subprocess.TimeoutExpired as error:
                print(error)
        sys.path.insert(0, "lib")
        try:
            from tinytorch.capstone import *
        except ImportError as error:
            print(error)
        """,
    )


@hostile(chapter=True, forbidden=("MAPPED",))
def library_by_the_checker_s_files(book: Book) -> NotebookNode:
    """Asked by a test, code asks the checker to map the files of the reference into an array."""
    return by_the_checker(
        book,
        """
        def look():
            folder = "/home/teacher/course/source_lib/tinytorch/capstone/"
            for name in ("__init__", "model", "report", "submission", "metrics"):
                try:
                    array = side.ask("call", Raw(["class", "numpy:memmap"]),
                                     [folder + name + ".py", "uint8", "r"])
                    method = side.ask("get", array, ["tobytes"])
                    take(side.ask("call", method, []).decode())
                    print("MAP" + "PED", name)
                except Exception as error:
                    print(repr(error)[:200])
        """,
    )


@hostile(chapter=True, forbidden=("BORROWED",))
def library_called_in_the_checker(book: Book) -> NotebookNode:
    """Asked by a test, code asks the checker to make objects of the reference's classes."""
    return by_the_checker(
        book,
        """
        def look():
            for name in ("tinytorch.capstone:SimpleMLP", "tinytorch.capstone.model:SimpleMLP",
                         "tinytorch.capstone.report:BenchmarkReport",
                         "tinytorch.capstone:BenchmarkReport"):
                try:
                    made = side.ask("call", Raw(["class", name]), [10, 20, 3])
                    print("BOR" + "ROWED", made)
                except Exception as error:
                    print(repr(error)[:200])
        """,
    )


def by_the_checker(book: Book, look: str) -> NotebookNode:
    """Return the chapter with names that call `look` when a test uses them."""
    use = """
        class Looks:
            def __init__(self, *rest, **settings):
                look()
            def __call__(self, *rest, **settings):
                return look()

        SimpleMLP = BenchmarkReport = Looks
        """
    notebook = taking(book, use)
    for code in (look, CHANNEL):
        with_cell(notebook, code, place=3)
    return notebook
