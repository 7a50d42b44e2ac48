"""Chapter 18: products, convolutions, fused kernels, attention, batches and threads.

Each table has its naive form, the named peers and the limit in the same run: BLAS for products, a
copy of as many bytes for kernels that compute little.
"""

import sys
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from report import interval, milliseconds, table
from threadpoolctl import ThreadpoolController

from tinytorch.benchmarking import Latency, RatioInterval, median_ratio_interval, time_interleaved
from tinytorch.core.activations import ReLU, gelu
from tinytorch.core.attention import causal_attention
from tinytorch.core.autograd import no_grad
from tinytorch.core.conv import Conv2d
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.normalization import LayerNorm
from tinytorch.core.tensor import Tensor
from tinytorch.perf.acceleration import (
    amdahl_fraction,
    blas_threads,
    bytes_moved,
    choose_batch_size,
    compiled_matmul,
    conv2d_direct,
    conv2d_im2col,
    direct_attention,
    fused_bias_relu,
    fused_gelu,
    fused_layer_norm,
    fusion_report,
    im2col,
    least_bytes,
    measure_batches,
    naive_matmul,
    record_operations,
    tiled_attention,
    tiled_matmul,
    unfused_bias_relu,
    unfused_gelu,
    unfused_layer_norm,
    vectorized_matmul,
)
from tinytorch.perf.fast import numba_available

Work = Callable[[], object]
Arms = dict[str, Work]

SEED = 0
# The second-level cache holds the first two; the last is far larger than it.
ARRAYS = ((64, 256), (512, 1024), (4096, 4096))
LATENCY_BOUNDS_MS = (0.05, 0.5, 5.0)


def tables() -> list[str]:
    """Measure now and return one block a subject."""
    subjects = [
        products,
        convolutions,
        fusions,
        gelus,
        bias_relus,
        layer_norms,
        attentions,
        batches,
        threads,
    ]
    blocks = []
    for subject in subjects:
        sys.stderr.write(f"  {subject.__name__}\n")
        blocks.append(subject())
    return blocks


def products() -> str:
    """The ladder from a Python loop to BLAS."""
    rows = []
    for n, rounds in ((32, 60), (128, 12), (512, 20), (1000, 8)):
        a, b = random(n, n), random(n, n)
        arms: Arms = {
            "`vectorized_matmul` (BLAS, NaN check)": partial(vectorized_matmul, a, b),
            "BLAS": partial(np.matmul, a, b),
            "`tiled_matmul` over BLAS, tile 64": partial(tiled_matmul, a, b, 64),
        }
        if n <= 128:
            arms["`naive_matmul`, Python loops"] = partial(naive_matmul, a, b)
        if numba_available():
            for order in ("naive", "reordered", "tiled"):
                arms[f"numba, {order}"] = partial(compiled_matmul, a, b, order)
        require_equal(arms, 1e-4)
        times = timed(arms, rounds)
        blas, loop = times["BLAS"], times.get("numba, naive")
        for name, latency in times.items():
            rate = 2 * n**3 / latency.median_ms / 1e6
            over_loop = "-" if loop is None else interval(over(loop, latency))
            share = interval(over(blas, latency))
            rows.append([n, name, milliseconds(latency), f"{rate:.3g}", share, over_loop])
    return table(
        "Matrix product n x n x n: loops, tiles and BLAS",
        ["n", "how", "ms", "GFLOP/s", "speed / BLAS", "speed / naive numba loop"],
        rows,
        [
            "The limit is BLAS on one thread; tiles on top of it only lose.",
            "Tiles show what they gain where a compiled loop is below: against the same loop.",
        ],
    )


