"""Read what was handed in: repair what can be repaired, and say what could not be read."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook, MissingEntry

from autograder.grading.record import NOTE


class SubmissionExporter(NotebookExporter):
    """The exporter of `nbgrader autograde`: reads any file a student may hand in.

    A file that is not a notebook becomes an empty one that says so; the graded cells are put
    back later, so the submission gets its row, with no points and the reason.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if hasattr(self.parent, "coursedir"):
            adopt_renamed(self.parent)

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        notebook = read_notebook(Path(filename))
        resources = resources or {}
        resources["metadata"] = {"name": Path(filename).stem, "path": str(Path(filename).parent)}
        return self.from_notebook_node(notebook, resources=resources, **kwargs)


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook in `path`, whatever the path holds.

    Repairs a byte order mark, a missing cell id and an older notebook format; what is not a
    notebook at all becomes an empty one whose first cell says what was found.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return unreadable("the file is not UTF-8 text")
    try:
        with warnings.catch_warnings():
            # nbformat says that it repairs missing and repeated cell ids, which is wanted here.
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(text, as_version=4)
            _, notebook = nbformat.validator.normalize(notebook)
            nbformat.validate(notebook)
    except nbformat.reader.NotJSONError:
        return unreadable("the file is not JSON")
    except RecursionError:
        return unreadable("the file's JSON is nested too deeply")
    except (nbformat.ValidationError, KeyError, ValueError, AttributeError, TypeError) as error:
        return unreadable(f"the file is not a notebook ({str(error).splitlines()[0]})")
    return notebook


def unreadable(reason: str) -> NotebookNode:
    """Return an empty notebook that tells the reader why nothing of the submission is in it."""
    cell = nbformat.v4.new_markdown_cell(f"**This submission could not be read:** {reason}.")
    cell.metadata[NOTE] = f"not readable: {reason}"
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=[cell])
    return notebook


def adopt_renamed(converter: Any) -> None:
    """Copy a lone notebook with an unexpected name to the name that nbgrader looks for.

    Browsers and mail programs turn `name.ipynb` into `name (1).ipynb`.
    The file handed in stays beside the copy.
    """
    expected = _expected_names(converter)
    if len(expected) != 1:
        return
    for folder, found in converter.assignments.items():
        target = Path(folder) / f"{expected[0]}.ipynb"
        if len(found) == 1 and not target.exists() and Path(found[0]).is_file():
            converter.log.warning("%s is graded as %s", found[0], target.name)
            shutil.copyfile(found[0], target)
            converter.assignments[folder] = [str(target)]


def _expected_names(converter: Any) -> list[str]:
    course = converter.coursedir
    with Gradebook(course.db_url, course.course_id) as gradebook:
        try:
            return [n.name for n in gradebook.find_assignment(course.assignment_id).notebooks]
        except MissingEntry:
            return []
