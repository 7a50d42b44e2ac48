"""``BitmapLinear``: one bit a weight says whether it is 0, and the others follow without gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Float32Array, Tensor, wrap
from tinytorch.perf.quantization.affine import code_range, dequantize
from tinytorch.perf.quantization.linear import QuantizedLinear
from tinytorch.perf.quantization.packing import pack_codes, unpack_codes
from tinytorch.perf.rewrite import copied_bias


class BitmapLinear(Module):
    """A linear layer held as a bit map and its values: the smallest of the sparse forms.

    From a Linear the values are float32, from a QuantizedLinear packed codes of its bits, so that
    pruning and quantisation both pay: (1 + density bits) / 8 bytes a weight.
    The dense weight is rebuilt for each call, which takes time and no lasting memory.
    (..., in_features) -> (..., out_features); gradients reach x and the bias.
    Raises TypeError for what is neither of the two layers, ValueError for NaN weights and for a
    QuantizedLinear that also rounds its inputs.

    >>> linear = Linear(32, 8, bias=False)
    >>> linear.weight.data[8:] = 0
    >>> BitmapLinear(linear).size_bytes(), BitmapLinear(QuantizedLinear(linear)).size_bytes()
    (288, 128)
    """

    def __init__(self, layer: Linear | QuantizedLinear) -> None:
        if not isinstance(layer, Linear | QuantizedLinear):
            kind = type(layer).__name__
            raise TypeError(f"expected a Linear or QuantizedLinear, got {kind}")
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.bias = copied_bias(layer)
        self.bits: int | None = None
        weight: Array
        if isinstance(layer, Linear):
            weight = layer.weight.data
            if np.isnan(weight).any():
                raise ValueError("expected weights that are numbers, got NaN")
            present = weight != 0
            self.values: Array = weight[present]
            self.arrays: dict[str, Array] = {}
        else:
            if layer.activations != "float32":
                raise ValueError(f"expected float32 activations, got {layer.activations!r}")
            self.bits = layer.bits
            weight, zero = layer.packed.rows(), layer.packed.zero_point
            present = weight != (0 if zero is None else zero)
            counted = weight[present].astype(np.int16) - code_range(self.bits)[0]
            self.values = pack_codes(counted, self.bits)
            self.arrays = {k: v for k, v in layer.packed.arrays().items() if k != "codes"}
        self.nnz = int(present.sum())
        self.bitmap = np.packbits(present)

    def count_operations(self, inputs: tuple[Any, ...], output: Tensor) -> tuple[int, int]:
        """Return the operations of the product with the weights, and those beside it."""
        rows = output.size // self.out_features
        return 2 * rows * self.nnz, 0 if self.bias is None else output.size

    @property
    def packed_parameters(self) -> int:
        return self.nnz

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x W + b: (..., in_features) -> (..., out_features)."""
        dense = Linear.__new__(Linear)
        dense.in_features, dense.out_features = self.in_features, self.out_features
        dense.weight, dense.bias = wrap(self.dense_weight()), self.bias
        return dense.forward(x)

    def dense_weight(self) -> Float32Array:
        """Return the weight with its zeros: float32 (in_features, out_features)."""
        shape = self.in_features, self.out_features
        present = np.unpackbits(self.bitmap, count=shape[0] * shape[1]).astype(bool).reshape(shape)
        if self.bits is None:
            weight = np.zeros(shape, dtype=np.float32)
            weight[present] = self.values
            return weight
        zero: Any = self.arrays.get("zero_point", np.int8(0))
        codes = np.empty(shape, dtype=np.int8)
        codes[...] = zero
        counted = unpack_codes(self.values, self.bits, self.nnz).astype(np.int16)
        codes[present] = counted + code_range(self.bits)[0]
        return dequantize(codes, self.arrays["scale"], zero)

    def buffers(self) -> dict[str, Array]:
        """Return the bit map, the values, and the scales and zero points of codes."""
        return {"bitmap": self.bitmap, "values": self.values, **self.arrays}

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        bits = "" if self.bits is None else f", bits={self.bits}"
        return f"BitmapLinear({self.in_features}, {self.out_features}{bias}, nnz={self.nnz}{bits})"
