"""The peer that many scripts use, mutants of our own method, and what an empty call costs.

Every mutant changes one decision of `tinytorch.benchmarking`; a table in which it passes all bars
would be a table that does not measure that decision.
"""

import math
import time
import timeit
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from workloads import Work

from tinytorch.benchmarking import RatioInterval, measure_latency, median_ratio_interval
from tinytorch.benchmarking.timing import NS_PER_MS, TimedArm, collector_held_off

LogRatios = NDArray[np.float64]

NAIVE_RUNS = 100
NUM_PAIRS = 300
BLOCK_MS = 0.3
UNROLLED_CALLS = 1000


def naive_ratio(baseline: Work, candidate: Work) -> float:
    """Mean over mean of calls timed one by one with the wall calendar, first all A, then all B."""
    means = []
    for fn in (baseline, candidate):
        seconds = []
        for _ in range(NAIVE_RUNS):
            before = time.time()
            fn()
            seconds.append(time.time() - before)
        means.append(np.mean(seconds))
    return float(means[0] / means[1])


def mean_interval(log_ratios: LogRatios) -> RatioInterval:
    """Mutant: the mean of the log ratios with a normal interval in place of the median."""
    mean = float(np.mean(log_ratios))
    half = 1.96 * float(np.std(log_ratios)) / math.sqrt(log_ratios.size)
    return RatioInterval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def swapped_interval(log_ratios: LogRatios) -> RatioInterval:
    """Mutant: candidate / baseline in place of baseline / candidate."""
    return median_ratio_interval(-log_ratios)


def all_a_then_all_b(
    baseline: Work, candidate: Work, clock_ns: Callable[[], int] = time.perf_counter_ns
) -> LogRatios:
    """Mutant: the same blocks, every one of A before the first of B; shape (NUM_PAIRS,)."""
    times_ns = []
    with collector_held_off():
        for fn in (baseline, candidate):
            arm = TimedArm(fn, BLOCK_MS, 20, clock_ns)
            times_ns.append([arm.sample_ns() for _ in range(NUM_PAIRS)])
    logs = np.log(np.array(times_ns))  # (2, NUM_PAIRS)
    log_ratios: LogRatios = logs[0] - logs[1]
    return log_ratios


def fixed_order(
    baseline: Work, candidate: Work, clock_ns: Callable[[], int] = time.perf_counter_ns
) -> LogRatios:
    """Mutant: pairs, but A before B in each of them; shape (NUM_PAIRS,)."""
    with collector_held_off():
        first = TimedArm(baseline, BLOCK_MS, 20, clock_ns)
        second = TimedArm(candidate, BLOCK_MS, 20, clock_ns)
        times_ns = np.array([(first.sample_ns(), second.sample_ns()) for _ in range(NUM_PAIRS)])
    logs = np.log(times_ns)  # (NUM_PAIRS, 2)
    log_ratios: LogRatios = logs[:, 0] - logs[:, 1]
    return log_ratios


def empty() -> None:
    """Do nothing, so that what is reported is the call and the harness."""


def call_cost_ns() -> float:
    """Time of one call of `empty` in ns without any loop around it: a thousand calls in a row."""
    timer = timeit.Timer("f()\n" * UNROLLED_CALLS, globals={"f": empty})
    return min(timer.repeat(repeat=7, number=50)) / (50 * UNROLLED_CALLS) * 1e9


def reported_ns() -> dict[str, float]:
    """What each harness reports for one call of `empty`, in ns."""
    seconds = []
    for _ in range(10_000):
        before = time.time()
        empty()
        seconds.append(time.time() - before)
    number, total_seconds = timeit.Timer(empty).autorange()
    return {
        "ours, `measure_latency` median": measure_latency(empty).median_ms * NS_PER_MS,
        "naive, `time.time` per call, mean": float(np.mean(seconds)) * 1e9,
        "`timeit.Timer.autorange`": total_seconds / number * 1e9,
    }