def convolutions() -> str:
    """Direct and im2col convolution, beside the layer and the bare product."""
    rows = []
    shapes = ((64, 1, 8, 8, 3), (64, 8, 8, 16, 3), (16, 16, 28, 32, 3), (4, 32, 56, 64, 3))
    for B, C, side, O, k in shapes:  # noqa: E741 - output channels, as in the formula
        x, weight = random(B, C, side, side), random(O, C, k, k)
        columns = im2col(x, (k, k), padding=1)
        layer = Conv2d(C, O, k, padding=1, bias=False)
        layer.weight.data[:] = weight
        arms: Arms = {
            "im2col": partial(conv2d_im2col, x, weight, padding=1),
            "layer": without_grad(layer, x),
        }
        if x.size * O * k * k < 2_000_000:
            arms["direct"] = partial(conv2d_direct, x, weight, padding=1)
        require_equal(arms, 1e-4)
        arms["product"] = partial(np.matmul, weight.reshape(O, -1), columns)
        times = timed(arms, 15)
        fast = times["im2col"]
        direct = interval(over(times["direct"], fast)) if "direct" in times else "not run"
        rows.append(
            [
                f"{B}x{C}x{side}x{side}, {O} kernels {k}x{k}",
                milliseconds(fast),
                direct,
                interval(over(times["layer"], fast)),
                interval(over(times["product"], fast)),
                f"{columns.nbytes / x.nbytes:.1f}",
            ]
        )
    return table(
        "Convolution: `conv2d_im2col`, padding 1",
        [
            "input",
            "ms",
            "faster than `conv2d_direct` (Python)",
            "faster than `core.Conv2d`",
            "speed / its matrix product alone",
            "bytes of im2col / input",
        ],
        rows,
        ["The limit is the matrix product alone, the patches given; the rest is copying them."],
    )


def fusions() -> str:
    """The fusion report of each kernel, at a size beyond the second-level cache."""
    x, weight, bias = random(2048, 2048), random(2048), random(2048)
    q, k, v = (random(8, 1024, 64, seed=seed) for seed in range(3))
    kernels = {
        "gelu": (unfused_gelu, fused_gelu, (x,)),
        "bias and ReLU": (unfused_bias_relu, fused_bias_relu, (x, bias)),
        "layer norm": (unfused_layer_norm, fused_layer_norm, (x, weight, bias)),
        "attention": (direct_attention, tiled_attention, (q, k, v)),
    }
    rows = []
    for name, (unfused, fused, arrays) in kernels.items():
        report = fusion_report(unfused, fused, *arrays, num_rounds=15, seed=SEED)
        rows.append(
            [
                name,
                len(report.operations),
                f"{report.bytes_before / 1e6:.1f}",
                f"{report.bytes_after / 1e6:.1f}",
                f"{report.traffic_ratio:.1f}",
                interval(report.speedup),
                f"{report.achieved_gb_per_s:.2f}",
                f"{report.copy_gb_per_s:.1f}",
                interval(report.of_limit),
            ]
        )
    return table(
        "Kernel fusion report (2048x2048; attention 8 heads, 1024x64)",
        [
            "kernel",
            "operations",
            "MB before",
            "MB after",
            "times less",
            "fused is faster",
            "GB/s",
            "GB/s of a copy",
            "speed / copy",
        ],
        rows,
        [
            "Bytes are counted from the arrays that the operations of the unfused form touch; "
            "after fusion it is inputs and result once.",
            "Making new arrays for the results takes a part of the time; the copy is given one.",
        ],
    )


def gelus() -> str:
    """GELU from the expression with x**3 to the compiled loop."""
    rows = []
    for shape in ARRAYS:
        x = random(*shape)
        out, copied, ones = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        arms: Arms = {
            "expression with `x**3` (naive)": lambda x=x: (
                0.5 * x * (1 + np.tanh(0.7978846 * (x + 0.044715 * x**3)))
            ),
            "expression with `x*x*x`": lambda x=x: (
                0.5 * x * (1 + np.tanh(0.7978846 * (x + 0.044715 * x * x * x)))
            ),
            "`core.gelu`, tanh": without_grad(partial(gelu, approximate="tanh"), x),
            "`fused_gelu`, NumPy": partial(fused_gelu.__wrapped__, x),
            "`fused_gelu`, NumPy, `out=`": partial(fused_gelu.__wrapped__, x, out=out),
        }
        if numba_available():
            arms["`fused_gelu`, numba"] = partial(fused_gelu, x)
            arms["`fused_gelu`, numba, `out=`"] = partial(fused_gelu, x, out=out)
        require_equal(arms, 1e-5)
        arms["`np.tanh` alone, `out=`"] = partial(np.tanh, x, out=ones)
        arms["copy (limit)"] = partial(np.copyto, copied, x)
        rows += kernel_rows(shape, arms, 2 * x.nbytes)
    small = random(*ARRAYS[0])
    return table(
        "GELU (tanh form)",
        KERNEL_COLUMNS,
        rows,
        [traffic_note(unfused_gelu, small), "`x**3` is the hot spot: NumPy's general power."],
    )


