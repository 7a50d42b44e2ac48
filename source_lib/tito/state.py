"""What `tito` remembers between two commands, in one folder of the user's: TITO_HOME.

`state.json` is small and written whole; whose code a chapter's import gives stands in it too, so
that one file decides and `overlay` has one file to read.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tito.errors import TitoError

MINE, REFERENCE = "mine", "reference"


def home() -> Path:
    """Return the folder that `tito` keeps its state in: TITO_HOME, else `~/.tinytorch`."""
    chosen = os.environ.get("TITO_HOME")
    return Path(chosen) if chosen else Path.home() / ".tinytorch"


@dataclass
class State:
    """Where the notebooks are, whose code each chapter's import gives, and what was reached.

    `uses` maps a chapter to "mine" or "reference", `results` to the last run of its tests,
    `completed` to the time of its export.
    """

    workspace: str | None = None
    uses: dict[str, str] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    completed: dict[str, str] = field(default_factory=dict)


def load_state() -> State:
    """Return the state; a fresh one when there is none.

    Raises TitoError when the file is damaged, and keeps it beside under another name.
    """
    path = home() / "state.json"
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return State()
    except (ValueError, TypeError, UnicodeDecodeError):
        kept = backup(path)
        path.unlink()
        raise TitoError(
            f"{path} was damaged and is kept as {kept}; your notebooks are untouched. Run the "
            "command again to go on, and 'tito module complete' for the chapters you had exported",
            1,
        ) from None


def uses() -> dict[str, str]:
    """Return whose code each chapter's import gives; nothing when the state cannot be read.

    For imports, which must not fail or write: commands tell of a damaged state.
    """
    try:
        found = json.loads((home() / "state.json").read_text(encoding="utf-8"))["uses"]
        return dict(found)
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def save_state(state: State) -> None:
    write_whole(home() / "state.json", json.dumps(asdict(state), indent=2, sort_keys=True) + "\n")


def backup(path: Path) -> Path:
    """Copy a file to the folder of backups, under its name and the time, and return the copy."""
    folder = home() / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    kept = folder / f"{path.stem}-{stamp}{path.suffix}"
    kept.write_bytes(path.read_bytes())
    return kept


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whenever the power goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
