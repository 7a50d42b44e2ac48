"""In chapter N a student can import what chapters before N teach, and nothing of N or later."""

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


def test_writing_again_replaces_what_was_there(course, library):
    (library / "tinytorch" / "left_behind.py").write_text("")
    again = write_student_library(course, CHAPTER)
    assert again == library
    assert not (library / "tinytorch" / "left_behind.py").exists()
