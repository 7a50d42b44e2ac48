"""Laws of ``Tensor``: values equal NumPy's, data are float32, bad data are refused."""

import copy
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.tensor import Tensor, as_tensor

finite = st.floats(-100, 100, width=32)
shapes = hnp.array_shapes(max_dims=3, max_side=4)
arrays = hnp.arrays(np.float32, shapes, elements=finite)
broadcastable = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv]


@given(broadcastable, st.sampled_from(OPERATORS), st.data())
def test_arithmetic_equals_numpy_for_all_kinds_of_operand(shapes, op, data):
    """a op b is the same for tensor and array on either side, and equals NumPy's."""
    positive = st.floats(0.5, 50, width=32)
    a, b = (data.draw(hnp.arrays(np.float32, shape, elements=positive)) for shape in shapes[0])
    expected = op(a, b)
    for out in (op(Tensor(a), Tensor(b)), op(a, Tensor(b)), op(Tensor(a), b)):
        assert type(out) is Tensor
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out.numpy(), expected)


@pytest.mark.parametrize("scalar", [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2)])
@pytest.mark.parametrize("op", [*OPERATORS, operator.pow])
def test_scalars_work_on_either_side_and_keep_float32(op, scalar):
    """A scalar of any type gives a float32 tensor with NumPy's values."""
    array = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    for out, expected in (
        (op(Tensor(array), scalar), op(array, np.float32(scalar))),
        (op(scalar, Tensor(array)), op(np.float32(scalar), array)),
    ):
        assert type(out) is Tensor
        assert out.dtype == np.float32
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6)


@given(arrays, st.booleans(), st.data())
def test_reductions_equal_numpy(array, keepdims, data):
    """sum, mean and max equal NumPy's over every axis and over all."""
    axis = data.draw(st.one_of(st.none(), st.integers(-array.ndim, array.ndim - 1)))
    for name in ("sum", "mean", "max"):
        out = getattr(Tensor(array), name)(axis=axis, keepdims=keepdims)
        expected = getattr(array, name)(axis=axis, keepdims=keepdims)
        assert out.shape == np.shape(expected)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out.numpy(), expected)


@given(arrays)
def test_shape_operations_equal_numpy(array):
    """T, reshape and transpose rearrange as NumPy does, tuples or numbers given."""
    x = Tensor(array)
    axes = tuple(np.roll(range(array.ndim), 1).tolist())
    np.testing.assert_array_equal(x.T.numpy(), array.T)
    np.testing.assert_array_equal(x.transpose(*axes).numpy(), array.transpose(axes))
    np.testing.assert_array_equal(x.transpose(axes).numpy(), array.transpose(axes))
    np.testing.assert_array_equal(x.reshape(-1).numpy(), array.reshape(-1))
    np.testing.assert_array_equal(x.reshape((1, -1)).numpy(), array.reshape(1, -1))


@given(hnp.arrays(np.float32, shapes, elements=st.floats(0.125, 8, width=32)))
def test_elementwise_functions_equal_numpy(array):
    """exp, log, relu and negation equal NumPy's."""
    x = Tensor(array)
    np.testing.assert_array_equal(x.exp().numpy(), np.exp(array))
    np.testing.assert_array_equal(x.log().numpy(), np.log(array))
    np.testing.assert_array_equal((x - 4).relu().numpy(), np.maximum(array - 4, 0))
    np.testing.assert_array_equal((-x).numpy(), -array)


@pytest.mark.parametrize(
    ("a", "b"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((5, 2, 3), (3, 4)), ((5, 1, 2, 3), (4, 3, 2))],
)
def test_matmul_equals_numpy(a, b):
    """The operator and the method equal NumPy's for vectors, matrices and batches."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=a).astype(np.float32), rng.normal(size=b).astype(np.float32)
    np.testing.assert_array_equal((Tensor(a) @ Tensor(b)).numpy(), a @ b)
    np.testing.assert_array_equal((a @ Tensor(b)).numpy(), a @ b)
    np.testing.assert_array_equal(Tensor(a).matmul(b).numpy(), a @ b)


@pytest.mark.parametrize("data", [3, True, [1, 2], np.arange(3), np.ones(2, np.float16), [[1.5]]])
def test_real_data_become_float32(data):
    """Integers, bools and floats of any width are converted to float32."""
    x = Tensor(data)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x.numpy(), np.asarray(data, dtype=np.float32))


@pytest.mark.parametrize(
    "data", ["1", [1j], [None], np.array([object()]), np.array(["a"]), np.array(["2020"], "M8[D]")]
)
def test_other_data_are_refused(data):
    """Text, complex, object and time data raise TypeError and name the dtype."""
    with pytest.raises(TypeError, match="expected real numbers, got dtype"):
        Tensor(data)


def test_a_tensor_of_a_tensor_is_refused():
    """Tensor(Tensor) would cut the graph in silence."""
    with pytest.raises(TypeError, match="got a Tensor"):
        Tensor(Tensor([1.0]))


def test_ragged_lists_are_refused():
    """Rows of unequal length raise ValueError."""
    with pytest.raises(ValueError, match="unequal length"):
        Tensor([[1.0], [1.0, 2.0]])


def test_nan_is_allowed():
    """NaN is a value like another."""
    assert np.isnan(Tensor([np.nan]).item())


def test_memory_is_shared_only_without_gradient():
    """A constant shares a float32 array; a parameter, which optimisers write into, does not."""
    array = np.zeros(2, dtype=np.float32)
    assert np.shares_memory(Tensor(array).numpy(), array)
    assert np.shares_memory(Tensor(array).detach().numpy(), array)
    assert not np.shares_memory(Tensor(array, requires_grad=True).numpy(), array)


def test_item_needs_one_element():
    """item() converts one element of any shape and refuses more."""
    assert Tensor([[2.5]]).item() == 2.5
    with pytest.raises(ValueError, match=r"one element, got shape \(2,\)"):
        Tensor([1.0, 2.0]).item()


def test_sequence_protocol():
    """len and iteration go over the first axis, and a tensor without axes has neither."""
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2
    assert [row.numpy().tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(TypeError):
        len(Tensor(1.0))
    with pytest.raises(TypeError):
        list(Tensor(1.0))
    with pytest.raises(IndexError):
        x[2]


def test_truth_is_refused_for_several_elements():
    """The truth of a tensor is that of its one element."""
    assert not Tensor([0.0])
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor([1.0, 2.0]))


def test_matmul_of_wrong_shapes_names_them():
    """Both shapes stand in the message."""
    with pytest.raises(ValueError, match=r"got \(2, 3\) @ \(2, 3\)"):
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((2, 3)))


def test_broadcasting_of_wrong_shapes_is_refused():
    """Shapes that do not broadcast raise ValueError."""
    with pytest.raises(ValueError, match="broadcast"):
        Tensor(np.ones(2)) + Tensor(np.ones(3))


def test_copies_are_independent():
    """deepcopy and pickle keep values and flags and share no memory."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad
        np.testing.assert_array_equal(twin.numpy(), x.numpy())
        assert not np.shares_memory(twin.numpy(), x.numpy())


def test_conversions():
    """as_tensor keeps a tensor, NumPy reads one, repr shows values and flag."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert as_tensor(x) is x
    np.testing.assert_array_equal(np.asarray(x), [1.0, 2.0])
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert (x.size, x.ndim, x.shape) == (2, 1, (2,))
