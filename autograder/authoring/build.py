"""Write what is made from a chapter: its source notebook and the library its students have."""

from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.authoring.chapter import read_chapter
from autograder.authoring.markdown import lowering
from autograder.authoring.notebook import source_notebook
from autograder.authoring.student_library import write_student_library
from autograder.course import Course
from autograder.files import write_whole


@dataclass(frozen=True)
class Built:
    """The source notebook of a chapter, and whether `build_chapter` had to write it."""

    notebook: Path
    changed: bool


def build_chapter(course: Course, name: str) -> Built:
    """Generate the source notebook and the student's library of one chapter.

    Files are written after everything has been generated, and only where they differ.
    Raises CourseError naming the file and the cell when the chapter cannot be built.
    """
    text = notebook_text(course, name)
    target = course.assignments / "source" / name / f"{name}.ipynb"
    changed = not target.is_file() or target.read_text(encoding="utf-8") != text
    write_student_library(course, name)
    if changed:
        write_whole(target, text)
    return Built(target, changed)


def notebook_text(course: Course, name: str) -> str:
    """Return the source notebook of a chapter as the text of its file."""
    file = course.chapter_file(name)
    chapter = read_chapter(file)
    prose = lowering(course.root / "book" / "references.bib", file.read_text(encoding="utf-8"))
    notebook = source_notebook(chapter, prose)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"
