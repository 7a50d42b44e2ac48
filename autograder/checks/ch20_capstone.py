"""Hidden checks of chapter 20: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import copy
import json
import math
import os
import platform
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tinytorch.core.tensor import Tensor

SPECIFIED_METRICS = (
    "parameter_count",
    "model_size_mb",
    "accuracy",
    "latency_ms_mean",
    "latency_ms_std",
    "throughput_samples_per_sec",
)


class FixedModel:
    """A model whose scores, cost and size are known: a stand-in for a trained network."""

    def __init__(self, predictions, classes=4, seconds_per_row=(0.0,), parameters=7, size=28):
        self.predictions = np.asarray(predictions)
        self.classes = classes
        self.seconds_per_row = seconds_per_row
        self.parameter_count = parameters
        self.size = size
        self.rows_seen = []

    def forward(self, x):
        rows = x.shape[0]
        pause = self.seconds_per_row[len(self.rows_seen) % len(self.seconds_per_row)]
        self.rows_seen.append(rows)
        if pause:
            time.sleep(pause * rows)
        scores = np.zeros((rows, self.classes), dtype=np.float32)
        scores[np.arange(rows), self.predictions[:rows]] = 1.0
        return Tensor(scores)

    __call__ = forward

    def count_parameters(self):
        return self.parameter_count

    def parameters(self):
        return [Tensor(np.zeros(self.parameter_count, dtype=np.float32))]

    def size_bytes(self):
        return self.size


def measured(student, model, rows=12, num_runs=5, labels=None):
    """Benchmark `model` with the student's report and return the metrics."""
    features = Tensor(np.linspace(-1, 1, rows * 3, dtype=np.float32).reshape(rows, 3))
    labels = np.zeros(rows, dtype=np.int64) if labels is None else labels
    report = student.BenchmarkReport(model_name="checked")
    return report.benchmark_model(model, features, labels, num_runs=num_runs)


def report_with(latency=10.0, size=4.0, accuracy=0.8, name="model", count=1000):
    """A report as `benchmark_model` would have left it, with the given figures."""
    return SimpleNamespace(
        model_name=name,
        timestamp="2025-01-15 14:23:41",
        system_info={"platform": "Test-1", "python_version": "3.11.6", "numpy_version": "2.0.0"},
        metrics={
            "parameter_count": count,
            "model_size_mb": size,
            "accuracy": accuracy,
            "latency_ms_mean": latency,
            "latency_ms_std": 0.1,
            "throughput_samples_per_sec": 1000 / latency if latency else 0.0,
        },
    )


def pair_submission(student):
    """A valid submission of two models, made by the student's own function."""
    return student.generate_submission(
        report_with(10.0, 4.0, 0.75, "before"),
        report_with(4.0, 1.0, 0.5, "after", 250),
        student_name="Ada",
        techniques_applied=["pruning"],
    )


def eventually(attempt, tries=4):
    """Return when one attempt holds: a loaded machine may stretch a timing, never shrink it."""
    for left in reversed(range(tries)):
        try:
            return attempt()
        except AssertionError:
            if not left:
                raise


def check_forward_shapes(student):
    """The network maps (rows, inputs) to (rows, outputs) for every size it is built with."""
    rng = np.random.default_rng(7)
    for inputs, hidden, outputs, rows in ((10, 20, 3, 5), (4, 9, 2, 1), (6, 3, 8, 17)):
        model = student.SimpleMLP(input_size=inputs, hidden_size=hidden, output_size=outputs)
        x = rng.normal(size=(rows, inputs)).astype(np.float32)
        scores = model.forward(Tensor(x)).data
        assert scores.shape == (rows, outputs), (
            f"forward of {rows} rows must give {rows} rows of scores, one score a class; "
            f"the result has shape {scores.shape}"
        )
        assert np.isfinite(scores).all(), "forward gives NaN or infinity for ordinary input"


