"""Laws of affine quantisation: error at most half a scale, zero exact, codes inside their range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinytorch.core.tensor import Tensor
from tinytorch.perf.quantization import (
    code_range,
    dequantize,
    dequantize_int8,
    min_max_range,
    quantization_parameters,
    quantize,
    quantize_int8,
)

# Up to 1e30: beyond, scale times code may pass the largest float32.
numbers = st.floats(-(2.0**100), 2.0**100, width=32)
tensors = arrays(np.float32, array_shapes(max_dims=4, max_side=5), elements=numbers)
bit_widths = st.integers(2, 8)


def bound(x, scale):
    """Half a scale, and what float32 rounds in x / scale and in the way back."""
    return scale * (0.5 + 2.0**-14) + np.abs(x) * 2.0**-22


@given(tensors, bit_widths, st.booleans(), st.booleans())
def test_error_is_at_most_half_a_scale(x, bits, symmetric, per_channel):
    """On any range, for every width, symmetric or not, per tensor or along any axis."""
    axis = x.ndim - 1 if per_channel else None
    low, high = min_max_range(x, axis)
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    q = quantize(x, scale, zero_point, bits)
    back = dequantize(q, scale, zero_point)
    assert q.dtype == np.int8
    assert back.dtype == np.float32
    assert back.shape == q.shape == x.shape
    assert (np.abs(x - back) <= bound(x, scale)).all()


@given(tensors, bit_widths, st.booleans())
def test_zero_is_exactly_representable(x, bits, symmetric):
    """The code of 0 is the zero point, an integer inside the range of codes."""
    scale, zero_point = quantization_parameters(*min_max_range(x), bits, symmetric=symmetric)
    smallest, largest = code_range(bits)
    assert smallest <= zero_point <= largest
    zeros = quantize(np.zeros(3), scale, zero_point, bits)
    np.testing.assert_array_equal(dequantize(zeros, scale, zero_point), np.zeros(3))
    if symmetric:
        assert zero_point == 0


@given(tensors, bit_widths, st.booleans())
def test_codes_are_used_to_the_end(x, bits, symmetric):
    """The value furthest from 0 gets an extreme code, so no bit is wasted on an empty range."""
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    if high - low < 1e-30:
        return
    smallest, largest = code_range(bits)
    ends = quantize(np.array([low, high]), scale, zero_point, bits)
    if symmetric:
        assert np.abs(ends).max() == largest
    else:
        assert ends[0] <= smallest + 1
        assert ends[1] >= largest - 1


def test_a_range_far_from_zero_keeps_its_values():
    """[5..10] comes back as 51 values in 0..10 in steps of 10 / 255, not as all 5.0."""
    x = np.linspace(5, 10, 51, dtype=np.float32)
    q, scale, zero_point = quantize_int8(x)
    back = dequantize_int8(q, scale, zero_point)
    assert scale == pytest.approx(10 / 255)
    assert np.abs(back - x).max() <= scale / 2 * (1 + 1e-5)
    assert len(np.unique(back)) == 51


def test_a_channel_has_its_own_scale():
    """Columns a thousand times apart each keep two digits, which one scale cannot give."""
    x = np.array([[0.001, 1.0], [-0.0005, -0.4]], dtype=np.float32)
    q, scale, zero_point = quantize_int8(x, symmetric=True, axis=1)
    assert scale.shape == zero_point.shape == (1, 2)
    assert scale.dtype == np.float32
    assert zero_point.dtype == np.int32
    np.testing.assert_allclose(dequantize_int8(q, scale, zero_point), x, rtol=0.01)
    alone = quantize_int8(x[:, 0], symmetric=True)
    np.testing.assert_array_equal(q[:, 0], alone[0])
    whole = dequantize_int8(*quantize_int8(x, symmetric=True))
    np.testing.assert_array_equal(whole[:, 0], 0)


def test_an_axis_means_the_same_for_every_number_of_axes():
    """Along axis 0 of four, scales are (C, 1, 1, 1), and negative axes count from the end."""
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 5))
    _, scale, _ = quantize_int8(x, axis=0)
    assert scale.shape == (3, 1, 1, 1)
    np.testing.assert_array_equal(quantize_int8(x, axis=-4)[0], quantize_int8(x, axis=0)[0])


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0, 1e-40, -1e-45, 3e38])
def test_constant_tensors(value):
    """All zeros, one value, a subnormal and nearly the largest float come back."""
    x = np.full((2, 3), value, dtype=np.float32)
    for symmetric in (False, True):
        back = dequantize_int8(*quantize_int8(x, symmetric=symmetric))
        np.testing.assert_allclose(back, x, rtol=1e-6, atol=1e-38)


def test_codes_and_rounding():
    """Ties go to even, outliers to the last code, however far out they are."""
    x = np.array([0.5, 1.5, 2.5, -0.5, 1e30, -1e30], dtype=np.float32)
    np.testing.assert_array_equal(quantize(x, 1.0, 0, bits=4), [0, 2, 2, 0, 7, -8])
    assert quantize(np.float32(3e38), np.float32(1e-30), 0) == 127
    assert code_range(2) == (-2, 1)


def test_int8_differences_do_not_wrap():
    """127 - (-128) is 255, which int8 does not hold."""
    assert dequantize_int8(np.array([127], dtype=np.int8), 1.0, -128) == 255


def test_tensors_and_lists_are_taken():
    """A Tensor, an array and a list of the same numbers give the same codes."""
    rows = [[1.0, -2.0], [0.5, 3.0]]
    for x in (Tensor(rows), np.array(rows)):
        for found, expected in zip(quantize_int8(x), quantize_int8(rows), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_refusals():
    """NaN, infinities, emptiness, wrong dtypes, axes, bits, ranges and scales are named."""
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="expected finite numbers"):
            quantize_int8([1.0, bad])
    with pytest.raises(ValueError, match=r"at least one element, got shape \(0, 3\)"):
        quantize_int8(np.ones((0, 3)))
    with pytest.raises(TypeError, match="expected real numbers"):
        quantize_int8(["one"])
    with pytest.raises(ValueError, match="expected an axis of 1 axes, got 1"):
        quantize_int8([1.0], axis=1)
    with pytest.raises(ValueError, match="expected 2 to 8 bits, got 9"):
        quantization_parameters(0, 1, bits=9)
    with pytest.raises(TypeError, match="integer number of bits, got float"):
        quantization_parameters(0, 1, bits=4.0)
    with pytest.raises(TypeError, match="integer number of bits, got bool"):
        code_range(True)
    with pytest.raises(ValueError, match="expected finite low <= high"):
        quantization_parameters(1, 0)
    with pytest.raises(ValueError, match="expected finite low <= high"):
        quantization_parameters(0, np.nan)
    with pytest.raises(ValueError, match=r"one shape, got \(\) and \(2,\)"):
        quantization_parameters(0, [1, 2])
    for scale in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="expected a scale above 0"):
            quantize([1.0], scale, 0)
    with pytest.raises(TypeError, match="expected int8 codes, got dtype float32"):
        dequantize_int8(np.ones(2, dtype=np.float32), 1.0, 0)
