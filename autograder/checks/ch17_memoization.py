"""Hidden checks of chapter 17: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import contextlib
import math
from types import SimpleNamespace

import numpy as np

from tinytorch.core.attention import MultiHeadAttention
from tinytorch.core.autograd import no_grad
from tinytorch.core.layers import Linear
from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT

CLOSE = 2e-4


class GrowingCache:
    """A cache of keys and values that needs no array of its own size, and counts what it is given.

    It knows what attention and a step ask of a cache, so a mistake in the student's own cache does
    not count twice.
    """

    def __init__(self, num_layers):
        self.num_layers = num_layers
        self.length = 0
        self.entries = [None] * num_layers
        self.written = [0] * num_layers

    def update(self, layer, k, v):
        assert np.shape(k) == np.shape(v), "keys and values must have one shape"
        assert np.ndim(k) == 4, "keys and values must be given to the cache as (B, H, T, D)"
        assert k.dtype == v.dtype == np.float32, "keys and values must stay float32"
        self.written[layer] += k.shape[2]
        if self.entries[layer] is None:
            self.entries[layer] = k[:, :, :0], v[:, :, :0]
        pairs = zip(self.entries[layer], (k, v), strict=True)
        both = tuple(np.concatenate([old[:, :, : self.length], new], axis=2) for old, new in pairs)
        self.entries[layer] = both
        return both

    def advance(self, n=1):
        self.length += n

    def reset(self):
        self.length = 0


def drawn():
    """A generator that nobody can foresee: inputs differ from one grading to the next."""
    return np.random.default_rng()


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def stirred(module, rng):
    """The module with every parameter moved, so that no bias is 0 and no scale is 1."""
    for parameter in module.parameters():
        parameter.data += 0.1 * normal(rng, *parameter.shape)
    return module


def random_gpt(rng, **changes):
    sizes = {"vocab_size": 13, "embed_dim": 12, "num_layers": 2, "num_heads": 3, "max_seq_len": 20}
    return stirred(GPT(**(sizes | changes), rng=rng), rng)


def logits_of(model, tokens):
    """What the library's own pass over whole sequences says, (B, T, V)."""
    with no_grad():
        return model(tokens).data


def eventually(attempt, tries=3):
    """Return when one attempt holds: float32 may decide a near tie of two logits either way."""
    for left in reversed(range(tries)):
        try:
            return attempt()
        except AssertionError:
            if not left:
                raise


def refuses(call, *kinds):
    """Tell whether the call raises one of the given errors."""
    try:
        call()
    except kinds:
        return True
    return False


# Counting


def whole_scores(prompt, new):
    return sum(n * n for n in range(prompt, prompt + new))


def check_scores_without_cache(student):
    """Without a cache every pass over n positions computes n * n scores."""
    rng = drawn()
    for prompt, new in [(1, 1), (7, 1), *rng.integers(2, 40, size=(6, 2)).tolist()]:
        found = student.count_attention_scores(prompt, new, cached=False)
        assert found == whole_scores(prompt, new), (
            "without a cache, add n * n for every pass: over the prompt, and once more for each "
            "new token but the last, which is never read"
        )
        assert type(found) is int, "the count must be a Python int"
    for call in (
        lambda: student.count_attention_scores(0, 3, cached=False),
        lambda: student.count_attention_scores(3, 0, cached=False),
    ):
        assert refuses(call, ValueError), "a count below 1 must raise ValueError"
    assert refuses(lambda: student.count_attention_scores(1.5, 3, cached=True), TypeError), (
        "a length that is no integer must raise TypeError"
    )


def check_scores_with_cache(student):
    """With a cache a step compares one new query with every key there is."""
    rng = drawn()
    for prompt, new in [(1, 1), (7, 1), *rng.integers(2, 40, size=(6, 2)).tolist()]:
        found = student.count_attention_scores(prompt, new, cached=True)
        steps = sum(range(prompt + 1, prompt + new))
        assert found == prompt * prompt + steps, (
            "with a cache, the pass over the prompt computes prompt * prompt scores, and each "
            "later pass as many as there are positions, its own included"
        )


def counted_flops(model, new, past):
    """Twice the elements of each weight matrix a position passes, and of the scores twice over."""
    matrices = [
        p.size for name, p in model.named_parameters() if p.ndim == 2 and "embedding" not in name
    ]
    pairs = new * (new + past)
    return 2 * new * sum(matrices) + model.num_layers * 4 * model.embed_dim * pairs


def drawn_shapes(rng):
    for heads in (1, 2):
        yield GPT(
            vocab_size=int(rng.integers(2, 30)),
            embed_dim=int(heads * rng.integers(2, 9)),
            num_layers=int(rng.integers(1, 5)),
            num_heads=heads,
            max_seq_len=8,
        )


def check_forward_flops(student):
    """A pass takes two operations for each weight of each position, and those of the scores."""
    rng = drawn()
    for model in drawn_shapes(rng):
        for new in (1, int(rng.integers(2, 50))):
            assert student.forward_flops(model, new) == counted_flops(model, new, 0), (
                "forward_flops of a pass from the start does not follow the formula: per layer "
                "24 d^2 and 4 d for each position that is seen, and 2 d V at the end, all per "
                "new position"
            )


def check_forward_flops_with_past(student):
    """Earlier positions cost only their scores."""
    rng = drawn()
    for model in drawn_shapes(rng):
        new, past = (int(n) for n in rng.integers(1, 50, size=2))
        assert student.forward_flops(model, new, past) == counted_flops(model, new, past), (
            "with past positions, only the new ones go through the layers, and each of them sees "
            "the past ones and the new ones"
        )


