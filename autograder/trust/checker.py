"""The trusted process: runs test cells, unchanged, against the student's kernel.

It holds the reference library and the tests; of the student it sees plain data and proxies.
Orders come from the grader on the first descriptor, the second is the channel to the student.
"""

import ast
import builtins
import contextlib
import copy
import importlib
import io
import linecache
import os
import signal
import socket
import sys
import time
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.trust.frames import (
    ChannelClosedError,
    ChannelError,
    FrameReader,
    OutOfTimeError,
    send_frame,
)
from autograder.trust.made import DONE, MADE, MARK, TRUTH, MarkMade, made_variables
from autograder.trust.proxies import ClassProxy, Trusted, UntrustedError, is_proxy
from autograder.trust.room import ROOM, Room
from autograder.trust.session import Session, StudentDied
from autograder.trust.shared import Shared
from autograder.trust.source import (
    MODULE_ALIASES,
    hidden_lines,
    is_constant,
    is_definition,
    module_names,
    plain_source,
)

FILE = "<test>"
GIVEN_MODULES = "/dev/shm/given"  # which is the checker's own, while it shares its scratch
MAX_RESULT = 1_000
# Classes of which a student hears after a hidden test. With every class of Python's, one whose code
# raises a class for each value could spell out in a few tests what they pass in.
TOLD = (AssertionError, NotImplementedError, RecursionError, TypeError, NameError, AttributeError,
        LookupError, ArithmeticError, ValueError)  # fmt: skip
GRACE_SECONDS = 3.0


def warm() -> None:
    """Import what test cells and their imports commonly use."""


