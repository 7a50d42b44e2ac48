"""Memory is measured: arrays of known size are found to the kilobyte, layer by layer."""

import tracemalloc

import numpy as np
import pytest

from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.perf.profiling import Profiler, held_bytes, traced_peak

KB = 1024
SLACK = 6 * KB  # Python's own objects


class Allocating(Module):
    """Holds `temporary` KB for a moment and returns an array of `kept` KB."""

    def __init__(self, temporary, kept):
        self.temporary, self.kept = temporary, kept

    def forward(self, x):
        np.ones(self.temporary * KB, dtype=np.int8)
        return Tensor(np.ones(self.kept * KB // 4, dtype=np.float32))


def test_peak_and_what_stays_are_told_apart():
    memory = traced_peak(lambda: Allocating(300, 100)(None))
    assert memory.peak_bytes == pytest.approx(300 * KB, abs=SLACK)
    assert memory.held_bytes == pytest.approx(100 * KB, abs=SLACK)


def test_arrays_from_before_do_not_count():
    kept = np.ones(500 * KB, dtype=np.float32)
    assert traced_peak(lambda: kept.max()).peak_bytes < SLACK


@pytest.mark.parametrize("was_on", [True, False])
def test_tracing_is_as_it_was(was_on):
    if was_on:
        tracemalloc.start()
    try:
        traced_peak(lambda: None)
        with pytest.raises(ZeroDivisionError):
            traced_peak(lambda: 1 / 0)
        assert tracemalloc.is_tracing() is was_on
    finally:
        tracemalloc.stop()


def test_every_layer_has_its_own_peak():
    """The second layer's peak is on top of what the first returned; the whole is their sequence."""
    model = Sequential(Allocating(300, 100), Allocating(50, 200))
    first, second, whole = Profiler().measure_memory(model, (1, 1))["layers"]
    assert (first.name, second.name, whole.name) == ("layers.0", "layers.1", "")
    assert (first.kind, whole.kind) == ("Allocating", "Sequential")
    assert first.peak_bytes == pytest.approx(300 * KB, abs=SLACK)
    assert first.held_bytes == pytest.approx(100 * KB, abs=SLACK)
    assert second.peak_bytes == pytest.approx(200 * KB, abs=SLACK)
    assert whole.peak_bytes == pytest.approx(300 * KB, abs=SLACK)
    assert whole.output_bytes == second.output_bytes == 200 * KB


def test_the_peak_of_the_whole_is_not_the_sum_nor_the_largest_part():
    """An outer layer that allocates around an inner one is charged with both at once."""

    class Around(Module):
        def __init__(self):
            self.inner = Allocating(300, 10)

        def forward(self, x):
            mine = np.ones(100 * KB, dtype=np.int8)
            out = self.inner(x)
            assert mine.nbytes
            np.ones(250 * KB, dtype=np.int8)
            return out

    inner, outer = Profiler().measure_memory(Around(), (1, 1))["layers"]
    assert inner.peak_bytes == pytest.approx(300 * KB, abs=SLACK)
    assert outer.peak_bytes == pytest.approx(400 * KB, abs=SLACK)


def test_the_figures_of_a_model_add_up():
    """Parameters are bytes held, the peak is parameters and activations together."""
    model = Sequential(Linear(64, 256), Linear(256, 8))
    memory = Profiler().measure_memory(model, (512, 64))
    assert memory["parameter_memory_mb"] == model.size_bytes() / 2**20
    assert memory["activation_memory_mb"] * 2**20 >= 512 * 256 * 4
    total = memory["parameter_memory_mb"] + memory["activation_memory_mb"]
    assert memory["peak_memory_mb"] == pytest.approx(total)
    assert memory["memory_efficiency"] == pytest.approx(
        memory["parameter_memory_mb"] / memory["peak_memory_mb"]
    )
    assert [layer.parameter_bytes for layer in memory["layers"]][:2] == [66560, 8224]


@pytest.mark.parametrize("batch", [1, 8, 64])
def test_activations_grow_with_the_batch_and_parameters_do_not(batch):
    model = Linear(4, 4096)
    memory = Profiler().measure_memory(model, (batch, 4))
    output = batch * 4096 * 4
    # The output at least, and no more than the product, its sum with the bias and NumPy's buffer.
    assert output <= memory["activation_memory_mb"] * 2**20 <= 2 * output + 40 * KB
    assert memory["parameter_memory_mb"] == model.size_bytes() / 2**20


def test_packed_models_are_charged_for_the_bytes_they_hold():
    class Packed(Module):
        def __init__(self):
            self.codes = np.zeros(1000, dtype=np.int8)

        def buffers(self):
            return {"codes": self.codes}

    class Counting:
        def count_parameters(self):
            return 10

    assert held_bytes(Packed()) == 1000
    assert held_bytes(Counting()) == 40
    assert held_bytes(object()) == 0
