"""A student's notebook file: read whatever it is, say what is missing, carry answers over."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.errors import TitoError

Cell = dict[str, Any]
STUB = "# YOUR CODE HERE"
MERGE_MARKER = re.compile(rb"^(<<<<<<<|=======|>>>>>>>)", re.MULTILINE)


@dataclass
class Notebook:
    """The content of a notebook file, as its JSON has it."""

    content: dict[str, Any]

    @property
    def cells(self) -> list[Cell]:
        cells: list[Cell] = self.content["cells"]
        return cells

    def cell(self, grade_id: str) -> Cell | None:
        """Return the first cell with that nbgrader id, or None."""
        return next((cell for cell in self.cells if grade_id_of(cell) == grade_id), None)

    def digest(self) -> str:
        """Return what changes with the code of the notebook, and not when only its outputs do."""
        code = [cell["source"] for cell in self.cells if cell["cell_type"] == "code"]
        return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]

    def text(self) -> str:
        return json.dumps(self.content, indent=1, ensure_ascii=False) + "\n"


def read_notebook(path: Path) -> Notebook:
    """Read a notebook file, with or without a byte order mark.

    Raises TitoError for a file that is none: it names what was found and keeps the file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TitoError(f"{path} cannot be read: {error.strerror}", 1) from None
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise TitoError(
            f"{path} {_what_is_wrong(data, error)}; repair it in a text editor or take the last "
            "backup from 'tito module status', or 'tito module reset N' keeps it and starts again"
        ) from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(_is_cell(cell) for cell in cells):
        raise TitoError(
            f"{path} has no list of cells, as notebooks of format 4 have; open it in JupyterLab "
            "and save it again"
        )
    for cell in cells:
        source = cell["source"]
        source = "".join(source) if isinstance(source, list) else source
        cell["source"] = source.replace("\r\n", "\n")  # as some editors on Windows write them
    return Notebook(content)


def _what_is_wrong(data: bytes, error: Exception) -> str:
    if not data:
        return "is empty"
    if MERGE_MARKER.search(data):
        return "has lines of a merge that was not finished, such as '<<<<<<<'"
    return f"is no notebook ({error})"


def grade_id_of(cell: Cell) -> str | None:
    """Return the nbgrader id of a cell, or None for one of the student's own."""
    found = _nbgrader(cell).get("grade_id")
    return found if isinstance(found, str) else None


def is_task(cell: Cell) -> bool:
    return bool(_nbgrader(cell).get("solution")) and cell["cell_type"] == "code"


def is_test(cell: Cell) -> bool:
    return bool(_nbgrader(cell).get("grade")) and cell["cell_type"] == "code"


def is_own(cell: Cell) -> bool:
    """Return whether the student added this cell of code."""
    return cell["cell_type"] == "code" and grade_id_of(cell) is None


def problems(mine: Notebook, released: Notebook) -> list[str]:
    """Return what a grader would have to repair in a notebook, one sentence each."""
    counts = Counter(grade_id_of(cell) for cell in mine.cells if grade_id_of(cell))
    wanted = {grade_id_of(cell): cell for cell in released.cells if grade_id_of(cell)}
    found = []
    for grade_id, cell in wanted.items():
        kind = "test" if is_test(cell) else "task" if is_task(cell) else "given"
        if counts[grade_id] == 0:
            found.append(f"the {kind} cell {grade_id!r} is missing")
        elif counts[grade_id] > 1:
            found.append(f"the {kind} cell {grade_id!r} is there {counts[grade_id]} times")
        elif _changed(mine, cell) and is_question(cell):
            found.append(
                f"what you wrote into the question cell {grade_id!r} is lost at grading; "
                "move it to the cell below"
            )
        elif _changed(mine, cell):
            cure = "" if is_test(cell) else "; write into a cell of your own"
            found.append(f"the {kind} cell {grade_id!r} was changed; the grader uses its own{cure}")
    found += [f"the cell {name!r} is of another release" for name in counts if name not in wanted]
    return found


