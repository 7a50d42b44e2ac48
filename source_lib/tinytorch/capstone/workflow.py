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
from tinytorch.core.training import fit
from tinytorch.datasets import load_digits


def run_example_benchmark(
    filepath: str | Path = "my_submission.json", show: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train one small model, measure it, save the submission to `filepath` and return it."""
    digits = load_digits()
    manual_seed(0)
    model = SimpleMLP(input_size=64, hidden_size=32, output_size=10)
    fit(model, digits.X_train, digits.y_train, epochs=10)

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
    """Train a baseline and a smaller model, measure them in pairs, save and return the submission.

    The steps are profile, optimise, benchmark, submit; `show` receives one line for each.
    """
    from importlib.util import find_spec

    if find_spec("tinytorch.perf") is None:
        show(
            "tinytorch.perf (profiling, compression) is not installed; "
            "the one optimisation here is a smaller hidden layer."
        )
    digits = load_digits()
    X_test = Tensor(digits.X_test)
    manual_seed(0)
    baseline_model = SimpleMLP(input_size=64, hidden_size=128, output_size=10)
    optimized_model = SimpleMLP(input_size=64, hidden_size=24, output_size=10)
    for model in (baseline_model, optimized_model):
        fit(model, digits.X_train, digits.y_train, epochs=10)
    show(
        f"Trained {baseline_model.count_parameters()} parameters and "
        f"{optimized_model.count_parameters()} parameters on the digits."
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
        techniques_applied=["architecture_search"],
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
