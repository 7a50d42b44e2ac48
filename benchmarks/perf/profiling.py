"""Chapter 14: the limits of this machine, whether verdicts by them hold, and what looking costs."""

import cProfile
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from report import interval, milliseconds, table

from tinytorch.benchmarking import (
    Latency,
    RatioInterval,
    measure_latency,
    median_ratio_interval,
    time_interleaved,
)
from tinytorch.core.activations import ReLU
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.init import manual_seed
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.transformer import GPT
from tinytorch.perf.profiling import (
    Profiler,
    Trace,
    inference,
    machine_roofline,
    wrapped_forward,
)
from tinytorch.perf.profiling.inputs import model_input
from tinytorch.perf.profiling.memory import MemoryTrace, tracing

SEED = 0
BATCHES = (1, 4, 16, 64, 256)
WIDTH = 2048  # weights of 16 MiB, beyond the caches of a core


def tables() -> list[str]:
    """Measure now and return one block a subject."""
    blocks = []
    for subject in (limits, verdicts, layers, backward, observers, harnesses):
        sys.stderr.write(f"  {subject.__name__}\n")
        blocks.append(subject())
    return blocks


def limits() -> str:
    """The roofline itself."""
    roofline = machine_roofline()
    rows = [
        [f"{size // 1024} KiB", f"{rate / 1e9:.1f}", f"{roofline.peak_flops / rate:.2f}"]
        for size, rate in roofline.bandwidths
    ]
    return table(
        "Roofline of this machine",
        ["working set", "GB/s", "ridge point, operations per byte"],
        rows,
        [f"Peak of float32 matrix products: {roofline.peak_flops / 1e9:.1f} GFLOP/s."],
    )


def verdicts() -> str:
    """One layer at growing batches: the time that the roofline predicts, and the time it takes."""
    manual_seed(SEED)
    layer, roofline = Linear(WIDTH, WIDTH), machine_roofline()
    rows = []
    works = [counted(layer, (batch, WIDTH)) for batch in BATCHES]
    with inference(layer):
        latencies = time_interleaved(
            [call(layer, (batch, WIDTH)) for batch in BATCHES], 40, seed=SEED
        )
    for batch, (flops, moved), latency in zip(BATCHES, works, latencies, strict=True):
        least_ms = 1000 * roofline.least_seconds(flops, moved)
        predicted = least_ms / (1000 * roofline.least_seconds(*works[0]))
        rows.append(
            [
                batch,
                f"{flops / moved:.2f}",
                roofline.bound(flops, moved),
                milliseconds(latency),
                interval(over(latency, latencies[0])),
                f"{predicted:.2f}",
                f"{least_ms / latency.median_ms:.2f}",
            ]
        )
    return table(
        f"Linear({WIDTH}, {WIDTH}): does the verdict hold?",
        [
            "batch",
            "operations per byte",
            "bound",
            "ms",
            "time / time at batch 1",
            "the same by the roofline",
            "speed / roofline",
        ],
        rows,
        [
            "A roof is a limit, not a forecast.",
            "One row is a matrix-vector product, which reads the weights once; for more rows BLAS "
            "first copies them into panels, so the bytes that move are more than the least.",
        ],
    )


def layers() -> str:
    """Every layer of three models: what it does, how fast, and what limits it."""
    rows = []
    for name, (model, shape) in models().items():
        profile = Profiler().profile_forward_pass(model, shape)
        total = sum(row["latency_ms"] for row in profile["layers"])
        for row in profile["layers"]:
            if row["share"] < 0.02:
                continue
            rows.append(
                [
                    name,
                    f"{row['layer']} ({row['kind']})",
                    row["flops"],
                    "-" if not row["bytes_moved"] else f"{row['arithmetic_intensity']:.2f}",
                    f"{row['latency_ms']:.3g}",
                    f"{100 * row['share']:.0f} %",
                    f"{row['gflops_per_second']:.3g}",
                    row["bound"] or "-",
                    row["bottleneck"],
                ]
            )
        whole = f"{total / profile['latency_ms']:.2f}"
        rows.append([name, f"all layers: {whole} of the pass", profile["flops"], *["-"] * 6])
    columns = ["model", "layer", "operations", "per byte", "ms", "share", "GFLOP/s", "bound"]
    notes = [
        "Layers below 2 % of the time are left out.",
        'Bottleneck "overhead": the layer takes more than twice what the roofline asks for.',
    ]
    return table("Layers and their limits", [*columns, "bottleneck"], rows, notes)


