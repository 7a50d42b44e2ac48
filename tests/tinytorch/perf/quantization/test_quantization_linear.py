"""Laws of quantised layers: they compute with their codes, hold few bytes, and gradients pass."""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinytorch.core.autograd import no_grad
from tinytorch.core.conv import Conv2d
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear
from tinytorch.core.tensor import Tensor
from tinytorch.perf import fast
from tinytorch.perf.quantization import (
    PackedWeight,
    QuantizedConv2d,
    QuantizedEmbedding,
    QuantizedLinear,
    codes_product,
    product_in_panels,
    quantize,
    quantize_int8,
)
from tinytorch.perf.quantization.linear import dynamic_parameters, rounded_steps


def linear(n, m, bias=True, seed=0):
    rng = np.random.default_rng(seed)
    layer = Linear(n, m, bias, rng=rng)
    if bias:
        layer.bias.data[:] = rng.normal(size=m)
    return layer


def rows(n, m, seed=1):
    return np.random.default_rng(seed).normal(size=(n, m)).astype(np.float32)


@pytest.fixture(params=["twins", "numpy"])
def engine(request):
    """Every test that takes it runs with the compiled loops, where they are, and without."""
    with fast.numpy_only() if request.param == "numpy" else nullcontext():
        yield request.param


@given(st.integers(1, 40), st.integers(1, 20), st.integers(2, 8), st.booleans(), st.booleans())
def test_a_packed_weight_is_off_by_half_a_scale(n, m, bits, symmetric, per_channel):
    """And its columns, read one by one, are the columns of the whole."""
    weight = rows(n, m)
    packed = PackedWeight(weight, bits, symmetric=symmetric, axis=1 if per_channel else None)
    back = packed.dequantized()
    assert (np.abs(back - weight) <= packed.scale * 0.5001).all()
    assert packed.codes.shape == (-(-n * bits // 8), m)
    assert packed.size_bytes() == sum(a.nbytes for a in packed.arrays().values())
    if per_channel:
        places = np.array([m - 1, 0, 0])
        np.testing.assert_array_equal(packed.columns(places), back[:, places])


@settings(deadline=None)  # the first call may have to compile
@given(
    st.integers(1, 12),
    st.integers(1, 40),
    st.integers(1, 20),
    st.integers(2, 8),
    st.booleans(),
)
def test_products_with_codes_equal_numpys(N, n, m, bits, twins):
    """The compiled loop, the panels and the plain product agree to float32, at odd shapes."""
    x, weight = rows(N, n), PackedWeight(rows(n, m, seed=2), bits, axis=1)
    expected = x @ weight.rows().astype(np.float32)
    tolerance = {"rtol": 1e-5, "atol": 1e-5 * 2.0**bits * n}
    with nullcontext() if twins else fast.numpy_only():
        np.testing.assert_allclose(codes_product(x, weight), expected, **tolerance)
    np.testing.assert_allclose(product_in_panels(x, weight), expected, **tolerance)


def test_several_panels_make_one_product():
    """A matrix higher than a panel, of a height that no panel divides, for every width."""
    for bits in range(2, 9):
        x, weight = rows(5, 1003), PackedWeight(rows(1003, 300, seed=2), bits, axis=1)
        expected = x @ weight.rows().astype(np.float32)
        np.testing.assert_allclose(product_in_panels(x, weight), expected, rtol=1e-3, atol=0.2)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_weight_only_is_linear_with_the_weight_it_stands_for(engine, bits, symmetric, bias):
    """Any leading axes, every width, and a layer that stays within the error of its weight."""
    layer = linear(19, 7, bias)
    quantized = QuantizedLinear(layer, bits, symmetric=symmetric)
    expected = linear(19, 7, bias)
    expected.weight.data[:] = quantized.packed.dequantized()
    for shape in ((19,), (3, 19), (2, 9, 19), (0, 19)):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        found = quantized(x)
        assert found.shape == (*shape[:-1], 7)
        np.testing.assert_allclose(found.numpy(), expected(x).numpy(), rtol=1e-4, atol=1e-4)
    x = rows(50, 19)
    error = np.abs(quantized(x).numpy() - layer(x).numpy())
    assert (error <= np.abs(x).sum(axis=1, keepdims=True) * quantized.packed.scale * 0.501).all()


def test_dynamic_activations_are_what_integers_give(engine):
    """Equal to int64 arithmetic on the codes of both, scaled once at the end."""
    layer, x = linear(33, 5), rows(4, 33)
    found = QuantizedLinear(layer, activations="dynamic")(x).numpy()
    qx, x_scale, x_zero = quantize_int8(x)
    qw, w_scale, _ = quantize_int8(layer.weight, symmetric=True, axis=1)
    integers = (qx.astype(np.int64) - x_zero) @ qw.astype(np.int64)
    expected = integers * (w_scale.astype(np.float64) * x_scale) + layer.bias.data
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    weight_only = QuantizedLinear(layer)(x).numpy()
    assert not np.array_equal(found, weight_only)
    largest = np.abs(layer.weight.data).max()
    np.testing.assert_allclose(found, weight_only, atol=33 * x_scale / 2 * largest)


numbers = st.floats(-(2.0**100), 2.0**100, width=32)


@given(arrays(np.float32, (3, 4), elements=numbers))
def test_the_short_way_to_dynamic_codes_is_the_long_one(x):
    """The parameters of quantize_int8, and its codes less the zero point."""
    q, scale, zero_point = quantize_int8(x)
    assert dynamic_parameters(x) == (scale, zero_point)
    steps = rounded_steps(x, float(scale), int(zero_point))
    np.testing.assert_array_equal(steps, q.astype(int) - zero_point)
    narrow = rounded_steps(100 * x, float(scale), int(zero_point))
    expected = quantize(100 * x, scale, zero_point).astype(int) - zero_point
    np.testing.assert_array_equal(narrow, expected)


def test_calibration_changes_results():
    """A range from the inputs is nearly exact, one of a tenth clips, and results follow it."""
    layer, x = linear(33, 5), rows(200, 33)
    exact = layer(x).numpy()
    errors = {}
    for name, samples in (("right", x), ("narrow", 0.1 * x), ("wide", 50 * x)):
        quantized = QuantizedLinear(layer)
        quantized.calibrate(samples)
        assert quantized.activations == "static"
        errors[name] = np.abs(quantized(x).numpy() - exact).mean()
    assert errors["right"] * 5 < errors["wide"]
    assert errors["right"] * 5 < errors["narrow"]
    scales = {}
    for method in ("min-max", "percentile", "mse"):
        quantized.calibrate(x, method)
        scales[method] = float(quantized.input_scale)
    assert scales["min-max"] == pytest.approx((x.max() - x.min()) / 255)
    assert scales["min-max"] > scales["mse"] > scales["percentile"]


def test_static_activations_need_calibration():
    """No range is made up."""
    quantized = QuantizedLinear(linear(3, 2), activations="static")
    with pytest.raises(RuntimeError, match=r"call calibrate\(\) with samples"):
        quantized(np.ones((1, 3)))


@pytest.mark.parametrize("bits", range(2, 9))
def test_bytes_are_counted_as_held(bits):
    """Codes of so many bits, 4 bytes of scale and bias per output, nothing of the float32."""
    quantized = QuantizedLinear(linear(256, 64), bits)
    usage = quantized.memory_usage()
    assert usage["original_bytes"] == 4 * (256 * 64 + 64)
    assert usage["quantized_bytes"] == 256 * 64 * bits // 8 + 8 * 64 == quantized.size_bytes()
    assert usage["compression_ratio"] == usage["original_bytes"] / usage["quantized_bytes"]
    held = sum(a.nbytes for a in vars(quantized.packed).values() if isinstance(a, np.ndarray))
    assert held == 256 * 64 * bits // 8 + 4 * 64
    assert QuantizedLinear(linear(256, 64), bits, symmetric=False).size_bytes() == (
        quantized.size_bytes() + 64
    )


def test_gradients_pass_to_the_input_and_the_bias():
    """Those of the linear layer with the weight that the codes stand for; the weight has none."""
    quantized = QuantizedLinear(linear(6, 4), bits=4)
    x = Tensor(rows(3, 6), requires_grad=True)
    quantized(x).sum().backward()
    weight = quantized.packed.dequantized()
    np.testing.assert_allclose(x.grad, np.ones((3, 4)) @ weight.T, rtol=1e-6)
    np.testing.assert_array_equal(quantized.bias.grad, [3, 3, 3, 3])
    assert [name for name, _ in quantized.named_parameters()] == ["bias"]
    with no_grad():
        assert not quantized(x).requires_grad


def test_a_convolution_computes_with_its_codes():
    """Equal to Conv2d with the weight the codes stand for, which is near the old one."""
    rng = np.random.default_rng(0)
    conv = Conv2d(3, 5, kernel_size=3, stride=2, padding=1, rng=rng)
    conv.bias.data[:] = rng.normal(size=5)
    x = rng.normal(size=(2, 3, 7, 6)).astype(np.float32)
    expected = conv(x).numpy()
    for bits, tolerance in ((8, 0.02), (4, 0.4), (3, 0.9)):
        quantized = QuantizedConv2d(conv, bits)
        found = quantized(x).numpy()
        np.testing.assert_array_equal(found, quantized.dequantized()(x).numpy())
        assert 0 < np.abs(found - expected).max() < tolerance
        assert quantized.size_bytes() == -(-27 * bits // 8) * 5 + 2 * 4 * 5
    image = Tensor(x, requires_grad=True)
    quantized(image).sum().backward()
    assert image.grad.shape == x.shape


def test_an_embedding_reads_only_its_rows():
    """Tokens of any shape get their vectors to within half the scale of their row."""
    table = Embedding(11, 6, rng=np.random.default_rng(0))
    tokens = np.array([[0, 10, 10], [3, 5, 0]])
    for bits in range(2, 9):
        quantized = QuantizedEmbedding(table, bits)
        found = quantized(tokens).numpy()
        assert found.shape == (2, 3, 6)
        scale = quantized.packed.scale.T[tokens]
        assert (np.abs(found - table(tokens).numpy()) <= 0.5001 * scale).all()
    with pytest.raises(ValueError, match="expected tokens from 0 to 10, got 11"):
        quantized([[11]])


def test_layers_say_what_they_are():
    """Sizes and bits are in the text."""
    assert repr(QuantizedLinear(linear(3, 2, bias=False), 4)) == (
        "QuantizedLinear(3, 2, bias=False, bits=4, activations='float32')"
    )
    assert "Conv2d(1, 2, kernel_size=3" in repr(QuantizedConv2d(Conv2d(1, 2, 3)))
    assert repr(QuantizedEmbedding(Embedding(3, 2))) == "QuantizedEmbedding(3, 2, bits=8)"


def test_refusals():
    """Other layers, other inputs, other words, and weights that are no numbers."""
    layer = linear(3, 2)
    for kind, name in (
        (QuantizedLinear, "Linear"),
        (QuantizedConv2d, "Conv2d"),
        (QuantizedEmbedding, "Embedding"),
    ):
        with pytest.raises(TypeError, match=f"expected an? {name} to quantise, got list"):
            kind([1.0])
    with pytest.raises(ValueError, match=r"input of shape \(\.\.\., 3\), got \(2, 4\)"):
        QuantizedLinear(layer)(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"input of shape \(\.\.\., 3\), got \(4,\)"):
        QuantizedLinear(layer).calibrate(np.ones(4))
    with pytest.raises(ValueError, match="one of float32, dynamic, static, got 'int4'"):
        QuantizedLinear(layer, activations="int4")
    with pytest.raises(ValueError, match="expected 2 to 8 bits, got 16"):
        QuantizedLinear(layer, bits=16)
    with pytest.raises(ValueError, match="finite numbers"):
        QuantizedLinear(layer, activations="dynamic")(np.full((1, 3), np.nan))
    layer.weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite numbers"):
        QuantizedLinear(layer)
