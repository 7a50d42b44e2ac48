"""Laws of the activations: equal to scipy's, stable for any finite input, right gradients."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.activations import (
    GELU,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    gelu,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from tinytorch.core.tensor import Tensor

shapes = hnp.array_shapes(max_dims=3, max_side=5)
arrays = hnp.arrays(np.float32, shapes, elements=st.floats(-1e4, 1e4, width=32))


@given(arrays, st.data())
def test_softmax_equals_scipy(array, data):
    """Softmax and its logarithm equal scipy's in float64 along every axis."""
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    exact = array.astype(np.float64)
    p, log_p = softmax(array, axis), log_softmax(array, axis)
    np.testing.assert_allclose(p.numpy(), scipy.special.softmax(exact, axis), rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(
        log_p.numpy(), scipy.special.log_softmax(exact, axis), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(p.numpy().sum(axis=axis), 1, rtol=1e-5)
    np.testing.assert_array_equal(Softmax(axis)(array).numpy(), p.numpy())


@given(arrays)
def test_relu_is_the_positive_part(array):
    """The function, the method and the layer are the positive part."""
    for out in (relu(array), Tensor(array).relu(), ReLU()(array)):
        np.testing.assert_array_equal(out.numpy(), np.maximum(array, 0))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_softmax_gradients(check_gradient, function, axis):
    """The gradients equal the difference quotients along every axis."""
    check_gradient(lambda x: function(x, axis), np.random.default_rng(0).normal(size=(2, 3, 4)))


def test_a_masked_element_gets_nothing():
    """-inf has probability 0 and gradient 0, so a mask can be added to scores."""
    x = Tensor([[1.0, -np.inf, 1.0]], requires_grad=True)
    p = softmax(x)
    assert p.numpy().tolist() == [[0.5, 0.0, 0.5]]
    p.backward([[1.0, 2.0, 3.0]])
    assert x.grad.tolist() == [[-0.5, 0.0, 0.5]]


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_an_axis_that_is_not_there_is_refused(function):
    """A sentence with the shape and the axis."""
    with pytest.raises(ValueError, match=r"an axis of shape \(2, 2\), got 2"):
        function(np.ones((2, 2)), axis=2)


def test_layers_show_their_settings():
    """repr is the call that makes the layer."""
    assert repr(ReLU()) == "ReLU()"
    assert repr(Softmax(0)) == "Softmax(axis=0)"


@given(arrays)
def test_smooth_activations_equal_scipy(array):
    """GELU within 2e-7 |x| of x Phi(x), sigmoid and tanh to float32 precision, at any size."""
    exact = array.astype(np.float64)
    error = abs(gelu(array).numpy() - exact * scipy.special.ndtr(exact))
    assert (error <= 2e-7 * abs(exact) + 1e-37).all()
    expected = scipy.special.expit(exact)
    np.testing.assert_allclose(sigmoid(array).numpy(), expected, rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(tanh(array).numpy(), np.tanh(exact), rtol=1e-5)


@given(hnp.arrays(np.float32, shapes, elements=st.floats(-8, 8, width=32)))
def test_the_cheaper_gelu_equals_its_formula(array):
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), within 5e-3 of the exact one."""
    exact = array.astype(np.float64)
    formula = 0.5 * exact * (1 + np.tanh((2 / np.pi) ** 0.5 * (exact + 0.044715 * exact**3)))
    np.testing.assert_allclose(gelu(array, "tanh").numpy(), formula, rtol=1e-5, atol=2e-6)
    assert abs(gelu(array, "tanh").numpy() - gelu(array).numpy()).max() < 5e-3


@pytest.mark.parametrize(
    "function", [gelu, lambda x: gelu(x, "tanh"), sigmoid, tanh], ids=["gelu", "cheap", "s", "t"]
)
def test_smooth_gradients(check_gradient, function):
    """The gradients equal the difference quotients, in the tails as near 0."""
    check_gradient(function, 3 * np.random.default_rng(0).normal(size=(3, 5)))


def test_smooth_layers_are_their_functions():
    """A layer computes its function, and shows its settings."""
    x = np.linspace(-3, 3, 7)
    for layer, function in [
        (GELU(), gelu),
        (GELU("tanh"), lambda x: gelu(x, "tanh")),
        (Sigmoid(), sigmoid),
        (Tanh(), tanh),
    ]:
        np.testing.assert_array_equal(layer(x).numpy(), function(x).numpy())
    assert repr(GELU("tanh")) == "GELU(approximate='tanh')"
    assert (repr(Sigmoid()), repr(Tanh())) == ("Sigmoid()", "Tanh()")


@pytest.mark.parametrize("make", [lambda: GELU("erf"), lambda: gelu([1.0], "erf")])
def test_another_gelu_is_refused(make):
    """The two formulas have PyTorch's names."""
    with pytest.raises(ValueError, match='approximate "none" or "tanh", got \'erf\''):
        make()
