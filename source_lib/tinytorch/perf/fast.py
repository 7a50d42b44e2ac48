"""The optional fast twins: which are there, and what installing the others would gain.

Everything in ``tinytorch.perf`` runs on NumPy alone.
Where readable NumPy cannot be fast, a function also has a twin on numba or scipy.sparse with the
same arguments, results and tests, which it uses when the package can be imported.
Nothing is imported before a function with a twin is called.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any

GAINS = {
    "numba": (
        "compiled loops: large int8 layers faster than float32 on single rows, pruned layers "
        "faster than dense ones, fused kernels, generation with a KV cache"
    ),
    "scipy": "compiled sparse products: large pruned layers faster than dense ones",
}

_log = logging.getLogger(__name__)
_switched_off: ContextVar[bool] = ContextVar("tinytorch_numpy_only", default=False)
_compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}


def numba_available() -> bool:
    """Return whether the twins on numba are used: it can be imported and is not switched off."""
    return not _switched_off.get() and _module("numba") is not None


def scipy_available() -> bool:
    """Return whether the twins on scipy are used: it can be imported and is not switched off."""
    return not _switched_off.get() and _module("scipy") is not None


def missing() -> list[str]:
    """Return one sentence for each package that cannot be imported: what it would gain.

    >>> all("pip install" in sentence for sentence in missing())
    True
    """
    return [_advice(name) for name in GAINS if _module(name) is None]


@contextmanager
def numpy_only() -> Iterator[None]:
    """Switch the twins off inside a ``with`` block, to compare or to read what NumPy does.

    >>> with numpy_only():
    ...     numba_available(), scipy_available()
    (False, False)
    """
    token = _switched_off.set(True)
    try:
        yield
    finally:
        _switched_off.reset(token)


def compiled(
    loop: Callable[..., Any], *signatures: str, **options: Any
) -> Callable[..., Any] | None:
    """Return ``loop`` compiled by numba, or None where its NumPy twin has to do.

    ``loop`` is a plain Python function of arrays and numbers; ``options``, which have to be
    hashable, go to ``numba.njit``, for example ``fastmath=True``.
    With ``signatures``, in numba's notation, it takes these types and no others; without, each new
    combination of types is compiled when it first comes, which takes about a second.
    Machine code is kept on disk, so a later process does not wait for the compiler again.
    """
    if _switched_off.get():
        return None
    key = (loop, signatures, *options.items())
    function = _compiled.get(key)
    if function is None:
        numba = _module("numba")
        if numba is None:
            return None
        function = _compiled[key] = _compile(numba, loop, signatures, options)
    return function


def _compile(
    numba: ModuleType,
    loop: Callable[..., Any],
    signatures: tuple[str, ...],
    options: dict[str, Any],
) -> Callable[..., Any]:
    types = list(signatures) or None
    try:
        function: Callable[..., Any] = numba.njit(types, cache=True, **options)(loop)
    except RuntimeError:  # no folder that can be written, as in a sandbox, or no source file
        function = numba.njit(types, **options)(loop)
    return function


@cache
def _module(name: str) -> ModuleType | None:
    """Import the package once; one that is there but broken counts as absent."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # A warning, since an info message would be shown to nobody by default.
        _log.warning("%s (%s)", _advice(name), error)
        return None


def _advice(name: str) -> str:
    return f"{name} cannot be imported; `pip install {name}` would gain {GAINS[name]}"
