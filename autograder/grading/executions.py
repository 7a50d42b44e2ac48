"""Results of running notebooks, kept by what they depend on."""

import hashlib
import json
import platform
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.files import write_whole
from autograder.grading.handed_in import digest_of
from autograder.grading.record import Record

if TYPE_CHECKING:  # importing nbformat takes a second, and a class that has not changed needs none
    from nbformat.notebooknode import NotebookNode

DECIDES = ("numpy", "ipykernel", "matplotlib", "nbclient")


class Executions:
    """A folder with the latest result of each notebook of a submission.

    A result is found again when nothing that it depends on has changed, which its key stands for.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, name: str, key: str, notebook: "NotebookNode") -> Record | None:
        """Put the outputs kept of the notebook called `name` into it.

        Returns the record of the run, or None when there is none under `key`.
        """
        from nbformat.notebooknode import from_dict

        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        try:
            kept = json.loads(self._file(name).read_text(encoding="utf-8"))
            if kept["key"] != key or len(code) != len(kept["cells"]):
                return None
            record = Record(**kept["record"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        for cell, result in zip(code, kept["cells"], strict=True):
            cell.outputs = [from_dict(output) for output in result["outputs"]]
            cell.execution_count = result["execution_count"]
        notebook.metadata.update(from_dict(kept["metadata"]))
        return record

    def store(self, name: str, key: str, notebook: "NotebookNode", record: Record) -> None:
        """Keep the outputs of an executed notebook in place of earlier ones."""
        cells = [
            {"outputs": cell.outputs, "execution_count": cell.execution_count}
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]
        info = {k: v for k, v in notebook.metadata.items() if k == "language_info"}
        kept = {"key": key, "cells": cells, "metadata": info, "record": asdict(record)}
        write_whole(self._file(name), json.dumps(kept))

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def execution_key(
    notebook: "NotebookNode", files: dict[str, Path], settings: Any, view: Any
) -> str:
    """Return a hash of all that decides how a notebook runs: itself, files, limits, libraries."""
    cells = [
        [cell.cell_type, cell.source, cell.metadata.get("nbgrader"), cell.metadata.get("tags")]
        for cell in notebook.cells
    ]
    libraries = [
        tree_digest(warm.library) if warm.library else None for warm in (view.student, view.checker)
    ]
    decisive = [cells, digest_of(files), settings, libraries, list(view.withheld), grader_digest()]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


@cache
def grader_digest() -> str:
    """Return a hash of this package and of the packages that decide how a notebook runs."""
    versions = [f"{name} {version(name)}" for name in DECIDES]
    own = tree_digest(Path(__file__).resolve().parent.parent)
    return hashlib.sha256(
        "\n".join([own, platform.python_version(), *versions]).encode()
    ).hexdigest()


@cache
def tree_digest(folder: Path) -> str:
    """Return a hash of the files below a folder, but for those that Python compiled."""
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return digest_of(found)
