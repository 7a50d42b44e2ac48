"""A submission says which cell is which; what a cell counts for is the gradebook's."""

import warnings
from types import SimpleNamespace

import nbformat
import pytest

from autograder.grading.restore import RestoreCells, id_of, like, restore, rules_of

TEST = "assert f(1) == 2\n### BEGIN HIDDEN TESTS\nassert f(2) == 3\n### END HIDDEN TESTS"


def source(name, text, kind="code", locked=True):
    return SimpleNamespace(
        name=name, source=text, cell_type=kind, locked=locked, checksum=name.ljust(32, "0")
    )


@pytest.fixture
def rules():
    cells = [
        source("answer", "def f(x):\n    ...", locked=False),
        source("test", TEST),
        source("task", "Why?", kind="markdown"),
    ]
    points = {name: SimpleNamespace(name=name, max_score=3.0) for name in ("test", "task")}
    return rules_of(
        SimpleNamespace(
            source_cells=cells,
            grade_cells=[points["test"]],
            task_cells=[points["task"]],
            solution_cells=[cells[0]],
        )
    )


def test_the_rules_are_those_that_nbgrader_gave(rules):
    wanted = {"answer": (0, 0, 1, 0, None), "test": (1, 1, 0, 0, 3.0), "task": (0, 1, 0, 1, 3.0)}
    for name, (_, found) in rules.items():
        kinds = tuple(int(found[key]) for key in ("grade", "locked", "solution", "task"))
        assert (*kinds, found.get("points")) == wanted[name]
        assert found["schema_version"] == 3


@pytest.mark.parametrize("kind", ["code", "markdown", "raw"])
def test_a_given_cell_becomes_what_it_was_whatever_it_is_now(rules, kind):
    cell = getattr(nbformat.v4, f"new_{kind}_cell")("pass")
    cell.metadata = nbformat.from_dict({"nbgrader": {"grade": False, "points": 99}, "tags": ["a"]})
    assert restore(cell, *rules["test"])
    assert (cell.cell_type, cell.source, cell.outputs) == ("code", TEST, [])
    assert cell.metadata == {"nbgrader": rules["test"][1]}
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))


def test_a_missing_given_cell_is_put_back_whole(rules):
    """With an id of its own, without which nbformat warns at every reading."""
    notebook = nbformat.v4.new_notebook()
    RestoreCells()._put_back(notebook, rules, set())
    assert [id_of(cell) for cell in notebook.cells] == ["test", "task"]
    with warnings.catch_warnings(action="error"):
        nbformat.validate(notebook)


def test_an_answer_keeps_its_text(rules):
    cell = nbformat.v4.new_code_cell("def f(x): return x + 1")
    assert not restore(cell, *rules["answer"])
    assert cell.source == "def f(x): return x + 1"
    assert id_of(cell) == "answer"


def test_a_cell_that_was_not_edited_is_not_said_to_be(rules):
    assert not restore(nbformat.v4.new_code_cell("assert f(1) == 2\n"), *rules["test"])


@pytest.mark.parametrize(
    ("name", "text", "yes"),
    [
        ("test", "assert f(1) == 2", True),
        ("test", TEST, False),
        ("test", "assert f(1) == 3", False),
        ("answer", "import math\ndef f(x):\n    return x + 1", True),
        ("answer", "def g(x):\n    return x", False),
        ("answer", "def f(x:", False),
        ("answer", "", False),
    ],
)
def test_a_cell_without_metadata_is_known_by_its_text(rules, name, text, yes):
    assert like(rules[name][0])(nbformat.v4.new_code_cell(text)) is yes
