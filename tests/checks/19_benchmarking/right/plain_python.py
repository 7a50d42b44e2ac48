"""Lists, loops and the statistics module; hardly any NumPy."""

import statistics


def block_ns(fn, calls, clock_ns):
    before = clock_ns()
    done = 0
    while done < calls:
        fn()
        done += 1
    after = clock_ns()
    return after - before


def empty_block_ns(calls, clock_ns):
    timings = []
    for _ in range(20):
        before = clock_ns()
        for _ in range(calls):
            pass
        timings.append(clock_ns() - before)
    return min(timings)


def calls_per_block(one_call_ns, block_ms):
    wanted = round(block_ms * 1000000.0 / one_call_ns)
    if wanted < 1:
        return 1
    if wanted > 2**20:
        return 2**20
    return wanted


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
        whole = block_ns(self.fn, self.calls, self.clock_ns) - self.overhead_ns
        return 0 if whole < 0 else whole / self.calls


def detect_warmup(samples, window=5):
    samples = [float(value) for value in samples]
    if window < 1 or len(samples) < 4 * window or any(not math.isfinite(v) for v in samples):
        raise ValueError("too few samples, or not finite")
    medians = []
    for start in range(0, len(samples) - window + 1, window):
        medians.append(statistics.median(samples[start : start + window]))
    half = len(medians) // 2
    cold = 0
    for value in medians[:half]:
        if any(value <= steady for steady in medians[half:]):
            break
        cold += 1
    return cold * window


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
    values = [float(v) for v in values]
    if len(values) < 3 or not all(math.isfinite(v) for v in values):
        raise ValueError("at least 3 finite values")
    centre = statistics.median(values)
    away = [abs(v - centre) for v in values]
    spread = statistics.median(away) * 1.4826
    if spread == 0:
        spread = 1.2533 * sum(away) / len(away)
    if spread == 0:
        return np.zeros(len(values))
    return np.array([(v - centre) / spread for v in values])


def find_outliers(values, threshold=3.5):
    if not threshold > 0:
        raise ValueError("the threshold must be above 0")
    values = [float(v) for v in values]
    scores = list(robust_scores(values))
    slow, fast, usual = ([], [], [])
    for place, score in enumerate(scores):
        if score > threshold:
            slow.append(place)
        elif score < -threshold:
            fast.append(place)
        else:
            usual.append(values[place])
    others = statistics.fmean(usual)
    shift = (statistics.fmean(values) - others) / abs(others) if others else 0.0
    return OutlierReport(
        np.array(slow, int), np.array(fast, int), len(values), max(abs(s) for s in scores), shift
    )


def min_samples_for_percentile(q):
    if q <= 0 or q >= 100:
        raise ValueError("q must lie between 0 and 100")
    p = q / 100 if q < 50 else (100 - q) / 100
    for n in range(2, 10**6):
        if (1 - p) ** (n - 1) * (1 - p + n * p) <= 0.01:
            return n


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
        needed = min_samples_for_percentile(q)
        if len(self.samples_ms) < needed:
            return None
        ordered = sorted(self.samples_ms.tolist())
        place = (len(ordered) - 1) * q / 100
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])


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
    dice = random.Random(seed)
    rows = [[] for _ in arms]
    with collector_held_off() as tidy_up:
        timed = calibrated(arms, block_ms, warmup_blocks, clock_ns)
        for _ in range(num_rounds):
            for place in dice.sample(range(len(timed)), len(timed)):
                rows[place].append(timed[place].sample_ns())
                tidy_up()
    if any(value <= 0 for row in rows for value in row):
        raise RuntimeError("the clock is too coarse")
    return [
        Latency([v / 1000000.0 for v in row], arm.calls)
        for row, arm in zip(rows, timed, strict=False)
    ]


class RatioInterval(NamedTuple):
    ratio: float
    low: float
    high: float


def interval_rank(n, confidence=0.95):
    if not 0 < confidence < 1:
        raise ValueError("the confidence is a fraction")
    k = 0
    while k < n and 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n <= 1 - confidence:
        k += 1
    if k == 0:
        raise ValueError("too few values")
    return k


def median_ratio_interval(log_ratios, confidence=0.95):
    if np.ndim(log_ratios) != 1:
        raise ValueError("one row is needed")
    values = sorted(float(v) for v in log_ratios)
    if any(math.isnan(v) or math.isinf(v) for v in values):
        raise ValueError("not finite")
    k = interval_rank(len(values), confidence)
    return RatioInterval(
        math.exp(statistics.median(values)),
        math.exp(values[k - 1]),
        math.exp(values[len(values) - k]),
    )


