"""Laws of `compare_latency`: exact on a fake clock, covering on simulated data, honest for real."""

import random
from collections.abc import Callable
from itertools import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, quantile_test

from tinytorch.benchmarking import (
    LatencyComparison,
    compare_latency,
    median_ratio_interval,
    time_interleaved,
    verdict,
)
from tinytorch.benchmarking.comparison import interval_rank


class Machine:
    """A simulated machine: work moves its clock, and it writes down which arm ran."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.readings = 0
        self.log: list[str] = []

    def clock(self) -> int:
        self.readings += 1
        return self.now_ns

    def work(self, name: str, duration_ns: int) -> Callable[[], None]:
        """A callable that lasts `duration_ns`."""

        def fn() -> None:
            self.log.append(name)
            self.now_ns += duration_ns

        return fn

    def compare(self, a_ns: int, b_ns: int, **options: object) -> LatencyComparison:
        """Compare two works of these lengths on this machine."""
        clocks = {"clock_ns": self.clock, "cpu_clock_ns": lambda: self.now_ns}
        a, b = self.work("a", a_ns), self.work("b", b_ns)
        return compare_latency(a, b, **({"num_pairs": 20, "seed": 0} | clocks | options))


@pytest.mark.parametrize(
    ("a_ns", "b_ns", "word"),
    [
        (200_000, 100_000, "faster"),
        (100_000, 200_000, "slower"),
        (105_000, 100_000, "faster"),
        (100_000, 105_000, "slower"),
        (101_000, 100_000, "not resolved"),
        (100_000, 100_000, "not resolved"),
    ],
)
def test_speedup_is_baseline_over_candidate(a_ns: int, b_ns: int, word: str) -> None:
    """On an undisturbed clock the interval is the true ratio, and the word follows from it."""
    result = Machine().compare(a_ns, b_ns)
    truth = pytest.approx(a_ns / b_ns, rel=1e-9)
    assert (result.speedup, result.ci_low, result.ci_high) == (truth, truth, truth)
    assert result.verdict == word
    assert result.describe().startswith(word)
    assert result.self_ratio_ci == (pytest.approx(1), pytest.approx(1))
    assert result.baseline.median_ms == pytest.approx(a_ns / 1e6)
    assert result.candidate.median_ms == pytest.approx(b_ns / 1e6)
    assert (result.num_pairs, result.candidate.num_samples) == (20, 20)


def test_arms_are_calibrated_apart() -> None:
    """Each arm fills the block with calls of its own length."""
    result = Machine().compare(10_000, 30_000)
    assert (result.baseline.calls_per_sample, result.candidate.calls_per_sample) == (30, 10)


def test_order_is_random_and_the_number_of_pairs_fixed() -> None:
    """Every pair holds both arms, either comes first about half the time."""
    machine = Machine()
    machine.compare(2_000_000, 3_000_000, num_pairs=200, self_check=False)
    pairs = np.array(machine.log[-400:]).reshape(200, 2)
    assert {tuple(sorted(pair)) for pair in pairs} == {("a", "b")}
    first_is_a = int((pairs[:, 0] == "a").sum())
    assert binom.ppf(1e-6, 200, 0.5) <= first_is_a <= binom.isf(1e-6, 200, 0.5)


def test_seed_repeats_the_order_and_spares_global_state() -> None:
    """Same seed, same order; other seed, other order; the global generators stay put."""
    logs = []
    before = random.getstate(), np.random.get_state()[1].tolist()
    for seed in (1, 1, 2):
        machine = Machine()
        machine.compare(2_000_000, 3_000_000, seed=seed)
        logs.append(machine.log)
    assert logs[0] == logs[1] != logs[2]
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


def test_random_order_withstands_an_alternating_disturbance() -> None:
    """Every second block is 3 % slower: in a fixed order that alone would pass for a difference."""
    truths = 0
    for seed in range(50):
        machine = Machine()

        def work(machine: Machine = machine) -> None:
            machine.now_ns += 103_000 if machine.readings // 2 % 2 else 100_000

        clocks = {"clock_ns": machine.clock, "cpu_clock_ns": machine.clock}
        result = compare_latency(work, work, 101, seed=seed, self_check=False, **clocks)
        truths += result.verdict == "not resolved"
    # An interval that misses at most 5 % of the time falls below this once in ten thousand.
    assert truths >= binom.ppf(1e-4, 50, 0.95)


def test_interruptions_in_a_minority_of_blocks_change_nothing() -> None:
    """A tenth of the blocks lasts thirty times as long; the median does not see them."""
    machine = Machine()
    rng = random.Random(3)

    def work() -> None:
        machine.now_ns += 9_000_000 if rng.random() < 0.1 else 300_000

    clocks = {"clock_ns": machine.clock, "cpu_clock_ns": machine.clock}
    result = compare_latency(work, work, 100, seed=0, **clocks)
    assert (result.speedup, result.verdict) == (pytest.approx(1), "not resolved")


@pytest.mark.parametrize(
    ("cpu_share", "contended"), [(1.0, False), (0.9, False), (0.5, True), (0.0, True)]
)
def test_contention_is_reported(cpu_share: float, contended: bool) -> None:
    """Wall over CPU time beyond 1.2 is contended, and so is a CPU clock that shows nothing."""
    machine = Machine()
    cpu_clock = lambda: int(machine.now_ns * cpu_share)  # noqa: E731 - closes over one machine
    result = machine.compare(100_000, 100_000, cpu_clock_ns=cpu_clock)
    assert result.contended is contended
    if cpu_share == 0:
        assert result.wall_over_cpu is None
    else:
        assert result.wall_over_cpu == pytest.approx(1 / cpu_share, rel=1e-6)


def test_self_check_may_be_left_out() -> None:
    """Without it there is no interval for it, rather than a made-up one."""
    assert Machine().compare(100_000, 50_000, self_check=False).self_ratio_ci is None


def test_many_arms_share_a_round() -> None:
    """Each arm has one sample a round, and all lengths come out right."""
    machine = Machine()
    lengths = [100_000, 200_000, 400_000, 800_000]
    arms = [machine.work(str(length), length) for length in lengths]
    latencies = time_interleaved(arms, 7, seed=0, clock_ns=machine.clock)
    assert [latency.median_ms * 1e6 for latency in latencies] == pytest.approx(lengths)
    assert {latency.num_samples for latency in latencies} == {7}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_pairs": 5}, ValueError, "5 pairs are too few for 0.95 confidence, use 6"),
        ({"num_pairs": 1}, ValueError, "num_pairs must be 2 or more"),
        ({"num_pairs": 2.5}, TypeError, "num_pairs must be a whole number"),
        ({"block_ms": 0}, ValueError, "block_ms"),
        ({"confidence": 1.0}, ValueError, "strictly between 0 and 1"),
        ({"confidence": float("nan")}, ValueError, "strictly between 0 and 1"),
        ({"floor": -0.1}, ValueError, "The floor is a fraction"),
        ({"floor": float("nan")}, ValueError, "The floor is a fraction"),
        ({"candidate": None}, TypeError, "Expected a callable"),
    ],
)
def test_bad_arguments_are_refused(
    options: dict[str, object], error: type[Exception], words: str
) -> None:
    """Each in one sentence that says what came."""
    arms = {"baseline": dict, "candidate": list, "num_pairs": 20}
    with pytest.raises(error, match=words):
        compare_latency(**(arms | options))


def test_block_without_time_is_refused() -> None:
    """A ratio with zero is not made up, infinity does not reach the result."""
    machine = Machine()
    coarse = {"clock_ns": lambda: machine.now_ns // 16_000_000 * 16_000_000}
    with pytest.raises(RuntimeError, match="too coarse"):
        machine.compare(100_000, 100_000, **coarse)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [*range(9, 60), 150, 300, 1001])
def test_interval_is_exact(n: int, confidence: float) -> None:
    """By SciPy's binomial k is the largest rank that covers, for n beyond floats as well."""
    k = interval_rank(n, confidence)
    assert 2 * binom.cdf(k - 1, n, 0.5) <= (1 - confidence) * (1 + 1e-9)
    assert 2 * binom.cdf(k, n, 0.5) > (1 - confidence) * (1 - 1e-9)


