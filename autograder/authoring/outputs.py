"""The reference run: a source notebook executed once, its outputs kept until its inputs change."""

import hashlib
import json
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.notebooknode import NotebookNode

from autograder.course import Course, CourseError
from autograder.files import write_whole

TIMEOUT_SECONDS = 300


class ReferenceRunError(CourseError):
    """A page's code fails: in a chapter, that of the reference solution."""


def executed(course: Course, page: str, notebook: NotebookNode, library: Path) -> NotebookNode:
    """Return a copy of a page's `notebook` with the outputs of running it against `library`.

    The result is kept under `build/page-outputs`; the key is the code cells and every file of the
    library, so an edit of either runs it again.
    Raises ReferenceRunError with the cell and its message when a cell fails.
    """
    kept = _folder(course) / f"{page}-{_key(notebook, library)}.json"
    result: NotebookNode = nbformat.from_dict(notebook)
    if kept.is_file():
        outputs = json.loads(kept.read_text(encoding="utf-8"))["outputs"]
    else:
        start = time.monotonic()
        outputs = _run(page, result, library)
        for old in kept.parent.glob(f"{page}-*.json"):
            old.unlink()
        seconds = round(time.monotonic() - start, 1)
        write_whole(kept, json.dumps({"seconds": seconds, "outputs": outputs}))
    for cell, cell_outputs in zip(_code_cells(result), outputs, strict=True):
        cell.outputs = [nbformat.from_dict(output) for output in cell_outputs]
    return result


def page_seconds(course: Course) -> dict[str, float]:
    """Return how long the run took whose outputs each page shows."""
    return {
        path.stem.rpartition("-")[0]: json.loads(path.read_text(encoding="utf-8"))["seconds"]
        for path in sorted(_folder(course).glob("*.json"))
    }


def _folder(course: Course) -> Path:
    # The name says the format: a file of an earlier one is not found.
    return course.build / "page-outputs"


def _run(page: str, notebook: NotebookNode, library: Path) -> list[list[NotebookNode]]:
    run = nbformat.from_dict(notebook)
    scratch = library.parent / f"{page}-run"
    scratch.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(library)}
    environment.pop("MPLBACKEND", None)  # the kernel chooses the one that shows figures inline
    client = NotebookClient(
        run,
        timeout=TIMEOUT_SECONDS,
        kernel_name="python3",
        # Its warnings are about its own sockets, which nobody but this process is told of.
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(scratch)}},
    )
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        raise ReferenceRunError(
            f"{page}: the code of the page fails in {_failed(run)}: {error.ename}: {error.evalue}"
        ) from error
    return [cell.outputs for cell in _code_cells(run)]


def _failed(notebook: NotebookNode) -> str:
    """Return the last code cell that ran, which is the one that failed."""
    ran = [cell for cell in _code_cells(notebook) if cell.get("execution_count")]
    nbgrader = ran[-1].metadata.get("nbgrader", {}) if ran else {}
    return f"cell {nbgrader.get('grade_id', len(ran))!r}"


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _key(notebook: NotebookNode, library: Path) -> str:
    digest = hashlib.sha256()
    for cell in _code_cells(notebook):
        digest.update(cell.source.encode() + b"\0")
    for path in sorted(library.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(library)).encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
