"""The roofline: how fast a computation can be at best on this machine.

A computation of F operations that moves B bytes takes at least F / peak seconds to compute and
B / bandwidth seconds to move; with the intensity I = F / B it reaches at most
min(peak, I x bandwidth) operations per second.
Peak and bandwidth are measured here, with as many threads as NumPy's BLAS uses now.
Source: Williams, Waterman and Patterson, Communications of the ACM 52 (2009), 65-76.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from tinytorch.core.checks import checked_size

Bound = Literal["memory", "compute"]
Clock = Callable[[], int]

# From well inside the cache of one core to beyond that of most processors.
WORKING_SETS = tuple(2**k for k in (18, 20, 22, 24, 26, 27))
# Small products finish between two interruptions, large ones keep every core busy.
PRODUCT_SIZES = (192, 256, 512, 1024)
ROUNDS = 3
PASS_NS = 1_000_000
BUDGET_NS = 15_000_000


def arithmetic_intensity(flops: int, bytes_moved: int) -> float:
    """Return the operations per byte that must move; infinite when there are none to move.

    Raises ValueError for a negative count, and for no operations on no bytes.

    >>> arithmetic_intensity(flops=2_000, bytes_moved=8_000)
    0.25
    """
    if flops < 0 or bytes_moved < 0 or flops == bytes_moved == 0:
        raise ValueError(f"expected work to do, got {flops} operations on {bytes_moved} bytes")
    return flops / bytes_moved if bytes_moved else float("inf")


@dataclass(frozen=True)
class Roofline:
    """The limits of a machine: peak operations per second, and bandwidth in bytes per second.

    Caches are faster than memory, so ``bandwidths`` holds (working set in bytes, bandwidth) for
    growing working sets.
    Raises ValueError for limits that are not above 0 or working sets that do not grow.

    >>> roofline = Roofline(peak_flops=100e9, bandwidths=((1 << 20, 50e9), (1 << 26, 10e9)))
    >>> roofline.ridge_point(1 << 26), roofline.attainable(intensity=2.0, working_set=1 << 26)
    (10.0, 20000000000.0)
    >>> round(roofline.bandwidth(1 << 23) / 1e9)
    30
    """

    peak_flops: float
    bandwidths: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        sizes = [size for size, _ in self.bandwidths]
        rates = [self.peak_flops, *(rate for _, rate in self.bandwidths)]
        if not sizes or sizes != sorted(set(sizes)) or not all(0 < r < np.inf for r in rates):
            raise ValueError("expected limits above 0 and working sets that grow")

    def bandwidth(self, working_set: int) -> float:
        """Return the bytes per second for a working set in bytes.

        Between two that were measured it lies on the line between them, over the logarithm of the
        size; outside of them it is that of the nearest.
        """
        sizes, rates = zip(*self.bandwidths, strict=True)
        return float(np.interp(np.log(max(working_set, 1)), np.log(sizes), rates))

    def ridge_point(self, working_set: int) -> float:
        """Return the intensity from which on computing is the limit, in operations per byte."""
        return self.peak_flops / self.bandwidth(working_set)

    def attainable(self, intensity: float, working_set: int) -> float:
        """Return the most operations per second that a computation of ``intensity`` can reach."""
        return min(self.peak_flops, intensity * self.bandwidth(working_set))

    def least_seconds(self, flops: int, bytes_moved: int) -> float:
        """Return the least time: that of computing or of moving, whichever is longer.

        The working set is taken to be the bytes moved.
        """
        return max(flops / self.peak_flops, bytes_moved / self.bandwidth(bytes_moved))

    def bound(self, flops: int, bytes_moved: int) -> Bound:
        """Return which limit a computation meets first, "memory" or "compute".

        >>> Roofline(100e9, ((1 << 30, 10e9),)).bound(flops=90, bytes_moved=10)
        'memory'
        """
        intensity = arithmetic_intensity(flops, bytes_moved)
        return "memory" if intensity < self.ridge_point(bytes_moved) else "compute"


@cache
def machine_roofline() -> Roofline:
    """Return the roofline of this machine, measured at the first call of the process."""
    return measure_roofline()


def measure_roofline(
    working_sets: tuple[int, ...] = WORKING_SETS, product_sizes: tuple[int, ...] = PRODUCT_SIZES
) -> Roofline:
    """Measure the limits in a second or two, in float32.

    The peak is the best rate of square matrix products of ``product_sizes`` rows, the bandwidth of
    a working set the best of copying one half of it to the other and of a product of two vectors
    that fill it.
    A roof is an upper limit, hence the best of many short passes rather than the mean, in several
    rounds over all sizes, so that one busy moment spoils none; a machine that is busy all the time
    shows a lower roof than it has.
    Raises TypeError or ValueError for a size that is no positive integer.
    """
    for size in (*working_sets, *product_sizes):
        checked_size("size to measure", size)
    peak, bandwidths = 0.0, dict.fromkeys(working_sets, 0.0)
    for _ in range(ROUNDS):
        peak = max(peak, *(product_rate(n) for n in product_sizes))
        for size in working_sets:
            bandwidths[size] = max(bandwidths[size], copy_rate(size), read_rate(size))
    return Roofline(peak, tuple(bandwidths.items()))


def product_rate(n: int) -> float:
    """Return the operations per second of the product of two float32 matrices n x n."""
    a, out = np.ones((n, n), dtype=np.float32), np.empty((n, n), dtype=np.float32)
    return 2 * n**3 / best_seconds(lambda: np.matmul(a, a, out=out), time.perf_counter_ns)


def copy_rate(working_set: int) -> float:
    """Return the bytes per second of copying float32 numbers, each read once and written once.

    Source and target fill the working set together, half of it each.
    """
    source = np.ones(working_set // 8, dtype=np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / best_seconds(lambda: np.copyto(target, source), cpu_clock())


def read_rate(working_set: int) -> float:
    """Return the bytes per second of a product of two float32 vectors that fill the working set."""
    a, b = (np.ones(working_set // 8, dtype=np.float32) for _ in range(2))
    return 2 * a.nbytes / best_seconds(lambda: np.dot(a, b), cpu_clock())


def cpu_clock() -> Clock:
    """The time that this thread ran, where the system counts it finely, else the time that passed.

    A pass over much memory lasts longer than the slice that a busy system gives, so by the time
    that passed none would be undisturbed.
    """
    fine = time.get_clock_info("thread_time").resolution <= 1e-6
    return time.thread_time_ns if fine else time.perf_counter_ns


def best_seconds(fn: Callable[[], object], clock_ns: Clock) -> float:
    """Return the least time of one call of ``fn`` in seconds, by a clock that counts ns.

    One call warms up; then passes follow, three at least and on until BUDGET_NS have gone by.
    The first pass is one call, each later one as many as fill PASS_NS at the best rate so far, one
    at least; what counts is the time of a pass over its calls, 1 ns at least.

    >>> ticks = iter([0, 900, 2000, 2500, 3000, 3700])
    >>> def clock():
    ...     return next(ticks) * 10_000_000
    >>> best_seconds(lambda: time.sleep(0.02), clock)
    5.0
    """
    fn()
    begin = time.perf_counter_ns()
    calls, passes, best_ns = 1, 0, float("inf")
    while passes < 3 or time.perf_counter_ns() - begin < BUDGET_NS:
        start = clock_ns()
        for _ in range(calls):
            fn()
        elapsed = clock_ns() - start
        best_ns = min(best_ns, max(1.0, elapsed / calls))
        calls, passes = max(1, round(PASS_NS / best_ns)), passes + 1
    return best_ns / 1e9
