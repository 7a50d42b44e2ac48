"""What a graded notebook shows, and that nbgrader reads a verdict as it was meant."""

import pytest
from nbformat import validate
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade

from autograder.grading.outputs import Allowance, describe, is_test, size_of, verdict_outputs

FAILED = {"passed": False, "ename": "AssertionError", "evalue": "too slow", "line": "assert f(1)"}


@pytest.fixture
def cell():
    """A test cell worth three points."""
    cell = new_code_cell("assert f(1)")
    cell.metadata["nbgrader"] = {"grade": True, "points": 3, "solution": False, "grade_id": "t"}
    return cell


def test_a_passed_test_gets_all_points(cell):
    cell.outputs = verdict_outputs({"passed": True, "result": None})
    assert determine_grade(cell) == (3, 3)


def test_a_failed_test_gets_none(cell):
    cell.outputs = verdict_outputs(FAILED)
    assert determine_grade(cell) == (0, 3)


@pytest.mark.parametrize(("value", "points"), [("1.5", 1.5), ("0", 0), ("3", 3)])
def test_a_number_is_partial_credit(cell, value, points):
    cell.outputs = verdict_outputs({"passed": True, "result": value})
    assert determine_grade(cell) == (points, 3)


@pytest.mark.parametrize("value", ["'1'", "[1]", "True"])
def test_another_value_is_none(cell, value):
    cell.outputs = verdict_outputs({"passed": True, "result": value})
    assert determine_grade(cell) == (3, 3)


@pytest.mark.parametrize(
    "verdict",
    [FAILED, FAILED | {"evalue": "", "line": ""}, {"passed": True, "result": "1"}],
)
def test_what_is_written_is_a_valid_notebook_s(cell, verdict):
    cell.outputs = verdict_outputs(verdict)
    validate(new_notebook(cells=[cell]))


def test_a_failure_says_the_visible_line_and_the_words():
    (output,) = verdict_outputs(FAILED)
    assert output.traceback == ["in the line: assert f(1)", "AssertionError: too slow"]
    (output,) = verdict_outputs({"passed": False, "ename": "NotRun", "evalue": ""})
    assert output.traceback == ["NotRun"]


def test_a_test_is_a_code_cell_with_points_that_the_student_does_not_write(cell):
    assert is_test(cell)
    for change in ({"grade": False}, {"solution": True}):
        other = new_code_cell("x")
        other.metadata["nbgrader"] = cell.metadata["nbgrader"] | change
        assert not is_test(other)
    assert not is_test(new_code_cell("x"))


def test_a_cell_is_named_by_its_id_or_its_first_line(cell):
    assert describe(cell) == "cell 't'"
    assert describe(new_code_cell("while True:\n    pass")) == "the cell 'while True:'"


class TestAllowance:
    def printed(self, text):
        return {"msg_type": "stream", "content": {"name": "stdout", "text": text}}

    def test_output_is_kept_until_its_size_is_reached(self):
        allowance = Allowance(100)
        assert not allowance.spent_by(self.printed("x" * 50))
        assert allowance.spent_by(self.printed("x" * 500))
        assert allowance.spent_by(self.printed(""))

    def test_small_messages_count_too(self):
        allowance = Allowance(10**9)
        spent = [allowance.spent_by(self.printed("")) for _ in range(5_001)]
        assert spent == [False] * 5_000 + [True]

    def test_what_is_no_output_passes(self):
        allowance = Allowance(0)
        assert not allowance.spent_by({"msg_type": "status", "content": {}})
        assert allowance.spent_by(self.printed("x"))

    def test_nested_data_has_the_size_of_its_parts(self):
        assert size_of({"data": {"text/plain": ["abc", "de"]}, "n": 1}) == 4 + 10 + 3 + 2 + 1 + 8
