"""Files that are no notebooks, or notebooks as no program writes them."""

import gzip
import json

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, Folder, Link, Pipe, hostile


def text_of(notebook: NotebookNode) -> str:
    return json.dumps(notebook)


@hostile()
def no_json(book: Book) -> bytes:
    """A file of prose."""
    return b"Please find attached my homework.\n"


@hostile()
def half_a_file(book: Book) -> bytes:
    """The first half of a right notebook."""
    text = text_of(book.solved()).encode()
    return text[: len(text) // 2]


@hostile()
def empty_file(book: Book) -> bytes:
    """No bytes."""
    return b""


@hostile()
def only_white_space(book: Book) -> bytes:
    """Blank lines."""
    return b" \n\n\t\n"


@hostile()
def json_of_another_kind(book: Book) -> bytes:
    """A JSON list."""
    return b'[{"cell_type": "code"}]'


@hostile()
def json_null(book: Book) -> bytes:
    """JSON's null."""
    return b"null"


@hostile()
def json_nested_without_end(book: Book) -> bytes:
    """A hundred thousand brackets."""
    return b"[" * 100_000 + b"]" * 100_000


@hostile()
def json_nested_in_the_metadata(book: Book) -> bytes:
    """A notebook whose metadata are nested beyond what Python recurses."""
    text = text_of(book.untouched())
    deep = '{"x":' * 3000 + "1" + "}" * 3000
    return text.replace('"metadata": {', f'"metadata": {{"deep": {deep}, ', 1).encode()


@hostile()
def json_with_huge_numbers(book: Book) -> bytes:
    """Numbers of fifty thousand digits, infinite ones, and ones that are none."""
    text = text_of(book.untouched())
    numbers = f'"a": {"9" * 50_000}, "b": 1e999999, "c": NaN, "d": -Infinity, '
    return text.replace('"kernelspec": {', f'{numbers}"kernelspec": {{', 1).encode()


@hostile()
def json_with_repeated_keys(book: Book) -> bytes:
    """Two lists of cells: first solved ones, then those of the release."""
    return (text_of(book.solved())[:-1] + ", " + text_of(book.untouched())[1:]).encode()


@hostile()
def bytes_of_any_value(book: Book) -> bytes:
    """All bytes there are."""
    return bytes(range(256)) * 40


@hostile()
def null_bytes_in_the_source(book: Book) -> NotebookNode:
    """Cells hold null bytes, form feeds and the byte order mark."""
    return book.opening("print('\x00\x0c\ufeff')\n\x00")


@hostile()
def lone_surrogates(book: Book) -> bytes:
    r"""Cells hold \ud800, which no encoding can write."""
    return text_of(book.opening("x = 'MARK'")).replace("MARK", "\\ud800").encode()


@hostile()
def compressed(book: Book) -> bytes:
    """A right notebook, compressed."""
    return gzip.compress(text_of(book.solved()).encode())


@hostile()
def web_page(book: Book) -> bytes:
    """What a browser saves when it was asked to log in."""
    return b"<!DOCTYPE html><html><body><h1>Log in</h1></body></html>"


@hostile(target.FULL)
def file_of_60_megabytes(book: Book) -> NotebookNode:
    """Right work with 60 MB of pictures in the outputs."""
    notebook = book.closing("print('picture')")
    data = {"image/png": "iVBORw0K" * (60 * 2**17)}
    output = {"output_type": "display_data", "metadata": {}, "data": data}
    notebook.cells[-1].outputs = [output]
    return notebook


@hostile(target.FULL)
def cell_of_20_megabytes(book: Book) -> NotebookNode:
    """Right work and a cell of 20 MB."""
    return book.closing("x = '" + "x" * (20 * 2**20) + "'")


@hostile()
def format_of_the_future(book: Book) -> NotebookNode:
    """A notebook of format 99."""
    notebook = book.untouched()
    notebook.nbformat = 99
    return notebook


@hostile()
def format_of_another_kind(book: Book) -> bytes:
    """The number of the format is a text, and a list."""
    text = text_of(book.untouched())
    return text.replace('"nbformat": 4', '"nbformat": "four"').encode()


@hostile()
def format_of_the_beginning(book: Book) -> bytes:
    """A notebook of format 1."""
    cells = [{"cell_type": "code", "code": "x = 1", "prompt_number": 1}]
    return json.dumps({"nbformat": 1, "cells": cells}).encode()


@hostile()
def cells_of_another_kind(book: Book) -> bytes:
    """Cells are numbers, lists, null, and of unknown types."""
    notebook = book.untouched()
    strange = [1, None, [], "x", {}, {"cell_type": "video"}, {"cell_type": ["code"]}]
    return json.dumps({**notebook, "cells": [*strange, *notebook.cells]}).encode()


@hostile()
def sources_of_another_kind(book: Book) -> bytes:
    """Sources are numbers, null, objects and lists of lists."""
    notebook = json.loads(text_of(book.untouched()))
    for cell, strange in zip(
        notebook["cells"][2:], (7, None, {"a": 1}, [["x"]], [1, 2]), strict=False
    ):
        cell["source"] = strange
    return json.dumps(notebook).encode()


@hostile()
def outputs_of_another_kind(book: Book) -> bytes:
    """Outputs are numbers, and their data lists."""
    notebook = json.loads(text_of(book.untouched()))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [7, {"output_type": "display_data", "data": [1]}, {"output_type": 3}]
            cell["execution_count"] = "many"
    return json.dumps(notebook).encode()


@hostile()
def metadata_of_the_notebook_of_another_kind(book: Book) -> bytes:
    """The notebook's metadata are a list, and its kernelspec a number."""
    notebook = json.loads(text_of(book.untouched()))
    notebook["metadata"] = {"kernelspec": 3, "language_info": [], "celltoolbar": {"x": None}}
    return json.dumps(notebook).encode()


@hostile()
def cell_ids_that_are_none(book: Book) -> bytes:
    """Ids of cells are empty, equal, numbers and far too long."""
    notebook = json.loads(text_of(book.untouched()))
    for cell, strange in zip(notebook["cells"], ("", 5, None, "x" * 999, "a b", "é"), strict=False):
        cell["id"] = strange
    return json.dumps(notebook).encode()


@hostile()
def notebook_is_a_folder(book: Book) -> dict[str, object]:
    """A folder has the notebook's name."""
    return {book.file_name: Folder(), "readme.txt": "look inside"}


@hostile()
def notebook_is_a_pipe(book: Book) -> dict[str, object]:
    """A named pipe has the notebook's name, and whoever opens it waits."""
    return {book.file_name: Pipe()}


@hostile()
def notebook_links_to_a_device(book: Book) -> dict[str, object]:
    """The notebook is a link to a device that never ends."""
    return {book.file_name: Link("/dev/zero")}


@hostile()
def notebook_links_to_itself(book: Book) -> dict[str, object]:
    """The notebook is a link to itself."""
    return {book.file_name: Link(book.file_name)}


@hostile()
def notebook_links_to_nothing(book: Book) -> dict[str, object]:
    """The notebook is a link to a file that is not there."""
    return {book.file_name: Link("/nowhere/homework.ipynb")}


@hostile(target.FULL)
def data_file_is_a_pipe(book: Book) -> dict[str, object]:
    """Beside right work lies a named pipe, for whoever copies it."""
    return {book.file_name: book.solved(), "data.csv": Pipe()}


@hostile(target.FULL)
def data_file_links_to_a_device(book: Book) -> dict[str, object]:
    """Beside right work lies a link to a device that never ends."""
    return {book.file_name: book.solved(), "data.csv": Link("/dev/zero")}


@hostile(target.FULL)
def data_folder_links_to_itself(book: Book) -> dict[str, object]:
    """Beside right work lies a link to the folder that it lies in."""
    return {book.file_name: book.solved(), "data": Link("."), "up": Link("../../..")}


@hostile(target.FULL)
def thousands_of_data_files(book: Book) -> dict[str, object]:
    """Beside right work lie three thousand files, and folders sixty deep."""
    files = {f"data/{number}.txt": "x" for number in range(3000)}
    return {book.file_name: book.solved(), "/".join("d" * 60): "x", **files}


@hostile(target.FULL)
def data_file_names_of_any_kind(book: Book) -> dict[str, object]:
    """Names of data files hold line breaks, quotes, wildcards, dashes and control characters."""
    names = (
        "a\nb",
        "-rf",
        "*",
        "?[x]",
        "'; drop table grade; --",
        "\x1b[2J",
        "é" * 100,
        "..x",
        "~",
    )
    return {book.file_name: book.solved(), **dict.fromkeys(names, "x")}


@hostile(target.FULL)
def timestamp_is_a_pipe(book: Book) -> dict[str, object]:
    """The time of handing in is a named pipe, for whoever reads it."""
    return {book.file_name: book.solved(), "timestamp.txt": Pipe()}


@hostile(target.FULL)
def timestamp_of_another_kind(book: Book) -> dict[str, object]:
    """The time of handing in is binary, and long."""
    return {book.file_name: book.solved(), "timestamp.txt": b"\xff\xfe\x00" * 100_000}


@hostile(target.FULL)
def timestamp_of_another_century(book: Book) -> dict[str, object]:
    """The work was handed in in the year 99999."""
    return {book.file_name: book.solved(), "timestamp.txt": "99999-13-45 99:99:99 UTC"}
