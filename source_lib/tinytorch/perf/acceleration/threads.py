"""How many threads the linear algebra runs on.

A BLAS starts as many as there are cores, which helps one large product and harms a small one, or
many at a time; a measurement must fix the number and say it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from tinytorch.core.checks import checked_size


@contextmanager
def blas_threads(count: int) -> Iterator[int]:
    """Run NumPy's BLAS on ``count`` threads inside a ``with`` block, then as before.

    Yields the number now in force, which is lower where the BLAS was built for fewer.
    It holds for the whole process, other Python threads included.
    Raises ValueError for a count below 1, TypeError for what is no integer, RuntimeError when no
    BLAS that can be controlled is loaded.

    >>> with blas_threads(1) as threads:
    ...     threads
    1
    """
    with _threadpoolctl().threadpool_limits(limits=checked_size("count", count), user_api="blas"):
        yield blas_thread_count()


def blas_thread_count() -> int:
    """Return the number of threads NumPy's BLAS uses now.

    Raises RuntimeError when no BLAS that can be controlled is loaded.

    >>> blas_thread_count() >= 1
    True
    """
    pools = [pool for pool in _threadpoolctl().threadpool_info() if pool["user_api"] == "blas"]
    # SciPy may have loaded a BLAS of its own beside NumPy's.
    pools = [pool for pool in pools if "numpy" in pool["filepath"].lower()] or pools
    if not pools:
        raise RuntimeError("expected a BLAS that threadpoolctl can control, found none")
    return int(pools[0]["num_threads"])


def _threadpoolctl() -> ModuleType:
    # By name, since it has no annotations.
    return importlib.import_module("threadpoolctl")
