"""Laws of the roofline, of the verdict and of the spread of weights."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.perf.profiling import (
    Profiler,
    Roofline,
    Work,
    analyze_weight_distribution,
    arithmetic_intensity,
    judge,
    measure_roofline,
    plot_roofline,
)

KIB, MIB = 2**10, 2**20
# 100 GFLOP/s; 50 GB/s while a MiB is enough, 10 GB/s beyond.
ROOF = Roofline(100e9, ((MIB, 50e9), (64 * MIB, 10e9)))


def test_the_bandwidth_lies_between_those_measured():
    """On the line over the logarithm of the size, and constant outside."""
    for working_set, expected in (
        (0, 50e9),
        (MIB, 50e9),
        (8 * MIB, 30e9),
        (64 * MIB, 10e9),
        (10**12, 10e9),
    ):
        assert ROOF.bandwidth(working_set) == pytest.approx(expected)
    assert ROOF.ridge_point(KIB) == pytest.approx(2.0)
    assert ROOF.ridge_point(8 * MIB) == pytest.approx(100 / 30)


@given(st.floats(1e-3, 1e3), st.integers(1, 10**9))
def test_nothing_is_above_the_roof(intensity, working_set):
    """It rises with the intensity up to the ridge and is flat from there."""
    attainable = ROOF.attainable(intensity, working_set)
    assert attainable == min(100e9, intensity * ROOF.bandwidth(working_set))
    assert 9.99e9 < ROOF.bandwidth(working_set) < 50.01e9
    at_ridge = ROOF.attainable(ROOF.ridge_point(working_set), working_set)
    assert at_ridge == pytest.approx(100e9)
    assert attainable <= 100e9


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_the_least_time_is_that_of_the_attainable_rate(flops, moved):
    """And the bound is the limit that takes longer."""
    seconds = ROOF.least_seconds(flops, moved)
    computing, moving = flops / 100e9, moved / ROOF.bandwidth(moved)
    assert seconds == max(computing, moving)
    if computing != pytest.approx(moving):
        assert ROOF.bound(flops, moved) == ("memory" if computing < moving else "compute")
    if flops:
        rate = ROOF.attainable(arithmetic_intensity(flops, moved), moved)
        assert seconds == pytest.approx(flops / rate)


def test_intensity_is_operations_per_byte():
    """A matrix-vector product has 0.5 of float32 at best, a square product n / 6."""
    n = 600
    assert arithmetic_intensity(2 * n * n, 4 * n * n) == 0.5
    assert arithmetic_intensity(2 * n**3, 3 * 4 * n * n) == n / 6
    assert arithmetic_intensity(5, 0) == float("inf")
    with pytest.raises(ValueError, match="expected work to do"):
        arithmetic_intensity(0, 0)
    with pytest.raises(ValueError, match="expected work to do"):
        arithmetic_intensity(-1, 4)


@pytest.mark.parametrize(
    ("peak", "bandwidths"),
    [
        (0, ((1, 1.0),)),
        (1e9, ()),
        (1e9, ((1, 0.0),)),
        (1e9, ((2, 1.0), (1, 1.0))),
        (float("inf"), ((1, 1.0),)),
        (float("nan"), ((1, 1.0),)),
    ],
)
def test_limits_that_are_none_are_refused(peak, bandwidths):
    with pytest.raises(ValueError, match="limits above 0"):
        Roofline(peak, bandwidths)


def test_this_machine_has_a_roofline():
    """Measured: another working set is another figure, and none is a constant of ours."""
    roofline = measure_roofline(working_sets=(64 * KIB, 256 * KIB), product_sizes=(64,))
    again = measure_roofline(working_sets=(64 * KIB, 256 * KIB), product_sizes=(64,))
    assert [size for size, _ in roofline.bandwidths] == [64 * KIB, 256 * KIB]
    assert roofline.peak_flops > 0
    assert roofline != again


@pytest.mark.parametrize(
    ("works", "latency_ms", "bottleneck", "memory_bound"),
    [
        ([Work(0, 100, MIB)], 0.03, "memory", True),
        ([Work(10**9, 0, MIB)], 12.0, "compute", False),
        ([Work(10**9, 0, MIB)], 30.0, "overhead", False),
        ([Work(0, 100, MIB)], 3.0, "overhead", True),
        ([Work(10**7, 0, MIB), Work(0, 1, 64 * MIB)], 10.0, "memory", True),
        ([Work(0, 0, 0)], 1.0, "overhead", False),
    ],
)
def test_the_verdict_follows_from_the_limits(works, latency_ms, bottleneck, memory_bound):
    figures = judge(works, latency_ms, ROOF)
    assert figures["bottleneck"] == bottleneck
    assert figures["is_memory_bound"] is memory_bound
    something = any(work.flops or work.bytes_moved for work in works)
    assert figures["is_compute_bound"] is (something and not memory_bound)


def test_the_rates_are_in_their_units():
    figures = judge([Work(2 * 10**9, 10**9, 10**8)], 100.0, ROOF)
    assert figures["gflops_per_second"] == pytest.approx(30)
    assert figures["memory_bandwidth_mbs"] == pytest.approx(1000)
    assert figures["computational_efficiency"] == pytest.approx(0.3)
    assert figures["arithmetic_intensity"] == 30
    assert figures["roofline_ms"] == pytest.approx(30)


@pytest.mark.parametrize("latency", [0.0, -1.0, float("nan")])
def test_a_latency_is_above_0(latency):
    with pytest.raises(ValueError, match="latency above 0"):
        judge([Work(1, 1, 1)], latency, ROOF)


def test_the_plot_holds_every_layer_under_the_roof():
    import matplotlib.pyplot as plt

    mpl.use("agg")
    model = Sequential(Linear(32, 64), Linear(64, 4))
    layers = Profiler(ROOF).profile_forward_pass(model, (8, 32))["layers"]
    idle, short = layers[0] | {"layer": "idle", "flops": 0}, layers[1] | {"share": 0.01}
    figure = plot_roofline(ROOF, [layers[0] | {"share": 0.6}, short, idle])
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == ["layers.0"]
    assert len(axis.lines) == 2 + 2
    assert len(plot_roofline(ROOF).axes[0].lines) == 2
    plt.close("all")


def test_the_spread_of_weights_is_that_of_numpy():
    rng = np.random.default_rng(0)
    model = Sequential(Linear(30, 20), Linear(20, 3, bias=False))
    first, last = model.layers[0].weight.data, model.layers[1].weight.data
    first[:] = rng.normal(size=first.shape)
    first[np.abs(first) < 0.1] = 0
    figures = analyze_weight_distribution(model, percentiles=(50, 90))
    of_first = figures["parameters"]["layers.0.weight"]
    assert of_first["mean"] == pytest.approx(first.mean(dtype=np.float64))
    assert of_first["std"] == pytest.approx(first.std(dtype=np.float64))
    assert (of_first["min"], of_first["max"]) == (first.min(), first.max())
    assert of_first["zero_fraction"] == np.mean(first == 0) > 0.01
    assert of_first["shape"] == (30, 20)
    threshold = of_first["magnitude_percentiles"][90]
    assert np.mean(np.abs(first) <= threshold) == pytest.approx(0.9, abs=0.002)
    total = figures["total"]
    assert total["count"] == model.count_parameters() == 600 + 20 + 60
    everything = np.concatenate([first.ravel(), np.zeros(20), last.ravel()])
    assert total["std"] == pytest.approx(everything.std(dtype=np.float64))


def test_weights_that_cannot_be_judged_are_refused():
    class Empty(Module):
        pass

    with pytest.raises(ValueError, match="Empty has none"):
        analyze_weight_distribution(Empty())
    model = Linear(2, 2)
    with pytest.raises(ValueError, match="from 0 to 100"):
        analyze_weight_distribution(model, [101])
    model.weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match="weight holds NaN"):
        analyze_weight_distribution(model)


def test_frozen_tensors_are_no_weights_to_train():
    model = Linear(2, 2)
    model.scale = Tensor([5.0])
    assert analyze_weight_distribution(model)["total"]["count"] == 6
