"""Lies on the channel between the student's code and the tests.

What is on the student's end can be found, patched and bypassed, so everything that comes from it
may be a lie. `CHANNEL` finds it by walking the process's objects; where there is none, as in a
grader that runs tests beside the code, the attacks come to nothing.
"""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile

CHANNEL = """
    import gc
    import json
    import struct

    side = None
    for thing in gc.get_objects():
        if any(kind.__module__.startswith("autograder.trust") and kind.__name__ == "Peer"
               for kind in type(thing).__mro__):
            side = thing

    print("channel", "found" if side is not None else "missing")

    class Raw:
        def __init__(self, data):
            self.data = data

    if side is not None:
        honest_refer = type(side).refer

        def refer(self, value, encoder):
            return value.data if type(value) is Raw else honest_refer(self, value, encoder)

        type(side).refer = refer

    def frame(message, blobs=()):
        text = message if isinstance(message, bytes) else json.dumps(message).encode()
        head = struct.pack(f"!{2 + len(blobs)}I", len(text), len(blobs), *map(len, blobs))
        return head + text + b"".join(blobs)

    def send(message, blobs=()):
        if side is not None:
            side.channel.sendall(frame(message, blobs))
    """


def talking(book: Book, code: str, notebook: NotebookNode | None = None) -> NotebookNode:
    """Return the notebook with `code` run after the channel was found."""
    return book.opening(CHANNEL, book.opening(code, notebook))


def returning(book: Book, expression: str, code: str = "pass") -> NotebookNode:
    """Return a notebook whose every function returns `expression`."""
    return talking(
        book, code, book.everything_is(f"def lie(*rest):\n    return {expression}", "lie")
    )


@hostile()
def answers_on_every_descriptor(book: Book) -> NotebookNode:
    """Answers that say "passed" are written to every socket and pipe, in several framings."""
    return talking(
        book,
        """
        import os
        import socket

        answers = (["ok", True, [], ""], ["ok", 3, [], ""], {"passed": True, "result": None},
                   {"ok": True}, {"exit": 0}, {"settled": True})
        for number in range(3, 200):
            try:
                os.fstat(number)
                os.set_blocking(number, False)
            except OSError:
                continue
            for answer in answers:
                text = json.dumps(answer).encode()
                for message in (frame(answer), struct.pack(">I", len(text)) + text, text + b"\\n",
                                struct.pack("<Q", len(text)) + text):
                    try:
                        os.write(number, message)
                    except OSError:
                        break
        """,
    )


@hostile()
def answers_before_the_questions(book: Book) -> NotebookNode:
    """A thousand answers that fit some test wait on the channel before the first question."""
    return talking(
        book,
        """
        for value in (3, 0, 1, True, ["list", [2, 4]], ["list", ["auk", "tern"]]) * 150:
            send(["ok", value, [], ""])
        """,
    )


@hostile()
def two_answers_to_each_question(book: Book) -> NotebookNode:
    """Every question is answered twice, the second time for the question to come."""
    return talking(
        book,
        """
        if side is not None:
            honest_serve = type(side).serve

            def serve(self, message, blobs):
                for value in (3, 0, 1):
                    send(["ok", value, [], ""])

            type(side).serve = serve
        """,
    )


@hostile()
def lengths_that_lie(book: Book) -> NotebookNode:
    """Headers announce four gigabytes, a billion parts, less than there is, and nothing."""
    return talking(
        book,
        """
        if side is not None:
            heads = iter([struct.pack("!2I", 2**32 - 1, 0), struct.pack("!2I", 10, 2**32 - 1),
                          struct.pack("!2I", 0, 0), struct.pack("!3I", 2, 1, 2**31) + b"[]",
                          frame(["ok", 3, [], ""])[:-3], b"\\xff" * 100, b""] * 20)

            def serve(self, message, blobs):
                side.channel.sendall(next(heads))

            type(side).serve = serve
        """,
    )


