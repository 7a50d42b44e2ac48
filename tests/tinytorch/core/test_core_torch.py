"""Equality with PyTorch, where it is installed: outputs, gradients and optimiser steps.

PyTorch is no dependency: `pip install torch` in another environment and run this file there, with
`--noconftest` and `PYTHONPATH=source_lib`.
"""

import numpy as np
import pytest

from tinytorch.core.activations import gelu, log_softmax, sigmoid, softmax, tanh
from tinytorch.core.attention import causal_attention
from tinytorch.core.conv import Conv2d, MaxPool2d
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear
from tinytorch.core.losses import cross_entropy, mse_loss
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.optimizers import SGD, Adam, AdamW
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT

torch = pytest.importorskip("torch")
F = torch.nn.functional


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def compare(ours, theirs, *arrays, tolerance=1e-5):
    """Compare the outputs of two functions, and the gradients of one random sum of them."""
    x = [Tensor(array, requires_grad=True) for array in arrays]
    t = [torch.tensor(array, requires_grad=True) for array in arrays]
    out, expected = ours(*x), theirs(*t)
    close(out.numpy(), expected, tolerance)
    weights = normal(*out.shape, seed=1)
    out.backward(weights)
    expected.backward(torch.tensor(weights))
    for leaf, other in zip(x, t, strict=True):
        close(leaf.grad, other.grad, tolerance)


def close(ours, theirs, tolerance=1e-5):
    """Compare with a tolerance relative to the largest element."""
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * (1 + abs(theirs).max()))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (gelu, F.gelu),
        (lambda x: gelu(x, "tanh"), lambda x: F.gelu(x, approximate="tanh")),
        (sigmoid, torch.sigmoid),
        (tanh, torch.tanh),
        (softmax, lambda x: F.softmax(x, dim=-1)),
        (lambda x: log_softmax(x, 0), lambda x: F.log_softmax(x, dim=0)),
        (lambda x: x.max(axis=1), lambda x: x.amax(dim=1)),
        (lambda x: x[[0, 0, 2]] / x.mean(), lambda x: x[[0, 0, 2]] / x.mean()),
    ],
)
def test_functions(ours, theirs):
    """Activations, reductions and indexing."""
    compare(ours, theirs, 3 * normal(4, 7))


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_convolution(stride, padding):
    """Input, weight and bias, with the same layout of the weight."""
    layer = Conv2d(3, 4, 3, stride, padding)

    def ours(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    def theirs(x, weight, bias):
        return F.conv2d(x, weight, bias, stride, padding)

    compare(ours, theirs, normal(2, 3, 9, 8), normal(4, 3, 3, 3), normal(4))


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 1), (2, 3)])
def test_pooling(kernel, stride):
    """The first of equal maxima gets the gradient there too: whole numbers have many."""
    x = np.random.default_rng(0).integers(3, size=(2, 3, 7, 8)).astype(np.float32)
    compare(MaxPool2d(kernel, stride), lambda x: F.max_pool2d(x, kernel, stride), x)


def test_layers_with_parameters():
    """Linear (whose weight is the transpose there), layer norm and embedding."""
    linear, norm, table = Linear(5, 3), LayerNorm(5), Embedding(5, 3)
    tokens = np.array([[0, 4, 4], [1, 1, 2]])

    def ours(x, weight, bias, scale, shift, rows):
        linear.weight, linear.bias, norm.weight, norm.bias = weight, bias, scale, shift
        table.weight = rows
        return linear(norm(x)) + table(tokens)

    def theirs(x, weight, bias, scale, shift, rows):
        normed = F.layer_norm(x, (5,), scale, shift)
        return F.linear(normed, weight.T, bias) + F.embedding(torch.tensor(tokens), rows)

    shapes = [(2, 3, 5), (5, 3), (3,), (5,), (5,), (5, 3)]
    compare(ours, theirs, *[normal(*shape, seed=seed) for seed, shape in enumerate(shapes)])


def test_attention():
    """Causal attention of four heads."""
    compare(
        causal_attention,
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        *[normal(2, 4, 6, 8, seed=seed) for seed in range(3)],
    )


def test_losses():
    """Cross entropy of sequences and the mean squared error."""
    labels = np.random.default_rng(0).integers(5, size=(2, 3))
    compare(
        lambda x: cross_entropy(x, labels),
        lambda x: F.cross_entropy(x.reshape(6, 5), torch.tensor(labels.reshape(6))),
        normal(2, 3, 5),
    )
    compare(mse_loss, F.mse_loss, normal(3, 4), normal(3, 4, seed=1))


