"""Quantisation: weights in 2 to 8 bits instead of 32, and what that does to size, error and time.

``quantize_model`` does it all; ``quantize_int8`` is the idea on one array.
"""

from tinytorch.perf.quantization.affine import (
    code_range,
    dequantize,
    dequantize_int8,
    min_max_range,
    quantization_parameters,
    quantize,
    quantize_int8,
)
from tinytorch.perf.quantization.calibration import (
    Calibration,
    calibrate_range,
    mse_range,
    percentile_range,
)
from tinytorch.perf.quantization.conv import QuantizedConv2d
from tinytorch.perf.quantization.embedding import QuantizedEmbedding
from tinytorch.perf.quantization.linear import Activations, QuantizedLinear
from tinytorch.perf.quantization.model import (
    calibrate_model,
    compare_model_sizes,
    quantize_model,
)
from tinytorch.perf.quantization.noise import signal_to_noise_db
from tinytorch.perf.quantization.packing import pack_codes, packed_length, unpack_codes
from tinytorch.perf.quantization.products import codes_product, product_in_panels
from tinytorch.perf.quantization.storage import PackedWeight

__all__ = [
    "Activations",
    "Calibration",
    "PackedWeight",
    "QuantizedConv2d",
    "QuantizedEmbedding",
    "QuantizedLinear",
    "calibrate_model",
    "calibrate_range",
    "code_range",
    "codes_product",
    "compare_model_sizes",
    "dequantize",
    "dequantize_int8",
    "min_max_range",
    "mse_range",
    "pack_codes",
    "packed_length",
    "percentile_range",
    "product_in_panels",
    "quantization_parameters",
    "quantize",
    "quantize_int8",
    "quantize_model",
    "signal_to_noise_db",
    "unpack_codes",
]
