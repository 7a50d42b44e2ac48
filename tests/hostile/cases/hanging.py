"""Time: code that never ends, by every way a loop can refuse to be interrupted.

Where the loop stands after right work, that work may keep its points.
"""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile


@hostile(target.FULL)
def endless_loop(book: Book) -> NotebookNode:
    """A loop without end, after right work."""
    return book.closing("while True:\n    pass")


@hostile(target.FULL)
def endless_loop_before_everything(book: Book) -> NotebookNode:
    """A loop without end, before right work."""
    return book.opening("while True:\n    pass", book.solved())


@hostile(target.FULL)
def loop_that_catches_interrupts(book: Book) -> NotebookNode:
    """A loop that takes KeyboardInterrupt for a reason to go on."""
    return book.closing("""
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """)


@hostile(target.FULL)
def signals_ignored(book: Book) -> NotebookNode:
    """Every signal that can be is ignored, blocked, and waited for."""
    return book.closing("""
        import signal
        import time

        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True:
            time.sleep(1000)
        """)


@hostile(target.FULL)
def loop_in_c(book: Book) -> NotebookNode:
    """One call into C that works for centuries and looks at no signal."""
    return book.closing("x = 7 ** 10 ** 9")


@hostile(target.FULL)
def regular_expression_that_explodes(book: Book) -> NotebookNode:
    """A regular expression that tries every way of reading forty letters."""
    return book.closing("import re\nre.match(r'(a|a|b?a)*$', 'a' * 40 + 'c')")


@hostile(target.FULL)
def sum_of_a_trillion(book: Book) -> NotebookNode:
    """A sum in C over a range that no machine finishes."""
    return book.closing("sum(range(10 ** 15))")


@hostile(target.FULL)
def array_sorted_forever(book: Book) -> NotebookNode:
    """NumPy works on large matrices again and again, without the interpreter's lock."""
    return book.closing("a = np.random.rand(3000, 3000)\nfor _ in range(10**6):\n    a = a @ a")


@hostile(target.FULL)
def deadlock(book: Book) -> NotebookNode:
    """A lock is taken twice, and a thread that never ends is waited for."""
    return book.closing("""
        import threading

        lock = threading.Lock()
        threading.Thread(target=lambda: (lock.acquire(), lock.acquire())).start()
        lock.acquire()
        lock.acquire()
        """)


@hostile(target.FULL)
def thread_that_outlives_the_kernel(book: Book) -> NotebookNode:
    """A thread that is no daemon keeps the kernel from ending."""
    return book.closing("""
        import threading

        def busy():
            while True:
                pass

        for _ in range(3):
            threading.Thread(target=busy).start()
        """)


@hostile(target.FULL)
def exit_that_never_ends(book: Book) -> NotebookNode:
    """Handlers at exit and destructors loop."""
    return book.closing("""
        import atexit
        import time

        def stay(*rest):
            while True:
                try:
                    time.sleep(1)
                except BaseException:
                    pass

        atexit.register(stay)
        Clings = type("Clings", (), {"__del__": stay})
        clings = Clings()
        get_ipython().kernel.do_shutdown = stay
        """)


@hostile(target.FULL)
def kernel_stopped(book: Book) -> NotebookNode:
    """The kernel stops itself by SIGSTOP and hears nothing more."""
    return book.closing("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")


@hostile(target.FULL)
def event_loop_blocked(book: Book) -> NotebookNode:
    """A coroutine blocks the kernel's event loop after its cell has ended."""
    return book.before(
        "announce",
        """
        import asyncio
        import time

        async def block():
            await asyncio.sleep(0.1)
            while True:
                time.sleep(1000)

        task = asyncio.ensure_future(block())
        """,
    )


@hostile()
def functions_that_never_return(book: Book) -> NotebookNode:
    """Each tested function loops without end, so that every test runs out of time."""
    return book.everything_is(
        """
        def never(*rest):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
        "never",
    )


@hostile(target.FULL - target.POINTS["pick"])
def generator_that_never_ends(book: Book) -> NotebookNode:
    """What should be a short list is a generator without end."""
    others = [name for name in target.POINTS if name != "pick"]
    return book.solved(
        *others,
        pick="""
            def pick(numbers, keep):
                while True:
                    yield 2
            """,
    )


@hostile(target.FULL - target.POINTS["pick"])
def generator_that_waits(book: Book) -> NotebookNode:
    """The generator yields one right number and then sleeps."""
    others = [name for name in target.POINTS if name != "pick"]
    return book.solved(
        *others,
        pick="""
            import time

            def pick(numbers, keep):
                yield 2
                time.sleep(10_000)
            """,
    )


@hostile()
def methods_that_never_return(book: Book) -> NotebookNode:
    """Objects whose attributes, lengths, reprs and truth take forever."""
    return book.solved(
        "nothing",
        mean="""
            class RunningMean:
                def __getattribute__(self, name):
                    while True:
                        pass
                __len__ = __repr__ = __bool__ = __eq__ = __iter__ = __getattribute__
                __hash__ = object.__hash__
            """,
    )


@hostile(target.FULL)
def repr_that_never_ends(book: Book) -> NotebookNode:
    """The last expression of a cell takes forever to show itself."""
    return book.closing("""
        class Endless:
            def __repr__(self):
                while True:
                    pass
            _repr_html_ = _repr_png_ = _repr_mimebundle_ = __repr__

        Endless()
        """)


@hostile(target.FULL)
def one_cell_after_another(book: Book) -> NotebookNode:
    """Each of forty cells stays just below the time of a cell."""
    notebook = book.solved()
    for _ in range(40):
        book.closing("import time\ntime.sleep(3)", notebook)
    return notebook


@hostile(target.FULL)
def thousands_of_cells(book: Book) -> NotebookNode:
    """Three thousand cells, each of which prints a word."""
    notebook = book.solved()
    for number in range(3000):
        book.closing(f"print({number})", notebook)
    return notebook


@hostile(target.FULL)
def waiting_for_input(book: Book) -> NotebookNode:
    """Passwords, lines and bytes are asked for where nobody answers."""
    return book.closing("""
        import getpass
        import os
        import sys

        for ask in (input, getpass.getpass, sys.stdin.read, lambda: os.read(0, 10),
                    lambda: open("/dev/tty").read(), lambda: open("/dev/stdin").read()):
            try:
                print(repr(ask()))
            except Exception as error:
                print(type(error))
        """)


@hostile(target.FULL)
def input_forced(book: Book) -> NotebookNode:
    """The kernel is told that a person is there to answer, and asks."""
    return book.closing("""
        kernel = get_ipython().kernel
        kernel._allow_stdin = True
        kernel.get_parent()["content"]["allow_stdin"] = True
        kernel.raw_input("name: ")
        """)


@hostile(target.FULL)
def source_that_takes_long_to_compile(book: Book) -> NotebookNode:
    """Parsing and optimising the cell is itself the work."""
    return book.closing("x = " + "-" * 90_000 + "1\n" + "y = " + "(" * 150 + ")" * 150)


@hostile()
def recursion_without_end(book: Book) -> NotebookNode:
    """Functions call themselves with the limit of recursion raised."""
    return book.everything_is(
        """
        import sys
        sys.setrecursionlimit(10**9)

        def deeper(*rest):
            return deeper(*rest)
        """,
        "deeper",
    )
