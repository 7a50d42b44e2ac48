"""``QuantizedEmbedding``: a table of vectors held in 2 to 8 bits an element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_indices
from tinytorch.core.embedding import Embedding
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, wrap
from tinytorch.perf.quantization.calibration import Calibration
from tinytorch.perf.quantization.storage import PackedWeight


class QuantizedEmbedding(Module):
    """The table of ``embedding`` as codes; only the rows asked for become float32.

    Integers (...) -> (..., dim), as of ``Embedding``; each row has its own scale.
    Raises TypeError for what is no Embedding, ValueError for bits out of 2 to 8 and for NaN or
    infinite weights.

    >>> QuantizedEmbedding(Embedding(5, 3), bits=4)([[0, 4], [1, 1]]).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        embedding: Embedding,
        bits: int = 8,
        *,
        symmetric: bool = True,
        calibration: Calibration = "min-max",
    ) -> None:
        if not isinstance(embedding, Embedding):
            kind = type(embedding).__name__
            raise TypeError(f"expected an Embedding to quantise, got {kind}")
        self.num, self.dim = embedding.num, embedding.dim
        # Transposed, so that a vector is a column, which is a stream of codes of its own.
        self.packed = PackedWeight(
            embedding.weight.data.T, bits, symmetric=symmetric, axis=1, calibration=calibration
        )

    @property
    def bits(self) -> int:
        """Number of bits that an element of the table takes."""
        return self.packed.bits

    def count_operations(self, inputs: tuple[Any, ...], output: Tensor) -> tuple[int, int]:
        """Return the operations of the product with the weights, and those beside it."""
        return 0, output.size

    @property
    def packed_parameters(self) -> int:
        return math.prod(self.packed.shape)

    def forward(self, tokens: ArrayLike) -> Tensor:
        """Return the vectors (..., dim) of integer ``tokens`` (...) in [0, num)."""
        rows = checked_indices("tokens", tokens, self.num)
        vectors = self.packed.columns(rows.reshape(-1)).T  # (N, dim)
        return wrap(np.ascontiguousarray(vectors).reshape(*rows.shape, self.dim))

    def buffers(self) -> dict[str, Array]:
        """Return the codes, the scales and the zero points."""
        return self.packed.arrays()

    def __repr__(self) -> str:
        return f"QuantizedEmbedding({self.num}, {self.dim}, bits={self.bits})"
