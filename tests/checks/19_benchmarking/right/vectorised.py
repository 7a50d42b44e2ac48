"""Whole arrays at once: broadcasting, sorting, cumulative sums, no loop that can be avoided."""

from collections import deque
from itertools import accumulate, islice, starmap, takewhile


def block_ns(fn, calls, clock_ns):
    start = clock_ns()
    deque(starmap(fn, repeat((), calls)), maxlen=0)
    return clock_ns() - start


def empty_block_ns(calls: int, clock_ns: Clock) -> int:
    least = -1
    for _ in range(EMPTY_LOOP_REPEATS):
        start = clock_ns()
        for _ in repeat(None, calls):
            pass
        elapsed = clock_ns() - start
        least = elapsed if least < 0 else min(least, elapsed)
    return least


def calls_per_block(one_call_ns, block_ms):
    return int(np.clip(round(block_ms * NS_PER_MS / one_call_ns), 1, MAX_CALLS_PER_BLOCK))


def call_ns(fn: Callable[[], object], block_ms: float, clock_ns: Clock) -> float:
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


class TimedArm:
    def __init__(
        self, fn: Callable[[], object], block_ms: float, warmup_blocks: int, clock_ns: Clock
    ) -> None:
        if not callable(fn):
            raise TypeError(f"Expected a callable without arguments, got {type(fn).__name__}.")
        self.fn = fn
        self.clock_ns = clock_ns
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
        if self.primed:
            self.fn()
        elapsed = block_ns(self.fn, self.calls, self.clock_ns)
        return max(0, elapsed - self.overhead_ns) / self.calls


