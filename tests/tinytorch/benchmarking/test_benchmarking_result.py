"""Laws of `BenchmarkResult`, of the table, of the frontier and of the mean of ratios."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gmean

from tinytorch.benchmarking import (
    BenchmarkResult,
    geometric_mean,
    markdown_table,
    median_interval,
    pareto_frontier,
    proportion_interval,
)


def test_the_figures_are_those_of_numpy():
    values = np.random.default_rng(0).lognormal(size=701)
    result = BenchmarkResult("latency", values, unit="ms")
    assert result.mean == np.mean(values)
    assert result.std == np.std(values)
    assert result.median == result.value == np.median(values)
    assert (result.min, result.max, result.count) == (np.min(values), np.max(values), 701)
    assert (result.ci_lower, result.ci_upper) == median_interval(values)
    assert result.percentiles == {
        "p50": np.median(values),
        "p90": np.percentile(values, 90),
        "p99": np.percentile(values, 99),
    }


def test_the_interval_is_about_the_figure_reported():
    """Of right and wrong answers both are of the proportion, not of the median, which is 1."""
    right = [1.0] * 90 + [0.0] * 10
    result = BenchmarkResult("accuracy", right, interval_of="proportion")
    assert result.value == result.mean == 0.9
    assert result.interval == proportion_interval(90, 100)
    assert result.median == 1.0


@pytest.mark.parametrize(("count", "known"), [(1, False), (5, False), (6, True)])
def test_too_few_values_have_no_interval(count, known):
    """None, rather than one that covers less than it says."""
    result = BenchmarkResult("latency", np.arange(count) + 1.0)
    assert (result.ci_lower is not None) is known
    assert (result.to_dict()["ci_upper"] is not None) is known
    assert ("too few" in result.describe()) is not known


@pytest.mark.parametrize(("q", "least"), [(90, 64), (99, 662)])
def test_a_percentile_needs_enough_values(q, least):
    assert BenchmarkResult("latency", np.arange(least - 1.0)).percentile(q) is None
    assert BenchmarkResult("latency", np.arange(float(least))).percentile(q) is not None


def test_to_dict_is_plain_and_survives_json():
    result = BenchmarkResult("latency", [1.0, 2.0, 3.0], {"batch_size": 4}, "ms")
    plain = result.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["metadata"] == {"batch_size": 4}
    for name in ("mean", "std", "median", "min", "max", "count", "ci_lower", "ci_upper", "p90"):
        assert name in plain


def test_values_are_a_read_only_copy():
    source = np.array([1.0, 2.0])
    result = BenchmarkResult("latency", source)
    source[0] = 9
    assert result.values.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        result.values[0] = 5


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, float("nan")], [float("inf")]])
def test_impossible_values_are_refused(bad):
    with pytest.raises(ValueError, match="latency needs a row of finite values"):
        BenchmarkResult("latency", np.array(bad))


def test_a_proportion_of_other_numbers_is_refused():
    with pytest.raises(ValueError, match="zeros and ones"):
        BenchmarkResult("accuracy", [0.5, 1.0], interval_of="proportion")


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20))
def test_the_mean_of_ratios_is_geometric(ratios):
    """SciPy's, and the same from either side: the arithmetic mean favours the baseline chosen."""
    assert geometric_mean(ratios) == pytest.approx(gmean(ratios))
    inverse = geometric_mean([1 / ratio for ratio in ratios])
    assert inverse == pytest.approx(1 / geometric_mean(ratios))


@pytest.mark.parametrize("bad", [[], [0.0], [-1.0], [float("nan")]])
def test_the_mean_of_no_ratios_is_refused(bad):
    with pytest.raises(ValueError, match="finite ratios above 0"):
        geometric_mean(bad)


def test_a_table_shows_every_row_in_the_columns_asked_for():
    rows = [{"model": "a|b", "ms": 1 / 3, "n": 12345}, {"model": "c", "ms": None}]
    lines = markdown_table(rows, ["model", "n", "ms"]).split("\n")
    assert lines == [
        "| model | n | ms |",
        "|---|---|---|",
        "| a\\|b | 12345 | 0.3333 |",
        "| c | - | - |",
    ]
    with pytest.raises(ValueError, match="names of its columns"):
        markdown_table([])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_the_frontier_beats_all_others_and_none_of_its_own(costs):
    """By the definition, pair by pair."""

    def beats(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and a != b

    on = pareto_frontier(costs)
    for i, cost in enumerate(costs):
        assert on[i] == (not any(beats(other, cost) for other in costs))


@pytest.mark.parametrize("bad", [[1.0, 2.0], [[1.0, float("nan")]]])
def test_a_frontier_of_no_table_is_refused(bad):
    with pytest.raises(ValueError, match="costs"):
        pareto_frontier(bad)
