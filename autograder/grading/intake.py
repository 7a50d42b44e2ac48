"""Read what was handed in: repair what can be repaired, and say what could not be read."""

import codecs
import glob
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.base import NbGraderException
from traitlets import Bool, default

from autograder.grading.handed_in import adopt_renamed, timestamp_problem, what_is_no_file
from autograder.grading.record import NOTE
from autograder.kernels.jail import SandboxError
from autograder.kernels.limits import MIB
from autograder.kernels.provisioner import shared_warm
from autograder.kernels.warm import Warm

MOST_BYTES = 64 * MIB
MOST_FILES_COPIED = 300
HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # in pairs a letter, alone nothing
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class SubmissionExporter(NotebookExporter):
    """The exporter of `nbgrader autograde`: reads any file a student may hand in.

    A file that is not a notebook becomes an empty one that says so; the graded cells are put
    back later, so the submission gets its row, with no points and the reason.
    """

    sandbox_first = Bool(
        True, help="Whether to see that student code can be confined before anything is read."
    ).tag(config=True)

    @default("optimistic_validation")
    def _after_all_steps_and_not_each(self) -> bool:
        return True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if hasattr(self.parent, "coursedir"):
            if self.sandbox_first:
                require_sandbox(self.parent)
            adopt_all(self.parent)
            leave_out_what_is_no_file(self.parent)

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        notebook = read_notebook(Path(filename))
        resources = resources or {}
        resources["metadata"] = {"name": Path(filename).stem, "path": str(Path(filename).parent)}
        return self.from_notebook_node(notebook, resources=resources, **kwargs)


def require_sandbox(converter: Any) -> None:
    """Raise NbGraderException, which ends the command, when student code cannot be confined."""
    try:
        shared_warm(Warm("autograder.kernels.student")).prepare()
    except SandboxError as error:
        converter.log.error(str(error))
        raise NbGraderException(str(error)) from error


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook in `path`, whatever the path holds.

    Repairs another encoding, a missing cell id and an older notebook format; what is not a
    notebook at all becomes an empty one whose first cell says what was found.
    """
    if path.is_symlink():
        return unreadable("the file is a link to another file")
    if not path.is_file():
        return unreadable("it is no ordinary file")
    if path.stat().st_size > MOST_BYTES:
        return unreadable(f"the file is larger than {MOST_BYTES // MIB} MiB")
    try:
        text = text_of(path.read_bytes())
        if HALF_A_CHARACTER.search(text):
            text = json.dumps(json.loads(text), ensure_ascii=False)
            text = text.encode(errors="replace").decode()
        with warnings.catch_warnings():
            # nbformat says that it repairs missing and repeated cell ids, which is wanted here.
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(text, as_version=4)
            _, notebook = nbformat.validator.normalize(notebook)
            nbformat.validate(notebook)
    except (nbformat.reader.NotJSONError, json.JSONDecodeError):
        return unreadable("the file is not JSON")
    except RecursionError:
        return unreadable("the file's JSON is nested too deeply")
    except (nbformat.ValidationError, KeyError, ValueError, AttributeError, TypeError) as error:
        return unreadable(f"the file is not a notebook ({str(error).splitlines()[0]})")
    return notebook


def text_of(content: bytes) -> str:
    """Return the text of a file in the encoding that its first bytes or all of them speak for."""
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # what Windows writes in the West


def unreadable(reason: str) -> NotebookNode:
    """Return an empty notebook that tells the reader why nothing of the submission is in it."""
    cell = nbformat.v4.new_markdown_cell(f"**This submission could not be read:** {reason}.")
    cell.metadata[NOTE] = f"not readable: {reason}"
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=[cell])
    return notebook


def adopt_all(converter: Any) -> None:
    """Give a lone notebook with an unexpected name the one that nbgrader looks for."""
    expected = _expected_names(converter)
    for folder in converter.assignments:
        target = adopt_renamed(Path(folder), expected)
        if target is not None:
            converter.log.warning("a renamed notebook is graded as %s", target)
            converter.assignments[folder] = [str(target)]


def leave_out_what_is_no_file(converter: Any) -> None:
    """Let nbgrader neither copy nor read links, pipes, devices and what is too large.

    It copies everything that lies beside a notebook before any plug-in is asked, following links
    and comparing each file with all beside it, and what it cannot read of a time of handing in
    costs the submission.
    The kernel's files are not these copies but those of `handed_in`.
    """
    course, init_assignment = converter.coursedir, converter.init_assignment
    read_timestamp = course.get_existing_timestamp

    def init_assignment_of_files(assignment: str, student: str) -> None:
        kept = course.ignore
        folder = Path(course.format_path(course.submitted_directory, student, assignment))
        left_out = [glob.escape(path.name) for path in what_is_no_file(folder)]
        # A page of that name would stand, read-only, where nbgrader writes the feedback.
        left_out += [f"{glob.escape(Path(name).stem)}.html" for name in converter.notebooks]
        if sum(len(names) for _, _, names in os.walk(folder)) > MOST_FILES_COPIED:
            left_out = ["*"]
            converter.log.warning("%s holds too many files; they are not copied", folder)
        course.ignore = [*kept, *left_out]
        try:
            init_assignment(assignment, student)
        finally:
            course.ignore = kept

    def timestamp_or_none(folder: str) -> Any:
        problem = timestamp_problem(Path(folder))
        if problem is not None:
            converter.log.warning("%s in %s", problem, folder)
            return None
        return read_timestamp(folder)

    converter.init_assignment = init_assignment_of_files
    course.get_existing_timestamp = timestamp_or_none


def _expected_names(converter: Any) -> list[str]:
    course = converter.coursedir
    with Gradebook(course.db_url, course.course_id) as gradebook:
        try:
            return [n.name for n in gradebook.find_assignment(course.assignment_id).notebooks]
        except MissingEntry:
            return []