def bias_relus() -> str:
    """Bias and ReLU: nothing but memory traffic."""
    rows = []
    for shape in (*ARRAYS, (8192, 8192)):
        x, bias = random(*shape), random(shape[1])
        out, work, copied, mine = (np.empty_like(x) for _ in range(4))
        np.copyto(mine, x)
        arms: Arms = {
            "expression (naive)": lambda x=x, bias=bias: np.maximum(x + bias, 0),
            "two passes, buffers given": partial(two_passes, x, bias, work),
            "`fused_bias_relu`, NumPy, `out=`": partial(fused_bias_relu.__wrapped__, x, bias, out),
        }
        if numba_available():
            arms["`fused_bias_relu`, numba"] = partial(fused_bias_relu, x, bias)
            arms["`fused_bias_relu`, numba, `out=`"] = partial(fused_bias_relu, x, bias, out)
        require_equal(arms, 1e-6)
        # In place the input changes from call to call; no bias, or it would grow without end.
        none = np.zeros_like(bias)
        arms["`fused_bias_relu`, NumPy, in place"] = partial(
            fused_bias_relu.__wrapped__, mine, none, mine
        )
        if numba_available():
            arms["`fused_bias_relu`, numba, in place"] = partial(fused_bias_relu, mine, none, mine)
        arms["copy (limit)"] = partial(np.copyto, copied, x)
        arms["negate in place (limit in place)"] = partial(np.negative, work, out=work)
        rows += kernel_rows(shape, arms, 2 * x.nbytes)
    small = random(*ARRAYS[0])
    return table(
        "Bias and ReLU",
        KERNEL_COLUMNS,
        rows,
        [
            traffic_note(unfused_bias_relu, small, small[0].copy()),
            "A part of what the expression costs is fresh memory for its two results; "
            "the second row has it given.",
            "A copy of a large array writes past the caches, which no loop of numba does: it moves "
            "2 arrays where the loop moves 3, since a line is read before a part of it is written.",
        ],
    )


def layer_norms() -> str:
    """Layer norm from the expression to the compiled loop."""
    rows = []
    for shape in ((64, 256), (512, 1024), (16384, 1024)):
        x, weight, bias = random(*shape), random(shape[1]), random(shape[1])
        out, copied = np.empty_like(x), np.empty_like(x)
        layer = LayerNorm(shape[1])
        layer.weight.data[:], layer.bias.data[:] = weight, bias
        arms: Arms = {
            "expression (naive)": partial(norm_expression, x, weight, bias),
            "`core.LayerNorm`": without_grad(layer, x),
            "`fused_layer_norm`, NumPy, `out=`": partial(
                fused_layer_norm.__wrapped__, x, weight, bias, out=out
            ),
        }
        if numba_available():
            arms["`fused_layer_norm`, numba"] = partial(fused_layer_norm, x, weight, bias)
            arms["`fused_layer_norm`, numba, `out=`"] = partial(
                fused_layer_norm, x, weight, bias, out=out
            )
        require_equal(arms, 1e-5)
        arms["copy (limit)"] = partial(np.copyto, copied, x)
        rows += kernel_rows(shape, arms, 2 * x.nbytes)
    small = random(64, 256)
    note = traffic_note(unfused_layer_norm, small, small[0].copy(), small[1].copy())
    return table("Layer norm", KERNEL_COLUMNS, rows, [note])


