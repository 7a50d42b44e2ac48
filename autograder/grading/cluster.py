"""Run submissions on a Dask cluster whose machines share the course's folder."""

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

from autograder.course import CourseError
from autograder.grading.job import GradingStoppedError, Job

ADDRESS = re.compile(r"[a-z]+://.+:\d+")
CONNECT_SECONDS = 10
WAIT_FOR_WORKERS_SECONDS = 60.0
LOOK_SECONDS = 5.0


def run_on_cluster(
    job: Job, students: list[str], scheduler: str
) -> Iterator[tuple[str, str | None]]:
    """Run submissions on the cluster; yield each student, with a problem or None.

    Raises CourseError when there is no such scheduler, GradingStoppedError when its workers are
    gone or do not see the course.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise CourseError(
            "--scheduler needs dask.distributed; run 'pip install distributed'"
        ) from error
    from autograder.grading.worker import execute

    if not ADDRESS.fullmatch(scheduler):
        raise CourseError(f"--scheduler takes an address like tcp://HOST:PORT, found {scheduler!r}")
    silence()
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        raise CourseError(f"there is no Dask scheduler at {scheduler}") from error
    with contextlib.closing(client):
        waiting = {client.submit(execute, job, name, pure=False): name for name in students}
        try:
            while waiting:
                for future in finished(client, list(waiting)):
                    student = waiting.pop(future)
                    yield student, problem_of(future, KilledWorker)
        finally:
            if client.status == "running":
                client.cancel(list(waiting), force=True)


def silence() -> None:
    """Keep Dask from printing what becomes one sentence here."""
    for name in ["distributed", *logging.root.manager.loggerDict]:
        if name.startswith("distributed"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [logging.NullHandler()], False


def finished(client: Any, waiting: list[Any]) -> list[Any]:
    """Return the futures that are done, once there are any.

    Raises GradingStoppedError when there is no worker to wait for.
    """
    from distributed import wait

    seen = time.monotonic()
    while True:
        try:
            with contextlib.suppress(TimeoutError), client.as_current():
                return list(wait(waiting, LOOK_SECONDS, return_when="FIRST_COMPLETED").done)
        except CancelledError as error:
            raise GradingStoppedError("the Dask scheduler ended before the work did") from error
        if client.status != "running":
            raise GradingStoppedError("the Dask scheduler does not answer any more")
        if client.scheduler_info(n_workers=0)["n_workers"]:
            seen = time.monotonic()
        elif time.monotonic() - seen > WAIT_FOR_WORKERS_SECONDS:
            raise GradingStoppedError("the Dask cluster has no workers")


def problem_of(future: Any, killed: type[Exception]) -> str | None:
    """Return why a submission could not be run.

    Raises what would stop the others too.
    """
    if future.status == "cancelled":
        raise GradingStoppedError("the Dask scheduler ended before the work did")
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, killed):
        return "the Dask workers that ran it were ended; see their logs"
    if isinstance(error, GradingStoppedError | CourseError):
        raise error
    raise GradingStoppedError(f"a Dask worker cannot run submissions: {error}") from error
