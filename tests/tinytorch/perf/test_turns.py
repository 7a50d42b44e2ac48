"""Timings taken in turn: one of each a round, in changing order, of calls that are really made."""

import itertools
import math
import time

import numpy as np
import pytest

from tinytorch.perf.turns import time_in_turn


def test_each_function_has_one_timing_a_round():
    times = time_in_turn({"a": lambda: None, "b": lambda: None}, rounds=7)
    assert set(times) == {"a", "b"}
    assert all(found.shape == (7,) and np.all(found > 0) for found in times.values())


def test_a_sleep_is_measured_in_milliseconds():
    times = time_in_turn({"sleep": lambda: time.sleep(0.004)}, rounds=3)
    assert np.min(times["sleep"]) >= 4


def test_the_order_changes_from_round_to_round():
    calls = []
    functions = {name: lambda name=name: (calls.append(name), time.sleep(0.002)) for name in "ab"}
    time_in_turn(functions, rounds=12)
    assert len({tuple(calls[i : i + 2]) for i in range(len(calls) - 24, len(calls), 2)}) == 2


def test_single_calls_are_timed_when_asked_for():
    """One call of ten is slow, and the timing of that call says so; no other call is made."""
    calls = itertools.count()

    def work():
        if next(calls) % 10 == 0:
            time.sleep(0.002)

    single = time_in_turn({"work": work}, rounds=50, block_ms=0)["work"]
    # Two calls find out how long a block is, so the calls 10, 20, ... are the rounds 8, 18, ...
    assert np.all(single[8::10] >= 2)
    assert next(calls) == 2 + 50


@pytest.mark.parametrize("block_ms", [-1.0, math.nan])
def test_a_block_of_less_than_nothing_is_refused(block_ms):
    with pytest.raises(ValueError, match="block_ms"):
        time_in_turn({"a": lambda: None}, block_ms=block_ms)


@pytest.mark.parametrize(("functions", "rounds"), [({}, 3), ({"a": lambda: None}, 0)])
def test_nothing_to_time_is_refused(functions, rounds):
    with pytest.raises(ValueError, match="round"):
        time_in_turn(functions, rounds=rounds)
