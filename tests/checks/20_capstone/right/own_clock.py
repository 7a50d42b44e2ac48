"""Single calls timed with perf_counter_ns and the statistics module; a bootstrap interval."""

import platform
import random
import statistics
from time import perf_counter_ns


class SimpleMLP(Module):
    def __init__(self, input_size=10, hidden_size=20, output_size=3):
        super().__init__()
        self.first = Linear(input_size, hidden_size)
        self.second = Linear(hidden_size, output_size)

    def forward(self, x):
        return self.second(self.first(x).relu())


def classification_accuracy(model, X_test, y_test):
    predicted = [max(range(len(row)), key=row.__getitem__) for row in model.forward(X_test).data]
    return statistics.fmean(p == y for p, y in zip(predicted, y_test, strict=True))


def time_once(model, row):
    start = perf_counter_ns()
    model.forward(row)
    return (perf_counter_ns() - start) / 1e6


class BenchmarkReport:
    def __init__(self, model_name="model"):
        self.model_name = model_name
        self.metrics = {}
        self.system_info = self._get_system_info()
        self.timestamp = datetime.now().strftime("%Y-%m-%d %H:%M:%S")

    def _get_system_info(self):
        return {
            "platform": f"{platform.system()}-{platform.release()}-{platform.machine()}",
            "python_version": platform.python_version(),
            "numpy_version": np.__version__,
        }

    def benchmark_model(self, model, X_test, y_test, num_runs=100):
        row = X_test[:1]
        for _ in range(3):
            model.forward(row)
        timings = [time_once(model, row) for _ in range(num_runs)]
        return self.fill(model, X_test, y_test, timings)

    def fill(self, model, X_test, y_test, timings):
        count = model.count_parameters()
        try:
            held = model.size_bytes()
        except AttributeError:
            held = 4 * count
        mean = statistics.fmean(timings)
        self.metrics.clear()
        self.metrics.update(
            {
                "parameter_count": count,
                "model_size_mb": held / 1_048_576,
                "accuracy": classification_accuracy(model, X_test, y_test),
                "latency_ms_mean": mean,
                "latency_ms_std": statistics.stdev(timings),
                "throughput_samples_per_sec": 1 / (mean / 1000),
                "latency_ms_p50": statistics.median(timings),
                "latency_samples": len(timings),
                "calls_per_sample": 1,
            }
        )
        return self.metrics


