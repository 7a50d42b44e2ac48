"""The gradebook, as it is read and waited for."""

import shutil
import sqlite3
import threading

import pytest
from nbgrader.api import Gradebook

from autograder.grading import gradebooks
from autograder.grading.gradebooks import assignment_digest, notebook_names, require_writable
from autograder.grading.job import GradingStoppedError

pytestmark = pytest.mark.filterwarnings("ignore:Object of type <Submitted")


@pytest.fixture
def path(empty_gradebook, tmp_path):
    shutil.copyfile(empty_gradebook, tmp_path / "gradebook.db")
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        book.add_assignment("ps1")
        book.add_notebook("b", "ps1")
        book.add_notebook("a", "ps1")
        book.add_grade_cell("test", "a", "ps1", max_score=3, cell_type="code")
        book.add_task_cell("task", "a", "ps1", max_score=1, cell_type="markdown")
        book.add_source_cell("test", "a", "ps1", source="assert 1", cell_type="code", locked=True)
    return tmp_path / "gradebook.db"


def test_notebooks_are_named_in_order(path):
    assert notebook_names(path.parent, "ps1") == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE grade_cells SET max_score = 4",
        "UPDATE task_cells SET max_score = 4",
        "UPDATE source_cell SET source = 'assert 2'",
        "UPDATE source_cell SET locked = 0",
        "UPDATE assignment SET duedate = '2026-01-01 00:00:00.000000'",
        "DELETE FROM grade_cells",
    ],
)
def test_a_digest_tells_assignments_apart(path, change):
    before = assignment_digest(path.parent, "ps1")
    assert assignment_digest(path.parent, "ps1") == before
    with sqlite3.connect(path) as database:
        database.execute(change)
    database.close()
    assert assignment_digest(path.parent, "ps1") != before


def test_students_decide_nothing_of_an_assignment(path):
    before = assignment_digest(path.parent, "ps1")
    with Gradebook(f"sqlite:///{path}") as book:
        book.add_student("ada")
        book.add_submission("ps1", "ada")
    assert assignment_digest(path.parent, "ps1") == before


class TestWritable:
    def test_asking_changes_nothing(self, path):
        before = path.read_bytes()
        require_writable(path)
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == ["gradebook.db"]

    def test_a_lock_is_waited_for(self, path):
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        require_writable(path)
        timer.join()
        other.close()

    def test_a_lock_that_stays_is_said(self, path, monkeypatch):
        monkeypatch.setattr(gradebooks, "LOCK_SECONDS", 0.1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GradingStoppedError, match="cannot be written: database is locked"):
            require_writable(path)
        other.close()

    def test_a_gradebook_that_is_gone_is_not_made(self, path):
        path.unlink()
        with pytest.raises(GradingStoppedError, match="unable to open database file"):
            require_writable(path)
        assert not path.exists()
