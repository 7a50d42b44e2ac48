"""Run a submission: bounded in time, on after a failure, with verdicts instead of tracebacks."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbclient.util import run_sync
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import Execute
from traitlets import Float, Integer, Unicode

from autograder.course import Course, CourseError
from autograder.grading.record import NOTE, Record, write_record
from autograder.kernels.limits import Limits
from autograder.kernels.specs import CourseKernelSpecManager


class BoundedExecute(Execute):
    """nbgrader's `Execute` for code that may loop, die, flood or cheat.

    What runs is decided here and not by the submission: every test cell runs, whatever its tags,
    in the course's own kernel, whatever the notebook asks for.
    When the kernel dies, points earned before stay and the cells after it fail with the reason.
    """

    notebook_seconds = Float(
        300, help="Wall time in seconds that all cells of one notebook share."
    ).tag(config=True)
    course_root = Unicode(help="The folder that holds book/ and build/ of the course.").tag(
        config=True
    )
    memory_mb = Integer(4096, help="Address space of the kernel in MiB.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], **kwargs: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        self.skip_cells_with_tag = ""
        self.timeout_func = self._seconds_left
        self.started = time.monotonic()
        self.death: str | None = None
        self.record = Record(
            problems=[cell.metadata[NOTE] for cell in nb.cells if NOTE in cell.metadata]
        )
        folder = Path(resources["metadata"]["path"])
        with tempfile.TemporaryDirectory(prefix="grading-") as scratch:
            self.scratch = Path(scratch)
            try:
                nb, resources = super().preprocess(nb, resources, **kwargs)
            finally:
                self.record.seconds = round(time.monotonic() - self.started, 3)
                write_record(folder, self.record)
        return nb, resources

    def create_kernel_manager(self) -> AsyncKernelManager:
        manager = AsyncKernelManager(
            kernel_name=self.kernel_name,
            kernel_spec_manager=CourseKernelSpecManager(),
            config=self.config,
        )
        self.km = manager
        return manager

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel in a scratch folder that holds the assignment's files, no notebook."""
        names = self.resources["nbgrader"]
        work = self.scratch / "work"
        shutil.copytree(
            self.resources["metadata"]["path"],
            work,
            # A numpy.py handed in would be imported in place of NumPy: this is the kernel's folder.
            ignore=shutil.ignore_patterns("*.ipynb", "*.py", "timestamp.txt"),
        )
        environment = {"HOME": str(self.scratch), "IPYTHONDIR": str(self.scratch / "ipython")}
        library = student_library(Course(Path(self.course_root)), names["assignment"])
        if library is not None:
            environment["PYTHONPATH"] = str(library)
        await super().async_start_new_kernel(
            cwd=str(work),
            env=environment,
            limits=Limits(memory_bytes=self.memory_mb * 2**20),
            **kwargs,
        )

    # nbclient binds the blocking twin to its own coroutine, so it has to be bound again to ours.
    start_new_kernel = run_sync(async_start_new_kernel)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if self.death is None:
            try:
                cell, resources = super().preprocess_cell(cell, resources, index)
            except (DeadKernelError, CellTimeoutError) as error:
                self._note_death(cell, error)
        if self.death is not None and cell.cell_type == "code":
            cell.outputs = [verdict("NotRun", self.death)]
        elif is_test(cell):
            cell.outputs = plain_verdicts(cell.outputs)
        return cell, resources

    def on_cell_executed(self, **kwargs: Any) -> None:
        super().on_cell_executed(**kwargs)
        cell = kwargs["cell"]
        if kwargs["execute_reply"]["content"].get("ename") == "CellTimeoutError":
            self.record.problems.append(f"{describe(cell)} ran out of time")

    def _note_death(self, cell: NotebookNode, error: Exception) -> None:
        if isinstance(error, CellTimeoutError):
            cause = f"{describe(cell)} went on printing after its time was up"
        else:
            cause = f"the kernel died in {describe(cell)}"
        self.death = f"{cause}; the cells after it were not run"
        self.record.problems.append(self.death)

    def _seconds_left(self, cell: NotebookNode) -> float:
        left = self.notebook_seconds - (time.monotonic() - self.started)
        return max(1.0, min(float(self.timeout), left))


def student_library(course: Course, assignment: str) -> Path | None:
    """Return the library that a chapter's students import, or None for what is no chapter.

    Raises CourseError when the library of a chapter has not been built: without it the kernel
    would import the reference, answers and all.
    """
    if assignment not in course.chapter_names():
        return None
    library = course.student_library(assignment)
    if not library.is_dir():
        raise CourseError(f"there is no {library}; run 'autograder build {assignment}'")
    return library


def is_test(cell: NotebookNode) -> bool:
    """Tell whether nbgrader gives points for running this cell."""
    nbgrader = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(nbgrader.get("grade")) and not nbgrader.get("solution")


def plain_verdicts(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return what a test cell may say: its errors in one line, its partial credit, nothing else.

    A traceback would show the hidden test; and nbgrader takes any output on stderr for a failure,
    which a warning of right code is not.
    """
    kept = []
    for output in outputs:
        if output.output_type == "error":
            kept.append(verdict(output.ename, output.evalue))
        elif output.output_type == "execute_result":
            kept.append(output)
    return kept


def verdict(name: str, message: str) -> NotebookNode:
    """Return an error output that shows its name and message, and no traceback."""
    return NotebookNode(
        output_type="error", ename=name, evalue=message, traceback=[f"{name}: {message}"]
    )


def describe(cell: NotebookNode) -> str:
    """Return how a person finds the cell: its nbgrader id, or its first line."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return f"cell '{grade_id}'" if grade_id else f"the cell '{cell.source.split(chr(10))[0][:60]}'"
