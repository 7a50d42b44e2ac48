"""In chapter N a student can import what chapters before N teach, and nothing of N or later."""

import os
import subprocess
import sys

import pytest

from autograder.authoring.chapter import read_chapter
from autograder.authoring.student_library import write_student_library

CHAPTER = "20_capstone"


@pytest.fixture(scope="module")
def library(course):
    return write_student_library(course, CHAPTER)


def run(library, code):
    """Run code in an interpreter that sees the student's library and no other tinytorch."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(library)},
        cwd=library,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_earlier_chapters_can_be_imported(library):
    done = run(library, "import tinytorch.benchmarking, tinytorch.datasets, tinytorch.schemas")
    assert done.returncode == 0, done.stderr


def test_the_chapter_itself_cannot_and_says_why(course, library):
    module = read_chapter(course.chapter_file(CHAPTER)).module
    done = run(library, f"import {module}")
    assert "what chapter 20 asks you to write" in done.stderr
    assert done.returncode == 1


def test_no_file_of_it_is_there(library):
    assert not (library / "tinytorch" / "capstone").exists()
    text = "".join(p.read_text() for p in library.rglob("*.py"))
    assert "def generate_submission" not in text


def test_one_that_holds_the_same_is_left_where_it_is(course, library):
    before = library.stat().st_ino
    write_student_library(course, CHAPTER)
    assert library.stat().st_ino == before


def test_who_uses_the_old_one_can_go_on(course, library):
    (library / "tinytorch" / "left_behind.py").write_text("still = 'here'")
    inside = os.open(library, os.O_RDONLY)
    try:
        write_student_library(course, CHAPTER)
        with open(os.open("tinytorch/left_behind.py", os.O_RDONLY, dir_fd=inside)) as file:
            assert file.read() == "still = 'here'"
    finally:
        os.close(inside)


def test_each_chapter_has_what_comes_before_it_and_nothing_else(course):
    names = course.chapter_names()
    modules = {name: read_chapter(course.chapter_file(name)).module for name in names}
    for name in names:
        code = "import importlib\n"
        for other, module in modules.items():
            if other < name:
                code += f"importlib.import_module({module!r})\n"
            else:
                code += (
                    f"try:\n    importlib.import_module({module!r})\n"
                    "except ImportError as error:\n    assert 'asks you to write' in str(error)\n"
                    f"else:\n    raise AssertionError({module!r})\n"
                )
        done = run(write_student_library(course, name), code)
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_writing_again_replaces_what_was_there(course, library):
    (library / "tinytorch" / "left_behind.py").write_text("")
    again = write_student_library(course, CHAPTER)
    assert again == library
    assert not (library / "tinytorch" / "left_behind.py").exists()
