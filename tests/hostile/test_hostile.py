"""No case gains a point, reads a secret, harms a neighbour or outlives its grading."""

import functools
from pathlib import Path
from typing import Any

import pytest

from . import house
from .classes import CHAPTER_CLASS, classes, faults, faults_around
from .courses import write_course
from .submission import CASES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SECONDS = 900.0
ATTACKS_ON_THE_CHANNEL = (
    "answers_on_every_descriptor", "answers_before_the_questions", "two_answers_to_each_question",
    "lengths_that_lie", "frames_that_are_no_json", "answers_drop_by_drop", "channel_closed",
    "tests_by_format_strings", "files_by_the_checker", "copy_that_is_not_made",
    "kinds_nobody_knows", "shapes_and_dtypes_that_lie", "references_to_nothing",
    "library_by_the_checker_s_files",
)  # fmt: skip


def by_class(*names: str) -> list[Any]:
    """Return parameters for pytest-xdist, so that one worker grades a class once."""
    return [
        pytest.param(group, name, marks=pytest.mark.xdist_group(group), id=name)
        for group, members in classes().items()
        for name in names or members
    ]


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """Return a function from the name of a class to the report on its grading."""

    @functools.cache
    def graded(group: str) -> dict[str, Any] | None:
        template: Path = tmp_path_factory.mktemp(group) / "course"
        chapter = group == CHAPTER_CLASS
        write_course(template, "ours", chapter)
        request = {"cases": classes()[group], "chapter": chapter, "feedback": True}
        return house.run(template, request | {"seconds": SECONDS}, SECONDS + 400)

    return graded


@pytest.mark.parametrize(("group", "name"), by_class())
def test_case(report, group, name):
    assert faults(report(group), name) == [], CASES[name].about


@pytest.mark.parametrize(("group", "_"), by_class("around"))
def test_nothing_is_left_changed_or_heard_around_a_class(report, group, _):
    found = report(group)
    assert faults_around(found) == [], "\n".join(found["commands"]["autograde"]["log"][-20:])


@pytest.mark.parametrize(("group", "_"), by_class("feedback"))
def test_everybody_gets_feedback(report, group, _):
    students = report(group)["students"]
    assert [name for name, entry in students.items() if not entry["has_feedback"]] == []


@pytest.mark.parametrize(("group", "_"), by_class("channel"))
def test_attacks_on_the_channel_find_it(report, group, _):
    """Their negative twin: an attack that cannot find what it attacks holds for no good reason."""
    for name, entry in report(group)["students"].items():
        case = CASES.get(entry["case"])
        if case is not None and case.name in ATTACKS_ON_THE_CHANNEL:
            assert "channel found" in entry["said"], name


def test_there_are_cases_enough():
    kinds = [case.kind for case in CASES.values()]
    assert kinds.count("hostile") >= 100
    assert kinds.count("honest") >= 12


def test_a_fault_is_found():
    """The negative twin: what a careless grader would leave is named."""
    entry = {
        "case": "skip_execution_tag", "points": 20.0, "printed": ["the gradebook"], "failed": [],
        "feedback": [],
        "forbidden": ["ESCAPED"], "peak_mb": 9000, "seconds": 1.0,
    }  # fmt: skip
    beside = entry | {"case": None, "points": 3.0, "printed": [], "forbidden": [], "peak_mb": 10}
    found = faults({"full": 20.0, "students": {"b": entry, "c": beside}}, "skip_execution_tag")
    assert found == [
        "20 points, of which 0 were earned", "printed the gradebook", "worked: ESCAPED",
        "9000 MB of memory at once", "the neighbour c: 3 points instead of 20",
    ]  # fmt: skip
    assert faults(None, "fork_bomb") != []
