"""Own blocks of calls that grow with the clock, own sign-test interval, pruned units cut off."""

import platform

from tinytorch.core.layers import Sequential

CLOCK = time.perf_counter_ns
LIMITS = {
    "model_size_mb": (0, math.inf, False),
    "accuracy": (0, 1, True),
    "latency_ms_mean": (0, math.inf, False),
    "latency_ms_std": (0, math.inf, True),
    "throughput_samples_per_sec": (0, math.inf, False),
}


class SimpleMLP(Module):
    def __init__(self, input_size=10, hidden_size=20, output_size=3):
        super().__init__()
        self.net = Sequential(
            Linear(input_size, hidden_size), ReLU(), Linear(hidden_size, output_size)
        )

    def forward(self, x):
        return self.net(x)


def classification_accuracy(model, X_test, y_test):
    scores = np.array(model.forward(X_test).data)
    labels = np.array(y_test, dtype=int)
    right = [scores[i].argmax() == labels[i] for i in range(labels.shape[0])]
    return float(np.average(right))


def calls_for_a_block(function, wanted_ns=200_000):
    """Double the calls until a block lasts long beside a reading of the clock."""
    calls = 1
    while calls < 4096:
        start = CLOCK()
        for _ in range(calls):
            function()
        if CLOCK() - start >= wanted_ns:
            break
        calls *= 2
    return calls


def block_ms(function, calls):
    start = CLOCK()
    for _ in range(calls):
        function()
    return (CLOCK() - start) / calls * 1e-6


class BenchmarkReport:
    def __init__(self, model_name="model"):
        self.model_name, self.metrics = model_name, {}
        self.system_info = self._get_system_info()
        self.timestamp = time.strftime("%F %T")

    def _get_system_info(self):
        info = system_info()
        return {key: info[key] for key in ("platform", "python_version", "numpy_version", "cpu")}

    def benchmark_model(self, model, X_test, y_test, num_runs=100):
        first_row = X_test[:1]

        def call():
            model.forward(first_row)

        calls = calls_for_a_block(call)
        samples = np.array([block_ms(call, calls) for _ in range(num_runs)])
        return self.store(model, classification_accuracy(model, X_test, y_test), samples)

    def store(self, model, accuracy, samples):
        count = int(model.count_parameters())
        size = model.size_bytes() if callable(getattr(model, "size_bytes", None)) else count * 4
        self.metrics = {
            "parameter_count": count,
            "model_size_mb": size / 1024**2,
            "accuracy": accuracy,
            "latency_ms_mean": samples.mean().item(),
            "latency_ms_std": samples.std(ddof=1).item(),
            "throughput_samples_per_sec": (1000 / samples.mean()).item(),
        }
        return self.metrics


def improvement_metrics(baseline, optimized):
    def get(side, key):
        figures = {"baseline": baseline, "optimized": optimized}[side]
        try:
            value = float(figures[key])
        except Exception as error:
            raise ValueError(f"{side}.metrics.{key} cannot be read: {error}") from error
        if math.isnan(value) or math.isinf(value):
            raise ValueError(f"{side}.metrics.{key} is {value}")
        return value

    def ratio(key):
        for side in ("baseline", "optimized"):
            if get(side, key) <= 0:
                raise ValueError(f"{side}.metrics.{key} must be above 0")
        return get("baseline", key) / get("optimized", key)

    return {
        "speedup": ratio("latency_ms_mean"),
        "compression_ratio": ratio("model_size_mb"),
        "accuracy_delta": get("optimized", "accuracy") - get("baseline", "accuracy"),
    }


def generate_submission(
    baseline_report,
    optimized_report=None,
    student_name=None,
    techniques_applied=None,
    comparison=None,
):
    result = {"tinytorch_version": "0.1.0", "submission_type": "capstone_benchmark"}
    result["timestamp"] = baseline_report.timestamp
    result["system_info"] = json.loads(json.dumps(baseline_report.system_info))
    if student_name:
        result["student_name"] = student_name
    result["baseline"] = {}
    result["baseline"]["model_name"] = baseline_report.model_name
    result["baseline"]["metrics"] = dict(baseline_report.metrics.items())
    if optimized_report is None:
        return result
    result["optimized"] = {}
    result["optimized"]["model_name"] = optimized_report.model_name
    result["optimized"]["metrics"] = dict(optimized_report.metrics.items())
    result["optimized"]["techniques_applied"] = []
    for technique in techniques_applied or []:
        result["optimized"]["techniques_applied"].append(technique)
    result["improvements"] = improvement_metrics(
        result["baseline"]["metrics"], result["optimized"]["metrics"]
    )
    for key in comparison or {}:
        result["improvements"][key] = comparison[key]
    return result


