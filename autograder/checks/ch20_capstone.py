"""Hidden checks of chapter 20: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import copy
import itertools
import json
import math
import os
import platform
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

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


class PlainModel:
    """A model whose scores and cost are known; it notes how long each of its calls took.

    `pauses` are the seconds a row takes, in turn; `log` may be shared by several models.
    A call from the notebook crosses to another process, which takes milliseconds on a busy machine,
    so pauses that are compared with what the notebook measured have to be ten or more long.
    """

    def __init__(self, predictions, pauses=(0.0,), parameters=7, log=None):
        self.predictions = np.asarray(predictions)
        self.pauses = pauses
        self.parameter_count = parameters
        self.calls = []
        self.log = [] if log is None else log

    def forward(self, x):
        rows = x.shape[0]
        start = time.perf_counter()
        pause = self.pauses[len(self.calls) % len(self.pauses)] * rows
        if pause:
            time.sleep(pause)
        scores = np.zeros((rows, 4), dtype=np.float32)
        scores[np.arange(rows), self.predictions[:rows]] = 1.0
        result = Tensor(scores)
        self.calls.append((rows, 1000 * (time.perf_counter() - start)))
        self.log.append(id(self))
        return result

    __call__ = forward

    def count_parameters(self):
        return self.parameter_count

    def parameters(self):
        return [Tensor(np.zeros(self.parameter_count, dtype=np.float32))]

    def single_row_ms(self, runs):
        """The durations of the last calls on a single row, in milliseconds."""
        durations = [ms for rows, ms in self.calls if rows == 1]
        assert len(durations) >= runs, (
            "the model must be timed on a single row, at least as often as was asked for"
        )
        return np.array(durations[-runs:])


class PackedModel(PlainModel):
    """A model that holds its parameters in fewer bytes than float32 needs."""

    def size_bytes(self):
        return self.parameter_count // 4


def measured(student, model, rows=12, num_runs=5, labels=None):
    """Benchmark `model` with the student's report and return the metrics."""
    features = Tensor(np.linspace(-1, 1, rows * 3, dtype=np.float32).reshape(rows, 3))
    labels = np.zeros(rows, dtype=np.int64) if labels is None else labels
    report = student.BenchmarkReport(model_name="checked")
    return report.benchmark_model(model, features, labels, num_runs=num_runs)


def report_with(student, latency=10.0, size=4.0, accuracy=0.8, name="model", count=1000):
    """The student's report as `benchmark_model` would have left it, with the given figures."""
    report = student.BenchmarkReport(model_name=name)
    report.timestamp = "2025-01-15 14:23:41"
    report.system_info = {
        "platform": "Test-1",
        "python_version": "3.11.6",
        "numpy_version": "2.0.0",
    }
    report.metrics = {
        "parameter_count": count,
        "model_size_mb": size,
        "accuracy": accuracy,
        "latency_ms_mean": latency,
        "latency_ms_std": 0.1,
        "throughput_samples_per_sec": 1000 / latency if latency else 0.0,
    }
    return report


def contents(report):
    """What a submission takes from a report, as a copy."""
    parts = (report.model_name, report.timestamp, report.system_info, report.metrics)
    return copy.deepcopy(parts)