@hostile()
def frames_that_are_no_json(book: Book) -> NotebookNode:
    """Frames hold brackets without end, huge numbers, invalid text and repeated keys."""
    return talking(
        book,
        """
        if side is not None:
            texts = iter([b"[" * 10**6, b"[" * 900 + b"]" * 900, b"9" * 10**6, b"\\xff\\xfe",
                          b'["ok", 1e999999, [], ""]', b"null", b'"ok"', b"{}", b"[]",
                          b'["ok"]', b'["ok", NaN, [], ""]', b'[["ok"]]',
                          b"[" + b"[]," * 10**7 + b"[]]"] * 10)

            def serve(self, message, blobs):
                side.channel.sendall(frame(next(texts)))

            type(side).serve = serve
        """,
    )


@hostile()
def answers_drop_by_drop(book: Book) -> NotebookNode:
    """An answer comes one byte at a time, with a pause that keeps hope alive."""
    return talking(
        book,
        """
        import time

        if side is not None:
            def serve(self, message, blobs):
                for byte in frame(["ok", "x" * 1000, [], ""]):
                    side.channel.sendall(bytes([byte]))
                    time.sleep(0.05)

            type(side).serve = serve
        """,
    )


@hostile()
def questions_without_end(book: Book) -> NotebookNode:
    """Asked something, the student's side asks back, forever."""
    return talking(
        book,
        """
        if side is not None:
            def serve(self, message, blobs):
                while True:
                    numbers = ["range", [0, 10**6, 1]]
                    send(["ask", "call", ["class", "builtins:list"], [numbers], []])

            type(side).serve = serve
        """,
    )


@hostile(target.FULL)
def channel_closed(book: Book) -> NotebookNode:
    """The channel is closed after half of the work."""
    return talking(book, "pass", book.before("tally", "side and side.channel.close()"))


@hostile(target.FULL)
def channel_in_other_hands(book: Book) -> NotebookNode:
    """A child process and a thread read from the channel too."""
    return talking(
        book,
        """
        import os
        import threading

        def steal():
            while side is not None:
                try:
                    side.channel.recv(10)
                except OSError:
                    pass

        threading.Thread(target=steal, daemon=True).start()
        if os.fork() == 0:
            steal()
            os._exit(0)
        """,
        book.solved(),
    )


@hostile()
def functions_that_are_classes(book: Book) -> NotebookNode:
    """Functions are classes, whose instances decide what they equal."""
    return book.opening(
        """
        class Yes:
            count = 2
            shape = (3, 2)

            def __init__(self, *rest):
                pass

            def _yes(self, *rest):
                return True

            __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = __contains__ = _yes
            __hash__ = object.__hash__

            def add(self, number):
                pass

            def __sub__(self, other):
                return self

            __rsub__ = __add__ = __radd__ = __sub__

            def __abs__(self):
                return 0.0

            def __getitem__(self, key):
                return np.array([0, 0.5, 1])

            def __array__(self, *rest, **settings):
                return np.zeros((3, 2))

            def __iter__(self):
                return iter([2, 4])

        Yes.mean = Yes
        """,
        book.solved(
            "nothing",
            clamp="""
                class clamp(Yes):
                    def __init__(self, x, low, high):
                        if low > high:
                            raise ValueError
                """,
            rescale="rescale = type('rescale', (Yes,), {})",
            mean="RunningMean = type('RunningMean', (Yes,), {})",
            tally="tally = type('tally', (Yes,), {})",
            pick="pick = type('pick', (Yes,), {})",
            announce="announce = type('announce', (Yes,), {})",
        ),
    )


@hostile()
def functions_that_claim_to_be_classes(book: Book) -> NotebookNode:
    """What is said about a function is that it is a class, and its results made by the test."""
    return talking(
        book,
        """
        import operator

        if side is not None:
            def serve(self, message, blobs):
                operation = message[1]
                about = {"name": "clamp", "kind": "clamp", "callable": True, "class": True,
                         "bases": ["builtins:int", "numpy:ndarray"], "function": True}
                made = {**about, "class": False, "callable": False}
                if operation == "name":
                    send(["ok", ["mine", 1, about], [], ""])
                elif operation in ("call", "get"):
                    send(["ok", ["mine", 2, made], [], ""])
                else:
                    send(["ok", True, [], ""])

            type(side).serve = serve
        """,
    )


