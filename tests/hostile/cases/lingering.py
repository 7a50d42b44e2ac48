"""What stays: processes that go on, and files that wait for the next student or the next day."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import COURSE, NEIGHBOUR, SUBMITTED, Book, hostile


@hostile(target.FULL)
def background_process(book: Book) -> NotebookNode:
    """A program that goes on after the notebook."""
    return book.closing("import subprocess\nsubprocess.Popen(['sleep', '3000'])")


@hostile(target.FULL)
def daemon(book: Book) -> NotebookNode:
    """Two forks, a session of its own, closed descriptors, signals ignored."""
    return book.closing("""
        import os
        import signal
        import time

        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 4096)
                for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)
                time.sleep(3000)
            os._exit(0)
        """)


@hostile(target.FULL)
def daemon_of_the_shell(book: Book) -> NotebookNode:
    """nohup, setsid, disown and a scheduled job."""
    return book.closing("""
        import subprocess

        subprocess.run("nohup setsid sleep 3000 >/dev/null 2>&1 & disown; "
                       "(echo 'sleep 3000' | at now; echo '* * * * * sleep 3000' | crontab -) "
                       "2>/dev/null", shell=True, executable="/bin/bash")
        """)


@hostile(target.FULL)
def daemon_that_comes_back(book: Book) -> NotebookNode:
    """A process that forks itself anew whenever it is about to be found."""
    return book.closing("""
        import os
        import time

        if os.fork() == 0:
            os.setsid()
            end = time.time() + 40
            while time.time() < end:
                if os.fork():
                    os._exit(0)
                time.sleep(0.005)
        """)


@hostile(target.FULL)
def startup_files_for_the_next_student(book: Book) -> NotebookNode:
    """IPython, Python, Jupyter, matplotlib and the shell get files that they run at start."""
    return book.closing("""
        import os
        import site
        import sys
        import sysconfig

        line = "print('persis' + 'ted'); import builtins; builtins.persisted = True\\n"
        home = os.path.expanduser("~")
        homes = {home, "/home/teacher", "/root", "/tmp"}
        places = []
        for home in homes:
            places += [
                f"{home}/.ipython/profile_default/startup/00.py",
                f"{home}/.ipython/profile_default/ipython_kernel_config.py",
                f"{home}/.jupyter/jupyter_config.py",
                f"{home}/.jupyter/nbgrader_config.py",
                f"{home}/.local/share/jupyter/kernels/python3/kernel.json",
                f"{home}/.config/matplotlib/matplotlibrc",
                f"{home}/.bashrc", f"{home}/.profile", f"{home}/.pythonrc",
                f"{home}/.local/lib/python3.11/site-packages/usercustomize.py",
                f"{home}/.local/lib/python3.11/site-packages/evil.pth",
            ]
        places += [sysconfig.get_path("purelib") + "/evil.pth",
                   sysconfig.get_path("stdlib") + "/sitecustomize.py",
                   site.getusersitepackages() + "/sitecustomize.py", "/etc/profile.d/evil.sh"]
        for place in places:
            try:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "a") as file:
                    file.write(line)
            except OSError as error:
                print(place, error)
        """)


@hostile(target.FULL)
def configuration_of_the_course(book: Book) -> NotebookNode:
    """A line is added to the course's configuration, for the next command."""
    return book.closing(f"""
        for path in ("{COURSE}/nbgrader_config.py", "nbgrader_config.py", "../nbgrader_config.py"):
            try:
                with open(path, "a") as file:
                    file.write("\\nc.Autograde.force = True\\n")
            except OSError as error:
                print(error)
        """)


@hostile(target.FULL)
def packages_poisoned(book: Book) -> NotebookNode:
    """Installed packages and their compiled files are rewritten."""
    return book.closing("""
        import glob
        import os
        import numpy
        import nbformat

        for package in (numpy, nbformat):
            folder = os.path.dirname(package.__file__)
            compiled = glob.glob(folder + "/__pycache__/*")[:3]
            for path in [*glob.glob(folder + "/*.py")[:3], *compiled]:
                try:
                    with open(path, "ab") as file:
                        file.write(b"#")
                    print("written", path)
                except OSError as error:
                    print(error)
        """)


@hostile(target.FULL)
def warm_process_poisoned(book: Book) -> NotebookNode:
    """What the next kernel is forked from is changed: modules, memory and the parent's process."""
    return book.closing("""
        import builtins
        import ctypes
        import os
        import signal
        import sys

        import IPython
        import ipykernel
        import matplotlib

        builtins.persisted = True
        np.allclose = lambda *rest, **settings: False
        matplotlib.rcParams["figure.dpi"] = 7
        IPython.core.interactiveshell.InteractiveShell.run_cell_async = None
        ipykernel.ipkernel.IPythonKernel.do_execute = None
        libc = ctypes.CDLL(None)
        for pid in {os.getppid(), 1}:
            try:
                with open(f"/proc/{pid}/mem", "r+b", 0) as memory:
                    memory.seek(id(None))
                    memory.write(b"x")
                    print("written to", pid)
            except OSError as error:
                print(pid, error)
        """)


