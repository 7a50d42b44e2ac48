"""Laws of the fused kernels: the same as unfused, in place too, with a bounded temporary."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.perf.acceleration import (
    fused_bias_relu,
    fused_gelu,
    fused_layer_norm,
    unfused_bias_relu,
    unfused_gelu,
    unfused_layer_norm,
)
from tinytorch.perf.fast import numba_available

pytestmark = pytest.mark.usefixtures("backend")

numbers = st.floats(-1e4, 1e4, width=32)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
rows = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6)
# Larger than a block of NumPy's loops and than a stretch of the compiled ones, and odd.
LARGE = (77, 1999)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def exact_gelu(x):
    x = x.astype(np.float64)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def exact_layer_norm(x, weight, bias, eps):
    x = x.astype(np.float64)
    spread = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return (x - x.mean(axis=-1, keepdims=True)) / spread * weight + bias


@given(hnp.arrays(np.float32, shapes, elements=numbers))
def test_gelu_is_the_formula(x):
    """Fused and unfused equal the formula in float64 to float32's precision."""
    expected = exact_gelu(x)
    for out in (fused_gelu(x), unfused_gelu(x)):
        assert out.shape == x.shape
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)


def test_gelu_keeps_its_ends():
    """Far right it is x, far left 0, also where x^3 is infinite in float32."""
    far = np.float32([8, 20, 1e5, 1e20, 3e38])
    for gelu in (fused_gelu, unfused_gelu):
        np.testing.assert_array_equal(gelu(far), far)
        np.testing.assert_array_equal(gelu(-far), 0 * far)


def test_gelu_is_near_the_exact_one():
    """The tanh form differs from x Phi(x) by less than 5e-4 (Hendrycks and Gimpel 2016)."""
    x = np.linspace(-6, 6, 1001)
    assert np.abs(fused_gelu(x) - x * scipy.special.ndtr(x)).max() < 5e-4


def test_gelu_over_many_blocks_and_strides():
    """Every block is computed once, whatever the strides of the input."""
    x = random(*LARGE)
    for view in (x, x.T, x[::2, 1::3]):
        np.testing.assert_allclose(fused_gelu(view), exact_gelu(view), rtol=1e-6, atol=1e-6)


@given(rows, st.data())
def test_bias_relu_is_the_formula(shape, data):
    """Fused equals unfused to the last bit."""
    x = data.draw(hnp.arrays(np.float32, shape, elements=numbers))
    bias = data.draw(hnp.arrays(np.float32, shape[-1], elements=numbers))
    expected = np.maximum(x + bias, 0)
    np.testing.assert_array_equal(fused_bias_relu(x, bias), expected)
    np.testing.assert_array_equal(unfused_bias_relu(x, bias), expected)


def test_bias_relu_over_many_blocks_and_strides():
    """Every block of rows is computed once."""
    x = random(*LARGE)
    for view in (x, x.T, x[::2, 1::3]):
        bias = random(view.shape[1], seed=1)
        np.testing.assert_array_equal(fused_bias_relu(view, bias), np.maximum(view + bias, 0))


@given(rows, st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_layer_norm_is_the_formula(shape, mean, spread):
    """Fused and unfused equal the formula in float64 as far as float32 holds the deviations."""
    x = (random(*shape) * np.float32(spread) + np.float32(mean)).astype(np.float32)
    weight, bias = random(shape[-1], seed=1), random(shape[-1], seed=2)
    expected = exact_layer_norm(x, weight, bias, eps=1e-3)
    tolerance = 1e-5 + 1e-5 * abs(mean) / math.sqrt(1e-3)
    for out in (fused_layer_norm(x, weight, bias, 1e-3), unfused_layer_norm(x, weight, bias, 1e-3)):
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=tolerance)


def test_layer_norm_over_many_blocks_and_strides():
    """Every row has mean 0 and variance 1 before weight and bias, and is computed once."""
    x = random(*LARGE)
    for view in (x, x.T, x[::2, 1::3]):
        weight, bias = random(view.shape[1], seed=1), random(view.shape[1], seed=2)
        expected = exact_layer_norm(view, weight, bias, 1e-5)
        out = fused_layer_norm(view, weight, bias)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_layer_norm_keeps_digits_far_from_zero():
    """A mean a million times the spread leaves the order of the row: E[x^2] - E[x]^2 would not."""
    x = np.float32([[1e6 + 1, 1e6 + 2, 1e6 + 3]])
    out = fused_layer_norm(x, np.ones(3), np.zeros(3))
    np.testing.assert_allclose(out, [[-1.2247449, 0, 1.2247449]], rtol=1e-5, atol=1e-5)


CALLS = {
    "gelu": (fused_gelu, ()),
    "bias_relu": (fused_bias_relu, (random(5, seed=1),)),
    "layer_norm": (fused_layer_norm, (random(5, seed=1), random(5, seed=2))),
}


