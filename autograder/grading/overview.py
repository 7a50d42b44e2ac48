"""The gradebook at a glance: every student's points in every chapter that was handed in."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.grading.report import Row, rows


def overview(course_dir: Path) -> dict[str, list[Row]]:
    """Return the rows of each assignment that somebody handed in, by its name.

    Raises CourseError when the gradebook does not know one of them.
    """
    handed_in = (course_dir / "submitted").glob("*/*")
    names = sorted({path.name for path in handed_in if path.is_dir()})
    return {name: rows(course_dir, name) for name in names}


def to_json(found: dict[str, list[Row]]) -> dict[str, list[dict[str, Any]]]:
    """Return the overview as plain data."""
    return {name: [row.to_dict() for row in there] for name, there in found.items()}


def print_overview(found: dict[str, list[Row]], console: Console | None = None) -> None:
    """Print a row a student and a column an assignment: points of tests and by hand together."""
    console = console or Console()
    table = Table(title=Text("gradebook"), title_justify="left")
    table.add_column("student", overflow="fold")
    for name, there in found.items():
        possible = max((row.automatic + row.manual for row in there), default=0)
        table.add_column(Text(f"{name}\nof {possible:g}"), justify="right", overflow="fold")
    table.add_column("all", justify="right")
    points = {
        (name, row.student): row.points + row.by_hand
        for name, there in found.items()
        for row in there
        if row.points is not None
    }
    for student in sorted({row.student for there in found.values() for row in there}):
        own = [points.get((name, student)) for name in found]
        cells = ["" if value is None else f"{value:g}" for value in own]
        total = sum(value for value in own if value is not None)
        table.add_row(*map(Text, [student, *cells, f"{total:g}"]))
    console.print(table)
    to_read = sum(row.to_read for there in found.values() for row in there)
    console.print(f"answers that a person has still to read: {to_read}")