def verdict(ci_low, ci_high, floor=0.02):
    if not (ci_low > 0 and ci_low <= ci_high and (ci_high < float("inf"))):
        raise ValueError("no interval of ratios")
    if floor < 0 or floor >= 1:
        raise ValueError("the floor is a fraction")
    least = 1 + floor
    return "faster" if ci_low > least else "slower" if ci_high < 1 / least else "not resolved"


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
    a = row_of_times("baseline", baseline)
    b = row_of_times("candidate", candidate)
    check_plan(len(a), len(b), paired, confidence, num_resamples)
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(num_resamples):
        first = rng.integers(0, len(a), len(a))
        second = first if paired else rng.integers(0, len(b), len(b))
        ratios.append(np.median(a[first]) / np.median(b[second]))
    tail = 100 * (1 - confidence) / 2
    return RatioInterval(
        float(np.median(a) / np.median(b)),
        float(np.percentile(ratios, tail)),
        float(np.percentile(ratios, 100 - tail)),
    )


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
    values = [float(v) for v in values]
    order = sorted(range(len(values)), key=values.__getitem__)
    result = np.zeros(len(values))
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and values[order[stop]] == values[order[start]]:
            stop += 1
        for place in order[start:stop]:
            result[place] = (start + 1 + stop) / 2
        start = stop
    return result


def mann_whitney(a, b):
    a, b = (finite_row("a", a, 1).tolist(), finite_row("b", b, 1).tolist())
    n, m = (len(a), len(b))
    u = 0.0
    for x in a:
        for y in b:
            u += 1 if x > y else 0.5 if x == y else 0
    counts = {}
    for value in a + b:
        counts[value] = counts.get(value, 0) + 1
    if len(counts) == n + m and n <= 20 and (m <= 20):
        return Significance(u, exact_p_value(u, n, m))
    if len(counts) == 1:
        return Significance(u, 1.0)
    ties = sum(c**3 - c for c in counts.values()) / ((n + m) * (n + m - 1))
    sigma = (n * m * (n + m + 1 - ties) / 12) ** 0.5
    z = max(abs(u - n * m / 2) - 0.5, 0) / sigma
    return Significance(u, math.erfc(z / 2**0.5))


def welch_t_test(a, b):
    a, b = (finite_row("a", a, 2).tolist(), finite_row("b", b, 2).tolist())
    va, vb = (statistics.variance(a) / len(a), statistics.variance(b) / len(b))
    if va + vb == 0:
        raise ValueError("neither row varies")
    t = (statistics.fmean(a) - statistics.fmean(b)) / (va + vb) ** 0.5
    nu = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return Significance(t, two_sided_t(t, nu))


def ask_in_turn(predict, inputs, num_queries, *, clock_ns=time.perf_counter_ns):
    found = []
    for i in range(num_queries):
        x = inputs[i % len(inputs)]
        before = clock_ns()
        predict(x)
        found.append((clock_ns() - before) / 1000000.0)
    return np.array(found)


def poisson_arrivals_ns(per_second, count, seed=None):
    rng = np.random.default_rng(seed)
    if not (per_second > 0 and math.isfinite(per_second)) or count < 1:
        raise ValueError("arrivals need a rate above 0 and a count from 1")
    now, arrivals = (0.0, [])
    for gap in rng.exponential(1 / per_second, count):
        now += gap
        arrivals.append(round(now * 1000000000.0))
    return np.array(arrivals, dtype=np.int64)


def wait_until(moment_ns: int, clock_ns: Clock, sleep: Callable[[float], None]) -> None:
    while (left := (moment_ns - clock_ns())) > 0:
        if left > WAITED_OUT_NS:
            sleep((left - WAITED_OUT_NS) / NS_PER_S)


def serve(predict, inputs, arrivals_ns, *, clock_ns=time.perf_counter_ns, sleep=time.sleep):
    start, found = (clock_ns(), [])
    for i in range(len(arrivals_ns)):
        due = start + int(arrivals_ns[i])
        wait_until(due, clock_ns, sleep)
        predict(inputs[i % len(inputs)])
        found.append((clock_ns() - due) / 1000000.0)
    return np.array(found)


def normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie strictly between 0 and 1, got {confidence}.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def lost_and_won(baseline_right, candidate_right):
    if np.ndim(baseline_right) != 1 or np.ndim(candidate_right) != 1:
        raise ValueError("two rows are needed")
    if len(baseline_right) != len(candidate_right):
        raise ValueError("rows of one length are needed")
    lost = won = 0
    for before, after in zip(baseline_right, candidate_right, strict=False):
        lost += bool(before) and (not after)
        won += bool(after) and (not before)
    return (int(lost), int(won))


def accuracy_change_interval(lost, won, n, confidence=0.95):
    if min(lost, won) < 0 or lost + won > n or n < 1:
        raise ValueError("the counts do not fit")
    z = normal_quantile(confidence)
    b, c, total = (lost + 0.5, won + 0.5, n + 2)
    middle = (c - b) / total
    half = z * ((b + c) / total**2 - (c - b) ** 2 / total**3) ** 0.5
    return (max(middle - half, -1.0), min(middle + half, 1.0))


def pareto_frontier(costs):
    table = np.array(costs, dtype=float)
    if table.ndim != 2 or np.isnan(table).any():
        raise ValueError("a table of numbers is needed")
    rows = table.tolist()
    front = []
    for mine in rows:
        beaten = False
        for other in rows:
            if other != mine and all((o <= m for o, m in zip(other, mine, strict=False))):
                beaten = True
        front.append(not beaten)
    return np.array(front, dtype=bool)
