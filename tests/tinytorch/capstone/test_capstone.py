"""Chapter 20's library keeps what its specification promises, by the names given there."""

import json
import math
import time

import numpy as np
import pytest

import tinytorch
from tinytorch.capstone import (
    BenchmarkReport,
    SimpleMLP,
    classification_accuracy,
    generate_submission,
    load_submission,
    run_example_benchmark,
    run_optimization_workflow_example,
    save_submission,
    validate_submission,
)
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor

METRICS = {
    "parameter_count": int,
    "model_size_mb": float,
    "accuracy": float,
    "latency_ms_mean": float,
    "latency_ms_std": float,
    "throughput_samples_per_sec": float,
}


def report_with(name="model", latency=10.0, size=4.0, accuracy=0.80):
    """A report as if measured, with figures whose ratios are known."""
    report = BenchmarkReport(model_name=name)
    report.metrics = {
        "parameter_count": 1000,
        "model_size_mb": size,
        "accuracy": accuracy,
        "latency_ms_mean": latency,
        "latency_ms_std": 0.5,
        "throughput_samples_per_sec": 1000 / latency,
    }
    return report


class Sleeper(Module):
    """A model of known latency: it sleeps for each row."""

    def __init__(self, ms_per_row, classes=3):
        super().__init__()
        self.weight = Tensor(np.ones((2, classes)), requires_grad=True)
        self.ms_per_row = ms_per_row

    def forward(self, x):
        time.sleep(self.ms_per_row / 1000 * x.shape[0])
        return Tensor(np.tile(np.eye(3)[1], (x.shape[0], 1)))


@pytest.fixture
def test_set():
    rng = np.random.default_rng(42)
    return Tensor(rng.normal(size=(100, 10))), rng.integers(0, 3, 100)


def test_simple_mlp():
    """10-20-3 holds 10*20 + 20 + 20*3 + 3 = 283 parameters and maps (5, 10) to (5, 3)."""
    model = SimpleMLP(input_size=10, hidden_size=20, output_size=3)
    scores = model.forward(Tensor(np.random.default_rng(0).normal(size=(5, 10))))
    assert model.count_parameters() == 283
    assert scores.shape == (5, 3)
    assert not np.isnan(scores.data).any()


def test_benchmark_report(test_set):
    """A report holds every specified metric with its type, and where and when it was made."""
    report = BenchmarkReport(model_name="simple_mlp")
    metrics = report.benchmark_model(SimpleMLP(), *test_set, num_runs=10)
    assert report.model_name == "simple_mlp"
    time.strptime(report.timestamp, "%Y-%m-%d %H:%M:%S")
    assert {"platform", "python_version", "numpy_version"} <= set(report.system_info)
    assert report.metrics is metrics
    for key, kind in METRICS.items():
        assert type(metrics[key]) is kind, key
    assert metrics["model_size_mb"] == 283 * 4 / 2**20
    assert metrics["throughput_samples_per_sec"] == 1000 / metrics["latency_ms_mean"]


def test_submission_generation(test_set):
    """A submission of one model has the specified keys and says nothing of a second."""
    report = BenchmarkReport(model_name="simple_mlp")
    report.benchmark_model(SimpleMLP(), *test_set, num_runs=10)
    submission = generate_submission(report, student_name="Ada")
    assert set(submission) == {
        "tinytorch_version",
        "submission_type",
        "timestamp",
        "system_info",
        "baseline",
        "student_name",
    }
    assert submission["submission_type"] == "capstone_benchmark"
    assert submission["tinytorch_version"] == tinytorch.__version__
    assert submission["baseline"] == {"model_name": "simple_mlp", "metrics": report.metrics}
    assert "student_name" not in generate_submission(report)


def test_submission_schema(test_set):
    """What is measured here validates; the specification's own plain example validates too."""
    report = BenchmarkReport()
    report.benchmark_model(SimpleMLP(), *test_set, num_runs=10)
    assert validate_submission(generate_submission(report)) == []
    assert validate_submission(generate_submission(report_with())) == []


