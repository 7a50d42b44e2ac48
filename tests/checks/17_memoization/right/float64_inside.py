"""Attention in float64 inside, one sequence of the batch at a time, the mask added as numbers."""


def count_attention_scores(prompt_length, new_tokens, cached):
    for name, count in (("prompt_length", prompt_length), ("new_tokens", new_tokens)):
        checked_size(name, count)
    lengths = np.arange(prompt_length, prompt_length + new_tokens, dtype=np.int64)
    queries = lengths.copy()
    if cached:
        queries[1:] = 1
    return int(queries @ lengths)


def forward_flops(model, new_positions, past_positions=0):
    def product(rows, inner, columns):
        return 2 * rows * inner * columns

    n, d, seen = new_positions, model.embed_dim, new_positions + past_positions
    projections = 4 * product(n, d, d)
    network = product(n, d, 4 * d) + product(n, 4 * d, d)
    attention = product(n, d, seen) + product(n, seen, d)
    return model.num_layers * (projections + network + attention) + product(n, d, model.vocab_size)


def generation_flops(model, prompt_length, new_tokens, cached):
    checked_size("prompt_length", prompt_length)
    checked_size("new_tokens", new_tokens)
    passes = [(prompt_length, 0)]
    for n in range(prompt_length, prompt_length + new_tokens - 1):
        passes.append((1, n) if cached else (n + 1, 0))
    return sum(forward_flops(model, new, past) for new, past in passes)


