"""A decoder-only transformer: blocks of attention and a two-layer network, and GPT of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.activations import GELU
from tinytorch.core.attention import KeyValueStore, MultiHeadAttention
from tinytorch.core.checks import checked_indices, checked_size
from tinytorch.core.embedding import Embedding
from tinytorch.core.init import normal
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.tensor import Tensor, as_tensor

# 0.02 at GPT-2's width of 768; a narrower layer has fewer terms to sum, so they may be larger.
INIT_STD_TIMES_ROOT_WIDTH = 0.55


class TransformerBlock(Module):
    """x + attention(ln1(x)), then x + mlp(ln2(x)): (B, T, embed_dim) -> (B, T, embed_dim).

    Normalising before each part leaves a straight path for the gradient (Xiong et al. 2020, On
    Layer Normalization in the Transformer Architecture, figure 1b).
    ``mlp`` is Linear(d, 4 d), GELU, Linear(4 d, d).

    >>> TransformerBlock(8, num_heads=2)(np.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *, rng: np.random.Generator | None = None
    ) -> None:
        self.ln1 = LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads, rng=rng)
        self.ln2 = LayerNorm(embed_dim)
        self.mlp = Sequential(
            Linear(embed_dim, 4 * embed_dim, rng=rng),
            GELU(),
            Linear(4 * embed_dim, embed_dim, rng=rng),
        )

    def forward(
        self, x: Tensor | ArrayLike, cache: KeyValueStore | None = None, layer: int = 0
    ) -> Tensor:
        """Return the block's output; ``cache`` and ``layer`` are those of the attention."""
        middle: Tensor = as_tensor(x) + self.attention(self.ln1(x), cache, layer)
        out: Tensor = middle + self.mlp(self.ln2(middle))
        return out


class GPT(Module):
    """A language model: tokens (B, T) -> logits of the next token (B, T, vocab_size).

    Position t sees the tokens 0 to t.
    Weights start normal with standard deviation s = 0.55 / sqrt(embed_dim), those that add to the
    residual stream with s / sqrt(2 num_layers), all from ``rng`` or the shared generator.
    Source: Radford et al. 2019, Language Models are Unsupervised Multitask Learners, section 2.3.
    Raises TypeError or ValueError for sizes that do not fit, for tokens that are no integers
    (B, T) in [0, vocab_size) with T >= 1, and for more than max_seq_len positions.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_layers=2, num_heads=2, max_seq_len=16)
    >>> model([[1, 2, 3]]).shape
    (1, 3, 10)
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_layers: int,
        num_heads: int,
        max_seq_len: int,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.vocab_size = checked_size("vocab_size", vocab_size)
        self.embed_dim = checked_size("embed_dim", embed_dim)
        self.num_layers = checked_size("num_layers", num_layers)
        self.num_heads = checked_size("num_heads", num_heads)
        self.max_seq_len = checked_size("max_seq_len", max_seq_len)
        self.token_embedding = Embedding(vocab_size, embed_dim, rng=rng)
        self.position_embedding = Embedding(max_seq_len, embed_dim, rng=rng)
        self.blocks = [TransformerBlock(embed_dim, num_heads, rng=rng) for _ in range(num_layers)]
        self.ln_f = LayerNorm(embed_dim)
        self.lm_head = Linear(embed_dim, vocab_size, bias=False, rng=rng)
        self.cache: KeyValueStore | None = None
        self._initialize(rng)

    def forward(self, tokens: ArrayLike, cache: KeyValueStore | None = None) -> Tensor:
        """Return the logits (B, T, vocab_size) of integer ``tokens`` (B, T).

        With a cache (the one given, else ``self.cache``) the tokens follow those it has seen, and
        it is advanced by T.
        """
        cache = self.cache if cache is None else cache
        ids = checked_indices("tokens", tokens, self.vocab_size)
        if ids.ndim != 2 or ids.shape[1] == 0:
            raise ValueError(f"expected tokens of shape (B, T) with T >= 1, got {ids.shape}")
        past, T = (0 if cache is None else cache.length), ids.shape[1]
        if past + T > self.max_seq_len:
            raise ValueError(f"expected at most {self.max_seq_len} positions, got {past + T}")
        x = self.token_embedding(ids) + self.position_embedding(np.arange(past, past + T))
        for layer, block in enumerate(self.blocks):
            x = block(x, cache, layer)  # (B, T, embed_dim)
        if cache is not None:
            cache.advance(T)
        logits: Tensor = self.lm_head(self.ln_f(x))
        return logits

    def _initialize(self, rng: np.random.Generator | None) -> None:
        std = INIT_STD_TIMES_ROOT_WIDTH * self.embed_dim**-0.5
        residual_std = std * (2 * self.num_layers) ** -0.5
        ends = {id(end) for b in self.blocks for end in (b.attention.out_proj, b.mlp[2])}
        for module in self.modules():
            if isinstance(module, Linear | Embedding):
                scale = residual_std if id(module) in ends else std
                module.weight.data[:] = normal(module.weight.shape, scale, rng)

    def __repr__(self) -> str:
        return (
            f"GPT({self.vocab_size}, {self.embed_dim}, {self.num_layers}, {self.num_heads}, "
            f"{self.max_seq_len})"
        )
