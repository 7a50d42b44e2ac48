"""What is noted of a grading, for all notebooks of a submission."""

import pytest

from autograder.grading.record import FILE, Record, mark_complete, read_record, write_record


def test_one_notebook_is_read_as_it_was_written(tmp_path):
    write_record(tmp_path, "ps1", Record(["it was late"], 1.5))
    assert read_record(tmp_path) == Record(["it was late"], 1.5)


def test_notebooks_are_put_together_and_named(tmp_path):
    write_record(tmp_path, "first", Record(["looped"], 1.0))
    write_record(tmp_path, "second", Record(["crashed", "flooded"], 2.0))
    problems = ["first: looped", "second: crashed", "second: flooded"]
    assert read_record(tmp_path) == Record(problems, 3.0)


def test_a_notebook_that_is_graded_again_is_noted_once(tmp_path):
    write_record(tmp_path, "ps1", Record(["looped"], 1.0))
    write_record(tmp_path, "ps1", Record([], 0.5))
    assert read_record(tmp_path) == Record([], 0.5)


def test_complete_is_what_it_was_marked_as_until_it_is_graded_again(tmp_path):
    write_record(tmp_path, "ps1", Record())
    mark_complete(tmp_path, "this")
    found = read_record(tmp_path)
    assert found is not None
    assert found.complete == "this"
    write_record(tmp_path, "ps1", Record())
    found = read_record(tmp_path)
    assert found is not None
    assert found.complete == ""


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"notebooks": 3}', '{"notebooks": {"a": {"x": 1}}}', "\xff"]
)
def test_what_is_no_record_counts_as_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content.encode("latin-1"))
    assert read_record(tmp_path) is None


def test_no_record_is_none(tmp_path):
    assert read_record(tmp_path) is None
