"""Models and data sets as a benchmark takes them: names and test examples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinytorch.core.tensor import Tensor

BATCH_OF_PREDICTIONS = 256

Array = NDArray[Any]


def named_models(models: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Models by name: the keys of a mapping, else their `name`, else model_0, model_1 and so on.

    Raises ValueError for no model or a name that occurs twice, TypeError for a model without a
    method `forward`.

    >>> named_models({})
    Traceback (most recent call last):
    ...
    ValueError: A benchmark needs at least one model.
    """
    if isinstance(models, Mapping):
        pairs = [(str(name), model) for name, model in models.items()]
    else:
        pairs = [(str(getattr(m, "name", f"model_{i}")), m) for i, m in enumerate(models)]
    if not pairs:
        raise ValueError("A benchmark needs at least one model.")
    names = [name for name, _ in pairs]
    for name, model in pairs:
        if names.count(name) > 1:
            raise ValueError(f"Two models are named {name!r}; pass a dictionary of other names.")
        if not callable(getattr(model, "forward", None)):
            raise TypeError(f"{name} has no method forward, it is a {type(model).__name__}.")
    return dict(pairs)


def labelled_examples(dataset: Any) -> tuple[Array, NDArray[np.int64]]:
    """The inputs (n, ...) and integer labels (n,) of a data set.

    A data set is a pair (X, y), something with `X_test` and `y_test` such as `load_digits()`, or
    something with a length whose items are pairs of an input and a label.
    Raises TypeError for anything else, ValueError unless there is one whole number for each input
    and at least one input.

    >>> X, y = labelled_examples(([[0.0, 1.0], [1.0, 0.0]], [1, 0]))
    >>> X.shape, y.tolist()
    ((2, 2), [1, 0])
    """
    if hasattr(dataset, "X_test") and hasattr(dataset, "y_test"):
        X, y = dataset.X_test, dataset.y_test
    elif isinstance(dataset, tuple) and len(dataset) == 2:
        X, y = dataset
    elif hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        items = [dataset[i] for i in range(len(dataset))]
        if not items or any(not isinstance(item, tuple) or len(item) != 2 for item in items):
            raise TypeError("A data set must have items that are pairs of an input and a label.")
        X, y = np.stack([np.asarray(x) for x, _ in items]), [label for _, label in items]
    else:
        raise TypeError(f"Expected a data set such as a pair (X, y), got {type(dataset).__name__}.")
    inputs, labels = np.asarray(X), np.asarray(y)
    if inputs.ndim == 0 or labels.shape != inputs.shape[:1] or labels.size == 0:
        raise ValueError(
            f"Expected one label for each input, got shapes {inputs.shape} and {labels.shape}."
        )
    if not np.all(np.equal(np.mod(labels, 1), 0)):
        raise ValueError("Labels must be whole numbers, the positions of the right classes.")
    return inputs, labels.astype(np.int64)


def predictions_right(model: Any, X: Array, y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the highest score of each example is its label's, shape (n,).

    `X` is (n, ...) and goes through `model.forward` in batches; the scores are (n, classes).
    What the model raises is passed on, a failing model has no accuracy.
    Raises ValueError for scores of another shape or with NaN in them.
    """
    right = np.empty(len(y), dtype=bool)
    for start in range(0, len(y), BATCH_OF_PREDICTIONS):
        part = slice(start, start + BATCH_OF_PREDICTIONS)
        scores = np.asarray(model.forward(as_input(X[part])).data)  # (B, classes)
        if scores.ndim != 2 or len(scores) != len(y[part]):
            raise ValueError(f"Expected scores (B, classes) for B inputs, got {scores.shape}.")
        if np.isnan(scores).any():
            raise ValueError(f"{type(model).__name__} gave NaN as a score.")
        right[part] = np.argmax(scores, axis=1) == y[part]
    return right


def as_input(rows: Array) -> Any:
    """Numbers as a `Tensor`; whole numbers stay an array, since they may be tokens."""
    return rows if rows.dtype.kind in "iu" else Tensor(rows)
