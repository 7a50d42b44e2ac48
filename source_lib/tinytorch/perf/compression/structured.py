"""Structured pruning: whole neurons and filters are taken out, and the shapes shrink."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.activations import GELU, ReLU, Sigmoid, Tanh
from tinytorch.core.autograd import Array, no_grad
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.dropout import Dropout
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module, checked_module
from tinytorch.core.tensor import Float32Array, Tensor
from tinytorch.perf.rewrite import replace_layers

Weighted = Linear | Conv2d
Pair = tuple[Weighted, Weighted]
# Layers that treat every unit for itself, so that a unit can be taken out on both sides.
UNITWISE = (ReLU, GELU, Sigmoid, Tanh, Dropout, MaxPool2d, Flatten)
PROBES = 3


def structured_prune(model: Module, prune_ratio: float) -> Module:
    """Return a copy of ``model`` with that part of its hidden neurons and filters taken out.

    Of each hidden layer of width w, the round(prune_ratio w) units of the least ``unit_importance``
    go, but one always stays: columns of its weight, elements of its bias, and the rows of the next
    layer that read them.
    Hidden is a Linear or Conv2d whose output goes through elementwise layers, pooling or Flatten
    alone into the next one: in every ``Sequential``, and in modules of one's own that call their
    layers in the order of their attributes, which is tried on random inputs.
    Inputs and outputs of the model keep their size; the model itself is not changed.
    Source: Li, Kadav, Durdanovic, Samet, Graf 2017, Pruning Filters for Efficient ConvNets.
    Raises ValueError for a ratio outside [0, 1) and a model without a hidden layer.

    >>> model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    >>> structured_prune(model, prune_ratio=0.5)
    Sequential(Linear(64, 16), ReLU(), Linear(16, 10))
    """
    if not 0 <= prune_ratio < 1:
        raise ValueError(f"expected a prune_ratio in [0, 1), got {prune_ratio}")
    smaller = replace_layers(model, lambda name, module: module)
    pairs = {pair: None for module in smaller.modules() for pair in hidden_pairs(module)}
    if not pairs:
        kind = type(model).__name__
        raise ValueError(f"expected hidden layers that follow each other, found none in {kind}")
    for side in zip(*pairs, strict=True):
        if len(set(side)) < len(side):
            raise ValueError("expected each layer to be used once, got one with two neighbours")
    for first, second in pairs:
        remove_units(first, second, kept_units(unit_importance(first, second), prune_ratio))
    return smaller


def weights_into_units(layer: Weighted) -> Array:
    """Return a view (units, k) of the weights that make each unit of ``layer``.

    Raises TypeError for what is no Linear or Conv2d.

    >>> weights_into_units(Linear(4, 3)).shape
    (3, 4)
    """
    if not isinstance(layer, Weighted):
        raise TypeError(f"expected a Linear or Conv2d, got {type(layer).__name__}")
    weight = layer.weight.data
    return weight.T if isinstance(layer, Linear) else weight.reshape(len(weight), -1)


def weights_out_of_units(layer: Weighted, units: int) -> Array:
    """Return the weights (units, k) with which ``layer`` reads each of the ``units`` before it.

    After Flatten a unit is a channel, which a Linear reads as several rows in a block.
    Raises TypeError for what is no Linear or Conv2d, ValueError for one that cannot read so many.

    >>> weights_out_of_units(Linear(6, 2), units=3).shape
    (3, 4)
    """
    if not isinstance(layer, Weighted):
        raise TypeError(f"expected a Linear or Conv2d, got {type(layer).__name__}")
    weight = layer.weight.data
    if not isinstance(layer, Linear):
        weight = weight.swapaxes(0, 1)
    if len(weight) % units:
        raise ValueError(f"expected a layer that reads {units} units, got {layer!r}")
    return weight.reshape(units, -1)


def unit_importance(first: Weighted, second: Weighted) -> Float32Array:
    """Return for each unit of ``first`` the norm of its weights in, times that of those out.

    Both are Euclidean; (units,) float32, a unit being a column of a Linear or a filter of a Conv2d.
    What a unit adds to the next layer is bounded by this product times the size of the input.
    Raises ValueError for NaN.

    >>> first, second = Linear(2, 2), Linear(2, 1)
    >>> first.weight.data[:], second.weight.data[:] = [[3.0, 1.0], [4.0, 0.0]], [[1.0], [2.0]]
    >>> unit_importance(first, second)
    array([5., 2.], dtype=float32)
    """
    into = weights_into_units(first)  # (units, k)
    out_of = weights_out_of_units(second, len(into))  # (units, l)
    importance: Float32Array = np.linalg.norm(into, axis=1) * np.linalg.norm(out_of, axis=1)
    if np.isnan(importance).any():
        raise ValueError("expected weights that are numbers, got NaN")
    return importance


def kept_units(importance: ArrayLike, prune_ratio: float) -> Array:
    """Return the numbers of the units that stay, in ascending order.

    Of ``importance`` (units,) the round(prune_ratio units) smallest go, but one always stays;
    among equals the later ones go first.
    Raises ValueError for a ratio outside [0, 1) and for NaN.

    >>> kept_units([3.0, 1.0, 2.0, 5.0], prune_ratio=0.5)
    array([0, 3])
    """
    if not 0 <= prune_ratio < 1:
        raise ValueError(f"expected a prune_ratio in [0, 1), got {prune_ratio}")
    values = np.asarray(importance)
    if np.isnan(values).any():
        raise ValueError("expected an importance of each unit, got NaN")
    count = max(1, values.size - round(prune_ratio * values.size))
    return np.sort(np.argsort(-values, kind="stable")[:count])


def remove_neurons(first: Linear, second: Linear, kept: ArrayLike) -> None:
    """Take all neurons but the ``kept`` ones out of ``first`` and out of the input of ``second``.

    ``kept`` are their numbers (k,), in the order they shall have.
    Changes both layers in place: weights and bias become smaller tensors that require gradients,
    and ``first.out_features`` and ``second.in_features`` become k.

    >>> first, second = Linear(4, 3), Linear(3, 2)
    >>> remove_neurons(first, second, kept=[0, 2])
    >>> first, second
    (Linear(4, 2), Linear(2, 2))
    """
    places = np.asarray(kept)
    first.weight = Tensor(first.weight.data[:, places], requires_grad=True)
    if first.bias is not None:
        first.bias = Tensor(first.bias.data[places], requires_grad=True)
    second.weight = Tensor(second.weight.data[places], requires_grad=True)
    first.out_features = second.in_features = len(places)


def remove_units(first: Weighted, second: Weighted, kept: ArrayLike) -> None:
    """Take all units but the ``kept`` ones out of ``first`` and out of the input of ``second``.

    ``kept`` are the numbers (k,) of the units that stay, in the order they shall have.
    Changes both layers in place; their weights become smaller arrays.
    Raises ValueError for none kept, TypeError or IndexError for what are no numbers of units.

    >>> first, second = Linear(4, 3), Linear(3, 2)
    >>> remove_units(first, second, kept=[0, 2])
    >>> first, second
    (Linear(4, 2), Linear(2, 2))
    """
    places = np.asarray(kept)
    if places.ndim != 1 or places.size == 0:
        raise ValueError(f"expected the numbers of units to keep (k,), got shape {places.shape}")
    units = _checked_units(first, second)
    if places.dtype.kind not in "iu":
        raise TypeError(f"expected integers as numbers of units, got dtype {places.dtype}")
    if places.min() < -units or places.max() >= units:
        raise IndexError(f"expected numbers of units below {units}, got {places.max()}")
    if isinstance(first, Linear) and isinstance(second, Linear):
        remove_neurons(first, second, places)
    else:
        _keep_inputs(second, places, units)
        _keep_outputs(first, places)


def _checked_units(first: Weighted, second: Weighted) -> int:
    for layer in (first, second):
        if not isinstance(layer, Weighted):
            raise TypeError(f"expected a Linear or Conv2d, got {type(layer).__name__}")
    units = first.out_features if isinstance(first, Linear) else first.out_channels
    read = second.in_features if isinstance(second, Linear) else second.in_channels
    # After Flatten a Linear reads several elements of each filter.
    if read != units and (isinstance(second, Conv2d) or isinstance(first, Linear) or read % units):
        raise ValueError(f"expected a layer that reads {units} units, got {second!r}")
    return units


def hidden_pairs(module: Module) -> list[Pair]:
    """Return (layer, next layer) for each hidden layer directly below ``module``.

    >>> [pair[0] for pair in hidden_pairs(Sequential(Linear(4, 3), ReLU(), Linear(3, 2)))]
    [Linear(4, 3)]
    """
    pairs = _pairs_below(checked_module("module", module))
    known = type(module).forward is Sequential.forward or not pairs
    return pairs if known or _calls_in_order(module, pairs) else []


def _pairs_below(module: Module) -> list[Pair]:
    """Return the pairs if ``module`` calls the modules in its attributes one after the other."""
    children = module.layers if isinstance(module, Sequential) else vars(module).values()
    pairs: list[Pair] = []
    before: Weighted | None = None
    flattened = False
    for layer in _in_order(children):
        if isinstance(layer, Weighted):
            if before is not None and _reads_units(before, layer, flattened):
                pairs.append((before, layer))
            before, flattened = layer, False
        elif isinstance(layer, UNITWISE):
            flattened = flattened or isinstance(layer, Flatten)
        else:
            before = None
    return pairs


def _in_order(children: Iterable[Any]) -> Iterator[Module]:
    """Yield the modules among ``children``, those of a Sequential in its place."""
    for child in children:
        if isinstance(child, Sequential):
            yield from _in_order(child.layers)
        elif isinstance(child, Module):
            yield child


def _reads_units(first: Weighted, second: Weighted, flattened: bool) -> bool:
    """Return whether the input of ``second`` consists of the units of ``first``, one by one."""
    if isinstance(first, Conv2d):
        if isinstance(second, Conv2d):
            return second.in_channels == first.out_channels and not flattened
        return flattened and second.in_features % first.out_channels == 0
    return isinstance(second, Linear) and second.in_features == first.out_features


def _calls_in_order(module: Module, pairs: list[Pair]) -> bool:
    """Return whether taking out a unit does no more than cutting what it sends to the next layer.

    Only then does ``module`` use its layers in the order supposed; tried on copies and random
    inputs, with one unit of each pair.
    """
    first = pairs[0][0]
    if not isinstance(first, Linear):
        return False  # nothing says how large the images are
    probe = np.random.default_rng(0).normal(size=(PROBES, first.in_features))
    cut, smaller = copy.deepcopy(module).eval(), copy.deepcopy(module).eval()
    for cut_pair, small_pair in zip(_pairs_below(cut), _pairs_below(smaller), strict=True):
        units = len(weights_into_units(cut_pair[0]))
        if units > 1:
            _forget_first_unit(cut_pair[1], units)
            remove_units(*small_pair, np.arange(1, units))
    try:
        with no_grad():
            expected, found = cut(probe).data, smaller(probe).data
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError):
        return False  # it wants other inputs, or uses a layer elsewhere, too
    return expected.shape == found.shape and np.allclose(expected, found, rtol=1e-4, atol=1e-5)


def _forget_first_unit(layer: Weighted, units: int) -> None:
    weight = layer.weight.data
    if isinstance(layer, Linear):
        weight.reshape(units, -1)[0] = 0
    else:
        weight[:, 0] = 0


def _keep_outputs(layer: Weighted, kept: Array) -> None:
    if isinstance(layer, Linear):
        layer.weight = Tensor(layer.weight.data[:, kept], requires_grad=True)
        layer.out_features = len(kept)
    else:
        layer.weight = Tensor(layer.weight.data[kept], requires_grad=True)
        layer.out_channels = len(kept)
    if layer.bias is not None:
        layer.bias = Tensor(layer.bias.data[kept], requires_grad=True)


def _keep_inputs(layer: Weighted, kept: Array, units: int) -> None:
    if isinstance(layer, Linear):
        blocks = layer.weight.data.reshape(units, -1, layer.out_features)[kept]
        layer.weight = Tensor(blocks.reshape(-1, layer.out_features), requires_grad=True)
        layer.in_features = layer.weight.shape[0]
    else:
        layer.weight = Tensor(layer.weight.data[:, kept], requires_grad=True)
        layer.in_channels = len(kept)
