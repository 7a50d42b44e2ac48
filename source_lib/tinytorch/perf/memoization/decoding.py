"""The step of one token by arrays alone: what is left of a forward pass when a cache has the rest.

``Tensor`` and ``Module`` cost more than the arithmetic of so small a step.
``decoder`` computes the same on plain arrays; ``compiled_decoder`` is its fast twin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinytorch.core.activations import GELU
from tinytorch.core.attention import MultiHeadAttention, attention_weights
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


def is_plain(model: GPT) -> bool:
    """Return whether all parts of ``model`` are as ``GPT`` makes them.

    Layers that were quantised, pruned or given other settings know themselves how to compute.
    """
    V, S, L, d = model.vocab_size, model.max_seq_len, model.num_layers, model.embed_dim
    size = (2 * V + S) * d + L * (12 * d * d + 13 * d) + 2 * d
    return all(map(_is_plain_part, model.modules())) and model.size_bytes() == 4 * size


def decoder(model: GPT) -> Decoder:
    """Return the step in NumPy, with the weights that a plain ``model`` has now."""
    tokens_table, positions_table = (
        table.weight.data for table in (model.token_embedding, model.position_embedding)
    )
    blocks = [list(_block_arrays(block)) for block in model.blocks]
    ends = [*_arrays(model.ln_f), *_arrays(model.lm_head)]

    def decode(tokens: Array, cache: KVCache) -> Array:
        x = tokens_table[tokens] + positions_table[cache.length]  # (B, d)
        for layer, arrays in enumerate(blocks):
            scale1, shift1, Wqkv, bqkv, Wo, bo, scale2, shift2, W1, b1, W2, b2 = arrays
            qkv = _norm(x, scale1, shift1) @ Wqkv  # (B, 3 d)
            qkv += bqkv
            x += _attend(qkv, cache, layer) @ Wo
            x += bo
            hidden = _norm(x, scale2, shift2) @ W1  # (B, 4 d)
            hidden += b1
            hidden *= normal_cdf(hidden)
            x += hidden @ W2
            x += b2
        scale, shift, head = ends
        logits: Array = _norm(x, scale, shift) @ head  # (B, V)
        return logits

    return decode


def _norm(x: Array, scale: Array, shift: Array) -> Array:
    """Return the layer norm of the rows of ``x`` (B, d)."""
    normal, _ = standardize(x, EPS)
    normal *= scale
    normal += shift
    return normal


def _attend(qkv: Array, cache: KVCache, layer: int) -> Array:
    """Return the heads' outputs (B, d) for one position, with its q, k and v (B, 3 d)."""
    B, H, D = cache.batch_size, cache.num_heads, cache.head_dim
    q, k, v = qkv.reshape(B, 3, H, 1, D).swapaxes(0, 1)  # (B, H, 1, D) each
    keys, values = cache.update(layer, k, v)  # (B, H, S, D)
    return (attention_weights(q, keys) @ values).reshape(B, H * D)


def compiled_decoder(model: GPT, positions: int) -> Decoder:
    """Return the fast twin of ``decoder``, for a cache with room for ``positions``; needs numba."""
    from tinytorch.perf.memoization.kernels import decode_step

    weights = packed_weights(model, positions)

    def decode(tokens: Array, cache: KVCache) -> Array:
        logits = np.empty((len(tokens), model.vocab_size), dtype=np.float32)
        # Contiguous, since another layout would be another type to compile for.
        tokens = np.ascontiguousarray(tokens)
        decode_step(weights, tokens, cache.length, cache.keys, cache.values, logits)
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
