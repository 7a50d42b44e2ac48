"""Laws of `measure_latency` and `Latency`, on a clock that only the measured work moves."""

import gc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.stats import binom

from tinytorch.benchmarking import Latency, measure_latency
from tinytorch.benchmarking.timing import (
    WARMUP_LIMIT_MS,
    TimedArm,
    block_ns,
    call_ns,
    calls_per_block,
    empty_block_ns,
    min_samples_for_percentile,
)

NS_PER_MS = 1_000_000


class FakeClock:
    """Nanoseconds that pass when the work says so, and `reading_ns` for every look at the clock."""

    def __init__(self, reading_ns: int = 0) -> None:
        self.now_ns = 0
        self.reading_ns = reading_ns
        self.calls = 0

    def __call__(self) -> int:
        self.now_ns += self.reading_ns
        return self.now_ns

    def work(self, duration_ns: int) -> Callable[[], None]:
        """A callable that lasts exactly `duration_ns`."""

        def fn() -> None:
            self.calls += 1
            self.now_ns += duration_ns

        return fn


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    """Leave the garbage collector on whatever a test did to it."""
    yield
    gc.enable()


@pytest.mark.parametrize("duration_ns", [7, 300, 1_000, 299_999, 300_000, 5_000_000])
@pytest.mark.parametrize("reading_ns", [0, 60, 900])
def test_reported_time_is_the_true_time(duration_ns: int, reading_ns: int) -> None:
    """Whatever a reading of the clock costs, it does not reach the figure."""
    clock = FakeClock(reading_ns)
    latency = measure_latency(clock.work(duration_ns), num_samples=5, clock_ns=clock)
    assert latency.samples_ms * NS_PER_MS == pytest.approx([duration_ns] * 5, rel=1e-12)
    assert latency.std_ms == pytest.approx(0, abs=1e-12)


def test_cost_of_reading_would_show_without_the_empty_loop() -> None:
    """The negative twin: the block itself holds one reading more than the work."""
    clock = FakeClock(reading_ns=60)
    assert block_ns(clock.work(1000), 10, clock) == 10_060
    assert empty_block_ns(10, clock) == 60


def test_empty_loop_is_the_least_of_several() -> None:
    """An interrupted empty loop is not subtracted from the samples."""
    jumps = iter([5_000_000, *[40] * 19])
    now = 0
    reading = 0

    def clock() -> int:
        nonlocal now, reading
        reading += 1
        if reading % 2 == 0:
            now += next(jumps)
        return now

    assert empty_block_ns(3, clock) == 40


def test_a_sample_is_never_negative() -> None:
    """Readings that cost more while the loop is empty cannot push a sample below zero."""
    arm = TimedArm(lambda: None, 0.3, 0, FakeClock(reading_ns=1000))
    arm.overhead_ns = 10**9
    assert arm.sample_ns() == 0


@pytest.mark.parametrize(
    ("duration_ns", "block_ms", "expected"),
    [
        (1_000, 0.3, 300),
        (1_000, 0.5, 500),
        (299_999, 0.3, 1),
        (100_000_000, 0.3, 1),
        (70, 1.0, 14286),
    ],
)
def test_block_is_calibrated_by_count(duration_ns: int, block_ms: float, expected: int) -> None:
    """A block holds as many calls as fill it, and one when a call is longer."""
    clock = FakeClock()
    latency = measure_latency(clock.work(duration_ns), 2, block_ms=block_ms, clock_ns=clock)
    assert latency.calls_per_sample == expected


def test_one_interruption_does_not_shorten_the_blocks() -> None:
    """Calibration takes the least of several timings."""
    clock = FakeClock()
    calls = 0

    def fn() -> None:
        nonlocal calls
        calls += 1
        clock.now_ns += 9_000_000 if calls == 40 else 1_000

    assert calls_per_block(call_ns(fn, 0.3, clock), 0.3) == 300


def test_a_slow_first_call_does_not_calibrate() -> None:
    """What the first call pays for once is not taken for the length of a call."""
    clock = FakeClock()
    fn = clock.work(1_000)

    def fn_with_import() -> None:
        if clock.calls == 0:
            clock.now_ns += 80_000_000
        fn()

    assert measure_latency(fn_with_import, 2, clock_ns=clock).calls_per_sample == 300


