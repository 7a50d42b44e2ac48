"""How much memory a computation allocates, measured while it runs.

Python counts what it allocates when ``tracemalloc`` is on, and NumPy reports the memory of every
array to it.
What a BLAS or another library keeps for itself is not seen.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinytorch.core.module import Module
from tinytorch.perf.arrays import arrays_in
from tinytorch.perf.profiling.hooks import inference, wrapped_forward

MB = 2**20


class TracedMemory(NamedTuple):
    """Bytes beyond those in use at the start: the most at any time, and those still held."""

    peak_bytes: int
    held_bytes: int


def traced_peak(fn: Callable[[], object]) -> TracedMemory:
    """Run ``fn()`` once and return what it allocated; what it returns is held while counting.

    >>> import numpy as np
    >>> peak, held = traced_peak(lambda: np.ones(1000) + np.ones(1000))
    >>> 24_000 <= peak < 26_000, 8_000 <= held < 9_000
    (True, True)
    """
    if not callable(fn):
        raise TypeError(f"expected a function to run, got {type(fn).__name__}")
    with tracing():
        tracemalloc.reset_peak()
        start, _ = tracemalloc.get_traced_memory()
        result = fn()
        end, peak = tracemalloc.get_traced_memory()
        del result
    return TracedMemory(peak - start, end - start)


def held_bytes(model: Any) -> int:
    """Return the bytes of a model's state, by its ``size_bytes()`` where it has one.

    Without, those are four for each of ``count_parameters()``; a model that has neither holds 0.

    >>> from tinytorch.core.layers import Linear
    >>> held_bytes(Linear(3, 2))
    32
    """
    if hasattr(model, "size_bytes"):
        return int(model.size_bytes())
    return 4 * int(model.count_parameters()) if hasattr(model, "count_parameters") else 0


def measure_memory(model: Module, x: Any) -> dict[str, Any]:
    """Measure the memory of one forward pass, as a whole and by layer, in MB of 2^20 bytes.

    ``parameter_memory_mb`` are the bytes of the state held, ``activation_memory_mb`` the most
    that was allocated at once during the pass, ``peak_memory_mb`` both together, and
    ``memory_efficiency`` the parameters' share of the peak, from 0 to 1.
    ``layers`` lists a ``LayerMemory`` for each call of a layer, in the order they ended.
    """
    with inference(model):
        model(x)  # what is made once and kept is no part of a pass
        activation_bytes = traced_peak(lambda: model(x)).peak_bytes
        trace = MemoryTrace()
        with tracing(), wrapped_forward(model, trace):
            model(x)
    parameter_bytes = held_bytes(model)
    peak_bytes = parameter_bytes + activation_bytes
    return {
        "parameter_memory_mb": parameter_bytes / MB,
        "activation_memory_mb": activation_bytes / MB,
        "peak_memory_mb": peak_bytes / MB,
        "memory_efficiency": parameter_bytes / peak_bytes if peak_bytes else 0.0,
        "layers": trace.layers,
    }


@dataclass(frozen=True)
class LayerMemory:
    """What one call of a layer allocated, the layers below it included, in bytes.

    ``peak_bytes`` is the most at any time beyond what was in use when it began, ``held_bytes``
    what was still in use when it ended, ``output_bytes`` the arrays it returned.
    """

    name: str
    kind: str
    parameter_bytes: int
    output_bytes: int
    peak_bytes: int
    held_bytes: int


class MemoryTrace:
    """The memory of each call of a forward pass, an ``around`` for ``wrapped_forward``.

    There is one peak for the whole process, so it is read and reset where a layer begins or ends,
    and a layer's own is the highest of the stretches since it began.
    Must run inside of ``tracing()``.
    """

    def __init__(self) -> None:
        self.layers: list[LayerMemory] = []
        self._peaks: list[int] = []  # of the layers that are running, outermost first

    def __call__(
        self, name: str, layer: Module, forward: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        start = self._end_stretch()
        self._peaks.append(start)
        try:
            output = forward(*args, **kwargs)
        finally:
            end = self._end_stretch()
            peak = self._peaks.pop()
            if self._peaks:
                self._peaks[-1] = max(self._peaks[-1], peak)
        self.layers.append(
            LayerMemory(
                name=name,
                kind=type(layer).__name__,
                parameter_bytes=layer.size_bytes(),
                output_bytes=sum(array.nbytes for array in arrays_in(output)),
                peak_bytes=peak - start,
                held_bytes=end - start,
            )
        )
        return output

    def _end_stretch(self) -> int:
        """Credit the peak since the last reset to the running layer; return the bytes in use."""
        in_use, peak = tracemalloc.get_traced_memory()
        if self._peaks:
            self._peaks[-1] = max(self._peaks[-1], peak)
        tracemalloc.reset_peak()
        return in_use


@contextmanager
def tracing() -> Iterator[None]:
    """Switch ``tracemalloc`` on, and off again if it was off."""
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    try:
        yield
    finally:
        if not was_on:
            tracemalloc.stop()
