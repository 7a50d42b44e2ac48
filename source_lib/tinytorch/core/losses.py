"""Losses, with their gradients written down directly: cross entropy and mean squared error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.activations import log_softmax_array
from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_indices
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


def cross_entropy(logits: Tensor | ArrayLike, labels: ArrayLike) -> Tensor:
    """Return the mean of -log softmax(logits)[label] over the batch, a tensor without axes.

    ``logits`` is (N, C), ``labels`` is (N,) of integers in [0, C); of a language model they are
    (B, T, C) and (B, T), and the mean is over all B T positions.
    The gradient in the logits is (softmax - onehot) / N (Bishop 2006, Pattern Recognition and
    Machine Learning, equation 4.109).
    Raises ValueError for wrong shapes, an empty batch or a label out of range, TypeError for
    labels that are no integers.

    >>> round(cross_entropy([[0.0, 0.0]], [1]).item(), 6)
    0.693147
    """
    logits = as_tensor(logits)
    targets = _checked_labels(logits, labels)  # (N,)
    rows = np.arange(len(targets))  # (N,)
    log_p = log_softmax_array(logits.data.reshape(len(rows), -1))  # (N, C)
    out = wrap(-log_p[rows, targets].mean())
    if needs_grad(logits):

        def backward(grad: Array) -> tuple[Array]:
            difference = np.exp(log_p)  # (N, C)
            difference[rows, targets] -= 1
            difference *= grad / len(targets)
            return (difference.reshape(logits.shape),)

        out.record((logits,), backward)
    return out


def mse_loss(prediction: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
    """Return the mean of (prediction - target)^2 over all elements, a tensor without axes.

    Both have the same shape, since broadcasting (N,) against (N, 1) would average N^2 differences.
    Raises ValueError for shapes that differ or are empty.

    >>> mse_loss([1.0, 2.0], [1.0, 4.0]).item()
    2.0
    """
    prediction, target = as_tensor(prediction), as_tensor(target)
    if prediction.shape != target.shape or prediction.size == 0:
        found = f"{prediction.shape} and {target.shape}"
        raise ValueError(f"expected prediction and target of one shape, not empty, got {found}")
    difference = prediction.data - target.data
    out = wrap(np.square(difference).mean())
    if needs_grad(prediction, target):

        def backward(grad: Array) -> tuple[Array, Array]:
            slope = difference * (grad * (2 / difference.size))
            return slope, -slope

        out.record((prediction, target), backward)
    return out


def _checked_labels(logits: Tensor, labels: ArrayLike) -> Array:
    """Return the labels as an integer array (N,) that fits the logits (N, C) or (B, T, C)."""
    if logits.ndim not in (2, 3) or logits.size == 0:
        raise ValueError(
            f"expected logits of shape (N, C), not empty, or (B, T, C), got {logits.shape}"
        )
    targets = checked_indices("labels", labels, logits.shape[-1])
    if targets.shape != logits.shape[:-1]:
        raise ValueError(f"expected labels of shape {logits.shape[:-1]}, got {targets.shape}")
    return targets.reshape(-1)


class CrossEntropyLoss(Module):
    """The layer of ``cross_entropy``.

    >>> round(CrossEntropyLoss()([[0.0, 0.0]], [1]).item(), 6)
    0.693147
    """

    def forward(self, logits: Tensor | ArrayLike, labels: ArrayLike) -> Tensor:
        """Return the mean loss of logits (N, C) or (B, T, C) and labels (N,) or (B, T)."""
        return cross_entropy(logits, labels)

    def __repr__(self) -> str:
        return "CrossEntropyLoss()"


class MSELoss(Module):
    """The layer of ``mse_loss``.

    >>> MSELoss()([1.0, 2.0], [1.0, 4.0]).item()
    2.0
    """

    def forward(self, prediction: Tensor | ArrayLike, target: Tensor | ArrayLike) -> Tensor:
        """Return the mean squared difference of two arrays of one shape."""
        return mse_loss(prediction, target)

    def __repr__(self) -> str:
        return "MSELoss()"
