"""A class at a glance: every submission with its points and what went wrong."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from rich.console import Console
from rich.table import Table

from autograder.course import CourseError
from autograder.grading.record import read_record


@dataclass(frozen=True)
class Row:
    """One submission; `points` is None when it could not be graded."""

    student: str
    points: float | None
    automatic: float
    manual: float
    to_read: int
    problems: tuple[str, ...]
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def rows(course_dir: Path, chapter: str) -> list[Row]:
    """Return a row for each folder under `submitted` that holds the chapter.

    Raises CourseError when the gradebook does not know the chapter.
    """
    database = course_dir / "gradebook.db"
    if not database.is_file():
        raise CourseError(f"there is no {database}; run 'nbgrader generate_assignment {chapter}'")
    folders = sorted((course_dir / "submitted").glob(f"*/{chapter}"))
    with Gradebook(f"sqlite:///{database}") as gradebook:
        try:
            notebooks = gradebook.find_assignment(chapter).notebooks
        except MissingEntry as error:
            raise CourseError(
                f"the gradebook has no {chapter!r}; run 'nbgrader generate_assignment {chapter}'"
            ) from error
        automatic = sum(cell.max_score for book in notebooks for cell in book.grade_cells)
        manual = sum(cell.max_score for book in notebooks for cell in book.task_cells)
        return [_row(course_dir, gradebook, folder, automatic, manual) for folder in folders]


def _row(
    course_dir: Path, gradebook: Gradebook, folder: Path, automatic: float, manual: float
) -> Row:
    student, chapter = folder.parent.name, folder.name
    record = read_record(course_dir / "autograded" / student / chapter)
    if record is None:
        reason = "no notebook was handed in"
        if any(folder.glob("*.ipynb")):
            reason = "not graded; run 'nbgrader autograde' and read its log"
        return Row(student, None, automatic, manual, 0, (reason,), None)
    submission = gradebook.find_submission(chapter, student)
    grades = [grade for book in submission.notebooks for grade in book.grades]
    return Row(
        student=student,
        points=sum(grade.score for grade in grades),
        automatic=automatic,
        manual=manual,
        to_read=sum(grade.needs_manual_grade for grade in grades),
        problems=tuple(record.problems),
        seconds=record.seconds,
    )


def print_rows(chapter: str, found: list[Row], console: Console | None = None) -> None:
    """Print the rows as a table."""
    console = console or Console()
    table = Table(title=chapter, title_justify="left")
    table.add_column("student")
    table.add_column("points", justify="right")
    table.add_column("to read", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("what went wrong", overflow="fold")
    for row in found:
        points = "none" if row.points is None else f"{row.points:g} / {row.automatic:g}"
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(row.student, points, str(row.to_read), seconds, "; ".join(row.problems))
    console.print(table)
    if found:
        console.print(
            f"points: by tests, of {found[0].automatic:g}; {found[0].manual:g} more are given by "
            "hand in the formgrader"
        )
