"""Grade a class: run submissions side by side, and record them one after the other.

Running fills a folder of results, which needs no gradebook.
Recording is nbgrader's own `autograde`, which finds the result there and runs nothing, so the
gradebook is the one that `nbgrader autograde` alone would have written.
Whatever is interrupted, the next call takes up: a submission counts as graded when its record
says so, and that is written last.
"""

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.course import Course, CourseError
from autograder.grading.executions import grader_digest, tree_digest
from autograder.grading.gradebooks import assignment_digest, extensions, notebook_names
from autograder.grading.handed_in import adopt_renamed, digest_of
from autograder.grading.job import GradingStoppedError, Job
from autograder.grading.record import mark_complete, read_record

CONFIG_FILES = ("nbgrader_config.py", "nbgrader_config.json", "jupyter_config.py",
                "jupyter_config.json")  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Which students have to be graded, and what their submissions are called by content."""

    prints: dict[str, str]
    to_grade: list[str]


def plan(course: Course, job: Job, students: tuple[str, ...] = (), again: bool = False) -> Plan:
    """Return what has to be done; a submission that has not changed since is left alone.

    With `students` only theirs count, with `again` also what has not changed.
    Raises CourseError when there is no gradebook, assignment or submission.
    """
    shared = _print_of_all(course, job)
    names = notebook_names(job.course_dir, job.assignment)
    known = extensions(job.course_dir, job.assignment)
    prints, to_grade = {}, []
    for student in job.students():
        folder = job.submitted(student)
        if not any(folder.glob("*.ipynb")) or (students and student not in students):
            continue
        adopt_renamed(folder, names)
        what = f"{shared}\0{known.get(student)}\0{digest_of(_files(folder))}"
        prints[student] = hashlib.sha256(what.encode()).hexdigest()
        if again or student not in known or not _is_done(job, student, prints[student]):
            to_grade.append(student)
    missing = [student for student in students if student not in prints]
    if missing:
        raise CourseError(f"{missing[0]!r} has handed in no notebook for {job.assignment}")
    if not prints:
        raise CourseError(
            f"no notebook was found under {job.course_dir}/submitted/*/{job.assignment}"
        )
    return Plan(prints, to_grade)


def grade(
    job: Job,
    todo: Plan,
    workers: int = 1,
    scheduler: str | None = None,
    again: bool = False,
    done: Callable[[str, str | None], None] = lambda student, error: None,
) -> dict[str, str]:
    """Grade the submissions of a plan; return the students who could not be, with the reason.

    `done` is called after each with its name and that reason or None.
    Raises GradingStoppedError for what lies in no submission; those graded before stay so.
    """
    failed: dict[str, str] = {}
    if not todo.to_grade:
        return failed
    from autograder.grading.recorder import Recorder

    with _alone(job):
        if again:
            for student in todo.to_grade:
                shutil.rmtree(job.executions / student, ignore_errors=True)
        recorder = Recorder(job)
        for student, problem in _executed(job, todo.to_grade, workers, scheduler):
            error = problem or recorder.record(student)
            if error is None:
                mark_complete(job.autograded(student), todo.prints[student])
            else:
                failed[student] = error
            done(student, error)
    return failed


def _executed(
    job: Job, students: list[str], workers: int, scheduler: str | None
) -> Iterator[tuple[str, str | None]]:
    """Run the submissions and yield each when its result is in the folder."""
    if scheduler is not None:
        from autograder.grading.cluster import run_on_cluster

        return run_on_cluster(job, students, scheduler)
    if workers == 1 or len(students) == 1:
        return ((student, None) for student in students)  # recording runs it, in this process
    from autograder.grading.workers import run_all

    return run_all(job, students, workers)


@contextlib.contextmanager
def _alone(job: Job) -> Iterator[None]:
    """See that no other call grades the same assignment; the lock ends with this process."""
    job.executions.mkdir(parents=True, exist_ok=True)
    with (job.executions / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GradingStoppedError(
                f"{job.assignment} is being graded already, by another 'autograder grade'"
            ) from None
        yield


def _is_done(job: Job, student: str, what: str) -> bool:
    folder = job.autograded(student)
    record = read_record(folder)
    return record is not None and record.complete == what and any(folder.glob("*.ipynb"))


def _print_of_all(course: Course, job: Job) -> str:
    """Return a hash of what decides every grade: tests, libraries, files given, settings."""
    from jupyter_core.paths import jupyter_config_path

    parts = [grader_digest(), assignment_digest(job.course_dir, job.assignment)]
    library = course.student_library(job.assignment)
    parts += [tree_digest(folder) for folder in (library, course.library) if folder.is_dir()]
    places = [course.root, job.course_dir, *map(Path, jupyter_config_path())]
    settings = [place / name for place in places for name in CONFIG_FILES]
    parts.append(digest_of({str(path): path for path in settings if path.is_file()}))
    parts.append(digest_of(_files(job.course_dir / "source" / job.assignment)))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _files(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by their path there."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if ".ipynb_checkpoints" not in path.parts and (path.is_file() or path.is_symlink())
    }
