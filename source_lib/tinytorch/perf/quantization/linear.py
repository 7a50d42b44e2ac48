"""``QuantizedLinear``: a linear layer whose weight is held in 2 to 8 bits an element."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Float32Array, Tensor, as_tensor, needs_grad, wrap
from tinytorch.perf.quantization.affine import code_range, quantization_parameters
from tinytorch.perf.quantization.calibration import Calibration, calibrate_range
from tinytorch.perf.quantization.products import codes_product
from tinytorch.perf.quantization.storage import PackedWeight
from tinytorch.perf.rewrite import copied_bias

Activations = Literal["float32", "dynamic", "static"]


class QuantizedLinear(Module):
    """x W + b with W as codes: (..., in_features) -> (..., out_features), for inference.

    ``per_channel`` gives each output feature its own scale, else there is one for all of W.
    ``activations`` says what happens to x before it is multiplied:
    "float32" leaves it (weight-only), "dynamic" quantises it to 8 bits in the range of each call,
    "static" in the range that ``calibrate`` saw.
    The codes, scales and zero points are buffers: counted in bytes and saved, but no parameters,
    since they are not trained; the bias stays a float32 tensor.
    Gradients reach x and the bias as if x and W were not rounded in between (straight through,
    Bengio, Leonard, Courville 2013); W has none.
    Raises TypeError for what is no Linear, ValueError for bits out of 2 to 8, for NaN or infinite
    weights and for an unknown word.

    >>> linear = Linear(64, 10)
    >>> layer = QuantizedLinear(linear)
    >>> layer(np.ones((3, 64))).shape, layer.memory_usage()["compression_ratio"].__round__(2)
    ((3, 10), 3.61)
    """

    def __init__(
        self,
        linear: Linear,
        bits: int = 8,
        *,
        per_channel: bool = True,
        symmetric: bool = True,
        calibration: Calibration = "min-max",
        activations: Activations = "float32",
    ) -> None:
        if not isinstance(linear, Linear):
            raise TypeError(f"expected a Linear to quantise, got {type(linear).__name__}")
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed = PackedWeight(
            linear.weight,
            bits,
            symmetric=symmetric,
            axis=1 if per_channel else None,
            calibration=calibration,
        )
        self.bias = copied_bias(linear)
        self.activations = checked_activations(activations)
        # Not numbers until calibrated; arrays, so that loading a state can write into them.
        self.input_scale = np.array(np.nan, dtype=np.float32)
        self.input_zero_point = np.array(0, dtype=np.int8)

    @property
    def bits(self) -> int:
        """Number of bits that an element of the weight takes."""
        return self.packed.bits

    def calibrate(self, sample_inputs: Tensor | ArrayLike, method: Calibration = "min-max") -> None:
        """Fix the range of the inputs from samples (N, in_features), and use it from now on.

        Sets ``activations`` to "static".
        Raises ValueError for another last axis, NaN, infinities, no samples and another method.
        """
        x = as_tensor(sample_inputs)
        self._checked_shape(x)
        low, high = calibrate_range(x, method)
        scale, zero_point = quantization_parameters(low, high)
        self.input_scale[...], self.input_zero_point[...] = scale, zero_point
        self.activations = "static"

    def count_operations(self, inputs: tuple[Any, ...], output: Tensor) -> tuple[int, int]:
        """Return the operations of the product with the weights, and those beside it."""
        each = 1 if self.bias is None else 2  # the scale of the result, and the bias
        return 2 * output.size * self.in_features, each * output.size

    @property
    def packed_parameters(self) -> int:
        return math.prod(self.packed.shape)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x W + b: (..., in_features) -> (..., out_features).

        Raises ValueError for another last axis, RuntimeError for "static" before ``calibrate``.
        """
        x, bias = as_tensor(x), self.bias
        shape = self._checked_shape(x)
        rows = x.data if len(shape) == 2 else x.data.reshape(-1, shape[-1])  # (N, in_features)
        product = self._product(rows) if self.activations == "float32" else self._rounded(rows)
        if bias is not None:
            product += bias.data
        out = wrap(product if len(shape) == 2 else product.reshape(*shape[:-1], self.out_features))
        operands = (x,) if bias is None else (x, bias)
        if needs_grad(*operands):
            out.record(operands, self._backward)
        return out

    def memory_usage(self) -> dict[str, float]:
        """Return the bytes of the layer in float32 and as held, and their ratio.

        Keys: original_bytes, quantized_bytes, compression_ratio (original / quantized).
        """
        bias = 0 if self.bias is None else self.out_features
        original = 4 * (self.in_features * self.out_features + bias)
        held = self.size_bytes()
        return {
            "original_bytes": original,
            "quantized_bytes": held,
            "compression_ratio": original / held,
        }

    def dense_weight(self) -> Float32Array:
        """Return the weight that the codes stand for: float32 (in_features, out_features)."""
        return self.packed.dequantized()

    def buffers(self) -> dict[str, Array]:
        """Return the arrays of the weight, and of the input range where one is used."""
        held = self.packed.arrays()
        if self.activations == "static":
            held["input_scale"], held["input_zero_point"] = self.input_scale, self.input_zero_point
        return held

    def _product(self, x: Float32Array) -> Float32Array:
        """Return x W of rows (N, in_features): scale (x codes - zero_point sum(x))."""
        product = codes_product(x, self.packed)  # (N, out_features)
        if self.packed.zero_point is not None:
            product -= x.sum(axis=1, keepdims=True) * self.packed.zero_point
        product *= self.packed.scale
        return product

    def _rounded(self, x: Float32Array) -> Float32Array:
        """Return the same for x rounded to 8 bits: input_scale (codes - zero_point) W.

        The differences are integers, and float32 adds integers without error up to 2^24, so this
        is what integer arithmetic would give.
        """
        if self.activations == "dynamic":
            scale, zero_point = dynamic_parameters(x)
        elif np.isnan(self.input_scale):
            raise RuntimeError("static activations need a range: call calibrate() with samples")
        else:
            scale, zero_point = float(self.input_scale), int(self.input_zero_point)
        product = self._product(rounded_steps(x, scale, zero_point))
        product *= np.float32(scale)
        return product

    def _backward(self, grad: Array) -> tuple[Array, ...]:
        """Return the gradients in x and the bias, from that in the output."""
        grad_x = grad @ self.packed.dequantized().T
        return (grad_x,) if self.bias is None else (grad_x, grad)

    def _checked_shape(self, x: Tensor) -> tuple[int, ...]:
        shape = x.data.shape
        if not shape or shape[-1] != self.in_features:
            raise ValueError(f"expected input of shape (..., {self.in_features}), got {shape}")
        return shape

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return (
            f"QuantizedLinear({self.in_features}, {self.out_features}{bias}, bits={self.bits}, "
            f"activations={self.activations!r})"
        )


