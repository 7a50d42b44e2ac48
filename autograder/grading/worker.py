"""Run one submission without the gradebook being written; in a process of its own, or elsewhere."""

from functools import cache
from pathlib import Path
from socket import gethostname
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry

from autograder.grading.execute import SandboxedExecute
from autograder.grading.job import GradingStoppedError, Job
from autograder.grading.recorder import (
    close_gradebooks,
    converter,
    course_app,
    reason_to_stop,
)


def execute(job: Job, student: str) -> None:
    """Run a submission's notebooks and keep the results in the job's folder.

    What is wrong with the submission itself is found again, and reported, when it is recorded.
    Raises GradingStoppedError or CourseError for what would stop the others too.
    """
    if not job.submitted(student).is_dir():
        raise GradingStoppedError(f"{gethostname()} does not see {job.submitted(student)}")
    try:
        grading = converter(_app(job), job, student)
        grading.init_notebooks()
        grading.exporter = grading.exporter_class(parent=grading, config=grading.config)
        for notebooks in grading.assignments.values():
            for path in notebooks:
                if _is_known(grading, Path(path).stem, job.assignment):
                    _execute(grading, path)
    except Exception as error:  # noqa: BLE001  (recording meets the same and says it)
        stop = reason_to_stop(error)
        if stop is not None:
            raise stop from None
    finally:
        close_gradebooks()


def _execute(grading: Any, path: str) -> None:
    resources = grading.init_single_notebook_resources(path)
    grading._sanitizing = True
    grading._init_preprocessors()
    text, resources = grading.exporter.from_filename(path, resources=resources)
    notebook = nbformat.reads(text, as_version=4)
    runner = SandboxedExecute(parent=grading.exporter, config=grading.config)
    runner.keep_only = True
    runner.preprocess(notebook, resources)


def _is_known(grading: Any, notebook: str, assignment: str) -> bool:
    with Gradebook(grading.coursedir.db_url, grading.coursedir.course_id) as gradebook:
        try:
            gradebook.find_notebook(notebook, assignment)
        except MissingEntry:
            return False
    return True


@cache
def _app(job: Job) -> Any:
    return course_app(job)
