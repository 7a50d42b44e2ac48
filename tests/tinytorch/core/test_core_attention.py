"""Laws of attention: the definition in loops, no look ahead, the same with a store as without."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core.attention import MultiHeadAttention, attention_weights, causal_attention
from tinytorch.core.autograd import no_grad
from tinytorch.core.tensor import Tensor


class Store:
    """A store of keys and values of one layer that grows by concatenation."""

    def __init__(self):
        self.length = 0
        self.held = None

    def update(self, layer, k, v):
        assert layer == 0
        if self.held is not None:
            k, v = (np.concatenate(pair, axis=2) for pair in zip(self.held, (k, v), strict=True))
        self.held = (k, v)
        return k, v

    def advance(self, n):
        self.length += n


def attend(q, k, v):
    """Return causal attention, one query at a time, in float64 with scipy's softmax."""
    B, H, T, D = q.shape
    S = k.shape[2]
    out = np.zeros(q.shape)
    for b, h, t in np.ndindex(B, H, T):
        seen = S - T + t + 1
        scores = k[b, h, :seen].astype(np.float64) @ q[b, h, t] / np.sqrt(D)
        out[b, h, t] = scipy.special.softmax(scores) @ v[b, h, :seen]
    return out


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


small = st.integers(1, 3)


@given(small, small, st.integers(1, 5), st.integers(0, 4), small)
@settings(max_examples=40, deadline=None)
def test_attention_equals_its_definition(B, H, T, past, D):
    """Whole sequences, and queries behind positions that are already there."""
    q, k, v = normal(B, H, T, D), 3 * normal(B, H, T + past, D), normal(B, H, T + past, D + 1)
    v = v[..., :D]
    out = causal_attention(Tensor(q), Tensor(k), Tensor(v))
    np.testing.assert_allclose(out.numpy(), attend(q, k, v), rtol=1e-4, atol=1e-5)
    P = attention_weights(q, k)
    np.testing.assert_allclose(P.sum(axis=-1), 1, rtol=1e-5)
    assert not np.triu(P, past + 1).any()


@pytest.mark.parametrize("past", [0, 2])
def test_attention_gradients(check_gradient, past):
    """Queries, keys and values, with and without earlier positions."""
    shapes = [(2, 2, 3, 4), (2, 2, 3 + past, 4), (2, 2, 3 + past, 4)]
    check_gradient(causal_attention, *[normal(*shape) for shape in shapes])


def test_attention_is_not_uniform():
    """A mask of the wrong sign would make every row the mean of what it sees."""
    P = attention_weights(3 * normal(1, 1, 6, 4), 3 * normal(1, 1, 6, 4))[0, 0]
    uniform = np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, np.newaxis]
    assert abs(P - uniform).max() > 0.3


def test_large_scores_do_not_overflow():
    """The softmax is exact for scores far beyond exp's range."""
    q = np.full((1, 1, 2, 1), 1e4, dtype=np.float32)
    P = attention_weights(q, np.array([[[[1.0], [0.5]]]], dtype=np.float32))
    assert P[0, 0].tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(("embed_dim", "num_heads"), [(6, 1), (6, 2), (6, 6)])
def test_heads_read_their_columns(embed_dim, num_heads):
    """Head h uses columns h D to (h + 1) D of the projections, and out_proj joins them."""
    layer = MultiHeadAttention(embed_dim, num_heads)
    x = normal(2, 5, embed_dim)
    D = embed_dim // num_heads
    projections = [layer.q_proj, layer.k_proj, layer.v_proj]
    q, k, v = (p(x).numpy().reshape(2, 5, num_heads, D).swapaxes(1, 2) for p in projections)
    joined = attend(q, k, v).swapaxes(1, 2).reshape(x.shape)
    np.testing.assert_allclose(layer(x).numpy(), layer.out_proj(joined).numpy(), atol=1e-5)


def test_the_future_has_no_influence():
    """Changing position 3 changes the outputs from 3 on, and no earlier one."""
    layer = MultiHeadAttention(8, 2)
    x = normal(1, 6, 8)
    changed = x.copy()
    changed[0, 3] += 1
    differs = (layer(x).numpy() != layer(changed).numpy()).any(axis=-1)[0]
    assert differs.tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize("pieces", [[7], [1] * 7, [3, 1, 2, 1], [1, 6]])
def test_pieces_with_a_store_equal_the_whole(pieces):
    """However the positions are divided into calls."""
    layer, x, store = MultiHeadAttention(8, 2), normal(3, 7, 8), Store()
    outputs, start = [], 0
    with no_grad():
        for size in pieces:
            outputs.append(layer(x[:, start : start + size], store).numpy())
            store.advance(size)
            start += size
    np.testing.assert_allclose(np.concatenate(outputs, axis=1), layer(x).numpy(), atol=1e-5)


def test_a_store_while_gradients_are_recorded_is_refused():
    """Gradients would end at the store in silence."""
    with pytest.raises(RuntimeError, match="for inference"):
        MultiHeadAttention(8, 2)(normal(1, 3, 8), Store())


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((1, 3, 4), (1, 3, 4), (1, 3, 4)),
        ((1, 1, 3, 4), (1, 1, 2, 4), (1, 1, 2, 4)),
        ((1, 1, 3, 4), (1, 1, 3, 5), (1, 1, 3, 5)),
        ((1, 1, 3, 4), (1, 1, 3, 4), (1, 1, 4, 4)),
        ((2, 1, 3, 4), (1, 1, 3, 4), (1, 1, 3, 4)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(q, k, v):
    """Fewer keys than queries, other heads, batches or widths are named."""
    with pytest.raises(ValueError, match=r"expected q \(B, H, T, D\) and k, v \(B, H, S, D\)"):
        causal_attention(Tensor(np.ones(q)), Tensor(np.ones(k)), Tensor(np.ones(v)))


def test_settings_are_checked():
    """The heads divide the width, and the input has it."""
    assert repr(MultiHeadAttention(8, 2)) == "MultiHeadAttention(8, 2)"
    with pytest.raises(ValueError, match="embed_dim a multiple of 3, got 8"):
        MultiHeadAttention(8, 3)
    for shape in [(3, 8), (1, 3, 4)]:
        with pytest.raises(ValueError, match=r"shape \(B, T, 8\), got"):
            MultiHeadAttention(8, 2)(np.ones(shape))
