"""Laws of the bootstrap interval: it covers, follows the arms, and pairs where there are pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, bootstrap

from tinytorch.benchmarking import bootstrap_ratio_interval


def test_it_agrees_with_scipy():
    """The percentile bootstrap of the same statistic, up to the randomness of resampling."""
    rng = np.random.default_rng(0)
    a, b = rng.lognormal(0.1, 0.2, 80), rng.lognormal(0, 0.2, 60)
    theirs = bootstrap(
        (a, b),
        lambda x, y, axis=-1: np.median(x, axis=axis) / np.median(y, axis=axis),
        n_resamples=9999,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = bootstrap_ratio_interval(a, b, num_resamples=9999, seed=2)
    assert ours.ratio == np.median(a) / np.median(b)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


@pytest.mark.parametrize("sigma", [0.05, 0.5])
@pytest.mark.parametrize("n", [30, 100])
def test_it_covers_on_independent_samples(sigma, n):
    """Of 400 simulated comparisons the true ratio of medians lies inside in 93 % or more."""
    rng = np.random.default_rng(n)
    truth = 1.05
    covered = 0
    for _ in range(400):
        a, b = truth * rng.lognormal(0, sigma, n), rng.lognormal(0, sigma, n)
        interval = bootstrap_ratio_interval(a, b, num_resamples=400, seed=0)
        covered += interval.low <= truth <= interval.high
    assert covered >= binom.ppf(1e-4, 400, 0.93)


def test_pairs_see_through_drift():
    """Drift common to both arms is a wide interval when they are taken as independent."""
    rng = np.random.default_rng(0)
    drift = np.exp(np.cumsum(rng.normal(0, 0.05, 200)))
    a = 1.05 * drift * rng.lognormal(0, 0.005, 200)
    b = drift * rng.lognormal(0, 0.005, 200)
    paired = bootstrap_ratio_interval(a, b, paired=True, seed=0)
    independent = bootstrap_ratio_interval(a, b, seed=0)
    assert paired.high - paired.low < (independent.high - independent.low) / 3
    assert paired.low > 1.04
    assert paired.high < 1.06
    assert independent.high - independent.low > 0.05


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
@settings(max_examples=25)
def test_a_factor_on_an_arm_is_a_factor_on_the_ratio(seed, factor):
    """Swapping the arms of a pair inverts the interval's middle; scaling one scales all three."""
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(size=12), rng.lognormal(size=12)
    here = bootstrap_ratio_interval(a, b, num_resamples=200, seed=7)
    there = bootstrap_ratio_interval(a * factor, b, num_resamples=200, seed=7)
    assert tuple(there) == pytest.approx([factor * value for value in here])
    assert here.low <= here.high


def test_a_seed_repeats_and_spares_global_state():
    a, b = np.linspace(1, 2, 20), np.linspace(1, 3, 20)
    before = np.random.get_state()[1].tolist()
    first, again, other = (bootstrap_ratio_interval(a, b, seed=s) for s in (1, 1, 2))
    assert first == again != other
    assert np.random.get_state()[1].tolist() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline": np.ones(9)}, "at least 10 times"),
        ({"candidate": np.ones((10, 2))}, "at least 10 times"),
        ({"baseline": np.full(10, np.nan)}, "finite number above 0"),
        ({"candidate": np.zeros(10)}, "finite number above 0"),
        ({"candidate": np.ones(11), "paired": True}, "equal length"),
        ({"confidence": 1.0}, "strictly between 0 and 1"),
        ({"num_resamples": 99}, "100 or more"),
    ],
)
def test_bad_arguments_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        bootstrap_ratio_interval(**({"baseline": np.ones(10), "candidate": np.ones(10)} | changes))
