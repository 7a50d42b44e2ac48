"""Layer normalisation as its formula reads, and in one pass over memory.

y = (x - mean) / sqrt(variance + eps) * weight + bias over the last axis, with the variance
divided by d (Ba, Kiros, Hinton 2016, Layer Normalization, equation 4).
Mean and variance need the whole row before the first element can be written, so one pass is
possible only while a row stays in a cache, which all but enormous ones do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.inputs import BLOCK_ELEMENTS, float_array, output_for, reject_nan


def unfused_layer_norm(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike, eps: float = 1e-5
) -> Float32Array:
    """Return the layer norm by whole-array operators: (..., d), (d,), (d,) -> (..., d), float32.

    Raises ValueError for shapes that do not fit, an eps that is not above 0 and NaN, TypeError
    for what is no real array.

    >>> unfused_layer_norm([[1, 3]], [1, 1], [0, 10], eps=1e-12)
    array([[-1., 11.]], dtype=float32)
    """
    x, weight, bias = norm_arguments(x, weight, bias, eps)
    for name, array in (("x", x), ("weight", weight), ("bias", bias)):
        reject_nan(name, array)
    mean = x.mean(axis=-1, keepdims=True)  # (..., 1)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)  # (..., 1)
    out: Float32Array = (x - mean) / np.sqrt(variance + eps) * weight + bias
    return out


def fused_layer_norm(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    eps: float = 1e-5,
    out: Float32Array | None = None,
) -> Float32Array:
    """Return the layer norm in blocks of rows, each finished while it is in a cache.

    ``x`` is (..., d), ``weight`` and ``bias`` are (d,); the result is (..., d), float32, and is
    written to ``out`` when that is given, which may be ``x`` itself.
    A block is as many rows as fit into 2^15 elements, at least one; the deviations from the mean
    are written to the result and worked on there, so beside it only a number per row is kept.
    The variance is the mean square of the deviations: E[x^2] - E[x]^2 would lose all digits for a
    mean far from 0.
    Raises ValueError for shapes that do not fit, an eps that is not above 0 and NaN (``out`` is
    then partly written), TypeError for what is no real array and an ``out`` of another dtype.

    >>> fused_layer_norm([[1, 3]], [1, 1], [0, 10], eps=1e-12)
    array([[-1., 11.]], dtype=float32)
    """
    x, weight, bias = norm_arguments(x, weight, bias, eps)
    reject_nan("weight", weight)
    reject_nan("bias", bias)
    out = output_for(x, out)
    d = weight.size
    source, result = x.reshape(-1, d), out.reshape(-1, d)  # (rows, d) each
    step = max(1, BLOCK_ELEMENTS // d)
    for start in range(0, len(source), step):
        part, block = source[start : start + step], result[start : start + step]
        reject_nan("x", part)
        np.subtract(part, part.mean(axis=1, keepdims=True), out=block)
        variance = np.vecdot(block, block) / d  # (rows of the block,)
        block /= np.sqrt(variance + np.float32(eps))[:, np.newaxis]
        block *= weight
        block += bias
    return out


def norm_arguments(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike, eps: float
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return ``x`` (..., d), ``weight`` (d,) and ``bias`` (d,) as float32 arrays.

    Raises ValueError for shapes that do not fit, d = 0 and an eps that is not above 0, TypeError
    for what is no real array.

    >>> [array.shape for array in norm_arguments([[1, 2], [3, 4]], [1, 1], [0, 0], eps=1e-5)]
    [(2, 2), (2,), (2,)]
    """
    x = float_array("x", x)
    weight, bias = float_array("weight", weight, ndim=1), float_array("bias", bias, ndim=1)
    if x.ndim == 0 or not x.shape[-1] == weight.size == bias.size or weight.size == 0:
        shapes = f"{x.shape}, {weight.shape} and {bias.shape}"
        raise ValueError(f"expected x (..., d), weight (d,) and bias (d,), got {shapes}")
    if not 0 < eps < np.inf:
        raise ValueError(f"expected eps above 0, got {eps}")
    return x, weight, bias
