"""How much work a cache saves: positions compared, and floating-point operations."""

from __future__ import annotations

from tinytorch.core.checks import checked_size
from tinytorch.core.transformer import GPT


def count_attention_scores(prompt_length: int, new_tokens: int, cached: bool) -> int:
    """Return how many products of a query with a key one head of one layer computes.

    A pass over n positions computes n^2 of them (the causal mask hides half of the results, it
    does not save them); with a cache, a step at position n computes n, of the new query alone.
    Writing needs one pass over the prompt and then one step for each token but the last.
    Raises TypeError or ValueError for counts that are no integers from 1.

    >>> count_attention_scores(1, 128, cached=False), count_attention_scores(1, 128, cached=True)
    (707264, 8256)
    """
    checked_size("prompt_length", prompt_length)
    checked_size("new_tokens", new_tokens)
    lengths = range(prompt_length + 1, prompt_length + new_tokens)
    if cached:
        return prompt_length**2 + sum(lengths)
    return prompt_length**2 + sum(n * n for n in lengths)


def forward_flops(model: GPT, new_positions: int, past_positions: int = 0) -> int:
    """Return the operations of the matrix products of one pass, a multiplication and an addition.

    The pass computes ``new_positions`` behind ``past_positions`` that a cache holds.
    With d = embed_dim, each position costs 24 d^2 a layer (four projections of d by d, two layers
    of d by 4 d) and 2 d vocab_size at the end; each of its products with a key, and of a weight
    with a value, costs 2 d a layer.
    Source: Kaplan et al. 2020, Scaling Laws for Neural Language Models, table 1, which leaves out
    the logits and has one of the two products with the positions seen.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_layers=2, num_heads=2, max_seq_len=16)
    >>> forward_flops(model, 4), forward_flops(model, 1, past_positions=3)
    (13952, 3488)
    """
    if not isinstance(model, GPT):
        raise TypeError(f"expected a GPT, got {type(model).__name__}")
    checked_size("new_positions", new_positions)
    checked_size("past_positions", past_positions, smallest=0)
    d, L, V = model.embed_dim, model.num_layers, model.vocab_size
    seen = new_positions + past_positions
    return new_positions * (L * (24 * d * d + 4 * d * seen) + 2 * d * V)


def generation_flops(model: GPT, prompt_length: int, new_tokens: int, cached: bool) -> int:
    """Return the operations of ``generate`` in matrix products, with or without a cache.

    Raises TypeError or ValueError for counts that are no integers from 1.

    >>> model = GPT(vocab_size=64, embed_dim=64, num_layers=2, num_heads=4, max_seq_len=128)
    >>> whole, cached = (generation_flops(model, 1, 128, cached) for cached in (False, True))
    >>> round(whole / cached, 1)
    67.4
    """
    checked_size("prompt_length", prompt_length)
    checked_size("new_tokens", new_tokens)
    lengths = range(prompt_length + 1, prompt_length + new_tokens)
    steps = (forward_flops(model, 1, n - 1) if cached else forward_flops(model, n) for n in lengths)
    return forward_flops(model, prompt_length) + sum(steps)