def run(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take orders until the grader closes the connection.

    The descriptors are those of the orders, of the channel to the student's kernel and, where tests
    ask for it, of the way to the process that runs functions alone.
    """
    sys.path.append(GIVEN_MODULES)
    orders, channel, *more = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    shared = Shared(*(tuple(request.get(n, ())) for n in ("packages", "withheld", "given")))
    session = Session(channel, shared)
    checker = Checker(session, Room(more[0], session) if more else None)
    reader = FrameReader(orders)
    with contextlib.suppress(ChannelClosedError):
        while True:
            order, _ = reader.receive()
            send_frame(orders, checker.obey(order), [])


class Checker:
    """Runs test cells in one namespace, as one notebook does."""

    def __init__(self, session: Session, room: Room | None = None) -> None:
        self.session = session
        self.room = room
        self.names = session.shared.names = TestNames(session)
        self.hidden: list[HiddenPart] = []
        self.made: set[str] = set()
        trusted = Trusted()
        self.names |= {MADE: trusted.made, MARK: trusted.mark}
        self.names |= {DONE: trusted.done, TRUTH: trusted.truth}
        sys.modules["__main__"] = StudentModule(session, room)

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what the grader asks for: define, test, settle, or finish."""
        if order["do"] == "define":
            self.define(order["source"], set(order["owned"]))
            return {}
        if order["do"] == "settle":
            return {"settled": self.session.settle(order["seconds"])}
        if order["do"] == "finish":
            return self.hidden[order["place"]].finish(order["seconds"], order["sources"])
        return self.test(order["source"], order["seconds"], order["owned"], order["dropped"])

    def define(self, source: str, owned: set[str]) -> None:
        """Take imports, functions and classes from a given cell, but for names in `owned`.

        What cannot be had here is left to be asked of the student.
        """
        with contextlib.suppress(SyntaxError):
            for node in ast.parse(plain_source(source)).body:
                named = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in owned
                if is_definition(node) and not named:
                    self._define(node)

    def _define(self, node: ast.stmt) -> None:
        with contextlib.suppress(Exception):
            self._execute([node], "<given>")

    def test(
        self, source: str, seconds: float, owned: list[str], dropped: list[str]
    ) -> dict[str, Any]:
        """Run the visible part of a test cell and return its verdict.

        The part from the first hidden statement on waits, with copies of this process and of the
        student's kernel as they are now, until it is asked to finish; `place` says which it is.
        So nothing of the student's runs after it has seen what hidden tests pass in.
        """
        self.names.owned = frozenset(owned)
        for name in dropped:
            self.names.pop(name, None)
        source = plain_source(source)
        hidden = hidden_lines(source)
        self.session.cell = source
        self.names.modules = frozenset(module_names(source)) - self.names.owned
        linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
        later: list[ast.stmt] = []

        def visible_part() -> str | None:
            tree = ast.parse(source, FILE)
            self.made = made_variables(tree, self.made)
            body = tree.body
            first = next((i for i, s in enumerate(body) if s.lineno in hidden), len(body))
            later.extend(body[first:])
            return self._value(body[:first])

        verdict = self._judged(visible_part, hidden, seconds)
        if verdict["passed"] and later:
            verdict = self._judged(lambda: self._put_off(later, hidden), hidden, seconds)
            verdict["place"] = verdict["result"]
            for node in later:
                if is_definition(node) or is_constant(node):
                    self._define(node)
        return verdict

    def _judged(self, work: Callable[[], Any], hidden: set[int], seconds: float) -> dict[str, Any]:
        """Do some work within a time and return the verdict on it."""
        self.session.reader.deadline = time.monotonic() + seconds
        self.session.unanswered = self.session.abandoned = 0
        signal.signal(signal.SIGALRM, _out_of_time)
        signal.setitimer(signal.ITIMER_REAL, seconds + 0.5)
        verdict: dict[str, Any] = {"passed": True, "result": None, "problem": None, "busy": False}
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                verdict["result"] = work()
        except OutOfTimeError:
            verdict |= failed("TimeoutError", f"not finished after {seconds:g} s")
            verdict |= {"problem": "timeout", "busy": self.session.unanswered > 0}
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test has failed)
            verdict |= explain(error, hidden)
            if isinstance(error, StudentDied) and not self.session.in_copy:
                verdict["problem"] = "died" if self._student_is_gone() else None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.session.reader.deadline = None
        return verdict

    def _value(self, statements: list[ast.stmt]) -> str | None:
        """Run statements and return the value of the last as text, which may be partial credit."""
        result = self._execute(statements, FILE) if statements else None
        if is_proxy(result):
            raise UntrustedError("the value of a test must be plain data")
        return None if result is None else repr(result)[:MAX_RESULT]

    def _number(self, statements: list[ast.stmt]) -> str | None:
        """Run hidden statements; other values than partial credit could tell what was passed in."""
        result = self._execute(statements, FILE)
        return repr(result) if isinstance(result, int | float | np.number) else None

    def _put_off(self, statements: list[ast.stmt], hidden: set[int]) -> int:
        """Make the two copies that run the statements later; return their place in `hidden`."""
        student = self.session.open_copy()
        here, there = socket.socketpair()
        process = os.fork()
        if process == 0:
            here.close()
            try:
                self._run_hidden(there, student, statements, hidden)
            finally:
                os._exit(0)
        student.close()
        there.close()
        self.hidden.append(HiddenPart(process, here))
        return len(self.hidden) - 1

    def _run_hidden(
        self,
        orders: socket.socket,
        student: socket.socket,
        statements: list[ast.stmt],
        hidden: set[int],
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        order, _ = FrameReader(orders).receive()
        self.session.go_to_copy(student)
        if self.room is not None:
            self.room.sources = order["sources"]
        verdict = self._judged(lambda: self._number(statements), hidden, order["seconds"])
        send_frame(orders, verdict, [])

    def _execute(self, statements: list[ast.stmt], file: str) -> Any:
        marking = MarkMade(self.made if file == FILE else set())
        statements = [marking.visit(copy.deepcopy(statement)) for statement in statements]
        last = statements[-1]
        value = None
        if isinstance(last, ast.Expr):
            statements, value = statements[:-1], ast.Expression(last.value)
        exec(compile(ast.Module(statements, []), file, "exec"), self.names)
        return None if value is None else eval(compile(value, file, "eval"), self.names)

    def _student_is_gone(self) -> bool:
        try:
            self.session.reader.deadline = time.monotonic() + 2
            self.session.ask("do", "len", [[]])
        except (StudentDied, ChannelError, OutOfTimeError):
            return True
        return False


@dataclass
class HiddenPart:
    """A copy of the checker that waits to run the hidden part of one test cell."""

    process: int
    orders: socket.socket

    def finish(self, seconds: float, sources: list[str]) -> dict[str, Any]:
        """Let it run, and return its verdict; `sources` are cells that it may run alone."""
        reader = FrameReader(self.orders)
        reader.deadline = time.monotonic() + seconds + GRACE_SECONDS
        try:
            send_frame(self.orders, {"seconds": seconds, "sources": sources}, [])
            verdict, _ = reader.receive()
        except OutOfTimeError:
            verdict = failed("TimeoutError", f"not finished after {seconds:g} s")
            verdict["problem"] = "timeout"
        except ChannelClosedError:
            verdict = failed("MemoryError", "the test used up what the checker may use")
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        self.orders.close()
        return dict(verdict)


class TestNames(dict[str, Any]):
    """The namespace of test cells; a name it lacks is asked of the notebook.

    A built-in function is the notebook's only where the assignment asks to write one of that name,
    and so is what the cell uses as one of Python's modules.
    """

    __test__ = False

    def __init__(self, session: Session) -> None:
        super().__init__(__name__="__main__", __builtins__=builtins, type=TypeOf)
        self.session = session
        self.owned: frozenset[str] = frozenset()
        self.modules: frozenset[str] = frozenset()

    def __missing__(self, name: str) -> Any:
        if name.startswith("__") or (hasattr(builtins, name) and name not in self.owned):
            raise KeyError(name)
        value = self.session.name(name)
        if name in self.modules:  # whatever the notebook has put in its place
            return importlib.import_module(MODULE_ALIASES.get(name, name))
        return value


class _AsksForType(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and is_proxy(args[0]):
            return args[0]._proxy_session.ask("do", "type", [args[0]])
        return type(*args, **kwargs)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, type) or type(value) is ClassProxy

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is type

    __hash__ = type.__hash__


class TypeOf(metaclass=_AsksForType):
    """What `type` is in a test: of an object of the student's, the student's class."""


class StudentModule(types.ModuleType):
    """What `import __main__` gives in a test: the notebook's names as attributes."""

    def __init__(self, session: Session, room: Room | None) -> None:
        super().__init__("__main__")
        object.__setattr__(self, "_session", session)
        if room is not None:
            object.__setattr__(self, ROOM, room)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._session.name(name)
        except KeyError:
            raise AttributeError(f"the notebook does not define {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.ask("assign", name, [value])

    def __delattr__(self, name: str) -> None:
        self._session.ask("unset", name)


def explain(error: BaseException, hidden: set[int]) -> dict[str, Any]:
    """Return what the student may read of a failure.

    Of a hidden test that is the message its author wrote, or what the check is about.
    The words of the student's own exceptions are left out there: they may hold the hidden input.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == FILE]
    lines = [frame.lineno for frame in frames if frame.lineno]
    if isinstance(error, SyntaxError) and not frames:
        return failed("SyntaxError", f"the test cell cannot be read: {error.msg}")
    if not any(line in hidden for line in lines):
        source = linecache.getline(FILE, lines[0]).strip() if lines else ""
        if isinstance(error, StudentDied | ChannelError | UntrustedError):
            return failed("AssertionError", str(error), source)
        return failed(type(error).__name__, _words(error), source)
    own = traceback.extract_tb(error.__traceback__)[-1].filename == FILE
    from_student = getattr(error, "from_student", False)
    if type(error) is AssertionError and own and str(error) and not from_student:
        return failed("AssertionError", str(error))
    if isinstance(error, StudentDied):
        return failed("AssertionError", f"{_behaviour(error)}: {error}")
    if isinstance(error, UntrustedError):  # whose words hold names that student code may choose
        return failed("AssertionError", f"{_behaviour(error)}: an object came in place of data")
    if from_student:
        kind = next((k.__name__ for k in type(error).__mro__ if k in TOLD), "an error")
        return failed("AssertionError", f"{_behaviour(error)}: the code raised {kind}")
    return failed("AssertionError", _behaviour(error))


def _behaviour(error: BaseException) -> str:
    """Return what the check that failed says it is about, from the first line of its docstring."""
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_filename == FILE and code.co_name != "<module>" and code.co_consts:
            doc = code.co_consts[0]
            if isinstance(doc, str) and doc.strip():
                return doc.strip().split("\n")[0].rstrip(".")
        step = step.tb_next
    return "a hidden test of this cell did not pass"


def failed(name: str, message: str, source: str = "") -> dict[str, Any]:
    """Return the verdict of a failed test; `source` is the visible line that failed."""
    return {"passed": False, "ename": name, "evalue": message[:4000], "line": source[:400]}


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (an exception of the student's own may refuse to speak)
        return ""


def _out_of_time(number: int, frame: Any) -> None:
    raise OutOfTimeError
