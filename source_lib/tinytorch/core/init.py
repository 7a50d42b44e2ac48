"""Random starting weights, all drawn from one generator so that one seed fixes a model."""

from __future__ import annotations

import math
import numbers

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Shape = tuple[int, ...]

_DEFAULT_SEED = 0
_generator: np.random.Generator | None = None


def manual_seed(seed: int) -> None:
    """Restart the generator that layers draw from when they are given none.

    Raises TypeError for a seed that is no integer, ValueError for a negative one.

    >>> manual_seed(7)
    >>> first = kaiming_uniform((2, 2), fan_in=2)
    >>> manual_seed(7)
    >>> bool((first == kaiming_uniform((2, 2), fan_in=2)).all())
    True
    """
    global _generator
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise TypeError(f"expected an integer seed, got {type(seed).__name__}")
    if seed < 0:
        raise ValueError(f"expected a seed of at least 0, got {seed}")
    _generator = np.random.default_rng(int(seed))


def default_generator() -> np.random.Generator:
    """Return the shared generator, seeded with 0 at first use, so that a script repeats itself.

    >>> default_generator() is default_generator()
    True
    """
    if _generator is None:
        manual_seed(_DEFAULT_SEED)
    assert _generator is not None
    return _generator


def kaiming_uniform(
    shape: Shape, fan_in: int, rng: np.random.Generator | None = None
) -> Float32Array:
    """Return float32 weights uniform in [-b, b], b = sqrt(6 / fan_in), variance 2 / fan_in.

    Keeps the variance of activations through layers followed by ReLU.
    Source: He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers, equation 10.
    Raises ValueError for a fan_in below 1.

    >>> bool(abs(kaiming_uniform((100, 10), fan_in=100)).max() <= (6 / 100) ** 0.5)
    True
    """
    return uniform(shape, math.sqrt(6.0 / _checked_fan("fan_in", fan_in)), rng)


def kaiming_normal(
    shape: Shape, fan_in: int, rng: np.random.Generator | None = None
) -> Float32Array:
    """Return float32 weights normal with mean 0 and standard deviation sqrt(2 / fan_in).

    Source: He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers, equation 10.
    Raises ValueError for a fan_in below 1.

    >>> kaiming_normal((3, 2), fan_in=3).dtype
    dtype('float32')
    """
    return normal(shape, math.sqrt(2.0 / _checked_fan("fan_in", fan_in)), rng)


def xavier_uniform(
    shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator | None = None
) -> Float32Array:
    """Return float32 weights uniform in [-b, b], b = sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward
    neural networks, equation 16.
    Raises ValueError for a fan below 1.

    >>> bool(abs(xavier_uniform((3, 2), 3, 2)).max() <= (6 / 5) ** 0.5)
    True
    """
    fans = _checked_fan("fan_in", fan_in) + _checked_fan("fan_out", fan_out)
    return uniform(shape, math.sqrt(6.0 / fans), rng)


def uniform(shape: Shape, bound: float, rng: np.random.Generator | None = None) -> Float32Array:
    """Return float32 values uniform in [-bound, bound].

    Raises ValueError for a negative or non-finite bound.

    >>> uniform((2, 3), 0.5).shape
    (2, 3)
    """
    _check_scale("bound", bound)
    rng = default_generator() if rng is None else rng
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def normal(shape: Shape, std: float, rng: np.random.Generator | None = None) -> Float32Array:
    """Return float32 values normal with mean 0 and standard deviation ``std``.

    Raises ValueError for a negative or non-finite std.

    >>> normal((2, 3), 0.02).shape
    (2, 3)
    """
    _check_scale("std", std)
    rng = default_generator() if rng is None else rng
    return rng.normal(0.0, std, shape).astype(np.float32)


def _checked_fan(name: str, fan: int) -> int:
    if not fan >= 1:
        raise ValueError(f"expected {name} of at least 1, got {fan}")
    return fan


def _check_scale(name: str, scale: float) -> None:
    if not (math.isfinite(scale) and scale >= 0):
        raise ValueError(f"expected a finite {name} of at least 0, got {scale}")