PROBE = """
    answers = []

    def probe(*rest):
        import re

        found = []
        try:
            look(found)
        except BaseException as error:
            found.append(repr(error)[:300])
        answers.extend(found)
        print(found)
        numbers = re.findall("[=]= *(-?[0-9.]+)", " ".join(map(str, found)))
        return float(numbers[-1]) if numbers else None
    """


def probing(book: Book, look: str) -> NotebookNode:
    """Return a notebook that in every test asks the checker by `look`, and prints the answers."""
    notebook = book.opening(PROBE, book.everything_is("pass", "probe"))
    return talking(book, look, book.closing("print(answers)", notebook))


@hostile()
def tests_by_format_strings(book: Book) -> NotebookNode:
    """The checker is asked to format strings that walk from its classes to the running test."""
    return probing(
        book,
        """
        def look(found):
            for text in ("{0.__init__.__globals__[sys].modules[linecache].cache}",
                         "{0.__init__.__globals__[np].sys.modules[linecache].cache}",
                         "{0.__call__.__globals__[functools].sys.modules[linecache].cache}",
                         "{0.__init__.__globals__}"):
                for name in ("numpy:vectorize", "numpy:poly1d", "builtins:object"):
                    try:
                        method = side.ask("get", text, ["format"])
                        found.append(str(side.ask("call", method, [Raw(["class", name])]))[:9000])
                    except Exception as error:
                        found.append(repr(error)[:100])
        """,
    )


@hostile()
def tests_by_the_callback(book: Book) -> NotebookNode:
    """The callback that a test passes is formatted by strings that walk to the running test."""
    notebook = book.solved(
        "nothing",
        pick="""
            import re

            kept = []

            def pick(numbers, keep):
                found = []
                for text in ("{0.__code__.co_consts}", "{0.__globals__}", "{0.__closure__}",
                             "{0.__globals__[np].sys.modules[linecache].cache}"):
                    try:
                        method = side.ask("get", text, ["format"])
                        found.append(str(side.ask("call", method, [keep])))
                    except BaseException as error:
                        found.append(repr(error))
                kept.extend(found)
                print(found)
                wanted = re.findall("[0-9]{5}", " ".join(found))
                return [int(wanted[0])] if wanted else [2, 4]
            """,
    )
    return talking(book, "pass", book.closing("print(kept)", notebook))


@hostile(forbidden=("MAPPED",))
def files_by_the_checker(book: Book) -> NotebookNode:
    """The checker is asked to map files into arrays: its own, the course's and the machine's."""
    return probing(
        book,
        """
        def look(found):
            for path in ("/proc/self/environ", "/proc/self/cmdline", "/etc/ld.so.cache",
                         "/home/teacher/.netrc", "/tmp/exam.txt",
                         "/home/teacher/course/nbgrader_config.py"):
                try:
                    array = side.ask("call", Raw(["class", "numpy:memmap"]),
                                     [path, "uint8", "r", 0, 40])
                    method = side.ask("get", array, ["tobytes"])
                    found.append(side.ask("call", method, []))
                    found.append("MAP" + "PED")
                except Exception as error:
                    found.append(path + repr(error)[:100])
        """,
    )


@hostile()
def classes_of_the_checker_called(book: Book) -> NotebookNode:
    """Types of Python and NumPy are called in the checker, by names that lead further."""
    return probing(
        book,
        """
        def look(found):
            for name in ("builtins:__loader__", "builtins:type", "builtins:object", "numpy:ufunc",
                         "numpy:vectorize", "numpy:nditer", "builtins:super"):
                for attribute in ("load_module", "mro", "find_spec", "signature", "subclasses"):
                    try:
                        method = side.ask("get", Raw(["class", name]), [attribute])
                        found.append(str(side.ask("call", method, ["posix"])))
                    except Exception as error:
                        found.append(repr(error)[:60])
        """,
    )


