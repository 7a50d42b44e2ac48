"""``Profiler``: what a model costs, counted and measured."""

from __future__ import annotations

from typing import Any

from tinytorch.core.checks import checked_size
from tinytorch.core.module import Module, checked_module
from tinytorch.perf.profiling.backward import backward_figures
from tinytorch.perf.profiling.counting import count_parameters
from tinytorch.perf.profiling.hooks import inference
from tinytorch.perf.profiling.inputs import model_input
from tinytorch.perf.profiling.latency import measure_latency
from tinytorch.perf.profiling.layers import in_use, layer_rows, work_by_call
from tinytorch.perf.profiling.memory import measure_memory
from tinytorch.perf.profiling.roofline import Roofline, machine_roofline
from tinytorch.perf.profiling.verdict import judge


class Profiler:
    """Counts and measures models; an input is a shape (batch, ...) or the input itself.

    Counts are exact and follow from the layers and the shapes, times and memory are measured, and
    what is neither is refused.
    Models run as in use (no gradients recorded, evaluation mode) except for the backward pass.
    ``roofline`` is that of this machine unless given; it is measured when it is first needed.

    >>> from tinytorch.core.layers import Linear
    >>> profiler = Profiler()
    >>> profiler.count_parameters(Linear(784, 10)), profiler.count_flops(Linear(784, 10), (2, 784))
    (7850, 31380)
    """

    def __init__(self, roofline: Roofline | None = None) -> None:
        self._roofline = roofline

    @property
    def roofline(self) -> Roofline:
        """The limits that layers are judged by."""
        if self._roofline is None:
            self._roofline = machine_roofline()
        return self._roofline

    def count_parameters(self, model: Module) -> int:
        """Return the number of trained numbers of a model, shared ones counted once.

        >>> from tinytorch.core.layers import Linear
        >>> Profiler().count_parameters(Linear(3, 2))
        8
        """
        return count_parameters(checked_module("model", model))

    def count_flops(self, model: Module, input_shape: Any) -> int:
        """Return the floating-point operations of one forward pass, the whole batch included.

        ``input_shape`` is a tuple such as (32, 784), or an input; the model runs on it once and
        every layer is counted by its rule.
        Raises TypeError for a layer that has no rule, naming how to give it one.
        """
        x = model_input(model, input_shape)
        with inference(model):
            return sum(work.flops for _, work in work_by_call(model, x))

    def measure_memory(self, model: Module, input_shape: Any) -> dict[str, Any]:
        """Measure the memory of one forward pass, see the function ``measure_memory``."""
        return measure_memory(model, model_input(model, input_shape))

    def measure_latency(
        self, model: Module, input_tensor: Any, warmup: int = 10, iterations: int = 100
    ) -> float:
        """Return the median time of one forward pass in ms, see the function ``measure_latency``.

        Two models measured one after the other also differ by what the machine did meanwhile;
        ``tinytorch.benchmarking`` compares them.
        Raises ValueError or TypeError unless warmup is an integer from 0 and iterations from 1.
        """
        return measure_latency(model, model_input(model, input_tensor), warmup, iterations)

    def profile_layer(self, layer: Module, input_shape: Any) -> dict[str, Any]:
        """Return what one layer costs on an input of ``input_shape``, and what limits it.

        Keys: ``layer_name`` (its kind), ``parameters``, ``flops``, ``bytes_moved``,
        ``latency_ms``, the memory as ``measure_memory`` gives it, and those of ``judge``.
        """
        profile = self.profile_forward_pass(layer, model_input(layer, input_shape))
        memory = self.measure_memory(layer, input_shape)
        del profile["layers"], memory["layers"]
        return {"layer_name": type(layer).__name__} | profile | memory

    def profile_forward_pass(self, model: Module, input_tensor: Any) -> dict[str, Any]:
        """Return what a forward pass costs, what limits it, and the same for every layer.

        ``parameters``, ``flops`` and ``bytes_moved`` are counted, ``latency_ms`` is measured, the
        rates and the verdict follow from both, see ``judge``.
        ``layers`` has a row for each layer, see ``layer_rows``, in the order in which they run;
        its times come from passes of their own in which each layer reads the clock.
        """
        x = model_input(model, input_tensor)
        calls, times_ms = in_use(model, x)
        works = [work for _, work in calls]
        latency_ms = self.measure_latency(model, x)
        return {
            "parameters": self.count_parameters(model),
            "flops": sum(work.flops for work in works),
            "bytes_moved": sum(work.bytes_moved for work in works),
            "latency_ms": latency_ms,
            **judge(works, latency_ms, self.roofline),
            "layers": layer_rows(calls, times_ms, self.roofline),
        }

    def profile_backward_pass(
        self, model: Module, input_tensor: Any, iterations: int = 30
    ) -> dict[str, Any]:
        """Return what a training step costs up to the gradients: forward and backward pass.

        Measured, as medians: ``forward_latency_ms`` (recording included), ``backward_latency_ms``
        and ``total_latency_ms``, their sum.
        Counted: ``forward_flops``, all of them, ``forward_product_flops`` and
        ``backward_product_flops``, those in matrix products (see ``backward_products``).
        Measured in MB of 2^20 bytes: ``activation_memory_mb`` held between the two passes,
        ``gradient_memory_mb`` of the parameters, ``peak_memory_mb`` at any time beside the
        parameters, and by name what an optimiser keeps, ``optimizer_memory_mb``.
        The gradient starts as ones in the output; the gradients that the parameters had are put
        back.
        Raises ValueError for a model without parameters to train.
        """
        checked_size("iterations", iterations)
        return backward_figures(model, model_input(model, input_tensor), iterations)


def quick_profile(
    model: Module, input_tensor: Any, roofline: Roofline | None = None
) -> dict[str, Any]:
    """Return the forward pass of a model, its memory and one sentence on what limits it.

    The keys are those of ``Profiler.profile_forward_pass`` and ``Profiler.measure_memory``, with
    the memory of layers as ``layer_memory``, and ``summary``.
    ``roofline`` is that of this machine unless given.
    """
    profiler = Profiler(roofline)
    profile = profiler.profile_forward_pass(model, input_tensor)
    memory = profiler.measure_memory(model, input_tensor)
    memory["layer_memory"] = memory.pop("layers")
    slowest = max(profile["layers"], key=lambda row: row["latency_ms"])
    summary = (
        f"{profile['parameters']} parameters, {profile['flops']} operations in "
        f"{profile['latency_ms']:.4g} ms ({profile['gflops_per_second']:.3g} GFLOP/s), limited by "
        f"{profile['bottleneck']}; {100 * slowest['share']:.0f} % of the time in "
        f"{slowest['layer']} ({slowest['kind']})"
    )
    return profile | memory | {"summary": summary}
