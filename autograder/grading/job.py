"""One assignment of one course to grade."""

from dataclasses import dataclass
from pathlib import Path


class GradingStoppedError(RuntimeError):
    """Grading cannot go on, for a reason that lies in no submission; the message is a sentence."""


@dataclass(frozen=True)
class Job:
    """`root` is the folder of the course's settings, `course_dir` nbgrader's course directory."""

    root: Path
    course_dir: Path
    assignment: str

    @property
    def executions(self) -> Path:
        """Return the folder of what running gave: below it, a folder for each student."""
        return self.course_dir / ".executions" / self.assignment

    def submitted(self, student: str) -> Path:
        """Return the folder of what a student handed in."""
        return self.course_dir / "submitted" / student / self.assignment

    def autograded(self, student: str) -> Path:
        """Return the folder of a student's graded notebooks."""
        return self.course_dir / "autograded" / student / self.assignment

    def students(self) -> list[str]:
        """Return who has a folder for the assignment, with a notebook in it or not."""
        folder = self.course_dir / "submitted"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        # nbgrader leaves hidden folders out, such as those that an editor makes
        return sorted(n for n in names if not n.startswith(".") and self.submitted(n).is_dir())
