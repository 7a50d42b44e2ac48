"""Views of sliding windows, GELU as x times a sigmoid, a class for the online softmax."""

# ruff: noqa: F401, E741 (what the notebook has, used or not; O as in the formula)

from dataclasses import dataclass
from functools import reduce

from tinytorch.core.checks import checked_size

# What the chapter gives, as it stands there.
from tinytorch.perf.acceleration import (
    direct_attention,
    naive_matmul,
    output_size,
    peak_bytes,
    record_operations,
    unfused_bias_relu,
    unfused_gelu,
    unfused_layer_norm,
)
from tinytorch.perf.acceleration.amdahl import _check
from tinytorch.perf.acceleration.attention import attention_arguments, future
from tinytorch.perf.acceleration.bias_relu import rows_and_bias
from tinytorch.perf.acceleration.convolution import conv_arguments, pad
from tinytorch.perf.acceleration.inputs import float_array, output_for, reject_nan
from tinytorch.perf.acceleration.layer_norm import norm_arguments
from tinytorch.perf.acceleration.matmul import matrices
from tinytorch.perf.acceleration.traffic import Operation


def vectorized_matmul(a, b):
    a, b = float_array("a", a), float_array("b", b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    if np.isnan(a.min(initial=0)) or np.isnan(b.min(initial=0)):
        raise ValueError("NaN")
    return a @ b


def tiles(size, t):
    return [slice(start, start + t) for start in range(0, size, t)]


def tiled_matmul(a, b, tile_size=64, product=np.matmul):
    a, b = matrices(a, b)
    t = checked_size("tile_size", tile_size)
    out = np.empty((a.shape[0], b.shape[1]), dtype=np.float32)
    inner = tiles(a.shape[1], t)
    for I in tiles(a.shape[0], t):
        for J in tiles(b.shape[1], t):
            out[I, J] = reduce(np.add, (product(a[I, P], b[P, J]) for P in inner))
    return out


def tiled_bytes(n, k, m, tile_size):
    t = checked_size("tile_size", tile_size)
    a = checked_size("n", n) * checked_size("k", k)
    b = k * checked_size("m", m)
    return 4 * a * len(tiles(m, t)) + 4 * b * len(tiles(n, t))


def im2col(x, kernel_size, stride=1, padding=0):
    x = float_array("x", x, ndim=4)
    reject_nan("x", x)
    for size, kernel in zip(x.shape[2:], kernel_size, strict=True):
        output_size(size, kernel, stride, padding)
    windows = np.lib.stride_tricks.sliding_window_view(pad(x, padding), kernel_size, axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (B, C, H', W', kh, kw)
    B, C, rows, columns, kh, kw = windows.shape
    return windows.transpose(0, 1, 4, 5, 2, 3).reshape(B, C * kh * kw, rows * columns)


def conv2d_im2col(x, weight, bias=None, stride=1, padding=0, product=np.matmul):
    x, weight, bias = conv_arguments(x, weight, bias)
    kh, kw = weight.shape[2:]
    rows = output_size(x.shape[2], kh, stride, padding)
    columns = output_size(x.shape[3], kw, stride, padding)
    patches = im2col(x, (kh, kw), stride, padding).swapaxes(1, 2)  # (B, L, K)
    flat = product(patches, weight.reshape(len(weight), -1).T)  # (B, L, O)
    return (flat + bias).swapaxes(1, 2).reshape(len(x), len(weight), rows, columns)


def bytes_moved(operations):
    return sum(sum(operation[1:]) for operation in operations)


def least_bytes(inputs, result):
    return sum([array.nbytes for array in inputs], result.nbytes)


def fused_gelu(x, out=None):
    x = float_array("x", x)
    reject_nan("x", x)
    out = output_for(x, out)
    source, result = x.reshape(-1), out.reshape(-1)
    scratch = np.empty(BLOCK_ELEMENTS, dtype=np.float32)
    with np.errstate(over="ignore"):
        for block in tiles(source.size, BLOCK_ELEMENTS):
            part = source[block]
            t = scratch[: part.size]
            np.square(part, out=t)
            t *= -2 * SQRT_2_OVER_PI * CUBIC
            t -= 2 * SQRT_2_OVER_PI
            t *= part  # -2 u
            np.exp(t, out=t)
            t += 1
            np.divide(part, t, out=result[block])  # (1 + tanh u) / 2 = 1 / (1 + exp(-2 u))
    return out


def fused_bias_relu(x, bias, out=None):
    x, bias = rows_and_bias(x, bias)
    reject_nan("x", x)
    reject_nan("bias", bias)
    out = output_for(x, out)
    np.add(x, bias, out=out)
    np.maximum(out, np.float32(0), out=out)
    return out


def fused_layer_norm(x, weight, bias, eps=1e-5, out=None):
    x, weight, bias = norm_arguments(x, weight, bias, eps)
    if any(np.isnan(array.sum()) for array in (x, weight, bias)):
        raise ValueError("NaN")
    out = output_for(x, out)
    d = weight.size
    source, result = x.reshape(-1, d), out.reshape(-1, d)
    for block in tiles(len(source), max(1, 8192 // d)):
        part, y = source[block], result[block]
        std = np.sqrt(part.var(axis=1, keepdims=True) + np.float32(eps))
        mean = part.mean(axis=1, keepdims=True)
        y[...] = (part - mean) / std
        y *= weight
        y += bias
    return out


class OnlineSoftmax:
    """Weighted values of the tiles so far, with the largest score and the sum of the weights."""

    def __init__(self, rows, width):
        self.top = np.full((rows, 1), -np.inf, np.float32)
        self.state = np.zeros((rows, width + 1), np.float32)  # the last column is the sum

    def scores(self, scores):
        """Return the weights of a tile of scores, having scaled down what there is."""
        top = np.maximum(self.top, scores.max(axis=1, keepdims=True))
        self.state *= np.exp(self.top - top)
        self.top = top
        return np.exp(scores - top)

    def add(self, weights, weighted):
        self.state[:, :-1] += weighted
        self.state[:, -1] += weights.sum(axis=1)

    def result(self):
        return self.state[:, :-1] / self.state[:, -1:]


def attend_in_tiles(rows, k, v, position, t, product=np.matmul):
    softmax = OnlineSoftmax(len(rows), v.shape[1])
    last = len(k) if position is None else position + len(rows)
    for block in tiles(last, t):
        keys, values = k[:last][block], v[:last][block]
        scores = product(rows, keys.T)
        if position is not None:
            scores = scores + future(len(rows), len(keys), position - block.start)
        weights = softmax.scores(scores)
        softmax.add(weights, product(weights, values))
    return softmax.result()


def tiled_attention(q, k, v, causal=False, tile_size=256, product=np.matmul):
    q, k, v = attention_arguments(q, k, v, causal)
    t = checked_size("tile_size", tile_size)
    out = np.empty((*q.shape[:-1], v.shape[-1]), dtype=np.float32)
    for head in np.ndindex(*q.shape[:-2]):
        for i in range(0, q.shape[-2], t):
            rows = q[head][i : i + t] / np.float32(math.sqrt(q.shape[-1]))
            position = i + k.shape[-2] - q.shape[-2] if causal else None
            out[head][i : i + t] = attend_in_tiles(rows, k[head], v[head], position, t, product)
    return out


@dataclass(frozen=True)
class BatchPoint:
    batch_size: int
    median_ms: float
    p90_ms: float

    def __post_init__(self):
        if self.batch_size < 1 or self.median_ms <= 0 or self.p90_ms <= 0:
            raise ValueError("out of range")

    @property
    def samples_per_second(self):
        return self.batch_size / (self.median_ms * 1e-3)


def choose_batch_size(points, latency_bound_ms):
    if len(points) == 0 or not latency_bound_ms > 0:
        raise ValueError("nothing to choose")
    by_batch = sorted(points, key=lambda point: point.batch_size)
    rates = [p.samples_per_second if p.p90_ms <= latency_bound_ms else 0.0 for p in by_batch]
    best = int(np.argmax(rates))
    if rates[best] == 0:
        raise ValueError("no point is within the bound")
    return by_batch[best]


def amdahl_speedup(fraction, factor):
    _check(fraction, factor)
    with np.errstate(divide="ignore"):
        return float(np.divide(1.0, (1 - fraction) + fraction / factor))


def amdahl_fraction(speedup, factor):
    _check(0, factor)
    if factor == 1 or not (math.isfinite(speedup) and speedup > 0):
        raise ValueError("no answer")
    return float((1 / speedup - 1) / (1 / factor - 1))
