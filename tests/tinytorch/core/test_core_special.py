"""Laws of the normal distribution function: scipy's, within the stated error."""

import numpy as np
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.special import EXACT, TANH, normal_cdf

GRID = np.linspace(-12, 12, 100_001)


def test_the_errors_are_those_stated():
    """3e-8 in float64, 1e-7 in float32, and 5e-4 for the two-term approximation."""
    exact = scipy.special.ndtr(GRID)
    assert abs(normal_cdf(GRID) - exact).max() < 3e-8
    assert 1e-4 < abs(normal_cdf(GRID, TANH) - exact).max() < 5e-4
    single = GRID.astype(np.float32)
    assert abs(normal_cdf(single) - scipy.special.ndtr(single.astype(float))).max() < 1.01e-7


numbers = st.one_of(st.floats(-(2.0**60), 2.0**60, width=32), st.just(np.nan))


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0), elements=numbers))
def test_every_float_has_a_probability(x):
    """Any shape and value: in [0, 1], NaN only for NaN, the input as it was."""
    before = x.copy()
    p = normal_cdf(x, EXACT)
    np.testing.assert_array_equal(x, before)
    assert p.shape == x.shape
    assert p.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(p), np.isnan(x))
    assert ((p >= 0) & (p <= 1) | np.isnan(x)).all()
