"""What fusing a chain of operations gains, beside what it could gain at best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinytorch.core.tensor import Float32Array
from tinytorch.perf.acceleration.traffic import (
    Operation,
    bytes_moved,
    least_bytes,
    record_operations,
)

if TYPE_CHECKING:
    from tinytorch.benchmarking import RatioInterval

Kernel = Callable[..., Float32Array]


@dataclass(frozen=True)
class FusionReport:
    """Bytes counted from array sizes, and times measured in one run with a plain copy.

    ``bytes_before`` is what the operations of the unfused function read and write, ``bytes_after``
    its inputs and its result once, the least any function of that result can move.
    ``speedup`` is unfused / fused, ``of_limit`` is copy / fused: the share it reaches of the
    bandwidth of a copy that moves as many bytes, a limit measured as STREAM does (McCalpin 1995,
    Memory Bandwidth and Machine Balance).
    Times are medians in ms.
    """

    operations: tuple[Operation, ...]
    bytes_before: int
    bytes_after: int
    unfused_ms: float
    fused_ms: float
    copy_ms: float
    speedup: RatioInterval
    of_limit: RatioInterval

    @property
    def traffic_ratio(self) -> float:
        """Bytes before / bytes after: the speedup, were all of the time spent moving them."""
        return self.bytes_before / self.bytes_after

    @property
    def achieved_gb_per_s(self) -> float:
        """Bytes the fused function has to move, per second of it, in 10^9."""
        return self.bytes_after / self.fused_ms / 1e6

    @property
    def copy_gb_per_s(self) -> float:
        """Bandwidth of the copy in 10^9 bytes per second."""
        return self.bytes_after / self.copy_ms / 1e6

    def describe(self) -> str:
        """Two sentences for a reader: what is moved, and what that is worth."""
        low, high = self.speedup.low, self.speedup.high
        return (
            f"{len(self.operations)} operations move {self.bytes_before / 1e6:.2f} MB where "
            f"{self.bytes_after / 1e6:.2f} MB would do ({self.traffic_ratio:.1f} times less). "
            f"Fused it is {self.speedup.ratio:.2f} times as fast ({low:.2f} to {high:.2f}) and "
            f"reaches {self.achieved_gb_per_s:.1f} of the {self.copy_gb_per_s:.1f} GB/s of a copy."
        )


def fusion_report(
    unfused: Kernel,
    fused: Kernel,
    *arrays: Float32Array,
    num_rounds: int = 100,
    seed: int | None = None,
) -> FusionReport:
    """Count the bytes of ``unfused(*arrays)``, and time it with ``fused(*arrays)`` and a copy.

    The three are timed in turn, a block of each per round.
    Raises ValueError when the two functions do not give the same to a relative 1e-4 of the largest
    element, TypeError for an argument that is no array, and what ``time_interleaved`` raises.

    >>> x = np.ones(10_000, dtype=np.float32)
    >>> report = fusion_report(lambda x: -(x + 1), lambda x: -1 - x, x, num_rounds=10)
    >>> report.bytes_before, report.bytes_after, report.traffic_ratio
    (160000, 80000, 2.0)
    """
    from tinytorch.benchmarking import median_ratio_interval, time_interleaved

    operations = record_operations(unfused, *arrays)
    result = unfused(*arrays)
    _require_same(result, fused(*arrays))
    moved = least_bytes(arrays, result)
    source = np.ones(moved // 8, dtype=np.float32)  # read once and written once
    target = np.empty_like(source)
    arms = [lambda: unfused(*arrays), lambda: fused(*arrays), lambda: np.copyto(target, source)]
    latencies = time_interleaved(arms, num_rounds, seed=seed)
    slow, fast, copy = (np.log(latency.samples_ms) for latency in latencies)  # (num_rounds,) each
    return FusionReport(
        operations=tuple(operations),
        bytes_before=bytes_moved(operations),
        bytes_after=moved,
        unfused_ms=latencies[0].median_ms,
        fused_ms=latencies[1].median_ms,
        copy_ms=latencies[2].median_ms,
        speedup=median_ratio_interval(slow - fast),
        of_limit=median_ratio_interval(copy - fast),
    )


def _require_same(expected: Float32Array, found: Float32Array) -> None:
    """Refuse to compare the speed of two functions that do not compute the same."""
    scale = max(1e-30, float(np.abs(expected).max(initial=0.0)))
    if expected.shape != found.shape or not np.allclose(expected, found, rtol=0, atol=1e-4 * scale):
        raise ValueError("expected both functions to give the same, got different results")
