"""Linear layers whose zeros take no room: lists of weights (CSR, COO), and a bit map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.layers import Linear
from tinytorch.core.module import Module
from tinytorch.core.tensor import Float32Array, Tensor, as_tensor, needs_grad, wrap
from tinytorch.perf.compression.bitmap import BitmapLinear
from tinytorch.perf.compression.csr_loops import compiled_csr_product
from tinytorch.perf.compression.sparse import (
    COO,
    CSR,
    check_csr,
    coo_product,
    csr_product_by_rows,
    scipy_csr,
    times_columns,
    to_coo,
    to_csr,
)
from tinytorch.perf.fast import scipy_available
from tinytorch.perf.quantization.linear import QuantizedLinear
from tinytorch.perf.rewrite import copied_bias, copy_with_layers, replace_layers

Layout = Literal["csr", "coo", "bitmap"]
ListLayout = Literal["csr", "coo"]


class SparseLinear(Module):
    """The layer of ``linear`` with only the weights that are not 0: (..., in) -> (..., out).

    They are held by output: row j of the CSR or COO matrix is column j of the weight.
    Time and bytes go with the number of weights held, at a higher price for each than in a dense
    layer, so both pay only above a break-even sparsity: half the weights for bytes, and for time
    what ``benchmarks/perf/compression.py`` measures.
    The lists are buffers, so they are counted in bytes and saved.
    Gradients reach x and the bias; the weights have none, so fine-tune before.
    Raises TypeError for what is no Linear, ValueError for another layout.

    >>> linear = Linear(4, 3)
    >>> linear.weight.data[1:] = 0
    >>> layer = SparseLinear(linear)
    >>> layer, layer.size_bytes()
    (SparseLinear(4, 3, nnz=3, layout='csr'), 52)
    """

    def __init__(self, linear: Linear, layout: ListLayout = "csr") -> None:
        if not isinstance(linear, Linear):
            raise TypeError(f"expected a Linear, got {type(linear).__name__}")
        if layout not in get_args(ListLayout):
            raise ValueError(f"expected layout as csr or coo, got {layout!r}")
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.layout = layout
        by_output = linear.weight.data.T  # (out, in)
        self.matrix: CSR | COO = to_csr(by_output) if layout == "csr" else to_coo(by_output)
        self.bias = copied_bias(linear)
        self._view: Any = None
        self._checked = False

    @property
    def nnz(self) -> int:
        """Number of weights held."""
        return self.matrix.values.size

    def count_operations(self, inputs: tuple[Any, ...], output: Tensor) -> tuple[int, int]:
        """Return the operations of the product with the weights, and those beside it."""
        rows = output.size // self.out_features
        return 2 * rows * self.nnz, 0 if self.bias is None else output.size

    @property
    def packed_parameters(self) -> int:
        return self.nnz

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return x W + b: (..., in_features) -> (..., out_features)."""
        x, bias = as_tensor(x), self.bias
        shape = x.data.shape
        if not shape or shape[-1] != self.in_features:
            raise ValueError(f"expected input of shape (..., {self.in_features}), got {shape}")
        rows = x.data if len(shape) == 2 else x.data.reshape(-1, shape[-1])  # (N, in_features)
        product = self._product(rows)  # (N, out_features)
        out = wrap(product if len(shape) == 2 else product.reshape(*shape[:-1], self.out_features))
        operands = (x,) if bias is None else (x, bias)
        if needs_grad(*operands):
            out.record(operands, self._backward)
        return out

    def dense_weight(self) -> Float32Array:
        """Return the weight with its zeros: float32 (in_features, out_features)."""
        dense = np.zeros((self.in_features, self.out_features), dtype=np.float32)
        if isinstance(self.matrix, CSR):
            counts = np.diff(self.matrix.starts)  # of each output
            outputs = np.repeat(np.arange(self.out_features, dtype=np.int32), counts)
        else:
            outputs = self.matrix.rows
        dense[self.matrix.columns, outputs] = self.matrix.values
        return dense

    def buffers(self) -> dict[str, Array]:
        """Return the values and the numbers that place them."""
        self._checked = False  # who asks may write into them, as loading a state does
        return self.matrix._asdict()

    def _product(self, x: Float32Array) -> Float32Array:
        """Return x W + b; the checks of the lists and scipy's matrix are made only once."""
        matrix, bias = self.matrix, None if self.bias is None else self.bias.data
        if isinstance(matrix, CSR):
            if not self._checked:
                check_csr(matrix, self.in_features)
                self._checked = True
            product = compiled_csr_product(x, matrix, bias)
            if product is not None:
                return product
            product = self._csr_product(x, matrix)
        else:
            product = coo_product(x, matrix, self.out_features)
        if bias is not None:
            product += bias
        return product

    def _csr_product(self, x: Float32Array, csr: CSR) -> Float32Array:
        # A copy of the layer must not go on with the matrix of the layer it was copied from.
        if self._view is None or not np.may_share_memory(self._view.data, csr.values):
            self._view = scipy_csr(csr, self.in_features)
        if self._view is None or not scipy_available():
            return csr_product_by_rows(x, csr)
        return times_columns(self._view, x)

    def _backward(self, grad: Array) -> tuple[Array, ...]:
        """Return the gradients in x and the bias, from that in the output."""
        grad_x = grad @ self.dense_weight().T
        return (grad_x,) if self.bias is None else (grad_x, grad)

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        sizes = f"{self.in_features}, {self.out_features}{bias}"
        return f"SparseLinear({sizes}, nnz={self.nnz}, layout={self.layout!r})"


def to_sparse(
    model: Module, layout: Layout = "csr", *, min_sparsity: float = 0.5, skip: Sequence[str] = ()
) -> Module:
    """Return a copy of ``model`` in which sparse linear layers store no zeros.

    A Linear of which at least ``min_sparsity`` is 0 becomes a SparseLinear ("csr", "coo") or a
    BitmapLinear ("bitmap", which takes a QuantizedLinear, too); others stay, and so do layers named
    in ``skip``.
    To load such a model, prune and convert one of the same shape first: the lists must be as long.
    Raises ValueError for another layout, a name in ``skip`` that is no layer, and a model without
    a layer that sparse.

    >>> linear = Linear(4, 3)
    >>> linear.weight.data[1:] = 0
    >>> to_sparse(linear, "coo")
    SparseLinear(4, 3, nnz=3, layout='coo')
    """
    if layout not in get_args(Layout):
        words = ", ".join(get_args(Layout))
        raise ValueError(f"expected layout as one of {words}, got {layout!r}")
    kinds = (Linear, QuantizedLinear) if layout == "bitmap" else (Linear,)
    copy_with_layers(model, kinds, skip)  # refuses unknown names
    made = 0

    def convert(name: str, layer: Module) -> Module:
        nonlocal made
        if not isinstance(layer, kinds) or name in skip:
            return layer
        dense = layer.weight.data if isinstance(layer, Linear) else layer.dense_weight()
        if np.mean(dense == 0) < min_sparsity:
            return layer
        made += 1
        if layout == "bitmap":
            return BitmapLinear(layer)
        assert isinstance(layer, Linear)
        return SparseLinear(layer, layout)

    converted = replace_layers(model, convert)
    if not made:
        raise ValueError(f"expected a linear layer with {min_sparsity:g} zeros or more, got none")
    return converted
