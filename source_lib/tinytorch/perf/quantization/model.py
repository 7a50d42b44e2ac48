"""Whole models: every weight matrix quantised in one call, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array, no_grad
from tinytorch.core.conv import Conv2d
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module, checked_module
from tinytorch.core.tensor import Tensor, as_tensor
from tinytorch.perf.quantization.affine import code_range
from tinytorch.perf.quantization.calibration import Calibration
from tinytorch.perf.quantization.conv import QuantizedConv2d
from tinytorch.perf.quantization.embedding import QuantizedEmbedding
from tinytorch.perf.quantization.linear import (
    Activations,
    QuantizedLinear,
    checked_activations,
)
from tinytorch.perf.rewrite import replace_layers


def quantize_model(
    model: Module,
    bits: int = 8,
    *,
    per_channel: bool = True,
    symmetric: bool = True,
    calibration: Calibration = "min-max",
    activations: Activations = "float32",
    calibration_data: Tensor | ArrayLike | None = None,
    skip: Sequence[str] = (),
) -> Module:
    """Return a copy of ``model`` whose Linear, Conv2d and Embedding layers hold ``bits`` bits.

    The model itself is not changed; biases and other layers of the copy stay float32.
    ``activations`` other than "float32" also rounds the inputs of linear layers, see
    ``QuantizedLinear``; "static" runs the model on ``calibration_data`` to find their ranges.
    ``calibration`` finds the ranges of weights and of these inputs.
    ``skip`` holds dotted names of layers to leave in float32, such as "layers.2".
    The copy is saved and loaded like any model; to load, quantise a model of the same shape first.
    Raises ValueError for bits out of 2 to 8, a name in ``skip`` that is no layer, a model without
    a layer to quantise and "static" without data (or data without "static").

    >>> from tinytorch.core.activations import ReLU
    >>> from tinytorch.core.layers import Sequential
    >>> model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    >>> small = quantize_model(model, bits=4)
    >>> model.size_bytes(), small.size_bytes()
    (9640, 1520)
    """
    code_range(bits)
    checked_activations(activations)
    if (activations == "static") != (calibration_data is not None):
        raise ValueError('expected calibration_data with activations="static", and only then')
    skipped, converted = set(skip), 0
    weights: dict[str, Any] = {"symmetric": symmetric, "calibration": calibration}

    def convert(name: str, layer: Module) -> Module:
        nonlocal converted
        if name in skipped:
            skipped.discard(name)
            return layer
        quantized: Module
        if isinstance(layer, Linear):
            quantized = QuantizedLinear(
                layer, bits, per_channel=per_channel, activations=activations, **weights
            )
        elif isinstance(layer, Conv2d):
            quantized = QuantizedConv2d(layer, bits, per_channel=per_channel, **weights)
        elif isinstance(layer, Embedding):
            quantized = QuantizedEmbedding(layer, bits, **weights)
        else:
            return layer
        converted += 1
        return quantized

    quantized_model = replace_layers(model, convert)
    if skipped:
        raise ValueError(f"expected names of layers to skip, got {sorted(skipped)}")
    if not converted:
        raise ValueError("expected a model with a Linear, Conv2d or Embedding to quantise")
    if calibration_data is not None:
        calibrate_model(quantized_model, calibration_data, calibration)
    return quantized_model


def calibrate_model(
    model: Module, samples: Tensor | ArrayLike, method: Calibration = "min-max"
) -> None:
    """Calibrate every QuantizedLinear of ``model``, in place, on what reaches it from ``samples``.

    The layers run with float32 inputs meanwhile, so that one range does not depend on another.
    Raises ValueError for a model without such a layer, or one that ``samples`` never reach.
    """
    modules = checked_module("model", model).modules()
    layers = [m for m in modules if isinstance(m, QuantizedLinear)]
    if not layers:
        raise ValueError("expected a model with a QuantizedLinear to calibrate")
    for layer in layers:
        layer.activations = "float32"
    with recorded_inputs(layers) as seen, no_grad():
        model(samples)
    for layer, inputs in zip(layers, seen, strict=True):
        if not inputs:
            raise ValueError(f"the samples never reach {layer!r}")
        layer.calibrate(np.concatenate(inputs), method)


@contextmanager
def recorded_inputs(layers: Sequence[QuantizedLinear]) -> Iterator[list[list[Array]]]:
    """Yield one list per layer, which fills with its inputs (N, in_features) inside the block."""
    seen: list[list[Array]] = [[] for _ in layers]

    def recorder(layer: QuantizedLinear, inputs: list[Array]) -> Any:
        def forward(x: Tensor | ArrayLike) -> Tensor:
            inputs.append(as_tensor(x).data.reshape(-1, layer.in_features))
            return QuantizedLinear.forward(layer, x)

        return forward

    try:
        for layer, inputs in zip(layers, seen, strict=True):
            # On the object, where it hides the method of the class until it is deleted.
            vars(layer)["forward"] = recorder(layer, inputs)
        yield seen
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def compare_model_sizes(original: Module, quantized: Module) -> dict[str, float]:
    """Return the bytes that two models hold, parameters and buffers, and what the second saves.

    Keys: original_bytes, quantized_bytes, saved_bytes, compression_ratio (original / quantized).

    >>> model = Linear(256, 256)
    >>> sizes = compare_model_sizes(model, quantize_model(model))
    >>> sizes["original_bytes"], sizes["quantized_bytes"], round(sizes["compression_ratio"], 2)
    (263168, 67584, 3.89)
    """
    before = checked_module("original", original).size_bytes()
    after = checked_module("quantized", quantized).size_bytes()
    return {
        "original_bytes": before,
        "quantized_bytes": after,
        "saved_bytes": before - after,
        "compression_ratio": before / after,
    }
