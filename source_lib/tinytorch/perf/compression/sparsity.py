"""How many of the weights of a model are zero."""

from __future__ import annotations

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.conv import Conv2d
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module, checked_module


def measure_sparsity(model: Module) -> float:
    """Return the part of the weights of ``model`` that are exactly 0, in [0, 1].

    Counted are the weights of Linear and Conv2d layers and of layers made from them (quantised,
    sparse, low rank), not biases, which often are 0, nor embeddings.
    Raises ValueError for a model without such a layer.

    >>> layer = Linear(2, 2)
    >>> layer.weight.data[0] = 0
    >>> measure_sparsity(layer)
    0.5
    """
    weights = weight_arrays(model)
    if not weights:
        raise ValueError("expected a model with a Linear or Conv2d layer, got one without")
    zeros = sum(weight.size - np.count_nonzero(weight) for weight in weights)
    return float(zeros / sum(weight.size for weight in weights))


def weight_arrays(model: Module) -> list[Array]:
    """Return the weight of each layer that ``measure_sparsity`` counts, as float32.

    >>> [weight.shape for weight in weight_arrays(Linear(3, 2))]
    [(3, 2)]
    """
    arrays = []
    for module in checked_module("model", model).modules():
        if isinstance(module, Linear | Conv2d):
            arrays.append(module.weight.data)
        elif hasattr(module, "dense_weight"):
            arrays.append(module.dense_weight())
    return arrays
