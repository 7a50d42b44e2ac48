"""The graders that are compared: how each is set up, run, and seen to have graded right."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import workload
from workload import ASSIGNMENT, MAX_POINTS, PLOTS, student_name

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "grading-bench"
BIN = Path(sys.executable).parent
OTTER = WORK / "otter-venv"
MOST_OF_OTTER = 20
OTTER_PACKAGES = ("otter-grader==7.0.0", "numpy", "matplotlib", "ipykernel")
CONFIG = "from pathlib import Path\n\nc = get_config()\nroot = Path(__file__).resolve().parent\n"
STOCK = CONFIG + 'c.CourseDirectory.root = str(root / "assignments")\n'
PLUGGED = CONFIG + (
    "from autograder.grading.settings import configure\n\nconfigure(c, root=root)\n"
)


class BenchError(RuntimeError):
    """A grader did not do its work, so its time means nothing."""


@dataclass(frozen=True)
class Peer:
    """One way to grade: `commands` gives what to run, `check` raises BenchError when it failed.

    `most` is how many submissions of a class are run at most, where each is a command of its own;
    `again` is the same command on the class that is graded already.
    """

    name: str
    prepare: Callable[[Path, int], None]
    commands: Callable[[int], list[list[str]]]
    check: Callable[[Path, int], None]
    most: int = 10_000
    workers: int = 1
    again: str | None = None
    missing: str | None = None

    def graded(self, students: int) -> int:
        """Return how many submissions are run of a class."""
        return min(students, self.most)


def environment(bin_folder: Path = BIN) -> dict[str, str]:
    """Return the environment that every grader runs in."""
    kept = ("HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    path = os.pathsep.join([str(bin_folder), os.environ.get("PATH", os.defpath)])
    return variables | {"PATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def all_peers() -> list[Peer]:
    """Return the graders, those included that cannot be run here, with the reason."""
    own = [str(BIN / "autograder"), "grade", ASSIGNMENT, "--workers"]
    autograde = [str(BIN / "nbgrader"), "autograde", ASSIGNMENT, "--log-level=ERROR"]
    no_dask = None if find_spec("distributed") else "the package `distributed` is not installed"
    cluster = [sys.executable, str(Path(__file__).with_name("on_cluster.py"))]
    return [
        Peer("stock nbgrader", _stock, lambda n: [autograde], check_course),
        Peer(
            "otter run", _otter, _otter_commands, check_otter, most=MOST_OF_OTTER,
            missing=_otter_missing(),
        ),
        Peer("ours, nbgrader autograde", _ours, lambda n: [autograde], check_course),
        Peer(
            "ours, 1 worker", _ours, lambda n: [[*own, "1"]], check_course,
            again="ours, unchanged class",
        ),
        Peer("ours, 2 workers", _ours, lambda n: [[*own, "2"]], check_course, workers=2),
        Peer(
            "ours, Dask cluster of 2", _ours, lambda n: [cluster], check_course, workers=2,
            missing=no_dask,
        ),
    ]  # fmt: skip


def prepare_class(students: int) -> Path:
    """Return a course with the submissions of a class, which is made when it is not there."""
    folder = WORK / f"class-{students}"
    if folder.is_dir():
        return folder
    making = WORK / f"making-{students}"
    shutil.rmtree(making, ignore_errors=True)
    course = making / "assignments"
    workload.write_source(course)
    (making / "nbgrader_config.py").write_text(STOCK, encoding="utf-8")
    command = [str(BIN / "nbgrader"), "generate_assignment", "--log-level=ERROR", ASSIGNMENT]
    subprocess.run(command, cwd=making, env=environment(), check=True, capture_output=True)
    workload.write_submissions(course, students)
    making.rename(folder)
    return folder


def check_course(folder: Path, graded: int) -> None:
    """Raise BenchError unless so many have all points in the gradebook, and their plots."""
    query = """SELECT s.student_id, SUM(g.auto_score) FROM submitted_assignment s
    JOIN submitted_notebook n ON n.assignment_id = s.id JOIN grade g ON g.notebook_id = n.id
    GROUP BY s.student_id"""
    with sqlite3.connect(folder / "assignments" / "gradebook.db") as database:
        points = dict(database.execute(query).fetchall())
    wrong = {student: got for student, got in points.items() if got != MAX_POINTS}
    if wrong or len(points) != graded:
        raise BenchError(
            f"{len(points)} of {graded} are in the gradebook, with wrong points {wrong}"
        )
    for number in range(graded):
        inside = Path(student_name(number), ASSIGNMENT, f"{ASSIGNMENT}.ipynb")
        text = (folder / "assignments" / "autograded" / inside).read_text(encoding="utf-8")
        outputs = [o for cell in json.loads(text)["cells"] for o in cell.get("outputs", ())]
        plots = sum("image/png" in output.get("data", {}) for output in outputs)
        if plots != PLOTS:
            raise BenchError(f"{student_name(number)} has {plots} plots in place of {PLOTS}")


def check_otter(folder: Path, graded: int) -> None:
    """Raise BenchError unless each result of otter has all points."""
    for number in range(graded):
        path = folder / "out" / student_name(number) / "results.json"
        scores = [test.get("score", 0) for test in json.loads(path.read_text())["tests"]]
        if sum(scores) != MAX_POINTS:
            raise BenchError(f"{student_name(number)} got {sum(scores)} of {MAX_POINTS} from otter")


def _stock(folder: Path, students: int) -> None:
    shutil.copytree(prepare_class(students), folder)


def _ours(folder: Path, students: int) -> None:
    _stock(folder, students)
    (folder / "nbgrader_config.py").write_text(PLUGGED, encoding="utf-8")


def _otter(folder: Path, students: int) -> None:
    workload.write_for_otter(folder, students)
    command = [str(OTTER / "bin" / "otter"), "generate", "-t", "tests", "-o", "autograder.zip"]
    command += ["--no-config", "--no-environment", "--no-requirements"]
    variables = environment(OTTER / "bin")
    subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
    for number in range(students):
        (folder / "out" / student_name(number)).mkdir(parents=True)


def _otter_commands(students: int) -> list[list[str]]:
    start = [str(OTTER / "bin" / "otter"), "run", "-a", "autograder.zip", "--no-logo"]
    names = [student_name(number) for number in range(min(students, MOST_OF_OTTER))]
    return [[*start, "-o", f"out/{name}", f"{name}.ipynb"] for name in names]


def _otter_missing() -> str | None:
    """Make otter's environment when it is not there; return why that cannot be done, or None."""
    if (OTTER / "bin" / "otter").is_file():
        return None
    steps = [
        [sys.executable, "-m", "venv", str(OTTER)],
        [str(OTTER / "bin" / "pip"), "install", "--quiet", *OTTER_PACKAGES],
    ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(OTTER, ignore_errors=True)
            lines = done.stderr.strip().splitlines() or ["no message"]
            return f"otter-grader cannot be installed here: {lines[-1]}"
    return None
