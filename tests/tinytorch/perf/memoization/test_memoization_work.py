"""Laws of the counts: what a loop over the steps counts, and the operations of the layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import attention
from tinytorch.core.transformer import GPT
from tinytorch.perf.memoization import (
    count_attention_scores,
    decoding,
    enable_kv_cache,
    forward_flops,
    generate,
    generation_flops,
)

MODEL = GPT(7, 8, 2, 2, 40)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("prompt", "new"), [(1, 1), (1, 6), (4, 1), (5, 7)])
def test_the_scores_are_those_that_are_computed(monkeypatch, prompt, new, cached):
    """Counted in the attention of a model of one layer and one head while it writes."""
    counted = []
    weights = attention.attention_weights

    weights, attend = attention.attention_weights, decoding.attend

    def counting(q, k):
        counted.append(q.shape[2] * k.shape[2])
        return weights(q, k)

    def counting_cached(q, keys, values):
        counted.append(q.shape[2] * keys.shape[2])
        return attend(q, keys, values)

    monkeypatch.setattr(attention, "attention_weights", counting)
    monkeypatch.setattr(decoding, "attend", counting_cached)
    monkeypatch.setattr("tinytorch.perf.fast.numba_available", lambda: False)
    model = GPT(7, 8, 1, 1, 20)
    if cached:
        enable_kv_cache(model)
    generate(model, np.ones(prompt, int), new)
    assert sum(counted) == count_attention_scores(prompt, new, cached)


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_cache_never_adds_work(prompt, new):
    """Each position once, instead of once a step: less from the second token on."""
    whole, cached = (count_attention_scores(prompt, new, cached) for cached in (False, True))
    assert (whole > cached) == (new > 1)
    whole, cached = (generation_flops(MODEL, prompt, new, cached) for cached in (False, True))
    assert (whole > cached) == (new > 1)


@given(st.integers(1, 30), st.integers(0, 10))
def test_a_pass_costs_its_products(new, past):
    """Twice the elements of every weight matrix for each position, and twice the scores."""
    matrices = [p.size for name, p in MODEL.named_parameters() if p.ndim == 2 and "emb" not in name]
    scores = new * (new + past)
    expected = 2 * new * sum(matrices) + 2 * MODEL.num_layers * 2 * scores * MODEL.embed_dim
    assert forward_flops(MODEL, new, past) == expected


@pytest.mark.parametrize("count", [count_attention_scores, lambda *a: generation_flops(MODEL, *a)])
def test_counts_that_are_none_are_refused(count):
    """From one token to one token."""
    with pytest.raises(ValueError, match="prompt_length of at least 1"):
        count(0, 1, True)
    with pytest.raises(TypeError, match="integer new_tokens"):
        count(1, 2.0, True)
