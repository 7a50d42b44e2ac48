"""Plain loops: one query, one head, one row at a time; a list keeps the order of last use."""


def count_attention_scores(prompt_length, new_tokens, cached):
    checked_size("prompt_length", prompt_length)
    checked_size("new_tokens", new_tokens)
    scores = 0
    for step in range(new_tokens):
        seen = prompt_length + step
        queries = 1 if cached and step > 0 else seen
        scores += queries * seen
    return scores


def forward_flops(model, new_positions, past_positions=0):
    d = model.embed_dim
    flops = 0
    for _position in range(new_positions):
        for _ in range(model.num_layers):
            for inputs, outputs in [(d, d)] * 4 + [(d, 4 * d), (4 * d, d)]:
                flops += 2 * inputs * outputs
            flops += 2 * (2 * d * (past_positions + new_positions))
        flops += 2 * d * model.vocab_size
    return flops


def generation_flops(model, prompt_length, new_tokens, cached):
    checked_size("prompt_length", prompt_length)
    checked_size("new_tokens", new_tokens)
    flops, read = 0, 0
    for length in range(prompt_length, prompt_length + new_tokens):
        if not cached:
            read = 0
        flops += forward_flops(model, length - read, read)
        read = length
    return flops


class KVCache:
    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        sizes = locals()
        for name in ("batch_size", "max_seq_len", "num_layers", "num_heads", "head_dim"):
            setattr(self, name, checked_size(name, sizes[name]))
        self.keys = np.zeros((num_layers, batch_size, num_heads, max_seq_len, head_dim), "f4")
        self.values = np.zeros_like(self.keys)
        self.length = 0

    def update(self, layer, k, v):
        self._check(layer, k, v)
        for t in range(k.shape[2]):
            self.keys[layer, :, :, self.length + t] = k[:, :, t]
            self.values[layer, :, :, self.length + t] = v[:, :, t]
        filled = slice(0, self.length + k.shape[2])
        return self.keys[layer][:, :, filled], self.values[layer][:, :, filled]

    def get(self, layer):
        self._check_layer(layer)
        return self.keys[layer][:, :, : self.length], self.values[layer][:, :, : self.length]

    def advance(self, n=1):
        if n < 0:
            raise ValueError(f"cannot go back by {-n} positions")
        if n > self.max_seq_len - self.length:
            raise ValueError(f"no room for {n} more positions")
        self.length += n

    def reset(self):
        self.length = 0

    def get_memory_usage(self):
        position = 2 * self.num_layers * self.batch_size * self.num_heads * self.head_dim * 4
        return {
            "total_bytes": position * self.max_seq_len,
            "used_bytes": position * self.length,
            "bytes_per_position": position,
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
    mask = np.zeros((new, total), dtype=bool)
    for t in range(new):
        mask[t, : total - new + t + 1] = True
    return mask


def attend(q, keys, values):
    B, H, T, D = q.shape
    past = keys.shape[2] - T
    out = np.empty((B, H, T, D), dtype=np.float32)
    for b in range(B):
        for h in range(H):
            for t in range(T):
                k, v = keys[b, h, : past + t + 1], values[b, h, : past + t + 1]
                scores = k @ q[b, h, t] / math.sqrt(D)
                weights = np.exp(scores - scores.max())
                out[b, h, t] = weights @ v / weights.sum()
    return out


def linear(layer: Any, x: Array) -> Array:
    """Return what the ``Linear`` ``layer`` makes of ``x`` (..., in), as an array (..., out)."""
    out: Array = x @ layer.weight.data
    if layer.bias is not None:
        out += layer.bias.data
    return out


def cached_attention(attention, x, cache, layer):
    B, T, d = x.shape
    H = attention.num_heads
    D = d // H

    def heads_of(layer):
        wide = linear(layer, x)
        heads = np.empty((B, H, T, D), dtype=np.float32)
        for h in range(H):
            heads[:, h] = wide[:, :, h * D : (h + 1) * D]
        return heads

    q = heads_of(attention.q_proj)
    keys, values = cache.update(layer, heads_of(attention.k_proj), heads_of(attention.v_proj))
    out = attend(q, keys, values)
    return linear(attention.out_proj, np.concatenate([out[:, h] for h in range(H)], axis=-1))


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
    """One position at a time, whatever the number of new tokens."""
    if cache.length + tokens.shape[1] > model.max_seq_len:
        raise ValueError("the text is longer than the model")
    logits = []
    for t in range(tokens.shape[1]):
        place = cache.length
        x = np.stack([model.token_embedding.weight.data[token] for token in tokens[:, t : t + 1]])
        x = x + model.position_embedding.weight.data[place]
        for layer in range(len(model.blocks)):
            block = model.blocks[layer]
            x = x + cached_attention(block.attention, norm(block.ln1, x), cache, layer)
            x = x + linear(block.mlp[2], gelu(linear(block.mlp[0], norm(block.ln2, x))))
        cache.advance()
        logits.append(linear(model.lm_head, norm(model.ln_f, x)))
    return np.concatenate(logits, axis=1)


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
    if rng is None:
        rng = np.random.default_rng()
    tokens = []
    for row in logits:
        if temperature == 0:
            tokens.append(int(np.argmax(row)))
            continue
        allowed = np.argsort(row)[::-1][: top_k or len(row)]
        powers = np.exp((row[allowed] - row.max()) / temperature)
        sums = np.cumsum(powers)
        tokens.append(int(allowed[np.searchsorted(sums, rng.random() * sums[-1], side="right")]))
    return np.array(tokens)


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
    tokens = checked_prompt(model, prompt_tokens, max_new_tokens)
    rng = np.random.default_rng(seed)
    with no_grad():
        read_on = reader_of(model)
        unread = tokens
        while max_new_tokens > 0:
            chosen = sample_next(read_on(unread), temperature, top_k, rng)
            unread = chosen.reshape(-1, 1)
            tokens = np.hstack([tokens, unread])
            max_new_tokens -= 1
    if np.asarray(prompt_tokens).ndim == 1:
        return tokens[0]
    return tokens


def feed(digest, value):
    digest.update(spelled(value).encode())


def spelled(value):
    """A text that differs whenever the value does."""
    if isinstance(value, Tensor):
        return "Tensor(" + spelled(value.data) + ")"
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise TypeError(f"an array of {value.dtype} has no key")
        return f"array({value.dtype},{value.shape},{value.tobytes().hex()})"
    if isinstance(value, list):
        return "[" + ",".join(spelled(item) for item in value) + "]"
    if isinstance(value, tuple):
        return "(" + ",".join(spelled(item) for item in value) + ")"
    if isinstance(value, dict):
        return "{" + ",".join(sorted(spelled(pair) for pair in value.items())) + "}"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
        return f"{type(value).__name__}:{value!r}"
    raise TypeError(f"{type(value).__name__} has no key")


def content_key(*parts):
    digest = hashlib.blake2b(digest_size=16)
    feed(digest, parts)
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
        if key not in self._results:
            self.misses += 1
            self._results[key] = read_only(self.function(*args, **kwargs))
            while len(self._results) > self.max_entries:
                del self._results[next(iter(self._results))]
        else:
            self.hits += 1
            self._results[key] = self._results.pop(key)
        return self._results[key]

    @property
    def hit_rate(self):
        if self.hits + self.misses == 0:
            return 0.0
        return self.hits / (self.hits + self.misses)


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
