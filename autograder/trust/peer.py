"""Requests in both directions over one channel: while a side waits it serves the other."""

import builtins
import contextlib
import importlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from autograder.trust.codec import Decoder, Encoder, update_in_place
from autograder.trust.exceptions import lineage
from autograder.trust.frames import ChannelError, FrameReader, OutOfTimeError, send_frame

MAX_CALLS_DEEP = 40
MAX_TEXT = 2_000
COPY_MARK = b"c"  # goes before the descriptor of a copy; no frame begins with it
MUTABLE = "array list dict set deque bytearray odict counter ddict rng value objects".split()


class Peer:
    """One end of the channel.

    A request is `["ask", operation, target, args, kwargs]`, an answer `["ok", value, changed,
    printed, origin]` or `["error", class, message, ...]`; `changed` holds arguments that the call
    mutated, `origin` the number of the object that the value is a copy of.
    Subclasses say what an operation does (`perform`), and how an object that is not plain crosses
    (`refer`, `resolve`).
    """

    def __init__(self, channel: socket.socket) -> None:
        self.connect(channel)
        self.turn = threading.RLock()
        self._depth = 0

    def connect(self, channel: socket.socket) -> None:
        """Talk over `channel` from now on."""
        self.channel = channel
        self.reader = FrameReader(channel)
        self.unanswered = 0
        self.abandoned = 0  # requests of which nobody here waits for the answer any more

    def perform(self, operation: str, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Do what the other side asks for and return the result; may raise anything."""
        raise NotImplementedError

    def refer(self, value: Any, encoder: Encoder) -> list[Any]:
        """Return the JSON of an object that is not plain."""
        raise NotImplementedError

    def resolve(self, tag: str, rest: list[Any], decoder: Decoder) -> Any:
        """Return the object for JSON that is not plain."""
        raise NotImplementedError

    @staticmethod
    def failure(error: BaseException) -> list[Any]:
        """Return how an exception crosses: its class, message, and classes it derives from."""
        kind = type(error)
        try:
            message = str(error)[:MAX_TEXT]
        except Exception:  # noqa: BLE001  (an exception of the student's own may refuse to speak)
            message = ""
        return ["error", kind.__name__[:200], message, lineage(kind)]

    def raise_failure(self, failure: list[Any]) -> None:
        """Raise here what the other side raised."""
        raise NotImplementedError

    def printed(self) -> str:
        """Return what was printed since it was last asked for."""
        return ""

    def ask(self, operation: str, target: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Ask the other side, serve it until it answers, and return its answer.

        Mutable arguments that the other side changed are changed here too.
        """
        kwargs = kwargs or {}
        with self.turn:
            if self._depth >= MAX_CALLS_DEEP:
                raise RecursionError("a test and the notebook call each other too deeply")
            encoder = Encoder(self.refer)
            request = ["ask", operation, encoder.encode(target)]
            request.append([encoder.encode(value) for value in args])
            request.append([[name, encoder.encode(value)] for name, value in kwargs.items()])
            passed = [*args, *kwargs.values()]
            sent = [*request[3], *(value for _, value in request[4])]
            self._depth += 1
            try:
                message, blobs = self._exchange(request, encoder.blobs)
            finally:
                self._depth -= 1
            return self._answered(message, blobs, passed, sent)

    def _exchange(self, request: list[Any], blobs: list[bytes]) -> tuple[list[Any], list[bytes]]:
        """Send a request and serve the other side until it answers.

        An interrupt leaves the answer to come later, when nobody waits for it.
        """
        sent = False
        try:
            with no_interrupt():  # in the middle of which it would be unknown what was sent
                send_frame(self.channel, request, blobs)
                sent = True
            self.unanswered += 1  # stays so when a time limit cuts the wait off
            while True:
                message, blobs = self.reader.receive()
                if not isinstance(message, list) or not message:
                    raise ChannelError("a message is not in the agreed form")
                if self.comes_too_late(message):
                    continue
                if message[0] != "ask":
                    self.unanswered -= 1
                    return message, blobs
                self.serve(message, blobs)
        except BaseException:
            self.abandoned += sent
            raise

    def comes_too_late(self, message: Any) -> bool:
        """Tell whether a message answers a request that was cut off, which then is settled.

        Such an answer comes before those to later requests, since the other side serves in turn.
        """
        if not self.abandoned or not message or message[0] == "ask":
            return False
        self.abandoned -= 1
        return True

    def _answered(
        self, message: list[Any], blobs: list[bytes], passed: list[Any], sent: list[Any]
    ) -> Any:
        decoder = Decoder(blobs, lambda tag, rest, d: self._resolve(tag, rest, d, passed))
        if message[0] == "error" and len(message) >= 4:
            if len(message) > 4:
                self.show(message[4])
            self.raise_failure(message)
        if message[0] != "ok" or len(message) != 5:
            raise ChannelError("an answer is not in the agreed form")
        _, value, changed, printed, origin = message
        self.show(printed)
        for index, new in changed:
            if type(index) is not int or not 0 <= index < len(passed) or not _mutable(sent[index]):
                raise ChannelError("an answer is not in the agreed form")
            update_in_place(passed[index], decoder.decode(new))
        result = decoder.decode(value)
        if origin is not None:
            self.fetched(result, origin)
        return result

    def fetched(self, value: Any, origin: Any) -> None:
        """Note that `value` is a copy of the other side's object with the number `origin`."""

    def origin_of(self, operation: str, result: Any) -> int | None:
        """Return the number of a mutable object that the other side gets a copy of, or None."""
        return None

    def _resolve(self, tag: str, rest: list[Any], decoder: Decoder, passed: list[Any]) -> Any:
        if tag == "argument":
            if type(rest[0]) is not int or not 0 <= rest[0] < len(passed):
                raise ChannelError("an answer is not in the agreed form")
            return passed[rest[0]]
        return self.resolve(tag, rest, decoder)

    def show(self, text: Any) -> None:
        """Print what the other side printed."""
        if isinstance(text, str) and text:
            sys.stdout.write(text)

    def serve(self, message: list[Any], blobs: list[bytes]) -> None:
        """Do what a request asks for and answer it."""
        encoder = Encoder(self.refer)
        try:
            answer = self._perform(message, blobs, encoder)
        except ChannelError as error:
            answer, encoder = self.failure(error), Encoder(self.refer)
        except OutOfTimeError:
            # The other side waits for its answer, also when the test does not any more.
            send_frame(self.channel, self.failure(TimeoutError("time is up")), [])
            raise
        except BaseException as error:  # noqa: BLE001  (it crosses, whatever it is)
            answer, encoder = [*self.failure(error), self.printed()], Encoder(self.refer)
        try:
            send_frame(self.channel, answer, encoder.blobs)
        except ChannelError as error:
            send_frame(self.channel, self.failure(error), [])

    def _perform(self, message: list[Any], blobs: list[bytes], encoder: Encoder) -> list[Any]:
        if len(message) != 5:
            raise ChannelError("a request is not in the agreed form")
        decoder = Decoder(blobs, self.resolve)
        _, operation, target, args, kwargs = message
        decoded = [decoder.decode(value) for value in args]
        named = {str(name): decoder.decode(value) for name, value in kwargs}
        before = [*args, *(value for _, value in kwargs)]
        result = self.perform(operation, decoder.decode(target), decoded, named)
        passed = [*decoded, *named.values()]
        changed = []
        for index, (sent, value) in enumerate(zip(before, passed, strict=True)):
            if _mutable(sent):
                mark = len(encoder.blobs)
                now = encoder.encode(value)
                if _same(sent, now, blobs, encoder.blobs):
                    del encoder.blobs[mark:]
                else:
                    changed.append([index, now])
                encoder.aliases[id(value)] = ["argument", index]
        value, origin = encoder.encode(result), None
        if _mutable(value):
            origin = self.origin_of(operation, result)
        return ["ok", value, changed, self.printed(), origin]


@contextlib.contextmanager
def no_interrupt() -> Iterator[None]:
    """Put an interrupt off until the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def known_class(name: str, modules: tuple[str, ...]) -> type | None:
    """Return the class that "module:Name" names when its module is one of `modules`, else None.

    A module also counts when it lies below one of `modules`.
    """
    module_name, _, qualname = name.partition(":")
    if module_name == "builtins":
        found = getattr(builtins, qualname, None)
        return found if isinstance(found, type) else None
    if not any(module_name == top or module_name.startswith(f"{top}.") for top in modules):
        return None
    try:
        found = importlib.import_module(module_name)
    except ImportError:
        return None
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and found.__module__ == module_name else None


def _mutable(encoded: Any) -> bool:
    """Tell whether what was encoded crossed as a copy of an object that can change."""
    return isinstance(encoded, list) and encoded[0] in MUTABLE


def _same(sent: Any, now: Any, sent_blobs: list[bytes], now_blobs: list[bytes]) -> bool:
    """Tell whether two encodings are of equal values, wherever their bytes lie."""
    if not isinstance(sent, list) or not isinstance(now, list):
        return type(sent) is type(now) and sent == now
    if len(sent) != len(now):
        return False
    if sent and sent[0] in ("array", "scalar", "bytes", "bytearray"):
        if sent[:-1] != now[:-1]:
            return False
        return sent_blobs[sent[-1]] == now_blobs[now[-1]]
    return all(_same(a, b, sent_blobs, now_blobs) for a, b in zip(sent, now, strict=True))
