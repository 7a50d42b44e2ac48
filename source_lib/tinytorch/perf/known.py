"""A layer and a function whose costs are known, to test a stopwatch and a scale by."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinytorch.core.autograd import Array, is_grad_enabled
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, needs_grad, wrap


class Pause(Module):
    """A layer of known time, which hands its input on.

    Call i sleeps for ``ms[i]`` milliseconds, the last of them from then on; the gradient takes
    ``back_ms`` on its way back.
    A busy machine wakes it late, so ``took_ms`` and ``back_took_ms`` note how long each call and
    each gradient really lasted.
    ``modes`` notes of each call whether it was in training and whether gradients were recorded.

    >>> pause = Pause(2, 1)
    >>> pause(Tensor([3.0])).item(), pause.modes, pause.took_ms[0] >= 2
    (3.0, [(True, True)], True)
    """

    def __init__(self, *ms: float, back_ms: float = 0.0) -> None:
        self.ms, self.back_ms = ms, back_ms
        self.modes: list[tuple[bool, bool]] = []
        self.took_ms: list[float] = []
        self.back_took_ms: list[float] = []

    def forward(self, x: Any) -> Any:
        """Return x after the pause."""
        self.modes.append((self.training, is_grad_enabled()))
        ms = self.ms[min(len(self.modes), len(self.ms)) - 1]
        self.took_ms.append(_sleep_ms(ms))
        if not (self.back_ms and isinstance(x, Tensor) and needs_grad(x)):
            return x
        out = wrap(x.data)
        out.record((x,), self._slow_gradient)
        return out

    def _slow_gradient(self, grad: Array) -> tuple[Array]:
        self.back_took_ms.append(_sleep_ms(self.back_ms))
        return (grad,)


def _sleep_ms(ms: float) -> float:
    start = time.perf_counter_ns()
    time.sleep(ms / 1000)
    return (time.perf_counter_ns() - start) / 1e6


class Scratch:
    """A function that needs ``peak`` bytes while it runs and returns an array of ``held`` bytes.

    >>> Scratch(peak=3000, held=1000)().nbytes
    1000
    """

    def __init__(self, peak: int, held: int) -> None:
        self.peak, self.held = peak, held

    def __call__(self) -> Array:
        passing = np.ones(self.peak - self.held, dtype=np.uint8)
        kept = np.ones(self.held, dtype=np.uint8)
        del passing
        return kept
