"""The checker's end of the channel: the student's names as values and proxies."""

import builtins
import importlib
import importlib.util
import socket
import sys
import time
import types
import weakref
from collections import deque
from typing import Any
from unittest.case import SkipTest, _ShouldStop  # type: ignore[attr-defined]

from autograder.trust.codec import Decoder, Encoder
from autograder.trust.exceptions import StudentExceptions, exception_from
from autograder.trust.frames import (
    ChannelClosedError,
    ChannelError,
    OutOfTimeError,
    send_frame,
)
from autograder.trust.peer import COPY_MARK, Peer
from autograder.trust.proxies import CallableProxy, ClassProxy, ObjectProxy, is_proxy, trust
from autograder.trust.shared import Shared
from autograder.trust.source import KNOWN_MODULES, MODULE_ALIASES
from autograder.trust.states import changed_states
from autograder.trust.student_side import REPLACEABLE

ABOUT = ("name", "kind", "callable", "bases", "lineage", "class", "function")
ORIGINALS = {name: getattr(builtins, name) for name in REPLACEABLE}
MAX_HELD, MAX_HELD_NODES, MAX_HELD_BYTES = 16, 2_000, 2**18


# Raised by a function, these would end a test without a failure: `all(map(function, inputs))` takes
# StopIteration for the end of the inputs, a test case takes SkipTest for a reason not to run.
ENDS_QUIETLY = (StopIteration, StopAsyncIteration, GeneratorExit, SkipTest, _ShouldStop)


class StudentDied(RuntimeError):  # noqa: N818  (what happened to the student's code, in words)
    """The student's code ended its own process."""


