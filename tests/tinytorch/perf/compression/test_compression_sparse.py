"""Laws of sparse layers: equal to dense ones, with bytes that follow the weights held."""

import copy
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.tensor import Tensor
from tinytorch.perf import fast
from tinytorch.perf.compression import (
    BitmapLinear,
    SparseLinear,
    break_even_sparsity,
    coo_product,
    csr_bytes,
    csr_product,
    csr_product_by_rows,
    magnitude_prune,
    measure_sparsity,
    to_coo,
    to_csr,
    to_sparse,
)
from tinytorch.perf.quantization import QuantizedLinear, quantize_model


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sparse_matrix(m, n, density, seed=0):
    rng = np.random.default_rng(seed)
    return random(m, n, seed=seed) * (rng.random((m, n)) < density).astype(np.float32)


def twins(which):
    """Run with one kind of twins: numba's, where it is missing scipy's, or none."""
    if which == "scipy":
        return mock.patch("tinytorch.perf.compression.csr_loops.compiled", return_value=None)
    return fast.numpy_only() if which == "none" else nullcontext()


TWINS = ("numba", "scipy", "none")


def sparse_linear(n, m, density=0.2, bias=True):
    layer = Linear(n, m, bias)
    layer.weight.data[:] = sparse_matrix(n, m, density)
    if bias:
        layer.bias.data[:] = random(m)
    return layer


@settings(deadline=None)  # the first call may have to compile
@given(
    st.integers(1, 20),
    st.integers(1, 15),
    st.integers(1, 40),
    st.floats(0, 1),
    st.sampled_from(TWINS),
)
def test_products_equal_dense_ones(N, m, n, density, which):
    """CSR and COO, with their twins and without, at odd shapes, empty rows and matrices."""
    A, x = sparse_matrix(m, n, density), random(N, n, seed=1)
    with twins(which):
        for found in (csr_product(x, to_csr(A)), coo_product(x, to_coo(A), m)):
            assert found.shape == (N, m)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, x @ A.T, rtol=1e-4, atol=1e-5)


