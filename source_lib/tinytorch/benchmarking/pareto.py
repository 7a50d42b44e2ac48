"""Which candidates are worth a look: those that no other one beats in everything."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_frontier(costs: ArrayLike) -> NDArray[np.bool_]:
    """Whether each of n candidates is on the Pareto frontier, shape (n,), from costs (n, d).

    Lower is better in each of the d columns (pass the negative of an accuracy).
    A candidate is beaten by one that is no worse in any column and better in at least one; those
    that are beaten by none form the frontier, equal ones all of them.
    Raises ValueError unless the costs are a table of numbers without NaN.

    >>> pareto_frontier([[1.0, 9.0], [2.0, 5.0], [3.0, 5.0], [4.0, 1.0]]).tolist()
    [True, True, False, True]
    """
    table = np.asarray(costs)
    if table.dtype.kind not in "fiub":
        raise TypeError(f"Expected costs that are real numbers, got dtype {table.dtype}.")
    table = table.astype(np.float64)
    if table.ndim != 2 or np.isnan(table).any():
        raise ValueError(f"Expected costs (n, d) without NaN, got shape {table.shape}.")
    on_frontier = np.empty(len(table), dtype=bool)
    for i, cost in enumerate(table):
        no_worse = np.all(table <= cost, axis=1)  # (n,)
        better = np.any(table < cost, axis=1)
        on_frontier[i] = not np.any(no_worse & better)
    return on_frontier
