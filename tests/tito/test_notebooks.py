"""What is taken from a notebook, and what a grader would have to repair in it."""

import json
from pathlib import Path

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
    assert changed(cell("import cmath", grade_id="imports"), task, test) == [
        "the given cell 'imports' was changed; the grader uses its own; write into a cell of your "
        "own"
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
    kept = definitions(source)
    assert kept.split("\n") == [
        "import numpy as np", "LIMIT = 3", "@property", "def helper():", "    return 1",
        "class Kept: pass",
    ]  # fmt: skip


def test_an_answer_in_the_cell_of_its_question_is_told_of():
    """The grader puts the question back, and the answer would be gone."""
    question = cell("**Why?**", "markdown", grade_id="why", grade=True, task=True, points=2)
    released = Notebook({"cells": [question]})
    mine = Notebook({"cells": [question | {"source": "**Why?** Because."}]})
    assert problems(mine, released) == [
        "what you wrote into the question cell 'why' is lost at grading; move it to the cell below"
    ]
    assert left_behind(released, mine) == ["why"]


def test_of_a_cell_that_is_no_python_nothing_is_taken():
    """What an IPython line is goes alone; a cell of a shell goes whole."""
    assert definitions("np.round?\n?np.round\nLIMIT = 3") == "LIMIT = 3"
    assert definitions("%%bash\necho a b") == ""
    assert definitions("files = !ls") == ""


def test_a_digest_is_of_the_code_alone():
    """Saving a notebook again writes other outputs into it."""
    mine = Notebook({"cells": [cell("x = 1") | {"outputs": [1]}, cell("text", "markdown")]})
    again = Notebook({"cells": [cell("x = 1") | {"outputs": []}, cell("more", "markdown")]})
    other = Notebook({"cells": [cell("x = 2")]})
    assert mine.digest() == again.digest() != other.digest()


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
                cell("a note", "markdown"),
                test,
            ]
        }
    )
    fresh, carried = merged(RELEASED, mine)
    sources = [one["source"] for one in fresh.cells]
    assert sources == ["first = 1", "import math", "helper = 2", "def f(): 1", "assert f()"]
    assert carried == ["f", "1 of your own at the top", "1 of your own after imports"]
    assert left_behind(RELEASED, mine) == ["older", "f", "1 of your cells of text"]


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