def check_generation_flops(student):
    """Writing costs the pass over the prompt and one pass for each new token but the last."""
    rng = drawn()
    for model in drawn_shapes(rng):
        for prompt, new in ((1, 1), (4, 1), tuple(rng.integers(2, 25, size=2).tolist())):
            first = counted_flops(model, prompt, 0)
            later = range(prompt + 1, prompt + new)
            whole = first + sum(counted_flops(model, n, 0) for n in later)
            steps = first + sum(counted_flops(model, 1, n - 1) for n in later)
            assert student.generation_flops(model, prompt, new, cached=False) == whole, (
                "generation_flops without a cache is the sum of whole passes over prompt, "
                "prompt + 1, ..., prompt + new - 1 positions"
            )
            assert student.generation_flops(model, prompt, new, cached=True) == steps, (
                "generation_flops with a cache is the pass over the prompt and then passes over "
                "one position each, with all before it in the past"
            )
    assert refuses(lambda: student.generation_flops(model, 0, 1, cached=True), ValueError), (
        "a prompt of no tokens must raise ValueError"
    )


# The cache


def sizes_drawn(rng):
    """Batch, positions, layers, heads and elements a head, all different."""
    return [int(n) for n in rng.permutation([2, 3, 4, 5]).tolist()]


def new_cache(student, batch=2, room=9, layers=3, heads=2, dim=4):
    return student.KVCache(
        batch_size=batch, max_seq_len=room, num_layers=layers, num_heads=heads, head_dim=dim
    )


def check_cache_is_preallocated(student):
    """The arrays have their whole size from the start, and keep it."""
    rng = drawn()
    batch, layers, heads, dim = sizes_drawn(rng)
    room = int(rng.integers(6, 12))
    cache = new_cache(student, batch, room, layers, heads, dim)
    found = (cache.batch_size, cache.max_seq_len, cache.num_layers, cache.num_heads, cache.head_dim)
    assert found == (batch, room, layers, heads, dim), "the cache must keep the sizes it is given"
    for _ in range(2):
        for array in (cache.keys, cache.values):
            assert array.shape == (layers, batch, heads, room, dim), (
                "keys and values must have room for every layer, sequence, head, position and "
                "element, in this order, from the start and after writing"
            )
            assert array.dtype == np.float32, "keys and values must be float32"
        k = normal(rng, batch, heads, 2, dim)
        for layer in range(layers):
            cache.update(layer, k, k)
        cache.advance(2)
    for wrong, kind in ((0, ValueError), (-3, ValueError), (1.5, TypeError)):
        for place in range(5):
            sizes = [2, 2, 2, 2, 2]
            sizes[place] = wrong
            assert refuses(lambda sizes=sizes: student.KVCache(*sizes), kind), (
                "a size below 1 must raise ValueError and one that is no integer TypeError, for "
                "each of the five: checked_size does both"
            )


def check_cache_is_a_concatenation(student):
    """After any steps a layer holds what it was given, in order, keys and values apart."""
    rng = drawn()
    batch, layers, heads, dim = sizes_drawn(rng)
    pieces = rng.integers(1, 5, size=4).tolist()
    cache = new_cache(student, batch, sum(pieces) + 1, layers, heads, dim)
    reference = GrowingCache(layers)
    for T in pieces:
        for layer in rng.permutation(layers).tolist():
            k, v = normal(rng, batch, heads, T, dim), normal(rng, batch, heads, T, dim)
            kept = k.copy(), v.copy()
            found, expected = cache.update(layer, k, v), reference.update(layer, k, v)
            for mine, right in zip(found, expected, strict=True):
                assert mine.shape == right.shape, (
                    "update must return the layer's positions filled so far and the new ones, as "
                    "(B, H, length + T, D)"
                )
                assert np.array_equal(mine, right), (
                    "update must return the keys and the values of this layer in the order in "
                    "which they came, the new ones last"
                )
            unchanged = np.array_equal(k, kept[0]) and np.array_equal(v, kept[1])
            assert unchanged, "update changes what it is given"
        cache.advance(T)
        reference.advance(T)
    for layer in range(layers):
        for mine, right in zip(cache.get(layer), reference.entries[layer], strict=True):
            assert np.array_equal(mine, right), (
                "get must return the keys and the values of the positions filled, in their order"
            )


def check_layers_share_positions(student):
    """A step writes all layers at the same positions; only `advance` counts them."""
    rng = drawn()
    cache = new_cache(student, layers=3)
    first = normal(rng, 2, 2, 2, 4)
    for layer in range(3):
        cache.update(layer, first + layer, first - layer)
        assert cache.length == 0, "update must leave length alone: other layers write there too"
        assert cache.get(layer)[0].shape[2] == 0, "get must return only positions that are counted"
    cache.advance(2)
    for layer in range(3):
        keys, values = cache.get(layer)
        assert np.array_equal(keys, first + layer), "a layer's keys are not those it was given"
        assert np.array_equal(values, first - layer), "a layer's values are not those it was given"
    cache.update(0, first[:, :, :1], first[:, :, :1])
    again = cache.update(0, first[:, :, 1:] + 9, first[:, :, 1:] + 9)[0]
    rewritten = again.shape[2] == 3 and np.array_equal(again[:, :, 2:], first[:, :, 1:] + 9)
    assert rewritten, "until advance is called, update must write at the same position again"
    cache.advance()
    assert cache.length == 3, "advance() without a number counts one position"


def check_cache_room(student):
    """`advance` counts up to the room there is, and nothing below zero."""
    room = int(drawn().integers(4, 9))
    cache = new_cache(student, room=room)
    cache.advance(0)
    cache.advance(room - 1)
    for n in (2, room, -1):
        assert refuses(lambda n=n: cache.advance(n), ValueError), (
            "advance must raise ValueError for a negative number and for more than there is room"
        )
        assert cache.length == room - 1, "a refused advance must leave length as it was"
    cache.advance(1)
    assert cache.length == room, "the last position can be used as well"


