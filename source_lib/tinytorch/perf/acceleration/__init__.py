"""Doing the same in less time: better use of BLAS, caches, memory bandwidth and cores.

Each technique has the straightforward version beside it and gives the same result.
The fused kernels run compiled loops where numba is installed; the readable NumPy function is what
``fused_gelu.__wrapped__`` and the like hold, and what runs under ``fast.numpy_only()``.
"""

from tinytorch.perf.acceleration.amdahl import amdahl_fraction, amdahl_speedup
from tinytorch.perf.acceleration.attention import direct_attention, tiled_attention
from tinytorch.perf.acceleration.batching import BatchPoint, choose_batch_size, measure_batches
from tinytorch.perf.acceleration.bias_relu import unfused_bias_relu
from tinytorch.perf.acceleration.compiled_kernels import (
    fused_bias_relu,
    fused_gelu,
    fused_layer_norm,
)
from tinytorch.perf.acceleration.compiled_matmul import compiled_matmul
from tinytorch.perf.acceleration.convolution import (
    conv2d_direct,
    conv2d_im2col,
    im2col,
    output_size,
)
from tinytorch.perf.acceleration.fusion import FusionReport, fusion_report
from tinytorch.perf.acceleration.gelu import unfused_gelu
from tinytorch.perf.acceleration.layer_norm import unfused_layer_norm
from tinytorch.perf.acceleration.matmul import (
    naive_matmul,
    tiled_bytes,
    tiled_matmul,
    vectorized_matmul,
)
from tinytorch.perf.acceleration.threads import blas_thread_count, blas_threads
from tinytorch.perf.acceleration.traffic import (
    Operation,
    bytes_moved,
    least_bytes,
    peak_bytes,
    record_operations,
)

__all__ = [
    "BatchPoint",
    "FusionReport",
    "Operation",
    "amdahl_fraction",
    "amdahl_speedup",
    "blas_thread_count",
    "blas_threads",
    "bytes_moved",
    "choose_batch_size",
    "compiled_matmul",
    "conv2d_direct",
    "conv2d_im2col",
    "direct_attention",
    "fused_bias_relu",
    "fused_gelu",
    "fused_layer_norm",
    "fusion_report",
    "im2col",
    "least_bytes",
    "measure_batches",
    "naive_matmul",
    "output_size",
    "peak_bytes",
    "record_operations",
    "tiled_attention",
    "tiled_bytes",
    "tiled_matmul",
    "unfused_bias_relu",
    "unfused_gelu",
    "unfused_layer_norm",
    "vectorized_matmul",
]
