"""Gradients of the operations of ``Tensor`` whose rule takes more than a line.

Each function returns the backward function of one operation: it takes the gradient of the result
and returns a gradient per operand, None for an operand that needs none.
Results are left in broadcast shape, ``autograd.unbroadcast`` sums them.
Source of the rules: Petersen and Pedersen, The Matrix Cookbook, 2012, chapter 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.core.autograd import Array, BackwardFunction

if TYPE_CHECKING:
    from tinytorch.core.tensor import Axis, Tensor


def of_multiply(a: Tensor, b: Tensor) -> BackwardFunction:
    """Return the rule of a * b: (g b, g a)."""

    def backward(grad: Array) -> tuple[Array | None, ...]:
        return (
            grad * b.data if a.requires_grad else None,
            grad * a.data if b.requires_grad else None,
        )

    return backward


def of_divide(a: Tensor, b: Tensor, quotient: Array) -> BackwardFunction:
    """Return the rule of a / b: (g / b, -g (a / b) / b)."""

    def backward(grad: Array) -> tuple[Array | None, ...]:
        grad_a = grad / b.data
        return grad_a, -grad_a * quotient if b.requires_grad else None

    return backward


def of_power(a: Tensor, b: Tensor, exponent: Any, power: Array) -> BackwardFunction:
    """Return the rule of a ** b: (g b a^(b-1), g a^b log a).

    ``exponent`` is ``b`` as a Python number where ``b`` has no axes.
    At the two edges where the formula is 0 times infinity (b = 0, and a = 0 with b >= 0) the
    derivative is 0, as in PyTorch.
    """

    def backward(grad: Array) -> tuple[Array | None, ...]:
        grad_a = grad_b = None
        with np.errstate(divide="ignore", invalid="ignore"):
            if a.requires_grad:
                grad_a = np.where(b.data == 0, 0, grad * exponent * a.data ** (exponent - 1))
            if b.requires_grad:
                flat = (a.data == 0) & (b.data >= 0)
                grad_b = np.where(flat, 0, grad * power * np.log(a.data))
        return grad_a, grad_b

    return backward


def of_matmul(a: Tensor, b: Tensor) -> BackwardFunction:
    """Return the rule of A @ B: (G B^T, A^T G), a vector counting as one row or one column."""

    def backward(grad: Array) -> tuple[Array | None, ...]:
        A = a.data if a.ndim > 1 else a.data[np.newaxis, :]  # (..., n, k)
        B = b.data if b.ndim > 1 else b.data[:, np.newaxis]  # (..., k, m)
        G = grad if a.ndim > 1 else np.expand_dims(grad, -2 if b.ndim > 1 else -1)
        G = G if b.ndim > 1 else np.expand_dims(G, -1)  # (..., n, m)
        grad_a = grad_b = None
        if a.requires_grad:
            grad_a = G @ B.swapaxes(-1, -2)  # (..., n, k)
        if b.requires_grad:
            if A.ndim > 2 and B.ndim == 2:
                # One product over all rows, instead of one per batch entry and a sum.
                A, G = A.reshape(-1, A.shape[-1]), G.reshape(-1, G.shape[-1])
            grad_b = A.swapaxes(-1, -2) @ G  # (..., k, m)
            grad_b = grad_b if b.ndim > 1 else grad_b[..., 0]
        return grad_a, grad_b

    return backward


def of_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> BackwardFunction:
    """Return the rule of x W + b over the last axis: (G W^T, x^T G, sum of G over the rows)."""

    def backward(grad: Array) -> tuple[Array | None, ...]:
        G = grad.reshape(-1, grad.shape[-1])  # (N, out_features)
        grad_x = grad_weight = None
        if x.requires_grad:
            grad_x = (G @ weight.data.T).reshape(x.data.shape)
        if weight.requires_grad:
            grad_weight = x.data.reshape(-1, x.data.shape[-1]).T @ G
        if bias is None:
            return grad_x, grad_weight
        return grad_x, grad_weight, G.sum(axis=0) if bias.requires_grad else None

    return backward


def of_sum(shape: tuple[int, ...], axis: Axis, keepdims: bool) -> BackwardFunction:
    """Return the rule of a sum over ``axis``: every summand receives the gradient of its sum."""

    def backward(grad: Array) -> tuple[Array]:
        return (np.broadcast_to(_with_axes(grad, axis, keepdims), shape),)

    return backward


def of_max(data: Array, axis: Axis, keepdims: bool) -> BackwardFunction:
    """Return the rule of a maximum over ``axis``: the places that attain it share the gradient."""

    def backward(grad: Array) -> tuple[Array]:
        attained = data == data.max(axis=axis, keepdims=True)
        ties = attained.sum(axis=axis, keepdims=True, dtype=data.dtype)
        return (attained * (_with_axes(grad, axis, keepdims) / ties),)

    return backward


def of_transpose(ndim: int, axes: tuple[Any, ...]) -> BackwardFunction:
    """Return the rule of a permutation of axes: the inverse permutation of the gradient."""
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    if not order:
        return lambda grad: (grad.transpose(),)
    inverse = np.argsort([axis % ndim for axis in order])
    return lambda grad: (grad.transpose(inverse),)


def of_getitem(shape: tuple[int, ...], index: Any) -> BackwardFunction:
    """Return the rule of indexing: zeros, with the gradient added at the places that were read."""

    def backward(grad: Array) -> tuple[Array]:
        full = np.zeros(shape, dtype=grad.dtype)
        if _reads_each_place_once(index):
            full[index] = grad
        else:
            np.add.at(full, index, grad)
        return (full,)

    return backward


def _with_axes(grad: Array, axis: Axis, keepdims: bool) -> Array:
    """Give the gradient of a reduction back the axes of length 1 that the reduction dropped."""
    return grad if keepdims or axis is None else np.expand_dims(grad, axis)


def _reads_each_place_once(index: Any) -> bool:
    """Return whether ``index`` is basic indexing, which cannot repeat a place; it is far faster."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or isinstance(part, int | np.integer | slice)
        for part in parts
    )
