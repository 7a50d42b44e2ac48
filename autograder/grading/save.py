"""Write the grades of a notebook in one transaction."""

from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import SaveAutoGrades


class SaveGradesAtOnce(SaveAutoGrades):
    """nbgrader's `SaveAutoGrades`, which waits for the disk once and not after every cell.

    What it writes is the same; who is killed meanwhile has written all of a notebook or nothing.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        self.last = len(nb.cells) - 1
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        session = self.gradebook.db
        commit, session.commit = session.commit, session.flush
        try:
            cell, resources = super().preprocess_cell(cell, resources, cell_index)
        finally:
            session.commit = commit
        if cell_index == self.last:
            session.commit()
        return cell, resources
