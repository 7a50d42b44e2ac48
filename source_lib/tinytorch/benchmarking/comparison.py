"""Which of two callables is faster, decided from pairs of short blocks in random order.

Between two measurements in a row the machine drifts (frequency, caches, neighbours), and a longer
measurement only narrows the interval around a drifted figure.
Two blocks next to each other share the drift, so their ratio is free of it; the random order takes
out what is left, and the median ignores the pairs that an interruption fell into.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.benchmarking.timing import (
    NS_PER_MS,
    Clock,
    Latency,
    TimedArm,
    collector_held_off,
    require_sizes,
)

Verdict = Literal["faster", "slower", "not resolved"]

WARMUP_BLOCKS = 20
CONTENDED_ABOVE = 1.2


class RatioInterval(NamedTuple):
    """A ratio and its confidence interval, all three above 0 and without unit."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LatencyComparison:
    """What the pairs say; `speedup` is baseline / candidate, so above 1 the candidate is faster.

    `self_ratio_ci` is the baseline against itself in the same run: if it leaves 1 out by more than
    `floor`, trust nothing else here.
    `wall_over_cpu` is None when the process used no CPU time that the CPU clock could see; code
    that sleeps or waits has a high ratio of its own.
    """

    baseline: Latency
    candidate: Latency
    speedup: float
    ci_low: float
    ci_high: float
    confidence: float
    floor: float
    verdict: Verdict
    wall_over_cpu: float | None
    self_ratio_ci: tuple[float, float] | None

    @property
    def num_pairs(self) -> int:
        """Number of pairs of blocks, fixed before the first was timed."""
        return self.baseline.num_samples

    @property
    def resolution(self) -> float:
        """Half-width of the interval of the speedup, as a fraction."""
        return (self.ci_high - self.ci_low) / 2

    @property
    def contended(self) -> bool:
        """Whether others held the CPU for a good part of the time, or nobody can tell."""
        return self.wall_over_cpu is None or self.wall_over_cpu > CONTENDED_ABOVE

    def describe(self) -> str:
        """One sentence for a reader; no difference below the floor is ever claimed."""
        level = f"{100 * self.confidence:g} % interval {self.ci_low:.3f} to {self.ci_high:.3f}"
        if self.verdict == "not resolved":
            limit = 100 * max(self.resolution, self.floor)
            return f"not resolved at +-{limit:.1f} %: speedup {self.speedup:.3f}, {level}"
        return f"{self.verdict}: speedup {self.speedup:.3f}, {level}"


def compare_latency(
    baseline: Callable[[], object],
    candidate: Callable[[], object],
    num_pairs: int = 300,
    *,
    block_ms: float = 0.3,
    confidence: float = 0.95,
    floor: float = 0.02,
    seed: int | None = None,
    self_check: bool = True,
    clock_ns: Clock = time.perf_counter_ns,
    cpu_clock_ns: Clock = time.process_time_ns,
) -> LatencyComparison:
    """Compare the time of `baseline()` with that of `candidate()` over `num_pairs` pairs.

    The speedup is exp(median(log(t_baseline / t_candidate))); the number of pairs is fixed, since
    stopping as soon as a difference shows would inflate false alarms.
    The interval speaks of these two objects in this process; other places in memory may move the
    ratio by 0.1 % for a tiny model and 2 % for a big one, which is why there is a floor.
    `floor` is the smallest relative difference a verdict may rest on (see `verdict`); `self_check`
    times the baseline a second time in every round, for `self_ratio_ci`.
    Raises TypeError when an arm is not callable, ValueError for an argument out of range or too
    few pairs for the confidence, RuntimeError when the clock is too coarse.

    >>> work = lambda: sum(range(200))
    >>> twice = lambda: (work(), work())
    >>> compare_latency(twice, work, num_pairs=100, seed=1).verdict
    'faster'
    """
    require_sizes(num_pairs, "num_pairs", block_ms, WARMUP_BLOCKS)
    interval_rank(num_pairs, confidence)  # refuses too few pairs before any time is spent
    verdict(1.0, 1.0, floor)
    arms = [baseline, candidate, baseline] if self_check else [baseline, candidate]
    wall_start, cpu_start = clock_ns(), cpu_clock_ns()
    latencies = time_interleaved(arms, num_pairs, block_ms=block_ms, seed=seed, clock_ns=clock_ns)
    wall_ns, cpu_ns = clock_ns() - wall_start, cpu_clock_ns() - cpu_start

    log_times = [np.log(latency.samples_ms) for latency in latencies]  # (num_pairs,) each
    speedup = median_ratio_interval(log_times[0] - log_times[1], confidence)
    self_ratio_ci = None
    if self_check:
        self_ratio = median_ratio_interval(log_times[0] - log_times[2], confidence)
        self_ratio_ci = (self_ratio.low, self_ratio.high)
    return LatencyComparison(
        baseline=latencies[0],
        candidate=latencies[1],
        speedup=speedup.ratio,
        ci_low=speedup.low,
        ci_high=speedup.high,
        confidence=confidence,
        floor=floor,
        verdict=verdict(speedup.low, speedup.high, floor),
        wall_over_cpu=wall_ns / cpu_ns if cpu_ns > 0 else None,
        self_ratio_ci=self_ratio_ci,
    )


