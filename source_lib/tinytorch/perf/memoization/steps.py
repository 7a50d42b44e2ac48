"""How a model reads on: from new tokens to the logits of the next, with and without a cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.transformer import GPT
from tinytorch.perf import fast
from tinytorch.perf.memoization.cache import KVCache
from tinytorch.perf.memoization.decoding import compiled_decoder, decode_step, is_plain

# Takes the tokens (B, T) that follow those of earlier calls, returns the logits (B, V) after them.
Reader = Callable[[Array], Array]

# With more sequences at a time the products of BLAS are faster than the compiled loops.
MAX_BATCH_COMPILED = 8


def reader_of(model: GPT) -> Reader:
    """Return the reader of a new sequence: with the cache that ``model`` has, if it has one.

    Raises TypeError for a cache that is no ``KVCache``.
    """
    cache = model.cache
    if cache is None:
        return whole_reader(model)
    if not isinstance(cache, KVCache):
        raise TypeError(f"expected a KVCache, got {type(cache).__name__}")
    cache.reset()
    if not is_plain(model):
        return layers_reader(model)
    if cache.batch_size <= MAX_BATCH_COMPILED and fast.numba_available():
        return compiled_reader(model, cache)
    return cached_reader(model, cache)


def whole_reader(model: GPT) -> Reader:
    """Return a reader without memory: each call runs the model over all tokens so far."""
    so_far: Array | None = None

    def read_on(tokens: Array) -> Array:
        nonlocal so_far
        so_far = tokens if so_far is None else np.concatenate([so_far, tokens], axis=1)
        logits: Array = model(so_far).data[:, -1]
        return logits

    return read_on


def cached_reader(model: GPT, cache: KVCache) -> Reader:
    """Return a reader that computes the new tokens only, on plain arrays."""

    def read_on(tokens: Array) -> Array:
        return decode_step(model, tokens, cache)[:, -1]

    return read_on


def layers_reader(model: GPT) -> Reader:
    """Return a reader that gives the new tokens to a model with a cache, whatever its layers."""

    def read_on(tokens: Array) -> Array:
        logits: Array = model(tokens).data[:, -1]
        return logits

    return read_on


def compiled_reader(model: GPT, cache: KVCache) -> Reader:
    """Return ``cached_reader`` with single tokens left to compiled code."""
    first, decode = cached_reader(model, cache), compiled_decoder(model, cache.max_seq_len)

    def read_on(tokens: Array) -> Array:
        if cache.length == 0 or tokens.shape[1] > 1:
            return first(tokens)
        logits = decode(tokens[:, 0], cache)
        cache.advance(1)
        return logits

    return read_on
