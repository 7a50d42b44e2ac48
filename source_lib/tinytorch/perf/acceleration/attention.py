"""Attention with the n x m matrix of scores, and without ever having it.

softmax(q k^T / sqrt(d)) v (Vaswani et al. 2017, Attention Is All You Need, equation 1) needs for
n queries and m keys n m scores, of which each is used once.
The softmax of a row can be computed from the left to the right: keep the largest score so far,
the sum of exp(score - largest) and the weighted sum of the values, and when a larger score comes,
scale both sums down (Milakov and Gimelshein 2018, Online normalizer calculation for softmax).
So a tile of scores can be used and forgotten (Dao et al. 2022, FlashAttention, algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_size
from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.inputs import float_array, reject_nan


def direct_attention(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, causal: bool = False
) -> Float32Array:
    """Return softmax(q k^T / sqrt(d)) v with all scores at once, n m of them for each head.

    ``q`` is (..., n, d), ``k`` (..., m, d), ``v`` (..., m, e) with equal leading axes; the result
    is (..., n, e), float32.
    With ``causal`` the queries are the last n of the m positions, and each sees the keys up to its
    own.
    Raises ValueError for shapes that do not fit, causal with n > m, and NaN, TypeError for what is
    no real array.

    >>> direct_attention([[0.0]], [[1.0], [2.0]], [[4.0], [6.0]])
    array([[5.]], dtype=float32)
    """
    q, k, v = attention_arguments(q, k, v, causal)
    scaled = q * np.float32(1 / math.sqrt(q.shape[-1]))  # (..., n, d)
    scores: Array = scaled @ k.swapaxes(-1, -2)  # (..., n, m)
    if causal:
        n, m = scores.shape[-2:]
        scores += future(n, m, m - n)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    out: Float32Array = scores @ v  # (..., n, e)
    return out


def tiled_attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    causal: bool = False,
    tile_size: int = 256,
    product: Callable[..., Any] = np.matmul,
) -> Float32Array:
    """Return what ``direct_attention`` does from one tile of tile_size^2 scores at a time.

    ``q`` is (..., n, d), ``k`` (..., m, d), ``v`` (..., m, e) with equal leading axes; the result
    is (..., n, e), float32.
    With ``causal`` the queries are the last n of the m positions, each sees the keys up to its
    own, and tiles that lie wholly in the future are not computed.
    Beside the result it holds O(tile_size (tile_size + d + e)) numbers, whatever n, m and the
    leading axes are; ``product`` multiplies two matrices, as ``np.matmul`` does.
    Raises ValueError for shapes that do not fit, causal with n > m, a tile_size below 1 and NaN,
    TypeError for what is no real array.

    >>> tiled_attention([[0.0]], [[1.0], [2.0]], [[4.0], [6.0]], tile_size=1)
    array([[5.]], dtype=float32)
    """
    q, k, v = attention_arguments(q, k, v, causal)
    t = checked_size("tile_size", tile_size)
    n, m = q.shape[-2], k.shape[-2]
    scale = np.float32(1 / math.sqrt(q.shape[-1]))
    out = np.empty((*q.shape[:-1], v.shape[-1]), dtype=np.float32)  # (..., n, e)
    for head in np.ndindex(*q.shape[:-2]):
        for i in range(0, n, t):
            rows = q[head][i : i + t] * scale  # (T, d), T = tile_size but for the last
            position = i + m - n if causal else None  # of the first row among the keys
            out[head][i : i + t] = attend_in_tiles(rows, k[head], v[head], position, t, product)
    return out


def attend_in_tiles(
    rows: Float32Array,
    k: Float32Array,
    v: Float32Array,
    position: int | None,
    t: int,
    product: Callable[..., Any] = np.matmul,
) -> Float32Array:
    """Return the attention of scaled queries (T, d) to k (m, d) and v (m, e), as (T, e).

    ``t`` is the number of keys in a tile.
    ``position`` is that of the first query among the keys, so that query r sees the keys 0 to
    position + r, and None when each sees all; keys that no query sees are left out.
    """
    T = len(rows)
    largest = np.full((T, 1), -np.inf, dtype=np.float32)
    total = np.zeros((T, 1), dtype=np.float32)
    weighted = np.zeros((T, v.shape[1]), dtype=np.float32)  # (T, e)
    seen = len(k) if position is None else position + T
    for j in range(0, seen, t):
        keys, values = k[j : min(j + t, seen)], v[j : min(j + t, seen)]  # (S, d), (S, e)
        scores = product(rows, keys.T)  # (T, S)
        if position is not None and j + len(keys) - 1 > position:
            scores += future(T, len(keys), position - j)
        new_largest = np.maximum(largest, scores.max(axis=1, keepdims=True))
        decay = np.exp(largest - new_largest)  # (T, 1), 0 at the first tile
        scores -= new_largest
        np.exp(scores, out=scores)
        total = total * decay + scores.sum(axis=1, keepdims=True)
        weighted *= decay
        weighted += product(scores, values)
        largest = new_largest
    weighted /= total
    return weighted


def future(rows: int, columns: int, position: int) -> Float32Array:
    """Return what to add to scores (rows, columns): -inf for keys after the query's place, else 0.

    Row r stands at column ``position`` + r and must not see the columns right of it.

    >>> future(2, 3, 0)
    array([[  0., -inf, -inf],
           [  0.,   0., -inf]], dtype=float32)
    """
    return np.triu(np.full((rows, columns), -np.inf, dtype=np.float32), k=position + 1)


def attention_arguments(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, causal: bool
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return q (..., n, d), k (..., m, d) and v (..., m, e) as float32 arrays.

    Raises ValueError for shapes that do not fit, m = 0, d = 0, causal with n > m, and NaN,
    TypeError for what is no real array.

    >>> [array.shape for array in attention_arguments([[1]], [[1], [2]], [[3, 4], [5, 6]], False)]
    [(1, 1), (2, 1), (2, 2)]
    """
    q, k, v = float_array("q", q), float_array("k", k), float_array("v", v)
    shapes = f"{q.shape}, {k.shape} and {v.shape}"
    if min(q.ndim, k.ndim, v.ndim) < 2 or not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ValueError(f"expected q, k, v of (..., positions, width), got {shapes}")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2] or 0 in k.shape[-2:]:
        raise ValueError(f"expected q (..., n, d), k (..., m, d), v (..., m, e), got {shapes}")
    if causal and q.shape[-2] > k.shape[-2]:
        raise ValueError(f"expected no more queries than keys with causal=True, got {shapes}")
    for name, array in (("q", q), ("k", k), ("v", v)):
        reject_nan(name, array)
    return q, k, v
