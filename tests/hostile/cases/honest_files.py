"""Right work in a file that a browser, a mail program or an old editor has touched."""

import json
import uuid

import nbformat
from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, cell_of, honest, hostile, test_cells


def text_of(notebook: NotebookNode) -> str:
    return json.dumps(notebook, ensure_ascii=False)


@honest()
def byte_order_mark(book: Book) -> bytes:
    """UTF-8 with a byte order mark, as Windows editors write it."""
    return b"\xef\xbb\xbf" + text_of(book.solved()).encode()


@honest()
def sixteen_bits(book: Book) -> bytes:
    """UTF-16 with a byte order mark, as PowerShell writes it."""
    return text_of(book.solved()).encode("utf-16")


@honest()
def latin_letters(book: Book) -> bytes:
    """Latin-1, with an umlaut in a comment."""
    return text_of(book.closing("# Zoë was here")).encode("latin-1")


@honest()
def windows_line_ends(book: Book) -> bytes:
    r"""\r\n in the file and in the cells."""
    notebook = book.solved()
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    return json.dumps(notebook, indent=1).replace("\n", "\r\n").encode()


@honest()
def renamed_by_the_browser(book: Book) -> dict[str, object]:
    """The file is called "homework (1).ipynb"."""
    return {"homework (1).ipynb": book.solved()}


@honest()
def name_in_capitals(book: Book) -> dict[str, object]:
    """The file is called "Homework.IPYNB.ipynb"."""
    return {"Homework.IPYNB.ipynb": book.solved()}


@honest()
def checkpoint_beside_it(book: Book) -> dict[str, object]:
    """An older state lies in .ipynb_checkpoints, and a compiled file in __pycache__."""
    return {
        book.file_name: book.solved(),
        ".ipynb_checkpoints/homework-checkpoint.ipynb": book.untouched(),
        "__pycache__/x.cpython-311.pyc": b"\x00",
        ".DS_Store": b"\x00",
    }


@honest()
def data_file_of_its_own(book: Book) -> dict[str, object]:
    """A data file lies beside the notebook, and a cell reads it."""
    notebook = book.opening(
        "import json\nwith open('data/own.json') as file:\n    own = json.load(file)\nown['x']",
        book.solved(clamp="""
            def clamp(x, low, high):
                if low > high:
                    raise ValueError(own["x"])
                return max(low, min(x, high))
            """),
    )  # fmt: skip
    return {book.file_name: notebook, "data/own.json": '{"x": 3}'}


@honest()
def copied_cells(book: Book) -> NotebookNode:
    """A task and its test were copied, ids and all."""
    notebook = book.solved()
    for name in ("clamp", "test-clamp"):
        cell = cell_of(notebook, name)
        notebook.cells.insert(notebook.cells.index(cell) + 1, NotebookNode(cell))
    return notebook


@honest()
def copied_cells_at_the_end(book: Book) -> NotebookNode:
    """The empty task was copied to the end of the notebook before it was solved."""
    notebook = book.solved()
    notebook.cells.append(NotebookNode(cell_of(book.untouched(), "clamp")))
    return notebook


@honest()
def split_cell(book: Book) -> NotebookNode:
    """A task's cell was split in two, and the second half has no metadata."""
    notebook = book.solved()
    cell = cell_of(notebook, "clamp")
    source, cell.source = cell.source, "# my solution follows"
    notebook.cells.insert(notebook.cells.index(cell) + 1, nbformat.v4.new_code_cell(source))
    return notebook


@honest()
def metadata_cleared_of_right_work(book: Book) -> NotebookNode:
    """An editor dropped all metadata of cells; the work is right and in order."""
    notebook = book.solved()
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


@honest()
def metadata_cleared_of_some_cells(book: Book) -> NotebookNode:
    """Two tasks and a test lost their metadata."""
    notebook = book.solved()
    for name in ("clamp", "mean", "test-tally"):
        cell_of(notebook, name).metadata = {}
    return notebook


@honest()
def tests_deleted_by_accident(book: Book) -> NotebookNode:
    """All test cells were deleted; the work is right."""
    notebook = book.solved()
    for cell in test_cells(notebook):
        notebook.cells.remove(cell)
    return notebook


@honest()
def given_cells_deleted_by_accident(book: Book) -> NotebookNode:
    """The helper that tests use was deleted; the work is right."""
    notebook = book.solved()
    notebook.cells.remove(cell_of(notebook, "given"))
    return notebook


