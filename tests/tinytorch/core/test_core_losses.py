"""Laws of the losses: equal to their definitions, exact gradients, labels and shapes checked."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.activations import log_softmax
from tinytorch.core.losses import CrossEntropyLoss, MSELoss, cross_entropy, mse_loss
from tinytorch.core.tensor import Tensor


@st.composite
def batches(draw):
    """Logits (N, C) and labels (N,)."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    logits = draw(hnp.arrays(np.float32, shape, elements=st.floats(-1e3, 1e3, width=32)))
    labels = draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return logits, labels


@given(batches())
def test_value_equals_the_definition(batch):
    """The mean of -log softmax(logits)[label], in float64 by scipy."""
    logits, labels = batch
    log_p = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    expected = -log_p[np.arange(len(labels)), labels].mean()
    out = cross_entropy(logits, labels)
    assert out.shape == ()
    assert out.item() == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert CrossEntropyLoss()(logits, labels).item() == out.item()


@given(batches())
def test_direct_gradient_equals_the_composed_one(batch):
    """(softmax - onehot) / N is what differentiating log_softmax step by step gives."""
    logits, labels = batch
    direct, composed = Tensor(logits, True), Tensor(logits, True)
    cross_entropy(direct, labels).backward()
    (-log_softmax(composed)[np.arange(len(labels)), labels].mean()).backward()
    np.testing.assert_allclose(direct.grad, composed.grad, rtol=1e-4, atol=1e-6)


def test_gradient_equals_differences(check_gradient):
    """The gradient equals the difference quotient, also behind a factor."""
    logits = np.random.default_rng(0).normal(size=(4, 3))
    check_gradient(lambda x: 3 * cross_entropy(x, [0, 2, 1, 2]), logits)


def test_sequences_are_a_batch_of_positions():
    """(B, T, C) with (B, T) is the loss of all positions as one batch, with its gradient."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 3, 4)), rng.integers(4, size=(2, 3))
    whole, flat = Tensor(logits, True), Tensor(logits.reshape(6, 4), True)
    cross_entropy(whole, labels).backward()
    cross_entropy(flat, labels.reshape(6)).backward()
    assert cross_entropy(whole, labels).item() == cross_entropy(flat, labels.reshape(6)).item()
    np.testing.assert_array_equal(whole.grad.reshape(6, 4), flat.grad)
    with pytest.raises(ValueError, match=r"labels of shape \(2, 3\), got \(6,\)"):
        cross_entropy(logits, labels.reshape(6))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_every_integer_type_is_a_label(dtype):
    """Labels of any integer width give the same loss."""
    labels = np.array([1, 0], dtype=dtype)
    assert cross_entropy(np.eye(2), labels).item() == cross_entropy(np.eye(2), [1, 0]).item()


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0.0, 1.0], TypeError, "integer labels, got dtype float64"),
        ([True, False], TypeError, "got dtype bool"),
        (["0", "1"], TypeError, "integer labels"),
        ([np.nan, 0], TypeError, "integer labels"),
        (Tensor([0, 1]), TypeError, "got dtype float32"),
        ([0, 3], ValueError, "labels from 0 to 2, got 3"),
        ([0, -1], ValueError, "labels from 0 to 2, got -1"),
        ([0], ValueError, r"labels of shape \(2,\), got \(1,\)"),
        ([[0], [1]], ValueError, r"got \(2, 1\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, error, message):
    """Wrong dtype, range and shape each have a message of their own."""
    with pytest.raises(error, match=message):
        cross_entropy(np.zeros((2, 3)), labels)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5), (0, 3), (2, 0), (2, 0, 3)])
def test_logits_that_are_no_batch_are_refused(shape):
    """Logits are (N, C) or (B, T, C) and not empty."""
    with pytest.raises(ValueError, match=r"logits of shape \(N, C\), not empty"):
        cross_entropy(np.zeros(shape), np.zeros(shape[:1], dtype=int))


pairs = hnp.array_shapes(max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(
        *[hnp.arrays(np.float32, shape, elements=st.floats(-99, 99, width=32))] * 2
    )
)


@given(pairs)
def test_squared_error_equals_its_definition(pair):
    """The mean of the squared differences over all elements, the same for both orders."""
    a, b = pair
    expected = np.mean((a.astype(np.float64) - b) ** 2)
    assert mse_loss(a, b).shape == ()
    assert mse_loss(a, b).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert mse_loss(a, b).item() == mse_loss(b, a).item() == MSELoss()(a, b).item()


def test_squared_error_gradients(check_gradient):
    """Prediction and target both get one."""
    a, b = np.random.default_rng(0).normal(size=(2, 3, 4))
    check_gradient(lambda a, b: 3 * mse_loss(a, b), a, b)


@pytest.mark.parametrize(("a", "b"), [((3,), (3, 1)), ((0,), (0,)), ((), (1,))])
def test_squared_error_refuses_to_broadcast(a, b):
    """(N,) against (N, 1) would average N^2 differences."""
    with pytest.raises(ValueError, match="of one shape, not empty"):
        mse_loss(np.ones(a), np.ones(b))


def test_losses_show_themselves():
    """repr is the call that makes the layer."""
    assert (repr(CrossEntropyLoss()), repr(MSELoss())) == ("CrossEntropyLoss()", "MSELoss()")
