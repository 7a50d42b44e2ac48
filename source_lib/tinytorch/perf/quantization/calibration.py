"""Calibration: the range of values that the codes shall reach, seen on samples.

A wide range clips nothing and has coarse steps; a narrow one has fine steps and clips outliers.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.tensor import Tensor
from tinytorch.perf.quantization.affine import (
    dequantize,
    finite_array,
    min_max_range,
    other_axes,
    quantization_parameters,
    quantize,
)

Calibration = Literal["min-max", "percentile", "mse"]

# From the whole range to a tenth of it; finer steps gain less than 2 % of the error.
SHRINKAGES = np.linspace(1.0, 0.1, 91)


def calibrate_range(
    samples: Tensor | ArrayLike,
    method: Calibration = "min-max",
    bits: int = 8,
    *,
    symmetric: bool = False,
    axis: int | None = None,
) -> tuple[Any, Any]:
    """Return (low, high) of all ``samples``, or of each index of ``axis``, by ``method``.

    "min-max" is ``min_max_range``, "percentile" is ``percentile_range``, "mse" is ``mse_range``;
    only the last looks at ``bits`` and ``symmetric``.
    Raises ValueError for another method, NaN, infinities and no elements.

    >>> [float(end) for end in calibrate_range([0.0, 1.0, 4.0])]
    [0.0, 4.0]
    """
    if method not in get_args(Calibration):
        raise ValueError(f"expected one of {', '.join(get_args(Calibration))}, got {method!r}")
    if method == "percentile":
        return percentile_range(samples, axis=axis)
    if method == "mse":
        return mse_range(samples, bits, symmetric=symmetric, axis=axis)
    return min_max_range(samples, axis)


def percentile_range(
    samples: Tensor | ArrayLike, percentile: float = 99.9, axis: int | None = None
) -> tuple[Any, Any]:
    """Return the (100 - percentile)-th and the percentile-th percentile, linear in between.

    What lies outside, a few outliers, will be clipped.
    Raises ValueError for a percentile out of 50 to 100, NaN, infinities and no elements.

    >>> [round(float(end), 3) for end in percentile_range(np.arange(101.0), 90)]
    [10.0, 90.0]
    """
    if not 50 <= percentile <= 100:
        raise ValueError(f"expected a percentile of 50 to 100, got {percentile}")
    x = finite_array(samples)
    others, keep = other_axes(x.ndim, axis), axis is not None
    low = np.percentile(x, 100 - percentile, axis=others, keepdims=keep)
    high = np.percentile(x, percentile, axis=others, keepdims=keep)
    return low, high


def mse_range(
    samples: Tensor | ArrayLike,
    bits: int = 8,
    *,
    symmetric: bool = False,
    axis: int | None = None,
) -> tuple[Any, Any]:
    """Return the part of the min-max range whose codes have the least mean squared error.

    Tried are the range times 1, 0.99, ... 0.1, each channel for itself.
    Source: Nagel et al. 2021, A White Paper on Neural Network Quantization, section 3.1.
    Raises ValueError for NaN, infinities and no elements, and for bits out of 2 to 8.

    >>> low, high = mse_range(np.append(np.linspace(0, 1, 101), 2.0), bits=2)
    >>> float(high) < 1.5
    True
    """
    x = finite_array(samples)
    widest_low, widest_high = min_max_range(x, axis)
    others = other_axes(x.ndim, axis)
    best_low, best_high, least = widest_low, widest_high, np.inf
    for shrinkage in SHRINKAGES.astype(np.float32):
        low, high = widest_low * shrinkage, widest_high * shrinkage
        error = squared_error(x, low, high, bits, symmetric).mean(axis=others, keepdims=True)
        error = error if axis is not None else error.item()
        best_low = np.where(error < least, low, best_low)
        best_high = np.where(error < least, high, best_high)
        least = np.minimum(error, least)
    return best_low, best_high


def squared_error(x: Any, low: ArrayLike, high: ArrayLike, bits: int, symmetric: bool) -> Any:
    """Return (x - x')^2 of each element, x' being what comes back from the codes of that range.

    >>> squared_error(np.array([0.0, 2.0], dtype=np.float32), 0.0, 1.0, 8, False).round(4)
    array([0., 1.])
    """
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    back = dequantize(quantize(x, scale, zero_point, bits), scale, zero_point)
    return np.square(x.astype(np.float64) - back)
