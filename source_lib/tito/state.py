"""What `tito` remembers between two commands, in one folder of the user's: TITO_HOME.

`state.json` is small and written whole; whose code a chapter's import gives stands in it too, so
that one file decides and `overlay` has one file to read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tito.errors import TitoError
from tito.files import write_whole

MINE, REFERENCE = "mine", "reference"


def home() -> Path:
    """Return the folder that `tito` keeps its state in: TITO_HOME, else `~/.tinytorch`.

    Raises TitoError where the user has no home folder.
    """
    try:
        return Path(os.environ.get("TITO_HOME") or "~/.tinytorch").expanduser()
    except RuntimeError:
        raise TitoError("you have no home folder; set TITO_HOME to a folder of yours") from None


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

    What a later version of `tito` remembers besides is left out.
    Raises TitoError when the file is damaged, and keeps it beside under another name.
    """
    path = home() / "state.json"
    try:
        return _state(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise TitoError(
            f"{path} cannot be read ({error.strerror}); set TITO_HOME to a folder of yours", 1
        ) from None
    except (ValueError, TypeError, RecursionError):
        kept = backup(path)
        path.unlink()
        raise TitoError(
            f"{path} was damaged and is kept as {kept}; your notebooks are untouched. Run the "
            "command again to go on, and 'tito module complete' for the chapters you had exported",
            1,
        ) from None


def _state(found: Any) -> State:
    """Return the state that a file's content is; raises TypeError when it is none."""
    if not isinstance(found, dict):
        raise TypeError(f"it holds a {type(found).__name__}")
    known = {key: value for key, value in found.items() if key in asdict(State())}
    for key, value in known.items():
        expected = (str, type(None)) if key == "workspace" else dict
        if not isinstance(value, expected):
            raise TypeError(f"{key} is a {type(value).__name__}")
    if not all(isinstance(result, dict) for result in known.get("results", {}).values()):
        raise TypeError("results are no dictionaries")
    return State(**known)


def uses() -> dict[str, str]:
    """Return whose code each chapter's import gives; nothing when the state cannot be read.

    For imports, which must not fail or write: commands tell of a damaged state.
    """
    try:
        found = json.loads((home() / "state.json").read_text(encoding="utf-8"))["uses"]
        return dict(found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def change_state(change: Callable[[State], object]) -> State:
    """Change what is remembered and return it.

    It is read again first: another command may have changed it while this one ran tests.
    """
    state = load_state()
    change(state)
    text = json.dumps(asdict(state), indent=2, sort_keys=True) + "\n"
    write_whole(home() / "state.json", text)
    return state


def backup(path: Path) -> Path:
    """Copy a file to the folder of backups, under its name and the time, and return the copy."""
    folder = home() / "backups"
    stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"
    kept = folder / f"{path.stem}-{stamp}{path.suffix}"
    write_whole(kept, path.read_bytes())
    return kept
