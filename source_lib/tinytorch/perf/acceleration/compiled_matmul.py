"""The loops of a matrix product in machine code, to see what tiles gain without a BLAS below.

"naive" is the formula: i, j, p, with ``b`` read down its columns, a new cache line each step.
"reordered" is i, p, j: the innermost loop runs along rows, so it becomes vector instructions.
"tiled" is that in tiles of ``b`` that stay in a cache, with four rows and four terms at a time, so
that an element is used four times while it is in a register (Goto and van de Geijn 2008, Anatomy
of High-Performance Matrix Multiplication, which goes on to packing and larger register tiles).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.checks import checked_size
from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.matmul import matrices
from tinytorch.perf.acceleration.twins import REORDERED
from tinytorch.perf.fast import compiled

LoopOrder = Literal["naive", "reordered", "tiled"]


def compiled_matmul(
    a: ArrayLike, b: ArrayLike, order: LoopOrder = "tiled", tile_size: int = 256
) -> Float32Array:
    """Return a @ b by loops that numba compiles: (n, k) @ (k, m) -> (n, m), float32.

    ``tile_size`` is the side of a tile of ``b`` in elements, used by "tiled" alone.
    Raises ValueError for shapes that do not fit, an unknown order, a tile_size below 1 and NaN,
    TypeError for what is no real array, RuntimeError without numba.
    """
    a, b = matrices(a, b)
    t = checked_size("tile_size", tile_size)
    loops = {"naive": naive_loop, "reordered": reordered_loop, "tiled": tiled_loop}
    if order not in loops:
        raise ValueError(f"expected one of {', '.join(loops)} as order, got {order!r}")
    loop = compiled(loops[order], fastmath=REORDERED)
    if loop is None:
        raise RuntimeError("expected numba to compile the loops, found none; `pip install numba`")
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out = np.zeros((len(a), b.shape[1]), dtype=np.float32)
    loop(a, b, out, t)
    return out


def naive_loop(a: Float32Array, b: Float32Array, out: Float32Array, tile: int) -> None:
    """Write a @ b to ``out``, one element after the other."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = np.float32(0)
            for p in range(a.shape[1]):
                total += a[i, p] * b[p, j]
            out[i, j] = total


def reordered_loop(a: Float32Array, b: Float32Array, out: Float32Array, tile: int) -> None:
    """Add a @ b to ``out`` row by row."""
    for i in range(out.shape[0]):
        for p in range(a.shape[1]):
            factor = a[i, p]
            for j in range(out.shape[1]):
                out[i, j] += factor * b[p, j]


def tiled_loop(a: Float32Array, b: Float32Array, out: Float32Array, tile: int) -> None:
    """Add a @ b to ``out``, for one tile of ``b`` after the other.

    Rows and terms that do not fill up a group of four are done at the end of each tile.
    """
    n, k, m = a.shape[0], a.shape[1], b.shape[1]
    for top in range(0, k, tile):
        bottom = min(top + tile, k)
        whole = bottom - (bottom - top) % 4
        for left in range(0, m, tile):
            right = min(left + tile, m)
            for i in range(0, n - n % 4, 4):
                o0, o1 = out[i, left:right], out[i + 1, left:right]
                o2, o3 = out[i + 2, left:right], out[i + 3, left:right]
                for p in range(top, whole, 4):
                    a00, a01, a02, a03 = a[i, p], a[i, p + 1], a[i, p + 2], a[i, p + 3]
                    a10, a11 = a[i + 1, p], a[i + 1, p + 1]
                    a12, a13 = a[i + 1, p + 2], a[i + 1, p + 3]
                    a20, a21 = a[i + 2, p], a[i + 2, p + 1]
                    a22, a23 = a[i + 2, p + 2], a[i + 2, p + 3]
                    a30, a31 = a[i + 3, p], a[i + 3, p + 1]
                    a32, a33 = a[i + 3, p + 2], a[i + 3, p + 3]
                    b0, b1 = b[p, left:right], b[p + 1, left:right]
                    b2, b3 = b[p + 2, left:right], b[p + 3, left:right]
                    for j in range(o0.size):
                        o0[j] += a00 * b0[j] + a01 * b1[j] + a02 * b2[j] + a03 * b3[j]
                        o1[j] += a10 * b0[j] + a11 * b1[j] + a12 * b2[j] + a13 * b3[j]
                        o2[j] += a20 * b0[j] + a21 * b1[j] + a22 * b2[j] + a23 * b3[j]
                        o3[j] += a30 * b0[j] + a31 * b1[j] + a32 * b2[j] + a33 * b3[j]
            for i in range(n):
                first = top if i >= n - n % 4 else whole
                row = out[i, left:right]
                for p in range(first, bottom):
                    factor, b0 = a[i, p], b[p, left:right]
                    for j in range(row.size):
                        row[j] += factor * b0[j]
