"""Plain classes of its own for the records; samples kept in objects that step through rounds."""

from collections import Counter


def block_ns(fn: Callable[[], object], calls: int, clock_ns: Clock) -> int:
    start = clock_ns()
    for _ in repeat(None, calls):
        fn()
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

    def sample_ns(self) -> float:
        if self.primed:
            self.fn()
        elapsed = block_ns(self.fn, self.calls, self.clock_ns)
        return max(0, elapsed - self.overhead_ns) / self.calls


def detect_warmup(samples: ArrayLike, window: int = 5) -> int:
    times = np.asarray(samples, dtype=np.float64)
    if window < 1 or times.ndim != 1 or times.size < 4 * window:
        raise ValueError(f"Expected a row of at least 4 windows, got shape {times.shape}.")
    if not np.all(np.isfinite(times)):
        raise ValueError("Every sample must be a finite number.")
    num_windows = times.size // window
    in_windows = times[: num_windows * window].reshape(num_windows, window)
    medians = np.median(in_windows, axis=1)
    half = num_windows // 2
    slower = medians[:half] > medians[half:].max()
    cold_windows = half if slower.all() else int(np.argmin(slower))
    return cold_windows * window


class OutlierReport:
    def __init__(self, slow, fast, num_samples, largest_score, mean_shift):
        self.slow, self.fast = (list(slow), list(fast))
        self.num_samples, self.largest_score, self.mean_shift = (
            num_samples,
            largest_score,
            mean_shift,
        )

    @property
    def count(self):
        return len(self.slow) + len(self.fast)

    def describe(self):
        return f"{self.count} of {self.num_samples} are outliers"


def robust_scores(values: ArrayLike) -> NDArray[np.float64]:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or row.size < 3 or (not np.all(np.isfinite(row))):
        raise ValueError(f"Expected a row of at least 3 finite numbers, got shape {row.shape}.")
    away = row - np.median(row)
    spread = 1.4826 * np.median(np.abs(away))
    if spread == 0:
        spread = 1.2533 * np.mean(np.abs(away))
    scores: NDArray[np.float64] = away / spread if spread > 0 else np.zeros_like(row)
    return scores


def find_outliers(values, threshold=3.5):
    if not threshold > 0:
        raise ValueError("threshold")
    scores = robust_scores(values)
    inside = [v for v, s in zip(values, scores, strict=False) if abs(s) <= threshold]
    usual = sum(inside) / len(inside)
    shift = (sum(values) / len(values) - usual) / abs(usual) if usual else 0.0
    slow = [i for i, s in enumerate(scores) if s > threshold]
    fast = [i for i, s in enumerate(scores) if s < -threshold]
    return OutlierReport(slow, fast, len(values), max(abs(scores)), float(shift))


def min_samples_for_percentile(q: float) -> int:
    if not 0 < q < 100:
        raise ValueError(f"A percentile lies strictly between 0 and 100, got {q}.")
    p = min(q, 100 - q) / 100
    n = 2
    while (1 - p) ** n + n * p * (1 - p) ** (n - 1) > 0.01:
        n += 1
    return n


class Latency:
    def __init__(self, samples_ms, calls_per_sample):
        self.samples_ms = np.array(samples_ms, dtype=float)
        self.calls_per_sample = calls_per_sample
        self.num_samples = len(self.samples_ms)
        self.median_ms = float(np.median(self.samples_ms))
        self.mean_ms = float(np.mean(self.samples_ms))

    def percentile_ms(self, q):
        if min_samples_for_percentile(q) > self.num_samples:
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

    class Column:
        def __init__(self, arm):
            self.arm, self.samples = (arm, [])

        def step(self):
            sample = self.arm.sample_ns()
            if sample <= 0:
                raise RuntimeError("too coarse")
            self.samples.append(sample / NS_PER_MS)

    rng = random.Random(seed)
    with collector_held_off() as tidy_up:
        columns = [Column(arm) for arm in calibrated(arms, block_ms, warmup_blocks, clock_ns)]
        for _ in range(num_rounds):
            shuffled = columns[:]
            rng.shuffle(shuffled)
            for column in shuffled:
                column.step()
                tidy_up()
    return [Latency(column.samples, column.arm.calls) for column in columns]


class RatioInterval:
    def __init__(self, ratio, low, high):
        self.ratio, self.low, self.high = (ratio, low, high)

    def __repr__(self):
        return f"{self.ratio:.4f} ({self.low:.4f} to {self.high:.4f})"


def interval_rank(n: int, confidence: float) -> int:
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    k, tail, term = (0, 0, 1)
    while k < n and (tail + term) / (1 << n) * 2 <= 1 - confidence:
        tail += term
        term = term * (n - k) // (k + 1)
        k += 1
    if k == 0:
        least = 1 + math.ceil(-math.log2(1 - confidence))
        raise ValueError(f"{n} pairs are too few for {confidence:g} confidence, use {least}.")
    return k


