"""``memoize``: remember the results of a pure function or layer, by what it was given."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from tinytorch.core.autograd import Array, is_grad_enabled, needs_grad
from tinytorch.core.checks import checked_size
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, wrap

Result = Array | Tensor | tuple["Result", ...]

NO_GRADIENTS = "a remembered result has no gradient; call the function under no_grad()"


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


class Memoized:
    """What ``memoize`` returns: call it like the function; it counts ``hits`` and ``misses``.

    When it is full, the result that was asked for longest ago is forgotten.
    """

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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the function, which is read-only, since others may get it too.

        Raises RuntimeError for a layer that is training and where a gradient is asked for,
        TypeError for an argument or a result of another kind.
        """
        key = content_key(args, kwargs, self._state(*args, *kwargs.values()))
        if key in self._results:
            self.hits += 1
            self._results.move_to_end(key)
            return self._results[key]
        self.misses += 1
        result = read_only(self.function(*args, **kwargs))
        self._results[key] = result
        if len(self._results) > self.max_entries:
            self._results.popitem(last=False)
        return result

    @property
    def hit_rate(self) -> float:
        """Fraction of the calls so far whose result was remembered; 0.0 before the first."""
        calls = self.hits + self.misses
        return self.hits / calls if calls else 0.0

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


def content_key(*parts: Any) -> bytes:
    """Return 16 bytes that are equal for equal contents, and different for all practical purposes.

    ``parts`` are arrays, tensors, numbers, strings, bytes, None, or tuples, lists and dicts of
    them; of an array, dtype, shape and every element count.
    Raises TypeError for an object of another kind, which might change without a trace.

    >>> content_key(np.zeros(2)) == content_key(np.zeros(2)), content_key(0.0) == content_key(0)
    (True, False)
    """
    digest = hashlib.blake2b(digest_size=16)
    feed(digest, parts)
    return digest.digest()


def feed(digest: hashlib.blake2b, value: Any) -> None:
    """Add ``value`` to what is hashed: its type, its size, then its contents.

    Raises TypeError as ``content_key`` does.
    """
    # The type comes first, and of all that has a length its length: no two values run together.
    digest.update(type(value).__name__.encode() + b":")
    if isinstance(value, Tensor):
        feed(digest, value.data)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(value.tobytes())
    elif isinstance(value, tuple | list):
        digest.update(b"%d;" % len(value))
        for item in value:
            feed(digest, item)
    elif isinstance(value, dict):
        # Keys of several types do not sort; what they and their values hash to does.
        feed(digest, sorted(content_key(*pair) for pair in value.items()))
    elif value is None or isinstance(value, int | float | complex | str | bytes | np.generic):
        text = repr(value).encode()
        digest.update(b"%d;" % len(text) + text)
    else:
        raise TypeError(f"expected arrays, numbers, strings or None, got {type(value).__name__}")


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
