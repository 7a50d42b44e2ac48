"""Models whose weights are packed are counted and profiled as the models they stand for."""

import numpy as np
import pytest

from tinytorch.core.conv import Conv2d, Flatten
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear, Sequential
from tinytorch.perf.compression import low_rank_model, magnitude_prune, to_sparse
from tinytorch.perf.profiling import Profiler
from tinytorch.perf.quantization import quantize_model


@pytest.fixture
def dense():
    return Sequential(Linear(12, 8), Linear(8, 4))


def test_quantised_weights_count_as_parameters(dense):
    assert quantize_model(dense, bits=4).count_parameters() == dense.count_parameters()


def test_of_sparse_weights_those_that_are_kept_count(dense):
    sparse = to_sparse(magnitude_prune(dense, 0.5), "csr", min_sparsity=0.1)
    weights, biases = 12 * 8 + 8 * 4, 8 + 4
    assert sparse.count_parameters() == weights // 2 + biases


def test_a_quantised_layer_takes_the_products_of_its_float_layer(dense):
    profiler = Profiler()
    float_flops = profiler.count_flops(dense, (5, 12))
    scales = 5 * (8 + 4)
    assert profiler.count_flops(quantize_model(dense), (5, 12)) == float_flops + scales


def test_a_sparse_layer_takes_two_operations_a_weight_that_is_kept(dense):
    sparse = to_sparse(magnitude_prune(dense, 0.5), "csr", min_sparsity=0.1)
    kept = (12 * 8 + 8 * 4) // 2
    assert Profiler().count_flops(sparse, (5, 12)) == 5 * (2 * kept + 8 + 4)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (Sequential(Conv2d(1, 3, 3), Flatten()), np.ones((2, 1, 6, 6), dtype=np.float32)),
        (Embedding(7, 4), np.array([[1, 2, 6]])),
    ],
    ids=["convolution", "embedding"],
)
def test_other_quantised_layers_can_be_profiled(model, x):
    quantised = quantize_model(model)
    assert quantised.count_parameters() == model.count_parameters()
    assert Profiler().count_flops(quantised, x) >= Profiler().count_flops(model, x)


def test_a_low_rank_layer_takes_fewer_products(dense):
    assert Profiler().count_flops(low_rank_model(dense, 0.25), (5, 12)) < Profiler().count_flops(
        dense, (5, 12)
    )
