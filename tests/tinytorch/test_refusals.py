"""No public function is forgotten: each refuses what it cannot take, in one sentence of its own.

``WRONG`` has for every public name of the library calls that must be refused: other shapes, other
dtypes, NaN.
``NOTHING_TO_REFUSE`` has the names that take nothing which could be wrong, or whose caller has
looked already, with the reason.
A name that stands in neither fails the test, so whoever adds one decides.
"""

import inspect
import linecache
import typing

import numpy as np
import pytest

from tinytorch import benchmarking as bench
from tinytorch.core import (
    activations,
    attention,
    checks,
    conv,
    data,
    dropout,
    embedding,
    init,
    layers,
    losses,
    module,
    normalization,
    optimizers,
    tensor,
    tokenizer,
    training,
    transformer,
)
from tinytorch.core.tensor import Tensor
from tinytorch.perf import acceleration, compression, memoization, profiling, quantization

PACKAGES = (profiling, quantization, compression, memoization, acceleration, bench)
CORE = (
    activations,
    attention,
    checks,
    conv,
    data,
    dropout,
    embedding,
    init,
    layers,
    losses,
    module,
    normalization,
    optimizers,
    tensor,
    tokenizer,
    training,
    transformer,
)

NAN = np.array([[1.0, np.nan], [2.0, 3.0]], dtype=np.float32)
X = np.ones((2, 2), dtype=np.float32)
CUBE = np.ones((2, 2, 2), dtype=np.float32)
IMAGES, KERNELS = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 2, 2), np.float32)
TEXT = np.array([["a", "b"], ["c", "d"]])
RAGGED = [[1.0], [1.0, 2.0]]
ROW = np.array([1.0, 2.0, 3.0, 4.0])
NAN_ROW = np.array([1.0, np.nan, 3.0, 4.0])
HEADS = np.ones((1, 2, 3, 4), np.float32)


def linear(broken=False):
    layer = layers.Linear(2, 2)
    if broken:
        layer.weight.data[0, 0] = np.nan
    return layer


def mlp(broken=False):
    return layers.Sequential(linear(broken), activations.ReLU(), linear())


def gpt():
    return transformer.GPT(vocab_size=5, embed_dim=4, num_layers=1, num_heads=2, max_seq_len=8)


def result():
    return bench.BenchmarkResult("latency", ROW)


class WithoutRule(module.Module):
    """A layer of which the profiler cannot know what it computes."""

    def forward(self, x):
        return Tensor(x) + 1


def cached(cache, layer=0):
    """Attention of two sequences of three new positions, two heads of two numbers each."""
    return memoization.cached_attention(attention.MultiHeadAttention(4, 2), HEADS[0], cache, layer)


def packed():
    return quantization.PackedWeight(X)


