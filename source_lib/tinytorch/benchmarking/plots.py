"""Plots of benchmark results; matplotlib is imported when the first is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.benchmarking.pareto import pareto_frontier
from tinytorch.benchmarking.result import BenchmarkResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, BenchmarkResult]

# Two of the colours of Okabe and Ito, which people with any colour vision tell apart.
BLUE, GREY = "#0072b2", "#999999"
LOWER_IS_BETTER = {"latency": True, "memory": True, "accuracy": False}


def plot_results(results: Mapping[str, Results]) -> Figure:
    """One panel a metric, one point a model with its interval; returns the figure, unshown.

    `results` maps metric to model to result.
    A model without an interval has a bare point.
    Raises ValueError when there is nothing to plot.
    """
    import matplotlib.pyplot as plt

    if not results:
        raise ValueError("There are no results to plot; run the benchmarks first.")
    size = (3.2 * len(results), 1.2 + 0.4 * max(len(of) for of in results.values()))
    figure, axes = plt.subplots(
        1, len(results), figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    for axis, (metric, of_models) in zip(axes[0], results.items(), strict=True):
        for place, result in enumerate(of_models.values()):
            axis.errorbar(result.value, place, xerr=_bars(result), fmt="o", color=BLUE, capsize=3)
        unit = next(iter(of_models.values())).unit
        axis.set(
            xlabel=f"{metric} ({unit})" if unit else metric,
            yticks=range(len(of_models)),
            yticklabels=list(of_models),
            ylim=(len(of_models) - 0.5, -0.5),
        )
    return figure


def plot_pareto_frontier(x: Results, y: Results) -> Figure:
    """One metric against another, a point a model, those on the Pareto frontier joined.

    Models on the frontier are blue, the others, each beaten by one in both metrics, grey.
    Raises ValueError when the two hold other models or none, or a metric has no better side.
    """
    import matplotlib.pyplot as plt

    names = list(x)
    if not names or set(names) != set(y):
        raise ValueError("A frontier needs both metrics of the same models, and at least one.")
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    ahead = _ahead(x, y)
    for name, is_ahead in zip(names, ahead, strict=True):
        axis.errorbar(
            x[name].value,
            y[name].value,
            xerr=_bars(x[name]),
            yerr=_bars(y[name]),
            fmt="o",
            color=BLUE if is_ahead else GREY,
            capsize=3,
        )
        place = (x[name].value, y[name].value)
        axis.annotate(name, place, textcoords="offset points", xytext=(6, 6))
    line = sorted((x[n].value, y[n].value) for n, on in zip(names, ahead, strict=True) if on)
    axis.plot(*zip(*line, strict=True), color=BLUE, linewidth=1)
    axis.margins(x=0.2, y=0.2)
    axis.set(xlabel=_label(x), ylabel=_label(y))
    return figure


def _ahead(x: Results, y: Results) -> Any:
    columns = []
    for results in (x, y):
        values = np.array([results[name].value for name in x])  # (n,), both in the order of x
        metric = next(iter(results.values())).metric_name
        if metric not in LOWER_IS_BETTER:
            raise ValueError(f"Whether more or less {metric} is better is not known.")
        columns.append(values if LOWER_IS_BETTER[metric] else -values)
    return pareto_frontier(np.stack(columns, axis=1))


def _bars(result: BenchmarkResult) -> Any:
    """The interval as matplotlib wants it: the lengths below and above, shape (2, 1), or None."""
    if result.interval is None:
        return None
    low, high = result.interval
    return np.array([[result.value - low], [high - result.value]])


def _label(results: Results) -> str:
    first = next(iter(results.values()))
    better = "lower" if LOWER_IS_BETTER[first.metric_name] else "higher"
    unit = f" ({first.unit})" if first.unit else ""
    return f"{first.metric_name}{unit}, {better} is better"
