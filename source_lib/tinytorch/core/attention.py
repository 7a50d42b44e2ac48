"""Causal self-attention, alone and with a store of the keys and values of earlier positions.

Letters of the shapes: B sequences, T positions given, S positions looked at (S >= T), H heads,
D elements a head.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_size
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


class KeyValueStore(Protocol):
    """What attention needs of a cache of keys and values, for all layers of a model.

    ``length`` is the number of positions filled; ``update`` writes the new positions of one layer
    behind them and returns all of that layer, ``advance`` counts them once every layer has.
    """

    @property
    def length(self) -> int:
        """Number of positions that every layer holds."""

    def update(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Store k and v (B, H, T, D) and return all keys and values (B, H, length + T, D)."""

    def advance(self, n: int) -> None:
        """Count the ``n`` positions that have been written as filled."""


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q k^T / sqrt(D)) v over the positions up to each query's own.

    ``q`` is (B, H, T, D), ``k`` and ``v`` are (B, H, S, D) with S >= T, the result is (B, H, T, D).
    The queries are the last T of the S positions: query t sees the keys 0 to S - T + t.
    Source: Vaswani et al. 2017, Attention Is All You Need, equation 1.
    Raises TypeError for what is no Tensor, ValueError for shapes that do not fit each other.

    >>> x = Tensor([[[[1.0], [3.0]]]])
    >>> causal_attention(x * 0, x * 0, x).numpy().ravel()
    array([1., 2.], dtype=float32)
    """
    for x in (q, k, v):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensors as q, k and v, got {type(x).__name__}")
    _check_shapes(q.shape, k.shape, v.shape)
    scale = q.shape[-1] ** -0.5
    P = attention_weights(q.data, k.data)  # (B, H, T, S)
    out = wrap(P @ v.data)
    if needs_grad(q, k, v):

        def backward(grad: Array) -> tuple[Array, Array, Array]:
            dP = grad @ v.data.swapaxes(-1, -2)  # (B, H, T, S)
            dP -= np.vecdot(dP, P)[..., np.newaxis]
            dP *= P  # the gradient in the scores, 0 where they are masked
            dP *= scale
            return dP @ k.data, dP.swapaxes(-1, -2) @ q.data, P.swapaxes(-1, -2) @ grad

        out.record((q, k, v), backward)
    return out


def attention_weights(q: Array, k: Array) -> Array:
    """Return the causal softmax(q k^T / sqrt(D)) of plain arrays, (B, H, T, S).

    The shapes are those of ``causal_attention``; every row sums to 1 and is 0 after its position.

    >>> attention_weights(np.zeros((1, 1, 2, 4)), np.zeros((1, 1, 3, 4)))[0, 0].round(2)
    array([[0.5 , 0.5 , 0.  ],
           [0.33, 0.33, 0.33]])
    """
    T, S = q.shape[-2], k.shape[-2]
    P: Array = (q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)  # (B, H, T, S)
    if T > 1:
        P += np.triu(np.full((T, S), -np.inf, dtype=P.dtype), k=S - T + 1)
    P -= P.max(axis=-1, keepdims=True)
    np.exp(P, out=P)
    P /= P.sum(axis=-1, keepdims=True)
    return P


def _check_shapes(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None:
    if len(q) != 4 or k != v or (*k[:2], k[-1]) != (*q[:2], q[-1]) or k[2] < q[2]:
        wanted = "q (B, H, T, D) and k, v (B, H, S, D) with S >= T"
        raise ValueError(f"expected {wanted}, got {q}, {k} and {v}")


class MultiHeadAttention(Module):
    """Causal self-attention with ``num_heads`` heads: (B, T, embed_dim) -> (B, T, embed_dim).

    Each of ``q_proj k_proj v_proj out_proj`` is a ``Linear`` of embed_dim by embed_dim; head h
    reads columns h D to (h + 1) D of the projections, D = embed_dim / num_heads.
    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.2.2.
    Raises ValueError when embed_dim is no multiple of num_heads and for an input of another shape.

    >>> MultiHeadAttention(8, num_heads=2)(np.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *, rng: np.random.Generator | None = None
    ) -> None:
        self.embed_dim = checked_size("embed_dim", embed_dim)
        self.num_heads = checked_size("num_heads", num_heads)
        if self.embed_dim % self.num_heads:
            raise ValueError(f"expected embed_dim a multiple of {num_heads}, got {embed_dim}")
        self.q_proj = Linear(embed_dim, embed_dim, rng=rng)
        self.k_proj = Linear(embed_dim, embed_dim, rng=rng)
        self.v_proj = Linear(embed_dim, embed_dim, rng=rng)
        self.out_proj = Linear(embed_dim, embed_dim, rng=rng)

    def forward(
        self, x: Tensor | ArrayLike, cache: KeyValueStore | None = None, layer: int = 0
    ) -> Tensor:
        """Return the attention of x (B, T, embed_dim) to itself and to what ``cache`` holds.

        With a cache, x holds the positions from cache.length on, and their keys and values are
        stored as those of ``layer``; the caller advances the cache after the last layer.
        Raises RuntimeError with a cache while gradients are recorded, since none flow through it.
        """
        x = as_tensor(x)
        if x.ndim != 3 or x.shape[-1] != self.embed_dim:
            raise ValueError(f"expected input of shape (B, T, {self.embed_dim}), got {x.shape}")
        q = self._split(self.q_proj(x))  # (B, H, T, D)
        k = self._split(self.k_proj(x))
        v = self._split(self.v_proj(x))
        if cache is not None:
            if needs_grad(q, k, v):
                raise RuntimeError("a cache is for inference; call the model under no_grad()")
            keys, values = cache.update(layer, k.data, v.data)
            k, v = wrap(keys), wrap(values)  # (B, H, S, D)
        heads = causal_attention(q, k, v)  # (B, H, T, D)
        out: Tensor = self.out_proj(heads.transpose(0, 2, 1, 3).reshape(x.shape))
        return out  # (B, T, embed_dim)

    def _split(self, x: Tensor) -> Tensor:
        """Return (B, T, embed_dim) as (B, num_heads, T, D)."""
        B, T, _ = x.shape
        return x.reshape(B, T, self.num_heads, -1).transpose(0, 2, 1, 3)

    def __repr__(self) -> str:
        return f"MultiHeadAttention({self.embed_dim}, {self.num_heads})"
