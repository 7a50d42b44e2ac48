"""Laws of `Benchmark` and `BenchmarkSuite`: measured, paired, compared fairly, never made up."""

import gc

import matplotlib as mpl
import numpy as np
import pytest

from tinytorch.benchmarking import Benchmark, BenchmarkSuite, plot_pareto_frontier, plot_results
from tinytorch.benchmarking.examples import labelled_examples, named_models
from tinytorch.core.autograd import is_grad_enabled
from tinytorch.core.data import TensorDataset
from tinytorch.core.dropout import Dropout
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor
from tinytorch.datasets import load_digits

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = np.arange(60) % 3
DATA = [(X, Y)]


NOW_NS = [0]


def clock():
    """A clock in software, which only models that take their time move."""
    return NOW_NS[0]


class Given(Module):
    """Answers with the labels, the first `wrong` of them replaced, after `ms` by the clock."""

    def __init__(self, wrong=0, ms=1.0):
        self.answers = {
            tuple(x): (y + (i < wrong)) % 3 for i, (x, y) in enumerate(zip(X, Y, strict=True))
        }
        self.ms = ms

    def forward(self, x):
        NOW_NS[0] += int(self.ms * 1e6)
        return Tensor(np.eye(3)[[self.answers[tuple(row)] for row in x.data]])


@pytest.fixture(autouse=True)
def _no_windows():
    mpl.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_latencies_are_paired_by_round_and_in_milliseconds():
    benchmark = Benchmark({"a": Given(ms=1.5), "b": Given(ms=2)}, DATA, 1, 8, clock_ns=clock)
    results = benchmark.run_latency_benchmark()
    assert results["a"].values.tolist() == [1.5] * 8
    assert results["b"].values.tolist() == [2.0] * 8
    assert results["b"].unit == "ms"
    assert benchmark.results["latency"] is results


def test_comparison_is_with_the_first_model():
    """The speedup is baseline / model, and a difference below the floor is not claimed."""
    times_ms = {"base": 2.0, "heavy": 3.0, "light": 0.5, "alike": 1.98}
    models = {name: Given(ms=ms) for name, ms in times_ms.items()}
    rows = Benchmark(models, DATA, 2, 40, clock_ns=clock).compare_models("latency")
    verdicts = [row["verdict"] for row in rows]
    assert verdicts == ["baseline", "slower", "faster", "not resolved"]
    for row in rows:
        expected = pytest.approx(2.0 / times_ms[row["model"]])
        assert (row["speedup"], row["speedup_lower"], row["speedup_upper"]) == (expected,) * 3


@pytest.mark.slow
def test_a_model_against_itself_claims_nothing():
    """On this machine, under two names: claims in at most 5 % of 40 comparisons, up to chance."""
    model = Sequential(Linear(4, 16), Linear(16, 3))
    claims = 0
    for seed in range(40):
        rows = Benchmark({"a": model, "b": model}, DATA, 5, 60, seed=seed).compare_models()
        claims += rows[1]["verdict"] != "not resolved"
    assert claims <= 8  # of 40 at 5 %: exceeded once in 20 000


def test_accuracy_is_counted_over_every_example_of_every_data_set():
    benchmark = Benchmark({"a": Given(wrong=6)}, [(X, Y), (X[:30], Y[:30])])
    result = benchmark.run_accuracy_benchmark()["a"]
    assert result.count == 90
    assert result.value == pytest.approx(78 / 90)
    assert result.metadata["by_dataset"] == [0.9, 0.8]
    assert result.ci_lower < result.value < result.ci_upper


def test_accuracies_are_compared_on_the_examples_that_differ():
    models = {"right": Given(), "hardly": Given(wrong=1), "worse": Given(wrong=20)}
    right, hardly, worse = Benchmark(models, DATA).compare_models("accuracy")
    assert right["verdict"] == "baseline"
    assert hardly["change"] == pytest.approx(-1 / 60)
    assert hardly["verdict"] == "not resolved"
    assert worse["change"] == pytest.approx(-1 / 3)
    assert worse["verdict"] == "worse"
    swapped = Benchmark({"worse": Given(wrong=20), "right": Given()}, DATA)
    assert swapped.compare_models("accuracy")[1]["verdict"] == "better"