def check_cache_refuses_what_does_not_fit(student):
    """Layers, shapes, dtypes and room are checked before anything is written."""
    rng = drawn()
    cache = new_cache(student, batch=2, room=4, layers=2, heads=3, dim=5)
    good = normal(rng, 2, 3, 1, 5)
    cache.update(0, good, good)
    for layer in (2, -1):
        assert refuses(lambda layer=layer: cache.update(layer, good, good), IndexError), (
            "update must raise IndexError for a layer that is not there: call _check first"
        )
        assert refuses(lambda layer=layer: cache.get(layer), IndexError), (
            "get must raise IndexError for a layer that is not there: call _check_layer first"
        )
    long = normal(rng, 2, 3, 5, 5)
    for k, v, kind in (
        (long, long, ValueError),
        (good[:1], good[:1], ValueError),
        (good, good[:, :2], ValueError),
        (good.astype(np.float64), good, TypeError),
    ):
        assert refuses(lambda k=k, v=v: cache.update(1, k, v), kind), (
            "update must refuse keys and values of another shape or dtype, or more positions than "
            "there is room for: call _check first"
        )
    assert not cache.keys[1].any(), "a refused update must write nothing"


def check_reset_starts_anew(student):
    """After reset, a new sequence sees nothing of the one before."""
    rng = drawn()
    cache = new_cache(student, room=4)
    old, new = normal(rng, 2, 2, 4, 4), normal(rng, 2, 2, 1, 4)
    for layer in range(3):
        cache.update(layer, old, old)
    cache.advance(4)
    cache.reset()
    assert cache.length == 0, "after reset no position is filled"
    keys, values = cache.update(1, new, -new)
    only_new = np.array_equal(keys, new) and np.array_equal(values, -new)
    assert only_new, "after reset the first update must write, and return, the first position only"
    assert cache.keys.shape[3] == 4, "reset must keep the room there was"


def check_memory_usage(student):
    """The bytes are those of both arrays, of one position, and of the positions filled."""
    rng = drawn()
    for _ in range(3):
        batch, layers, heads, dim = sizes_drawn(rng)
        room = int(rng.integers(3, 40))
        filled = int(rng.integers(1, room))
        cache = new_cache(student, batch, room, layers, heads, dim)
        cache.advance(filled)
        usage = cache.get_memory_usage()
        assert set(usage) == {"total_bytes", "used_bytes", "bytes_per_position"}, (
            "get_memory_usage must return total_bytes, used_bytes and bytes_per_position"
        )
        position = 2 * 4 * layers * batch * heads * dim
        assert usage["bytes_per_position"] == position, (
            "bytes_per_position is 4 bytes for each element of a key and of a value, in every "
            "head, layer and sequence"
        )
        assert usage["total_bytes"] == position * room, (
            "total_bytes is what both arrays hold, whether it is used or not"
        )
        assert usage["used_bytes"] == position * filled, (
            "used_bytes counts the positions that are filled"
        )
        assert all(type(value) is int for value in usage.values()), "the bytes must be Python ints"


# Attention


def check_causal_mask(student):
    """Query t of the last `new` positions sees the keys up to its own."""
    rng = drawn()
    for new, past in [(1, 0), (5, 0), (1, 6), *rng.integers(1, 7, size=(4, 2)).tolist()]:
        mask = np.asarray(student.causal_mask(new, new + past))
        assert mask.shape == (new, new + past), "the mask must have the shape (new, total)"
        assert mask.dtype == bool, "the mask must be an array of booleans"
        expected = [[key <= past + t for key in range(new + past)] for t in range(new)]
        assert mask.tolist() == expected, (
            "the new positions are the last ones: each may look at all keys before it and its own, "
            "and at none behind it"
        )


def attention_by_loops(q, keys, values):
    """The formula in float64, one query at a time."""
    B, H, T, D = q.shape
    S = keys.shape[2]
    out = np.zeros((B, H, T, values.shape[3]))
    for b in range(B):
        for h in range(H):
            for t in range(T):
                seen = S - T + t + 1
                scores = keys[b, h, :seen].astype(float) @ q[b, h, t].astype(float) / math.sqrt(D)
                weights = np.exp(scores - scores.max())
                out[b, h, t] = weights @ values[b, h, :seen] / weights.sum()
    return out


def attend_case(student, rng, T, past, scale=1.0):
    B, H, D = (int(n) for n in rng.integers(1, 6, size=3))
    q = scale * normal(rng, B, H, T, D)
    keys, values = normal(rng, B, H, T + past, D), normal(rng, B, H, T + past, D)
    kept = [array.copy() for array in (q, keys, values)]
    found = student.attend(q, keys, values)
    for array, copy in zip((q, keys, values), kept, strict=True):
        assert np.array_equal(array, copy), "attend changes its arguments"
    assert np.shape(found) == (B, H, T, D), "attend must return the shape of its queries"
    return found, attention_by_loops(q, keys, values)


def check_attend_of_whole_sequences(student):
    """Attention of a whole sequence to itself follows the formula."""
    rng = drawn()
    for T in (1, 2, int(rng.integers(3, 9))):
        found, expected = attend_case(student, rng, T, past=0)
        assert found.dtype == np.float32, "attend must return float32 for float32"
        assert np.allclose(found, expected, atol=CLOSE), (
            "with S = T, attend is not softmax(q k / sqrt(D)) v over the positions up to each "
            "query's own"
        )


def check_attend_is_stable(student):
    """Large scores neither overflow nor become NaN."""
    rng = drawn()
    with np.errstate(all="ignore"):
        found, expected = attend_case(student, rng, T=5, past=2, scale=400.0)
    assert np.isfinite(found).all(), (
        "large scores give NaN or infinity: take the highest score of each row off before exp"
    )
    assert np.allclose(found, expected, atol=1e-2), "large scores give other results"


def check_attend_with_past(student):
    """With earlier positions, the queries are the last ones."""
    rng = drawn()
    for T, past in ((1, 1), (1, 7), (3, int(rng.integers(1, 6))), (4, 9)):
        found, expected = attend_case(student, rng, T, past)
        assert np.allclose(found, expected, atol=CLOSE), (
            "with more keys than queries, attend must treat the queries as the last positions: "
            "each sees everything before it"
        )


