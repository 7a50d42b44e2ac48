"""Laws of convolution: one matrix product equals the definition, which equals scipy's."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.perf.acceleration import conv2d_direct, conv2d_im2col, im2col, output_size

few = st.integers(1, 3)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def exact_conv2d(x, weight, bias, stride, padding):
    """scipy's correlation in float64, of which every stride-th element is kept."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x.astype(np.float64), around)
    images = [
        [
            sum(scipy.signal.correlate(p, w, "valid") for p, w in zip(image, kernel, strict=True))
            for kernel in weight.astype(np.float64)
        ]
        for image in padded
    ]
    return np.array(images)[:, :, ::stride, ::stride] + bias[:, np.newaxis, np.newaxis]


@settings(max_examples=60)
@given(few, few, few, st.integers(0, 5), st.integers(0, 5), few, few, few, st.integers(0, 2))
def test_im2col_equals_direct_equals_scipy(B, C, O, dh, dw, kh, kw, stride, padding):  # noqa: E741
    """At any batch, channels, odd and oblong images and kernels, stride and padding."""
    x = random(B, C, kh + dh, kw + dw)
    weight, bias = random(O, C, kh, kw, seed=1), random(O, seed=2)
    expected = exact_conv2d(x, weight, bias, stride, padding)
    for convolution in (conv2d_direct, conv2d_im2col):
        out = convolution(x, weight, bias, stride, padding)
        assert out.shape == expected.shape
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_no_bias_is_a_bias_of_zeros():
    """None and zeros give the same."""
    x, weight = random(2, 3, 7, 5), random(4, 3, 3, 3, seed=1)
    for convolution in (conv2d_direct, conv2d_im2col):
        np.testing.assert_array_equal(convolution(x, weight), convolution(x, weight, np.zeros(4)))


def test_the_product_may_be_another():
    """One that counts sees the weights as a matrix and the columns of the batch, once."""
    seen = []

    def product(left, right):
        seen.append((left.shape, right.shape))
        return left @ right

    x, weight = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))
    conv2d_im2col(x, weight, product=product)
    assert seen == [((4, 27), (2, 27, 9))]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_a_column_is_a_patch(stride, padding):
    """Column i W' + j is the patch at (i stride, j stride), in the order channel, row, column."""
    x = random(2, 3, 8, 7)
    columns = im2col(x, (3, 2), stride, padding)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, across = output_size(8, 3, stride, padding), output_size(7, 2, stride, padding)
    assert columns.shape == (2, 3 * 3 * 2, rows * across)
    for i in range(rows):
        for j in range(across):
            patch = padded[:, :, i * stride : i * stride + 3, j * stride : j * stride + 2]
            np.testing.assert_array_equal(columns[:, :, i * across + j], patch.reshape(2, -1))


def test_the_copy_is_kernel_size_times_the_input():
    """What im2col costs: with stride 1 and "same" padding kh kw times the bytes."""
    x = random(2, 3, 10, 10)
    assert im2col(x, (5, 5), padding=2).nbytes == 25 * x.nbytes


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_output_size_counts_the_places(size, kernel, stride, padding):
    """The number of multiples of the stride at which the kernel ends inside."""
    places = [
        at for at in range(0, size + 2 * padding, stride) if at + kernel <= size + 2 * padding
    ]
    if places:
        assert output_size(size, kernel, stride, padding) == len(places)
    else:
        with pytest.raises(ValueError, match="kernel of at most"):
            output_size(size, kernel, stride, padding)


@pytest.mark.parametrize("convolution", [conv2d_direct, conv2d_im2col])
def test_wrong_arguments_are_refused(convolution):
    """Axes, channels, bias, sizes and NaN: one sentence each."""
    x, weight = np.ones((1, 2, 5, 5)), np.ones((3, 2, 3, 3))
    with pytest.raises(ValueError, match=r"x with 4 axes, got shape \(2, 5, 5\)"):
        convolution(x[0], weight)
    with pytest.raises(ValueError, match=r"got \(1, 2, 5, 5\) and \(3, 1, 3, 3\)"):
        convolution(x, weight[:, :1])
    with pytest.raises(ValueError, match=r"bias of shape \(3,\), got \(2,\)"):
        convolution(x, weight, np.ones(2))
    with pytest.raises(ValueError, match="kernel of at most 5, the padded size, got 6"):
        convolution(x, np.ones((3, 2, 6, 6)))
    with pytest.raises(ValueError, match="stride of at least 1, got 0"):
        convolution(x, weight, stride=0)
    with pytest.raises(ValueError, match="padding of at least 0, got -1"):
        convolution(x, weight, padding=-1)
    with pytest.raises(TypeError, match="integer stride, got float"):
        convolution(x, weight, stride=1.0)
    with pytest.raises(ValueError, match="expected x without NaN"):
        convolution(np.full((1, 2, 5, 5), np.nan), weight)
    with pytest.raises(ValueError, match="weight without NaN"):
        convolution(x, np.full((3, 2, 3, 3), np.nan))
