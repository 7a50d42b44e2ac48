"""Magnitude pruning: the weights nearest to zero become zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core.conv import Conv2d
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_float32
from tinytorch.perf.rewrite import copy_with_layers

Scope = Literal["layer", "global"]


def magnitude_prune(
    model: Module, sparsity: float, scope: Scope = "layer", *, skip: Sequence[str] = ()
) -> Module:
    """Return a copy of ``model`` in which the smallest weights by magnitude are 0.

    ``sparsity`` in [0, 1] is the part of the weights of Linear and Conv2d layers that are 0
    afterwards, rounded to whole weights: of each layer for scope "layer", of all of them together
    for "global", which takes more from layers whose weights are small.
    The model itself is not changed; biases are kept, and so are layers named in ``skip``.
    The copy is as large and as slow as before, since the zeros are stored.
    Source: Han, Pool, Tran, Dally 2015, Learning both Weights and Connections for Efficient Neural
    Networks, section 3.
    Raises ValueError for a sparsity outside [0, 1], another scope, NaN weights, a name in ``skip``
    that is no layer, and a model without a layer to prune.

    >>> pruned = magnitude_prune(Linear(20, 10), sparsity=0.75)
    >>> int(np.sum(pruned.weight.data == 0))
    150
    """
    if scope not in get_args(Scope):
        raise ValueError(f"expected scope as one of {', '.join(get_args(Scope))}, got {scope!r}")
    pruned, layers = copy_with_layers(model, (Linear, Conv2d), skip)
    # Each tensor once, since two layers may share one.
    weights = list({id(layer.weight): layer.weight for layer in layers.values()}.values())
    if scope == "layer":
        for weight in weights:
            weight.data[~magnitude_mask(weight, sparsity)] = 0
        return pruned
    together = np.concatenate([weight.data.reshape(-1) for weight in weights])
    mask = magnitude_mask(together, sparsity)
    ends = np.cumsum([weight.size for weight in weights])
    for weight, part in zip(weights, np.split(mask, ends[:-1]), strict=True):
        weight.data[~part.reshape(weight.shape)] = 0
    return pruned


def magnitude_mask(weights: Tensor | ArrayLike, sparsity: float) -> NDArray[np.bool_]:
    """Return True for the weights to keep: all but the round(sparsity size) smallest by magnitude.

    The mask has the shape of ``weights``; among equal magnitudes the first go first.
    Raises ValueError for a sparsity outside [0, 1] and for NaN.

    >>> magnitude_mask([0.1, -3.0, 0.5, -0.2], sparsity=0.5)
    array([False,  True,  True, False])
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"expected a sparsity in [0, 1], got {sparsity}")
    values = weights.data if isinstance(weights, Tensor) else as_float32(weights)
    if np.isnan(values).any():
        raise ValueError("expected weights that are numbers, got NaN")
    order = np.argsort(np.abs(values), axis=None, kind="stable")
    mask = np.ones(values.size, dtype=bool)
    mask[order[: round(sparsity * values.size)]] = False
    return mask.reshape(values.shape)