WRONG = {
    # perf.profiling
    "profiling.Profiler": [
        lambda: profiling.Profiler().count_parameters("model"),
        lambda: profiling.Profiler().count_flops(linear(), (2, 0)),
        lambda: profiling.Profiler().count_flops(linear(), (2, 3)),
        lambda: profiling.Profiler().count_flops(linear(), TEXT),
        lambda: profiling.Profiler().measure_memory(linear(), (2, 3)),
        lambda: profiling.Profiler().measure_memory("model", (2, 2)),
        lambda: profiling.Profiler().measure_latency(linear(), X, iterations=0),
        lambda: profiling.Profiler().measure_latency("model", X),
        lambda: profiling.Profiler().measure_latency(linear(), NAN),
        lambda: profiling.Profiler().profile_layer(linear(), (2, 3)),
        lambda: profiling.Profiler().profile_layer("layer", (2, 2)),
        lambda: profiling.Profiler().profile_forward_pass(linear(), CUBE[:, :, :1]),
        lambda: profiling.Profiler().profile_forward_pass(linear(), NAN),
        lambda: profiling.Profiler().profile_backward_pass(activations.ReLU(), X),
        lambda: profiling.Profiler().profile_backward_pass(linear(), X, iterations=0),
    ],
    "profiling.Roofline": [
        lambda: profiling.Roofline(np.nan, ((1024, 1e9),)),
        lambda: profiling.Roofline(1e9, ()),
        lambda: profiling.Roofline(1e9, ((1024, -1.0),)),
    ],
    "profiling.analyze_weight_distribution": [
        lambda: profiling.analyze_weight_distribution(linear(broken=True)),
        lambda: profiling.analyze_weight_distribution(activations.ReLU()),
        lambda: profiling.analyze_weight_distribution(linear(), [101]),
        lambda: profiling.analyze_weight_distribution(linear(), [np.nan]),
        lambda: profiling.analyze_weight_distribution("model"),
    ],
    "profiling.arithmetic_intensity": [
        lambda: profiling.arithmetic_intensity(0, 0),
        lambda: profiling.arithmetic_intensity(-1, 1),
    ],
    "profiling.backward_figures": [
        lambda: profiling.backward_figures(activations.ReLU(), X, 1),
        lambda: profiling.backward_figures(linear(), ROW, 1),
    ],
    "profiling.bytes_moved": [lambda: profiling.bytes_moved("layer", (X,), Tensor(X))],
    "profiling.judge": [
        lambda: profiling.judge([profiling.Work(1, 1, 1)], np.nan, ROOFLINE),
        lambda: profiling.judge([profiling.Work(1, 1, 1)], 0.0, ROOFLINE),
    ],
    "profiling.layer_rows": [
        lambda: profiling.layer_rows(profiling.work_by_call(linear(), X), [np.nan], ROOFLINE),
    ],
    "profiling.measure_latency": [
        lambda: profiling.measure_latency(linear(), X, warmup=-1),
        lambda: profiling.measure_latency(linear(), X, iterations=0),
        lambda: profiling.measure_latency(linear(), X, iterations=0.5),
        lambda: profiling.measure_latency(linear(), ROW),
    ],
    "profiling.measure_memory": [
        lambda: profiling.measure_memory(linear(), ROW),
        lambda: profiling.measure_memory(linear(), TEXT),
    ],
    "profiling.measure_roofline": [
        lambda: profiling.measure_roofline(working_sets=()),
        lambda: profiling.measure_roofline(working_sets=(0,)),
        lambda: profiling.measure_roofline((1024,), product_sizes=(0.5,)),
    ],
    "profiling.named_layers": [lambda: profiling.named_layers("model")],
    "profiling.own_times_ms": [
        lambda: profiling.own_times_ms("model", X),
        lambda: profiling.own_times_ms(linear(), ROW),
    ],
    "profiling.plot_roofline": [lambda: profiling.plot_roofline("roofline")],
    "profiling.quick_profile": [
        lambda: profiling.quick_profile(linear(), np.ones((2, 3))),
        lambda: profiling.quick_profile("model", X),
        lambda: profiling.quick_profile(linear(), NAN),
    ],
    "profiling.register_flops": [lambda: profiling.register_flops(int, lambda *a: 0)],
    "profiling.step_latencies_ms": [
        lambda: profiling.step_latencies_ms(linear(), ROW, 1),
        lambda: profiling.step_latencies_ms(linear(), TEXT, 1),
    ],
    "profiling.traced_peak": [lambda: profiling.traced_peak("no function")],
    "profiling.work_by_call": [
        lambda: profiling.work_by_call("model", X),
        lambda: profiling.work_by_call(linear(), ROW),
        lambda: profiling.work_by_call(WithoutRule(), X),
    ],
    "profiling.wrapped_forward": [
        lambda: profiling.wrapped_forward("model", lambda *a: None).__enter__()
    ],
    # perf.quantization
    "quantization.PackedWeight": [
        lambda: quantization.PackedWeight(NAN),
        lambda: quantization.PackedWeight(TEXT),
        lambda: quantization.PackedWeight(X, bits=9),
        lambda: quantization.PackedWeight(X, calibration="guess"),
    ],
    "quantization.QuantizedConv2d": [
        lambda: quantization.QuantizedConv2d(linear()),
        lambda: quantization.QuantizedConv2d(conv.Conv2d(1, 1, 2), bits=1),
        lambda: quantization.QuantizedConv2d(conv.Conv2d(1, 1, 2))(X),
    ],
    "quantization.QuantizedEmbedding": [
        lambda: quantization.QuantizedEmbedding(linear()),
        lambda: quantization.QuantizedEmbedding(embedding.Embedding(3, 2))([3]),
        lambda: quantization.QuantizedEmbedding(embedding.Embedding(3, 2))([0.5]),
    ],
    "quantization.QuantizedLinear": [
        lambda: quantization.QuantizedLinear("layer"),
        lambda: quantization.QuantizedLinear(linear(broken=True)),
        lambda: quantization.QuantizedLinear(linear(), bits=8.0),
        lambda: quantization.QuantizedLinear(linear())(CUBE[:, :, :1]),
        lambda: quantization.QuantizedLinear(linear())(TEXT),
        lambda: quantization.QuantizedLinear(linear(), activations="dynamic")(NAN),
        lambda: quantization.QuantizedLinear(linear(), activations="static").calibrate(NAN),
        lambda: quantization.QuantizedLinear(linear(), activations="static").calibrate(ROW),
    ],
    "quantization.calibrate_model": [
        lambda: quantization.calibrate_model(linear(), X),
        lambda: quantization.calibrate_model("model", X),
        lambda: quantization.calibrate_model(quantization.QuantizedLinear(linear()), NAN),
        lambda: quantization.calibrate_model(quantization.QuantizedLinear(linear()), ROW),
    ],
    "quantization.calibrate_range": [
        lambda: quantization.calibrate_range(NAN),
        lambda: quantization.calibrate_range(TEXT),
        lambda: quantization.calibrate_range([]),
        lambda: quantization.calibrate_range(X, "guess"),
    ],
    "quantization.code_range": [
        lambda: quantization.code_range(9),
        lambda: quantization.code_range(8.0),
    ],
    "quantization.codes_product": [
        lambda: quantization.codes_product(np.ones((1, 3), np.float32), packed()),
        lambda: quantization.codes_product(np.ones(2, np.float32), packed()),
        lambda: quantization.codes_product(TEXT, packed()),
    ],
    "quantization.compare_model_sizes": [
        lambda: quantization.compare_model_sizes("model", linear())
    ],
    "quantization.dequantize": [
        lambda: quantization.dequantize(X, 1.0, 0),
        lambda: quantization.dequantize(np.zeros(2, np.int8), np.nan, 0),
        lambda: quantization.dequantize(np.zeros(2, np.int8), np.ones(3), 0),
    ],
    "quantization.dequantize_int8": [
        lambda: quantization.dequantize_int8(X, 1.0, 0),
        lambda: quantization.dequantize_int8(np.zeros(2, np.int8), np.nan, 0),
        lambda: quantization.dequantize_int8(np.zeros(2, np.int8), np.ones(3), 0),
    ],
    "quantization.min_max_range": [
        lambda: quantization.min_max_range(NAN),
        lambda: quantization.min_max_range(TEXT),
        lambda: quantization.min_max_range(X, axis=2),
    ],
    "quantization.mse_range": [
        lambda: quantization.mse_range(NAN),
        lambda: quantization.mse_range(TEXT),
        lambda: quantization.mse_range(X, bits=1),
    ],
    "quantization.pack_codes": [
        lambda: quantization.pack_codes(X, 8),
        lambda: quantization.pack_codes(np.array([4]), 2),
        lambda: quantization.pack_codes(np.array(1), 8),
    ],
    "quantization.packed_length": [
        lambda: quantization.packed_length(-1, 8),
        lambda: quantization.packed_length(1, 9),
    ],
    "quantization.percentile_range": [
        lambda: quantization.percentile_range(NAN),
        lambda: quantization.percentile_range(TEXT),
        lambda: quantization.percentile_range(X, np.nan),
    ],
    "quantization.product_in_panels": [
        lambda: quantization.product_in_panels(np.ones((1, 3), np.float32), packed()),
        lambda: quantization.product_in_panels(np.ones(2, np.float32), packed()),
        lambda: quantization.product_in_panels(TEXT, packed()),
    ],
    "quantization.quantization_parameters": [
        lambda: quantization.quantization_parameters(np.nan, 1.0),
        lambda: quantization.quantization_parameters(2.0, 1.0),
        lambda: quantization.quantization_parameters(ROW, 1.0),
        lambda: quantization.quantization_parameters("a", "b"),
    ],
    "quantization.quantize": [
        lambda: quantization.quantize(NAN, 1.0, 0),
        lambda: quantization.quantize(TEXT, 1.0, 0),
        lambda: quantization.quantize(X, np.nan, 0),
        lambda: quantization.quantize(X, np.ones(3), 0),
    ],
    "quantization.quantize_int8": [
        lambda: quantization.quantize_int8(NAN),
        lambda: quantization.quantize_int8(TEXT),
        lambda: quantization.quantize_int8(RAGGED),
        lambda: quantization.quantize_int8([]),
        lambda: quantization.quantize_int8(X, axis=2),
    ],
    "quantization.quantize_model": [
        lambda: quantization.quantize_model("model"),
        lambda: quantization.quantize_model(mlp(broken=True)),
        lambda: quantization.quantize_model(activations.ReLU()),
        lambda: quantization.quantize_model(mlp(), bits=1),
        lambda: quantization.quantize_model(mlp(), activations="static", calibration_data=NAN),
    ],
    "quantization.signal_to_noise_db": [
        lambda: quantization.signal_to_noise_db(X, ROW),
        lambda: quantization.signal_to_noise_db(X, X[:1]),
    ],
    "quantization.unpack_codes": [
        lambda: quantization.unpack_codes(X, 8, 2),
        lambda: quantization.unpack_codes(np.zeros(3, np.uint8), 8, 2),
    ],
    # perf.compression
    "compression.BitmapLinear": [
        lambda: compression.BitmapLinear("layer"),
        lambda: compression.BitmapLinear(linear())(ROW),
        lambda: compression.BitmapLinear(linear(broken=True)),
    ],
    "compression.KeepZeros": [lambda: compression.KeepZeros("optimizer", linear())],
    "compression.KnowledgeDistillation": [
        lambda: compression.KnowledgeDistillation("teacher", linear()),
        lambda: compression.KnowledgeDistillation(linear(), linear(), temperature=np.nan),
        lambda: compression.KnowledgeDistillation(linear(), linear(), alpha=np.nan),
        lambda: compression.KnowledgeDistillation(linear(), linear()).train(X, [0], epochs=1),
        lambda: compression.KnowledgeDistillation(linear(), linear()).train(NAN, [0, 1], epochs=1),
        lambda: compression.KnowledgeDistillation(linear(), linear()).train(TEXT, [0, 1], epochs=1),
    ],
    "compression.LowRankLinear": [
        lambda: compression.LowRankLinear("layer", 0.5),
        lambda: compression.LowRankLinear(linear(), np.nan),
        lambda: compression.LowRankLinear(linear(broken=True), 0.5),
        lambda: compression.LowRankLinear(linear(), 0.5)(ROW),
    ],
    "compression.SparseLinear": [
        lambda: compression.SparseLinear("layer"),
        lambda: compression.SparseLinear(linear(), "dia"),
        lambda: compression.SparseLinear(linear())(ROW),
        lambda: compression.SparseLinear(linear(broken=True)),
    ],
    "compression.apply_steps": [
        lambda: compression.apply_steps("model", []),
        lambda: compression.apply_steps(activations.ReLU(), []),
    ],
    "compression.compress_model": [
        lambda: compression.compress_model("model", {"quantize": 8}),
        lambda: compression.compress_model(mlp(), {}),
        lambda: compression.compress_model(mlp(), {"fine_tune": 1}),
        lambda: compression.compress_model(mlp(), {"magnitude_prune": np.nan}),
        lambda: compression.compress_model(mlp(broken=True), {"magnitude_prune": 0.5}),
    ],
    "compression.coo_product": [
        lambda: compression.coo_product(np.ones((1, 1), np.float32), compression.to_coo(X), 2),
        lambda: compression.coo_product(TEXT, compression.to_coo(X), 2),
        lambda: compression.coo_product(X, compression.to_coo(X), 1),
    ],
    "compression.csr_product": [
        lambda: compression.csr_product(np.ones((1, 1), np.float32), compression.to_csr(X)),
        lambda: compression.csr_product(TEXT, compression.to_csr(X)),
        lambda: compression.csr_product(np.ones(2, np.float32), compression.to_csr(X)),
    ],
    "compression.fine_tune": [
        lambda: compression.fine_tune(linear(), NAN, [0, 1], epochs=1),
        lambda: compression.fine_tune(linear(), TEXT, [0, 1], epochs=1),
        lambda: compression.fine_tune(linear(), X, [0], epochs=1),
        lambda: compression.fine_tune(linear(), X, [0, 1], epochs=0),
        lambda: compression.fine_tune("model", X, [0, 1], epochs=1),
    ],
    "compression.hidden_pairs": [lambda: compression.hidden_pairs("module")],
    "compression.kept_units": [
        lambda: compression.kept_units(ROW, np.nan),
        lambda: compression.kept_units(ROW, 1.0),
        lambda: compression.kept_units(ROW, -0.5),
    ],
    "compression.low_rank_approximate": [
        lambda: compression.low_rank_approximate(NAN, 0.5),
        lambda: compression.low_rank_approximate(TEXT, 0.5),
        lambda: compression.low_rank_approximate(CUBE, 0.5),
        lambda: compression.low_rank_approximate(X, np.nan),
    ],
    "compression.low_rank_model": [
        lambda: compression.low_rank_model("model", 0.5),
        lambda: compression.low_rank_model(mlp(broken=True), 0.5),
        lambda: compression.low_rank_model(mlp(), 2.0),
    ],
    "compression.magnitude_mask": [
        lambda: compression.magnitude_mask(NAN, 0.5),
        lambda: compression.magnitude_mask(TEXT, 0.5),
        lambda: compression.magnitude_mask(X, np.nan),
    ],
    "compression.magnitude_prune": [
        lambda: compression.magnitude_prune("model", 0.5),
        lambda: compression.magnitude_prune(mlp(broken=True), 0.5),
        lambda: compression.magnitude_prune(mlp(), np.nan),
        lambda: compression.magnitude_prune(mlp(), 0.5, "row"),
    ],
    "compression.measure_sparsity": [
        lambda: compression.measure_sparsity("model"),
        lambda: compression.measure_sparsity(activations.ReLU()),
    ],
    "compression.remove_units": [
        lambda: compression.remove_units(linear(), linear(), []),
        lambda: compression.remove_units(linear(), linear(), [5]),
        lambda: compression.remove_units(linear(), linear(), [0.5]),
        lambda: compression.remove_units("layer", linear(), [0]),
    ],
    "compression.soft_loss": [
        lambda: compression.soft_loss(Tensor(X), CUBE, 2.0),
        lambda: compression.soft_loss(Tensor(X), TEXT, 2.0),
        lambda: compression.soft_loss(Tensor(X), X, np.nan),
    ],
    "compression.structured_prune": [
        lambda: compression.structured_prune("model", 0.5),
        lambda: compression.structured_prune(mlp(), np.nan),
        lambda: compression.structured_prune(linear(), 0.5),
        lambda: compression.structured_prune(mlp(broken=True), 0.5),
    ],
    "compression.to_coo": [
        lambda: compression.to_coo(CUBE),
        lambda: compression.to_coo(TEXT),
        lambda: compression.to_coo(NAN),
    ],
    "compression.to_csr": [
        lambda: compression.to_csr(CUBE),
        lambda: compression.to_csr(TEXT),
        lambda: compression.to_csr(NAN),
    ],
    "compression.to_sparse": [
        lambda: compression.to_sparse("model"),
        lambda: compression.to_sparse(mlp()),
        lambda: compression.to_sparse(mlp(), "dia"),
    ],
    "compression.unit_importance": [
        lambda: compression.unit_importance("layer", linear()),
        lambda: compression.unit_importance(layers.Linear(2, 3), linear()),
    ],
    # perf.memoization
    "memoization.KVCache": [
        lambda: memoization.KVCache(0, 8, 1, 2, 4),
        lambda: memoization.KVCache(1, 8.0, 1, 2, 4),
        lambda: memoization.KVCache(1, 8, 1, 2, 4).update(0, HEADS[..., :3], HEADS[..., :3]),
        lambda: memoization.KVCache(1, 2, 1, 2, 4).update(0, HEADS, HEADS),
        lambda: memoization.KVCache(1, 8, 1, 2, 4).update(1, HEADS, HEADS),
        lambda: memoization.KVCache(1, 8, 1, 2, 4).get(1),
        lambda: memoization.KVCache(1, 8, 1, 2, 4).advance(9),
    ],
    "memoization.Memoized": [
        lambda: memoization.Memoized("function", 1),
        lambda: memoization.Memoized(np.negative, 0),
    ],
    "memoization.content_key": [lambda: memoization.content_key(object())],
    "memoization.cached_attention": [
        lambda: cached(memoization.KVCache(1, 8, 1, 2, 2)),
        lambda: cached(memoization.KVCache(2, 2, 1, 2, 2)),
        lambda: cached(memoization.KVCache(2, 8, 1, 2, 2), layer=1),
    ],
    "memoization.count_attention_scores": [
        lambda: memoization.count_attention_scores(0, 1, True),
        lambda: memoization.count_attention_scores(1, 1.5, True),
    ],
    "memoization.create_kv_cache": [
        lambda: memoization.create_kv_cache(gpt(), 0),
        lambda: memoization.create_kv_cache(gpt(), 1, 9),
        lambda: memoization.create_kv_cache(linear()),
    ],
    "memoization.disable_kv_cache": [lambda: memoization.disable_kv_cache("model")],
    "memoization.decode_step": [
        lambda: memoization.decode_step(
            gpt(), np.zeros((1, 9), int), memoization.KVCache(1, 9, 1, 2, 2)
        ),
        lambda: memoization.decode_step(
            gpt(), np.zeros((2, 1), int), memoization.KVCache(1, 8, 1, 2, 2)
        ),
    ],
    "memoization.enable_kv_cache": [
        lambda: memoization.enable_kv_cache(gpt(), 0),
        lambda: memoization.enable_kv_cache(gpt(), 1, 9),
        lambda: memoization.enable_kv_cache(linear()),
    ],
    "memoization.forward_flops": [
        lambda: memoization.forward_flops(gpt(), 0),
        lambda: memoization.forward_flops(gpt(), 1, -1),
        lambda: memoization.forward_flops(linear(), 1),
    ],
    "memoization.generate": [
        lambda: memoization.generate(gpt(), [[[1]]], 1),
        lambda: memoization.generate(gpt(), [0.5], 1),
        lambda: memoization.generate(gpt(), [9], 1),
        lambda: memoization.generate(gpt(), [1], 9),
        lambda: memoization.generate(gpt(), [1], 1, temperature=np.nan),
        lambda: memoization.generate(linear(), [1], 1),
    ],
    "memoization.generation_flops": [
        lambda: memoization.generation_flops(gpt(), 0, 1, True),
        lambda: memoization.generation_flops(linear(), 1, 1, True),
    ],
    "memoization.memoize": [
        lambda: memoization.memoize("function"),
        lambda: memoization.memoize(np.negative, 0),
    ],
    "memoization.sample_next": [
        lambda: memoization.sample_next(NAN),
        lambda: memoization.sample_next(ROW),
        lambda: memoization.sample_next(TEXT),
        lambda: memoization.sample_next(X, temperature=np.nan),
    ],
    # perf.acceleration
    "acceleration.BatchPoint": [lambda: acceleration.BatchPoint(1, np.nan, 1.0)],
    "acceleration.amdahl_fraction": [lambda: acceleration.amdahl_fraction(np.nan, 2)],
    "acceleration.amdahl_speedup": [lambda: acceleration.amdahl_speedup(np.nan, 2)],
    "acceleration.blas_threads": [
        lambda: acceleration.blas_threads(0).__enter__(),
        lambda: acceleration.blas_threads(0.5).__enter__(),
    ],
    "acceleration.choose_batch_size": [
        lambda: acceleration.choose_batch_size([], 1.0),
        lambda: acceleration.choose_batch_size([acceleration.BatchPoint(1, 1, 1)], np.nan),
    ],
    "acceleration.fusion_report": [
        lambda: acceleration.fusion_report(np.negative, np.abs, X),
        lambda: acceleration.fusion_report(np.negative, np.negative, "array"),
        lambda: acceleration.fusion_report(acceleration.unfused_gelu, acceleration.fused_gelu, NAN),
    ],
    "acceleration.im2col": [
        lambda: acceleration.im2col(X, (1, 1)),
        lambda: acceleration.im2col(IMAGES * np.nan, (1, 1)),
        lambda: acceleration.im2col(IMAGES, (9, 1)),
        lambda: acceleration.im2col(TEXT, (1, 1)),
    ],
    "acceleration.measure_batches": [
        lambda: acceleration.measure_batches(np.sum, X, [3]),
        lambda: acceleration.measure_batches(np.sum, X, [0.5]),
    ],
    "acceleration.output_size": [
        lambda: acceleration.output_size(2, 3),
        lambda: acceleration.output_size(2.0, 1),
    ],
    "acceleration.record_operations": [lambda: acceleration.record_operations(np.negative, [1.0])],
    "acceleration.tiled_bytes": [
        lambda: acceleration.tiled_bytes(4, 4, 4, 0),
        lambda: acceleration.tiled_bytes(0, 4, 4, 1),
        lambda: acceleration.tiled_bytes(4, 4, 0.5, 1),
    ],
    # benchmarking
    "benchmarking.Benchmark": [
        lambda: bench.Benchmark({}, [(X, [0, 1])]),
        lambda: bench.Benchmark({"a": linear()}, []),
        lambda: bench.Benchmark({"a": linear()}, [(X, [0])]),
        lambda: bench.Benchmark({"a": linear()}, [(NAN, [0, 1])]).run_accuracy_benchmark(),
        lambda: bench.Benchmark({"a": linear()}, [(X, [0, 1])]).compare_models("energy"),
        lambda: bench.Benchmark({"a": "model"}, [(X, [0, 1])]),
    ],
    "benchmarking.BenchmarkResult": [
        lambda: bench.BenchmarkResult("latency", NAN_ROW),
        lambda: bench.BenchmarkResult("latency", X),
        lambda: bench.BenchmarkResult("latency", []),
    ],
    "benchmarking.BenchmarkSuite": [
        lambda: bench.BenchmarkSuite({}, [(X, [0, 1])]),
        lambda: bench.BenchmarkSuite({"a": linear()}, []),
    ],
    "benchmarking.Latency": [
        lambda: bench.Latency(NAN_ROW, 1),
        lambda: bench.Latency(X, 1),
        lambda: bench.Latency(ROW, 0),
        lambda: bench.Latency(ROW, 1).percentile_ms(100),
    ],
    "benchmarking.accuracy_change_interval": [
        lambda: bench.accuracy_change_interval(2, 2, 3),
        lambda: bench.accuracy_change_interval(-1, 2, 3),
        lambda: bench.accuracy_change_interval(1, 2, 3, np.nan),
    ],
    "benchmarking.bootstrap_ratio_interval": [
        lambda: bench.bootstrap_ratio_interval(NAN_ROW, ROW),
        lambda: bench.bootstrap_ratio_interval(X, ROW),
        lambda: bench.bootstrap_ratio_interval(ROW, ROW, confidence=np.nan),
    ],
    "benchmarking.compare_latency": [
        lambda: bench.compare_latency("a", lambda: 1),
        lambda: bench.compare_latency(lambda: 1, lambda: 1, num_pairs=0),
        lambda: bench.compare_latency(lambda: 1, lambda: 1, confidence=np.nan),
    ],
    "benchmarking.detect_warmup": [
        lambda: bench.detect_warmup(np.tile(NAN_ROW, 9)),
        lambda: bench.detect_warmup(X),
        lambda: bench.detect_warmup(ROW, window=0),
    ],
    "benchmarking.find_outliers": [
        lambda: bench.find_outliers(NAN_ROW),
        lambda: bench.find_outliers(X),
    ],
    "benchmarking.geometric_mean": [
        lambda: bench.geometric_mean(NAN_ROW),
        lambda: bench.geometric_mean([0.0]),
        lambda: bench.geometric_mean([]),
    ],
    "benchmarking.highest_server_rate": [
        lambda: bench.highest_server_rate(np.sum, [], 1.0),
        lambda: bench.highest_server_rate(np.sum, [1], np.nan),
    ],
    "benchmarking.lost_and_won": [
        lambda: bench.lost_and_won(X, X),
        lambda: bench.lost_and_won([True], [True, False]),
    ],
    "benchmarking.mann_whitney": [
        lambda: bench.mann_whitney(NAN_ROW, ROW),
        lambda: bench.mann_whitney(X, ROW),
        lambda: bench.mann_whitney([], ROW),
    ],
    "benchmarking.markdown_table": [lambda: bench.markdown_table([])],
    "benchmarking.measure_latency": [
        lambda: bench.measure_latency("function"),
        lambda: bench.measure_latency(lambda: 1, num_samples=0),
        lambda: bench.measure_latency(lambda: 1, block_ms=np.nan),
    ],
    "benchmarking.median_interval": [
        lambda: bench.median_interval(NAN_ROW),
        lambda: bench.median_interval(X),
        lambda: bench.median_interval(ROW, np.nan),
    ],
    "benchmarking.median_ratio_interval": [
        lambda: bench.median_ratio_interval(NAN_ROW),
        lambda: bench.median_ratio_interval(X),
    ],
    "benchmarking.offline": [
        lambda: bench.offline(np.sum, [], 1),
        lambda: bench.offline(np.sum, [X], 0),
        lambda: bench.offline(np.sum, [X], 1, np.nan),
    ],
    "benchmarking.pareto_frontier": [
        lambda: bench.pareto_frontier(NAN),
        lambda: bench.pareto_frontier(ROW),
        lambda: bench.pareto_frontier(TEXT),
    ],
    "benchmarking.plot_pareto_frontier": [
        lambda: bench.plot_pareto_frontier({}, {}),
        lambda: bench.plot_pareto_frontier({"a": result()}, {"b": result()}),
    ],
    "benchmarking.plot_results": [lambda: bench.plot_results({})],
    "benchmarking.poisson_arrivals_ns": [
        lambda: bench.poisson_arrivals_ns(np.nan, 3),
        lambda: bench.poisson_arrivals_ns(1.0, 0),
    ],
    "benchmarking.proportion_interval": [
        lambda: bench.proportion_interval(3, 2),
        lambda: bench.proportion_interval(1, 2, np.nan),
    ],
    "benchmarking.ranks": [
        lambda: bench.ranks(NAN_ROW),
        lambda: bench.ranks(X),
    ],
    "benchmarking.robust_scores": [
        lambda: bench.robust_scores(NAN_ROW),
        lambda: bench.robust_scores(X),
    ],
    "benchmarking.server": [
        lambda: bench.server(np.sum, [], 1.0, 1.0),
        lambda: bench.server(np.sum, [1], np.nan, 1.0),
        lambda: bench.server(np.sum, [1], 1.0, np.nan),
    ],
    "benchmarking.single_stream": [
        lambda: bench.single_stream(np.sum, []),
        lambda: bench.single_stream(np.sum, [1], percentile=np.nan),
        lambda: bench.single_stream(np.sum, [1], num_queries=0),
    ],
    "benchmarking.time_interleaved": [
        lambda: bench.time_interleaved(["arm"], 3),
        lambda: bench.time_interleaved([lambda: 1], 0),
    ],
    "benchmarking.verdict": [
        lambda: bench.verdict(np.nan, 1.0),
        lambda: bench.verdict(2.0, 1.0),
    ],
    "benchmarking.welch_t_test": [
        lambda: bench.welch_t_test(NAN_ROW, ROW),
        lambda: bench.welch_t_test(X, ROW),
        lambda: bench.welch_t_test([1.0], ROW),
    ],
    # core
    "activations.GELU": [lambda: activations.GELU("erf"), lambda: activations.GELU()(TEXT)],
    "activations.gelu": [lambda: activations.gelu(X, "erf"), lambda: activations.gelu(TEXT)],
    "activations.softmax": [
        lambda: activations.softmax(TEXT),
        lambda: activations.softmax(X, axis=2),
    ],
    "activations.log_softmax": [
        lambda: activations.log_softmax(TEXT),
        lambda: activations.log_softmax(X, axis=2),
    ],
    "activations.Softmax": [lambda: activations.Softmax(axis=2)(X)],
    "attention.MultiHeadAttention": [
        lambda: attention.MultiHeadAttention(4, 3),
        lambda: attention.MultiHeadAttention(4.0, 2),
        lambda: attention.MultiHeadAttention(4, 2)(X),
        lambda: attention.MultiHeadAttention(2, 2)(TEXT),
    ],
    "attention.causal_attention": [
        lambda: attention.causal_attention(Tensor(HEADS), Tensor(HEADS), Tensor(HEADS[..., :2])),
        lambda: attention.causal_attention(Tensor(X), Tensor(X), Tensor(X)),
        lambda: attention.causal_attention(HEADS, HEADS, HEADS),
    ],
    "checks.checked_indices": [
        lambda: checks.checked_indices("rows", [0.5], 2),
        lambda: checks.checked_indices("rows", [2], 2),
    ],
    "checks.checked_size": [
        lambda: checks.checked_size("size", 0),
        lambda: checks.checked_size("size", np.nan),
    ],
    "conv.Conv2d": [
        lambda: conv.Conv2d(0, 1, 2),
        lambda: conv.Conv2d(1, 1, 2.0),
        lambda: conv.Conv2d(1, 1, 2)(X),
        lambda: conv.Conv2d(1, 1, 2)(IMAGES),
        lambda: conv.Conv2d(2, 1, 5)(IMAGES),
        lambda: conv.Conv2d(1, 1, 2)(TEXT),
    ],
    "conv.Flatten": [lambda: conv.Flatten()(1.0), lambda: conv.Flatten()(TEXT)],
    "conv.MaxPool2d": [
        lambda: conv.MaxPool2d(0),
        lambda: conv.MaxPool2d(5)(IMAGES),
        lambda: conv.MaxPool2d(2)(X),
        lambda: conv.MaxPool2d(2)(TEXT),
    ],
    "data.DataLoader": [
        lambda: data.DataLoader(data.TensorDataset(X), batch_size=0),
        lambda: data.DataLoader(data.TensorDataset(X), batch_size=1.5),
    ],
    "data.TensorDataset": [
        lambda: data.TensorDataset(),
        lambda: data.TensorDataset(X, ROW),
        lambda: data.TensorDataset(1.0),
    ],
    "dropout.Dropout": [
        lambda: dropout.Dropout(1.0),
        lambda: dropout.Dropout(np.nan),
        lambda: dropout.Dropout()(TEXT),
    ],
    "embedding.Embedding": [
        lambda: embedding.Embedding(0, 2),
        lambda: embedding.Embedding(3, 2.0),
        lambda: embedding.Embedding(3, 2)([3]),
        lambda: embedding.Embedding(3, 2)([0.5]),
        lambda: embedding.Embedding(3, 2)([np.nan]),
    ],
    "init.manual_seed": [lambda: init.manual_seed(-1), lambda: init.manual_seed(0.5)],
    "init.kaiming_normal": [lambda: init.kaiming_normal((2,), np.nan)],
    "init.kaiming_uniform": [lambda: init.kaiming_uniform((2,), 0)],
    "init.normal": [lambda: init.normal((2,), np.nan), lambda: init.normal((2,), -1.0)],
    "init.uniform": [lambda: init.uniform((2,), np.nan), lambda: init.uniform((2,), -1.0)],
    "init.xavier_uniform": [lambda: init.xavier_uniform((2,), 1, np.nan)],
    "layers.Linear": [
        lambda: layers.Linear(0, 2),
        lambda: layers.Linear(2.0, 2),
        lambda: linear()(ROW),
        lambda: linear()(TEXT),
        lambda: linear()(RAGGED),
    ],
    "layers.Sequential": [lambda: layers.Sequential(linear(), "layer")],
    "losses.cross_entropy": [
        lambda: losses.cross_entropy(X, [0]),
        lambda: losses.cross_entropy(X, [0.5, 1.0]),
        lambda: losses.cross_entropy(X, [0, 2]),
        lambda: losses.cross_entropy(TEXT, [0, 1]),
        lambda: losses.cross_entropy(ROW, [0]),
    ],
    "losses.CrossEntropyLoss": [lambda: losses.CrossEntropyLoss()(X, [0])],
    "losses.mse_loss": [
        lambda: losses.mse_loss(X, ROW),
        lambda: losses.mse_loss(TEXT, X),
        lambda: losses.mse_loss([], []),
    ],
    "losses.MSELoss": [lambda: losses.MSELoss()(X, ROW)],
    "module.checked_module": [lambda: module.checked_module("model", "text")],
    "module.Module": [
        lambda: module.Module()(X),
        lambda: linear().load_state_dict({}),
        lambda: linear().load_state_dict({"weight": CUBE, "bias": np.ones(2, np.float32)}),
        lambda: linear().load_state_dict({"weight": X.astype(int), "bias": X[0]}),
    ],
    "normalization.LayerNorm": [
        lambda: normalization.LayerNorm(0),
        lambda: normalization.LayerNorm(2, eps=np.nan),
        lambda: normalization.LayerNorm(2)(ROW),
        lambda: normalization.LayerNorm(2)(TEXT),
    ],
    "optimizers.SGD": [
        lambda: optimizers.SGD([], 0.1),
        lambda: optimizers.SGD(linear().parameters(), np.nan),
        lambda: optimizers.SGD(linear().parameters(), -0.1),
        lambda: optimizers.SGD([X], 0.1),
    ],
    "optimizers.Adam": [
        lambda: optimizers.Adam([], 0.1),
        lambda: optimizers.Adam(linear().parameters(), np.nan),
        lambda: optimizers.Adam(linear().parameters(), 0.1, betas=(1.0, 0.9)),
    ],
    "optimizers.AdamW": [
        lambda: optimizers.AdamW([], 0.1),
        lambda: optimizers.AdamW(linear().parameters(), 0.1, weight_decay=np.nan),
    ],
    "optimizers.Optimizer": [lambda: optimizers.Optimizer([], 0.1)],
    "tensor.Tensor": [
        lambda: Tensor(TEXT),
        lambda: Tensor(RAGGED),
        lambda: Tensor(1j),
        lambda: Tensor(X) @ Tensor(ROW),
        lambda: Tensor(X, requires_grad=True).backward(),
        lambda: Tensor(X, requires_grad=True).sum().backward(X),
        lambda: Tensor(X).backward(),
        lambda: Tensor(X).item(),
    ],
    "tensor.as_float32": [lambda: tensor.as_float32(TEXT), lambda: tensor.as_float32(RAGGED)],
    "tensor.as_tensor": [lambda: tensor.as_tensor(TEXT), lambda: tensor.as_tensor(RAGGED)],
    "tokenizer.CharTokenizer": [
        lambda: tokenizer.CharTokenizer(""),
        lambda: tokenizer.CharTokenizer("ab").encode("c"),
        lambda: tokenizer.CharTokenizer("ab").decode([2]),
        lambda: tokenizer.CharTokenizer("ab").decode([0.5]),
        lambda: tokenizer.CharTokenizer("ab").decode([[0]]),
    ],
    "training.train": [
        lambda: training.train(linear(), X, [0], epochs=1),
        lambda: training.train(linear(), NAN, [0, 1], epochs=1),
        lambda: training.train(linear(), TEXT, [0, 1], epochs=1),
        lambda: training.train(linear(), X, [0.5, 1.0], epochs=1),
        lambda: training.train(linear(), X, [0, 1], epochs=0),
        lambda: training.train("model", X, [0, 1], epochs=1),
    ],
    "transformer.GPT": [
        lambda: transformer.GPT(5, 4, 0, 2, 8),
        lambda: transformer.GPT(5, 4, 1, 3, 8),
        lambda: gpt()([1]),
        lambda: gpt()([[0.5]]),
        lambda: gpt()([[5]]),
        lambda: gpt()(np.zeros((1, 9), int)),
    ],
    "transformer.TransformerBlock": [
        lambda: transformer.TransformerBlock(4, 3),
        lambda: transformer.TransformerBlock(4, 2)(X),
    ],
}

