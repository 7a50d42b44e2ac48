"""One step of a GPT with a cache, compiled: imported only where numba is installed.

A step of one token multiplies each weight once, so in NumPy most of its time goes into calling
some hundred operations; compiled, the step is one call.
Its weights come as one array, in the order in which they are used (``decoding.packed_weights``).
Letters of the shapes: B sequences, L layers, H heads, S positions of room, D elements a head,
d = H D wide, V characters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.autograd import Array
from tinytorch.core.special import EXACT
from tinytorch.perf.fast import compiled


def _compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    # Sums may be reordered, which vector registers need; NaN and infinity need not be minded,
    # since the weights have been through a step in NumPy that refused them.
    function = compiled(loop, fastmath=True)
    if function is None:
        raise ImportError("expected numba, which compiles this file")
    return function


@_compiled
def compiled_step(
    weights: Array, tokens: Array, position: int, keys: Array, values: Array, logits: Array
) -> None:
    """Write the logits (B, V) that follow ``tokens`` (B,) at ``position``, and fill the cache.

    ``keys`` and ``values`` are those of the cache, (L, B, H, S, D), ``weights`` is flat.
    """
    L, B, H, S, D = keys.shape
    d, V = H * D, logits.shape[1]
    x = np.empty((B, d), dtype=np.float32)
    normal, heads = np.empty_like(x), np.empty_like(x)
    qkv = np.empty((B, 3 * d), dtype=np.float32)
    hidden = np.empty((B, 4 * d), dtype=np.float32)
    for b in range(B):
        token, place = tokens[b] * d, (V + position) * d
        x[b] = weights[token : token + d] + weights[place : place + d]
    at = (V + S) * d
    for layer in range(L):
        at = normalize(weights, at, x, normal)
        qkv[:] = 0
        at = add_linear(weights, at, normal, qkv)
        attend(qkv, keys[layer], values[layer], position, heads)
        at = add_linear(weights, at, heads, x)
        at = normalize(weights, at, x, normal)
        hidden[:] = 0
        at = add_linear(weights, at, normal, hidden)
        gelu_in_place(hidden.reshape(-1))
        at = add_linear(weights, at, hidden, x)
    at = normalize(weights, at, x, normal)
    logits[:] = 0
    add_product(normal, weights[at:].reshape(d, V), logits)


@_compiled
def normalize(weights: Array, at: int, x: Array, out: Array) -> int:
    """Write the layer norm of the rows of ``x`` (B, d) to ``out``, with an eps of 1e-5.

    Scale and shift lie from ``at`` on in ``weights``; returned is where they end.
    """
    B, d = x.shape
    for b in range(B):
        mean = x[b].sum() / np.float32(d)
        variance = np.float32(0)
        for j in range(d):
            variance += (x[b, j] - mean) ** 2
        scale = np.float32(1 / math.sqrt(variance / d + 1e-5))
        for j in range(d):
            out[b, j] = (x[b, j] - mean) * scale * weights[at + j] + weights[at + d + j]
    end: int = at + 2 * d
    return end


@_compiled
def add_linear(weights: Array, at: int, x: Array, out: Array) -> int:
    """Add x W + b to ``out``, with W and b from ``at`` on in ``weights``; return where they end."""
    k, n = x.shape[1], out.shape[1]
    bias = at + k * n
    add_product(x, weights[at:bias].reshape(k, n), out)
    for b in range(len(out)):
        out[b] += weights[bias : bias + n]
    end: int = bias + n
    return end


@_compiled
def add_product(x: Array, weight: Array, out: Array) -> None:
    """Add x (B, k) @ weight (k, n) to ``out`` (B, n), fetching each weight once for all rows.

    Four rows of the weight at a time, which reads and writes ``out`` a quarter as often.
    """
    B, k = x.shape
    n = weight.shape[1]
    for i in range(0, k - k % 4, 4):
        for b in range(B):
            x0, x1, x2, x3 = x[b, i], x[b, i + 1], x[b, i + 2], x[b, i + 3]
            for j in range(n):
                first = x0 * weight[i, j] + x1 * weight[i + 1, j]
                out[b, j] += first + x2 * weight[i + 2, j] + x3 * weight[i + 3, j]
    for i in range(k - k % 4, k):
        for b in range(B):
            for j in range(n):
                out[b, j] += x[b, i] * weight[i, j]


@_compiled
def attend(qkv: Array, keys: Array, values: Array, position: int, out: Array) -> None:
    """Store the keys and values of ``qkv`` (B, 3 d) at ``position``; write the heads to ``out``.

    ``keys`` and ``values`` are those of one layer, (B, H, S, D), ``out`` is (B, d).
    """
    B, H, _, D = keys.shape
    S, d = position + 1, H * D
    scores = np.empty(S, dtype=np.float32)
    for b in range(B):
        for h in range(H):
            start, end = h * D, (h + 1) * D
            keys[b, h, position] = qkv[b, d + start : d + end]
            values[b, h, position] = qkv[b, 2 * d + start : 2 * d + end]
            q, K, V = qkv[b, start:end] / np.float32(math.sqrt(D)), keys[b, h], values[b, h]
            for t in range(S):
                score = np.float32(0)
                for j in range(D):
                    score += q[j] * K[t, j]
                scores[t] = score
            highest, total = scores.max(), np.float32(0)
            out[b, start:end] = 0
            for t in range(S):
                weight = math.exp(scores[t] - highest)
                total += weight
                for j in range(D):
                    out[b, start + j] += weight * V[t, j]
            out[b, start:end] /= total


@_compiled
def gelu_in_place(x: Array) -> None:
    """Replace each of ``x`` (n,) by x P(N <= x), with the polynomial of ``core.special``.

    (1 + tanh(u)) / 2 is 1 / (1 + exp(-2 u)), which is faster where exp is no vector function.
    """
    for j in range(x.size):
        square = min(x[j] * x[j], np.float32(5.5**2))
        p = np.float32(0)
        for coefficient in EXACT[::-1]:
            p = p * square + np.float32(coefficient)
        x[j] /= np.float32(1) + math.exp(np.float32(-2) * x[j] * p)