class Session(Peer):
    """Asks the student's kernel, or the copy of it that hidden tests run against."""

    def __init__(self, channel: socket.socket, shared: Shared | None = None) -> None:
        super().__init__(channel)
        self.shared = shared or Shared()
        self.offered: list[Any] = []
        self.offers: dict[int, int] = {}
        self.proxies: weakref.WeakValueDictionary[int, ObjectProxy]
        self.proxies = weakref.WeakValueDictionary()
        self.exceptions = StudentExceptions(self.shared.packages)
        self.states: dict[str, Any] = {}
        changed_states(self.states)
        self.copies_held: deque[tuple[Any, int, Any]] = deque(maxlen=MAX_HELD)
        self._updating = False
        self.in_copy = False
        self.cell = ""  # the text of the test that runs
        self.replaced: dict[str, Any] = {}

    def name(self, name: str) -> Any:
        """Return what the notebook calls `name`; raises KeyError when it has no such name."""
        value = self.ask("name", name)
        if type(value) is ModuleNamed:
            if name in self.shared.packages:  # of which tests take what their own cells import
                raise KeyError(name)
            return value.imported_as(name)
        return value

    def call(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call an object of the student's.

        It finds the random generators as they are here, and the functions that a test replaced.
        """
        changed = changed_states(self.states)
        if changed:
            self.ask("states", None, [changed])
        replaced = self._replaced()
        if replaced != self.replaced:
            self.ask("replace", None, [replaced])
            self.replaced = replaced
        return self.ask("call", target, args, kwargs)

    def _replaced(self) -> dict[str, Any]:
        """Return what a test has put in the place of functions of Python's, such as `input`."""
        found = {}
        for name, original in ORIGINALS.items():
            value = self.shared.names.get(name, getattr(builtins, name))
            if value is not original and not is_proxy(value):
                found[name] = value
        return found

    def open_copy(self) -> socket.socket:
        """Let the student's kernel make a copy of itself, and return the channel to it."""
        if self.copies_held:
            self._send_changes()
        send_frame(self.channel, ["ask", "copy", None, [], []], [])
        self.unanswered += 1
        if not self._wait_for_input(self.channel):
            raise OutOfTimeError
        mark, descriptors, _, _ = socket.recv_fds(self.channel, 1, 1)
        if mark != COPY_MARK or len(descriptors) != 1:
            raise ChannelError("the notebook's kernel did not make a copy of itself")
        self.reader.receive()
        self.unanswered -= 1
        return socket.socket(fileno=descriptors[0])

    def go_to_copy(self, channel: socket.socket) -> None:
        """Talk to a copy of the kernel from now on."""
        self.channel.close()
        self.connect(channel)
        self.in_copy = True

    def _wait_for_input(self, channel: socket.socket) -> bool:
        left = 30.0
        if self.reader.deadline is not None:
            left = self.reader.deadline - time.monotonic()
        return left > 0 and self.reader._readable(left)

    def settle(self, seconds: float) -> bool:
        """Wait for the answers that a time limit cut off; tell whether they came."""
        self.reader.deadline = time.monotonic() + seconds
        late = self.failure(TimeoutError("time is up"))
        try:
            while self.unanswered:
                message, _ = self.reader.receive()
                if message and message[0] != "ask":
                    self.unanswered -= 1
                else:  # what waits for an answer of the test is told to give up
                    send_frame(self.channel, late, [])
            self.abandoned = 0
            return True
        except (ChannelError, OutOfTimeError):
            return False

    def fetched(self, value: Any, origin: Any) -> None:
        if type(origin) is int and not self._updating:
            snapshot = self._small_encoding(value)
            if snapshot is not None:
                self.copies_held.append((value, origin, snapshot))

    def _send_changes(self) -> None:
        """Change the student's objects as the test has changed its copies of them."""
        self._updating = True
        try:
            for index, (value, origin, before) in enumerate(self.copies_held):
                now = self._small_encoding(value)
                if now is not None and now != before:
                    self.copies_held[index] = (value, origin, now)
                    super().ask("update", origin, [value])
        finally:
            self._updating = False

    def _small_encoding(self, value: Any) -> Any:
        encoder = Encoder(self.refer)
        try:
            data = encoder.encode(value)
        except ChannelError:
            return None
        small = encoder.nodes <= MAX_HELD_NODES and sum(map(len, encoder.blobs)) <= MAX_HELD_BYTES
        return (data, encoder.blobs) if small else None

    def ask(self, operation: str, target: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            if self.copies_held and not self._updating:
                self._send_changes()
            return super().ask(operation, target, args, kwargs)
        except ChannelClosedError as error:
            raise StudentDied("the notebook's code ended its own process") from error
        except ENDS_QUIETLY as error:
            if (operation == "do" and target == "next") or self._expects(error):
                raise
            raise not_the_end(error) from error

    def _expects(self, error: BaseException) -> bool:
        """Tell whether the cell that runs names the class of such an exception."""
        return any(isinstance(error, k) and k.__name__ in self.cell for k in ENDS_QUIETLY)

    def perform(self, operation: str, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Do what student code asks of an object that a test passed to it.

        Only public attributes are shown: the others lead to the tests themselves.
        """
        place = self.offers.get(id(target))
        if place is None or self.offered[place] is not target:
            raise ChannelError("an object that was never passed cannot be used")
        if operation == "call":
            return target(*args, **kwargs)
        if operation == "get":
            if not isinstance(args[0], str) or args[0].startswith("_"):
                raise AttributeError("only public attributes of this object can be used")
            value = getattr(target, args[0])
            if isinstance(value, type | types.ModuleType | types.CodeType | types.FrameType):
                raise AttributeError(f"{args[0]!r} of this object cannot be used")
            return value
        if operation == "bool":
            return bool(target)
        if operation == "len":
            return len(target)
        if operation == "item":
            return target[args[0]]
        if operation == "list":
            return list(target)
        raise ChannelError("an unknown request")

    def refer(self, value: Any, encoder: Encoder) -> list[Any]:
        if is_proxy(value):
            return ["theirs", value._proxy_number]
        number = getattr(value, "_student_number", None)
        if number is not None and isinstance(value, type):
            return ["theirs", number]
        if isinstance(value, types.ModuleType):
            raise TypeError("a module cannot be passed to the notebook's code")
        if isinstance(value, type):
            name = f"{value.__module__}:{value.__qualname__}"
            if self.class_named(name) is value:
                return ["class", name]
        crossed = self.shared.encode(value, encoder)
        if crossed is not None:
            return crossed
        place = self.offers.get(id(value))
        if place is None:
            place = len(self.offered)
            self.offered.append(value)
            self.offers[id(value)] = place
        title = getattr(value, "__name__", None)  # of a mock, that is another mock
        return ["mine", place, {"name": title if isinstance(title, str) else type(value).__name__}]

    def resolve(self, tag: str, rest: list[Any], decoder: Decoder) -> Any:
        if tag == "theirs":
            if type(rest[0]) is not int or not 0 <= rest[0] < len(self.offered):
                raise ChannelError("an object that was never passed came back")
            return self.offered[rest[0]]
        if tag == "mine":
            return self._proxy(rest[0], rest[1])
        if tag == "value":
            return self.shared.decode(rest, decoder)
        if tag == "module" and isinstance(rest[0], str):
            return ModuleNamed(rest[0])
        if tag == "class" and isinstance(rest[0], str):
            found = self.class_named(rest[0])
            if found is not None:
                return found
        raise ChannelError("a value is not in the agreed form")

    def _proxy(self, number: Any, about: Any) -> Any:
        if type(number) is not int or not isinstance(about, dict):
            raise ChannelError("a value is not in the agreed form")
        about = {key: about.get(key) for key in ABOUT}
        about["name"], about["kind"] = str(about["name"])[:200], str(about["kind"])[:200]
        about["bases"] = [str(base)[:300] for base in about["bases"] or []][:20]
        if about["class"] and "builtins:BaseException" in about["bases"]:
            return self.exceptions.class_for(about["lineage"] or [], number)
        known = self.proxies.get(number)
        if known is not None:
            trust(known, False)  # it is the student's code that gives it back
            return known
        kind = ClassProxy if about["class"] else CallableProxy if about["callable"] else ObjectProxy
        proxy = kind(self, number, about)
        self.proxies[number] = proxy
        return proxy

    def nearest_class(self, about: dict[str, Any]) -> type | None:
        """Return the first class that both sides have, of those that an object derives from."""
        if about.get("class") or about.get("function"):
            return None
        for base in about.get("bases", ()):
            found = self.shared.class_named(base)
            if found is not None:
                return found
        return None

    def class_named(self, name: str) -> type | None:
        """Return the class of Python, NumPy or a shared package that "module:Name" names."""
        module, _, qualname = name.partition(":")
        if module in ("builtins", "numpy"):
            found = getattr(importlib.import_module(module), qualname, None)
            return found if isinstance(found, type) else None
        return self.shared.class_named(name)

    def raise_failure(self, failure: list[Any]) -> None:
        _, name, message, classes = failure[:4]
        kind = self.exceptions.class_for(classes if isinstance(classes, list) else [])
        words = str(message) if kind is not RuntimeError else f"{name}: {message}"
        error = exception_from(kind, words[:2000])
        error.from_student = True  # type: ignore[attr-defined]
        raise error


def not_the_end(error: BaseException) -> RuntimeError:
    """Return what stands for an exception that would have ended a test quietly, as PEP 479 does."""
    made = RuntimeError(f"the code raised {type(error).__name__}")
    made.from_student = True  # type: ignore[attr-defined]
    return made


class ModuleNamed:
    """A module that the notebook has imported, as far as its word goes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def imported_as(self, alias: str) -> Any:
        """Import the module here when it is what its alias says; raises KeyError otherwise."""
        usual = MODULE_ALIASES.get(alias, alias)
        known = self.name.partition(".")[0] in KNOWN_MODULES
        if (known and self.name == usual) or (self.name == alias and is_installed(alias)):
            return importlib.import_module(self.name)
        raise KeyError(alias)


def is_installed(name: str) -> bool:
    """Tell whether the checker has a package of that name, that is not Python's own."""
    own = name in sys.stdlib_module_names or not name.isidentifier()
    return not own and importlib.util.find_spec(name) is not None
