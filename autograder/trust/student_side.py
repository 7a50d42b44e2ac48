"""The student's end of the channel: does what the checker asks for with the notebook's objects.

It runs in the student's kernel, so nothing it says can be trusted, and nothing in it is secret.
"""

import builtins
import contextlib
import copy
import importlib
import inspect
import io
import operator
import os
import select
import signal
import socket
import threading
import types
from collections.abc import Iterator
from typing import Any

from autograder.trust.codec import Decoder, Encoder, update_in_place
from autograder.trust.exceptions import exception_from, lineage
from autograder.trust.frames import ChannelClosedError, ChannelError
from autograder.trust.peer import COPY_MARK, Peer
from autograder.trust.shared import Shared
from autograder.trust.states import set_states

MAX_PRINTED = 2**20
REPLACEABLE = ("input", "print")
BUILT = {
    name: getattr(operator, name)
    for name in (
        "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift neg pos abs invert "
        "eq ne lt le gt ge contains getitem setitem delitem"
    ).split()
} | {
    "len": len, "bool": bool, "int": int, "float": float, "str": str, "repr": repr, "iter": iter,
    "next": next, "format": format, "hash": hash, "index": operator.index, "round": round,
    "divmod": divmod, "complex": complex, "isinstance": isinstance, "issubclass": issubclass,
    "dir": dir, "reversed": reversed, "bytes": bytes, "copy": copy.copy,
    "deepcopy": copy.deepcopy, "type": type,
}  # fmt: skip


