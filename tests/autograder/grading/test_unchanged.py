"""What has not changed is neither run nor recorded again; what decides a grade is seen to change.

A cell of the student's prints random bytes, so whether it ran again can be seen from its output.
"""

import json
import shutil

import nbformat
import pytest

from .small_class import (
    CLASS,
    NAME,
    SOLUTIONS,
    Student,
    gradebook,
    graded_cells,
    hand_in,
    run,
    source_notebook,
    write_course,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("unchanged")]
RANDOM = "import os\nprint(os.urandom(8).hex())\n"
ADA = Student(SOLUTIONS | {"square": RANDOM + SOLUTIONS["square"]})


class Graded:
    """A course with a submission that was graded once."""

    def __init__(self, root, assignment=NAME):
        self.root, self.assignment = root, assignment
        self.submitted = hand_in(root, "ada", ADA, assignment)
        self.autograded = root / "assignments" / "autograded" / "ada" / assignment
        self.grade()

    def grade(self, *options):
        done = run(self.root, "autograder", "grade", self.assignment, "--json", *options)
        assert done.returncode == 0, done.stderr
        (self.row,) = json.loads(done.stdout)
        self.said = done.stderr
        self.cells = graded_cells(self.root, "ada", self.assignment)
        self.written = (self.autograded / f"{self.assignment}.ipynb").stat().st_mtime_ns

    def ran_again(self, *options):
        """Grade again; tell whether the notebook was run."""
        before = self.cells
        self.grade(*options)
        return self.cells != before


@pytest.fixture
def graded(new_course):
    return Graded(new_course())


def test_nothing_changed(graded):
    before, written = gradebook(graded.root), graded.written
    assert not graded.ran_again()
    assert "1 of 1 have not changed" in graded.said
    assert graded.written == written
    assert gradebook(graded.root) == before
    assert graded.ran_again("--again")


def test_the_notebook(graded):
    path = graded.submitted / f"{NAME}.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells[2].source += "\n# better"
    nbformat.write(notebook, path)
    assert graded.ran_again()
    assert not graded.ran_again()


def test_a_file_beside_it(graded):
    (graded.submitted / "notes.txt").write_text("1")
    assert graded.ran_again()
    (graded.submitted / "notes.txt").write_text("2")
    assert graded.ran_again()
    assert not graded.ran_again()


def test_a_file_that_the_course_gives(graded):
    (graded.root / "assignments" / "source" / NAME / "data.csv").write_text("1")
    assert graded.ran_again()
    assert not graded.ran_again()


def test_points_and_tests_in_the_gradebook(graded):
    source = source_notebook()
    (test,) = [cell for cell in source.cells if "assert square" in cell.source]
    test.metadata["nbgrader"]["points"] = 20
    path = graded.root / "assignments" / "source" / NAME / f"{NAME}.ipynb"
    nbformat.write(source, path)
    generate = ("nbgrader", "generate_assignment", "--force", NAME)
    assert run(graded.root, *generate).returncode == 0
    assert graded.ran_again()
    assert (graded.row["points"], graded.row["automatic"]) == (25, 25)
    test.source = test.source.replace("== 1681", "== 1682")
    nbformat.write(source, path)
    assert run(graded.root, *generate).returncode == 0
    assert graded.ran_again()
    assert graded.row["points"] == 5
    assert not graded.ran_again()


def test_a_limit(graded):
    with (graded.root / "nbgrader_config.py").open("a") as config:
        config.write("c.SandboxedExecute.memory_mb = 3000\n")
    assert graded.ran_again()
    assert not graded.ran_again()


def test_a_setting_that_decides_nothing_of_a_run(graded):
    """It is recorded again, since it may decide what is recorded, but not run."""
    written = graded.written
    with (graded.root / "nbgrader_config.py").open("a") as config:
        config.write("c.LateSubmissionPlugin.penalty_method = 'none'\n")
    assert not graded.ran_again()
    assert graded.written != written


def test_a_result_that_was_not_recorded(graded):
    """As after a run that was killed: what it had run already is not run again."""
    shutil.rmtree(graded.autograded)
    assert not graded.ran_again()
    assert graded.row["points"] == 7


def test_a_gradebook_that_lost_the_submission(graded):
    done = run(graded.root, "nbgrader", "db", "student", "remove", "ada", "--force")
    assert done.returncode == 0, done.stderr
    assert not graded.ran_again()
    assert graded.row["points"] == 7


def test_extra_time_that_a_person_gave(new_course):
    from datetime import timedelta

    from nbgrader.api import Gradebook

    root = new_course()
    hand_in(root, "ivan", CLASS["ivan"])
    command = ("autograder", "grade", NAME, "--json")
    (row,) = json.loads(run(root, *command).stdout)
    assert row["problems"] == ["handed in late: 7 points are taken off"]
    with Gradebook(f"sqlite:///{root / 'assignments' / 'gradebook.db'}") as book:
        book.find_submission(NAME, "ivan").extension = timedelta(hours=3)
        book.db.commit()
    (row,) = json.loads(run(root, *command).stdout)
    assert row["problems"] == []


def test_the_library(tmp_path):
    """Of a chapter: what the student can import, and what the tests can."""
    root, name = tmp_path / "course", "01_small"
    seen = root / "build" / "student" / name / "tinytorch"
    full = root / "source_lib" / "tinytorch"
    for folder in (root / "book" / "chapters", seen, full):
        folder.mkdir(parents=True)
    (root / "book" / "chapters" / f"{name}.md").touch()
    manifest = {"packages": ["tinytorch"], "withheld": []}
    (seen.parent / "library.json").write_text(json.dumps(manifest))
    for folder in (seen, full):
        (folder / "__init__.py").write_text("ANSWER = 1\n")
    write_course(root, name=name)
    graded = Graded(root, name)
    assert graded.row["points"] == 7
    for folder in (seen, full):
        (folder / "__init__.py").write_text("ANSWER = 2\n")
        assert graded.ran_again()
    assert not graded.ran_again()


def test_a_renamed_notebook_settles_down(new_course):
    root = new_course()
    hand_in(root, "gus", CLASS["gus"])
    for _ in range(2):
        done = run(root, "autograder", "grade", NAME, "--json")
        assert json.loads(done.stdout)[0]["points"] == 7
    assert "1 of 1 have not changed" in done.stderr