def test_warmup_of_a_slow_model_is_bounded() -> None:
    """A call of 100 ms is warmed up once and timed once more before the samples."""
    clock = FakeClock()
    measure_latency(clock.work(100 * NS_PER_MS), 3, clock_ns=clock)
    assert clock.calls == 2 + 3


def test_warmup_stops_at_its_limit() -> None:
    """At 5 ms a call no more than the limit and one call are spent on warming up."""
    clock = FakeClock()
    measure_latency(clock.work(5 * NS_PER_MS), 3, warmup_blocks=1000, clock_ns=clock)
    assert (clock.calls - 3) * 5 <= WARMUP_LIMIT_MS + 5


@pytest.mark.parametrize(
    ("duration_ns", "per_sample"), [(100_000, 4), (1_000_000, 2), (1_100_000, 1)]
)
def test_a_short_call_is_made_once_before_the_clock_is_read(
    duration_ns: int, per_sample: int
) -> None:
    """The cold start of a block stays outside it; a long call is not doubled for that."""
    totals = []
    for num_samples in (2, 12):
        clock = FakeClock()
        measure_latency(clock.work(duration_ns), num_samples, clock_ns=clock)
        totals.append(clock.calls)
    assert totals[1] - totals[0] == 10 * per_sample


def test_a_cold_start_does_not_reach_the_figure() -> None:
    """The first call of a block costs more, as cold caches make it, and none of it shows."""
    clock = FakeClock()
    readings = 0
    cold = False

    def clock_that_cools() -> int:
        nonlocal readings, cold
        readings += 1
        cold = readings % 2 == 0  # the reading at the end of a block
        return clock()

    def fn() -> None:
        nonlocal cold
        clock.now_ns += 3_000 if cold else 1_000
        cold = False

    arm = TimedArm(fn, 0.3, 0, clock_that_cools)
    readings, cold = 0, True
    assert [arm.sample_ns() for _ in range(3)] == [1_000] * 3


def test_warmup_blocks_are_counted() -> None:
    """Twenty blocks more in warm-up are 20 blocks more of calls."""
    totals = []
    for warmup_blocks in (0, 20):
        clock = FakeClock()
        measure_latency(clock.work(1_000), 2, warmup_blocks=warmup_blocks, clock_ns=clock)
        totals.append(clock.calls)
    assert totals[1] - totals[0] == 20 * 300


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_off_inside_and_restored(enabled: bool) -> None:
    """The collector is off while the work runs and afterwards what it was before."""
    seen = set()
    if not enabled:
        gc.disable()
    measure_latency(lambda: seen.add(gc.isenabled()), 2)
    assert seen == {False}
    assert gc.isenabled() is enabled


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("fail_at", [1, 2, 3000])
def test_collector_is_restored_on_exceptions(enabled: bool, fail_at: int) -> None:
    """An exception of the work passes through, in warm-up as in the samples."""
    clock = FakeClock()
    work = clock.work(10_000)

    def fn() -> None:
        work()
        if clock.calls == fail_at:
            raise ZeroDivisionError("the work failed")

    if not enabled:
        gc.disable()
    with pytest.raises(ZeroDivisionError, match="the work failed"):
        measure_latency(fn, 1000, clock_ns=clock)
    assert gc.isenabled() is enabled


def test_cyclic_garbage_does_not_pile_up() -> None:
    """Work that leaves cycles, as an autograd graph does, is cleaned between blocks."""
    alive = most = 0

    class Node:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            self.me = self

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    clock = FakeClock()
    work = clock.work(100_000)

    def fn() -> None:
        work()
        for _ in range(100):
            Node()

    measure_latency(fn, 1000, clock_ns=clock)
    assert clock.calls * 100 > 300_000
    assert most < 30_000


def test_outputs_are_not_kept() -> None:
    """No more than one output is alive while the next is made."""
    alive = most = 0

    class Output:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    measure_latency(Output, 5)
    assert (alive, most) == (0, 1)


