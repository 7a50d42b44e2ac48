"""Whole-array formulas: einsum, patches by a table of indices, GELU by exp, sorted batch points."""

# ruff: noqa: F401, E741 (what the notebook has, used or not; O as in the formula)

from dataclasses import dataclass

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
    a = np.array(a, dtype=np.float32)
    b = np.array(b, dtype=np.float32)
    if min(a.ndim, b.ndim) < 2:
        raise ValueError("a product needs matrices")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"inner sizes {a.shape[-1]} and {b.shape[-2]}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("NaN")
    return np.einsum("...ij,...jk->...ik", a, b, optimize=True)


def tiled_matmul(a, b, tile_size=64, product=np.matmul):
    a, b = matrices(a, b)
    t = checked_size("tile_size", tile_size)
    bands = []
    for top in range(0, a.shape[0], t):
        tiles = []
        for left in range(0, b.shape[1], t):
            parts = [
                product(a[top : top + t, p : p + t], b[p : p + t, left : left + t])
                for p in range(0, a.shape[1], t)
            ]
            tiles.append(np.sum(parts, axis=0, dtype=np.float32))
        bands.append(tiles)
    return np.block(bands)


def tiled_bytes(n, k, m, tile_size):
    for name, size in (("n", n), ("k", k), ("m", m), ("tile_size", tile_size)):
        checked_size(name, size)
    down, across = (n + tile_size - 1) // tile_size, (m + tile_size - 1) // tile_size
    return n * k * 4 * across + k * m * 4 * down


def im2col(x, kernel_size, stride=1, padding=0):
    x = float_array("x", x, ndim=4)
    reject_nan("x", x)
    kh, kw = kernel_size
    _, C, H, W = x.shape
    rows, columns = output_size(H, kh, stride, padding), output_size(W, kw, stride, padding)
    i, j = np.divmod(np.arange(rows * columns), columns)
    c, inside = np.divmod(np.arange(C * kh * kw), kh * kw)
    u, v = np.divmod(inside, kw)
    down = u[:, np.newaxis] + stride * i  # (C kh kw, H' W')
    across = v[:, np.newaxis] + stride * j
    return pad(x, padding)[:, c[:, np.newaxis], down, across]


def conv2d_im2col(x, weight, bias=None, stride=1, padding=0, product=np.matmul):
    x, weight, bias = conv_arguments(x, weight, bias)
    O, _, kh, kw = weight.shape
    rows = output_size(x.shape[2], kh, stride, padding)
    images = []
    for image in x:
        columns = im2col(image[np.newaxis], (kh, kw), stride, padding)[0]
        flat = product(weight.reshape(O, -1), columns) + bias.reshape(O, 1)
        images.append(flat.reshape(O, rows, -1))
    return np.stack(images)


def bytes_moved(operations):
    total = 0
    for _, read, written in operations:
        total += read + written
    return total


def least_bytes(inputs, result):
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in (*inputs, result))


def fused_gelu(x, out=None):
    x = float_array("x", x)
    out = output_for(x, out)
    flat, result = x.ravel(), out.reshape(-1)
    u, rest = np.empty(4096, np.float32), np.empty(4096, np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, flat.size, 4096):
            part = flat[start : start + 4096]
            if np.isnan(part).any():
                raise ValueError("NaN")
            t, r = u[: part.size], rest[: part.size]
            np.multiply(part, part, out=r)
            np.multiply(r, part, out=r)
            np.multiply(r, np.float32(0.044715), out=r)
            np.add(r, part, out=r)
            np.multiply(r, np.float32(SQRT_2_OVER_PI), out=r)
            np.tanh(r, out=r)
            np.multiply(part, np.float32(0.5), out=t)
            np.multiply(r, t, out=r)
            np.add(t, r, out=result[start : start + part.size])
    return out


def fused_bias_relu(x, bias, out=None):
    x, bias = rows_and_bias(x, bias)
    out = output_for(x, out)
    if np.isnan(bias).any():
        raise ValueError("NaN in the bias")
    rows, results = x.reshape(-1, bias.size), out.reshape(-1, bias.size)
    count = max(1, BLOCK_ELEMENTS // bias.size)
    for part, block in zip(
        np.array_split(rows, range(count, len(rows), count)),
        np.array_split(results, range(count, len(rows), count)),
        strict=True,
    ):
        if np.isnan(part).any():
            raise ValueError("NaN in x")
        np.add(part, bias, out=block)
        block.clip(0, None, out=block)
    return out


def fused_layer_norm(x, weight, bias, eps=1e-5, out=None):
    x, weight, bias = norm_arguments(x, weight, bias, eps)
    for name, array in (("x", x), ("weight", weight), ("bias", bias)):
        reject_nan(name, array)
    out = output_for(x, out)
    rows, results = x.reshape(-1, weight.size), out.reshape(-1, weight.size)
    count = max(1, BLOCK_ELEMENTS // weight.size)
    for start in range(0, len(rows), count):
        part, block = rows[start : start + count], results[start : start + count]
        mean = part.mean(axis=1, keepdims=True, dtype=np.float64)
        np.subtract(part, mean, out=block, casting="same_kind")
        spread = np.sqrt(np.einsum("ij,ij->i", block, block) / weight.size + eps)
        np.divide(block, spread[:, None], out=block, casting="same_kind")
        np.multiply(block, weight, out=block)
        np.add(block, bias, out=block)
    return out


def attend_in_tiles(rows, k, v, position, t, product=np.matmul):
    seen = len(k) if position is None else min(len(k), position + len(rows))
    count = len(rows)
    top = np.full(count, -np.inf, dtype=np.float32)
    norm, values = np.zeros(count, np.float32), np.zeros((count, v.shape[1]), np.float32)
    for start in range(0, seen, t):
        stop = min(seen, start + t)
        scores = np.array(product(rows, k[start:stop].T))
        if position is not None:
            place = np.arange(start, stop)
            scores[place > position + np.arange(count)[:, None]] = -np.inf
        best = np.maximum(top, scores.max(axis=1))
        shrink = np.exp(top - best)
        weights = np.exp(scores - best[:, None])
        norm = norm * shrink + weights.sum(axis=1)
        values = values * shrink[:, None] + product(weights, v[start:stop])
        top = best
    return (values / norm[:, None]).astype(np.float32)


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
        return self.batch_size / self.median_ms * 1000


def choose_batch_size(points, latency_bound_ms):
    if math.isnan(latency_bound_ms) or latency_bound_ms <= 0:
        raise ValueError("no bound")
    within = [point for point in points if point.p90_ms <= latency_bound_ms]
    if not within:
        raise ValueError("no point is within the bound")
    best = within[0]
    for point in within[1:]:
        gain = point.samples_per_second - best.samples_per_second
        if gain > 0 or (gain == 0 and point.batch_size < best.batch_size):
            best = point
    return best


def amdahl_speedup(fraction, factor):
    _check(fraction, factor)
    try:
        return 1 / (1 - fraction + fraction / factor)
    except ZeroDivisionError:
        return math.inf


def amdahl_fraction(speedup, factor):
    if not (speedup > 0 and math.isfinite(speedup) and factor > 0 and factor != 1):
        raise ValueError("no answer")
    gained = 1 - 1 / speedup
    return gained / (1 - 1 / factor)
