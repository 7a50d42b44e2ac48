"""Ends: the kernel, the grader or everything is made to stop, in the middle of things."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile

EARLIER = float(sum(points for name, points in target.POINTS.items() if name != "announce"))


def late(book: Book, code: str) -> NotebookNode:
    """Return right work with `code` before its last task."""
    notebook: NotebookNode = book.before("announce", code)
    return notebook


@hostile(target.FULL)
def exit_without_goodbye(book: Book) -> NotebookNode:
    """os._exit in a cell."""
    return late(book, "import os\nos._exit(0)")


@hostile()
def exit_without_goodbye_in_tests(book: Book) -> NotebookNode:
    """os._exit(0) in every tested function, for a grader that takes silence for success."""
    return book.everything_is("import os\ndef leave(*rest):\n    os._exit(0)", "leave")


@hostile(target.FULL)
def segmentation_fault(book: Book) -> NotebookNode:
    """Address zero is read."""
    return late(book, "import ctypes\nctypes.string_at(0)")


@hostile()
def segmentation_fault_in_tests(book: Book) -> NotebookNode:
    """Address zero is read in every tested function."""
    return book.everything_is("import ctypes\ndef fault(*rest):\n    ctypes.string_at(0)", "fault")


@hostile(target.FULL)
def killed_by_itself(book: Book) -> NotebookNode:
    """SIGKILL to itself."""
    return late(book, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")


@hostile(target.FULL)
def aborted(book: Book) -> NotebookNode:
    """abort(), with a core file asked for."""
    return late(
        book,
        """
        import os
        import resource

        try:
            resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
        except (ValueError, OSError) as error:
            print(error)
        os.abort()
        """,
    )


@hostile(target.FULL)
def parent_killed(book: Book) -> NotebookNode:
    """SIGKILL to the parent and to the parent's parent."""
    return book.closing("""
        import os
        import signal

        def parent(pid):
            with open(f"/proc/{pid}/stat") as file:
                return int(file.read().rpartition(")")[2].split()[1])

        pids = [os.getppid()]
        try:
            pids.append(parent(pids[0]))
        except OSError as error:
            print(error)
        for pid in reversed(pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError as error:
                print(pid, error)
        """)


@hostile(target.FULL)
def parent_asked_to_end(book: Book) -> NotebookNode:
    """SIGTERM, SIGINT and SIGHUP to the parent."""
    return book.closing("""
        import os
        import signal
        import time

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            try:
                os.kill(os.getppid(), number)
            except OSError as error:
                print(error)
            time.sleep(0.2)
        """)


@hostile(target.FULL)
def parent_stopped(book: Book) -> NotebookNode:
    """SIGSTOP to every process but this one, so that the grader waits forever."""
    return book.closing("""
        import os
        import signal

        for pid in sorted(int(p) for p in os.listdir("/proc") if p.isdigit()):
            if pid not in (os.getpid(), 1):
                with open(f"/proc/{pid}/cmdline") as file:
                    command = file.read()
                if "nbgrader" in command or "zygote" in command or "autograder" in command:
                    try:
                        os.kill(pid, signal.SIGSTOP)
                    except OSError as error:
                        print(pid, error)
        """)


@hostile(target.FULL)
def process_group_killed(book: Book) -> NotebookNode:
    """SIGKILL to its own process group and to its parent's."""
    return book.closing("""
        import os
        import signal

        try:
            os.killpg(os.getpgid(os.getppid()), signal.SIGTERM)
        except OSError as error:
            print(error)
        os.killpg(0, signal.SIGKILL)
        """)


@hostile(target.FULL)
def everybody_killed(book: Book) -> NotebookNode:
    """SIGKILL to every process it may signal."""
    return book.closing("import os, signal\nos.kill(-1, signal.SIGKILL)")


@hostile(target.FULL)
def kernel_shut_down_by_itself(book: Book) -> NotebookNode:
    """The kernel is asked politely to shut down by its own code."""
    return late(
        book,
        """
        shell = get_ipython()
        shell.ask_exit()
        shell.kernel.do_shutdown(False)
        shell.kernel.io_loop.stop()
        """,
    )


@hostile(target.FULL)
def descriptors_closed(book: Book) -> NotebookNode:
    """Every descriptor is closed, the grader's among them."""
    return late(book, "import os\nos.closerange(0, 4096)")


@hostile(target.FULL)
def descriptors_replaced(book: Book) -> NotebookNode:
    """Every descriptor leads to /dev/zero now."""
    return late(
        book,
        """
        import os

        zero = os.open("/dev/zero", os.O_RDWR)
        for number in range(4096):
            try:
                os.fstat(number)
            except OSError:
                continue
            if number != zero:
                os.dup2(zero, number)
        """,
    )


@hostile(target.FULL)
def replaced_by_another_program(book: Book) -> NotebookNode:
    """The kernel becomes `sleep`, with its sockets open."""
    return late(
        book,
        """
        import fcntl
        import os

        for number in range(3, 1000):
            try:
                os.set_inheritable(number, True)
            except OSError:
                pass
        os.execvp("sleep", ["sleep", "1000"])
        """,
    )


@hostile(target.FULL)
def replaced_by_another_program_in_tests(book: Book) -> NotebookNode:
    """A tested function becomes a program that says that all is well, on every descriptor."""
    return book.solved(
        "rescale", "mean", "tally", "pick", "announce",
        clamp="""
            import os

            def clamp(*rest):
                for number in range(3, 200):
                    try:
                        os.set_inheritable(number, True)
                    except OSError:
                        pass
                say = "for i in $(seq 3 60); do (echo '{\\"ok\\": true}' >&$i) 2>/dev/null; done"
                os.execvp("bash", ["bash", "-c", say + "; sleep 1000"])
            """,
    )  # fmt: skip


@hostile(target.FULL)
def gradebook_locked(book: Book) -> NotebookNode:
    """A process that stays holds a lock on the gradebook."""
    return book.closing("""
        import subprocess
        import sys

        code = '''
        import sqlite3, time
        base = sqlite3.connect("/home/teacher/course/assignments/gradebook.db")
        base.execute("begin exclusive")
        time.sleep(100)
        '''
        import textwrap
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], start_new_session=True)
        import time
        time.sleep(0.7)
        """)
