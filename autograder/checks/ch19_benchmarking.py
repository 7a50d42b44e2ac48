"""Hidden checks of chapter 19: each takes `student`, whose attributes are the notebook's names.

What is measured is measured with a clock that only moves when told to, and what is estimated from
samples whose truth is known, so that no check depends on the machine.
"""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import itertools
import math
import random
import statistics

import numpy as np

from tinytorch.core.student_t import two_sided_t

NAN = float("nan")
INFINITY = float("inf")
GLOBAL_RANDOM = (
    "time_interleaved must not use or seed the global random generator: make a random.Random(seed)"
)


class HandClock:
    """A clock in ns that readings, work and sleep move on, each by what it is told.

    Its methods are what a function gets: it calls them, and the time stays here with the check.
    """

    def __init__(self, reading_ns=0):
        self.now_ns = 1_000_000
        self.reading_ns = reading_ns
        self.readings = 0
        self.log = []

    def now(self):
        self.readings += 1
        self.now_ns += self.reading_ns
        return self.now_ns

    def sleep(self, seconds):
        assert seconds >= 0, "there is no sleeping for less than no time"
        self.now_ns += round(seconds * 1e9)

    def work(self, first_ns, more_ns=0, name=""):
        """A function whose i-th call takes `first_ns + i * more_ns`, noted in the log."""
        calls = itertools.count()

        def function():
            assert len(self.log) < 5000, "a function is called far more often than blocks need"
            taken = first_ns + next(calls) * more_ns
            self.now_ns += taken
            self.log.append((name, taken))

        return function


class ScriptedClock:
    """A clock whose steps from one reading to the next are given, the last one for ever."""

    def __init__(self, steps):
        self.steps = list(steps)
        self.now_ns = 0
        self.readings = 0

    def now(self):
        place = min(self.readings, len(self.steps) - 1)
        self.now_ns += self.steps[place]
        self.readings += 1
        return self.now_ns


def refuses(function, *arguments, error=ValueError, **options):
    """Whether the call raises an error of that class."""
    try:
        function(*arguments, **options)
    except error:
        return True
    return False


