"""Laws of calibration: each method finds its range, and a narrower one is chosen when it pays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinytorch.perf.quantization import (
    calibrate_range,
    dequantize,
    mse_range,
    percentile_range,
    quantization_parameters,
    quantize,
)

samples = arrays(np.float32, (7, 4), elements=st.floats(-100, 100, width=32))


def mean_squared_error(x, low, high, bits, symmetric):
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    back = dequantize(quantize(x, scale, zero_point, bits), scale, zero_point)
    return np.mean((x.astype(np.float64) - back) ** 2, axis=0)


@given(samples)
def test_min_max_is_numpys(x):
    """The range of all elements, or of each channel."""
    low, high = calibrate_range(x, "min-max")
    assert (low, high) == (x.min(), x.max())
    low, high = calibrate_range(x, axis=1)
    np.testing.assert_array_equal(low, x.min(axis=0, keepdims=True))
    np.testing.assert_array_equal(high, x.max(axis=0, keepdims=True))


@given(samples)
def test_percentiles_are_numpys(x):
    """Both tails lose the same part; 100 is the min-max range."""
    low, high = percentile_range(x, 75, axis=1)
    np.testing.assert_array_equal(low, np.percentile(x, 25, axis=0, keepdims=True))
    np.testing.assert_array_equal(high, np.percentile(x, 75, axis=0, keepdims=True))
    assert percentile_range(x, 100) == (x.min(), x.max())


@given(samples, st.integers(2, 8), st.booleans(), st.booleans())
def test_mse_is_never_worse_than_min_max(x, bits, symmetric, per_channel):
    """In mean squared error, for all elements together or for each channel."""
    axis = 1 if per_channel else None
    whole = mean_squared_error(x, *calibrate_range(x, axis=axis), bits, symmetric)
    found = mean_squared_error(
        x, *mse_range(x, bits, symmetric=symmetric, axis=axis), bits, symmetric
    )
    if not per_channel:
        whole, found = whole.mean(), found.mean()
    assert (found <= whole * (1 + 1e-6) + 1e-12).all()


def test_mse_is_nearly_the_best_range_there_is():
    """On normal samples within 2 % of the best of a much finer search."""
    x = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)
    for bits in (2, 4, 8):
        errors = [
            mean_squared_error(x, x.min() * s, x.max() * s, bits, False).item()
            for s in np.linspace(0.05, 1, 1500)
        ]
        found = mean_squared_error(x, *mse_range(x, bits), bits, False).item()
        assert found <= 1.02 * min(errors)


def test_methods_differ_on_outliers():
    """One outlier in a thousand widens min-max, and neither of the others at 4 bits."""
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    x[0] = 50
    highs = {m: float(calibrate_range(x, m, 4)[1]) for m in ("min-max", "percentile", "mse")}
    assert highs["min-max"] == 50
    assert highs["percentile"] < 5
    assert highs["mse"] < 50


def test_refusals():
    """Unknown methods, percentiles out of range and samples that are no numbers."""
    with pytest.raises(ValueError, match="one of min-max, percentile, mse, got 'kl'"):
        calibrate_range([1.0], "kl")
    with pytest.raises(ValueError, match="percentile of 50 to 100, got 49"):
        percentile_range([1.0], 49)
    for method in ("min-max", "percentile", "mse"):
        with pytest.raises(ValueError, match="expected finite numbers"):
            calibrate_range([np.nan], method)
        with pytest.raises(ValueError, match="at least one element"):
            calibrate_range([], method)
