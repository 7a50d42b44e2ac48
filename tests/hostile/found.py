"""What a grading left behind: points, words and files, as the report of `inside` has them."""

import hashlib
import html
import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from . import planted
from .house import HOME
from .submission import CASES, COURSE

PLACES = (HOME, Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path("/run"))
WRITTEN_BY_GRADERS = re.compile(
    r"course/(build|source_lib)/.*/__pycache__.*|course/assignments/(autograded|feedback|gradebook).*"
    r"|course/assignments/submitted/b\d+_(renamed_by_the_browser|name_in_capitals)/homework/homework.ipynb"
    r"|\.local(/share(/jupyter(/(runtime|nbsignatures|notebook_secret).*)?)?)?|\.cache.*|\.jupyter(/migrated)?"
    r"|\.config(/matplotlib.*)?|\.ipython(/(README|nbextensions|extensions|profile_default"
    r"(/(security|log|pid|db|history|static).*|/startup(/README)?)?))?",
    re.DOTALL,  # a name of a file may hold a line break
)


class Traces:
    """The files of the machine as they were before the grading."""

    def __init__(self) -> None:
        self.before = snapshot()

    def changes(self) -> list[str]:
        """Return what is new, changed or gone, apart from what graders themselves write."""
        now = snapshot()
        found = [f"new: {path}" for path in now.keys() - self.before.keys()]
        found += [f"gone: {path}" for path in self.before.keys() - now.keys()]
        both = now.keys() & self.before.keys()
        found += [f"changed: {path}" for path in both if now[path] != self.before[path]]
        return sorted(found) + triggers()


def snapshot() -> dict[str, str]:
    """Return what each file holds, by its path; of links where they lead, of folders their mode."""
    found = {}
    for place in PLACES:
        for folder, folders, names in os.walk(place):
            for path in (Path(folder, name) for name in (*names, *folders)):
                if not of_graders(path):
                    found[str(path)] = state_of(path)
    return found


def of_graders(path: Path) -> bool:
    """Tell whether a grader may write here for itself."""
    if not path.is_relative_to(HOME):
        return False
    return WRITTEN_BY_GRADERS.fullmatch(str(path.relative_to(HOME))) is not None


def state_of(path: Path) -> str:
    if path.is_symlink():
        return os.readlink(path)
    if path.is_dir():
        return "folder"
    if not path.is_file():
        return "special"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except OSError as error:
        return str(error)


def triggers() -> list[str]:
    """Return the triggers in the gradebook, which has none by itself."""
    with sqlite3.connect(f"file:{COURSE}/assignments/gradebook.db?mode=ro", uri=True) as base:
        rows = base.execute("select name from sqlite_master where type = 'trigger'").fetchall()
    return [f"new: trigger {name} in the gradebook" for (name,) in rows]


def graded(
    assignment: str,
    students: dict[str, str | None],
    seconds: dict[str, float],
    peaks: dict[str, int],
) -> dict[str, dict[str, Any]]:
    """Return for each student the points, what was given away, and how it went."""
    points = points_in_gradebook(assignment)
    result = {}
    for student, case in students.items():
        folder = COURSE / "assignments" / "autograded" / student / assignment
        outputs = outputs_in(folder / f"{assignment}.ipynb")
        said, failed = outputs or ("", "")
        pages = COURSE / "assignments" / "feedback" / student / assignment
        feedback = "\n".join(p.read_text(errors="replace") for p in sorted(pages.glob("*.html")))
        own = {planted.OTHER_STUDENT.where} if student == "a_neighbour" else set()
        forbidden = CASES[case].forbidden if case else ()
        result[student] = {
            "case": case,
            "points": points.get(student) if outputs is not None else None,
            "printed": sorted(set(planted.found_in(said)) - own),
            "failed": sorted(set(planted.found_in(failed)) - own),
            "feedback": sorted(set(planted.found_in(words_of(feedback))) - own),
            "has_feedback": bool(feedback),
            "forbidden": [word for word in forbidden if word in said + failed],
            "problems": problems_in(folder / "grading.json"),
            "seconds": seconds.get(student),
            "peak_mb": peaks.get(student),
            "said": said[:20_000],
        }
    return result


def points_in_gradebook(assignment: str) -> dict[str, float]:
    """Return every student's score as nbgrader reports it."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{COURSE}/assignments/gradebook.db") as gradebook:
        return {
            submission.student.id: submission.score
            for submission in gradebook.assignment_submissions(assignment)
        }


def outputs_in(path: Path) -> tuple[str, str] | None:
    """Return all outputs of a graded notebook as text, or None when there is no such notebook.

    The second text has the errors of failed tests, the first has everything else.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8", errors="replace"))["cells"]
    except (OSError, ValueError):
        return None
    said, failed = [], []
    for cell in cells:
        test = cell.get("metadata", {}).get("nbgrader", {}).get("grade")
        for output in cell.get("outputs", []):
            error = test and output["output_type"] == "error"
            (failed if error else said).append(output)
    return text_of(said), text_of(failed)


def text_of(outputs: list[Any]) -> str:
    return json.dumps(outputs, ensure_ascii=False).replace("\\n", "\n")


def problems_in(path: Path) -> list[str]:
    """Return what this project's grader noted about a submission."""
    try:
        return [str(text)[:300] for text in json.loads(path.read_text())["problems"]]
    except (OSError, ValueError, KeyError):
        return []


def words_of(page: str) -> str:
    """Return what a person can find in a page of feedback, marked up and not."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    bare = html.unescape(re.sub(r"<[^>]+>", "", page))
    squeezed = re.sub(r"\s+", "", bare)
    return f"{html.unescape(page)}\n{bare}\n{squeezed}"