def close(found, expected, tolerance=1e-9):
    """Whether numbers, or arrays of one shape, agree to a relative tolerance; NaN never does."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    return found.shape == expected.shape and bool(
        np.allclose(found, expected, rtol=tolerance, atol=tolerance)
    )


def middle(values):
    return statistics.median(float(value) for value in values)


def check_block_time(student):
    """A block is so many calls between exactly two readings of the clock."""
    for calls, call_ns, reading_ns in ((1, 700, 0), (7, 1300, 50), (23, 90, 400)):
        clock = HandClock(reading_ns)
        found = student.block_ns(clock.work(call_ns), calls, clock.now)
        assert len(clock.log) == calls, "block_ns must call the function as often as `calls` says"
        assert clock.readings == 2, "block_ns must read the clock twice: before and after all calls"
        assert found == calls * call_ns + reading_ns, (
            "block_ns must return the time from the first reading to the second, in ns, undivided"
        )
    clock = HandClock()
    found = student.block_ns(clock.work(10, more_ns=10), 5, clock.now)
    assert found == 150, "block_ns must count the time of every call, quick or slow"


def check_empty_block(student):
    """The overhead is the least of all the empty loops, each between two readings."""
    rng = random.Random()
    for place in (0, 11, 19):
        times = [rng.randrange(200, 5000) for _ in range(20)]
        times[place] = rng.randrange(50, 150)
        clock = ScriptedClock([step for taken in times for step in (7, taken)] + [9000])
        found = student.empty_block_ns(3, clock.now)
        assert clock.readings == 40, (
            "empty_block_ns must time the empty loop EMPTY_LOOP_REPEATS times, each by two readings"
        )
        assert found == times[place], "empty_block_ns must return the least of its timings"


def check_block_size(student):
    """A block has as many calls as fill it, at least one and at most 2^20."""
    cases = [
        (1000.0, 0.3, 300),
        (700.0, 0.3, 429),
        (123456.0, 1.0, 8),
        (300_000.0, 0.4, 1),
        (5e6, 0.3, 1),
        (1e12, 0.3, 1),
        (1e-3, 0.3, 1 << 20),
        (50.0, 0.02, 400),
    ]
    for one_call_ns, block_ms, expected in cases:
        found = student.calls_per_block(one_call_ns, block_ms)
        assert found == expected, (
            "calls_per_block must be the block in ns over the time of a call, rounded to the "
            "nearest whole number, at least 1 and at most MAX_CALLS_PER_BLOCK"
        )
        assert type(found) is int, "calls_per_block must return a Python int"


def check_sample(student):
    """A sample is the time of one call, without the overhead, and never below 0."""
    for call_ns, reading_ns in ((50_000, 900), (70_000, 5000), (3_000_000, 10_000)):
        clock = HandClock(reading_ns)
        arm = student.TimedArm(clock.work(call_ns), 0.3, 2, clock.now)
        before = len(clock.log)
        found = arm.sample_ns()
        assert abs(found - call_ns) < 1e-6 * call_ns, (
            "sample_ns must be the time of the block less the overhead, divided by the calls"
        )
        extra = len(clock.log) - before - arm.calls
        assert extra == (1 if arm.primed else 0), (
            "sample_ns must call a short function (primed) once more, before its block, and a "
            "long one not"
        )
    clock = HandClock()
    usual = clock.work(50_000)
    arm = student.TimedArm(usual, 0.3, 2, clock.now)
    cold = iter([clock.work(900_000)])
    arm.fn = lambda: next(cold, usual)()
    assert arm.sample_ns() == 50_000, (
        "the call that warms the caches must come before the clock is read"
    )
    arm.overhead_ns = 10**9
    assert arm.sample_ns() == 0, "an overhead above the block must give 0, not less"


def cold_samples(samples, window):
    """How many samples are warm-up, counted window by window."""
    count = len(samples) // window
    medians = [middle(samples[i * window : (i + 1) * window]) for i in range(count)]
    highest = max(medians[count // 2 :])
    cold = 0
    while cold < count // 2 and medians[cold] > highest:
        cold += 1
    return cold * window


def check_warmup_values(student):
    """The warm-up is the windows at the start that lie above every steady one."""
    rng = np.random.default_rng()
    for n, window, decay in ((20, 5, 3), (43, 4, 9), (101, 7, 40), (64, 1, 12), (37, 3, 25)):
        times = 3 + 6 * np.exp(-np.arange(n) / decay) + rng.normal(size=n) * 0.05
        kept = times.copy()
        found = student.detect_warmup(times, window)
        assert found == cold_samples(kept, window), (
            "detect_warmup does not count the windows at the start whose median is above that of "
            "every window of the second half, times the window"
        )
        assert np.array_equal(times, kept), "detect_warmup changes its samples"
    steady_later = [9.0] * 4 + [2.0] * 4 + [9.0] * 4 + [3.0] * 14
    assert student.detect_warmup(steady_later, 2) == 4, (
        "the warm-up ends at the first window that is no slower than the steady state"
    )
    late_peak = [5.0] * 2 + [3.0] * 20 + [6.0] * 2
    assert student.detect_warmup(late_peak, 2) == 0, (
        "a window is warm-up only when its median is above that of every window of the second half"
    )
    falling = list(np.linspace(9, 1, 42))
    assert student.detect_warmup(falling, 5) == 20, (
        "when no steady state is seen, all windows of the first half are warm-up, and no more"
    )
    assert student.detect_warmup([5.0] * 20, 5) == 0, (
        "equal windows are no warm-up: the median has to be above"
    )


def check_warmup_robust(student):
    """One interrupted sample is no warm-up, and an incomplete window does not count."""
    rng = np.random.default_rng()
    steady = 10 + rng.uniform(0, 0.1, 40)
    steady[0] = 500.0
    steady[20:25] = 11.0
    assert student.detect_warmup(steady, 5) == 0, "one slow sample is not a slow window"
    cold = np.concatenate([np.full(10, 20.0), 10 + rng.uniform(0, 0.1, 30), [999.0, 999.0]])
    cold[25:30] = 10.5
    assert student.detect_warmup(cold, 5) == 10, (
        "the samples of an incomplete window at the end must be left out"
    )
    late = cold[:40].copy()
    late[33] = 900.0
    assert student.detect_warmup(late, 5) == 10, (
        "one slow sample among the steady ones must not hide the warm-up"
    )


def check_warmup_errors(student):
    """Samples that are too few or not finite are refused, as is a window below 1."""
    for samples, window in (
        ([1.0] * 19, 5),
        ([], 5),
        ([1.0] * 30, 0),
        ([1.0] * 30, -2),
        ([1.0] * 29 + [NAN], 5),
        ([INFINITY] + [1.0] * 29, 5),
    ):
        assert refuses(student.detect_warmup, samples, window), (
            "detect_warmup must raise ValueError for fewer than 4 windows, a window below 1, or a "
            "sample that is not finite"
        )
    assert student.detect_warmup([1.0] * 20, 5) == 0, "four windows are enough"


def scores_of(values):
    """The robust scores, one by one."""
    values = [float(value) for value in values]
    centre = middle(values)
    distances = [abs(value - centre) for value in values]
    spread = 1.4826 * middle(distances) or 1.2533 * statistics.fmean(distances)
    return np.array([(value - centre) / spread if spread else 0.0 for value in values])


def check_scores(student):
    """A score is the distance from the median in units of 1.4826 MAD."""
    rng = np.random.default_rng()
    for n in (3, 8, 51, 200):
        values = rng.lognormal(1.0, 0.8, n)
        kept = values.copy()
        found = np.asarray(student.robust_scores(values))
        assert close(found, scores_of(kept)), (
            "a robust score is (value - median) / (1.4826 * MAD), with its sign"
        )
        assert np.array_equal(values, kept), "robust_scores changes its values"
    for wrong in ([1.0, 2.0], [], [1.0, NAN, 2.0, 3.0], [1.0, INFINITY, 2.0]):
        assert refuses(student.robust_scores, wrong), (
            "robust_scores must raise ValueError for fewer than 3 values or one that is not finite"
        )


def check_scores_without_spread(student):
    """Where the MAD is 0, the mean distance takes its place; equal values score 0."""
    values = [5.0, 5.0, 5.0, 5.0, 7.0, 4.0]
    assert close(student.robust_scores(values), scores_of(values)), (
        "where more than half of the values are equal, divide by 1.2533 * mean |x - median|"
    )
    assert close(student.robust_scores([2.5] * 6), np.zeros(6)), "equal values must score 0"


def check_outlier_report(student):
    """The report names the outliers on both sides and how far they move the mean."""
    rng = np.random.default_rng()
    for threshold, sign in ((3.5, 1), (2.0, 1), (3.0, -1)):
        values = sign * rng.normal(10, 1, 60)
        values[[4, 17, 30]] = sign * np.array([90.0, -40.0, 55.0])
        scores = scores_of(values)
        report = student.find_outliers(values, threshold)
        slow, fast = np.asarray(report.slow), np.asarray(report.fast)
        assert slow.tolist() == np.flatnonzero(scores > threshold).tolist(), (
            "slow must be the positions of the scores above the threshold, in ascending order"
        )
        assert fast.tolist() == np.flatnonzero(scores < -threshold).tolist(), (
            "fast must be the positions of the scores below minus the threshold"
        )
        assert report.num_samples == 60, "num_samples must count all values"
        assert close(report.largest_score, np.abs(scores).max()), (
            "largest_score must be the largest distance from 0, on either side"
        )
        usual = values[np.abs(scores) <= threshold].mean()
        assert close(report.mean_shift, (values.mean() - usual) / abs(usual)), (
            "mean_shift must be (mean of all - mean of the others) / |mean of the others|"
        )
    balanced = student.find_outliers([-1.0, 0.0, 1.0, -1.0, 1.0, 0.0, 50.0])
    assert balanced.mean_shift == 0, "mean_shift must be 0.0 when the others have a mean of 0"
    for threshold in (0, -1.0, NAN):
        assert refuses(student.find_outliers, [1.0, 2.0, 3.0, 4.0], threshold), (
            "find_outliers must raise ValueError for a threshold that is not above 0"
        )


def samples_needed(q):
    """The smallest number of samples of which two lie beyond the percentile in 99 % of runs."""
    p = min(q, 100 - q) / 100
    return next(
        n
        for n in itertools.count(2)
        if sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in (0, 1)) <= 0.01
    )


def check_samples_needed(student):
    """Enough samples means two beyond the percentile in 99 of 100 runs, on either side."""
    for q in (50, 75, 90, 95, 99, 97.5, 1, 5, 20, 33):
        assert student.min_samples_for_percentile(q) == samples_needed(q), (
            "min_samples_for_percentile is not the smallest n that the formula allows"
        )
    for q in (0, 100, -5, 140):
        assert refuses(student.min_samples_for_percentile, q), (
            "min_samples_for_percentile must raise ValueError unless 0 < q < 100"
        )


def check_percentile(student):
    """A percentile is interpolated between the two samples beside it."""
    rng = np.random.default_rng()
    samples = rng.lognormal(0.0, 1.0, 700)
    latency = student.Latency(samples, 1)
    ordered = np.sort(samples)
    for q in (1, 10, 50, 72.5, 90, 95, 99):
        place = (len(ordered) - 1) * q / 100
        below, part = int(place), place - int(place)
        above = min(below + 1, len(ordered) - 1)
        expected = ordered[below] * (1 - part) + ordered[above] * part
        found = latency.percentile_ms(q)
        assert type(found) is float, "percentile_ms must return a Python float"
        assert close(found, expected), (
            "percentile_ms must be the q-th percentile of the samples, as np.percentile gives it"
        )


def check_percentile_needs_samples(student):
    """A percentile without enough samples is None, and senseless ones are refused."""
    rng = np.random.default_rng()
    for q, needed in ((90, 64), (10, 64), (95, 130), (99, 662)):
        few = student.Latency(rng.uniform(1, 2, needed - 1), 1)
        enough = student.Latency(rng.uniform(1, 2, needed), 1)
        assert few.percentile_ms(q) is None, "with too few samples percentile_ms must be None"
        assert enough.percentile_ms(q) is not None, (
            "with as many samples as min_samples_for_percentile says there is a percentile"
        )
    latency = student.Latency(rng.uniform(1, 2, 700), 1)
    for q in (0, 100, -1):
        assert refuses(latency.percentile_ms, q), (
            "percentile_ms must raise ValueError unless 0 < q < 100"
        )


def interleaved(student, rounds, arms=2, meanwhile=None, **options):
    """Time arms of one call a block, each call of another length; return samples and the log.

    `meanwhile` is called whenever the first arm is.
    """
    clock = HandClock()
    # Lengths tell a call from every other, so each sample can be found in the log.
    # From 10 ms on an arm is calibrated by one call.
    works = [clock.work(12e6 + 1e5 * arm, 1000 + arm, arm) for arm in range(arms)]
    if meanwhile:
        first = works[0]
        works[0] = lambda: (first(), meanwhile())
    latencies = student.time_interleaved(
        works, rounds, warmup_blocks=1, clock_ns=clock.now, **options
    )
    samples = [np.asarray(latency.samples_ms) * 1e6 for latency in latencies]
    return samples, clock.log


def places(samples, log):
    """Where in the log each sample was taken, shape (arms, rounds)."""
    found = []
    for arm, row in enumerate(samples):
        taken = {round(ns): i for i, (name, ns) in enumerate(log) if name == arm}
        assert all(round(ns) in taken for ns in row), (
            "a sample must be the time of one block of its own arm, in milliseconds"
        )
        found.append([taken[round(ns)] for ns in row])
    return np.array(found)


def check_rounds(student):
    """Sample i of every arm comes from round i, in which each arm is timed once."""
    for rounds, arms in ((8, 2), (6, 3)):
        samples, log = interleaved(student, rounds, arms, seed=5)
        assert len(samples) == arms, "time_interleaved must return one Latency for each arm"
        assert all(len(row) == rounds for row in samples), "every arm must have one sample a round"
        where = places(samples, log)
        assert (where.max(axis=0)[:-1] < where.min(axis=0)[1:]).all(), (
            "a round must time every arm once before the next round begins, and sample i of every "
            "arm must be of round i"
        )
        assert len(set(where.ravel().tolist())) == rounds * arms, (
            "every sample is a block of its own"
        )


def check_interleaved_figures(student):
    """Samples are milliseconds a call, with the calls of a block beside them."""
    clock = HandClock()
    works = [clock.work(ns) for ns in (50_000, 100_000, 12_000_000)]
    latencies = student.time_interleaved(works, 4, warmup_blocks=1, seed=1, clock_ns=clock.now)
    for latency, ms, calls in zip(latencies, (0.05, 0.1, 12.0), (6, 3, 1), strict=True):
        assert close(latency.samples_ms, [ms] * 4), (
            "samples_ms must be the milliseconds of one call, in the order of the arms"
        )
        assert latency.calls_per_sample == calls, (
            "calls_per_sample must be the calls of the arm's own block"
        )
    (longer,) = student.time_interleaved(
        [clock.work(50_000)], 2, block_ms=0.5, warmup_blocks=1, clock_ns=clock.now
    )
    assert longer.calls_per_sample == 10, "block_ms must be passed on to the arms"


def first_comes_first(student, rounds, **options):
    """For each round, whether the first of two arms was timed before the second."""
    where = places(*interleaved(student, rounds, **options))
    return (where[0] < where[1]).tolist()


def check_random_order(student):
    """The order is drawn anew for each round, so that no arm always comes first."""
    first = first_comes_first(student, 40, seed=None)
    assert 6 <= sum(first) <= 34, "each arm must come first in about half of the rounds"
    changes = sum(x != y for x, y in itertools.pairwise(first))
    assert 6 <= changes <= 33, (
        "the order of a round must be drawn at random and not follow a pattern"
    )


def check_seed(student):
    """One seed gives one sequence of orders, another seed another."""
    orders = [first_comes_first(student, 12, seed=seed) for seed in (3, 3, 4)]
    assert orders[0] == orders[1], "the same seed must give the same orders"
    assert orders[0] != orders[2], "another seed must give other orders"


def check_coarse_clock(student):
    """A sample of 0 has no logarithm and is refused."""
    clock = HandClock()
    slow, quick = clock.work(12_000_000), clock.work(0)
    calls = itertools.count()
    assert refuses(
        student.time_interleaved,
        [lambda: (slow if next(calls) < 6 else quick)(), slow],
        30,
        warmup_blocks=1,
        seed=1,
        clock_ns=clock.now,
        error=RuntimeError,
    ), "time_interleaved must raise RuntimeError when a block took no time"


def check_global_random_state(student):
    """Python's and NumPy's own random generators are left alone."""
    random.seed(77)
    np.random.seed(77)
    expected = random.random(), np.random.random()
    random.seed(77)
    np.random.seed(77)
    quiet = first_comes_first(student, 12, seed=9)
    assert (random.random(), np.random.random()) == expected, GLOBAL_RANDOM
    seeds = itertools.count(100)

    def use_the_global_generators():
        seed = next(seeds)
        random.seed(seed)
        np.random.seed(seed)
        student.calls_per_block(1000.0, 0.3)  # any call tells the student's process of the seeds

    disturbed = first_comes_first(student, 12, seed=9, meanwhile=use_the_global_generators)
    assert quiet == disturbed, GLOBAL_RANDOM


def rank_of(n, confidence):
    """The rank of the interval, from whole numbers."""
    rank, tail = 0, 0
    while rank < n:
        tail += math.comb(n, rank)
        if 2 * tail / 2**n > 1 - confidence:
            break
        rank += 1
    return rank


def check_rank(student):
    """The rank is the largest whose interval still has the confidence."""
    for confidence in (0.95, 0.9, 0.99, 0.5):
        for n in (8, 9, 17, 30, 51, 100, 300):
            assert student.interval_rank(n, confidence) == rank_of(n, confidence), (
                "interval_rank is not the largest k with 2 P(fewer than k of n heads) <= "
                "1 - confidence"
            )
    assert student.interval_rank(1200, 0.95) == rank_of(1200, 0.95), (
        "interval_rank fails for many values: 2^-n vanishes in floating point, so work in whole "
        "numbers"
    )


def check_rank_errors(student):
    """Too few values and a confidence out of range are refused."""
    for n, confidence in ((5, 0.95), (1, 0.9), (0, 0.5), (7, 0.99), (20, 0), (20, 1), (20, 1.5)):
        assert refuses(student.interval_rank, n, confidence), (
            "interval_rank must raise ValueError when no interval reaches the confidence, or "
            "unless 0 < confidence < 1"
        )
    for n, confidence in ((6, 0.95), (8, 0.99)):
        assert student.interval_rank(n, confidence) == 1, (
            "the smallest number of values that is enough must be accepted"
        )


def check_interval_values(student):
    """The interval runs between order statistics, and all three are ratios."""
    rng = np.random.default_rng()
    for n, confidence in ((6, 0.95), (15, 0.95), (40, 0.9), (121, 0.99)):
        log_ratios = rng.normal(0.1, 0.3, n)
        kept = log_ratios.copy()
        found = student.median_ratio_interval(log_ratios, confidence)
        ordered, k = np.sort(kept), rank_of(n, confidence)
        assert close(found.ratio, math.exp(middle(ordered))), (
            "ratio must be the exponential of the median of the log-ratios"
        )
        assert close(found.low, math.exp(ordered[k - 1])), (
            "low must be the exponential of the k-th smallest log-ratio"
        )
        assert close(found.high, math.exp(ordered[n - k])), (
            "high must be the exponential of the k-th largest log-ratio"
        )
        assert np.array_equal(log_ratios, kept), "median_ratio_interval changes its log-ratios"
        assert all(type(v) is float for v in (found.ratio, found.low, found.high)), (
            "the three values of a RatioInterval must be Python floats"
        )
    for wrong in ([0.1] * 9 + [NAN], [INFINITY] + [0.0] * 9, [0.0] * 5, np.zeros((8, 2))):
        assert refuses(student.median_ratio_interval, wrong), (
            "median_ratio_interval must raise ValueError for values that are not finite, too few, "
            "or not one row"
        )


def check_interval_coverage(student):
    """In 95 of 100 runs the interval holds the truth, whatever the shape of the noise."""
    rng = np.random.default_rng(20)
    runs, held = 150, 0
    for log_ratios in math.log(1.3) + rng.exponential(0.2, (runs, 25)) - 0.2 * math.log(2):
        found = student.median_ratio_interval(log_ratios)
        held += found.low <= 1.3 <= found.high
    assert held >= 0.92 * runs, "the interval holds the true ratio less often than it promises"
    assert held <= 0.99 * runs, "the interval is wider than 95 % confidence needs"


def check_verdict(student):
    """The verdict follows from the whole interval and the floor, alike for both sides."""
    cases = [
        (1.021, 1.5, 0.02, "faster"),
        (1.02, 1.5, 0.02, "not resolved"),
        (1.01, 1.5, 0.02, "not resolved"),
        (1.01, 1.5, 0.0, "faster"),
        (0.5, 1 / 1.021, 0.02, "slower"),
        (0.5, 1 / 1.019, 0.02, "not resolved"),
        (0.5, 0.905, 0.1, "slower"),
        (0.5, 0.92, 0.1, "not resolved"),
        (0.5, 2.0, 0.02, "not resolved"),
        (1.0, 1.0, 0.0, "not resolved"),
        (0.99, 1.01, 0.05, "not resolved"),
        (1.11, 1.2, 0.1, "faster"),
    ]
    for low, high, floor, expected in cases:
        assert student.verdict(low, high, floor) == expected, (
            "verdict must be 'faster' above 1 + floor, 'slower' below 1 / (1 + floor), each for "
            "the whole interval, and 'not resolved' otherwise"
        )
    for low, high, floor in ((0, 1, 0.02), (-1, 1, 0.02), (1.2, 1.1, 0.02), (1, INFINITY, 0.02),
                             (NAN, 1, 0.02), (1, 1.1, -0.1), (1, 1.1, 1)):  # fmt: skip
        assert refuses(student.verdict, low, high, floor), (
            "verdict must raise ValueError unless 0 < low <= high < infinity and 0 <= floor < 1"
        )


def check_bootstrap_ratio(student):
    """The estimate is the median of the baseline over that of the candidate."""
    rng = np.random.default_rng()
    for n, m in ((30, 30), (41, 12), (10, 55)):
        a, b = rng.lognormal(1, 0.2, n), rng.lognormal(0, 0.3, m)
        kept = a.copy(), b.copy()
        found = student.bootstrap_ratio_interval(a, b, num_resamples=200, seed=1)
        assert close(found.ratio, middle(kept[0]) / middle(kept[1])), (
            "ratio must be median(baseline) / median(candidate) of the samples themselves"
        )
        assert found.low < found.high, "an interval needs two ends, the lower one first"
        for arm, copy_of_arm in ((a, kept[0]), (b, kept[1])):
            assert np.array_equal(arm, copy_of_arm), "bootstrap_ratio_interval changes its samples"
        assert all(type(v) is float for v in (found.ratio, found.low, found.high)), (
            "the three values of a RatioInterval must be Python floats"
        )
    for a, b, options in (
        ([1.0] * 9, [1.0] * 20, {}),
        ([1.0] * 20, [1.0] * 19 + [0.0], {}),
        ([1.0] * 20, [1.0] * 19 + [NAN], {}),
        ([1.0] * 20, [1.0] * 21, {"paired": True}),
        ([1.0] * 20, [1.0] * 20, {"confidence": 1.0}),
    ):
        assert refuses(student.bootstrap_ratio_interval, a, b, **options), (
            "bootstrap_ratio_interval must refuse what row_of_times and check_plan refuse"
        )


def resampled(a, b, paired, rng, count=6000):
    """Ratios of medians of resamples."""
    drawn_a = rng.integers(len(a), size=(count, len(a)))
    drawn_b = drawn_a if paired else rng.integers(len(b), size=(count, len(b)))
    return np.median(a[drawn_a], axis=1) / np.median(b[drawn_b], axis=1)


def check_bootstrap_quantiles(student):
    """The interval is the middle of the resampled ratios, as wide as the confidence says."""
    rng = np.random.default_rng(31)
    widths, expected = [], []
    for n, m, confidence in ((60, 60, 0.95), (90, 35, 0.8), (35, 80, 0.95)):
        tail = (1 - confidence) / 2
        a, b = rng.lognormal(1, 0.3, n), rng.lognormal(0, 0.3, m)
        found = student.bootstrap_ratio_interval(a, b, confidence, 4000, seed=n)
        low, high = np.quantile(resampled(a, b, False, rng), [tail, 1 - tail])
        assert abs(found.low - low) < 0.15 * (high - low), (
            "low is not the lower quantile of the ratios of the resamples"
        )
        assert abs(found.high - high) < 0.15 * (high - low), (
            "high is not the upper quantile of the ratios of the resamples"
        )
        widths.append(math.log(found.high / found.low))
        expected.append(math.log(high / low))
    assert 0.92 < sum(widths) / sum(expected) < 1.08, (
        "the interval must hold the middle `confidence` of the resampled ratios; each resample "
        "draws as many times as the arm has, with repetition"
    )


def check_bootstrap_paired(student):
    """Pairs stay together when they are asked to, and only then."""
    rng = np.random.default_rng(32)
    drift = np.exp(np.cumsum(rng.normal(0, 0.15, 80)))
    a = 1.5 * drift * np.exp(rng.normal(0, 0.02, 80))
    b = drift * np.exp(rng.normal(0, 0.02, 80))
    together = student.bootstrap_ratio_interval(a, b, num_resamples=2000, paired=True, seed=2)
    apart = student.bootstrap_ratio_interval(a, b, num_resamples=2000, seed=2)
    low, high = np.quantile(resampled(a, b, True, rng), [0.025, 0.975])
    assert 0.6 < (together.high - together.low) / (high - low) < 1.6, (
        "with paired=True a resample must draw the same positions from both arms"
    )
    low, high = np.quantile(resampled(a, b, False, rng), [0.025, 0.975])
    assert 0.7 < (apart.high - apart.low) / (high - low) < 1.4, (
        "without paired the two arms must be drawn independently of each other"
    )


def check_bootstrap_seed(student):
    """One seed gives one interval, and another seed another."""
    rng = np.random.default_rng()
    a, b = rng.lognormal(1, 0.3, 50), rng.lognormal(0, 0.3, 50)
    ends = []
    for seed in (5, 5, 6):
        found = student.bootstrap_ratio_interval(a, b, num_resamples=300, seed=seed)
        ends.append((found.low, found.high))
    assert ends[0] == ends[1], "the same seed must give the same interval"
    assert ends[0] != ends[2], "another seed must give other resamples"


def ranks_of(values):
    """The rank of each value, counted one by one."""
    return [
        sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2
        for value in values
    ]


def check_ranks(student):
    """Ranks count from 1, in the order of the values, and equal values share theirs."""
    rng = np.random.default_rng()
    for values in (
        rng.normal(size=17),
        rng.integers(0, 5, 30).astype(float),
        np.full(4, 2.5),
        np.array([7.0]),
        -rng.integers(0, 3, 12).astype(float),
    ):
        kept = values.copy()
        found = np.asarray(student.ranks(values))
        assert close(found, ranks_of(kept)), (
            "ranks must be 1 for the smallest value, in the order of the values, and the mean of "
            "their ranks for equal ones"
        )
        assert np.array_equal(values, kept), "ranks changes its values"


def wins(a, b):
    """The number of pairs in which the first is above, ties by half."""
    return sum((x > y) + (x == y) / 2 for x in a for y in b)


def check_u_statistic(student):
    """U counts the pairs in which a value of the first row is above one of the second."""
    rng = np.random.default_rng()
    for n, m in ((1, 1), (3, 5), (9, 4), (30, 25)):
        a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, m)
        assert close(student.mann_whitney(a, b).statistic, wins(a, b)), (
            "U must be R_a - n (n + 1) / 2, with R_a the sum of the ranks of the first row"
        )
    a, b = rng.integers(0, 4, 14).astype(float), rng.integers(0, 4, 9).astype(float)
    assert close(student.mann_whitney(a, b).statistic, wins(a, b)), "a tie must count half"


def check_exact_p(student):
    """For few values without ties the p-value counts all orders."""
    for n, m in ((3, 3), (4, 3), (2, 6), (5, 4)):
        orders = list(itertools.combinations(range(n + m), n))
        counts = [sum(order) - n * (n - 1) // 2 for order in orders]
        for order, u in list(zip(orders, counts, strict=True))[:: max(1, len(orders) // 8)]:
            tail = sum(min(other, n * m - other) <= min(u, n * m - u) for other in counts)
            rest = [float(i) for i in range(n + m) if i not in order]
            found = student.mann_whitney([float(i) for i in order], rest).p_value
            assert close(found, min(1.0, tail / len(orders))), (
                "for few values without ties the p-value must be exact: exact_p_value(U, n, m)"
            )
    rng = np.random.default_rng()
    both = rng.permutation(40).astype(float)
    a, b = np.sort(both[:20]) + 3.3, both[20:]
    u = wins(a, b)
    ways = {0: 1}  # the orders that give each U, by adding the values of a one after another
    table = [[{0: 1} for _ in range(21)] for _ in range(21)]
    for i, j in itertools.product(range(1, 21), range(1, 21)):
        ways = {}
        for key, count in table[i - 1][j].items():
            ways[key + j] = ways.get(key + j, 0) + count
        for key, count in table[i][j - 1].items():
            ways[key] = ways.get(key, 0) + count
        table[i][j] = ways
    tail = sum(count for key, count in ways.items() if key <= min(u, 400 - u))
    found = student.mann_whitney(a, b).p_value
    assert close(found, min(1.0, 2 * tail / math.comb(40, 20)), 1e-7), (
        "with 20 values in each row and no ties the p-value must still be exact"
    )


def normal_p(a, b):
    """The p-value of the normal approximation, with both corrections."""
    n, m = len(a), len(b)
    both = [*a, *b]
    ties = sum(both.count(value) ** 3 - both.count(value) for value in set(both))
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    if variance == 0:
        return 1.0
    z = max(0.0, abs(wins(a, b) - n * m / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def check_normal_p(student):
    """For many values the p-value is that of the normal approximation, two-sided."""
    rng = np.random.default_rng()
    for n, m, shift in ((21, 21, 0.5), (60, 35, 0.0), (21, 4, 1.5), (40, 44, -0.8)):
        a, b = rng.normal(shift, 1, n).tolist(), rng.normal(0, 1, m).tolist()
        assert close(student.mann_whitney(a, b).p_value, normal_p(a, b), 1e-8), (
            "above EXACT_UP_TO values in a row, p must be erfc(z / sqrt 2) with the half taken off"
        )
    even = [float(i) for i in range(0, 44, 2)], [float(i) for i in range(1, 44, 2)]
    swapped = student.mann_whitney(even[1], even[0]).p_value
    assert close(student.mann_whitney(*even).p_value, swapped), (
        "a two-sided p-value must not change when the rows are exchanged"
    )
    balanced = [float(i) for i in (*range(11), *range(33, 44))], [float(i) for i in range(11, 33)]
    assert student.mann_whitney(*balanced).p_value == 1, (
        "when U is exactly n m / 2 nothing speaks against equality: p must be 1"
    )


def check_ties(student):
    """Equal values lessen the deviation of U, and make the p-value approximate."""
    rng = np.random.default_rng()
    for n, m in ((6, 7), (15, 20), (50, 30)):
        a = rng.integers(0, 5, n).astype(float).tolist()
        b = (rng.integers(0, 5, m) + 1.0).tolist()
        a[0] = b[0]
        assert close(student.mann_whitney(a, b).p_value, normal_p(a, b), 1e-8), (
            "with ties p must come from the normal approximation, with the deviation for ties"
        )
    assert student.mann_whitney([3.0] * 5, [3.0] * 8).p_value == 1, (
        "when all values are equal, p must be 1"
    )
    for a, b in (([], [1.0]), ([1.0], []), ([1.0, NAN], [2.0])):
        assert refuses(student.mann_whitney, a, b), (
            "mann_whitney must refuse what finite_row refuses: an empty row, NaN"
        )


def check_welch(student):
    """t has its sign and both variances, the p-value Welch's degrees of freedom."""
    rng = np.random.default_rng()
    for n, m, spread in ((2, 2, 1.0), (5, 12, 4.0), (40, 7, 0.2), (60, 60, 1.0)):
        a, b = rng.normal(1, 1, n), rng.normal(3 if n > 40 else 0, spread, m)
        v_a = statistics.variance(a.tolist()) / n
        v_b = statistics.variance(b.tolist()) / m
        t = (statistics.fmean(a) - statistics.fmean(b)) / math.sqrt(v_a + v_b)
        freedom = (v_a + v_b) ** 2 / (v_a**2 / (n - 1) + v_b**2 / (m - 1))
        found = student.welch_t_test(a, b)
        assert close(found.statistic, t, 1e-8), (
            "t must be (mean a - mean b) / sqrt(v_a + v_b), with variances over n - 1"
        )
        assert close(found.p_value, two_sided_t(t, freedom), 1e-7), (
            "the p-value must be that of Welch's degrees of freedom"
        )
    for a, b in (([1.0], [1.0, 2.0]), ([1.0, 2.0], [NAN, 1.0]), ([2.0, 2.0], [3.0, 3.0])):
        assert refuses(student.welch_t_test, a, b), (
            "welch_t_test must raise ValueError for fewer than 2 values, one that is not finite, "
            "and when neither row varies"
        )


