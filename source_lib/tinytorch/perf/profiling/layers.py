"""A forward pass taken apart: work and time of each layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.checks import checked_size
from tinytorch.core.module import Module
from tinytorch.perf.profiling.counting import own_parameters
from tinytorch.perf.profiling.hooks import LayerCall, Trace, inference, wrapped_forward
from tinytorch.perf.profiling.roofline import Roofline
from tinytorch.perf.profiling.rules import own_work
from tinytorch.perf.profiling.verdict import judge
from tinytorch.perf.profiling.work import Work

TIMED_PASSES = 30


def work_by_call(model: Module, x: Any) -> list[tuple[LayerCall, Work]]:
    """Run the model once on ``x`` and return every call of a layer with its own work.

    The calls are in the order in which they began, the model itself first.
    Raises TypeError for a layer that has no rule, see ``own_work``.

    >>> from tinytorch.core.layers import Linear
    >>> [work.flops for _, work in work_by_call(Linear(4, 2), np.ones((3, 4)))]
    [54]
    """
    works: dict[int, Work] = {}
    trace = Trace(lambda call: works.update({id(call): own_work(call)}))
    with wrapped_forward(model, trace):
        model(x)
    return [(call, works[id(call)]) for call in trace.calls]


def own_times_ms(model: Module, x: Any, passes: int = TIMED_PASSES) -> list[float]:
    """Return the median time of each call of a layer in ms, the layers below it aside.

    The calls are in the order in which they begin, those of ``work_by_call``; a first pass warms
    up and is not counted.
    The wrapping itself costs less than a microsecond a layer, with which the layer above it is
    charged.
    Raises ValueError or TypeError unless passes is an integer from 1.
    """
    checked_size("passes", passes)
    times: list[list[int]] = []
    for _ in range(passes + 1):
        trace = Trace()
        with wrapped_forward(model, trace):
            model(x)
        times.append([call.own_ns for call in trace.calls])
    medians = np.median(np.array(times[1:]), axis=0) / 1e6  # (calls,)
    return [float(median) for median in medians]


def layer_rows(
    calls: list[tuple[LayerCall, Work]], times_ms: list[float], roofline: Roofline
) -> list[dict[str, Any]]:
    """Return a row of figures for each layer that does work of its own or has none below it.

    Beside the figures of ``judge`` it has ``layer``, ``kind``, ``parameters``, ``flops``,
    ``bytes_moved``, ``latency_ms`` and ``share``, its part of the time of all layers from 0 to 1;
    ``bound`` is "memory", "compute" or None where nothing is to be done.
    """
    rows = []
    total_ms = sum(times_ms)
    for (call, work), own_ms in zip(calls, times_ms, strict=True):
        if call.children and not (work.flops or work.bytes_moved):
            continue
        # A clock that stood still during a call says that it took less than one of its ticks.
        latency_ms = max(own_ms, 1e-6)
        figures = judge([work], latency_ms, roofline)
        memory, compute = figures.pop("is_memory_bound"), figures.pop("is_compute_bound")
        rows.append(
            {
                "layer": call.label,
                "kind": type(call.layer).__name__,
                "parameters": own_parameters(call.layer),
                "flops": work.flops,
                "bytes_moved": work.bytes_moved,
                "latency_ms": latency_ms,
                "share": latency_ms / total_ms if total_ms else 0.0,
                "bound": "memory" if memory else "compute" if compute else None,
            }
            | figures
        )
    return rows


def backward_products(call: LayerCall, work: Work) -> int:
    """Return the operations in the matrix products that the backward pass of a call takes.

    The gradient of A B is G B^T in A and A^T G in B: two products as large as the first, or one
    where an operand needs no gradient, as the data in the first layer.
    """
    below = len(call.layer.modules()) > 1
    of_inputs = below or any(getattr(value, "requires_grad", False) for value in call.inputs)
    of_weights = below or bool(call.layer.parameters())
    return work.products * (int(of_inputs) + int(of_weights))


def in_use(model: Module, x: Any) -> tuple[list[tuple[LayerCall, Work]], list[float]]:
    """Return the calls with their work, and their times in ms, of the model in inference."""
    with inference(model):
        return work_by_call(model, x), own_times_ms(model, x)
