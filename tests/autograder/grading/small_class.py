"""A course with one short assignment, and a class in which everything happens once."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

BIN = Path(sys.executable).parent
NAME = "ps1"
CONFIG = """
from pathlib import Path

from autograder.grading.settings import configure

c = get_config()
configure(c, root=Path(__file__).resolve().parent)
c.LateSubmissionPlugin.penalty_method = "zero"
c.SandboxedExecute.timeout = 30
c.SandboxedExecute.notebook_seconds = 60
"""
DUE, LATE = "2026-03-01 12:00:00.000000", "2026-03-01 14:00:00 UTC"
SOLUTIONS = {
    "square": "def square(x):\n    return x * x",
    "total": "def total(items):\n    return sum(items)",
    "clamp": "def clamp(x):\n    return min(x, LIMIT)",
    "why": "Because it is shorter.",
}
TESTS = {
    "square": "assert square(3) == 9\n### BEGIN HIDDEN TESTS\nassert square(-41) == 1681\n"
    "### END HIDDEN TESTS",
    "total": "points = 0\nif total([1, 2]) == 3:\n    points += 1\n### BEGIN HIDDEN TESTS\n"
    "if total([]) == 0:\n    points += 2\n### END HIDDEN TESTS\npoints",
    "clamp": "assert clamp(3) == 3, 'small numbers stay'\n### BEGIN HIDDEN TESTS\n"
    "assert clamp(99) == 10, 'large numbers are held to the limit'\n### END HIDDEN TESTS",
}
POINTS = {"square": 2, "total": 3, "clamp": 2}


def role(
    grade_id: str, points: int | None = None, solution: bool = False, task: bool = False
) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell."""
    grade = {} if points is None else {"points": points}
    return {
        "nbgrader": grade
        | {
            "grade": points is not None and not task,
            "grade_id": grade_id,
            "locked": not solution,
            "schema_version": 3,
            "solution": solution,
            "task": task,
        }
    }


