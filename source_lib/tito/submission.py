"""Capstone submissions from outside: is the file in order, what does it say, how do two compare.

The wheel carries this file to students who are to write such checks in chapter 20. So it works on
the text and on products of the figures, and none of its functions is one that they are asked for.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from tito.errors import TitoError

LARGEST_BYTES = 1_000_000
STRING_THEN_COLON = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?')
# An improvement, the figure it is made of, and how far it may be rounded.
RATIOS = (("speedup", "latency_ms_mean"), ("compression_ratio", "model_size_mb"))
ROUNDED, EXACT, A_THOUSANDTH = 0.005, 1e-9, 1e-3


def read_submission(path: Path) -> dict[str, Any]:
    """Return what a submission file holds.

    Raises TitoError for a file that is not there, too large or no strict JSON object.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise TitoError(
                f"{path} has over {LARGEST_BYTES} bytes; a submission is far smaller", 1
            )
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        json.dumps(content, allow_nan=False)
    except OSError as error:
        raise TitoError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise TitoError(f"{path} is no submission: {error}", 1) from None
    if not isinstance(content, dict):
        raise TitoError(f"{path} is no submission: it holds a {type(content).__name__}", 1)
    if sum(bool(colon) for colon in STRING_THEN_COLON.findall(text)) != _keys(content):
        raise TitoError(f"{path} is no submission: a key is there twice in one object", 1)
    return content


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_keys(part) for part in value.values())
    return sum(_keys(part) for part in value) if isinstance(value, list) else 0


def problems(submission: dict[str, Any]) -> list[str]:
    """Return all that is wrong: against the schema, and figures that contradict each other.

    Each says where and what, such as "improvements.speedup: 3.0 is not what the metrics give".
    """
    from jsonschema import Draft202012Validator

    from tinytorch.schemas import load_schema

    errors = Draft202012Validator(load_schema("capstone_submission")).iter_errors(submission)
    found = [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'submission'}: {error.message}"
        for error in errors
    ]
    try:
        return sorted(found) or _contradictions(submission)
    except OverflowError:
        return ["submission: a figure is too large to count with"]


def _contradictions(submission: dict[str, Any]) -> list[str]:
    found = []
    try:
        time.strptime(submission["timestamp"], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        found.append(f"timestamp: {submission['timestamp']!r} is no date that exists")
    for model in ("baseline", "optimized"):
        metrics = submission[model]["metrics"] if model in submission else None
        if metrics and not _near(
            metrics["throughput_samples_per_sec"] * metrics["latency_ms_mean"] / 1000,
            1.0,
            A_THOUSANDTH,
        ):
            found.append(
                f"{model}.metrics.throughput_samples_per_sec: "
                f"{metrics['throughput_samples_per_sec']} does not go with latency_ms_mean"
            )
    return found + (_improvements(submission) if "optimized" in submission else [])


def _improvements(submission: dict[str, Any]) -> list[str]:
    """Return what does not follow: each gain, undone, must give the baseline back."""
    gained = submission["improvements"]
    before, after = submission["baseline"]["metrics"], submission["optimized"]["metrics"]
    wrong = [
        key
        for key, figure in RATIOS
        if not _near(gained[key] * after[figure], before[figure], ROUNDED * after[figure])
    ]
    if not _near(before["accuracy"] + gained["accuracy_delta"], after["accuracy"], EXACT):
        wrong.append("accuracy_delta")
    found = [f"improvements.{key}: {gained[key]} is not what the metrics give" for key in wrong]
    interval = gained.get("speedup_ci95")
    paired = gained.get("speedup_paired")
    if interval and interval != sorted(interval):
        found.append(f"improvements.speedup_ci95: {interval} does not go from low to high")
    elif interval and paired is not None and sorted([*interval, paired])[1] != paired:
        found.append(f"improvements.speedup_ci95: {interval} does not enclose {paired}")
    return found


def _near(found: float, wanted: float, allowed: float) -> bool:
    return abs(found - wanted) <= allowed


def summary(path: Path, submission: dict[str, Any]) -> dict[str, Any]:
    """Return the few figures of a submission that people compare."""
    metrics = submission.get("optimized", submission["baseline"])["metrics"]
    gained = submission.get("improvements", {})
    return {
        "file": str(path),
        "student_name": submission.get("student_name", ""),
        "accuracy": metrics["accuracy"],
        "latency_ms_mean": metrics["latency_ms_mean"],
        "model_size_mb": metrics["model_size_mb"],
        "speedup": gained.get("speedup_paired", gained.get("speedup")),
        "speedup_ci95": gained.get("speedup_ci95"),
        "compression_ratio": gained.get("compression_ratio"),
        "accuracy_delta": gained.get("accuracy_delta"),
        "techniques": submission.get("optimized", {}).get("techniques_applied", []),
        "cpu": submission.get("system_info", {}).get("cpu", ""),
    }
