"""Laws of pruning: the smallest weights go, exactly as many as asked, and they stay away."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinytorch.capstone import (
    BenchmarkReport,
    SimpleMLP,
    generate_submission,
    validate_submission,
)
from tinytorch.core.activations import ReLU
from tinytorch.core.conv import Conv2d, Flatten
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.optimizers import SGD, AdamW
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import train
from tinytorch.perf.compression import (
    KeepZeros,
    fine_tune,
    magnitude_mask,
    magnitude_prune,
    measure_sparsity,
)
from tinytorch.perf.quantization import by_hand, quantize_model

numbers = st.floats(-9, 9, width=32)
weights = arrays(np.float32, array_shapes(max_dims=3, max_side=7), elements=numbers)
sparsities = st.floats(0, 1)


def mlp(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    layers = []
    for n, m in pairwise(sizes):
        layers += [Linear(n, m, rng=rng), ReLU()]
    return Sequential(*layers[:-1])


@given(weights, sparsities)
def test_the_mask_keeps_the_largest(w, sparsity):
    """So many go as asked, and no weight that goes is larger than one that stays."""
    mask = magnitude_mask(w, sparsity)
    assert mask.shape == w.shape
    assert (~mask).sum() == round(sparsity * w.size)
    if mask.any() and not mask.all():
        assert np.abs(w[~mask]).max() <= np.abs(w[mask]).min()


def test_equal_magnitudes_go_first_come_first():
    """Ties are decided by place, so the count is exact and the result repeats itself."""
    np.testing.assert_array_equal(magnitude_mask([1, -1, 1, -1], 0.5), [False, False, True, True])


@pytest.mark.parametrize("bits", [8, 5])
def test_the_layer_that_chapter_15_asks_for_is_counted_as_the_librarys(bits):
    """Students who completed that chapter have it in their models."""
    pruned = magnitude_prune(mlp(64, 32, 10), 0.5)
    own, extended = by_hand.quantize_model(pruned, bits), quantize_model(pruned, bits)
    assert measure_sparsity(own) == measure_sparsity(extended) >= 0.5


@given(st.floats(0, 1), st.sampled_from(["layer", "global"]))
def test_sparsity_is_what_was_asked_for(sparsity, scope):
    """To within half a weight of each layer."""
    model = mlp(7, 5, 3)
    pruned = magnitude_prune(model, sparsity, scope)
    assert abs(measure_sparsity(pruned) - sparsity) <= 0.5 * 2 / 50 + 1e-9
    if scope == "layer":
        for layer in (pruned.layers[0], pruned.layers[2]):
            zeros = (layer.weight.data == 0).sum()
            assert zeros == round(sparsity * layer.weight.size)


def test_global_takes_more_from_layers_of_small_weights():
    """One threshold for all: the layer a hundred times smaller is emptied first."""
    model = mlp(10, 10, 10)
    model.layers[2].weight.data *= 0.01
    pruned = magnitude_prune(model, 0.5, "global")
    assert measure_sparsity(pruned.layers[2]) > 0.9
    assert measure_sparsity(pruned.layers[0]) < 0.1
    assert measure_sparsity(magnitude_prune(model, 0.5).layers[2]) == 0.5


def test_what_stays_is_unchanged_and_so_is_the_model():
    """The copy has the old weights or 0, the old biases, and shares no memory."""
    model = mlp(8, 6, 4)
    model.layers[0].bias.data[:] = 1e-9
    before = model.state_dict()
    pruned = magnitude_prune(model, 0.7)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for name, array in pruned.state_dict().items():
        if name.endswith("bias"):
            np.testing.assert_array_equal(array, before[name])
        else:
            kept = array != 0
            np.testing.assert_array_equal(array[kept], before[name][kept])
            assert not np.signbit(array[~kept]).any()
    pruned.layers[0].bias.data[:] = 7
    assert not (model.layers[0].bias.data == 7).any()


def test_the_model_of_the_capstone_is_pruned():
    """magnitude_prune(model, sparsity=...) as the capstone's workflow calls it."""
    model = SimpleMLP(input_size=10, hidden_size=20, output_size=3)
    pruned = magnitude_prune(model, sparsity=0.3)
    assert isinstance(pruned, SimpleMLP)
    assert measure_sparsity(pruned) == pytest.approx(0.3, abs=0.01)
    assert measure_sparsity(model) == 0
    small = quantize_model(pruned, bits=8)
    reports = [BenchmarkReport(name) for name in ("baseline_mlp", "optimized_mlp")]
    rows, labels = Tensor(np.eye(10)), np.arange(10) % 3
    for report, each in zip(reports, (model, small), strict=True):
        report.benchmark_model(each, rows, labels, num_runs=2)
    submission = generate_submission(*reports, techniques_applied=["pruning", "quantization"])
    assert validate_submission(submission) == []
    assert submission["improvements"]["compression_ratio"] > 2
    x = np.random.default_rng(0).normal(size=(5, 10))
    np.testing.assert_allclose(small(x).numpy(), pruned(x).numpy(), atol=0.1)
    assert measure_sparsity(small) >= measure_sparsity(pruned)