class StudentSide(Peer):
    """Serves the names in `names`, which is the notebook's namespace."""

    def __init__(
        self, channel: socket.socket, names: dict[str, Any], shared: Shared | None = None
    ) -> None:
        super().__init__(channel)
        self.names = names
        self.shared = shared or Shared()
        self.shared.names = names
        self.objects: dict[int, Any] = {}
        self.known: dict[int, int] = {}
        self.output = Printed()
        self.replaced: dict[str, Any] = {}

    def serve_waiting(self) -> None:
        """Serve one request that waits on the channel, in the main thread, between cells."""
        with self.turn:
            if not self.reader.waiting():
                return
            try:
                message, blobs = self.reader.receive()
                if not self.comes_too_late(message):
                    with self._as_in_a_cell():
                        self.serve(message, blobs)
            except ChannelError:
                os._exit(1)  # the checker is gone, or this end of the channel was tampered with

    def serve_until_closed(self) -> None:
        """Serve requests until the other side ends: what the copy made for hidden tests does."""
        with contextlib.suppress(ChannelClosedError), self._as_in_a_cell():
            while True:
                message, blobs = self.reader.receive()
                if not self.comes_too_late(message):
                    self.serve(message, blobs)

    @contextlib.contextmanager
    def _as_in_a_cell(self) -> Iterator[None]:
        """Take interrupts as a cell does, and keep what is printed for the checker."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with contextlib.redirect_stdout(self.output), contextlib.redirect_stderr(Discarded()):
                yield
        finally:
            signal.signal(signal.SIGINT, before)

    def printed(self) -> str:
        return self.output.take()

    def perform(self, operation: str, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        before = {name: getattr(builtins, name) for name in self.replaced}
        vars(builtins).update(self.replaced)
        try:
            return self._perform_one(operation, target, args, kwargs)
        finally:
            vars(builtins).update(before)

    def _perform_one(
        self, operation: str, target: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        if operation == "name":
            return self.names[target]
        if operation == "call":
            return target(*args, **kwargs)
        if operation == "get":
            return getattr(target, args[0])
        if operation == "set":
            setattr(target, args[0], args[1])
            return None
        if operation == "assign":
            self.names[target] = args[0]
            return None
        if operation == "unset":
            del self.names[target]
            return None
        if operation == "do":
            return BUILT[target](*args)
        if operation == "signature":
            return parameters(target)
        if operation == "update":
            update_in_place(self.objects[target], args[0])
            return None
        if operation == "states":
            set_states(args[0])
            return None
        if operation == "replace":
            self.replaced = {name: args[0][name] for name in REPLACEABLE if name in args[0]}
            return None
        if operation == "copy":
            self._copy()
            return None
        raise ChannelError("an unknown request")

    def _copy(self) -> None:
        """Fork a copy of this kernel, for hidden tests, that serves a channel of its own."""
        here, there = socket.socketpair()
        if os.fork() == 0:
            here.close()
            self.channel.close()
            signal.set_wakeup_fd(-1)
            self.connect(there)
            self._depth = 0
            threading.Thread(target=_end_with, args=(there.fileno(),), daemon=True).start()
            try:
                self.serve_until_closed()
            finally:
                os._exit(0)
        there.close()
        socket.send_fds(self.channel, [COPY_MARK], [here.fileno()])
        here.close()

    def refer(self, value: Any, encoder: Encoder) -> list[Any]:
        if type(value) is Remote:
            return ["theirs", object.__getattribute__(value, "_number")]
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        if isinstance(value, type):
            name = f"{value.__module__}:{value.__qualname__}"
            if value.__module__ in ("builtins", "numpy") and class_named(name) is value:
                return ["class", name]
            if self.shared.class_named(name) is value:
                return ["class", name]
        crossed = self.shared.encode(value, encoder)
        if crossed is not None:
            return crossed
        return ["mine", self._number(value), describe(value)]

    def origin_of(self, operation: str, result: Any) -> int | None:
        return self._number(result) if operation in ("name", "get", "do") else None

    def _number(self, value: Any) -> int:
        """Return the number by which the checker can name the object, which is kept from now on."""
        number = self.known.get(id(value))
        if number is None:
            number = len(self.objects)
            self.objects[number] = value
            self.known[id(value)] = number
        return number

    def resolve(self, tag: str, rest: list[Any], decoder: Decoder) -> Any:
        if tag == "theirs":
            return self.objects[rest[0]]
        if tag == "mine":
            return Remote(self, rest[0], rest[1])
        if tag == "value":
            return self.shared.decode(rest, decoder)
        if tag == "class":
            return class_named(rest[0])
        raise ChannelError("an unknown kind of value")

    def raise_failure(self, failure: list[Any]) -> None:
        _, name, message, classes = failure[:4]
        for base, _ in classes:
            kind = class_named(base)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                raise exception_from(kind, message)
        raise RuntimeError(f"{name}: {message}")


def _end_with(channel: int) -> None:
    """End this process when the other end of the channel is closed, whatever else runs in it."""
    poll = select.poll()
    poll.register(channel, 0)
    poll.poll()
    os._exit(0)


class Remote:
    """An object of the checker, as student code sees it: public attributes and calls."""

    def __init__(self, side: StudentSide, number: int, about: dict[str, Any]) -> None:
        object.__setattr__(self, "_side", side)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "__name__", about.get("name", "object"))

    def _ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        side = object.__getattribute__(self, "_side")
        return side.ask(operation, self, args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._ask("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot set {name!r} of an object that a test passed in")

    def __bool__(self) -> bool:
        return bool(self._ask("bool"))

    def __len__(self) -> int:
        return int(self._ask("len"))

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._ask("list"))


class Printed(io.TextIOBase):
    """Keeps what a call prints, up to a limit."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.size < MAX_PRINTED:
            self.parts.append(str(text)[: MAX_PRINTED - self.size])
            self.size += len(self.parts[-1])
        return len(text)

    def take(self) -> str:
        text = "".join(self.parts)
        self.parts, self.size = [], 0
        return text


class Discarded(io.TextIOBase):
    """Forgets what is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def describe(value: Any) -> dict[str, Any]:
    """Return what the checker needs to know to stand in for an object."""
    kind = value if isinstance(value, type) else type(value)
    about: dict[str, Any] = {
        "name": str(getattr(value, "__name__", kind.__name__))[:200],
        "kind": str(kind.__name__)[:200],
        "callable": callable(value),
        "bases": [f"{base.__module__}:{base.__qualname__}" for base in kind.__mro__[:-1]][:20],
    }
    if isinstance(value, type):
        about["class"] = True
        if issubclass(value, BaseException):
            about["lineage"] = lineage(value)
    if isinstance(value, types.FunctionType):
        about["function"] = True
    return about


def parameters(function: Any) -> list[Any]:
    """Return the parameters of a function: name, kind, default, or no default."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        entry: list[Any] = [parameter.name, parameter.kind.name]
        if parameter.default is not parameter.empty:
            entry.append(parameter.default)
        found.append(entry)
    return found


def class_named(name: str) -> Any:
    """Return the class that "module:Name" names, from what this kernel can import."""
    module, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found
