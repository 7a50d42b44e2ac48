"""Training after pruning, in which what was pruned stays pruned."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.conv import Conv2d
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module, checked_module
from tinytorch.core.optimizers import Adam, Optimizer
from tinytorch.core.training import DEFAULT_LR, train


class KeepZeros(Optimizer):
    """The steps of ``optimizer``, after each of which the weights that were 0 are 0 again.

    Which ones is read off the Linear and Conv2d layers of ``model`` once, here, so that no layer
    has to keep a mask.
    Raises TypeError for an optimizer that is none.

    >>> from tinytorch.core.optimizers import SGD
    >>> layer = Linear(2, 1)
    >>> layer.weight.data[:] = [[0.0], [1.0]]
    >>> optimizer = KeepZeros(SGD(layer.parameters(), lr=0.25), layer)
    >>> layer(np.ones((1, 2))).backward()
    >>> optimizer.step()
    >>> layer.weight.numpy().ravel()
    array([0.  , 0.75], dtype=float32)
    """

    def __init__(self, optimizer: Optimizer, model: Module) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"expected an Optimizer, got {type(optimizer).__name__}")
        super().__init__(optimizer.parameters, optimizer.lr)
        self.optimizer = optimizer
        weights = [m.weight for m in model.modules() if isinstance(m, Linear | Conv2d)]
        self.zeros = [(weight, weight.data == 0) for weight in weights]

    def step(self) -> None:
        """Update every parameter that has a gradient, and set what was 0 to 0."""
        self.optimizer.step()
        for weight, mask in self.zeros:
            np.copyto(weight.data, 0, where=mask)


def fine_tune(
    model: Module,
    X: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int,
    batch_size: int = 32,
    lr: float = DEFAULT_LR,
    seed: int = 0,
) -> list[float]:
    """Train a pruned ``model`` in place, its zeros staying 0; return the mean loss of each epoch.

    Arguments and errors are those of ``tinytorch.core.training.train``.
    """
    checked_module("model", model)
    optimizer = KeepZeros(Adam(model.parameters(), lr), model)
    return train(model, X, y, epochs=epochs, batch_size=batch_size, seed=seed, optimizer=optimizer)
