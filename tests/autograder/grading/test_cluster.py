"""`--scheduler` runs submissions on a Dask cluster, here one of two workers on this machine."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from .processes import depth_in_zygote, descendants
from .small_class import CLASS, NAME, SOLUTIONS, Student, environment, gradebook, hand_in, run

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]
STUDENTS = ("ada", "bela", "chen", "dana", "fay", "gus", "ivan")
SLOW = Student(SOLUTIONS | {"square": "import time\ntime.sleep(2)\n" + SOLUTIONS["square"]})
IMPATIENT = """
import autograder.grading.cluster
autograder.grading.cluster.WAIT_FOR_WORKERS_SECONDS = 3
autograder.grading.cluster.LOOK_SECONDS = 1
from autograder.cli import main
main()
"""


class Cluster:
    """A scheduler and workers as processes, on ports of the loopback interface."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        scheduler = self.start("scheduler", "--port", "0", "--no-dashboard")
        self.address = self.said(scheduler, r"Scheduler at:\s+(tcp://\S+)")

    def start(self, kind, *options):
        with self.log().open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", kind, "--host", "127.0.0.1", *options],
                cwd=self.folder,
                env=environment(self.folder),
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def add_worker(self, *options):
        worker = self.start(
            "worker", self.address, "--no-dashboard", "--no-nanny", "--nthreads", "1", *options
        )
        self.said(worker, "(Registered to)")
        return worker

    def log(self):
        return self.folder / f"{len(self.processes)}.log"

    def said(self, process, pattern):
        """Return what the process says of itself."""
        log = self.folder / f"{self.processes.index(process)}.log"
        while process.poll() is None:
            found = re.search(pattern, log.read_text())
            if found:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    def end(self):
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    cluster.end()


def test_the_gradebook_is_the_same(cluster, new_course):
    """With a worker of one thread and one of two."""
    cluster.add_worker()
    cluster.add_worker("--nthreads", "2")
    tables = []
    for name, options in (("here", ()), ("there", ("--scheduler", cluster.address))):
        root = new_course(name)
        for student in STUDENTS:
            hand_in(root, student, CLASS[student])
        done = run(root, "autograder", "grade", NAME, "--json", *options)
        assert done.returncode == 0, done.stderr
        rows = {row["student"]: row["points"] for row in json.loads(done.stdout)}
        assert rows == {student: CLASS[student].points for student in STUDENTS}
        tables.append(gradebook(root))
    assert tables[0] == tables[1]


def test_a_worker_is_lost(cluster, new_course):
    root = new_course()
    for student in ("ada", "bela", "chen"):
        hand_in(root, student, SLOW)
    workers = [cluster.add_worker() for _ in range(2)]

    def kill():
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if any(depth_in_zygote(pid) == 3 for pid in descendants(workers[0].pid)):
                os.killpg(workers[0].pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    done = run(root, "autograder", "grade", NAME, "--json", "--scheduler", cluster.address)
    killer.join()
    assert workers[0].poll() is not None
    assert done.returncode == 0, done.stderr
    assert [row["points"] for row in json.loads(done.stdout)] == [7, 7, 7]


def one_sentence(done, code):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(said) == 1, done.stderr
    return said[0]


def test_no_scheduler(new_course):
    root = new_course()
    hand_in(root, "ada", CLASS["ada"])
    address = "tcp://127.0.0.1:1"
    done = run(root, "autograder", "grade", NAME, "--scheduler", address)
    assert f"there is no Dask scheduler at {address}" in one_sentence(done, 2)
    done = run(root, "autograder", "grade", NAME, "--scheduler", "nonsense")
    assert "takes an address like tcp://HOST:PORT, found 'nonsense'" in one_sentence(done, 2)


def test_no_workers(cluster, new_course):
    root = new_course()
    hand_in(root, "ada", CLASS["ada"])
    command = ("python", "-c", IMPATIENT, "grade", NAME, "--scheduler", cluster.address)
    assert "the Dask cluster has no workers" in one_sentence(run(root, *command), 1)


def test_the_scheduler_ends_in_the_middle(cluster, new_course):
    root = new_course()
    hand_in(root, "ada", SLOW)
    worker = cluster.add_worker()

    def kill():
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if any(depth_in_zygote(pid) == 3 for pid in descendants(worker.pid)):
                os.killpg(cluster.processes[0].pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    command = ("python", "-c", IMPATIENT, "grade", NAME, "--scheduler", cluster.address)
    assert "Dask scheduler" in one_sentence(run(root, *command), 1)
    killer.join()
    done = run(root, "autograder", "grade", NAME)
    assert done.returncode == 0, done.stderr


def test_workers_that_do_not_see_the_course(cluster, new_course):
    """As on a machine that does not share the folder: here the course is in a private mount."""
    root = new_course()
    hand_in(root, "ada", CLASS["ada"])
    cluster.add_worker()
    hidden = root.with_name("hidden")
    root.rename(hidden)
    root.mkdir()
    script = 'mount --bind "$0" "$1" && cd "$1" && shift && exec "$@"'
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    done = run(
        hidden, "unshare", "--mount", "sh", "-c", script, hidden, root,
        "autograder", "grade", NAME, "--scheduler", cluster.address,
    )  # fmt: skip
    assert "does not see" in one_sentence(done, 1)


def test_without_the_package(new_course):
    root = new_course()
    hand_in(root, "ada", CLASS["ada"])
    hide = "import sys; sys.modules['distributed'] = None"
    without = f"{hide}\nfrom autograder.cli import main\nmain()"
    done = run(root, "python", "-c", without, "grade", NAME, "--scheduler", "tcp://127.0.0.1:1")
    assert "run 'pip install distributed'" in one_sentence(done, 2)