def dynamic_parameters(x: Float32Array) -> tuple[float, int]:
    """Return scale and zero point of the whole range of ``x``, those of ``quantize_int8``.

    The same formulas as ``quantization_parameters`` on plain numbers, a tenth of the time: this
    runs for each call of a layer.
    Raises ValueError for NaN, infinities and no elements.

    >>> scale, zero_point = dynamic_parameters(np.array([-1.0, 3.0], dtype=np.float32))
    >>> round(scale, 5), zero_point
    (0.01569, -64)
    """
    if x.size == 0:
        raise ValueError(f"expected at least one element, got shape {x.shape}")
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    smallest, largest = code_range(8)
    if not math.isfinite(high - low):
        raise ValueError("expected finite numbers, got NaN or infinity")
    scale = max((high - low) / (largest - smallest), float(np.finfo(np.float32).tiny))
    scale = float(np.float32(scale))
    return scale, round(smallest - low / scale)


def rounded_steps(x: Float32Array, scale: float, zero_point: int) -> Float32Array:
    """Return code - zero_point of each element, the integers that are multiplied, as float32.

    >>> rounded_steps(np.array([-1.0, 0.3, 9.0], dtype=np.float32), scale=0.25, zero_point=120)
    array([-4.,  1.,  7.], dtype=float32)
    """
    smallest, largest = code_range(8)
    with np.errstate(over="ignore"):  # an infinite quotient is clipped like any outlier
        steps = x / np.float32(scale)
    np.rint(steps, out=steps)
    np.maximum(steps, smallest - zero_point, out=steps)
    np.minimum(steps, largest - zero_point, out=steps)
    return steps


def checked_activations(activations: Activations) -> Activations:
    """Return the word if it is a known one.

    Raises ValueError for another.

    >>> checked_activations("dynamic")
    'dynamic'
    """
    if activations not in get_args(Activations):
        words = ", ".join(get_args(Activations))
        raise ValueError(f"expected activations as one of {words}, got {activations!r}")
    return activations