def test_submission_with_optimization():
    """Two reports give both models, the techniques and the improvements."""
    submission = generate_submission(
        report_with("before"),
        report_with("after", latency=5.0, size=2.0, accuracy=0.75),
        techniques_applied=["pruning", "quantization"],
    )
    assert submission["optimized"]["model_name"] == "after"
    assert submission["optimized"]["techniques_applied"] == ["pruning", "quantization"]
    assert set(submission["improvements"]) == {"speedup", "compression_ratio", "accuracy_delta"}
    assert validate_submission(submission) == []


def test_improvements_calculation():
    """10 ms to 5 ms is 2.0x, 4 MB to 2 MB is 2.0x, 0.80 to 0.75 is -0.05."""
    submission = generate_submission(
        report_with(), report_with(latency=5.0, size=2.0, accuracy=0.75)
    )
    improvements = submission["improvements"]
    assert improvements["speedup"] == 2.0
    assert improvements["compression_ratio"] == 2.0
    assert math.isclose(improvements["accuracy_delta"], -0.05)


def test_json_serialization(tmp_path):
    """What is saved is UTF-8 JSON that loads back equal, whatever letters it holds."""
    submission = generate_submission(report_with(), student_name="Zoë 李")
    path = str(tmp_path / "submission.json")
    assert save_submission(submission, path) == path
    assert json.loads((tmp_path / "submission.json").read_text(encoding="utf-8")) == submission
    assert load_submission(path) == submission


def test_latency_is_that_of_one_row_in_milliseconds():
    rows = Tensor(np.ones((20, 2)))
    report = BenchmarkReport()
    metrics = report.benchmark_model(Sleeper(3), rows, np.ones(20, dtype=int), num_runs=8)
    assert 2.9 < metrics["latency_ms_mean"] < 12
    assert metrics["accuracy"] == 1.0
    assert metrics["latency_samples"] == 8
    assert metrics["calls_per_sample"] == 1


def test_a_packed_model_shows_its_true_size():
    class Packed(Sleeper):
        def size_bytes(self):
            return 6

    metrics = BenchmarkReport().benchmark_model(
        Packed(0), Tensor(np.ones((2, 2))), np.ones(2, dtype=int), num_runs=2
    )
    assert metrics["model_size_mb"] == 6 / 2**20
    assert metrics["parameter_count"] == 6


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((2, 1), int), np.zeros(0, int)])
def test_accuracy_refuses_labels_that_do_not_fit(labels):
    with pytest.raises(ValueError, match="one label for each row"):
        classification_accuracy(SimpleMLP(), Tensor(np.ones((2, 10))), labels)


def test_a_submission_shares_nothing_with_its_reports():
    report, techniques = report_with(), ["pruning"]
    submission = generate_submission(report, report_with(), techniques_applied=techniques)
    submission["baseline"]["metrics"]["accuracy"] = 0.0
    submission["system_info"]["platform"] = "elsewhere"
    submission["optimized"]["techniques_applied"].append("more")
    assert report.metrics["accuracy"] == 0.80
    assert report.system_info["platform"] != "elsewhere"
    assert techniques == ["pruning"]


@pytest.mark.slow
def test_the_workflows_measure_save_and_say_what_they_do(tmp_path):
    said = []
    for workflow, sections in (
        (run_example_benchmark, {"baseline"}),
        (run_optimization_workflow_example, {"baseline", "optimized", "improvements"}),
    ):
        path = tmp_path / f"{workflow.__name__}.json"
        submission = workflow(path, show=said.append)
        assert sections <= set(submission)
        assert validate_submission(submission) == []
        assert load_submission(path) == submission
        assert submission["baseline"]["metrics"]["accuracy"] > 0.9
    assert any("tinytorch.perf" in line for line in said)
    assert any("Speedup" in line for line in said)
