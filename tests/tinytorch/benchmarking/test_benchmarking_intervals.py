"""Laws of the intervals: they cover what they promise, exactly where that can be computed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, quantile_test

from tinytorch.benchmarking import (
    accuracy_change_interval,
    lost_and_won,
    median_interval,
    proportion_interval,
)
from tinytorch.benchmarking.intervals import normal_quantile


@pytest.mark.parametrize("n", [6, 9, 10, 25, 101])
def test_median_interval_agrees_with_scipy(n):
    """The order statistics that `scipy.stats.quantile_test` gives, where n allows them."""
    values = np.random.default_rng(n).lognormal(size=n)
    theirs = quantile_test(values, p=0.5, q=np.median(values)).confidence_interval(0.95)
    assert median_interval(values) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("n", [6, 10, 30, 100])
@pytest.mark.parametrize("shape", ["normal", "lognormal", "timings"])
def test_median_interval_covers(n, shape):
    """Of 1 000 simulated runs it misses the true median in 5 % or less, whatever the shape."""
    rng = np.random.default_rng(n)
    rows, truth = rng.standard_normal((1000, n)), 0.0
    if shape == "lognormal":
        rows, truth = np.exp(2 * rows), 1.0
    elif shape == "timings":  # a quiet core and one-sided interruptions
        interrupted = rng.random((1000, n)) < 0.1
        rows = 1 + 0.01 * np.abs(rows) + np.where(interrupted, rng.exponential(5, (1000, n)), 0)
        # Interruptions push the median up a little, so it is taken from a long run.
        truth = _median_of_timings()
    covered = sum(low <= truth <= high for low, high in map(median_interval, rows))
    assert covered >= binom.ppf(1e-4, 1000, 0.95)


def _median_of_timings() -> float:
    rng = np.random.default_rng(0)
    core = 1 + 0.01 * np.abs(rng.standard_normal(1_000_000))
    core[rng.random(1_000_000) < 0.1] += 5
    return float(np.median(core))


def test_the_customary_interval_of_the_mean_would_not_cover():
    """The negative twin: mean +- 1.96 standard errors of ten skewed values covers far less."""
    rows = np.exp(2 * np.random.default_rng(0).standard_normal((1000, 10)))
    half = 1.96 * rows.std(axis=1, ddof=1) / np.sqrt(10)
    covered = np.sum(np.abs(rows.mean(axis=1) - np.exp(2)) <= half)
    assert covered < 700


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=40), st.floats(0.5, 2))
def test_median_interval_moves_with_the_data(values, factor):
    """It encloses the median, and a factor on the data is a factor on it."""
    low, high = median_interval(values)
    assert low <= np.median(values) <= high
    scaled = median_interval(np.multiply(values, factor))
    assert scaled == (low * factor, high * factor)


@pytest.mark.parametrize("bad", [[1.0] * 5, [[1.0] * 9], [1.0] * 8 + [np.nan], []])
def test_median_interval_refuses_what_it_cannot_judge(bad):
    with pytest.raises(ValueError, match=r"too few|one row of finite"):
        median_interval(bad)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (95, 100), (7, 360)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_proportion_interval_agrees_with_scipy(k, n, confidence):
    theirs = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert proportion_interval(k, n, confidence) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("n", [50, 360, 2000])
def test_proportion_interval_covers(n):
    """The coverage, summed exactly over all outcomes, is near 95 % and never far below."""
    intervals = np.array([proportion_interval(k, n) for k in range(n + 1)])
    coverages = []
    for p in np.linspace(0.5, 0.97, 48):
        inside = (intervals[:, 0] <= p) & (p <= intervals[:, 1])
        coverages.append(binom.pmf(np.arange(n + 1), n, p)[inside].sum())
    assert np.mean(coverages) > 0.945
    assert np.min(coverages) > 0.91


def test_a_perfect_score_still_has_an_interval():
    """36 of 36 is no proof of 100 %, which the usual p +- 1.96 sqrt(p (1-p) / n) would claim."""
    low, high = proportion_interval(36, 36)
    assert high == 1.0
    assert low < 0.92


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_proportion_interval_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="successes"):
        proportion_interval(k, n)


@pytest.mark.parametrize(("b", "c"), [(0.02, 0.02), (0.01, 0.05), (0.003, 0.001), (0.1, 0.0)])
@pytest.mark.parametrize("n", [100, 360, 2000])
def test_accuracy_change_interval_covers(b, c, n):
    """On 2 000 simulated pairs of models the true change lies in it 93 % of the time or more."""
    rng = np.random.default_rng(n)
    counts = rng.multinomial(n, [b, c, 1 - b - c], size=2000)
    intervals = [accuracy_change_interval(int(lost), int(won), n) for lost, won, _ in counts]
    covered = sum(low <= c - b <= high for low, high in intervals)
    assert covered >= binom.ppf(1e-4, 2000, 0.935)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(100, 400))
def test_accuracy_change_turns_round_with_the_models(lost, won, n):
    """Exchanging the models changes the sign; the change itself is inside."""
    low, high = accuracy_change_interval(lost, won, n)
    assert accuracy_change_interval(won, lost, n) == pytest.approx((-high, -low))
    assert low < (won - lost) / n < high


def test_two_models_that_never_differ_still_have_an_interval():
    """No difference seen on 100 examples does not prove that there is none."""
    low, high = accuracy_change_interval(0, 0, 100)
    assert low < -0.01 < 0.01 < high


@pytest.mark.parametrize(("lost", "won", "n"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_accuracy_change_refuses_impossible_counts(lost, won, n):
    with pytest.raises(ValueError, match="lost \\+ won <= n"):
        accuracy_change_interval(lost, won, n)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, float("nan")])
def test_a_confidence_lies_between_0_and_1(confidence):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        normal_quantile(confidence)


def test_only_examples_on_which_the_models_differ_are_lost_or_won():
    rng = np.random.default_rng(5)
    before, after = rng.random(200) < 0.9, rng.random(200) < 0.8
    lost, won = lost_and_won(before, after)
    assert (won - lost) / 200 == pytest.approx(after.mean() - before.mean())
    assert lost_and_won(after, before) == (won, lost)
    assert lost_and_won(before, before) == (0, 0)
    assert lost + won == np.sum(before != after)


@pytest.mark.parametrize(("before", "after"), [([1, 0], [1]), ([[1, 0]], [[1, 0]]), (1, 1)])
def test_lost_and_won_need_two_rows_of_one_length(before, after):
    with pytest.raises(ValueError, match="two rows of one length"):
        lost_and_won(before, after)