def test_memory_is_what_is_held_and_what_a_pass_allocates():
    """A layer of known size and temporaries of known size, counted to within a few KB."""

    class Hungry(Module):
        def __init__(self, kilobytes):
            self.weight = Tensor(np.ones(1024, dtype=np.float32), requires_grad=True)
            self.kilobytes = kilobytes

        def forward(self, x):
            np.ones(self.kilobytes * 256, dtype=np.float32)
            return x

    models = {"small": Hungry(100), "large": Hungry(400)}
    benchmark = Benchmark(models, DATA)
    small, large = benchmark.run_memory_benchmark().values()
    assert small.value * 1024 == pytest.approx(104, abs=4)
    assert large.value * 1024 == pytest.approx(404, abs=4)
    assert small.metadata["parameter_memory_mb"] == 4096 / 2**20
    rows = benchmark.compare_models("memory")
    assert rows[1]["reduction"] == pytest.approx(104 / 404, rel=0.02)
    assert rows[1]["verdict"] == "larger"
    assert rows[0]["verdict"] == "baseline"


def test_models_run_as_in_use_and_are_left_as_they_were():
    seen = []

    class Watching(Given):
        def forward(self, x):
            seen.append((self.training, is_grad_enabled()))
            return super().forward(x)

    model = Watching()
    model.dropout = Dropout(0.5).eval()
    benchmark = Benchmark({"a": model}, DATA, 1, 6)
    benchmark.run_latency_benchmark()
    benchmark.run_accuracy_benchmark()
    benchmark.run_memory_benchmark()
    assert set(seen) == {(False, False)}
    assert (model.training, model.dropout.training, is_grad_enabled()) == (True, False, True)
    assert gc.isenabled()


def test_a_model_that_fails_has_no_accuracy():
    """Nothing takes the place of predictions that were not made, and modes are restored."""

    class Failing(Given):
        def forward(self, x):
            raise ZeroDivisionError("the model failed")

    class Nan(Given):
        def forward(self, x):
            return Tensor(np.full((x.shape[0], 3), np.nan))

    class Flat(Given):
        def forward(self, x):
            return Tensor(np.ones(x.shape[0]))

    failing = Failing()
    with pytest.raises(ZeroDivisionError, match="the model failed"):
        Benchmark({"a": failing}, DATA).run_accuracy_benchmark()
    assert failing.training
    with pytest.raises(ValueError, match="gave NaN"):
        Benchmark({"a": Nan()}, DATA).run_accuracy_benchmark()
    with pytest.raises(ValueError, match=r"Expected scores \(B, classes\)"):
        Benchmark({"a": Flat()}, DATA).run_accuracy_benchmark()


def test_inputs_are_rotated():
    """A model that remembers its last input gains nothing by it."""
    rows = set()

    class Watching(Given):
        def forward(self, x):
            rows.add(tuple(x.data[0]))
            return super().forward(x)

    Benchmark({"a": Watching()}, DATA, 1, 6).run_latency_benchmark()
    assert len(rows) == 16


@pytest.mark.parametrize("batch_size", [1, 7, 60])
def test_the_batch_is_what_is_asked_for(batch_size):
    shapes = set()

    class Watching(Given):
        def forward(self, x):
            shapes.add(x.shape)
            return super().forward(x)

    benchmark = Benchmark({"a": Watching()}, DATA, 1, 2, batch_size=batch_size)
    result = benchmark.run_latency_benchmark()["a"]
    assert shapes == {(batch_size, 4)}
    assert result.metadata["batch_size"] == batch_size


def test_data_sets_come_in_several_forms():
    pairs = TensorDataset(X, Y)
    for inputs, labels in (labelled_examples((X, Y)), labelled_examples(pairs)):
        assert np.array_equal(inputs, X)
        assert np.array_equal(labels, Y)
    digits = load_digits()
    assert labelled_examples(digits)[0].shape == (360, 64)
    assert len(labelled_examples((Tensor(X), Y.tolist()))[1]) == 60


