"""Chapter 16: what zeros, missing neurons and low rank gain in bytes and in time."""

import io
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from quantization import aligned, forward, over, random, timed, without_twins
from report import interval, milliseconds, table

from tinytorch.benchmarking import RatioInterval
from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.perf.compression import (
    LowRankLinear,
    SparseLinear,
    compress_model,
    magnitude_prune,
    structured_prune,
)
from tinytorch.perf.fast import numba_available, scipy_available

Work = Callable[[], object]
Arms = dict[str, Work]

SEED = 0
SPARSITIES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
DENSE = "dense"


def tables() -> list[str]:
    """Measure now and return one block a subject."""
    subjects = [sparse_layers, zeros_alone, structured, low_rank, sixteen]
    blocks = []
    for subject in subjects:
        sys.stderr.write(f"  {subject.__name__}\n")
        blocks.append(subject())
    return blocks


def sparse_layers() -> str:
    """CSR and COO against the dense layer, for every sparsity, with the break-even."""
    rows: list[list[object]] = []
    crossings: list[list[object]] = []
    for n, m in ((784, 256), (1024, 1024)):
        for batch in (1, 64):
            points: list[RatioInterval] = []
            for sparsity in SPARSITIES:
                linear = magnitude_prune(Linear(n, m, rng=np.random.default_rng(SEED)), sparsity)
                aligned(linear)
                csr = SparseLinear(linear)
                x = Tensor(random(batch, n))
                arms = {DENSE: forward(linear, x), "CSR": forward(csr, x)}
                arms["COO"] = forward(SparseLinear(linear, "coo"), x)
                arms["NumPy"] = without_twins(forward(csr, x))
                require_equal(arms)
                times = timed(arms, 25)
                gains = {name: over(times[DENSE], times[name]) for name in list(arms)[1:]}
                points.append(gains["CSR"])
                rows.append(
                    [
                        f"{n}x{m}",
                        batch,
                        f"{100 * sparsity:g} %",
                        f"{linear.size_bytes() / csr.size_bytes():.2f}",
                        milliseconds(times[DENSE]),
                        *(interval(gain) for gain in gains.values()),
                        f"{1 / (1 - sparsity):.3g}",
                    ]
                )
            fixed = f"{fixed_cost_us(n, m, batch):.3g}"
            crossings.append([f"{n}x{m}", batch, break_even(points), fixed])
    gains_by_sparsity = table(
        "A linear layer without its zeros: faster than dense",
        [
            "layer",
            "rows",
            "zeros",
            "bytes, dense / CSR",
            "dense ms",
            "CSR",
            "COO",
            "CSR, NumPy alone",
            "limit",
        ],
        rows,
        [
            "The limit is 1 / density, as if a weight held cost no more than a dense one.",
            *missing_twins(),
        ],
    )
    break_evens = table(
        "Break-even of CSR",
        ["layer", "rows", "% zeros", "us of a call that holds one weight"],
        crossings,
        [
            "Where the line through two neighbouring sparsities, in the logarithm of the speed, "
            "crosses 1.",
            "A call of the sparse layer costs the last column before it multiplies: where the "
            "dense layer, its weights in a cache, takes little more, few zeros are too few.",
        ],
    )
    return f"{gains_by_sparsity}\n{break_evens}"


def fixed_cost_us(n: int, m: int, batch: int) -> float:
    """The time of a sparse layer with a single weight, in microseconds."""
    linear = Linear(n, m, rng=np.random.default_rng(SEED))
    linear.weight.data[...] = 0
    linear.weight.data[0, 0] = 1
    call = forward(SparseLinear(linear), Tensor(random(batch, n)))
    return 1e3 * timed({DENSE: call, "again": call}, 25)[DENSE].median_ms


def zeros_alone() -> str:
    """Magnitude pruning without a sparse layer: nothing is gained."""
    model = aligned(mlp(784, 256, 10))
    rows = []
    for sparsity in (0.5, 0.9):
        pruned = aligned(magnitude_prune(model, sparsity))
        for batch in (1, 64):
            x = Tensor(random(batch, 784))
            times = timed({DENSE: forward(model, x), "pruned": forward(pruned, x)}, 100)
            gain = interval(over(times[DENSE], times["pruned"]))
            ratio = model.size_bytes() / pruned.size_bytes()
            rows.append([f"{100 * sparsity:g} %", batch, f"{ratio:.2f}", gain])
    return table(
        "Magnitude pruning of 784-256-10, the zeros still stored",
        ["zeros", "rows", "bytes, before / after", "faster than before"],
        rows,
        ["A product with 0 takes as long as any other."],
    )


def structured() -> str:
    """Neurons really taken out: every part of the model becomes smaller and faster."""
    model = aligned(mlp(784, 256, 10))
    rows = []
    for ratio in (0.5, 0.75):
        pruned = aligned(structured_prune(model, ratio))
        parameters = model.count_parameters() / pruned.count_parameters()
        for batch in (1, 64, 512):
            x = Tensor(random(batch, 784))
            times = timed({DENSE: forward(model, x), "pruned": forward(pruned, x)}, 100)
            rows.append(
                [
                    f"{100 * ratio:g} %",
                    f"{parameters:.2f}",
                    f"{model.size_bytes() / pruned.size_bytes():.2f}",
                    batch,
                    milliseconds(times[DENSE]),
                    interval(over(times[DENSE], times["pruned"])),
                    f"{1 / (1 - ratio):g}",
                ]
            )
    return table(
        "Structured pruning of 784-256-10",
        ["neurons gone", "parameters", "bytes", "rows", "ms before", "faster", "limit"],
        rows,
        ["Parameters and bytes are before / after."],
    )