def pair_submission(student):
    """A valid submission of two models, made by the student's own function."""
    return student.generate_submission(
        report_with(student, 10 / 3, 4.0, 0.7513, "before"),
        report_with(student, 0.7, 1.1, 0.5, "after", 250),
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

    zero = forward(np.zeros_like(x))
    near = np.abs(forward(x) - zero).max()
    assert near > 0, "the scores do not depend on the input"
    assert np.abs(forward(x) + forward(-x) - 2 * zero).max() > 1e-3 * near, (
        "the network is a straight line in its input: is the ReLU between the two layers?"
    )
    assert forward(x).min() < 0, "the scores are never negative: a ReLU must not stand at the end"
    far = forward(200 * x) - forward(100 * x)
    further = forward(400 * x) - forward(200 * x)
    assert np.abs(far).max() > 10 * near, (
        "far from zero the scores must keep growing, as they do behind a ReLU"
    )
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
    metrics = report.benchmark_model(PlainModel([0] * 4), x, np.zeros(4, dtype=int), num_runs=5)
    missing = [key for key in SPECIFIED_METRICS if key not in metrics]
    assert not missing, f"benchmark_model leaves out {', '.join(missing)}"
    assert report.metrics == metrics, "report.metrics must be what benchmark_model returns"


def check_metric_types(student):
    """Every metric is a plain int or float in its range, so that JSON can hold it."""
    metrics = measured(student, PlainModel([1] * 12))
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
        metrics = measured(student, PlainModel([0] * 12, parameters=count))
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
    metrics = measured(student, PlainModel([0] * 12, parameters=50))
    assert math.isclose(metrics["model_size_mb"], 50 * 4 / 2**20, rel_tol=1e-9), (
        "a model that has no size_bytes() holds 4 bytes a parameter"
    )


def check_size_of_packed_model(student):
    """A model that stores its parameters in fewer bytes shows its true size."""
    metrics = measured(student, PackedModel([0] * 12, parameters=4096))
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
        accuracy = measured(student, PlainModel(predictions), labels=labels)["accuracy"]
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
        metrics = measured(student, PlainModel(predictions), rows=rows, labels=labels)
        assert math.isclose(metrics["accuracy"], np.mean(labels == predictions), abs_tol=1e-6), (
            "accuracy must count every row of the test set, however many there are"
        )


def check_latency_unit_and_batch(student):
    """Latency is milliseconds for one sample, not for the whole batch and not in seconds."""

    def attempt():
        model = PlainModel([0] * 12, pauses=(0.03,))
        metrics = measured(student, model, num_runs=10)
        ratio = metrics["latency_ms_mean"] / model.single_row_ms(10).mean()
        assert 0.8 < ratio < 1.25, (
            "latency_ms_mean is not the time that one row took, in milliseconds: time one row of "
            "X_test, one call at a time, and nothing else"
        )

    eventually(attempt)


def check_latency_runs(student):
    """Latency is measured on one row at a time, at least `num_runs` times."""
    for runs in (6, 200):
        model = PlainModel([0] * 12, pauses=(0.0004,))
        measured(student, model, num_runs=runs)
        assert len(model.single_row_ms(runs)) == runs


def check_latency_spread(student):
    """The mean and the standard deviation are those of the timings."""

    def attempt():
        model = PlainModel([0] * 2, pauses=(0.01, 0.01, 0.07))
        metrics = measured(student, model, rows=2, num_runs=24)
        timings = model.single_row_ms(24)
        assert 0.8 < metrics["latency_ms_mean"] / timings.mean() < 1.25, (
            "latency_ms_mean is not the mean of the timings of a model with quick and slow calls"
        )
        assert 0.75 < metrics["latency_ms_std"] / timings.std() < 1.3, (
            "latency_ms_std is not the standard deviation, in milliseconds, of the timings"
        )

    eventually(attempt)


def check_throughput(student):
    """Throughput is 1000 / mean latency, for any model."""
    for pause in (0.0, 0.002):
        metrics = measured(student, PlainModel([0] * 12, pauses=(pause,)))
        expected = 1000 / metrics["latency_ms_mean"]
        assert math.isclose(metrics["throughput_samples_per_sec"], expected, rel_tol=1e-6), (
            "throughput_samples_per_sec must be 1000 / latency_ms_mean"
        )


def check_reports_are_independent(student):
    """A second report does not change the first, and measuring again replaces the figures."""
    x = Tensor(np.ones((4, 3), dtype=np.float32))
    labels = np.zeros(4, dtype=int)
    first, second = student.BenchmarkReport("first"), student.BenchmarkReport("second")
    first.benchmark_model(PlainModel([0] * 4), x, labels, num_runs=5)
    kept = copy.deepcopy(first.metrics)
    second.benchmark_model(PlainModel([1] * 4, parameters=99), x, labels, num_runs=5)
    assert first.metrics == kept, "measuring a second model changed the first report's metrics"
    assert second.metrics["accuracy"] == 0.0, "the second report does not hold its own figures"
    assert first.model_name == "first", "a second report changed the first one's name"
    first.benchmark_model(PlainModel([1] * 4), x, labels, num_runs=5)
    assert first.metrics["accuracy"] == 0.0, "measuring again must replace the old figures"


def check_measuring_changes_nothing(student):
    """Measuring leaves the test set as it was."""
    data = np.linspace(-1, 1, 30, dtype=np.float32).reshape(10, 3)
    x, labels = Tensor(data.copy()), np.arange(10) % 4
    kept = labels.copy()
    student.BenchmarkReport().benchmark_model(PlainModel(labels), x, labels, num_runs=5)
    assert np.array_equal(x.data, data), "benchmark_model changes X_test"
    assert np.array_equal(labels, kept), "benchmark_model changes y_test"


def check_baseline_submission(student):
    """A submission of one model has the specified keys and nothing about a second model."""
    report = report_with(student, name="only")
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
    baseline, optimized = (
        report_with(student, name="before"),
        report_with(student, 5.0, 2.0, 0.7, "after"),
    )
    techniques = ["quantization", "pruning"]
    submission = student.generate_submission(
        baseline, optimized, techniques_applied=list(techniques)
    )
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
    named = student.generate_submission(report_with(student), student_name="Zoë 李 Ōtani")
    assert named.get("student_name") == "Zoë 李 Ōtani", "student_name must be kept as it was given"
    plain = student.generate_submission(report_with(student), report_with(student))
    assert plain["optimized"]["techniques_applied"] == [], (
        "techniques_applied must be an empty list when none are passed"
    )
    assert "student_name" not in plain, "student_name must be left out when none was given"


def check_generating_changes_nothing(student):
    """Making a submission leaves the reports and the list of techniques as they were."""
    baseline, optimized = report_with(student), report_with(student, 5.0, 2.0, 0.7)
    techniques = ["pruning", "quantization", "distillation"]
    kept = contents(baseline), contents(optimized)
    student.generate_submission(baseline, optimized, "Ada", techniques)
    student.generate_submission(baseline)
    assert (contents(baseline), contents(optimized)) == kept, (
        "generate_submission changes the reports it is given"
    )
    assert techniques == ["pruning", "quantization", "distillation"], (
        "generate_submission changes the list of techniques it is given"
    )


def improvement(student, key, before, after):
    submission = student.generate_submission(
        report_with(student, *before), report_with(student, *after)
    )
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
            reports = {"baseline": report_with(student), "optimized": report_with(student)}
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
            assert os.listdir(folder) == [name], "saving leaves another file beside the target"
            os.unlink(path)
        student.save_submission(submission, path)
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
        Path(path).write_text('{"baseline": {', encoding="utf-8")
        try:
            student.load_submission(path)
        except ValueError:
            pass
        else:
            raise AssertionError("load_submission must raise ValueError for a broken file")


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
        student.generate_submission(report_with(student)),
        student.generate_submission(report_with(student), student_name="Ada"),
        pair_submission(student),
    ):
        kept = copy.deepcopy(submission)
        problems = student.validate_submission(submission)
        assert list(problems) == [], "validate_submission finds a problem in a right submission"
        assert submission == kept, "validate_submission changes the submission it looks at"


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
    forgeries = [
        ("improvements", "speedup", 1.03),
        ("improvements", "compression_ratio", 1.03),
        ("improvements", "accuracy_delta", 0.9),
        ("baseline", "throughput_samples_per_sec", 1.4),
        ("optimized", "throughput_samples_per_sec", 1.4),
        ("baseline", "latency_ms_std", float("nan")),
    ]
    for section, key, factor in forgeries:

        def forge(submission, section=section, key=key, factor=factor):
            target = submission[section]
            target = target if section == "improvements" else target["metrics"]
            target[key] *= factor

        assert rejected(student, forge), (
            "validate_submission must recompute: an improvement that does not follow from the "
            "metrics, a throughput of either model that is not 1000 / latency, and a figure that "
            "is no number are problems"
        )

    def forge_date(submission):
        submission["timestamp"] = "2025-13-45 14:23:41"

    assert rejected(student, forge_date), "a date that does not exist is a problem"

    def forge_interval(submission):
        speedup = submission["improvements"]["speedup"]
        submission["improvements"].update(
            speedup_paired=speedup,
            speedup_ci95=[speedup * 1.1, speedup * 1.2],
            speedup_verdict="faster",
            num_pairs=300,
            contended=False,
        )

    assert rejected(student, forge_interval), (
        "an interval that does not enclose its speedup_paired is a problem"
    )


