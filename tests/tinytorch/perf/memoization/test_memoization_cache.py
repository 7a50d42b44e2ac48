"""Laws of the cache: what was written is read, in order, by layer, and nothing beyond it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.autograd import no_grad
from tinytorch.core.transformer import GPT
from tinytorch.perf.memoization import (
    KVCache,
    create_kv_cache,
    disable_kv_cache,
    enable_kv_cache,
)

B, H, D = 2, 3, 4


def entry(T, seed=0):
    """Return new keys or values (B, H, T, D)."""
    return np.random.default_rng(seed).normal(size=(B, H, T, D)).astype(np.float32)


def gpt(**changes):
    sizes = {"vocab_size": 11, "embed_dim": 8, "num_layers": 3, "num_heads": 2, "max_seq_len": 12}
    return GPT(**(sizes | changes), rng=np.random.default_rng(0))


@given(st.lists(st.integers(1, 4), max_size=5))
def test_the_cache_is_a_concatenation(pieces):
    """After any steps, a layer's keys and values are those of all steps, one behind the other."""
    cache = KVCache(B, max(1, sum(pieces)), 2, H, D)
    kept = [[np.zeros((B, H, 0, D), np.float32)] * 2 for _ in range(2)]
    for step, T in enumerate(pieces):
        for layer in range(2):
            new = [entry(T, seed=4 * step + 2 * layer + part) for part in range(2)]
            kept[layer] = [
                np.concatenate(pair, axis=2) for pair in zip(kept[layer], new, strict=True)
            ]
            for got, expected in zip(cache.update(layer, *new), kept[layer], strict=True):
                np.testing.assert_array_equal(got, expected)
        cache.advance(T)
    for layer in range(2):
        for got, expected in zip(cache.get(layer), kept[layer], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_update_allocates_nothing():
    """What is returned lies in the arrays made at the start."""
    cache = KVCache(B, 5, 1, H, D)
    keys, values = cache.update(0, entry(2), entry(2))
    assert np.shares_memory(keys, cache.keys)
    assert np.shares_memory(values, cache.values)


def test_only_advance_counts():
    """The layers of one step write to the same positions."""
    cache = KVCache(B, 5, 2, H, D)
    cache.update(0, entry(2), entry(2))
    assert cache.length == 0
    assert cache.get(0)[0].shape == (B, H, 0, D)
    cache.update(1, entry(2), entry(2))
    cache.advance(2)
    assert cache.length == 2
    assert cache.update(0, entry(1), entry(1))[0].shape == (B, H, 3, D)


def test_reset_forgets():
    """A new sequence sees nothing of the one before."""
    cache = KVCache(B, 3, 1, H, D)
    cache.update(0, entry(3, seed=1), entry(3, seed=1))
    cache.advance(3)
    cache.reset()
    keys, _ = cache.update(0, entry(1, seed=2), entry(1, seed=2))
    np.testing.assert_array_equal(keys, entry(1, seed=2))


@given(*[st.integers(1, 5)] * 5)
def test_memory_is_that_of_the_arrays(batch, length, layers, heads, dim):
    """Four bytes for each element of a key and a value, in every layer, at every position."""
    cache = KVCache(batch, length, layers, heads, dim)
    cache.advance(length // 2)
    usage = cache.get_memory_usage()
    assert usage["total_bytes"] == cache.keys.nbytes + cache.values.nbytes
    assert usage["bytes_per_position"] == 2 * 4 * batch * layers * heads * dim
    assert usage["used_bytes"] == usage["bytes_per_position"] * (length // 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.update(2, entry(1), entry(1)), IndexError, "layer from 0 to 1, got 2"),
        (lambda c: c.update(-1, entry(1), entry(1)), IndexError, "layer from 0 to 1, got -1"),
        (lambda c: c.get(2), IndexError, "layer from 0 to 1, got 2"),
        (lambda c: c.update(0, entry(6), entry(6)), ValueError, "at most 5 more positions, got 6"),
        (lambda c: c.update(0, entry(1), entry(2)), ValueError, r"shape \(2, 3, T, 4\), got"),
        (lambda c: c.update(0, *[entry(1)[:1]] * 2), ValueError, r"got \(1, 3, 1, 4\)"),
        (lambda c: c.update(0, *[entry(1)[0]] * 2), ValueError, r"got \(3, 1, 4\)"),
        (lambda c: c.update(0, *[entry(1).astype(float)] * 2), TypeError, "float32 keys and"),
        (lambda c: c.advance(6), ValueError, "from 0 to 5 more positions, got 6"),
        (lambda c: c.advance(-1), ValueError, "from 0 to 5 more positions, got -1"),
        (lambda c: KVCache(0, 1, 1, 1, 1), ValueError, "batch_size of at least 1"),
        (lambda c: KVCache(1, 1.5, 1, 1, 1), TypeError, "integer max_seq_len"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    """Layers, shapes, dtypes and room each have a message of their own."""
    with pytest.raises(error, match=message):
        call(KVCache(B, 5, 2, H, D))


def test_a_cache_for_a_model():
    """All sizes are the model's; a shorter cache may be asked for, a longer one not."""
    cache = create_kv_cache(gpt(), batch_size=2)
    assert cache.keys.shape == (3, 2, 2, 12, 4)
    assert create_kv_cache(gpt(), max_seq_len=5).max_seq_len == 5
    with pytest.raises(ValueError, match="max_seq_len up to 12, got 13"):
        create_kv_cache(gpt(), max_seq_len=13)


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("pieces", [[9], [1] * 9, [4, 1, 3, 1]])
def test_cached_logits_equal_uncached_ones(num_layers, batch_size, pieces):
    """At every position, for every division of the sequence into calls."""
    model = gpt(num_layers=num_layers)
    tokens = np.random.default_rng(1).integers(11, size=(batch_size, 9))
    with no_grad():
        whole = model(tokens).numpy()
        enable_kv_cache(model, batch_size)
        parts = np.split(tokens, np.cumsum(pieces)[:-1], axis=1)
        logits = np.concatenate([model(part).numpy() for part in parts], axis=1)
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)


def test_sequences_of_a_batch_do_not_mix():
    """Each row is as if it were alone."""
    model = gpt()
    tokens = np.random.default_rng(2).integers(11, size=(3, 6))
    with no_grad():
        alone = np.concatenate([model(row[np.newaxis]).numpy() for row in tokens])
        enable_kv_cache(model, 3)
        together = np.concatenate([model(tokens[:, [t]]).numpy() for t in range(6)], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_a_disabled_cache_leaves_the_model_as_it_was():
    """Whole sequences are seen again; the cache is no part of the state."""
    model = gpt()
    before, names = model([[1, 2, 3]]).numpy(), set(model.state_dict())
    with no_grad():
        enable_kv_cache(model)
        model([[5]])
    assert set(model.state_dict()) == names
    disable_kv_cache(model)
    disable_kv_cache(model)
    np.testing.assert_array_equal(model([[1, 2, 3]]).numpy(), before)


def test_a_full_cache_and_training_are_refused():
    """The room is that of the cache; gradients end at it."""
    model = gpt()
    enable_kv_cache(model, max_seq_len=4)
    with no_grad():
        model([[1, 2, 3]])
        with pytest.raises(ValueError, match="at most 1 more positions, got 2"):
            model([[4, 5]])
    with pytest.raises(RuntimeError, match="for inference"):
        model([[4]])
