"""Low rank: one matrix as the product of two narrow ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Float32Array, Tensor, as_float32
from tinytorch.perf.rewrite import copied_bias, copy_with_layers, replace_layers


def low_rank_approximate(
    W: Tensor | ArrayLike, rank_ratio: float
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return (U, S, Vt) of the best approximation of ``W`` (n, m) of rank r: W ~ (U * S) Vt.

    r = max(1, floor(rank_ratio min(n, m))); U is (n, r), S is (r,), largest first, Vt is (r, m).
    No matrix of that rank is nearer to W: the Frobenius norm of the difference is the root of the
    sum of the squares of the singular values left out (Eckart and Young 1936, The approximation of
    one matrix by another of lower rank).
    Raises ValueError for what is no matrix of finite numbers and a ratio outside (0, 1].

    >>> U, S, Vt = low_rank_approximate(np.outer([1.0, 2.0, 2.0], [3.0, 4.0]), rank_ratio=0.5)
    >>> U.shape, S.round(3), Vt.shape
    ((3, 1), array([15.], dtype=float32), (1, 2))
    """
    if not 0 < rank_ratio <= 1:
        raise ValueError(f"expected a rank_ratio in (0, 1], got {rank_ratio}")
    matrix = W.data if isinstance(W, Tensor) else as_float32(W)
    if matrix.ndim != 2 or matrix.size == 0 or not np.isfinite(matrix).all():
        raise ValueError(f"expected a matrix of finite numbers, got one of shape {matrix.shape}")
    r = max(1, int(rank_ratio * min(matrix.shape)))
    U, S, Vt = np.linalg.svd(matrix, full_matrices=False)
    return U[:, :r], S[:r], Vt[:r]


class LowRankLinear(Module):
    """The layer of ``linear`` with its weight (n, m) as a product (n, r) (r, m), both trainable.

    It holds r (n + m) weights in place of n m, and multiplies with that many for each row.
    The singular values are shared evenly between the two ``Linear`` layers inside.
    Raises TypeError for what is no Linear, and as ``low_rank_approximate``.

    >>> layer = LowRankLinear(Linear(100, 100), rank_ratio=0.1)
    >>> layer(np.ones((2, 100))).shape, layer.count_parameters()
    ((2, 100), 2100)
    """

    def __init__(self, linear: Linear, rank_ratio: float) -> None:
        if not isinstance(linear, Linear):
            raise TypeError(f"expected a Linear to approximate, got {type(linear).__name__}")
        U, S, Vt = low_rank_approximate(linear.weight, rank_ratio)
        root = np.sqrt(S)
        self.first = linear_of(U * root, None)
        self.second = linear_of(root[:, np.newaxis] * Vt, copied_bias(linear))

    @property
    def rank(self) -> int:
        """Number of columns of the first matrix."""
        return self.first.out_features

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return (x A) B + b: (..., n) -> (..., m)."""
        out: Tensor = self.second(self.first(x))
        return out

    def __repr__(self) -> str:
        n, m = self.first.in_features, self.second.out_features
        return f"LowRankLinear({n}, {m}, rank={self.rank})"


def low_rank_model(model: Module, rank_ratio: float, *, skip: Sequence[str] = ()) -> Module:
    """Return a copy of ``model`` with LowRankLinear for each Linear that it makes smaller.

    A layer (n, m) stays as it is when r (n + m) >= n m, and so do layers named in ``skip``.
    Raises ValueError when none becomes smaller, and as ``low_rank_approximate``.

    >>> low_rank_model(Linear(100, 100), rank_ratio=0.25)
    LowRankLinear(100, 100, rank=25)
    """
    copy_with_layers(model, (Linear,), skip)  # refuses unknown names
    made = 0

    def convert(name: str, layer: Module) -> Module:
        nonlocal made
        if not isinstance(layer, Linear) or name in skip:
            return layer
        narrow = LowRankLinear(layer, rank_ratio)
        if narrow.rank > break_even_rank(layer.in_features, layer.out_features):
            return layer
        made += 1
        return narrow

    approximated = replace_layers(model, convert)
    if not made:
        raise ValueError(f"expected a Linear that rank_ratio {rank_ratio} makes smaller, got none")
    return approximated


def break_even_rank(n: int, m: int) -> int:
    """Return the largest rank r at which r (n + m) weights are fewer than n m, 0 if there is none.

    >>> break_even_rank(100, 100), break_even_rank(64, 10)
    (49, 8)
    """
    return (n * m - 1) // (n + m)


def linear_of(weight: Float32Array, bias: Tensor | None) -> Linear:
    """Return a Linear of that weight (n, m) and bias, drawing nothing at random.

    >>> linear_of(np.ones((3, 2), dtype=np.float32), None)
    Linear(3, 2, bias=False)
    """
    n, m = weight.shape
    layer = Linear(n, m, bias=False, rng=np.random.default_rng(0))
    layer.weight = Tensor(weight, requires_grad=True)
    layer.bias = bias
    return layer
