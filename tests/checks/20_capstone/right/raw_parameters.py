"""Weights as plain tensors, (outputs, inputs), small normal start; validation by a table."""

import sys
from functools import reduce


class SimpleMLP(Module):
    def __init__(self, input_size=10, hidden_size=20, output_size=3):
        def small(*shape):
            return Tensor(0.01 * np.random.randn(*shape), requires_grad=True)

        self.weights = [small(hidden_size, input_size), small(output_size, hidden_size)]
        self.biases = [
            Tensor(np.zeros(hidden_size), requires_grad=True),
            Tensor(np.zeros(output_size), requires_grad=True),
        ]

    def forward(self, x):
        (w1, w2), (b1, b2) = self.weights, self.biases
        return (x @ w1.T + b1).relu() @ w2.T + b2


def classification_accuracy(model, X_test, y_test):
    best = model.forward(X_test).data.argmax(-1)
    return int(np.count_nonzero(best == np.asarray(y_test))) / len(y_test)


class BenchmarkReport:
    def __init__(self, model_name="model"):
        self.__dict__.update(model_name=model_name, metrics={})
        self.system_info = self._get_system_info()
        self.timestamp = f"{datetime.now():%Y-%m-%d %H:%M:%S}"

    def _get_system_info(self):
        return {
            "platform": __import__("platform").platform(terse=True),
            "python_version": sys.version.split()[0],
            "numpy_version": np.version.version,
        }

    def benchmark_model(self, model, X_test, y_test, num_runs=100):
        first = Tensor(X_test.data[0:1])
        latency = measure_latency(lambda: model.forward(first), num_runs)
        return self.record(model, classification_accuracy(model, X_test, y_test), latency)

    def record(self, model, accuracy, latency):
        count = model.count_parameters()
        size = getattr(model, "size_bytes", lambda: count * np.float32().nbytes)()
        mean = latency.mean_ms
        self.metrics = {
            "parameter_count": int(count),
            "model_size_mb": size / (1 << 20),
            "accuracy": accuracy,
            "latency_ms_mean": mean,
            "latency_ms_std": latency.std_ms,
            "throughput_samples_per_sec": 1e3 / mean,
        }
        return self.metrics


POSITIVE = ("latency_ms_mean", "model_size_mb")


def improvement_metrics(baseline, optimized):
    for section, metrics in (("baseline", baseline), ("optimized", optimized)):
        for key in (*POSITIVE, "accuracy"):
            value = metrics.get(key, math.nan)
            if not math.isfinite(value) or (key in POSITIVE and value <= 0):
                raise ValueError(f"{section}.metrics.{key}: {value} cannot be compared")
    speedup, ratio = (float(baseline[key] / optimized[key]) for key in POSITIVE)
    delta = float(optimized["accuracy"] - baseline["accuracy"])
    return {"speedup": speedup, "compression_ratio": ratio, "accuracy_delta": delta}


def generate_submission(
    baseline_report,
    optimized_report=None,
    student_name=None,
    techniques_applied=None,
    comparison=None,
):
    def section(report):
        return {"model_name": report.model_name, "metrics": {**report.metrics}}

    head = {
        "tinytorch_version": "0.1.0",
        "submission_type": "capstone_benchmark",
        "timestamp": baseline_report.timestamp,
        "system_info": {**baseline_report.system_info},
    }
    name = {"student_name": student_name} if student_name else {}
    body = {"baseline": section(baseline_report)}
    if optimized_report is None:
        return head | name | body
    techniques = {"techniques_applied": [*(techniques_applied or ())]}
    gained = improvement_metrics(baseline_report.metrics, optimized_report.metrics)
    return (
        head
        | name
        | body
        | {"optimized": section(optimized_report) | techniques}
        | {"improvements": gained | (comparison or {})}
    )


def save_submission(submission, filepath):
    # Encoding comes first, so a figure that JSON cannot hold never opens the file.
    encoded = json.dumps(submission, indent=4, allow_nan=False).encode("ascii")
    with open(filepath, "wb") as file:
        file.write(encoded)
    return filepath


def load_submission(filepath):
    with open(filepath, "rb") as file:
        return json.load(file)


def number(value):
    return type(value) in (int, float) and math.isfinite(value)


