"""`Profiler`: counted figures are exact, measured ones are what a known model takes."""

import copy
import time

import numpy as np
import pytest

from tinytorch.core.activations import GELU, ReLU
from tinytorch.core.autograd import is_grad_enabled
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.dropout import Dropout
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT
from tinytorch.perf.profiling import (
    Profiler,
    Roofline,
    own_times_ms,
    quick_profile,
    step_latencies_ms,
)

ROOF = Roofline(100e9, ((2**20, 50e9), (2**26, 10e9)))
PROFILER = Profiler(ROOF)


def mlp():
    return Sequential(Linear(12, 8), ReLU(), Linear(8, 3))


def cnn():
    return Sequential(Conv2d(1, 2, 3), ReLU(), MaxPool2d(2), Flatten(), Linear(18, 4))


def gpt():
    return GPT(vocab_size=7, embed_dim=8, num_layers=2, num_heads=2, max_seq_len=16)


MODELS = pytest.mark.parametrize(
    ("make", "shape"), [(mlp, (5, 12)), (cnn, (2, 1, 8, 8)), (gpt, (2, 6))]
)


class Taking(Module):
    """Passes its input on after some milliseconds of the clock, the first time after more."""

    def __init__(self, ms, first_ms=0.0):
        self.times_ms = [first_ms, ms]
        self.modes = []

    def forward(self, x):
        self.modes.append((self.training, is_grad_enabled()))
        NOW_NS[0] += int(self.times_ms[min(len(self.modes), 2) - 1] * 1e6)
        return x


NOW_NS = [0]


@pytest.fixture
def software_clock(monkeypatch):
    """A clock that only `Taking` moves."""
    monkeypatch.setattr(time, "perf_counter_ns", lambda: NOW_NS[0])


@MODELS
def test_parameters_are_counted_once(make, shape):
    model = make()
    assert PROFILER.count_parameters(model) == model.count_parameters()
    shared = Sequential(model.layers[0], model.layers[0]) if hasattr(model, "layers") else model
    assert PROFILER.count_parameters(shared) == shared.count_parameters()


@MODELS
def test_the_layers_add_up_to_the_whole(make, shape):
    """Parameters, operations and bytes of the rows are those of the pass, none twice."""
    model = make()
    profile = PROFILER.profile_forward_pass(model, shape)
    for key in ("parameters", "flops", "bytes_moved"):
        assert sum(row[key] for row in profile["layers"]) == profile[key], key
    assert profile["parameters"] == model.count_parameters()
    assert profile["flops"] == PROFILER.count_flops(model, shape)
    assert 0 < sum(row["share"] for row in profile["layers"]) <= 1 + 1e-9


@MODELS
def test_every_layer_has_a_verdict(make, shape):
    for row in PROFILER.profile_forward_pass(make(), shape)["layers"]:
        if row["flops"] or row["bytes_moved"]:
            assert row["bound"] == ROOF.bound(row["flops"], row["bytes_moved"])
            assert row["arithmetic_intensity"] == row["flops"] / row["bytes_moved"]
        else:
            assert row["bound"] is None
            assert row["arithmetic_intensity"] is None
        assert row["bottleneck"] in ("memory", "compute", "overhead")
        assert row["latency_ms"] > 0


@MODELS
def test_profiling_leaves_the_model_alone(make, shape):
    """Weights, gradients, modes and layers are what they were, and recording is on."""
    model = make()
    before = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.grad = np.full(parameter.shape, 7, dtype=np.float32)
    PROFILER.profile_forward_pass(model, shape)
    PROFILER.measure_memory(model, shape)
    PROFILER.profile_backward_pass(model, shape, iterations=2)
    PROFILER.profile_layer(model, shape)
    for (name, array), held in zip(
        before.state_dict().items(), model.state_dict().values(), strict=True
    ):
        assert np.array_equal(array, held), name
    assert all(np.all(parameter.grad == 7) for parameter in model.parameters())
    assert all(layer.training for layer in model.modules())
    assert all("forward" not in vars(layer) for layer in model.modules())
    assert is_grad_enabled()


@pytest.mark.usefixtures("software_clock")
def test_latency_is_the_median_of_warm_passes_in_milliseconds():
    """The slow first pass is warm-up; in use there is no recording and no training."""
    model = Taking(ms=2.5, first_ms=60)
    assert PROFILER.measure_latency(model, np.ones((1, 1)), warmup=2, iterations=5) == 2.5
    assert len(model.modes) == 7
    assert set(model.modes) == {(False, False)}
    assert model.training


@pytest.mark.parametrize(
    ("warmup", "iterations", "error"),
    [(-1, 5, ValueError), (0, 0, ValueError), (1.5, 5, TypeError), (1, True, TypeError)],
)
def test_counts_that_are_none_are_refused(warmup, iterations, error):
    with pytest.raises(error, match=r"warmup|iterations"):
        PROFILER.measure_latency(mlp(), (1, 12), warmup, iterations)


@pytest.mark.parametrize("function", [own_times_ms, step_latencies_ms])
@pytest.mark.parametrize(("passes", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError)])
def test_no_passes_have_no_median(function, passes, error):
    with pytest.raises(error, match=r"passes|iterations"):
        function(mlp(), Tensor(np.ones((1, 12))), passes)


