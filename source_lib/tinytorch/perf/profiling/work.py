"""What a layer has to do in one call: operations, and bytes that must move for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinytorch.core.module import Module, checked_module
from tinytorch.perf.arrays import arrays_in


@dataclass(frozen=True)
class Work:
    """What a layer itself does in one call, the layers below it aside.

    ``products`` are the operations in matrix products, ``others`` all other ones; ``bytes_moved``
    are those that must move at least: every operand read once, every result written once.
    """

    products: int
    others: int
    bytes_moved: int

    @property
    def flops(self) -> int:
        """All operations."""
        return self.products + self.others


def bytes_moved(layer: Module, inputs: Any, output: Any) -> int:
    """Return the bytes of the arrays in ``inputs`` and ``output`` and of the weights of ``layer``.

    >>> from tinytorch.core.activations import ReLU
    >>> from tinytorch.core.tensor import Tensor
    >>> bytes_moved(ReLU(), (Tensor([1.0, 2.0]),), Tensor([1.0, 2.0]))
    16
    """
    held = checked_module("layer", layer).size_bytes()
    return held + sum(array.nbytes for array in arrays_in((inputs, output)))
