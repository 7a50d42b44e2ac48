"""The courses that are attacked, written out: once with this project's settings, once with none."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from autograder.authoring.build import build_chapter
from autograder.course import Course

from . import planted, target

CHAPTER = "20_capstone"
BIN = Path(sys.executable).parent
LIMITS = {"timeout": 4, "notebook_seconds": 20, "memory_mb": 1024}
CHAPTER_LIMITS = LIMITS | {"timeout": 30, "notebook_seconds": 120}
OURS = """
from pathlib import Path

from autograder.grading.settings import configure

c = get_config()
configure(c, root=Path(__file__).resolve().parent)
"""
STOCK = """
from pathlib import Path

c = get_config()
c.CourseDirectory.root = str(Path(__file__).resolve().parent / "assignments")
"""


def write_course(root: Path, side: str, chapter: bool = False) -> None:
    """Write a course with one released assignment: that of `target`, or a chapter of this project.

    `side` is "ours" or "stock": what its nbgrader_config.py plugs in.
    """
    name = CHAPTER if chapter else target.ASSIGNMENT
    root.mkdir(parents=True)
    config = OURS if side == "ours" else STOCK
    config += f'c.CourseDirectory.course_id = "birds"\n# {planted.CONFIG.word}\n'
    if side == "ours":
        limits = CHAPTER_LIMITS if chapter else LIMITS
        config += "".join(f"c.SandboxedExecute.{key} = {value}\n" for key, value in limits.items())
    (root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    if chapter:
        write_chapter(root)
    else:
        source = root / "assignments" / "source" / name / f"{name}.ipynb"
        source.parent.mkdir(parents=True)
        nbformat.write(target.source_notebook(), source)
        for file, text in target.FILES.items():
            (source.parent / file).write_text(text, encoding="utf-8")
    nbgrader(root, "generate_assignment", name)
    nbgrader(root, "db", "student", "add", "nobody", f"--last-name={planted.GRADEBOOK.word}")


def write_chapter(root: Path) -> None:
    """Copy what a chapter is built from, and build it there."""
    here = Path(__file__).resolve().parent.parent.parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(here / "source_lib", root / "source_lib", ignore=ignored)
    (root / "book" / "chapters").mkdir(parents=True)
    shutil.copyfile(here / "book" / "references.bib", root / "book" / "references.bib")
    chapter = Path("book") / "chapters" / f"{CHAPTER}.md"
    shutil.copyfile(here / chapter, root / chapter)
    build_chapter(Course(root), CHAPTER)


def nbgrader(root: Path, *command: str) -> None:
    """Run nbgrader in the course, outside of any containment: nothing of a case is there yet."""
    subprocess.run(
        [BIN / "nbgrader", *command],
        cwd=root,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(root.parent)},
        check=True,
        capture_output=True,
        timeout=600,
    )
