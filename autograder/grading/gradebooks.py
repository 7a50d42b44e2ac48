"""What the gradebook says about an assignment, read without nbgrader since it is SQLite.

Importing nbgrader takes longer than finding that nothing has changed.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.course import CourseError
from autograder.grading.job import GradingStoppedError

LOCK_SECONDS = 30.0

SCORES = """
SELECT submission.student_id,
       SUM(CASE WHEN {by_hand} THEN 0 ELSE {score} END),
       SUM(CASE WHEN {by_hand} THEN {score} ELSE 0 END),
       SUM(grade.needs_manual_grade)
FROM submitted_assignment submission
LEFT JOIN submitted_notebook notebook ON notebook.assignment_id = submission.id
LEFT JOIN grade ON grade.notebook_id = notebook.id
LEFT JOIN base_cell base ON base.id = grade.cell_id
WHERE submission.assignment_id = ? GROUP BY submission.student_id
"""
SCORE = "COALESCE(grade.manual_score, grade.auto_score, 0) + COALESCE(grade.extra_credit, 0)"
# What a person has to read: tasks, and answers that carry points themselves.
BY_HAND = """(base.type = 'TaskCell' OR EXISTS (
    SELECT 1 FROM base_cell answer WHERE answer.type = 'SolutionCell'
    AND answer.notebook_id = base.notebook_id AND answer.name = base.name))"""
PENALTIES = """
SELECT submission.student_id, SUM(notebook.late_submission_penalty)
FROM submitted_assignment submission
JOIN submitted_notebook notebook ON notebook.assignment_id = submission.id
WHERE submission.assignment_id = ? GROUP BY submission.student_id
"""
MOST = """
SELECT SUM(CASE WHEN {by_hand} THEN 0 ELSE points END),
       SUM(CASE WHEN {by_hand} THEN points ELSE 0 END)
FROM (SELECT id, max_score AS points FROM grade_cells
      UNION ALL SELECT id, max_score FROM task_cells) cell
JOIN base_cell base ON base.id = cell.id
JOIN notebook ON notebook.id = base.notebook_id WHERE notebook.assignment_id = ?
"""
TABLES = {
    "source_cell": "SELECT s.name, s.cell_type, s.locked, s.source, s.checksum FROM source_cell s "
    "JOIN notebook n ON s.notebook_id = n.id WHERE n.assignment_id = ? ORDER BY n.name, s.name",
    "cells": "SELECT b.name, b.type, g.max_score, g.cell_type, t.max_score FROM base_cell b "
    "JOIN notebook n ON b.notebook_id = n.id LEFT JOIN grade_cells g ON g.id = b.id "
    "LEFT JOIN task_cells t ON t.id = b.id "
    "WHERE n.assignment_id = ? ORDER BY n.name, b.name, b.type",
}


def assignment_digest(course_dir: Path, assignment: str) -> str:
    """Return a hash of the assignment's cells, points and due date.

    Raises CourseError when the gradebook is not there or does not know the assignment.
    """
    with opened(course_dir) as database:
        key, due = _assignment(database, course_dir, assignment)
        tables = [database.execute(query, (key,)).fetchall() for query in TABLES.values()]
    return hashlib.sha256(repr((due, tables)).encode()).hexdigest()


def notebook_names(course_dir: Path, assignment: str) -> list[str]:
    """Return the names of the assignment's notebooks."""
    with opened(course_dir) as database:
        key, _ = _assignment(database, course_dir, assignment)
        query = "SELECT name FROM notebook WHERE assignment_id = ? ORDER BY name"
        return [row[0] for row in database.execute(query, (key,))]


def extensions(course_dir: Path, assignment: str) -> dict[str, str | None]:
    """Return who has a submission in the gradebook, and the extra time that a person gave."""
    with opened(course_dir) as database:
        key, _ = _assignment(database, course_dir, assignment)
        query = "SELECT student_id, extension FROM submitted_assignment WHERE assignment_id = ?"
        return dict(database.execute(query, (key,)).fetchall())


@dataclass(frozen=True)
class Scores:
    """What the gradebook says of one submission.

    `points` are for tests, `by_hand` those that a person gave; `to_read` cells wait for one.
    `penalty` is taken off for being late.
    """

    points: float
    by_hand: float
    to_read: int
    penalty: float


def scores(course_dir: Path, assignment: str) -> tuple[dict[str, Scores], float, float]:
    """Return each student's scores, and the points given by tests and by hand at most.

    A manual score replaces the automatic one, as in nbgrader's `Grade.score`.
    """
    with opened(course_dir) as database:
        key, _ = _assignment(database, course_dir, assignment)
        penalties = dict(database.execute(PENALTIES, (key,)).fetchall())
        query = SCORES.format(by_hand=BY_HAND, score=SCORE)
        found = {
            student: Scores(points or 0.0, given or 0.0, to_read or 0, penalties[student] or 0.0)
            for student, points, given, to_read in database.execute(query, (key,))
        }
        automatic, manual = database.execute(MOST.format(by_hand=BY_HAND), (key,)).fetchone()
    return found, automatic or 0.0, manual or 0.0


def require_writable(path: Path) -> None:
    """Wait until the gradebook in `path` can be written, and see that there is space to do so.

    Raises GradingStoppedError when another program does not let go of it, or it is read-only.
    """
    try:
        with contextlib.closing(_connect(path)) as database:
            database.isolation_level = None
            database.execute("BEGIN IMMEDIATE")
            # Changes nothing, but only a change makes SQLite open the files that it needs.
            database.execute("UPDATE alembic_version SET version_num = version_num")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise GradingStoppedError(f"the gradebook {path} cannot be written: {error}") from error


@contextlib.contextmanager
def opened(course_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the course's gradebook.

    Raises CourseError when there is none, GradingStoppedError when it cannot be read.
    """
    path = course_dir / "gradebook.db"
    if not path.is_file():
        raise CourseError(f"there is no {path}; run 'nbgrader generate_assignment' first")
    try:
        with contextlib.closing(_connect(path)) as database:
            yield database
    except sqlite3.Error as error:
        raise GradingStoppedError(f"the gradebook {path} cannot be read: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    # Not read-only: whoever opens a gradebook whose writer was killed has to clear up after it.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=LOCK_SECONDS)


def _assignment(
    database: sqlite3.Connection, course_dir: Path, assignment: str
) -> tuple[str, str | None]:
    query = "SELECT id, duedate FROM assignment WHERE name = ?"
    found = database.execute(query, (assignment,)).fetchone()
    if found is None:
        raise CourseError(
            f"the gradebook in {course_dir} has no {assignment!r}; "
            f"run 'nbgrader generate_assignment {assignment}'"
        )
    return found
