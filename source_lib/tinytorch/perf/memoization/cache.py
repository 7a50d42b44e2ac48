"""``KVCache``: the keys and values of all positions so far, kept so that none is computed twice."""

from __future__ import annotations

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_size
from tinytorch.core.transformer import GPT


class KVCache:
    """Room for the keys and values of ``max_seq_len`` positions of every layer, in float32.

    The arrays are made once, so that a step writes only what is new: growing them by
    concatenation would copy all earlier positions at every step.
    A step calls ``update`` once per layer and then ``advance`` once.
    Source: Pope et al. 2023, Efficiently Scaling Transformer Inference, section 2.1.
    Raises TypeError or ValueError for sizes that are no positive integers.

    >>> cache = KVCache(batch_size=1, max_seq_len=8, num_layers=2, num_heads=2, head_dim=4)
    >>> k = v = np.ones((1, 2, 3, 4), dtype=np.float32)
    >>> [cache.update(layer, k, v)[0].shape for layer in range(2)]
    [(1, 2, 3, 4), (1, 2, 3, 4)]
    >>> cache.advance(3)
    >>> cache.length, cache.get(1)[0].shape
    (3, (1, 2, 3, 4))
    """

    def __init__(
        self, batch_size: int, max_seq_len: int, num_layers: int, num_heads: int, head_dim: int
    ) -> None:
        self.batch_size = checked_size("batch_size", batch_size)
        self.max_seq_len = checked_size("max_seq_len", max_seq_len)
        self.num_layers = checked_size("num_layers", num_layers)
        self.num_heads = checked_size("num_heads", num_heads)
        self.head_dim = checked_size("head_dim", head_dim)
        shape = (num_layers, batch_size, num_heads, max_seq_len, head_dim)
        self.keys = np.zeros(shape, dtype=np.float32)
        self.values = np.zeros(shape, dtype=np.float32)
        self.length = 0

    def update(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Write ``k`` and ``v`` behind the positions filled and return all of this layer.

        ``k`` and ``v`` are float32 (B, H, T, D), the new positions; returned are views
        (B, H, length + T, D) of the keys and values, the earlier positions first.
        ``length`` stays as it is until ``advance``, since the other layers of this step write to
        the same positions.
        Raises IndexError for a layer that is not there, TypeError for another dtype, ValueError
        for another shape or more positions than there is room for.
        """
        self._check(layer, k, v)
        end = self.length + k.shape[2]
        keys, values = self.keys[layer], self.values[layer]  # (B, H, max_seq_len, D)
        keys[:, :, self.length : end] = k
        values[:, :, self.length : end] = v
        return keys[:, :, :end], values[:, :, :end]

    def get(self, layer: int) -> tuple[Array, Array]:
        """Return views (B, H, length, D) of the keys and values of the positions filled.

        Raises IndexError for a layer that is not there.
        """
        self._check_layer(layer)
        return self.keys[layer, :, :, : self.length], self.values[layer, :, :, : self.length]

    def advance(self, n: int = 1) -> None:
        """Count ``n`` more positions as filled, once every layer has written them.

        Raises ValueError for a negative n or more positions than there is room for.
        """
        if n < 0 or self.length + n > self.max_seq_len:
            room = self.max_seq_len - self.length
            raise ValueError(f"expected from 0 to {room} more positions, got {n}")
        self.length += n

    def reset(self) -> None:
        """Start a new sequence; what is stored stays in memory, but is never read again."""
        self.length = 0

    def get_memory_usage(self) -> dict[str, int]:
        """Return the bytes held, those of the positions filled, and those that a position takes.

        A position takes 2 num_layers batch_size num_heads head_dim elements of 4 bytes: a key and
        a value in every layer.
        """
        total = self.keys.nbytes + self.values.nbytes
        per_position = total // self.max_seq_len
        return {
            "total_bytes": total,
            "used_bytes": per_position * self.length,
            "bytes_per_position": per_position,
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
    _check_model(model)
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
    _check_model(model)
    model.cache = None


def _check_model(model: GPT) -> None:
    if not isinstance(model, GPT):
        raise TypeError(f"expected a GPT, got {type(model).__name__}")
