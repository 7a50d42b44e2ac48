"""Laws of the two tests: SciPy's p-values, and false alarms as rare as the level says."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu, rankdata, t, ttest_ind

from tinytorch.benchmarking import mann_whitney, ranks, welch_t_test
from tinytorch.core.student_t import two_sided_t

ROWS = st.lists(st.integers(-20, 20), min_size=2, max_size=30)


@given(st.lists(st.integers(-5, 5), max_size=30))
def test_ranks_agree_with_scipy(values):
    """Ties included, which few values of many draws are sure to have."""
    assert ranks(values).tolist() == rankdata(values).tolist()


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (3, 4), (8, 5), (20, 20), (13, 20)])
def test_mann_whitney_is_exact_for_few_values(n, m):
    rng = np.random.default_rng(n + m)
    for shift in (0.0, 0.5, 2.0):
        a, b = rng.normal(size=n), rng.normal(size=m) + shift
        theirs = mannwhitneyu(a, b, method="exact")
        assert tuple(mann_whitney(a, b)) == pytest.approx((theirs.statistic, theirs.pvalue))


@pytest.mark.parametrize(("n", "m"), [(21, 21), (40, 25), (300, 300), (5, 60)])
def test_mann_whitney_agrees_with_scipy_for_many_values(n, m):
    rng = np.random.default_rng(n)
    for a, b in (
        (rng.lognormal(size=n), rng.lognormal(0.3, 1, m)),
        (rng.integers(0, 6, n), rng.integers(1, 7, m)),  # full of ties
    ):
        theirs = mannwhitneyu(a, b, method="asymptotic")
        assert tuple(mann_whitney(a, b)) == pytest.approx((theirs.statistic, theirs.pvalue))


@given(ROWS, ROWS)
def test_mann_whitney_counts_pairs_and_turns_round(a, b):
    """U is the number of pairs of which the first is greater, a tie counting half."""
    u, p_value = mann_whitney(a, b)
    differences = np.subtract.outer(a, b)
    assert u == np.sum(differences > 0) + np.sum(differences == 0) / 2
    assert 0 <= p_value <= 1
    swapped, same_p_value = mann_whitney(b, a)
    assert u + swapped == len(a) * len(b)
    assert same_p_value == pytest.approx(p_value)


@given(ROWS, ROWS)
def test_mann_whitney_sees_only_the_order(a, b):
    """Any rising function of the values changes nothing."""
    assert mann_whitney(np.exp(a), np.exp(b)) == mann_whitney(a, b)


def test_equal_values_show_no_difference():
    assert mann_whitney([3.0, 3.0], [3.0, 3.0, 3.0]).p_value == 1.0


def test_equal_values_do_not_vary_by_rounding():
    assert np.var([0.1] * 3, ddof=1) > 0
    with pytest.raises(ValueError, match="Neither row varies"):
        welch_t_test([0.1] * 3, [0.3] * 3)


@given(ROWS, ROWS)
def test_welch_agrees_with_scipy(a, b):
    if np.ptp(a) == np.ptp(b) == 0:
        with pytest.raises(ValueError, match="Neither row varies"):
            welch_t_test(a, b)
        return
    with warnings.catch_warnings():  # SciPy warns of a row whose values are all equal
        warnings.simplefilter("ignore")
        theirs = ttest_ind(a, b, equal_var=False)
    assert tuple(welch_t_test(a, b)) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-12)


@pytest.mark.parametrize("v", [0.3, 1, 1.5, 2, 3, 10, 29.7, 300, 1e5, 1e8])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.1, 1, 1.96, 2.5, 5, 12, 40, 1e6])
def test_the_tail_of_t_agrees_with_scipy(x, v):
    """Also far out, where a probability of 0 would be an exaggeration."""
    theirs = 2 * t.sf(x, v)
    digits = 1e-10 if v < 1e4 else 1e-7  # lgamma of large numbers loses some
    assert two_sided_t(x, v) == pytest.approx(theirs, rel=digits, abs=1e-300)
    assert two_sided_t(-x, v) == two_sided_t(x, v)


@pytest.mark.parametrize("test", [mann_whitney, welch_t_test])
def test_false_alarms_are_as_rare_as_the_level(test):
    """Of 1 000 comparisons of alike rows 5 % have a p-value below 0.05."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 2, 25))
    alarms = sum(test(a, b).p_value < 0.05 for a, b in rows)
    assert binom.ppf(1e-4, 1000, 0.05) <= alarms <= binom.isf(1e-4, 1000, 0.05)


def test_drift_makes_either_cry_wolf():
    """The warning of the module: one machine, measured twice in a row while it slows down."""
    machine = 1 + np.linspace(0, 0.05, 60) + np.random.default_rng(0).normal(0, 0.01, 60)
    first, second = machine[:30], machine[30:]
    assert mann_whitney(first, second).p_value < 1e-6
    assert welch_t_test(first, second).p_value < 1e-6
    mixed, rest = machine[::2], machine[1::2]  # interleaved, the same samples
    assert mann_whitney(mixed, rest).p_value > 0.1


def test_one_interruption_blinds_the_t_test_alone():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 0.01, 40), rng.normal(1.02, 0.01, 40)
    a[0] = 5.0
    assert welch_t_test(a, b).p_value > 0.05
    assert mann_whitney(a, b).p_value < 1e-6


@pytest.mark.parametrize(
    ("test", "a", "b"),
    [
        (mann_whitney, [], [1.0]),
        (mann_whitney, [1.0], [[1.0]]),
        (mann_whitney, [math.nan], [1.0]),
        (welch_t_test, [1.0], [1.0, 2.0]),
        (welch_t_test, [1.0, math.inf], [1.0, 2.0]),
    ],
)
def test_rows_that_are_none_are_refused(test, a, b):
    with pytest.raises(ValueError, match=r"must be a row of at least|must be a finite number"):
        test(a, b)


@pytest.mark.parametrize(("x", "v"), [(math.nan, 3), (math.inf, 3), (1, 0), (1, math.inf)])
def test_the_tail_refuses_what_is_no_number(x, v):
    with pytest.raises(ValueError, match="finite t"):
        two_sided_t(x, v)
