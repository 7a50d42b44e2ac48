"""What repeated measurements of one quantity say, with the interval that their number allows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinytorch.benchmarking.intervals import Interval, median_interval, proportion_interval
from tinytorch.benchmarking.timing import min_samples_for_percentile

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """All measured values of one metric of one model, float64 of shape (count,), read only.

    `interval_of` says what the interval is about: the "median" of times and bytes, or the
    "proportion" of ones where each value is 1 (right) or 0 (wrong).
    Raises ValueError when there is no value, one is not finite, or a proportion is asked of values
    other than 0 and 1.

    >>> result = BenchmarkResult("latency", [5.0, 1.0, 3.0, 2.0, 4.0, 6.0], unit="ms")
    >>> result.median, result.ci_lower, result.ci_upper, result.percentile(99)
    (3.5, 1.0, 6.0, None)
    """

    metric_name: str
    values: NDArray[np.float64]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    interval_of: Literal["median", "proportion"] = "median"
    confidence: float = 0.95

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)  # (count,), a copy of our own
        if values.ndim != 1 or values.size == 0 or not np.all(np.isfinite(values)):
            raise ValueError(
                f"{self.metric_name} needs a row of finite values, got shape {values.shape}."
            )
        if self.interval_of == "proportion" and not np.all((values == 0) | (values == 1)):
            raise ValueError(f"A proportion is one of zeros and ones, {self.metric_name} is not.")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @property
    def count(self) -> int:
        """Number of values."""
        return int(self.values.size)

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return float(self.values.mean())

    @property
    def std(self) -> float:
        """Population standard deviation of the values, as `np.std` computes it."""
        return float(self.values.std())

    @property
    def median(self) -> float:
        """Median of the values."""
        return float(np.median(self.values))

    @property
    def min(self) -> float:
        """Smallest value."""
        return float(self.values.min())

    @property
    def max(self) -> float:
        """Largest value."""
        return float(self.values.max())

    @property
    def value(self) -> float:
        """The one figure to report, which the interval is about: the median or the proportion."""
        return self.mean if self.interval_of == "proportion" else self.median

    @property
    def interval(self) -> Interval | None:
        """Interval of `value` at the confidence, None where the values are too few for one.

        See `median_interval`, which needs 6 values at 95 %, and `proportion_interval`.
        """
        if self.interval_of == "proportion":
            return proportion_interval(int(self.values.sum()), self.count, self.confidence)
        if 2 * 0.5**self.count > 1 - self.confidence:
            return None
        return median_interval(self.values, self.confidence)

    @property
    def ci_lower(self) -> float | None:
        """Lower end of the interval, None without one."""
        return self.interval[0] if self.interval else None

    @property
    def ci_upper(self) -> float | None:
        """Upper end of the interval, None without one."""
        return self.interval[1] if self.interval else None

    def percentile(self, q: float) -> float | None:
        """The q-th percentile of the values, or None when they are too few to tell.

        Enough means `min_samples_for_percentile(q)`; the median needs no minimum.
        Raises ValueError unless 0 < q < 100.
        """
        if q != 50 and self.count < min_samples_for_percentile(q):
            return None
        return float(np.percentile(self.values, q))

    @property
    def percentiles(self) -> dict[str, float | None]:
        """`p50`, `p90` and `p99`, None for those that so few values cannot tell."""
        return {f"p{q}": self.percentile(q) for q in PERCENTILES}

    def to_dict(self) -> dict[str, Any]:
        """Every figure as plain values that JSON holds; the values themselves are left out.

        >>> BenchmarkResult("peak_memory", [2.0], unit="MB").to_dict()["ci_lower"] is None
        True
        """
        return {
            "metric_name": self.metric_name,
            "unit": self.unit,
            "count": self.count,
            "value": self.value,
            "mean": self.mean,
            "std": self.std,
            "median": self.median,
            "min": self.min,
            "max": self.max,
            "ci_lower": self.ci_lower,
            "ci_upper": self.ci_upper,
            "confidence": self.confidence,
            **self.percentiles,
            "metadata": dict(self.metadata),
        }

    def describe(self) -> str:
        """One line for a reader: the figure, its unit, its interval and the count."""
        unit = f" {self.unit}" if self.unit else ""
        if self.interval is None:
            return f"{self.value:.4g}{unit} (n = {self.count}, too few for an interval)"
        low, high = self.interval
        level = f"{100 * self.confidence:g} %"
        return f"{self.value:.4g}{unit} ({level}: {low:.4g} to {high:.4g}, n = {self.count})"


def geometric_mean(ratios: NDArray[np.float64] | list[float]) -> float:
    """The mean of ratios: exp(mean(log(r))), the same whichever side is called the baseline.

    Source: Fleming and Wallace, Communications of the ACM 29 (1986), 218-221.
    Raises ValueError when there is no ratio or one is not a finite number above 0.

    >>> geometric_mean([2.0, 0.5])
    1.0
    """
    values = np.asarray(ratios, dtype=np.float64)
    if values.size == 0 or not np.all(np.isfinite(values)) or values.min() <= 0:
        raise ValueError("A geometric mean needs finite ratios above 0, and at least one.")
    return math.exp(float(np.mean(np.log(values))))