def detect_warmup(samples, window=5):
    times = np.array(samples, dtype=float).ravel()
    if window < 1 or times.size < 4 * window or np.isinf(times).any() or np.isnan(times).any():
        raise ValueError("senseless samples")
    windows = np.sort(
        np.stack(np.split(times[: times.size - times.size % window], times.size // window)), axis=1
    )
    medians = (windows[:, (window - 1) // 2] + windows[:, window // 2]) / 2
    half = len(medians) // 2
    slower = medians[:half] > np.max(medians[half:])
    return int(np.cumprod(slower).sum()) * window


@dataclass(frozen=True, eq=False)
class OutlierReport:
    slow: NDArray[np.int64]
    fast: NDArray[np.int64]
    num_samples: int
    largest_score: float
    mean_shift: float

    @property
    def count(self) -> int:
        return int(self.slow.size + self.fast.size)

    @property
    def fraction(self) -> float:
        return self.count / self.num_samples

    def describe(self) -> str:
        return f"{self.count} of {self.num_samples} samples are outliers"


def robust_scores(values):
    x = np.array(values, dtype=float)
    if x.ndim != 1 or len(x) < 3 or (not np.isfinite(x).all()):
        raise ValueError("at least 3 finite values")
    x -= np.percentile(x, 50)
    spread = 1.4826 * np.percentile(np.abs(x), 50)
    if not spread:
        spread = 1.2533 * np.abs(x).mean()
    return np.divide(x, spread, out=np.zeros_like(x), where=spread > 0)


def find_outliers(values, threshold=3.5):
    if not threshold > 0:
        raise ValueError("threshold")
    x, z = (np.array(values, dtype=float), robust_scores(values))
    core = np.ma.masked_array(x, np.abs(z) > threshold).mean()
    shift = 0.0 if core == 0 else float((x.mean() - core) / abs(core))
    return OutlierReport(
        np.nonzero(z > threshold)[0],
        np.nonzero(-z > threshold)[0],
        len(x),
        float(np.max(np.abs(z))),
        shift,
    )


def min_samples_for_percentile(q):
    if not 0 < q < 100:
        raise ValueError("q")
    p = min(q, 100 - q) / 100
    size = 64
    while True:
        n = np.arange(2, size)
        good = (1 - p) ** n + n * p * (1 - p) ** (n - 1) <= 0.01
        if good.any():
            return int(n[np.argmax(good)])
        size *= 2


@dataclass(frozen=True, eq=False)
class Latency:
    samples_ms: NDArray[np.float64]
    calls_per_sample: int

    def __post_init__(self) -> None:
        samples = np.array(self.samples_ms, dtype=np.float64)
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
        return int(self.samples_ms.size)

    @property
    def mean_ms(self) -> float:
        return float(self.samples_ms.mean())

    @property
    def std_ms(self) -> float:
        return float(self.samples_ms.std())

    @property
    def median_ms(self) -> float:
        return float(np.median(self.samples_ms))

    @property
    def min_ms(self) -> float:
        return float(self.samples_ms.min())

    def percentile_ms(self, q):
        few = self.num_samples < min_samples_for_percentile(q)
        return None if few else np.quantile(self.samples_ms, q / 100).item()


def require_sizes(count: int, count_name: str, block_ms: float, warmup_blocks: int) -> None:
    for name, value, least in ((count_name, count, 2), ("warmup_blocks", warmup_blocks, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name} must be a whole number, got {value!r}.")
        if value < least:
            raise ValueError(f"{name} must be {least} or more, got {value}.")
    if not 0 < block_ms < float("inf"):
        raise ValueError(f"block_ms must be a positive number of milliseconds, got {block_ms}.")


@contextmanager
def collector_held_off() -> Iterator[Callable[[], None]]:
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


def calibrated(
    arms: Sequence[Callable[[], object]], block_ms: float, warmup_blocks: int, clock_ns: Clock
) -> list[TimedArm]:
    by_identity: dict[int, TimedArm] = {}
    for fn in arms:
        if id(fn) not in by_identity:
            by_identity[id(fn)] = TimedArm(fn, block_ms, warmup_blocks, clock_ns)
    return [by_identity[id(fn)] for fn in arms]


def time_interleaved(
    arms, num_rounds, *, block_ms=0.3, warmup_blocks=20, seed=None, clock_ns=time.perf_counter_ns
):
    require_sizes(num_rounds, "num_rounds", block_ms, warmup_blocks)
    generator = random.Random(seed)
    with collector_held_off() as tidy_up:
        timed = calibrated(arms, block_ms, warmup_blocks, clock_ns)
        table = np.zeros((num_rounds, len(timed)))
        plan = [
            sorted(range(len(timed)), key=lambda _: generator.random()) for _ in range(num_rounds)
        ]
        for i, order in enumerate(plan):
            for j in order:
                table[i, j] = timed[j].sample_ns()
                tidy_up()
    if not table.all():
        raise RuntimeError("the clock is too coarse")
    return [Latency(column, arm.calls) for column, arm in zip(table.T * 1e-06, timed, strict=False)]


class RatioInterval(NamedTuple):
    ratio: float
    low: float
    high: float


def interval_rank(n, confidence=0.95):
    if confidence <= 0 or confidence >= 1:
        raise ValueError("confidence")
    tails = accumulate(math.comb(n, i) for i in range(n + 1))
    k = sum(1 for _ in takewhile(lambda tail: 2 * tail / 2**n <= 1 - confidence, tails))
    if not k:
        raise ValueError("too few")
    return k


def median_ratio_interval(log_ratios, confidence=0.95):
    x = np.array(log_ratios, dtype=float)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("finite row")
    k = interval_rank(len(x), confidence)
    part = np.partition(x, [k - 1, len(x) - k])
    return RatioInterval(*(float(v) for v in np.exp([np.median(x), part[k - 1], part[len(x) - k]])))


def verdict(ci_low: float, ci_high: float, floor: float = 0.02) -> Verdict:
    if not 0 < ci_low <= ci_high < math.inf:
        raise ValueError(f"An interval of ratios has 0 < low <= high, got {ci_low} to {ci_high}.")
    if not 0 <= floor < 1:
        raise ValueError(f"The floor is a fraction from 0 to below 1, got {floor}.")
    if ci_low > 1 + floor:
        return "faster"
    if ci_high < 1 / (1 + floor):
        return "slower"
    return "not resolved"


def row_of_times(name: str, values: ArrayLike) -> NDArray[np.float64]:
    times = np.asarray(values, dtype=np.float64)
    if times.ndim != 1 or times.size < 10:
        raise ValueError(f"{name} must be a row of at least 10 times, got shape {times.shape}.")
    if not np.all(np.isfinite(times)) or times.min() <= 0:
        raise ValueError(f"Every time of the {name} must be a finite number above 0.")
    return times


def check_plan(n: int, m: int, paired: bool, confidence: float, num_resamples: int) -> None:
    if paired and n != m:
        raise ValueError(f"Pairs need arms of equal length, got {n} and {m} times.")
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    if num_resamples < 100:
        raise ValueError(f"num_resamples must be 100 or more, got {num_resamples}.")


def bootstrap_ratio_interval(
    baseline, candidate, confidence=0.95, num_resamples=2000, *, paired=False, seed=None
):
    a, b = (row_of_times("baseline", baseline), row_of_times("candidate", candidate))
    check_plan(a.size, b.size, paired, confidence, num_resamples)
    rng = np.random.default_rng(seed)
    if paired:
        both = rng.choice(np.stack([a, b]), size=(num_resamples, a.size), axis=1)
        top, bottom = np.median(both, axis=2)
    else:
        top = np.median(rng.choice(a, (num_resamples, a.size)), axis=1)
        bottom = np.median(rng.choice(b, (num_resamples, b.size)), axis=1)
    low, high = np.quantile(top / bottom, [(1 - confidence) / 2, (1 + confidence) / 2])
    return RatioInterval((np.median(a) / np.median(b)).item(), low.item(), high.item())


class Significance(NamedTuple):
    statistic: float
    p_value: float


def finite_row(name: str, values: ArrayLike, least: int) -> NDArray[np.float64]:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or row.size < least:
        raise ValueError(f"{name} must be a row of at least {least} values, got {row.shape}.")
    if not np.all(np.isfinite(row)):
        raise ValueError(f"Every value of {name} must be a finite number.")
    return row


def exact_p_value(u: float, n: int, m: int) -> float:
    ways = np.zeros((n + 1, n * m + 1), dtype=np.int64)
    ways[0, 0] = 1
    for placed in range(n + m):
        for k in range(min(n, placed + 1), max(0, placed - m), -1):
            below = placed + 1 - k
            ways[k, below:] += ways[k - 1, : n * m + 1 - below]
    smaller = int(min(u, n * m - u))
    return min(1.0, 2 * int(ways[n, : smaller + 1].sum()) / math.comb(n + m, n))


def ranks(values):
    x = np.array(values, dtype=float)
    below = (x[None, :] < x[:, None]).sum(axis=1)
    same = (x[None, :] == x[:, None]).sum(axis=1)
    return below + (same + 1) / 2


def mann_whitney(a, b):
    x, y = (finite_row("a", a, 1), finite_row("b", b, 1))
    n, m = (len(x), len(y))
    ordered = np.sort(y)
    u = (np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")).sum() / 2
    _, counts = np.unique(np.concatenate([x, y]), return_counts=True)
    if (counts == 1).all() and max(n, m) <= EXACT_UP_TO:
        return Significance(float(u), exact_p_value(u, n, m))
    c = counts.astype(float)
    sigma2 = n * m / 12 * (n + m + 1 - (c * (c - 1) * (c + 1)).sum() / ((n + m) * (n + m - 1)))
    if len(counts) == 1:
        return Significance(float(u), 1.0)
    z = np.clip(abs(u - n * m / 2) - 0.5, 0, None) / np.sqrt(sigma2)
    return Significance(float(u), 2 * (1 - NormalDist().cdf(z)))


def welch_t_test(a, b):
    x, y = (finite_row("a", a, 2), finite_row("b", b, 2))
    sizes = np.array([x.size, y.size])
    v = np.array([np.var(x, ddof=1), np.var(y, ddof=1)]) / sizes
    if not v.any():
        raise ValueError("neither row varies")
    t = (x.mean() - y.mean()) / np.sqrt(v.sum())
    return Significance(
        float(t), two_sided_t(float(t), float(v.sum() ** 2 / (v**2 / (sizes - 1)).sum()))
    )


def ask_in_turn(predict, inputs, num_queries, *, clock_ns=time.perf_counter_ns):
    marks = np.empty((num_queries, 2))
    for i, x in enumerate(islice(cycle(inputs), num_queries)):
        marks[i, 0] = clock_ns()
        predict(x)
        marks[i, 1] = clock_ns()
    return np.diff(marks, axis=1)[:, 0] / 1000000.0


def poisson_arrivals_ns(per_second, count, seed=None):
    if count < 1 or not 0 < per_second < np.inf:
        raise ValueError(f"no arrivals: {per_second} a second, {count} of them")
    gaps = np.random.default_rng(seed).exponential(size=count) / per_second
    return np.rint(np.add.accumulate(gaps) * 1000000000.0).astype("int64")


def wait_until(moment_ns: int, clock_ns: Clock, sleep: Callable[[float], None]) -> None:
    while (left := (moment_ns - clock_ns())) > 0:
        if left > WAITED_OUT_NS:
            sleep((left - WAITED_OUT_NS) / NS_PER_S)


def serve(predict, inputs, arrivals_ns, *, clock_ns=time.perf_counter_ns, sleep=time.sleep):
    start, done = (clock_ns(), np.empty(len(arrivals_ns), dtype=np.int64))
    for i, (arrival, x) in enumerate(zip(arrivals_ns, cycle(inputs), strict=False)):
        wait_until(start + arrival, clock_ns, sleep)
        predict(x)
        done[i] = clock_ns()
    return (done - start - np.asarray(arrivals_ns)) / 1000000.0


def normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def lost_and_won(baseline_right, candidate_right):
    a, b = (np.array(baseline_right).astype(int), np.array(candidate_right).astype(int))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError("two rows of one length")
    difference = b - a
    return (int(np.count_nonzero(difference == -1)), int(np.count_nonzero(difference == 1)))


def accuracy_change_interval(lost, won, n, confidence=0.95):
    if lost < 0 or won < 0 or lost + won > n or (n < 1):
        raise ValueError("counts")
    z, total = (normal_quantile(confidence), n + 2)
    outcomes = np.repeat([-1.0, 1.0], 1)
    weights = np.array([lost + 0.5, won + 0.5]) / total
    mean = outcomes @ weights
    error = np.sqrt((outcomes**2 @ weights - mean**2) / total)
    low, high = np.clip([mean - z * error, mean + z * error], -1, 1)
    return (float(low), float(high))


def pareto_frontier(costs):
    c = np.array(costs, dtype=float)
    if c.ndim != 2 or np.isnan(c).any():
        raise ValueError("table")
    no_worse = (c[None, :, :] <= c[:, None, :]).all(axis=2)
    better = (c[None, :, :] < c[:, None, :]).any(axis=2)
    return ~(no_worse & better).any(axis=1)