def paired(student, before, after, num_pairs=30):
    """Compare two models by the student's function; return both reports and what it says."""
    reports = student.BenchmarkReport("before"), student.BenchmarkReport("after")
    x = Tensor(np.ones((3, 2), dtype=np.float32))
    labels = np.zeros(3, dtype=int)
    comparison = student.benchmark_pair(*reports, before, after, x, labels, num_pairs=num_pairs)
    return *reports, comparison


def check_pair_fills_reports(student):
    """Both reports are filled, each from its own model."""
    slow = PlainModel([0] * 3, pauses=(0.04,))
    quick = PlainModel([1] * 3, pauses=(0.02,), parameters=3)
    before, after, comparison = paired(student, slow, quick)
    for report, model, accuracy in ((before, slow, 1.0), (after, quick, 0.0)):
        missing = [key for key in SPECIFIED_METRICS if key not in report.metrics]
        assert not missing, "benchmark_pair must fill the metrics of both reports"
        assert report.metrics["accuracy"] == accuracy, "a report has the other model's accuracy"
        assert report.metrics["parameter_count"] == model.parameter_count, (
            "a report has the other model's parameter count"
        )
    for key in ("speedup_paired", "speedup_ci95", "speedup_verdict", "num_pairs", "contended"):
        assert key in comparison, f"benchmark_pair must return {key!r}"
    assert comparison["num_pairs"] == 30, "num_pairs is not the number of pairs that was asked for"
    submission = student.generate_submission(before, after, comparison=comparison)
    for key, value in comparison.items():
        assert submission["improvements"].get(key) == value, (
            "generate_submission must add what the comparison says to the improvements"
        )

    measured_already = [(before, after)]

    def attempt():
        reports = measured_already.pop() if measured_already else paired(student, slow, quick)[:2]
        for report, model in zip(reports, (slow, quick), strict=True):
            ratio = report.metrics["latency_ms_mean"] / model.single_row_ms(30).mean()
            assert 0.7 < ratio < 1.4, "a report does not have its own model's latency, of one row"

    eventually(attempt)
    assert json.loads(json.dumps(comparison)) == comparison, (
        "the comparison must hold what JSON can: numbers, text, lists"
    )


