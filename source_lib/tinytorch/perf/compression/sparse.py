"""Sparse matrices that store no zeros: COO, CSR, and products with them.

COO lists (row, column, value) of every weight that is not 0.
CSR sorts the list by rows, so that instead of the row of each value it stores where each row
begins: with int32 numbers 8 bytes a value and 4 a row, where COO takes 12 a value and a dense
matrix 4 a weight.
Source: Saad 2003, Iterative Methods for Sparse Linear Systems, section 3.4.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core.tensor import Float32Array, Tensor, as_float32
from tinytorch.perf.compression.csr_loops import compiled_csr_product
from tinytorch.perf.fast import scipy_available

Int32Array = NDArray[np.int32]


class COO(NamedTuple):
    """The weights of a matrix that are not 0, each with its place, sorted by rows."""

    values: Float32Array  # (nnz,)
    rows: Int32Array  # (nnz,)
    columns: Int32Array  # (nnz,)


class CSR(NamedTuple):
    """The same sorted by rows: row i is the places starts[i] to starts[i + 1]."""

    values: Float32Array  # (nnz,)
    columns: Int32Array  # (nnz,)
    starts: Int32Array  # (number of rows + 1,)


def to_coo(matrix: Tensor | ArrayLike) -> COO:
    """Return the elements of ``matrix`` (m, n) that are not 0 as COO.

    Raises ValueError for what is no matrix, and for NaN.

    >>> values, rows, columns = to_coo([[0.0, 5.0], [7.0, 0.0]])
    >>> values.tolist(), rows.tolist(), columns.tolist()
    ([5.0, 7.0], [0, 1], [1, 0])
    """
    dense = matrix.data if isinstance(matrix, Tensor) else as_float32(matrix)
    if dense.ndim != 2:
        raise ValueError(f"expected a matrix (m, n), got shape {dense.shape}")
    if np.isnan(dense).any():
        raise ValueError("expected a matrix of numbers, got NaN")
    rows, columns = np.nonzero(dense)
    return COO(dense[rows, columns], rows.astype(np.int32), columns.astype(np.int32))


def to_csr(matrix: Tensor | ArrayLike) -> CSR:
    """Return the elements of ``matrix`` (m, n) that are not 0 as CSR.

    Raises ValueError for what is no matrix, and for NaN.

    >>> to_csr([[0.0, 5.0], [0.0, 0.0], [7.0, 8.0]]).starts
    array([0, 1, 1, 3], dtype=int32)
    """
    values, rows, columns = to_coo(matrix)
    counts = np.bincount(rows, minlength=np.shape(matrix)[0])  # of each row
    starts = np.concatenate([[0], np.cumsum(counts)])
    return CSR(values, columns, starts.astype(np.int32))


def coo_product(x: Float32Array, coo: COO, m: int) -> Float32Array:
    """Return x A^T: (N, n) times the transpose of A (m, n) in COO, float32 (N, m).

    Each value is multiplied with its column of ``x`` and added to its row of the result.

    >>> coo_product(np.ones((1, 2), dtype=np.float32), to_coo([[0.0, 5.0], [7.0, 8.0]]), m=2)
    array([[ 5., 15.]], dtype=float32)
    """
    _check_rows(x)
    if coo.rows.size and (coo.rows.max() >= m or coo.columns.max() >= x.shape[1]):
        raise ValueError(f"expected COO lists of a matrix ({m}, {x.shape[1]}), got others")
    if scipy_available():
        places = coo.values, (coo.rows, coo.columns)
        return times_columns(_scipy_sparse().coo_array(places, shape=(m, x.shape[1])), x)
    out = np.zeros((m, len(x)), dtype=np.float32)
    np.add.at(out, coo.rows, coo.values[:, np.newaxis] * x.T[coo.columns])
    return out.T


def csr_product(x: Float32Array, csr: CSR) -> Float32Array:
    """Return x A^T: (N, n) times the transpose of A (m, n) in CSR, float32 (N, m).

    Output i gathers the columns of ``x`` that row i names; the twins are compiled loops, and
    without numba scipy.sparse.
    Raises ValueError for lists that name places outside of ``x`` or of themselves.

    >>> csr_product(np.ones((1, 2), dtype=np.float32), to_csr([[0.0, 5.0], [7.0, 8.0]]))
    array([[ 5., 15.]], dtype=float32)
    """
    _check_rows(x)
    check_csr(csr, x.shape[1])
    product = compiled_csr_product(x, csr)
    if product is not None:
        return product
    view = scipy_csr(csr, x.shape[1])
    return csr_product_by_rows(x, csr) if view is None else times_columns(view, x)


def csr_product_by_rows(x: Float32Array, csr: CSR) -> Float32Array:
    """Return x A^T: (N, n) times the transpose of A (m, n) in CSR, float32 (N, m).

    Output i is the product of the columns of ``x`` that row i of A names with the values there;
    2 N nnz operations, none of them with a zero.

    >>> csr_product_by_rows(np.ones((1, 2), dtype=np.float32), to_csr([[0.0, 5.0], [7.0, 8.0]]))
    array([[ 5., 15.]], dtype=float32)
    """
    m = len(csr.starts) - 1
    out = np.empty((len(x), m), dtype=np.float32)
    for i in range(m):
        row = slice(csr.starts[i], csr.starts[i + 1])
        out[:, i] = x[:, csr.columns[row]] @ csr.values[row]
    return out


def _check_rows(x: Float32Array) -> None:
    if x.dtype != np.float32:
        raise TypeError(f"expected rows of float32, got dtype {x.dtype}")
    if x.ndim != 2:
        raise ValueError(f"expected rows of shape (N, n), got {x.shape}")


def check_csr(csr: CSR, n: int) -> None:
    """Raise ValueError unless the lists are those of a matrix of ``n`` columns.

    >>> check_csr(to_csr([[0.0, 5.0]]), n=2)
    """
    values, columns, starts = csr
    nnz = len(values)
    rising = starts[:1] == 0 and starts[-1] == nnz and (np.diff(starts) >= 0).all()
    inside = len(columns) == nnz and (nnz == 0 or (columns.min() >= 0 and columns.max() < n))
    if not (rising and inside):
        raise ValueError(f"expected CSR lists of a matrix of {n} columns, got others")


def scipy_csr(csr: CSR, n: int) -> Any:
    """Return scipy's matrix (m, n) of the same arrays, not copied, or None without scipy.

    >>> view = scipy_csr(to_csr([[0.0, 5.0], [0.0, 0.0]]), n=2)
    >>> view is None or view.shape == (2, 2)
    True
    """
    if not scipy_available():
        return None
    arrays = csr.values, csr.columns, csr.starts
    return _scipy_sparse().csr_array(arrays, shape=(len(csr.starts) - 1, n))


def csr_bytes(nnz: int, m: int, value_bytes: int = 4, index_bytes: int = 4) -> int:
    """Return the bytes of a matrix of ``m`` rows and ``nnz`` values in CSR.

    A value takes ``value_bytes``, its column ``index_bytes``, the start of a row 4 bytes.

    >>> csr_bytes(nnz=100, m=10), csr_bytes(nnz=100, m=10, value_bytes=1)
    (844, 544)
    """
    return (value_bytes + index_bytes) * nnz + 4 * (m + 1)


def break_even_sparsity(m: int, n: int, value_bytes: int = 4, index_bytes: int = 4) -> float:
    """Return the sparsity at which a matrix (m, n) takes as many bytes in CSR as dense.

    Dense it takes ``value_bytes`` an element; above 1 when CSR is never smaller.

    >>> round(break_even_sparsity(1000, 1000), 4), round(break_even_sparsity(1000, 1000, 1), 4)
    (0.5005, 0.8008)
    """
    room = value_bytes * m * n - 4 * (m + 1)  # bytes left for values and their columns
    return 1 - room / ((value_bytes + index_bytes) * m * n)


def times_columns(matrix: Any, x: Float32Array) -> Float32Array:
    """Return x A^T for a matrix of scipy, whose product with one vector is its fastest."""
    if len(x) != 1:
        product: Float32Array = (matrix @ x.T).T
        return product
    return np.reshape(matrix @ x[0], (1, -1))  # of one row scipy returns a number


def _scipy_sparse() -> Any:
    return importlib.import_module("scipy.sparse")
