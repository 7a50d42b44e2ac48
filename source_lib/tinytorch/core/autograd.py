"""Reverse-mode automatic differentiation over a recorded graph of tensors.

Every recorded tensor is a ``Node``: it knows its parents and a backward function, which turns the
gradient of the loss in that tensor into one gradient per parent (the vector-Jacobian product).
``run_backward`` walks the graph from the loss to the leaves and adds up what arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# One gradient per parent, in order; None where a parent needs none.
# The engine undoes broadcasting, so a backward function may return a gradient in output shape.
BackwardFunction = Callable[[Array], Sequence[Array | None]]

# A context variable, not a module flag: a thread (or an asyncio task) that evaluates under
# no_grad() must not switch recording off for another that trains; it costs some 40 ns per read.
_grad_enabled: ContextVar[bool] = ContextVar("tinytorch_grad_enabled", default=True)


def is_grad_enabled() -> bool:
    """Return whether operations are being recorded in this thread.

    >>> is_grad_enabled()
    True
    """
    return _grad_enabled.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Switch recording off inside a ``with`` block; nests, and also works as a decorator.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    token = _grad_enabled.set(False)
    try:
        yield
    finally:
        _grad_enabled.reset(token)


class Node:
    """What a tensor is in the graph: an array, its gradient, and how it was computed.

    A leaf has no parents and no backward function; only leaves keep a gradient.
    """

    __slots__ = ("__weakref__", "_backward", "_parents", "data", "grad", "requires_grad")

    data: Array
    grad: Array | None
    requires_grad: bool
    _parents: tuple[Node, ...]
    _backward: BackwardFunction | None

    def record(self, parents: tuple[Node, ...], backward: BackwardFunction) -> None:
        """Note that this tensor was computed from ``parents``, with ``backward`` as its rule.

        Operations with a gradient of their own call it when ``needs_grad(...)`` says so.
        """
        self.requires_grad = True
        self._parents = parents
        self._backward = backward

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None


def needs_grad(*operands: Node) -> bool:
    """Return whether an operation on ``operands`` has to be recorded.

    >>> from tinytorch.core.tensor import Tensor
    >>> needs_grad(Tensor([1.0]), Tensor([1.0], requires_grad=True))
    True
    """
    for operand in operands:
        if operand.requires_grad:
            return _grad_enabled.get()
    return False


def unbroadcast(grad: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``grad`` over the axes along which an operand of ``shape`` was broadcast.

    Broadcasting copies a value to several places, so its gradient is the sum over the copies.
    ``grad`` has the shape of the result, the return value has ``shape``.

    >>> unbroadcast(np.ones((4, 3)), (1, 3))
    array([[4., 4., 4.]])
    """
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    stretched = tuple(
        axis for axis, size in enumerate(shape, extra) if size == 1 and grad.shape[axis] != 1
    )
    summed: Array = np.asarray(grad.sum(axis=tuple(range(extra)) + stretched))
    return summed.reshape(shape)


def topological_order(root: Node) -> list[Node]:
    """Return the tensors that ``root`` depends on and that need a gradient, parents first.

    A depth-first walk with its own stack, so the depth of a graph is not bounded by Python's
    recursion limit.

    >>> from tinytorch.core.tensor import Tensor
    >>> a = Tensor([1.0], requires_grad=True)
    >>> b = a * 2.0
    >>> [tensor is expected for tensor, expected in zip(topological_order(b), [a, b])]
    [True, True]
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        tensor, parents_done = stack.pop()
        if parents_done:
            order.append(tensor)
            continue
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        stack.append((tensor, True))
        for parent in tensor._parents:
            if parent.requires_grad and id(parent) not in seen:
                stack.append((parent, False))
    return order


def run_backward(root: Node, grad: Array) -> None:
    """Add the gradient of ``root`` to ``.grad`` of every leaf it was computed from.

    ``grad`` has the shape of ``root``.
    Only leaves keep a gradient; those of intermediate results are freed on the way.
    Source: Baydin et al. 2018, Automatic Differentiation in Machine Learning: a Survey, 3.2.

    >>> from tinytorch.core.tensor import Tensor
    >>> a = Tensor([1.0, 2.0], requires_grad=True)
    >>> run_backward(a * a, np.ones(2, dtype=np.float32))
    >>> a.grad
    array([2., 4.], dtype=float32)
    """
    pending: dict[int, Array] = {id(root): grad}
    for tensor in reversed(topological_order(root)):
        # Absent when every backward function on the way returned None for this tensor.
        incoming = pending.pop(id(tensor), None)
        if incoming is None:
            continue
        if tensor._backward is None:
            # A copy, because two leaves may have been handed the same array (a + b), and a
            # caller who clips one gradient in place must not change the other.
            tensor.grad = np.array(incoming) if tensor.grad is None else tensor.grad + incoming
            continue
        for parent, contribution in zip(tensor._parents, tensor._backward(incoming), strict=True):
            if contribution is None or not parent.requires_grad:
                continue
            contribution = unbroadcast(contribution, parent.data.shape)
            held = pending.get(id(parent))
            pending[id(parent)] = contribution if held is None else held + contribution
