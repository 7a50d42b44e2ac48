"""How a model is used decides which figure counts: the scenarios of MLPerf Inference.

Single stream: one query after another, as on a phone; the figure is the 90th percentile.
Offline: all data is there, as in a night run; the figure is samples per second.
Server: queries arrive when they like; the figure is the rate at which still 99 % of them are
answered within a bound.
Source: Reddi et al., MLPerf Inference Benchmark, ISCA 2020, section IV.

Queries are timed one by one, since a tail is made of single queries; reading the clock is part of
each and costs some 60 ns.
The garbage collector runs as it would in use.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinytorch.benchmarking.result import BenchmarkResult
from tinytorch.benchmarking.timing import NS_PER_MS, Clock, min_samples_for_percentile
from tinytorch.core.checks import checked_size

Predict = Callable[[Any], object]

NS_PER_S = 1_000_000_000
# Sleeping ends up to a scheduler slice late, so the last stretch before an arrival is waited out.
WAITED_OUT_NS = 2_000_000


@dataclass(frozen=True, eq=False)
class ScenarioResult:
    """The figure of a scenario; `value` is None when the run does not allow one.

    `reason` then says why, and is empty otherwise.
    `latencies` holds one value a query in ms, offline one a batch.
    """

    scenario: str
    value: float | None
    unit: str
    latencies: BenchmarkResult
    reason: str = ""

    @property
    def valid(self) -> bool:
        """Whether the run gave a figure."""
        return self.value is not None

    def describe(self) -> str:
        """One sentence for a reader."""
        if self.value is None:
            return f"{self.scenario}: no result, {self.reason}"
        return f"{self.scenario}: {self.value:.4g} {self.unit}, {self.latencies.count} timings"


def single_stream(
    predict: Predict,
    inputs: Sequence[Any],
    num_queries: int = 1000,
    *,
    percentile: float = 90,
    warmup_queries: int = 20,
    clock_ns: Clock = time.perf_counter_ns,
) -> ScenarioResult:
    """Send `num_queries` queries, each when the last is answered; the figure is a percentile in ms.

    Query i is `predict(inputs[i % len(inputs)])`, so that no single input is measured.
    There is no figure when the queries are too few for the percentile (64 for the 90th).
    Raises ValueError without inputs or queries.

    >>> single_stream(lambda x: x + 1, [1, 2, 3], num_queries=100).unit
    'ms (p90)'
    """
    _check(inputs, num_queries)
    for i in range(warmup_queries):
        predict(inputs[i % len(inputs)])
    latencies_ms = ask_in_turn(predict, inputs, num_queries, clock_ns=clock_ns)
    return _judged("single stream", latencies_ms, percentile)


def ask_in_turn(
    predict: Predict,
    inputs: Sequence[Any],
    num_queries: int,
    *,
    clock_ns: Clock = time.perf_counter_ns,
) -> NDArray[np.float64]:
    """The latency of each query in ms, (num_queries,), when one follows another.

    Query i is `predict(inputs[i % len(inputs)])`, timed alone by two readings of the clock.

    >>> ask_in_turn(abs, [-1, -2], num_queries=3).shape
    (3,)
    """
    latencies_ns = np.empty(num_queries)
    for i in range(num_queries):
        start = clock_ns()
        predict(inputs[i % len(inputs)])
        latencies_ns[i] = clock_ns() - start
    return latencies_ns / NS_PER_MS


def offline(
    predict: Predict,
    batches: Sequence[Any],
    samples_per_batch: int,
    min_duration_s: float = 0.25,
    *,
    clock_ns: Clock = time.perf_counter_ns,
) -> ScenarioResult:
    """Predict batches until `min_duration_s` has passed; the figure is samples per second.

    Every batch holds `samples_per_batch` samples; they are taken in turn, at least two in all.
    The figure is the number of samples over the time of all batches together, stalls included.
    Raises ValueError without batches, for fewer than one sample a batch or no duration.

    >>> offline(sum, [[1, 2, 3]], samples_per_batch=3, min_duration_s=0.01).unit
    'samples/s'
    """
    _check(batches, samples_per_batch)
    if not 0 < min_duration_s < float("inf"):
        raise ValueError(f"min_duration_s must be a positive number, got {min_duration_s}.")
    predict(batches[0])
    elapsed_ns: list[int] = []
    total_ns = 0
    while total_ns < min_duration_s * NS_PER_S or len(elapsed_ns) < 2:
        start = clock_ns()
        predict(batches[len(elapsed_ns) % len(batches)])
        elapsed_ns.append(clock_ns() - start)
        total_ns += elapsed_ns[-1]
    latencies = _latencies(np.array(elapsed_ns) / NS_PER_MS)
    rate = samples_per_batch * len(elapsed_ns) / (total_ns / NS_PER_S)
    return ScenarioResult("offline", rate, "samples/s", latencies)


def server(
    predict: Predict,
    inputs: Sequence[Any],
    queries_per_second: float,
    latency_bound_ms: float,
    num_queries: int = 1000,
    *,
    percentile: float = 99,
    seed: int | None = None,
    clock_ns: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> ScenarioResult:
    """Serve queries that arrive at random; the figure is their rate, if the bound holds.

    Arrivals are a Poisson process: the gaps between them are exponential with mean
    1 / `queries_per_second`.
    One server answers in the order of arrival, and the latency of a query runs from its *arrival*,
    so waiting behind others counts.
    The run is valid when the `percentile`-th latency stays within `latency_bound_ms`.
    `seed` repeats the arrivals.
    Raises ValueError without inputs or queries, or for a rate or bound that is not above 0.

    >>> served = server(lambda x: x, [0], 20_000, latency_bound_ms=1e4, num_queries=700, seed=0)
    >>> served.value, served.unit
    (20000.0, 'queries/s')
    """
    _check(inputs, num_queries)
    if not (0 < queries_per_second < float("inf") and 0 < latency_bound_ms < float("inf")):
        raise ValueError(
            f"The rate and the bound must be above 0, got {queries_per_second} and "
            f"{latency_bound_ms}."
        )
    predict(inputs[0])
    arrivals_ns = poisson_arrivals_ns(queries_per_second, num_queries, seed)
    latencies_ms = serve(predict, inputs, arrivals_ns, clock_ns=clock_ns, sleep=sleep)
    judged = _judged("server", latencies_ms, percentile)
    value, reason = None, judged.reason
    if judged.value is not None:
        if judged.value <= latency_bound_ms:
            value = float(queries_per_second)
        else:
            reason = (
                f"p{percentile:g} is {judged.value:.4g} ms at {queries_per_second:.4g} queries/s, "
                f"above the bound of {latency_bound_ms:g} ms"
            )
    return ScenarioResult("server", value, "queries/s", judged.latencies, reason)


def highest_server_rate(
    predict: Predict,
    inputs: Sequence[Any],
    latency_bound_ms: float,
    num_queries: int = 1000,
    num_steps: int = 6,
    *,
    seed: int | None = None,
    clock_ns: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> ScenarioResult:
    """Search for the highest rate at which the server keeps the bound, by halving.

    The search lies between 0 and what one query after another reaches, beyond which the queue
    grows without end, and each of its `num_steps` runs halves it; the result is that of the
    highest rate that was run and held, or of the lowest run if none did.
    Raises as `server`.

    >>> highest_server_rate(lambda x: sum(range(5000)), [0], 1e4, 700, num_steps=2, seed=0).valid
    True
    """
    alone = single_stream(predict, inputs, num_queries, clock_ns=clock_ns)
    low, high = 0.0, 1000 / alone.latencies.mean
    best: ScenarioResult | None = None
    for _ in range(max(1, num_steps)):
        rate = (low + high) / 2
        result = server(
            predict,
            inputs,
            rate,
            latency_bound_ms,
            num_queries,
            seed=seed,
            clock_ns=clock_ns,
            sleep=sleep,
        )
        if result.valid:
            low, best = rate, result
        else:
            high = rate
    return best or result


def poisson_arrivals_ns(
    per_second: float, count: int, seed: int | None = None
) -> NDArray[np.int64]:
    """The times of `count` random arrivals in ns from the start, ascending, int64 (count,).

    The gaps are independent and exponential with mean 1 / `per_second`, which is what many
    independent users together look like.
    Raises ValueError for a rate that is not above 0 or a count below 1.

    >>> arrivals = poisson_arrivals_ns(1000, 10_000, seed=0)
    >>> round(float(np.diff(arrivals).mean() / 1e6), 1)  # the mean gap in ms
    1.0
    """
    if not 0 < per_second < math.inf:
        raise ValueError(f"Arrivals need a rate above 0 a second, got {per_second}.")
    checked_size("number of arrivals", count)
    gaps_s = np.random.default_rng(seed).exponential(1 / per_second, count)  # (count,)
    arrivals: NDArray[np.int64] = np.round(np.cumsum(gaps_s) * NS_PER_S).astype(np.int64)
    return arrivals


def serve(
    predict: Predict,
    inputs: Sequence[Any],
    arrivals_ns: NDArray[np.int64],
    *,
    clock_ns: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> NDArray[np.float64]:
    """The latency of each query in ms, (n,), when query i arrives at `arrivals_ns[i]` (n,).

    Arrivals count from the first reading of the clock.
    One server answers in the order of arrival by `predict(inputs[i % len(inputs)])`; it waits for
    a query that has not arrived, and the latency of one that has runs from its arrival.

    >>> serve(abs, [-1, -2], np.array([0, 1000, 2000])).shape
    (3,)
    """
    latencies_ns = np.empty(len(arrivals_ns))
    start = clock_ns()
    for i, arrival in enumerate(start + arrivals_ns):
        wait_until(arrival, clock_ns, sleep)
        predict(inputs[i % len(inputs)])
        latencies_ns[i] = clock_ns() - arrival
    return latencies_ns / NS_PER_MS


def wait_until(moment_ns: int, clock_ns: Clock, sleep: Callable[[float], None]) -> None:
    """Return when the clock has reached the moment, at once if it is past."""
    while (left := moment_ns - clock_ns()) > 0:
        if left > WAITED_OUT_NS:
            sleep((left - WAITED_OUT_NS) / NS_PER_S)


def _judged(scenario: str, samples_ms: NDArray[np.float64], percentile: float) -> ScenarioResult:
    """The percentile of the samples as the figure, if they are enough for it."""
    latencies = _latencies(samples_ms)
    value = latencies.percentile(percentile)
    reason = ""
    if value is None:
        needed = min_samples_for_percentile(percentile)
        reason = f"{latencies.count} queries are too few for p{percentile:g}, use {needed}"
    return ScenarioResult(scenario, value, f"ms (p{percentile:g})", latencies, reason)


def _latencies(samples_ms: NDArray[np.float64]) -> BenchmarkResult:
    return BenchmarkResult("latency", samples_ms, unit="ms")


def _check(inputs: Sequence[Any], count: int) -> None:
    if len(inputs) == 0 or count < 1:
        raise ValueError(
            f"Expected at least one input and a count from 1, got {len(inputs)} and {count}."
        )