@given(st.integers(1, 15), st.integers(1, 15), st.floats(0, 1))
def test_lists_equal_scipys(m, n, density):
    """The same three arrays as scipy.sparse makes, in int32 and float32."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    A = sparse_matrix(m, n, density)
    csr, expected = to_csr(A), scipy_sparse.csr_array(A)
    np.testing.assert_array_equal(csr.values, expected.data)
    np.testing.assert_array_equal(csr.columns, expected.indices)
    np.testing.assert_array_equal(csr.starts, expected.indptr)
    coo, expected = to_coo(A), scipy_sparse.coo_array(A)
    np.testing.assert_array_equal(coo.values, expected.data)
    np.testing.assert_array_equal(coo.rows, expected.coords[0])
    np.testing.assert_array_equal(coo.columns, expected.coords[1])
    assert {a.dtype.name for a in (*csr, *coo)} == {"int32", "float32"}
    assert sum(a.nbytes for a in csr) == csr_bytes(csr.values.size, m)


@pytest.mark.parametrize("layout", ["csr", "coo", "bitmap"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("which", TWINS)
def test_layers_equal_their_linear(layout, bias, which):
    """Any leading axes, one row, many rows and none, and the weight comes back exactly."""
    linear = sparse_linear(13, 7, bias=bias)
    layer = BitmapLinear(linear) if layout == "bitmap" else SparseLinear(linear, layout)
    np.testing.assert_array_equal(layer.dense_weight(), linear.weight.data)
    assert measure_sparsity(layer) == measure_sparsity(linear)
    with twins(which):
        for shape in ((13,), (1, 13), (30, 13), (2, 3, 13), (0, 13)):
            x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
            found = layer(x)
            assert found.shape == (*shape[:-1], 7)
            np.testing.assert_allclose(found.numpy(), linear(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["csr", "coo", "bitmap"])
def test_gradients_reach_the_input_and_the_bias(layout):
    """Those of the dense layer; the weights have none."""
    linear = sparse_linear(6, 4)
    layer = BitmapLinear(linear) if layout == "bitmap" else SparseLinear(linear, layout)
    x, y = (Tensor(random(3, 6), requires_grad=True) for _ in range(2))
    (layer(x) * random(3, 4, seed=1)).sum().backward()
    (linear(y) * random(3, 4, seed=1)).sum().backward()
    np.testing.assert_allclose(x.grad, y.grad, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.bias.grad, linear.bias.grad, rtol=1e-5)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_bytes_follow_the_weights_held():
    """8 bytes a weight in CSR, 12 in COO, 4 and a bit for each place in a bit map; half a half."""
    linear = magnitude_prune(Linear(200, 100, bias=False), 0.75)
    nnz = 5000
    assert SparseLinear(linear).size_bytes() == 8 * nnz + 4 * 101
    assert SparseLinear(linear, "coo").size_bytes() == 12 * nnz
    assert BitmapLinear(linear).size_bytes() == 4 * nnz + 20000 // 8
    dense = linear.size_bytes()
    assert SparseLinear(magnitude_prune(linear, 0.5)).size_bytes() < dense
    assert SparseLinear(Linear(200, 100, bias=False)).size_bytes() == pytest.approx(2 * dense, 0.01)
    assert SparseLinear(magnitude_prune(linear, 0.9)).size_bytes() == pytest.approx(dense / 5, 0.1)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_bit_map_holds_codes_without_gaps(bits, symmetric):
    """One bit a weight and the bits of the codes of the others, which come back exactly."""
    linear = magnitude_prune(Linear(40, 16), 0.75)
    quantized = QuantizedLinear(linear, bits, symmetric=symmetric)
    layer = BitmapLinear(quantized)
    np.testing.assert_array_equal(layer.dense_weight(), quantized.dense_weight())
    assert layer.nnz <= 160
    metadata = 16 * (8 if symmetric else 9)
    assert layer.size_bytes() == 40 * 16 // 8 + -(-layer.nnz * bits // 8) + metadata
    x = random(3, 40)
    np.testing.assert_allclose(layer(x).numpy(), quantized(x).numpy(), rtol=1e-4, atol=1e-5)


def test_models_are_converted_where_it_pays():
    """Layers with enough zeros are replaced in a copy, others and skipped ones are not."""
    model = Sequential(sparse_linear(20, 10, 0.1), ReLU(), Linear(10, 5), sparse_linear(5, 5, 0.1))
    x = random(4, 20)
    for layout in ("csr", "coo", "bitmap"):
        converted = to_sparse(model, layout, skip=["layers.3"])
        kinds = [type(layer).__name__ for layer in converted]
        expected = "BitmapLinear" if layout == "bitmap" else "SparseLinear"
        assert kinds == [expected, "ReLU", "Linear", "Linear"]
        np.testing.assert_allclose(converted(x).numpy(), model(x).numpy(), rtol=1e-3, atol=1e-4)
    assert isinstance(model.layers[0], Linear)
    mixed = to_sparse(quantize_model(model, skip=["layers.3"]), "bitmap")
    assert [getattr(layer, "bits", None) for layer in mixed] == [8, None, 8, None]


@pytest.mark.parametrize(
    ("layout", "quantized"), [("csr", False), ("coo", False), ("bitmap", False), ("bitmap", True)]
)
def test_save_and_load_round_trip(tmp_path, layout, quantized):
    """Into a model of other weights, pruned and converted the same way; scipy's view follows."""
    models = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        model = magnitude_prune(Sequential(Linear(12, 8, rng=rng), Linear(8, 3, rng=rng)), 0.75)
        if quantized:  # wide enough that no further weight is rounded to 0
            for layer in model:
                layer.weight.data[layer.weight.data != 0] += 1
            model = quantize_model(model, per_channel=False)
        models.append(to_sparse(model, layout))
    x = random(3, 12)
    for model in models:
        model(x[:1])  # whatever is kept between calls must not survive the load
    models[0].save(tmp_path / "sparse.npz")
    models[1].load(tmp_path / "sparse.npz")
    for rows in (x, x[:1]):
        np.testing.assert_array_equal(models[1](rows).numpy(), models[0](rows).numpy())