@pytest.mark.parametrize("n", [9, 10, 25, 60, 301])
def test_interval_agrees_with_scipy(n: int) -> None:
    """The same order statistics as `scipy.stats.quantile_test` gives for the median."""
    values = np.random.default_rng(n).standard_cauchy(n) / 100
    theirs = quantile_test(values, p=0.5).confidence_interval(0.95)
    ours = median_ratio_interval(values, 0.95)
    assert (np.log(ours.low), np.log(ours.high)) == pytest.approx((theirs.low, theirs.high))
    assert np.log(ours.ratio) == pytest.approx(np.median(values))


def test_interval_works_beyond_the_range_of_floats() -> None:
    """2^n overflows a float from n = 1024 on; the whole numbers do not."""
    k = interval_rank(5000, 0.95)
    assert 2 * binom.cdf(k - 1, 5000, 0.5) <= 0.05 < 2 * binom.cdf(k, 5000, 0.5)


@pytest.mark.parametrize("n", [7, 20, 30, 150])
@pytest.mark.parametrize("shape", ["cauchy", "lognormal mixture"])
def test_interval_covers_heavy_tails(n: int, shape: str) -> None:
    """On 2 000 simulated rows the misses stay below what 5 % explains once in ten thousand."""
    rng = np.random.default_rng(n)
    truth = 0.05
    rows = np.clip(rng.standard_cauchy((2000, n)), -300, 300)  # so that exp stays finite
    if shape == "lognormal mixture":  # a narrow core, and interruptions of either arm
        interrupted = rng.random((2000, n)) < 0.15
        rows = np.where(interrupted, 3 * np.sign(rows), 0.01 * rng.standard_normal((2000, n)))
    intervals = [median_ratio_interval(truth + row) for row in rows]
    covered = sum(each.low <= np.exp(truth) <= each.high for each in intervals)
    assert covered >= binom.ppf(1e-4, 2000, 0.95)
    exact = 1 - 2 * binom.cdf(interval_rank(n, 0.95) - 1, n, 0.5)
    assert covered <= binom.ppf(1 - 1e-4, 2000, exact)