@pytest.mark.parametrize("name", CALLS)
def test_out_receives_the_result(name):
    """A given array is filled and returned, and the input itself may be it."""
    kernel, rest = CALLS[name]
    x = random(40, 5)
    expected = kernel(x, *rest)
    out = np.full_like(x, np.nan)
    assert kernel(x, *rest, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert kernel(x, *rest, out=x) is x
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("name", CALLS)
def test_the_input_is_left_alone_without_out(name):
    """Only out=x writes into x."""
    kernel, rest = CALLS[name]
    x = random(40, 5)
    before = x.copy()
    kernel(x, *rest)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_out_is_refused(name):
    """Shape, dtype, layout and a partial overlap are checked before anything is written."""
    kernel, rest = CALLS[name]
    space = random(41, 5)
    before = space.copy()
    x = space[:40]
    with pytest.raises(ValueError, match=r"out of shape \(40, 5\), got \(5, 40\)"):
        kernel(x, *rest, out=np.empty((5, 40), np.float32))
    with pytest.raises(TypeError, match="float32 array as out, got float64"):
        kernel(x, *rest, out=np.empty((40, 5)))
    with pytest.raises(TypeError, match="float32 array as out, got list"):
        kernel(x, *rest, out=[0.0])
    with pytest.raises(ValueError, match="in one piece"):
        kernel(x, *rest, out=np.empty((40, 10), np.float32)[:, ::2])
    with pytest.raises(ValueError, match="got an overlap"):
        kernel(x, *rest, out=space[1:])
    np.testing.assert_array_equal(space, before)


@pytest.mark.parametrize("place", [(0, 0), (39, 4)])
@pytest.mark.parametrize("name", CALLS)
def test_nan_is_refused_wherever_it_is(name, place):
    """The first and the last element are seen."""
    kernel, rest = CALLS[name]
    x = random(40, 5)
    x[place] = np.nan
    with pytest.raises(ValueError, match="expected x without NaN, got NaN"):
        kernel(x, *rest)
    with pytest.raises(ValueError, match="expected x without NaN, got NaN"):
        kernel(x, *rest, out=x)


@pytest.mark.parametrize(
    ("kernel", "width"),
    [
        (fused_bias_relu, 1),
        (unfused_bias_relu, 1),
        (fused_layer_norm, 2),
        (unfused_layer_norm, 2),
    ],
)
def test_vectors_fit_the_last_axis(kernel, width):
    """A vector of another length, a matrix for one, no axes, NaN in it: one sentence each."""
    with pytest.raises(ValueError, match=r"expected x \(\.\.\., d\).*got \(2, 3\)"):
        kernel(np.ones((2, 3)), *[np.ones(4)] * width)
    with pytest.raises(ValueError, match=r"with 1 axes, got shape \(1, 3\)"):
        kernel(np.ones((2, 3)), *[np.ones((1, 3))] * width)
    with pytest.raises(ValueError, match=r"got \(\)"):
        kernel(1.0, *[np.ones(1)] * width)
    with pytest.raises(ValueError, match="without NaN"):
        kernel(np.ones((2, 1)), *[[np.nan]] * width)


@pytest.mark.parametrize("eps", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("kernel", [fused_layer_norm, unfused_layer_norm])
def test_eps_is_above_zero(kernel, eps):
    """Without it a constant row would be divided by 0."""
    with pytest.raises(ValueError, match="expected eps above 0"):
        kernel([[1, 2]], [1, 1], [0, 0], eps=eps)


def test_a_fused_kernel_needs_a_block_and_no_more():
    """Whatever the size of the input, in place there is a temporary of a block."""
    x = random(1 << 20)
    fused_gelu(x[:10])  # compiled, and imported, before anything is counted
    for kernel, limit in ((lambda: fused_gelu(x, out=x), 0.1), (lambda: unfused_gelu(x), None)):
        tracemalloc.start()
        kernel()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if limit is None:
            assert peak > 2 * x.nbytes
        else:
            assert peak < limit * x.nbytes


def test_the_pair_is_the_readable_function_by_name():
    """What is exported has the readable one's name, docstring and module, and holds it."""
    readable = fused_gelu.__wrapped__
    assert readable is not fused_gelu
    assert fused_gelu.__doc__ == readable.__doc__
    assert fused_gelu.__module__ == "tinytorch.perf.acceleration.gelu"


def test_the_compiled_twin_is_what_runs(backend, monkeypatch):
    """With numba the readable function is not called, without it is."""
    if not numba_available() and backend == "numba":
        pytest.skip("numba is not installed")
    from tinytorch.perf.acceleration import gelu

    calls = []
    monkeypatch.setattr(gelu, "reject_nan", lambda name, array: calls.append(name))
    fused_gelu([1.0])
    assert bool(calls) == (backend == "numpy")
