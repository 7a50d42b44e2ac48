"""The report as a dataclass that knows its own section of the submission; pathlib throughout."""

import platform
from dataclasses import asdict, dataclass, field

from jsonschema import Draft202012Validator


class SimpleMLP(Module):
    def __init__(self, input_size=10, hidden_size=20, output_size=3):
        super().__init__()
        self.layers = [Linear(input_size, hidden_size), ReLU(), Linear(hidden_size, output_size)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def classification_accuracy(model, X_test, y_test):
    scores = model.forward(X_test).data
    hits = sum(int(np.argmax(row)) == int(label) for row, label in zip(scores, y_test, strict=True))
    return hits / len(scores)


@dataclass(frozen=True)
class Metrics:
    parameter_count: int
    model_size_mb: float
    accuracy: float
    latency_ms_mean: float
    latency_ms_std: float
    throughput_samples_per_sec: float

    @classmethod
    def of(cls, model, accuracy, latency):
        count = int(model.count_parameters())
        size = model.size_bytes() if hasattr(model, "size_bytes") else 4 * count
        mean, std = latency.mean_ms, latency.std_ms
        return cls(count, size / 1024 / 1024, float(accuracy), mean, std, 1000 / mean)


def describe_machine():
    return {
        "platform": platform.platform(),
        "python_version": platform.python_version(),
        "numpy_version": str(np.__version__),
        "cpu_count": os.cpu_count(),
    }


@dataclass
class BenchmarkReport:
    model_name: str = "model"
    metrics: dict = field(default_factory=dict)
    system_info: dict = field(default_factory=describe_machine)
    timestamp: str = field(
        default_factory=lambda: datetime.now().replace(microsecond=0).isoformat(sep=" ")
    )

    def benchmark_model(self, model, X_test, y_test, num_runs=100):
        accuracy = classification_accuracy(model, X_test, y_test)
        sample = X_test[:1]
        latency = measure_latency(lambda: model.forward(sample), num_samples=num_runs)
        return self.record(model, accuracy, latency)

    def record(self, model, accuracy, latency):
        self.metrics = asdict(Metrics.of(model, accuracy, latency))
        return dict(self.metrics)

    def section(self):
        return {"model_name": self.model_name, "metrics": dict(self.metrics)}


class Improvement:
    """One figure of two models, asked for by name."""

    def __init__(self, baseline, optimized):
        self.sides = {"baseline": baseline, "optimized": optimized}

    def pair(self, key, positive):
        values = []
        for side, metrics in self.sides.items():
            if key not in metrics:
                raise ValueError(f"{side}.metrics.{key} is missing")
            value = float(metrics[key])
            if not math.isfinite(value) or (positive and not value > 0):
                raise ValueError(f"{side}.metrics.{key} is {value}")
            values.append(value)
        return values

    def ratio(self, key):
        before, after = self.pair(key, positive=True)
        return before / after

    def difference(self, key):
        before, after = self.pair(key, positive=False)
        return after - before


def improvement_metrics(baseline, optimized):
    gained = Improvement(baseline, optimized)
    return {
        "accuracy_delta": gained.difference("accuracy"),
        "compression_ratio": gained.ratio("model_size_mb"),
        "speedup": gained.ratio("latency_ms_mean"),
    }


def generate_submission(
    baseline_report,
    optimized_report=None,
    student_name=None,
    techniques_applied=None,
    comparison=None,
):
    submission = {
        "tinytorch_version": "0.1.0",
        "submission_type": "capstone_benchmark",
        "timestamp": baseline_report.timestamp,
        "system_info": dict(baseline_report.system_info),
    }
    if student_name is not None:
        submission.update(student_name=student_name)
    submission["baseline"] = baseline_report.section()
    if optimized_report is not None:
        submission["optimized"] = optimized_report.section()
        submission["optimized"]["techniques_applied"] = list(techniques_applied or [])
        gained = improvement_metrics(baseline_report.metrics, optimized_report.metrics)
        gained.update(comparison or {})
        submission["improvements"] = gained
    return submission


def save_submission(submission, filepath):
    text = json.dumps(submission, indent=2, ensure_ascii=False, allow_nan=False)
    target = Path(filepath)
    part = target.with_name(target.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
    return filepath


def load_submission(filepath):
    return json.loads(Path(filepath).read_bytes())


def validate_submission(submission):
    validator = Draft202012Validator(load_schema("capstone_submission"))
    errors = validator.iter_errors(submission)
    problems = [f"{error.json_path.removeprefix('$.')}: {error.message}" for error in errors]
    try:
        json.dumps(submission, allow_nan=False)
    except ValueError as error:
        problems.append(f"submission: {error}")
    if problems:
        return problems
    try:
        datetime.strptime(submission["timestamp"], "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        problems.append(f"timestamp: {error}")
    for side in ("baseline", "optimized"):
        if side in submission:
            metrics = submission[side]["metrics"]
            product = metrics["throughput_samples_per_sec"] * metrics["latency_ms_mean"]
            if abs(product - 1000) > 1:
                field = f"{side}.metrics.throughput_samples_per_sec"
                problems.append(f"{field}: times the latency it is {product}, not 1000")
    if "optimized" in submission:
        claimed = submission["improvements"]
        due = improvement_metrics(
            submission["baseline"]["metrics"], submission["optimized"]["metrics"]
        )
        problems += [
            f"improvements.{key}: claimed {claimed[key]}, recomputed {due[key]}"
            for key in due
            if abs(claimed[key] - due[key]) > (1e-9 if key == "accuracy_delta" else 0.005)
        ]
        if "speedup_ci95" in claimed and "speedup_paired" in claimed:
            low, high = claimed["speedup_ci95"]
            if not low <= claimed["speedup_paired"] <= high:
                problems.append(f"improvements.speedup_ci95: {low} to {high} misses the speedup")
    return problems


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
    sample = X_test[:1]
    result = compare_latency(
        lambda: baseline_model.forward(sample),
        lambda: optimized_model.forward(sample),
        num_pairs,
        seed=seed,
    )
    baseline_report.record(
        baseline_model, classification_accuracy(baseline_model, X_test, y_test), result.baseline
    )
    optimized_report.record(
        optimized_model, classification_accuracy(optimized_model, X_test, y_test), result.candidate
    )
    return {
        "speedup_paired": result.speedup,
        "speedup_ci95": [result.ci_low, result.ci_high],
        "speedup_verdict": result.verdict,
        "num_pairs": num_pairs,
        "contended": result.contended,
    }


def run_optimization_workflow_example(filepath="optimization_submission.json", show=print):
    digits = load_digits()
    manual_seed(3)
    arms = {}
    for name, hidden in (("hidden_64", 64), ("hidden_32", 32)):
        model = SimpleMLP(64, hidden, 10)
        train(model, digits.X_train, digits.y_train, epochs=5, lr=0.01)
        arms[name] = (BenchmarkReport(name), model)
    (before, large), (after, small) = arms.values()
    comparison = benchmark_pair(before, after, large, small, Tensor(digits.X_test), digits.y_test)
    submission = generate_submission(before, after, "Grace", ["smaller hidden layer"], comparison)
    save_submission(submission, filepath)
    show(f"saved {filepath}: {submission['improvements']}")
    return submission
