"""Honest measuring: how long a call takes, which of two is faster, and on which machine.

`measure_latency` times one callable, `compare_latency` decides between two, `Benchmark` and
`BenchmarkSuite` measure several models, the scenarios say how a model does in use, `system_info`
says where.
Two runs of `measure_latency` must not be divided by each other: between them the machine drifts
by more than most optimisations gain, which is what `compare_latency` is for.
"""

from tinytorch.benchmarking.benchmark import Benchmark
from tinytorch.benchmarking.bootstrap import bootstrap_ratio_interval
from tinytorch.benchmarking.comparison import (
    LatencyComparison,
    RatioInterval,
    Verdict,
    compare_latency,
    median_ratio_interval,
    time_interleaved,
    verdict,
)
from tinytorch.benchmarking.intervals import (
    accuracy_change_interval,
    lost_and_won,
    median_interval,
    proportion_interval,
)
from tinytorch.benchmarking.outliers import OutlierReport, find_outliers, robust_scores
from tinytorch.benchmarking.pareto import pareto_frontier
from tinytorch.benchmarking.plots import plot_pareto_frontier, plot_results
from tinytorch.benchmarking.result import BenchmarkResult, geometric_mean
from tinytorch.benchmarking.scenarios import (
    ScenarioResult,
    ask_in_turn,
    highest_server_rate,
    offline,
    poisson_arrivals_ns,
    serve,
    server,
    single_stream,
)
from tinytorch.benchmarking.significance import Significance, mann_whitney, ranks, welch_t_test
from tinytorch.benchmarking.suite import BenchmarkSuite
from tinytorch.benchmarking.system import machine_fingerprint, system_info
from tinytorch.benchmarking.tables import markdown_table
from tinytorch.benchmarking.timing import Latency, measure_latency
from tinytorch.benchmarking.warmup import detect_warmup

__all__ = [
    "Benchmark",
    "BenchmarkResult",
    "BenchmarkSuite",
    "Latency",
    "LatencyComparison",
    "OutlierReport",
    "RatioInterval",
    "ScenarioResult",
    "Significance",
    "Verdict",
    "accuracy_change_interval",
    "ask_in_turn",
    "bootstrap_ratio_interval",
    "compare_latency",
    "detect_warmup",
    "find_outliers",
    "geometric_mean",
    "highest_server_rate",
    "lost_and_won",
    "machine_fingerprint",
    "mann_whitney",
    "markdown_table",
    "measure_latency",
    "median_interval",
    "median_ratio_interval",
    "offline",
    "pareto_frontier",
    "plot_pareto_frontier",
    "plot_results",
    "poisson_arrivals_ns",
    "proportion_interval",
    "ranks",
    "robust_scores",
    "serve",
    "server",
    "single_stream",
    "system_info",
    "time_interleaved",
    "verdict",
    "welch_t_test",
]