def improvement_metrics(baseline, optimized):
    pairs = {}
    for key in ("latency_ms_mean", "model_size_mb", "accuracy"):
        try:
            pairs[key] = (float(baseline[key]), float(optimized[key]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{key} is missing or no number") from error
        if not all(map(math.isfinite, pairs[key])):
            raise ValueError(f"{key} is not finite: {pairs[key]}")
        if key != "accuracy" and min(pairs[key]) <= 0:
            raise ValueError(f"{key} is not above zero: {pairs[key]}")
    (slow, fast), (large, small), (old, new) = pairs.values()
    return {"speedup": slow / fast, "compression_ratio": large / small, "accuracy_delta": new - old}


def generate_submission(
    baseline_report,
    optimized_report=None,
    student_name=None,
    techniques_applied=None,
    comparison=None,
):
    import copy

    submission = {
        "tinytorch_version": "0.1.0",
        "submission_type": "capstone_benchmark",
        "timestamp": baseline_report.timestamp,
        "system_info": baseline_report.system_info,
        "student_name": student_name,
        "baseline": {
            "model_name": baseline_report.model_name,
            "metrics": baseline_report.metrics,
        },
        "optimized": None,
        "improvements": None,
    }
    if optimized_report is not None:
        submission["optimized"] = {
            "model_name": optimized_report.model_name,
            "metrics": optimized_report.metrics,
            "techniques_applied": techniques_applied or [],
        }
        submission["improvements"] = improvement_metrics(
            baseline_report.metrics, optimized_report.metrics
        )
        if comparison is not None:
            submission["improvements"].update(comparison)
    present = {key: value for key, value in submission.items() if value is not None}
    return copy.deepcopy(present)


def save_submission(submission, filepath):
    folder = os.path.dirname(os.path.abspath(filepath))
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, suffix=".tmp", delete=False
    ) as file:
        try:
            json.dump(submission, file, indent=3, allow_nan=False)
        except (TypeError, ValueError):
            os.remove(file.name)
            raise
    os.replace(file.name, filepath)
    return filepath


def load_submission(filepath):
    with open(filepath, encoding="utf-8") as file:
        loaded = json.load(file)
    if not isinstance(loaded, dict):
        raise ValueError(f"{filepath} holds no object")
    return loaded


def validate_submission(submission):
    import jsonschema

    checker = jsonschema.Draft202012Validator(load_schema("capstone_submission"))
    problems = []
    for error in checker.iter_errors(submission):
        field = "submission"
        if error.absolute_path:
            field = ".".join(map(str, error.absolute_path))
        problems.append(f"{field}: {error.message}")
    text = json.dumps(submission)
    if "NaN" in text or "Infinity" in text:
        problems.append("submission: it holds a figure that is not finite")
    if not problems:
        problems.extend(recomputed(submission))
    return problems


def recomputed(submission):
    try:
        datetime.fromisoformat(submission["timestamp"])
    except ValueError:
        yield "timestamp: is no date"
    names = [name for name in ("baseline", "optimized") if name in submission]
    for name in names:
        metrics = submission[name]["metrics"]
        off = metrics["latency_ms_mean"] * metrics["throughput_samples_per_sec"] / 1000 - 1
        if abs(off) > 0.001:
            yield f"{name}.metrics.throughput_samples_per_sec: off by {off:.1%}"
    if len(names) == 2:
        claimed = submission["improvements"]
        due = improvement_metrics(*(submission[name]["metrics"] for name in names))
        for key, slack in (("speedup", 0.005), ("compression_ratio", 0.005), ("accuracy_delta", 0)):
            if not np.isclose(claimed[key], due[key], rtol=0, atol=slack + 1e-9):
                yield f"improvements.{key}: should be {due[key]}"
        ends = [*claimed.get("speedup_ci95", []), claimed.get("speedup_paired", 1)]
        if len(ends) == 3 and statistics.median(ends) != ends[2]:
            yield "improvements.speedup_ci95: lies beside speedup_paired"


def bootstrap_interval(log_ratios, rng, rounds=400):
    medians = sorted(
        statistics.median(rng.choices(log_ratios, k=len(log_ratios))) for _ in range(rounds)
    )
    cut = rounds // 40
    return math.exp(medians[cut]), math.exp(medians[-cut - 1])


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
    rng = random.Random(seed)
    row = X_test[:1]
    models = {"baseline": baseline_model, "optimized": optimized_model}
    timings = {name: [] for name in models}
    for model in models.values():
        model.forward(row)
    for _ in range(num_pairs):
        for name in rng.sample(list(models), 2):
            timings[name].append(time_once(models[name], row))
    baseline_report.fill(baseline_model, X_test, y_test, timings["baseline"])
    optimized_report.fill(optimized_model, X_test, y_test, timings["optimized"])
    log_ratios = [math.log(a / b) for a, b in zip(*timings.values(), strict=True)]
    low, high = bootstrap_interval(log_ratios, rng)
    verdict = "not resolved"
    if low > 1.02:
        verdict = "faster"
    elif high < 0.98:
        verdict = "slower"
    return {
        "speedup_paired": math.exp(statistics.median(log_ratios)),
        "speedup_ci95": [low, high],
        "speedup_verdict": verdict,
        "num_pairs": num_pairs,
        "contended": False,
    }


def run_optimization_workflow_example(filepath="optimization_submission.json", show=print):
    digits = load_digits()
    manual_seed(11)
    test = Tensor(digits.X_test), digits.y_test
    reports, models = [], []
    for hidden in (48, 12):
        models.append(SimpleMLP(64, hidden, 10))
        train(models[-1], digits.X_train, digits.y_train, epochs=8)
        reports.append(BenchmarkReport(f"hidden{hidden}"))
        show(f"{reports[-1].model_name}: {models[-1].count_parameters()} parameters")
    comparison = benchmark_pair(*reports, *models, *test, num_pairs=200, seed=1)
    submission = generate_submission(
        *reports, techniques_applied=["architecture_search"], comparison=comparison
    )
    save_submission(submission, filepath)
    return submission