def attention_in_pieces(student, attention, x, pieces, layer, cache):
    outputs = []
    for part in np.split(x, np.cumsum(pieces)[:-1], axis=1):
        outputs.append(student.cached_attention(attention, part, cache, layer))
        cache.advance(part.shape[1])
    return np.concatenate(outputs, axis=1)


def check_cached_attention(student):
    """In pieces of any length it computes what the layer makes of the whole sequence."""
    rng = drawn()
    for heads, pieces in ((3, [5]), (2, [1, 1, 1]), (1, [2, 1, 3])):
        width, batch = heads * int(rng.integers(2, 5)), int(rng.integers(1, 4))
        attention = stirred(MultiHeadAttention(width, heads, rng=rng), rng)
        x = normal(rng, batch, sum(pieces), width)
        kept, cache = x.copy(), GrowingCache(2)
        found = attention_in_pieces(student, attention, x, pieces, 1, cache)
        with no_grad():
            expected = attention(x).data
        assert found.shape == expected.shape, "cached_attention must return the shape of x"
        assert np.allclose(found, expected, atol=CLOSE), (
            "cached_attention does not compute what the layer computes of the whole sequence"
        )
        assert cache.written == [0, sum(pieces)], (
            "cached_attention must give the new positions, and only these, to the layer of the "
            "cache that it is told"
        )
        assert np.array_equal(x, kept), "cached_attention changes its input"


def check_cached_attention_uses_projections(student):
    """It needs no more of the layer than its number of heads and its four projections."""
    rng = drawn()
    attention = stirred(MultiHeadAttention(6, 2, rng=rng), rng)
    parts = SimpleNamespace(
        num_heads=2,
        q_proj=attention.q_proj,
        k_proj=attention.k_proj,
        v_proj=attention.v_proj,
        out_proj=attention.out_proj,
    )
    x, cache = normal(rng, 2, 4, 6), GrowingCache(1)
    try:
        found = student.cached_attention(parts, x, cache, 0)
    except (TypeError, AttributeError):
        raise AssertionError(
            "cached_attention must do with num_heads, q_proj, k_proj, v_proj and out_proj, and "
            "not call the layer itself"
        ) from None
    assert cache.length == 0, "counting the positions is left to the caller"
    with no_grad():
        assert np.allclose(found, attention(x).data, atol=CLOSE), (
            "cached_attention of the four projections does not give the layer's result"
        )


# A step of the model


def steps_of(student, model, tokens, pieces):
    """The logits (B, T, V) of the student's steps, with a cache that is not the student's."""
    cache = GrowingCache(model.num_layers)
    parts = np.split(tokens, np.cumsum(pieces)[:-1], axis=1)
    logits = [student.decode_step(model, part, cache) for part in parts]
    assert cache.length == tokens.shape[1], (
        "after a step, the cache must have been told to advance by the number of new tokens"
    )
    assert cache.written == [tokens.shape[1]] * model.num_layers, (
        "each layer must compute each position once, and store it as its own"
    )
    return np.concatenate(logits, axis=1)


def check_decode_equals_the_model(student):
    """Token by token, the logits at every position are those of the whole sequence."""
    rng = drawn()
    for layers in (1, 3):
        model = random_gpt(rng, num_layers=layers)
        tokens = rng.integers(13, size=(1, 7))
        found = steps_of(student, model, tokens, [1] * 7)
        expected = logits_of(model, tokens)
        assert found.shape == expected.shape, "decode_step must return logits (B, T, V)"
        assert np.allclose(found[:, 0], expected[:, 0], atol=CLOSE), (
            "already the first position's logits differ from the model's"
        )
        assert np.allclose(found, expected, atol=CLOSE), (
            "later positions' logits differ from the model's: think of the positions, the layers "
            "of the cache, and what each query sees"
        )


def check_decode_uses_the_layers(student):
    """It computes with the parts of the model, whose forward pass is not there to be called."""
    rng = drawn()
    model = random_gpt(rng)
    blocks = [
        SimpleNamespace(ln1=b.ln1, attention=b.attention, ln2=b.ln2, mlp=b.mlp)
        for b in model.blocks
    ]
    names = ("vocab_size", "embed_dim", "num_layers", "num_heads", "max_seq_len",
             "token_embedding", "position_embedding", "ln_f", "lm_head")  # fmt: skip
    parts = SimpleNamespace(blocks=blocks, **{name: getattr(model, name) for name in names})
    tokens, cache = rng.integers(13, size=(2, 3)), GrowingCache(2)
    try:
        found = student.decode_step(parts, tokens, cache)
    except (TypeError, AttributeError):
        raise AssertionError(
            "decode_step must use the layers of the model and of its blocks, and not call the "
            "model or a block"
        ) from None
    assert np.allclose(found, logits_of(model, tokens), atol=CLOSE), (
        "decode_step does not give the model's logits"
    )


def check_decode_in_pieces(student):
    """However a sequence is divided into steps, the logits are the same, and the model is too."""
    rng = drawn()
    model = random_gpt(rng)
    tokens = rng.integers(13, size=(2, 8))
    kept, weights = tokens.copy(), [p.data.copy() for p in model.parameters()]
    expected = logits_of(model, tokens)
    for pieces in ([8], [3, 1, 4], [1, 5, 2]):
        assert np.allclose(steps_of(student, model, tokens, pieces), expected, atol=CLOSE), (
            "several new tokens in one step give other logits than the model"
        )
    assert np.array_equal(tokens, kept), "decode_step changes the tokens it is given"
    for before, parameter in zip(weights, model.parameters(), strict=True):
        assert np.array_equal(before, parameter.data), "decode_step changes the model's weights"