def check_ask_in_turn(student):
    """Each query is timed alone, in ms, and the inputs come in turn."""
    clock = HandClock(reading_ns=1000)
    seen = []

    def predict(x):
        seen.append(x)
        clock.now_ns += 1_000_000 * (1 + x)

    found = np.asarray(student.ask_in_turn(predict, [0, 4, 2], 8, clock_ns=clock.now))
    assert seen == [0, 4, 2, 0, 4, 2, 0, 4], "query i must be predict(inputs[i % len(inputs)])"
    assert close(found, [1.001, 5.001, 3.001, 1.001, 5.001, 3.001, 1.001, 5.001]), (
        "the latency of a query must be the time of its own call, in milliseconds"
    )


def check_arrivals(student):
    """The gaps are exponential with mean 1 / rate, repeatable by their seed."""
    for rate, seed in ((50, 11), (20_000, 12)):
        arrivals = np.asarray(student.poisson_arrivals_ns(rate, 20_000, seed))
        assert arrivals.shape == (20_000,), "there must be one arrival a query"
        assert arrivals.dtype == np.int64, "arrivals must be whole nanoseconds, int64"
        gaps_s = np.diff(arrivals, prepend=0) / 1e9
        assert (gaps_s >= 0).all(), "arrivals must be ascending"
        assert 0.95 < gaps_s.mean() * rate < 1.05, (
            "the mean gap must be 1 / per_second, in nanoseconds"
        )
        assert 0.93 < gaps_s.std() * rate < 1.07, (
            "the gaps must be exponential: their deviation is as large as their mean"
        )
        assert 0.60 < np.mean(gaps_s * rate < 1) < 0.66, "the gaps are not exponential"
        assert arrivals[0] > 0, "the first query arrives after the first gap"
        again = np.asarray(student.poisson_arrivals_ns(rate, 20_000, seed))
        assert np.array_equal(arrivals, again), "one seed must give the same arrivals"
        other = np.asarray(student.poisson_arrivals_ns(rate, 20_000, seed + 1))
        assert not np.array_equal(arrivals, other), "another seed must give other arrivals"


