"""The layers of a multilayer perceptron: ``Linear`` and ``Sequential``."""

from __future__ import annotations

import numbers
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.init import kaiming_uniform
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor


class Linear(Module):
    """The affine map x W + b: (..., in_features) -> (..., out_features).

    ``weight`` has shape (in_features, out_features), so that no transpose is needed;
    ``bias`` has shape (out_features,), starts at zero, and is None when ``bias=False``.
    Raises TypeError or ValueError for sizes that are no positive integers, and ValueError for
    an input whose last axis is not in_features.

    >>> layer = Linear(4, 2)
    >>> layer(np.ones((3, 4))).shape, layer.count_parameters()
    ((3, 2), 10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.in_features = _checked_size("in_features", in_features)
        self.out_features = _checked_size("out_features", out_features)
        shape = (self.in_features, self.out_features)
        self.weight = Tensor(kaiming_uniform(shape, self.in_features, rng), requires_grad=True)
        self.bias = Tensor(np.zeros(self.out_features), requires_grad=True) if bias else None

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x W + b: (..., in_features) -> (..., out_features)."""
        x = as_tensor(x)
        shape = x.data.shape
        if not shape or shape[-1] != self.in_features:
            raise ValueError(f"expected input of shape (..., {self.in_features}), got {shape}")
        out = x @ self.weight  # (..., out_features)
        return out if self.bias is None else out + self.bias

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return f"Linear({self.in_features}, {self.out_features}{bias})"


class Sequential(Module):
    """Layers applied one after the other; ``layers`` is a list that may be edited.

    Raises TypeError for a layer that is no Module.

    >>> Sequential(Linear(4, 3), Linear(3, 2))(np.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(self, *layers: Module) -> None:
        for position, layer in enumerate(layers):
            if not isinstance(layer, Module):
                kind = type(layer).__name__
                raise TypeError(f"expected a Module as layer {position}, got {kind}")
        self.layers = list(layers)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the output of the last layer."""
        out = as_tensor(x)
        for layer in self.layers:
            out = layer(out)
        return out

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, position: int) -> Module:
        return self.layers[position]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


def _checked_size(name: str, size: int) -> int:
    if isinstance(size, bool) or not isinstance(size, numbers.Integral):
        raise TypeError(f"expected an integer {name}, got {type(size).__name__}")
    if size < 1:
        raise ValueError(f"expected {name} of at least 1, got {size}")
    return int(size)