def text(value):
    return isinstance(value, str) and value != ""


def above_zero(value):
    return number(value) and value > 0


METRIC_RULES = {
    "parameter_count": lambda value: type(value) is int and value > 0,
    "model_size_mb": above_zero,
    "accuracy": lambda value: number(value) and 0 <= value <= 1,
    "latency_ms_mean": above_zero,
    "latency_ms_std": lambda value: number(value) and value >= 0,
    "throughput_samples_per_sec": above_zero,
}


def rules_for(submission):
    yield "tinytorch_version", text
    yield "submission_type", lambda value: value == "capstone_benchmark"
    yield "timestamp", is_date
    for key in ("platform", "python_version", "numpy_version"):
        yield f"system_info.{key}", text
    both = "optimized" in submission or "improvements" in submission
    for section in ("baseline", "optimized") if both else ("baseline",):
        yield f"{section}.model_name", text
        for key, rule in METRIC_RULES.items():
            yield f"{section}.metrics.{key}", rule
    if both:
        yield "improvements.speedup", above_zero
        yield "improvements.compression_ratio", above_zero
        yield "improvements.accuracy_delta", number


def is_date(value):
    try:
        return bool(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))
    except (TypeError, ValueError):
        return False


def at(submission, field):
    return reduce(lambda value, key: (value or {}).get(key), field.split("."), submission)


def validate_submission(submission):
    problems = [
        f"{field}: {at(submission, field)!r} is missing or not allowed"
        for field, rule in rules_for(submission)
        if not rule(at(submission, field))
    ]
    return problems or contradictions(submission)


def contradictions(submission):
    derived = {}
    for section in {"baseline", "optimized"} & submission.keys():
        mean = at(submission, f"{section}.metrics.latency_ms_mean")
        derived[f"{section}.metrics.throughput_samples_per_sec"] = 1000 / mean
    if "optimized" in submission:
        gained = improvement_metrics(
            submission["baseline"]["metrics"], submission["optimized"]["metrics"]
        )
        derived |= {f"improvements.{key}": value for key, value in gained.items()}
    problems = [
        f"{field}: should be {value}"
        for field, value in derived.items()
        if not math.isclose(at(submission, field), value, **allowed(field))
    ]
    gained = submission.get("improvements", {})
    low, high = gained.get("speedup_ci95", (0, math.inf))
    if not low <= gained.get("speedup_paired", low) <= high:
        problems.append("improvements.speedup_ci95: does not hold speedup_paired")
    return problems


def allowed(field):
    if "throughput" in field:
        return {"rel_tol": 1e-3}
    return {"rel_tol": 0, "abs_tol": 1e-9 if "accuracy" in field else 0.005}


def benchmark_pair(
    baseline_report,
    optimized_report,
    baseline_model,
    optimized_model,
    X_test,
    y_test,
    num_pairs=300,
    seed=None,
):
    row = X_test[0:1]
    models = (baseline_model, optimized_model)
    result = compare_latency(
        *[lambda model=model: model.forward(row) for model in models],
        num_pairs=num_pairs,
        seed=seed,
        self_check=False,
    )
    reports = (baseline_report, optimized_report)
    latencies = (result.baseline, result.candidate)
    for report, model, latency in zip(reports, models, latencies, strict=True):
        report.record(model, classification_accuracy(model, X_test, y_test), latency)
    return {
        "speedup_paired": result.speedup,
        "speedup_ci95": [result.ci_low, result.ci_high],
        "speedup_verdict": result.verdict,
        "num_pairs": result.num_pairs,
        "contended": result.contended,
    }


def run_optimization_workflow_example(filepath="optimization_submission.json", show=print):
    digits = load_digits()
    X_test, y_test = Tensor(digits.X_test), digits.y_test
    models = [SimpleMLP(64, hidden, 10) for hidden in (100, 10)]
    for model in models:
        train(model, digits.X_train, digits.y_train, epochs=6)
    reports = [BenchmarkReport("wide"), BenchmarkReport("narrow")]
    comparison = benchmark_pair(*reports, *models, X_test, y_test, num_pairs=50)
    submission = generate_submission(
        *reports, techniques_applied=["architecture_search"], comparison=comparison
    )
    show(str(submission["improvements"]))
    save_submission(submission, filepath)
    return submission
