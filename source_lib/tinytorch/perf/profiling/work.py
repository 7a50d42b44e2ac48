"""What a layer has to do in one call: operations, and bytes that must move for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.module import Module, checked_module
from tinytorch.core.tensor import Tensor
from tinytorch.perf.profiling.hooks import LayerCall


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
    >>> bytes_moved(ReLU(), (Tensor([1.0, 2.0]),), Tensor([1.0, 2.0]))
    16
    """
    held = checked_module("layer", layer).size_bytes()
    return held + sum(array.nbytes for array in arrays_in((inputs, output)))


def arrays_in(value: Any) -> Iterator[Array]:
    """Yield the arrays of tensors, of arrays and of containers of them; other values have none.

    >>> [array.shape for array in arrays_in((Tensor([1.0]), None, [np.ones((2, 3))]))]
    [(1,), (2, 3)]
    """
    if isinstance(value, Tensor):
        yield value.data
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays_in(item)


def only_passes_on(call: LayerCall) -> bool:
    """Return whether a finished call handed arrays on and did nothing else with them.

    They went from its inputs to the layers below, from them to each other and to its output, as
    they were or as views of the same memory.
    """
    known = {_owner(array) for array in arrays_in(call.inputs)}
    for child in call.children:
        if not {_owner(array) for array in arrays_in(child.inputs)} <= known:
            return False
        known |= {_owner(array) for array in arrays_in(child.output)}
    passed = {_owner(array) for array in arrays_in(call.output)}
    return bool(passed) and passed <= known


def _owner(array: Array) -> int:
    """The identity of the array that owns the memory, the same for all views of it."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)
