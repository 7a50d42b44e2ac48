"""How large the error of rounding is beside the numbers that were rounded."""

import numpy as np
from numpy.typing import ArrayLike


def signal_to_noise_db(x: ArrayLike, back: ArrayLike) -> float:
    """Return 10 log10(sum of x^2 / sum of (x - back)^2), the decibels of x over its error.

    ``back`` is what came back for ``x``, in the same shape; no error at all gives infinity.
    The sums are taken in float64.
    Raises ValueError for two shapes and for NaN.
    Source: Bennett 1948, Spectra of Quantized Signals, for the error taken as noise.

    >>> round(signal_to_noise_db([3.0, 4.0], [3.0, 4.5]), 2)
    20.0
    """
    signal, noisy = np.asarray(x, dtype=np.float64), np.asarray(back, dtype=np.float64)
    if signal.shape != noisy.shape:
        raise ValueError(f"expected two arrays of one shape, got {signal.shape}, {noisy.shape}")
    if np.isnan(signal).any() or np.isnan(noisy).any():
        raise ValueError("expected numbers to compare, got NaN")
    noise_power = np.sum((signal - noisy) ** 2)
    if noise_power == 0:
        return float("inf")
    with np.errstate(divide="ignore"):  # a signal of zeros is infinitely far below its error
        return float(10 * np.log10(np.sum(signal**2) / noise_power))