def median_ratio_interval(log_ratios, confidence=0.95):
    log_ratios = np.asarray(log_ratios, dtype=float)
    if log_ratios.ndim != 1 or not np.isfinite(log_ratios).all():
        raise ValueError("finite row")
    values = np.sort(log_ratios)
    k = interval_rank(len(values), confidence)
    return RatioInterval(
        math.exp(np.median(values)), math.exp(values[k - 1]), math.exp(values[len(values) - k])
    )


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
    baseline: ArrayLike,
    candidate: ArrayLike,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    *,
    paired: bool = False,
    seed: int | None = None,
) -> RatioInterval:
    a, b = (row_of_times("baseline", baseline), row_of_times("candidate", candidate))
    check_plan(a.size, b.size, paired, confidence, num_resamples)
    rng = np.random.default_rng(seed)
    drawn_a = rng.integers(a.size, size=(num_resamples, a.size))
    drawn_b = drawn_a if paired else rng.integers(b.size, size=(num_resamples, b.size))
    ratios = np.median(a[drawn_a], axis=1) / np.median(b[drawn_b], axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return RatioInterval(float(np.median(a) / np.median(b)), float(low), float(high))


class Significance:
    def __init__(self, statistic, p_value):
        self.statistic = statistic
        self.p_value = p_value


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


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    row = finite_row("values", values, least=0)
    distinct, place = np.unique(row, return_inverse=True)
    counts = np.bincount(place, minlength=distinct.size)
    last = np.cumsum(counts)
    mean_rank: NDArray[np.float64] = last - (counts - 1) / 2
    return mean_rank[place]


def mann_whitney(a: ArrayLike, b: ArrayLike) -> Significance:
    x, y = (finite_row("a", a, least=1), finite_row("b", b, least=1))
    n, m = (x.size, y.size)
    both = np.concatenate([x, y])
    u = float(ranks(both)[:n].sum()) - n * (n + 1) / 2
    counts = np.unique(both, return_counts=True)[1]
    if counts.max() == 1 and max(n, m) <= EXACT_UP_TO:
        return Significance(u, exact_p_value(u, n, m))
    total = n + m
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (total * (total - 1))
    deviation = math.sqrt(n * m / 12 * (total + 1 - ties))
    if deviation == 0:
        return Significance(u, 1.0)
    z = max(0.0, abs(u - n * m / 2) - 0.5) / deviation
    return Significance(u, math.erfc(z / math.sqrt(2)))


def welch_t_test(a: ArrayLike, b: ArrayLike) -> Significance:
    x, y = (finite_row("a", a, least=2), finite_row("b", b, least=2))
    v_x, v_y = (float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size)
    if v_x + v_y == 0:
        raise ValueError("Neither row varies, so there is no noise to judge the difference by.")
    t = float(x.mean() - y.mean()) / math.sqrt(v_x + v_y)
    share = v_x / (v_x + v_y)
    freedom = 1 / (share**2 / (x.size - 1) + (1 - share) ** 2 / (y.size - 1))
    return Significance(t, two_sided_t(t, freedom))


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


def serve(
    predict: Predict,
    inputs: Sequence[Any],
    arrivals_ns: NDArray[np.int64],
    *,
    clock_ns: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> NDArray[np.float64]:
    latencies_ns = np.empty(len(arrivals_ns))
    start = clock_ns()
    for i, arrival in enumerate(start + arrivals_ns):
        wait_until(arrival, clock_ns, sleep)
        predict(inputs[i % len(inputs)])
        latencies_ns[i] = clock_ns() - arrival
    return latencies_ns / NS_PER_MS


def normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def lost_and_won(baseline_right, candidate_right):
    if np.ndim(baseline_right) != 1 or np.ndim(candidate_right) != 1:
        raise ValueError("rows")
    first, second = (list(map(float, baseline_right)), list(map(float, candidate_right)))
    if len(first) != len(second):
        raise ValueError("lengths")
    counts = Counter(zip(first, second, strict=False))
    return (counts[1.0, 0.0], counts[0.0, 1.0])


def accuracy_change_interval(lost: int, won: int, n: int, confidence: float = 0.95) -> Interval:
    if lost < 0 or won < 0 or lost + won > n or (n < 1):
        raise ValueError(f"Expected counts with lost + won <= n, got {lost}, {won} and {n}.")
    z = normal_quantile(confidence)
    b, c, total = (lost + 0.5, won + 0.5, n + 2)
    change = (c - b) / total
    error = math.sqrt(b + c - (c - b) ** 2 / total) / total
    return (max(-1.0, change - z * error), min(1.0, change + z * error))


def pareto_frontier(costs: ArrayLike) -> NDArray[np.bool_]:
    table = np.asarray(costs, dtype=np.float64)
    if table.ndim != 2 or np.isnan(table).any():
        raise ValueError(f"Expected costs (n, d) without NaN, got shape {table.shape}.")
    on_frontier = np.empty(len(table), dtype=bool)
    for i, cost in enumerate(table):
        no_worse = np.all(table <= cost, axis=1)
        better = np.any(table < cost, axis=1)
        on_frontier[i] = not np.any(no_worse & better)
    return on_frontier
