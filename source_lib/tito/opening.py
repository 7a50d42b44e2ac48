"""Open a notebook in the editor that is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tito.errors import TitoError


def open_notebook(path: Path) -> None:
    """Start JupyterLab, or the classic notebook, on a file, and wait until it ends.

    Raises TitoError when neither is installed.
    """
    for module, command in (("jupyterlab", "lab"), ("notebook", "notebook")):
        if importlib.util.find_spec(module):
            _run([sys.executable, "-m", "jupyter", command, str(path)])
            return
    raise TitoError(
        "no editor for notebooks is installed; 'python -m pip install jupyterlab' gets one, "
        "or open the file in the editor you have",
        1,
    )


def _run(command: list[str]) -> None:
    """Run a program to its end; Ctrl+C is for it to answer, as Jupyter does with a question."""
    with subprocess.Popen(command) as program:
        while True:
            try:
                program.wait()
                return
            except KeyboardInterrupt:
                continue