def backward() -> str:
    """A step up to the gradients beside the forward pass, in operations and in time."""
    rows = []
    for name, (model, shape) in models().items():
        x = model_input(model, shape)
        figures = Profiler().profile_backward_pass(model, x, iterations=2)

        def step(model: Module = model, x: Any = x) -> None:
            out = model(x)
            out.backward(np.ones_like(out.data))

        def forward(model: Module = model, x: Any = x) -> Any:
            return model(x)

        both, alone = time_interleaved([step, forward], 100, seed=SEED)
        model.zero_grad()
        products = figures["forward_product_flops"]
        rows.append(
            [
                name,
                milliseconds(alone),
                milliseconds(both),
                interval(over(both, alone)),
                f"{(products + figures['backward_product_flops']) / products:.2f}",
                f"{figures['activation_memory_mb'] / figures['parameter_memory_mb']:.2f}",
                f"{figures['peak_memory_mb'] / figures['parameter_memory_mb']:.2f}",
            ]
        )
    return table(
        "Forward and backward pass",
        [
            "model",
            "forward ms",
            "both ms",
            "time of both / forward",
            "operations in products, both / forward",
            "activations held / parameters",
            "peak / parameters",
        ],
        rows,
        [
            "The gradient of the weights is as large as the weights, whatever the batch: at batch "
            "1 writing it takes longer than the whole forward pass."
        ],
    )


def observers() -> str:
    """The same pass watched in several ways; the peer is Python's own profiler."""
    rows = []
    for name, (model, shape) in models().items():
        count = len(model.modules())
        x = model_input(model, shape)

        def plain(model: Module = model, x: Any = x) -> None:
            model(x)

        def traced(model: Module = model, x: Any = x) -> None:
            with wrapped_forward(model, Trace()):
                model(x)

        def by_python(model: Module = model, x: Any = x) -> None:
            with cProfile.Profile():
                model(x)

        def memory(model: Module = model, x: Any = x) -> None:
            with tracing(), wrapped_forward(model, MemoryTrace()):
                model(x)

        with inference(model):
            arms = [plain, traced, by_python, memory]
            base, *watched = time_interleaved(arms, 100, seed=SEED)
        ours, python, bytes_too = watched
        rows.append(
            [
                name,
                milliseconds(base),
                interval(over(ours, base)),
                f"{1000 * (ours.median_ms - base.median_ms) / count:.1f}",
                interval(over(python, base)),
                interval(over(bytes_too, base)),
            ]
        )
    return table(
        "What looking costs: time of the pass watched / not watched",
        ["model", "ms", "`Trace`", "us a layer", "`cProfile`", "`MemoryTrace`"],
        rows,
        ["The wrapping and unwrapping of every layer is part of each pass watched."],
    )


def harnesses() -> str:
    """What `Profiler.measure_latency` reports beside the blocks of `measure_latency`."""
    rows = []
    for name, (model, shape) in models().items():
        x = model_input(model, shape)

        def forward(model: Module = model, x: Any = x) -> Any:
            return model(x)

        ratios = []
        for _ in range(15):  # in turn, so that both meet the same machine
            single = Profiler().measure_latency(model, x, warmup=5, iterations=60)
            with inference(model):
                blocks = measure_latency(forward, 30, warmup_blocks=5)
            ratios.append(np.log(single) - np.log(blocks.median_ms))
        rows.append([name, milliseconds(blocks), interval(median_ratio_interval(ratios))])
    return table(
        "Single passes against blocks of passes",
        ["model", "ms by blocks", "`Profiler.measure_latency` / `measure_latency`"],
        rows,
        ["A single pass pays for reading the clock; the blocks keep the caches warm."],
    )


def models() -> dict[str, tuple[Module, tuple[int, ...]]]:
    """The models of the chapters, with the shape of an input."""
    manual_seed(SEED)
    mlp = Sequential(Linear(784, 256), ReLU(), Linear(256, 10))
    cnn = Sequential(Conv2d(1, 8, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(128, 10))
    gpt = GPT(vocab_size=65, embed_dim=64, num_layers=2, num_heads=4, max_seq_len=128)
    return {
        "MLP 784-256-10, batch 1": (mlp, (1, 784)),
        "MLP 784-256-10, batch 64": (mlp, (64, 784)),
        "CNN on 8x8, batch 64": (cnn, (64, 1, 8, 8)),
        "GPT 64 wide, 2 layers, 128 tokens": (gpt, (1, 128)),
    }


def call(model: Module, shape: tuple[int, ...]) -> Callable[[], object]:
    """The model as a function without arguments."""
    x = model_input(model, shape)
    return lambda: model(x)


def counted(model: Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Operations and bytes of a forward pass."""
    profile = Profiler().profile_forward_pass(model, shape)
    return profile["flops"], profile["bytes_moved"]


def over(first: Latency, second: Latency) -> RatioInterval:
    """Time of the first / time of the second, over the rounds."""
    return median_ratio_interval(np.log(first.samples_ms) - np.log(second.samples_ms))