def test_copies_do_not_share_what_scipy_sees():
    """Changing the values of a copy changes the copy alone."""
    layer = SparseLinear(sparse_linear(6, 4, bias=False))
    x = random(1, 6)
    before = layer(x).numpy().copy()
    twin = copy.deepcopy(layer)
    twin.matrix.values[:] *= 2
    np.testing.assert_allclose(twin(x).numpy(), 2 * before, rtol=1e-6)
    np.testing.assert_array_equal(layer(x).numpy(), before)


@pytest.mark.parametrize("twins", [True, False])
def test_lists_that_name_places_outside_are_refused(twins):
    """Whether given to the function or loaded into a layer: nothing outside is ever read."""
    good = to_csr(sparse_matrix(4, 6, 0.5))
    x = random(9, 6)
    layer = SparseLinear(sparse_linear(6, 4, 0.5))
    layer(x)
    with nullcontext() if twins else fast.numpy_only():
        for name, place, value in (
            ("columns", 0, 6),
            ("columns", -1, -1),
            ("starts", 0, 1),
            ("starts", 2, 10**6),
            ("starts", -1, 0),
        ):
            bad = good._replace(**{name: getattr(good, name).copy()})
            getattr(bad, name)[place] = value
            with pytest.raises(ValueError, match="expected CSR lists of a matrix of 6 columns"):
                csr_product(x, bad)
            state = layer.state_dict()
            changed = {**state, name: state[name].copy()}
            changed[name][place] = value
            layer.load_state_dict(changed)
            with pytest.raises(ValueError, match="expected CSR lists of a matrix of 6 columns"):
                layer(x)
            layer.load_state_dict(state)
            layer(x)


def test_refusals():
    """Other layers, layouts and inputs, and models without enough zeros."""
    for kind in (SparseLinear, BitmapLinear):
        with pytest.raises(TypeError, match="expected a Linear"):
            kind(ReLU())
        with pytest.raises(ValueError, match=r"input of shape \(\.\.\., 3\), got \(2, 4\)"):
            kind(Linear(3, 2))(np.ones((2, 4)))
    with pytest.raises(ValueError, match="layout as csr or coo, got 'csc'"):
        SparseLinear(Linear(3, 2), "csc")
    with pytest.raises(ValueError, match="layout as one of csr, coo, bitmap, got 'csc'"):
        to_sparse(Linear(3, 2), "csc")
    with pytest.raises(ValueError, match=r"linear layer with 0\.5 zeros or more, got none"):
        to_sparse(Linear(3, 2))
    with pytest.raises(ValueError, match=r"layers to skip, got \['fc'\]"):
        to_sparse(Linear(3, 2), skip=["fc"])
    with pytest.raises(ValueError, match=r"expected a matrix \(m, n\), got shape \(3,\)"):
        to_csr(np.ones(3))
    with pytest.raises(ValueError, match="expected float32 activations, got 'dynamic'"):
        BitmapLinear(QuantizedLinear(Linear(3, 2), activations="dynamic"))


@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 12), st.floats(0, 1))
def test_the_product_by_rows_leaves_alone_what_is_not_stored(N, m, n, density):
    """It equals the dense product, and an infinity that no weight reads has no say."""
    A, x = sparse_matrix(m, n, density), random(N, n, seed=2)
    expected = x @ A.T
    x[:, ~A.any(axis=0)] = np.inf
    np.testing.assert_allclose(csr_product_by_rows(x, to_csr(A)), expected, rtol=1e-4, atol=1e-5)


@given(st.integers(2, 60), st.integers(2, 60), st.sampled_from([1, 4]), st.sampled_from([2, 4]))
def test_break_even_is_where_csr_and_dense_cost_the_same(m, n, value_bytes, index_bytes):
    """One weight more than there costs more than dense, one less costs less."""
    sparsity = break_even_sparsity(m, n, value_bytes, index_bytes)
    nnz = (1 - sparsity) * m * n
    dense = value_bytes * m * n
    assert csr_bytes(int(np.ceil(nnz)) + 1, m, value_bytes, index_bytes) > dense
    assert csr_bytes(int(np.floor(nnz)) - 1, m, value_bytes, index_bytes) < dense
