"""Checks that draw numbers refuse nobody's right answer for what chance did."""

import numpy as np
import pytest

from autograder.checks.ch17_memoization import frequencies_fit

N = 4000


@pytest.mark.parametrize("rare", [1e-9, 1e-6, 1e-4])
def test_a_rare_token_may_come_once(rare):
    """One of it is many standard deviations above what is expected."""
    tokens = np.zeros(N, dtype=int)
    tokens[17] = 1
    assert frequencies_fit(tokens, np.array([1 - rare, rare]))


@pytest.mark.parametrize("p", [[0.5, 0.5], [0.9, 0.1], [0.2, 0.3, 0.5]])
def test_right_frequencies_fit_and_shifted_ones_do_not(p):
    rng = np.random.default_rng(0)
    p = np.array(p)
    for _ in range(200):
        assert frequencies_fit(rng.choice(len(p), size=N, p=p), p)
    shifted = p + np.linspace(-0.07, 0.07, len(p))
    assert not frequencies_fit(rng.choice(len(p), size=N, p=shifted), p)
    assert not frequencies_fit(np.full(N, len(p)), p)
