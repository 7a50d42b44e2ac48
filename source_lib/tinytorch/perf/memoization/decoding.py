"""The pass over new tokens only, on plain arrays: what is left of it when a cache has the rest.

``Tensor`` and ``Module`` cost more than the arithmetic of one token, so ``decode_step`` takes the
arrays out of the layers; ``compiled_decoder`` is its fast twin.
Letters of the shapes: B sequences, T new positions, S positions in all, H heads, D elements a head,
d = H D wide, V characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinytorch.core.activations import GELU
from tinytorch.core.attention import MultiHeadAttention
from tinytorch.core.autograd import Array
from tinytorch.core.embedding import Embedding
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.normalization import LayerNorm, standardize
from tinytorch.core.special import normal_cdf
from tinytorch.core.transformer import GPT, TransformerBlock
from tinytorch.perf.memoization.cache import KVCache

# Takes the tokens (B,) that follow what the cache holds, writes their keys and values behind it
# without counting them, and returns the logits (B, V) after them.
Decoder = Callable[[Array, KVCache], Array]

PARTS = (GPT, TransformerBlock, MultiHeadAttention, Sequential, Linear, LayerNorm, Embedding, GELU)
EPS = 1e-5


def decode_step(model: GPT, tokens: NDArray[np.int64], cache: KVCache) -> Array:
    """Return the logits (B, T, V) of integer ``tokens`` (B, T), which follow what ``cache`` holds.

    The new positions are cache.length and those behind it; they are stored in every layer, and
    then counted.
    Raises ValueError when the model has fewer positions, before anything is stored.

    >>> model = GPT(vocab_size=11, embed_dim=8, num_layers=1, num_heads=2, max_seq_len=16)
    >>> cache = KVCache(1, 16, num_layers=1, num_heads=2, head_dim=4)
    >>> decode_step(model, np.array([[1, 2]]), cache).shape, cache.length
    ((1, 2, 11), 2)
    """
    start, end = cache.length, cache.length + tokens.shape[1]
    if end > model.max_seq_len:
        raise ValueError(f"expected at most {model.max_seq_len} positions, got {end}")
    x = model.token_embedding.weight.data[tokens]  # (B, T, d)
    x = x + model.position_embedding.weight.data[start:end]
    for layer, block in enumerate(model.blocks):
        x = x + cached_attention(block.attention, norm(block.ln1, x), cache, layer)
        hidden = gelu(linear(block.mlp[0], norm(block.ln2, x)))  # (B, T, 4 d)
        x = x + linear(block.mlp[2], hidden)
    cache.advance(end - start)
    return linear(model.lm_head, norm(model.ln_f, x))


def cached_attention(attention: MultiHeadAttention, x: Array, cache: KVCache, layer: int) -> Array:
    """Return what ``attention`` makes of new positions ``x`` (B, T, d), as an array (B, T, d).

    Only queries, keys and values of the new positions are computed; keys and values go to
    ``cache`` as those of ``layer``, and come back with all earlier ones.

    >>> attention = MultiHeadAttention(8, num_heads=2)
    >>> x = np.ones((1, 3, 8), dtype=np.float32)
    >>> cache = KVCache(1, 3, num_layers=1, num_heads=2, head_dim=4)
    >>> np.allclose(cached_attention(attention, x, cache, 0), attention(x).numpy(), atol=1e-6)
    True
    """
    B, T, d = x.shape
    split = (B, T, attention.num_heads, d // attention.num_heads)
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    q, k, v = (linear(p, x).reshape(split).swapaxes(1, 2) for p in projections)  # (B, H, T, D)
    keys, values = cache.update(layer, k, v)  # (B, H, S, D)
    heads = attend(q, keys, values)  # (B, H, T, D)
    return linear(attention.out_proj, heads.swapaxes(1, 2).reshape(B, T, d))


def attend(q: Array, keys: Array, values: Array) -> Array:
    """Return softmax(q keys^T / sqrt(D)) values, each query seeing the keys up to its own.

    ``q`` is float32 (B, H, T, D), the last T of the S positions of ``keys`` and ``values``, which
    are float32 (B, H, S, D); the result is float32 (B, H, T, D).

    >>> values = np.array([[[[1.0], [3.0], [8.0]]]], dtype=np.float32)
    >>> attend(np.zeros((1, 1, 2, 1), np.float32), values * 0, values).ravel()
    array([2., 4.], dtype=float32)
    """
    T, S, D = q.shape[2], keys.shape[2], q.shape[3]
    scores: Array = (q * D**-0.5) @ keys.swapaxes(2, 3)  # (B, H, T, S)
    if T > 1:
        scores[:, :, ~causal_mask(T, S)] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores, out=scores)
    weights /= weights.sum(axis=-1, keepdims=True)
    out: Array = weights @ values
    return out


def causal_mask(new: int, total: int) -> NDArray[np.bool_]:
    """Return which of ``total`` positions each of the ``new`` last ones may see, bool (new, total).

    >>> causal_mask(2, 4).astype(int)
    array([[1, 1, 1, 0],
           [1, 1, 1, 1]])
    """
    return np.tri(new, total, total - new, dtype=bool)


def linear(layer: Any, x: Array) -> Array:
    """Return what the ``Linear`` ``layer`` makes of ``x`` (..., in), as an array (..., out)."""
    out: Array = x @ layer.weight.data
    if layer.bias is not None:
        out += layer.bias.data
    return out


def norm(layer: LayerNorm, x: Array) -> Array:
    """Return what ``layer`` makes of ``x`` (..., d), as an array of the same shape."""
    normal, _ = standardize(x, layer.eps)
    normal *= layer.weight.data
    normal += layer.bias.data
    return normal


def gelu(x: Array) -> Array:
    """Return x P(N <= x) of each element, with N normal: what ``GELU()`` computes."""
    out: Array = x * normal_cdf(x)
    return out


def is_plain(model: GPT) -> bool:
    """Return whether all parts of ``model`` are as ``GPT`` makes them.

    Layers that were quantised, pruned or given other settings know themselves how to compute.
    """
    V, S, L, d = model.vocab_size, model.max_seq_len, model.num_layers, model.embed_dim
    size = (2 * V + S) * d + L * (12 * d * d + 13 * d) + 2 * d
    return all(map(_is_plain_part, model.modules())) and model.size_bytes() == 4 * size


def compiled_decoder(model: GPT, positions: int) -> Decoder:
    """Return the fast twin of ``decode_step`` for single tokens; needs numba.

    It is for a cache with room for ``positions``, and for the weights that ``model`` has now.
    """
    from tinytorch.perf.memoization.kernels import compiled_step

    weights = packed_weights(model, positions)

    def decode(tokens: Array, cache: KVCache) -> Array:
        logits = np.empty((len(tokens), model.vocab_size), dtype=np.float32)
        # Contiguous, since another layout would be another type to compile for.
        tokens = np.ascontiguousarray(tokens)
        compiled_step(weights, tokens, cache.length, cache.keys, cache.values, logits)
        return logits

    return decode


def packed_weights(model: GPT, positions: int) -> Array:
    """Return the weights of a plain ``model`` as one array, in the order in which a step uses them.

    The order: tokens, the first ``positions`` positions, for each block ln1, q k v side by side,
    out_proj, ln2 and the two layers of the mlp, then ln_f and lm_head.
    """
    arrays = [model.token_embedding.weight.data, model.position_embedding.weight.data[:positions]]
    for block in model.blocks:
        arrays += _block_arrays(block)
    arrays += [*_arrays(model.ln_f), *_arrays(model.lm_head)]
    return np.concatenate([array.reshape(-1) for array in arrays])


def _block_arrays(block: TransformerBlock) -> Iterator[Array]:
    attention = block.attention
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    yield from _arrays(block.ln1)
    yield np.concatenate([projection.weight.data for projection in projections], axis=1)
    yield np.concatenate([_arrays(projection)[1] for projection in projections])
    for part in (attention.out_proj, block.ln2, block.mlp[0], block.mlp[2]):
        assert isinstance(part, Linear | LayerNorm)
        yield from _arrays(part)


def _arrays(layer: Linear | LayerNorm) -> list[Array]:
    """Return the weight of a layer and, where it has one, the bias."""
    return [layer.weight.data] if layer.bias is None else [layer.weight.data, layer.bias.data]


def _is_plain_part(module: Module) -> bool:
    if isinstance(module, LayerNorm) and module.eps != EPS:
        return False
    if isinstance(module, GELU) and module.approximate != "none":
        return False
    return type(module) in PARTS
