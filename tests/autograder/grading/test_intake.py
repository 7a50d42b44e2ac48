"""Whatever file a student hands in becomes a notebook: theirs, repaired, or one that says why."""

import json

import nbformat
import pytest

from autograder.grading.intake import read_notebook
from autograder.grading.record import NOTE


@pytest.fixture
def notebook():
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 'Zoë'")])


def read(tmp_path, content):
    path = tmp_path / "20_capstone.ipynb"
    path.write_bytes(content)
    return read_notebook(path)


def as_bytes(content):
    return json.dumps(content).encode()


def test_a_notebook_is_read_as_it_is(tmp_path, notebook):
    assert read(tmp_path, nbformat.writes(notebook).encode()) == notebook


def test_a_byte_order_mark_is_passed_over(tmp_path, notebook):
    content = b"\xef\xbb\xbf" + nbformat.writes(notebook).encode()
    assert read(tmp_path, content) == notebook


def test_cells_without_or_with_equal_ids_get_their_own(tmp_path, notebook):
    content = json.loads(nbformat.writes(notebook))
    content["cells"] = [content["cells"][0], dict(content["cells"][0])]
    found = read(tmp_path, as_bytes(content))
    assert len({cell.id for cell in found.cells}) == 2


def test_an_old_format_is_brought_up_to_date(tmp_path):
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("y = 1")])]
    )
    found = read(tmp_path, as_bytes(old))
    assert (found.nbformat, found.cells[0].source) == (4, "y = 1")


HOPELESS = {
    "empty": b"",
    "half a file": b'{"cells": [',
    "not UTF-8": "é".encode("latin-1"),
    "another kind of JSON": b'{"cells": 3}',
    "a list": b"[]",
    "a number": b"7",
    "a format of the future": b'{"nbformat": 99, "nbformat_minor": 0, "cells": []}',
    "no cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
    "binary": bytes(range(256)),
    "nested beyond reason": b"[" * 100_000,
}


@pytest.mark.parametrize("content", HOPELESS.values(), ids=HOPELESS)
def test_what_is_no_notebook_becomes_one_that_says_why(tmp_path, content):
    found = read(tmp_path, content)
    assert len(found.cells) == 1
    assert "could not be read" in found.cells[0].source
    assert found.cells[0].metadata[NOTE].startswith("not readable: ")
    nbformat.validate(found)
