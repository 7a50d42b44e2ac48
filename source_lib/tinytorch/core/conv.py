"""Layers of images (B, C, H, W): a 2-d convolution, a maximum over patches, and ``Flatten``."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_size
from tinytorch.core.init import kaiming_uniform
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


class Conv2d(Module):
    """Cross-correlation with square kernels: (B, in_channels, H, W) -> (B, out_channels, H', W').

    With stride s, and P the image with ``padding`` zeros around it,
    out[b, o, y, x] = bias[o] + sum over c, i, j of weight[o, c, i, j] P[b, c, s y + i, s x + j];
    H' is (H + 2 padding - kernel_size) // stride + 1, and W' likewise.
    ``weight`` has shape (out_channels, in_channels, kernel_size, kernel_size), ``bias`` has shape
    (out_channels,), starts at zero, and is None when ``bias=False``.
    Source: Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning, 2.4.
    Raises TypeError or ValueError for sizes that are no positive integers (padding may be 0), and
    ValueError for an input of another number of channels or smaller than the kernel.

    >>> layer = Conv2d(1, 4, kernel_size=3, padding=1)
    >>> layer(np.ones((2, 1, 8, 8))).shape, layer.count_parameters()
    ((2, 4, 8, 8), 40)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.in_channels = checked_size("in_channels", in_channels)
        self.out_channels = checked_size("out_channels", out_channels)
        self.kernel_size = checked_size("kernel_size", kernel_size)
        self.stride = checked_size("stride", stride)
        self.padding = checked_size("padding", padding, smallest=0)
        shape = (self.out_channels, self.in_channels, self.kernel_size, self.kernel_size)
        fan_in = self.in_channels * self.kernel_size**2
        self.weight = Tensor(kaiming_uniform(shape, fan_in, rng), requires_grad=True)
        self.bias = Tensor(np.zeros(self.out_channels), requires_grad=True) if bias else None

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the convolved images (B, out_channels, H_out, W_out)."""
        x, weight, bias = as_tensor(x), self.weight, self.bias
        _check_images(x, self.kernel_size, self.padding, self.in_channels)
        padded = _pad(x.data, self.padding)
        windows = _windows(padded, self.kernel_size, self.stride)
        # (B, H_out, W_out, out_channels), one product over all windows
        maps = np.tensordot(windows, weight.data, axes=([1, 4, 5], [1, 2, 3]))
        if bias is not None:
            maps += bias.data
        out = wrap(maps.transpose(0, 3, 1, 2))
        operands = (x, weight) if bias is None else (x, weight, bias)
        if needs_grad(*operands):

            def backward(grad: Array) -> tuple[Array | None, ...]:
                grad_x = grad_weight = None
                if x.requires_grad:
                    # (B, H_out, W_out, in_channels, kernel_size, kernel_size)
                    patches = np.tensordot(grad, weight.data, axes=([1], [0]))
                    grad_x = self._add_up(patches, padded.shape)
                if weight.requires_grad:
                    grad_weight = np.tensordot(grad, windows, axes=([0, 2, 3], [0, 2, 3]))
                if bias is None:
                    return grad_x, grad_weight
                return grad_x, grad_weight, grad.sum(axis=(0, 2, 3))

            out.record(operands, backward)
        return out

    def _add_up(self, patches: Array, padded_shape: tuple[int, ...]) -> Array:
        """Return images in which each window has been added where it was read."""
        full = np.zeros(padded_shape, dtype=patches.dtype)
        patches = patches.transpose(0, 3, 4, 5, 1, 2)  # (B, C, k, k, H_out, W_out)
        for i, j in np.ndindex(self.kernel_size, self.kernel_size):
            full[_shifted(i, j, self.stride, patches.shape[4:])] += patches[:, :, i, j]
        inside = slice(self.padding, -self.padding or None)
        return full[:, :, inside, inside]

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return (
            f"Conv2d({self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}{bias})"
        )


class MaxPool2d(Module):
    """The largest element of each square patch: (B, C, H, W) -> (B, C, H_out, W_out).

    Patches are ``stride`` apart (kernel_size by default); what does not fill one is left out, so
    the output is (H - kernel_size) // stride + 1 high, and as wide by W.
    The gradient goes to the first of equal maxima, row by row, as in PyTorch.
    Raises TypeError or ValueError for sizes that are no positive integers, and ValueError for an
    input that is no batch of images or smaller than a patch.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).numpy()[0, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    def __init__(self, kernel_size: int, stride: int | None = None) -> None:
        self.kernel_size = checked_size("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else checked_size("stride", stride)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the maxima (B, C, H_out, W_out)."""
        x = as_tensor(x)
        _check_images(x, self.kernel_size)
        size = tuple((side - self.kernel_size) // self.stride + 1 for side in x.shape[2:])
        places = [
            _shifted(i, j, self.stride, size)
            for i, j in np.ndindex(self.kernel_size, self.kernel_size)
        ]
        largest = x.data[places[0]].copy()  # (B, C, H_out, W_out)
        for place in places[1:]:
            np.maximum(largest, x.data[place], out=largest)
        out = wrap(largest)
        if needs_grad(x):

            def backward(grad: Array) -> tuple[Array]:
                full = np.zeros(x.shape, dtype=grad.dtype)
                left = grad.copy()
                for place in places:
                    found = np.where(x.data[place] == largest, left, 0)
                    full[place] += found
                    left -= found  # so that an equal maximum further on gets nothing
                return (full,)

            out.record((x,), backward)
        return out

    def __repr__(self) -> str:
        return f"MaxPool2d({self.kernel_size}, stride={self.stride})"


class Flatten(Module):
    """All axes but the first as one: (B, ...) -> (B, features).

    Raises ValueError for an input without axes.

    >>> Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the same elements as (B, features)."""
        x = as_tensor(x)
        if x.ndim == 0:
            raise ValueError("expected input of shape (B, ...), got ()")
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def __repr__(self) -> str:
        return "Flatten()"


def _check_images(
    x: Tensor, kernel_size: int, padding: int = 0, channels: int | None = None
) -> None:
    wanted = f"(B, {'C' if channels is None else channels}, H, W)"
    if x.ndim != 4 or (channels is not None and x.shape[1] != channels):
        raise ValueError(f"expected input of shape {wanted}, got {x.shape}")
    if min(x.shape[2:]) + 2 * padding < kernel_size:
        raise ValueError(f"expected images of at least {kernel_size} pixels, got {x.shape}")


def _pad(images: Array, padding: int) -> Array:
    """Return the images with zeros around height and width, themselves when padding is 0."""
    if padding == 0:
        return images
    B, C, H, W = images.shape
    padded = np.zeros((B, C, H + 2 * padding, W + 2 * padding), dtype=images.dtype)
    padded[:, :, padding:-padding, padding:-padding] = images
    return padded


def _windows(images: Array, kernel_size: int, stride: int) -> Array:
    """Return a view (B, C, H_out, W_out, k, k) of all windows of images (B, C, H, W)."""
    windows = sliding_window_view(images, (kernel_size, kernel_size), axis=(2, 3))
    return windows[:, :, ::stride, ::stride]


def _shifted(i: int, j: int, stride: int, size: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the index of element (i, j) of every window, for a grid of windows of ``size``."""
    rows = slice(i, i + stride * (size[0] - 1) + 1, stride)
    columns = slice(j, j + stride * (size[1] - 1) + 1, stride)
    return slice(None), slice(None), rows, columns