def check_pair_verdict(student):
    """A clear difference is found, in its direction, with an interval around it."""

    def attempt():
        for pauses, verdict in (((0.03, 0.01), "faster"), ((0.01, 0.03), "slower")):
            models = [PlainModel([0] * 3, pauses=(pause,)) for pause in pauses]
            comparison = paired(student, *models)[2]
            low, high = comparison["speedup_ci95"]
            assert comparison["speedup_verdict"] == verdict, (
                "the verdict on a model that is three times as fast, or as slow, is wrong"
            )
            assert low < high, "an interval needs two ends"
            assert low <= comparison["speedup_paired"] <= high, (
                "the interval does not hold the speedup it is about"
            )
            medians = [np.median(model.single_row_ms(30)) for model in models]
            assert 0.7 < comparison["speedup_paired"] / (medians[0] / medians[1]) < 1.4, (
                "speedup_paired is not baseline time / optimized time"
            )

    eventually(attempt)


def check_pair_takes_turns(student):
    """The two models are measured in turn, and a model is not faster than itself."""
    log = []
    models = [PlainModel([0] * 3, pauses=(0.0005,), log=log) for _ in range(2)]
    paired(student, *models, num_pairs=40)
    changes = sum(one != other for one, other in itertools.pairwise(log))
    assert changes >= 20, "the models must be timed in turn, not one after the other"

    def attempt():
        same = PlainModel([0] * 3)
        comparison = paired(student, same, same, num_pairs=60)[2]
        assert comparison["speedup_verdict"] == "not resolved", (
            "the verdict must follow from the interval: a model is not faster than itself"
        )

    eventually(attempt)


def check_workflow(student):
    """The workflow measures a model and a smaller one, and saves what it returns."""
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
    assert submission["optimized"]["techniques_applied"], (
        "techniques_applied must say what was done to the model"
    )
    assert after["model_size_mb"] < before["model_size_mb"], (
        "the optimized model must hold fewer bytes than the baseline"
    )
