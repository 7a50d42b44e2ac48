"""Chapter 15: what weights of 8 and 4 bits gain in bytes and in time, and where they lose time."""

import importlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from report import interval, milliseconds, ratio, table
from threadpoolctl import threadpool_limits

from tinytorch.benchmarking import (
    Latency,
    RatioInterval,
    compare_latency,
    median_ratio_interval,
    time_interleaved,
)
from tinytorch.core.activations import ReLU
from tinytorch.core.autograd import no_grad
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.models import digits_mlp
from tinytorch.perf.fast import numba_available, numpy_only
from tinytorch.perf.quantization import (
    Calibration,
    PackedWeight,
    QuantizedLinear,
    compare_model_sizes,
    quantize_model,
)

AnyModule = TypeVar("AnyModule", bound=Module)
Work = Callable[[], object]
Arms = dict[str, Work]

SEED = 0
SHAPES = ((64, 128), (784, 256), (1024, 1024), (4096, 4096))
AGAIN_MS = 100
BATCHES = (1, 4, 16, 64, 256)
FLOAT = "`Linear`, float32 (BLAS)"


def tables() -> list[str]:
    """Measure now and return one block a subject."""
    subjects = [one_row, one_row_again, batches, threads, whole_model, sizes, errors]
    blocks = []
    for subject in subjects:
        sys.stderr.write(f"  {subject.__name__}\n")
        blocks.append(subject())
    return blocks


def one_row() -> str:
    """One row through layers of four sizes: where the bytes of the weight are the time."""
    rows = []
    for n, m in SHAPES:
        linear = Linear(n, m, rng=np.random.default_rng(SEED))
        arms, held = arms_of(linear, random(1, n))
        weight, codes = linear.weight.data, QuantizedLinear(linear).packed.codes
        arms["reading float32 (limit)"] = reading(weight)
        arms["reading int8 (limit)"] = reading(codes)
        times = timed(arms, 60 if n < 4096 else 25)
        float_time, int8_time = (times[f"reading {what} (limit)"] for what in ("float32", "int8"))
        read = over(float_time, int8_time)
        layers = {
            name: latency for name, latency in times.items() if not name.startswith("reading")
        }
        rows += [[*row, interval(read)] for row in rows_of(n, m, layers, held)]
    return table(
        "A linear layer on one row",
        ["layer", "how", "MB held", "ms", "faster than float32", "limit"],
        rows,
        [
            "A product with one row reads every weight once, so bytes are time.",
            "The limit is the time to read the float32 weights over that to read the int8 codes, "
            "by `np.bitwise_xor.reduce` in 8-byte words; below about 2 MB a core the weights stay "
            "in its cache and fewer bytes gain little.",
            *missing_peers(),
        ],
    )


def one_row_again() -> str:
    """One row through the same layer many times in a row, so that codes may stay in a cache."""
    rows = []
    for n, m in SHAPES[2:]:
        linear = Linear(n, m, rng=np.random.default_rng(SEED))
        arms, held = arms_of(linear, random(1, n))
        arms = {
            name: arm for name, arm in arms.items() if "NumPy" not in name and "stored" not in name
        }
        rows += rows_of(n, m, timed(arms, 15, block_ms=AGAIN_MS), held)
    return table(
        "The same layer again and again",
        ["layer", "how", "MB held", "ms", "faster than float32"],
        rows,
        [
            f"Each is called for {AGAIN_MS} ms at a stretch, as where one model serves request on "
            "request; above, another form runs between two calls and takes its place in the "
            "caches.",
            "Codes that fit into the cache that all cores share are then read from there, and what "
            "is left is making them floats, which PyTorch's integer instructions need not.",
            *missing_peers(),
        ],
    )


def rows_of(n: int, m: int, times: dict[str, Latency], held: dict[str, int]) -> list[list[object]]:
    """A row for each form of a layer: bytes held, time, and how much faster than float32."""
    rows: list[list[object]] = []
    for name, latency in times.items():
        size = f"{held[name] / 1e6:.3g}" if name in held else "-"
        gain = "1" if name == FLOAT else interval(over(times[FLOAT], latency))
        rows.append([f"{n}x{m}", name, size, milliseconds(latency), gain])
    return rows


def batches() -> str:
    """The 1024 x 1024 layer on more and more rows: where the multiplications are the time."""
    linear = Linear(1024, 1024, rng=np.random.default_rng(SEED))
    rows = []
    names: list[str] = []
    for batch in BATCHES:
        arms, _ = arms_of(linear, random(batch, 1024))
        times = timed(arms, 40 if batch < 64 else 20)
        names = [name for name in times if name != FLOAT]
        gains = [interval(over(times[FLOAT], times[name])) for name in names]
        rows.append([batch, milliseconds(times[FLOAT]), *gains])
    return table(
        "The 1024x1024 layer on a batch: faster than float32",
        ["rows", "float32 ms", *names],
        rows,
        [
            "From some tens of rows on each weight is used often enough to hide what reading it "
            "costs, and making codes floats again is lost time: honest losses.",
            "The limit there is 1: NumPy has no integer BLAS, and none is written here.",
            "PyTorch multiplies integers by instructions of the processor that neither NumPy nor "
            "numba reach, and gains at every batch where the processor has them.",
        ],
    )