def torch_gpt(p, tokens, num_layers, num_heads):
    """Return the logits of a GPT with the parameters ``p``, by PyTorch's own functions."""
    B, T = tokens.shape
    x = p["token_embedding.weight"][tokens] + p["position_embedding.weight"][:T]
    d = x.shape[-1]

    def norm(name, x):
        return F.layer_norm(x, (d,), p[f"{name}.weight"], p[f"{name}.bias"])

    def linear(name, x):
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    for i in range(num_layers):
        block = f"blocks.{i}"
        normed = norm(f"{block}.ln1", x)
        q, k, v = (
            linear(f"{block}.attention.{name}_proj", normed)
            .reshape(B, T, num_heads, -1)
            .transpose(1, 2)
            for name in "qkv"
        )
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(f"{block}.attention.out_proj", heads.transpose(1, 2).reshape(B, T, d))
        hidden = F.gelu(linear(f"{block}.mlp.layers.0", norm(f"{block}.ln2", x)))
        x = x + linear(f"{block}.mlp.layers.2", hidden)
    return norm("ln_f", x) @ p["lm_head.weight"]


def models(layers=3, heads=4):
    """Return our GPT with its parameters as PyTorch's, and tokens for both."""
    gpt = GPT(17, 16, layers, heads, 12, rng=np.random.default_rng(0))
    p = {
        name: torch.tensor(tensor.data.copy(), requires_grad=True)
        for name, tensor in gpt.named_parameters()
    }
    return gpt, p, np.random.default_rng(1).integers(17, size=(3, 13))


def test_gpt_logits_and_gradients():
    """Every logit and the gradient of every parameter."""
    gpt, p, tokens = models()
    logits, expected = gpt(tokens[:, :-1]), torch_gpt(p, torch.tensor(tokens[:, :-1]), 3, 4)
    close(logits.numpy(), expected)
    cross_entropy(logits, tokens[:, 1:]).backward()
    labels = torch.tensor(tokens[:, 1:].reshape(-1))
    F.cross_entropy(expected.reshape(-1, 17), labels).backward()
    for name, tensor in gpt.named_parameters():
        np.testing.assert_allclose(tensor.grad, p[name].grad.numpy(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "make_theirs"),
    [
        (lambda p: AdamW(p, 3e-3), lambda p: torch.optim.AdamW(p, 3e-3)),
        (
            lambda p: AdamW(p, 1e-2, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3),
            lambda p: torch.optim.AdamW(p, 1e-2, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3),
        ),
        (lambda p: Adam(p, 3e-3), lambda p: torch.optim.Adam(p, 3e-3)),
        (
            lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
            lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
        ),
    ],
)
def test_optimizer_steps(make, make_theirs):
    """The parameters after 20 steps with the same gradients, which vary in size by 10^4."""
    rng = np.random.default_rng(0)
    start = [normal(4, 3), normal(5)]
    ours = [Tensor(array, requires_grad=True) for array in start]
    theirs = [torch.tensor(array.copy(), requires_grad=True) for array in start]
    optimizer, other = make(ours), make_theirs(theirs)
    for _ in range(20):
        for p, t in zip(ours, theirs, strict=True):
            gradient = rng.normal(size=p.shape) * 10.0 ** rng.integers(-3, 2)
            p.grad = gradient.astype(np.float32)
            t.grad = torch.tensor(p.grad)
        optimizer.step()
        other.step()
        for p, t in zip(ours, theirs, strict=True):
            close(p.data, t)


def test_training_follows_theirs():
    """Ten steps of AdamW on a GPT, each with its own gradients, give the same losses."""
    gpt, p, tokens = models()
    optimizer, other = AdamW(gpt.parameters(), 1e-3), torch.optim.AdamW(p.values(), 1e-3)
    X, y = tokens[:, :-1], tokens[:, 1:]
    for _ in range(10):
        loss = cross_entropy(gpt(X), y)
        logits = torch_gpt(p, torch.tensor(X), 3, 4)
        expected = F.cross_entropy(logits.reshape(-1, 17), torch.tensor(y.reshape(-1)))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
        for optimiser, each in ((optimizer, loss), (other, expected)):
            optimiser.zero_grad()
            each.backward()
            optimiser.step()