def test_mean_would_not_cover_heavy_tails() -> None:
    """The negative twin: the normal interval of the mean is wide where the median's is narrow."""
    rng = np.random.default_rng(0)
    row = np.where(rng.random(300) < 0.1, 3 * rng.choice([-1, 1], 300), 0.05)
    half_of_mean = 1.96 * row.std() / np.sqrt(300)
    interval = median_ratio_interval(row)
    assert (interval.high - interval.low) / 2 < 0.001 < 0.05 < half_of_mean


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=40), st.floats(-1, 1))
def test_interval_moves_with_the_data(values: list[float], shift: float) -> None:
    """A factor on every ratio is a factor on the interval; swapped arms invert it."""
    here = median_ratio_interval(values)
    there = median_ratio_interval(np.add(values, shift))
    swapped = median_ratio_interval(np.negative(values))
    assert here.low <= here.ratio <= here.high
    assert np.log(there) == pytest.approx(np.log(here) + shift, abs=1e-9)
    assert (1 / swapped.high, 1 / swapped.low) == pytest.approx((here.low, here.high))


@pytest.mark.parametrize("bad", [[0.0] * 5, [[0.0] * 9], [0.0] * 8 + [np.nan], [np.inf] * 9, []])
def test_interval_refuses_what_it_cannot_judge(bad: list[float]) -> None:
    """Too few, not a row, not finite."""
    with pytest.raises(ValueError, match=r"too few|one row of finite"):
        median_ratio_interval(bad)


@given(st.floats(0.01, 100), st.floats(1, 3), st.floats(0, 0.5))
def test_verdict_turns_round_with_the_arms(low: float, width: float, floor: float) -> None:
    """Swapping the arms swaps the words, away from the rounding of the limit itself."""
    high = low * width
    near = [
        abs(value / limit - 1) for value in (low, high) for limit in (1 + floor, 1 / (1 + floor))
    ]
    if min(near) < 1e-9:
        return
    opposite = {"faster": "slower", "slower": "faster", "not resolved": "not resolved"}
    assert verdict(1 / high, 1 / low, floor) == opposite[verdict(low, high, floor)]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (1.021, 1.03, "faster"),
        (1.02, 1.03, "not resolved"),
        (1.001, 1.9, "not resolved"),
        (0.5, 2.0, "not resolved"),
        (0.97, 1 / 1.02, "not resolved"),
        (0.97, 0.98, "slower"),
    ],
)
def test_verdict_needs_the_whole_interval_beyond_the_floor(
    low: float, high: float, word: str
) -> None:
    """An interval that touches the limit claims nothing."""
    assert verdict(low, high) == word


@pytest.mark.parametrize("ends", [(0, 1), (2, 1), (-1, 1), (float("nan"), 1), (1, float("inf"))])
def test_verdict_refuses_what_is_no_interval(ends: tuple[float, float]) -> None:
    """NaN above all, which compares false with everything and would pass as not resolved."""
    with pytest.raises(ValueError, match="0 < low <= high"):
        verdict(*ends)


def test_not_resolved_never_claims_better_than_the_floor() -> None:
    """The sentence states the resolution, and the floor where that is larger."""
    assert "not resolved at +-2.0 %" in Machine().compare(100_000, 100_000).describe()


@pytest.mark.slow
def test_real_comparisons_are_honest() -> None:
    """On this machine: A/A claims and misses are as rare as promised, a true 5 % is found.

    Each of the three bounds is the count that a tool exactly at its bar passes except once in
    thirty thousand runs, so that the test as a whole fails by chance less than once in 10 000.
    """
    trials, chance = 60, 1e-4 / 3
    samples = np.random.default_rng(0).standard_normal((16, 16))

    def repeated(count: int) -> Callable[[], None]:
        def fn() -> None:
            for _ in repeat(None, count):
                np.tanh(samples)

        return fn

    base, longer = repeated(60), repeated(63)
    claims = misses = found = 0
    for seed in range(trials):
        same = compare_latency(base, base, 60, seed=seed, self_check=False)
        claims += same.verdict != "not resolved"
        misses += not same.ci_low <= 1 <= same.ci_high
        found += compare_latency(longer, base, 150, seed=seed, self_check=False).verdict == "faster"
    assert claims <= binom.isf(chance, trials, 0.05)
    assert misses <= binom.isf(chance, trials, 0.07)
    assert found >= binom.ppf(chance, trials, 0.95)
