"""Chapter 17: what a cache of keys and values gains, where the rest of its FLOP ratio goes."""

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from report import interval, milliseconds, table

from tinytorch.benchmarking import Latency, RatioInterval, median_ratio_interval, time_interleaved
from tinytorch.core.attention import KeyValueStore
from tinytorch.core.autograd import no_grad
from tinytorch.core.transformer import GPT
from tinytorch.models import tiny_gpt
from tinytorch.perf.fast import numba_available, numpy_only
from tinytorch.perf.memoization import (
    create_kv_cache,
    decode_step,
    disable_kv_cache,
    enable_kv_cache,
    forward_flops,
    generate,
    generation_flops,
    memoize,
)
from tinytorch.perf.memoization.decoding import compiled_decoder

Work = Callable[[], np.ndarray]
Arms = dict[str, Work]

SEED = 0
VOCABULARY = 64
PROMPT = 1
# Width, layers, heads.
SHAPES = ((64, 2, 4), (256, 2, 4), (128, 4, 4))
WHOLE = "no cache"
GROWN = "cache by `np.concatenate` (peer)"
CACHED = "`KVCache`, NumPy"
MODEL = "`model(token, cache)`"
COMPILED = "`KVCache`, compiled"


def tables() -> list[str]:
    """Measure now and return one block a subject."""
    blocks = []
    for subject in (lengths, rest, batches, trained, memory, memoized):
        sys.stderr.write(f"  {subject.__name__}\n")
        blocks.append(subject())
    return blocks


def lengths() -> str:
    """Writing n tokens after one, by every way of computing them."""
    rows = []
    for shape in SHAPES:
        for n in (16, 64, 128, 256) if shape == SHAPES[0] else (16, 128):
            model = gpt(*shape)
            arms = ways(model, prompts(1), n)
            other = other_tokens(arms)
            times = timed(arms, 12 if n <= 128 else 8)
            ratio = generation_flops(model, PROMPT, n, cached=False)
            ratio /= generation_flops(model, PROMPT, n, cached=True)
            for name, latency in times.items():
                gain = "1" if name == WHOLE else interval(over(times[WHOLE], latency))
                per_token = f"{1e3 * latency.median_ms / n:.0f}"
                rows.append([named(shape), n, name, per_token, gain, f"{ratio:.0f}", other[name]])
    return table(
        "Writing n tokens after a prompt of one",
        [
            "model",
            "n",
            "how",
            "us a token",
            "faster than no cache",
            "FLOP ratio (limit)",
            "other tokens",
        ],
        rows,
        [
            "All ways shall write the same tokens, which is looked at before they are timed: the "
            "last column counts those that differ from what is written without a cache.",
        ],
    )


def rest() -> str:
    """Why the time ratio stays below the FLOP ratio: the rate of arithmetic and its bound."""
    rows = []
    for shape in SHAPES:
        model = gpt(*shape)
        past, whole = 64, prompts(1, 64)
        read = np.concatenate([p.data.ravel() for p in model.blocks[0].parameters()] * shape[1])
        arms: Arms = {
            "pass": partial(under_no_grad, model, whole),
            "read": partial(np.dot, read, read),
            **{name: step(model, past, name) for name in (MODEL, *cached_ways())},
        }
        times = timed(arms, 60)
        flops = forward_flops(model, 64), forward_flops(model, 1, past)
        rate = flops[0] / times["pass"].median_ms / 1e6
        for name in (MODEL, *cached_ways()):
            latency = times[name]
            mine = flops[1] / latency.median_ms / 1e6
            rows.append(
                [
                    named(shape),
                    name,
                    f"{rate:.1f}",
                    f"{mine:.2f}",
                    f"{mine / rate:.2f}",
                    f"{1e3 * latency.median_ms:.0f}",
                    f"{read.nbytes / 1e6:.2f}",
                    f"{1e3 * times['read'].median_ms:.0f}",
                ]
            )
    return table(
        "Where the rest of the FLOP ratio goes: one step at position 64",
        [
            "model",
            "how",
            "GFLOP/s of a pass over 64",
            "GFLOP/s of the step",
            "kept of the FLOP ratio",
            "us a step",
            "MB of weights",
            "us to read them",
        ],
        rows,
        [
            "A pass uses each weight 64 times once it is in a register; a step uses it once.",
            "So a step can be no faster than reading the weights (`np.dot` of them with "
            "themselves); through the model it also pays for its tensors and modules, in NumPy for "
            "some hundred calls, and compiled for one.",
        ],
    )


