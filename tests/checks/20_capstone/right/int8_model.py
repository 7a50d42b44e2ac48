"""The second model of the workflow is the first with its weights rounded to single bytes."""

from contextlib import suppress
from itertools import chain
from platform import platform as platform_name
from platform import python_version


class SimpleMLP(Module):
    def __init__(self, input_size=10, hidden_size=20, output_size=3):
        self.hidden = Linear(input_size, hidden_size)
        self.output = Linear(hidden_size, output_size)
        self.activation = ReLU()

    def forward(self, x):
        return self.output(self.activation(self.hidden(x)))


class RoundedMLP:
    """A trained SimpleMLP with int8 weights, one scale for each of them, and float32 biases."""

    def __init__(self, model):
        self.layers = []
        for layer in (model.hidden, model.output):
            scale = float(np.abs(layer.weight.data).max()) / 127
            packed = np.round(layer.weight.data / scale).astype(np.int8)
            self.layers.append((packed, np.float32(scale), layer.bias.data.copy()))

    def forward(self, x):
        (w1, s1, b1), (w2, s2, b2) = self.layers
        hidden = np.maximum(x.data @ w1.astype(np.float32) * s1 + b1, 0)
        return Tensor(hidden @ w2.astype(np.float32) * s2 + b2)

    def count_parameters(self):
        return sum(packed.size + bias.size for packed, _, bias in self.layers)

    def size_bytes(self):
        return sum(array.nbytes for array in chain.from_iterable(self.layers))


def classification_accuracy(model, X_test, y_test):
    labels = np.asarray(y_test)
    ranked = np.argsort(-model.forward(X_test).data, axis=1, kind="stable")
    return float((ranked[:, 0] == labels).sum() / labels.size)


def bytes_held(model):
    with suppress(AttributeError):
        return model.size_bytes()
    return model.count_parameters() * 4


class BenchmarkReport:
    def __init__(self, model_name="model"):
        self.model_name = model_name
        self.timestamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        self.system_info = self._get_system_info()
        self._metrics = {}

    @property
    def metrics(self):
        return self._metrics

    @metrics.setter
    def metrics(self, figures):
        self._metrics = dict(figures)

    def _get_system_info(self):
        return {
            "platform": platform_name(),
            "python_version": python_version(),
            "numpy_version": np.__version__,
        }

    def benchmark_model(self, model, X_test, y_test, num_runs=100):
        sample = Tensor(X_test.data[:1].copy())

        def once():
            return model.forward(sample)

        measured = measure_latency(once, num_samples=num_runs, block_ms=0.1, warmup_blocks=5)
        return self.record(model, classification_accuracy(model, X_test, y_test), measured)

    def record(self, model, accuracy, latency):
        samples = latency.samples_ms
        mean = float(np.mean(samples))
        self.metrics = {
            "parameter_count": int(model.count_parameters()),
            "model_size_mb": bytes_held(model) / 2**20,
            "accuracy": accuracy,
            "latency_ms_mean": mean,
            "latency_ms_std": float(np.sqrt(np.mean((samples - mean) ** 2))),
            "throughput_samples_per_sec": 1000 / mean,
            "latency_samples": int(samples.size),
            "calls_per_sample": latency.calls_per_sample,
        }
        return self.metrics


def checked(metrics, key, section):
    value = metrics.get(key)
    if value is None or value != value or value in (math.inf, -math.inf):
        raise ValueError(f"{section}.metrics.{key} is not a finite number: {value}")
    if key != "accuracy" and value <= 0:
        raise ValueError(f"{section}.metrics.{key} must be above zero: {value}")
    return float(value)


def improvement_metrics(baseline, optimized):
    before = {key: checked(baseline, key, "baseline") for key in COMPARED}
    after = {key: checked(optimized, key, "optimized") for key in COMPARED}
    return {name: rule(before[key], after[key]) for key, (name, rule) in COMPARED.items()}


COMPARED = {
    "latency_ms_mean": ("speedup", lambda before, after: before / after),
    "model_size_mb": ("compression_ratio", lambda before, after: before / after),
    "accuracy": ("accuracy_delta", lambda before, after: after - before),
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
        "system_info": baseline_report.system_info.copy(),
    }
    reports = {"baseline": baseline_report, "optimized": optimized_report}
    for section, report in reports.items():
        if report is not None:
            submission[section] = {
                "model_name": report.model_name,
                "metrics": report.metrics.copy(),
            }
    if student_name:
        submission["student_name"] = student_name
    if optimized_report is not None:
        submission["optimized"]["techniques_applied"] = list(techniques_applied or [])
        submission["improvements"] = improvement_metrics(
            *(submission[section]["metrics"] for section in reports)
        )
        submission["improvements"] |= comparison or {}
    return submission