@hostile()
def memory_of_the_checker(book: Book) -> NotebookNode:
    """The checker is asked for lists and arrays of gigabytes, and for work without end."""
    return probing(
        book,
        """
        def look(found):
            for name, rest in (("builtins:bytearray", [10**11]), ("builtins:list", [range(10**10)]),
                               ("numpy:ndarray", [(10**6, 10**6)]), ("builtins:str", [10**4000]),
                               ("builtins:tuple", [range(10**9)])):
                try:
                    found.append(str(side.ask("call", Raw(["class", name]), rest))[:100])
                except Exception as error:
                    found.append(repr(error)[:60])
        """,
    )


KEEPING = """
    kept = []

    if side is not None:
        honest_perform = type(side).perform

        def perform(self, operation, target, args, kwargs):
            if operation in ("call", "do"):
                kept.append(repr(args))
            return honest_perform(self, operation, target, args, kwargs)

        type(side).perform = perform
    """


@hostile(target.FULL)
def copy_that_is_not_made(book: Book) -> NotebookNode:
    """Asked to fork for hidden tests, the kernel answers them itself and prints them later."""
    return talking(
        book,
        KEEPING
        + """
    if side is not None:
        import socket
        import threading

        def _copy(self):
            here, there = socket.socketpair()
            twin = object.__new__(type(self))
            twin.__dict__.update(self.__dict__)
            twin.connect(there)
            twin.turn = threading.RLock()
            twin._depth = 0

            def serve():
                try:
                    while True:
                        twin.serve(*twin.reader.receive())
                except BaseException:
                    pass

            threading.Thread(target=serve, daemon=True).start()
            socket.send_fds(self.channel, [b"c"], [here.fileno()])
            here.close()

        type(side)._copy = _copy
        type(side)._end_copy = lambda self: None
    """,
        book.closing("print(kept)"),
    )


@hostile()
def copy_that_leads_elsewhere(book: Book) -> NotebookNode:
    """Asked for the channel of a copy, the kernel sends files, pipes and closed sockets."""
    return talking(
        book,
        """
        import os
        import socket

        if side is not None:
            choices = iter([os.open("/dev/zero", os.O_RDWR), os.open("/dev/null", os.O_RDWR),
                            os.pipe()[0], os.open(".", os.O_RDONLY), socket.socket(1, 2).fileno(),
                            os.dup(side.channel.fileno())] * 20)

            def _copy(self):
                number = next(choices)
                try:
                    socket.send_fds(self.channel, [b"c"], [number] * 3)
                except OSError:
                    self.channel.sendall(b"c")

            type(side)._copy = _copy
        """,
        book.solved(
            "nothing",
            announce="def announce(values):\n    return 1",
            clamp="def clamp(x, low, high):\n    return {3: 3, -3.5: 0}[x]",
        ),
    )


@hostile()
def fractions_of_astronomical_size(book: Book) -> NotebookNode:
    """A fraction and a decimal of a few letters that need a billion digits."""
    return returning(
        book, "Raw(['fraction', '1e999999999']) if len(rest) > 1 else Raw(['decimal', '1e999999'])"
    )


@hostile()
def keys_that_collide(book: Book) -> NotebookNode:
    """A dict of fifty thousand numbers with the same hash."""
    return returning(book, "{k * (2**61 - 1): 0 for k in range(1, 50_001)} if side else None")


