"""`nbgrader autograde` and `autograder grade`, with one worker or two, write the same gradebook."""

import json
import shutil

import pytest
from nbgrader.api import Gradebook

from .small_class import CLASS, NAME, gradebook, graded_cells, hand_in, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("same gradebook")]
COMMANDS = {
    "nbgrader": ("nbgrader", "autograde", NAME),
    "one": ("autograder", "grade", NAME, "--json"),
    "two": ("autograder", "grade", NAME, "--workers", "2", "--json"),
}
AGAIN = {"nbgrader": ["--force"], "one": ["--again"], "two": ["--again"]}


@pytest.fixture(scope="module")
def courses(template, tmp_path_factory):
    """The class graded by each command, and what the command said."""
    found = {}
    for name, command in COMMANDS.items():
        root = tmp_path_factory.mktemp(name) / "course"
        shutil.copytree(template, root)
        with (root / "nbgrader_config.py").open("a") as config:
            config.write("c.SandboxedExecute.timeout = 5  # since one of them loops\n")
        for student, work in CLASS.items():
            hand_in(root, student, work)
        done = run(root, *command)
        assert done.returncode == 0, done.stderr
        found[name] = root, done.stdout
    return found


def test_every_table_is_the_same(courses):
    tables = {name: gradebook(root) for name, (root, _) in courses.items()}
    assert tables["one"] == tables["nbgrader"]
    assert tables["two"] == tables["nbgrader"]
    assert len(tables["nbgrader"]["submitted_assignment"]) == len(CLASS) - 1


def test_every_graded_notebook_is_the_same(courses):
    for student in CLASS:
        if student != "hana":
            cells = {name: graded_cells(root, student) for name, (root, _) in courses.items()}
            assert cells["one"] == cells["nbgrader"], student
            assert cells["two"] == cells["nbgrader"], student


@pytest.mark.parametrize("command", ["one", "two"])
def test_each_student_has_a_row_with_points_and_reasons(courses, command):
    rows = {row["student"]: row for row in json.loads(courses[command][1])}
    assert set(rows) == set(CLASS)
    for name, student in CLASS.items():
        reasons = "; ".join(rows[name]["problems"])
        assert rows[name]["points"] == student.points, (name, reasons)
        assert student.problem in reasons
        assert bool(student.problem) == bool(reasons), (name, reasons)
        assert (rows[name]["automatic"], rows[name]["manual"]) == (7, 5)


def test_what_a_person_graded_stays_when_grading_again(courses):
    """The last test of this module, since it changes the courses."""
    for name, (root, _) in courses.items():
        url = f"sqlite:///{root / 'assignments' / 'gradebook.db'}"
        with Gradebook(url) as book:
            for cell, student, score in (
                ("why", "ada", 3.5),
                ("picture", "ada", 1.0),
                ("test-square", "chen", 1.5),  # by hand, in place of what the test says
                ("why", "dana", 0.0),
            ):
                grade = book.find_grade(cell, NAME, NAME, student)
                grade.manual_score, grade.needs_manual_grade = score, False
            book.find_grade("test-total", NAME, NAME, "bela").extra_credit = 0.5
            book.find_comment("why", NAME, NAME, "ada").manual_comment = "Well put."
            book.db.commit()
        done = run(root, *COMMANDS[name], *AGAIN[name])
        assert done.returncode == 0, done.stderr
    tables = {name: gradebook(root) for name, (root, _) in courses.items()}
    assert tables["one"] == tables["nbgrader"]
    assert tables["two"] == tables["nbgrader"]
    root = courses["two"][0]
    done = run(root, "autograder", "report", NAME, "--json")
    rows = {row["student"]: row for row in json.loads(done.stdout)}
    assert (rows["ada"]["points"], rows["ada"]["by_hand"]) == (7, 4.5)
    assert (rows["chen"]["points"], rows["bela"]["points"]) == (1.5, 5.5)
    comments = [dict(row) for row in tables["two"]["comment"]]
    assert "Well put." in [row["manual_comment"] for row in comments]
