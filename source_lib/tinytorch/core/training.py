"""Training by cross entropy: shuffled mini-batches, one optimiser step per batch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.data import DataLoader, TensorDataset
from tinytorch.core.losses import cross_entropy
from tinytorch.core.module import Module, checked_module
from tinytorch.core.optimizers import Adam, Optimizer
from tinytorch.core.tensor import Tensor, as_float32

DEFAULT_LR = 3e-3


def train(
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
    For a language model both are integers (N, T), ``y`` the token that follows each of ``X``; the
    model maps (B, T) to logits (B, T, C).
    Without an ``optimizer`` Adam is used with ``lr`` (3e-3 by default).
    ``seed`` fixes the order of the batches, so equal weights and seed give equal results.
    Raises TypeError for a model that is no Module, ValueError for lengths that differ or are 0, NaN
    in ``X``, counts below 1 and ``lr`` given beside an optimizer, FloatingPointError when the loss
    becomes NaN or infinite.

    >>> from tinytorch.core.layers import Linear
    >>> X, y = np.eye(4), np.arange(4)
    >>> losses = train(Linear(4, 4), X, y, epochs=20, lr=0.1)
    >>> len(losses), losses[-1] < losses[0]
    (20, True)
    """
    checked_module("model", model)
    data = _checked_data(X, y)
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"expected epochs and batch_size from 1, got {epochs} and {batch_size}")
    if optimizer is None:
        optimizer = Adam(model.parameters(), DEFAULT_LR if lr is None else lr)
    elif lr is not None:
        raise ValueError("expected either lr or an optimizer, which has its own, got both")
    loader = DataLoader(data, batch_size, shuffle=True, seed=seed)
    was_training = model.training
    losses: list[float] = []
    model.train()
    try:
        for epoch in range(epochs):
            loss = _run_epoch(model, loader, optimizer)
            if not math.isfinite(loss):
                message = f"loss became {loss} in epoch {epoch}; check the data or lower lr"
                raise FloatingPointError(message)
            losses.append(loss)
    finally:
        model.train(was_training)
    return losses


def _run_epoch(model: Module, loader: DataLoader, optimizer: Optimizer) -> float:
    """Take one step per batch and return the mean loss over all samples."""
    total, count = 0.0, 0
    for inputs, labels in loader:
        optimizer.zero_grad()
        tokens = inputs.dtype != np.float32
        loss = cross_entropy(model(inputs if tokens else Tensor(inputs)), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(inputs)  # the last batch may be smaller
        count += len(inputs)
    return total / count


def _checked_data(X: ArrayLike, y: ArrayLike) -> TensorDataset:
    """Return the samples, the inputs as float32 unless they are the tokens of a language model."""
    labels = np.asarray(y)
    inputs = np.asarray(X) if labels.ndim == 2 else as_float32(X)
    if labels.ndim == 2:
        fits = inputs.shape == labels.shape and inputs.dtype.kind in "iu"
    else:
        fits = inputs.ndim > 0 and labels.shape == inputs.shape[:1]
    if not fits or len(inputs) == 0:
        wanted = "X (N, ...) and y (N,), or integers (N, T) for both"
        raise ValueError(f"expected {wanted}, got {inputs.shape} and {labels.shape}")
    if inputs.dtype == np.float32 and np.isnan(inputs).any():
        raise ValueError("expected X without NaN, which would make every weight NaN")
    return TensorDataset(inputs, labels)
