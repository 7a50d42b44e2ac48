"""The command answers a mistake with one sentence and exit code 2, and never a traceback."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def run(course):
    def command(*arguments, cwd=None):
        return subprocess.run(
            [sys.executable, "-c", "from autograder.cli import main; main()", *arguments],
            cwd=cwd or course.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return command


def one_sentence(done):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1
    return done.stderr


def test_help_shows_examples(run):
    done = run("--help")
    assert done.returncode == 0
    assert "autograder report 20_capstone" in done.stdout


def test_a_chapter_that_is_not_there(run):
    assert "found: 14_profiling, " in one_sentence(run("build", "21_nothing"))


def test_a_folder_that_is_no_course(run, tmp_path):
    assert "is not inside a course" in one_sentence(run("build", cwd=tmp_path))


def test_a_gradebook_that_is_not_there(run, tmp_path):
    done = run("report", "20_capstone", "--course-dir", str(tmp_path))
    assert "run 'nbgrader generate_assignment'" in one_sentence(done)


def test_a_build_says_what_it_wrote(run):
    done = run("build", "20_capstone")
    assert done.returncode == 0, done.stderr
    assert "assignments/source/20_capstone/20_capstone.ipynb" in done.stdout


def test_a_place_that_cannot_be_written(run, course, tmp_path):
    for part in ("book", "source_lib", "autograder"):
        (tmp_path / part).symlink_to(course.root / part)
    (tmp_path / "nbgrader_config.py").write_text("")
    (tmp_path / "assignments").write_text("a file where a folder should be")
    assert "assignments" in one_sentence(run("build", "20_capstone", cwd=tmp_path))


def test_a_report_of_nobody_is_an_empty_list(run, course, tmp_path):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment("20_capstone")
    done = run("report", "20_capstone", "--json", "--course-dir", str(tmp_path))
    assert json.loads(done.stdout) == []