def check_sequences_do_not_mix(student):
    """Each sequence of a batch gets the logits it would get alone, in the student's own cache."""
    rng = drawn()
    model = random_gpt(rng)
    batch = int(rng.integers(3, 5))
    tokens = rng.integers(13, size=(batch, 5))
    cache = new_cache(student, batch, 20, 2, 3, 4)
    parts = np.split(tokens, [2, 3, 4], axis=1)
    found = np.concatenate([student.decode_step(model, part, cache) for part in parts], axis=1)
    alone = np.concatenate([logits_of(model, row[np.newaxis]) for row in tokens])
    assert np.allclose(found, alone, atol=CLOSE), (
        "in a batch, a sequence must get the logits that it gets alone"
    )


def check_decode_ends_with_the_model(student):
    """The last position can be used; one beyond is refused before anything is stored."""
    rng = drawn()
    room = int(rng.integers(4, 7))
    model = random_gpt(rng, max_seq_len=room)
    tokens = rng.integers(13, size=(1, room))
    found = steps_of(student, model, tokens, [room - 1, 1])
    assert np.allclose(found, logits_of(model, tokens), atol=CLOSE), (
        "the last position of the model must work like the others"
    )
    for length in (room - 1, room):
        cache = GrowingCache(2)
        student.decode_step(model, tokens[:, :length], cache)
        before = list(cache.written)
        beyond = tokens[:, : room - length + 1]
        assert refuses(lambda: student.decode_step(model, beyond, cache), ValueError), (  # noqa: B023
            "positions beyond model.max_seq_len must raise ValueError"
        )
        assert cache.length == length, "a step that is refused must count nothing"
        assert cache.written == before, "a step that is refused must store nothing"


# Sampling and writing


def check_greedy(student):
    """At temperature 0 each row takes its highest logit, the first one of equals."""
    rng = drawn()
    logits = rng.normal(size=(int(rng.integers(2, 9)), int(rng.integers(2, 12))))
    kept = logits.copy()
    for top_k in (None, 1, 3):
        found = np.asarray(student.sample_next(logits, temperature=0.0, top_k=top_k))
        assert found.shape == (len(logits),), "sample_next must return one token for each row"
        assert found.dtype.kind == "i", "tokens must be integers"
        assert found.tolist() == kept.argmax(axis=1).tolist(), (
            "at temperature 0 the token is the position of the highest logit of its row"
        )
    assert np.array_equal(logits, kept), "sample_next changes the logits"
    ties = np.zeros((3, 4))
    assert np.asarray(student.sample_next(ties)).tolist() == [0, 0, 0], (
        "among equal logits, temperature 0 takes the first"
    )
    for call in (
        lambda: student.sample_next(np.array([[0.0, np.nan]])),
        lambda: student.sample_next(kept, temperature=-1.0),
        lambda: student.sample_next(kept, temperature=1.0, top_k=0),
    ):
        assert refuses(call, ValueError), (
            "NaN among the logits, a negative temperature or a top_k of 0 must raise ValueError: "
            "call check_sampling first"
        )


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def frequencies_fit(tokens, p):
    """Whether each count is as near to what `p` says as chance leaves it.

    Bernstein's inequality: a count of standard deviation s is further away than 6 s + 12 with a
    probability below 2 exp(-18), about 3 in 10^8, for a rare token too.
    """
    n = len(tokens)
    counts = np.bincount(tokens, minlength=len(p))
    if len(counts) > len(p):
        return False
    return bool((np.abs(counts - n * p) <= 6 * np.sqrt(n * p * (1 - p)) + 12).all())


def check_sampling_probabilities(student):
    """Token i comes with probability softmax(logits / temperature), in each row its own."""
    rng = drawn()
    for temperature in (0.5, 1.0, 2.5):
        two_rows = rng.normal(size=(2, int(rng.integers(3, 7)))) * 1.5
        rows = np.repeat(two_rows, 4000, axis=0)
        kept = rows.copy()
        tokens = np.asarray(student.sample_next(rows, temperature, None, rng))
        assert tokens.shape == (8000,), "sample_next must return one token for each row"
        assert tokens.min() >= 0, "tokens count from 0"
        for part, p in zip((tokens[:4000], tokens[4000:]), softmax(two_rows / temperature),
                           strict=True):  # fmt: skip
            assert frequencies_fit(part, p), (
                "above temperature 0, token i must come with probability "
                "softmax(logits / temperature)[i] of its own row"
            )
        assert np.array_equal(rows, kept), "sample_next changes the logits"
    large = np.array([[1000.0, 1000.0, -1000.0]] * 400)
    with np.errstate(all="ignore"):
        tokens = np.asarray(student.sample_next(large, 1.0, None, rng))
    assert set(tokens.tolist()) == {0, 1}, "large logits must not overflow"


def check_sampling_needs_only_its_generator(student):
    """The generator decides: the same one draws the same, and goes on with every call."""
    logits = drawn().normal(size=(60, 5))
    first, second = (
        np.asarray(student.sample_next(logits, 2.0, None, np.random.default_rng(seed)))
        for seed in (5, 5)
    )
    assert np.array_equal(first, second), "equal generators must draw equal tokens: use rng only"
    other = np.asarray(student.sample_next(logits, 2.0, None, np.random.default_rng(6)))
    assert not np.array_equal(first, other), "another generator must draw other tokens"
    rng = np.random.default_rng(7)
    calls = [np.asarray(student.sample_next(logits, 2.0, None, rng)) for _ in range(2)]
    assert not np.array_equal(*calls), "a second draw from the same generator must go on with it"
    without = [np.asarray(student.sample_next(logits, 2.0)) for _ in range(2)]
    assert not np.array_equal(*without), (
        "without a generator, each call must draw from a new one of its own"
    )