def attentions() -> str:
    """Attention with and without the matrix of scores, 8 heads of 64."""
    rows = []
    for n, rounds in ((128, 40), (512, 15), (1024, 10), (2048, 8)):
        q, k, v = (random(1, 8, n, 64, seed=seed) for seed in range(3))
        for causal in (False, True):
            arms: Arms = {
                "direct": partial(direct_attention, q, k, v, causal),
                "tiled": partial(tiled_attention, q, k, v, causal),
            }
            if causal:
                tensors = [Tensor(array) for array in (q, k, v)]
                arms["core"] = partial(causal_attention, *tensors)
            require_equal(arms, 1e-5)
            peaks = [peak_bytes(arms[name]) / 1e6 for name in ("direct", "tiled")]
            arms["products"] = lambda q=q, k=k, v=v: (q @ k.swapaxes(-1, -2)) @ v
            arms["copy"] = partial(np.copyto, np.empty((2, *q.shape), q.dtype), np.stack([q, k]))
            times = timed(arms, rounds)
            fast = times["tiled"]
            rows.append(
                [
                    n,
                    "yes" if causal else "no",
                    milliseconds(times["direct"]),
                    milliseconds(fast),
                    interval(over(times["direct"], fast)),
                    interval(over(times["core"], fast)) if causal else "-",
                    interval(over(times["products"], fast)),
                    interval(over(times["copy"], fast)),
                    f"{peaks[0]:.1f}",
                    f"{peaks[1]:.1f}",
                    f"{q.nbytes / 1e6:.1f}",
                ]
            )
    return table(
        "Attention: `tiled_attention`, 8 heads of 64",
        [
            "n",
            "causal",
            "direct ms",
            "tiled ms",
            "faster than `direct_attention`",
            "faster than `core.causal_attention`",
            "speed / the two products alone",
            "speed / copy of q, k, v and the result",
            "peak MB direct",
            "peak MB tiled",
            "MB of the result",
        ],
        rows,
        [
            "Limits: the two products alone, with all scores, and the bytes that must move.",
            "A copy is far off, since there are n operations on each byte: compute is the limit.",
            "A causal result may beat the two full products: it leaves half of them out.",
        ],
    )


def batches() -> str:
    """Throughput and latency of the 784-256-10 network against the batch."""
    rng = np.random.default_rng(SEED)
    model = Sequential(Linear(784, 256, rng=rng), ReLU(), Linear(256, 10, rng=rng)).eval()
    samples = random(1024, 784)
    sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    with no_grad():
        points = measure_batches(model, samples, sizes, num_rounds=150, seed=SEED)
    first = points[0].samples_per_second
    flops = 2 * (784 * 256 + 256 * 10)
    rows = [
        [
            point.batch_size,
            f"{point.median_ms:.3g}",
            f"{point.p90_ms:.3g}",
            f"{point.samples_per_second:.3g}",
            f"{point.samples_per_second / first:.1f}",
            f"{point.samples_per_second * flops / 1e9:.1f}",
        ]
        for point in points
    ]
    notes = ["Single calls, interleaved; the limit is the GFLOP/s of BLAS in the first table."]
    for bound in LATENCY_BOUNDS_MS:
        try:
            chosen = choose_batch_size(points, bound)
            notes.append(f"With p90 within {bound:g} ms: batch {chosen.batch_size}.")
        except ValueError as error:
            notes.append(f"With p90 within {bound:g} ms: {error}.")
    return table(
        "Batching: forward pass of 784-256-10",
        ["batch", "median ms", "p90 ms", "samples/s", "times batch 1", "GFLOP/s"],
        rows,
        notes,
    )


