"""Cross entropy between logits and class labels, with its gradient written down directly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.activations import log_softmax_array
from tinytorch.core.autograd import Array
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


def cross_entropy(logits: Tensor | ArrayLike, labels: ArrayLike) -> Tensor:
    """Return the mean over the batch of -log softmax(logits)[label], a tensor without axes.

    ``logits`` is (N, C), ``labels`` is (N,) of integers in [0, C).
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
    log_p = log_softmax_array(logits.data)  # (N, C)
    out = wrap(-log_p[rows, targets].mean())
    if needs_grad(logits):

        def backward(grad: Array) -> tuple[Array]:
            difference = np.exp(log_p)  # (N, C)
            difference[rows, targets] -= 1
            difference *= grad / len(targets)
            return (difference,)

        out.record((logits,), backward)
    return out


def _checked_labels(logits: Tensor, labels: ArrayLike) -> Array:
    """Return the labels as an integer array (N,) that fits the logits (N, C)."""
    if logits.ndim != 2 or logits.size == 0:
        raise ValueError(f"expected logits of shape (N, C), not empty, got {logits.shape}")
    targets = np.asarray(labels)
    if targets.dtype.kind not in "iu":
        raise TypeError(f"expected integer labels, got dtype {targets.dtype}")
    N, C = logits.shape
    if targets.shape != (N,):
        raise ValueError(f"expected labels of shape ({N},), got {targets.shape}")
    low, high = targets.min(), targets.max()
    if low < 0 or high >= C:
        raise ValueError(f"expected labels from 0 to {C - 1}, got {low if low < 0 else high}")
    return targets


class CrossEntropyLoss(Module):
    """The layer of ``cross_entropy``.

    >>> round(CrossEntropyLoss()([[0.0, 0.0]], [1]).item(), 6)
    0.693147
    """

    def forward(self, logits: Tensor | ArrayLike, labels: ArrayLike) -> Tensor:
        """Return the mean loss of logits (N, C) and labels (N,)."""
        return cross_entropy(logits, labels)

    def __repr__(self) -> str:
        return "CrossEntropyLoss()"
