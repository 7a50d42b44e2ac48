"""Capstone submissions from outside: is the file in order, what does it say, how do two compare."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tito.errors import TitoError

LARGEST_BYTES = 1_000_000
TOLERANCE = 1e-6


def read_submission(path: Path) -> dict[str, Any]:
    """Return what a submission file holds.

    Raises TitoError for a file that is not there, too large or no strict JSON object.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise TitoError(
                f"{path} has over {LARGEST_BYTES} bytes; a submission is far smaller", 1
            )
        content = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_refuse,
            object_pairs_hook=_without_repeats,
        )
    except OSError as error:
        raise TitoError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise TitoError(f"{path} is no submission: {error}", 1) from None
    if not isinstance(content, dict):
        raise TitoError(f"{path} is no submission: it holds a {type(content).__name__}", 1)
    return content


def problems(submission: dict[str, Any]) -> list[str]:
    """Return all that is wrong: against the schema, and improvements that do not follow.

    Each says where and what, such as "improvements.speedup: 3.0, but the latencies give 2.0".
    """
    from jsonschema import Draft202012Validator

    from tinytorch.schemas import load_schema

    found = [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'submission'}: {error.message}"
        for error in Draft202012Validator(load_schema()).iter_errors(submission)
    ]
    return sorted(found) or [
        f"improvements.{key}: {said}, but the metrics give {follows:g}"
        for key, follows in _improvements(submission).items()
        if not math.isclose(
            said := submission["improvements"][key], follows, rel_tol=TOLERANCE, abs_tol=TOLERANCE
        )
    ]


def _improvements(submission: dict[str, Any]) -> dict[str, float]:
    if "improvements" not in submission or "optimized" not in submission:
        return {}
    before, after = submission["baseline"]["metrics"], submission["optimized"]["metrics"]
    return {
        "speedup": before["latency_ms_mean"] / after["latency_ms_mean"],
        "compression_ratio": before["model_size_mb"] / after["model_size_mb"],
        "accuracy_delta": after["accuracy"] - before["accuracy"],
    }


def summary(path: Path, submission: dict[str, Any]) -> dict[str, Any]:
    """Return the few figures of a submission that people compare."""
    metrics = submission.get("optimized", submission["baseline"])["metrics"]
    gained = submission.get("improvements", {})
    return {
        "file": path.name,
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


def _refuse(name: str) -> float:
    raise ValueError(f"it holds {name}, which is no JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return dict(pairs)
