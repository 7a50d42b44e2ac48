"""Fractions, symmetric forms of the formulas, bisection, sorting by cost, waiting of its own."""

from fractions import Fraction


def block_ns(fn, calls, clock_ns):
    start = clock_ns()
    for _ in range(calls):
        fn()
    stop = clock_ns()
    return stop - start


def empty_block_ns(calls, clock_ns):

    def nothing():
        start = clock_ns()
        for _ in range(calls):
            pass
        return clock_ns() - start

    return min(nothing() for _ in range(EMPTY_LOOP_REPEATS))


def calls_per_block(one_call_ns: float, block_ms: float) -> int:
    return min(max(1, round(block_ms * NS_PER_MS / one_call_ns)), MAX_CALLS_PER_BLOCK)


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

    def sample_ns(self):
        if self.primed:
            self.fn()
        start = self.clock_ns()
        for _ in range(self.calls):
            self.fn()
        return max((self.clock_ns() - start - self.overhead_ns) / self.calls, 0.0)


def detect_warmup(samples, window=5):
    times = np.asarray(samples, dtype=float)
    if window < 1 or len(times) < 4 * window or (not np.isfinite(times.sum())):
        raise ValueError("senseless samples")
    w = len(times) // window
    steady = max(np.median(times[i * window : (i + 1) * window]) for i in range(w // 2, w))
    for i in range(w // 2):
        if np.median(times[i * window : (i + 1) * window]) <= steady:
            return i * window
    return w // 2 * window


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
    x = np.asarray(values, dtype=float)
    if x.size < 3 or not np.all(np.abs(x) < np.inf):
        raise ValueError("at least 3 finite values")
    low, centre, high = np.percentile(x, [0, 50, 100])
    if low == high:
        return 0 * x
    mad = np.median(np.abs(x - centre))
    return (x - centre) / (mad * 1.4826 if mad > 0 else np.mean(np.abs(x - centre)) * 1.2533)


def find_outliers(values: ArrayLike, threshold: float = 3.5) -> OutlierReport:
    if not threshold > 0:
        raise ValueError(f"The threshold must be above 0, got {threshold}.")
    scores = robust_scores(values)
    row = np.asarray(values, dtype=np.float64)
    usual = np.abs(scores) <= threshold
    usual_mean = float(row[usual].mean())
    shift = float(row.mean()) - usual_mean
    return OutlierReport(
        slow=np.flatnonzero(scores > threshold),
        fast=np.flatnonzero(scores < -threshold),
        num_samples=row.size,
        largest_score=float(np.abs(scores).max()),
        mean_shift=shift / abs(usual_mean) if usual_mean else 0.0,
    )


def min_samples_for_percentile(q):
    if not 0 < q < 100:
        raise ValueError("q")
    p = min(q, 100 - q) / 100

    def good(n):
        return (1 - p) ** n + n * p * (1 - p) ** (n - 1) <= 0.01

    high = 2
    while not good(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        between = (low + high) // 2
        low, high = (low, between) if good(between) else (between, high)
    return high


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

    def percentile_ms(self, q: float) -> float | None:
        if self.num_samples < min_samples_for_percentile(q):
            return None
        return float(np.percentile(self.samples_ms, q))


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
    generator = np.random.default_rng(seed)
    with collector_held_off() as tidy_up:
        timed = calibrated(arms, block_ms, warmup_blocks, clock_ns)
        found = {place: [] for place in range(len(timed))}
        for _ in range(num_rounds):
            for place in generator.permutation(len(timed)):
                sample = timed[place].sample_ns()
                if sample == 0:
                    raise RuntimeError("a block took no time")
                found[int(place)].append(sample / NS_PER_MS)
                tidy_up()
    return [Latency(np.array(found[i]), timed[i].calls) for i in range(len(timed))]


class RatioInterval(NamedTuple):
    ratio: float
    low: float
    high: float


def interval_rank(n, confidence=0.95):
    if not 0 < confidence < 1:
        raise ValueError("confidence")
    total, row = (Fraction(0), 1)
    allowed = Fraction(1 - confidence)
    k = 0
    while k < n:
        total += Fraction(row, 2 ** (n - 1))
        if total > allowed:
            break
        row = row * (n - k) // (k + 1)
        k += 1
    if k < 1:
        raise ValueError("too few")
    return k


def median_ratio_interval(log_ratios, confidence=0.95):
    ratios = np.exp(np.asarray(log_ratios, dtype=float))
    if ratios.ndim != 1 or not np.isfinite(ratios).all() or (ratios == 0).any():
        raise ValueError("finite row")
    ordered = np.sort(ratios)
    k = interval_rank(ordered.size, confidence)
    return RatioInterval(
        float(np.exp(np.median(log_ratios))), float(ordered[k - 1]), float(ordered[-k])
    )


def verdict(ci_low, ci_high, floor=0.02):
    if not 0 < ci_low <= ci_high < math.inf or not 0 <= floor < 1:
        raise ValueError("no interval")
    if ci_low > 1 + floor:
        return "faster"
    if 1 / ci_high > 1 + floor:
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
    logs = np.empty(num_resamples)
    for i in range(num_resamples):
        one = np.floor(rng.random(a.size) * a.size).astype(int)
        two = one if paired else np.floor(rng.random(b.size) * b.size).astype(int)
        logs[i] = math.log(np.median(a[one])) - math.log(np.median(b[two]))
    logs.sort()
    tail = (1 - confidence) / 2
    low, high = (float(np.exp(np.quantile(logs, share))) for share in (tail, 1 - tail))
    return RatioInterval(float(np.median(a)) / float(np.median(b)), low, high)


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
    x = np.asarray(values, dtype=float)
    ordered = np.sort(x)
    return (np.searchsorted(ordered, x, "left") + 1 + np.searchsorted(ordered, x, "right")) / 2


def mann_whitney(a, b):
    x, y = (finite_row("a", a, 1), finite_row("b", b, 1))
    n, m = (x.size, y.size)
    place = ranks(np.r_[x, y])
    u = n * m - (float(place[n:].sum()) - m * (m + 1) / 2)
    if len(set(place)) == n + m and n <= EXACT_UP_TO and (m <= EXACT_UP_TO):
        return Significance(u, exact_p_value(u, n, m))
    variance = n * m / (n + m) * np.var(place, ddof=1)
    if variance == 0:
        return Significance(u, 1.0)
    z = max(abs(u - n * m / 2) - 0.5, 0.0) / math.sqrt(variance)
    return Significance(u, math.erfc(z / math.sqrt(2)))


def welch_t_test(a, b):
    x, y = (finite_row("a", a, 2), finite_row("b", b, 2))
    va = ((x - x.mean()) ** 2).sum() / (x.size * (x.size - 1))
    vb = ((y - y.mean()) ** 2).sum() / (y.size * (y.size - 1))
    if va == vb == 0:
        raise ValueError("neither varies")
    share = va / (va + vb)
    nu = 1 / (share**2 / (x.size - 1) + (1 - share) ** 2 / (y.size - 1))
    t = float((x.mean() - y.mean()) / math.hypot(va**0.5, vb**0.5))
    return Significance(t, two_sided_t(abs(t), float(nu)))


def ask_in_turn(
    predict: Predict,
    inputs: Sequence[Any],
    num_queries: int,
    *,
    clock_ns: Clock = time.perf_counter_ns,
) -> NDArray[np.float64]:
    latencies_ns = np.empty(num_queries)
    for i in range(num_queries):
        start = clock_ns()
        predict(inputs[i % len(inputs)])
        latencies_ns[i] = clock_ns() - start
    return latencies_ns / NS_PER_MS


def poisson_arrivals_ns(
    per_second: float, count: int, seed: int | None = None
) -> NDArray[np.int64]:
    if not 0 < per_second < math.inf:
        raise ValueError("a rate above 0, please")
    checked_size("number of arrivals", count)
    gaps_s = np.random.default_rng(seed).exponential(1 / per_second, count)
    arrivals: NDArray[np.int64] = np.round(np.cumsum(gaps_s) * NS_PER_S).astype(np.int64)
    return arrivals


def wait_until(moment_ns: int, clock_ns: Clock, sleep: Callable[[float], None]) -> None:
    while (left := (moment_ns - clock_ns())) > 0:
        if left > WAITED_OUT_NS:
            sleep((left - WAITED_OUT_NS) / NS_PER_S)


def serve(predict, inputs, arrivals_ns, *, clock_ns=time.perf_counter_ns, sleep=time.sleep):
    start = clock_ns()
    latencies = []
    for i, arrival in enumerate(arrivals_ns.tolist()):
        now = clock_ns() - start
        while now < arrival:
            now = clock_ns() - start
        predict(inputs[i % len(inputs)])
        latencies.append(clock_ns() - start - arrival)
    return np.array(latencies, dtype=float) * 1e-06


def normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def lost_and_won(baseline_right, candidate_right):
    a, b = (np.asarray(baseline_right, bool), np.asarray(candidate_right, bool))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError("two rows of one length")
    agreed = int(np.sum(a & b))
    return (int(a.sum()) - agreed, int(b.sum()) - agreed)


def accuracy_change_interval(lost: int, won: int, n: int, confidence: float = 0.95) -> Interval:
    if lost < 0 or won < 0 or lost + won > n or (n < 1):
        raise ValueError(f"Expected counts with lost + won <= n, got {lost}, {won} and {n}.")
    z = normal_quantile(confidence)
    b, c, total = (lost + 0.5, won + 0.5, n + 2)
    change = (c - b) / total
    error = math.sqrt(b + c - (c - b) ** 2 / total) / total
    return (max(-1.0, change - z * error), min(1.0, change + z * error))


def pareto_frontier(costs):
    table = np.asarray(costs, dtype=float)
    if table.ndim != 2 or np.isnan(table).any():
        raise ValueError("table")
    front = np.zeros(len(table), dtype=bool)
    kept = []
    for i in sorted(range(len(table)), key=lambda i: tuple(table[i])):
        mine = tuple(table[i])
        if not any(
            k != mine and all((x <= y for x, y in zip(k, mine, strict=False))) for k in kept
        ):
            front[i] = True
            kept.append(mine)
    return front
