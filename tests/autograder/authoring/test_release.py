"""A release holds what students may have, and nothing of what they are to write."""

import importlib.metadata
import json
import re
import time
import zipfile

import pytest

from autograder.authoring.hidden import checks_file
from autograder.authoring.release import release, wheel_of
from autograder.course import Course, CourseError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(course, tmp_path_factory):
    """Every release of this course, in a folder of its own."""
    root = tmp_path_factory.mktemp("course")
    for name in ("book", "source_lib", "assignments", "nbgrader_config.py", "pyproject.toml"):
        (root / name).symlink_to(course.root / name)
    own = Course(root)
    return own, {name: release(own, name) for name in own.chapter_names()}


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}


def test_no_wheel_gives_away_what_is_still_to_write(made, leaks):
    """In the release of chapter N: nothing of N or later, and of no chapter a hidden test."""
    course, folders = made
    for newest in folders:
        text = "\n".join(contents(wheel_of(course, newest)).values())
        secrets = [
            name for name in leaks(text)
            if "solution" not in name or name.partition(":")[0] >= newest
        ]  # fmt: skip
        assert secrets == [], newest


def test_it_has_the_notebooks_up_to_its_chapter(made):
    course, folders = made
    names = course.chapter_names()
    for newest, folder in folders.items():
        there = {path.stem for path in folder.glob("*.ipynb")}
        assert there == {name for name in names if name <= newest}
        entries = json.loads((folder / "course.json").read_text())["chapters"]
        assert [entry["name"] for entry in entries] == names
        assert {entry["name"] for entry in entries if entry["released"]} == there


def test_the_same_course_gives_the_same_bytes(made):
    course, folders = made
    newest = max(folders)
    before = wheel_of(course, newest)
    name, data = before.name, before.read_bytes()
    time.sleep(2.1)  # the times of a zip archive have steps of two seconds
    release(course, newest)
    again = wheel_of(course, newest)
    assert (again.name, again.read_bytes()) == (name, data)


def test_the_wheel_asks_for_what_its_code_imports(made):
    course, folders = made
    files = contents(wheel_of(course, max(folders)))
    metadata = next(text for name, text in files.items() if name.endswith("METADATA"))
    required = {
        re.split(r"[<>=;]", line)[0].strip().lower().replace("_", "-")
        for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)
    }
    imported = {
        match
        for name, text in files.items()
        if name.startswith("tito/") and name.endswith(".py")
        for match in re.findall(r"^\s*(?:from|import) (\w+)", text, re.M)
    }
    packages = importlib.metadata.packages_distributions()
    for module in imported - {"tito", "tinytorch", "annotations"}:
        wanted = {name.lower().replace("_", "-") for name in packages.get(module, [])}
        assert not wanted or wanted & required or _comes_with(module), module


def _comes_with(module):
    return module in ("jupyter_client", "jupyter_core", "nbformat")  # with nbclient


def test_a_release_that_was_not_made_and_a_missing_notebook_are_named(made, tmp_path):
    course, _ = made
    with pytest.raises(CourseError, match=r"run 'autograder release 99_none'"):
        wheel_of(course, "99_none")
    for name in ("book", "source_lib", "nbgrader_config.py", "pyproject.toml"):
        (tmp_path / name).symlink_to(course.root / name)
    with pytest.raises(CourseError, match="nbgrader generate_assignment"):
        release(Course(tmp_path), max(course.chapter_names()))


def test_hidden_tests_are_what_is_looked_for(course):
    """The search above would find one: the negative twin."""
    name = course.chapter_names()[-1]
    assert "def check_" in checks_file(name).read_text(encoding="utf-8")