@hostile(target.FULL)
def neighbours_work_overwritten(book: Book) -> NotebookNode:
    """What others handed in, and what was graded, is emptied and deleted."""
    return book.closing(f"""
        import glob
        import os

        patterns = ("{SUBMITTED}/*/homework/*.ipynb", "../../*/homework/*.ipynb",
                    "{COURSE}/assignments/autograded/*/*/*.ipynb",
                    "{COURSE}/assignments/source/*/*")
        for pattern in patterns:
            for path in glob.glob(pattern):
                try:
                    if "swapped" not in path and "overwritten" not in path:
                        os.chmod(path, 0o600)
                        open(path, "w").close()
                        print("emptied", path)
                except OSError as error:
                    print(path, error)
        """)


@hostile()
def gradebook_updated(book: Book) -> NotebookNode:
    """All grades in the gradebook are set to full marks, by hand and by a trigger."""
    return book.opening("""
        import sqlite3

        base = sqlite3.connect("/home/teacher/course/assignments/gradebook.db")
        base.execute("update grade set manual_score = 4, needs_manual_grade = 0")
        base.execute('''
            create trigger generous after update on grade begin
            update grade set manual_score = 4 where manual_score is null; end''')
        base.execute('''
            create trigger generous_too after insert on grade begin
            update grade set manual_score = 4 where manual_score is null; end''')
        base.commit()
        base.close()
        """)


@hostile()
def gradebook_emptied(book: Book) -> NotebookNode:
    """The gradebook's tests are replaced by empty ones, for everybody after."""
    return book.opening("""
        import sqlite3

        base = sqlite3.connect("/home/teacher/course/assignments/gradebook.db")
        base.execute("update source_cell set source = 'pass' where locked")
        base.commit()
        base.close()
        """)


@hostile()
def own_result_written(book: Book) -> NotebookNode:
    """A process waits for the graded notebook and overwrites its outputs."""
    return book.closing(
        """
        import subprocess
        import sys
        import textwrap

        code = '''
        import glob, json, os, time

        for _ in range(100):
            time.sleep(0.05)
            for path in glob.glob("/home/teacher/course/assignments/autograded/*/homework/*.ipynb"):
                try:
                    text = json.load(open(path))
                    for cell in text["cells"]:
                        cell["outputs"] = []
                    os.chmod(path, 0o600)
                    json.dump(text, open(path, "w"))
                except Exception:
                    pass
        '''
        code = textwrap.dedent(code)
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        """,
        book.untouched(),
    )


@hostile(target.FULL)
def files_left_everywhere(book: Book) -> NotebookNode:
    """A file is left in every folder of the machine that can be written to."""
    return book.closing("""
        import os

        for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", "/home/teacher", "/run", "/usr", "/etc",
                       "/home/teacher/course", "/home/teacher/course/assignments", "..", "../.."):
            try:
                with open(os.path.join(folder, "was_here"), "w") as file:
                    file.write("x")
                print("written", folder)
            except OSError as error:
                print(folder, error)
        """)


@hostile(target.FULL, forbidden=("persisted",), again=True)
def traces_of_the_one_before(book: Book) -> NotebookNode:
    """The next kernel looks for what an earlier one left: files, names, seeds and settings."""
    assert NEIGHBOUR.parts[-1] == target.ASSIGNMENT
    return book.closing("""
        import builtins
        import glob
        import os

        if getattr(builtins, "persisted", None) or not np.allclose(1, 1):
            print("persis" + "ted")
        for pattern in ("*", "/tmp/*", "/dev/shm/*", "~/*", "~/.*"):
            for path in glob.glob(os.path.expanduser(pattern)):
                if "was_here" in path or "mark" in path:
                    print("persis" + "ted", path)
        for folder in (".", "/tmp", "/dev/shm", os.path.expanduser("~")):
            try:
                open(os.path.join(folder, "mark"), "w").close()
            except OSError:
                pass
        builtins.persisted = True
        """)


@hostile(target.FULL, forbidden=("persisted",), again=True)
def notes_on_inherited_descriptors(book: Book) -> NotebookNode:
    """Files that every kernel is started with are written to, and read by the next student."""
    return book.closing("""
        import os

        for number in range(60):
            try:
                text = os.pread(number, 10_000, 0)
                if b"note-of-" + b"an-earlier" in text:
                    print("persis" + "ted", number)
            except OSError:
                pass
            try:
                kind = os.readlink(f"/proc/self/fd/{number}")
                if "socket" not in kind and "pipe" not in kind and "eventfd" not in kind:
                    os.pwrite(number, b"note-of-" + b"an-earlier", 0)
            except OSError:
                pass
        """)