for name in ("relu", "sigmoid", "tanh", "ReLU", "Sigmoid", "Tanh"):
    function = getattr(activations, name)
    function = function() if inspect.isclass(function) else function
    WRONG[f"activations.{name}"] = [
        lambda f=function: f(TEXT),
        lambda f=function: f(RAGGED),
    ]

for name in ("naive_matmul", "vectorized_matmul", "tiled_matmul", "compiled_matmul"):
    product = getattr(acceleration, name)
    WRONG[f"acceleration.{name}"] = [
        lambda f=product: f(X, np.ones((3, 2))),
        lambda f=product: f(ROW, ROW),
        lambda f=product: f(X, NAN),
        lambda f=product: f(NAN, X),
        lambda f=product: f(TEXT, X),
    ]

for name in ("conv2d_direct", "conv2d_im2col"):
    convolution = getattr(acceleration, name)
    WRONG[f"acceleration.{name}"] = [
        lambda f=convolution: f(X, KERNELS),
        lambda f=convolution: f(IMAGES[:, :1], KERNELS),
        lambda f=convolution: f(IMAGES, KERNELS, bias=ROW),
        lambda f=convolution: f(IMAGES * np.nan, KERNELS),
        lambda f=convolution: f(IMAGES, KERNELS * np.nan),
        lambda f=convolution: f(TEXT, KERNELS),
    ]

