"""Where the rooms of a course are."""

from dataclasses import dataclass
from pathlib import Path


class CourseError(ValueError):
    """Something in the course's own files is wrong; the message names the file and the cure."""


@dataclass(frozen=True)
class Course:
    """The folders of one course, all below `root`."""

    root: Path

    @property
    def chapters(self) -> Path:
        return self.root / "book" / "chapters"

    @property
    def assignments(self) -> Path:
        """Return nbgrader's course directory, which a course without chapters is itself."""
        inside = self.root / "assignments"
        return inside if inside.is_dir() or self.chapters.is_dir() else self.root

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def library(self) -> Path:
        return self.root / "source_lib" / "tinytorch"

    def chapter_file(self, chapter: str) -> Path:
        """Return the file of a chapter such as "20_capstone".

        Raises CourseError naming the chapters there are.
        """
        path = self.chapters / f"{chapter}.md"
        if not path.is_file():
            there = ", ".join(self.chapter_names()) or "none"
            raise CourseError(f"there is no chapter {chapter!r} in {self.chapters}; found: {there}")
        return path

    def chapter_names(self) -> list[str]:
        """Return the chapters that have a file, in the order of their numbers."""
        return sorted(path.stem for path in self.chapters.glob("[0-9][0-9]_*.md"))

    def student_library(self, chapter: str) -> Path:
        """Return the folder to import from where `chapter` and later ones are not to be had."""
        return self.build / "student" / chapter


def find_course(start: Path | None = None) -> Course:
    """Return the course that `start` (default: the working directory) lies in.

    Raises CourseError when no folder above holds `nbgrader_config.py`.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "nbgrader_config.py").is_file():
            return Course(folder)
    raise CourseError(
        f"{here} is not inside a course; go to the folder that holds nbgrader_config.py"
    )
