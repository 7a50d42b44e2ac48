"""What a case hands in, and how a case is written: a function from the release to a submission."""

import copy
import inspect
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import nbformat
from nbformat.notebooknode import NotebookNode

from . import target

COURSE = Path("/home/teacher/course")
SUBMITTED = COURSE / "assignments" / "submitted"
NEIGHBOUR = SUBMITTED / "a_neighbour" / target.ASSIGNMENT
CASES: dict[str, "Case"] = {}


@dataclass(frozen=True)
class Link:
    """A symbolic link to hand in."""

    to: str


@dataclass(frozen=True)
class Pipe:
    """A named pipe to hand in: whoever opens it waits."""


@dataclass(frozen=True)
class Folder:
    """A folder where a file is expected."""


Content = bytes | str | Link | Pipe | Folder
Handed = dict[str, Content]


@dataclass(frozen=True)
class Case:
    """One submission with what it may earn, and what it must not be able to print.

    A hostile one earns `points` at most, an honest one exactly that.
    `forbidden` are words that its code prints only when an attack has worked.
    `chapter` says that it is handed in for a chapter of this course instead of `target`, `again`
    that a second student hands in the same, who may find what the first has left.
    """

    name: str
    family: str
    about: str
    kind: Literal["hostile", "honest"]
    points: float
    forbidden: tuple[str, ...]
    chapter: bool
    again: bool
    hand_in: Callable[["Book"], Any] = field(repr=False)


def hostile(
    points: float = 0.0,
    *,
    forbidden: tuple[str, ...] = (),
    chapter: bool = False,
    again: bool = False,
) -> Callable[[Callable[["Book"], Any]], Callable[["Book"], Any]]:
    """Make a function a hostile case that may earn `points` at most."""
    return _case("hostile", points, forbidden=forbidden, chapter=chapter, again=again)


def honest(
    points: float = target.FULL,
) -> Callable[[Callable[["Book"], Any]], Callable[["Book"], Any]]:
    """Make a function an honest case that must earn `points` exactly."""
    return _case("honest", points, forbidden=(), chapter=False, again=False)


def _case(kind: Any, points: float, **rest: Any) -> Any:
    def keep(function: Callable[["Book"], Any]) -> Callable[["Book"], Any]:
        name = function.__name__
        assert name not in CASES, f"two cases are called {name}"
        about = " ".join((function.__doc__ or "").split())
        assert about, f"{name} does not say what it tries"
        family = Path(inspect.getfile(function)).stem
        CASES[name] = Case(name, family, about, kind, points, hand_in=function, **rest)
        return function

    return keep


@dataclass(frozen=True)
class Book:
    """The notebook as it was released, and ways to hand something in that started as it."""

    release: NotebookNode
    assignment: str = target.ASSIGNMENT
    answers: Callable[[str], str] = target.right_answer

    @property
    def file_name(self) -> str:
        return f"{self.assignment}.ipynb"

    def untouched(self) -> NotebookNode:
        return copy.deepcopy(self.release)

    def solved(self, *names: str, **own: str) -> NotebookNode:
        """Return the release with right answers to the named tasks (default: all).

        `own` has a task's name and the code to hand in instead.
        """
        notebook = self.untouched()
        for name in target.POINTS:
            if name in own:
                cell_of(notebook, name).source = dedent(own[name]).strip()
            elif not names or name in names:
                cell_of(notebook, name).source = self.answers(name)
        return notebook

    def opening(self, code: str, notebook: NotebookNode | None = None) -> NotebookNode:
        """Return the notebook (default: nothing solved) with `code` run after the imports."""
        return with_cell(notebook or self.untouched(), code, place=2)

    def closing(self, code: str, notebook: NotebookNode | None = None) -> NotebookNode:
        """Return the notebook (default: all solved) with `code` run after everything else."""
        notebook = notebook or self.solved()
        return with_cell(notebook, code, place=len(notebook.cells))

    def before(self, grade_id: str, code: str, notebook: NotebookNode | None = None) -> Any:
        """Return the notebook (default: all solved) with `code` run before the named cell."""
        notebook = notebook or self.solved()
        return with_cell(notebook, code, place=notebook.cells.index(cell_of(notebook, grade_id)))

    def everything_is(self, code: str, expression: str) -> NotebookNode:
        """Return a notebook whose tasks are all answered by `expression`, after running `code`."""
        own = {name: f"{function} = {expression}" for name, function in FUNCTIONS.items()}
        return self.opening(code, self.solved(**own))


FUNCTIONS = {
    "clamp": "clamp", "rescale": "rescale", "mean": "RunningMean", "tally": "tally",
    "pick": "pick", "announce": "announce",
}  # fmt: skip


def with_cell(notebook: NotebookNode, code: str, place: int) -> NotebookNode:
    """Return the notebook with a code cell of the student's own."""
    cell = nbformat.v4.new_code_cell(dedent(code).strip(), id=f"own-{len(notebook.cells)}")
    notebook.cells.insert(place, cell)
    return notebook


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """Return the first cell with that nbgrader id."""
    return next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id)


def grade_id_of(cell: NotebookNode) -> str | None:
    found: str | None = cell.metadata.get("nbgrader", {}).get("grade_id")
    return found


def test_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells whose tests give points."""
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def files(case: Case, book: Book) -> Handed:
    """Return what the case hands in, by the names of the files."""
    handed = case.hand_in(book)
    if isinstance(handed, NotebookNode):
        handed = json.dumps(handed)
    if not isinstance(handed, dict):
        handed = {book.file_name: handed}
    return {
        name: json.dumps(content) if isinstance(content, NotebookNode) else content
        for name, content in handed.items()
    }


def write(folder: Path, handed: Handed) -> None:
    """Write what is handed in into a student's folder."""
    folder.mkdir(parents=True)
    for name, content in handed.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case Link():
                path.symlink_to(content.to)
            case Pipe():
                os.mkfifo(path)
            case Folder():
                path.mkdir()
            case str():
                path.write_text(content, encoding="utf-8", errors="surrogatepass")
            case bytes():
                path.write_bytes(content)
