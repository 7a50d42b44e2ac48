"""Functions that run their compiled twin where numba is installed, and NumPy elsewhere.

The readable function stays what it is; the pair made of the two has its name, signature and
docstring, and holds it as ``__wrapped__``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def with_twin(readable: Callable[P, R], twin: Callable[P, R | None]) -> Callable[P, R]:
    """Return a function that calls ``twin``, and ``readable`` where the twin returns None.

    None means that there is no compiler; the arguments are checked by whichever runs.

    >>> def double(x): return x + x
    >>> with_twin(double, lambda x: None)(2), with_twin(double, lambda x: 2 * x)(2)
    (4, 4)
    """

    @wraps(readable)
    def either(*args: P.args, **kwargs: P.kwargs) -> R:
        result = twin(*args, **kwargs)
        return readable(*args, **kwargs) if result is None else result

    return either


class FloatRules(set[str]):
    """Which laws of arithmetic a compiler may use: a set for numba, hashable for `compiled`."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))


# Sums may be reordered, which vector registers need, and a*b+c rounded once.
# Not "nnan": the loops look for NaN, which the compiler would then take to be impossible.
REORDERED = FloatRules({"contract", "nsz", "arcp", "reassoc"})
