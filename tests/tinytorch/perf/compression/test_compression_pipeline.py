"""Laws of the pipeline: steps in the order given, on a copy, each with what it did."""

from itertools import pairwise

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.training import train
from tinytorch.datasets import load_digits
from tinytorch.perf.compression import (
    BitmapLinear,
    LowRankLinear,
    SparseLinear,
    apply_steps,
    compress_model,
    magnitude_prune,
    measure_sparsity,
)


def mlp(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(64, 48, rng=rng), ReLU(), Linear(48, 10, rng=rng))


def test_steps_are_applied_in_order_to_a_copy():
    """What comes out is what the functions give one after the other; the model stays."""
    model = mlp()
    before = model.state_dict()
    result = compress_model(model, {"magnitude_prune": 0.8, "sparse": "csr"})
    assert [step.name for step in result.steps] == ["original", "magnitude_prune", "sparse"]
    assert isinstance(result.model.layers[0], SparseLinear)
    expected = magnitude_prune(model, 0.8).layers[0].weight.data
    np.testing.assert_array_equal(result.model.layers[0].dense_weight(), expected)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    turned = compress_model(model, {"low_rank": 0.25, "quantize": 4})
    assert isinstance(turned.model.layers[0], LowRankLinear) is True
    assert turned.model.layers[0].first.bits == 4


def test_sizes_and_sparsity_are_measured():
    """Pruning alone changes no byte; the ratio is of bytes held, first over last."""
    result = compress_model(mlp(), {"magnitude_prune": 0.75, "quantize": 8, "sparse": "bitmap"})
    original, pruned, quantized, sparse = result.steps
    assert original.size_bytes == pruned.size_bytes == mlp().size_bytes()
    assert pruned.sparsity == 0.75
    assert original.sparsity == 0
    assert quantized.size_bytes < original.size_bytes / 3.5
    assert sparse.size_bytes == result.model.size_bytes() < quantized.size_bytes
    assert result.compression_ratio == original.size_bytes / sparse.size_bytes
    assert isinstance(result.model.layers[0], BitmapLinear)


def test_four_times_four_is_not_sixteen_for_unstructured_zeros():
    """int8 and three quarters of zeros: 4 dense, under 16 in any form that knows the places."""
    rng = np.random.default_rng(0)
    model = Linear(1024, 1024, bias=False, rng=rng)
    dense = compress_model(model, {"magnitude_prune": 0.75, "quantize": 8})
    assert dense.compression_ratio == pytest.approx(4, rel=0.01)
    bitmap = compress_model(model, {"magnitude_prune": 0.75, "quantize": 8, "sparse": "bitmap"})
    assert 10 < bitmap.compression_ratio < 12
    fewer = compress_model(model, {"magnitude_prune": 0.75, "quantize": 4, "sparse": "bitmap"})
    assert fewer.compression_ratio > 15.5


def test_four_times_four_is_sixteen_for_neurons_taken_out():
    """Half the neurons of each hidden layer are a quarter of the weights between them."""
    rng = np.random.default_rng(0)
    sizes = [8, 512, 512, 512, 8]
    layers = [Linear(n, m, rng=rng) for n, m in pairwise(sizes)]
    result = compress_model(Sequential(*layers), {"structured_prune": 0.5, "quantize": 8})
    assert 15 < result.compression_ratio < 16


def test_fine_tuning_is_a_step_that_keeps_zeros():
    """It needs data, leaves the sparsity, and brings accuracy back."""
    digits = load_digits()
    model = mlp()
    train(model, digits.X_train, digits.y_train, epochs=8)

    def accuracy(m):
        return np.mean(m(digits.X_test).numpy().argmax(axis=1) == digits.y_test)

    data = digits.X_train, digits.y_train
    pruned = compress_model(model, {"magnitude_prune": 0.9})
    tuned = compress_model(model, {"magnitude_prune": 0.9, "fine_tune": {"epochs": 3}}, *data)
    assert measure_sparsity(tuned.model) == pytest.approx(0.9, abs=0.001)
    assert accuracy(tuned.model) > accuracy(pruned.model) + 0.05
    before = model.state_dict()
    assert compress_model(model, {"fine_tune": 1}, *data).steps[-1].setting == 1
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_settings_may_be_arguments():
    """A dictionary is passed on to the function behind the step."""
    config = {"magnitude_prune": {"sparsity": 0.5, "scope": "global", "skip": ["layers.2"]}}
    result = compress_model(mlp(), config)
    assert measure_sparsity(result.model.layers[2]) == 0
    assert measure_sparsity(result.model.layers[0]) == 0.5


def test_refusals():
    """Unknown steps, none, missing data, and settings that a step refuses."""
    with pytest.raises(ValueError, match=r"expected steps among .*, got \['prune'\]"):
        compress_model(mlp(), {"prune": 0.5})
    with pytest.raises(ValueError, match="got none"):
        compress_model(mlp(), {})
    with pytest.raises(ValueError, match="expected X and y to fine-tune on"):
        compress_model(mlp(), {"fine_tune": 2})
    with pytest.raises(ValueError, match=r"sparsity in \[0, 1\], got 2"):
        compress_model(mlp(), {"magnitude_prune": 2})


def test_any_function_can_be_a_step():
    """Each gets what the one before returned; a change in place stays in the copy."""

    def silence(model):
        model.weight.data[0] = 0
        return model

    layer = Linear(4, 3, bias=False)
    before = layer.weight.data.copy()
    result = apply_steps(layer, [("a", 1, silence), ("b", 2, lambda model: Linear(4, 1))])
    assert [step.size_bytes for step in result.steps] == [48, 48, 20]
    assert [step.sparsity for step in result.steps] == [0.0, 0.25, 0.0]
    np.testing.assert_array_equal(layer.weight.data, before)