@pytest.mark.usefixtures("software_clock")
def test_time_is_charged_to_the_layer_that_takes_it():
    """Not to those around it; a layer that the clock did not see take any took less than a tick."""
    model = Sequential(Linear(4, 4), Taking(3), Sequential(Taking(1)))
    profile = PROFILER.profile_forward_pass(model, np.ones((1, 4), dtype=np.float32))
    times = {row["layer"]: row["latency_ms"] for row in profile["layers"]}
    assert times == {"layers.0": 1e-6, "layers.1": 3, "layers.2.layers.0": 1}
    assert profile["latency_ms"] == 4
    shares = [row["share"] for row in profile["layers"]]
    assert shares == pytest.approx([0, 0.75, 0.25], abs=1e-6)


def test_a_layer_is_profiled_like_a_model():
    figures = PROFILER.profile_layer(Linear(64, 32), (16, 64))
    assert figures["layer_name"] == "Linear"
    assert figures["parameters"] == 64 * 32 + 32
    assert figures["flops"] == 16 * 32 * (2 * 64 + 1)
    assert figures["parameter_memory_mb"] == 4 * (64 * 32 + 32) / 2**20
    assert {"latency_ms", "gflops_per_second", "is_memory_bound", "peak_memory_mb"} <= set(figures)


def test_a_matrix_vector_product_is_memory_bound_and_a_batch_is_not():
    """The same layer: at batch 1 every weight is read for two operations, at 64 for 128."""
    layer = Linear(128, 128)
    one = PROFILER.profile_forward_pass(layer, (1, 128))
    many = PROFILER.profile_forward_pass(layer, (64, 128))
    assert one["is_memory_bound"]
    assert not one["is_compute_bound"]
    assert many["is_compute_bound"]
    assert many["arithmetic_intensity"] > 20 * one["arithmetic_intensity"]


def test_backward_products_are_twice_those_that_need_both_gradients():
    """The first layer's input needs no gradient, so it takes one product and not two."""
    figures = PROFILER.profile_backward_pass(mlp(), (5, 12), iterations=3)
    first, last = 2 * 5 * 12 * 8, 2 * 5 * 8 * 3
    assert figures["forward_product_flops"] == first + last
    assert figures["backward_product_flops"] == first + 2 * last
    assert figures["forward_flops"] == first + last + 5 * 8 + 5 * 3 + 5 * 8
    total = figures["forward_latency_ms"] + figures["backward_latency_ms"]
    assert figures["total_latency_ms"] == total > 0


def test_attention_takes_four_products_backward():
    """Of q k^T and P v each operand depends on weights; tokens, which have no gradient, do not."""
    figures = PROFILER.profile_backward_pass(gpt(), (1, 6), iterations=1)
    assert figures["backward_product_flops"] == 2 * figures["forward_product_flops"]


def test_training_memory_is_that_of_arrays_of_known_size():
    """Gradients as large as the parameters, momentum as large again, Adam at least twice that."""
    model = Sequential(Linear(256, 512), GELU(), Linear(512, 64))
    figures = PROFILER.profile_backward_pass(model, (32, 256), iterations=1)
    size = figures["parameter_memory_mb"]
    assert size == figures["gradient_memory_mb"] == model.size_bytes() / 2**20
    kept = figures["optimizer_memory_mb"]
    assert kept["sgd"] < 0.01 * size
    assert kept["sgd_momentum"] == pytest.approx(size, rel=0.02)
    assert kept["adam"] >= 2 * size
    assert kept["adamw"] == pytest.approx(kept["adam"], rel=0.02)
    hidden_mb = 32 * 512 * 4 / 2**20
    assert figures["activation_memory_mb"] >= 2 * hidden_mb
    assert figures["peak_memory_mb"] >= figures["gradient_memory_mb"]


def test_training_is_profiled_in_training_mode():
    seen = []

    class Watching(Dropout):
        def forward(self, x):
            seen.append(self.training)
            return x

    model = Sequential(Linear(4, 4), Watching(0.5)).eval()
    PROFILER.profile_backward_pass(model, (2, 4), iterations=1)
    assert set(seen) == {True}
    assert not model.layers[1].training


def test_a_model_without_parameters_has_no_backward_pass():
    with pytest.raises(ValueError, match="ReLU has none"):
        PROFILER.profile_backward_pass(ReLU(), (2, 4))


def test_inputs_may_be_shapes_tensors_arrays_or_lists():
    model, x = mlp(), np.ones((5, 12))
    expected = PROFILER.count_flops(model, (5, 12))
    for given in (Tensor(x), x, x.tolist()):
        assert PROFILER.count_flops(model, given) == expected
    assert PROFILER.count_flops(gpt(), [[1, 2, 3]]) == PROFILER.count_flops(gpt(), (1, 3))


def test_a_shape_that_does_not_fit_is_the_models_refusal():
    with pytest.raises(ValueError, match="expected input of shape"):
        PROFILER.count_flops(mlp(), (5, 13))


@pytest.mark.slow
def test_quick_profile_says_it_in_one_sentence():
    """With the roofline of this machine, which is measured once and kept."""
    model = mlp()
    profile = quick_profile(model, Tensor(np.ones((5, 12))))
    assert {"latency_ms", "flops", "peak_memory_mb", "layers", "layer_memory"} <= set(profile)
    assert profile["summary"].startswith(f"{model.count_parameters()} parameters, ")
    assert Profiler().roofline is Profiler().roofline