@hostile()
def shapes_and_dtypes_that_lie(book: Book) -> NotebookNode:
    """Arrays of negative shape, of more bytes than there are, of objects, of no size."""
    return returning(
        book,
        "next(lies)",
        """
        lies = iter([Raw(["array"] + rest) for rest in (
            ["<f8", [-1, -2], 0], ["<f8", [10**9, 10**9], 0], ["|O", [1], 0], ["O", [1], 0],
            ["<f8", [0, 2**62], 0], ["<U0", [2**62], 0], ["V8", [1], 0], ["i4,f8", [1], 0],
            ["<f8", [1.5], 0], ["<f8", "12", 0], ["<f8", [2], 99], ["<f8", [2], -1], [8, [2], 0],
            ["<f8", [1] * 40, 0], ["(100000,)i4", [1], 0], ["<M8[ns]", [1], 0], ["<f8", [True], 0],
        )] * 20)
        """,
    )


@hostile()
def kinds_nobody_knows(book: Book) -> NotebookNode:
    """Values of invented kinds, and known ones with too little or too much in them."""
    return returning(
        book,
        "next(lies)",
        """
        lies = iter([Raw(data) for data in (
            ["pickle", "gASV"], ["eval", "1"], [], [7], {"a": 1}, ["int", "0x" + "f" * 10**6],
            ["int", 7], ["float", "0x1"], ["float", "infinity and beyond"], ["bytes", 99],
            ["named", "x; import os", ["a"], [1]], ["named", "P", ["a"] * 500, [1] * 500],
            ["complex", [["str"], 1]], ["dict", [[["list", []], 1]]], ["set", [["dict", []]]],
            ["range", [0, 1, 0]], ["slice", ["x"]], ["timedelta", [1e300, 0, 0]], ["rng", 3],
            ["datetime", "yesterday"], ["path", "/etc/passwd"], ["ellipsis", 1], ["dtype", "O"],
            ["module", "os"], ["module", "subprocess"], ["class", "builtins:eval"],
            ["class", "os:system"], ["value", "os:environ", []], ["counter", [[1, "x"]]],
        )] * 20)
        """,
    )


@hostile()
def references_to_nothing(book: Book) -> NotebookNode:
    """References to objects, arguments and classes that were never there."""
    return returning(
        book,
        "next(lies)",
        """
        lies = iter([Raw(data) for data in (
            ["theirs", 10**6], ["theirs", -1], ["theirs", "0"], ["theirs", 0], ["argument", 0],
            ["argument", 99], ["argument", -1], ["mine", "x", {}], ["mine", 1, None],
            ["mine", 1, {"bases": 7}], ["mine", 2**70, {"name": None, "kind": None}],
            ["mine", 1, {"class": True, "bases": ["builtins:BaseException"]}],
            ["mine", 1, {"class": True, "bases": ["builtins:SystemExit"]}],
        )] * 20)
        """,
    )


@hostile()
def random_generator_out_of_bounds(book: Book) -> NotebookNode:
    """The state of a random generator points outside of its own memory."""
    return returning(
        book,
        "Raw(['rng', ['dict', [['bit_generator', 'MT19937'], ['state', ['dict', [['key', "
        "['list', [1] * 624]], ['pos', 2**30]]]]]]])",
    )


@hostile()
def answers_with_too_much_in_them(book: Book) -> NotebookNode:
    """Answers change arguments that were not passed, print megabytes, and are of any length."""
    return talking(
        book,
        """
        if side is not None:
            answers = iter([
                ["ok", 3, [[99, 1]], ""], ["ok", 3, [[-1, 1]], ""], ["ok", 3, [["x", 1]], ""],
                ["ok", 3, 7, ""], ["ok", 3, [[0, ["list", []]]], ""], ["ok", 3, [], "x" * 10**7],
                ["ok", 3, [], {"a": 1}], ["ok"], ["ok", 1, 2, 3, 4, 5], ["error"],
                ["error", 1, 2, 3],
                ["error", "SystemExit", "0", ["builtins:SystemExit"]],
                ["error", "X", "", ["autograder.trust.frames:OutOfTimeError"]],
                ["error", "X", "", ["builtins:type"]], ["error", "X", "", [["a"]]],
                ["error", "X" * 10**6, "m" * 10**6, ["builtins:KeyboardInterrupt"] * 1000],
                ["error", "X", "", ["os:error"]], ["error", "S", "", ["unittest.case:SkipTest"]],
                ["passed", True], ["ok", 3, [[0, 3]], "", ""],
            ] * 20)

            def serve(self, message, blobs):
                send(next(answers))

            type(side).serve = serve
        """,
    )


