"""What a student has done, and what to type next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tito.course import Chapter, Course
from tito.errors import TitoError
from tito.notebook import STUB, read_notebook
from tito.state import REFERENCE, State
from tito.workspace import notebook_path


@dataclass(frozen=True)
class Line:
    """How far a chapter is: `stage` is "closed", "new", "started", "written" or "complete"."""

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
    written, stage = 0, "closed"
    if chapter.released:
        try:
            mine = read_notebook(notebook_path(state, chapter))
            cells = [mine.cell(task) for task in chapter.tasks]
            written = sum(cell is not None and STUB not in cell["source"] for cell in cells)
            stage = "written" if written == len(chapter.tasks) else "started"
        except TitoError:
            stage = "new"
        if chapter.name in state.completed:
            stage = "complete"
    last = state.results.get(chapter.name)
    return Line(
        chapter=chapter.name,
        number=chapter.number,
        title=chapter.title,
        stage=stage,
        tasks_written=written,
        tasks=len(chapter.tasks),
        points=last["earned"] if last else None,
        possible=chapter.points,
        uses=state.uses.get(chapter.name, REFERENCE),
    )
