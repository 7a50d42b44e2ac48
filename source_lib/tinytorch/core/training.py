"""Training a classifier: shuffled mini-batches, cross entropy, one optimiser step per batch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.losses import cross_entropy
from tinytorch.core.module import Module
from tinytorch.core.optimizers import Adam, Optimizer
from tinytorch.core.tensor import Tensor, as_float32

DEFAULT_LR = 3e-3


def fit(
    model: Module,
    X: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int,
    batch_size: int = 32,
    lr: float | None = None,
    seed: int = 0,
    optimizer: Optimizer | None = None,
) -> list[float]:
    """Train ``model`` in place and return the mean training loss of each epoch.

    ``X`` is (N, ...), ``y`` is (N,) of integer labels; the model maps (B, ...) to logits (B, C).
    Without an ``optimizer`` Adam is used with ``lr`` (3e-3 by default).
    ``seed`` fixes the order of the batches, so equal weights and seed give equal results.
    Raises ValueError for lengths that differ or are 0, for counts below 1 and for ``lr`` given
    beside an optimizer, FloatingPointError when the loss becomes NaN or infinite.

    >>> from tinytorch.core.layers import Linear
    >>> X, y = np.eye(4), np.arange(4)
    >>> losses = fit(Linear(4, 4), X, y, epochs=20, lr=0.1)
    >>> len(losses), losses[-1] < losses[0]
    (20, True)
    """
    inputs, labels = as_float32(X), np.asarray(y)
    _check_arguments(inputs.shape, labels.shape, epochs, batch_size)
    if optimizer is None:
        optimizer = Adam(model.parameters(), DEFAULT_LR if lr is None else lr)
    elif lr is not None:
        raise ValueError("expected either lr or an optimizer, which has its own, got both")
    rng = np.random.default_rng(seed)
    was_training = model.training
    losses: list[float] = []
    model.train()
    try:
        for epoch in range(epochs):
            order = rng.permutation(len(inputs))  # (N,)
            loss = _run_epoch(model, inputs, labels, order, batch_size, optimizer)
            if not math.isfinite(loss):
                message = f"loss became {loss} in epoch {epoch}; check the data or lower lr"
                raise FloatingPointError(message)
            losses.append(loss)
    finally:
        model.train(was_training)
    return losses


def _run_epoch(
    model: Module,
    inputs: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    batch_size: int,
    optimizer: Optimizer,
) -> float:
    """Take one step per batch and return the mean loss over all samples."""
    total = 0.0
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]  # (B,)
        optimizer.zero_grad()
        loss = cross_entropy(model(Tensor(inputs[batch])), labels[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)  # the last batch may be smaller
    return total / len(order)


def _check_arguments(
    inputs_shape: tuple[int, ...], labels_shape: tuple[int, ...], epochs: int, batch_size: int
) -> None:
    if not inputs_shape or labels_shape != inputs_shape[:1] or inputs_shape[0] == 0:
        raise ValueError(f"expected X (N, ...) and y (N,), got {inputs_shape} and {labels_shape}")
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"expected epochs and batch_size from 1, got {epochs} and {batch_size}")
