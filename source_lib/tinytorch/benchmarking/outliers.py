"""Which samples do not belong with the others, and how much they move the mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class OutlierReport:
    """The samples beyond the threshold: positions int64, slow those above the median.

    `mean_shift` is how far they move the mean from that of the others, as a fraction of it.
    Outliers are reported and never dropped: a program that is interrupted now and then is slower.
    """

    slow: NDArray[np.int64]
    fast: NDArray[np.int64]
    num_samples: int
    largest_score: float
    mean_shift: float

    @property
    def count(self) -> int:
        """Number of outliers on either side."""
        return int(self.slow.size + self.fast.size)

    @property
    def fraction(self) -> float:
        """Outliers as a fraction of all samples, from 0 to 1."""
        return self.count / self.num_samples

    def describe(self) -> str:
        """One sentence for a reader."""
        return (
            f"{self.count} of {self.num_samples} samples are outliers "
            f"({self.slow.size} slow, {self.fast.size} fast) "
            f"and move the mean by {100 * self.mean_shift:+.1f} %"
        )


def find_outliers(values: ArrayLike, threshold: float = 3.5) -> OutlierReport:
    """Report the values of a row (n,) whose robust score exceeds `threshold`.

    See `robust_scores`; 3.5 is the customary threshold, which about one in 2 000 samples of a
    normal distribution exceeds.
    Raises ValueError for fewer than 3 values, a value that is not finite, or a threshold not
    above 0.

    >>> report = find_outliers([1.0, 1.1, 0.9, 1.0, 9.0])
    >>> report.slow.tolist(), report.fast.tolist()
    ([4], [])
    """
    if not threshold > 0:
        raise ValueError(f"The threshold must be above 0, got {threshold}.")
    scores = robust_scores(values)
    row = np.asarray(values, dtype=np.float64)
    usual = np.abs(scores) <= threshold
    usual_mean = float(row[usual].mean()) if usual.any() else 0.0
    shift = float(row.mean()) - usual_mean
    return OutlierReport(
        slow=np.flatnonzero(scores > threshold),
        fast=np.flatnonzero(scores < -threshold),
        num_samples=row.size,
        largest_score=float(np.abs(scores).max()),
        mean_shift=shift / abs(usual_mean) if usual_mean else 0.0,
    )


def robust_scores(values: ArrayLike) -> NDArray[np.float64]:
    """How many standard deviations each value of a row (n,) lies from the median, robustly.

    score_i = (x_i - median) / (1.4826 MAD), where MAD is the median of |x - median|; the factor
    makes it the standard deviation of a normal distribution, and half of the values would have to
    be outliers to move it.
    Where more than half of the values are equal the MAD is 0, and 1.2533 times the mean of
    |x - median| takes its place; equal values score 0.
    Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993, section 3.
    Raises ValueError for fewer than 3 values or one that is not finite.

    >>> robust_scores([1.0, 2.0, 3.0, 4.0, 5.0]).round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 1.35]
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or row.size < 3 or not np.all(np.isfinite(row)):
        raise ValueError(f"Expected a row of at least 3 finite numbers, got shape {row.shape}.")
    away = row - np.median(row)  # (n,)
    spread = 1.4826 * np.median(np.abs(away))
    if spread == 0:
        spread = 1.2533 * np.mean(np.abs(away))
    scores: NDArray[np.float64] = away / spread if spread > 0 else np.zeros_like(row)
    return scores
