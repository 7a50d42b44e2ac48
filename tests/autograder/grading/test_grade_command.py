"""What `autograder grade` says, and to whom."""

import json

import pytest

from .small_class import CLASS, NAME, SOLUTIONS, Student, graded_cells, hand_in, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("command")]
HUNGRY = """
import os
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(150 * 2**20)
        block[::4096] = bytes([1]) * len(block[::4096])
        while True: pass
while True: pass
"""
RANDOM = "import os\nprint(os.urandom(8).hex())\n"


def test_rows_are_json_and_nothing_else(new_course):
    root = new_course()
    names = ["Zoë O'Neil", "a.b@c", "x+y"]
    for name in names:
        hand_in(root, name, CLASS["ada"])
    done = run(root, "autograder", "grade", NAME, "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["student"] for row in rows] == sorted(names)
    assert all(row["points"] == 7 for row in rows)
    assert set(rows[0]) == {
        "student", "points", "automatic", "by_hand", "manual", "to_read", "problems", "seconds",
    }  # fmt: skip
    done = run(root, "autograder", "grade", NAME)
    assert all(name in done.stdout for name in names)
    assert "3 of 3 have not changed" in done.stderr
    assert "have not changed" not in done.stdout


def test_progress_is_shown_to_a_person(new_course):
    """On a terminal, which standard error is here and standard output is not."""
    import os
    import pty
    import subprocess

    from .small_class import BIN, environment

    root = new_course()
    hand_in(root, "ada", CLASS["ada"])
    here, there = pty.openpty()
    process = subprocess.Popen(
        [BIN / "autograder", "grade", NAME, "--json"],
        cwd=root,
        env=environment(root) | {"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=there,
    )
    os.close(there)
    shown = b""
    while True:
        try:
            part = os.read(here, 4096)
        except OSError:  # how the end of a terminal is seen
            break
        shown += part
    out, _ = process.communicate()
    os.close(here)
    assert json.loads(out)[0]["points"] == 7
    assert b"grading" in shown
    assert b"0/1" in shown


def test_every_loss_has_its_reason(new_course):
    root = new_course()
    with (root / "nbgrader_config.py").open("a") as config:
        config.write("c.SandboxedExecute.memory_mb = 1024\nc.SandboxedExecute.timeout = 10\n")
    loop = "while True: pass"
    hand_in(root, "hungry", Student(SOLUTIONS | {"total": HUNGRY}))
    hand_in(root, "loops", Student(SOLUTIONS | {"total": loop}))
    hand_in(root, "unreadable", CLASS["fay"])
    (root / "assignments" / "submitted" / "empty" / NAME).mkdir(parents=True)
    done = run(root, "autograder", "grade", NAME, "--json", "--workers", "2")
    assert done.returncode == 0, done.stderr
    rows = {row["student"]: row for row in json.loads(done.stdout)}
    reasons = {name: "; ".join(row["problems"]) for name, row in rows.items()}
    assert reasons["hungry"].startswith("out of memory: the kernel died in cell 'total'")
    assert reasons["loops"] == "cell 'total' ran out of time"
    assert reasons["unreadable"] == "not readable: the file is not JSON"
    assert reasons["empty"] == "no notebook was handed in"
    points = {name: row["points"] for name, row in rows.items() if name != "hungry"}
    assert points == {"loops": 4, "unreadable": 0, "empty": None}


def test_one_student_and_again(new_course):
    root = new_course()
    work = Student(SOLUTIONS | {"square": RANDOM + SOLUTIONS["square"]})
    for name in ("ada", "bela"):
        hand_in(root, name, work)

    def grade(*options):
        done = run(root, "autograder", "grade", NAME, *options)
        assert done.returncode == 0, done.stderr
        graded = root / "assignments" / "autograded"
        return {f.name: graded_cells(root, f.name) for f in graded.iterdir()}

    first = grade("--student", "ada")
    assert set(first) == {"ada"}
    second = grade()
    assert second["ada"] == first["ada"]
    assert set(second) == {"ada", "bela"}
    third = grade("--student", "ada", "--again")
    assert third["ada"] != second["ada"]
    assert third["bela"] == second["bela"]
    fourth = grade("--again", "--workers", "2")
    assert all(fourth[name] != third[name] for name in third)


def test_a_submission_that_cannot_be_graded_costs_the_others_nothing(new_course):
    """It has a row with the reason, and the command says by its exit code that one is missing."""
    root = new_course()
    for name in ("ada", "bela", "chen"):
        hand_in(root, name, CLASS["ada"])
    folder = root / "assignments" / "submitted" / "bela" / NAME
    (folder / f"{NAME}.ipynb").rename(folder / "unknown.ipynb")
    (folder / "another.ipynb").write_text("{}")
    for workers in ("1", "2"):
        done = run(root, "autograder", "grade", NAME, "--json", "--again", "--workers", workers)
        assert done.returncode == 1
        assert done.stderr.strip() == ""
        rows = {row["student"]: row for row in json.loads(done.stdout)}
        assert (rows["ada"]["points"], rows["bela"]["points"], rows["chen"]["points"]) == (
            7, None, 7,
        )  # fmt: skip
        assert "No notebooks found" in rows["bela"]["problems"][0]
