"""Products of float32 rows with codes that are never all in memory as float32.

A product with one row is bound by the bytes of the matrix that it must read, and codes of 8 bits
are a quarter of them: that is where quantisation gains time.
With many rows every code is used many times, the multiplications count, and BLAS does these
faster than anything here: there quantisation gains memory only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.fast import compiled
from tinytorch.perf.quantization.affine import code_range
from tinytorch.perf.quantization.storage import PackedWeight

# 512 KB as float32: it stays in the second-level cache between being written and being read.
PANEL_ELEMENTS = 1 << 17
# Beyond, reading the matrix once for all rows (in panels) beats reading it once for each.
MAX_ROWS_COMPILED = 4

FLOATS = "Array(float32, 2, 'C', readonly=True)"
MATRIX = "Array({}, 2, 'C', readonly=True)"


def codes_product(x: Float32Array, weight: PackedWeight) -> Float32Array:
    """Return x @ codes: (N, n) times the int8 codes (n, m) of ``weight``, float32 (N, m).

    Multiply by the scale to have the product with the weight itself (of a zero point of 0):
    scaling the m outputs is less work than scaling n m weights.
    Few rows go to a compiled loop where there is one (``tinytorch.perf.fast``), else the codes
    become float32 a panel of rows at a time.

    >>> weight = PackedWeight(np.eye(3))
    >>> codes_product(np.ones((1, 3), dtype=np.float32), weight)
    array([[127., 127., 127.]], dtype=float32)
    """
    _check_rows(x, weight)
    loop = _compiled_for(weight.bits) if len(x) <= MAX_ROWS_COMPILED else None
    if loop is None:
        return product_in_panels(x, weight)
    out = np.empty((len(x), weight.shape[1]), dtype=np.float32)
    x = np.ascontiguousarray(x)
    loop(x, weight.codes, out)
    if weight.bits != 8:  # packed codes are counted from 0
        out += code_range(weight.bits)[0] * x.sum(axis=1, keepdims=True)
    return out


def product_in_panels(x: Float32Array, weight: PackedWeight) -> Float32Array:
    """Return x @ codes as the sum over panels of rows, each made float32 just before its use.

    ``x`` is (N, n), the codes are (n, m), the result is float32 (N, m).

    >>> product_in_panels(np.ones((1, 3), dtype=np.float32), PackedWeight(np.eye(3)))
    array([[127., 127., 127.]], dtype=float32)
    """
    _check_rows(x, weight)
    n, m = weight.shape
    # More rows of x need longer panels, or adding up the partial sums would cost most.
    height = -(-max(PANEL_ELEMENTS // m, 4 * len(x), 8) // 8) * 8  # a multiple of 8
    out = np.zeros((len(x), m), dtype=np.float32)
    for start in range(0, n, height):
        panel = weight.rows(start, start + height).astype(np.float32)  # (height, m)
        out += x[:, start : start + height] @ panel
    return out


def _check_rows(x: Float32Array, weight: PackedWeight) -> None:
    if x.dtype != np.float32:
        raise TypeError(f"expected rows of float32, got dtype {x.dtype}")
    if x.ndim != 2 or x.shape[1] != weight.shape[0]:
        raise ValueError(f"expected rows of shape (N, {weight.shape[0]}), got {x.shape}")


def _compiled_for(bits: int) -> Any:
    """Return the compiled loop for codes of that many bits, or None."""
    if bits == 8:
        signature = f"void({FLOATS}, {MATRIX.format('int8')}, float32[:, ::1])"
        return compiled(int8_loop, signature, fastmath=True)
    if bits == 4:
        signature = f"void({FLOATS}, {MATRIX.format('uint8')}, float32[:, ::1])"
        return compiled(int4_loop, signature, fastmath=True)
    return None


def int8_loop(x: Any, codes: Any, out: Any) -> None:
    """Write x @ codes into ``out``: (N, n) times int8 (n, m); to be compiled.

    Eight rows of codes at a time, so that ``out`` is read and written an eighth as often, and so
    that a matrix larger than the caches comes from memory in eight streams.
    """
    n, m = codes.shape
    for b in range(x.shape[0]):
        row = out[b]
        row[:] = 0
        for i in range(0, n - 7, 8):
            x0, x1, x2, x3 = x[b, i], x[b, i + 1], x[b, i + 2], x[b, i + 3]
            x4, x5, x6, x7 = x[b, i + 4], x[b, i + 5], x[b, i + 6], x[b, i + 7]
            q0, q1, q2, q3 = codes[i], codes[i + 1], codes[i + 2], codes[i + 3]
            q4, q5, q6, q7 = codes[i + 4], codes[i + 5], codes[i + 6], codes[i + 7]
            for j in range(m):
                row[j] += (
                    x0 * q0[j]
                    + x1 * q1[j]
                    + x2 * q2[j]
                    + x3 * q3[j]
                    + x4 * q4[j]
                    + x5 * q5[j]
                    + x6 * q6[j]
                    + x7 * q7[j]
                )
        for i in range(n - n % 8, n):
            for j in range(m):
                row[j] += x[b, i] * codes[i, j]


def int4_loop(x: Any, packed: Any, out: Any) -> None:
    """Write x @ codes into ``out`` for two codes a byte, counted from 0; to be compiled.

    ``packed`` is uint8 (ceil(n / 2), m): row 2 i of the codes in the low halves of row i.
    """
    # In 8 bits throughout: the integers that Python has would take a vector unit four times
    # as long.
    low, half = np.uint8(15), np.uint8(4)
    n, m = x.shape[1], packed.shape[1]
    for b in range(x.shape[0]):
        row = out[b]
        row[:] = 0
        for i in range(0, n - 3, 4):
            x0, x1, x2, x3 = x[b, i], x[b, i + 1], x[b, i + 2], x[b, i + 3]
            p0, p1 = packed[i // 2], packed[i // 2 + 1]
            for j in range(m):
                q0, q1 = np.uint8(p0[j] & low), np.uint8(p0[j] >> half)
                q2, q3 = np.uint8(p1[j] & low), np.uint8(p1[j] >> half)
                row[j] += (
                    x0 * np.float32(np.int32(q0))
                    + x1 * np.float32(np.int32(q1))
                    + x2 * np.float32(np.int32(q2))
                    + x3 * np.float32(np.int32(q3))
                )
        for i in range(n - n % 4, n):
            shift = np.uint8(4 * (i % 2))
            for j in range(m):
                row[j] += x[b, i] * np.float32(np.uint8(packed[i // 2, j] >> shift) & low)
