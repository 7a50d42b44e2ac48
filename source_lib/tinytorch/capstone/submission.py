"""The submission: two reports and their ratios as one JSON document."""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinytorch.capstone.report import BenchmarkReport


def improvement_metrics(baseline: dict[str, Any], optimized: dict[str, Any]) -> dict[str, float]:
    """Return `speedup`, `compression_ratio` and `accuracy_delta` of two metrics dictionaries.

    The ratios are baseline / optimized, so above 1 is better; the delta is optimized - baseline,
    in fractions of 1, so above 0 is better.

    >>> before = {"latency_ms_mean": 10.0, "model_size_mb": 4.0, "accuracy": 0.75}
    >>> after = {"latency_ms_mean": 5.0, "model_size_mb": 2.0, "accuracy": 0.75}
    >>> improvement_metrics(before, after)
    {'speedup': 2.0, 'compression_ratio': 2.0, 'accuracy_delta': 0.0}

    Raises ValueError naming the field when a figure is missing, not finite, or not above zero
    where it must be.
    """

    def figure(section: str, metrics: dict[str, Any], key: str, positive: bool) -> float:
        value = metrics.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or (positive and value <= 0)
        ):
            wanted = "a finite number above 0" if positive else "a finite number"
            raise ValueError(
                f"{section}.metrics.{key} must be {wanted}, found {value!r}; "
                "benchmark that model again"
            )
        return float(value)

    def ratio(key: str) -> float:
        return figure("baseline", baseline, key, True) / figure("optimized", optimized, key, True)

    return {
        "speedup": ratio("latency_ms_mean"),
        "compression_ratio": ratio("model_size_mb"),
        "accuracy_delta": figure("optimized", optimized, "accuracy", False)
        - figure("baseline", baseline, "accuracy", False),
    }


def generate_submission(
    baseline_report: BenchmarkReport,
    optimized_report: BenchmarkReport | None = None,
    student_name: str | None = None,
    techniques_applied: list[str] | None = None,
    comparison: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the submission of one model, or of two and what was gained.

    `student_name` appears only when given; `optimized` and `improvements` appear only with an
    optimized report. `comparison` (from `benchmark_pair`) adds the interval of the speedup.
    The result shares nothing with the reports: changing one leaves the other as it was.
    Raises ValueError naming the field when a ratio cannot be computed.
    """
    submission: dict[str, Any] = {
        "tinytorch_version": "0.1.0",
        "submission_type": "capstone_benchmark",
        "timestamp": baseline_report.timestamp,
        "system_info": dict(baseline_report.system_info),
        "baseline": {
            "model_name": baseline_report.model_name,
            "metrics": dict(baseline_report.metrics),
        },
    }
    if student_name:
        submission["student_name"] = student_name
    if optimized_report is not None:
        submission["optimized"] = {
            "model_name": optimized_report.model_name,
            "metrics": dict(optimized_report.metrics),
            "techniques_applied": list(techniques_applied or []),
        }
        submission["improvements"] = {
            **improvement_metrics(baseline_report.metrics, optimized_report.metrics),
            **(comparison or {}),
        }
    return submission


def save_submission(submission: dict[str, Any], filepath: str | Path) -> str | Path:
    """Write the submission as UTF-8 JSON and return `filepath`.

    The file appears whole or not at all. Raises ValueError naming the field that holds NaN or an
    infinity (JSON has neither), TypeError for what JSON cannot hold, OSError for a path that
    cannot be written.
    """
    refuse_non_finite(submission)
    text = json.dumps(submission, indent=2, ensure_ascii=False, allow_nan=False)
    target = Path(filepath)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return filepath


def load_submission(filepath: str | Path) -> dict[str, Any]:
    """Read back what `save_submission` wrote.

    Raises ValueError naming the file when it is not a JSON object in UTF-8, or holds NaN,
    an infinity or a key twice.
    """
    try:
        text = Path(filepath).read_text(encoding="utf-8")
        submission = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique_keys)
        if not isinstance(submission, dict):
            raise ValueError("expected a JSON object at the top")
        refuse_non_finite(submission)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{filepath} is not a submission: {error}") from error
    return submission


def leaves(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is no dictionary or list, with the dotted name of its field."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from leaves(child, f"{field}.{index}" if field else str(index))
    else:
        yield field, value


def refuse_non_finite(submission: dict[str, Any]) -> None:
    """Raise ValueError naming the first field that holds NaN or an infinity."""
    for field, value in leaves(submission):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{field} is {value}, which JSON cannot hold")


def refuse_constant(name: str) -> None:
    """Refuse what Python's json module reads although JSON does not have it."""
    raise ValueError(f"it holds {name}, which JSON does not have")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dictionary; raise ValueError when a key stands twice."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the key {key!r} stands twice in one object")
    return dict(pairs)