def save_submission(submission, filepath):
    refuse_not_finite(submission)
    pieces = json.JSONEncoder(indent=1, ensure_ascii=False, sort_keys=True).iterencode(submission)
    text = "".join(pieces).replace("\n ", "\n  ")
    Path(filepath).write_bytes(text.encode())
    return filepath


def refuse_not_finite(value, field=""):
    if isinstance(value, dict):
        for key, child in value.items():
            refuse_not_finite(child, f"{field}.{key}" if field else key)
    elif isinstance(value, (list, tuple)):
        for child in value:
            refuse_not_finite(child, field)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{field}: {value} is not finite")


def load_submission(filepath):
    return json.loads(Path(filepath).read_text("utf-8"))


def validate_submission(submission):
    from jsonschema.validators import validator_for

    try:
        refuse_not_finite(submission)
    except ValueError as error:
        return [str(error)]
    schema = load_schema("capstone_submission")
    errors = sorted(validator_for(schema)(schema).iter_errors(submission), key=str)
    if errors:
        places = [".".join(str(part) for part in error.absolute_path) for error in errors]
        return [
            f"{place or 'submission'}: {error.message}"
            for place, error in zip(places, errors, strict=True)
        ]
    # What the schema holds for sound is recomputed, and compared with what was handed in.
    redone = {}
    for section in ("baseline", "optimized"):
        if section in submission:
            metrics = submission[section]["metrics"]
            claimed = metrics["throughput_samples_per_sec"]
            due = 1000 / metrics["latency_ms_mean"]
            redone[f"{section}.metrics.throughput_samples_per_sec"] = (due, claimed, due / 1000)
    if "optimized" in submission:
        metrics = [submission[section]["metrics"] for section in ("baseline", "optimized")]
        for key, value in improvement_metrics(*metrics).items():
            slack = 1e-9 if key == "accuracy_delta" else 0.005
            redone[f"improvements.{key}"] = (value, submission["improvements"][key], slack)
    problems = [
        f"{name}: {claimed} should be {due}"
        for name, (due, claimed, slack) in redone.items()
        if abs(due - claimed) > slack
    ]
    paired = submission.get("improvements", {}).get("speedup_paired")
    interval = submission.get("improvements", {}).get("speedup_ci95")
    if paired and interval and not min(interval) <= paired <= max(interval):
        problems.append(f"improvements.speedup_ci95: {interval} does not hold {paired}")
    try:
        time.strptime(submission["timestamp"], "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        problems.append(f"timestamp: {error}")
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
    found = compare_latency(
        baseline=lambda: baseline_model.forward(sample),
        candidate=lambda: optimized_model.forward(sample),
        num_pairs=num_pairs,
        seed=seed,
    )
    both = [
        (baseline_report, baseline_model, found.baseline),
        (optimized_report, optimized_model, found.candidate),
    ]
    for report, model, latency in reversed(both):
        report.record(model, classification_accuracy(model, X_test, y_test), latency)
    return {
        "speedup_paired": found.speedup,
        "speedup_ci95": [found.ci_low, found.ci_high],
        "speedup_verdict": found.verdict,
        "num_pairs": found.num_pairs,
        "contended": found.contended,
    }


def run_optimization_workflow_example(filepath="optimization_submission.json", show=print):
    digits = load_digits()
    manual_seed(5)
    model = SimpleMLP(64, 32, 10)
    train(model, digits.X_train, digits.y_train, epochs=10)
    baseline, rounded = BenchmarkReport("float32"), BenchmarkReport("int8")
    comparison = benchmark_pair(
        baseline, rounded, model, RoundedMLP(model), Tensor(digits.X_test), digits.y_test
    )
    submission = generate_submission(
        baseline, rounded, techniques_applied=["quantization"], comparison=comparison
    )
    show(f"{submission['improvements']['compression_ratio']:.2f} times smaller")
    save_submission(submission, filepath)
    return submission