def source_notebook() -> NotebookNode:
    """Return the instructor's notebook."""
    cells = [
        new_markdown_cell("# Problem set 1"),
        new_code_cell("LIMIT = 10", metadata=role("given")),
    ]
    for name, test in TESTS.items():
        body = SOLUTIONS[name].replace(":\n", ":\n    ### BEGIN SOLUTION\n")
        cells += [
            new_code_cell(f"{body}\n    ### END SOLUTION", metadata=role(name, solution=True)),
            new_code_cell(test, metadata=role(f"test-{name}", POINTS[name])),
        ]
    cells += [
        new_markdown_cell("Why so?", metadata=role("why", 4, solution=True)),
        new_markdown_cell("Draw a picture.", metadata=role("picture", 1, task=True)),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def write_course(root: Path, notebook: NotebookNode | None = None, name: str = NAME) -> None:
    """Write a course whose one assignment is released and has a due date."""
    source = root / "assignments" / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(notebook or source_notebook(), source)
    (root / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    done = run(root, "nbgrader", "generate_assignment", name)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(root / "assignments" / "gradebook.db") as database:
        database.execute("UPDATE assignment SET duedate = ?", (DUE,))
    database.close()


def run(root: Path, *command: str, seconds: float = 120, **extra: Any) -> Any:
    """Run a command of this environment in the course."""
    return subprocess.run(
        [shutil.which(command[0], path=environment(root)["PATH"]), *command[1:]],
        **{"cwd": root, "env": environment(root), "capture_output": True, "text": True,
           "check": False, "timeout": seconds} | extra,
    )  # fmt: skip


def environment(root: Path) -> dict[str, str]:
    """Return the environment in which commands run: with nothing of the person who tests."""
    return {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(root)}


@dataclass(frozen=True)
class Student:
    """`cells` are what the student wrote; `spoil` changes the folder that was handed in."""

    cells: dict[str, str]
    points: float | None = 7
    problem: str = ""
    spoil: Callable[[Path], None] = lambda folder: None


def renamed(folder: Path) -> None:
    (folder / f"{NAME}.ipynb").rename(folder / f"{NAME} (1).ipynb")


def late(folder: Path) -> None:
    (folder / "timestamp.txt").write_text(LATE)


CLASS = {
    "ada": Student(SOLUTIONS),
    "bela": Student(
        SOLUTIONS | {"total": "def total(items):\n    return sum(items) if items else None"}, 5
    ),
    "chen": Student(dict.fromkeys(("square", "total"), "def nothing(): pass"), 0),
    "dana": Student(
        SOLUTIONS | {"total": "import os\nos._exit(3)"}, 2, "the kernel died in cell 'total'"
    ),
    "emil": Student(
        SOLUTIONS | {"total": "def total(items):\n    while True: pass"}, 4, "ran out of time"
    ),
    "fay": Student(
        {}, 0, "not readable: ", lambda f: (f / f"{NAME}.ipynb").write_bytes(b"hello") and None
    ),
    "gus": Student(SOLUTIONS, spoil=renamed),
    "hana": Student(
        {}, None, "no notebook was handed in", lambda f: (f / f"{NAME}.ipynb").unlink()
    ),
    "ivan": Student(SOLUTIONS, 7, "handed in late: 7 points are taken off", spoil=late),
}


def hand_in(root: Path, name: str, student: Student, assignment: str = NAME) -> Path:
    """Write what a student hands in; return its folder."""
    release = root / "assignments" / "release" / assignment / f"{assignment}.ipynb"
    notebook = nbformat.read(release, 4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = student.cells.get(grade_id, cell.source)
    folder = root / "assignments" / "submitted" / name / assignment
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{assignment}.ipynb")
    student.spoil(folder)
    return folder


def scores(root: Path) -> dict[tuple[str, str], list[Any]]:
    """Return by student and cell what was scored, and whether a person has to look."""
    with sqlite3.connect(root / "assignments" / "gradebook.db") as database:
        rows = database.execute(
            "SELECT a.student_id, b.name, g.auto_score, g.needs_manual_grade FROM grade g "
            "JOIN base_cell b ON b.id = g.cell_id "
            "JOIN submitted_notebook n ON n.id = g.notebook_id "
            "JOIN submitted_assignment a ON a.id = n.assignment_id"
        ).fetchall()
    database.close()
    return {(student, cell): score for student, cell, *score in rows}


def gradebook(root: Path) -> dict[str, list[Any]]:
    """Return every row of every table, each id replaced by what it is the id of."""
    with sqlite3.connect(root / "assignments" / "gradebook.db") as database:
        database.row_factory = sqlite3.Row
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = {
            row["name"]: [dict(r) for r in database.execute(f"SELECT * FROM {row['name']}")]
            for row in database.execute(query).fetchall()
        }
    database.close()
    made_of = {
        "assignment": ["name"],
        "notebook": ["assignment_id", "name"],
        "base_cell": ["notebook_id", "name", "type"],
        "source_cell": ["notebook_id", "name"],
        "submitted_assignment": ["assignment_id", "student_id"],
        "submitted_notebook": ["assignment_id", "notebook_id"],
        "grade": ["notebook_id", "cell_id"],
        "comment": ["notebook_id", "cell_id"],
    }
    names: dict[Any, str] = {}
    for table, columns in made_of.items():
        for row in tables[table]:
            parts = [str(names.get(row[column], row[column])) for column in columns]
            names[row["id"]] = "/".join([table, *parts])
    return {
        table: sorted(
            (sorted((key, names.get(value, value)) for key, value in row.items()) for row in rows),
            key=repr,
        )
        for table, rows in tables.items()
    }


def graded_cells(root: Path, student: str, assignment: str = NAME) -> list[Any]:
    """Return the sources and outputs of a student's graded notebook."""
    path = root / "assignments" / "autograded" / student / assignment / f"{assignment}.ipynb"
    return [(cell.source, cell.get("outputs")) for cell in nbformat.read(path, 4).cells]