def check_top_k(student):
    """Only the k highest logits are drawn, with their shares of the probability."""
    rng = drawn()
    for _ in range(2):
        V = int(rng.integers(4, 8))
        k = int(rng.integers(2, V))
        logits = rng.permutation(np.linspace(-1, 1.5, V))
        rows = np.tile(logits, (4000, 1))
        kept = rows.copy()
        p = softmax(logits / 1.5)
        p[np.argsort(logits)[:-k]] = 0
        p /= p.sum()
        tokens = np.asarray(student.sample_next(rows, 1.5, k, rng))
        assert (p[tokens] > 0).all(), "a token outside the top_k highest logits was drawn"
        assert frequencies_fit(tokens, p), (
            "the top_k highest logits must be drawn with probabilities in proportion to "
            "exp(logit / temperature)"
        )
        assert np.array_equal(rows, kept), "sample_next changes the logits"
    two = rng.normal(size=(300, 6))
    found = np.asarray(student.sample_next(two, 3.0, 1, rng))
    assert np.array_equal(found, two.argmax(axis=1)), (
        "with top_k = 1 each row has only its own highest logit to draw"
    )
    rows = np.tile([0.0, 0.5, 1.0], (4000, 1))
    tokens = np.asarray(student.sample_next(rows, 1.0, 3 + int(rng.integers(0, 5)), rng))
    assert frequencies_fit(tokens, softmax(rows[0])), (
        "a top_k of all tokens or more must change nothing"
    )


def check_generate_shapes(student):
    """The prompt comes first, the new tokens behind it, in the prompt's own shape."""
    rng = drawn()
    model = random_gpt(rng)
    prompt = rng.integers(13, size=(3, 4))
    kept = prompt.copy()
    for new in (1, 5, 17):
        found = np.asarray(student.generate(model, prompt, new))
        assert found.shape == (3, 4 + new), "generate must return (B, T + new) for a prompt (B, T)"
        assert found.dtype.kind == "i", "tokens must be integers"
        assert np.array_equal(found[:, :4], kept), "the result must begin with the prompt"
    row = np.asarray(student.generate(model, prompt[0].tolist(), 6))
    assert row.shape == (10,), "generate must return (T + new,) for a prompt (T,)"
    one = np.asarray(student.generate(model, prompt[:1], 6))
    assert one.shape == (1, 10), "generate must return (1, T + new) for a prompt (1, T)"
    none = np.asarray(student.generate(model, prompt, 0))
    assert np.array_equal(none, kept), "with no new tokens, generate returns the prompt"
    assert np.array_equal(prompt, kept), "generate changes the prompt"
    for call in (
        lambda: student.generate(model, prompt, 18),
        lambda: student.generate(model, [13], 1),
    ):
        assert refuses(call, ValueError), (
            "more positions than the model has, or a token it does not know, must raise "
            "ValueError: call checked_prompt first"
        )


def check_generate_is_greedy(student):
    """At temperature 0 each token has the highest logit after those before it."""
    rng = drawn()
    for batch, length in ((1, 1), (3, 4)):
        model = random_gpt(rng)
        prompt = rng.integers(13, size=(batch, length))
        tokens = np.asarray(student.generate(model, prompt, 12))
        logits = logits_of(model, tokens[:, :-1])[:, length - 1 :]
        chosen = np.take_along_axis(logits, tokens[:, length:, np.newaxis], axis=2)[:, :, 0]
        assert (chosen >= logits.max(axis=2) - CLOSE).all(), (
            "each new token must be the one with the highest logit after the tokens before it"
        )
        hot = np.asarray(student.generate(model, prompt, 12, temperature=4.0, top_k=1))
        logits = logits_of(model, hot[:, :-1])[:, length - 1 :]
        chosen = np.take_along_axis(logits, hot[:, length:, np.newaxis], axis=2)[:, :, 0]
        assert (chosen >= logits.max(axis=2) - CLOSE).all(), (
            "generate must hand temperature and top_k on: with top_k = 1 only the highest is left"
        )


def check_generate_uses_its_seed(student):
    """The seed decides what is drawn, and nothing else does."""
    rng = drawn()
    model = random_gpt(rng)
    prompt = rng.integers(13, size=(3, 2))

    def written(seed):
        return np.asarray(student.generate(model, prompt, 15, temperature=3.0, seed=seed))

    first, again, other = written(4), written(4), written(5)
    assert np.array_equal(first, again), "the same seed must write the same tokens"
    assert not np.array_equal(first, other), "another seed must write other tokens"
    greedy = np.asarray(student.generate(model, prompt, 15))
    assert not np.array_equal(first, greedy), "a high temperature must write other tokens than 0"
    model.lm_head.weight.data[:] = 0  # every token is as likely as any other
    rows = np.asarray(student.generate(model, prompt, 15, temperature=1.0))[:, 2:]
    assert all(len(set(row.tolist())) > 1 for row in rows), (
        "the generator must be made once and go on, not start again with every token"
    )


def check_the_cache_changes_no_token(student):
    """With a cache, greedy or drawn, the same tokens are written, and again when asked again."""

    def attempt():
        rng = drawn()
        for batch, layers in ((1, 1), (3, 2)):
            model = random_gpt(rng, num_layers=layers)
            prompt = rng.integers(13, size=(batch, 3))
            cases = ({}, {"temperature": 1.5, "seed": 2}, {"temperature": 0.8, "top_k": 4})
            whole = [np.asarray(student.generate(model, prompt, 10, **case)) for case in cases]
            student.enable_kv_cache(model, batch)
            for case, expected in zip(cases, whole, strict=True):
                for _ in range(2):
                    found = np.asarray(student.generate(model, prompt, 10, **case))
                    assert np.array_equal(found, expected), (
                        "with a cache, and a second time with the same cache, generate must write "
                        "the tokens it writes without"
                    )

    eventually(attempt)


def check_each_position_is_computed_once(student):
    """With a cache each position is computed once, and the last token never."""
    rng = drawn()
    for length, new in ((1, 6), (int(rng.integers(2, 6)), int(rng.integers(3, 9)))):
        model = random_gpt(rng)
        cache = model.cache = GrowingCache(model.num_layers)
        student.generate(model, rng.integers(13, size=(2, length)), new)
        assert cache.written == [length + new - 1] * model.num_layers, (
            "with a cache, let the reader read the prompt once and then only the tokens chosen "
            "last; the last new token need not be read"
        )


# Any function


