"""Laws of ``train``: digits are learned, seeds repeat a run, the loss is the mean over samples."""

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.embedding import Embedding
from tinytorch.core.init import manual_seed
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import cross_entropy
from tinytorch.core.optimizers import SGD
from tinytorch.core.training import train
from tinytorch.datasets.digits import load_digits

X = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
Y = np.arange(10) % 3


def digits_model(seed):
    manual_seed(seed)
    return Sequential(Linear(64, 32), ReLU(), Linear(32, 10))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_are_learned(seed):
    """The 64-32-10 network gets more than 93 % of the test digits right, whatever the seed."""
    data, model = load_digits(), digits_model(seed)
    losses = train(model, data.X_train, data.y_train, epochs=20, seed=seed)
    right = model(data.X_test).numpy().argmax(axis=1) == data.y_test
    assert len(losses) == 20
    assert losses[-1] < 0.1 < losses[0]
    assert right.mean() > 0.93


def test_shuffled_labels_are_not_learned():
    """The negative twin: trained on labels in random order, the network knows nothing."""
    data, model = load_digits(), digits_model(0)
    train(model, data.X_train, np.random.default_rng(0).permutation(data.y_train), epochs=5)
    right = model(data.X_test).numpy().argmax(axis=1) == data.y_test
    assert right.mean() < 0.3


def test_a_seed_fixes_the_run():
    """Equal weights and seed give equal losses and weights, another seed gives others."""
    data = load_digits()
    runs = []
    for seed in (0, 0, 1):
        model = digits_model(0)
        losses = train(model, data.X_train, data.y_train, epochs=1, seed=seed)
        runs.append((losses, model.state_dict()["layers.0.weight"]))
    assert runs[0][0] == runs[1][0] != runs[2][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


@pytest.mark.parametrize("batch_size", [3, 10, 100])
def test_the_loss_is_the_mean_over_samples(batch_size):
    """With steps too small to matter, every batch size gives the loss over all the data."""
    model = Linear(4, 3)
    expected = cross_entropy(model(X), Y).item()
    optimizer = SGD(model.parameters(), lr=1e-12)
    assert train(model, X, Y, epochs=1, batch_size=batch_size, optimizer=optimizer) == [
        pytest.approx(expected, rel=1e-5)
    ]


def test_training_mode_is_given_back():
    """train() trains in training mode and leaves the mode as it was, also after an error."""
    model = Linear(4, 3).eval()
    train(model, X, Y, epochs=1)
    assert not model.training
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        train(model, X, Y + 1, epochs=1)
    assert not model.training


def test_a_loss_that_is_not_finite_ends_the_training():
    """NaN that the model makes is reported with the epoch instead of being returned."""
    model = Linear(4, 3)
    model.weight.data[1, 2] = np.nan
    with pytest.raises(FloatingPointError, match="loss became nan in epoch 0"):
        train(model, X, Y, epochs=2)


def test_a_language_model_is_trained_on_tokens():
    """Integers (N, T) for both go to the model as they are, and a fixed order is learned."""
    tokens = np.arange(40).reshape(8, 5) % 3
    model = Sequential(Embedding(3, 8), Linear(8, 3))
    losses = train(model, tokens, (tokens + 1) % 3, epochs=30, batch_size=4, lr=0.05)
    assert losses[-1] < 0.05 < losses[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": Y[:9]}, r"got \(10, 4\) and \(9,\)"),
        ({"X": X[:0], "y": Y[:0]}, r"expected X \(N, \.\.\.\) and y \(N,\)"),
        ({"X": 1.0}, r"got \(\) and"),
        ({"y": Y.reshape(5, 2)}, r"or integers \(N, T\) for both, got \(10, 4\) and \(5, 2\)"),
        ({"y": np.zeros((10, 4), int)}, r"or integers \(N, T\) for both, got \(10, 4\)"),
        ({"epochs": 0}, "epochs and batch_size from 1, got 0"),
        ({"batch_size": 0}, "epochs and batch_size from 1, got 1 and 0"),
        ({"lr": 0.0}, "finite lr above 0"),
        ({"lr": 0.1, "optimizer": SGD(Linear(4, 3).parameters(), 0.1)}, "lr or an optimizer"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    """Lengths, counts and doubled settings are refused before any step."""
    arguments = {"X": X, "y": Y, "epochs": 1} | change
    model = Linear(4, 3)
    before = model.state_dict()
    with pytest.raises(ValueError, match=message):
        train(model, **arguments)
    np.testing.assert_array_equal(model.weight.data, before["weight"])