def threads() -> str:
    """One row again, against BLAS on all of its threads."""
    rows = []
    for n, m in SHAPES[2:]:
        linear = Linear(n, m, rng=np.random.default_rng(SEED))
        quantized = aligned(QuantizedLinear(aligned(linear)))
        x = Tensor(random(1, n))
        for count in (1, os.cpu_count()):
            with threadpool_limits(count):
                found = compare_latency(
                    forward(linear, x),
                    forward(quantized, x),
                    60 if n < 4096 else 25,
                    seed=SEED,
                    self_check=False,
                )
            contended = "yes" if found.contended else "no"
            rows.append([f"{n}x{m}", count, milliseconds(found.baseline), ratio(found), contended])
    return table(
        "Weight-only int8 on one row, against BLAS on one thread and on all",
        ["layer", "BLAS threads", "float32 ms", "int8 faster", "contended"],
        rows,
        [
            "The compiled loop is one thread in both; these times are on the wall.",
            "Where other work held the cores (contended), threads of BLAS wait for each other, and "
            "the row says nothing of int8.",
        ],
    )


def whole_model() -> str:
    """The MLP 784-256-10 from end to end."""
    rng = np.random.default_rng(SEED)
    model = aligned(Sequential(Linear(784, 256, rng=rng), ReLU(), Linear(256, 10, rng=rng)))
    small = {bits: aligned(quantize_model(model, bits)) for bits in (8, 4)}
    rows = []
    for batch in (1, 64, 256):
        x = Tensor(random(batch, 784))
        arms = {"float32": forward(model, x)}
        arms |= {f"{bits} bits": forward(quantized, x) for bits, quantized in small.items()}
        times = timed(arms, 60)
        gains = [interval(over(times["float32"], times[f"{bits} bits"])) for bits in small]
        rows.append([batch, milliseconds(times["float32"]), *gains])
    return table(
        "The MLP 784-256-10: faster than float32",
        ["rows", "float32 ms", "8 bits", "4 bits"],
        rows,
        ["Its weights take 0.8 MB and stay in the cache, so there is little to gain at any batch."],
    )


def sizes() -> str:
    """Bytes in memory and in the saved file, for every width."""
    rng = np.random.default_rng(SEED)
    model = Sequential(Linear(784, 256, rng=rng), ReLU(), Linear(256, 10, rng=rng))
    rows = [["float32", model.size_bytes(), "1", file_bytes(model), "1", "1"]]
    for bits in range(8, 1, -1):
        small = quantize_model(model, bits)
        smaller = compare_model_sizes(model, small)["compression_ratio"]
        on_disk = file_bytes(small)
        rows.append(
            [
                bits,
                small.size_bytes(),
                f"{smaller:.2f}",
                on_disk,
                f"{file_bytes(model) / on_disk:.2f}",
                f"{32 / bits:.2f}",
            ]
        )
    return table(
        "Bytes of the MLP 784-256-10, per channel and symmetric",
        ["bits", "bytes held", "smaller", "bytes of the npz file", "file smaller", "limit"],
        rows,
        ["What is missing to the limit: 4 bytes of scale and 4 of bias for each of 266 outputs."],
    )


def errors() -> str:
    """What is lost in the weights of a trained model, by width, granularity and calibration."""
    model = digits_mlp()
    weights = [module.weight.data for module in model.modules() if isinstance(module, Linear)]
    methods: tuple[Calibration, ...] = ("min-max", "percentile", "mse")
    rows = []
    for bits in range(8, 1, -1):
        cells = [f"{rms_error(weights, bits, None, 'min-max'):.3g}"]
        cells += [f"{rms_error(weights, bits, 1, method):.3g}" for method in methods]
        rows.append([bits, *cells])
    return table(
        "Error of the weights of the trained digits MLP",
        ["bits", "per tensor, min-max", *(f"per channel, {method}" for method in methods)],
        rows,
        [
            "Root mean square of the error in % of that of the weights; symmetric codes.",
            "One bit less is about twice the error.",
        ],
    )


def arms_of(linear: Linear, x: np.ndarray) -> tuple[Arms, dict[str, int]]:
    """The layer in its forms on rows ``x``, each checked against the others, and their bytes."""
    layers: dict[str, Module] = {
        FLOAT: linear,
        "int8 weights": QuantizedLinear(linear),
        "4-bit weights": QuantizedLinear(linear, 4),
        "int8 weights, dynamic inputs": QuantizedLinear(linear, activations="dynamic"),
    }
    for layer in layers.values():
        aligned(layer)
    held = {name: layer.size_bytes() for name, layer in layers.items()}
    tensor = Tensor(x)
    arms = {name: forward(layer, tensor) for name, layer in layers.items()}
    int8 = layers["int8 weights"]
    assert isinstance(int8, QuantizedLinear)
    if numba_available():
        arms["int8 weights, NumPy alone"] = without_twins(forward(int8, tensor))
    packed, bias = int8.packed, linear.bias.data if linear.bias is not None else 0
    arms["int8 stored, made float32 each call"] = lambda: x @ packed.dequantized() + bias
    require_near(arms, linear)
    arms |= torch_arms(linear, x)
    return arms, held


