"""What goes wrong with the machine costs a sentence and nothing else; the next run completes."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from .processes import Family, depth_in_zygote, is_worker
from .small_class import CLASS, NAME, SOLUTIONS, Student, gradebook, hand_in, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
SLOW = Student(SOLUTIONS | {"square": "import time\ntime.sleep(2)\n" + SOLUTIONS["square"]})
IMPATIENT = """
import autograder.grading.gradebooks
autograder.grading.gradebooks.LOCK_SECONDS = 1
from autograder.cli import main
main()
"""
GRADE = ("autograder", "grade", NAME)


@pytest.fixture(scope="module")
def wanted(template, tmp_path_factory):
    """The gradebook of a class of three that was graded without a fault."""
    root = tmp_path_factory.mktemp("wanted") / "course"
    shutil.copytree(template, root)
    write_class(root)
    done = run(root, *GRADE)
    assert done.returncode == 0, done.stderr
    return gradebook(root)


def write_class(root, student=CLASS["ada"]):
    for name in ("one", "three", "two"):
        hand_in(root, name, student)


def one_sentence(done, code=1):
    """Return what a command said that could not do its work."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    said = re.sub(r"^\d+ of \d+ have not changed.*\n", "", done.stderr.strip())
    assert len(said.splitlines()) == 1, done.stderr
    assert said.startswith("autograder: ")
    return said


def completes(root, wanted):
    done = run(root, *GRADE)
    assert done.returncode == 0, done.stderr
    assert gradebook(root) == wanted


@contextlib.contextmanager
def mounted(*arguments):
    """Mount something for the time of a test."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", arguments[-1]], check=True)


class TestGradebook:
    def test_none(self, new_course):
        root = new_course()
        write_class(root)
        (root / "assignments" / "gradebook.db").unlink()
        assert "run 'nbgrader generate_assignment'" in one_sentence(run(root, *GRADE), 2)

    def test_one_that_is_none(self, new_course):
        root = new_course()
        write_class(root)
        (root / "assignments" / "gradebook.db").write_text("not a database" * 100)
        assert "cannot be read: file is not a database" in one_sentence(run(root, *GRADE))

    def test_locked_for_ever(self, new_course, wanted):
        root = new_course()
        write_class(root)
        path = root / "assignments" / "gradebook.db"
        other = sqlite3.connect(path, isolation_level=None)
        for lock in ("IMMEDIATE", "EXCLUSIVE"):
            other.execute(f"BEGIN {lock}")
            done = run(root, "python", "-c", IMPATIENT, *GRADE[1:])
            assert "database is locked" in one_sentence(done)
            other.execute("ROLLBACK")
        other.close()
        completes(root, wanted)

    def test_locked_for_a_while(self, new_course, wanted):
        """Longer than nbgrader itself would wait."""
        root = new_course()
        write_class(root)
        path = root / "assignments" / "gradebook.db"
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        family = Family(root, *GRADE)
        time.sleep(12)
        other.execute("ROLLBACK")
        other.close()
        done = family.finish()
        assert done.returncode == 0, done.stderr
        assert gradebook(root) == wanted

    def test_read_only(self, new_course, wanted):
        root = new_course()
        write_class(root)
        path = root / "assignments" / "gradebook.db"
        with contextlib.ExitStack() as stack:
            if os.getuid() == 0:  # whom permissions do not stop
                stack.enter_context(mounted("--bind", str(path), str(path)))
                subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
            else:
                path.chmod(0o444)
                stack.callback(path.chmod, 0o644)
            for workers in ("1", "2"):
                said = one_sentence(run(root, *GRADE, "--workers", workers))
                assert f"{path} cannot be written: attempt to write a readonly database" in said
        completes(root, wanted)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("left_kb", [0, 40])
def test_a_full_disk(workers, left_kb, new_course, wanted, tmp_path):
    """Full from the start, or after the first submissions."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)):
        root = disk / "course"
        shutil.copytree(new_course(), root)
        write_class(root)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        os.truncate(filler, max(0, filler.stat().st_size - left_kb * 1024))
        said = one_sentence(run(root, *GRADE, "--workers", workers))
        assert re.search("No space left on device|disk is full|disk I/O error", said), said
        filler.unlink()
        completes(root, wanted)


