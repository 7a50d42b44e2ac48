"""Laws of batching, threads and Amdahl: choices from points, counts in force, a known formula."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.perf.acceleration import (
    BatchPoint,
    amdahl_fraction,
    amdahl_speedup,
    blas_thread_count,
    blas_threads,
    choose_batch_size,
    measure_batches,
)

times = st.floats(0.01, 1e3)
points = st.lists(
    st.builds(lambda size, t, slow: BatchPoint(size, t, t * slow), st.integers(1, 512), times,
              st.floats(1, 3)),
    min_size=1,
    max_size=8,
)  # fmt: skip


@given(points, st.floats(0.01, 3e3))
def test_the_choice_is_the_best_that_is_allowed(points, bound):
    """Within the bound, and none within the bound has more throughput."""
    allowed = [point for point in points if point.p90_ms <= bound]
    if not allowed:
        with pytest.raises(ValueError, match="no batch size is within"):
            choose_batch_size(points, bound)
        return
    chosen = choose_batch_size(points, bound)
    assert chosen in allowed
    assert all(chosen.samples_per_second >= point.samples_per_second for point in allowed)


def test_the_slow_calls_count_against_the_bound():
    """A median below the bound does not help when one call in ten is above it."""
    usual, shaky = BatchPoint(8, 2.0, 2.1), BatchPoint(16, 2.2, 9.0)
    assert choose_batch_size([usual, shaky], latency_bound_ms=5) is usual
    assert choose_batch_size([usual, shaky], latency_bound_ms=9) is shaky


def test_equal_throughput_goes_to_the_smaller_batch():
    """It answers sooner."""
    small, large = BatchPoint(4, 1.0, 1.0), BatchPoint(8, 2.0, 2.0)
    for given_order in ([small, large], [large, small]):
        assert choose_batch_size(given_order, latency_bound_ms=5) is small


@pytest.mark.parametrize(
    ("points", "bound"),
    [([], 1.0), ([BatchPoint(1, 1, 1)], 0.0), ([BatchPoint(1, 1, 1)], math.nan)],
)
def test_a_choice_needs_points_and_a_bound(points, bound):
    """Nothing to choose from, and a bound of nothing."""
    with pytest.raises(ValueError, match="expected points and a bound above 0"):
        choose_batch_size(points, bound)


@pytest.mark.parametrize("values", [(0, 1.0, 1.0), (1, 0.0, 1.0), (1, 1.0, math.nan)])
def test_a_point_has_a_batch_and_times(values):
    """Made up figures do not get in."""
    with pytest.raises(ValueError, match="batch from 1 and times above 0"):
        BatchPoint(*values)


def test_every_batch_size_is_timed_on_its_rows():
    """The function sees exactly the first n rows for each n, every one many times."""
    seen = []
    samples = np.arange(12.0).reshape(6, 2)

    def forward(batch):
        np.testing.assert_array_equal(batch, samples[: len(batch)])
        seen.append(len(batch))
        return np.exp(batch)

    measured = measure_batches(forward, samples, [1, 5], num_rounds=64, seed=0)
    assert [point.batch_size for point in measured] == [1, 5]
    assert set(seen) == {1, 5}
    assert min(seen.count(1), seen.count(5)) >= 64


def test_batches_that_cannot_be_measured_are_refused():
    """More rows than there are, none, and too few rounds for a percentile."""
    samples = np.ones((4, 2))
    for sizes in ([5], []):
        with pytest.raises(ValueError, match="expected batch sizes from 1 to 4"):
            measure_batches(np.sum, samples, sizes)
    with pytest.raises(ValueError, match="batch size of at least 1, got 0"):
        measure_batches(np.sum, samples, [0])
    with pytest.raises(ValueError, match="at least 64 rounds"):
        measure_batches(np.sum, samples, [1], num_rounds=63)


def test_threads_are_set_and_put_back():
    """Inside the block it is the count asked for, afterwards the old one, on exceptions too."""
    before = blas_thread_count()
    with blas_threads(1) as count:
        assert count == blas_thread_count() == 1
    assert blas_thread_count() == before
    with pytest.raises(KeyError), blas_threads(1):
        raise KeyError
    assert blas_thread_count() == before


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_a_count_of_threads_is_a_positive_integer(count, error):
    """No threads at all would be no work."""
    with pytest.raises(error, match="count"), blas_threads(count):
        pass


@given(st.floats(0, 1), st.floats(0.01, 1e6))
def test_amdahl_is_the_time_that_is_left(fraction, factor):
    """A whole of 1 s takes (1 - f) + f / s, so the gain lies between none and 1 / (1 - f)."""
    speedup = amdahl_speedup(fraction, factor)
    assert speedup == pytest.approx(1 / ((1 - fraction) + fraction / factor))
    if factor >= 1:
        assert 1 - 1e-12 <= speedup <= factor * (1 + 1e-12)


@given(st.floats(0.01, 1), st.floats(1.1, 1e3))
def test_the_fraction_is_the_inverse(fraction, factor):
    """What the law predicts from a fraction gives the fraction back."""
    speedup = amdahl_speedup(fraction, factor)
    assert amdahl_fraction(speedup, factor) == pytest.approx(fraction, rel=1e-6)


def test_amdahl_at_its_ends():
    """Nothing parallel, all parallel, an infinite machine, a harm."""
    assert amdahl_speedup(0, 100) == 1
    assert amdahl_speedup(1, 100) == pytest.approx(100)
    assert amdahl_speedup(0.75, math.inf) == pytest.approx(4)
    assert amdahl_speedup(1, math.inf) == math.inf
    assert amdahl_fraction(0.5, 2) < 0


def test_amdahl_refuses_what_is_no_fraction_or_factor():
    """Percentages, NaN, a factor of 0 and a factor that says nothing."""
    for fraction in (-0.1, 95, math.nan):
        with pytest.raises(ValueError, match="fraction from 0 to 1"):
            amdahl_speedup(fraction, 2)
    for factor in (0, -2, math.nan):
        with pytest.raises(ValueError, match="factor above 0"):
            amdahl_speedup(0.5, factor)
    for speedup, factor in ((0, 2), (math.nan, 2), (2, 1)):
        with pytest.raises(ValueError, match="speedup above 0 and a factor not 1"):
            amdahl_fraction(speedup, factor)
