"""The bootstrap: what the estimate would have been, had the same machine given other samples."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.benchmarking.comparison import RatioInterval


def bootstrap_ratio_interval(
    baseline: ArrayLike,
    candidate: ArrayLike,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    *,
    paired: bool = False,
    seed: int | None = None,
) -> RatioInterval:
    """The ratio median(baseline) / median(candidate) with its percentile bootstrap interval.

    Both arms are times above 0 of shapes (n,) and (m,), so a ratio above 1 says that the candidate
    is faster.
    A resample draws as many times as there were, with repetition; the interval holds the middle
    `confidence` of the ratios of `num_resamples` resamples.
    `paired` draws whole pairs, for samples taken in the same rounds (`time_interleaved`); without
    it the arms are taken to be independent, which two measurements in a row are not.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    Raises ValueError for fewer than 10 values in an arm, a value that is not a finite number above
    0, arms of unequal length when paired, or fewer than 100 resamples.

    >>> slow, fast = np.linspace(2.0, 2.2, 50), np.linspace(1.0, 1.1, 50)
    >>> interval = bootstrap_ratio_interval(slow, fast, seed=0)
    >>> round(interval.ratio, 3), interval.low < 2 < interval.high
    (2.0, True)
    """
    a, b = row_of_times("baseline", baseline), row_of_times("candidate", candidate)
    check_plan(a.size, b.size, paired, confidence, num_resamples)
    rng = np.random.default_rng(seed)
    drawn_a = rng.integers(a.size, size=(num_resamples, a.size))  # (R, n) positions
    drawn_b = drawn_a if paired else rng.integers(b.size, size=(num_resamples, b.size))  # (R, m)
    ratios = np.median(a[drawn_a], axis=1) / np.median(b[drawn_b], axis=1)  # (R,)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return RatioInterval(float(np.median(a) / np.median(b)), float(low), float(high))


def row_of_times(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """The values as float64 (n,); ValueError unless they are 10 or more times above 0."""
    times = np.asarray(values, dtype=np.float64)
    if times.ndim != 1 or times.size < 10:
        raise ValueError(f"{name} must be a row of at least 10 times, got shape {times.shape}.")
    if not np.all(np.isfinite(times)) or times.min() <= 0:
        raise ValueError(f"Every time of the {name} must be a finite number above 0.")
    return times


def check_plan(n: int, m: int, paired: bool, confidence: float, num_resamples: int) -> None:
    """Raise ValueError for arms that cannot be paired and for settings out of range."""
    if paired and n != m:
        raise ValueError(f"Pairs need arms of equal length, got {n} and {m} times.")
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    if num_resamples < 100:
        raise ValueError(f"num_resamples must be 100 or more, got {num_resamples}.")
