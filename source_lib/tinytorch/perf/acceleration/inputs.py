"""What every kernel of this package asks of its arguments.

The kernels are for inference: arrays in, a new float32 array out (or the one given as ``out``),
and no graph is recorded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.tensor import Float32Array, as_float32

# 128 KB: two such blocks fit into the second-level cache of any processor of the last ten years.
BLOCK_ELEMENTS = 1 << 15


def float_array(name: str, value: ArrayLike, ndim: int | None = None) -> Float32Array:
    """Return ``value`` as a float32 array, without a copy when it is one already.

    ``ndim`` is the number of axes it must have, any number when None.
    Raises TypeError for a Tensor, whose gradient would be lost, and for what is no real number,
    ValueError for another number of axes.

    >>> float_array("x", [[1, 2]], ndim=2)
    array([[1., 2.]], dtype=float32)
    """
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        array: Float32Array = value  # a subclass stays one, so that its traffic is recorded
    else:
        array = as_float32(value)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"expected {name} with {ndim} axes, got shape {array.shape}")
    return array


def reject_nan(name: str, array: Float32Array) -> None:
    """Raise ValueError when the array holds NaN.

    The smallest element tells: it is NaN as soon as one is, and no array is made to find it.

    >>> reject_nan("x", np.ones(3, dtype=np.float32))
    """
    if array.size:
        smallest = np.minimum.reduce(np.asarray(array), axis=None)
        if smallest != smallest:  # NaN alone differs from itself; np.isnan costs another 0.5 us
            raise ValueError(f"expected {name} without NaN, got NaN")


def output_for(x: Float32Array, out: Float32Array | None) -> Float32Array:
    """Return the array to write the result of ``x``'s shape to: ``out``, or a new one.

    ``out`` may be ``x`` itself; a kernel works block by block, so it must not be shifted against
    it.
    Raises TypeError unless ``out`` is a float32 array, ValueError unless it has the shape of
    ``x``, lies in one piece in memory, can be written and does not overlap ``x`` in part.

    >>> x = np.zeros((2, 3), dtype=np.float32)
    >>> output_for(x, None).shape, output_for(x, x) is x
    ((2, 3), True)
    """
    if out is None:
        return np.empty(x.shape, dtype=np.float32)
    if not isinstance(out, np.ndarray) or out.dtype != np.float32:
        found = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"expected a float32 array as out, got {found}")
    if out.shape != x.shape:
        raise ValueError(f"expected out of shape {x.shape}, got {out.shape}")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("expected an out that is writeable and in one piece, use out=None")
    if out is not x and np.may_share_memory(x, out) and not _same_place(x, out):
        raise ValueError("expected an out that is x itself or apart from it, got an overlap")
    return out


def _same_place(x: Float32Array, out: Float32Array) -> bool:
    return x.ctypes.data == out.ctypes.data and x.strides == out.strides