def check_equal_contents_have_equal_keys(student):
    """Equal contents have equal keys, whatever object they are in."""
    rng = drawn()
    x = rng.normal(size=(3, 4))
    number = int(rng.integers(1000))
    pairs = [
        (x, x.copy()),
        (x.T, np.ascontiguousarray(x.T)),
        (x[:, ::2], x[:, ::2].copy()),
        (Tensor(x), Tensor(x.copy())),
        (number, int(str(number))),
        (f"text {number}", "text " + str(number)),
        (None, None),
        ([x, {"a": (1, 2.5)}], [x.copy(), {"a": (1, 2.5)}]),
        ({"a": 1, "b": [x], "c": None}, {"c": None, "b": [x.copy()], "a": 1}),
        ({number: 1, "a": 2, None: 3}, {None: 3, number: 1, "a": 2}),
        (np.zeros((0, 3)), np.zeros((0, 3))),
    ]
    for one, other in pairs:
        assert student.content_key(one) == student.content_key(other), (
            "equal contents must have equal keys: in copies, whatever the layout in memory or the "
            "order in which a dictionary was filled"
        )
    assert student.content_key(x, 1) == student.content_key(x.copy(), 1), (
        "the keys of several equal parts must be equal"
    )


def all_different(student, values):
    keys = [student.content_key(value) for value in values]
    return len(set(keys)) == len(keys)


def check_scalars_of_other_types_differ(student):
    """Numbers, texts and bytes of different types or values have different keys."""
    rng = drawn()
    number = int(rng.integers(2, 1000))
    values = [1, True, 1.0, "1", b"1", 1 + 0j, np.float32(1), np.float64(1), np.int64(1)]
    assert all_different(student, values), "1, True, 1.0 and '1' are different contents"
    values = [None, "None", 0, False, 0.0, "", b"", "0"]
    assert all_different(student, values), "nothing, zero, False and an empty text differ"
    values = [number, number + 1, -number, str(number), float(number), number / 7]
    assert all_different(student, values), "other numbers must have other keys"
    values = [0.1, np.nextafter(0.1, 1).item(), 0.1 + 1e-9, 2**70, 2**70 + 1]
    assert all_different(student, values), "numbers that differ in their last digit differ"


def check_arrays_that_look_alike_differ(student):
    """An array counts with its dtype, its shape and every element."""
    rng = drawn()
    values = [np.zeros(2, np.float32), np.zeros(1, np.float64), np.zeros(2, np.int32),
              np.zeros(8, np.int8), np.zeros(8, np.uint8), np.zeros(8, bool)]  # fmt: skip
    assert all_different(student, values), "arrays of equal bytes and other dtypes differ"
    values = [np.zeros(shape) for shape in ((6,), (2, 3), (3, 2), (1, 6), (6, 1), (0, 2), (2, 0))]
    assert all_different(student, values), "arrays of equal bytes and other shapes differ"
    x = rng.normal(size=(40, 50)).astype(np.float32)
    changed = []
    for _ in range(6):
        other = x.copy()
        other[tuple(rng.integers((40, 50)))] += 0.5 + rng.random()
        changed.append(other)
    assert all_different(student, [x, *changed]), "a single element that changed must count"
    tiny = x.copy()
    tiny[0, 0] = np.nextafter(tiny[0, 0], np.float32(9))
    assert all_different(student, [x, tiny]), "the smallest change of an element must count"
    ones = np.ones(3, np.float32)
    assert all_different(student, [Tensor(ones), ones, [1.0, 1.0, 1.0]]), (
        "a tensor, its array and a list of its numbers differ"
    )


def check_nesting_counts(student):
    """How contents are put together counts: no two run into each other."""
    values = [
        ["ab", "c"],
        ["a", "bc"],
        ["abc"],
        "abc",
        ("ab", "c"),
        ["ab", ["c"]],
        [["ab"], "c"],
        [["ab", "c"]],
    ]
    assert all_different(student, values), "lists that are cut or nested in another way differ"
    values = [[1, 23], [12, 3], [1, 2, 3], [123], [[1], 23], [], [[]], [[], []], [[[]]], (), ((),)]
    assert all_different(student, values), "sequences of numbers that are cut otherwise differ"
    values = [{"a": 1}, {"a": 2}, {"b": 1}, [("a", 1)], {"a": 1, "b": 1}, {}]
    assert all_different(student, values), "a dictionary counts with its keys and its values"
    values = [["a", "b"], ["b", "a"], ["a", "b", None]]
    assert all_different(student, values), "the order of a list counts"
    x, y = np.zeros(2), np.zeros(3)
    assert student.content_key(x, y) != student.content_key(y, x), "the order of the parts counts"
    assert student.content_key(x) != student.content_key(x, x), "the number of parts counts"
    assert student.content_key(x, y) != student.content_key((x, y)), (
        "two parts are something else than one pair"
    )


def check_unknown_kinds_are_refused(student):
    """What might change without a trace has no key."""

    class Anything:
        pass

    for value in (Anything(), {1, 2}, np.array([Anything()], dtype=object), np.array(["text"])):
        for wrapped in (value, [1, value], {"a": (value,)}):
            assert refuses(lambda wrapped=wrapped: student.content_key(wrapped), TypeError), (
                "content_key must raise TypeError for an object of another kind, also inside a "
                "list, a tuple, a dictionary or an array"
            )


def counting(function):
    """The function, and the list of what it was called with."""
    calls = []

    def counted(*args, **kwargs):
        calls.append((args, kwargs))
        return function(*args, **kwargs)

    return counted, calls


