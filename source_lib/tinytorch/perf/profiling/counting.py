"""How many numbers a model has learned, as a whole and layer by layer."""

from __future__ import annotations

from tinytorch.core.module import Module


def count_parameters(model: Module) -> int:
    """Return the number of trained numbers of a model, shared ones counted once.

    >>> from tinytorch.core.layers import Linear
    >>> count_parameters(Linear(3, 2))
    8
    """
    return sum(parameter.data.size for parameter in model.parameters())


def own_parameters(layer: Module) -> int:
    """Return the number of parameters that a layer holds itself, those of layers below it aside.

    >>> from tinytorch.core.layers import Linear, Sequential
    >>> own_parameters(Sequential(Linear(2, 2))), own_parameters(Linear(2, 2))
    (0, 6)
    """
    below = {id(p) for inner in layer.modules()[1:] for p in inner.parameters()}
    return sum(p.data.size for p in layer.parameters() if id(p) not in below)
