"""The workflow goes through the whole tier: profile, quantise, prune, benchmark, submit."""

import pytest

from tinytorch.capstone import (
    load_submission,
    run_optimization_workflow_example,
    validate_submission,
)


@pytest.mark.slow
def test_the_workflow_says_what_every_step_found(tmp_path):
    """Zeros in a dense model save no byte, codes and neurons taken out do; all were measured."""
    said = []
    path = tmp_path / "submission.json"
    submission = run_optimization_workflow_example(path, show=said.append)
    profile, baseline, int8, zeros, neurons, *_ = said
    assert profile.startswith("tinytorch.perf.profiling: 9610 parameters, ")
    assert baseline.startswith("baseline: 38440 bytes, 1.00x as fast (baseline), +0.0 points")
    codes, scales, biases = 64 * 128 + 128 * 10, 4 * 138, 4 * 138
    assert int8.startswith(f"8 bits: {codes + scales + biases} bytes, ")
    assert zeros.startswith("half zeros: 38440 bytes, ")
    assert neurons.startswith("half neurons: 19240 bytes, ")
    assert said[-1] == f"Saved to {path}"

    assert validate_submission(submission) == []
    assert load_submission(path) == submission
    before, after = submission["baseline"]["metrics"], submission["optimized"]["metrics"]
    assert (before["parameter_count"], after["parameter_count"]) == (9610, 4810)
    assert submission["improvements"]["compression_ratio"] == pytest.approx(38440 / 19240)
    assert submission["improvements"]["accuracy_delta"] > -0.02
    assert submission["optimized"]["techniques_applied"] == ["structured_pruning", "fine_tuning"]
