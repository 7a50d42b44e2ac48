"""Sums as formulas, attention by einsum, draws by the running sum, ages for the last use."""


def squares_to(n):
    return n * (n + 1) * (2 * n + 1) // 6


def count_attention_scores(prompt_length, new_tokens, cached):
    P, N = checked_size("prompt_length", prompt_length), checked_size("new_tokens", new_tokens)
    last = P + N - 1
    if not cached:
        return squares_to(last) - squares_to(P - 1)
    return P * P + (last * (last + 1) - P * (P + 1)) // 2


def forward_flops(model, new_positions, past_positions=0):
    d, n, m = model.embed_dim, new_positions, past_positions
    per_layer = 24 * n * d**2 + 4 * d * n * (n + m)
    return model.num_layers * per_layer + 2 * n * d * model.vocab_size


def generation_flops(model, prompt_length, new_tokens, cached):
    """Layers cost by the position, scores by the pair."""
    P, N = checked_size("prompt_length", prompt_length), checked_size("new_tokens", new_tokens)
    d = model.embed_dim
    last = P + N - 1
    positions = last if cached else (last * (last + 1) - P * (P - 1)) // 2
    pairs = count_attention_scores(P, N, cached)
    each = 24 * model.num_layers * d * d + 2 * d * model.vocab_size
    return positions * each + 4 * d * model.num_layers * pairs


class KVCache:
    """Keys and values are the two halves of one array."""

    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        self.batch_size = checked_size("batch_size", batch_size)
        self.max_seq_len = checked_size("max_seq_len", max_seq_len)
        self.num_layers = checked_size("num_layers", num_layers)
        self.num_heads = checked_size("num_heads", num_heads)
        self.head_dim = checked_size("head_dim", head_dim)
        shape = (2, num_layers, batch_size, num_heads, max_seq_len, head_dim)
        self.both = np.zeros(shape, dtype=np.float32)
        self.length = 0

    @property
    def keys(self):
        return self.both[0]

    @property
    def values(self):
        return self.both[1]

    def update(self, layer, k, v):
        self._check(layer, k, v)
        end = self.length + k.shape[-2]
        self.both[:, layer, :, :, self.length : end] = np.stack([k, v])
        return tuple(self.both[:, layer, :, :, :end])

    def get(self, layer):
        self._check_layer(layer)
        return tuple(self.both[:, layer, :, :, : self.length])

    def advance(self, n=1):
        if not 0 <= n <= self.max_seq_len - self.length:
            raise ValueError(f"cannot count {n} more positions")
        self.length = self.length + n

    def reset(self):
        self.both[...] = 0
        self.length = 0

    def get_memory_usage(self):
        one = self.both[..., :1, :].nbytes
        return {
            "bytes_per_position": one,
            "used_bytes": self.both[..., : self.length, :].nbytes,
            "total_bytes": self.both.nbytes,
        }

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
    places = np.arange(total)
    return places <= places[total - new :, np.newaxis]


def attend(q, keys, values):
    T, S = q.shape[-2], keys.shape[-2]
    scores = np.einsum("bhtd,bhsd->bhts", q, keys) / np.float32(math.sqrt(q.shape[-1]))
    scores = np.where(causal_mask(T, S), scores, np.float32(-np.inf))
    weights = np.exp(scores - scores.max(axis=3, keepdims=True))
    out = np.einsum("bhts,bhsd->bhtd", weights, values) / weights.sum(axis=3)[..., np.newaxis]
    return out.astype(np.float32)


def linear(layer: Any, x: Array) -> Array:
    """Return what the ``Linear`` ``layer`` makes of ``x`` (..., in), as an array (..., out)."""
    out: Array = x @ layer.weight.data
    if layer.bias is not None:
        out += layer.bias.data
    return out


