"""Laws of the gradients: equal to difference quotients, summed over paths, of any depth."""

import gc
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.autograd import is_grad_enabled, no_grad, unbroadcast
from tinytorch.core.tensor import Tensor

broadcastable = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


def normal(*shape):
    return np.random.default_rng(sum(shape) + len(shape)).normal(size=shape)


def positive(*shape):
    return np.abs(normal(*shape)) + 0.5


@given(broadcastable, st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_arithmetic_under_broadcasting(check_gradient, shapes, seed):
    """+ - * / ** have the right gradient in both operands for every pair of shapes."""
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes)
    check_gradient(lambda a, b: a + b, a, b)
    check_gradient(lambda a, b: a - b, a, b)
    check_gradient(lambda a, b: a * b, a, b)
    check_gradient(lambda a, b: a / b, a, b)
    check_gradient(lambda a, b: a**b, a, b)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.exp(),
        lambda x: x.log(),
        lambda x: (x - 1).relu(),
        lambda x: -x,
        lambda x: x**3,
        lambda x: x**-1,
        lambda x: x**0.5,
        lambda x: 2**x,
        lambda x: 3 - x,
        lambda x: 3 / x,
        lambda x: x * x + x,
        lambda x: x.T,
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((-1, 0)),
        lambda x: x.reshape(2, -1),
        lambda x: x.reshape((12,)),
        lambda x: x[1],
        lambda x: x[1:, ::2],
        lambda x: x[..., None, -1],
        lambda x: x[[0, 0, 2]],
        lambda x: x[np.array([0, 0]), np.array([1, 1])],
        lambda x: x[np.eye(3, 4, dtype=bool)],
        lambda x: x @ x.T,
    ],
)
def test_operations_of_one_tensor(check_gradient, function):
    """Each operation has the gradient of its difference quotient, repeated indices included."""
    check_gradient(function, positive(3, 4))


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 0, 1), (0, -1, 1), ((-1, 0, 1),), ()])
def test_permutations_of_three_axes(check_gradient, axes):
    """A cyclic permutation is not its own inverse, so the gradient must use the inverse."""
    check_gradient(lambda x: x.transpose(*axes), normal(2, 3, 4))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_reductions(check_gradient, name, axis, keepdims):
    """Reductions over one, several and all axes, kept or dropped."""
    check_gradient(lambda x: getattr(x, name)(axis=axis, keepdims=keepdims), normal(2, 3, 4))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((5, 2, 3), (3,)),
        ((3,), (3, 2)),
        ((3,), (4, 3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
    ],
)
def test_matmul(check_gradient, a, b):
    """Vectors, matrices and broadcast batches on either side."""
    check_gradient(lambda a, b: a @ b, normal(*a), normal(*b))


def test_the_check_itself_finds_a_wrong_gradient(check_gradient):
    """The negative twin: a rule that is off by one in a thousand fails."""

    def wrong(x):
        out = (x * 2).detach()
        out.record((x,), lambda grad: (grad * 2.002,))
        return out

    with pytest.raises(AssertionError):
        check_gradient(wrong, normal(3))


def test_ties_of_max_share_the_gradient():
    """Equal maxima get equal shares that sum to the whole."""
    x = Tensor([[1.0, 3.0, 3.0]], requires_grad=True)
    x.max(axis=1).backward()
    assert x.grad.tolist() == [[0.0, 0.5, 0.5]]


def test_power_at_its_edges():
    """x ** 0 is flat everywhere and 0 ** b is flat in b, instead of NaN."""
    x = Tensor([0.0, 2.0, 0.0], requires_grad=True)
    b = Tensor([2.0, 0.0, 0.0], requires_grad=True)
    (x**b).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(b.grad, [0.0, np.log(2.0), 0.0], rtol=1e-6)


def test_gradients_are_float32():
    """Every operation leaves float32 gradients in float32 tensors."""
    x = Tensor(positive(2, 2), requires_grad=True)
    y = (x**2 / 3 - x.log() * x.mean() + 2**x + x.max()) @ x[[0, 0]].T.exp()
    y.relu().sum().backward()
    assert y.dtype == np.float32
    assert x.grad.dtype == np.float32


def test_gradients_add_up_over_paths_and_calls():
    """A tensor used twice gets both contributions; a second backward adds; zero_grad forgets."""
    x = Tensor([3.0], requires_grad=True)
    y = x * x + x
    y.backward()
    assert x.grad.tolist() == [7.0]
    y.backward()
    assert x.grad.tolist() == [14.0]
    x.zero_grad()
    assert x.grad is None


def test_gradients_of_two_leaves_share_no_memory():
    """Clipping one gradient in place leaves the other, and the caller's array, as they are."""
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    start = np.ones(1, dtype=np.float32)
    (a + b).backward(start)
    a.grad *= 0
    assert b.grad.tolist() == [1.0]
    assert start.tolist() == [1.0]


def test_a_deep_graph_needs_no_recursion():
    """50 000 operations in a row are differentiated, and freed, without a RecursionError."""
    x = Tensor(0.0, requires_grad=True)
    y = x
    for _ in range(50_000):
        y = y + 1
    y.backward()
    assert x.grad == 1.0
    del y


def test_graphs_are_freed_without_the_cycle_collector():
    """No operation closes over its own result."""
    x = Tensor(positive(2, 2), requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        y = (x.exp() / x).relu().max() ** x.sum()
        y.backward()
        del y
        assert not [o for o in gc.get_objects() if isinstance(o, Tensor) and o._parents]
    finally:
        gc.enable()


def test_nothing_is_recorded_for_constants_or_under_no_grad():
    """The graph exists only where a gradient is asked for."""
    x = Tensor([1.0], requires_grad=True)
    assert (Tensor([1.0]) * 2)._parents == ()
    assert (x.detach() * 2)._parents == ()
    with no_grad():
        y = x * 2
        with no_grad():
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()
    assert not y.requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception_and_decorates():
    """Recording resumes however the block is left."""
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_grad_enabled()
    assert not no_grad()(is_grad_enabled)()


def test_no_grad_holds_for_its_own_thread_only():
    """A thread that evaluates does not stop another that trains."""
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_constants_get_no_gradient():
    """An operand that needs no gradient keeps None."""
    x, c = Tensor([2.0], requires_grad=True), Tensor([3.0])
    (x * c / c @ c).backward()
    assert c.grad is None
    assert x.grad is not None


def test_backward_refusals():
    """Without a graph, without a start or with a misshapen one, backward says what it needs."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="got a constant"):
        Tensor([1.0]).backward()
    with pytest.raises(ValueError, match=r"start from for shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"shape \(2,\), got \(3,\)"):
        (x * 2).backward(np.ones(3))
    (x * 2).backward(Tensor([1.0, 2.0]))
    assert x.grad.tolist() == [2.0, 4.0]


@given(broadcastable)
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes):
    """<broadcast(a), g> = <a, unbroadcast(g)> for every a and g."""
    shape = shapes.input_shapes[0]
    a, g = normal(*shape), normal(*shapes.result_shape)
    back = unbroadcast(g, shape)
    assert back.shape == shape
    np.testing.assert_allclose((np.broadcast_to(a, g.shape) * g).sum(), (a * back).sum())
