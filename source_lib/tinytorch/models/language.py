"""A language model that counts."""

from __future__ import annotations

import numpy as np

from tinytorch.core.optimizers import AdamW
from tinytorch.core.training import train
from tinytorch.core.transformer import GPT
from tinytorch.datasets.counting import counting_tokenizer, load_counting
from tinytorch.models.cache import cached

# Epochs and learning rate, one pair after the other: the last one lets the weights settle.
SCHEDULE = ((5, 4e-3), (1, 8e-4))
BATCH_SIZE = 8


def tiny_gpt(seed: int = 0) -> GPT:
    """Return a trained GPT, 64 wide with 2 layers of 4 heads, for 128 characters of counting.

    Its tokens are those of ``tinytorch.datasets.counting_tokenizer``; after "127 " it goes on
    "128 129 130 ", also with numbers that no training text held.
    ``seed`` fixes the starting weights and the order of the batches.
    """

    def make() -> GPT:
        return GPT(
            vocab_size=counting_tokenizer().vocab_size,
            embed_dim=64,
            num_layers=2,
            num_heads=4,
            max_seq_len=load_counting().X_train.shape[1],
            rng=np.random.default_rng(seed),
        )

    def learn(model: GPT) -> None:
        data = load_counting()
        optimizer = AdamW(model.parameters())
        for epochs, lr in SCHEDULE:
            optimizer.lr = lr
            train(
                model,
                data.X_train,
                data.y_train,
                epochs=epochs,
                batch_size=BATCH_SIZE,
                seed=seed,
                optimizer=optimizer,
            )

    return cached("tiny_gpt", {"seed": seed}, make, learn).eval()
