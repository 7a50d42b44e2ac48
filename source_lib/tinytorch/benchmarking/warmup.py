"""How many samples at the start were still warming up."""

import numpy as np
from numpy.typing import ArrayLike


def detect_warmup(samples: ArrayLike, window: int = 5) -> int:
    """Number of samples at the start that are slower than the steady state, a multiple of window.

    `samples` are times in the order in which they were taken, shape (n,).
    The second half is taken as steady.
    From the start on, windows are given up as long as their median exceeds that of *every* window
    of the second half; at most the first half is, and that much means that no steady state was
    seen.
    For m windows in the second half a steady series is charged with a warm-up once in m + 1 runs,
    whatever its distribution: the first window is the highest of m + 1 alike.
    Medians, so that one interrupted sample is not taken for a warm-up.
    Raises ValueError for fewer than four windows of samples, a window below 1, or a sample that
    is not finite.

    >>> detect_warmup([9.0, 7.0, 5.0, 4.0] + [3.0, 3.1, 2.9, 3.0] * 5, window=2)
    4
    """
    times = np.asarray(samples, dtype=np.float64)
    if window < 1 or times.ndim != 1 or times.size < 4 * window:
        raise ValueError(
            f"Expected a row of at least 4 windows of 1 sample or more, got shape {times.shape} "
            f"and window {window}."
        )
    if not np.all(np.isfinite(times)):
        raise ValueError("Every sample must be a finite number.")
    num_windows = times.size // window
    in_windows = times[: num_windows * window].reshape(num_windows, window)
    medians = np.median(in_windows, axis=1)  # (num_windows,)
    half = num_windows // 2
    slower = medians[:half] > medians[half:].max()  # (half,)
    cold_windows = half if slower.all() else int(np.argmin(slower))
    return cold_windows * window