def threads() -> str:
    """One thread of BLAS against two."""
    controller = ThreadpoolController()  # looked up once: `blas_threads` does it on every entry
    with blas_threads(2) as most:
        pass
    rows = []
    for n in (32, 128, 512, 1024, 2048):
        a, b = random(n, n), random(n, n)
        calls = max(1, 40_000_000 // n**3)

        def run(count: int, a=a, b=b, calls=calls) -> None:
            with controller.limit(limits=count, user_api="blas"):
                for _ in range(calls):
                    np.matmul(a, b)

        times = timed({"one": partial(run, 1), "two": partial(run, most)}, 30 if n < 2000 else 10)
        gain = over(times["one"], times["two"])
        share = f"{amdahl_fraction(gain.ratio, most):.2f}" if gain.ratio > 1 < most else "none"
        each = times["one"].median_ms / calls
        rows.append([n, f"{each:.3g}", interval(gain), most, share])
    return table(
        f"Threads: matrix product n x n x n on {most} threads of BLAS",
        ["n", "ms on one", f"faster on {most}", "limit", "fraction in parallel (Amdahl)"],
        rows,
        [
            "The fraction is what the gain amounts to by Amdahl's law; the load is given above.",
            "A product waits for the slowest thread: beside other work on the cores, two may lose.",
        ],
    )


KERNEL_COLUMNS = [
    "array",
    "how",
    "ms",
    "faster than the first",
    "faster than the second",
    "GB/s of what must move",
    "speed / copy",
]


def kernel_rows(shape: tuple[int, ...], arms: Arms, least: int) -> list[list[object]]:
    """Time the arms and compare each with the first (naive), the second (a peer) and the copy."""
    size = int(np.prod(shape))
    times = timed(arms, 100 if size < 1 << 20 else 25 if size < 1 << 25 else 12)
    (naive, peer, *_), copy = times.values(), times["copy (limit)"]
    megabytes = f"{4 * size / 1e6:.3g} MB"
    return [
        [
            f"{shape[0]}x{shape[1]}, {megabytes}",
            name,
            milliseconds(latency),
            interval(over(naive, latency)),
            interval(over(peer, latency)),
            f"{least / latency.median_ms / 1e6:.3g}",
            interval(over(copy, latency)),
        ]
        for name, latency in times.items()
    ]


def traffic_note(unfused: Callable[..., np.ndarray], *arrays: np.ndarray) -> str:
    """What the expression moves, counted from the sizes of its arrays."""
    operations = record_operations(unfused, *arrays)
    before, after = bytes_moved(operations), least_bytes(arrays, unfused(*arrays))
    return (
        f"The naive form is {len(operations)} operations that move {before / after:.1f} times the "
        "bytes that must move (inputs and result once)."
    )


def norm_expression(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Layer norm as its formula reads, with no check around it."""
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


def two_passes(x: np.ndarray, bias: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Bias and ReLU unfused, but without fresh memory."""
    np.add(x, bias, out=out)
    return np.maximum(out, 0, out=out)


def without_grad(layer: Callable[[Tensor], Tensor], x: np.ndarray) -> Work:
    """The layer on a tensor of ``x`` with no graph recorded."""
    tensor = Tensor(x)

    def forward() -> Tensor:
        with no_grad():
            return layer(tensor)

    return forward


def timed(arms: Arms, rounds: int) -> dict[str, Latency]:
    """Time the arms in turn, a block of each per round."""
    latencies = time_interleaved(list(arms.values()), rounds, seed=SEED)
    return dict(zip(arms, latencies, strict=True))


def over(baseline: Latency, candidate: Latency) -> RatioInterval:
    """Baseline / candidate of the same rounds, with its interval."""
    return median_ratio_interval(np.log(baseline.samples_ms) - np.log(candidate.samples_ms))


def require_equal(arms: Arms, tolerance: float) -> None:
    """Stop when two arms do not compute the same, to a tolerance of the largest element."""
    results = {name: np.array(arm()) for name, arm in arms.items()}
    expected = next(iter(results.values()))
    limit = tolerance * float(np.abs(expected).max())
    for name, found in results.items():
        if not np.allclose(found, expected, rtol=0, atol=limit):
            worst = np.abs(found - expected).max()
            raise AssertionError(f"{name} differs by {worst:.3g}, allowed {limit:.3g}")


def peak_bytes(work: Work) -> int:
    """The most memory in use while ``work`` runs, beyond what was in use before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def random(*shape: int, seed: int = SEED) -> np.ndarray:
    """Standard normal float32 values."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