@honest()
def tests_retyped_by_accident(book: Book) -> NotebookNode:
    """A test became prose and another raw text by a slip of the keyboard."""
    notebook = book.solved()
    for cell, kind in zip(test_cells(notebook), ("markdown", "raw"), strict=False):
        cell.cell_type = kind
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
    return notebook


@honest()
def tests_edited_while_debugging(book: Book) -> NotebookNode:
    """Prints were put into the tests and left there."""
    notebook = book.solved()
    for cell in test_cells(notebook):
        cell.source = "print('debug')\n" + cell.source.replace("assert ", "assert True or ")
    return notebook


@honest()
def strange_tags(book: Book) -> NotebookNode:
    """Tags of slide and note programs, among them one that skips execution."""
    notebook = book.solved()
    for cell in notebook.cells:
        cell.metadata["tags"] = ["slide", "hide-input", "skip-execution", "raises-exception"]
        cell.metadata["editable"] = False
    return notebook


@honest()
def kernel_of_another_machine(book: Book) -> NotebookNode:
    """The kernelspec is one that only the student's machine has."""
    notebook = book.solved()
    notebook.metadata["kernelspec"] = {
        "name": "conda-env-ml-py", "display_name": "Python [conda env:ml]", "language": "python",
    }  # fmt: skip
    return notebook


@honest()
def kernel_not_said(book: Book) -> NotebookNode:
    """There are no metadata of the notebook at all."""
    notebook = book.solved()
    notebook.metadata = {}
    return notebook


@honest()
def old_format(book: Book) -> bytes:
    """Format 4.2, without ids of cells."""
    notebook = json.loads(text_of(book.solved()))
    notebook["nbformat_minor"] = 2
    for cell in notebook["cells"]:
        cell.pop("id", None)
    return json.dumps(notebook).encode()


@honest()
def oldest_format(book: Book) -> bytes:
    """Format 3, saved by a program of ten years ago."""
    old = nbformat.convert(nbformat.from_dict(json.loads(text_of(book.solved()))), 3)
    return nbformat.writes(old, 3).encode()


@honest()
def newer_minor_format(book: Book) -> NotebookNode:
    """Format 4.9, which adds keys that are not known yet."""
    notebook = book.solved()
    notebook.nbformat_minor = 9
    notebook["comment"] = "from the future"
    for cell in notebook.cells:
        cell["created"] = "2031-01-01"
    return notebook


@honest()
def equal_cell_ids(book: Book) -> NotebookNode:
    """All cells have one id, as a faulty program wrote them."""
    notebook = book.solved()
    same = uuid.uuid5(uuid.NAMESPACE_DNS, "x").hex[:8]
    for cell in notebook.cells:
        cell["id"] = same
    return notebook


@honest()
def old_schema_of_nbgrader(book: Book) -> NotebookNode:
    """nbgrader's metadata are of version 1, from a release two years old."""
    notebook = book.solved()
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["schema_version"] = 1
            cell.metadata.nbgrader.pop("task", None)
    return notebook


@honest()
def schema_of_nbgrader_missing(book: Book) -> NotebookNode:
    """nbgrader's metadata say no version."""
    notebook = book.solved()
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.pop("schema_version", None)
    return notebook


@honest()
def broken_timestamp(book: Book) -> dict[str, object]:
    """timestamp.txt says "yesterday"."""
    return {book.file_name: book.solved(), "timestamp.txt": "yesterday, around noon"}


@honest()
def empty_timestamp(book: Book) -> dict[str, object]:
    """timestamp.txt is empty."""
    return {book.file_name: book.solved(), "timestamp.txt": ""}


@honest()
def widgets_and_attachments(book: Book) -> NotebookNode:
    """State of widgets in the metadata, a picture attached to prose, large old outputs."""
    notebook = book.solved()
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    notebook.cells[0]["attachments"] = {"x.png": {"image/png": "iVBORw0KGgo="}}
    cell_of(notebook, "test-clamp").outputs = [
        {"output_type": "stream", "name": "stderr", "text": "an old failure"}
    ]
    return notebook


@hostile(target.FULL - target.POINTS["clamp"])
def wrong_work_in_a_repaired_file(book: Book) -> bytes:
    """The negative twin: the file is repaired, the wrong answer in it is not."""
    wrong = "def clamp(x, low, high):\n    return x"
    return b"\xef\xbb\xbf" + text_of(book.solved(clamp=wrong)).encode()
