"""The table of a class: a row for everybody, with points from the gradebook and every reason."""

import io
import json
import shutil

import pytest
from nbgrader.api import Gradebook
from rich.console import Console

from autograder.course import CourseError
from autograder.grading.job import GradingStoppedError
from autograder.grading.record import Record, write_record
from autograder.grading.report import Row, print_rows, rows

pytestmark = pytest.mark.filterwarnings("ignore:Object of type <Submitted")


@pytest.fixture
def course_dir(empty_gradebook, tmp_path):
    """Two tests of 3 and 2 points, an answer of 4 and a task of 1, of one student."""
    shutil.copyfile(empty_gradebook, tmp_path / "gradebook.db")
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        book.add_assignment("ps1")
        book.add_notebook("ps1", "ps1")
        for name, points in (("first", 3), ("second", 2), ("answer", 4)):
            book.add_grade_cell(name, "ps1", "ps1", max_score=points, cell_type="code")
        book.add_solution_cell("answer", "ps1", "ps1")
        book.add_task_cell("task", "ps1", "ps1", max_score=1, cell_type="markdown")
        book.add_student("ada")
        book.add_submission("ps1", "ada")
    hand_in(tmp_path, "ada")
    write_record(tmp_path / "autograded" / "ada" / "ps1", "ps1", Record(["it looped"], 1.25))
    return tmp_path


def hand_in(course_dir, name, file="ps1.ipynb"):
    folder = course_dir / "submitted" / name / "ps1"
    folder.mkdir(parents=True)
    if file:
        (folder / file).touch()


def score(course_dir, cell, **fields):
    with Gradebook(f"sqlite:///{course_dir / 'gradebook.db'}") as book:
        grade = book.find_grade(cell, "ps1", "ps1", "ada")
        for name, value in fields.items():
            setattr(grade, name, value)
        book.db.commit()


def test_points_of_tests_and_of_people_are_told_apart(course_dir):
    score(course_dir, "first", auto_score=3)
    score(course_dir, "second", auto_score=0)
    (row,) = rows(course_dir, "ps1")
    assert (row.points, row.automatic, row.by_hand, row.manual) == (3, 5, 0, 5)
    score(course_dir, "answer", manual_score=2.5)
    score(course_dir, "task", manual_score=1)
    (row,) = rows(course_dir, "ps1")
    assert (row.points, row.by_hand) == (3, 3.5)


def test_a_person_s_score_stands_in_place_of_the_test_s_and_extra_is_added(course_dir):
    score(course_dir, "first", auto_score=3, manual_score=1)
    score(course_dir, "second", auto_score=2, extra_credit=0.5)
    assert rows(course_dir, "ps1")[0].points == 3.5


def test_what_waits_for_a_person_is_counted(course_dir):
    score(course_dir, "answer", needs_manual_grade=True)
    score(course_dir, "task", needs_manual_grade=False)
    with_first = rows(course_dir, "ps1")[0].to_read
    score(course_dir, "answer", needs_manual_grade=False)
    assert rows(course_dir, "ps1")[0].to_read == with_first - 1


def test_problems_and_lateness_are_reasons(course_dir):
    with Gradebook(f"sqlite:///{course_dir / 'gradebook.db'}") as book:
        book.find_submission_notebook("ps1", "ps1", "ada").late_submission_penalty = 1.5
        book.db.commit()
    (row,) = rows(course_dir, "ps1")
    assert row.problems == ("it looped", "handed in late: 1.5 points are taken off")
    assert row.seconds == 1.25


def test_who_has_no_points_is_there_with_the_reason(course_dir):
    hand_in(course_dir, "bela", file="")
    hand_in(course_dir, "chen")
    hand_in(course_dir, "dana")
    found = {row.student: row for row in rows(course_dir, "ps1", {"dana": "it is broken"})}
    assert list(found) == ["ada", "bela", "chen", "dana"]
    assert {name: row.points for name, row in found.items() if name != "ada"} == {
        "bela": None, "chen": None, "dana": None,
    }  # fmt: skip
    assert found["bela"].problems == ("no notebook was handed in",)
    assert found["chen"].problems[0].startswith("not graded; run 'autograder grade'")
    assert found["dana"].problems == ("it is broken",)


def test_folders_that_nbgrader_leaves_out_are_no_students(course_dir):
    hand_in(course_dir, ".ipynb_checkpoints")
    (course_dir / "submitted" / "notes.txt").touch()
    (course_dir / "submitted" / "other").mkdir()
    assert [row.student for row in rows(course_dir, "ps1")] == ["ada"]


def test_an_unknown_assignment_or_gradebook_is_one_sentence(course_dir, tmp_path_factory):
    with pytest.raises(CourseError, match="has no 'ps2'; run 'nbgrader generate_assignment ps2'"):
        rows(course_dir, "ps2")
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(CourseError, match="run 'nbgrader generate_assignment'"):
        rows(empty, "ps1")
    (empty / "gradebook.db").write_bytes(b"no database" * 100)
    with pytest.raises(GradingStoppedError, match="cannot be read: file is not a database"):
        rows(empty, "ps1")


def test_a_course_in_a_folder_with_an_odd_name_is_read(course_dir):
    odd = course_dir.rename(course_dir.with_name("50% ?#é"))
    assert rows(odd, "ps1")[0].student == "ada"


def test_what_looks_like_markup_is_printed_as_it_is():
    row = Row("[ada]", 1.0, 2.0, 0.0, 0.0, 0, ("the cell 'x[i] = 1 [/b]' ran out of time",), 0.5)
    text = io.StringIO()
    print_rows("[ps1]", [row], Console(file=text, width=200))
    for part in ("[ps1]", "[ada]", "1 / 2", "the cell 'x[i] = 1 [/b]' ran out of time", "0.5"):
        assert part in text.getvalue()


def test_a_row_is_plain_data(course_dir):
    assert json.loads(json.dumps([row.to_dict() for row in rows(course_dir, "ps1")]))
