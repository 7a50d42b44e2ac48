"""Two models measured in turn: each report is its own model's, and the verdict is right."""

import time

import numpy as np
import pytest

from tinytorch.capstone import (
    BenchmarkReport,
    benchmark_pair,
    generate_submission,
    validate_submission,
)
from tinytorch.core.tensor import Tensor


class Sleeper:
    def __init__(self, ms, label):
        self.ms, self.label = ms, label

    def forward(self, x):
        time.sleep(self.ms / 1000)
        return Tensor(np.tile(np.eye(2)[self.label], (x.shape[0], 1)))

    def count_parameters(self):
        return 10 + self.label


@pytest.mark.parametrize(("first_ms", "second_ms", "verdict"), [(3, 1, "faster"), (1, 3, "slower")])
def test_a_clear_difference_is_found_in_its_direction(first_ms, second_ms, verdict):
    before, after = BenchmarkReport("before"), BenchmarkReport("after")
    rows, labels = Tensor(np.ones((4, 2))), np.zeros(4, dtype=int)
    comparison = benchmark_pair(
        before, after, Sleeper(first_ms, 0), Sleeper(second_ms, 1), rows, labels, num_pairs=20
    )
    assert comparison["speedup_verdict"] == verdict
    low, high = comparison["speedup_ci95"]
    assert low <= comparison["speedup_paired"] <= high
    assert (before.metrics["accuracy"], after.metrics["accuracy"]) == (1.0, 0.0)
    assert (before.metrics["parameter_count"], after.metrics["parameter_count"]) == (10, 11)
    submission = generate_submission(before, after, comparison=comparison)
    assert validate_submission(submission) == []
    assert submission["improvements"]["speedup_verdict"] == verdict
