"""What is taken from a notebook, and what a grader would have to repair in it."""

import json
from pathlib import Path

import pytest

from tito.errors import TitoError
from tito.export import definitions, without_magics
from tito.notebook import Notebook, left_behind, merged, problems, read_notebook
from tito.running import GRADER_CELL_SECONDS


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


def test_work_that_has_no_place_in_a_fresh_notebook_is_carried_or_named():
    imports, _, test = RELEASED.cells
    mine = Notebook(
        {
            "cells": [
                cell("first = 1"),
                imports,
                cell("def g(): ...", grade_id="older", solution=True),
                cell("helper = 2"),
                cell("def f(): 1", grade_id="f", solution=True),
                cell("    more = 3", grade_id="f", solution=True),
                test,
            ]
        }
    )
    fresh, carried = merged(RELEASED, mine)
    sources = [one["source"] for one in fresh.cells]
    assert sources == ["first = 1", "import math", "helper = 2", "def f(): 1", "assert f()"]
    assert carried == ["f", "1 of your own at the top", "1 of your own after imports"]
    assert left_behind(RELEASED, mine) == ["older", "f"]


def test_line_ends_of_windows_change_nothing(tmp_path):
    path = tmp_path / "n.ipynb"
    cells = [one | {"source": one["source"] + "\r\nx\r\n"} for one in RELEASED.cells]
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"cells": cells}, indent=1).encode())
    assert all("\r" not in one["source"] for one in read_notebook(path).cells)


def test_only_what_is_no_python_is_a_magic():
    formula = "rest = (a\n    % b)\n"
    assert without_magics(formula) == formula
    assert without_magics("%time x\n!ls\nx = 1") == "\n\nx = 1"


def test_the_grader_stops_a_cell_when_it_says():
    from traitlets.config import Config

    from autograder.grading.settings import configure

    settings = Config()
    configure(settings, root=Path(__file__).parent)
    assert settings.SandboxedExecute.timeout == GRADER_CELL_SECONDS
