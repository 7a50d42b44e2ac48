"""Laws of the products: loops, one call, tiles and compiled loops give the same at any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core.tensor import Tensor
from tinytorch.perf.acceleration import (
    compiled_matmul,
    naive_matmul,
    tiled_bytes,
    tiled_matmul,
    vectorized_matmul,
)
from tinytorch.perf.fast import numba_available, numpy_only

sizes = st.integers(0, 9)
ORDERS = ["naive", "reordered", "tiled"]
needs_numba = pytest.mark.skipif(not numba_available(), reason="numba is not installed")
pytestmark = pytest.mark.usefixtures("compiled_before")


def factors(n, k, m):
    rng = np.random.default_rng(n + 10 * k + 100 * m)
    a, b = rng.normal(size=(n, k)), rng.normal(size=(k, m))
    return a.astype(np.float32), b.astype(np.float32)


@given(sizes, sizes, sizes, st.integers(1, 12))
def test_loops_and_tiles_equal_the_product(n, k, m, tile_size):
    """Tiles need not divide the matrix, and an empty sum is 0."""
    a, b = factors(n, k, m)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    for out in (naive_matmul(a, b), vectorized_matmul(a, b), tiled_matmul(a, b, tile_size)):
        assert out.shape == (n, m)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-5)


@needs_numba
@settings(max_examples=60)
@given(sizes, sizes, sizes, st.integers(1, 12), st.sampled_from(ORDERS))
def test_compiled_loops_equal_the_product(n, k, m, tile_size, order):
    """Groups of four that are not full, and tiles that are cut, lose nothing."""
    a, b = factors(n, k, m)
    out = compiled_matmul(a, b, order, tile_size)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, a.astype(np.float64) @ b, rtol=1e-5, atol=1e-5)


@needs_numba
@pytest.mark.parametrize("order", ORDERS)
def test_compiled_loops_take_transposed_factors(order):
    """What does not lie in one piece is copied, not misread."""
    a, b = factors(61, 67, 59)
    out = compiled_matmul(b.T, a.T, order, tile_size=16)
    np.testing.assert_allclose(out, b.T @ a.T, rtol=1e-4, atol=1e-4)


def test_tiles_of_a_large_odd_product_with_the_default_size():
    """More than one default tile in every direction."""
    a, b = factors(131, 97, 70)
    np.testing.assert_allclose(tiled_matmul(a, b), a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [(8, 8, 8), (5, 7, 3), (9, 4, 13), (3, 3, 3)])
@pytest.mark.parametrize("tile_size", [1, 2, 5, 64])
def test_the_products_of_tiles_read_what_the_formula_says(sizes, tile_size):
    """Each multiplication is done once, and the bytes are those of the tiles handed over."""
    n, k, m = sizes
    tiles = []

    def product(left, right):
        tiles.append((left, right))
        return left @ right

    a, b = np.ones((n, k), dtype=np.float32), np.ones((k, m), dtype=np.float32)
    tiled_matmul(a, b, tile_size, product)
    assert sum(left.size * right.shape[1] for left, right in tiles) == n * k * m
    assert sum(left.nbytes + right.nbytes for left, right in tiles) == tiled_bytes(
        *sizes, tile_size
    )
    with pytest.raises(ValueError, match="n of at least 1, got 0"):
        tiled_bytes(0, k, m, tile_size)


def test_one_call_broadcasts_leading_axes():
    """(B, 1, n, k) @ (H, k, m) is (B, H, n, m)."""
    a, b = np.ones((2, 1, 3, 4)), np.ones((5, 4, 6))
    np.testing.assert_array_equal(vectorized_matmul(a, b), np.full((2, 5, 3, 6), 4))


@pytest.mark.parametrize("product", [naive_matmul, tiled_matmul, vectorized_matmul])
def test_wrong_factors_are_refused(product):
    """Shapes, NaN, text and tensors are named in one sentence."""
    with pytest.raises(ValueError, match=r"got \(2, 3\)( @| and) \(2, 3\)"):
        product(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"got.* \(3,\)"):
        product(np.ones(3), np.ones((3, 2)))
    with pytest.raises(ValueError, match="expected b without NaN"):
        product(np.ones((1, 2)), [[1], [np.nan]])
    with pytest.raises(TypeError, match="expected real numbers"):
        product([["1"]], [[1]])
    with pytest.raises(TypeError, match="got a Tensor"):
        product(Tensor([[1.0]]), [[1]])


def test_tile_size_is_a_positive_integer():
    """A tile of no rows would loop for ever."""
    with pytest.raises(ValueError, match="tile_size of at least 1, got 0"):
        tiled_matmul([[1]], [[1]], tile_size=0)
    with pytest.raises(TypeError, match="integer tile_size, got float"):
        tiled_matmul([[1]], [[1]], tile_size=8.0)


def test_compiled_loops_need_a_compiler_and_a_known_order():
    """Interpreted they would show nothing but the interpreter."""
    with numpy_only(), pytest.raises(RuntimeError, match="expected numba"):
        compiled_matmul([[1]], [[1]])
    with pytest.raises(ValueError, match="naive, reordered, tiled as order, got 'fast'"):
        compiled_matmul([[1]], [[1]], "fast")
