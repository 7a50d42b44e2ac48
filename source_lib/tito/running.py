"""Run a chapter's notebook in a fresh kernel and say of each test what came of it."""

from __future__ import annotations

import copy
import importlib.util
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tito.course import Chapter
from tito.errors import TitoError
from tito.notebook import STUB, Cell, Notebook, grade_id_of, is_own, is_task, is_test
from tito.overlay import AS_GRADED, CHAPTER, ONLY_REFERENCE

GRADER_CELL_SECONDS = 40


@dataclass(frozen=True)
class Result:
    """What came of one test: `problem` is empty when it passed, `points` what it is worth."""

    test: str
    points: float
    passed: bool
    problem: str = ""


@dataclass(frozen=True)
class Run:
    """A run of a notebook: its tests, the cells of the student's that failed, the time.

    `slow` has the seconds of cells that a grader would have stopped.
    """

    results: list[Result]
    failures: dict[str, str] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def earned(self) -> float:
        return sum(result.points for result in self.results if result.passed)

    @property
    def possible(self) -> float:
        return sum(result.points for result in self.results)

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"earned": self.earned, "possible": self.possible}


Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What came of one cell: its problem in words, empty if there is none, and its time."""

    cell: Cell
    problem: str
    seconds: float


def run_tests(
    chapter: Chapter,
    mine: Notebook,
    released: Notebook,
    *,
    everything: bool = False,
    reference: bool = False,
    as_graded: bool = False,
    progress: Progress = lambda done, all_of_them: None,
) -> Run:
    """Run the chapter's visible tests on a notebook, as they were released.

    Of the notebook run the cells that students write or add and the given ones that tests need;
    with `everything` all cells run, with `as_graded` all cells on the reference of the chapters
    before. With `reference` the library's own functions stand in the place of the student's.
    Raises TitoError when no kernel can be started, and when the release lacks the reference.
    """
    cells = _chosen(chapter, mine, released, everything or as_graded)
    if reference:
        _demand_reference(chapter)
        cells = _with_reference(chapter, cells)
    switches = ((ONLY_REFERENCE, reference), (AS_GRADED, as_graded))
    start = time.monotonic()
    environment = {"MPLBACKEND": "Agg", CHAPTER: chapter.name}
    environment |= {name: "1" for name, on in switches if on}
    outcomes = _execute(cells, environment, progress)
    seconds = round(time.monotonic() - start, 1)
    problems = {str(grade_id_of(one.cell)): one.problem for one in outcomes if is_test(one.cell)}
    written = {name: _is_unwritten(mine, name) for name in chapter.tasks}
    results = []
    for test, points in chapter.tests.items():
        problem = problems.get(test, "it did not run, since the kernel had ended")
        if problem and "NotImplementedError" in problem and any(written.values()):
            problem = "not written yet"
        results.append(Result(test, points, not problem, problem))
    failures = {
        _label(one.cell): one.problem for one in outcomes if one.problem and not is_test(one.cell)
    }
    slow = {
        _label(one.cell): round(one.seconds, 1)
        for one in outcomes
        if one.seconds > GRADER_CELL_SECONDS
    }
    return Run(results, failures, slow, seconds)


def _chosen(chapter: Chapter, mine: Notebook, released: Notebook, everything: bool) -> list[Cell]:
    """Return the cells to run: the student's order, test and given cells as released."""
    chosen, seen = [], set()
    for cell in mine.cells:
        name = grade_id_of(cell)
        if cell["cell_type"] != "code" or name in seen:
            continue
        original = released.cell(name) if name else None
        if is_own(cell) or is_task(cell):
            chosen.append(cell)
        elif original is not None and (everything or is_test(original) or name in chapter.needed):
            chosen.append(original)
        if name:
            seen.add(name)
    # A deleted test still counts; so it runs at the end, when all it needs is there.
    chosen += [cell for cell in released.cells if is_test(cell) and grade_id_of(cell) not in seen]
    return chosen


def _demand_reference(chapter: Chapter) -> None:
    """Raise TitoError when the library has only the note that the chapter is to be written."""
    try:
        spec = importlib.util.find_spec(chapter.module)
        text = Path(spec.origin or "").read_text(encoding="utf-8") if spec else ""
    except (ImportError, OSError):
        text = ""
    if not text or f'raise ImportError(\n    "{chapter.module} is what' in text:
        raise TitoError(
            f"the reference of chapter {chapter.number} comes with the release after chapter "
            f"{chapter.number}; leave --reference out to test your own code"
        )


def _with_reference(chapter: Chapter, cells: list[Cell]) -> list[Cell]:
    result = []
    for cell in cells:
        name = grade_id_of(cell)
        if is_own(cell):
            continue
        if is_task(cell) and name in chapter.tasks:
            imports = [
                "from {} import {}".format(*dotted.rsplit(".", 1))
                for dotted in chapter.tasks[str(name)]
            ]
            cell = copy.deepcopy(cell) | {"source": "\n".join(imports)}
        result.append(cell)
    return result


def _execute(cells: list[Cell], environment: dict[str, str], progress: Progress) -> list[Outcome]:
    """Run the cells in turn; return what came of each that ran."""
    from nbclient.exceptions import DeadKernelError
    from nbformat.v4 import new_code_cell

    from tito.kernel import kernel_for

    fresh = [new_code_cell(cell["source"]) for cell in cells]  # type: ignore[no-untyped-call]
    outcomes: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as scratch,
        kernel_for(fresh, scratch, environment) as client,
    ):
        for index, cell in enumerate(fresh):
            progress(index, len(fresh))
            start = time.monotonic()
            try:
                client.execute_cell(cell, index)
            except DeadKernelError:
                client.ended = client.ended or "the kernel died"
            problem = client.ended or _problem(cell)
            outcomes.append(Outcome(cells[index], problem, time.monotonic() - start))
            if client.ended:
                break
        progress(len(fresh), len(fresh))
    return outcomes


def _problem(cell: Any) -> str:
    for output in cell.outputs:
        if output.output_type == "error":
            value = re.sub(r"\x1b\[[0-9;]*m", "", str(output.evalue)).strip()
            if output.ename == "AssertionError":
                return value or "an assertion failed, see the test in the notebook"
            if output.ename == "NotImplementedError" and not value:
                return "NotImplementedError"
            if output.ename == "KeyboardInterrupt":
                return "it ran for too long, perhaps in a loop without end"
            if output.ename == "StdinNotImplementedError":
                return "it calls input(), and at grading nobody answers"
            first = value.split("\n")[0]
            return f"{output.ename}: {first}" if first else str(output.ename)
    return ""


def _is_unwritten(mine: Notebook, task: str) -> bool:
    cell = mine.cell(task)
    return cell is None or STUB in cell["source"]


def _label(cell: Cell) -> str:
    name = grade_id_of(cell)
    if name:
        return name
    first = next((line for line in cell["source"].split("\n") if line.strip()), "")
    return first[:60]
