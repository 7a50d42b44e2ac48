"""Laws of structured pruning: units are gone on both sides, and only what they did is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.capstone import SimpleMLP
from tinytorch.core.activations import GELU, ReLU, Tanh
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.dropout import Dropout
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.transformer import GPT
from tinytorch.perf.compression import (
    fine_tune,
    hidden_pairs,
    kept_units,
    remove_neurons,
    remove_units,
    structured_prune,
    unit_importance,
)
from tinytorch.perf.quantization import quantize_model

widths = st.integers(1, 9)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def filled(*layers):
    for number, layer in enumerate(layers):
        if isinstance(layer, Linear | Conv2d) and layer.bias is not None:
            layer.bias.data[:] = random(layer.bias.size, seed=number)
    return Sequential(*layers)


@given(widths, widths, widths, st.data())
def test_removing_units_is_cutting_what_they_send(n, h, m, data):
    """The smaller network computes what the full one does with those outgoing weights at 0."""
    kept = data.draw(st.lists(st.integers(0, h - 1), min_size=1, unique=True))
    first, second = Linear(n, h), Linear(h, m)
    first.bias.data[:] = random(h)
    x = random(5, n)
    cut = second.weight.data.copy()
    cut[np.setdiff1d(np.arange(h), kept)] = 0
    expected = first(x).relu().numpy() @ cut + second.bias.data
    remove_units(first, second, kept)
    assert (first.out_features, second.in_features) == (len(kept), len(kept))
    assert first.weight.shape == (n, len(kept))
    assert second.weight.shape == (len(kept), m)
    found = second(first(x).relu()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_removing_filters_takes_their_channels_along():
    """Through pooling into the next convolution, and through Flatten into blocks of rows."""
    model = filled(
        Conv2d(2, 6, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(6, 5, 3), Flatten(), Linear(20, 4)
    )
    x, kept = random(3, 2, 8, 8), [4, 1, 0]
    middle, last = model.layers[3], model.layers[5]
    middle.weight.data[:, [2, 3, 5]] = 0
    expected = model(x).numpy()
    remove_units(model.layers[0], middle, kept)
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    last.weight.data.reshape(5, 4, 4)[[0, 2]] = 0
    expected = model(x).numpy()
    remove_units(middle, last, [1, 3, 4])
    assert last.weight.shape == (12, 4)
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_least_important_go():
    """Importance is the norm in times the norm out, and structured_prune follows it."""
    first, second = Linear(3, 4, rng=np.random.default_rng(0)), Linear(4, 2)
    first.weight.data *= [[1, 100, 1, 1]]
    second.weight.data[:] = [[1, 1], [0, 0], [0.1, 0], [2, 2]]
    norms_in = np.linalg.norm(first.weight.data, axis=0)
    norms_out = np.linalg.norm(second.weight.data, axis=1)
    np.testing.assert_allclose(unit_importance(first, second), norms_in * norms_out, rtol=1e-5)
    pruned = structured_prune(Sequential(first, ReLU(), second), 0.5)
    np.testing.assert_array_equal(pruned.layers[0].weight.data, first.weight.data[:, [0, 3]])
    np.testing.assert_array_equal(pruned.layers[2].weight.data, second.weight.data[[0, 3]])


@given(st.integers(1, 12), st.floats(0, 0.999))
def test_widths_shrink_as_asked(width, ratio):
    """By the rounded part, never to nothing; the ends of the model and the old model stay."""
    model = Sequential(Linear(4, width), ReLU(), Linear(width, 6), Tanh(), Linear(6, 3))
    pruned = structured_prune(model, ratio)
    expected = max(1, width - round(ratio * width))
    assert pruned.layers[0].out_features == pruned.layers[2].in_features == expected
    assert pruned.layers[0].bias.shape == (expected,)
    assert pruned(random(2, 4)).shape == (2, 3)
    assert model.layers[0].out_features == width
    assert model.count_parameters() == 5 * width + 6 * width + 6 + 21


def test_half_the_neurons_are_half_the_parameters():
    """And half the bytes, in an archive, too; training goes on from there."""
    model = Sequential(Linear(64, 128), ReLU(), Dropout(0.1), Linear(128, 10))
    pruned = structured_prune(model, 0.5)
    assert model.count_parameters() / pruned.count_parameters() > 1.97
    assert pruned.size_bytes() == 4 * pruned.count_parameters()
    losses = fine_tune(pruned, random(20, 64), np.arange(20) % 10, epochs=5)
    assert losses[-1] < losses[0]
    assert quantize_model(pruned)(random(2, 64)).shape == (2, 10)


def test_convolutional_models_shrink_in_every_hidden_layer():
    """Filters go with the channels and rows that read them; what stays is the old weights."""
    model = filled(
        Conv2d(1, 8, 3, padding=1),
        ReLU(),
        MaxPool2d(2),
        Conv2d(8, 6, 3, padding=1),
        Tanh(),
        MaxPool2d(2),
        Flatten(),
        Linear(24, 10),
    )
    pruned = structured_prune(model, 0.5)
    assert pruned.layers[0].weight.shape == (4, 1, 3, 3)
    assert pruned.layers[3].weight.shape == (3, 4, 3, 3)
    assert pruned.layers[7].weight.shape == (12, 10)
    assert pruned(random(2, 1, 8, 8)).shape == (2, 10)
    old = model.layers[0].weight.data.reshape(8, -1)
    for filter_ in pruned.layers[0].weight.data.reshape(4, -1):
        assert (old == filter_).all(axis=1).any()


def test_a_model_of_ones_own_is_pruned_when_it_calls_its_layers_in_order():
    """The model of the capstone, whose forward nobody reads, shrinks and still works."""
    model = SimpleMLP(10, 20, 3)
    pruned = structured_prune(model, 0.5)
    assert isinstance(pruned, SimpleMLP)
    assert pruned.fc1.weight.shape == (10, 10)
    assert pruned.fc2.weight.shape == (10, 3)
    assert pruned(random(4, 10)).shape == (4, 3)
    assert model.fc1.out_features == 20


def test_layers_inside_larger_models_are_found():
    """In a transformer the hidden layer of each block shrinks, and attention is left alone."""
    gpt = GPT(vocab_size=11, embed_dim=8, num_layers=2, num_heads=2, max_seq_len=6)
    pruned = structured_prune(gpt, 0.25)
    for block in pruned.blocks:
        assert block.mlp[0].out_features == block.mlp[2].in_features == 24
        assert block.attention.q_proj.out_features == 8
    assert pruned([[1, 2, 3]]).shape == (1, 3, 11)


class Backwards(Module):
    """Calls its layers in another order than it sets them in."""

    def __init__(self):
        self.last, self.first = Linear(6, 6), Linear(6, 6)

    def forward(self, x):
        return self.last(self.first(x).relu())


class Reversed(Sequential):
    """A Sequential in name only."""

    def forward(self, x):
        for layer in reversed(self.layers):
            x = layer(x)
        return x


class Residual(Module):
    """Uses the hidden layer a second time."""

    def __init__(self):
        self.first, self.second = Linear(6, 6), Linear(6, 6)

    def forward(self, x):
        hidden = self.first(x).relu()
        return self.second(hidden) + hidden


@pytest.mark.parametrize(
    "model",
    [
        Backwards(),
        Residual(),
        Reversed(Linear(4, 4), ReLU(), Linear(4, 4)),
        ReLU(),
        Sequential(Linear(3, 2)),
        Sequential(Linear(3, 4), LayerNorm(4), Linear(4, 2)),
        Sequential(Linear(3, 4), Flatten(), Linear(8, 2)),
        Sequential(Conv2d(1, 4, 3), Linear(4, 2)),
    ],
)
def test_what_cannot_be_pruned_is_refused(model):
    """Another order, a second use, no hidden layer, and layers between that mix units."""
    assert hidden_pairs(model) == []
    with pytest.raises(ValueError, match="expected hidden layers that follow each other, found"):
        structured_prune(model, 0.5)


def test_sequentials_may_be_nested():
    """A Sequential in a Sequential is its layers, in its place."""
    model = Sequential(Sequential(Linear(4, 6), GELU()), Sequential(Linear(6, 2)))
    pruned = structured_prune(model, 0.5)
    assert pruned.layers[0].layers[0].out_features == 3
    assert pruned(random(2, 4)).shape == (2, 2)


def test_refusals():
    """Ratios out of range, no unit left, and a layer that is used twice."""
    model = Sequential(Linear(4, 4), ReLU(), Linear(4, 4))
    for ratio in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match=r"expected a prune_ratio in \[0, 1\)"):
            structured_prune(model, ratio)
    with pytest.raises(ValueError, match=r"units to keep \(k,\), got shape \(0,\)"):
        remove_units(model.layers[0], model.layers[2], [])
    layer = Linear(4, 4)
    with pytest.raises(ValueError, match="each layer to be used once"):
        structured_prune(Sequential(Linear(4, 4), layer, Linear(4, 4), layer, Linear(4, 2)), 0.5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.floats(0, 0.99))
def test_kept_units_are_never_less_important_than_those_that_go(importance, ratio):
    """They ascend, one stays at least, and of equals the earlier stay."""
    kept = kept_units(importance, ratio).tolist()
    gone = [i for i in range(len(importance)) if i not in kept]
    assert kept == sorted(kept)
    assert len(kept) == max(1, len(importance) - round(ratio * len(importance)))
    pairs = [(importance[i], -i) for i in kept], [(importance[i], -i) for i in gone]
    assert not gone or min(pairs[0]) > max(pairs[1])


def test_neurons_can_be_put_in_another_order():
    """Keeping all of them in any order changes no answer."""
    model, x = filled(Linear(4, 6), ReLU(), Linear(6, 3)), random(5, 4)
    before = model(x).data
    remove_neurons(model.layers[0], model.layers[2], [5, 2, 0, 1, 4, 3])
    np.testing.assert_allclose(model(x).data, before, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"a prune_ratio in \[0, 1\), got 1"):
        kept_units([1.0], 1)
    with pytest.raises(ValueError, match="got NaN"):
        kept_units([1.0, np.nan], 0.5)
