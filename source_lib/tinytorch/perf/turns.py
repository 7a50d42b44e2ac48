"""Timing alternatives in turn, before chapter 19 explains why and adds intervals."""

import random
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

BLOCK_MS = 1.0


def time_in_turn(
    functions: Mapping[str, Callable[[], object]],
    rounds: int = 30,
    seed: int = 0,
    block_ms: float = BLOCK_MS,
) -> dict[str, NDArray[np.float64]]:
    """Time each function once a round, in an order drawn anew, so that drift hits all alike.

    One timing is the mean over as many calls as fill ``block_ms``, at least one; with 0 it is that
    of a single call, as percentiles need it: in a mean the slow calls vanish.
    Returns the milliseconds of one call, float64 of shape (rounds,), under each name; entries at
    one place belong to one round, so their ratios can be taken.
    Raises ValueError when there is no function, `rounds` is below 1 or `block_ms` below 0.

    >>> times = time_in_turn({"short": lambda: sum(range(10)), "long": lambda: sum(range(1000))})
    >>> bool(np.median(times["long"] / times["short"]) > 1)
    True
    """
    if not functions or rounds < 1:
        raise ValueError(f"Need a function to time and 1 round or more, got {rounds} rounds.")
    if not block_ms >= 0:
        raise ValueError(f"Need a block_ms of 0 or more, got {block_ms}.")
    calls = {name: _calls_in_a_block(function, block_ms) for name, function in functions.items()}
    times = {name: np.empty(rounds) for name in functions}
    order = list(functions)
    shuffle = random.Random(seed).shuffle
    for turn in range(rounds):
        shuffle(order)
        for name in order:
            times[name][turn] = _milliseconds(functions[name], calls[name])
    return times


def _calls_in_a_block(function: Callable[[], object], block_ms: float) -> int:
    function()  # the first call pays for cold caches
    calls = 1
    while (taken := _milliseconds(function, calls) * calls) < block_ms / 2:
        calls *= 2
    return max(1, round(calls * block_ms / taken))


def _milliseconds(function: Callable[[], object], calls: int) -> float:
    start = time.perf_counter_ns()
    for _ in range(calls):
        function()
    return (time.perf_counter_ns() - start) / 1e6 / calls
