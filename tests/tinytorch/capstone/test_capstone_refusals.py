"""A submission that is wrong, impossible or forged is refused with the field's name."""

import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.capstone import (
    BenchmarkReport,
    generate_submission,
    improvement_metrics,
    load_submission,
    save_submission,
    validate_submission,
)

METRICS = {
    "parameter_count": 283,
    "model_size_mb": 0.001,
    "accuracy": 0.35,
    "latency_ms_mean": 0.04,
    "latency_ms_std": 0.008,
    "throughput_samples_per_sec": 25000.0,
}


@pytest.fixture
def submission():
    baseline, optimized = BenchmarkReport("before"), BenchmarkReport("after")
    baseline.metrics = dict(METRICS)
    optimized.metrics = METRICS | {
        "latency_ms_mean": 0.02,
        "throughput_samples_per_sec": 50000.0,
    }
    comparison = {
        "speedup_paired": 2.0,
        "speedup_ci95": [1.9, 2.1],
        "speedup_verdict": "faster",
        "num_pairs": 300,
        "contended": False,
    }
    return generate_submission(baseline, optimized, "Ada", ["pruning"], comparison=comparison)


def test_a_right_submission_has_no_problems(submission):
    assert validate_submission(submission) == []


def test_ratios_rounded_to_two_decimals_are_accepted(submission):
    """0.042 / 0.031 may be given as 1.35, and 0.001 / 0.00075 as 1.33."""
    for section, latency, size, accuracy in (
        ("baseline", 0.042, 0.001, 0.35),
        ("optimized", 0.031, 0.00075, 0.33),
    ):
        submission[section]["metrics"].update(
            latency_ms_mean=latency,
            model_size_mb=size,
            accuracy=accuracy,
            throughput_samples_per_sec=round(1000 / latency, 2),
        )
    submission["improvements"] = {
        "speedup": 1.35,
        "compression_ratio": 1.33,
        "accuracy_delta": -0.02,
    }
    assert validate_submission(submission) == []
    submission["improvements"]["speedup"] = 1.36
    assert validate_submission(submission) != []


FORGERIES = {
    "an accuracy above one": ("baseline.metrics.accuracy", 1.7),
    "an accuracy as text": ("baseline.metrics.accuracy", "0.9"),
    "an accuracy that is a truth value": ("optimized.metrics.accuracy", True),
    "half a parameter": ("baseline.metrics.parameter_count", 12.5),
    "a negative spread": ("optimized.metrics.latency_ms_std", -5),
    "a spread that is no number": ("baseline.metrics.latency_ms_std", math.nan),
    "no time at all": ("baseline.metrics.latency_ms_mean", 0),
    "an endless time": ("optimized.metrics.latency_ms_mean", math.inf),
    "a size of nothing": ("baseline.metrics.model_size_mb", 0.0),
    "a speedup out of nowhere": ("improvements.speedup", 1000.0),
    "a compression out of nowhere": ("improvements.compression_ratio", 4.0),
    "a gain out of nowhere": ("improvements.accuracy_delta", 0.1),
    "a throughput out of nowhere": ("optimized.metrics.throughput_samples_per_sec", 9e9),
    "a day that does not exist": ("timestamp", "2025-02-31 14:23:41"),
    "yesterday": ("timestamp", "yesterday"),
    "a rank of one's own": ("rank", 1),
    "another kind of document": ("submission_type", "homework"),
    "a version that is none": ("tinytorch_version", "banana"),
    "an interval that misses its speedup": ("improvements.speedup_ci95", [3.0, 4.0]),
    "an interval turned round": ("improvements.speedup_ci95", [2.1, 1.9]),
}


