"""Is everything there that a student needs, and which command gets what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tito.course import find_course
from tito.errors import TitoError
from tito.opening import EDITORS
from tito.state import State, home, load_state

WHEEL = "tinytorch-course-student"
REQUIRED = (
    "numpy", "matplotlib", "jsonschema", "threadpoolctl", "ipykernel", "nbclient", "click", "rich",
)  # fmt: skip
PIP = "python -m pip install"
FASTER = {"numba": "compiled loops", "scipy": "compiled sparse products"}
OLDEST = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is "ok", "missing" or "optional", `cure` what to type."""

    what: str
    state: str
    found: str
    cure: str = ""


def examine() -> list[Finding]:
    """Look at Python, the packages, the course and the folders; change nothing."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    new_enough = sys.version_info >= OLDEST
    findings = [
        Finding(
            "Python",
            "ok" if new_enough else "missing",
            f"{version} at {sys.executable}",
            "" if new_enough else "install Python 3.11 or newer, and make a new environment of it",
        )
    ]
    findings += [_package(name, "missing") for name in REQUIRED]
    editors = [name for name in EDITORS if importlib.util.find_spec(name)]
    findings.append(
        Finding("an editor", "ok", ", ".join(editors))
        if editors
        else Finding("an editor", "missing", "none", f"{PIP} jupyterlab")
    )
    findings += [_package(name, "optional", gain) for name, gain in FASTER.items()]
    return [*findings, _library(), _course(), *_folders()]


def _package(name: str, otherwise: str, gain: str = "") -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, otherwise, f"it would bring {gain}" if gain else "", f"{PIP} {name}")
    oldest = _oldest().get(name, "0")
    if _numbers(version) < _numbers(oldest):
        return Finding(name, "missing", f"{version}, too old", f'{PIP} "{name}>={oldest}"')
    return Finding(name, "ok", version)


def _oldest() -> dict[str, str]:
    """Return the oldest version of each package that the wheel asks for."""
    try:
        wanted = importlib.metadata.requires(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    matches = [re.match(r"([\w.-]+)>=([\d.]+)", one) for one in wanted]
    return {match[1]: match[2] for match in matches if match}


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def _library() -> Finding:
    spec = importlib.util.find_spec("tinytorch")
    if spec is None or spec.origin is None:
        return Finding("tinytorch", "missing", "", f"{PIP} the wheel from the course's site")
    return Finding("tinytorch", "ok", str(Path(spec.origin).parent))


def _course() -> Finding:
    try:
        released = [str(c.number) for c in find_course().chapters if c.released]
    except TitoError as error:
        return Finding("the course", "missing", str(error), f"{PIP} the course's wheel")
    try:
        version = f", version {importlib.metadata.version(WHEEL)}"
    except importlib.metadata.PackageNotFoundError:
        version = ""
    return Finding("the course", "ok", f"released: {', '.join(released)}{version}")


def _folders() -> list[Finding]:
    try:
        return [_folder(load_state()), _writable(home())]
    except TitoError as error:
        cure = "set TITO_HOME to a folder of yours, or type this again"
        return [Finding("tito's own folder", "missing", str(error), cure)]


def _folder(state: State) -> Finding:
    if state.workspace is None:
        return Finding("your notebooks", "optional", "none yet", "tito module start N")
    if not Path(state.workspace).is_dir():
        return Finding(
            "your notebooks",
            "missing",
            f"{state.workspace} is gone",
            "go to where your notebooks are now and type: tito module start N",
        )
    if not os.access(state.workspace, os.W_OK):
        return Finding(
            "your notebooks",
            "missing",
            f"{state.workspace} cannot be written",
            "give yourself the right to write there",
        )
    return Finding("your notebooks", "ok", state.workspace)


def _writable(folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if os.access(there, os.W_OK):
        return Finding("tito's own folder", "ok", str(folder))
    return Finding(
        "tito's own folder",
        "missing",
        f"{folder} cannot be written",
        "set TITO_HOME to a folder of yours",
    )