def check_arrival_errors(student):
    """A rate that is not above 0 and a count below 1 are refused."""
    for rate, count in ((0, 5), (-2.0, 5), (NAN, 5), (INFINITY, 5), (10.0, 0), (10.0, -3)):
        assert refuses(student.poisson_arrivals_ns, rate, count), (
            "poisson_arrivals_ns must raise ValueError for a rate that is not above 0 or not "
            "finite, and for fewer than one arrival"
        )


def check_serve_queue(student):
    """A latency runs from the arrival to the answer, waiting behind others included."""
    rng = random.Random()
    for gap_ms in (15.0, 40.0, 70.0):
        clock = HandClock(reading_ns=200_000)
        services_ms = [rng.uniform(20, 60) for _ in range(8)]
        arrivals_ms = list(itertools.accumulate(rng.uniform(0, 2 * gap_ms) for _ in range(8)))
        free_ms, expected = 0.0, []
        for arrival, service in zip(arrivals_ms, services_ms, strict=True):
            free_ms = max(free_ms, arrival) + service
            expected.append(free_ms - arrival)
        arrivals_ns = np.array([round(1e6 * ms) for ms in arrivals_ms])
        kept = arrivals_ns.copy()

        def predict(service_ms, clock=clock):
            clock.now_ns += round(1e6 * service_ms)

        found = np.asarray(
            student.serve(predict, services_ms, arrivals_ns, clock_ns=clock.now, sleep=clock.sleep)
        )
        assert found.shape == (8,), "serve must return one latency a query"
        # The readings of this clock take time, and a queue adds them up.
        assert np.abs(found - expected).max() < 5, (
            "the latency of a query must run from its arrival to its answer, in milliseconds, and "
            "a query that has not arrived must be waited for"
        )
        assert np.array_equal(arrivals_ns, kept), "serve changes the arrivals"


