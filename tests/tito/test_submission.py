"""Submissions from outside are judged by the published schema and by their own figures."""

import copy
import json

import pytest

from tito.errors import TitoError
from tito.submission import problems, read_submission, summary

METRICS = {
    "parameter_count": 283,
    "model_size_mb": 4.0,
    "accuracy": 0.8,
    "latency_ms_mean": 10.0,
    "latency_ms_std": 1.0,
    "throughput_samples_per_sec": 100.0,
}


@pytest.fixture
def submission():
    better = METRICS | {
        "model_size_mb": 2.0, "accuracy": 0.75, "latency_ms_mean": 5.0,
        "throughput_samples_per_sec": 200.0,
    }  # fmt: skip
    return {
        "tinytorch_version": "0.1.0",
        "submission_type": "capstone_benchmark",
        "timestamp": "2025-01-15 14:23:41",
        "system_info": {"platform": "Linux", "python_version": "3.11.7", "numpy_version": "2.0.0"},
        "baseline": {"model_name": "baseline", "metrics": METRICS},
        "optimized": {"model_name": "small", "metrics": better, "techniques_applied": ["pruning"]},
        "improvements": {"speedup": 2.0, "compression_ratio": 2.0, "accuracy_delta": -0.05},
    }


def test_one_in_order_has_no_problem(submission):
    assert problems(submission) == []
    del submission["optimized"], submission["improvements"]
    assert problems(submission) == []


@pytest.mark.parametrize("key", ["speedup", "compression_ratio", "accuracy_delta"])
def test_improvements_that_do_not_follow_are_named(submission, key):
    submission["improvements"][key] += 0.1
    (problem,) = problems(submission)
    assert problem.startswith(f"improvements.{key}: ")
    assert "is not what the metrics give" in problem


@pytest.mark.parametrize(
    ("where", "value"),
    [("accuracy", 1.7), ("accuracy", True), ("latency_ms_mean", -1.0), ("parameter_count", 1.5)],
)
def test_what_the_schema_forbids_is_named_with_its_place(submission, where, value):
    submission = copy.deepcopy(submission)
    submission["baseline"]["metrics"][where] = value
    assert any(
        problem.startswith(f"baseline.metrics.{where}: ") for problem in problems(submission)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": NaN}', "not JSON compliant"),
        ('{"a": 1e999}', "not JSON compliant"),
        ('{"a": {"b": "\\"c\\": 1"}, "a": 2}', "a key is there twice"),
        ("[" * 100_000, "is no submission"),
        ("[]", "holds a list"),
        ("{", "is no submission"),
        (f'{{"a": "{"x" * 2_000_000}"}}', "bytes"),
    ],
)
def test_what_is_no_strict_json_object_is_refused(tmp_path, text, said):
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(TitoError, match=said):
        read_submission(path)


def test_a_summary_has_the_measured_pair_before_the_ratio_of_means(tmp_path, submission):
    assert summary(tmp_path / "s.json", submission)["speedup"] == 2.0
    submission["improvements"] |= {"speedup_paired": 1.9, "speedup_ci95": [1.8, 2.1]}
    assert summary(tmp_path / "s.json", submission)["speedup"] == 1.9
    assert json.loads(json.dumps(summary(tmp_path / "s.json", submission)))


CHANGES = [
    {},
    {"timestamp": "2025-02-31 10:00:00"},
    {"timestamp": "today"},
    {"improvements": {"speedup": 2.004, "compression_ratio": 1.996, "accuracy_delta": -0.05}},
    {"improvements": {"speedup": 2.006, "compression_ratio": 2.0, "accuracy_delta": -0.05}},
    {"improvements": {"speedup": 2.0, "compression_ratio": 1.994, "accuracy_delta": -0.05}},
    {"improvements": {"speedup": 2.0, "compression_ratio": 2.0, "accuracy_delta": -0.0501}},
    {"baseline": {"model_name": "b", "metrics": METRICS | {"throughput_samples_per_sec": 100.05}}},
    {"baseline": {"model_name": "b", "metrics": METRICS | {"throughput_samples_per_sec": 101.0}}},
    {"baseline": {"model_name": "b", "metrics": METRICS | {"parameter_count": -1}}},
    {"speedup_paired": 1.9, "speedup_ci95": [1.8, 2.1]},
    {"speedup_paired": 1.7, "speedup_ci95": [1.8, 2.1]},
    {"speedup_paired": 1.9, "speedup_ci95": [2.1, 1.8]},
    {"speedup_ci95": [1.8, 2.1]},
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_library_accepts_is_in_order_and_nothing_else(submission, change):
    """`tito` has rules of its own, since the wheel may not carry those that students write."""
    from tinytorch.capstone import validate_submission

    change = copy.deepcopy(change)
    paired = {key: change.pop(key) for key in list(change) if key.startswith("speedup")}
    submission |= change
    submission["improvements"] = submission["improvements"] | paired
    assert bool(problems(submission)) == bool(validate_submission(submission))


def test_a_figure_too_large_for_a_number_is_a_problem(submission):
    submission["baseline"]["metrics"] = METRICS | {"latency_ms_mean": 10**400}
    assert problems(submission)


@pytest.mark.slow
def test_the_commands(student, tmp_path, submission):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(submission))
    submission["improvements"]["speedup"] = 3.0
    bad.write_text(json.dumps(submission))
    environment = {"PYTHONPATH": _library()}
    done = student.tito("submission", "validate", str(good), **environment)
    assert (done.returncode, done.stdout.strip()) == (0, f"{good}: in order")
    done = student.tito("submission", "validate", str(good), str(bad), "--json", **environment)
    assert done.returncode == 1
    assert json.loads(done.stdout)[str(good)] == []
    done = student.tito("submission", "compare", str(good), str(good), **environment)
    assert done.returncode == 0
    assert "compression_ratio" in done.stdout
    submission["student_name"] = "Eve\x1b]0;owned\x07"
    submission["improvements"]["speedup"] = 2.0
    (tmp_path / "eve").mkdir()
    others = [tmp_path / "eve" / "good.json", *(tmp_path / f"{n}.json" for n in range(27))]
    for path in others:
        path.write_text(json.dumps(submission))
    done = student.tito("submission", "compare", str(good), *map(str, others), **environment)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert done.stdout.count("accuracy_delta") == 10  # 28 columns, three at a time
    assert max(map(len, done.stdout.split("\n"))) <= 80
    done = student.tito("submission", "show", str(bad), **environment)
    assert done.returncode == 1
    assert "is not in order (improvements.speedup" in done.stderr


def _library():
    """The small course has no schema, so these commands see the real library."""
    import tinytorch

    return str(next(iter(tinytorch.__path__)).removesuffix("/tinytorch"))
