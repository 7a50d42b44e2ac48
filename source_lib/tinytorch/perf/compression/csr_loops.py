"""The loops over a CSR matrix that numba compiles: one for single rows, one for batches.

The places are read as unsigned numbers: a negative one would count from the end, and asking each
whether it does keeps a compiler from loading several at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.fast import compiled

if TYPE_CHECKING:
    from tinytorch.perf.compression.sparse import CSR

# From here on a product for the whole batch at a time is the faster one.
MIN_BATCH = 8
SIGNATURE = "void({0}, {1}, {2}, {2}, {1}, float32[:, ::1])".format(
    "Array(float32, 2, 'C', readonly=True)",
    "Array(float32, 1, 'C', readonly=True)",
    "Array(int32, 1, 'C', readonly=True)",
)


def compiled_csr_product(
    x: Float32Array, csr: CSR, bias: Float32Array | None = None
) -> Float32Array | None:
    """Return x A^T + b: (N, n) times the transpose of A (m, n), b (m,); or None without numba.

    Nothing is checked, and compiled code does not look whether a place exists before it reads it.
    """
    single = len(x) < MIN_BATCH
    loop = compiled(gather_rows if single else scale_rows, SIGNATURE, fastmath=True)
    if loop is None:
        return None
    m, batch = len(csr.starts) - 1, len(x)
    if bias is None:
        bias = np.zeros(m, dtype=np.float32)
    if single:
        out = np.empty((batch, m), dtype=np.float32)
        loop(np.ascontiguousarray(x), *csr, bias, out)
        return out
    out = np.empty((m, batch), dtype=np.float32)
    loop(np.ascontiguousarray(x.T), *csr, bias, out)
    return out.T


def gather_rows(x: Any, values: Any, columns: Any, starts: Any, bias: Any, out: Any) -> None:
    """Write x A^T + b into ``out`` (N, m), for ``x`` (N, n), A (m, n) in CSR and b (m,).

    An output gathers its inputs from one row of ``x``, which stays in the nearest cache.
    """
    for b in range(out.shape[0]):
        row = x[b]
        for i in range(out.shape[1]):
            total = bias[i]
            for k in range(np.uint32(starts[i]), np.uint32(starts[i + 1])):
                total += values[k] * row[np.uint32(columns[k])]
            out[b, i] = total


def scale_rows(xt: Any, values: Any, columns: Any, starts: Any, bias: Any, out: Any) -> None:
    """Write A x^T + b into ``out`` (m, N), for ``xt`` (n, N), A (m, n) in CSR and b (m,).

    Four values at a time, so that a row of ``out`` is read and written a quarter as often.
    """
    for i in range(out.shape[0]):
        row = out[i]
        row[:] = bias[i]
        first, last = starts[i], starts[i + 1]
        whole = last - (last - first) % 4
        for k in range(first, whole, 4):
            v0, v1, v2, v3 = values[k], values[k + 1], values[k + 2], values[k + 3]
            x0, x1, x2, x3 = (
                xt[columns[k]],
                xt[columns[k + 1]],
                xt[columns[k + 2]],
                xt[columns[k + 3]],
            )
            for b in range(row.size):
                row[b] += v0 * x0[b] + v1 * x1[b] + v2 * x2[b] + v3 * x3[b]
        for k in range(whole, last):
            for b in range(row.size):
                row[b] += values[k] * xt[columns[k], b]