def time_interleaved(
    arms: Sequence[Callable[[], object]],
    num_rounds: int,
    *,
    block_ms: float = 0.3,
    warmup_blocks: int = WARMUP_BLOCKS,
    seed: int | None = None,
    clock_ns: Clock = time.perf_counter_ns,
) -> list[Latency]:
    """Time one block of every arm per round, in an order drawn afresh for each round.

    Sample i of every returned latency is from round i, so they may be paired.
    Arms that are the same object share one calibration, so that they differ in nothing.
    `seed` makes the orders repeatable and leaves the global random state alone.
    Raises TypeError when an arm is not callable, ValueError for an argument out of range,
    RuntimeError when the clock is too coarse or a block took no time, whose logarithm does not
    exist.

    >>> first, second = time_interleaved([dict, list], 10, seed=1)
    >>> first.num_samples, second.num_samples
    (10, 10)
    """
    require_sizes(num_rounds, "num_rounds", block_ms, warmup_blocks)
    rng = random.Random(seed)
    order = list(range(len(arms)))
    samples_ns = np.empty((len(arms), num_rounds))
    with collector_held_off() as tidy_up:
        timed = calibrated(arms, block_ms, warmup_blocks, clock_ns)
        for i in range(num_rounds):
            rng.shuffle(order)
            for arm in order:
                samples_ns[arm, i] = timed[arm].sample_ns()
                tidy_up()
    if samples_ns.size and samples_ns.min() <= 0:
        raise RuntimeError(
            f"The clock is too coarse: a block took 0 ns, use a block_ms above {block_ms}."
        )
    return [Latency(row / NS_PER_MS, arm.calls) for row, arm in zip(samples_ns, timed, strict=True)]


def calibrated(
    arms: Sequence[Callable[[], object]], block_ms: float, warmup_blocks: int, clock_ns: Clock
) -> list[TimedArm]:
    """The arms, warmed up and with their block lengths; one object is calibrated once."""
    by_identity: dict[int, TimedArm] = {}
    for fn in arms:
        if id(fn) not in by_identity:
            by_identity[id(fn)] = TimedArm(fn, block_ms, warmup_blocks, clock_ns)
    return [by_identity[id(fn)] for fn in arms]


def median_ratio_interval(log_ratios: ArrayLike, confidence: float = 0.95) -> RatioInterval:
    """The median ratio and its exact interval from logarithms of ratios, shape (n,).

    The interval runs from the k-th smallest to the k-th largest value (see `interval_rank`), the
    inversion of the sign test: it supposes nothing of the distribution and cannot be moved by a
    minority of outliers.
    Source: W. R. Thompson, Annals of Mathematical Statistics 7 (1936), 122-128; Conover, Practical
    Nonparametric Statistics, 3rd ed., section 3.2.
    Raises ValueError when a value is not finite or there are too few.

    >>> interval = median_ratio_interval(np.log([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
    >>> [round(value, 6) for value in interval]
    [4.0, 1.0, 7.0]
    """
    values = np.sort(np.asarray(log_ratios, dtype=np.float64))  # (n,)
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise ValueError("The logarithms of the ratios must be one row of finite numbers.")
    k = interval_rank(values.size, confidence)
    low, middle, high = np.exp([values[k - 1], np.median(values), values[-k]])
    return RatioInterval(float(middle), float(low), float(high))


def interval_rank(n: int, confidence: float) -> int:
    """Largest k for which [k-th smallest, k-th largest] of n covers the median well enough.

    The median lies below the k-th smallest when fewer than k of n fair coins fall below it, so k
    is the largest with 2 P(Binomial(n, 1/2) <= k - 1) <= 1 - confidence.
    Computed in whole numbers, hence exact for every n.
    Raises ValueError when even k = 1 covers too little, or confidence is not within (0, 1).

    >>> interval_rank(6, 0.95), interval_rank(300, 0.95)
    (1, 133)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    k, tail, term = 0, 0, 1  # term = n choose k, tail = the sum of those before
    while k < n and (tail + term) / (1 << n) * 2 <= 1 - confidence:
        tail += term
        term = term * (n - k) // (k + 1)
        k += 1
    if k == 0:
        least = 1 + math.ceil(-math.log2(1 - confidence))
        raise ValueError(f"{n} pairs are too few for {confidence:g} confidence, use {least}.")
    return k


def verdict(ci_low: float, ci_high: float, floor: float = 0.02) -> Verdict:
    """What an interval of the speedup allows to claim, in three words.

    "faster" needs the whole interval above 1 + floor, "slower" all of it below 1 / (1 + floor),
    so that exchanging the arms exchanges the two words.
    The floor is there because two copies of one model differ by up to 2 % from their places in
    memory alone, which no number of pairs averages out.
    A true 5 % stays well above it: 300 pairs have a half-width near 0.5 %.
    Raises ValueError unless 0 < ci_low <= ci_high and 0 <= floor < 1.

    >>> verdict(1.03, 1.06), verdict(0.92, 0.95), verdict(1.005, 1.03)
    ('faster', 'slower', 'not resolved')
    """
    if not 0 < ci_low <= ci_high < math.inf:
        raise ValueError(f"An interval of ratios has 0 < low <= high, got {ci_low} to {ci_high}.")
    if not 0 <= floor < 1:
        raise ValueError(f"The floor is a fraction from 0 to below 1, got {floor}.")
    if ci_low > 1 + floor:
        return "faster"
    if ci_high < 1 / (1 + floor):
        return "slower"
    return "not resolved"