def torch_arms(linear: Linear, x: np.ndarray) -> Arms:
    """PyTorch's float32 and dynamic int8 layer on one thread, where it is installed."""
    torch = torch_module()
    if torch is None:
        return {}
    torch.set_num_threads(1)
    peer = torch.nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        peer.weight.copy_(torch.from_numpy(linear.weight.data.T.copy()))
        peer.bias.zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in favour of a package of its own
        dynamic = torch.ao.quantization.quantize_dynamic(
            torch.nn.Sequential(peer), {torch.nn.Linear}, dtype=torch.qint8
        )
    rows = torch.from_numpy(x)

    def run(layer: Any) -> object:
        with torch.inference_mode():
            return layer(rows)

    return {
        "PyTorch float32": partial(run, peer),
        "PyTorch dynamic int8": partial(run, dynamic),
    }


def torch_module() -> Any:
    """PyTorch, or None."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def missing_peers() -> list[str]:
    """A sentence for each peer or twin that is not installed."""
    sentences = []
    if torch_module() is None:
        sentences.append("PyTorch is not installed here, so its rows are missing.")
    if not numba_available():
        sentences.append("numba is not installed here, so these are the NumPy twins.")
    return sentences


def require_near(arms: Arms, linear: Linear) -> None:
    """Stop when a form differs from float32 by more than its rounding can explain."""
    expected = np.asarray(arms[FLOAT]())
    spread = float(expected.std())
    for name, arm in arms.items():
        limit = 0.25 if name.startswith("4-bit") else 0.03
        worst = float(np.abs(np.asarray(arm()) - expected).std()) / spread
        if worst > limit:
            raise AssertionError(f"{name} of {linear} is off by {worst:.3g} of the output")


def forward(layer: Module, x: Tensor) -> Work:
    """A call of the layer that records no graph."""

    def run() -> Tensor:
        with no_grad():
            out: Tensor = layer(x)
        return out

    return run


def without_twins(work: Work) -> Work:
    """The same on NumPy alone."""

    def run() -> object:
        with numpy_only():
            return work()

    return run


def aligned(model: AnyModule) -> AnyModule:
    """Move the weights of the model to places that 64 divides, and return it.

    By where it lies, one and the same matrix takes up to 15 % more or less time.
    """
    for parameter in model.parameters():
        parameter.data = at_64(parameter.data)
    for module in model.modules():
        packed = getattr(module, "packed", None)
        if isinstance(packed, PackedWeight):
            packed.codes = at_64(packed.codes)
    return model


def at_64(array: np.ndarray) -> np.ndarray:
    """A copy of the array whose first byte has an address that 64 divides."""
    room = np.empty(array.nbytes + 64, dtype=np.uint8)
    start = -room.ctypes.data % 64
    copied = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copied[...] = array
    return copied


def reading(array: np.ndarray) -> Work:
    """Read every byte of the array once, and do as little as NumPy can with it."""
    words = array.reshape(-1).view(np.int64)
    return lambda: np.bitwise_xor.reduce(words)


def rms_error(
    weights: list[np.ndarray], bits: int, axis: int | None, calibration: Calibration
) -> float:
    """Root mean square of what the codes are off by, in % of that of the weights."""
    lost = [
        w - PackedWeight(w, bits, axis=axis, calibration=calibration).dequantized() for w in weights
    ]
    squares = [sum(float(np.square(a, dtype=np.float64).sum()) for a in x) for x in (lost, weights)]
    return 100 * float(np.sqrt(squares[0] / squares[1]))


def file_bytes(model: Module) -> int:
    """Bytes of the file that ``save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        model.save(path)
        return path.stat().st_size


def random(*shape: int) -> np.ndarray:
    """Standard normal float32."""
    return np.random.default_rng(SEED).standard_normal(shape, dtype=np.float32)


def timed(arms: Arms, rounds: int, block_ms: float = 0.3) -> dict[str, Latency]:
    """Time the arms in turn, a block of each per round.

    On the clock of this thread, which stands still while others have the processor, so that an arm
    longer than a slice of the scheduler does not look slower than it is.
    """
    latencies = time_interleaved(
        list(arms.values()), rounds, block_ms=block_ms, seed=SEED, clock_ns=time.thread_time_ns
    )
    return dict(zip(arms, latencies, strict=True))


def over(baseline: Latency, candidate: Latency) -> RatioInterval:
    """Baseline / candidate of the same rounds, with its interval."""
    return median_ratio_interval(np.log(baseline.samples_ms) - np.log(candidate.samples_ms))