def check_serve_inputs(student):
    """Queries are answered in the order of arrival, with the inputs in turn."""
    clock = HandClock(reading_ns=100_000)
    seen = []

    def predict(x):
        seen.append((x, clock.now_ns))
        clock.now_ns += 1_000_000

    arrivals = np.array([0, 100, 200, 9_000_000, 9_000_100])
    student.serve(predict, ["a", "b"], arrivals, clock_ns=clock.now, sleep=clock.sleep)
    assert [x for x, _ in seen] == ["a", "b", "a", "b", "a"], (
        "query i must be predict(inputs[i % len(inputs)])"
    )
    assert seen[3][1] - seen[0][1] >= 8_500_000, "a query must not be answered before it arrives"


def check_lost_and_won(student):
    """Lost are those only the baseline has right, won those only the candidate has."""
    rng = np.random.default_rng()
    for n in (1, 10, 333):
        before, after = rng.random(n) < 0.7, rng.random(n) < 0.5
        expected = (
            sum(x and not y for x, y in zip(before, after, strict=True)),
            sum(y and not x for x, y in zip(before, after, strict=True)),
        )
        for kind in (bool, float, int):
            found = student.lost_and_won(before.astype(kind), after.astype(kind))
            assert tuple(found) == expected, (
                "lost must count what only the first model has right, won what only the second has"
            )
        assert all(type(count) is int for count in found), "the counts must be Python ints"
    for before, after in (([1, 0], [1]), ([[1, 0]], [[1, 0]]), ([1, 0, 1], [0])):
        assert refuses(student.lost_and_won, before, after), (
            "lost_and_won must raise ValueError unless it has two rows of one length"
        )