def check_forward_uses_each_row(student):
    """Each row of scores depends on its own row of input, and on nothing that changes."""
    rng = np.random.default_rng(8)
    model = student.SimpleMLP(5, 16, 4)
    x = rng.normal(size=(6, 5)).astype(np.float32)
    before = x.copy()
    together = model.forward(Tensor(x)).data
    alone = np.concatenate([model.forward(Tensor(x[i : i + 1])).data for i in range(6)])
    assert np.allclose(together, alone, atol=1e-5), (
        "a row's scores change with the other rows of the batch; each row must stand for itself"
    )
    assert np.ptp(together, axis=0).max() > 1e-4, "different rows get the same scores"
    assert np.array_equal(x, before), "forward changes its input"


def check_forward_is_nonlinear(student):
    """There is a ReLU between the layers: the map is not affine."""
    rng = np.random.default_rng(9)
    model = student.SimpleMLP(8, 32, 5)
    x = rng.normal(size=(20, 8)).astype(np.float32) * 3

    def forward(data):
        return model.forward(Tensor(data)).data

    bend = forward(x) + forward(-x) - 2 * forward(np.zeros_like(x))
    assert np.abs(bend).max() > 1e-3, (
        "the network is a straight line in its input: is the ReLU between the two layers?"
    )
    assert forward(x).min() < 0, "the scores are never negative: a ReLU must not stand at the end"
    far = forward(200 * x) - forward(100 * x)
    further = forward(400 * x) - forward(200 * x)
    assert np.abs(far).max() > 1.0, "far from zero the scores must keep growing, as with ReLU"
    assert np.allclose(further, 2 * far, rtol=0.05, atol=1e-2 * np.abs(far).max()), (
        "far from zero the network must be linear along a line, as a ReLU network is"
    )


def check_parameter_count(student):
    """Weights and biases of both layers are counted, for every size."""
    for inputs, hidden, outputs in ((10, 20, 3), (3, 5, 2), (64, 32, 10)):
        model = student.SimpleMLP(input_size=inputs, hidden_size=hidden, output_size=outputs)
        expected = inputs * hidden + hidden + hidden * outputs + outputs
        found = model.count_parameters()
        assert found == expected, (
            "the parameter count must be every weight and every bias of both layers; "
            f"it is off by {found - expected}"
        )


def check_report_identity(student):
    """A report knows its model's name and when it was made, and starts without metrics."""
    assert student.BenchmarkReport().model_name == "model", "the default model_name is 'model'"
    report = student.BenchmarkReport(model_name="tiny")
    assert report.model_name == "tiny", "the report does not keep the model_name it is given"
    assert report.metrics == {}, "a new report has no metrics yet: an empty dictionary"
    try:
        made = datetime.strptime(report.timestamp, "%Y-%m-%d %H:%M:%S")
    except (TypeError, ValueError):
        raise AssertionError("timestamp must read like 2025-01-15 14:23:41") from None
    assert abs(datetime.now() - made) < timedelta(minutes=5), (
        "timestamp must be the local time at which the report was made"
    )


def check_system_info(student):
    """A report says which machine and versions it was made with."""
    info = student.BenchmarkReport().system_info
    for key in ("platform", "python_version", "numpy_version"):
        assert isinstance(info.get(key), str), f"system_info must hold {key!r} as text"
    assert info["python_version"] == platform.python_version(), (
        "system_info['python_version'] is not the version that runs this notebook, such as 3.11.6"
    )
    assert info["numpy_version"] == np.__version__, (
        "system_info['numpy_version'] is not the version of NumPy in use"
    )
    assert platform.system() in info["platform"], (
        "system_info['platform'] does not name the operating system"
    )
    json.dumps(info)


def check_metrics_present(student):
    """`benchmark_model` returns every metric and keeps it in the report."""
    report = student.BenchmarkReport()
    x = Tensor(np.ones((4, 3), dtype=np.float32))
    metrics = report.benchmark_model(FixedModel([0] * 4), x, np.zeros(4, dtype=int), num_runs=5)
    missing = [key for key in SPECIFIED_METRICS if key not in metrics]
    assert not missing, f"benchmark_model leaves out {', '.join(missing)}"
    assert report.metrics == metrics, "report.metrics must be what benchmark_model returns"


