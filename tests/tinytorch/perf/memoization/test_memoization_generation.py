"""Laws of generating: the same tokens with and without a cache, by every way of computing."""

import numpy as np
import pytest
import scipy.stats

from tinytorch.core.autograd import no_grad
from tinytorch.core.layers import Linear
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.transformer import GPT
from tinytorch.perf import fast
from tinytorch.perf.memoization import (
    disable_kv_cache,
    enable_kv_cache,
    generate,
    sample_next,
)
from tinytorch.perf.memoization.decoding import is_plain
from tinytorch.perf.memoization.steps import reader_of, whole_reader


def gpt(**changes):
    sizes = {"vocab_size": 13, "embed_dim": 12, "num_layers": 2, "num_heads": 3, "max_seq_len": 20}
    model = GPT(**(sizes | changes), rng=np.random.default_rng(0))
    for parameter in model.parameters():  # so that no bias is 0 and no scale is 1
        noise = np.random.default_rng(parameter.size).normal(size=parameter.shape)
        parameter.data += 0.1 * noise.astype(np.float32)
    return model


def prompts(batch_size=1, length=3):
    return np.random.default_rng(7).integers(13, size=(batch_size, length))


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 9])
@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0}, {"temperature": 0.8, "top_k": 3}])
def test_the_cache_changes_no_token(num_layers, batch_size, settings):
    """Greedy or drawn: without a cache, with one in NumPy, and compiled where it can be."""
    model = gpt(num_layers=num_layers)
    expected = generate(model, prompts(batch_size), 15, **settings)
    enable_kv_cache(model, batch_size)
    np.testing.assert_array_equal(generate(model, prompts(batch_size), 15, **settings), expected)
    with fast.numpy_only():
        np.testing.assert_array_equal(
            generate(model, prompts(batch_size), 15, **settings), expected
        )


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"embed_dim": 7, "num_heads": 1, "vocab_size": 5},
        {"embed_dim": 10, "num_heads": 5, "num_layers": 4},
        {"embed_dim": 3, "num_heads": 3, "max_seq_len": 9},
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_the_step_on_arrays_equals_the_model(monkeypatch, compiled, batch_size, sizes):
    """The logits of every step, at widths that no vector register divides, compiled and not."""
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(fast, "numba_available", lambda: compiled)
    model = gpt(**sizes)
    tokens = prompts(batch_size, 9) % model.vocab_size
    cache = enable_kv_cache(model, batch_size, max_seq_len=9)
    with no_grad():
        read_on, reference = reader_of(model), whole_reader(gpt(**sizes))
        assert read_on.__qualname__.startswith("compiled_" if compiled else "cached_")
        for t in range(9):
            logits, expected = read_on(tokens[:, t : t + 1]), reference(tokens[:, t : t + 1])
            np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
            assert cache.length == t + 1


def prune(model):
    model.blocks[0].mlp.layers[0] = Linear(12, 20)
    model.blocks[0].mlp.layers[2] = Linear(20, 12)


def replace(model):
    model.blocks[1].attention.q_proj = type("Quantized", (Linear,), {})(12, 12)


def soften(model):
    model.ln_f = LayerNorm(12, eps=0.1)


def approximate(model):
    model.blocks[0].mlp[1].approximate = "tanh"


@pytest.mark.parametrize("change", [prune, replace, soften, approximate])
def test_a_changed_model_computes_itself(change):
    """Layers that the step on arrays does not know are left to the model, cache and all."""
    model = gpt()
    assert is_plain(model)
    change(model)
    assert not is_plain(model)
    expected = generate(model, prompts(), 10)
    enable_kv_cache(model)
    np.testing.assert_array_equal(generate(model, prompts(), 10), expected)


def test_frozen_weights_are_weights_too():
    """What no longer trains is still used."""
    model = gpt()
    expected = generate(model, prompts(), 10)
    for parameter in model.parameters():
        parameter.requires_grad = False
    enable_kv_cache(model)
    assert is_plain(model)
    np.testing.assert_array_equal(generate(model, prompts(), 10), expected)


