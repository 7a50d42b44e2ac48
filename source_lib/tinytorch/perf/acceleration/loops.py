"""The loops that numba compiles, in the form that becomes vector instructions.

Each is plain Python over float32 arrays; ``fast.compiled`` turns it into machine code.
A loop that writes to the array it reads is not vectorised, so ``x`` and ``out`` of the first two
must lie apart; the third keeps each row in a scratch array and may work in place.
The loops return whether they met NaN: looking for it beforehand would be one more pass over
memory.
"""

from __future__ import annotations

import numpy as np

from tinytorch.core.tensor import Float32Array


def gelu_loop(x: Float32Array, out: Float32Array) -> bool:
    """Write gelu(x) to ``out``, both (n,).

    tanh is a quotient of polynomials, right to 1e-7 (the coefficients are those of Eigen,
    MathFunctionsImpl.h); beyond 7.9 it is 1 in float32.
    """
    one, half, edge = np.float32(1), np.float32(0.5), np.float32(7.9)
    slope, cubic = np.float32(0.7978845608), np.float32(0.7978845608 * 0.044715)
    has_nan = False
    for i in range(x.size):
        v = x[i]
        has_nan |= v != v
        u = v * (slope + cubic * v * v)
        w = min(max(u, -edge), edge)
        s = w * w
        p = np.float32(-2.76076847742355e-16)
        p = p * s + np.float32(2.00018790482477e-13)
        p = p * s + np.float32(-8.60467152213735e-11)
        p = p * s + np.float32(5.12229709037114e-08)
        p = p * s + np.float32(1.48572235717979e-05)
        p = p * s + np.float32(6.37261928875436e-04)
        p = p * s + np.float32(4.89352455891786e-03)
        q = np.float32(1.19825839466702e-06)
        q = q * s + np.float32(1.18534705686654e-04)
        q = q * s + np.float32(2.26843463243900e-03)
        q = q * s + np.float32(4.89352518554385e-03)
        tanh = w * p / q
        tanh = one if u >= edge else tanh
        tanh = -one if u <= -edge else tanh
        out[i] = half * v * (one + tanh)
    return has_nan


def bias_relu_loop(x: Float32Array, out: Float32Array, bias: Float32Array) -> bool:
    """Write max(x + bias, 0) to ``out``, both (n, d)."""
    zero = np.float32(0)
    has_nan = False
    for row in range(len(x)):
        source, result = x[row], out[row]
        for i in range(source.size):
            v = source[i] + bias[i]
            has_nan |= v != v
            result[i] = zero if v < zero else v  # NaN stays NaN
    return has_nan


def layer_norm_loop(
    x: Float32Array, out: Float32Array, weight: Float32Array, bias: Float32Array, eps: np.float32
) -> bool:
    """Write the layer norm of the rows of ``x`` to ``out``, both (n, d).

    The row is read from memory for the first sum only: the later loops find it in a cache.
    """
    zero, one = np.float32(0), np.float32(1)
    share = one / np.float32(weight.size)
    has_nan = False
    scratch = np.empty(weight.size, dtype=np.float32)
    for row in range(len(x)):
        source, result = x[row], out[row]
        total = zero
        for i in range(source.size):
            total += source[i]
        mean = total * share
        squares = zero
        for i in range(source.size):
            deviation = source[i] - mean
            scratch[i] = deviation
            squares += deviation * deviation
        factor = one / np.sqrt(squares * share + eps)
        for i in range(result.size):
            y = scratch[i] * factor * weight[i] + bias[i]
            has_nan |= y != y
            result[i] = y
    return has_nan
