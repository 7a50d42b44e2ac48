"""Affine quantisation: real numbers as small integers, r = scale (q - zero_point).

Codes of ``bits`` bits are held as int8, from -2^(bits-1) to 2^(bits-1) - 1.
Ranges always contain 0, so that 0 is exactly representable: padding and the zeros of a ReLU stay
what they are.
Source: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, section 2.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core.tensor import Float32Array, Tensor, as_float32

Codes = NDArray[np.int8]
# A number for a whole tensor, or an array that broadcasts against it for one per channel.
Scale = Any
ZeroPoint = Any

MIN_BITS, MAX_BITS = 2, 8


def quantize_int8(
    tensor: Tensor | ArrayLike, *, symmetric: bool = False, axis: int | None = None
) -> tuple[Codes, Scale, ZeroPoint]:
    """Return (q, scale, zero_point) with tensor = scale (q - zero_point), to half a scale.

    ``q`` is int8 in the shape of ``tensor``, ``scale`` float32, ``zero_point`` int32.
    Without ``axis`` one scale serves all elements; with it, every index of that axis (a channel)
    has its own, and scale and zero_point have size 1 along the other axes.
    ``symmetric`` gives zero_point 0 and codes from -127 to 127, for values on both sides of 0.
    The range is from the smallest to the largest value, extended to contain 0; so each element
    comes back to within scale / 2, up to float32 rounding.
    Raises ValueError for NaN, infinities and no elements.

    >>> q, scale, zero_point = quantize_int8([6.0, 7.5, 10.0])
    >>> q, round(float(scale), 4), int(zero_point)
    (array([ 25,  63, 127], dtype=int8), 0.0392, -128)
    """
    x = finite_array(tensor)
    low, high = min_max_range(x, axis)
    scale, zero_point = quantization_parameters(low, high, symmetric=symmetric)
    return quantize(x, scale, zero_point), scale, zero_point


def dequantize_int8(q: ArrayLike, scale: Scale, zero_point: ZeroPoint) -> Float32Array:
    """Return scale (q - zero_point) as float32, in the shape of ``q``.

    Raises TypeError for codes that are no int8.

    >>> dequantize_int8(np.array([0, 127], dtype=np.int8), 0.5, -128)
    array([ 64. , 127.5], dtype=float32)
    """
    codes = np.asarray(q)
    if codes.dtype != np.int8:
        raise TypeError(f"expected int8 codes, got dtype {codes.dtype}")
    return dequantize(codes, scale, zero_point)


def min_max_range(x: Tensor | ArrayLike, axis: int | None = None) -> tuple[Any, Any]:
    """Return the smallest and the largest value of all elements, or of each index of ``axis``.

    Along ``axis`` both keep its size, and size 1 along the other axes.
    Raises ValueError for NaN, infinities, no elements and an axis that ``x`` does not have.

    >>> low, high = min_max_range([[1.0, -2.0], [3.0, 4.0]], axis=1)
    >>> low, high
    (array([[ 1., -2.]], dtype=float32), array([[3., 4.]], dtype=float32))
    """
    x = finite_array(x)
    others = other_axes(x.ndim, axis)
    keep = axis is not None
    return x.min(axis=others, keepdims=keep), x.max(axis=others, keepdims=keep)


def quantization_parameters(
    low: ArrayLike, high: ArrayLike, bits: int = 8, *, symmetric: bool = False
) -> tuple[Scale, ZeroPoint]:
    """Return the (scale, zero_point) whose codes reach from ``low`` to ``high``, 0 included.

    Asymmetric: scale = (high - low) / (2^bits - 1), and the zero_point is the code of 0, rounded.
    Symmetric: scale = max(-low, high) / (2^(bits-1) - 1), and the zero_point is 0.
    ``low`` and ``high`` are numbers or arrays of one shape, which both results have: scale in
    float32, zero_point in int32.
    Raises ValueError for a range that is not finite or has low > high, and for bits out of 2 to 8.

    >>> scale, zero_point = quantization_parameters(-1.0, 3.0)
    >>> round(float(scale), 5), int(zero_point)
    (0.01569, -64)
    """
    smallest, largest = code_range(bits)
    lows, highs = checked_range(low, high)
    lows, highs = np.minimum(lows, 0.0), np.maximum(highs, 0.0)
    steps = largest if symmetric else largest - smallest
    width = np.maximum(-lows, highs) if symmetric else highs - lows
    # A range of zero width would divide by 0; any scale represents it.
    scale = np.maximum(width / steps, np.finfo(np.float32).tiny).astype(np.float32)
    zero_point = np.zeros_like(lows) if symmetric else np.rint(smallest - lows / scale)
    return scale, zero_point.astype(np.int32)


def quantize(x: Tensor | ArrayLike, scale: Scale, zero_point: ZeroPoint, bits: int = 8) -> Codes:
    """Return round(x / scale) + zero_point, clipped to the codes of ``bits`` bits, as int8.

    Ties are rounded to the even integer.
    Inside the range that the codes reach, an element is off by scale / 2 at most.
    Raises ValueError for NaN, infinities and no elements, a scale that is not above 0, and for
    bits out of 2 to 8.

    >>> quantize([-1.0, 0.2, 0.3, 9.0], scale=0.25, zero_point=0, bits=4)
    array([-4,  1,  1,  7], dtype=int8)
    """
    smallest, largest = code_range(bits)
    x = finite_array(x)
    check_scale(scale, zero_point, x.shape)
    with np.errstate(over="ignore"):  # an infinite quotient is clipped like any outlier
        codes = np.rint(x / scale) + zero_point
    clipped: Codes = np.clip(codes, smallest, largest).astype(np.int8)
    return clipped


def dequantize(q: Codes, scale: Scale, zero_point: ZeroPoint) -> Float32Array:
    """Return scale (q - zero_point) as float32, in the shape of ``q``.

    >>> dequantize(np.array([-4, 1, 7], dtype=np.int8), 0.25, 0)
    array([-1.  ,  0.25,  1.75], dtype=float32)
    """
    if q.dtype.kind not in "iu":
        raise TypeError(f"expected integer codes, got dtype {q.dtype}")
    check_scale(scale, zero_point, q.shape)
    # In float32, since the difference of two codes does not fit into int8.
    steps = q.astype(np.float32) - np.asarray(zero_point, dtype=np.float32)
    return np.asarray(steps * np.asarray(scale, dtype=np.float32))


def check_scale(scale: Scale, zero_point: ZeroPoint, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the scale is above 0, and both fit an array of that shape.

    >>> check_scale(0.5, 0, (2, 3))
    """
    if not np.all(np.asarray(scale) > 0):
        raise ValueError("expected a scale above 0, got another")
    for value in (scale, zero_point):
        sizes = np.shape(value)
        ends = zip(sizes[::-1], shape[::-1], strict=False)
        if len(sizes) > len(shape) or any(a not in (1, b) for a, b in ends):
            raise ValueError(f"expected scale and zero_point to fit {shape}, got shape {sizes}")


