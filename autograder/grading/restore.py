"""Put back what a submission lacks: cells that count do so whether or not they were handed in."""

from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook, SourceCell
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.grading.names import bound_names

OWNED = "autograder_owned"


class RestoreCells(NbGraderPreprocessor):
    """Insert every locked cell of the gradebook that the notebook lacks, at its old place.

    Unlike nbgrader's own `OverwriteCells.add_missing_cells` it needs no cell of the submission
    to have survived, and it drops the tags that tell an executor to skip or forgive a cell.
    It notes for the executor which names the student's cells were given to define.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(names["notebook"], names["assignment"])
            points = {cell.name: cell.max_score for cell in notebook.grade_cells}
            points |= {cell.name: cell.max_score for cell in notebook.task_cells}
            tasks = {cell.name for cell in notebook.task_cells}
            place = 0
            sources = list(notebook.source_cells)
            for source in sources:
                found = position(nb, source.name)
                if found is not None:
                    place = found + 1
                elif source.locked:
                    cell = restored(source, points.get(source.name), source.name in tasks)
                    nb.cells.insert(place, cell)
                    place += 1
                    self.log.warning("Put back the missing cell '%s'", source.name)
        known = {source.name for source in sources}
        for cell in nb.cells:
            nbgrader = cell.metadata.get("nbgrader", {})
            if "nbgrader" in cell.metadata and nbgrader.get("grade_id") not in known:
                del cell.metadata["nbgrader"]  # a copy, or the student's own making
            elif nbgrader.get("grade"):
                cell.metadata.pop("tags", None)
        nb.metadata[OWNED] = {
            source.name: sorted(bound_names(source.source))
            for source in sources
            if not source.locked and source.cell_type == "code"
        }
        return nb, resources


def position(nb: NotebookNode, grade_id: str) -> int | None:
    """Return the index of the cell with that nbgrader id, or None."""
    for index, cell in enumerate(nb.cells):
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id:
            return index
    return None


def restored(source: SourceCell, points: float | None, task: bool) -> NotebookNode:
    """Return the notebook cell that the gradebook keeps as `source`."""
    nbgrader = {
        "grade": points is not None and not task,
        "grade_id": source.name,
        "locked": True,
        "solution": False,
        "task": task,
        "schema_version": MetadataValidator.schema_version,
        "checksum": source.checksum,
        "cell_type": source.cell_type,
    }
    if points is not None:
        nbgrader["points"] = points
    cell = NotebookNode(
        cell_type=source.cell_type, metadata=NotebookNode(nbgrader=nbgrader), source=source.source
    )
    if source.cell_type == "code":
        cell.update(execution_count=None, outputs=[])
    return cell