def cached_attention(attention, x, cache, layer):
    def split(projection):
        flat = linear(projection, x)
        return np.stack(np.split(flat, attention.num_heads, axis=2), axis=1)

    keys, values = cache.update(layer, split(attention.k_proj), split(attention.v_proj))
    heads = attend(split(attention.q_proj), keys, values)
    return linear(attention.out_proj, np.moveaxis(heads, 1, 2).reshape(x.shape))


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
    _B, T = tokens.shape
    places = cache.length + np.arange(T)
    if places[-1] >= model.max_seq_len:
        raise ValueError(f"the model has only {model.max_seq_len} positions")
    x = np.take(model.token_embedding.weight.data, tokens, axis=0)
    x = x + np.take(model.position_embedding.weight.data, places, axis=0)[np.newaxis]
    for layer in range(model.num_layers):
        block = model.blocks[layer]
        middle = x + cached_attention(block.attention, norm(block.ln1, x), cache, layer)
        first, _, second = (block.mlp[i] for i in range(3))
        x = middle + linear(second, gelu(linear(first, norm(block.ln2, middle))))
    cache.advance(T)
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
    if temperature == 0:
        return np.argmax(logits, axis=1)
    rng = rng or np.random.default_rng()
    scores = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(scores / temperature)
    if top_k is not None:
        ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
        p = np.where(ranks < top_k, p, 0.0)
    sums = p.cumsum(axis=1)
    drawn = rng.random((len(logits), 1)) * sums[:, -1:]
    return (sums <= drawn).sum(axis=1)


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


def generate(model, prompt_tokens, max_new_tokens, temperature=0.0, top_k=None, seed=0):
    prompt = checked_prompt(model, prompt_tokens, max_new_tokens)
    B, T = prompt.shape
    tokens = np.empty((B, T + max_new_tokens), dtype=np.int64)
    tokens[:, :T] = prompt
    rng = np.random.default_rng(seed)
    with no_grad():
        read_on, start = reader_of(model), 0
        for end in range(T, T + max_new_tokens):
            tokens[:, end] = sample_next(read_on(tokens[:, start:end]), temperature, top_k, rng)
            start = end
    return tokens.reshape(-1) if np.ndim(prompt_tokens) == 1 else tokens


def feed(digest, value):
    kind = type(value)

    def write(tag, payload):
        digest.update(f"{kind.__module__}.{kind.__qualname__}|{tag}|{len(payload)}|".encode())
        digest.update(payload)

    if kind is Tensor:
        write("tensor", b"")
        feed(digest, value.data)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"cannot make a key of {value.dtype}")
        write(f"{value.dtype.str} {value.shape}", np.ascontiguousarray(value).tobytes())
    elif kind in (list, tuple):
        write(str(len(value)), b"")
        for item in value:
            feed(digest, item)
    elif kind is dict:
        write(str(len(value)), b"")
        for key in sorted(value, key=lambda key: (type(key).__name__, repr(key))):
            feed(digest, key)
            feed(digest, value[key])
    elif kind is bytes:
        write("bytes", value)
    elif isinstance(value, (int, float, complex, str, np.generic)) or value is None:
        write("scalar", repr(value).encode())
    else:
        raise TypeError(f"cannot make a key of a {kind.__name__}")


def content_key(*parts):
    digest = hashlib.sha256()
    feed(digest, list(parts))
    return digest.hexdigest()


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
    def __init__(self, function: Callable[..., Any], max_entries: int) -> None:
        if not callable(function):
            raise TypeError(f"expected a function or a layer, got {type(function).__name__}")
        self.function = function
        self.max_entries = checked_size("max_entries", max_entries)
        self.hits = 0
        self.misses = 0
        self._results: OrderedDict[bytes, Result] = OrderedDict()
        if not isinstance(function, Module):
            update_wrapper(self, function, updated=())

    @property
    def size_bytes(self) -> int:
        """Bytes of the results held."""
        return sum(map(result_bytes, self._results.values()))

    def clear(self) -> None:
        """Forget all results, and count from 0 again."""
        self._results.clear()
        self.hits = self.misses = 0

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

    def __call__(self, *args, **kwargs):
        key = content_key(args, kwargs, self._state(*args, *kwargs.values()))
        ages = self.__dict__.setdefault("ages", {})
        if not self._results:
            ages.clear()
        found = key in self._results
        if not found:
            result = read_only(self.function(*args, **kwargs))
            if len(self._results) == self.max_entries:
                oldest = min(self._results, key=ages.__getitem__)
                del self._results[oldest], ages[oldest]
            self._results[key] = result
        self.hits += found
        self.misses += not found
        ages[key] = self.hits + self.misses
        return self._results[key]

    @property
    def hit_rate(self):
        return float(self.hits / max(1, self.hits + self.misses))


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