def check_metric_types(student):
    """Every metric is a plain int or float in its range, so that JSON can hold it."""
    metrics = measured(student, FixedModel([1] * 12))
    for key in SPECIFIED_METRICS:
        wanted = int if key == "parameter_count" else float
        assert type(metrics[key]) is wanted, (
            f"metrics[{key!r}] must be a Python {wanted.__name__}, "
            f"found {type(metrics[key]).__name__}"
        )
        assert math.isfinite(metrics[key]), f"metrics[{key!r}] is not finite"
    assert metrics["latency_ms_mean"] > 0, "latency_ms_mean must be above zero"
    assert metrics["latency_ms_std"] >= 0, "latency_ms_std cannot be negative"
    assert metrics["throughput_samples_per_sec"] > 0, "throughput must be above zero"
    json.dumps(metrics)


def check_parameter_metric(student):
    """`parameter_count` is the model's own count."""
    for count in (7, 12345):
        metrics = measured(student, FixedModel([0] * 12, parameters=count, size=4 * count))
        assert metrics["parameter_count"] == count, (
            "parameter_count must be what model.count_parameters() says"
        )


def check_size_in_mb(student):
    """A float32 model takes four bytes a parameter, in units of 2**20 bytes."""
    for sizes in ((10, 20, 3), (64, 100, 10)):
        model = student.SimpleMLP(*sizes)
        x = Tensor(np.ones((3, sizes[0]), dtype=np.float32))
        metrics = student.BenchmarkReport().benchmark_model(
            model, x, np.zeros(3, dtype=int), num_runs=5
        )
        count = sizes[0] * sizes[1] + sizes[1] + sizes[1] * sizes[2] + sizes[2]
        assert math.isclose(metrics["model_size_mb"], count * 4 / 2**20, rel_tol=1e-9), (
            "model_size_mb must be 4 bytes a float32 parameter, divided by 1024 * 1024"
        )


def check_size_of_packed_model(student):
    """A model that stores its parameters in fewer bytes shows its true size."""
    packed = FixedModel([0] * 12, parameters=4096, size=1024)
    metrics = measured(student, packed)
    assert math.isclose(metrics["model_size_mb"], 1024 / 2**20, rel_tol=1e-9), (
        "a model that packs its parameters must show the bytes it holds: ask model.size_bytes()"
    )
    assert metrics["parameter_count"] == 4096, "packing changes the bytes, not the count"


def check_accuracy(student):
    """Accuracy is the fraction of rows whose highest score is the right class."""
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
    for wrong in (0, 3, 7, 12):
        predictions = labels.copy()
        predictions[:wrong] = (predictions[:wrong] + 1) % 4
        accuracy = measured(student, FixedModel(predictions), labels=labels)["accuracy"]
        assert math.isclose(accuracy, (12 - wrong) / 12, abs_tol=1e-6), (
            "accuracy must be right rows / all rows, between 0 and 1, taking the class with the "
            "highest score in each row"
        )


def check_accuracy_uses_all_rows(student):
    """Accuracy is taken over the whole test set, whatever the order of its rows."""
    rng = np.random.default_rng(10)
    for rows in (1, 2, 37):
        labels = rng.integers(0, 4, rows)
        predictions = rng.integers(0, 4, rows)
        metrics = measured(student, FixedModel(predictions), rows=rows, labels=labels)
        assert math.isclose(metrics["accuracy"], np.mean(labels == predictions), abs_tol=1e-6), (
            "accuracy must count every row of the test set, however many there are"
        )


def check_latency_unit_and_batch(student):
    """Latency is milliseconds for one sample, not for the whole batch and not in seconds."""
    true_ms = 4.0

    def attempt():
        model = FixedModel([0] * 12, seconds_per_row=(true_ms / 1000,))
        metrics = measured(student, model, num_runs=8)
        mean = metrics["latency_ms_mean"]
        assert mean > 0.9 * true_ms, (
            "latency_ms_mean is below the true time of one call: is it in milliseconds, and is "
            "every call counted once?"
        )
        assert mean < 2.2 * true_ms, (
            "latency_ms_mean is far above the true time of one sample: time one row of X_test, "
            "one call at a time, and nothing else"
        )

    eventually(attempt)


def check_latency_runs(student):
    """Latency is measured on one row at a time, at least `num_runs` times."""
    for runs in (6, 15):
        model = FixedModel([0] * 12, seconds_per_row=(0.0004,))
        measured(student, model, num_runs=runs)
        single = [rows for rows in model.rows_seen if rows == 1]
        assert len(single) >= runs, (
            "the model must be called on a single row at least num_runs times"
        )


