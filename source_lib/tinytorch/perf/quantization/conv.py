"""``QuantizedConv2d``: a convolution whose weight is held in 2 to 8 bits an element."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.conv import Conv2d
from tinytorch.core.module import Module
from tinytorch.core.tensor import Float32Array, Tensor, wrap
from tinytorch.perf.quantization.calibration import Calibration
from tinytorch.perf.quantization.storage import PackedWeight
from tinytorch.perf.rewrite import copied_bias


class QuantizedConv2d(Module):
    """The convolution of ``conv`` with its weight as codes, which become float32 for each call.

    Images (B, in_channels, H, W) -> (B, out_channels, H', W'), as of ``Conv2d``; weight-only.
    ``per_channel`` gives each output channel its own scale.
    A convolution uses each weight once for every pixel, so it gains memory and no time.
    Raises TypeError for what is no Conv2d, ValueError for bits out of 2 to 8 and for NaN or
    infinite weights.

    >>> import numpy as np
    >>> QuantizedConv2d(Conv2d(1, 4, kernel_size=3), bits=4)(np.ones((2, 1, 8, 8))).shape
    (2, 4, 6, 6)
    """

    def __init__(
        self,
        conv: Conv2d,
        bits: int = 8,
        *,
        per_channel: bool = True,
        symmetric: bool = True,
        calibration: Calibration = "min-max",
    ) -> None:
        if not isinstance(conv, Conv2d):
            raise TypeError(f"expected a Conv2d to quantise, got {type(conv).__name__}")
        out_channels = conv.out_channels
        # Packed along (in_channels, kernel, kernel), whose last byte is seldom part empty.
        columns = conv.weight.data.reshape(out_channels, -1).T  # (C k k, out_channels)
        self.packed = PackedWeight(
            columns,
            bits,
            symmetric=symmetric,
            axis=1 if per_channel else None,
            calibration=calibration,
        )
        self.weight_shape = conv.weight.shape
        self.bias = copied_bias(conv)
        self._geometry = {
            name: getattr(conv, name)
            for name in ("in_channels", "out_channels", "kernel_size", "stride", "padding")
        }

    @property
    def bits(self) -> int:
        """Number of bits that an element of the weight takes."""
        return self.packed.bits

    def count_operations(self, inputs: tuple[Any, ...], output: Tensor) -> tuple[int, int]:
        """Return the operations of the product with the weights, and those beside it."""
        each = 1 if self.bias is None else 2  # the scale of the result, and the bias
        return 2 * output.size * math.prod(self.weight_shape[1:]), each * output.size

    @property
    def packed_parameters(self) -> int:
        return math.prod(self.packed.shape)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the convolved images (B, out_channels, H', W')."""
        return self.dequantized().forward(x)

    def dequantized(self) -> Conv2d:
        """Return a Conv2d of the weights that the codes stand for, with the same bias."""
        conv = Conv2d.__new__(Conv2d)
        vars(conv).update(self._geometry)
        conv.weight = wrap(self.dense_weight())
        conv.bias = self.bias
        return conv

    def dense_weight(self) -> Float32Array:
        """Return the weight that the codes stand for: float32 in the shape of Conv2d's."""
        return self.packed.dequantized().T.reshape(self.weight_shape)

    def buffers(self) -> dict[str, Array]:
        """Return the codes, the scales and the zero points."""
        return self.packed.arrays()

    def __repr__(self) -> str:
        return f"QuantizedConv2d({self.dequantized()!r}, bits={self.bits})"
