"""Throughput against latency: more samples in a call share its fixed costs, and all wait for it.

Weights are fetched once a call, and a call has overhead, so the time of a batch grows slower than
its size until the processor is busy computing; from there on only the waiting grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinytorch.core.checks import checked_size

# So short that a block is one call: a percentile of means would hide the slow calls.
SINGLE_CALL_MS = 1e-4


@dataclass(frozen=True)
class BatchPoint:
    """The time of a call with ``batch_size`` samples, in ms: its median and its 90th percentile.

    Raises ValueError for a batch_size below 1 and times that are not above 0.

    >>> BatchPoint(batch_size=8, median_ms=2.0, p90_ms=3.0).samples_per_second
    4000.0
    """

    batch_size: int
    median_ms: float
    p90_ms: float

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not (self.median_ms > 0 and self.p90_ms > 0):
            raise ValueError(f"expected a batch from 1 and times above 0, got {self}")

    @property
    def samples_per_second(self) -> float:
        """Throughput when one call follows the other."""
        return 1000 * self.batch_size / self.median_ms


def choose_batch_size(points: Sequence[BatchPoint], latency_bound_ms: float) -> BatchPoint:
    """Return the point of the highest throughput whose p90 is within the bound in ms.

    Of two with the same throughput the smaller batch wins, since it answers sooner.
    The bound is that of a call; samples that wait for a batch to fill up wait longer.
    Raises ValueError without points, for a bound that is not above 0, and when no point is within
    it.

    >>> points = [BatchPoint(1, 1.0, 1.2), BatchPoint(8, 2.0, 2.5), BatchPoint(64, 9.0, 9.9)]
    >>> choose_batch_size(points, latency_bound_ms=5.0).batch_size
    8
    """
    if not points or not latency_bound_ms > 0:
        raise ValueError(
            f"expected points and a bound above 0, got {len(points)} and {latency_bound_ms}"
        )
    allowed = [point for point in points if point.p90_ms <= latency_bound_ms]
    if not allowed:
        least = min(point.p90_ms for point in points)
        raise ValueError(f"no batch size is within {latency_bound_ms} ms, the least is {least:.3g}")
    return max(allowed, key=lambda point: (point.samples_per_second, -point.batch_size))


def measure_batches(
    forward: Callable[[Any], object],
    samples: Any,
    batch_sizes: Sequence[int],
    num_rounds: int = 100,
    seed: int | None = None,
) -> list[BatchPoint]:
    """Time ``forward(samples[:n])`` for each n of ``batch_sizes``, interleaved, call by call.

    ``samples`` is an array or a Tensor of at least max(batch_sizes) rows; ``num_rounds`` of at
    least 64 calls each are needed for a 90th percentile.
    Raises ValueError for too few rows or rounds, and what ``time_interleaved`` raises.

    >>> import numpy as np
    >>> points = measure_batches(np.sum, np.ones((4, 3)), [1, 4], num_rounds=64)
    >>> [point.batch_size for point in points]
    [1, 4]
    """
    from tinytorch.benchmarking import time_interleaved

    sizes = [checked_size("batch size", size) for size in batch_sizes]
    if not sizes or max(sizes) > len(samples):
        raise ValueError(f"expected batch sizes from 1 to {len(samples)}, got {batch_sizes}")
    if num_rounds < 64:
        raise ValueError(f"expected at least 64 rounds for a 90th percentile, got {num_rounds}")
    arms = [_call(forward, samples[:size]) for size in sizes]
    latencies = time_interleaved(arms, num_rounds, block_ms=SINGLE_CALL_MS, seed=seed)
    points = []
    for size, latency in zip(sizes, latencies, strict=True):
        p90_ms = latency.percentile_ms(90)
        assert p90_ms is not None  # there are enough rounds
        points.append(BatchPoint(size, latency.median_ms, p90_ms))
    return points


def _call(forward: Callable[[Any], object], batch: Any) -> Callable[[], object]:
    return lambda: forward(batch)
