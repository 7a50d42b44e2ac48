"""Laws of the cross entropy: equal to the definition by scipy, exact gradient, labels checked."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.activations import log_softmax
from tinytorch.core.losses import CrossEntropyLoss, cross_entropy
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


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0, 3), (2, 0)])
def test_logits_that_are_no_batch_are_refused(shape):
    """Logits are (N, C) and not empty."""
    with pytest.raises(ValueError, match=r"logits of shape \(N, C\), not empty"):
        cross_entropy(np.zeros(shape), np.zeros(shape[:1], dtype=int))
