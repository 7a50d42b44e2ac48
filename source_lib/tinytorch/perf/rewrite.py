"""Copies of a model in which some layers are replaced, the model itself left as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor

# Takes the dotted name of a module and the module; returns what takes its place, or itself.
Convert = Callable[[str, Module], Module]


def replace_layers(model: Module, convert: Convert) -> Module:
    """Return a deep copy of ``model`` in which ``convert(name, module)`` stands for each module.

    Modules are visited from the root (named "") down, and what is below one that was replaced is
    not visited.
    A module that is there twice is converted once, so that what was shared stays shared.
    Raises TypeError for what is no Module.

    >>> from tinytorch.core.activations import ReLU, Softmax
    >>> from tinytorch.core.layers import Sequential
    >>> model = Sequential(ReLU(), Softmax())
    >>> replace_layers(model, lambda name, m: ReLU() if isinstance(m, Softmax) else m)
    Sequential(ReLU(), ReLU())
    """
    if not isinstance(model, Module):
        raise TypeError(f"expected a Module, got {type(model).__name__}")
    # The modules stay in it, so that no id is given to another object meanwhile.
    done: dict[int, tuple[Module, Module]] = {}

    def visit(name: str, module: Module) -> Module:
        if id(module) not in done:
            replacement = convert(name, module)
            done[id(module)] = module, replacement
            if replacement is module:
                prefix = f"{name}." if name else ""
                for key, value in vars(module).items():
                    vars(module)[key] = inside(prefix + key, value)
        return done[id(module)][1]

    def inside(name: str, value: Any) -> Any:
        if isinstance(value, Module):
            return visit(name, value)
        if isinstance(value, list):
            value[:] = [inside(f"{name}.{i}", item) for i, item in enumerate(value)]
        elif isinstance(value, dict):
            for key in value:
                value[key] = inside(f"{name}.{key}", value[key])
        elif type(value) is tuple:
            return tuple(inside(f"{name}.{i}", item) for i, item in enumerate(value))
        return value

    return visit("", copy.deepcopy(model))


def copy_with_layers(
    model: Module, kinds: tuple[type[Module], ...], skip: Sequence[str] = ()
) -> tuple[Module, dict[str, Any]]:
    """Return a deep copy of ``model``, and its layers of the given kinds by their dotted names.

    ``skip`` holds names to leave out.
    Raises TypeError for what is no Module, ValueError for a name in ``skip`` that is no such layer
    and for a model without any.

    >>> from tinytorch.core.layers import Linear, Sequential
    >>> copied, layers = copy_with_layers(Sequential(Linear(3, 2), Linear(2, 1)), (Linear,))
    >>> layers["layers.1"] is copied[1]
    True
    """
    layers: dict[str, Any] = {}

    def collect(name: str, module: Module) -> Module:
        if isinstance(module, kinds):
            layers[name] = module
        return module

    copied = replace_layers(model, collect)
    expected = " or ".join(kind.__name__ for kind in kinds)
    unknown = sorted(set(skip) - layers.keys())
    if unknown:
        raise ValueError(f"expected names of {expected} layers to skip, got {unknown}")
    for name in skip:
        del layers[name]
    if not layers:
        raise ValueError(f"expected a model with a {expected} layer, got one without")
    return copied, layers


def copied_bias(layer: Any) -> Tensor | None:
    """Return a bias of its own with the values of ``layer.bias``, or None if it has none.

    >>> from tinytorch.core.layers import Linear
    >>> copied_bias(Linear(3, 2, bias=False)) is None
    True
    """
    bias: Tensor | None = layer.bias
    return None if bias is None else Tensor(bias.data.copy(), bias.requires_grad)
