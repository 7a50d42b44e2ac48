"""What the backward pass of a model costs: time, operations, and the memory of training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.core.checks import checked_size
from tinytorch.core.module import Module
from tinytorch.core.optimizers import SGD, Adam, AdamW, Optimizer
from tinytorch.core.tensor import Tensor
from tinytorch.perf.profiling.layers import backward_products, work_by_call
from tinytorch.perf.profiling.memory import traced_peak

MB = 2**20
OPTIMIZERS: dict[str, Callable[[list[Tensor]], Optimizer]] = {
    "sgd": lambda parameters: SGD(parameters, lr=0.1),
    "sgd_momentum": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9),
    "adam": Adam,
    "adamw": AdamW,
}


def backward_figures(model: Module, x: Any, iterations: int) -> dict[str, Any]:
    """Return the figures that ``Profiler.profile_backward_pass`` lists.

    Raises ValueError for a model without parameters to train.
    """
    if not model.parameters():
        raise ValueError(f"expected a model with parameters, {type(model).__name__} has none")
    with training(model):
        calls = work_by_call(model, x)
        forward_ms, backward_ms = step_latencies_ms(model, x, iterations)
        held, peak = step_memory(model, x)
        gradient_bytes = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
        optimizers = {
            name: optimizer_state_bytes(make, model.parameters()) / MB
            for name, make in OPTIMIZERS.items()
        }
    return {
        "forward_flops": sum(work.flops for _, work in calls),
        "forward_product_flops": sum(work.products for _, work in calls),
        "backward_product_flops": sum(backward_products(call, work) for call, work in calls),
        "forward_latency_ms": forward_ms,
        "backward_latency_ms": backward_ms,
        "total_latency_ms": forward_ms + backward_ms,
        "parameter_memory_mb": model.size_bytes() / MB,
        "activation_memory_mb": held / MB,
        "gradient_memory_mb": gradient_bytes / MB,
        "peak_memory_mb": peak / MB,
        "optimizer_memory_mb": optimizers,
    }


def optimizer_state_bytes(
    make: Callable[[list[Tensor]], Optimizer], parameters: list[Tensor]
) -> int:
    """Return the bytes that an optimiser keeps after its first step, on copies of parameters.

    >>> weights = [Tensor(np.ones(10_000), requires_grad=True)]
    >>> 80_000 <= optimizer_state_bytes(Adam, weights) < 125_000
    True
    """
    copies = [Tensor(parameter.data, requires_grad=True) for parameter in parameters]
    for copy in copies:
        copy.grad = np.zeros_like(copy.data)

    def first_step() -> Optimizer:
        optimizer = make(copies)
        optimizer.step()
        return optimizer

    return traced_peak(first_step).held_bytes


@contextmanager
def training(model: Module) -> Iterator[None]:
    """Run a model as in training; its modes and gradients are as before on leaving."""
    layers = model.modules()
    modes = [layer.training for layer in layers]
    gradients = [parameter.grad for parameter in model.parameters()]
    try:
        model.train()
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient


def step_latencies_ms(model: Module, x: Any, iterations: int) -> tuple[float, float]:
    """Return the median times of the forward and of the backward pass in ms.

    A first step warms up and is not counted; every step begins without gradients, and its backward
    pass with ones in the shape of the output.
    Raises ValueError or TypeError unless iterations is an integer from 1.
    """
    checked_size("iterations", iterations)
    times_ns = []
    for _ in range(iterations + 1):
        model.zero_grad()
        start = time.perf_counter_ns()
        output = model(x)
        middle = time.perf_counter_ns()
        output.backward(np.ones_like(output.data))
        times_ns.append((middle - start, time.perf_counter_ns() - middle))
    forward, backward = np.median(np.array(times_ns[1:]), axis=0) / 1e6
    return float(forward), float(backward)


def step_memory(model: Module, x: Any) -> tuple[int, int]:
    """Return the bytes held after a recorded forward pass, and the peak of a whole step."""

    def step() -> None:
        output = model(x)
        output.backward(np.ones_like(output.data))

    model.zero_grad()
    held = traced_peak(lambda: model(x)).held_bytes
    return held, traced_peak(step).peak_bytes
