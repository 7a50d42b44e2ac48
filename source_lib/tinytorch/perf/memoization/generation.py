"""Writing on: a model's next tokens, one after the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core.autograd import Array, no_grad
from tinytorch.core.checks import checked_indices, checked_size
from tinytorch.core.transformer import GPT
from tinytorch.perf.memoization.cache import KVCache
from tinytorch.perf.memoization.steps import reader_of


def generate(
    model: GPT,
    prompt_tokens: ArrayLike,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_k: int | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Return the prompt with ``max_new_tokens`` more tokens, chosen by ``sample_next``.

    ``prompt_tokens`` are integers (B, T) or (T,) with T >= 1; the result is int64 (B, T + new), or
    (T + new,).
    A model with a cache (``enable_kv_cache``) computes each position once and writes the same
    tokens; without one it computes all of them again for every token.
    Raises TypeError or ValueError for tokens and settings out of range, a prompt that with the new
    tokens is longer than the model or its cache allows, or logits that are not finite.

    >>> model = GPT(vocab_size=11, embed_dim=8, num_layers=1, num_heads=2, max_seq_len=16)
    >>> generate(model, [1, 2, 3], max_new_tokens=4).shape
    (7,)
    """
    new = checked_prompt(model, prompt_tokens, max_new_tokens)  # (B, T)
    rng = np.random.default_rng(seed)
    pieces = [new]
    with no_grad():
        read_on = reader_of(model)
        for _ in range(max_new_tokens):
            logits = read_on(new)  # (B, V)
            new = sample_next(logits, temperature, top_k, rng)[:, np.newaxis]  # (B, 1)
            pieces.append(new)
    tokens = np.concatenate(pieces, axis=1)  # (B, T + new)
    return tokens if np.ndim(prompt_tokens) == 2 else tokens[0]


def sample_next(
    logits: Array,
    temperature: float = 0.0,
    top_k: int | None = None,
    rng: np.random.Generator | None = None,
) -> NDArray[np.int64]:
    """Return one token for each row of ``logits`` (B, V), int64 (B,).

    A temperature of 0 takes the highest logit; above 0, token i is drawn with probability
    softmax(logits / temperature)[i], among the ``top_k`` highest logits only where that is given.
    Raises TypeError for logits that are no floats or a top_k that is no integer, ValueError for
    logits that are not finite or not (B, V), a temperature that is negative or not finite, a top_k
    below 1.

    >>> sample_next(np.array([[0.0, 2.0, 1.0]]))
    array([1])
    """
    check_sampling(logits, temperature, top_k)
    if temperature == 0:
        highest: NDArray[np.int64] = logits.argmax(axis=-1)
        return highest
    scores = logits / temperature  # (B, V)
    if top_k is not None and top_k < scores.shape[-1]:
        lowest_kept = np.partition(scores, -top_k, axis=-1)[:, -top_k, np.newaxis]  # (B, 1)
        scores[scores < lowest_kept] = -np.inf
    rng = np.random.default_rng() if rng is None else rng
    # With noise from the Gumbel distribution the highest is a draw from the softmax: Maddison,
    # Tarlow, Minka 2014, A* Sampling, section 2.
    drawn: NDArray[np.int64] = (scores + rng.gumbel(size=scores.shape)).argmax(axis=-1)
    return drawn


def checked_prompt(model: GPT, prompt_tokens: ArrayLike, max_new_tokens: int) -> NDArray[np.int64]:
    """Return the prompts as int64 (B, T), or raise for what ``generate`` refuses."""
    if not isinstance(model, GPT):
        raise TypeError(f"expected a GPT, got {type(model).__name__}")
    tokens = checked_indices("prompt_tokens", prompt_tokens, model.vocab_size).astype(np.int64)
    if tokens.ndim not in (1, 2) or tokens.size == 0:
        raise ValueError(f"expected prompt_tokens (B, T) or (T,), not empty, got {tokens.shape}")
    tokens = tokens if tokens.ndim == 2 else tokens[np.newaxis]
    room = model.max_seq_len
    if isinstance(model.cache, KVCache):
        room = model.cache.max_seq_len
        if len(tokens) != model.cache.batch_size:
            size = model.cache.batch_size
            raise ValueError(
                f"expected {size} prompts, as the cache was made for, got {len(tokens)}"
            )
    # The last new token is never read, so it needs no position.
    needed = tokens.shape[1] + checked_size("max_new_tokens", max_new_tokens, smallest=0) - 1
    if needed > room:
        raise ValueError(f"expected at most {room} positions to read, got {needed}")
    return tokens


def check_sampling(logits: Array, temperature: float, top_k: int | None) -> None:
    """Raise for what ``sample_next`` refuses."""
    if logits.dtype.kind != "f":
        raise TypeError(f"expected logits of floats, got dtype {logits.dtype}")
    if logits.ndim != 2 or logits.shape[-1] == 0 or not np.isfinite(logits).all():
        raise ValueError(f"expected finite logits (B, V), got shape {logits.shape} or NaN")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"expected a finite temperature of at least 0, got {temperature}")
    if top_k is not None:
        checked_size("top_k", top_k)
