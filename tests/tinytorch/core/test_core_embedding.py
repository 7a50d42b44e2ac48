"""Laws of the embedding: rows of a table, whose gradients add up over their uses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.embedding import Embedding

tokens = hnp.arrays(
    st.sampled_from([np.int64, np.uint8]),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
    elements=st.integers(0, 4),
)


@given(tokens)
def test_tokens_name_rows(tokens):
    """Any shape and integer type of tokens is kept, with the vector as a last axis."""
    layer = Embedding(5, 3)
    out = layer(tokens)
    assert out.shape == (*tokens.shape, 3)
    for place in np.ndindex(tokens.shape):
        np.testing.assert_array_equal(out.numpy()[place], layer.weight.data[tokens[place]])


@given(tokens)
def test_the_gradient_of_a_row_is_the_sum_over_its_uses(tokens):
    """What np.add.at gives, slowly, for repeated and unused rows."""
    layer = Embedding(5, 3)
    out = layer(tokens)
    grad = np.random.default_rng(0).normal(size=out.shape).astype(np.float32)
    out.backward(grad)
    expected = np.zeros((5, 3), dtype=np.float32)
    np.add.at(expected, tokens, grad)
    np.testing.assert_allclose(layer.weight.grad, expected, rtol=1e-5, atol=1e-6)


def test_gradients_equal_differences(check_gradient):
    """The table gets the gradient of the difference quotient."""
    layer = Embedding(5, 3)

    def forward(weight):
        layer.weight = weight
        return layer([[0, 4, 4], [1, 4, 1]])

    check_gradient(forward, np.random.default_rng(0).normal(size=(5, 3)))


def test_no_tokens_at_all():
    """An empty batch has an empty output and leaves no gradient in the table."""
    layer = Embedding(5, 3)
    out = layer(np.zeros((2, 0), dtype=int))
    assert out.shape == (2, 0, 3)
    out.sum().backward()
    assert not layer.weight.grad.any()


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        ([0.0], TypeError, "integer tokens, got dtype float64"),
        ([True], TypeError, "integer tokens, got dtype bool"),
        ([5], ValueError, "tokens from 0 to 4, got 5"),
        ([0, -1], ValueError, "tokens from 0 to 4, got -1"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(tokens, error, message):
    """NumPy would read row -1 from the end, and truncate nothing."""
    with pytest.raises(error, match=message):
        Embedding(5, 3)(tokens)


def test_settings():
    """repr is the call; sizes are checked."""
    assert repr(Embedding(5, 3)) == "Embedding(5, 3)"
    with pytest.raises(ValueError, match="num of at least 1"):
        Embedding(0, 3)
    with pytest.raises(TypeError, match="integer dim"):
        Embedding(5, "3")
