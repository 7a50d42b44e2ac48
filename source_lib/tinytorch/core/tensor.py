"""``Tensor``: a float32 NumPy array that can record how it was computed.

Shapes follow NumPy: operands broadcast, reductions take ``axis`` and ``keepdims``.
An operation is recorded only when an operand requires a gradient and recording is on;
the formulas of the gradients stand beside the operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core import gradients
from tinytorch.core.autograd import Array, Node, run_backward
from tinytorch.core.autograd import needs_grad as needs_grad

Float32Array = NDArray[np.float32]
Axis = int | tuple[int, ...] | None
_FLOAT32 = np.dtype(np.float32)


def as_float32(data: ArrayLike) -> Float32Array:
    """Return ``data`` as a float32 array, without a copy when it is one already.

    Integers and bools of any width are converted, NaN is kept.
    Raises TypeError for complex, text, objects and tensors, ValueError for ragged lists.

    >>> as_float32([1, 2])
    array([1., 2.], dtype=float32)
    """
    if type(data) is np.ndarray and data.dtype == _FLOAT32:
        return data
    if isinstance(data, Tensor):
        raise TypeError("expected numbers, got a Tensor; use it as it is or call its detach()")
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError("expected a rectangular array, got rows of unequal length") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected real numbers, got dtype {array.dtype}")
    return array.astype(np.float32, copy=False)


def as_tensor(value: Tensor | ArrayLike) -> Tensor:
    """Return ``value`` itself if it is a tensor, else a new tensor of it.

    >>> as_tensor(2).shape
    ()
    """
    return value if isinstance(value, Tensor) else wrap(as_float32(value))


def wrap(data: Any) -> Tensor:
    """Return a tensor around the result of an operation, skipping the checks of ``Tensor()``.

    ``data`` is a float array, or the NumPy scalar that a full reduction returns.

    >>> wrap(np.float32(3)).shape
    ()
    """
    tensor = Tensor.__new__(Tensor)
    tensor.data = data if type(data) is np.ndarray else np.asarray(data)
    tensor.grad = None
    tensor.requires_grad = False
    tensor._parents = ()
    tensor._backward = None
    return tensor


class Tensor(Node):
    """A float32 array of any shape with an optional gradient of the same shape.

    A tensor that requires a gradient holds a copy of ``data``, since optimisers write into it;
    any other shares memory with a float32 ``data``.
    Raises TypeError for complex, text and object data.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ()
    # Makes ndarray + Tensor call Tensor.__radd__ instead of looping over elements.
    __array_ufunc__ = None

    def __init__(self, data: ArrayLike, requires_grad: bool = False) -> None:
        array = as_float32(data)
        self.data = array.copy() if requires_grad else array
        self.grad = None
        self.requires_grad = requires_grad
        self._parents = ()
        self._backward = None

    def backward(self, grad: ArrayLike | None = None) -> None:
        """Add the gradient of this tensor to ``.grad`` of all leaves it was computed from.

        ``grad`` has this tensor's shape and may be left out for a tensor of one element.
        Raises RuntimeError without a recorded graph, ValueError for a missing or misshapen grad.
        """
        if not self.requires_grad:
            raise RuntimeError("expected a tensor that requires a gradient, got a constant")
        if grad is None:
            if self.data.size != 1:
                raise ValueError(f"expected a gradient to start from for shape {self.shape}")
            run_backward(self, np.ones_like(self.data))
            return
        start = as_float32(grad.data if isinstance(grad, Tensor) else grad)
        if start.shape != self.shape:
            raise ValueError(f"expected a gradient of shape {self.shape}, got {start.shape}")
        run_backward(self, start)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return self.data.dtype

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        return self.transpose()

    def numpy(self) -> Float32Array:
        """Return the array itself, not a copy."""
        return self.data

    def item(self) -> float:
        """Return the only element; raises ValueError when there is not exactly one."""
        if self.data.size != 1:
            raise ValueError(f"expected a tensor of one element, got shape {self.shape}")
        return float(self.data.item())

    def detach(self) -> Tensor:
        """Return a constant that shares this tensor's memory."""
        return wrap(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        suffix = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self.data, separator=', ', prefix='Tensor(')}{suffix})"

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)  # as for an array: refused for more than one element

    def __iter__(self) -> Iterator[Tensor]:
        return (self[row] for row in range(len(self)))

    def __add__(self, other: Tensor | ArrayLike) -> Tensor:
        other = as_tensor(other)
        out = wrap(self.data + other.data)
        if needs_grad(self, other):
            out.record((self, other), lambda grad: (grad, grad))
        return out

    def __sub__(self, other: Tensor | ArrayLike) -> Tensor:
        other = as_tensor(other)
        out = wrap(self.data - other.data)
        if needs_grad(self, other):
            out.record((self, other), lambda grad: (grad, -grad if other.requires_grad else None))
        return out

    def __mul__(self, other: Tensor | ArrayLike) -> Tensor:
        other = as_tensor(other)
        out = wrap(self.data * other.data)
        if needs_grad(self, other):
            out.record((self, other), gradients.of_multiply(self, other))
        return out

    def __truediv__(self, other: Tensor | ArrayLike) -> Tensor:
        other = as_tensor(other)
        out = wrap(self.data / other.data)
        if needs_grad(self, other):
            out.record((self, other), gradients.of_divide(self, other, out.data))
        return out

    def __pow__(self, other: Tensor | ArrayLike) -> Tensor:
        other = as_tensor(other)
        # NumPy squares and takes roots fast only for a Python number as exponent.
        exponent = other.data.item() if other.data.ndim == 0 else other.data
        out = wrap(self.data**exponent)
        if needs_grad(self, other):
            out.record((self, other), gradients.of_power(self, other, exponent, out.data))
        return out

    def __matmul__(self, other: Tensor | ArrayLike) -> Tensor:
        other = as_tensor(other)
        try:
            out = wrap(self.data @ other.data)
        except ValueError as error:
            message = f"expected shapes (..., n, k) @ (..., k, m), got {self.shape} @ {other.shape}"
            raise ValueError(message) from error
        if needs_grad(self, other):
            out.record((self, other), gradients.of_matmul(self, other))
        return out

    def __neg__(self) -> Tensor:
        out = wrap(-self.data)
        if needs_grad(self):
            out.record((self,), lambda grad: (-grad,))
        return out

    def __radd__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) + self

    def __rsub__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) - self

    def __rmul__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) * self

    def __rtruediv__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) / self

    def __rpow__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) ** self

    def __rmatmul__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) @ self

    def matmul(self, other: Tensor | ArrayLike) -> Tensor:
        """Return ``self @ other``: (..., n, k) @ (..., k, m) -> (..., n, m)."""
        return self @ other

    def exp(self) -> Tensor:
        """Return e to the power of each element."""
        powers = np.exp(self.data)
        out = wrap(powers)
        if needs_grad(self):
            # Over the array: a closure over its own tensor would be a cycle, freed late.
            out.record((self,), lambda grad: (grad * powers,))
        return out

    def log(self) -> Tensor:
        """Return the natural logarithm of each element (-inf at 0, NaN below)."""
        out = wrap(np.log(self.data))
        if needs_grad(self):
            out.record((self,), lambda grad: (grad / self.data,))
        return out

    def relu(self) -> Tensor:
        """Return max(x, 0) of each element; the gradient at 0 is 0."""
        out = wrap(np.maximum(self.data, 0))
        if needs_grad(self):
            out.record((self,), lambda grad: (grad * (self.data > 0),))
        return out

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the sum over ``axis`` (all axes by default)."""
        out = wrap(self.data.sum(axis=axis, keepdims=keepdims))
        if needs_grad(self):
            out.record((self,), gradients.of_sum(self.shape, axis, keepdims))
        return out

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the mean over ``axis`` (all axes by default)."""
        out = wrap(self.data.mean(axis=axis, keepdims=keepdims))
        if needs_grad(self):
            count = self.size // max(out.size, 1)
            spread = gradients.of_sum(self.shape, axis, keepdims)
            out.record((self,), lambda grad: spread(grad / count))
        return out

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the largest element over ``axis``; ties share the gradient evenly."""
        out = wrap(self.data.max(axis=axis, keepdims=keepdims))
        if needs_grad(self):
            out.record((self,), gradients.of_max(self.data, axis, keepdims))
        return out

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Return the same elements in ``shape``, given as numbers or one tuple."""
        out = wrap(self.data.reshape(*shape))
        if needs_grad(self):
            out.record((self,), lambda grad: (grad.reshape(self.shape),))
        return out

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Return the tensor with its axes permuted, reversed when none are given."""
        out = wrap(self.data.transpose(*axes))
        if needs_grad(self):
            out.record((self,), gradients.of_transpose(self.ndim, axes))
        return out

    def __getitem__(self, index: Any) -> Tensor:
        out = wrap(self.data[index])
        if needs_grad(self):
            out.record((self,), gradients.of_getitem(self.shape, index))
        return out