def test_the_weights_are_those_of_now():
    """A model that was trained on between two calls writes with its new weights."""
    model = gpt()
    enable_kv_cache(model)
    before = generate(model, prompts(), 10)
    model.lm_head.weight.data[:] = np.roll(model.lm_head.weight.data, 1, axis=1)
    after = generate(model, prompts(), 10)
    disable_kv_cache(model)
    np.testing.assert_array_equal(after, generate(model, prompts(), 10))
    assert (before != after).any()


def test_generation_starts_anew():
    """A call sees nothing of the one before, nor of tokens given to the model itself."""
    model = gpt()
    enable_kv_cache(model)
    expected = generate(model, prompts(), 8)
    with no_grad():
        model.cache.reset()
        model([[1, 2, 3]])
    np.testing.assert_array_equal(generate(model, prompts(), 8), expected)


def test_shapes_and_lengths():
    """A row in, a row out; the last position of the model is used; no new tokens is allowed."""
    model = gpt()
    out = generate(model, prompts(2), 18)
    assert (out.shape, out.dtype) == ((2, 21), np.int64)
    np.testing.assert_array_equal(out[:, :3], prompts(2))
    np.testing.assert_array_equal(
        generate(model, prompts()[0], 5), generate(model, prompts(), 5)[0]
    )
    np.testing.assert_array_equal(generate(model, prompts(), 0), prompts())


def test_the_seed_fixes_what_is_drawn():
    """And a temperature of 0 draws nothing."""
    model = gpt()
    first, second, third = (generate(model, prompts(), 17, 2.0, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
    np.testing.assert_array_equal(
        generate(model, prompts(), 17, seed=0), generate(model, prompts(), 17, seed=1)
    )


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("top_k", [None, 3, 99])
def test_tokens_are_drawn_with_the_stated_probabilities(temperature, top_k):
    """A chi-squared test of 20 000 draws against softmax(logits / temperature)."""
    logits = np.array([0.0, 1.0, -1.0, 2.0, 0.5])
    p = np.exp(logits / temperature)
    if top_k == 3:
        p[[0, 2]] = 0
    p /= p.sum()
    rows = np.tile(logits, (20_000, 1))
    drawn = sample_next(rows, temperature, top_k, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=5)
    assert not counts[p == 0].any()
    assert scipy.stats.chisquare(counts[p > 0], 20_000 * p[p > 0]).pvalue > 1e-3
    np.testing.assert_array_equal(rows[0], logits)


def test_greedy_takes_the_highest():
    """The first of equal ones, as argmax does."""
    assert sample_next(np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[13]], 1), ValueError, "prompt_tokens from 0 to 12, got 13"),
        (([[0.5]], 1), TypeError, "integer prompt_tokens"),
        ((np.zeros((1, 0), int), 1), ValueError, r"not empty, got \(1, 0\)"),
        ((np.zeros((1, 1, 1), int), 1), ValueError, r"not empty, got \(1, 1, 1\)"),
        (([1], 21), ValueError, "at most 20 positions to read, got 21"),
        (([1], -1), ValueError, "max_new_tokens of at least 0, got -1"),
        (([1], 1.0), TypeError, "integer max_new_tokens"),
        (([1], 1, -0.5), ValueError, "temperature of at least 0, got -0.5"),
        (([1], 1, float("nan")), ValueError, "temperature of at least 0, got nan"),
        (([1], 1, 1.0, 0), ValueError, "top_k of at least 1, got 0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, error, message):
    """Tokens, lengths and settings each have a message of their own."""
    with pytest.raises(error, match=message):
        generate(gpt(), *arguments)


def test_a_cache_that_does_not_fit_is_refused():
    """Its batch, its room and its kind are checked before anything is computed."""
    model = gpt()
    enable_kv_cache(model, batch_size=2, max_seq_len=5)
    with pytest.raises(ValueError, match="expected 2 prompts, as the cache was made for, got 1"):
        generate(model, [1], 1)
    with pytest.raises(ValueError, match="at most 5 positions to read, got 6"):
        generate(model, [[1], [2]], 6)
    model.cache = object()
    with pytest.raises(TypeError, match="expected a KVCache, got object"):
        generate(model, [1], 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_end_the_text(value):
    """A model that was trained to NaN writes nothing."""
    model = gpt()
    model.lm_head.weight.data[0, 0] = value
    with pytest.raises(ValueError, match="finite logits"):
        generate(model, [1], 1)
