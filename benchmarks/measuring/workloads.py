"""The two models that are timed, their counted forms, a simulated machine and background load."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, repeat

import numpy as np

from tinytorch.benchmarking.timing import NS_PER_MS

Work = Callable[[], object]

BASE_COUNT = 100
SLOWDOWN_PERCENTS = (0, 1, 2, 5, 10)
PANEL_COLUMNS = 16
NUM_INPUTS = 8


def mlp_forward(sizes: tuple[int, int, int], batch: int) -> Work:
    """Forward pass of a two-layer ReLU network, over inputs that rotate from call to call."""
    rng = np.random.default_rng(0)
    d, h, o = sizes
    W1 = rng.standard_normal((d, h), dtype=np.float32)  # (d, h)
    b1 = rng.standard_normal(h, dtype=np.float32)  # (h,)
    W2 = rng.standard_normal((h, o), dtype=np.float32)  # (h, o)
    b2 = rng.standard_normal(o, dtype=np.float32)  # (o,)
    inputs = cycle(rng.standard_normal((NUM_INPUTS, batch, d), dtype=np.float32))

    def forward() -> object:
        x = next(inputs)  # (batch, d)
        return np.maximum(x @ W1 + b1, 0) @ W2 + b2  # (batch, o)

    return forward


def hidden_layer_panel(sizes: tuple[int, int, int]) -> Work:
    """Sixteen columns of the hidden layer for one row: short enough to count 1 % within 0.3 ms.

    Always the same columns: while the unit walked through all of them in turn, 100 units were not
    a whole number of rounds, columns differ in cost by their place in memory, and the count was
    no longer the truth (off by 0.1 %, which is as much as the interval is wide).
    """
    rng = np.random.default_rng(0)
    panel = rng.standard_normal((sizes[0], PANEL_COLUMNS), dtype=np.float32)  # (d, 16)
    x = rng.standard_normal((1, sizes[0]), dtype=np.float32)  # (1, d)
    return lambda: x @ panel  # (1, 16)


def counted(unit: Work) -> dict[int, Work]:
    """Work that is 0, 1, 2, 5 or 10 percent longer than 100 units by count, by that percentage.

    One function with several counts: a function of its own for each would have its own place in
    memory, which in one process in six was worth more (0.1 %) than the interval is wide.
    """

    def repeated(count: int) -> None:
        for _ in repeat(None, count):
            unit()

    return {percent: partial(repeated, BASE_COUNT + percent) for percent in SLOWDOWN_PERCENTS}


def models() -> dict[str, tuple[Work, Work]]:
    """Name of each model with its forward pass and the unit that its counted work repeats."""
    tiny, big = (10, 20, 3), (784, 256, 10)
    tiny_forward = mlp_forward(tiny, batch=1)
    return {
        "tiny 10-20-3": (tiny_forward, tiny_forward),
        "big 784-256-10": (mlp_forward(big, batch=64), hidden_layer_panel(big)),
    }


class AlternatingMachine:
    """A simulated clock and work: every second block runs 3 % slower, as beside a busy neighbour.

    No real machine does this on demand, and it is what a fixed order inside the pair cannot stand.
    """

    def __init__(self, seed: int) -> None:
        self.now_ns = 0
        self.readings = 0
        self.rng = np.random.default_rng(seed)

    def clock_ns(self) -> int:
        """Simulated time in ns; two readings make a block."""
        self.readings += 1
        return self.now_ns

    def work(self) -> None:
        """Let a tenth of a millisecond pass, give or take 0.2 %."""
        slow = 1.03 if (self.readings // 2) % 2 else 1.0
        self.now_ns += round(NS_PER_MS / 10 * slow * (1 + 0.002 * self.rng.standard_normal()))


@contextmanager
def background_load(processes: int, limit_seconds: float) -> Iterator[None]:
    """Keep `processes` CPUs busy; each ends with the block, or by itself at the limit."""
    code = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\n"
    code += "while time.monotonic() < end: pass\n"
    command = [sys.executable, "-c", code, str(limit_seconds)]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            started.append(subprocess.Popen(command))
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
