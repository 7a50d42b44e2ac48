"""Put back what counts: a cell's rules are the gradebook's, whether or not it was handed in."""

import re
from collections.abc import Callable
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_raw_cell
from nbgrader.api import Gradebook, Notebook, SourceCell
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.grading.names import bound_names

OWNED = "autograder_owned"
# What `nbgrader generate_assignment` takes out of given cells.
NOT_RELEASED = re.compile(
    r"^[^\n]*(### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS"
    r"|=== BEGIN MARK SCHEME ===.*?=== END MARK SCHEME ===)[^\n]*\n?",
    re.DOTALL | re.MULTILINE,
)
Rules = dict[str, tuple[SourceCell, dict[str, Any]]]


class RestoreCells(NbGraderPreprocessor):
    """Give every cell the nbgrader metadata and, where it is locked, the text of the gradebook.

    It takes the place of nbgrader's `DeduplicateIds` and `OverwriteCells`, which correct what a
    submission says of a cell: whatever they do not expect there, such as a schema of another
    version, ends the command, or leaves a test that is none.
    Here the submission says which cell it is, by its id, and nothing else.
    Locked cells that it lacks are put back at their places.
    It notes for the executor which names the student's cells were given to define.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            rules = rules_of(gradebook.find_notebook(names["notebook"], names["assignment"]))
            found = self._recognise(nb, rules)
            found |= self._recognise_by_text(nb, rules, found)
            self._put_back(nb, rules, found)
            nb.metadata[OWNED] = {
                source.name: sorted(bound_names(source.source))
                for source, _ in rules.values()
                if not source.locked and source.cell_type == "code"
            }
        return nb, resources

    def _recognise(self, nb: NotebookNode, rules: Rules) -> set[str]:
        """Apply the rules to the cells that have some; return their ids.

        Of several cells with one id the last is the one, as nbgrader has it; the others, and cells
        whose id nobody gave out, are the student's own.
        """
        found: set[str] = set()
        for cell in reversed(nb.cells):
            claimed = cell.metadata.pop("nbgrader", None)
            grade_id = claimed.get("grade_id") if isinstance(claimed, dict) else None
            if not isinstance(grade_id, str) or grade_id not in rules:
                continue
            if grade_id in found:
                self.log.warning("Cell with id '%s' exists multiple times!", grade_id)
                continue
            found.add(grade_id)
            if restore(cell, *rules[grade_id]):
                self.log.warning("The text of cell '%s' was edited; it is put back", grade_id)
        return found

    def _recognise_by_text(self, nb: NotebookNode, rules: Rules, found: set[str]) -> set[str]:
        """Apply the rules to cells that have lost their metadata, as some editors make them.

        A given cell is known by its text as it was released, an answer by the names that it gives
        a value to.
        """
        lost = [cell for cell in nb.cells if id_of(cell) is None]
        known: set[str] = set()
        for grade_id, (source, metadata) in rules.items() if lost else ():
            cell = None if grade_id in found else next(filter(like(source), lost), None)
            if cell is not None:
                lost.remove(cell)
                known.add(grade_id)
                restore(cell, source, metadata)
                self.log.warning("Recognised cell '%s' by its text", grade_id)
        return known

    def _put_back(self, nb: NotebookNode, rules: Rules, found: set[str]) -> None:
        place = 0
        for grade_id, (source, metadata) in rules.items():
            if grade_id in found:
                place = 1 + next(i for i, cell in enumerate(nb.cells) if id_of(cell) == grade_id)
            elif source.locked:
                cell = new_raw_cell()
                restore(cell, source, metadata)
                nb.cells.insert(place, cell)
                place += 1
                self.log.warning("Put back the missing cell '%s'", grade_id)


def rules_of(notebook: Notebook) -> Rules:
    """Return the gradebook's cells by their ids, with the metadata that nbgrader gave each."""
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    answers = {cell.name for cell in notebook.solution_cells}
    rules = {}
    for source in notebook.source_cells:
        metadata = {
            "grade": source.name in graded,
            "grade_id": source.name,
            "locked": bool(source.locked),
            "solution": source.name in answers,
            "task": source.name in tasks,
            "schema_version": MetadataValidator.schema_version,
            "checksum": source.checksum,
            "cell_type": source.cell_type,
        }
        points = graded.get(source.name, tasks.get(source.name))
        if points is not None:
            metadata["points"] = points
        rules[source.name] = (source, metadata)
    return rules


def restore(cell: NotebookNode, source: SourceCell, metadata: dict[str, Any]) -> bool:
    """Make a cell what the gradebook says it is; tell whether a locked one was edited."""
    if cell.cell_type != source.cell_type:
        cell.cell_type = source.cell_type
        cell.pop("outputs", None)
        cell.pop("execution_count", None)
        if source.cell_type == "code":
            cell.pop("attachments", None)
            cell.update(execution_count=None, outputs=[])
    cell.metadata["nbgrader"] = NotebookNode(metadata)
    if metadata["grade"]:
        cell.metadata.pop("tags", None)  # some tell an executor to skip or forgive a cell
    changed = bool(source.locked) and cell.source.split() != as_released(source)
    if source.locked:
        cell.source = source.source
    return changed


def as_released(source: SourceCell) -> list[str]:
    """Return the words of a given cell as students get it."""
    return NOT_RELEASED.sub("", source.source).split()


def like(source: SourceCell) -> Callable[[NotebookNode], bool]:
    """Return whether a cell without metadata is the one that the gradebook keeps as `source`."""
    if source.locked:
        text = as_released(source)
        return lambda cell: bool(text) and cell.source.split() == text
    names = bound_names(source.source) if source.cell_type == "code" else set()
    return lambda cell: (
        bool(names) and cell.cell_type == "code" and names <= bound_names(cell.source)
    )


def id_of(cell: NotebookNode) -> str | None:
    """Return the nbgrader id of a cell, or None."""
    found: str | None = cell.metadata.get("nbgrader", {}).get("grade_id")
    return found
