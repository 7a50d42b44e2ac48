"""Chapter 20: measure a model, compare two, and hand in the result as a JSON submission."""

from tinytorch.capstone.model import SimpleMLP
from tinytorch.capstone.pairing import benchmark_pair
from tinytorch.capstone.report import BenchmarkReport, classification_accuracy
from tinytorch.capstone.submission import (
    generate_submission,
    improvement_metrics,
    load_submission,
    save_submission,
)
from tinytorch.capstone.validation import validate_submission
from tinytorch.capstone.workflow import run_example_benchmark, run_optimization_workflow_example

__all__ = [
    "BenchmarkReport",
    "SimpleMLP",
    "benchmark_pair",
    "classification_accuracy",
    "generate_submission",
    "improvement_metrics",
    "load_submission",
    "run_example_benchmark",
    "run_optimization_workflow_example",
    "save_submission",
    "validate_submission",
]