for name in ("direct_attention", "tiled_attention"):
    attend = getattr(acceleration, name)
    WRONG[f"acceleration.{name}"] = [
        lambda f=attend: f(X, X, np.ones((3, 2))),
        lambda f=attend: f(ROW, ROW, ROW),
        lambda f=attend: f(NAN, X, X),
        lambda f=attend: f(X, X, NAN),
        lambda f=attend: f(TEXT, X, X),
    ]

for fusion in ("fused", "unfused"):
    act, add, norm = (
        getattr(acceleration, f"{fusion}_{k}") for k in ("gelu", "bias_relu", "layer_norm")
    )
    WRONG[f"acceleration.{fusion}_gelu"] = [lambda f=act: f(NAN), lambda f=act: f(TEXT)]
    WRONG[f"acceleration.{fusion}_bias_relu"] = [
        lambda f=add: f(X, ROW),
        lambda f=add: f(NAN, X[0]),
        lambda f=add: f(X, NAN[0]),
        lambda f=add: f(TEXT, X[0]),
    ]
    WRONG[f"acceleration.{fusion}_layer_norm"] = [
        lambda f=norm: f(X, ROW, X[0]),
        lambda f=norm: f(NAN, X[0], X[0]),
        lambda f=norm: f(X, X[0], X[0], eps=np.nan),
        lambda f=norm: f(TEXT, X[0], X[0]),
    ]