def _changed(mine: Notebook, released: Cell) -> bool:
    """Return whether a cell that is not the student's to write has another text than released."""
    found = mine.cell(str(grade_id_of(released)))
    return (
        found is not None
        and not _nbgrader(released).get("solution")
        and found["source"].rstrip() != released["source"].rstrip()
    )


def merged(fresh: Notebook, mine: Notebook) -> tuple[Notebook, list[str]]:
    """Return the fresh notebook with the student's work in it, and what was carried over.

    That is the code of the tasks, cells of code that the student added, each behind the cell it
    stood behind, and the answers to questions.
    """
    result, carried = copy.deepcopy(fresh), []
    for cell in result.cells:
        grade_id = grade_id_of(cell)
        old = mine.cell(grade_id) if grade_id else None
        if old is not None and _nbgrader(cell).get("solution") and old["source"] != cell["source"]:
            cell["source"] = old["source"]
            carried.append(str(grade_id))
    for anchor, added in _added(mine, fresh):
        place = next((i for i, c in enumerate(result.cells) if grade_id_of(c) == anchor), -1)
        question = place >= 0 and is_question(result.cells[place])
        if question or added[0]["cell_type"] == "code":
            end = place + 1
            if question and end < len(result.cells) and grade_id_of(result.cells[end]) is None:
                end += 1  # the line that stands where the answer goes
            result.cells[place + 1 : end] = added
            where = f"after {anchor}" if anchor else "at the top"
            carried.append(f"{len(added)} of your own {where}")
    return result, carried


def left_behind(fresh: Notebook, mine: Notebook) -> list[str]:
    """Return what of the student's work the fresh notebook has no place for.

    That are cells of another release, second copies, as an editor makes when it splits a cell,
    given cells and questions with another text, and text of their own that answers no question.
    """
    seen: set[str] = set()
    found = [
        str(grade_id_of(cell)) for cell in fresh.cells if _changed(mine, cell) and not is_test(cell)
    ]
    for cell in mine.cells:
        name = grade_id_of(cell)
        if name and _nbgrader(cell).get("solution") and (name in seen or not fresh.cell(name)):
            found.append(name)
        seen.add(name or "")
    # The cells behind a question are its answer, and have a place.
    texts = sum(
        cell["cell_type"] != "code" and not is_question(mine.cell(anchor))
        for anchor, cell in _own(mine, fresh)
    )
    return found + ([f"{texts} of your cells of text"] if texts else [])


def _added(mine: Notebook, fresh: Notebook) -> list[tuple[str, list[Cell]]]:
    """Return the runs of cells that the student added, with the id of the fresh cell before each.

    The id is empty for what stands before all of them.
    """
    runs: list[tuple[str, list[Cell]]] = []
    for anchor, cell in _own(mine, fresh):
        if not runs or runs[-1][0] != anchor:
            runs.append((anchor, []))
        if cell["cell_type"] == "code" or is_question(mine.cell(anchor)):
            runs[-1][1].append(cell)
    return [run for run in runs if run[1]]


def _own(mine: Notebook, fresh: Notebook) -> Iterator[tuple[str, Cell]]:
    """Yield the cells that the student added, with the id of the fresh cell before each."""
    known = {cell["source"] for cell in fresh.cells}
    anchor = ""
    for cell in mine.cells:
        name = grade_id_of(cell)
        if name:
            anchor = name if fresh.cell(name) else anchor
        elif cell["source"] not in known:
            yield anchor, cell


def is_question(cell: Cell | None) -> bool:
    """Return whether this is a question that a person grades."""
    return cell is not None and bool(_nbgrader(cell).get("task"))


def _nbgrader(cell: Cell) -> dict[str, Any]:
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _is_cell(cell: Any) -> bool:
    return (
        isinstance(cell, dict)
        and cell.get("cell_type") in ("code", "markdown", "raw")
        and isinstance(cell.get("source"), str | list)
        and (isinstance(cell["source"], str) or all(isinstance(s, str) for s in cell["source"]))
    )
