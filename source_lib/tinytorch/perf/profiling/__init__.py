"""Chapter 14: what a model costs, and which limit of the machine it meets.

`Profiler` counts parameters and operations and measures time and memory, layer by layer;
`Roofline` holds the limits measured on this machine, by which each layer is memory-bound or
compute-bound; `register_flops` teaches the profiler a layer of your own.
"""

from tinytorch.perf.profiling.backward import backward_figures, step_latencies_ms
from tinytorch.perf.profiling.counting import count_parameters, own_parameters
from tinytorch.perf.profiling.flops import (
    attention_product_flops,
    conv2d_flops,
    layer_norm_flops,
    linear_flops,
    softmax_flops,
)
from tinytorch.perf.profiling.hooks import (
    LayerCall,
    Trace,
    inference,
    named_layers,
    wrapped_forward,
)
from tinytorch.perf.profiling.latency import measure_latency
from tinytorch.perf.profiling.layers import layer_rows, own_times_ms, work_by_call
from tinytorch.perf.profiling.memory import (
    LayerMemory,
    TracedMemory,
    held_bytes,
    measure_memory,
    traced_peak,
)
from tinytorch.perf.profiling.plots import plot_roofline
from tinytorch.perf.profiling.profiler import Profiler, quick_profile
from tinytorch.perf.profiling.roofline import (
    Roofline,
    arithmetic_intensity,
    best_seconds,
    copy_rate,
    machine_roofline,
    measure_roofline,
    product_rate,
)
from tinytorch.perf.profiling.rules import heads_work, linear_work, register_flops
from tinytorch.perf.profiling.verdict import judge
from tinytorch.perf.profiling.weights import analyze_weight_distribution, weight_spread
from tinytorch.perf.profiling.work import Work, bytes_moved

__all__ = [
    "LayerCall",
    "LayerMemory",
    "Profiler",
    "Roofline",
    "Trace",
    "TracedMemory",
    "Work",
    "analyze_weight_distribution",
    "arithmetic_intensity",
    "attention_product_flops",
    "backward_figures",
    "best_seconds",
    "bytes_moved",
    "conv2d_flops",
    "copy_rate",
    "count_parameters",
    "heads_work",
    "held_bytes",
    "inference",
    "judge",
    "layer_norm_flops",
    "layer_rows",
    "linear_flops",
    "linear_work",
    "machine_roofline",
    "measure_latency",
    "measure_memory",
    "measure_roofline",
    "named_layers",
    "own_parameters",
    "own_times_ms",
    "plot_roofline",
    "product_rate",
    "quick_profile",
    "register_flops",
    "softmax_flops",
    "step_latencies_ms",
    "traced_peak",
    "weight_spread",
    "work_by_call",
    "wrapped_forward",
]
