"""Laws of the outlier report and of the warm-up detection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, median_abs_deviation, norm

from tinytorch.benchmarking import detect_warmup, find_outliers, robust_scores


def test_scores_are_distances_in_robust_deviations():
    """Equality with SciPy's MAD scaled to the normal distribution."""
    values = np.random.default_rng(0).lognormal(size=101)
    spread = median_abs_deviation(values, scale="normal")
    expected = (values - np.median(values)) / spread
    assert robust_scores(values) == pytest.approx(expected, rel=1e-5)


def test_interruptions_are_found_and_counted():
    """Planted ones of either side, and nothing else; a normal sample has next to none."""
    values = np.random.default_rng(0).normal(10, 0.1, 1000)
    plain = find_outliers(values)
    assert plain.count <= binom.isf(1e-4, 1000, 2 * norm.sf(3.5))
    values[[3, 700]] = 30
    values[500] = 5
    report = find_outliers(values)
    assert {3, 700} <= set(report.slow.tolist())
    assert 500 in report.fast
    assert report.count == plain.count + 3
    assert report.fraction == report.count / 1000


def test_the_mean_shift_is_what_they_add():
    values = np.array([1.0] * 8 + [1.1, 0.9] + [6.0])
    report = find_outliers(values)
    assert report.mean_shift == pytest.approx((values.mean() - 1.0) / 1.0)
    assert "move the mean by +45" in report.describe()


def test_there_is_no_shift_when_all_are_outliers():
    report = find_outliers([1.0, 1.0, 3.0, 3.0], threshold=0.5)
    assert (report.count, report.mean_shift) == (4, 0.0)


def test_a_minority_of_outliers_cannot_hide_itself():
    """Up to nearly half of the samples; a standard deviation would swell and hide them all."""
    values = np.array([1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 50.0, 60.0, 55.0, 70.0])
    assert find_outliers(values).slow.tolist() == [6, 7, 8, 9]
    assert np.all(np.abs(values - values.mean()) < 2 * values.std())


def test_a_quantised_clock_makes_no_outliers_of_its_own():
    """Most samples equal, the others a tick away: the MAD is 0 and says nothing."""
    values = np.array([100.0] * 90 + [101.0] * 5 + [99.0] * 5)
    assert np.all(np.isfinite(robust_scores(values)))
    constant = find_outliers([5.0] * 10)
    assert (constant.count, constant.mean_shift) == (0, 0.0)
    assert find_outliers(np.append(values, 200.0)).slow.tolist()[-1] == 100


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=30), st.integers(1, 1000))
def test_the_unit_does_not_matter(values, factor):
    scaled = robust_scores(np.multiply(values, factor))
    assert scaled == pytest.approx(robust_scores(values))


@pytest.mark.parametrize("bad", [[1.0, 2.0], [[1.0] * 5], [1.0, 2.0, np.nan]])
def test_what_is_no_sample_is_refused(bad):
    with pytest.raises(ValueError, match="at least 3 finite"):
        find_outliers(bad)


@pytest.mark.parametrize("threshold", [0, -1, float("nan")])
def test_a_threshold_is_above_0(threshold):
    with pytest.raises(ValueError, match="threshold"):
        find_outliers([1.0, 2.0, 3.0], threshold)


@pytest.mark.parametrize("cold", [0, 5, 20, 35])
def test_a_planted_warmup_is_found(cold):
    """Samples that start at twice the time and settle are charged up to where they settle."""
    rng = np.random.default_rng(cold)
    times = rng.normal(1, 0.01, 200)
    times[:cold] += np.linspace(1, 0.2, cold)
    found = detect_warmup(times)
    assert cold <= found <= cold + 5 if cold else found in (0, 5)


def test_one_interruption_at_the_start_is_no_warmup():
    times = np.random.default_rng(0).normal(1, 0.01, 200)
    times[0] = 50
    assert detect_warmup(times) == 0


def test_a_series_that_never_settles_is_given_up_for_half():
    assert detect_warmup(np.linspace(2, 1, 100)) == 50


@pytest.mark.parametrize("shape", ["normal", "lognormal", "heavy"])
def test_steady_samples_are_accused_once_in_m_plus_1(shape):
    """Ten windows in the second half: one false alarm in eleven runs, whatever the shape."""
    rng = np.random.default_rng(1)
    draw = {
        "normal": lambda: rng.normal(size=100),
        "lognormal": lambda: rng.lognormal(size=100),
        "heavy": lambda: rng.standard_cauchy(100),
    }[shape]
    alarms = sum(detect_warmup(draw()) > 0 for _ in range(2000))
    low, high = binom.ppf(1e-4, 2000, 1 / 11), binom.isf(1e-4, 2000, 1 / 11)
    assert low <= alarms <= high


@pytest.mark.parametrize(
    ("samples", "window"), [([1.0] * 19, 5), ([1.0] * 40, 0), ([[1.0] * 40], 5), ([np.nan] * 40, 5)]
)
def test_what_cannot_be_judged_is_refused(samples, window):
    with pytest.raises(ValueError, match=r"at least 4 windows|finite number"):
        detect_warmup(samples, window)
