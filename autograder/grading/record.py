"""What grading notes about a submission beside its points, kept with the graded notebook."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autograder.files import write_whole

FILE = "grading.json"
NOTE = "autograder_note"


@dataclass
class Record:
    """The course of one grading: `problems` are sentences for the instructor's table."""

    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def write_record(folder: Path, record: Record) -> None:
    """Write the record into the folder of an autograded submission, whole or not at all."""
    write_whole(folder / FILE, json.dumps(asdict(record), indent=2) + "\n")


def read_record(folder: Path) -> Record | None:
    """Return the record in `folder`, or None when it has not been graded."""
    path = folder / FILE
    if not path.is_file():
        return None
    return Record(**json.loads(path.read_text(encoding="utf-8")))
