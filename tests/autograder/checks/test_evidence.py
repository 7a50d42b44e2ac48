"""The hidden tests of a chapter pass what is right and catch what is wrong."""

import dataclasses
import importlib
import itertools
from pathlib import Path

import pytest

from autograder.authoring.chapter import read_chapter
from autograder.checks.evidence import (
    Subject,
    all_subjects,
    evaluate,
    judge,
    mutate,
    reference_script,
)
from autograder.course import Course, CourseError, find_course

CHAPTERS = find_course(Path(__file__)).chapter_names()


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(course, request):
    return read_chapter(course.chapter_file(request.param))


def test_there_is_enough_evidence(course, chapter):
    subjects = list(all_subjects(course, chapter))
    right = [s for s in subjects if s.kind == "right" and s.name != "reference"]
    mutants = [s for s in subjects if s.kind == "mutant"]
    assert len(right) >= 4
    assert len(mutants) >= 30
    assert len({s.name for s in subjects}) == len(subjects)


def test_every_check_of_the_file_is_used_by_the_chapter(chapter):
    checks = importlib.import_module(f"autograder.checks.ch{chapter.name}")
    there = {name for name in vars(checks) if name.startswith("check_")}
    used = {check for test in chapter.tests for check in test.checks}
    assert there == used


@pytest.mark.slow
def test_right_solutions_pass_and_every_mutant_is_caught_by_a_hidden_check(course, chapter):
    wrong = [
        f"{v.kind} {v.name}: {v.failed}"
        for v in evaluate(course, chapter.name)
        if not v.as_expected
    ]
    assert wrong == []


def test_a_solution_of_stubs_gets_nothing(chapter):
    """Whatever is tested calls something that the student wrote."""
    script = reference_script(chapter)
    names = [line.split("(")[0].split()[1].rstrip(":") for line in script.split("\n")
             if line.startswith(("def ", "class "))]  # fmt: skip
    stubs = "\n".join(f"def {name}(*a, **k): raise NotImplementedError" for name in names)
    verdict = judge(chapter, Subject("stubs", "mutant", "", stubs))
    assert verdict.points == 0


def test_a_test_that_fails_by_chance_shows_when_it_is_repeated(course, monkeypatch):
    chapter = read_chapter(course.chapter_file("20_capstone"))
    checks = importlib.import_module("autograder.checks.ch20_capstone")
    calls = itertools.count()

    def every_third(student):
        assert next(calls) % 3 < 2

    test = next(test for test in chapter.tests if test.id == "mlp-parameters")
    monkeypatch.setattr(checks, test.checks[0], every_third)
    only_that = dataclasses.replace(
        chapter, cells=[c for c in chapter.cells if c not in chapter.tests or c is test]
    )
    right = Subject("reference", "right", "", reference_script(chapter))
    assert judge(only_that, right).as_expected
    assert not judge(only_that, right, repeat=3).as_expected


def test_a_mutant_that_does_not_fit_the_reference_any_more_is_named():
    for find in ("not there", "x"):
        with pytest.raises(CourseError, match="mutant 'old': its 'find' stands"):
            mutate("x = x", {"name": "old", "about": "", "find": find, "replace": ""}, Path("m"))


def test_a_chapter_without_evidence_is_named(chapter, tmp_path):
    with pytest.raises(CourseError, match="it holds the solutions to judge the tests by"):
        list(all_subjects(Course(tmp_path), chapter))
