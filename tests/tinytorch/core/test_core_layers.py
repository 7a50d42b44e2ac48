"""Laws of the layers: x W + b over the last axis, layers in order, wrong shapes named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.tensor import Tensor

sizes = st.integers(1, 5)


@given(st.lists(sizes, max_size=2), sizes, sizes, st.booleans())
def test_linear_equals_numpy(leading, n_in, n_out, bias):
    """Any number of leading axes is kept; the product is one over all rows."""
    layer = Linear(n_in, n_out, bias)
    x = np.random.default_rng(0).normal(size=(*leading, n_in)).astype(np.float32)
    expected = (x.reshape(-1, n_in) @ layer.weight.data).reshape(*leading, n_out)
    if bias:
        layer.bias.data[:] = np.arange(n_out)
        expected = expected + layer.bias.data
    assert layer(x).shape == (*leading, n_out)
    np.testing.assert_array_equal(layer(x).numpy(), expected)
    np.testing.assert_array_equal(layer(Tensor(x)).numpy(), expected)


def test_linear_gradients(check_gradient):
    """Input, weight and bias all get the gradient of the difference quotient."""
    layer = Linear(3, 2)

    def forward(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    rng = np.random.default_rng(0)
    check_gradient(forward, rng.normal(size=(4, 5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2))


def test_sequential_applies_in_order():
    """The output is the composition, and an empty one returns its input."""
    a, b = Linear(3, 4), Linear(4, 2)
    model = Sequential(a, ReLU(), b)
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)))
    np.testing.assert_array_equal(model(x).numpy(), b(a(x).relu()).numpy())
    assert Sequential()(x) is x
    assert len(model) == 3
    assert list(model) == [a, model[1], b]
    assert repr(model) == "Sequential(Linear(3, 4), ReLU(), Linear(4, 2))"
    assert repr(Linear(3, 4, bias=False)) == "Linear(3, 4, bias=False)"


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (3, 5, 1)])
def test_linear_refuses_other_inputs(shape):
    """The expected and the given shape stand in the message."""
    with pytest.raises(ValueError, match=r"expected input of shape \(\.\.\., 3\), got"):
        Linear(3, 2)(np.ones(shape))


def test_sizes_are_checked():
    """Sizes are positive integers; NumPy's count as such."""
    assert Linear(np.int64(3), 2).in_features == 3
    with pytest.raises(ValueError, match="in_features of at least 1, got 0"):
        Linear(0, 2)
    with pytest.raises(TypeError, match="integer out_features, got float"):
        Linear(3, 2.0)
    with pytest.raises(TypeError, match="integer in_features, got bool"):
        Linear(True, 2)


def test_sequential_refuses_what_is_no_module():
    """A class given for an instance, or a list of layers, is named with its position."""
    with pytest.raises(TypeError, match="Module as layer 1, got type"):
        Sequential(Linear(3, 2), ReLU)
    with pytest.raises(TypeError, match="Module as layer 0, got list"):
        Sequential([Linear(3, 2)])
