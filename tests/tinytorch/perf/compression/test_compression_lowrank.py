"""Laws of low rank: the best approximation of its rank, in fewer numbers, still trainable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.training import train
from tinytorch.perf.compression import (
    LowRankLinear,
    break_even_rank,
    low_rank_approximate,
    low_rank_model,
)
from tinytorch.perf.quantization import QuantizedLinear, quantize_model

sides = st.integers(1, 12)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(sides, sides, st.floats(0.01, 1))
def test_the_error_is_that_of_eckart_and_young(n, m, ratio):
    """The root of the sum of the squared singular values left out, which none can beat."""
    W = random(n, m)
    U, S, Vt = low_rank_approximate(W, ratio)
    r = max(1, int(ratio * min(n, m)))
    assert (U.shape, S.shape, Vt.shape) == ((n, r), (r,), (r, m))
    assert U.dtype == S.dtype == Vt.dtype == np.float32
    assert (np.diff(S) <= 0).all()
    singular = np.linalg.svd(W.astype(np.float64), compute_uv=False)
    error = np.linalg.norm(W - (U * S) @ Vt)
    np.testing.assert_allclose(error, np.sqrt((singular[r:] ** 2).sum()), atol=1e-4)


def test_full_rank_is_exact_and_a_matrix_of_low_rank_is_found():
    """Nothing is lost when nothing is left out."""
    W = random(9, 3) @ random(3, 7, seed=1)
    for ratio in (1.0, 3 / 7):
        U, S, Vt = low_rank_approximate(W, ratio)
        np.testing.assert_allclose((U * S) @ Vt, W, atol=1e-4)


def test_the_layer_computes_with_the_product():
    """Equal to a Linear of U S Vt, with r (n + m) weights."""
    linear = Linear(20, 15, rng=np.random.default_rng(0))
    linear.bias.data[:] = random(15)
    layer = LowRankLinear(linear, 0.2)
    assert layer.rank == 3
    assert layer.count_parameters() == 3 * 35 + 15
    U, S, Vt = low_rank_approximate(linear.weight, 0.2)
    x = random(2, 4, 20)
    expected = x @ ((U * S) @ Vt) + linear.bias.data
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-4, atol=1e-4)
    assert layer.second.bias is not linear.bias
    assert LowRankLinear(Linear(9, 9, bias=False), 0.1).second.bias is None
    assert repr(layer) == "LowRankLinear(20, 15, rank=3)"


def test_only_layers_that_become_smaller_are_replaced():
    """Of 64-48-1 only the first can be; the model itself stays, and so do skipped layers."""
    model = Sequential(Linear(64, 48), ReLU(), Linear(48, 1))
    narrow = low_rank_model(model, 0.5)
    assert isinstance(narrow.layers[0], LowRankLinear)
    assert isinstance(narrow.layers[2], Linear)
    assert isinstance(model.layers[0], Linear)
    assert narrow.size_bytes() < model.size_bytes()
    with pytest.raises(ValueError, match=r"a Linear that rank_ratio 0\.5 makes smaller, got none"):
        low_rank_model(model, 0.5, skip=["layers.0"])


def test_training_goes_on_and_quantisation_follows():
    """Both factors learn, and are quantised like any Linear."""
    narrow = low_rank_model(Sequential(Linear(30, 20), ReLU(), Linear(20, 3)), 0.25)
    X = random(60, 30)
    losses = train(narrow, X, X[:, :3].argmax(axis=1), epochs=10)
    assert losses[-1] < losses[0]
    small = quantize_model(narrow)
    assert isinstance(small.layers[0].first, QuantizedLinear)
    assert small.size_bytes() < narrow.size_bytes() / 2


def test_refusals():
    """Ratios out of range, what is no matrix or no number, and other layers."""
    for ratio in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"expected a rank_ratio in \(0, 1\]"):
            low_rank_approximate(np.eye(3), ratio)
    for W in (np.ones(3), np.ones((0, 3)), [[np.nan]]):
        with pytest.raises(ValueError, match="a matrix of finite numbers"):
            low_rank_approximate(W, 0.5)
    with pytest.raises(TypeError, match="expected a Linear to approximate, got ReLU"):
        LowRankLinear(ReLU(), 0.5)
    with pytest.raises(ValueError, match=r"layers to skip, got \['fc'\]"):
        low_rank_model(Linear(9, 9), 0.2, skip=["fc"])


@given(st.integers(1, 50), st.integers(1, 50))
def test_the_break_even_rank_is_the_last_that_pays(n, m):
    """It holds fewer weights than the matrix, and one rank more does not."""
    rank = break_even_rank(n, m)
    assert rank == 0 or rank * (n + m) < n * m
    assert (rank + 1) * (n + m) >= n * m
