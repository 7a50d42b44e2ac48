"""Weight-only quantisation in the fewest lines: the layer and the model of chapter 15.

``tinytorch.perf.quantization`` exports their extended twins, of the same names, bytes and results:
with compiled loops, rounded inputs, convolutions, embeddings and gradients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Float32Array, Tensor, as_tensor
from tinytorch.perf.quantization.affine import (
    Codes,
    min_max_range,
    quantization_parameters,
    quantize,
)
from tinytorch.perf.quantization.packing import pack_codes, unpack_codes
from tinytorch.perf.rewrite import copied_bias, replace_layers


class QuantizedLinear(Module):
    """x W + b with W held as codes of ``bits`` bits: (..., in_features) -> (..., out_features).

    The scales are symmetric: one for each output with ``per_channel``, else one for all of W.
    ``codes`` is int8 (in_features, out_features) for 8 bits, else what ``pack_codes`` makes of the
    codes counted from 0; ``scale`` is float32; ``bias`` is a float32 tensor of its own, or None.
    Nothing else is kept of W.
    Raises ValueError for bits out of 2 to 8.

    >>> layer = QuantizedLinear(Linear(64, 10))
    >>> layer(np.ones((3, 64))).shape, layer.codes.nbytes, layer.size_bytes()
    ((3, 10), 640, 720)
    """

    def __init__(self, linear: Linear, bits: int = 8, *, per_channel: bool = True) -> None:
        low, high = min_max_range(linear.weight, axis=1 if per_channel else None)
        scale, zero_point = quantization_parameters(low, high, bits, symmetric=True)
        codes: Array = quantize(linear.weight, scale, zero_point, bits)
        if bits < 8:
            codes = pack_codes(codes + 2 ** (bits - 1), bits)  # counted from 0
        self.bits = bits
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.codes, self.scale = codes, np.asarray(scale)
        self.bias = copied_bias(linear)

    def signed_codes(self) -> Codes:
        """Return the codes from -2^(bits-1) up: int8 (in_features, out_features)."""
        if self.bits == 8:
            return self.codes
        counted = unpack_codes(self.codes, self.bits, self.in_features)
        return counted.astype(np.int8) - np.int8(2 ** (self.bits - 1))

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x W + b: (..., in_features) -> (..., out_features)."""
        rows = as_tensor(x).data
        product = rows @ self.signed_codes().astype(np.float32)  # (..., out_features)
        product = product * self.scale.reshape(-1)
        return Tensor(product if self.bias is None else product + self.bias.data)

    def buffers(self) -> dict[str, Array]:
        """Return the arrays held beside tensors, by name: they are counted in bytes and saved."""
        return {"codes": self.codes, "scale": self.scale}

    def dense_weight(self) -> Float32Array:
        """Return W as the codes have it: float32 (in_features, out_features)."""
        return np.asarray(self.signed_codes() * self.scale, dtype=np.float32)

    @property
    def packed_parameters(self) -> int:
        """How many weights the codes stand for."""
        return self.in_features * self.out_features


def quantize_model(model: Module, bits: int = 8, *, per_channel: bool = True) -> Module:
    """Return a copy of ``model`` in which a QuantizedLinear stands for every Linear.

    The model itself is not changed; all else of the copy stays float32.
    Raises ValueError for bits out of 2 to 8 and for a model without a Linear.

    >>> from tinytorch.core.activations import ReLU
    >>> from tinytorch.core.layers import Sequential
    >>> model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    >>> model.size_bytes(), quantize_model(model, bits=4).size_bytes()
    (9640, 1520)
    """
    if not any(isinstance(layer, Linear) for layer in model.modules()):
        raise ValueError("expected a model with a Linear to quantise, got one without")

    def convert(name: str, layer: Module) -> Module:
        if isinstance(layer, Linear):
            return QuantizedLinear(layer, bits, per_channel=per_channel)
        return layer

    return replace_layers(model, convert)
