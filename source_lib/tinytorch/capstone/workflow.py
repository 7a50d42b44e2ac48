"""The capstone from end to end, on handwritten digits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinytorch.capstone.model import SimpleMLP
from tinytorch.capstone.pairing import benchmark_pair
from tinytorch.capstone.report import BenchmarkReport
from tinytorch.capstone.submission import generate_submission, save_submission
from tinytorch.core.init import manual_seed
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import train
from tinytorch.datasets import load_digits


def run_example_benchmark(
    filepath: str | Path = "my_submission.json", show: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train one small model, measure it, save the submission to `filepath` and return it."""
    digits = load_digits()
    manual_seed(0)
    model = SimpleMLP(input_size=64, hidden_size=32, output_size=10)
    train(model, digits.X_train, digits.y_train, epochs=10)

    report = BenchmarkReport(model_name="digits_mlp")
    metrics = report.benchmark_model(model, Tensor(digits.X_test), digits.y_test)
    submission = generate_submission(report, student_name="TinyTorch Benchmarker")
    save_submission(submission, filepath)
    show(
        f"{report.model_name}: accuracy {metrics['accuracy']:.1%}, "
        f"{metrics['latency_ms_mean']:.4f} ms a sample, {metrics['parameter_count']} parameters; "
        f"saved to {filepath}"
    )
    return submission


def run_optimization_workflow_example(
    filepath: str | Path = "optimization_submission.json", show: Callable[[str], None] = print
) -> dict[str, Any]:
    """Take a trained model through profile, optimise, benchmark and submit; return the submission.

    One copy of the baseline holds its weights in 8 bits, in one half of them are zero, and one has
    half of the hidden neurons, trained on; each is compared with it in bytes, time and accuracy.
    The last, really smaller in every part, is measured again in pairs and saved to `filepath`.
    `show` receives one line for each step.
    """
    from tinytorch.benchmarking import Benchmark
    from tinytorch.perf.compression import fine_tune, magnitude_prune, structured_prune
    from tinytorch.perf.profiling import quick_profile
    from tinytorch.perf.quantization import quantize_model

    digits = load_digits()
    X_test = Tensor(digits.X_test)
    manual_seed(0)
    baseline_model = SimpleMLP(input_size=64, hidden_size=128, output_size=10)
    train(baseline_model, digits.X_train, digits.y_train, epochs=10)
    show(f"tinytorch.perf.profiling: {quick_profile(baseline_model, X_test[:1])['summary']}")

    int8_model = quantize_model(baseline_model, bits=8)
    zeroed_model = magnitude_prune(baseline_model, sparsity=0.5)
    optimized_model = structured_prune(baseline_model, prune_ratio=0.5)
    fine_tune(optimized_model, digits.X_train, digits.y_train, epochs=5)
    candidates = {
        "baseline": baseline_model,
        "8 bits": int8_model,
        "half zeros": zeroed_model,
        "half neurons": optimized_model,
    }
    benchmark = Benchmark(candidates, [digits])
    speeds, changes = benchmark.compare_models("latency"), benchmark.compare_models("accuracy")
    for speed, change in zip(speeds, changes, strict=True):
        name = speed["model"]
        show(
            f"{name}: {candidates[name].size_bytes()} bytes, "
            f"{speed['speedup']:.2f}x as fast ({speed['verdict']}), "
            f"{100 * change['change']:+.1f} points ({change['verdict']})"
        )

    baseline_report = BenchmarkReport(model_name="baseline_mlp")
    optimized_report = BenchmarkReport(model_name="optimized_mlp")
    comparison = benchmark_pair(
        baseline_report, optimized_report, baseline_model, optimized_model, X_test, digits.y_test
    )
    submission = generate_submission(
        baseline_report,
        optimized_report,
        student_name="TinyTorch Optimizer",
        techniques_applied=["structured_pruning", "fine_tuning"],
        comparison=comparison,
    )
    gained = submission["improvements"]
    low, high = gained["speedup_ci95"]
    show(
        f"Speedup: {gained['speedup']:.2f}x ({gained['speedup_verdict']}; in pairs "
        f"{gained['speedup_paired']:.2f}x, 95 % interval {low:.2f} to {high:.2f})"
    )
    show(f"Compression: {gained['compression_ratio']:.2f}x")
    show(f"Accuracy delta: {gained['accuracy_delta'] * 100:+.1f} points")
    save_submission(submission, filepath)
    show(f"Saved to {filepath}")
    return submission