def check_latency_spread(student):
    """The mean and the standard deviation are those of the timings."""

    def attempt():
        model = FixedModel([0] * 12, seconds_per_row=(0.001, 0.007))
        metrics = measured(student, model, rows=1, num_runs=24, labels=np.zeros(1, dtype=int))
        assert 3.6 < metrics["latency_ms_mean"] < 6.0, (
            "latency_ms_mean is not the mean of the timings of a model that takes turns between "
            "a short and a long call"
        )
        assert 2.2 < metrics["latency_ms_std"] < 4.8, (
            "latency_ms_std is not the standard deviation, in milliseconds, of the timings"
        )

    eventually(attempt)


def check_throughput(student):
    """Throughput is 1000 / mean latency, for any model."""
    for pause in (0.0, 0.002):
        metrics = measured(student, FixedModel([0] * 12, seconds_per_row=(pause,)))
        expected = 1000 / metrics["latency_ms_mean"]
        assert math.isclose(metrics["throughput_samples_per_sec"], expected, rel_tol=1e-6), (
            "throughput_samples_per_sec must be 1000 / latency_ms_mean"
        )


def check_reports_are_independent(student):
    """A second report does not change the first, and measuring again replaces the figures."""
    x = Tensor(np.ones((4, 3), dtype=np.float32))
    labels = np.zeros(4, dtype=int)
    first, second = student.BenchmarkReport("first"), student.BenchmarkReport("second")
    first.benchmark_model(FixedModel([0] * 4), x, labels, num_runs=5)
    kept = copy.deepcopy(first.metrics)
    second.benchmark_model(FixedModel([1] * 4, parameters=99, size=396), x, labels, num_runs=5)
    assert first.metrics == kept, "measuring a second model changed the first report's metrics"
    assert second.metrics["accuracy"] == 0.0, "the second report does not hold its own figures"
    assert first.model_name == "first", "a second report changed the first one's name"
    first.benchmark_model(FixedModel([1] * 4), x, labels, num_runs=5)
    assert first.metrics["accuracy"] == 0.0, "measuring again must replace the old figures"


def check_measuring_changes_nothing(student):
    """Measuring leaves the test set as it was."""
    data = np.linspace(-1, 1, 30, dtype=np.float32).reshape(10, 3)
    x, labels = Tensor(data.copy()), np.arange(10) % 4
    kept = labels.copy()
    student.BenchmarkReport().benchmark_model(FixedModel(labels), x, labels, num_runs=5)
    assert np.array_equal(x.data, data), "benchmark_model changes X_test"
    assert np.array_equal(labels, kept), "benchmark_model changes y_test"


def check_baseline_submission(student):
    """A submission of one model has the specified keys and nothing about a second model."""
    report = report_with(name="only")
    submission = student.generate_submission(report)
    expected = {
        "tinytorch_version": "0.1.0",
        "submission_type": "capstone_benchmark",
        "timestamp": report.timestamp,
        "system_info": report.system_info,
    }
    for key, value in expected.items():
        assert submission.get(key) == value, f"submission[{key!r}] is missing or not as specified"
    baseline = submission.get("baseline", {})
    assert baseline.get("model_name") == "only", "baseline.model_name must be the report's"
    assert baseline.get("metrics") == report.metrics, "baseline.metrics must be the report's"
    for key in ("student_name", "optimized", "improvements"):
        assert key not in submission, f"{key!r} must be left out when there is nothing to put in it"


def check_optimized_section(student):
    """With a second report the submission has that model, its metrics and the techniques."""
    baseline, optimized = report_with(name="before"), report_with(5.0, 2.0, 0.7, "after")
    techniques = ["pruning", "quantization"]
    submission = student.generate_submission(baseline, optimized, techniques_applied=techniques)
    section = submission.get("optimized", {})
    assert section.get("model_name") == "after", "optimized.model_name must be the second report's"
    assert section.get("metrics") == optimized.metrics, "optimized.metrics must be the second's"
    assert section.get("techniques_applied") == techniques, (
        "optimized.techniques_applied must be the list that was passed"
    )
    assert submission["baseline"]["model_name"] == "before", "baseline is not the first report"
    assert "improvements" in submission, "two reports call for an 'improvements' section"


