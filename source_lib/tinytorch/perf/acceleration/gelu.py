"""GELU as it is usually written, and in one pass over memory.

gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the tanh form of Hendrycks and Gimpel
2016, Gaussian Error Linear Units.
Written as an expression, each operator reads whole arrays and makes a new one; block by block,
everything between the first read and the last write stays in a cache.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.inputs import BLOCK_ELEMENTS, float_array, output_for, reject_nan

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def unfused_gelu(x: ArrayLike) -> Float32Array:
    """Return gelu(x) as one expression, an array per operator: any shape -> the same, float32.

    Raises ValueError for NaN, TypeError for what is no real array.

    >>> unfused_gelu([0.0, 100.0])
    array([  0., 100.], dtype=float32)
    """
    x = float_array("x", x)
    reject_nan("x", x)
    with np.errstate(over="ignore"):  # x^3 may be infinite, of which the tanh is still 1
        out: Float32Array = 0.5 * x * (1 + np.tanh(SQRT_2_OVER_PI * (x + CUBIC * x**3)))
    return out


def fused_gelu(x: ArrayLike, out: Float32Array | None = None) -> Float32Array:
    """Return gelu(x) in blocks of 2^15 elements, each finished while it is in a cache.

    ``x`` has any shape; the result has the same, is float32, and is written to ``out`` when that
    is given, which may be ``x`` itself.
    Beside it there is one temporary of a block, 128 KB, however large ``x`` is; x^3 is x * x * x,
    since the general power of NumPy costs more than all the rest.
    Raises ValueError for NaN (``out`` is then partly written) and an ``out`` of another shape,
    TypeError for what is no real array and an ``out`` of another dtype.

    >>> fused_gelu([0.0, 100.0])
    array([  0., 100.], dtype=float32)
    """
    x = float_array("x", x)
    out = output_for(x, out)
    source, result = x.reshape(-1), out.reshape(-1)  # (x.size,) each
    temporary = np.empty(min(x.size, BLOCK_ELEMENTS), dtype=np.float32)
    with np.errstate(over="ignore"):  # x^3 may be infinite, of which the tanh is still 1
        for start in range(0, x.size, BLOCK_ELEMENTS):
            part = source[start : start + BLOCK_ELEMENTS]
            reject_nan("x", part)
            t = temporary[: part.size]
            np.multiply(part, part, out=t)
            t *= SQRT_2_OVER_PI * CUBIC
            t += SQRT_2_OVER_PI
            t *= part  # sqrt(2/pi) (x + 0.044715 x^3)
            np.tanh(t, out=t)
            t += 1
            t *= 0.5
            np.multiply(t, part, out=result[start : start + BLOCK_ELEMENTS])
    return out
