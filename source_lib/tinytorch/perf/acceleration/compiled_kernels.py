"""The fused kernels with their compiled twins: what the package exports under their names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration import bias_relu, gelu, layer_norm, loops
from tinytorch.perf.acceleration.inputs import float_array, output_for, reject_nan
from tinytorch.perf.acceleration.twins import REORDERED, with_twin
from tinytorch.perf.fast import compiled

BLOCK_ELEMENTS = 1 << 16


def _gelu(x: ArrayLike, out: Float32Array | None = None) -> Float32Array | None:
    loop = compiled(loops.gelu_loop, fastmath=REORDERED, error_model="numpy")
    if loop is None:
        return None
    x = float_array("x", x)
    out = output_for(x, out)
    if _run_apart(loop, x.reshape(-1), out.reshape(-1)):
        reject_nan("x", x)
    return out


def _bias_relu(
    x: ArrayLike, bias: ArrayLike, out: Float32Array | None = None
) -> Float32Array | None:
    loop = compiled(loops.bias_relu_loop)
    if loop is None:
        return None
    x, bias = bias_relu.rows_and_bias(x, bias)
    out = output_for(x, out)
    rows = (-1, bias.size)
    if _run_apart(loop, x.reshape(rows), out.reshape(rows), np.ascontiguousarray(bias)):
        _reject_nan_in(x=x, bias=bias)
    return out


def _layer_norm(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    eps: float = 1e-5,
    out: Float32Array | None = None,
) -> Float32Array | None:
    loop = compiled(loops.layer_norm_loop, fastmath=REORDERED, error_model="numpy")
    if loop is None:
        return None
    x, weight, bias = layer_norm.norm_arguments(x, weight, bias, eps)
    out = output_for(x, out)
    rows = np.ascontiguousarray(x).reshape(-1, weight.size)
    vectors = np.ascontiguousarray(weight), np.ascontiguousarray(bias)
    if loop(rows, out.reshape(rows.shape), *vectors, np.float32(eps)):
        _reject_nan_in(x=x, weight=weight, bias=bias)
    return out


def _run_apart(
    loop: Callable[..., bool], x: Float32Array, out: Float32Array, *vectors: Float32Array
) -> bool:
    """Call ``loop``, by way of a scratch block where ``out`` is ``x``; return what it does."""
    if not np.may_share_memory(x, out):
        return loop(np.ascontiguousarray(x), out, *vectors)
    step = max(1, BLOCK_ELEMENTS * len(x) // max(1, x.size))
    scratch = np.empty((min(step, len(x)), *x.shape[1:]), dtype=np.float32)
    has_nan = False
    for start in range(0, len(x), step):
        block = out[start : start + step]
        has_nan |= loop(block, scratch[: len(block)], *vectors)
        block[...] = scratch[: len(block)]
    return has_nan


def _reject_nan_in(**arrays: Float32Array) -> None:
    """Raise for the first array with NaN; infinities that met may have made one of their own."""
    for name, array in arrays.items():
        reject_nan(name, array)


fused_gelu = with_twin(gelu.fused_gelu, _gelu)
fused_bias_relu = with_twin(bias_relu.fused_bias_relu, _bias_relu)
fused_layer_norm = with_twin(layer_norm.fused_layer_norm, _layer_norm)
