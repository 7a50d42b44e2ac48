"""Two models measured in turn, so that drift of the machine cannot pass for a speedup."""

from typing import Any

import numpy as np

from tinytorch.benchmarking import compare_latency
from tinytorch.capstone.report import BenchmarkReport, classification_accuracy
from tinytorch.core.tensor import Tensor


def benchmark_pair(
    baseline_report: BenchmarkReport,
    optimized_report: BenchmarkReport,
    baseline_model: Any,
    optimized_model: Any,
    X_test: Tensor,
    y_test: np.ndarray,
    num_pairs: int = 300,
    seed: int | None = None,
) -> dict[str, Any]:
    """Fill both reports from interleaved timings and return what the pairs say of the speedup.

    The dictionary has `speedup_paired` (the median ratio, above 1 is faster), `speedup_ci95`
    (a list of its two ends), `speedup_verdict` ("faster", "slower" or "not resolved"),
    `num_pairs` and `contended`; pass it to `generate_submission(..., comparison=...)`.
    Measured one after the other, two models also differ by what the machine did meanwhile.
    """
    first_row = X_test[:1]
    result = compare_latency(
        lambda: baseline_model.forward(first_row),
        lambda: optimized_model.forward(first_row),
        num_pairs=num_pairs,
        seed=seed,
    )
    for report, model, latency in (
        (baseline_report, baseline_model, result.baseline),
        (optimized_report, optimized_model, result.candidate),
    ):
        report.record(model, classification_accuracy(model, X_test, y_test), latency)
    return {
        "speedup_paired": result.speedup,
        "speedup_ci95": [result.ci_low, result.ci_high],
        "speedup_verdict": result.verdict,
        "num_pairs": result.num_pairs,
        "contended": result.contended,
    }
