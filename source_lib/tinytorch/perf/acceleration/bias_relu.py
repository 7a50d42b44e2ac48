"""Adding a bias and clipping at 0: two passes over memory, or one.

The arithmetic of max(x + b, 0) is nothing beside the time to fetch x and to write the result, so
what counts is how often the array crosses the memory bus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.inputs import BLOCK_ELEMENTS, float_array, output_for, reject_nan


def unfused_bias_relu(x: ArrayLike, bias: ArrayLike) -> Float32Array:
    """Return max(x + bias, 0) by two operators: (..., d) and (d,) -> (..., d), float32.

    Raises ValueError for shapes that do not fit and NaN, TypeError for what is no real array.

    >>> unfused_bias_relu([[1, -5]], [2, 3])
    array([[3., 0.]], dtype=float32)
    """
    x, bias = rows_and_bias(x, bias)
    reject_nan("x", x)
    reject_nan("bias", bias)
    out: Float32Array = np.maximum(x + bias, 0)
    return out


def fused_bias_relu(x: ArrayLike, bias: ArrayLike, out: Float32Array | None = None) -> Float32Array:
    """Return max(x + bias, 0), clipping each block of rows right after the bias was added.

    ``x`` is (..., d), ``bias`` (d,); the result is (..., d), float32, and is written to ``out``
    when that is given, which may be ``x`` itself: a layer's product needs no second array.
    A block is as many rows as fit into 2^15 elements, at least one, so that it is still in a
    cache when it is clipped.
    Raises ValueError for shapes that do not fit and NaN (``out`` is then partly written),
    TypeError for what is no real array and an ``out`` of another dtype.

    >>> fused_bias_relu([[1, -5]], [2, 3])
    array([[3., 0.]], dtype=float32)
    """
    x, bias = rows_and_bias(x, bias)
    reject_nan("bias", bias)
    out = output_for(x, out)
    d = bias.size
    source, result = x.reshape(-1, d), out.reshape(-1, d)  # (rows, d) each
    step = max(1, BLOCK_ELEMENTS // d)
    for start in range(0, len(source), step):
        part, block = source[start : start + step], result[start : start + step]
        reject_nan("x", part)
        np.add(part, bias, out=block)
        np.maximum(block, 0, out=block)
    return out


def rows_and_bias(x: ArrayLike, bias: ArrayLike) -> tuple[Float32Array, Float32Array]:
    """Return ``x`` (..., d) and ``bias`` (d,) as float32 arrays.

    Raises ValueError for shapes that do not fit and d = 0, TypeError for what is no real array.

    >>> [array.shape for array in rows_and_bias([[1, 2], [3, 4]], [5, 6])]
    [(2, 2), (2,)]
    """
    x, bias = float_array("x", x), float_array("bias", bias, ndim=1)
    if x.ndim == 0 or x.shape[-1] != bias.size or bias.size == 0:
        raise ValueError(f"expected x (..., d) and bias (d,), got {x.shape} and {bias.shape}")
    return x, bias