def test_layers_can_be_skipped_and_convolutions_are_pruned():
    """A skipped layer stays dense; embeddings and biases are no weights to prune."""
    model = Sequential(Conv2d(2, 3, 3), Flatten(), Linear(12, 5))
    pruned = magnitude_prune(model, 0.5, skip=["layers.2"])
    assert measure_sparsity(pruned.layers[0]) == 0.5
    assert measure_sparsity(pruned.layers[2]) == 0
    with pytest.raises(ValueError, match="Linear or Conv2d layer, got one without"):
        measure_sparsity(Embedding(3, 2))


def test_shared_weights_are_pruned_once():
    """Two layers that share a tensor share it afterwards, and it counts once for "global"."""
    first, second = Linear(4, 4), Linear(4, 4)
    second.weight = first.weight
    for scope in ("layer", "global"):
        pruned = magnitude_prune(Sequential(first, second), 0.5, scope)
        assert pruned.layers[0].weight is pruned.layers[1].weight
        assert measure_sparsity(pruned) == 0.5


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_fine_tuning_keeps_zeros_and_lowers_the_loss(scope):
    """Every weight that was 0 is 0 after training, the others moved, and the model is better."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8)).astype(np.float32)
    y = (X[:, 0] > X[:, 1]).astype(int)
    model = mlp(8, 16, 2)
    train(model, X, y, epochs=20)
    pruned = magnitude_prune(model, 0.8, scope)
    before = pruned.state_dict()
    losses = fine_tune(pruned, X, y, epochs=10)
    assert len(losses) == 10
    assert losses[-1] < losses[0]
    for name, array in pruned.state_dict().items():
        if name.endswith("weight"):
            np.testing.assert_array_equal(array[before[name] == 0], 0)
            assert (array[before[name] != 0] != before[name][before[name] != 0]).any()
    assert measure_sparsity(pruned) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    "make", [lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.1), lambda p: AdamW(p, 0.1)]
)
def test_zeros_are_kept_under_any_optimizer(make):
    """Momentum and decay of the optimiser inside cannot bring a weight back; biases do move."""
    model = magnitude_prune(mlp(5, 4, 3), 0.5)
    optimizer = KeepZeros(make(model.parameters()), model)
    zeros = model.layers[0].weight.data == 0
    for _ in range(5):
        optimizer.zero_grad()
        model(np.ones((2, 5))).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(model.layers[0].weight.data == 0, zeros)
    assert (model.layers[2].bias.data != 0).all()


def test_refusals():
    """Sparsities out of range, NaN, unknown scopes and names, and nothing to prune."""
    model = mlp(4, 3)
    for sparsity in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"expected a sparsity in \[0, 1\]"):
            magnitude_prune(model, sparsity)
    with pytest.raises(ValueError, match="one of layer, global, got 'model'"):
        magnitude_prune(model, 0.5, "model")
    with pytest.raises(ValueError, match=r"layers to skip, got \['fc'\]"):
        magnitude_prune(model, 0.5, skip=["fc"])
    with pytest.raises(ValueError, match="model with a Linear or Conv2d layer"):
        magnitude_prune(ReLU(), 0.5)
    with pytest.raises(ValueError, match="numbers, got NaN"):
        magnitude_mask([1.0, np.nan], 0.5)
    with pytest.raises(TypeError, match="expected an Optimizer, got float"):
        KeepZeros(0.1, model)
