"""A chapter's notebook defines every name that its code uses: the library's helpers came along."""

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.authoring.chapter import read_chapter
from autograder.authoring.notebook import source_notebook, without_hidden_tests
from autograder.course import find_course

CHAPTERS = find_course(Path(__file__)).chapter_names()


def undefined(code, tmp_path):
    path = tmp_path / "notebook.py"
    path.write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--quiet"]
    done = subprocess.run(
        [*command, "--output-format=concise", path], capture_output=True, text=True, check=False
    )
    return [line.partition(": ")[2] for line in done.stdout.strip().split("\n") if line]


@pytest.mark.parametrize("name", CHAPTERS)
def test_nothing_is_used_that_is_not_there(course, name, tmp_path):
    chapter = read_chapter(course.chapter_file(name))
    notebook = without_hidden_tests(source_notebook(chapter, lambda prose: prose))
    code = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert undefined(code, tmp_path) == []


def test_a_name_that_is_not_there_would_be_found(tmp_path):
    (line,) = undefined("def f(x):\n    return helper(x)\n", tmp_path)
    assert "helper" in line
