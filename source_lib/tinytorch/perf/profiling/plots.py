"""The roofline as a picture; matplotlib is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.perf.profiling.roofline import Roofline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours of Okabe and Ito, which people with any colour vision tell apart.
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#999999"
LABELLED_FROM = 0.05


def plot_roofline(roofline: Roofline, layers: Sequence[Mapping[str, Any]] = ()) -> Figure:
    """Draw the roof and the layers of a profile under it; return the figure, unshown.

    One slanted line for the bandwidth from memory and one for the fastest cache, the flat one the
    peak; ``layers`` are rows of ``Profiler.profile_forward_pass``, blue where memory is the limit
    and orange where computing is.
    Layers without operations or without bytes to move have no place in the plot; those that take
    less than 5 % of the time have no label.
    """
    if not isinstance(roofline, Roofline):
        raise TypeError(f"expected a Roofline, got {type(roofline).__name__}")
    import matplotlib.pyplot as plt

    shown = [row for row in layers if row["flops"] and row["bytes_moved"]]
    marks = [row["arithmetic_intensity"] for row in shown]
    ridges = [roofline.peak_flops / rate for _, rate in roofline.bandwidths]
    x = np.geomspace(min([0.1, *marks]) / 2, max([*ridges, *marks]) * 4, 200)
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    largest, fastest = roofline.bandwidths[-1][1], max(rate for _, rate in roofline.bandwidths)
    for rate, style in ((largest, "-"), (fastest, ":")):
        where = "cache" if style == ":" else "memory"
        roof = np.minimum(roofline.peak_flops, x * rate) / 1e9
        axis.plot(x, roof, style, color=GREY, label=f"{where}: {rate / 1e9:.3g} GB/s")
    for row, mark in zip(shown, marks, strict=True):
        color = BLUE if row["bound"] == "memory" else ORANGE
        axis.plot(mark, row["gflops_per_second"], "o", color=color)
        if row["share"] < LABELLED_FROM:
            continue
        place = (mark, row["gflops_per_second"])
        axis.annotate(row["layer"], place, textcoords="offset points", xytext=(5, -10), fontsize=8)
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="arithmetic intensity (operations per byte)",
        ylabel="GFLOP/s",
        title=f"peak {roofline.peak_flops / 1e9:.3g} GFLOP/s",
    )
    axis.legend()
    return figure
