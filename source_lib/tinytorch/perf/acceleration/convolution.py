"""Convolution by its definition, and as one matrix product over copied patches.

As in every framework it is a cross-correlation: the kernel is not flipped.
im2col writes each patch of the input as a column, so the sum over channels and kernel positions
becomes the inner sum of a matrix product, which a BLAS does near the peak of the processor; the
price is that the patches overlap, so the copy is up to kh kw times the input
(Chellapilla, Puri, Simard 2006, High Performance Convolutional Neural Networks for Document
Processing).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.checks import checked_size
from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.inputs import float_array, reject_nan


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Return at how many places a kernel fits along an axis, all arguments in elements.

    (size + 2 padding - kernel) / stride + 1, the quotient rounded down.
    Raises ValueError when the kernel is larger than the padded axis or an argument is out of range,
    TypeError for what is no integer.

    >>> output_size(28, kernel=5), output_size(7, kernel=3, stride=2, padding=1)
    (24, 4)
    """
    kernel, stride = checked_size("kernel", kernel), checked_size("stride", stride)
    padded = checked_size("size", size) + 2 * checked_size("padding", padding, smallest=0)
    if kernel > padded:
        raise ValueError(f"expected a kernel of at most {padded}, the padded size, got {kernel}")
    return (padded - kernel) // stride + 1


def conv2d_direct(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int = 1,
    padding: int = 0,
) -> Float32Array:
    """Return the convolution by its definition, one output element after the other.

    ``x`` is (B, C, H, W), ``weight`` (O, C, kh, kw), ``bias`` (O,) or None; the result is
    (B, O, H', W'), float32, with H' = output_size(H, kh, stride, padding).
    Element (b, o, i, j) is the sum of the patch whose corner is (i stride, j stride) of the padded
    input, times weight[o], plus bias[o].
    Raises ValueError for shapes that do not fit and NaN, TypeError for what is no real array.

    >>> conv2d_direct([[[[1, 2, 3]]]], [[[[1, 10]]]], bias=[100])
    array([[[[121., 132.]]]], dtype=float32)
    """
    x, weight, bias = conv_arguments(x, weight, bias)
    reject_nan("x", x)
    B, _, H, W = x.shape
    O, _, kh, kw = weight.shape  # noqa: E741 - output channels, as in the formula
    rows, columns = output_size(H, kh, stride, padding), output_size(W, kw, stride, padding)
    padded = pad(x, padding)
    out = np.empty((B, O, rows, columns), dtype=np.float32)
    for b, o, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        patch = padded[b, :, top : top + kh, left : left + kw]  # (C, kh, kw)
        out[b, o, i, j] = np.sum(patch * weight[o]) + bias[o]
    return out


def im2col(
    x: ArrayLike, kernel_size: tuple[int, int], stride: int = 1, padding: int = 0
) -> Float32Array:
    """Return the patches of ``x`` as columns: (B, C, H, W) -> (B, C kh kw, H' W'), float32.

    Column i W' + j holds the patch whose corner is (i stride, j stride) of the padded input, in
    the order channel, row, column, as ``torch.nn.functional.unfold`` does.
    Copying all patches for one kernel position at a time keeps the innermost copy a run of W'
    elements instead of one of kw.
    Raises ValueError for another number of axes, a kernel larger than the padded input and NaN,
    TypeError for what is no real array or size.

    >>> im2col([[[[1, 2, 3]]]], kernel_size=(1, 2))
    array([[[1., 2.],
            [2., 3.]]], dtype=float32)
    """
    x = float_array("x", x, ndim=4)
    reject_nan("x", x)
    kh, kw = kernel_size
    B, C, H, W = x.shape
    rows, columns = output_size(H, kh, stride, padding), output_size(W, kw, stride, padding)
    padded = pad(x, padding)
    patches = np.empty((B, C, kh, kw, rows, columns), dtype=np.float32)
    for i in range(kh):
        for j in range(kw):
            down = slice(i, i + stride * rows, stride)
            across = slice(j, j + stride * columns, stride)
            patches[:, :, i, j] = padded[:, :, down, across]
    return patches.reshape(B, C * kh * kw, rows * columns)


def conv2d_im2col(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int = 1,
    padding: int = 0,
    product: Callable[..., Any] = np.matmul,
) -> Float32Array:
    """Return the convolution of x by one matrix product for each image of the batch.

    ``x`` is (B, C, H, W), ``weight`` (O, C, kh, kw), ``bias`` (O,) or None; the result is
    (B, O, H', W'), float32, with H' = output_size(H, kh, stride, padding).
    ``weight`` as a matrix (O, C kh kw) times the columns of ``im2col`` (C kh kw, H' W') gives the
    result in its final order; ``product`` multiplies them, as ``np.matmul`` does.
    Raises ValueError for shapes that do not fit and NaN, TypeError for what is no real array.

    >>> conv2d_im2col([[[[1, 2, 3]]]], [[[[1, 10]]]], bias=[100])
    array([[[[121., 132.]]]], dtype=float32)
    """
    x, weight, bias = conv_arguments(x, weight, bias)
    B, _, H, W = x.shape
    O, _, kh, kw = weight.shape  # noqa: E741 - output channels, as in the formula
    rows, columns = output_size(H, kh, stride, padding), output_size(W, kw, stride, padding)
    patches = im2col(x, (kh, kw), stride, padding)  # (B, C kh kw, H' W')
    out: Float32Array = product(weight.reshape(O, -1), patches)  # (B, O, H' W')
    out += bias[:, np.newaxis]
    return out.reshape(B, O, rows, columns)


def pad(x: Float32Array, padding: int) -> Float32Array:
    """Return ``x`` (B, C, H, W) with ``padding`` zeros on all four sides of each image.

    >>> pad(np.ones((1, 1, 1, 1), dtype=np.float32), 1)[0, 0]
    array([[0., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    if padding == 0:
        return x
    B, C, H, W = x.shape
    padded = np.zeros((B, C, H + 2 * padding, W + 2 * padding), dtype=np.float32)
    padded[:, :, padding:-padding, padding:-padding] = x
    return padded


def conv_arguments(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return x (B, C, H, W), weight (O, C, kh, kw) and bias (O,), zeros when None, as float32.

    Raises ValueError for shapes that do not fit and NaN in weight or bias, TypeError for what is
    no real array.

    >>> conv_arguments(np.ones((1, 2, 3, 3)), np.ones((4, 2, 1, 1)), None)[2].shape
    (4,)
    """
    x, weight = float_array("x", x, ndim=4), float_array("weight", weight, ndim=4)
    if x.shape[1] != weight.shape[1]:
        shapes = f"{x.shape} and {weight.shape}"
        raise ValueError(f"expected x (B, C, H, W) and weight (O, C, kh, kw), got {shapes}")
    O = len(weight)  # noqa: E741 - output channels, as in the formula
    offset = np.zeros(O, np.float32) if bias is None else float_array("bias", bias, ndim=1)
    if len(offset) != O:
        raise ValueError(f"expected bias of shape ({O},), got {offset.shape}")
    reject_nan("weight", weight)
    reject_nan("bias", offset)
    return x, weight, offset
