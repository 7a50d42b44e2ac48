"""How a model reads on: from new tokens to the logits of the next, with and without a cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.transformer import GPT
from tinytorch.perf import fast
from tinytorch.perf.memoization.cache import KVCache
from tinytorch.perf.memoization.decoding import Decoder, compiled_decoder, decoder, is_plain

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
        return cached_reader(model)
    if cache.batch_size <= MAX_BATCH_COMPILED and fast.numba_available():
        return decoding_reader(model, cache, compiled_decoder(model, cache.max_seq_len))
    return decoding_reader(model, cache, decoder(model))


def whole_reader(model: GPT) -> Reader:
    """Return a reader without memory: each call runs the model over all tokens so far."""
    so_far: Array | None = None

    def read_on(tokens: Array) -> Array:
        nonlocal so_far
        so_far = tokens if so_far is None else np.concatenate([so_far, tokens], axis=1)
        logits: Array = model(so_far).data[:, -1]
        return logits

    return read_on


def cached_reader(model: GPT) -> Reader:
    """Return a reader that runs a model with a cache over the new tokens only."""

    def read_on(tokens: Array) -> Array:
        logits: Array = model(tokens).data[:, -1]
        return logits

    return read_on


def decoding_reader(model: GPT, cache: KVCache, decode: Decoder) -> Reader:
    """Return a reader that leaves single tokens to ``decode``, and the first ones to the model."""
    first = cached_reader(model)

    def read_on(tokens: Array) -> Array:
        if cache.length == 0 or tokens.shape[1] > 1:
            return first(tokens)
        logits = decode(tokens[:, 0], cache)
        cache.advance(1)
        return logits

    return read_on
