"""Worker processes, one of which may be ended at no cost to what the others do."""

import contextlib
import os
import signal
from collections import Counter, deque
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from autograder.course import CourseError
from autograder.grading.job import GradingStoppedError, Job
from autograder.kernels import linux
from autograder.startup import skip_slow_grammar

TRIES = 2


class Worker:
    """A process that runs submissions in the order in which it is given them."""

    def __init__(self, job: Job) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (job, theirs, os.getpid())
        self.process: BaseProcess = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.given: deque[str] = deque()

    def give(self, student: str) -> None:
        """Let it run a submission after those it has."""
        self.given.append(student)
        with contextlib.suppress(OSError):  # it has ended, which `finished` finds
            self.pipe.send(student)

    def finished(self) -> str | None:
        """Return the student whose submission was run, or None when the process has ended.

        Raises what the worker raised.
        """
        try:
            error = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if error is not None:
            raise error
        return self.given.popleft()

    def end(self) -> None:
        """End the process, and with it every kernel that it started."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run_all(job: Job, students: list[str], count: int) -> Iterator[tuple[str, str | None]]:
    """Run submissions in `count` processes; yield each student, with a problem or None.

    A submission whose process is ended is tried again, in a new one.
    """
    waiting = deque(students)
    ended: Counter[str] = Counter()
    workers = [Worker(job) for _ in range(min(count, len(students)))]
    try:
        while waiting or any(worker.given for worker in workers):
            hand_out(waiting, workers)
            ready = wait([worker.pipe for worker in workers if worker.given])
            for place, worker in enumerate(workers):
                if worker.pipe not in ready:
                    continue
                student = worker.finished()
                if student is not None:
                    yield student, None
                    continue
                workers[place] = Worker(job)
                worker.end()
                student = worker.given.popleft()
                waiting.extendleft(reversed(worker.given))
                ended[student] += 1
                if ended[student] < TRIES:
                    waiting.appendleft(student)
                else:
                    yield student, "the process that ran it was ended, twice; see the system log"
    finally:
        for worker in workers:
            worker.end()


def hand_out(waiting: deque[str], workers: list[Worker]) -> None:
    """Give idle workers work, and while there is plenty, each the next one too."""
    for held in (0, 1):
        for worker in workers:
            enough = waiting if held == 0 else len(waiting) > len(workers)
            if enough and len(worker.given) == held:
                worker.give(waiting.popleft())


def work(job: Job, orders: Connection, parent: int) -> None:
    """Run the submissions that come over the pipe until it is closed."""
    linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return  # it ended before it could be told to take this process along
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process when it stops
    skip_slow_grammar()
    from autograder.grading.worker import execute

    with contextlib.suppress(EOFError, OSError):
        while True:
            student, error = orders.recv(), None
            try:
                execute(job, student)
            except (GradingStoppedError, CourseError) as stop:
                error = stop
            orders.send(error)
