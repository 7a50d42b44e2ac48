"""What a student has done, and what to type next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tito.course import Chapter, Course
from tito.errors import TitoError
from tito.notebook import STUB, Notebook, read_notebook
from tito.state import REFERENCE, State
from tito.workspace import NoNotebookError, notebook_path


@dataclass(frozen=True)
class Line:
    """How far a chapter is.

    ``stage`` is "closed", "new", "unreadable", "started", "written" or "complete".
    ``points`` are those of the last test run, and None where the code has changed since.
    """

    chapter: str
    number: int
    title: str
    stage: str
    tasks_written: int
    tasks: int
    points: float | None
    possible: float
    uses: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def lines(course: Course, state: State) -> list[Line]:
    """Return a line for every chapter."""
    return [_line(chapter, state) for chapter in course.chapters]


def next_step(found: list[Line]) -> str:
    """Return the command that takes the student on, with its reason."""
    for line in found:
        number = line.number
        if line.stage == "unreadable":
            return f"your notebook of chapter {number} cannot be read; see why: tito test {number}"
        if line.stage == "started":
            return f"write the next task, then: tito test {number}"
        if line.stage == "written" and line.points != line.possible:
            return f"all tasks are written; see what the tests say: tito test {number}"
        if line.stage == "written":
            return f"all visible tests pass: tito module complete {number}"
        if line.stage == "new":
            return f"begin: tito module start {number}"
    if any(line.stage == "closed" for line in found):
        return "all that is released is done; wait for the next release"
    return "everything is done; hand in what you have not: tito submit N"


def _line(chapter: Chapter, state: State) -> Line:
    written, points, stage = 0, None, "closed"
    if chapter.released:
        try:
            mine = read_notebook(notebook_path(state, chapter))
            cells = [mine.cell(task) for task in chapter.tasks]
            written = sum(cell is not None and STUB not in cell["source"] for cell in cells)
            points = _points(state, chapter, mine)
            done = written == len(chapter.tasks) or points == chapter.points
            stage = "written" if done else "started"
        except NoNotebookError:
            stage = "new"
        except TitoError:
            stage = "unreadable"
        if chapter.name in state.completed:
            stage = "complete"
    return Line(
        chapter=chapter.name,
        number=chapter.number,
        title=chapter.title,
        stage=stage,
        tasks_written=written,
        tasks=len(chapter.tasks),
        points=points,
        possible=chapter.points,
        uses=state.uses.get(chapter.name, REFERENCE),
    )


def _points(state: State, chapter: Chapter, mine: Notebook) -> float | None:
    """Return what the last test run gave, if it was one of this code."""
    last = state.results.get(chapter.name, {})
    earned: float | None = last.get("earned")
    return earned if last.get("digest") == mine.digest() else None
