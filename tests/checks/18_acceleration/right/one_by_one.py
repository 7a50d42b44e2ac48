"""Loops over rows, patches and queries; sums kept in float64."""

# ruff: noqa: F401 (what the notebook has, used or not; O as in the formula)

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
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError("vectors are no matrices")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError("inner sizes differ")
    for name, array in (("a", a), ("b", b)):
        reject_nan(name, array)
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)


def tiled_matmul(a, b, tile_size=64, product=np.matmul):
    a, b = matrices(a, b)
    t = checked_size("tile_size", tile_size)
    out = np.zeros((len(a), b.shape[1]))
    for p in range(0, a.shape[1], t):
        for i in range(0, len(a), t):
            for j in range(0, b.shape[1], t):
                tile = product(a[i : i + t, p : p + t], b[p : p + t, j : j + t])
                out[i : i + t, j : j + t] = out[i : i + t, j : j + t] + tile
    return out.astype(np.float32)


def tiled_bytes(n, k, m, tile_size):
    n, k, m = (checked_size("size", size) for size in (n, k, m))
    t = checked_size("tile_size", tile_size)
    read = 0
    for i in range(0, n, t):
        for j in range(0, m, t):
            read += 4 * k * (min(t, n - i) + min(t, m - j))
    return read


def im2col(x, kernel_size, stride=1, padding=0):
    x = float_array("x", x, ndim=4)
    reject_nan("x", x)
    (kh, kw), (B, C, H, W) = kernel_size, x.shape
    rows, columns = output_size(H, kh, stride, padding), output_size(W, kw, stride, padding)
    x = pad(x, padding)
    out = np.zeros((B, C * kh * kw, rows * columns), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            patch = x[:, :, top : top + kh, left : left + kw]
            out[:, :, i * columns + j] = patch.reshape(B, -1)
    return out


def conv2d_im2col(x, weight, bias=None, stride=1, padding=0, product=np.matmul):
    x, weight, bias = conv_arguments(x, weight, bias)
    kernel = weight.shape[2:]
    columns = im2col(x, kernel, stride, padding)  # (B, K, L)
    B, K, L = columns.shape
    side_by_side = columns.transpose(1, 0, 2).reshape(K, B * L)
    flat = product(weight.reshape(len(weight), K), side_by_side) + bias[:, np.newaxis]
    rows = output_size(x.shape[2], kernel[0], stride, padding)
    return flat.reshape(len(weight), B, rows, L // rows).swapaxes(0, 1)


def bytes_moved(operations):
    moved = 0
    for operation in operations:
        moved += operation.bytes_read
        moved += operation.bytes_written
    return moved


def least_bytes(inputs, result):
    total = result.nbytes
    for array in inputs:
        total += array.nbytes
    return total


def fused_gelu(x, out=None):
    x = float_array("x", x)
    out = output_for(x, out)
    source, result = x.reshape(-1), out.reshape(-1)
    for start in range(0, source.size, 1000):
        part = source[start : start + 1000].astype(np.float64)
        if np.isnan(part).any():
            raise ValueError("NaN")
        cube = part * part * part
        result[start : start + 1000] = (
            0.5 * part * (1 + np.tanh(SQRT_2_OVER_PI * (part + CUBIC * cube)))
        )
    return out


def fused_bias_relu(x, bias, out=None):
    x, bias = rows_and_bias(x, bias)
    reject_nan("bias", bias)
    reject_nan("x", x)
    out = output_for(x, out)
    source, result = x.reshape(-1, bias.size), out.reshape(-1, bias.size)
    for row, target in zip(source, result, strict=True):
        np.add(row, bias, out=target)
        target[target < 0] = 0
    return out


def fused_layer_norm(x, weight, bias, eps=1e-5, out=None):
    x, weight, bias = norm_arguments(x, weight, bias, eps)
    for name, array in (("x", x), ("weight", weight), ("bias", bias)):
        reject_nan(name, array)
    out = output_for(x, out)
    source, result = x.reshape(-1, weight.size), out.reshape(-1, weight.size)
    for row, target in zip(source, result, strict=True):
        exact = row.astype(np.float64)
        target[:] = (exact - exact.mean()) / math.sqrt(exact.var() + eps) * weight + bias
    return out


def attend_in_tiles(rows, k, v, position, t, product=np.matmul):
    """Keep the result so far divided by its sum, and the logarithm of that sum."""
    T = len(rows)
    out, log_total = np.zeros((T, v.shape[1])), np.full((T, 1), -np.inf)
    seen = len(k) if position is None else position + T
    for j in range(0, seen, t):
        keys, values = k[j : min(j + t, seen)], v[j : min(j + t, seen)]
        scores = np.asarray(product(rows, keys.T), dtype=np.float64)
        if position is not None:
            scores = scores + future(T, len(keys), position - j)
        largest = np.maximum(scores.max(axis=1, keepdims=True), -1e30)
        weights = np.exp(scores - largest)
        sums = weights.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            log_sums = largest + np.log(sums)
        new = np.logaddexp(log_total, log_sums)
        share = np.exp(largest - new)
        out = out * np.exp(log_total - new) + product(weights * share, values)
        log_total = new
    return out.astype(np.float32)


def tiled_attention(q, k, v, causal=False, tile_size=256, product=np.matmul):
    q, k, v = attention_arguments(q, k, v, causal)
    t = checked_size("tile_size", tile_size)
    n, m = q.shape[-2], k.shape[-2]
    scaled = (q / math.sqrt(q.shape[-1])).astype(np.float32).reshape(-1, *q.shape[-2:])
    heads = []
    for one_q, one_k, one_v in zip(
        scaled, k.reshape(-1, *k.shape[-2:]), v.reshape(-1, *v.shape[-2:]), strict=True
    ):
        blocks = [
            attend_in_tiles(
                one_q[i : i + t], one_k, one_v, i + m - n if causal else None, t, product
            )
            for i in range(0, n, t)
        ]
        heads.append(np.concatenate(blocks))
    return np.stack(heads).reshape(*q.shape[:-1], v.shape[-1])


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
        return 1e3 * self.batch_size / self.median_ms


def choose_batch_size(points, latency_bound_ms):
    if not latency_bound_ms > 0:
        raise ValueError("no bound")
    order = sorted(points, key=lambda point: (-point.samples_per_second, point.batch_size))
    for point in order:
        if point.p90_ms <= latency_bound_ms:
            return point
    raise ValueError("no point is within the bound")


def amdahl_speedup(fraction, factor):
    if not 0 <= fraction <= 1:
        raise ValueError("no fraction")
    if not factor > 0:
        raise ValueError("no factor")
    if fraction == 1:
        return factor
    return 1.0 / (1.0 - fraction * (1.0 - 1.0 / factor))


def amdahl_fraction(speedup, factor):
    if not 0 < speedup < math.inf:
        raise ValueError("no speedup")
    if not factor > 0 or factor == 1:
        raise ValueError("no factor")
    if factor == math.inf:
        return 1 - 1 / speedup
    return factor * (speedup - 1) / (speedup * (factor - 1))
