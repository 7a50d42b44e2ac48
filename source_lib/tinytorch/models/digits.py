"""Two classifiers of the handwritten digits: an MLP and a convolutional network."""

from __future__ import annotations

import numpy as np

from tinytorch.core.activations import ReLU
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.training import train
from tinytorch.datasets.digits import load_digits
from tinytorch.models.cache import cached

MLP_EPOCHS = 20
CNN_EPOCHS = 12


def digits_mlp(hidden: int = 128, seed: int = 0) -> Sequential:
    """Return a trained network 64-hidden-10 that maps pixels (B, 64) to logits (B, 10).

    ``seed`` fixes the starting weights and the order of the batches.
    """

    def make() -> Sequential:
        rng = np.random.default_rng(seed)
        return Sequential(Linear(64, hidden, rng=rng), ReLU(), Linear(hidden, 10, rng=rng))

    def learn(model: Sequential) -> None:
        data = load_digits()
        train(model, data.X_train, data.y_train, epochs=MLP_EPOCHS, seed=seed)

    return cached("digits_mlp", {"hidden": hidden, "seed": seed}, make, learn).eval()


def digits_cnn(seed: int = 0) -> Sequential:
    """Return a trained network of two convolutions that maps images (B, 1, 8, 8) to logits (B, 10).

    ``seed`` fixes the starting weights and the order of the batches.
    """

    def make() -> Sequential:
        rng = np.random.default_rng(seed)
        return Sequential(
            Conv2d(1, 8, kernel_size=3, padding=1, rng=rng),  # (B, 8, 8, 8)
            ReLU(),
            MaxPool2d(2),  # (B, 8, 4, 4)
            Conv2d(8, 16, kernel_size=3, padding=1, rng=rng),  # (B, 16, 4, 4)
            ReLU(),
            MaxPool2d(2),  # (B, 16, 2, 2)
            Flatten(),  # (B, 64)
            Linear(64, 10, rng=rng),
        )

    def learn(model: Sequential) -> None:
        data = load_digits()
        images = data.X_train.reshape(-1, 1, 8, 8)
        train(model, images, data.y_train, epochs=CNN_EPOCHS, seed=seed)

    return cached("digits_cnn", {"seed": seed}, make, learn).eval()
