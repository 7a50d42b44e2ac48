"""What is wrong with a submission: the schema first, then what a schema cannot say."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tinytorch.capstone.submission import improvement_metrics, refuse_non_finite
from tinytorch.schemas import load_schema


def validate_submission(submission: dict[str, Any]) -> list[str]:
    """Return every problem of the submission as one sentence each; an empty list means valid.

    A sentence begins with the field it is about and a colon, such as
    `baseline.metrics.accuracy: 1.7 is greater than the maximum of 1`.

    >>> "submission: 'baseline' is a required property" in validate_submission({})
    True
    """
    from jsonschema import Draft202012Validator

    try:
        refuse_non_finite(submission)
    except ValueError as error:
        return [str(error)]
    errors = Draft202012Validator(load_schema("capstone_submission")).iter_errors(submission)
    problems = [f"{field_name(error.absolute_path)}: {error.message}" for error in errors]
    return problems or (
        timestamp_problems(submission)
        + throughput_problems(submission)
        + improvement_problems(submission)
    )


def field_name(path: Iterable[str | int]) -> str:
    """Return the dotted name of a field from the path that jsonschema reports."""
    return ".".join(str(part) for part in path) or "submission"


def timestamp_problems(submission: dict[str, Any]) -> list[str]:
    """Return a problem when the timestamp is no date, such as the 31st of February."""
    try:
        datetime.strptime(submission["timestamp"], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return [f"timestamp: {submission['timestamp']!r} is not a date and time that exists"]
    return []


def throughput_problems(submission: dict[str, Any]) -> list[str]:
    """Return a problem for each model whose throughput is not 1000 / its mean latency."""
    problems = []
    for section in ("baseline", "optimized"):
        metrics = submission.get(section, {}).get("metrics")
        if metrics is None:
            continue
        expected = 1000 / metrics["latency_ms_mean"]
        found = metrics["throughput_samples_per_sec"]
        if not math.isclose(found, expected, rel_tol=1e-3):
            problems.append(
                f"{section}.metrics.throughput_samples_per_sec: found {found}, but "
                f"1000 / latency_ms_mean is {expected:.6g}"
            )
    return problems


def improvement_problems(submission: dict[str, Any]) -> list[str]:
    """Return a problem for each improvement that does not follow from the metrics."""
    if "optimized" not in submission:
        return []
    found = submission["improvements"]
    expected = improvement_metrics(
        submission["baseline"]["metrics"], submission["optimized"]["metrics"]
    )
    # Ratios are often rounded to two decimals; accuracies are counts of rows and are not.
    tolerance = {"speedup": 0.005, "compression_ratio": 0.005, "accuracy_delta": 1e-9}
    problems = [
        f"improvements.{key}: found {found[key]}, but the metrics give {value:.6g}"
        for key, value in expected.items()
        if not math.isclose(found[key], value, rel_tol=0, abs_tol=tolerance[key])
    ]
    low, high = found.get("speedup_ci95", (0, math.inf))
    if not low <= found.get("speedup_paired", low) <= high:
        problems.append(
            f"improvements.speedup_ci95: {low} to {high} does not enclose speedup_paired"
        )
    return problems
