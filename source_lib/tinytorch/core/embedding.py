"""``Embedding``: a table from which each token reads its vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_indices, checked_size
from tinytorch.core.init import normal
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, needs_grad, wrap


class Embedding(Module):
    """Row ``token`` of a table for each token: integers (...) -> (..., dim).

    ``weight`` has shape (num, dim) and starts normal with mean 0 and standard deviation 1, as in
    PyTorch.
    Raises TypeError or ValueError for sizes that are no positive integers, TypeError for tokens
    that are no integers and ValueError for tokens outside [0, num).

    >>> Embedding(5, 3)([[0, 4], [1, 1]]).shape
    (2, 2, 3)
    """

    def __init__(self, num: int, dim: int, *, rng: np.random.Generator | None = None) -> None:
        self.num = checked_size("num", num)
        self.dim = checked_size("dim", dim)
        self.weight = Tensor(normal((self.num, self.dim), 1.0, rng), requires_grad=True)

    def forward(self, tokens: ArrayLike) -> Tensor:
        """Return the rows of ``weight`` that integer ``tokens`` (...) name: (..., dim)."""
        rows = checked_indices("tokens", tokens, self.num)
        weight = self.weight
        out = wrap(weight.data[rows])
        if needs_grad(weight):
            shape = weight.shape
            out.record((weight,), lambda grad: (_sum_by_row(grad, rows, shape),))
        return out

    def __repr__(self) -> str:
        return f"Embedding({self.num}, {self.dim})"


def _sum_by_row(grad: Array, rows: Array, shape: tuple[int, ...]) -> Array:
    """Return zeros of ``shape`` (num, dim), with ``grad`` (..., dim) added at ``rows`` (...).

    Sorted, the uses of a row lie next to each other and are one segment of a sum, which is many
    times faster than np.add.at.
    """
    full = np.zeros(shape, dtype=grad.dtype)
    if rows.size == 0:
        return full
    order = np.argsort(rows, axis=None, kind="stable")  # (N,)
    used, starts = np.unique(rows.reshape(-1)[order], return_index=True)
    full[used] = np.add.reduceat(grad.reshape(-1, shape[1])[order], starts, axis=0)
    return full
