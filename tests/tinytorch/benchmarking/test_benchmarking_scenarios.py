"""Laws of the scenarios, on a clock in software whose every query lasts what it is told."""

import numpy as np
import pytest

from tinytorch.benchmarking import (
    highest_server_rate,
    offline,
    poisson_arrivals_ns,
    serve,
    server,
    single_stream,
)


class Machine:
    """A server on a simulated clock: a query takes the milliseconds that it is."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.seen: list[float] = []

    def clock(self) -> int:
        self.now_ns += 20_000  # so that waiting for an arrival ends; queries last far longer
        return self.now_ns

    def predict(self, ms: float) -> None:
        self.seen.append(ms)
        self.now_ns += int(ms * 1e6)

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)

    @property
    def time(self) -> dict:
        return {"clock_ns": self.clock, "sleep": self.sleep}


def test_single_stream_reports_the_90th_percentile_of_single_queries():
    machine = Machine()
    queries = [100.0] * 17 + [500.0] * 3
    result = single_stream(machine.predict, queries, 200, clock_ns=machine.clock, warmup_queries=0)
    assert result.latencies.values == pytest.approx(queries * 10, rel=1e-3)
    assert result.value == pytest.approx(500.0, rel=1e-3)
    assert (result.unit, result.valid, result.reason) == ("ms (p90)", True, "")
    assert result.describe() == "single stream: 500 ms (p90), 200 timings"


def test_single_stream_takes_the_inputs_in_turn_and_warms_up():
    machine = Machine()
    result = single_stream(machine.predict, [100.0, 200.0, 300.0], 70, clock_ns=machine.clock)
    assert len(machine.seen) == 70 + 20
    assert result.latencies.values[:4] == pytest.approx([100, 200, 300, 100], rel=1e-3)


def test_too_few_queries_give_no_figure():
    """63 queries hold no 90th percentile that means anything."""
    machine = Machine()
    result = single_stream(machine.predict, [100.0], 63, clock_ns=machine.clock)
    assert (result.value, result.valid) == (None, False)
    assert "63 queries are too few for p90, use 64" in result.describe()


def test_offline_counts_samples_over_all_of_the_time():
    machine = Machine()
    result = offline(machine.predict, [200.0, 400.0], 32, 30.0, clock_ns=machine.clock)
    assert result.value == pytest.approx(32 / 0.3, rel=1e-3)
    assert result.latencies.count == 100
    slow = offline(machine.predict, [100.0], 8, 1e-9, clock_ns=machine.clock)
    assert slow.latencies.count == 2


def test_server_latency_includes_the_wait():
    """The mean wait of random arrivals at one server is that of Pollaczek and Khinchine.

    For a load rho and a fixed service time s it is rho s / (2 (1 - rho)).
    """
    s, rho = 100.0, 0.6
    machine = Machine()
    result = server(machine.predict, [s], 1000 * rho / s, 1e4, 20_000, seed=1, **machine.time)
    expected = s + rho * s / (2 * (1 - rho))
    assert result.latencies.mean == pytest.approx(expected, rel=0.05)
    assert result.latencies.min == pytest.approx(s, rel=1e-3)
    assert result.value == 1000 * rho / s


def test_an_idle_server_answers_at_once():
    machine = Machine()
    result = server(machine.predict, [100.0], 0.01, 150, 700, seed=0, **machine.time)
    assert result.latencies.percentile(99) == pytest.approx(100.0, rel=1e-3)
    assert result.valid


def test_a_broken_bound_gives_no_figure():
    machine = Machine()
    result = server(machine.predict, [100.0], 9, 150, 1000, seed=0, **machine.time)
    assert result.value is None
    assert "above the bound of 150 ms" in result.reason
    assert result.latencies.count == 1000


def test_a_server_judged_on_too_few_queries_has_no_figure():
    machine = Machine()
    result = server(machine.predict, [100.0], 5, 1e6, 661, seed=0, **machine.time)
    assert not result.valid
    assert "use 662" in result.reason


def test_the_search_finds_the_highest_rate_that_holds():
    """Between what held and what did not there is no more than the last halving."""
    machine = Machine()
    result = highest_server_rate(machine.predict, [100.0], 500, 2000, 5, seed=0, **machine.time)
    assert result.valid
    above = server(
        machine.predict, [100.0], result.value + 10 / 2**5, 500, 2000, seed=0, **machine.time
    )
    assert not above.valid


def test_a_bound_that_never_holds_has_no_rate():
    machine = Machine()
    result = highest_server_rate(machine.predict, [100.0], 50, 700, 3, seed=0, **machine.time)
    assert not result.valid


def test_arrivals_are_a_poisson_process():
    """Gaps exponential with the mean asked for; a seed repeats them and spares global state."""
    before = np.random.get_state()[1].tolist()
    arrivals = poisson_arrivals_ns(500, 20_000, seed=3)
    gaps_ms = np.diff(arrivals, prepend=0) / 1e6
    assert np.all(gaps_ms >= 0)
    assert gaps_ms.mean() == pytest.approx(2.0, rel=0.03)
    assert gaps_ms.std() == pytest.approx(2.0, rel=0.05)
    assert np.mean(gaps_ms > 2.0) == pytest.approx(np.exp(-1), abs=0.015)
    assert np.array_equal(arrivals, poisson_arrivals_ns(500, 20_000, seed=3))
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize(
    "run",
    [
        lambda m: single_stream(m.predict, [], 100),
        lambda m: single_stream(m.predict, [1.0], 0),
        lambda m: offline(m.predict, [1.0], 0),
        lambda m: offline(m.predict, [1.0], 1, 0),
        lambda m: offline(m.predict, [1.0], 1, float("nan")),
        lambda m: server(m.predict, [1.0], 0, 1),
        lambda m: server(m.predict, [1.0], 10, -1),
        lambda m: server(m.predict, [], 10, 1),
    ],
)
def test_scenarios_without_sense_are_refused(run):
    with pytest.raises(ValueError, match=r"got"):
        run(Machine())


def test_a_model_that_fails_has_no_figure():
    """The exception passes through."""

    def fails(x):
        raise ZeroDivisionError("the model failed")

    with pytest.raises(ZeroDivisionError):
        single_stream(fails, [1.0], 100)


def test_a_latency_runs_from_the_arrival_through_the_queue():
    """Lindley's recursion: a query begins when it has arrived and the one before is answered."""
    machine = Machine()
    services, arrivals = [400.0, 400.0, 400.0, 250.0], np.array([0, 100, 1000, 1100]) * 1_000_000
    latencies = serve(machine.predict, services, arrivals, clock_ns=machine.clock,
                      sleep=machine.sleep)  # fmt: skip
    assert latencies == pytest.approx([400, 700, 400, 550], rel=1e-2)
    assert machine.seen == services