def check_accuracy_interval(student):
    """The interval is that of Agresti and Min, cut off at -1 and 1."""
    quantile = statistics.NormalDist().inv_cdf
    for lost, won, n, confidence in (
        (5, 9, 360, 0.95), (0, 0, 50, 0.95), (30, 2, 200, 0.99), (3, 1, 360, 0.9), (0, 7, 10, 0.8),
    ):  # fmt: skip
        b, c, total = lost + 0.5, won + 0.5, n + 2
        centre = (c - b) / total
        half = quantile(0.5 + confidence / 2)
        half *= math.sqrt(b + c - (c - b) ** 2 / total) / total
        found = student.accuracy_change_interval(lost, won, n, confidence)
        assert close(list(found), [centre - half, centre + half], 1e-8), (
            "the interval must be the formula's, with half an example added to each outcome and "
            "the quantile of the confidence"
        )
        assert all(type(end) is float for end in found), "the ends must be Python floats"
    assert student.accuracy_change_interval(2, 0, 2, 0.999)[0] == -1, "cut the interval off at -1"
    assert student.accuracy_change_interval(0, 2, 2, 0.999)[1] == 1, "cut the interval off at 1"
    for lost, won, n in ((-1, 2, 10), (2, -1, 10), (6, 5, 10), (0, 0, 0)):
        assert refuses(student.accuracy_change_interval, lost, won, n), (
            "accuracy_change_interval must raise ValueError for counts below 0, more changes than "
            "examples, or no example"
        )


