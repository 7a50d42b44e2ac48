"""Worker processes hand results back one by one; one that is ended costs nobody else anything."""

import os
import signal
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest

from autograder.course import CourseError
from autograder.grading import workers
from autograder.grading.job import GradingStoppedError, Job
from autograder.grading.workers import run_all

pytestmark = [pytest.mark.slow]


class Scripted:
    """A worker without a process: ends, or raises, for the students that it is told to."""

    deaths: ClassVar[Counter[str]] = Counter()
    ran: ClassVar[list[str]] = []
    stops = ""

    def __init__(self, job):
        self.given = workers.deque()
        self.pipe, self._theirs = os.pipe()
        os.write(self._theirs, b"always ready")

    def give(self, student):
        self.given.append(student)

    def finished(self):
        student = self.given[0]
        if self.deaths[student] > 0:
            self.deaths[student] -= 1
            return None
        if student == self.stops:
            raise GradingStoppedError("the disk is full")
        self.ran.append(student)
        return self.given.popleft()

    def end(self):
        os.close(self.pipe)
        os.close(self._theirs)


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(workers, "Worker", Scripted)
    monkeypatch.setattr(Scripted, "deaths", Counter())
    monkeypatch.setattr(Scripted, "ran", [])
    return Scripted


JOB = Job(Path("/nowhere"), Path("/nowhere"), "ps1")
STUDENTS = [f"s{number}" for number in range(9)]


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_everybody_comes_once(scripted, count):
    found = dict(run_all(JOB, STUDENTS, count))
    assert found == dict.fromkeys(STUDENTS)
    assert sorted(scripted.ran) == STUDENTS


@pytest.mark.parametrize("count", [1, 2, 4])
def test_who_was_running_when_a_worker_ended_is_tried_again(scripted, count):
    scripted.deaths.update({"s0": 1, "s5": 1})
    assert dict(run_all(JOB, STUDENTS, count)) == dict.fromkeys(STUDENTS)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_who_ends_two_workers_has_a_reason_and_the_others_are_run(scripted, count):
    scripted.deaths.update({"s3": 99})
    found = dict(run_all(JOB, STUDENTS, count))
    assert "was ended, twice" in found.pop("s3")
    assert found == dict.fromkeys(name for name in STUDENTS if name != "s3")
    assert scripted.deaths["s3"] == 97


def test_what_stops_everything_is_raised(scripted, monkeypatch):
    monkeypatch.setattr(scripted, "stops", "s4")
    with pytest.raises(GradingStoppedError, match="the disk is full"):
        list(run_all(JOB, STUDENTS, 2))


def test_real_processes_pass_on_what_stops_them_and_end(tmp_path):
    """There is no course, so nbgrader's configuration lacks the sandbox."""
    job = Job(tmp_path, tmp_path, "ps1")
    for name in ("ada", "bela"):
        job.submitted(name).mkdir(parents=True)
    with pytest.raises(CourseError, match="does not plug in the sandbox"):
        list(run_all(job, ["ada", "bela"], 2))


def test_a_real_process_that_is_killed_is_seen(tmp_path):
    worker = workers.Worker(Job(tmp_path, tmp_path, "ps1"))
    worker.give("ada")
    os.kill(worker.process.pid, signal.SIGKILL)
    assert worker.finished() is None
    worker.give("bela")
    worker.end()
    assert worker.process.exitcode == -signal.SIGKILL
