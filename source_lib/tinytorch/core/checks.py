"""Checks of arguments that several layers share."""

from __future__ import annotations

import numbers

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array


def checked_size(name: str, size: int, smallest: int = 1) -> int:
    """Return ``size`` as an int of at least ``smallest``.

    Raises TypeError for what is no integer (True is none), ValueError for one that is too small.

    >>> checked_size("in_features", np.int64(3))
    3
    """
    if isinstance(size, bool) or not isinstance(size, numbers.Integral):
        raise TypeError(f"expected an integer {name}, got {type(size).__name__}")
    if size < smallest:
        raise ValueError(f"expected {name} of at least {smallest}, got {size}")
    return int(size)


def checked_indices(name: str, indices: ArrayLike, count: int) -> Array:
    """Return ``indices`` as an array of integers from 0 to ``count`` - 1, of any shape.

    Raises TypeError for what are no integers, ValueError for one that is out of range.

    >>> checked_indices("tokens", [[0, 2]], count=3)
    array([[0, 2]])
    """
    array = np.asarray(indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"expected integer {name}, got dtype {array.dtype}")
    if array.size:
        low, high = array.min(), array.max()
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            raise ValueError(f"expected {name} from 0 to {count - 1}, got {wrong}")
    return array
