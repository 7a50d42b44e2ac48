"""The gradebook at a glance has a row for everybody and a column for every chapter."""

import io
import json

import pytest
from rich.console import Console

from autograder.grading import overview as module
from autograder.grading.overview import overview, print_overview, to_json
from autograder.grading.report import Row


def row(student, points, by_hand=0.0):
    return Row(student, points, 5.0, by_hand, 2.0, 1, (), 0.1)


CLASS = {"one": [row("ada", 5.0, 1.5), row("bela", None)], "two": [row("ada", 2.0)]}


def printed(found):
    text = io.StringIO()
    print_overview(found, Console(file=text, width=120))
    return text.getvalue()


def test_points_of_tests_and_by_hand_are_added_over_the_chapters():
    text = printed(CLASS)
    (ada,) = [line for line in text.split("\n") if "ada" in line]
    assert [part.strip() for part in ada.strip("│").split("│")] == ["ada", "6.5", "2", "8.5"]
    assert "of 7" in text
    assert "still to read: 3" in text


def test_who_was_not_graded_or_handed_nothing_in_has_an_empty_place():
    (bela,) = [line for line in printed(CLASS).split("\n") if "bela" in line]
    assert [part.strip() for part in bela.strip("│").split("│")] == ["bela", "", "", "0"]


def test_every_assignment_that_was_handed_in_is_there(tmp_path, monkeypatch):
    for folder in ("ada/one", "ada/two", "bela/one"):
        (tmp_path / "submitted" / folder).mkdir(parents=True)
    (tmp_path / "submitted" / "notes.txt").touch()
    monkeypatch.setattr(module, "rows", lambda course_dir, name: [row(name, 1.0)])
    assert {name: there[0].student for name, there in overview(tmp_path).items()} == {
        "one": "one",
        "two": "two",
    }


@pytest.mark.parametrize("found", [{}, CLASS])
def test_it_is_plain_data(found):
    assert json.loads(json.dumps(to_json(found))).keys() == found.keys()
