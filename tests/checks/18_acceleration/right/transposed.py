"""Everything the other way round: transposed products, tiles from the last, max(x, -b) + b."""

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
    a, b = float_array("a", a), float_array("b", b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError("expected matrices that fit")
    if not (a == a).all() or not (b == b).all():
        raise ValueError("expected no NaN")
    return np.matmul(b.swapaxes(-1, -2), a.swapaxes(-1, -2)).swapaxes(-1, -2)


def tiled_matmul(a, b, tile_size=64, product=np.matmul):
    a, b = matrices(a, b)
    t = checked_size("tile_size", tile_size)
    out = np.zeros((b.shape[1], a.shape[0]), dtype=np.float32)
    for j in range(0, b.shape[1], t):
        for i in range(0, a.shape[0], t):
            tile = out[j : j + t, i : i + t]
            for p in range(0, a.shape[1], t):
                tile += product(b[p : p + t, j : j + t].T, a[i : i + t, p : p + t].T)
    return np.ascontiguousarray(out.T)


def tiled_bytes(n, k, m, tile_size):
    for size in (n, k, m, tile_size):
        checked_size("size", size)
    return 4 * k * (n * math.ceil(m / tile_size) + m * math.ceil(n / tile_size))


def im2col(x, kernel_size, stride=1, padding=0):
    x = float_array("x", x, ndim=4)
    reject_nan("x", x)
    kh, kw = kernel_size
    B, C, H, W = x.shape
    rows, columns = output_size(H, kh, stride, padding), output_size(W, kw, stride, padding)
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    parts = [
        x[:, c, u : u + stride * rows : stride, w : w + stride * columns : stride].reshape(B, -1)
        for c in range(C)
        for u in range(kh)
        for w in range(kw)
    ]
    return np.stack(parts, axis=1)


def conv2d_im2col(x, weight, bias=None, stride=1, padding=0, product=np.matmul):
    x, weight, bias = conv_arguments(x, weight, bias)
    O, C, kh, kw = weight.shape
    rows = output_size(x.shape[2], kh, stride, padding)
    columns = output_size(x.shape[3], kw, stride, padding)
    out = np.empty((len(x), O, rows, columns), dtype=np.float32)
    matrix = weight.reshape(O, C * kh * kw)
    for image, target in zip(x, out, strict=True):
        patches = im2col(image[None], (kh, kw), stride, padding)[0]
        target[:] = product(patches.T, matrix.T).T.reshape(O, rows, columns)
        target += bias[:, None, None]
    return out


def bytes_moved(operations):
    operations = list(operations)
    read = sum(operation.bytes_read for operation in operations)
    return read + sum(operation.bytes_written for operation in operations)


def least_bytes(inputs, result):
    return sum(len(array.tobytes()) for array in [result, *inputs])


def chunks(*arrays, elements=BLOCK_ELEMENTS // 2):
    """Yield slices of rows of all arrays, at most so many elements of each."""
    width = max(1, arrays[0][:1].size)
    step = max(1, elements // width)
    for start in range(0, len(arrays[0]), step):
        yield tuple(array[start : start + step] for array in arrays)


def fused_gelu(x, out=None):
    x = float_array("x", x)
    reject_nan("x", x)
    out = output_for(x, out)
    with np.errstate(over="ignore"):
        for part, block in chunks(x.reshape(-1), out.reshape(-1)):
            inner = SQRT_2_OVER_PI * part * (1 + CUBIC * part * part)
            block[...] = part * (np.tanh(inner) + 1) / 2
    return out


def fused_bias_relu(x, bias, out=None):
    x, bias = rows_and_bias(x, bias)
    reject_nan("x", x)
    reject_nan("bias", bias)
    out = output_for(x, out)
    d = bias.size
    for part, block in chunks(x.reshape(-1, d), out.reshape(-1, d)):
        np.maximum(part, -bias, out=block)  # max(x, -b) + b is max(x + b, 0)
        np.add(block, bias, out=block)
    return out


def fused_layer_norm(x, weight, bias, eps=1e-5, out=None):
    x, weight, bias = norm_arguments(x, weight, bias, eps)
    reject_nan("x", x)
    reject_nan("weight", weight)
    reject_nan("bias", bias)
    out = output_for(x, out)
    d = weight.size
    for part, block in chunks(x.reshape(-1, d), out.reshape(-1, d)):
        shifted = part - part[:, :1]  # its squares are small whatever the mean is
        mean = shifted.mean(axis=1, keepdims=True)
        variance = np.square(shifted).mean(axis=1, keepdims=True) - mean**2
        block[...] = (shifted - mean) * (weight / np.sqrt(np.maximum(variance, 0) + eps)) + bias
    return out


def attend_in_tiles(rows, k, v, position, t, product=np.matmul):
    T, e = len(rows), v.shape[1]
    seen = len(k) if position is None else position + T
    top = np.full(T, -np.inf, np.float32)
    total, weighted = np.zeros(T, np.float32), np.zeros((e, T), np.float32)
    for j in reversed(range(0, seen, t)):
        keys, values = k[j : min(j + t, seen)], v[j : min(j + t, seen)]
        scores = product(keys, rows.T)  # (S, T)
        if position is not None:
            scores = scores + future(T, len(keys), position - j).T
        new = np.maximum(top, scores.max(axis=0))
        safe = np.where(np.isinf(new), np.float32(0), new)  # a query that has seen no key yet
        decay, weights = np.exp(top - safe), np.exp(scores - safe)
        total = total * decay + weights.sum(axis=0)
        weighted = weighted * decay + product(values.T, weights)
        top = new
    return (weighted / total).T


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
        seconds = self.median_ms / 1000
        return self.batch_size / seconds


def choose_batch_size(points, latency_bound_ms):
    if not latency_bound_ms > 0:
        raise ValueError("no bound")
    chosen = None
    for point in points:
        if point.p90_ms > latency_bound_ms:
            continue
        rank = (-point.samples_per_second, point.batch_size)
        if chosen is None or rank < chosen[0]:
            chosen = (rank, point)
    if chosen is None:
        raise ValueError("no point is within the bound")
    return chosen[1]


def amdahl_speedup(fraction, factor):
    _check(fraction, factor)
    serial, parallel = 1 - fraction, fraction / factor
    return math.inf if serial + parallel == 0 else 1 / (serial + parallel)


def amdahl_fraction(speedup, factor):
    if not 0 < speedup < math.inf or not factor > 0 or factor == 1:
        raise ValueError("no answer")
    saved = 1 - 1 / speedup
    possible = 1 - 1 / factor
    return saved / possible
