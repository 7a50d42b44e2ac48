"""Own classes throughout: a cache of layer objects, a memo from scratch, a reader that counts."""


def count_attention_scores(prompt_length, new_tokens, cached):
    P, N = checked_size("prompt_length", prompt_length), checked_size("new_tokens", new_tokens)
    if N == 1:
        return P * P
    before = count_attention_scores(P, N - 1, cached)
    return before + (P + N - 1) ** (1 if cached else 2)


def forward_flops(model, new_positions, past_positions=0):
    d = model.embed_dim
    pair = 4 * d * model.num_layers
    position = 24 * d * d * model.num_layers + 2 * d * model.vocab_size
    return new_positions * (position + pair * new_positions + pair * past_positions)


def generation_flops(model, prompt_length, new_tokens, cached):
    checked_size("prompt_length", prompt_length)
    checked_size("new_tokens", new_tokens)
    total = forward_flops(model, prompt_length)
    length = prompt_length
    while length < prompt_length + new_tokens - 1:
        total += forward_flops(model, 1, length) if cached else forward_flops(model, length + 1)
        length += 1
    return total


class Layer:
    """The keys and values of one layer; its arrays are views of the cache's."""

    def __init__(self, keys, values):
        self.arrays = keys, values

    def write(self, start, *new):
        for array, part in zip(self.arrays, new, strict=True):
            np.copyto(array[:, :, start : start + part.shape[2]], part)

    def upto(self, end):
        return tuple(array[:, :, :end] for array in self.arrays)


class KVCache:
    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        self.batch_size = checked_size("batch_size", batch_size)
        self.max_seq_len = checked_size("max_seq_len", max_seq_len)
        self.num_layers = checked_size("num_layers", num_layers)
        self.num_heads = checked_size("num_heads", num_heads)
        self.head_dim = checked_size("head_dim", head_dim)
        shape = [num_layers, batch_size, num_heads, max_seq_len, head_dim]
        self.keys = np.full(shape, 0, dtype=np.float32)
        self.values = np.full(shape, 0, dtype=np.float32)
        self.layers = [Layer(*pair) for pair in zip(self.keys, self.values, strict=True)]
        self.reset()

    def update(self, layer, k, v):
        self._check(layer, k, v)
        self.layers[layer].write(self.length, k, v)
        return self.layers[layer].upto(self.length + k.shape[2])

    def get(self, layer):
        self._check_layer(layer)
        return self.layers[layer].upto(self.length)

    def advance(self, n=1):
        if min(n, self.max_seq_len - self.length - n) < 0:
            raise ValueError("that many positions cannot be counted")
        self.length += n

    def reset(self):
        self.length = 0

    def get_memory_usage(self):
        usage = {"total_bytes": sum(a.nbytes for a in (self.keys, self.values))}
        usage["bytes_per_position"] = usage["total_bytes"] // self.max_seq_len
        usage["used_bytes"] = usage["total_bytes"] * self.length // self.max_seq_len
        return usage

    def _check(self, layer: int, k: Array, v: Array) -> None:
        self._check_layer(layer)
        B, H, D = self.batch_size, self.num_heads, self.head_dim
        if k.ndim != 4 or k.shape != v.shape or (*k.shape[:2], k.shape[3]) != (B, H, D):
            expected = f"k and v of shape ({B}, {H}, T, {D})"
            raise ValueError(f"expected {expected}, got {k.shape} and {v.shape}")
        if k.dtype != np.float32 or v.dtype != np.float32:
            raise TypeError(f"expected float32 keys and values, got {k.dtype} and {v.dtype}")
        room = self.max_seq_len - self.length
        if k.shape[2] > room:
            raise ValueError(f"expected at most {room} more positions, got {k.shape[2]}")

    def _check_layer(self, layer: int) -> None:
        if not 0 <= layer < self.num_layers:
            raise IndexError(f"expected a layer from 0 to {self.num_layers - 1}, got {layer}")


def create_kv_cache(model: GPT, batch_size: int = 1, max_seq_len: int | None = None) -> KVCache:
    """Return an empty cache that fits ``model``, for its whole length unless told a shorter one.

    Raises ValueError for a max_seq_len above the model's.

    >>> model = GPT(vocab_size=11, embed_dim=8, num_layers=3, num_heads=2, max_seq_len=16)
    >>> create_kv_cache(model).get_memory_usage()["bytes_per_position"]
    192
    """
    length = model.max_seq_len if max_seq_len is None else max_seq_len
    if length > model.max_seq_len:
        raise ValueError(f"expected max_seq_len up to {model.max_seq_len}, got {length}")
    head_dim = model.embed_dim // model.num_heads
    return KVCache(batch_size, length, model.num_layers, model.num_heads, head_dim)


