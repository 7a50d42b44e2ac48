"""Several models measured under the same conditions: latency, accuracy and memory.

The first model is the baseline that the others are compared with.
Latencies are taken in rounds, one block of every model a round in random order, so that the
machine's drift is common to all of them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from tinytorch.benchmarking.comparison import median_ratio_interval, time_interleaved, verdict
from tinytorch.benchmarking.examples import (
    as_input,
    labelled_examples,
    named_models,
    predictions_right,
)
from tinytorch.benchmarking.intervals import accuracy_change_interval, lost_and_won
from tinytorch.benchmarking.outliers import find_outliers
from tinytorch.benchmarking.result import BenchmarkResult
from tinytorch.benchmarking.timing import Clock
from tinytorch.benchmarking.warmup import detect_warmup
from tinytorch.perf.profiling import held_bytes, inference, traced_peak

Results = dict[str, BenchmarkResult]
Comparison = dict[str, Any]

METRICS = ("latency", "accuracy", "memory")
ROTATED_INPUTS = 16
MEMORY_RUNS = 10
WARMUP_WINDOW = 5


class Benchmark:
    """Measure `models` on `datasets`; results stay in `results` by metric and model.

    `models` is a dictionary by name, or a sequence; each has `forward(x)`.
    `datasets` is a sequence of pairs (X, y) or what else `labelled_examples` takes; latency and
    memory use the first inputs of the first, accuracy all examples of all.
    `warmup_runs` blocks of calls precede the measurement of a latency, `measurement_runs` blocks
    are measured, fixed beforehand: to stop when the figures please is to invent them.
    Models run as in use: without recording gradients, in evaluation mode.
    Raises ValueError or TypeError for models, data or counts that make no sense.

    >>> from tinytorch.core.layers import Linear
    >>> benchmark = Benchmark({"a": Linear(4, 3)}, [(np.eye(4), [0, 1, 2, 0])])
    >>> benchmark.run_accuracy_benchmark()["a"].count
    4
    """

    def __init__(
        self,
        models: Mapping[str, Any] | Sequence[Any],
        datasets: Sequence[Any],
        warmup_runs: int = 20,
        measurement_runs: int = 300,
        *,
        batch_size: int = 1,
        seed: int | None = None,
        clock_ns: Clock = time.perf_counter_ns,
    ) -> None:
        if len(datasets) == 0:
            raise ValueError("A benchmark needs at least one data set.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}.")
        self.models = named_models(models)
        self.examples = [labelled_examples(dataset) for dataset in datasets]
        self.warmup_runs = warmup_runs
        self.measurement_runs = measurement_runs
        self.batch_size = batch_size
        self.seed = seed
        self.clock_ns = clock_ns
        self.results: dict[str, Results] = {}

    @property
    def baseline(self) -> str:
        """Name of the first model, which the others are compared with."""
        return next(iter(self.models))

    def run_latency_benchmark(self) -> Results:
        """Time a forward pass of `batch_size` rows in ms; value i of every model is of round i.

        The metadata say how many values at the start look like a warm-up that was too short
        (`detect_warmup`), describe the outliers, and give batch size and calls a value.
        Nothing is removed.
        """
        calls = self._calls()
        with inference(*self.models.values()):
            latencies = time_interleaved(
                [calls[id(model)] for model in self.models.values()],
                self.measurement_runs,
                warmup_blocks=self.warmup_runs,
                seed=self.seed,
                clock_ns=self.clock_ns,
            )
        results = {}
        for name, latency in zip(self.models, latencies, strict=True):
            metadata: dict[str, Any] = {
                "batch_size": self.batch_size,
                "calls_per_value": latency.calls_per_sample,
            }
            if latency.num_samples >= 4 * WARMUP_WINDOW:
                metadata["still_warming_up"] = detect_warmup(latency.samples_ms, WARMUP_WINDOW)
                metadata["outliers"] = find_outliers(latency.samples_ms).describe()
            results[name] = BenchmarkResult("latency", latency.samples_ms, metadata, "ms")
        return self._keep("latency", results)

    def run_accuracy_benchmark(self) -> Results:
        """Judge every example of every data set: value i is 1 if the model is right, else 0.

        The metadata hold the accuracy on each data set by its place.
        """
        results = {}
        with inference(*self.models.values()):
            for name, model in self.models.items():
                right = [predictions_right(model, X, y) for X, y in self.examples]
                by_dataset = [float(part.mean()) for part in right]
                results[name] = BenchmarkResult(
                    "accuracy",
                    np.concatenate(right).astype(np.float64),
                    {"by_dataset": by_dataset},
                    interval_of="proportion",
                )
        return self._keep("accuracy", results)

    def run_memory_benchmark(self) -> Results:
        """Measure the peak of memory in MB (2^20 bytes) in a forward pass of `batch_size` rows.

        It is the bytes of the parameters held and the most that was allocated at once beside
        them; the metadata give the two apart.
        The allocations are Python's and NumPy's, see `tinytorch.perf.profiling.traced_peak`.
        """
        calls = self._calls()
        results = {}
        with inference(*self.models.values()):
            for name, model in self.models.items():
                call = calls[id(model)]
                call()  # what is made once and kept is no part of a pass
                held = held_bytes(model)
                peaks = [traced_peak(call).peak_bytes for _ in range(MEMORY_RUNS)]
                results[name] = BenchmarkResult(
                    "memory",
                    (held + np.array(peaks)) / 2**20,
                    {
                        "parameter_memory_mb": held / 2**20,
                        "activation_memory_mb": float(np.median(peaks)) / 2**20,
                        "batch_size": self.batch_size,
                    },
                    "MB",
                )
        return self._keep("memory", results)

    def compare_models(self, metric: str = "latency") -> list[Comparison]:
        """Compare every model with the first by "latency", "accuracy" or "memory", a row each.

        What has not been measured yet is measured now.
        A row has `model`, `metric`, `unit`, `value`, `ci_lower`, `ci_upper`, `count`, the gain
        over the baseline with its interval, and the `verdict`.
        The gain of a latency is `speedup` (baseline / model, the median over the rounds), of
        memory `reduction` (baseline / model), of accuracy `change` (model - baseline, over the
        examples on which the two differ); with `_lower` and `_upper` behind its name its interval.
        An interval that leaves the question open has the verdict "not resolved".
        Raises ValueError for another metric.
        """
        if metric not in METRICS:
            raise ValueError(f"The metric must be one of {', '.join(METRICS)}, got {metric!r}.")
        if metric not in self.results:
            getattr(self, f"run_{metric}_benchmark")()
        results = self.results[metric]
        compare = {"latency": _speedup, "accuracy": _change, "memory": _reduction}[metric]
        rows: list[Comparison] = []
        for name, result in results.items():
            row: Comparison = {
                "model": name,
                "metric": metric,
                "unit": result.unit,
                "value": result.value,
                "ci_lower": result.ci_lower,
                "ci_upper": result.ci_upper,
                "count": result.count,
            }
            row |= compare(results[self.baseline], result)
            if name == self.baseline:
                row["verdict"] = "baseline"
            rows.append(row)
        return rows

    def _keep(self, metric: str, results: Results) -> Results:
        self.results[metric] = results
        return results

    def _calls(self) -> dict[int, Callable[[], object]]:
        """A function for each model that runs it on the next of some batches of the first rows.

        By the model's identity: one model under two names is one function, so that the two arms
        differ in nothing.
        """
        X = self.examples[0][0]
        if len(X) < self.batch_size:
            raise ValueError(f"A batch of {self.batch_size} needs as many rows, got {len(X)}.")
        starts = range(0, len(X) - self.batch_size + 1, self.batch_size)[:ROTATED_INPUTS]
        batches = [as_input(X[start : start + self.batch_size]) for start in starts]

        def call_of(model: Any) -> Callable[[], object]:
            forward, turns = model.forward, cycle(batches)
            return lambda: forward(next(turns))

        return {id(model): call_of(model) for model in self.models.values()}


def _speedup(baseline: BenchmarkResult, result: BenchmarkResult) -> Comparison:
    log_ratios = np.log(baseline.values) - np.log(result.values)  # (rounds,)
    ratio, low, high = median_ratio_interval(log_ratios, result.confidence)
    return {
        "speedup": ratio,
        "speedup_lower": low,
        "speedup_upper": high,
        "verdict": verdict(low, high),
    }


def _change(baseline: BenchmarkResult, result: BenchmarkResult) -> Comparison:
    lost, won = lost_and_won(baseline.values, result.values)
    low, high = accuracy_change_interval(lost, won, result.count, result.confidence)
    word = "better" if low > 0 else "worse" if high < 0 else "not resolved"
    return {
        "change": (won - lost) / result.count,
        "change_lower": low,
        "change_upper": high,
        "verdict": word,
    }


def _reduction(baseline: BenchmarkResult, result: BenchmarkResult) -> Comparison:
    # The peaks of equal passes differ by little, so their whole range serves as the interval.
    smaller, larger = result.max < baseline.min, result.min > baseline.max
    return {
        "reduction": baseline.value / result.value,
        "reduction_lower": baseline.min / result.max,
        "reduction_upper": baseline.max / result.min,
        "verdict": "smaller" if smaller else "larger" if larger else "not resolved",
    }
