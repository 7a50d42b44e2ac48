"""Laws of the pass over new tokens on arrays: it computes what the model computes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.attention import MultiHeadAttention, causal_attention
from tinytorch.core.autograd import no_grad
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT
from tinytorch.perf.memoization import (
    KVCache,
    attend,
    cached_attention,
    causal_mask,
    create_kv_cache,
    decode_step,
)


def gpt(**changes):
    sizes = {"vocab_size": 11, "embed_dim": 12, "num_layers": 3, "num_heads": 3, "max_seq_len": 12}
    return GPT(**(sizes | changes), rng=np.random.default_rng(0))


@given(st.integers(1, 9), st.integers(0, 9))
def test_the_mask_lets_each_position_see_itself_and_what_is_before(new, past):
    """Its rows are the last ones of a square mask."""
    whole = np.tril(np.ones((past + new, past + new), dtype=bool))
    np.testing.assert_array_equal(causal_mask(new, past + new), whole[past:])


@given(*[st.integers(1, 4)] * 4, st.integers(0, 5))
def test_attention_on_arrays_is_that_of_the_core(B, H, T, D, past):
    """At every shape, and far from zero; its arguments stay as they are."""
    rng = np.random.default_rng(B + 10 * H + 100 * T + 1000 * D)
    q = rng.normal(size=(B, H, T, D)).astype(np.float32) * 20
    k, v = rng.normal(size=(2, B, H, past + T, D)).astype(np.float32)
    kept = q.copy()
    expected = causal_attention(Tensor(q), Tensor(k), Tensor(v)).numpy()
    np.testing.assert_allclose(attend(q, k, v), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(q, kept)


def test_cached_attention_is_the_last_rows_of_the_whole():
    """In pieces, with biases."""
    attention = MultiHeadAttention(8, 2)
    for parameter in attention.parameters():
        parameter.data += 0.1
    x = np.random.default_rng(3).normal(size=(2, 7, 8)).astype(np.float32)
    cache, pieces = KVCache(2, 7, 1, 2, 4), []
    for part in np.split(x, [3, 4], axis=1):
        pieces.append(cached_attention(attention, part, cache, 0))
        cache.advance(part.shape[1])
    expected = attention(x).numpy()
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("pieces", [[9], [1] * 9, [4, 1, 3, 1]])
def test_the_logits_are_the_models(batch_size, pieces):
    """At every position, for every division of the sequence into steps."""
    model, cache = gpt(), create_kv_cache(gpt(), batch_size)
    tokens = np.random.default_rng(1).integers(11, size=(batch_size, 9))
    parts = np.split(tokens, np.cumsum(pieces)[:-1], axis=1)
    logits = np.concatenate([decode_step(model, part, cache) for part in parts], axis=1)
    with no_grad():
        np.testing.assert_allclose(logits, model(tokens).numpy(), rtol=1e-4, atol=1e-5)


def test_a_step_beyond_the_model_stores_nothing():
    """The model's positions may end before the cache's room."""
    cache = KVCache(1, 20, 3, 3, 4)
    decode_step(gpt(), np.ones((1, 12), int), cache)
    with pytest.raises(ValueError, match="at most 12 positions, got 13"):
        decode_step(gpt(), np.ones((1, 1), int), cache)
    assert cache.length == 12
    assert not cache.keys[:, :, :, 12:].any()
