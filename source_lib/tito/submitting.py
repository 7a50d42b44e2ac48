"""Hand a chapter in: look at the notebook as the grader will, then pack it."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tito.course import Chapter
from tito.errors import TitoError
from tito.files import write_whole
from tito.notebook import Notebook, problems, read_notebook
from tito.running import Progress, Run, run_tests
from tito.state import backup

EXCHANGE_SECONDS = 120


@dataclass(frozen=True)
class Check:
    """What a grader would see: what has to be repaired, and a whole run in a fresh kernel."""

    problems: list[str]
    run: Run


def check(chapter: Chapter, mine: Notebook, progress: Progress) -> Check:
    """Run the whole notebook, top to bottom, in a fresh kernel, and compare it with the release.

    The chapters before are the reference's, whoever's code `import tinytorch` gives here.
    """
    released = read_notebook(chapter.notebook)
    run = run_tests(chapter, mine, released, as_graded=True, progress=progress)
    return Check(problems(mine, released), run)


def hand_in_folder(chapter: Chapter, path: Path) -> Path:
    """Return where the zip goes: beside the chapter's folder, or beside a notebook without one."""
    folder = path.parent
    return (folder.parent if folder.name == chapter.name else folder) / "handed_in"


def pack(chapter: Chapter, notebook: bytes, folder: Path) -> Path:
    """Write the zip to hand in on a learning platform and return it; the one before is kept.

    In it the notebook has the name that the grader looks for, whatever its name was.
    """
    target = folder / f"{chapter.name}.zip"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{chapter.name}/{chapter.name}.ipynb", notebook)
    if target.exists():
        backup(target)
    write_whole(target, content.getvalue())
    return target


def demand_exchange(chapter: Chapter, path: Path) -> None:
    """Raise TitoError unless nbgrader is there, and the notebook where and called as it wants."""
    if importlib.util.find_spec("nbgrader") is None:
        raise TitoError("nbgrader is not installed here; leave --exchange out to get a zip file")
    if (path.parent.name, path.stem) != (chapter.name, chapter.name):
        raise TitoError(
            f"nbgrader takes the notebook from {chapter.name}/{chapter.name}.ipynb only; move "
            f"{path} there, or leave --exchange out to get a zip file"
        )


def hand_in_by_exchange(chapter: Chapter, path: Path) -> str:
    """Call `nbgrader submit`, for classes on one server; return what it said.

    Raises TitoError when nbgrader refuses.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", "submit", chapter.name],
            cwd=path.parent.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=EXCHANGE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TitoError(
            f"nbgrader did not answer for {EXCHANGE_SECONDS} s; try again, or leave --exchange "
            "out to get a zip file",
            1,
        ) from None
    lines = done.stderr.strip().split("\n")
    if done.returncode != 0:
        # Its lines end in where to look, which is not what went wrong.
        errors = [line for line in lines if "ERROR" in line] or lines
        said = errors[0].partition("] ")[2] or errors[0]
        raise TitoError(
            f"nbgrader did not take it ({said}); ask your teacher for nbgrader_config.py, or "
            "leave --exchange out to get a zip file",
            1,
        )
    return lines[-1].partition("] ")[2] or "handed in"