REFUSALS = (TypeError, ValueError, LookupError, RuntimeError)
ROOFLINE = profiling.Roofline(1e9, ((1024, 1e9),))

MADE = "made by the library from what it has checked"
COUNTS = "arithmetic on counts, which layers have checked when they were made"
NOTHING = "takes nothing"
ANY_MODEL = "benchmarks measure any object that has forward()"
ANY_FUNCTION = "runs any function; what is none fails at the call"
# Inner functions that chapters teach without checks, and who looks at what they are given.
LOOKED_AT_BY = {
    "profiling.copy_rate": "profiling.measure_roofline",
    "profiling.count_parameters": "profiling.Profiler",
    "profiling.linear_work": "profiling.work_by_call",
    "profiling.own_parameters": "profiling.work_by_call",
    "profiling.product_rate": "profiling.measure_roofline",
    "profiling.weight_spread": "profiling.analyze_weight_distribution",
    "compression.csr_product_by_rows": "compression.csr_product",
    "compression.remove_neurons": "compression.remove_units",
    "memoization.attend": "memoization.cached_attention",
    "memoization.causal_mask": "memoization.cached_attention",
    "benchmarking.ask_in_turn": "benchmarking.single_stream",
    "benchmarking.serve": "benchmarking.server",
}
NOTHING_TO_REFUSE = {
    "profiling.LayerCall": MADE,
    "profiling.LayerMemory": MADE,
    "profiling.Trace": MADE,
    "profiling.TracedMemory": MADE,
    "profiling.Work": MADE,
    "profiling.attention_product_flops": COUNTS,
    "profiling.best_seconds": ANY_FUNCTION,
    "profiling.conv2d_flops": COUNTS,
    "profiling.heads_work": COUNTS,
    "profiling.layer_norm_flops": COUNTS,
    "profiling.linear_flops": COUNTS,
    "profiling.softmax_flops": COUNTS,
    "profiling.held_bytes": ANY_MODEL,
    "profiling.inference": ANY_MODEL,
    "profiling.machine_roofline": NOTHING,
    "compression.COO": MADE,
    "compression.CSR": MADE,
    "compression.break_even_rank": COUNTS,
    "compression.break_even_sparsity": COUNTS,
    "compression.csr_bytes": COUNTS,
    "compression.csr_product_by_rows": "the plain sum, which csr_product does after it has looked",
    "compression.remove_neurons": "the plain cut, which remove_units makes after it has looked",
    "compression.CompressedModel": MADE,
    "compression.CompressionStep": MADE,
    "acceleration.FusionReport": MADE,
    "acceleration.Operation": MADE,
    "acceleration.blas_thread_count": NOTHING,
    "acceleration.bytes_moved": "adds up what record_operations gives",
    "acceleration.least_bytes": "adds up the bytes of arrays of any kind",
    "acceleration.peak_bytes": ANY_FUNCTION,
    "benchmarking.LatencyComparison": MADE,
    "benchmarking.OutlierReport": MADE,
    "benchmarking.RatioInterval": MADE,
    "benchmarking.ScenarioResult": MADE,
    "benchmarking.Significance": MADE,
    "benchmarking.machine_fingerprint": "missing fields count as not known",
    "benchmarking.system_info": NOTHING,
    "activations.log_softmax_array": "an array in, an array out, inside the losses",
    "attention.KeyValueStore": "a protocol",
    "attention.attention_weights": "an array in, an array out, inside causal_attention",
    "data.Dataset": "a base class without data",
    "init.default_generator": NOTHING,
    "normalization.standardize": "an array in, an array out, inside LayerNorm",
    "tensor.wrap": "the way around the checks, for results of operations",
} | {name: f"an inner function, {caller} looks first" for name, caller in LOOKED_AT_BY.items()}


