"""How long one forward pass takes, so that a second person gets the same answer."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinytorch.core.checks import checked_size
from tinytorch.core.module import Module
from tinytorch.perf.profiling.hooks import inference


def measure_latency(model: Module, x: Any, warmup: int = 10, iterations: int = 100) -> float:
    """Return the median time of one forward pass in milliseconds.

    The first ``warmup`` passes fill caches and are not counted; of the ``iterations`` that
    follow each is timed by ``time.perf_counter_ns``, and the median ignores those that
    something interrupted.
    The model runs in ``inference``.
    Raises ValueError or TypeError unless warmup is an integer from 0 and iterations from 1.

    >>> from tinytorch.core.layers import Linear
    >>> 0 < measure_latency(Linear(4, 2), np.ones((3, 4), dtype=np.float32)) < 1000
    True
    """
    checked_size("warmup", warmup, smallest=0)
    checked_size("iterations", iterations)
    elapsed_ns = []
    with inference(model):
        for _ in range(warmup):
            model(x)
        for _ in range(iterations):
            start = time.perf_counter_ns()
            model(x)
            elapsed_ns.append(time.perf_counter_ns() - start)
    return float(np.median(elapsed_ns)) / 1e6
