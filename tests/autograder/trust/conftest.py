"""A student's kernel, honest or lying, and the checker that talks to it."""

import faulthandler
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from autograder.trust.checker import Checker
from autograder.trust.frames import send_frame
from autograder.trust.session import Session
from autograder.trust.shared import Shared
from autograder.trust.student_side import StudentSide

GIB = 2**30


class Judge:
    """A checker beside a process that has run a student's cells."""

    def __init__(self, cells: str, packages: Any = (), withheld: Any = (), given: Any = ()) -> None:
        shared = Shared(tuple(packages), tuple(withheld), tuple(given))
        here, there = socket.socketpair()
        self.process = os.fork()
        if self.process == 0:
            here.close()
            be_student(there, cells, shared)
        there.close()
        os.setpgid(self.process, self.process)
        self.channel = here
        self.checker = Checker(Session(here, shared))

    def test(
        self, source: str, seconds: float = 10, owned: Any = (), dropped: Any = ()
    ) -> dict[str, Any]:
        """Return the verdict on a test cell, its hidden part included."""
        verdict = self.begin(source, seconds, owned, dropped)
        return self.finish(verdict, seconds)

    def begin(
        self, source: str, seconds: float = 10, owned: Any = (), dropped: Any = ()
    ) -> dict[str, Any]:
        """Return the verdict on the visible part of a test cell."""
        order = {"do": "test", "source": source, "seconds": seconds, "owned": list(owned)}
        return self.checker.obey(order | {"dropped": list(dropped)})

    def finish(self, verdict: dict[str, Any], seconds: float = 10) -> dict[str, Any]:
        """Return the verdict after the hidden part that was put off, if there is one."""
        if not verdict["passed"] or verdict.get("place") is None:
            return verdict
        return self.checker.obey(
            {"do": "finish", "place": verdict["place"], "seconds": seconds, "sources": []}
        )

    def forget(self) -> None:
        """Drop the names that earlier tests have defined."""
        for name in [name for name in self.checker.names if not name.startswith("__")]:
            del self.checker.names[name]

    def passes(self, source: str, **settings: Any) -> bool:
        verdict = self.test(source, **settings)
        return bool(verdict["passed"])

    def says(self, source: str, **settings: Any) -> str:
        """Return the class and the words of a test's failure."""
        verdict = self.test(source, **settings)
        assert not verdict["passed"], "the test passed"
        return f"{verdict['ename']}: {verdict['evalue']}"

    def close(self) -> None:
        for hidden in self.checker.hidden:
            if hidden.orders.fileno() >= 0:
                os.kill(hidden.process, signal.SIGKILL)
                os.waitpid(hidden.process, 0)
                hidden.orders.close()
        self.channel.close()
        os.killpg(self.process, signal.SIGKILL)  # its copies too
        os.waitpid(self.process, 0)


def be_student(channel: socket.socket, cells: str, shared: Shared) -> None:
    """Run the student's cells and serve the channel, in a process of its own."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (4 * GIB, 4 * GIB))
        os.setpgid(0, 0)
        faulthandler.disable()
        warnings.simplefilter("default")
        names = {"__name__": "__main__"}
        side = StudentSide(channel, names, shared)
        names["_channel"] = side  # what a hostile student finds by the garbage collector
        exec(compile(cells, "<student>", "exec"), names)
        side.serve_until_closed()
    finally:
        os._exit(0)


def judges() -> Iterator[Callable[..., Judge]]:
    """Yield a function that starts a student's process from the text of its cells."""
    main, before = sys.modules["__main__"], signal.getsignal(signal.SIGALRM)
    with ExitStack() as stack:

        def start(cells: str, **settings: Any) -> Judge:
            made = Judge(cells, **settings)
            stack.callback(made.close)
            return made

        yield start
    sys.modules["__main__"] = main
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def judge() -> Iterator[Callable[..., Judge]]:
    """Return a function that starts a student's process from the text of its cells."""
    yield from judges()


@pytest.fixture(scope="module")
def judge_of_all() -> Iterator[Callable[..., Judge]]:
    """Return the same for a module whose tests leave nothing behind."""
    yield from judges()


@pytest.fixture
def answered() -> Iterator[Callable[..., Session]]:
    """Return a function that makes a session whose next questions have the given answers."""
    with ExitStack() as stack:

        def make(*answers: Any, shared: Shared | None = None) -> Session:
            here, there = map(stack.enter_context, socket.socketpair())
            for answer in answers:
                message, blobs = answer if isinstance(answer, tuple) else (answer, [])
                send_frame(there, message, blobs)
            session = Session(here, shared)
            session.reader.deadline = None
            there.shutdown(socket.SHUT_WR)
            return session

        yield make
