"""Chapter 14: what a model costs, and which limit of the machine it meets.

`Profiler` counts parameters and operations and measures time and memory, layer by layer;
`Roofline` holds the limits measured on this machine, by which each layer is memory-bound or
compute-bound; `register_flops` teaches the profiler a layer of your own.
"""

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
from tinytorch.perf.profiling.memory import LayerMemory, TracedMemory, held_bytes, traced_peak
from tinytorch.perf.profiling.plots import plot_roofline
from tinytorch.perf.profiling.profiler import Profiler, quick_profile
from tinytorch.perf.profiling.roofline import (
    Roofline,
    arithmetic_intensity,
    machine_roofline,
    measure_roofline,
)
from tinytorch.perf.profiling.rules import register_flops
from tinytorch.perf.profiling.verdict import judge
from tinytorch.perf.profiling.weights import analyze_weight_distribution
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
    "bytes_moved",
    "conv2d_flops",
    "held_bytes",
    "inference",
    "judge",
    "layer_norm_flops",
    "linear_flops",
    "machine_roofline",
    "measure_roofline",
    "named_layers",
    "plot_roofline",
    "quick_profile",
    "register_flops",
    "softmax_flops",
    "traced_peak",
    "wrapped_forward",
]
