"""How the weights of a model are spread: what pruning and quantisation have to work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.module import Module, checked_module

PERCENTILES = (10, 25, 50, 75, 90)


def analyze_weight_distribution(
    model: Module, percentiles: Sequence[float] = PERCENTILES
) -> dict[str, Any]:
    """Return figures of all weights together, "total", and of each parameter, "parameters".

    The second is a dictionary by the dotted names of the parameters.
    Each holds what ``weight_spread`` says; the ``shape`` of the total is None.
    Raises ValueError for a model without parameters, a parameter that is not finite, or a
    percentile outside [0, 100].

    >>> from tinytorch.core.layers import Linear
    >>> figures = analyze_weight_distribution(Linear(3, 2), percentiles=[50])
    >>> figures["total"]["count"], figures["parameters"]["bias"]["zero_fraction"]
    (8, 1.0)
    """
    named = checked_module("model", model).named_parameters()
    parameters = {name: tensor.data for name, tensor in named}
    if not parameters:
        raise ValueError(f"expected a model with parameters, {type(model).__name__} has none")
    if not all(0 <= q <= 100 for q in percentiles):
        raise ValueError(f"expected percentiles from 0 to 100, got {list(percentiles)}")
    for name, values in parameters.items():
        if not np.all(np.isfinite(values)):
            raise ValueError(f"expected finite weights, {name} holds NaN or an infinity")
    everything = np.concatenate([values.ravel() for values in parameters.values()])
    return {
        "total": weight_spread(everything, percentiles) | {"shape": None},
        "parameters": {
            name: weight_spread(values, percentiles) for name, values in parameters.items()
        },
    }


def weight_spread(values: Array, percentiles: Sequence[float]) -> dict[str, Any]:
    """Return how the numbers of one array are spread, computed in float64.

    Keys: ``count``, ``shape`` (a tuple), ``mean``, ``std``, ``min``, ``max``, ``zero_fraction``
    (exact zeros, from 0 to 1), and ``magnitude_percentiles``: for each q of ``percentiles`` the
    magnitude below which q % of the numbers lie, which is the threshold that prunes them.

    >>> weight_spread(np.array([[-4.0, 0.0], [1.0, 3.0]]), [50])["magnitude_percentiles"]
    {50: 2.0}
    """
    exact = values.astype(np.float64)
    magnitudes = np.percentile(np.abs(exact), list(percentiles))
    return {
        "count": int(values.size),
        "shape": tuple(values.shape),
        "mean": float(exact.mean()),
        "std": float(exact.std()),
        "min": float(exact.min()),
        "max": float(exact.max()),
        "zero_fraction": float(np.mean(values == 0)),
        "magnitude_percentiles": dict(zip(percentiles, magnitudes.tolist(), strict=True)),
    }