def check_optional_parts(student):
    """The name appears only when given, as given; without techniques the list is empty."""
    named = student.generate_submission(report_with(), student_name="Zoë 李 Ōtani")
    assert named.get("student_name") == "Zoë 李 Ōtani", "student_name must be kept as it was given"
    plain = student.generate_submission(report_with(), report_with())
    assert plain["optimized"]["techniques_applied"] == [], (
        "techniques_applied must be an empty list when none are passed"
    )
    assert "student_name" not in plain, "student_name must be left out when none was given"


def check_generating_changes_nothing(student):
    """Making a submission leaves the reports and the list of techniques as they were."""
    baseline, optimized = report_with(), report_with(5.0, 2.0, 0.7)
    techniques = ["pruning"]
    kept = copy.deepcopy((vars(baseline), vars(optimized), techniques))
    student.generate_submission(baseline, optimized, "Ada", techniques)
    student.generate_submission(baseline)
    assert (vars(baseline), vars(optimized), techniques) == kept, (
        "generate_submission changes the reports or the list it is given"
    )


def improvement(student, key, before, after):
    submission = student.generate_submission(report_with(*before), report_with(*after))
    value = submission["improvements"][key]
    assert type(value) is float, f"improvements[{key!r}] must be a Python float"
    return value


def check_speedup(student):
    """Speedup is baseline latency / optimized latency: above 1 is faster."""
    for before, after in ((10.0, 5.0), (0.031, 0.042), (3.7, 3.7), (1e-4, 9.0)):
        found = improvement(student, "speedup", (before, 4.0, 0.8), (after, 2.0, 0.75))
        assert math.isclose(found, before / after, rel_tol=1e-9), (
            "speedup must be baseline latency_ms_mean / optimized latency_ms_mean"
        )


def check_compression_ratio(student):
    """Compression is baseline size / optimized size: above 1 is smaller."""
    for before, after in ((4.0, 2.0), (0.001, 0.00075), (2.0, 7.0)):
        found = improvement(student, "compression_ratio", (10.0, before, 0.8), (5.0, after, 0.75))
        assert math.isclose(found, before / after, rel_tol=1e-9), (
            "compression_ratio must be baseline model_size_mb / optimized model_size_mb"
        )


def check_accuracy_delta(student):
    """The delta is optimized - baseline, as a fraction."""
    for before, after in ((0.80, 0.75), (0.35, 0.33), (0.5, 0.9), (1.0, 0.0)):
        found = improvement(student, "accuracy_delta", (10.0, 4.0, before), (5.0, 2.0, after))
        assert math.isclose(found, after - before, abs_tol=1e-9), (
            "accuracy_delta must be optimized accuracy - baseline accuracy, in fractions of 1"
        )


def check_impossible_improvements(student):
    """A ratio that cannot be computed is a ValueError that names the field."""
    cases = [
        ("latency_ms_mean", 0.0),
        ("latency_ms_mean", float("nan")),
        ("latency_ms_mean", float("inf")),
        ("model_size_mb", 0.0),
        ("model_size_mb", -1.0),
        ("accuracy", float("nan")),
        ("latency_ms_mean", None),
        ("model_size_mb", None),
    ]
    for key, value in cases:
        for broken in ("baseline", "optimized"):
            reports = {"baseline": report_with(), "optimized": report_with()}
            if value is None:
                del reports[broken].metrics[key]
            else:
                reports[broken].metrics[key] = value
            try:
                student.generate_submission(reports["baseline"], reports["optimized"])
            except ValueError as error:
                assert key in str(error), (
                    "the error about a figure that cannot be used must name its field"
                )
            else:
                raise AssertionError(
                    "a latency or size that is missing, zero, negative or not finite, or an "
                    "accuracy that is not finite, must raise ValueError"
                )


