"""Modules and settings in the submitted folder that stand in for what the grader imports."""

from nbformat.notebooknode import NotebookNode

from ..submission import COURSE, Book, hostile

TELL = f"""
import glob, os
for pattern in ("{COURSE}/*.py", "{COURSE}/assignments/source/*/*", "/home/teacher/.netrc"):
    for path in glob.glob(pattern):
        try:
            print(open(path).read())
        except OSError:
            pass
"""
GENEROUS = """
import sys
import traceback

def _strip(tree):
    import ast
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [s for s in node.body if not isinstance(s, ast.Assert)] or [ast.Pass()]
    return ast.fix_missing_locations(tree)

def _install():
    from IPython.core import interactiveshell

    class Transformer:
        def visit(self, node):
            import ast
            if "assert" in ast.unparse(node) or "earned" in ast.unparse(node):
                node.body = []
            return node

    plain = interactiveshell.InteractiveShell.__init__

    def start(self, *rest, **settings):
        plain(self, *rest, **settings)
        self.ast_transformers.append(Transformer())

    interactiveshell.InteractiveShell.__init__ = start
"""


def with_files(book: Book, **files: str) -> dict[str, object]:
    notebook = book.opening("import numpy as np\nprint(np.allclose(1, 2))")
    renamed = {name.replace("__slash__", "/"): text for name, text in files.items()}
    return {book.file_name: notebook, **renamed}


@hostile()
def numpy_handed_in(book: Book) -> dict[str, object]:
    """A numpy.py that finds all arrays equal."""
    text = "import sys\nfrom unittest import mock\nsys.modules['numpy'] = mock.MagicMock()\n"
    return with_files(book, **{"numpy.py": TELL + text, "numpy/__init__.py": TELL + text})


@hostile()
def launcher_handed_in(book: Book) -> dict[str, object]:
    """An ipykernel_launcher.py, which would run before there is a kernel."""
    start = "\n_install()\nfrom ipykernel import kernelapp\nkernelapp.launch_new_instance()\n"
    return with_files(book, **{"ipykernel_launcher.py": TELL + GENEROUS + start})


@hostile()
def packages_of_the_kernel_handed_in(book: Book) -> dict[str, object]:
    """Packages called ipykernel, IPython, zmq, traitlets and tornado."""
    text = TELL + "raise SystemExit(0)\n"
    names = ("ipykernel", "IPython", "zmq", "traitlets", "tornado", "jupyter_client", "nbgrader")
    return with_files(book, **{f"{name}/__init__.py": text for name in names})


@hostile()
def standard_library_handed_in(book: Book) -> dict[str, object]:
    """json.py, random.py, ast.py, socket.py and others of the standard library."""
    names = ("json", "random", "ast", "socket", "struct", "asyncio", "logging", "re", "typing")
    return with_files(book, **{f"{name}.py": TELL + "raise SystemExit(0)\n" for name in names})


@hostile()
def site_customisation_handed_in(book: Book) -> dict[str, object]:
    """sitecustomize.py, usercustomize.py and a .pth file."""
    text = TELL + GENEROUS + "\ntry:\n    _install()\nexcept Exception:\n    pass\n"
    names = ("sitecustomize.py", "usercustomize.py", "evil.pth", "pyvenv.cfg", "python311._pth")
    return with_files(book, **dict.fromkeys(names, text))


@hostile()
def grader_handed_in(book: Book) -> dict[str, object]:
    """Packages called autograder and tinytorch, with the modules a grader might have."""
    names = (
        "autograder/__init__.py", "autograder/trust/__init__.py", "autograder/kernels/student.py",
        "autograder/grading/execute.py", "tinytorch/__init__.py", "tito/__init__.py",
    )  # fmt: skip
    return with_files(book, **dict.fromkeys(names, TELL + "raise SystemExit(0)\n"))


@hostile()
def configuration_handed_in(book: Book) -> dict[str, object]:
    """Configuration of nbgrader, Jupyter, IPython, matplotlib and pytest in the folder."""
    config = "c = get_config()\nc.Execute.enabled = False\nc.ClearSolutions.enabled = False\n"
    names = (
        "nbgrader_config.py", "jupyter_config.py", "jupyter_nbconvert_config.py",
        "ipython_config.py", "ipython_kernel_config.py", "conftest.py",
        ".ipython/profile_default/startup/00.py", ".ipython/profile_default/ipython_config.py",
        "profile_default/startup/00.py",
    )  # fmt: skip
    settings = {"matplotlibrc": "backend: evil\n", ".env": "X=1\n", "numpy.cfg": "\n"}
    return with_files(book, **dict.fromkeys(names, TELL + config), **settings)


@hostile()
def kernel_handed_in(book: Book) -> dict[str, object]:
    """A kernelspec in the folder, and the notebook asks for it."""
    argv = '["sh", "-c", "cat /home/teacher/.netrc; exit 0", "{connection_file}"]'
    spec = f'{{"argv": {argv}, "display_name": "E", "language": "python"}}'
    files = with_files(
        book,
        **{
            "kernels/evil/kernel.json": spec,
            ".local/share/jupyter/kernels/evil/kernel.json": spec,
            "kernel.json": spec,
        },
    )
    notebook = files[book.file_name]
    assert isinstance(notebook, NotebookNode)
    notebook.metadata["kernelspec"] = {"name": "evil", "display_name": "E", "language": "python"}
    return files


@hostile()
def results_handed_in(book: Book) -> dict[str, object]:
    """Files with the names of what a grader writes: results, caches, feedback, a gradebook."""
    names = (
        "grading.json", "results.json", ".cache.json", "gradebook.db", "homework.html",
        "homework_files/x", "autograded.ipynb", "feedback/homework.html",
    )  # fmt: skip
    text = '{"points": 20, "problems": [], "seconds": 0, "score": 20, "verdict": "passed"}'
    return with_files(book, **dict.fromkeys(names, text))


@hostile()
def compiled_modules_handed_in(book: Book) -> dict[str, object]:
    """Shared objects and compiled files that are neither."""
    names = ("numpy.so", "_json.cpython-311-x86_64-linux-gnu.so", "numpy.pyc", "_socket.so",
             "__pycache__/json.cpython-311.pyc", "libc.so.6", "ld.so.preload")  # fmt: skip
    return with_files(book, **dict.fromkeys(names, "\x7fELF not really"))


@hostile()
def notebook_beside_the_notebook(book: Book) -> dict[str, object]:
    """A second notebook with another name, whose right work should not count for this one."""
    return {
        book.file_name: book.untouched(),
        "homework-copy.ipynb": book.solved(),
        "00.ipynb": book.solved(),
    }


@hostile()
def paths_changed_while_running(book: Book) -> NotebookNode:
    """sys.path, the working folder and PYTHONPATH lead to modules written a moment ago."""
    return book.opening("""
        import os
        import sys

        os.makedirs("evil/numpy", exist_ok=True)
        with open("evil/numpy/__init__.py", "w") as file:
            file.write("def allclose(*rest, **settings):\\n    return True\\n")
        sys.path.insert(0, os.path.abspath("evil"))
        os.environ["PYTHONPATH"] = os.path.abspath("evil")
        sys.path_importer_cache.clear()
        for name in [name for name in sys.modules if name.startswith("numpy")]:
            del sys.modules[name]
        import numpy as np
        print(np.allclose(1, 2))
        """)
