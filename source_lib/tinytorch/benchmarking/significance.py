"""Two classical tests of whether two rows of independent samples differ.

Both suppose that the samples of a row are independent of each other, which timings taken one after
the other are not: run A against A and either test cries wolf.
Use them on interleaved samples; `compare_latency` makes its claim from the pairs themselves.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core.student_t import two_sided_t

EXACT_UP_TO = 20


class Significance(NamedTuple):
    """A test's statistic and the two-sided probability of one as extreme by chance alone."""

    statistic: float
    p_value: float


def mann_whitney(a: ArrayLike, b: ArrayLike) -> Significance:
    """Mann-Whitney's U test: whether values of `a` tend to lie above those of `b`.

    The statistic U = R_a - n (n+1) / 2, with R_a the sum of the ranks of `a` in both rows
    together, is the number of pairs (a_i, b_j) with a_i > b_j, a tie counting half.
    Only the order matters, so one interrupted sample weighs no more than any other.
    Up to 20 values a row without ties the p-value is exact, otherwise it is that of the normal
    approximation with corrections for ties and continuity.
    Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947), 50-60.
    Raises ValueError for an empty row or a value that is not finite.

    >>> statistic, p_value = mann_whitney([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    >>> statistic, round(p_value, 6)
    (0.0, 0.1)
    """
    x, y = finite_row("a", a, least=1), finite_row("b", b, least=1)
    n, m = x.size, y.size
    both = np.concatenate([x, y])  # (n + m,)
    u = float(ranks(both)[:n].sum()) - n * (n + 1) / 2
    counts = np.unique(both, return_counts=True)[1]  # how often each value occurs
    if counts.max() == 1 and max(n, m) <= EXACT_UP_TO:
        return Significance(u, exact_p_value(u, n, m))
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (total * (total - 1))
    deviation = math.sqrt(n * m / 12 * (total + 1 - ties))
    if deviation == 0:  # all values are equal
        return Significance(u, 1.0)
    z = max(0.0, abs(u - n * m / 2) - 0.5) / deviation
    return Significance(u, math.erfc(z / math.sqrt(2)))


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """The rank of each value of a row (n,), 1 for the smallest; equal values share their mean.

    >>> ranks([30.0, 10.0, 20.0, 10.0]).tolist()
    [4.0, 1.5, 3.0, 1.5]
    """
    row = finite_row("values", values, least=0)
    distinct, place = np.unique(row, return_inverse=True)
    counts = np.bincount(place, minlength=distinct.size)
    last = np.cumsum(counts)  # the rank of the last of each group of equal values
    mean_rank: NDArray[np.float64] = last - (counts - 1) / 2
    return mean_rank[place]


def welch_t_test(a: ArrayLike, b: ArrayLike) -> Significance:
    """Welch's t test: whether the means of two rows differ, their variances being what they are.

    t = (mean_a - mean_b) / sqrt(v_a + v_b) with v = s^2 / n and s^2 over n - 1; the degrees of
    freedom are (v_a + v_b)^2 / (v_a^2 / (n_a - 1) + v_b^2 / (n_b - 1)).
    It supposes means of a bell shape: outliers make it blind, as they swell s.
    Source: B. L. Welch, Biometrika 34 (1947), 28-35.
    Raises ValueError for fewer than 2 values in a row, a value that is not finite, or when
    neither row varies.

    >>> statistic, p_value = welch_t_test([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0])
    >>> round(statistic, 4), round(p_value, 4)
    (-1.7321, 0.1516)
    """
    x, y = finite_row("a", a, least=2), finite_row("b", b, least=2)
    v_x, v_y = float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size
    # Rounding may leave equal values a variance above 0.
    if v_x + v_y == 0 or np.ptp(x) == np.ptp(y) == 0:
        raise ValueError("Neither row varies, so there is no noise to judge the difference by.")
    t = float(x.mean() - y.mean()) / math.sqrt(v_x + v_y)
    share = v_x / (v_x + v_y)  # rather than squares, which underflow for tiny variances
    freedom = 1 / (share**2 / (x.size - 1) + (1 - share) ** 2 / (y.size - 1))
    return Significance(t, two_sided_t(t, freedom))


def exact_p_value(u: float, n: int, m: int) -> float:
    """Twice the smaller tail of U, counted over all orders of n and m values without ties."""
    ways = np.zeros((n + 1, n * m + 1), dtype=np.int64)  # by how many of a are placed, and by U
    ways[0, 0] = 1
    for placed in range(n + m):  # values are placed from the smallest on
        for k in range(min(n, placed + 1), max(0, placed - m), -1):
            below = placed + 1 - k  # values of b under a k-th value of a that is placed now
            ways[k, below:] += ways[k - 1, : n * m + 1 - below]
    smaller = int(min(u, n * m - u))
    return min(1.0, 2 * int(ways[n, : smaller + 1].sum()) / math.comb(n + m, n))


def finite_row(name: str, values: ArrayLike, least: int) -> NDArray[np.float64]:
    """The values as float64 (n,); ValueError for fewer than `least` or one that is not finite."""
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or row.size < least:
        raise ValueError(f"{name} must be a row of at least {least} values, got {row.shape}.")
    if not np.all(np.isfinite(row)):
        raise ValueError(f"Every value of {name} must be a finite number.")
    return row
