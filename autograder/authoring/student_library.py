"""The library as a student of one chapter has it: without what that and later chapters teach."""

import json
import shutil
import tempfile
from pathlib import Path

from autograder.authoring.chapter import Chapter, read_chapter
from autograder.course import Course
from autograder.files import contents

TAUGHT = '''"""{title}: you write this module in chapter {number}."""

raise ImportError(
    "{module} is what chapter {number} asks you to write; use your own functions from the notebook"
)
'''


def write_student_library(course: Course, chapter: str) -> Path:
    """Write the student's `tinytorch` for `chapter` and return the folder to import it from.

    Modules taught by `chapter` and by later ones are replaced by one that says so when imported.
    The folder appears whole, in one step; one that holds the same already is left alone, since
    somebody may be grading with it.
    """
    target = course.student_library(chapter)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        shutil.copytree(
            course.library,
            fresh / "tinytorch",
            ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
        )
        withheld = []
        for name in course.chapter_names():
            if name >= chapter:
                taught = read_chapter(course.chapter_file(name))
                _mask(fresh, taught)
                withheld.append(taught.module)
        manifest = {"packages": ["tinytorch"], "withheld": withheld}
        (fresh / "library.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        if target.exists():
            if contents(target) == contents(fresh):
                return target
            # What grades at this moment has the old folder mounted, and goes on with it.
            old = target.with_name(f".{target.name}.before")
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
    return target


def _mask(root: Path, chapter: Chapter) -> None:
    path = root.joinpath(*chapter.module.split("."))
    if path.is_dir():
        shutil.rmtree(path)
    text = TAUGHT.format(
        title=chapter.front["title"], number=chapter.front["number"], module=chapter.module
    )
    path.with_suffix(".py").write_text(text, encoding="utf-8")
