"""Messages over a stream socket: a JSON text and any number of byte strings, within limits.

A frame is a header of two numbers (bytes of JSON, count of byte strings), the length of each
byte string, the JSON and the byte strings; numbers are 4 bytes, network order.
"""

import json
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

MAX_JSON = 32 * 2**20
MAX_BLOBS = 10_000
MAX_BYTES = 512 * 2**20
LARGE = 2**16


class ChannelError(RuntimeError):
    """What came over the channel is not what was agreed, or the channel is closed."""


class OutOfTimeError(BaseException):
    """The time of a test is up; no `except Exception` of a test may hide it."""


class ChannelClosedError(ChannelError):
    """The other side has ended."""


def send_frame(channel: socket.socket, message: Any, blobs: Sequence[bytes | memoryview]) -> None:
    """Send one frame; large byte strings are not copied for it.

    Raises ChannelError when it is larger than the other side would take, ChannelClosedError
    when that has ended.
    """
    text = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    size = len(text) + sum(map(len, blobs))
    if len(text) > MAX_JSON or len(blobs) > MAX_BLOBS or size > MAX_BYTES:
        raise ChannelError("a value is too large to be passed between a test and the notebook")
    head = struct.pack(f"!{2 + len(blobs)}I", len(text), len(blobs), *map(len, blobs))
    parts: list[bytes | memoryview] = [head, text]
    try:
        for blob in blobs:
            if len(blob) < LARGE:
                parts.append(blob)
            else:
                channel.sendall(b"".join(parts))
                channel.sendall(blob)
                parts = []
        channel.sendall(b"".join(parts))
    except OSError as error:
        raise ChannelClosedError("the other side has ended") from error


class FrameReader:
    """Receives frames; one that is cut short by a time limit is taken up again by the next call."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.deadline: float | None = None
        self._buffer = bytearray()

    def receive(self) -> tuple[Any, list[bytes]]:
        """Return the next frame's JSON and byte strings.

        Raises ChannelError for one that is too large or no JSON, ChannelClosedError at the end,
        OutOfTimeError when `deadline` (of `time.monotonic`) passes.
        """
        self._fill(8)
        size, count = struct.unpack_from("!2I", self._buffer)
        if size > MAX_JSON or count > MAX_BLOBS:
            raise ChannelError("a message is larger than agreed")
        start = 8 + 4 * count
        self._fill(start)
        lengths = struct.unpack_from(f"!{count}I", self._buffer, 8)
        if size + sum(lengths) > MAX_BYTES:
            raise ChannelError("a message is larger than agreed")
        self._fill(start + size + sum(lengths))
        text, end = bytes(self._buffer[start : start + size]), start + size
        blobs = []
        for length in lengths:
            blobs.append(bytes(self._buffer[end : end + length]))
            end += length
        del self._buffer[:end]
        try:
            return json.loads(text), blobs
        except (ValueError, RecursionError) as error:
            raise ChannelError("a message is not the JSON that was agreed") from error

    def waiting(self) -> bool:
        """Tell whether a part of a frame is there to be read."""
        return bool(self._buffer) or self._readable(0)

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            if self.deadline is not None:
                left = self.deadline - time.monotonic()
                if left <= 0 or not self._readable(left):
                    raise OutOfTimeError
            try:
                part = self.channel.recv(min(max(size - len(self._buffer), 2**16), 2**22))
            except OSError as error:
                raise ChannelClosedError("the other side has ended") from error
            if not part:
                raise ChannelClosedError("the other side has ended")
            self._buffer += part

    def _readable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        return bool(poll.poll(1000 * seconds))
