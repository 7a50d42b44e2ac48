"""Laws of attention: tiles equal the whole matrix, which equals scipy's softmax; no n x n array."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.perf.acceleration import direct_attention, record_operations, tiled_attention

sizes = st.integers(1, 9)


def random(*shape, scale=1.0, seed=0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def exact_attention(q, k, v, causal):
    """The formula in float64, with the mask written out position by position."""
    scores = q.astype(np.float64) @ k.swapaxes(-1, -2).astype(np.float64) / math.sqrt(q.shape[-1])
    n, m = scores.shape[-2:]
    for i in range(n if causal else 0):
        scores[..., i, m - n + i + 1 :] = -np.inf
    return scipy.special.softmax(scores, axis=-1) @ v


@given(
    st.lists(st.integers(1, 3), max_size=2),
    sizes,
    st.integers(0, 9),
    sizes,
    sizes,
    st.booleans(),
    st.integers(1, 12),
    st.sampled_from([0.1, 1.0, 30.0]),
)
def test_tiled_equals_direct_equals_the_formula(leading, n, more, d, e, causal, tile_size, scale):
    """For any number of heads, fewer queries than keys, tiles that fit or not, mild and hard."""
    m = n + more
    q, k, v = (
        random(*leading, n, d, scale=scale),
        random(*leading, m, d, scale=scale, seed=1),
        random(*leading, m, e, seed=2),
    )
    expected = exact_attention(q, k, v, causal)
    direct = direct_attention(q, k, v, causal)
    tiled = tiled_attention(q, k, v, causal, tile_size)
    assert direct.shape == tiled.shape == (*leading, n, e)
    assert direct.dtype == tiled.dtype == np.float32
    tolerance = 2e-6 * max(1.0, scale**2)  # of a score, which its weight shares
    np.testing.assert_allclose(direct, expected, rtol=1e-4, atol=tolerance)
    np.testing.assert_allclose(tiled, expected, rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("causal", [False, True])
def test_more_queries_than_keys(causal):
    """Fine for cross attention; a causal query before the first key could see nothing."""
    q, k, v = random(7, 4), random(3, 4), random(3, 2)
    if causal:
        for attention in (direct_attention, tiled_attention):
            with pytest.raises(ValueError, match="no more queries than keys"):
                attention(q, k, v, causal=True)
    else:
        expected = exact_attention(q, k, v, False)
        np.testing.assert_allclose(tiled_attention(q, k, v, tile_size=2), expected, atol=1e-5)


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_scores_that_would_overflow(order):
    """exp(1000) is infinite in float32; the largest score may come first or last."""
    k = np.float32([[10.0 * i] for i in range(100)])
    k = k if order == "ascending" else k[::-1].copy()
    v = random(100, 3)
    out = tiled_attention([[1.0]], k, v, tile_size=7)
    np.testing.assert_allclose(out[0], v[np.argmax(k)], rtol=1e-3, atol=1e-3)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("tile_size", [1, 3, 64])
def test_the_future_is_not_seen(tile_size):
    """Other keys and values after a position leave the outputs up to it as they were."""
    q, k, v = random(2, 10, 4), random(2, 10, 4, seed=1), random(2, 10, 4, seed=2)
    before = tiled_attention(q, k, v, causal=True, tile_size=tile_size)
    k[:, 6:], v[:, 6:] = 50.0, -50.0
    after = tiled_attention(q, k, v, causal=True, tile_size=tile_size)
    np.testing.assert_array_equal(after[:, :6], before[:, :6])
    assert np.abs(after[:, 6:] - before[:, 6:]).min() > 0


def test_a_step_of_generation_sees_every_key():
    """One query at the end of m keys attends to all of them, causal or not."""
    q, k, v = random(3, 1, 4), random(3, 33, 4, seed=1), random(3, 33, 4, seed=2)
    np.testing.assert_array_equal(
        tiled_attention(q, k, v, causal=True, tile_size=8), tiled_attention(q, k, v, tile_size=8)
    )


def test_inputs_are_left_alone():
    """Scaling and masking happen on copies."""
    arrays = [random(5, 4, seed=seed) for seed in range(3)]
    before = [array.copy() for array in arrays]
    direct_attention(*arrays, causal=True)
    tiled_attention(*arrays, causal=True, tile_size=2)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def peak_bytes(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_with_n_not_with_its_square(causal):
    """Direct holds n^2 scores; tiled its output and a bounded rest that doubling n leaves alone."""
    rest = []
    for n in (512, 1024):
        q, k, v = (random(n, 8, seed=seed) for seed in range(3))
        peak = peak_bytes(lambda q=q, k=k, v=v: tiled_attention(q, k, v, causal, tile_size=32))
        rest.append(peak - q.nbytes)  # the output is as large as q
        assert peak_bytes(lambda q=q, k=k, v=v: direct_attention(q, k, v, causal)) > 4 * n * n
    assert max(rest) < 64_000
    assert rest[1] < 1.2 * rest[0]


def test_memory_does_not_grow_with_the_heads():
    """One head after the other: forty need what one needs, beside the result."""
    rest = []
    for heads in (1, 40):
        q, k, v = (random(heads, 200, 8, seed=seed) for seed in range(3))
        peak = peak_bytes(lambda q=q, k=k, v=v: tiled_attention(q, k, v, tile_size=64))
        rest.append(peak - q.nbytes)
    assert rest[1] < 1.2 * rest[0]


def test_a_causal_product_skips_the_future():
    """Of r^2 tiles the r (r - 1) / 2 above the diagonal are not computed."""
    q, k, v = (random(64, 4, seed=seed) for seed in range(3))

    def products(causal):
        operations = record_operations(lambda q: tiled_attention(q, k, v, causal, tile_size=8), q)
        return sum(operation.name == "matmul" for operation in operations)

    # Two for each tile: the scores, and the values they weight.
    assert products(causal=False) == 2 * 8 * 8
    assert products(causal=True) == 2 * 8 * 9 // 2


def test_a_product_that_is_given_makes_and_uses_every_score_once():
    """n m (d + e) multiplications, and no more than a tile of scores at a time."""
    shapes = []

    def product(left, right):
        shapes.append((*left.shape, right.shape[1]))
        return left @ right

    tiled_attention(random(20, 3), random(24, 3), random(24, 2), tile_size=8, product=product)
    assert sum(rows * inner * columns for rows, inner, columns in shapes) == 20 * 24 * (3 + 2)
    assert max(max(shape) for shape in shapes) == 8


@pytest.mark.parametrize("attention", [direct_attention, tiled_attention])
def test_wrong_arguments_are_refused(attention):
    """Shapes that do not fit, no key at all, NaN: one sentence each."""
    x = np.ones((3, 4), dtype=np.float32)
    with pytest.raises(ValueError, match=r"q, k, v of \(\.\.\., positions, width\)"):
        attention(x[0], x, x)
    with pytest.raises(ValueError, match=r"got \(2, 3, 4\), \(3, 4\) and \(3, 4\)"):
        attention(np.ones((2, 3, 4)), x, x)
    with pytest.raises(ValueError, match=r"expected q \(\.\.\., n, d\), k \(\.\.\., m, d\)"):
        attention(x, np.ones((3, 5)), x)
    with pytest.raises(ValueError, match=r"v \(\.\.\., m, e\), got"):
        attention(x, x, np.ones((2, 4)))
    with pytest.raises(ValueError, match="expected q"):
        attention(x, np.ones((0, 4)), np.ones((0, 4)))
    with pytest.raises(ValueError, match="expected k without NaN"):
        attention(x, np.full((3, 4), np.nan), x)
    with pytest.raises(TypeError, match="real numbers, got dtype complex128"):
        attention(x, x, np.ones((3, 4), dtype=complex))


def test_tile_size_is_a_positive_integer():
    """A tile of no rows would loop for ever."""
    with pytest.raises(ValueError, match="tile_size of at least 1, got 0"):
        tiled_attention([[1]], [[1]], [[1]], tile_size=0)
