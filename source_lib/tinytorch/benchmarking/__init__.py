"""Honest measuring: how long a call takes, which of two is faster, and on which machine.

`measure_latency` times one callable, `compare_latency` decides between two, `system_info` says
where.
Two runs of `measure_latency` must not be divided by each other: between them the machine drifts
by more than most optimisations gain, which is what `compare_latency` is for.
"""

from tinytorch.benchmarking.comparison import (
    LatencyComparison,
    RatioInterval,
    Verdict,
    compare_latency,
    median_ratio_interval,
    time_interleaved,
    verdict,
)
from tinytorch.benchmarking.system import system_info
from tinytorch.benchmarking.timing import Latency, measure_latency

__all__ = [
    "Latency",
    "LatencyComparison",
    "RatioInterval",
    "Verdict",
    "compare_latency",
    "measure_latency",
    "median_ratio_interval",
    "system_info",
    "time_interleaved",
    "verdict",
]