class TestProcesses:
    """A submission takes two seconds here, so that there is a middle of the run."""

    @pytest.fixture
    def slow_course(self, new_course):
        root = new_course()
        write_class(root, SLOW)
        return root

    def undisturbed(self, done, root):
        assert done.returncode == 0, done.stderr
        points = sqlite3.connect(root / "assignments" / "gradebook.db").execute(
            "SELECT student_id, SUM(auto_score) FROM grade g "
            "JOIN submitted_notebook n ON n.id = g.notebook_id "
            "JOIN submitted_assignment a ON a.id = n.assignment_id GROUP BY student_id"
        )
        assert dict(points.fetchall()) == {"one": 7, "two": 7, "three": 7}

    @pytest.mark.parametrize("depth", [0, 1], ids=["its waiting parent", "itself"])
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_zygotes_are_killed(self, slow_course, depth, workers):
        family = Family(slow_course, *GRADE, "--workers", workers)
        family.wait_for(lambda pid: depth_in_zygote(pid) == 3)
        time.sleep(0.5)
        for pid in family.wait_for(lambda pid: depth_in_zygote(pid) == depth):
            os.kill(pid, signal.SIGKILL)
        self.undisturbed(family.finish(), slow_course)
        assert family.left() == []

    @pytest.mark.parametrize("which", [[0], [-1], [0, -1]], ids=["first", "last", "both"])
    @pytest.mark.parametrize("depth", [2, 3], ids=["what watches it", "itself"])
    @pytest.mark.parametrize("seconds", [0, 0.12, 0.5])
    def test_kernels_are_killed(self, slow_course, seconds, depth, which):
        """That of the student's code, that of the tests; as they start, and in the first cell."""
        family = Family(slow_course, *GRADE)
        family.wait_for(lambda pid: depth_in_zygote(pid) == 3)
        time.sleep(seconds)
        found = family.wait_for(lambda pid: depth_in_zygote(pid) == depth)
        for pid in {found[place] for place in which}:
            with contextlib.suppress(ProcessLookupError):  # it may have lived for an instant only
                os.kill(pid, signal.SIGKILL)
        self.undisturbed(family.finish(), slow_course)
        assert family.left() == []

    def test_a_worker_is_killed(self, slow_course):
        family = Family(slow_course, *GRADE, "--workers", "2")
        family.wait_for(lambda pid: depth_in_zygote(pid) == 3)
        os.kill(family.wait_for(is_worker)[0], signal.SIGKILL)
        self.undisturbed(family.finish(), slow_course)
        assert family.left() == []

    @pytest.mark.parametrize("workers", ["1", "2"])
    @pytest.mark.parametrize("seconds", [None, 0.3, 2.5])
    def test_control_c(self, slow_course, workers, seconds):
        """While everything starts, while notebooks run, and while the first are recorded."""
        family = Family(slow_course, *GRADE, "--workers", workers)
        if seconds is None:
            time.sleep(1.2)
        else:
            family.wait_for(lambda pid: depth_in_zygote(pid) == 3)
            time.sleep(seconds)
        family.signal(signal.SIGINT)
        assert "stopped; the next run goes on" in one_sentence(family.finish())
        assert family.left() == []
        self.undisturbed(run(slow_course, *GRADE), slow_course)


class TestUsedWrongly:
    def test_an_assignment_that_is_not_there(self, new_course):
        done = run(new_course(), "autograder", "grade", "ps2")
        assert "has no 'ps2'" in one_sentence(done, 2)

    def test_nobody_handed_in(self, new_course):
        assert "no notebook was found under" in one_sentence(run(new_course(), *GRADE), 2)

    def test_a_student_who_handed_in_nothing(self, new_course):
        root = new_course()
        write_class(root)
        done = run(root, *GRADE, "--student", "nobody")
        assert "'nobody' has handed in no notebook" in one_sentence(done, 2)

    def test_settings_without_the_sandbox(self, new_course):
        """Stock nbgrader would run student code with the rights of whoever grades."""
        root = new_course()
        hand_in(root, "ada", CLASS["ada"])
        (root / "nbgrader_config.py").write_text("c = get_config()\n")
        said = one_sentence(run(root, *GRADE, "--course-dir", root / "assignments"), 2)
        assert "does not plug in the sandbox" in said

    def test_settings_that_cannot_be_read(self, new_course):
        root = new_course()
        hand_in(root, "ada", CLASS["ada"])
        (root / "nbgrader_config.py").write_text("c = get_config()\nc.nonsense(")
        assert "nbgrader_config.py cannot be read" in one_sentence(run(root, *GRADE), 2)

    def test_two_at_once(self, new_course):
        root = new_course()
        write_class(root, SLOW)
        family = Family(root, *GRADE)
        family.wait_for(lambda pid: depth_in_zygote(pid) == 3)
        assert "is being graded already" in one_sentence(run(root, *GRADE))
        assert family.finish().returncode == 0


def test_a_machine_without_the_sandbox(new_course, wanted):
    """Here `unshare` is refused to the command, as some machines refuse it to everybody."""
    root = new_course()
    write_class(root)
    refuse = (
        "import errno, pyseccomp as s\n"
        "rules = s.SyscallFilter(s.ALLOW)\n"
        "rules.add_rule(s.ERRNO(errno.EPERM), 'unshare')\n"
        "rules.load()\n"
        "from autograder.cli import main\nmain()\n"
    )
    for workers in ("1", "2"):
        done = run(root, sys.executable, "-c", refuse, *GRADE[1:], "--workers", workers)
        assert "the sandbox cannot be set up" in one_sentence(done)
    completes(root, wanted)