def save_submission(submission, filepath):
    lines = json.dumps(submission, indent=2, ensure_ascii=False, allow_nan=False).splitlines(True)
    handle, name = tempfile.mkstemp(dir=os.path.dirname(str(filepath)) or ".", text=True)
    with open(handle, "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.rename(name, filepath)
    return str(filepath)


def load_submission(filepath):
    with Path(filepath).open(encoding="utf-8") as file:
        return json.loads(file.read(), object_pairs_hook=dict)


def validate_submission(submission):
    problems = []
    needed = ("tinytorch_version", "submission_type", "timestamp", "system_info", "baseline")
    problems += [f"{key}: missing" for key in needed if key not in submission]
    if submission.get("submission_type") != "capstone_benchmark":
        problems.append("submission_type: must be capstone_benchmark")
    try:
        datetime.strptime(str(submission.get("timestamp")), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        problems.append("timestamp: no such date")
    for key in ("platform", "python_version", "numpy_version"):
        if not isinstance((submission.get("system_info") or {}).get(key), str):
            problems.append(f"system_info.{key}: missing")
    for side in ("baseline", "optimized"):
        if side in submission:
            check_side(side, submission[side], problems)
    if ("optimized" in submission) != ("improvements" in submission):
        problems.append("improvements: optimized and improvements go together")
    if "optimized" in submission and not problems:
        due = improvement_metrics(
            submission["baseline"]["metrics"], submission["optimized"]["metrics"]
        )
        for key, value in due.items():
            claimed = submission["improvements"].get(key)
            slack = 1e-9 if key == "accuracy_delta" else 0.005
            if claimed is None or not abs(claimed - value) <= slack:
                problems.append(f"improvements.{key}: {claimed} is not {value}")
        low, high = submission["improvements"].get("speedup_ci95", [0, math.inf])
        if not low <= submission["improvements"].get("speedup_paired", low) <= high:
            problems.append("improvements.speedup_ci95: speedup_paired is not within it")
    return problems


def check_side(side, section, problems):
    if not isinstance(section.get("model_name"), str):
        problems.append(f"{side}.model_name: missing")
    metrics = section.get("metrics")
    if not isinstance(metrics, dict):
        problems.append(f"{side}.metrics: missing")
        return
    count = metrics.get("parameter_count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        problems.append(f"{side}.metrics.parameter_count: {count!r}")
    before = len(problems)
    for key, (low, high, touching) in LIMITS.items():
        value = metrics.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            problems.append(f"{side}.metrics.{key}: {value!r} is no number")
        elif not low <= value <= high or (value == low and not touching) or math.isinf(value):
            problems.append(f"{side}.metrics.{key}: {value!r} is out of range")
    if len(problems) == before:
        expected = 1000 / metrics["latency_ms_mean"]
        if not math.isclose(metrics["throughput_samples_per_sec"], expected, rel_tol=1e-3):
            problems.append(f"{side}.metrics.throughput_samples_per_sec: expected {expected}")


def sign_test_ranks(count):
    """The ends of the 95 % interval of a median, as places in the sorted values."""
    below, tail = 0, 0.5**count
    while tail + math.comb(count, below + 1) * 0.5**count <= 0.025:
        below += 1
        tail += math.comb(count, below) * 0.5**count
    return below, count - 1 - below


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
    rng = np.random.default_rng(seed)
    first_row = X_test[:1]
    calls = [
        lambda: baseline_model.forward(first_row),
        lambda: optimized_model.forward(first_row),
    ]
    blocks = [calls_for_a_block(call) for call in calls]
    samples = np.empty((num_pairs, 2))
    for i in range(num_pairs):
        for arm in rng.permutation(2):
            samples[i, arm] = block_ms(calls[arm], blocks[arm])
    for report, model, column in (
        (baseline_report, baseline_model, 0),
        (optimized_report, optimized_model, 1),
    ):
        accuracy = classification_accuracy(model, X_test, y_test)
        report.store(model, accuracy, samples[:, column])
    ratios = np.sort(samples[:, 0] / samples[:, 1])
    low, high = (float(ratios[rank]) for rank in sign_test_ranks(num_pairs))
    verdict = "faster" if low > 1.02 else "slower" if high < 1 / 1.02 else "not resolved"
    return {
        "speedup_paired": float(np.median(ratios)),
        "speedup_ci95": [low, high],
        "speedup_verdict": verdict,
        "num_pairs": num_pairs,
        "contended": False,
    }


def without_weakest_units(model, keep):
    """A smaller network: the hidden units with the strongest outgoing weights, as trained."""
    first, _, second = model.net
    strength = np.abs(second.weight.data).sum(axis=1)
    kept = np.sort(np.argsort(strength)[-keep:])
    smaller = SimpleMLP(first.in_features, keep, second.out_features)
    new_first, _, new_second = smaller.net
    new_first.weight.data[:] = first.weight.data[:, kept]
    new_first.bias.data[:] = first.bias.data[kept]
    new_second.weight.data[:] = second.weight.data[kept]
    new_second.bias.data[:] = second.bias.data
    return smaller


def run_optimization_workflow_example(filepath="optimization_submission.json", show=print):
    digits = load_digits()
    manual_seed(2)
    full = SimpleMLP(64, 64, 10)
    train(full, digits.X_train, digits.y_train, epochs=8)
    pruned = without_weakest_units(full, keep=40)
    before, after = BenchmarkReport("full"), BenchmarkReport("pruned")
    comparison = benchmark_pair(
        before, after, full, pruned, Tensor(digits.X_test), digits.y_test, num_pairs=80
    )
    submission = generate_submission(
        before, after, techniques_applied=["structured_pruning"], comparison=comparison
    )
    show(f"on {platform.node()}: {comparison['speedup_verdict']}")
    save_submission(submission, filepath)
    return submission
