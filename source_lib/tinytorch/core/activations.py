"""Activations as functions and as layers: ReLU, GELU, sigmoid, tanh, and a stable softmax."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core import special
from tinytorch.core.autograd import Array
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap

Approximation = Literal["none", "tanh"]


def relu(x: Tensor | ArrayLike) -> Tensor:
    """Return max(x, 0) of each element, in the shape of ``x``; the gradient at 0 is 0.

    >>> relu([-1.0, 2.0]).numpy()
    array([0., 2.], dtype=float32)
    """
    return as_tensor(x).relu()


def gelu(x: Tensor | ArrayLike, approximate: Approximation = "none") -> Tensor:
    """Return x P(N <= x) for a standard normal N, elementwise, in the shape of ``x``.

    ``approximate="tanh"`` is the cheaper formula with which GPT-2 was trained, within 5e-4.
    Source: Hendrycks and Gimpel 2016, Gaussian Error Linear Units, section 2.
    Raises ValueError for another ``approximate``.

    >>> gelu([-1.0, 0.0, 1.0]).numpy().round(4)
    array([-0.1587,  0.    ,  0.8413], dtype=float32)
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'expected approximate "none" or "tanh", got {approximate!r}')
    x = as_tensor(x)
    data = x.data
    exact = approximate == "none"
    cdf = special.normal_cdf(data, special.EXACT if exact else special.TANH)
    out = wrap(data * cdf)
    if needs_grad(x):

        def backward(grad: Array) -> tuple[Array]:
            if exact:
                density = np.exp(-0.5 * data * data) * ((2 * np.pi) ** -0.5)
            else:
                a, b = special.TANH
                density = 2 * cdf * (1 - cdf) * (a + 3 * b * data * data)
            return (grad * (cdf + data * density),)

        out.record((x,), backward)
    return out


def sigmoid(x: Tensor | ArrayLike) -> Tensor:
    """Return 1 / (1 + exp(-x)) of each element, in the shape of ``x``.

    Only exp(-|x|) is computed, which cannot overflow.

    >>> sigmoid([-1000.0, 0.0, 1000.0]).numpy()
    array([0. , 0.5, 1. ], dtype=float32)
    """
    x = as_tensor(x)
    small = np.exp(-np.abs(x.data))
    p = np.where(x.data >= 0, 1, small) / (1 + small)
    out = wrap(p)
    if needs_grad(x):
        out.record((x,), lambda grad: (grad * p * (1 - p),))
    return out


def tanh(x: Tensor | ArrayLike) -> Tensor:
    """Return the hyperbolic tangent of each element, in the shape of ``x``.

    >>> tanh([-1000.0, 0.0, 1000.0]).numpy()
    array([-1.,  0.,  1.], dtype=float32)
    """
    x = as_tensor(x)
    t = np.tanh(x.data)
    out = wrap(t)
    if needs_grad(x):
        out.record((x,), lambda grad: (grad * (1 - t * t),))
    return out


def softmax(x: Tensor | ArrayLike, axis: int = -1) -> Tensor:
    """Return exp(x) / sum(exp(x)) along ``axis``, in the shape of ``x``.

    The largest element is subtracted first: it cancels in the fraction, and exp stays at most 1
    (Goodfellow, Bengio, Courville 2016, Deep Learning, section 4.1).
    An element of -inf gets probability 0; a slice of nothing but -inf gives NaN.
    Raises ValueError for an axis that ``x`` does not have.

    >>> softmax([1000.0, 1000.0]).numpy()
    array([0.5, 0.5], dtype=float32)
    """
    x = as_tensor(x)
    _check_axis(x, axis)
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
    Raises ValueError for an axis that ``x`` does not have.

    >>> log_softmax([0.0, -200.0]).numpy()
    array([   0., -200.], dtype=float32)
    """
    x = as_tensor(x)
    _check_axis(x, axis)
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


def _check_axis(x: Tensor, axis: int) -> None:
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"expected an axis of shape {x.shape}, got {axis}")


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


class GELU(Module):
    """The layer of ``gelu``.

    >>> GELU(approximate="tanh")(Tensor([1.0])).numpy().round(4)
    array([0.8412], dtype=float32)
    """

    def __init__(self, approximate: Approximation = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f'expected approximate "none" or "tanh", got {approximate!r}')
        self.approximate: Approximation = approximate

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x P(N <= x), in the shape of ``x``."""
        return gelu(x, self.approximate)

    def __repr__(self) -> str:
        return f"GELU(approximate={self.approximate!r})"


class Sigmoid(Module):
    """The layer of ``sigmoid``.

    >>> Sigmoid()(Tensor([0.0])).numpy()
    array([0.5], dtype=float32)
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return 1 / (1 + exp(-x)), in the shape of ``x``."""
        return sigmoid(x)

    def __repr__(self) -> str:
        return "Sigmoid()"


class Tanh(Module):
    """The layer of ``tanh``.

    >>> Tanh()(Tensor([0.0])).numpy()
    array([0.], dtype=float32)
    """

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the hyperbolic tangent, in the shape of ``x``."""
        return tanh(x)

    def __repr__(self) -> str:
        return "Tanh()"


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