def batches() -> str:
    """With more sequences each weight that was read is used more often."""
    rows = []
    for shape, sizes in ((SHAPES[0], (1, 8, 16)), (SHAPES[1], (1, 8, 16))):
        for batch in sizes:
            model, n = gpt(*shape), 64
            arms = ways(model, prompts(batch), n)
            arms.pop(GROWN)
            require_equal_tokens(arms)
            times = timed(arms, 8)
            fast = times[COMPILED] if COMPILED in times else times[CACHED]
            ratio = generation_flops(model, PROMPT, n, cached=False)
            ratio /= generation_flops(model, PROMPT, n, cached=True)
            rows.append(
                [
                    named(shape),
                    batch,
                    f"{1e3 * fast.median_ms / n / batch:.1f}",
                    interval(over(times[WHOLE], times[CACHED])),
                    interval(over(times[WHOLE], fast)),
                    f"{ratio:.0f}",
                ]
            )
    return table(
        "Writing 64 tokens of several sequences at a time",
        [
            "model",
            "sequences",
            "us a token",
            "NumPy faster than no cache",
            "`generate` faster than no cache",
            "FLOP ratio (limit)",
        ],
        rows,
        ["Beyond 8 sequences `generate` leaves the products to BLAS, compiled or not."],
    )


def trained() -> str:
    """The shipped model on its own task."""
    model = tiny_gpt()
    n = model.max_seq_len - 4
    arms = ways(model, np.array([[2, 3, 8, 0]]), n)  # "127 "
    require_equal_tokens(arms)
    times = timed(arms, 15)
    rows = [
        [
            name,
            milliseconds(latency),
            "1" if name == WHOLE else interval(over(times[WHOLE], latency)),
        ]
        for name, latency in times.items()
    ]
    title = f"`tiny_gpt` counting on for {n} characters"
    return table(title, ["how", "ms", "faster than no cache"], rows)


def memory() -> str:
    """What the cache costs: bytes for every position."""
    rows = []
    for shape in SHAPES:
        model = gpt(*shape)
        usage = create_kv_cache(model).get_memory_usage()
        rows.append(
            [
                named(shape),
                usage["bytes_per_position"],
                f"{usage['total_bytes'] / 1e6:.2f}",
                model.max_seq_len,
                f"{model.size_bytes() / 1e6:.2f}",
            ]
        )
    return table(
        "Memory of the cache, one sequence",
        ["model", "bytes a position", "MB", "positions", "MB of the model"],
        rows,
        ["A key and a value as wide as the model in every layer, counted from the arrays held."],
    )


def memoized() -> str:
    """A remembered result against computing it: a hit costs reading the arguments."""
    rows = []
    for side in (16, 64, 256, 512):
        x = np.random.default_rng(SEED).standard_normal((side, side), dtype=np.float32)
        cheap, dear = memoize(np.negative), memoize(np.linalg.inv)
        arms: Arms = {
            "negate": partial(np.negative, x),
            "negate, remembered": partial(cheap, x),
            "invert": partial(np.linalg.inv, x),
            "invert, remembered": partial(dear, x),
        }
        times = timed(arms, 40)
        for name in ("negate", "invert"):
            hit = times[f"{name}, remembered"]
            rows.append(
                [
                    f"{side}x{side}",
                    name,
                    f"{1e3 * times[name].median_ms:.1f}",
                    f"{1e3 * hit.median_ms:.1f}",
                    interval(over(times[name], hit)),
                ]
            )
    return table(
        "`memoize`: a hit against computing again",
        ["argument", "function", "us computed", "us remembered", "faster"],
        rows,
        ["Hashing the argument is all that a hit does: it pays for functions that do more."],
    )


