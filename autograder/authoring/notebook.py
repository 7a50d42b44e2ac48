"""A chapter as nbgrader's source notebook: solutions, tests, hidden tests and mark schemes."""

from collections.abc import Callable
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions

from autograder.authoring.chapter import (
    Cell,
    Chapter,
    ChapterError,
    Code,
    Implement,
    Prose,
    Reflect,
    Test,
)
from autograder.authoring.hidden import UnknownCheckError, checks_file, collect_checks
from autograder.authoring.markdown import MarkdownError
from autograder.authoring.reference import UnknownObjectError, solution_source

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
BEGIN_HIDDEN = "### BEGIN HIDDEN TESTS"
END_HIDDEN = "### END HIDDEN TESTS"


def source_notebook(chapter: Chapter, prose: Callable[[str], str]) -> NotebookNode:
    """Return the notebook with everything in it; `prose` turns MyST text into what is wanted.

    Equal chapters give equal notebooks: cell ids come from the chapter and the position.
    Raises ChapterError when a cell names an object or a check that does not exist.
    """
    number = chapter.name.partition("_")[0]
    cells: list[NotebookNode] = []
    for cell in chapter.cells:
        try:
            parts = _build(cell, chapter, prose)
        except (MarkdownError, UnknownObjectError, UnknownCheckError) as error:
            raise ChapterError(chapter.file, cell.where, str(error)) from error
        for built in parts:
            built["id"] = f"c{number}-{len(cells):03d}"
            cells.append(built)
    title, _, rest = cells[0].source.partition("\n")
    cells[0].source = f"{title}\n\n{opening(chapter.front)}\n{rest}"
    notebook: NotebookNode = nbformat.v4.new_notebook(
        cells=cells,
        metadata={"kernelspec": KERNELSPEC, "language_info": {"name": "python"}},
    )
    nbformat.validate(notebook)
    return notebook


def opening(front: dict[str, Any]) -> str:
    """Return what stands under a chapter's title: time, points and objectives."""
    low, high = (f"{minutes / 60:g}" for minutes in front["minutes"])
    points = front["points"]
    objectives = "\n".join(f"- {objective}" for objective in front["objectives"])
    return (
        f"**Time:** {low} to {high} hours. "
        f"**Points:** {points['automatic']} by tests and {points['manual']} by a reader.\n\n"
        f"After this chapter you can\n\n{objectives}"
    )


def student_view(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without solutions, hidden tests and mark schemes, by nbgrader's own rules."""
    result: NotebookNode = nbformat.from_dict(notebook)
    resources: dict[str, Any] = {}
    for preprocessor in (ClearSolutions(), ClearHiddenTests(), ClearMarkScheme()):
        result, resources = preprocessor.preprocess(result, resources)
    return result


def without_hidden_tests(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without hidden tests, by nbgrader's own rule."""
    result, _ = ClearHiddenTests().preprocess(nbformat.from_dict(notebook), {})
    return result


def _build(cell: Cell, chapter: Chapter, prose: Callable[[str], str]) -> list[NotebookNode]:
    if isinstance(cell, Prose):
        return [nbformat.v4.new_markdown_cell(prose(cell.text))]
    if isinstance(cell, Code):
        return [given_cell(cell)]
    if isinstance(cell, Implement):
        built = nbformat.v4.new_code_cell(solution_source(cell.objects, cell.write))
        built.metadata["nbgrader"] = _metadata(cell.id, solution=True)
        return [built]
    if isinstance(cell, Test):
        built = nbformat.v4.new_code_cell(_test(cell, chapter))
        built.metadata["nbgrader"] = _metadata(
            cell.id, grade=True, locked=True, points=_plain(cell.points)
        )
        return [built]
    return _reflection(cell, prose)


def given_cell(cell: Code) -> NotebookNode:
    """Return a cell that is shown as it is, locked when it has an id."""
    built: NotebookNode = nbformat.v4.new_code_cell(cell.source)
    if cell.options.get("id"):
        built.metadata["nbgrader"] = _metadata(cell.options["id"], locked=True)
    if cell.options.get("tags"):
        built.metadata["tags"] = cell.options["tags"]
    if cell.options.get("alt"):
        built.metadata["mystnb"] = {"image": {"alt": cell.options["alt"]}}
    return built


def _reflection(cell: Reflect, prose: Callable[[str], str]) -> list[NotebookNode]:
    question = nbformat.v4.new_markdown_cell(prose(cell.text))
    question.metadata["nbgrader"] = _metadata(
        cell.id, locked=True, task=True, points=_plain(cell.points)
    )
    answer = nbformat.v4.new_markdown_cell("*Your answer (double-click to write):*")
    return [question, answer]


def _test(cell: Test, chapter: Chapter) -> str:
    unit = "point" if cell.points == 1 else "points"
    lines = [f"# Test {cell.id} ({_plain(cell.points)} {unit})", cell.source]
    if cell.checks:
        checks = collect_checks(checks_file(chapter.name), cell.checks)
        calls = [f"{name}(student)" for name in cell.checks]
        lines += [BEGIN_HIDDEN, "import __main__ as student", "", checks, "", *calls, END_HIDDEN]
    return "\n".join(lines)


def _metadata(
    grade_id: str,
    *,
    grade: bool = False,
    solution: bool = False,
    locked: bool = False,
    task: bool = False,
    points: float | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": MetadataValidator.schema_version,
        "solution": solution,
        "task": task,
    }
    if points is not None:
        metadata["points"] = points
    return metadata


def _plain(points: float) -> int | float:
    return int(points) if points == int(points) else points
