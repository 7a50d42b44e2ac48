"""Laws of the image layers: equal to the definition written as loops, exact gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.tensor import Tensor


def normal(*shape):
    return np.random.default_rng(sum(shape) + len(shape)).normal(size=shape)


def convolve(x, weight, bias, stride, padding):
    """Return the cross-correlation, one output element at a time, in float64."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    size = weight.shape[2]
    rows = range(0, x.shape[2] - size + 1, stride)
    columns = range(0, x.shape[3] - size + 1, stride)
    out = np.zeros((len(x), len(weight), len(rows), len(columns)))
    for b, o, i, j in np.ndindex(out.shape):
        patch = x[b, :, rows[i] : rows[i] + size, columns[j] : columns[j] + size]
        out[b, o, i, j] = (patch * weight[o]).sum() + bias[o]
    return out


sizes = st.integers(1, 3)


@given(sizes, sizes, sizes, st.integers(0, 2), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_convolution_equals_its_definition(channels, kernel, stride, padding, more_h, more_w):
    """Every kernel, stride, padding and image size, square or not, divisible or not."""
    layer = Conv2d(channels, 2, kernel, stride, padding)
    layer.bias.data[:] = [0.5, -1.0]
    x = normal(2, channels, kernel + more_h, kernel + more_w).astype(np.float32)
    expected = convolve(x, layer.weight.data, layer.bias.data, stride, padding)
    assert layer(x).shape == expected.shape
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "bias"),
    [(3, 1, 0, True), (3, 2, 1, True), (2, 2, 1, False), (1, 1, 0, True), (3, 3, 2, False)],
)
def test_convolution_gradients(check_gradient, kernel, stride, padding, bias):
    """Input, weight and bias, also where windows overlap, skip pixels or reach into the padding."""
    layer = Conv2d(2, 3, kernel, stride, padding, bias)

    def forward(x, weight, *biases):
        layer.weight, layer.bias = weight, biases[0] if biases else None
        return layer(x)

    arrays = [normal(2, 2, 5, 6), normal(3, 2, kernel, kernel)]
    check_gradient(forward, *arrays, *([normal(3)] if bias else []))


@given(sizes, sizes, st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_pooling_equals_its_definition(kernel, stride, more_h, more_w):
    """The maximum of every whole patch; what does not fill one is left out."""
    x = normal(2, 3, kernel + more_h, kernel + more_w).astype(np.float32)
    out = MaxPool2d(kernel, stride)(x).numpy()
    assert out.shape[2:] == (more_h // stride + 1, more_w // stride + 1)
    for b, c, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        assert out[b, c, i, j] == x[b, c, top : top + kernel, left : left + kernel].max()


@pytest.mark.parametrize(("kernel", "stride"), [(2, None), (2, 1), (3, 2), (1, 2)])
def test_pooling_gradients(check_gradient, kernel, stride):
    """Patches apart, overlapping, and with pixels between them that nobody reads."""
    check_gradient(MaxPool2d(kernel, stride), normal(2, 2, 5, 6))


def test_equal_maxima_give_the_gradient_to_the_first():
    """A patch hands on its gradient once, as in PyTorch."""
    x = Tensor(np.ones((1, 1, 2, 4)), requires_grad=True)
    MaxPool2d(2)(x).sum().backward()
    assert x.grad[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


def test_flatten_keeps_the_first_axis(check_gradient):
    """(B, ...) becomes (B, features), an empty batch included."""
    assert Flatten()(np.ones((2, 3, 4))).shape == (2, 12)
    assert Flatten()(np.ones(3)).shape == (3, 1)
    assert Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    check_gradient(Flatten(), normal(2, 3, 2))
    with pytest.raises(ValueError, match=r"shape \(B, \.\.\.\), got \(\)"):
        Flatten()(1.0)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2d(2, 3, 3), (2, 5, 5), r"shape \(B, 2, H, W\), got \(2, 5, 5\)"),
        (Conv2d(2, 3, 3), (1, 3, 5, 5), r"shape \(B, 2, H, W\), got \(1, 3, 5, 5\)"),
        (Conv2d(2, 3, 3), (1, 2, 2, 5), "images of at least 3 pixels"),
        (Conv2d(2, 3, 5, padding=1), (1, 2, 2, 5), "images of at least 5 pixels"),
        (MaxPool2d(2), (3, 4), r"shape \(B, C, H, W\), got \(3, 4\)"),
        (MaxPool2d(2), (1, 1, 4, 1), "images of at least 2 pixels"),
    ],
)
def test_images_that_do_not_fit_are_refused(layer, shape, message):
    """Channels, axes and sizes are named."""
    with pytest.raises(ValueError, match=message):
        layer(np.ones(shape))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Conv2d(0, 1, 1), ValueError, "in_channels of at least 1, got 0"),
        (lambda: Conv2d(1, 1, 3.0), TypeError, "integer kernel_size, got float"),
        (lambda: Conv2d(1, 1, 3, padding=-1), ValueError, "padding of at least 0, got -1"),
        (lambda: MaxPool2d(2, stride=0), ValueError, "stride of at least 1, got 0"),
    ],
)
def test_sizes_are_checked(make, error, message):
    """Sizes are positive integers, and only the padding may be 0."""
    with pytest.raises(error, match=message):
        make()


def test_layers_show_their_settings():
    """repr is the call that makes the layer."""
    assert repr(Conv2d(1, 2, 3)) == "Conv2d(1, 2, kernel_size=3, stride=1, padding=0)"
    assert repr(Conv2d(1, 2, 3, bias=False)).endswith("padding=0, bias=False)")
    assert repr(MaxPool2d(3, 2)) == "MaxPool2d(3, stride=2)"
    assert repr(Flatten()) == "Flatten()"
