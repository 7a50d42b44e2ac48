"""All benchmarks of a set of models, with their plots and a report that says where they ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.benchmarking.benchmark import METRICS, Benchmark, Results
from tinytorch.benchmarking.plots import plot_pareto_frontier, plot_results
from tinytorch.benchmarking.system import machine_fingerprint, system_info
from tinytorch.benchmarking.tables import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = {"latency": "ms", "accuracy": "fraction", "memory": "MB"}


class BenchmarkSuite:
    """Latency, accuracy and memory of `models` on `datasets`, and what to show of them.

    The arguments are those of `Benchmark`, which does the measuring.
    With an `output_dir`, which is created, plots and report are written there too.

    >>> from tinytorch.core.layers import Linear
    >>> import numpy as np
    >>> data = [(np.eye(4), [0, 1, 2, 0])]
    >>> suite = BenchmarkSuite({"a": Linear(4, 3)}, data, measurement_runs=10)
    >>> sorted(suite.run_full_benchmark())
    ['accuracy', 'latency', 'memory']
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
        output_dir: str | Path | None = None,
    ) -> None:
        self.benchmark = Benchmark(
            models, datasets, warmup_runs, measurement_runs, batch_size=batch_size, seed=seed
        )
        self.system_info = system_info()
        self.output_dir = None if output_dir is None else Path(output_dir)

    def run_full_benchmark(self) -> dict[str, Results]:
        """Run the three benchmarks and return their results by metric and model."""
        self.benchmark.run_latency_benchmark()
        self.benchmark.run_accuracy_benchmark()
        self.benchmark.run_memory_benchmark()
        return self.results

    @property
    def results(self) -> dict[str, Results]:
        """What has been measured so far, by metric and model."""
        measured = self.benchmark.results
        return {metric: measured[metric] for metric in METRICS if metric in measured}

    def plot_results(self) -> Figure:
        """A panel for each metric measured; written to results.png in the output folder.

        Raises ValueError before anything has been measured.
        """
        return self._saved(plot_results(self.results), "results.png")

    def plot_pareto_frontier(self, x_metric: str = "latency", y_metric: str = "accuracy") -> Figure:
        """One metric against another; written to pareto_<x>_<y>.png in the output folder.

        Raises ValueError for a metric that has not been measured.
        """
        for metric in (x_metric, y_metric):
            if metric not in self.results:
                raise ValueError(f"There is no result for {metric!r}; run its benchmark first.")
        figure = plot_pareto_frontier(self.results[x_metric], self.results[y_metric])
        return self._saved(figure, f"pareto_{x_metric}_{y_metric}.png")

    def generate_report(self) -> str:
        """The results as Markdown, with the machine; written to report.md in the output folder.

        What has not been measured yet is measured now.
        """
        lines = [
            "# Benchmark report",
            "",
            f"Machine {machine_fingerprint(self.system_info)}: "
            + ", ".join(f"{name} {value}" for name, value in self.system_info.items())
            + ".",
            "",
            f"Baseline: {self.benchmark.baseline}. Batch size {self.benchmark.batch_size}. "
            "Intervals hold 95 %.",
        ]
        for metric in METRICS:
            rows = self.benchmark.compare_models(metric)
            shown = [name for name in rows[0] if name not in ("metric", "unit")]
            title = f"{metric.capitalize()} ({UNITS[metric]})"
            lines += ["", f"## {title}", "", markdown_table(rows, shown)]
        lines += ["", *self._notes()]
        text = "\n".join(lines).rstrip() + "\n"
        if self.output_dir is not None:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            (self.output_dir / "report.md").write_text(text, encoding="utf-8")
        return text

    def _notes(self) -> list[str]:
        """What a reader should know of the timings: percentiles, outliers, unfinished warm-up."""
        notes = []
        for name, result in self.results["latency"].items():
            tail = ", ".join(
                f"{key} {value:.4g} ms"
                for key, value in result.percentiles.items()
                if value is not None
            )
            notes.append(f"- {name}: {tail}; {result.metadata.get('outliers', 'few values')}.")
            if result.metadata.get("still_warming_up"):
                cold = result.metadata["still_warming_up"]
                notes.append(f"- {name}: the first {cold} values look like a warm-up.")
        return notes

    def _saved(self, figure: Figure, name: str) -> Figure:
        if self.output_dir is not None:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            figure.savefig(self.output_dir / name, dpi=150)
        return figure
