"""An input for a model, from a shape or as it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.checks import checked_size
from tinytorch.core.embedding import Embedding
from tinytorch.core.module import Module, checked_module
from tinytorch.core.tensor import Tensor


def model_input(model: Module, shape_or_input: Any) -> Any:
    """Return an input of the model: of a tuple of integers as shape, or what is given itself.

    The first number of a shape is the batch.
    The made-up input is normal noise, the same each time; for a model with an ``Embedding`` it is
    tokens that each of its tables has.
    An array of integers stays one, other numbers become a ``Tensor``.
    Raises TypeError or ValueError for what is no Module, a shape that is not of positive integers,
    and NaN.

    >>> from tinytorch.core.layers import Linear
    >>> model_input(Linear(4, 2), (8, 4)).shape
    (8, 4)
    """
    checked_module("model", model)
    if not isinstance(shape_or_input, tuple):
        if isinstance(shape_or_input, Tensor):
            return _without_nan(shape_or_input)
        array = np.asarray(shape_or_input)
        return array if array.dtype.kind in "iu" else _without_nan(Tensor(array))
    shape = tuple(checked_size("size in a shape", size) for size in shape_or_input)
    tables = [layer.num for layer in model.modules() if isinstance(layer, Embedding)]
    if tables:
        return np.arange(math.prod(shape)).reshape(shape) % min(tables)
    return Tensor(np.random.default_rng(0).standard_normal(shape))


def _without_nan(x: Tensor) -> Tensor:
    if np.isnan(x.data).any():
        raise ValueError("expected an input without NaN, got NaN")
    return x
