"""Hand a chapter in: look at the notebook as the grader will, then pack it."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tito.course import Chapter
from tito.errors import TitoError
from tito.notebook import Notebook, problems, read_notebook
from tito.running import Progress, Run, run_tests


@dataclass(frozen=True)
class Check:
    """What a grader would see: what has to be repaired, and a whole run in a fresh kernel."""

    problems: list[str]
    run: Run


def check(chapter: Chapter, mine: Notebook, progress: Progress) -> Check:
    """Run the whole notebook, top to bottom, in a fresh kernel, and compare it with the release."""
    released = read_notebook(chapter.notebook)
    run = run_tests(chapter, mine, released, everything=True, progress=progress)
    return Check(problems(mine, released), run)


def pack(chapter: Chapter, path: Path, folder: Path) -> Path:
    """Write the zip to hand in on a learning platform; return it.

    In it the notebook has the name that the grader looks for, whatever its name was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{chapter.name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, f"{chapter.name}/{chapter.name}.ipynb")
    return target


def hand_in_by_exchange(chapter: Chapter, path: Path) -> str:
    """Call `nbgrader submit`, for classes on one server; return what it said.

    Raises TitoError when nbgrader is not installed or refuses.
    """
    command = shutil.which("nbgrader")
    if command is None:
        raise TitoError("nbgrader is not installed here; leave --exchange out to get a zip file")
    done = subprocess.run(
        [command, "submit", chapter.name],
        cwd=path.parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stderr.strip().split("\n")[-1] if done.stderr.strip() else ""
    if done.returncode != 0:
        raise TitoError(f"nbgrader did not take it: {said}", 1)
    return said
