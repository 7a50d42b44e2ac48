"""The arrays that a layer was given, and whether it did more than to hand them on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.tensor import Tensor


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


def only_passes_on(call: Any) -> bool:
    """Return whether a finished call of a layer handed arrays on and did nothing else with them.

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