class KVCache:
    """Written without the given helpers."""

    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        sizes = (batch_size, max_seq_len, num_layers, num_heads, head_dim)
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
                raise TypeError("sizes are whole numbers")
            if size < 1:
                raise ValueError("sizes are at least 1")
        self.batch_size, self.max_seq_len, self.num_layers, self.num_heads, self.head_dim = sizes
        self.keys, self.values = (
            np.zeros((num_layers, batch_size, num_heads, max_seq_len, head_dim), np.float32)
            for _ in range(2)
        )
        self.length = 0

    def _here(self, layer):
        if layer not in range(self.num_layers):
            raise IndexError(f"there is no layer {layer}")

    def update(self, layer, k, v):
        self._here(layer)
        B, H, T, D = k.shape
        if (self.batch_size, self.num_heads, self.head_dim) != (B, H, D) or v.shape != k.shape:
            raise ValueError("keys or values of another shape")
        if not k.dtype == v.dtype == np.dtype("float32"):
            raise TypeError("keys and values are float32")
        if self.length + T > self.max_seq_len:
            raise ValueError("the cache is full")
        places = np.arange(self.length, self.length + T)
        self.keys[layer][:, :, places] = k
        self.values[layer][:, :, places] = v
        end = self.length + T
        return self.keys[layer, ..., :end, :].copy(), self.values[layer, ..., :end, :].copy()

    def get(self, layer):
        self._here(layer)
        return self.keys[layer, ..., : self.length, :], self.values[layer, ..., : self.length, :]

    def advance(self, n=1):
        after = self.length + n
        if n < 0 or after > self.max_seq_len:
            raise ValueError(f"{after} of {self.max_seq_len} positions")
        self.length = after

    def reset(self):
        self.length = 0

    def get_memory_usage(self):
        numbers = 2 * self.keys.size
        per_position = 4 * (numbers // self.max_seq_len)
        return {
            "total_bytes": 4 * numbers,
            "used_bytes": per_position * self.length,
            "bytes_per_position": per_position,
        }


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
    return np.tril(np.ones((total, total), dtype=bool))[-new:]


def attend(q, keys, values):
    bias = np.where(causal_mask(q.shape[2], keys.shape[2]), 0.0, -np.inf)
    out = []
    for one_q, one_k, one_v in zip(
        q.astype(float), keys.astype(float), values.astype(float), strict=True
    ):
        scores = one_q @ one_k.transpose(0, 2, 1) / math.sqrt(q.shape[3]) + bias
        logs = scores - scores.max(axis=2, keepdims=True)
        weights = np.exp(logs - np.log(np.exp(logs).sum(axis=2, keepdims=True)))
        out.append(weights @ one_v)
    return np.array(out, dtype=np.float32)


def linear(layer: Any, x: Array) -> Array:
    """Return what the ``Linear`` ``layer`` makes of ``x`` (..., in), as an array (..., out)."""
    out: Array = x @ layer.weight.data
    if layer.bias is not None:
        out += layer.bias.data
    return out


def cached_attention(attention, x, cache, layer):
    """One product for queries, keys and values together."""
    B, T, d = x.shape
    layers = [attention.q_proj, attention.k_proj, attention.v_proj]
    weight = np.hstack([one.weight.data for one in layers])
    bias = np.hstack([one.bias.data for one in layers])
    qkv = (x @ weight + bias).reshape(B, T, 3, attention.num_heads, -1).transpose(2, 0, 3, 1, 4)
    keys, values = cache.update(layer, qkv[1], qkv[2])
    heads = attend(qkv[0], keys, values)
    return linear(attention.out_proj, heads.transpose(0, 2, 1, 3).reshape(B, T, d))


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
    T = len(tokens[0])
    positions = np.arange(T) + cache.length
    if (positions >= model.max_seq_len).any():
        raise ValueError("more positions than the model has")
    one_hot = np.eye(model.vocab_size, dtype=np.float32)[tokens]
    x = one_hot @ model.token_embedding.weight.data
    x += model.position_embedding.weight.data[positions]
    for number, block in enumerate(model.blocks):
        x += cached_attention(block.attention, norm(block.ln1, x), cache, number)
        x += block.mlp(norm(block.ln2, x)).data
    cache.advance(T)
    return model.lm_head(model.ln_f(x)).data


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
    rng = np.random.default_rng() if rng is None else rng
    noise = 0.0
    if temperature > 0:
        # An exponential of rate p_i comes first among all with probability p_i.
        noise = -np.log(rng.exponential(size=logits.shape)) * temperature
    scores = np.array(logits, dtype=np.float64)
    if temperature > 0 and top_k is not None and top_k < logits.shape[1]:
        dropped = np.argsort(scores, axis=1)[:, :-top_k]
        np.put_along_axis(scores, dropped, -np.inf, axis=1)
    return np.argmax(scores + noise, axis=1)


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
    rng = np.random.default_rng(seed)

    def written():
        new, read_on = prompt, reader_of(model)
        yield new
        for _ in range(max_new_tokens):
            new = sample_next(read_on(new), temperature, top_k, rng)[:, None]
            yield new

    with no_grad():
        tokens = np.concatenate(list(written()), axis=1)
    return tokens.squeeze(0) if np.ndim(prompt_tokens) == 1 else tokens


def frozen(value):
    """The value as nested tuples that can be compared and hashed."""
    if isinstance(value, Tensor):
        return ("tensor", frozen(value.data))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *map(frozen, value))
    if isinstance(value, dict):
        return ("dict", frozenset((frozen(k), frozen(v)) for k, v in value.items()))
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        return (type(value).__name__, repr(value))
    raise TypeError(f"no key for {type(value)}")


def content_key(*parts):
    """The key is the content itself: long, and free of any chance."""
    return repr(frozen(parts)) if not _has_dict(parts) else frozen(parts)


def _has_dict(value):
    if isinstance(value, dict):
        return True
    return isinstance(value, (list, tuple)) and any(map(_has_dict, value))


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
        state = self._state(*args, *kwargs.values())
        key = content_key(args, kwargs, state)
        try:
            result = self._results.pop(key)
            self.hits += 1
        except KeyError:
            self.misses += 1
            result = read_only(self.function(*args, **kwargs))
        self._results[key] = result
        if len(self._results) > self.max_entries:
            first, *_ = self._results
            self._results.pop(first)
        return result

    @property
    def hit_rate(self):
        calls = self.misses + self.hits
        return 1.0 - self.misses / calls if calls > 0 else 0.0


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
