"""Laws of ``memoize``: the function's results, computed once for each content, and bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.autograd import no_grad
from tinytorch.core.layers import Linear
from tinytorch.core.tensor import Tensor
from tinytorch.perf.memoization import content_key, memoize

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(),
        hnp.arrays(
            st.sampled_from([np.float32, np.int8, np.int64]),
            hnp.array_shapes(min_dims=0, min_side=0),
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(
            st.one_of(st.text(max_size=2), st.integers(), st.none()), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


def spelled(value):
    """Return a text that differs whenever type, shape or any element does."""
    if isinstance(value, np.ndarray):
        return f"array {value.dtype} {value.shape} {value.tolist()}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} {[spelled(item) for item in value]}"
    if isinstance(value, dict):
        return f"dict {sorted(spelled(pair) for pair in value.items())}"
    return f"{type(value).__name__} {value!r}"


@given(values, values)
def test_keys_are_equal_exactly_for_equal_contents(a, b):
    """Type, dtype, shape, nesting and every element count."""
    assert (content_key(a) == content_key(b)) == (spelled(a) == spelled(b))
    assert content_key(a, b) != content_key((a, b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros(2, np.float32), np.zeros(1, np.float64)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (["ab", "c"], ["a", "bc"]),
        ([[1], 2], [1, [2]]),
        (1, True),
        (1, 1.0),
        ("1", 1),
        (np.float32(1), 1.0),
        (Tensor([1.0]), np.ones(1, np.float32)),
    ],
)
def test_keys_of_look_alikes_differ(a, b):
    """Equal bytes are not equal contents."""
    assert content_key(a) != content_key(b)


def test_the_layout_of_an_array_does_not_count():
    """A transposed view has the key of its copy."""
    x = np.arange(6.0).reshape(2, 3)
    assert content_key(x.T) == content_key(x.T.copy())
    assert content_key(x[:, ::2]) == content_key(x[:, ::2].copy())


def test_a_content_is_computed_once():
    """Equal arguments, not the same objects, are found; hits and misses are counted."""
    calls = []

    def scaled(x, factor=1.0):
        calls.append(factor)
        return x * factor

    remembered = memoize(scaled)
    for _ in range(3):
        assert remembered(np.ones(2), factor=3.0).tolist() == [3.0, 3.0]
    assert remembered(np.ones(2), factor=4.0).tolist() == [4.0, 4.0]
    assert calls == [3.0, 4.0]
    assert (remembered.hits, remembered.misses) == (2, 2)
    assert remembered.__name__ == "scaled"
    assert remembered.size_bytes == 2 * 2 * 8
    remembered.clear()
    assert (remembered.hits, remembered.misses, remembered.size_bytes) == (0, 0, 0)


def test_an_argument_changed_in_place_is_another():
    """Keyed by identity, the old result would come back."""
    remembered, x = memoize(np.square), np.array([2.0])
    assert remembered(x).tolist() == [4.0]
    x[0] = 3.0
    assert remembered(x).tolist() == [9.0]


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(1, 4))
def test_the_least_recently_asked_is_forgotten(asked, max_entries):
    """Hits and misses are those of a list in the order of last use."""
    remembered = memoize(lambda n: np.array([n]), max_entries)
    recent, hits = [], 0
    for n in asked:
        assert remembered(n).tolist() == [n]
        hits += n in recent
        recent = [*(m for m in recent if m != n), n][-max_entries:]
        assert remembered.size_bytes <= 8 * max_entries
    assert (remembered.hits, remembered.misses) == (hits, len(asked) - hits)


def test_nobody_can_change_a_result_for_others():
    """Results are read-only, and no view of what the function still holds."""
    held = np.ones(2)
    remembered = memoize(lambda: held)
    result = remembered()
    held[:] = 7
    assert remembered().tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        result[0] = 5


def test_tuples_of_arrays_are_remembered():
    """Each part is a copy that nobody can write to."""
    parts = np.ones(2), np.zeros((3, 1), np.float32)
    remembered = memoize(lambda: parts)
    first = remembered()
    parts[0][:] = 7
    assert first is remembered()
    assert [part.tolist() for part in first] == [[1.0, 1.0], [[0.0]] * 3]
    assert not any(part.flags.writeable for part in first)
    assert remembered.size_bytes == 2 * 8 + 3 * 4


def test_the_hit_rate_is_a_fraction_of_all_calls():
    """0 before the first call, and after it was cleared."""
    remembered = memoize(lambda x: np.array([x]))
    assert remembered.hit_rate == 0.0
    for x in (1.0, 1.0, 2.0, 1.0):
        remembered(x)
    assert remembered.hit_rate == 0.5
    remembered.clear()
    assert remembered.hit_rate == 0.0


def test_a_layer_is_remembered_with_its_weights():
    """The same input after a change of the weights is computed again."""
    layer = Linear(3, 2).eval()
    remembered, x = memoize(layer), np.ones((1, 3))
    with no_grad():
        first = remembered(x)
        assert remembered(x) is first
        np.testing.assert_array_equal(first.numpy(), layer(x).numpy())
        layer.bias.data += 1
        np.testing.assert_array_equal(remembered(x).numpy(), layer(x).numpy())
    assert (remembered.hits, remembered.misses) == (1, 2)


def test_gradients_are_not_lost_in_silence():
    """Training layers, recorded layers and arguments are refused."""
    x = np.ones((1, 3))
    with pytest.raises(RuntimeError, match="not training"):
        memoize(Linear(3, 2))(x)
    with pytest.raises(RuntimeError, match=r"no gradient; call the function under no_grad\(\)"):
        memoize(Linear(3, 2).eval())(x)
    square = memoize(lambda x: x * x)
    with pytest.raises(RuntimeError, match="no gradient"):
        square(Tensor([2.0], requires_grad=True))
    with no_grad():
        assert square(Tensor([2.0], requires_grad=True)).item() == 4.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: memoize(3), TypeError, "a function or a layer, got int"),
        (lambda: memoize(np.square, 0), ValueError, "max_entries of at least 1"),
        (lambda: memoize(np.square)(object()), TypeError, "or None, got object"),
        (lambda: memoize(np.square)(np.array([object()])), TypeError, "or None, got ndarray"),
        (lambda: memoize(len)([1]), TypeError, "returns an array or a tensor, got int"),
    ],
)
def test_what_cannot_be_remembered_is_refused(call, error, message):
    """Objects that may change without a trace have no key."""
    with pytest.raises(error, match=message):
        call()