def low_rank() -> str:
    """The first layer of 784-256-10 as a product of two narrow ones."""
    linear = aligned(Linear(784, 256, rng=np.random.default_rng(SEED)))
    rows = []
    for rank in (128, 64, 32, 16):
        narrow = aligned(LowRankLinear(linear, rank / 256))
        parameters = linear.count_parameters() / narrow.count_parameters()
        for batch in (1, 64):
            x = Tensor(random(batch, 784))
            times = timed({DENSE: forward(linear, x), "narrow": forward(narrow, x)}, 100)
            rows.append(
                [
                    narrow.rank,
                    batch,
                    milliseconds(times[DENSE]),
                    interval(over(times[DENSE], times["narrow"])),
                    f"{parameters:.2f}",
                ]
            )
    return table(
        "Low rank: a layer 784x256",
        ["rank", "rows", "dense ms", "faster", "limit: parameters, before / after"],
        rows,
    )


def sixteen() -> str:
    """Four times fewer bits and four times fewer weights: is it sixteen times smaller?"""
    model = mlp(64, 512, 512, 512, 512, 10)
    magnitude = {"magnitude_prune": 0.75}
    configs = {
        "8 bits": {"quantize": 8},
        "75 % zeros, stored": magnitude,
        "75 % zeros, CSR of float32": {**magnitude, "sparse": "csr"},
        "75 % zeros, bit map of float32": {**magnitude, "sparse": "bitmap"},
        "75 % zeros, 8 bits, stored": {**magnitude, "quantize": 8},
        "75 % zeros, 8 bits, bit map": {**magnitude, "quantize": 8, "sparse": "bitmap"},
        "75 % zeros, 4 bits, bit map": {**magnitude, "quantize": 4, "sparse": "bitmap"},
        "half the neurons of each hidden layer gone": {"structured_prune": 0.5},
        "half the neurons gone, 8 bits": {"structured_prune": 0.5, "quantize": 8},
    }
    rows = [["as it was", model.size_bytes(), "1", f"{deflated(model) / 1e3:.0f}", "1"]]
    for name, config in configs.items():
        small = compress_model(model, config).model
        rows.append(
            [
                name,
                small.size_bytes(),
                f"{model.size_bytes() / small.size_bytes():.2f}",
                f"{deflated(small) / 1e3:.0f}",
                f"{model.size_bytes() / deflated(small):.2f}",
            ]
        )
    bound = (1 - 0.75) * 8 + entropy(0.75)
    return table(
        "Is 4 x 4 = 16? The MLP 64-512-512-512-512-10",
        ["how", "bytes held", "smaller", "KB deflated by zlib", "smaller"],
        rows,
        [
            "Not for single weights: where the zeros are must be stored, too.",
            f"8 bits for a quarter of the weights and {entropy(0.75):.2f} bits a weight for their "
            f"places, the entropy of a coin of 1 in 4, are {bound:.2f} bits a weight: "
            f"{32 / bound:.1f} times smaller at most, unless codes are packed by how often they "
            "occur, as zlib does.",
            "For neurons it nearly is: the layers between hidden layers lose three quarters of "
            "their weights, the first and the last lose half, and no places are stored.",
        ],
    )


def break_even(points: list[RatioInterval]) -> str:
    """Where the speed crosses 1 between the sparsities of the table."""
    logs = [float(np.log(point.ratio)) for point in points]
    if logs[0] > 0:
        return f"below {100 * SPARSITIES[0]:g}"
    for (low, high), (before, after) in zip(pairwise(SPARSITIES), pairwise(logs), strict=True):
        if before <= 0 < after:
            return f"{100 * (low + (high - low) * -before / (after - before)):.0f}"
    return f"above {100 * SPARSITIES[-1]:g}"


def entropy(p: float) -> float:
    """Bits that say whether something of probability ``p`` happened."""
    return float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def deflated(model: Module) -> int:
    """Bytes of all that the model holds after zlib at its strongest."""
    stream = io.BytesIO()
    for array in model.state_dict().values():
        stream.write(array.tobytes())
    return len(zlib.compress(stream.getvalue(), 9))


def missing_twins() -> list[str]:
    """A sentence for each twin that is not installed."""
    there = {"numba": numba_available(), "scipy": scipy_available()}
    return [f"{name} is not installed here." for name, found in there.items() if not found]


def mlp(*sizes: int) -> Sequential:
    """A network of linear layers with ReLU between them."""
    rng = np.random.default_rng(SEED)
    layers: list[Module] = []
    for n, m in pairwise(sizes):
        layers += [Linear(n, m, rng=rng), ReLU()]
    return Sequential(*layers[:-1]).eval()


def require_equal(arms: Arms) -> None:
    """Stop when two arms do not compute the same."""
    expected = np.asarray(arms[DENSE]())
    for name, arm in arms.items():
        worst = float(np.abs(np.asarray(arm()) - expected).max())
        if worst > 1e-4 * float(np.abs(expected).max()):
            raise AssertionError(f"{name} differs from dense by {worst:.3g}")
