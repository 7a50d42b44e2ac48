"""Remembering what was computed: keys and values of earlier positions, results of pure layers."""

from tinytorch.perf.memoization.cache import (
    KVCache,
    create_kv_cache,
    disable_kv_cache,
    enable_kv_cache,
)
from tinytorch.perf.memoization.decoding import (
    attend,
    cached_attention,
    causal_mask,
    decode_step,
)
from tinytorch.perf.memoization.generation import generate, sample_next
from tinytorch.perf.memoization.memoize import Memoized, content_key, memoize
from tinytorch.perf.memoization.work import (
    count_attention_scores,
    forward_flops,
    generation_flops,
)

__all__ = [
    "KVCache",
    "Memoized",
    "attend",
    "cached_attention",
    "causal_mask",
    "content_key",
    "count_attention_scores",
    "create_kv_cache",
    "decode_step",
    "disable_kv_cache",
    "enable_kv_cache",
    "forward_flops",
    "generate",
    "generation_flops",
    "memoize",
    "sample_next",
]
