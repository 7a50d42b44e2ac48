"""Laws of layer normalisation: the definition in float64, blind to shift and scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.normalization import LayerNorm

arrays = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=st.floats(-100, 100, width=32)
)


@given(arrays)
def test_it_equals_the_definition(x):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axis."""
    layer = LayerNorm(x.shape[-1])
    rng = np.random.default_rng(0)
    layer.weight.data[:], layer.bias.data[:] = rng.normal(size=(2, x.shape[-1]))
    exact = x.astype(np.float64)
    centred = exact - exact.mean(axis=-1, keepdims=True)
    normal = centred / np.sqrt(exact.var(axis=-1, keepdims=True) + layer.eps)
    expected = normal * layer.weight.data + layer.bias.data
    assert layer(x).shape == x.shape
    # The mean is rounded to float32, which eps = 1e-5 under the root magnifies up to 300 times.
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-3, atol=2e-2)


def test_a_large_mean_costs_no_digits():
    """Vectors far from 0 are normalised like the same ones near 0."""
    x = np.random.default_rng(0).integers(-8, 8, size=(4, 16)).astype(np.float32)
    layer = LayerNorm(16)
    np.testing.assert_allclose(layer(x + 4096).numpy(), layer(x).numpy(), atol=1e-5)


def test_gradients(check_gradient):
    """Input, weight and bias get the gradient of the difference quotient."""
    layer = LayerNorm(4)

    def forward(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    rng = np.random.default_rng(0)
    check_gradient(forward, rng.normal(size=(2, 3, 4)), rng.normal(size=4), rng.normal(size=4))
    check_gradient(forward, rng.normal(size=4), rng.normal(size=4), rng.normal(size=4))


def test_refusals_and_repr():
    """Another last axis, a bad eps and a bad size are named."""
    assert repr(LayerNorm(4, eps=0.1)) == "LayerNorm(4, eps=0.1)"
    for shape in [(), (3,), (4, 3)]:
        with pytest.raises(ValueError, match=r"shape \(\.\.\., 4\), got"):
            LayerNorm(4)(np.ones(shape))
    for eps in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite eps above 0"):
            LayerNorm(4, eps)
    with pytest.raises(ValueError, match="dim of at least 1"):
        LayerNorm(0)