def enable_kv_cache(model: GPT, batch_size: int = 1, max_seq_len: int | None = None) -> KVCache:
    """Give ``model`` an empty cache, which it uses from now on, and return it.

    Then ``model(tokens)`` takes only the tokens that follow those before, under ``no_grad()``, and
    ``generate`` computes each position once; ``reset()`` of the cache starts a new sequence.
    Raises ValueError for a max_seq_len above the model's.

    >>> from tinytorch.core.autograd import no_grad
    >>> model = GPT(vocab_size=11, embed_dim=8, num_layers=1, num_heads=2, max_seq_len=16)
    >>> with no_grad():
    ...     whole = model([[1, 2, 3]])
    ...     cache = enable_kv_cache(model)
    ...     parts = model([[1, 2]]), model([[3]])
    >>> bool(np.allclose(parts[1].numpy()[:, 0], whole.numpy()[:, 2], atol=1e-6)), cache.length
    (True, 3)
    """
    model.cache = cache = create_kv_cache(model, batch_size, max_seq_len)
    return cache


def disable_kv_cache(model: GPT) -> None:
    """Take the cache away from ``model``, which then sees whole sequences again.

    Without a cache nothing changes.
    """
    model.cache = None


def causal_mask(new, total):
    queries, keys = np.indices((new, total))
    return keys - queries <= total - new


def attend(q, keys, values):
    """Scores as sums of products, the softmax from its logarithm."""
    D = q.shape[3]
    scores = np.matmul(q, np.transpose(keys, (0, 1, 3, 2))) * float(D) ** -0.5
    hidden = np.logical_not(causal_mask(q.shape[2], keys.shape[2]))
    scores = np.ma.masked_array(scores, np.broadcast_to(hidden, scores.shape))
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True)).filled(0)
    shares = powers / powers.sum(axis=-1, keepdims=True)
    return np.matmul(shares, values).astype(np.float32)


def linear(layer: Any, x: Array) -> Array:
    """Return what the ``Linear`` ``layer`` makes of ``x`` (..., in), as an array (..., out)."""
    out: Array = x @ layer.weight.data
    if layer.bias is not None:
        out += layer.bias.data
    return out


def cached_attention(attention, x, cache, layer):
    """Columns of the weights, head by head."""
    heads = attention.num_heads
    D = x.shape[-1] // heads
    q, k, v = (
        np.stack(
            [
                x @ layer.weight.data[:, h * D : (h + 1) * D] + layer.bias.data[h * D : (h + 1) * D]
                for h in range(heads)
            ],
            axis=1,
        )
        for layer in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    out = attend(q, *cache.update(layer, k, v))
    W = attention.out_proj.weight.data
    parts = [out[:, h] @ W[h * D : (h + 1) * D] for h in range(heads)]
    return np.sum(parts, axis=0) + attention.out_proj.bias.data


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


def decode_step(model, tokens, cache):
    count = tokens.shape[1]
    if count > model.max_seq_len - cache.length:
        raise ValueError(f"{cache.length} positions are taken, {count} more do not fit")
    table = model.position_embedding.weight.data[cache.length :][:count]
    x = model.token_embedding.weight.data[tokens] + table

    def network(block, x):
        inner, _, outer = block.mlp[0], block.mlp[1], block.mlp[2]
        return linear(outer, gelu(linear(inner, x)))

    for layer, block in enumerate(model.blocks):
        x = x + cached_attention(block.attention, norm(block.ln1, x), cache, layer)
        x = x + network(block, norm(block.ln2, x))
    cache.advance(count)
    return linear(model.lm_head, norm(model.ln_f, x))


def check_sampling(logits: Array, temperature: float, top_k: int | None) -> None:
    """Raise for what ``sample_next`` refuses."""
    if logits.ndim != 2 or logits.shape[-1] == 0 or not np.isfinite(logits).all():
        raise ValueError(f"expected finite logits (B, V), got shape {logits.shape} or NaN")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"expected a finite temperature of at least 0, got {temperature}")
    if top_k is not None:
        checked_size("top_k", top_k)


def sample_next(logits, temperature=0.0, top_k=None, rng=None):
    check_sampling(logits, temperature, top_k)
    if temperature == 0.0:
        return logits.argmax(1)
    rng = np.random.default_rng() if rng is None else rng
    k = min(top_k or logits.shape[1], logits.shape[1])
    best = np.argpartition(logits, -k, axis=1)[:, -k:]
    z = np.take_along_axis(logits, best, axis=1) / temperature
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    choice = np.array([rng.multinomial(1, row).argmax() for row in p])
    return best[np.arange(len(best)), choice]


def checked_prompt(model: GPT, prompt_tokens: ArrayLike, max_new_tokens: int) -> NDArray[np.int64]:
    """Return the prompts as int64 (B, T), or raise for what ``generate`` refuses."""
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


class Writer:
    def __init__(self, model, prompt, choose):
        self.read_on, self.choose, self.pieces = reader_of(model), choose, [prompt]

    def write(self):
        self.pieces.append(self.choose(self.read_on(self.pieces[-1]))[:, np.newaxis])


