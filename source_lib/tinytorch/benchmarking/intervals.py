"""Intervals that keep their promise: how far the true figure may lie from the measured one.

The usual mean +- 1.96 standard errors supposes many values of a bell shape.
Timings are few and lean to one side, accuracies lie near 1; there it covers less than it says.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.benchmarking.comparison import interval_rank

Interval = tuple[float, float]


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The exact interval of the true median from values of shape (n,), in their unit.

    It runs from the k-th smallest to the k-th largest value, where k (see `interval_rank`) is
    taken from the tosses of n fair coins: it supposes nothing of the shape of the distribution.
    Source: Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
    Raises ValueError when a value is not finite, or n is too small for the confidence (5 or fewer
    for 95 %).

    >>> median_interval([4.0, 1.0, 2.0, 6.0, 3.0, 5.0])
    (1.0, 6.0)
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))  # (n,)
    if ordered.ndim != 1 or not np.all(np.isfinite(ordered)):
        raise ValueError("An interval of the median needs one row of finite numbers.")
    k = interval_rank(ordered.size, confidence)
    return float(ordered[k - 1]), float(ordered[-k])


def proportion_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The interval of Wilson for a probability of which `successes` of `n` trials were seen.

    With p = successes / n and z the quantile of the normal distribution (1.96 for 95 %):
    (p + z^2/2n +- z sqrt(p (1-p)/n + z^2/4n^2)) / (1 + z^2/n), which stays within [0, 1] and is
    not empty where every trial succeeded.
    Source: Brown, Cai and DasGupta, Statistical Science 16 (2001), 101-133.
    Raises ValueError unless 0 <= successes <= n and n >= 1.

    >>> low, high = proportion_interval(95, 100)
    >>> round(low, 4), round(high, 4)
    (0.8882, 0.9785)
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"Expected from 0 to n successes of n >= 1, got {successes} of {n}.")
    z = normal_quantile(confidence)
    p = successes / n
    middle = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    # At 0 and n successes an end is exactly p, which rounding may miss on either side.
    return max(0.0, min(p, (middle - half) / scale)), min(1.0, max(p, (middle + half) / scale))


def lost_and_won(baseline_right: ArrayLike, candidate_right: ArrayLike) -> tuple[int, int]:
    """How many examples only the baseline has right (lost), and how many only the candidate (won).

    Both say for the same examples in the same order whether the model was right, shape (n,).
    Raises ValueError when the two are not rows of one length.

    >>> lost_and_won([True, True, False, True], [True, False, True, False])
    (2, 1)
    """
    before, after = np.asarray(baseline_right, dtype=bool), np.asarray(candidate_right, dtype=bool)
    if before.ndim != 1 or before.shape != after.shape:
        raise ValueError(f"Expected two rows of one length, got {before.shape} and {after.shape}.")
    return int(np.sum(before & ~after)), int(np.sum(~before & after))


def accuracy_change_interval(lost: int, won: int, n: int, confidence: float = 0.95) -> Interval:
    """The interval of the change in accuracy between two models that saw the same n examples.

    `lost` examples only the first model has right, `won` only the second; the change is
    (won - lost) / n, and the examples on which both agree say nothing of it but for their number.
    Half an example is added to each of the four cases, without which the interval would be empty
    for two models that never differ.
    Source: Agresti and Min, Statistics in Medicine 24 (2005), 729-740.
    Raises ValueError unless lost and won are 0 or more and lost + won <= n, n >= 1.

    >>> low, high = accuracy_change_interval(lost=5, won=9, n=360)
    >>> round(low, 4), round(high, 4)
    (-0.0099, 0.032)
    """
    if lost < 0 or won < 0 or lost + won > n or n < 1:
        raise ValueError(f"Expected counts with lost + won <= n, got {lost}, {won} and {n}.")
    z = normal_quantile(confidence)
    b, c, total = lost + 0.5, won + 0.5, n + 2
    change = (c - b) / total
    error = math.sqrt(b + c - (c - b) ** 2 / total) / total
    return max(-1.0, change - z * error), min(1.0, change + z * error)


def normal_quantile(confidence: float) -> float:
    """How many standard deviations hold the middle `confidence` of a normal distribution.

    Raises ValueError unless 0 < confidence < 1.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
