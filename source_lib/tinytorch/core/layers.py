"""The layers of a multilayer perceptron: ``Linear`` and ``Sequential``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core import gradients
from tinytorch.core.checks import checked_size
from tinytorch.core.dropout import Dropout as Dropout
from tinytorch.core.init import kaiming_uniform
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


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
        self.in_features = checked_size("in_features", in_features)
        self.out_features = checked_size("out_features", out_features)
        shape = (self.in_features, self.out_features)
        self.weight = Tensor(kaiming_uniform(shape, self.in_features, rng), requires_grad=True)
        self.bias = Tensor(np.zeros(self.out_features), requires_grad=True) if bias else None

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x W + b: (..., in_features) -> (..., out_features)."""
        x, weight, bias = as_tensor(x), self.weight, self.bias
        shape = x.data.shape
        if not shape or shape[-1] != self.in_features:
            raise ValueError(f"expected input of shape (..., {self.in_features}), got {shape}")
        # One product over all rows, since NumPy would make one per entry of the leading axes.
        rows = x.data if len(shape) == 2 else x.data.reshape(-1, shape[-1])  # (N, in_features)
        product = rows @ weight.data  # (N, out_features)
        if bias is not None:
            product += bias.data
        if len(shape) != 2:
            product = product.reshape(*shape[:-1], product.shape[1])  # (..., out_features)
        out = wrap(product)
        operands = (x, weight) if bias is None else (x, weight, bias)
        if needs_grad(*operands):
            out.record(operands, gradients.of_linear(x, weight, bias))
        return out

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
        """Return the output of the last layer; the first gets ``x`` as it is, be it tokens."""
        out: Any = x
        for layer in self.layers:
            out = layer(out)
        return as_tensor(out)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, position: int) -> Module:
        return self.layers[position]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"
