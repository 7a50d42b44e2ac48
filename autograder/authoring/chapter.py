"""A chapter file as its cells: MyST text in, typed cells out.

The format is described in docs/decisions/0002-chapter-source-format.md.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import yaml

from autograder.course import CourseError

OPTION = "#| "
CELL_KINDS = {
    "given": {"alt", "id", "needed", "tags"},
    "implement": {"implement", "id", "write"},
    "test": {"test", "points", "checks"},
}


class ChapterError(CourseError):
    """A chapter file says something that cannot be built."""

    def __init__(self, file: Path, cell: str, message: str) -> None:
        super().__init__(f"{file.name}, {cell}: {message}")


@dataclass(frozen=True)
class Prose:
    """Text that readers and students both see."""

    text: str
    where: str


@dataclass(frozen=True)
class Code:
    """A code cell that is given to the student as it stands.

    With an `id` it is locked and comes back when deleted. `needed` says that the tests use what
    it defines: "before" the student's code runs (imports) or "after" it (helpers of the tests).
    """

    source: str
    where: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Implement:
    """Objects of the library of which students write the functions named in `write`."""

    id: str
    objects: tuple[str, ...]
    write: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Test:
    """Visible asserts and the hidden checks that share one behaviour and its points."""

    id: str
    source: str
    points: float
    checks: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Reflect:
    """A question graded by hand; `text` holds its mark scheme between nbgrader's marks."""

    id: str
    text: str
    points: float
    where: str


Cell = Prose | Code | Implement | Test | Reflect


@dataclass(frozen=True)
class Chapter:
    """A parsed chapter; `name` is its id everywhere, such as "20_capstone"."""

    name: str
    file: Path
    front: dict[str, Any]
    cells: tuple[Cell, ...]

    @property
    def module(self) -> str:
        """The module of the library that this chapter teaches."""
        return str(self.front["module"])

    @property
    def tests(self) -> tuple[Test, ...]:
        return tuple(cell for cell in self.cells if isinstance(cell, Test))

    @property
    def reflections(self) -> tuple[Reflect, ...]:
        return tuple(cell for cell in self.cells if isinstance(cell, Reflect))


def read_chapter(file: Path) -> Chapter:
    """Parse and check a chapter file.

    Raises ChapterError naming the file and the cell for a duplicate id, points that do not add
    up, a test before any task, or an option that is unknown, missing or of the wrong type.
    """
    return parse_chapter(file.read_text(encoding="utf-8"), file)


def parse_chapter(text: str, file: Path) -> Chapter:
    """Parse and check the text of a chapter; `file` gives its name and stands in messages."""
    front = front_matter(text)
    for key in ("title", "chapter", "number", "module", "minutes", "points", "objectives"):
        if key not in front:
            raise ChapterError(file, "front matter", f"{key!r} is missing; add it")
    if front["chapter"] != file.stem:
        raise ChapterError(
            file, "front matter", f"chapter says {front['chapter']!r}; it must be the file's name"
        )
    notebook = jupytext.reads(text, fmt="md:myst")
    cells = tuple(parse_cells(notebook.cells, file))
    chapter = Chapter(name=file.stem, file=file, front=front, cells=cells)
    if not cells or not isinstance(cells[0], Prose) or not cells[0].text.startswith("# "):
        raise ChapterError(file, "cell 1", "a chapter begins with its title, '# …'")
    _check_ids(chapter)
    _check_order(chapter)
    _check_points(chapter)
    return chapter


def front_matter(text: str) -> dict[str, Any]:
    """Return the YAML front matter of MyST text; empty when there is none."""
    match = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    front = yaml.safe_load(match[1]) if match else None
    return front if isinstance(front, dict) else {}


def parse_cells(cells: list[Any], file: Path) -> Iterator[Cell]:
    """Yield the typed cells of a parsed MyST notebook; raises ChapterError as `read_chapter`."""
    for number, cell in enumerate(cells, start=1):
        where = f"cell {number}"
        if cell.cell_type == "code":
            yield _parse_code(cell.source, file, where)
        elif "reflect" in cell.metadata:
            name = cell.metadata["reflect"]
            where = f"cell {number} (reflect {name})"
            if "BEGIN MARK SCHEME" not in cell.source:
                raise ChapterError(file, where, "it has no mark scheme; add one")
            points = _points(cell.metadata.get("points"), file, where)
            yield Reflect(name, cell.source, points, where)
        else:
            yield Prose(cell.source, where)


def _parse_code(source: str, file: Path, where: str) -> Cell:
    lines = source.split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith(OPTION)), len(lines))
    body = "\n".join(lines[count:]).strip("\n")
    try:
        options = yaml.safe_load("\n".join(line[len(OPTION) :] for line in lines[:count])) or {}
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", error)
        raise ChapterError(file, where, f"its options are not YAML: {problem}") from error
    kind = next((kind for kind in ("implement", "test") if kind in options), "given")
    unknown = sorted(set(options) - CELL_KINDS[kind])
    if unknown:
        raise ChapterError(
            file,
            where,
            f"unknown option {unknown[0]!r}; a {kind} cell takes "
            f"{', '.join(sorted(CELL_KINDS[kind]))}",
        )
    if kind == "given":
        if "needed" in options and "id" not in options:
            raise ChapterError(
                file, where, "tests need it, so it must come back when deleted; add '#| id: …'"
            )
        return Code(body, where, options)
    if kind == "implement":
        where = f"{where} (implement {options.get('id')})"
        if body:
            raise ChapterError(file, where, "it has code of its own; the library provides it")
        objects = _names(options["implement"], "implement", file, where)
        if not isinstance(options.get("id"), str):
            raise ChapterError(file, where, "it has no id; add '#| id: some-name'")
        write = _names(options.get("write", []), "write", file, where)
        return Implement(options["id"], objects, write, where)
    where = f"{where} (test {options['test']})"
    points = _points(options.get("points"), file, where)
    checks = _names(options.get("checks", []), "checks", file, where)
    return Test(str(options["test"]), body, points, checks, where)


def _names(value: Any, option: str, file: Path, where: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ChapterError(file, where, f"option {option!r} must be a name or a list of names")
    return tuple(names)


def _points(value: Any, file: Path, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ChapterError(file, where, f"points must be a number above 0, found {value!r}")
    return float(value)


def _check_ids(chapter: Chapter) -> None:
    seen: dict[str, str] = {}
    for cell in chapter.cells:
        name = cell.options.get("id") if isinstance(cell, Code) else getattr(cell, "id", None)
        if name in seen:
            raise ChapterError(
                chapter.file, cell.where, f"the id {name!r} is taken by {seen[name]}"
            )
        if name is not None:
            seen[name] = cell.where


def _check_order(chapter: Chapter) -> None:
    implemented = False
    for cell in chapter.cells:
        implemented = implemented or isinstance(cell, Implement)
        if isinstance(cell, Test) and not implemented:
            raise ChapterError(
                chapter.file,
                cell.where,
                "no implement cell stands before it; there is no work to test",
            )


def _check_points(chapter: Chapter) -> None:
    for key, cells in (("automatic", chapter.tests), ("manual", chapter.reflections)):
        total = sum(cell.points for cell in cells)
        stated = chapter.front["points"].get(key)
        if stated != total:
            raise ChapterError(
                chapter.file,
                "front matter",
                f"points.{key} says {stated}, but the cells add up to {total:g}",
            )