def check_save_round_trip(student):
    """A saved file holds the submission, whatever letters and nesting it has."""
    submission = pair_submission(student)
    submission["student_name"] = "Zoë 李 \U0001f40d"
    submission["system_info"]["nested"] = {"list": [1, 2.5, None, True], "deep": {"a": {"b": "c"}}}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first.json", "name with spaces é.json"):
            path = os.path.join(folder, name)
            returned = student.save_submission(submission, path)
            assert str(returned) == path, "save_submission must return the path it was given"
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            assert found == submission, "the saved JSON is not the submission that was passed"
        student.save_submission({"baseline": {}}, path)
        with open(path, encoding="utf-8") as file:
            assert json.load(file) == {"baseline": {}}, "saving again must replace the old file"


def check_save_is_readable(student):
    """The file is for people too: several lines, indented."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "submission.json")
        student.save_submission(pair_submission(student), path)
        text = Path(path).read_text(encoding="utf-8")
        assert "\n  " in text, "write the JSON over several lines, indented"


def check_load(student):
    """What was saved loads back equal."""
    submission = pair_submission(student)
    submission["student_name"] = "Ελένη"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "submission.json")
        student.save_submission(submission, path)
        loaded = student.load_submission(path)
        assert loaded == submission, "load_submission does not give back what was saved"
        Path(path).write_text('{"baseline": {"metrics": {}}}', encoding="utf-8")
        assert student.load_submission(path) == {"baseline": {"metrics": {}}}, (
            "load_submission must read the file that is there now"
        )


def check_save_refuses_nan(student):
    """NaN and infinities are refused, and the file that was there stays."""
    for value in (float("nan"), float("inf"), -float("inf")):
        submission = pair_submission(student)
        submission["baseline"]["metrics"]["latency_ms_std"] = value
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "submission.json"
            path.write_text("{}", encoding="utf-8")
            try:
                student.save_submission(submission, str(path))
            except ValueError:
                pass
            else:
                raise AssertionError("save_submission must raise ValueError for NaN or infinity")
            assert path.read_text(encoding="utf-8") == "{}", (
                "a refused submission must leave the file that was there as it was"
            )
            assert len(list(Path(folder).iterdir())) == 1, "a refused submission leaves a file"


def check_validate_accepts(student):
    """A right submission has no problems, with one model or two."""
    for submission in (
        student.generate_submission(report_with()),
        student.generate_submission(report_with(), student_name="Ada"),
        pair_submission(student),
    ):
        problems = student.validate_submission(submission)
        assert list(problems) == [], "validate_submission finds a problem in a right submission"


def rejected(student, change):
    submission = pair_submission(student)
    change(submission)
    problems = student.validate_submission(submission)
    return len(list(problems)) > 0 and all(isinstance(problem, str) for problem in problems)


def check_validate_required(student):
    """A submission that lacks a required field has a problem."""
    for path in (
        ("baseline",),
        ("timestamp",),
        ("system_info",),
        ("submission_type",),
        ("baseline", "metrics"),
        ("baseline", "model_name"),
        ("baseline", "metrics", "accuracy"),
        ("optimized", "metrics", "latency_ms_mean"),
        ("improvements", "speedup"),
        ("system_info", "python_version"),
    ):

        def remove(submission, path=path):
            for key in path[:-1]:
                submission = submission[key]
            del submission[path[-1]]

        assert rejected(student, remove), (
            "validate_submission must return a problem, as text, when a required field is missing"
        )


def check_validate_ranges(student):
    """Figures of the wrong type or out of range are problems, in both models."""
    cases = [
        ("accuracy", 1.7),
        ("accuracy", -0.1),
        ("accuracy", "0.9"),
        ("accuracy", True),
        ("latency_ms_mean", -1.0),
        ("latency_ms_mean", "fast"),
        ("latency_ms_std", -5.0),
        ("parameter_count", 12.5),
        ("parameter_count", 0),
        ("model_size_mb", 0.0),
        ("throughput_samples_per_sec", None),
    ]
    for key, value in cases:
        for section in ("baseline", "optimized"):

            def spoil(submission, section=section, key=key, value=value):
                submission[section]["metrics"][key] = value

            assert rejected(student, spoil), (
                "validate_submission must find a metric of the wrong type or outside its range, "
                "in the baseline and in the optimized model"
            )

    def retype(submission):
        submission["submission_type"] = "homework"

    assert rejected(student, retype), "validate_submission must refuse another submission_type"


def check_validate_consistency(student):
    """Figures that contradict each other are problems."""

    def forge_speedup(submission):
        submission["improvements"]["speedup"] = 1000.0

    def forge_delta(submission):
        submission["improvements"]["accuracy_delta"] = 0.2

    def forge_throughput(submission):
        submission["optimized"]["metrics"]["throughput_samples_per_sec"] = 9e9

    def forge_date(submission):
        submission["timestamp"] = "2025-13-45 14:23:41"

    for forge in (forge_speedup, forge_delta, forge_throughput, forge_date):
        assert rejected(student, forge), (
            "validate_submission must recompute: improvements that do not follow from the "
            "metrics, a throughput that is not 1000 / latency, and a date that does not exist "
            "are problems"
        )


def paired(student, seconds_before, seconds_after):
    before, after = student.BenchmarkReport("before"), student.BenchmarkReport("after")
    x = Tensor(np.ones((3, 2), dtype=np.float32))
    comparison = student.benchmark_pair(
        before,
        after,
        FixedModel([0] * 3, seconds_per_row=(seconds_before,)),
        FixedModel([1] * 3, seconds_per_row=(seconds_after,), parameters=3, size=12),
        x,
        np.zeros(3, dtype=int),
        num_pairs=30,
    )
    return before, after, comparison


def check_pair_fills_reports(student):
    """Both reports are filled, each from its own model."""
    before, after, comparison = paired(student, 0.002, 0.001)
    for report in (before, after):
        missing = [key for key in SPECIFIED_METRICS if key not in report.metrics]
        assert not missing, "benchmark_pair must fill the metrics of both reports"
    assert before.metrics["accuracy"] == 1.0, "the first report is not about the first model"
    assert after.metrics["accuracy"] == 0.0, "the second report is not about the second model"
    submission = student.generate_submission(before, after, comparison=comparison)
    found = submission["improvements"]
    for key in ("speedup_paired", "speedup_ci95", "speedup_verdict"):
        assert found.get(key) == comparison[key], (
            "generate_submission must add what the comparison says to the improvements"
        )


def check_pair_verdict(student):
    """A clear difference is found, in the right direction, with an interval around it."""

    def attempt():
        for seconds, verdict, truth in (
            ((0.003, 0.001), "faster", 3),
            ((0.001, 0.003), "slower", 1 / 3),
        ):
            comparison = paired(student, *seconds)[2]
            low, high = comparison["speedup_ci95"]
            assert comparison["speedup_verdict"] == verdict, (
                "the verdict on a model that is three times as fast, or as slow, is wrong"
            )
            assert low <= comparison["speedup_paired"] <= high, (
                "the interval does not hold the speedup it is about"
            )
            assert truth / 1.6 < comparison["speedup_paired"] < truth * 1.6, (
                "speedup_paired is not baseline time / optimized time"
            )

    eventually(attempt)


def check_workflow(student):
    """The workflow measures two models and saves what it returns."""
    submission = student.run_optimization_workflow_example()
    for key in ("baseline", "optimized", "improvements"):
        assert key in submission, f"the workflow's submission must have {key!r}"
    for section in ("baseline", "optimized"):
        metrics = submission[section]["metrics"]
        missing = [key for key in SPECIFIED_METRICS if key not in metrics]
        assert not missing, "the workflow must benchmark both models"
    before, after = submission["baseline"]["metrics"], submission["optimized"]["metrics"]
    speedup = before["latency_ms_mean"] / after["latency_ms_mean"]
    assert math.isclose(submission["improvements"]["speedup"], speedup, rel_tol=1e-6), (
        "the workflow's speedup does not follow from its own figures"
    )
    saved = student.load_submission("optimization_submission.json")
    assert saved == submission, (
        "the workflow must save what it returns as optimization_submission.json"
    )


def check_workflow_optimizes(student):
    """The two models of the workflow differ, and the techniques say how."""
    submission = student.run_optimization_workflow_example()
    before, after = submission["baseline"]["metrics"], submission["optimized"]["metrics"]
    assert submission["optimized"]["techniques_applied"], (
        "techniques_applied must say what was done to the model"
    )
    assert after["model_size_mb"] < before["model_size_mb"], (
        "the optimized model must hold fewer bytes than the baseline"
    )