def test_a_clock_that_stands_still_is_refused() -> None:
    """No latency of zero is made up."""
    with pytest.raises(RuntimeError, match="too coarse"):
        measure_latency(lambda: None, 2, clock_ns=lambda: 7)


def test_a_clock_of_coarse_steps_is_refused() -> None:
    """Steps of 16 ms show nothing of blocks of 0.3 ms."""
    clock = FakeClock()
    with pytest.raises(RuntimeError, match="use a block_ms above"):
        measure_latency(
            clock.work(100_000), 50, clock_ns=lambda: clock.now_ns // 16_000_000 * 16_000_000
        )


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"num_samples": 1}, ValueError, "num_samples must be 2 or more, got 1"),
        ({"num_samples": True}, TypeError, "num_samples must be a whole number"),
        ({"num_samples": 3.0}, TypeError, "num_samples must be a whole number"),
        ({"block_ms": 0}, ValueError, "block_ms must be a positive number"),
        ({"block_ms": -1.0}, ValueError, "block_ms"),
        ({"block_ms": float("nan")}, ValueError, "block_ms"),
        ({"block_ms": float("inf")}, ValueError, "block_ms"),
        ({"warmup_blocks": -1}, ValueError, "warmup_blocks must be 0 or more, got -1"),
        ({"fn": 5}, TypeError, "Expected a callable without arguments, got int"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    """Each is one sentence that names the argument."""
    with pytest.raises(error, match=words) as caught:
        measure_latency(**({"fn": dict} | arguments))
    assert str(caught.value).count(". ") == 0


def test_statistics_are_those_of_the_samples() -> None:
    """Equality with NumPy on an awkward row."""
    samples = np.random.default_rng(0).lognormal(size=701)
    latency = Latency(samples, 3)
    assert latency.mean_ms == np.mean(samples)
    assert latency.std_ms == np.std(samples)
    assert latency.median_ms == np.median(samples)
    assert latency.min_ms == np.min(samples)
    for q in (1, 10, 50, 90, 95, 99):
        assert latency.percentile_ms(q) == np.percentile(samples, q)


@pytest.mark.parametrize(("q", "least"), [(90, 64), (95, 130), (99, 662), (1, 662)])
def test_percentile_needs_enough_samples(q: float, least: int) -> None:
    """One sample too few gives None, never the largest sample."""
    assert Latency(np.arange(least - 1.0), 1).percentile_ms(q) is None
    assert Latency(np.arange(float(least)), 1).percentile_ms(q) is not None


@pytest.mark.parametrize("q", [50, 75, 90, 95, 99, 99.5])
def test_enough_is_the_least_by_the_binomial(q: float) -> None:
    """Equality with SciPy: at most 1 % chance of fewer than two samples beyond."""
    n = min_samples_for_percentile(q)
    assert binom.cdf(1, n, 1 - q / 100) <= 0.01 < binom.cdf(1, n - 1, 1 - q / 100)


@pytest.mark.parametrize("q", [0, 100, -1, 101, float("nan")])
def test_percentile_out_of_range_is_refused(q: float) -> None:
    """Also the ends, which no sample can estimate."""
    with pytest.raises(ValueError, match="strictly between 0 and 100"):
        Latency(np.ones(1000), 1).percentile_ms(q)


def test_samples_are_a_read_only_copy() -> None:
    """Neither the source nor the holder of a latency can change it."""
    source = np.array([1.0, 2.0])
    latency = Latency(source, 1)
    source[0] = 9
    assert latency.samples_ms.dtype == np.float64
    assert latency.samples_ms.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        latency.samples_ms[0] = 5
    with pytest.raises(AttributeError):
        latency.calls_per_sample = 2  # type: ignore[misc]


@pytest.mark.parametrize("bad", [[1.0], [[1.0, 2.0]], [1.0, float("nan")], [1.0, -1.0]])
def test_impossible_samples_are_refused(bad: list[float]) -> None:
    """A latency holds at least two finite times that are not negative."""
    with pytest.raises(ValueError, match="sample"):
        Latency(np.array(bad), 1)
    with pytest.raises(ValueError, match="calls_per_sample"):
        Latency(np.ones(2), 0)
