"""What a test cell may say, and how a cell is named to a person."""

import pytest
from nbformat.v4 import new_code_cell, new_output

from autograder.course import Course, CourseError
from autograder.grading.execute import (
    describe,
    is_test,
    plain_verdicts,
    student_library,
    verdict,
)


def test_an_error_keeps_its_words_and_loses_its_traceback():
    error = new_output(
        "error", ename="AssertionError", evalue="too slow", traceback=["def hidden():", "x == 7"]
    )
    (kept,) = plain_verdicts([error])
    assert (kept.ename, kept.evalue) == ("AssertionError", "too slow")
    assert kept.traceback == ["AssertionError: too slow"]


def test_a_warning_or_a_print_of_right_code_is_no_failure():
    outputs = [
        new_output("stream", name="stderr", text="DeprecationWarning"),
        new_output("stream", name="stdout", text="hello"),
        new_output("display_data", data={"text/plain": "0.5"}),
    ]
    assert plain_verdicts(outputs) == []


def test_partial_credit_by_a_number_stays_nbgrader_s():
    credit = new_output("execute_result", data={"text/plain": "1.5"}, execution_count=1)
    assert plain_verdicts([credit]) == [credit]


def test_the_verdict_is_an_output_that_nbgrader_counts_as_failure():
    from nbgrader.utils import determine_grade

    cell = new_code_cell("x", outputs=[verdict("AssertionError", "no")])
    cell.metadata["nbgrader"] = {"grade": True, "points": 3, "solution": False}
    assert is_test(cell)
    assert determine_grade(cell) == (0, 3)
    cell.outputs = []
    assert determine_grade(cell) == (3, 3)


def test_a_cell_is_named_by_its_id_or_its_first_line():
    cell = new_code_cell("while True:\n    pass")
    assert describe(cell) == "the cell 'while True:'"
    cell.metadata["nbgrader"] = {"grade_id": "speedup"}
    assert describe(cell) == "cell 'speedup'"
    assert not is_test(cell)


def test_a_chapter_whose_library_is_not_built_is_not_graded(tmp_path):
    """The kernel would import the installed reference instead, which holds the answers."""
    course = Course(tmp_path)
    course.chapters.mkdir(parents=True)
    (course.chapters / "20_capstone.md").touch()
    with pytest.raises(CourseError, match="run 'autograder build 20_capstone'"):
        student_library(course, "20_capstone")
    assert student_library(course, "another course's homework") is None
    course.student_library("20_capstone").mkdir(parents=True)
    assert student_library(course, "20_capstone") == course.student_library("20_capstone")
