"""The time of one call, measured over blocks of calls with a monotonic clock.

A single call of a small model lasts about as long as reading the clock does, so one sample is the
mean over a block of calls between two readings, less the time of an empty loop of that length.
Blocks stay far shorter than a scheduler slice (3 to 4 ms), so that most are never interrupted.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

Clock = Callable[[], int]

NS_PER_MS = 1_000_000
WARMUP_LIMIT_MS = 50.0
PRIMED_BELOW_MS = 1.0
MAX_CALLS_PER_BLOCK = 1 << 20
CALIBRATION_REPEATS = 5
EMPTY_LOOP_REPEATS = 20
YOUNG_OBJECTS_LIMIT = 10_000


@dataclass(frozen=True, eq=False)
class Latency:
    """Samples of the time per call in milliseconds, float64 of shape (num_samples,), read only.

    Raises ValueError when there are fewer than two samples or one is negative or not finite.

    >>> latency = Latency(np.array([2.0, 4.0, 3.0]), calls_per_sample=10)
    >>> latency.mean_ms, latency.median_ms, latency.min_ms
    (3.0, 3.0, 2.0)
    """

    samples_ms: NDArray[np.float64]
    calls_per_sample: int

    def __post_init__(self) -> None:
        samples = np.array(self.samples_ms, dtype=np.float64)  # (num_samples,), a copy of our own
        if samples.ndim != 1 or samples.size < 2:
            raise ValueError(
                f"A latency needs a row of at least 2 samples, got shape {samples.shape}."
            )
        if not np.all(np.isfinite(samples)) or samples.min() < 0:
            raise ValueError("Every latency sample must be a finite number of ms, 0 or more.")
        if self.calls_per_sample < 1:
            raise ValueError(f"calls_per_sample must be 1 or more, got {self.calls_per_sample}.")
        samples.flags.writeable = False
        object.__setattr__(self, "samples_ms", samples)

    @property
    def num_samples(self) -> int:
        """Number of samples; each is a mean over `calls_per_sample` calls."""
        return int(self.samples_ms.size)

    @property
    def mean_ms(self) -> float:
        """Mean of the samples in ms; interrupted blocks pull it up."""
        return float(self.samples_ms.mean())

    @property
    def std_ms(self) -> float:
        """Population standard deviation of the samples in ms, as `np.std` computes it.

        It is the spread of block means; single calls spread more.
        """
        return float(self.samples_ms.std())

    @property
    def median_ms(self) -> float:
        """Median of the samples in ms, hardly moved by interrupted blocks."""
        return float(np.median(self.samples_ms))

    @property
    def min_ms(self) -> float:
        """Smallest sample in ms."""
        return float(self.samples_ms.min())

    def percentile_ms(self, q: float) -> float | None:
        """The q-th percentile of the samples in ms, or None when they are too few to tell.

        Enough means `min_samples_for_percentile(q)`: 64 for p90, 130 for p95, 662 for p99.
        Raises ValueError unless 0 < q < 100.

        >>> latency = Latency(np.linspace(1.0, 2.0, 101), calls_per_sample=1)
        >>> latency.percentile_ms(90), latency.percentile_ms(99)
        (1.9, None)
        """
        if self.num_samples < min_samples_for_percentile(q):
            return None
        return float(np.percentile(self.samples_ms, q))


def min_samples_for_percentile(q: float) -> int:
    """Smallest n with which two samples lie beyond the true percentile in 99 % of runs.

    The number beyond it is Binomial(n, p) with p the tail's share, so the condition is
    (1-p)^n + n p (1-p)^(n-1) <= 0.01 (Hahn and Meeker, Statistical Intervals, 1991, section 5.2).
    With fewer, the estimate is in effect the largest sample, which is noise.
    Raises ValueError unless 0 < q < 100.

    >>> [min_samples_for_percentile(q) for q in (10, 90, 95, 99)]
    [64, 64, 130, 662]
    """
    if not 0 < q < 100:
        raise ValueError(f"A percentile lies strictly between 0 and 100, got {q}.")
    p = min(q, 100 - q) / 100
    n = 2
    while (1 - p) ** n + n * p * (1 - p) ** (n - 1) > 0.01:
        n += 1
    return n


def measure_latency(
    fn: Callable[[], object],
    num_samples: int = 100,
    *,
    block_ms: float = 0.3,
    warmup_blocks: int = 20,
    clock_ns: Clock = time.perf_counter_ns,
) -> Latency:
    """Measure the time of `fn()` in ms as `num_samples` block means.

    A block is as many calls as fill `block_ms`, one when a call is longer; outputs are dropped.
    Warm-up ends after `warmup_blocks` blocks or 50 ms, whichever is first, and is never empty.
    `clock_ns` returns monotonic nanoseconds.
    Raises TypeError when `fn` is not callable, ValueError for a size out of range, RuntimeError
    when the clock is too coarse for the block.

    >>> measure_latency(lambda: sum(range(100)), num_samples=5).num_samples
    5
    """
    require_sizes(num_samples, "num_samples", block_ms, warmup_blocks)
    with collector_held_off() as tidy_up:
        arm = TimedArm(fn, block_ms, warmup_blocks, clock_ns)
        samples_ns = []
        for _ in range(num_samples):
            samples_ns.append(arm.sample_ns())
            tidy_up()
    if np.median(samples_ns) == 0:
        # A few zeros are rounding; mostly zeros means that the figure would be an invention.
        raise RuntimeError(
            f"The clock is too coarse: most blocks of {arm.calls} calls took 0 ns, "
            f"use a block_ms above {block_ms}."
        )
    return Latency(np.array(samples_ns) / NS_PER_MS, arm.calls)


class TimedArm:
    """A callable, warmed up, with its block length and the cost of an empty loop of that length."""

    def __init__(
        self, fn: Callable[[], object], block_ms: float, warmup_blocks: int, clock_ns: Clock
    ) -> None:
        if not callable(fn):
            raise TypeError(f"Expected a callable without arguments, got {type(fn).__name__}.")
        self.fn = fn
        self.clock_ns = clock_ns
        # The first call pays for lazy imports and cold caches, so it must not calibrate anything.
        start = clock_ns()
        fn()
        one_call_ns = call_ns(fn, block_ms, clock_ns)
        self.calls = calls_per_block(one_call_ns, block_ms)
        self.primed = one_call_ns <= PRIMED_BELOW_MS * NS_PER_MS
        for _ in range(warmup_blocks):
            if clock_ns() - start >= WARMUP_LIMIT_MS * NS_PER_MS:
                break
            block_ns(fn, self.calls, clock_ns)
        self.overhead_ns = empty_block_ns(self.calls, clock_ns)

    def sample_ns(self) -> float:
        """Mean time per call over one block in ns, less the loop around the calls.

        A short call is made once before the clock is read: what runs between blocks leaves the
        caches cold, which costs 1 us a block (measured on a 784x16 product), and divided by
        another number of calls for each arm that would be a difference of up to 0.4 %.
        """
        if self.primed:
            self.fn()
        elapsed = block_ns(self.fn, self.calls, self.clock_ns)
        return max(0, elapsed - self.overhead_ns) / self.calls


def block_ns(fn: Callable[[], object], calls: int, clock_ns: Clock) -> int:
    """Time of `calls` calls of `fn` in ns, the loop and one pair of clock readings included."""
    start = clock_ns()
    for _ in repeat(None, calls):
        fn()
    return clock_ns() - start


def empty_block_ns(calls: int, clock_ns: Clock) -> int:
    """Time of an empty loop of `calls` turns in ns, one pair of clock readings included.

    The least of several: an interrupted empty loop would be subtracted from every sample and
    flatter the model, the least can only err towards reporting too much.
    """
    least = -1
    for _ in range(EMPTY_LOOP_REPEATS):
        start = clock_ns()
        for _ in repeat(None, calls):
            pass
        elapsed = clock_ns() - start
        least = elapsed if least < 0 else min(least, elapsed)
    return least


def call_ns(fn: Callable[[], object], block_ms: float, clock_ns: Clock) -> float:
    """Time of one call of `fn` in ns, above 0, good enough to size a block with.

    Doubles the calls until they last a quarter of a block.
    The least of a few timings counts, because one interruption would shorten every later block.
    Raises RuntimeError when the clock stands still for 2^20 calls.
    """
    calls = 1
    while True:
        elapsed = block_ns(fn, calls, clock_ns)
        for _ in range(CALIBRATION_REPEATS - 1):
            if elapsed >= WARMUP_LIMIT_MS * NS_PER_MS / CALIBRATION_REPEATS:
                break
            elapsed = min(elapsed, block_ns(fn, calls, clock_ns))
        if elapsed >= block_ms * NS_PER_MS / 4 or calls >= MAX_CALLS_PER_BLOCK:
            break
        calls *= 2
    if elapsed <= 0:
        raise RuntimeError(f"The clock is too coarse: it stood still for {calls} calls.")
    return elapsed / calls


def calls_per_block(one_call_ns: float, block_ms: float) -> int:
    """Number of calls that fill a block of `block_ms`, from 1 to 2^20.

    >>> calls_per_block(1000.0, block_ms=0.3), calls_per_block(5e6, block_ms=0.3)
    (300, 1)
    """
    return min(max(1, round(block_ms * NS_PER_MS / one_call_ns)), MAX_CALLS_PER_BLOCK)


@contextmanager
def collector_held_off() -> Iterator[Callable[[], None]]:
    """Hold off the garbage collector and put it back as it was, on exceptions too.

    Yields a function to call between blocks: it frees cyclic garbage (every autograd graph is
    some) outside the timed part once there is much of it, so that long runs do not fill memory.
    Where the caller had switched the collector off, it does nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()

    def tidy_up() -> None:
        if was_enabled and gc.get_count()[0] > YOUNG_OBJECTS_LIMIT:
            gc.collect(0)

    try:
        yield tidy_up
    finally:
        if was_enabled:
            gc.enable()
        else:
            gc.disable()


def require_sizes(count: int, count_name: str, block_ms: float, warmup_blocks: int) -> None:
    """Raise TypeError or ValueError unless the sizes of a measurement make sense."""
    for name, value, least in ((count_name, count, 2), ("warmup_blocks", warmup_blocks, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name} must be a whole number, got {value!r}.")
        if value < least:
            raise ValueError(f"{name} must be {least} or more, got {value}.")
    if not 0 < block_ms < float("inf"):
        raise ValueError(f"block_ms must be a positive number of milliseconds, got {block_ms}.")
