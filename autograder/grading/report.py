"""A class at a glance: every submission with its points and what went wrong."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.grading.gradebooks import Scores, scores
from autograder.grading.job import Job
from autograder.grading.record import read_record


@dataclass(frozen=True)
class Row:
    """One submission; `points` is None when it could not be graded.

    `points` are for tests, of `automatic`; `by_hand` what a person gave, of `manual`.
    """

    student: str
    points: float | None
    automatic: float
    by_hand: float
    manual: float
    to_read: int
    problems: tuple[str, ...]
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def rows(course_dir: Path, chapter: str, failed: dict[str, str] | None = None) -> list[Row]:
    """Return a row for each folder under `submitted` that holds the chapter.

    `failed` are students who could not be graded, with the reason.

    Raises CourseError when the gradebook does not know the chapter.
    """
    known, automatic, manual = scores(course_dir, chapter)
    job = Job(course_dir, course_dir, chapter)
    found = []
    for student in job.students():
        record = read_record(job.autograded(student))
        got = known.get(student)
        reason = (failed or {}).get(student)
        if reason is None and not any(job.submitted(student).glob("*.ipynb")):
            reason = "no notebook was handed in"
        elif reason is None and (record is None or got is None):
            reason = "not graded; run 'autograder grade' or 'nbgrader autograde'"
        if reason is not None or record is None or got is None:
            row = Row(student, None, automatic, 0.0, manual, 0, (reason or "",), None)
        else:
            problems = (*record.problems, *lateness(got))
            row = Row(student, got.points, automatic, got.by_hand, manual, got.to_read, problems,
                      round(record.seconds, 3))  # fmt: skip
        found.append(row)
    return found


def lateness(got: Scores) -> list[str]:
    """Return what being late costs, as a sentence, or nothing."""
    return [f"handed in late: {got.penalty:g} points are taken off"] if got.penalty else []


def print_rows(chapter: str, found: list[Row], console: Console | None = None) -> None:
    """Print the rows as a table."""
    console = console or Console()
    table = Table(title=Text(chapter), title_justify="left")
    table.add_column("student", overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("by hand", justify="right")
    table.add_column("to read", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("what went wrong", overflow="fold")
    for row in found:
        points = "none" if row.points is None else f"{row.points:g} / {row.automatic:g}"
        by_hand = f"{row.by_hand:g} / {row.manual:g}" if row.manual else ""
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        cells = (row.student, points, by_hand, str(row.to_read), seconds, "; ".join(row.problems))
        table.add_row(*map(Text, cells))  # as text, since a name or a cell may hold brackets
    console.print(table)
