"""How results look in a terminal; colour and bars only where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tito.course import Chapter
from tito.doctor import Finding
from tito.progress import Line
from tito.running import GRADER_CELL_SECONDS, Run
from tito.running import Progress as Report
from tito.submitting import Check

SIDE_BY_SIDE = 3
MARKS = {"ok": ("ok", "green"), "missing": ("missing", "red"), "optional": ("not there", "yellow")}


def console() -> Console:
    return Console(highlight=False)


@contextmanager
def progress(title: str, quiet: bool) -> Iterator[Report]:
    """Show a bar on the error stream while work goes on; nothing where that is no terminal."""
    errors = Console(stderr=True)
    if quiet or not errors.is_terminal:
        yield lambda done, of: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def run(chapter: Chapter, found: Run, saved: str = "") -> None:
    """Print one line a test: passed or what was wrong, and its points; then what was tested."""
    out = console()
    table = Table(title=Text(chapter.title), title_justify="left", show_edge=False)
    table.add_column("test", overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("", overflow="fold")
    for result in found.results:
        said = Text("passed", "green") if result.passed else Text(result.problem, "red")
        table.add_row(Text(result.test), f"{result.points:g}", said)
    out.print(table)
    for where, problem in found.failures.items():
        if problem != "NotImplementedError":
            out.print(Text(f"the cell '{where}' failed: {problem}", "red"))
    out.print(
        f"{found.earned:g} of {found.possible:g} points on visible tests, in {found.seconds:.1f} s"
    )
    _line(saved)


def saved(path: Path) -> str:
    """Say which notebook it is and when it was saved: what is not saved yet is not in the file."""
    at = datetime.fromtimestamp(path.stat().st_mtime)
    return f"notebook: {path}, saved {at:%Y-%m-%d %H:%M:%S}"


def problems(found: list[str]) -> None:
    for problem in found:
        console().print(Text(problem, "yellow"))


def _line(text: str) -> None:
    """Print a line as it is: a path that was broken in two could not be copied."""
    if text:
        console().print(Text(text), soft_wrap=True)


def findings(found: list[Finding]) -> None:
    table = Table(show_edge=False)
    for name in ("what", "", "found", "what to type"):
        table.add_column(name, overflow="fold")
    for finding in found:
        word, colour = MARKS[finding.state]
        table.add_row(
            Text(finding.what), Text(word, colour), Text(finding.found), Text(finding.cure)
        )
    console().print(table)


def chapters(found: list[Chapter]) -> None:
    table = Table(show_edge=False)
    table.add_column("chapter", overflow="fold")
    table.add_column("hours", justify="right")
    table.add_column("points", justify="right")
    table.add_column("state")
    for chapter in found:
        low, high = (f"{minutes / 60:g}" for minutes in chapter.minutes)
        state = "released" if chapter.released else "later"
        points = f"{chapter.points:g} + {chapter.manual_points:g}"
        table.add_row(Text(chapter.title), f"{low} to {high}", points, state)
    console().print(table)


def status(found: list[Line], workspace: str | None, backups: str) -> None:
    table = Table(show_edge=False)
    for name in ("chapter", "stage", "import gives"):
        table.add_column(name, overflow="fold")
    for line in found:
        table.add_row(Text(line.chapter), line.stage, line.uses)
    console().print(table)
    _line(f"notebooks: {workspace or 'none yet; tito progress says how to begin'}")
    _line(f"backups:   {backups}")


def progress_table(found: list[Line], step: str) -> None:
    table = Table(show_edge=False)
    table.add_column("chapter", overflow="fold")
    table.add_column("tasks", justify="right")
    table.add_column("points", justify="right")
    table.add_column("stage")
    for line in found:
        points = "" if line.points is None else f"{line.points:g} / {line.possible:g}"
        tasks = "" if line.stage == "closed" else f"{line.tasks_written} / {line.tasks}"
        table.add_row(Text(line.title), tasks, points, line.stage)
    console().print(table)
    _line(f"next: {step}")


def checked(chapter: Chapter, path: Path, found: Check) -> None:
    """Print what a grader would see of a notebook."""
    run(chapter, found.run, saved(path))
    problems(found.problems)
    problems(
        [
            f"the cell '{where}' took {seconds:g} s; the grader stops a cell after "
            f"{GRADER_CELL_SECONDS} s"
            for where, seconds in found.run.slow.items()
        ]
    )
    if path.name != f"{chapter.name}.ipynb":
        problems([f"{path.name} will be handed in as {chapter.name}.ipynb"])


def submissions(rows: list[dict[str, Any]]) -> None:
    """Print a column a submission and a row a figure; as many side by side as can be read."""
    for few in _batches(rows, SIDE_BY_SIDE):
        table = Table(show_edge=False)
        table.add_column("", no_wrap=True)
        for row in few:
            table.add_column(Text(_figure(row["file"])), justify="right", overflow="fold")
        for key in list(rows[0])[1:]:
            table.add_row(key, *(Text(_figure(row[key])) for row in few))
        console().print(table)


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_figure(part) for part in value)
    # Somebody else wrote the file, and a terminal obeys what it is sent.
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _batches(rows: list[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
