"""Cached logits equal uncached ones for every position, batch, length and division into calls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core.autograd import no_grad
from tinytorch.core.transformer import GPT
from tinytorch.perf.compression import low_rank_model, magnitude_prune
from tinytorch.perf.memoization import enable_kv_cache, generate
from tinytorch.perf.quantization import quantize_model

VOCABULARY, LONGEST = 11, 12


def gpt(num_layers, num_heads, seed=0):
    rng = np.random.default_rng(seed)
    return GPT(VOCABULARY, 4 * num_heads, num_layers, num_heads, LONGEST, rng=rng)


def cached_logits(model, tokens, ends):
    """The logits of the parts of ``tokens`` (B, T) between ``ends``, one call each."""
    enable_kv_cache(model, len(tokens))
    parts = np.split(tokens, ends, axis=1)
    return np.concatenate([model(part).numpy() for part in parts if part.size], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    num_layers=st.integers(1, 3),
    num_heads=st.integers(1, 3),
    batch=st.integers(1, 4),
    length=st.integers(1, LONGEST),
    data=st.data(),
)
def test_logits(num_layers, num_heads, batch, length, data):
    """Up to the last position that the model has."""
    ends = sorted(data.draw(st.sets(st.integers(1, LONGEST), max_size=LONGEST)) & {*range(length)})
    model = gpt(num_layers, num_heads)
    tokens = np.random.default_rng(length).integers(VOCABULARY, size=(batch, length))
    with no_grad():
        whole = model(tokens).numpy()
        np.testing.assert_allclose(cached_logits(model, tokens, ends), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [quantize_model, lambda m: magnitude_prune(m, 0.5), lambda m: low_rank_model(m, 0.5)],
    ids=["8 bits", "pruned", "low rank"],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_compressed_model_has_the_same_cache(change, batch):
    """Position by position, and in the tokens that are written."""
    model = change(gpt(2, 2))
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=(batch, LONGEST))
    with no_grad():
        whole = model(tokens).numpy()
        each = cached_logits(model, tokens, range(1, LONGEST))
    np.testing.assert_allclose(each, whole, rtol=1e-4, atol=1e-5)
    enable_kv_cache(model, batch)
    written = generate(model, tokens[:, :3], 8)
    model.cache = None
    np.testing.assert_array_equal(written, generate(model, tokens[:, :3], 8))