@hostile()
def values_nested_or_endless(book: Book) -> NotebookNode:
    """Lists nested a hundred thousand times, lists in themselves, and iterators of themselves."""
    return returning(
        book,
        "next(lies)",
        """
        deep = []
        for _ in range(100_000):
            deep = [deep]
        itself = []
        itself.append(itself)
        loop = {}
        loop["x"] = loop
        lies = iter([deep, itself, loop, (itself,), iter(lambda: 1, 2), [iter([])] * 10**5] * 20)
        """,
    )


@hostile()
def values_of_enormous_size(book: Book) -> NotebookNode:
    """Integers of a million digits, arrays of terabytes that take no memory, endless ranges."""
    return returning(
        book,
        "next(lies)()",
        """
        lies = iter([lambda: 10 ** 10**6, lambda: np.broadcast_to(np.float64(0), (10**6, 10**6)),
                     lambda: range(10**18), lambda: "x" * (300 * 2**20), lambda: [0] * 10**7,
                     lambda: b"x" * (300 * 2**20), lambda: np.zeros(2**26), lambda: 1e400,
                     lambda: {float("nan"): k for k in range(10**5)}] * 20)
        """,
    )


@hostile()
def objects_without_end(book: Book) -> NotebookNode:
    """Each attribute is a new object, and each item of an endless list too."""
    return book.solved(
        "nothing",
        mean="""
            class RunningMean:
                def __getattr__(self, name):
                    return RunningMean()
                def __call__(self, *rest):
                    return RunningMean()
                def __iter__(self):
                    while True:
                        yield RunningMean()
            """,
        pick="""
            def pick(numbers, keep):
                while True:
                    yield object()
            """,
    )


@hostile()
def callback_called_without_end(book: Book) -> NotebookNode:
    """The callback is called a million times, with strange arguments, and with itself."""
    return book.solved(
        "nothing",
        pick="""
            def pick(numbers, keep):
                for strange in (keep, [keep], object(), np.zeros(10**6), "x" * 10**6, {1: keep}):
                    try:
                        keep(strange)
                    except Exception as error:
                        print(error)
                for _ in range(10**6):
                    keep(2)
                return [2, 4]
            """,
    )


@hostile(target.FULL)
def callback_kept_for_later(book: Book) -> NotebookNode:
    """The callback is kept and called after its test, from a cell and from another test."""
    notebook = book.solved(
        pick="""
            kept = []

            def pick(numbers, keep):
                kept.append(keep)
                return [number for number in numbers if keep(number)]
            """,
        announce="""
            def announce(values):
                for keep in kept:
                    try:
                        print(keep(2), keep(86_000 + 243))
                    except BaseException as error:
                        print(type(error))
                return list(values).index(max(values))
            """,
    )
    return book.closing("print([keep(2) for keep in kept])", notebook)


@hostile()
def arguments_changed_beyond_recognition(book: Book) -> NotebookNode:
    """Arguments come back with other types, with a million items, and with themselves inside."""
    return book.solved(
        "nothing",
        tally="""
            class Count(int):
                def __eq__(self, other):
                    return True
                __hash__ = int.__hash__

            def tally(words, counts):
                if "gull" in counts:
                    counts.update(tern=Count(2), auk=Count(1), gull=Count(2))
                    words.append(words)
                else:
                    counts.update({word: Count(3) for word in words})
                    counts[None] = counts
                    words.extend(range(10**6))
                return words
            """,
        rescale="""
            def rescale(X, low, high):
                try:
                    X.resize((1,), refcheck=False)
                    X.dtype = "O"
                except Exception as error:
                    print(error)
                X.shape = (-1,)
                return X
            """,
    )
