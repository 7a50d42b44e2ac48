"""Grading that is killed at any instant finishes, when started again, as if nothing had been."""

import json
import random
import shutil
import signal
import time

import pytest

from .processes import Family
from .small_class import CLASS, NAME, gradebook, hand_in, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("killed")]
ROUNDS, KILLS = 6, 5
STUDENTS = ("ada", "chen", "dana", "fay", "gus")


def write_class(root):
    for name in STUDENTS:
        hand_in(root, name, CLASS[name])


@pytest.fixture(scope="module")
def undisturbed(template, tmp_path_factory):
    """How long a run takes with one worker and with two, and the gradebook that it leaves."""
    seconds = {}
    for workers in (1, 2):
        root = tmp_path_factory.mktemp("undisturbed") / "course"
        shutil.copytree(template, root)
        write_class(root)
        started = time.monotonic()
        done = run(root, "autograder", "grade", NAME, "--workers", str(workers))
        assert done.returncode == 0, done.stderr
        seconds[workers] = time.monotonic() - started
    return seconds, gradebook(root)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_again_and_again(number, undisturbed, new_course):
    seconds, wanted = undisturbed
    chance = random.Random(number)
    root, workers = new_course(), 1 + number % 2
    write_class(root)
    for kill in range(KILLS):
        # The first fifth is Python's start, in which there is nothing to lose.
        instant = seconds[workers] * (0.2 + 0.8 * (kill + chance.random()) / KILLS)
        family = Family(root, "autograder", "grade", NAME, "--workers", str(workers))
        time.sleep(instant)
        family.signal(signal.SIGKILL)
        family.finish()
        assert family.left() == [], f"killed after {instant:.3f} s"
    family = Family(root, "autograder", "grade", NAME, "--workers", str(workers), "--json")
    done = family.finish()
    assert done.returncode == 0, done.stderr
    assert family.left() == []
    assert gradebook(root) == wanted
    rows = {row["student"]: row["points"] for row in json.loads(done.stdout)}
    assert rows == {name: CLASS[name].points for name in STUDENTS}


def test_a_gradebook_whose_writer_was_killed_is_read(new_course):
    """What SQLite finds then is a journal to be undone, which a read-only connection cannot."""
    import os
    import sqlite3

    root = new_course()
    hand_in(root, "ada", CLASS["ada"])
    path = root / "assignments" / "gradebook.db"
    before = gradebook(root)
    process = os.fork()
    if process == 0:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA cache_spill = 1")
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE source_cell SET source = source || randomblob(200000)")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    assert path.with_name("gradebook.db-journal").exists()
    done = run(root, "autograder", "grade", NAME, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["points"] == 7
    assert gradebook(root)["source_cell"] == before["source_cell"]
