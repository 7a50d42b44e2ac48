"""What grading notes about a submission beside its points, kept with the graded notebooks."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autograder.files import write_whole

FILE = "grading.json"
NOTE = "autograder_note"


@dataclass
class Record:
    """The course of one grading: `problems` are sentences for the instructor's table.

    `complete` names what was graded, once everything of it is in the gradebook.
    """

    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    complete: str = ""


def write_record(folder: Path, notebook: str, record: Record) -> None:
    """Note the grading of one notebook in the folder of an autograded submission."""
    kept = _read(folder)
    notebooks = kept.get("notebooks", {}) | {notebook: asdict(record)}
    _write(folder, {"notebooks": notebooks, "complete": ""})


def mark_complete(folder: Path, what: str) -> None:
    """Note that everything of a submission is in the gradebook, as `what` it was graded."""
    _write(folder, _read(folder) | {"complete": what})


def read_record(folder: Path) -> Record | None:
    """Return the record of all notebooks in `folder`, or None when it has not been graded."""
    kept = _read(folder)
    try:
        parts = {name: Record(**part) for name, part in kept["notebooks"].items()}
        problems = [
            problem if len(parts) == 1 else f"{name}: {problem}"
            for name, part in parts.items()
            for problem in part.problems
        ]
        return Record(problems, sum(part.seconds for part in parts.values()), kept["complete"])
    except (KeyError, TypeError, AttributeError):
        return None


def _read(folder: Path) -> dict[str, Any]:
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(folder: Path, kept: dict[str, Any]) -> None:
    write_whole(folder / FILE, json.dumps(kept, indent=2) + "\n")
