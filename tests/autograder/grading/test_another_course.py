"""An ordinary notebook is graded here as stock nbgrader grades it, cell by cell."""

import json
import shutil

import pytest

from .another_course import TASKS, source_notebook
from .small_class import NAME, Student, hand_in, run, write_course
from .small_class import scores as scored

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("another course")]
STOCK = "c = get_config()\nc.CourseDirectory.root = 'assignments'\nc.Execute.timeout = 60\n"
CHECKING = "def near(a, b):\n    return abs(a - b) < 1e-9\n"
RIGHT = Student(
    {name: task.right for name, task in TASKS.items()}
    | {"why": "Because.", "free": "print('mine')"}
)
WRONG = Student({name: task.wrong for name, task in TASKS.items()})


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """The score of each cell, by who graded, student and cell."""
    root = tmp_path_factory.mktemp("another") / "course"
    write_course(root, source_notebook())
    for folder in ("source", "release"):
        (root / "assignments" / folder / NAME / "numbers.txt").write_text("1\n2\n3\n")
        (root / "assignments" / folder / NAME / "checking.py").write_text(CHECKING)
    for name, student in (("right", RIGHT), ("wrong", WRONG)):
        folder = hand_in(root, name, student)
        (folder / "numbers.txt").write_text("1\n2\n3\n")
    shutil.copytree(root, root.with_name("stock"))
    (root.with_name("stock") / "nbgrader_config.py").write_text(STOCK)
    found = {}
    for who, place, command in (
        ("ours", root, ("autograder", "grade", NAME, "--json")),
        ("stock", root.with_name("stock"), ("nbgrader", "autograde", NAME)),
    ):
        done = run(place, *command, seconds=300)
        assert done.returncode == 0, done.stderr
        if who == "ours":
            assert [row["problems"] for row in json.loads(done.stdout)] == [[], []]
        found |= {(who, *key): score for key, score in scored(place).items()}
    return found


@pytest.mark.parametrize("task", TASKS)
def test_right_work_gets_all_points_and_wrong_work_what_it_earned(scores, task):
    for who in ("stock", "ours"):
        right, wrong = (scores[who, name, f"test-{task}"] for name in ("right", "wrong"))
        assert right == [TASKS[task].points, 0], who
        assert wrong == [TASKS[task].partly, 0], who


def test_manual_cells_wait_for_a_person_in_the_same_way(scores):
    for name in ("right", "wrong"):
        for cell in ("why", "free"):
            assert scores["ours", name, cell] == scores["stock", name, cell]
    assert scores["ours", "right", "why"] == [None, 1]
