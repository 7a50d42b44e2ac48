"""Whatever was done to a model, its file gives it back: the same bits into the same shape."""

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.transformer import GPT
from tinytorch.perf.compression import (
    low_rank_model,
    magnitude_prune,
    structured_prune,
    to_sparse,
)
from tinytorch.perf.quantization import quantize_model

IMAGES = np.random.default_rng(3).normal(size=(2, 1, 6, 6)).astype(np.float32)
ROWS = np.random.default_rng(4).normal(size=(3, 12)).astype(np.float32)
TOKENS = np.array([[1, 4, 2], [0, 3, 3]])


def mlp(seed):
    rng = np.random.default_rng(seed)
    return Sequential(Linear(12, 16, rng=rng), ReLU(), Linear(16, 5, rng=rng))


def cnn(seed):
    rng = np.random.default_rng(seed)
    layers = [Conv2d(1, 4, 3, rng=rng), ReLU(), MaxPool2d(2), Flatten(), Linear(16, 3, rng=rng)]
    return Sequential(*layers)


def gpt(seed):
    return GPT(5, 8, 2, 2, 6, rng=np.random.default_rng(seed))


CHANGES = {
    "as it was": lambda model: model,
    "8 bits": quantize_model,
    "3 bits": lambda model: quantize_model(model, 3),
    "per tensor, asymmetric": lambda m: quantize_model(m, per_channel=False, symmetric=False),
    "pruned": lambda model: magnitude_prune(model, 0.5),
    "csr": lambda model: to_sparse(magnitude_prune(model, 0.5), "csr"),
    "coo": lambda model: to_sparse(magnitude_prune(model, 0.5), "coo"),
    "bit map": lambda model: to_sparse(magnitude_prune(model, 0.5), "bitmap"),
}
SMALLER = {
    "fewer neurons": lambda model: structured_prune(model, 0.5),
    "fewer neurons, 4 bits": lambda model: quantize_model(structured_prune(model, 0.5), 4),
}
CASES = [
    *((make, x, how) for make, x in ((mlp, ROWS), (cnn, IMAGES)) for how in CHANGES | SMALLER),
    *((gpt, TOKENS, how) for how in CHANGES),
    (mlp, ROWS, "low rank"),
    (gpt, TOKENS, "low rank"),
]
ALL = CHANGES | SMALLER | {"low rank": lambda model: low_rank_model(model, 0.5)}


@pytest.mark.parametrize(("make", "x", "how"), CASES, ids=lambda v: getattr(v, "__name__", None))
def test_a_saved_model_is_the_same_to_the_bit(tmp_path, make, x, how):
    """Into a model of other weights to which the same was done."""
    saved, loaded = (ALL[how](make(seed)) for seed in (0, 1))
    saved.eval(), loaded.eval()
    before = loaded(x).numpy().copy()
    path = tmp_path / "model.npz"
    saved.save(path)
    loaded.load(path)
    np.testing.assert_array_equal(loaded(x).numpy(), saved(x).numpy())
    assert not np.array_equal(loaded(x).numpy(), before), "the test must be able to fail"


@pytest.mark.parametrize("how", ALL)
def test_the_file_holds_plain_arrays_of_the_bytes_that_are_counted(tmp_path, how):
    """No pickle; the arrays of the file take what ``size_bytes`` says."""
    model = ALL[how](mlp(0))
    path = tmp_path / "model.npz"
    model.save(path)
    with np.load(path, allow_pickle=False) as arrays:
        assert sum(arrays[name].nbytes for name in arrays.files) == model.size_bytes()
