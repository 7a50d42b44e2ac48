"""nbgrader's own `autograde` as functions: for one student, with results that are there already."""

import contextlib
import errno
import glob
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbgrader.api
import nbgrader.nbgraderformat.common as metadata_format
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from nbgrader.api import Gradebook
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from traitlets.utils.importstring import import_item

from autograder.course import CourseError
from autograder.grading.execute import SandboxedExecute
from autograder.grading.gradebooks import require_writable
from autograder.grading.intake import SubmissionExporter
from autograder.grading.job import GradingStoppedError, Job
from autograder.kernels.jail import SandboxError

MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)
LONGEST_REASON = 300
_building = threading.Lock()
_closing: list[Callable[[], None]] = []


class Recorder:
    """Grades submissions into the gradebook, with the settings of the course."""

    def __init__(self, job: Job) -> None:
        self.app = course_app(job)
        self.job = job
        url = make_url(self.app.coursedir.db_url)
        self.gradebook = Path(url.database) if url.drivername == "sqlite" and url.database else None

    def record(self, student: str) -> str | None:
        """Grade one submission; return what of it made that impossible, or None.

        Raises GradingStoppedError when it is not the submission: a gradebook that cannot be
        written, a full disk, a machine without the sandbox.
        """
        for last in (False, True):
            if self.gradebook is not None:
                require_writable(self.gradebook)
            error = self._grade(student)
            if error is None:
                return None
            stop = reason_to_stop(error)
            if stop is None:
                return sentence(error)
            if last or not any(isinstance(cause, DBAPIError) for cause in causes(error)):
                raise stop from error
        return None

    def _grade(self, student: str) -> BaseException | None:
        """Run nbgrader for one student; return the error it met, which it only logs."""
        met = ErrorsMet()
        self.app.log.addHandler(met)
        try:
            converter(self.app, self.job, student).start()
        except (NbGraderException, SQLAlchemyError, OSError) as error:
            return met.error or error
        finally:
            self.app.log.removeHandler(met)
            close_gradebooks()
        return None


class ErrorsMet(logging.Handler):
    """Keeps the exception that is being handled when an error is logged."""

    error: BaseException | None = None

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        self.error = sys.exc_info()[1] or self.error


def course_app(job: Job) -> Any:
    """Return nbgrader's application with the configuration of the course.

    Raises CourseError when the configuration cannot be read, or would run student code unconfined.
    """
    app = NbGrader()
    app.raise_config_file_errors = True
    errors = io.StringIO()
    with _building, contextlib.chdir(job.root), contextlib.redirect_stderr(errors):
        try:
            app.initialize([f"--CourseDirectory.root={job.course_dir}"])
        except (Exception, SystemExit) as error:  # it may hold any Python
            stop = reason_to_stop(error)
            if stop is not None:
                raise stop from error
            problem = sentence(error) if str(error) else errors.getvalue().strip()[-LONGEST_REASON:]
            raise CourseError(f"nbgrader_config.py cannot be read: {problem}") from error
    app.config.SandboxedExecute.executions = str(job.executions)
    app.config.SubmissionExporter.sandbox_first = False  # running a cell sees to that
    app.log.handlers = [logging.NullHandler()]  # the caller prints a line a student
    app.log.propagate = False
    for noisy in ("tornado", "sqlalchemy"):  # the latter prints where a Ctrl+C met a connection
        logging.getLogger(noisy).addHandler(logging.NullHandler())
    os.environ.setdefault("MPLBACKEND", "agg")
    _save_repetition()
    _require_plugins(app)
    return app


def converter(app: Any, job: Job, student: str) -> Autograde:
    """Return nbgrader's converter for one submission."""
    coursedir = CourseDirectory(parent=app)
    coursedir.assignment_id, coursedir.student_id = job.assignment, glob.escape(student)
    made = Autograde(coursedir=coursedir, parent=app)
    made.force = made.create_student = True
    return made


def reason_to_stop(error: BaseException) -> Exception | None:
    """Return what to raise when an error is the machine's or the course's, not a submission's."""
    for cause in causes(error):
        if isinstance(cause, CourseError | GradingStoppedError):
            return cause
        if isinstance(cause, SandboxError):
            return GradingStoppedError(str(cause))
        if isinstance(cause, DBAPIError) and not isinstance(cause, IntegrityError | DataError):
            return GradingStoppedError(f"the gradebook cannot be written: {cause.orig}")
        if isinstance(cause, OSError) and cause.errno in MACHINE:
            where = cause.filename or "to the course's folder"
            return GradingStoppedError(f"cannot write {where}: {cause.strerror}")
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, or while handling what."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def sentence(error: BaseException) -> str:
    """Return an error of nbgrader's as one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, NbGraderException):
        text = f"{type(error).__name__}: {text}"
    return text[:LONGEST_REASON]


def _require_plugins(app: Any) -> None:
    """Raise CourseError when nbgrader would run notebooks without this package's protection."""
    grading = Autograde(coursedir=app.coursedir, parent=app)
    runs = [import_item(p) if isinstance(p, str) else p for p in grading.autograde_preprocessors]
    confined = [issubclass(kind, SandboxedExecute) for kind in runs if issubclass(kind, Execute)]
    if confined != [True] or not issubclass(grading.exporter_class, SubmissionExporter):
        raise CourseError(
            "nbgrader_config.py does not plug in the sandbox; "
            "call autograder.grading.settings.configure(c, root) in it"
        )


def _save_repetition() -> None:
    """Let nbgrader prepare once what it prepares anew for each of a student's cells.

    That is more than half of the time of recording: the statements of the gradebook, which it opens
    ten times for a notebook, with a connection of its own and a look whether all tables and the
    course are there, and the schema of the cells' metadata.
    """
    if not hasattr(nbgrader.api.create_engine, "cache_info"):
        nbgrader.api.create_engine = cache(_left_open(nbgrader.api.create_engine))
        tables = nbgrader.api.Base.metadata
        tables.create_all = cache(tables.create_all)
        Gradebook.check_course = _once_for_each_database(Gradebook.check_course)
        metadata_format.jsonschema = SimpleNamespace(validate=_validate)


def close_gradebooks() -> None:
    """Close the connections that were left open for the rest of a submission."""
    for close in _closing:
        close()


def _left_open(create_engine: Any) -> Any:
    """Let an engine keep its connection when nbgrader is done with it, for the next to take."""

    def create(*args: Any, **settings: Any) -> Any:
        engine = create_engine(*args, **settings)
        _closing.append(engine.dispose)
        engine.dispose = lambda close=True: None
        return engine

    return create


def _once_for_each_database(check_course: Any) -> Any:
    seen = set()

    def check(gradebook: Gradebook, course_id: str) -> None:
        if (gradebook.engine, course_id) not in seen:
            check_course(gradebook, course_id)
            seen.add((gradebook.engine, course_id))

    return check


def _validate(instance: Any, schema: dict[str, Any]) -> None:
    """Do what `jsonschema.validate` does."""
    error = best_match(_validator(json.dumps(schema)).iter_errors(instance))
    if error is not None:
        raise error


@cache
def _validator(schema: str) -> Any:
    parsed = json.loads(schema)
    kind = validator_for(parsed)
    kind.check_schema(parsed)
    return kind(parsed)