class GrowingCache:
    """The usual simple cache: every step concatenates what is new to what was there."""

    def __init__(self, num_layers: int) -> None:
        self.length = 0
        self.held: list[tuple[np.ndarray, np.ndarray] | None] = [None] * num_layers

    def update(self, layer: int, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return all keys and values, in new arrays."""
        held = self.held[layer]
        if held is not None:
            k, v = np.concatenate([held[0], k], axis=2), np.concatenate([held[1], v], axis=2)
        self.held[layer] = k, v
        return k, v

    def advance(self, n: int) -> None:
        """Count the new positions."""
        self.length += n


def ways(model: GPT, tokens: np.ndarray, n: int) -> Arms:
    """The ways to write ``n`` tokens, each a function that returns them all."""

    def without() -> np.ndarray:
        disable_kv_cache(model)
        return generate(model, tokens, n)

    def cached() -> np.ndarray:
        enable_kv_cache(model, len(tokens))
        with numpy_only():
            return generate(model, tokens, n)

    def compiled() -> np.ndarray:
        enable_kv_cache(model, len(tokens))
        return generate(model, tokens, n)

    arms: Arms = {WHOLE: without, GROWN: partial(grow, model, tokens, n), CACHED: cached}
    return {**arms, COMPILED: compiled} if numba_available() else arms


def grow(model: GPT, tokens: np.ndarray, n: int) -> np.ndarray:
    """Greedy writing with the growing cache."""
    disable_kv_cache(model)
    cache: KeyValueStore = GrowingCache(model.num_layers)
    pieces = [tokens]
    with no_grad():
        for _ in range(n):
            logits = model(pieces[-1], cache).data[:, -1]
            pieces.append(logits.argmax(axis=-1)[:, np.newaxis])
    return np.concatenate(pieces, axis=1)


def cached_ways() -> list[str]:
    """The ways with our cache that this machine has."""
    return [CACHED, COMPILED] if numba_available() else [CACHED]


def step(model: GPT, past: int, how: str) -> Work:
    """One token behind ``past`` positions, again and again at the same place."""
    cache = create_kv_cache(model)
    token = np.array([1])

    def by_the_model() -> np.ndarray:
        cache.length = past
        with no_grad():
            return model(token[np.newaxis], cache).data

    if how == MODEL:
        return by_the_model

    def by_arrays() -> np.ndarray:
        cache.length = past
        return decode_step(model, token[np.newaxis], cache)

    if how == CACHED:
        return by_arrays
    cache.length = past
    return partial(compiled_decoder(model, cache.max_seq_len), token, cache)


def under_no_grad(model: GPT, tokens: np.ndarray) -> np.ndarray:
    """The logits of all positions, with no graph recorded."""
    with no_grad():
        return model(tokens).data


def gpt(embed_dim: int, num_layers: int, num_heads: int) -> GPT:
    """A model with random weights: the time does not depend on them."""
    rng = np.random.default_rng(SEED)
    return GPT(VOCABULARY, embed_dim, num_layers, num_heads, max_seq_len=256, rng=rng)


def named(shape: tuple[int, int, int]) -> str:
    """The model in a cell."""
    return f"{shape[0]} wide, {shape[1]} layers"


def prompts(batch: int, length: int = PROMPT) -> np.ndarray:
    """Random tokens, the same at every call."""
    return np.random.default_rng(SEED).integers(VOCABULARY, size=(batch, length))


def timed(arms: Arms, rounds: int) -> dict[str, Latency]:
    """Time the arms in turn, a block of each per round."""
    latencies = time_interleaved(list(arms.values()), rounds, seed=SEED)
    return dict(zip(arms, latencies, strict=True))


def over(baseline: Latency, candidate: Latency) -> RatioInterval:
    """Baseline / candidate of the same rounds, with its interval."""
    return median_ratio_interval(np.log(baseline.samples_ms) - np.log(candidate.samples_ms))


def require_equal_tokens(arms: Arms) -> None:
    """Stop when two ways do not write the same tokens."""
    for name, count in other_tokens(arms).items():
        if count:
            raise AssertionError(f"{name} writes {count} other tokens")


def other_tokens(arms: Arms) -> dict[str, int]:
    """How many tokens each way writes that differ from those written without a cache."""
    expected = arms[WHOLE]()
    return {name: int((arm() != expected).sum()) for name, arm in arms.items()}
