"""What is taken from a notebook, and what a grader would have to repair in it."""

import pytest

from tito.errors import TitoError
from tito.export import definitions
from tito.notebook import Notebook, problems


def cell(source, kind="code", **nbgrader):
    metadata = {"nbgrader": nbgrader} if nbgrader else {}
    return {"cell_type": kind, "metadata": metadata, "source": source}


RELEASED = Notebook(
    {
        "cells": [
            cell("import math", grade_id="imports", locked=True),
            cell("def f(): ...", grade_id="f", solution=True),
            cell("assert f()", grade_id="test-f", grade=True),
        ]
    }
)


def changed(*cells):
    return problems(Notebook({"cells": list(cells)}), RELEASED)


def test_the_release_itself_and_more_cells_are_in_order():
    assert changed(*RELEASED.cells, cell("print(1)")) == []


def test_missing_repeated_changed_and_foreign_cells_are_named():
    imports, task, test = RELEASED.cells
    assert changed(imports, task) == ["the test cell 'test-f' is missing"]
    assert changed(imports, task, task, test) == ["the task cell 'f' is there 2 times"]
    edited = cell("pass", grade_id="test-f", grade=True)
    assert changed(imports, task, edited) == [
        "the test cell 'test-f' was changed; the grader uses its own"
    ]
    foreign = cell("x", grade_id="old", solution=True)
    assert changed(imports, task, test, foreign) == ["the cell 'old' is of another release"]


def test_only_what_defines_is_taken_from_a_cell():
    source = "\n".join(
        [
            "%matplotlib inline",
            "import numpy as np",
            "LIMIT = 3",
            "data = np.ones(10**9)",
            "print(data)",
            "@property",
            "def helper():",
            "    return 1",
            "class Kept: pass",
            "!rm -rf x",
            "helper()",
        ]
    )
    kept = definitions(source, "own")
    assert kept.split("\n") == [
        "import numpy as np", "LIMIT = 3", "@property", "def helper():", "    return 1",
        "class Kept: pass",
    ]  # fmt: skip


def test_a_cell_that_is_no_python_is_named():
    with pytest.raises(TitoError, match=r"the cell 'own' is no Python: .*, line 1"):
        definitions("def f(:", "own")