def code_range(bits: int) -> tuple[int, int]:
    """Return the smallest and the largest code of ``bits`` bits.

    Raises TypeError for what is no integer, ValueError for bits out of 2 to 8.

    >>> code_range(8), code_range(4)
    ((-128, 127), (-8, 7))
    """
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer):
        raise TypeError(f"expected an integer number of bits, got {type(bits).__name__}")
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"expected {MIN_BITS} to {MAX_BITS} bits, got {bits}")
    half = 2 ** (int(bits) - 1)
    return -half, half - 1


def finite_array(x: Tensor | ArrayLike) -> Float32Array:
    """Return the numbers of a tensor or array-like as float32.

    Raises TypeError for what are no real numbers, ValueError for NaN, infinities and no elements.

    >>> finite_array([1, 2])
    array([1., 2.], dtype=float32)
    """
    array = x.data if isinstance(x, Tensor) else as_float32(x)
    if array.size == 0:
        raise ValueError(f"expected at least one element, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("expected finite numbers, got NaN or infinity")
    return array


def checked_range(low: ArrayLike, high: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the range in float64, in which high - low of float32 numbers cannot overflow.

    Raises ValueError for shapes that differ, values that are not finite, and low > high.

    >>> checked_range(1, 2)
    (array(1.), array(2.))
    """
    low, high = np.asarray(low), np.asarray(high)
    if low.dtype.kind not in "fiu" or high.dtype.kind not in "fiu":
        raise TypeError(f"expected real numbers, got dtype {low.dtype} and {high.dtype}")
    low, high = low.astype(np.float64), high.astype(np.float64)
    if low.shape != high.shape:
        raise ValueError(f"expected low and high of one shape, got {low.shape} and {high.shape}")
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError("expected finite low <= high, got another range")
    return low, high


def other_axes(ndim: int, axis: int | None) -> tuple[int, ...]:
    """Return all axes but ``axis``, all of them for None.

    Raises ValueError for an axis out of range.

    >>> other_axes(4, 0), other_axes(2, -1), other_axes(2, None)
    ((1, 2, 3), (0,), (0, 1))
    """
    if axis is None:
        return tuple(range(ndim))
    if not -ndim <= axis < ndim:
        raise ValueError(f"expected an axis of {ndim} axes, got {axis}")
    return tuple(i for i in range(ndim) if i != axis % ndim)