@pytest.mark.parametrize(
    ("dataset", "error"),
    [
        ((X, Y[:5]), ValueError),
        ((X[:0], Y[:0]), ValueError),
        ((X, Y + 0.5), ValueError),
        (5, TypeError),
        ([1, 2], TypeError),
        ([], TypeError),
    ],
)
def test_data_that_do_not_fit_are_refused(dataset, error):
    with pytest.raises(error, match=r"label|data set|Labels"):
        labelled_examples(dataset)


def test_models_are_named_by_key_by_name_or_by_place():
    class Named(Given):
        name = "ada"

    assert list(named_models([Given(), Named(), Given()])) == ["model_0", "ada", "model_2"]
    with pytest.raises(ValueError, match="Two models are named 'ada'"):
        named_models([Named(), Named()])
    with pytest.raises(TypeError, match="has no method forward"):
        named_models({"a": 5})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": {}}, "at least one model"),
        ({"datasets": []}, "at least one data set"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_benchmarks_without_sense_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        Benchmark(**({"models": {"a": Given()}, "datasets": DATA} | arguments))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="must be one of latency, accuracy, memory"):
        Benchmark({"a": Given()}, DATA).compare_models("energy")
    with pytest.raises(ValueError, match="needs as many rows"):
        Benchmark({"a": Given()}, DATA, batch_size=61).run_latency_benchmark()
    with pytest.raises(ValueError, match="too few"):
        Benchmark({"a": Given(), "b": Given()}, DATA, 1, 5).compare_models()


def test_the_suite_measures_plots_and_reports(tmp_path):
    models = {"base": Given(wrong=3, ms=5), "light": Given(wrong=9)}
    suite = BenchmarkSuite(models, DATA, 2, 70, seed=0, output_dir=tmp_path / "out")
    with pytest.raises(ValueError, match="no result for 'latency'"):
        suite.plot_pareto_frontier()
    results = suite.run_full_benchmark()
    assert list(results) == ["latency", "accuracy", "memory"]
    suite.plot_results()
    suite.plot_pareto_frontier()
    suite.plot_pareto_frontier("memory", "accuracy")
    report = suite.generate_report()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "pareto_latency_accuracy.png",
        "pareto_memory_accuracy.png",
        "report.md",
        "results.png",
    ]
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8") == report
    for word in ("speedup", "change", "reduction", "baseline", "p90", "outliers", "numpy_version"):
        assert word in report
    assert "| light |" in report


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = BenchmarkSuite({"a": Given()}, DATA, 1, 6)
    assert suite.generate_report().startswith("# Benchmark report")
    suite.plot_results()
    assert list(tmp_path.iterdir()) == []


def test_the_plots_show_what_was_measured():
    models = {"base": Given(wrong=3, ms=1), "light": Given(9, ms=0.5), "bad": Given(30, ms=2)}
    benchmark = Benchmark(models, DATA, 2, 20, clock_ns=clock)
    latency, accuracy = benchmark.run_latency_benchmark(), benchmark.run_accuracy_benchmark()
    figure = plot_results({"latency": latency, "accuracy": accuracy})
    assert [axis.get_xlabel() for axis in figure.axes] == ["latency (ms)", "accuracy"]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["base", "light", "bad"]
    frontier = plot_pareto_frontier(latency, accuracy).axes[0]
    line = max(frontier.lines, key=lambda each: len(each.get_xdata()))
    expected = sorted((latency[name].value, accuracy[name].value) for name in ("base", "light"))
    assert list(zip(*line.get_data(), strict=True)) == expected


def test_plots_of_nothing_are_refused():
    benchmark = Benchmark({"a": Given()}, DATA)
    accuracy = benchmark.run_accuracy_benchmark()
    with pytest.raises(ValueError, match="no results"):
        plot_results({})
    with pytest.raises(ValueError, match="same models"):
        plot_pareto_frontier(accuracy, {})
