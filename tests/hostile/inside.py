"""What happens inside of the house: plant, hand in, grade, look around, report.

`python -m tests.hostile.inside REQUEST` is started by `house.run`, never by hand: the cases really
do what they say. The request, JSON, has `cases` (names, in order), `chapter`, `feedback` (whether
to generate it), and `seconds` for the command. The report, JSON after a record separator, is the
last thing on standard output.
"""

import copy
import json
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import nbformat

from . import cases, planted, target
from .command import Command, Watch, others
from .courses import CHAPTER
from .found import Traces, graded
from .house import HOME, MIB, TEMPLATE
from .listening import Listener
from .submission import CASES, COURSE, SUBMITTED, Book, files, test_cells, write

FIRST = "a_neighbour"
PROCESSES, ADDRESSES, FILE = 500, 6 * 1024 * MIB, 256 * MIB
assert cases


def main() -> None:
    report = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(sys.argv[1])
    found = grade(request)
    with os.fdopen(report, "w") as file:
        file.write("\n\x1e" + json.dumps(found))


def grade(request: dict[str, Any]) -> dict[str, Any]:
    """Grade the cases of a request, each between two honest submissions."""
    assignment = CHAPTER if request["chapter"] else target.ASSIGNMENT
    shutil.copytree(TEMPLATE, COURSE)
    plant()
    release = COURSE / "assignments" / "release" / assignment / f"{assignment}.ipynb"
    book = Book(nbformat.read(release, 4), assignment)
    students = hand_in(request, book, assignment)
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    listener = Listener()
    traces = Traces()
    autograde = Command("autograde", assignment)
    watch = Watch(autograde)
    commands = {"autograde": autograde.run(request["seconds"])}
    left = remaining()
    if request["feedback"]:
        commands["generate_feedback"] = Command("generate_feedback", assignment).run(300)
    return {
        "full": sum(cell.metadata.nbgrader.points for cell in test_cells(book.release)),
        "commands": commands,
        "left": left,
        "stopped": watch.stop(),
        "students": graded(assignment, students, autograde.seconds_of, watch.peaks),
        "connections": listener.stop(),
        "changes": traces.changes(),
    }


def plant() -> None:
    """Put a secret wherever a grader has some."""
    for path, secret in (
        (HOME / ".netrc", planted.HOME_FILE),
        (HOME / "keys" / "id_rsa", planted.HOME_FILE),
        (Path("/tmp/exam.txt"), planted.TMP_FILE),
        (Path("/dev/shm/notes"), planted.SHM_FILE),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"password {secret.word}\n", encoding="utf-8")
    os.environ["EXAM_KEY"] = planted.ENVIRONMENT.word


def hand_in(request: dict[str, Any], book: Book, assignment: str) -> dict[str, str | None]:
    """Write all submissions; return the students in order, with the name of the case or None."""
    source = COURSE / "assignments" / "source" / assignment / f"{assignment}.ipynb"
    neighbour = nbformat.read(source, 4) if request["chapter"] else book.solved()
    students: dict[str, str | None] = {FIRST: None}
    for number, name in enumerate(request["cases"]):
        students[f"b{number:03}_{name}"] = name
        # An honest case, or the first of a line of them, is the honest neighbour of the one before.
        follows = request["cases"][number + 1 : number + 2]
        if CASES[name].kind == "hostile" and not (follows and CASES[follows[0]].kind == "honest"):
            students[f"b{number:03}z_neighbour"] = None
        if CASES[name].again:
            students[f"b{number:03}z_{name}_again"] = name
    for student, case in students.items():
        handed = {f"{assignment}.ipynb": json.dumps(neighbour)}
        if student == FIRST:
            comment = f"# {planted.OTHER_STUDENT.word}\nx = 1"
            marked = book.closing(comment, copy.deepcopy(neighbour))
            handed = {f"{assignment}.ipynb": json.dumps(marked)}
        if case is not None:
            handed = files(CASES[case], book)  # type: ignore[assignment]
        write(SUBMITTED / student / assignment, handed)  # type: ignore[arg-type]
    return students


def remaining() -> list[str]:
    """Return the processes that are still there a moment after a command, and end them."""
    for _ in range(20):
        if not others():
            return []
        time.sleep(0.1)
    left = list(others().values())
    os.kill(-1, signal.SIGKILL)
    return left


if __name__ == "__main__":
    main()