@pytest.mark.parametrize(("field", "value"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_field_is_a_problem_that_names_it(submission, field, value):
    *path, last = field.split(".")
    target = submission
    for key in path:
        target = target[key]
    target[last] = value
    problems = validate_submission(submission)
    assert problems
    assert any(last in problem for problem in problems)
    assert all(isinstance(problem, str) for problem in problems)


REQUIRED = [
    "tinytorch_version",
    "submission_type",
    "timestamp",
    "system_info.platform",
    "baseline",
    "baseline.metrics.latency_ms_std",
    "optimized.techniques_applied",
    "improvements",
    "improvements.speedup",
]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_a_problem_that_names_it(submission, field):
    *path, last = field.split(".")
    target = submission
    for key in path:
        target = target[key]
    del target[last]
    assert any(last in problem for problem in validate_submission(submission))


def test_every_problem_is_listed_at_once(submission):
    submission["baseline"]["metrics"]["accuracy"] = 2
    submission["optimized"]["metrics"]["parameter_count"] = 0
    del submission["timestamp"]
    assert len(validate_submission(submission)) == 3


positive = st.floats(1e-9, 1e9)
fraction = st.floats(0, 1)


@given(positive, positive, positive, positive, fraction, fraction)
def test_improvements_are_ratios_to_the_baseline(t0, t1, s0, s1, a0, a1):
    """speedup * optimized = baseline, for time and for size; delta + baseline = optimized."""
    before = {"latency_ms_mean": t0, "model_size_mb": s0, "accuracy": a0}
    after = {"latency_ms_mean": t1, "model_size_mb": s1, "accuracy": a1}
    found = improvement_metrics(before, after)
    assert math.isclose(found["speedup"] * t1, t0, rel_tol=1e-12)
    assert math.isclose(found["compression_ratio"] * s1, s0, rel_tol=1e-12)
    assert math.isclose(found["accuracy_delta"] + a0, a1, abs_tol=1e-12)


@pytest.mark.parametrize("section", ["baseline", "optimized"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latency_ms_mean", 0.0),
        ("latency_ms_mean", math.nan),
        ("latency_ms_mean", math.inf),
        ("latency_ms_mean", "fast"),
        ("model_size_mb", -1.0),
        ("model_size_mb", None),
        ("accuracy", math.nan),
        ("accuracy", True),
    ],
)
def test_an_improvement_that_cannot_be_computed_names_its_field(section, key, value):
    metrics = {"baseline": dict(METRICS), "optimized": dict(METRICS)}
    metrics[section][key] = value
    with pytest.raises(ValueError, match=rf"{section}\.metrics\.{key}"):
        improvement_metrics(**metrics)
    del metrics[section][key]
    with pytest.raises(ValueError, match=rf"{section}\.metrics\.{key}"):
        improvement_metrics(**metrics)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_saving_refuses_what_json_has_not_and_keeps_the_old_file(tmp_path, submission, value):
    path = tmp_path / "submission.json"
    save_submission(submission, path)
    old = path.read_bytes()
    broken = copy.deepcopy(submission)
    broken["optimized"]["metrics"]["latency_ms_std"] = value
    with pytest.raises(ValueError, match=r"optimized\.metrics\.latency_ms_std"):
        save_submission(broken, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_saving_what_json_cannot_hold_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        save_submission({"model": object()}, tmp_path / "submission.json")
    assert list(tmp_path.iterdir()) == []


def test_saving_where_no_folder_is_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save_submission({}, tmp_path / "nowhere" / "submission.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False,
                                                                      allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(content=st.dictionaries(st.text(), json_values))
def test_whatever_json_can_hold_loads_back_equal(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("round") / "trip.json"
    save_submission(content, path)
    assert load_submission(path) == content


BAD_FILES = {
    "truncated": b'{"baseline": {',
    "empty": b"",
    "not an object": b"[1, 2]",
    "not UTF-8": '{"name": "Zoë"}'.encode("latin-1"),
    "NaN": b'{"accuracy": NaN}',
    "infinity": b'{"accuracy": Infinity}',
    "a number too large": b'{"accuracy": 1e999}',
    "a key twice": b'{"accuracy": 0.1, "accuracy": 0.9}',
    "nested beyond reason": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_submission_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.json is not a submission: "):
        load_submission(path)


def test_the_schema_is_itself_valid():
    from jsonschema import Draft202012Validator

    from tinytorch.schemas import load_schema

    Draft202012Validator.check_schema(load_schema("capstone_submission"))
    assert json.loads(json.dumps(load_schema("capstone_submission")))