def check_pareto(student):
    """A model is off the front when another is no worse anywhere and better somewhere."""
    rng = np.random.default_rng()
    for n, d in ((1, 2), (12, 2), (25, 3), (30, 1), (6, 5)):
        costs = rng.integers(-3, 4, (n, d)).astype(float)
        expected = [
            not any(
                all(x <= y for x, y in zip(other, cost, strict=True))
                and any(x < y for x, y in zip(other, cost, strict=True))
                for other in costs.tolist()
            )
            for cost in costs.tolist()
        ]
        found = np.asarray(student.pareto_frontier(costs))
        assert found.dtype == bool, "the front must hold booleans"
        assert found.tolist() == expected, (
            "a model is beaten by one that is no worse in all respects and better in at least one"
        )
    same = np.asarray(student.pareto_frontier([[1.0, 2.0], [1.0, 2.0], [0.0, 3.0]]))
    assert same.tolist() == [True, True, True], "equal models must not beat each other"


def check_pareto_errors(student):
    """What is not a table of numbers is refused."""
    for costs in ([1.0, 2.0], [[1.0, NAN], [2.0, 3.0]], np.zeros((2, 2, 2))):
        assert refuses(student.pareto_frontier, costs), (
            "pareto_frontier must raise ValueError for a table that does not have two axes or "
            "that holds NaN"
        )
