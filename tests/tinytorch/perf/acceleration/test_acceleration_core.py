"""The fused kernels compute what the layers of the foundation compute."""

import numpy as np
import pytest

from tinytorch.core.activations import gelu
from tinytorch.core.attention import causal_attention
from tinytorch.core.conv import Conv2d
from tinytorch.core.layers import Linear
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.tensor import Tensor
from tinytorch.perf.acceleration import (
    conv2d_im2col,
    fused_bias_relu,
    fused_gelu,
    fused_layer_norm,
    tiled_attention,
)

pytestmark = pytest.mark.usefixtures("backend")


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_near(found, expected):
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_gelu():
    """The activation with the tanh formula."""
    x = random(7, 33)
    assert_near(fused_gelu(x), gelu(x, approximate="tanh"))


def test_linear_and_relu():
    """The bias and the clipping of a layer, in place in its product."""
    x, layer = random(7, 33), Linear(33, 19)
    layer.bias.data[:] = random(19, seed=1)
    product = x @ layer.weight.data
    assert_near(fused_bias_relu(product, layer.bias.data, out=product), layer(x).relu())


def test_layer_norm():
    """The layer with its own weight, bias and eps."""
    x, layer = random(3, 5, 33), LayerNorm(33, eps=1e-3)
    layer.weight.data[:], layer.bias.data[:] = random(33, seed=1), random(33, seed=2)
    assert_near(fused_layer_norm(x, layer.weight.data, layer.bias.data, layer.eps), layer(x))


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_convolution(stride, padding):
    """The layer with its own weight and bias."""
    x, layer = random(3, 2, 9, 11), Conv2d(2, 5, kernel_size=3, stride=stride, padding=padding)
    layer.bias.data[:] = random(5, seed=1)
    assert_near(conv2d_im2col(x, layer.weight.data, layer.bias.data, stride, padding), layer(x))


def test_causal_attention():
    """The attention of a GPT, for all positions and for the last ones only."""
    k, v = random(2, 3, 41, 8, seed=1), random(2, 3, 41, 8, seed=2)
    for n in (41, 5, 1):
        q = random(2, 3, n, 8)
        expected = causal_attention(Tensor(q), Tensor(k), Tensor(v))
        assert_near(tiled_attention(q, k, v, causal=True, tile_size=16), expected)
