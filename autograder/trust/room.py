"""Runs one function of the notebook where there is room for little more than its array.

How much memory code holds cannot be told by a meter in its own process, which the code may change,
nor be read from outside, where what it took beforehand does not show.
So the function runs once more, alone: in a process that has run nothing of the notebook's, whose
address space the operating system bounds before the first statement of the notebook's.
`run` is that process, `Room` the checker's way to it.
"""

import ast
import contextlib
import os
import resource
import select
import signal
import socket
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograder.kernels import linux
from autograder.trust.codec import Decoder, Encoder
from autograder.trust.frames import ChannelClosedError, ChannelError, FrameReader, send_frame
from autograder.trust.peer import Peer
from autograder.trust.session import Session, StudentDied
from autograder.trust.source import is_import, needed_for, plain_source

ROOM = "__within__"  # what a test calls, as an attribute of the notebook's module
FILES = 24  # and no more, or much could be held in the buffers of sockets and pipes


class Room:
    """Asks for a function to be run; `sources` are the cells that may define it."""

    def __init__(self, channel: socket.socket, session: Session) -> None:
        self.channel = channel
        self.session = session
        self.sources: list[str] | None = None

    def __call__(self, room: int, name: str, array: np.ndarray, *rest: Any) -> np.ndarray:
        """Return what `array` is after `name(array, *rest, out=array)` of the notebook's.

        There are `room` bytes for all that the function makes, and for what it uses of the
        notebook.
        Raises MemoryError where that was not enough, RuntimeError outside of the hidden part of a
        test, and whatever the function raises.
        """
        if self.sources is None:
            raise RuntimeError(f"{ROOM} can be used in the hidden part of a test only")
        here, there = socket.socketpair()
        with here:
            try:
                with there:
                    socket.send_fds(self.channel, [b"r"], [there.fileno()])
                return self._ask(here, room, name, array, rest)
            except (ChannelClosedError, BrokenPipeError, ConnectionResetError) as error:
                raise StudentDied("the notebook's code ended its own process") from error

    def _ask(
        self, channel: socket.socket, room: int, name: str, array: np.ndarray, rest: Any
    ) -> np.ndarray:
        reader = FrameReader(channel)
        reader.deadline = self.session.reader.deadline
        encoder = Encoder(_refuse)
        order = {"sources": self.sources, "name": name, "room": room}
        order |= {"dtype": array.dtype.str, "shape": list(array.shape)}
        order["rest"] = [encoder.encode(value) for value in rest]
        send_frame(channel, order, encoder.blobs)
        reader.receive()
        if array.size:  # or the other side may be done before anything is sent
            channel.sendall(_bytes_of(np.ascontiguousarray(array)))
        answer, blobs = reader.receive()
        if isinstance(answer, list) and len(answer) == 4:
            self.session.raise_failure(answer)
        if len(blobs) != 1 or len(blobs[0]) != array.nbytes:
            raise ChannelError("an answer is not in the agreed form")
        return np.frombuffer(blobs[0], dtype=array.dtype).reshape(array.shape).copy()


def warm() -> None:
    """Import what notebooks import, so that it takes none of the room."""
    import matplotlib.pyplot  # noqa: F401


def run(request: dict[str, Any], descriptors: list[int]) -> None:
    """Fork a process for every order until the checker closes the connection."""
    linux.set_dumpable(False)  # or one order's code could write into the memory of this process
    orders = socket.socket(fileno=descriptors[0])
    while True:
        data, received, _, _ = socket.recv_fds(orders, 1, 1)
        if not data:
            return
        child = os.fork()
        if child == 0:
            orders.close()
            try:
                _obey(socket.socket(fileno=received[0]))
            finally:
                os._exit(0)
        _wait(child, received[0])


def _wait(child: int, channel: int) -> None:
    """Wait for a process to end, or end it when the checker does not wait any more."""
    pidfd = os.pidfd_open(child)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(channel, 0)
    poll.poll()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(pidfd)
    os.close(channel)


def _obey(channel: socket.socket) -> None:
    order, blobs = FrameReader(channel).receive()
    decoder = Decoder(blobs, _refuse)
    rest = [decoder.decode(value) for value in order["rest"]]
    array = np.empty(order["shape"], order["dtype"])
    statements = _needed(order["name"], order["sources"])
    send_frame(channel, "ready", [])
    _receive(channel, array)
    names: dict[str, Any] = {"__name__": "__main__"}
    _execute((node for node in statements if is_import(node)), names)
    _leave(order["room"])
    _execute((node for node in statements if not is_import(node)), names)
    try:
        names[order["name"]](array, *rest, out=array)
    except BaseException as error:  # noqa: BLE001  (it crosses, whatever it is)
        send_frame(channel, Peer.failure(error), [])
    else:
        send_frame(channel, "done", [_bytes_of(array)])


def _needed(name: str, sources: list[str]) -> list[ast.stmt]:
    statements: list[ast.stmt] = []
    for source in sources:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            tree = ast.parse(plain_source(source))
            compile(tree, "<notebook>", "exec")  # finds what parsing does not
            statements += tree.body
    return needed_for(name, statements)


def _execute(statements: Iterable[ast.stmt], names: dict[str, Any]) -> None:
    for node in statements:
        with contextlib.suppress(Exception):
            exec(compile(ast.Module([node], []), "<notebook>", "exec"), names)


def _leave(room: int) -> None:
    """Leave so many bytes of address space to this process, and no way to hold data elsewhere."""
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    for kind, bound in (
        (resource.RLIMIT_AS, used + room),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, FILES),
    ):
        resource.setrlimit(kind, (bound, bound))


def _receive(channel: socket.socket, array: np.ndarray) -> None:
    """Fill the array where it is: a buffer that is freed later would be room that nobody counts."""
    view = _bytes_of(array)
    while view:
        count = channel.recv_into(view)
        if not count:
            raise ChannelClosedError("the other side has ended")
        view = view[count:]


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _refuse(*value: Any) -> Any:
    raise ChannelError("only plain data can be passed to a function that runs alone")