def generate(model, prompt_tokens, max_new_tokens, temperature=0.0, top_k=None, seed=0):
    prompt = checked_prompt(model, prompt_tokens, max_new_tokens)
    rng = np.random.default_rng(seed)
    with no_grad():
        writer = Writer(model, prompt, lambda z: sample_next(z, temperature, top_k, rng))
        for _ in range(max_new_tokens):
            writer.write()
    tokens = np.hstack(writer.pieces)
    return tokens if np.array(prompt_tokens).ndim > 1 else tokens[0]


def feed(digest, value):
    """Depth first, each value between marks of its own."""
    digest.update(f"<{type(value).__name__} ".encode())
    if isinstance(value, Tensor):
        feed(digest, value.data)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"an array of {value.dtype} may change without a trace")
        feed(digest, [value.dtype.str, list(value.shape), value.tobytes()])
    elif isinstance(value, dict):
        feed(digest, len(value))
        for key in sorted(value, key=content_key):
            feed(digest, (key, value[key]))
    elif isinstance(value, (list, tuple)):
        feed(digest, len(value))
        for part in value:
            feed(digest, part)
    elif isinstance(value, (str, bytes)):
        raw = value if isinstance(value, bytes) else value.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    elif value is None or isinstance(value, (int, float, complex, np.generic)):
        digest.update(repr(value).encode())
    else:
        raise TypeError(f"a {type(value).__name__} may change without a trace")
    digest.update(b">")


def content_key(*parts):
    digest = hashlib.blake2b(digest_size=16)
    digest.update(str(len(parts)).encode())
    for part in parts:
        feed(digest, part)
    return digest.digest()


def read_only(result: Any) -> Result:
    """Return a copy of an array, a tensor or a tuple of them that nobody can write to."""
    if isinstance(result, tuple):
        return tuple(map(read_only, result))
    if not isinstance(result, Tensor | np.ndarray):
        kind = type(result).__name__
        raise TypeError(f"expected a function that returns an array or a tensor, got {kind}")
    array = np.array(result.data if isinstance(result, Tensor) else result)
    array.flags.writeable = False
    return wrap(array) if isinstance(result, Tensor) else array


def result_bytes(result: Result) -> int:
    """Return the bytes of an array, a tensor or a tuple of them."""
    if isinstance(result, tuple):
        return sum(map(result_bytes, result))
    return result.data.nbytes if isinstance(result, Tensor) else result.nbytes


class Memoized:
    """A plain dict in the order of last use."""

    def __init__(self, function, max_entries):
        if not callable(function):
            raise TypeError("only functions and layers can be remembered")
        self.function, self.max_entries = function, checked_size("max_entries", max_entries)
        self.clear()

    def clear(self):
        self.hits = self.misses = 0
        self.kept = {}

    def __call__(self, *args, **kwargs):
        key = content_key(args, kwargs, self._state(*args, *kwargs.values()))
        if key in self.kept:
            self.hits += 1
            result = self.kept.pop(key)
        else:
            self.misses += 1
            result = read_only(self.function(*args, **kwargs))
            if len(self.kept) >= self.max_entries:
                self.kept.pop(next(iter(self.kept)))
        self.kept[key] = result
        return result

    @property
    def hit_rate(self):
        try:
            return self.hits / (self.hits + self.misses)
        except ZeroDivisionError:
            return 0.0

    @property
    def size_bytes(self):
        return sum(result_bytes(result) for result in self.kept.values())

    def _state(self, *arguments: Any) -> dict[str, Array]:
        """Return what the result depends on beside the arguments: the weights of a layer."""
        if any(isinstance(a, Tensor) and needs_grad(a) for a in arguments):
            raise RuntimeError(NO_GRADIENTS)
        if not isinstance(self.function, Module):
            return {}
        if any(module.training for module in self.function.modules()):
            raise RuntimeError("expected a layer that is not training; call its eval()")
        if is_grad_enabled() and self.function.parameters():
            raise RuntimeError(NO_GRADIENTS)
        return self.function.state_dict()


def memoize(function: Callable[..., Any], max_entries: int = 128) -> Memoized:
    """Return ``function`` with a memory of its last ``max_entries`` results.

    ``function`` takes arrays, tensors, numbers, strings, None, or tuples and lists of them, and
    returns an array, a tensor or a tuple of them; it must be pure, so that equal arguments have
    equal results.
    A ``Module`` may be given: its weights count as arguments, and it must not be training.
    It pays only where computing takes longer than reading all arguments once, to hash them.
    Raises TypeError for what cannot be called, TypeError or ValueError for a max_entries that is
    no positive integer.

    >>> square = memoize(np.square)
    >>> [square(np.array([2.0, 3.0])).tolist() for _ in range(3)], square.hits, square.misses
    ([[4.0, 9.0], [4.0, 9.0], [4.0, 9.0]], 2, 1)
    """
    return Memoized(function, max_entries)