def public_names():
    """Every public callable: of a package what it exports, of core what a module defines."""
    for package in PACKAGES:
        for name in package.__all__:
            if callable(getattr(package, name)) and not typing.get_args(getattr(package, name)):
                yield f"{package.__name__.rsplit('.', 1)[-1]}.{name}"
    for part in CORE:
        for name, value in vars(part).items():
            own = getattr(value, "__module__", None) == part.__name__
            if own and callable(value) and not name.startswith("_"):
                yield f"{part.__name__.rsplit('.', 1)[-1]}.{name}"


@pytest.mark.parametrize("name", sorted(public_names()))
def test_every_public_name_says_what_it_refuses(name):
    """Or why there is nothing to refuse; not both."""
    assert (name in WRONG) != (name in NOTHING_TO_REFUSE)


def test_the_tables_name_nothing_that_is_gone():
    assert set(WRONG) | set(NOTHING_TO_REFUSE) == set(public_names())


def test_who_looks_for_an_inner_function_refuses():
    assert set(LOOKED_AT_BY.values()) <= set(WRONG)


@pytest.mark.parametrize(
    ("name", "case"), [(name, i) for name, calls in WRONG.items() for i in range(len(calls))]
)
def test_what_does_not_fit_is_refused_in_one_sentence(name, case):
    """By a statement that raises, not by whatever fails first further down."""
    with pytest.raises(
        (TypeError, ValueError, LookupError, RuntimeError, NotImplementedError)
    ) as caught:
        WRONG[name][case]()
    message = str(caught.value.args[0])
    assert message, "an error without a word"
    assert "\n" not in message
    assert len(message) < 250
    last = caught.tb
    while last.tb_next is not None:
        last = last.tb_next
    line = linecache.getline(last.tb_frame.f_code.co_filename, last.tb_lineno).strip()
    assert line.startswith("raise "), f"{message!r} comes from {line!r}"
    assert "tinytorch" in last.tb_frame.f_code.co_filename
