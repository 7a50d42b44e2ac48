"""Open a notebook in the editor that is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tito.errors import TitoError

EDITORS = ("jupyterlab", "notebook")


def open_notebook(path: Path) -> None:
    """Start JupyterLab, or Jupyter Notebook, on a file, and wait until it ends.

    Raises TitoError when neither is installed, or when it fails.
    """
    for editor in EDITORS:
        if importlib.util.find_spec(editor):
            # Not by the name of a command: the folder of commands need not be where a shell looks.
            if _run([sys.executable, "-m", editor, str(path)]) != 0:
                raise TitoError(f"{editor} ended with an error; open {path} in another editor", 1)
            return
    raise TitoError(
        "no editor for notebooks is installed; 'python -m pip install jupyterlab' gets one, "
        "or open the file in the editor you have",
        1,
    )


def _run(command: list[str]) -> int:
    """Run a program to its end; Ctrl+C is for it to answer, as Jupyter does with a question."""
    with subprocess.Popen(command) as program:
        while True:
            try:
                return program.wait()
            except KeyboardInterrupt:
                continue