def check_equal_arguments_are_computed_once(student):
    """Equal arguments are computed once, others each for itself, and all is counted."""
    rng = drawn()
    counted, calls = counting(lambda x, factor=1.0: x * factor)
    memo = student.memoize(counted)
    inputs = [rng.normal(size=5) for _ in range(4)]
    for _ in range(3):
        for x in inputs:
            assert np.array_equal(memo(x.copy()), x), "the result is not the function's"
    assert len(calls) == 4, "equal arguments must be computed once, other ones each for itself"
    assert (memo.hits, memo.misses) == (8, 4), "hits and misses are not counted as they happen"
    for factor in (2.0, 3.0, 2.0):
        assert np.array_equal(memo(inputs[0], factor=factor), inputs[0] * factor), (
            "arguments given by keyword count too"
        )
    assert len(calls) == 6, "arguments given by keyword count too, and are computed once"
    other = student.memoize(lambda x: x + 1)
    assert np.array_equal(other(inputs[0]), inputs[0] + 1), (
        "each memo must have a memory of its own"
    )


def check_changed_arguments_are_computed_again(student):
    """An array that was changed in place, and weights that were, are other arguments."""
    rng = drawn()
    memo = student.memoize(lambda x: 2 * x)
    x = rng.normal(size=6)
    for _ in range(4):
        assert np.array_equal(memo(x), 2 * x), (
            "after an array was changed in place, the old result must not come back"
        )
        x[int(rng.integers(6))] += 1
    layer = Linear(3, 2, rng=rng).eval()
    for parameter in layer.parameters():
        parameter.requires_grad = False
    memo, x = student.memoize(layer), normal(rng, 1, 3)
    first = np.array(memo(x).data)
    memo.function.bias.data += 1
    assert np.allclose(memo(x).data, first + 1, atol=1e-5), (
        "the weights of a layer are part of the key: make it with what _state returns"
    )
    assert refuses(lambda: student.memoize(Linear(3, 2))(x), RuntimeError), (
        "a layer that is training must be refused with RuntimeError: _state does it"
    )
    asking = Tensor(x, requires_grad=True)
    assert refuses(lambda: student.memoize(lambda t: t)(asking), RuntimeError), (
        "a tensor that wants a gradient must be refused with RuntimeError: _state does it when it "
        "is given the arguments"
    )
    assert refuses(lambda: student.memoize(lambda t: t)(t=asking), RuntimeError), (
        "_state must be given the arguments by keyword too"
    )


def check_a_failure_is_not_remembered(student):
    """A call that raises leaves no result behind, and the error reaches the caller."""
    broken = [True]

    def sometimes(x):
        if broken:
            raise ValueError("not now")
        return x + 1

    counted, calls = counting(sometimes)
    memo, x = student.memoize(counted), np.ones(2)
    for _ in range(2):
        assert refuses(lambda: memo(x), ValueError), "an error of the function must be raised"
    broken.clear()
    assert np.array_equal(memo(x), x + 1), "after an error the function must be called again"
    assert len(calls) == 3, "an error must not be remembered in place of a result"
    assert memo.hits == 0, "an error must not count as a remembered result"


def lru_by_a_list(requests, bound):
    """Hits and calls of a memory in the order of last use."""
    recent, hits = [], 0
    for n in requests:
        hits += n in recent
        recent = [*(m for m in recent if m != n), n][-bound:]
    return hits, len(requests) - hits


def check_least_recently_used_is_forgotten(student):
    """When the memory is full, what was asked for longest ago goes."""
    rng = drawn()
    requests = [0, 1, 2, 0, 3, 0, 1, 2, 3, 3, 0, 2, *rng.integers(0, 6, size=40).tolist()]
    for bound in (1, 2, 3, 4):
        counted, calls = counting(lambda n: np.array([n, n]))
        memo = student.memoize(counted, max_entries=bound)
        for n in requests:
            assert np.array_equal(memo(n), [n, n]), "a remembered result belongs to other arguments"
        hits, misses = lru_by_a_list(requests, bound)
        assert len(calls) == misses, (
            "with max_entries places, the result asked for longest ago must be forgotten, and no "
            "other: a hit makes an entry the most recent one"
        )
        assert (memo.hits, memo.misses) == (hits, misses), "hits and misses do not add up"


def check_memory_is_bounded(student):
    """No more than `max_entries` results are held."""
    bound = int(drawn().integers(2, 6))
    memo = student.memoize(lambda n: np.full(10, n, dtype=np.float64), max_entries=bound)
    for n in range(20):
        memo(n)
        held = memo.size_bytes
        assert held == 80 * min(n + 1, bound), (
            "the memory must hold the last max_entries results, no more and no fewer"
        )


def check_results_are_no_views(student):
    """What is remembered cannot be changed by the function or by a caller."""
    rng = drawn()
    cache = new_cache(student, batch=1, room=3, layers=1, heads=1, dim=2)
    old, new = normal(rng, 1, 1, 3, 2), normal(rng, 1, 1, 3, 2)
    cache.update(0, old, -old)
    cache.advance(3)
    memo = student.memoize(cache.get)
    memo(0)
    cache.reset()
    cache.update(0, new, new)
    keys, values = memo(0)
    as_before = np.array_equal(keys, old) and np.array_equal(values, -old)
    assert as_before, (
        "what is remembered changes when the function's own array does: keep a read_only copy"
    )
    memo, x = student.memoize(lambda x: x + 1), normal(rng, 4)
    for _ in range(2):
        with contextlib.suppress(ValueError):
            memo(x)[...] = 0
        assert np.array_equal(memo(x), x + 1), (
            "a caller that writes into a result must not change it for others"
        )


def check_hit_rate(student):
    """The hit rate is hits / calls, a float, and 0.0 before the first call."""
    rng = drawn()
    memo = student.memoize(lambda n: np.array([n]))
    assert memo.hit_rate == 0.0, "before the first call the hit rate is 0.0"
    requests = rng.integers(0, 4, size=17).tolist()
    for count, n in enumerate(requests, start=1):
        memo(n)
        hits, _ = lru_by_a_list(requests[:count], 128)
        assert math.isclose(memo.hit_rate, hits / count, abs_tol=1e-12), (
            "hit_rate must be the hits so far divided by all calls so far"
        )
    assert type(memo.hit_rate) is float, "hit_rate must be a Python float"
    memo.clear()
    assert memo.hit_rate == 0.0, "after clear() the hit rate is 0.0 again"
