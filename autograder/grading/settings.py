"""The settings that make nbgrader grade by the rules of this course."""

import warnings
from pathlib import Path

from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from autograder.grading import record
from autograder.kernels.specs import GRADING_KERNEL


def configure(c: Config, root: Path) -> None:
    """Plug this package into the `autograde` and `generate_feedback` commands of nbgrader.

    `root` is the folder that holds `book/` and `assignments/`.
    Every setting is nbgrader's own; set it again after this call to change it.
    """
    # nbgrader's way of adding a submission makes SQLAlchemy warn, a page for every student.
    warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")
    c.CourseDirectory.root = str(root / "assignments")
    c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", record.FILE]
    c.Autograde.exporter_class = "autograder.grading.intake.SubmissionExporter"
    c.Autograde.sanitize_preprocessors = [
        "nbgrader.preprocessors.ClearOutput",
        "nbgrader.preprocessors.OverwriteKernelspec",
        "autograder.grading.restore.RestoreCells",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Autograde.autograde_preprocessors = [
        "autograder.grading.execute.SandboxedExecute",
        "nbgrader.preprocessors.IgnorePattern",
        "nbconvert.preprocessors.ClearMetadataPreprocessor",
        "nbgrader.preprocessors.LimitOutput",
        "autograder.grading.save.SaveGradesAtOnce",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.GenerateFeedback.preprocessors = [
        "nbgrader.preprocessors.GetGrades",
        "nbgrader.preprocessors.ClearHiddenTests",
        "nbgrader.preprocessors.ClearMarkScheme",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    c.HTMLExporter.preprocessors = ["autograder.grading.pages.HarmlessPage"]
    c.HTMLExporter.filters = {"markdown2html": "autograder.grading.pages.harmless_markdown"}
    c.SandboxedExecute.course_root = str(root)
    c.SandboxedExecute.kernel_name = GRADING_KERNEL
    c.SandboxedExecute.timeout = 40
