"""A matrix product three ways: as the formula reads, as one call, and tile by tile.

The formula in Python costs an interpreter's step for each of the n m k multiplications.
One call of ``np.matmul`` hands all of them to a BLAS, which already works in tiles that fit the
registers and caches of this processor.
Tiles on top of it therefore only cut its work into pieces too small to do well: ``tiled_matmul``
shows the idea, and what it gains is shown by ``compiled_matmul``, tile against loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.checks import checked_size
from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.inputs import float_array, reject_nan


def naive_matmul(a: ArrayLike, b: ArrayLike) -> Float32Array:
    """Return a @ b by three loops in Python: (n, k) @ (k, m) -> (n, m), float32.

    Each element is the sum over p of a[i, p] b[p, j].
    Raises ValueError for shapes that do not fit and for NaN, TypeError for what is no real array.

    >>> naive_matmul([[1, 2]], [[3], [4]])
    array([[11.]], dtype=float32)
    """
    a, b = matrices(a, b)
    n, k = a.shape
    m = b.shape[1]
    out = np.empty((n, m), dtype=np.float32)
    for i in range(n):
        for j in range(m):
            total = 0.0
            for p in range(k):
                total += a[i, p] * b[p, j]
            out[i, j] = total
    return out


def vectorized_matmul(a: ArrayLike, b: ArrayLike) -> Float32Array:
    """Return a @ b by one call of BLAS: (..., n, k) @ (..., k, m) -> (..., n, m), float32.

    Leading axes broadcast as NumPy's do.
    Raises ValueError for fewer than two axes, shapes that do not fit and NaN, TypeError for what
    is no real array.

    >>> vectorized_matmul([[1, 2]], [[3], [4]])
    array([[11.]], dtype=float32)
    """
    a, b = float_array("a", a), float_array("b", b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"expected (..., n, k) @ (..., k, m), got {a.shape} @ {b.shape}")
    reject_nan("a", a)
    reject_nan("b", b)
    out: Float32Array = np.matmul(a, b)
    return out


def tiled_matmul(
    a: ArrayLike, b: ArrayLike, tile_size: int = 64, product: Callable[..., Any] = np.matmul
) -> Float32Array:
    """Return a @ b summed up from products of tiles: (n, k) @ (k, m) -> (n, m), float32.

    Tile (I, J) of the result is the sum over P of tile (I, P) of ``a`` times tile (P, J) of
    ``b``; a tile has ``tile_size`` rows and columns, fewer at the right and lower edge.
    ``product`` multiplies two tiles; one that counts shows what the tiles read.
    Three tiles are in use at once, 12 t^2 bytes for t = tile_size; while they fit into a cache,
    2 n m k / t elements come from memory instead of 2 n m k (Lam, Rothberg, Wolf 1991, The Cache
    Performance and Optimizations of Blocked Algorithms).
    Raises ValueError for shapes that do not fit, a tile_size below 1 and NaN, TypeError for what
    is no real array.

    >>> tiled_matmul(np.ones((3, 5)), np.ones((5, 2)), tile_size=2)[0]
    array([5., 5.], dtype=float32)
    """
    a, b = matrices(a, b)
    t = checked_size("tile_size", tile_size)
    n, k = a.shape
    m = b.shape[1]
    out = np.zeros((n, m), dtype=np.float32)
    for i in range(0, n, t):
        for j in range(0, m, t):
            for p in range(0, k, t):
                left, right = a[i : i + t, p : p + t], b[p : p + t, j : j + t]
                out[i : i + t, j : j + t] += product(left, right)
    return out


def tiled_bytes(n: int, k: int, m: int, tile_size: int) -> int:
    """Return the bytes of tiles that ``tiled_matmul`` hands to its products, in float32.

    ``a`` (n, k) is read once for each column of tiles of the result, ``b`` (k, m) once for each
    row of them: 4 (n k ceil(m / t) + k m ceil(n / t)) bytes for t = tile_size.
    Raises ValueError for a size below 1, TypeError for what is no integer.

    >>> tiled_bytes(4, 4, 4, tile_size=1), tiled_bytes(4, 4, 4, tile_size=3)
    (512, 256)
    """
    n, k, m = checked_size("n", n), checked_size("k", k), checked_size("m", m)
    t = checked_size("tile_size", tile_size)
    across, down = -(-m // t), -(-n // t)  # rounded up
    return 4 * (n * k * across + k * m * down)


def matrices(a: ArrayLike, b: ArrayLike) -> tuple[Float32Array, Float32Array]:
    """Return the two factors as float32 arrays (n, k) and (k, m).

    Raises ValueError unless they are matrices that fit and hold no NaN, TypeError for what is no
    real array.

    >>> [factor.shape for factor in matrices([[1, 2]], [[3], [4]])]
    [(1, 2), (2, 1)]
    """
    a, b = float_array("a", a, ndim=2), float_array("b", b, ndim=2)
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"expected shapes (n, k) @ (k, m), got {a.shape} @ {b.shape}")
    reject_nan("a", a)
    reject_nan("b", b)
    return a, b
