"""Activations: ReLU and a softmax that cannot overflow, as functions and as layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


def relu(x: Tensor | ArrayLike) -> Tensor:
    """Return max(x, 0) of each element, in the shape of ``x``; the gradient at 0 is 0.

    >>> relu([-1.0, 2.0]).numpy()
    array([0., 2.], dtype=float32)
    """
    return as_tensor(x).relu()


def softmax(x: Tensor | ArrayLike, axis: int = -1) -> Tensor:
    """Return exp(x) / sum(exp(x)) along ``axis``, in the shape of ``x``.

    The largest element is subtracted first: it cancels in the fraction, and exp stays at most 1
    (Goodfellow, Bengio, Courville 2016, Deep Learning, section 4.1).
    An element of -inf gets probability 0; a slice of nothing but -inf gives NaN.
    Raises numpy.exceptions.AxisError (a ValueError) for an axis that ``x`` does not have.

    >>> softmax([1000.0, 1000.0]).numpy()
    array([0.5, 0.5], dtype=float32)
    """
    x = as_tensor(x)
    p = np.exp(x.data - x.data.max(axis=axis, keepdims=True))
    p /= p.sum(axis=axis, keepdims=True)
    out = wrap(p)
    if needs_grad(x):

        def backward(grad: Array) -> tuple[Array]:
            weighted = grad * p
            return (weighted - p * weighted.sum(axis=axis, keepdims=True),)

        out.record((x,), backward)
    return out


def log_softmax(x: Tensor | ArrayLike, axis: int = -1) -> Tensor:
    """Return x - log(sum(exp(x))) along ``axis``, in the shape of ``x``.

    Exact where the logarithm of ``softmax`` would be -inf, since no small number is rounded to 0.
    Raises numpy.exceptions.AxisError (a ValueError) for an axis that ``x`` does not have.

    >>> log_softmax([0.0, -200.0]).numpy()
    array([   0., -200.], dtype=float32)
    """
    x = as_tensor(x)
    log_p = log_softmax_array(x.data, axis)
    out = wrap(log_p)
    if needs_grad(x):
        out.record((x,), lambda grad: (grad - np.exp(log_p) * grad.sum(axis=axis, keepdims=True),))
    return out


def log_softmax_array(x: Array, axis: int = -1) -> Array:
    """Return the log-softmax of a plain array, for losses that bring their own gradient.

    >>> log_softmax_array(np.zeros(1))
    array([0.])
    """
    shifted: Array = x - x.max(axis=axis, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted


class ReLU(Module):
    """The layer of ``relu``.

    >>> ReLU()(Tensor([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return max(x, 0), in the shape of ``x``."""
        return as_tensor(x).relu()

    def __repr__(self) -> str:
        return "ReLU()"


class Softmax(Module):
    """The layer of ``softmax`` along ``axis``.

    >>> Softmax()(Tensor([[1.0, 1.0]])).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return probabilities along the axis, in the shape of ``x``."""
        return softmax(x, self.axis)

    def __repr__(self) -> str:
        return f"Softmax(axis={self.axis})"
