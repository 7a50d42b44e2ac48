"""Plain data crosses unchanged; what only looks like it does not cross as plain data."""

import json
import math
import operator
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autograder.trust import codec
from autograder.trust.codec import Decoder, Encoder, update_in_place
from autograder.trust.frames import ChannelError

Point = namedtuple("Point", "x y")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**3000), 2**3000), st.text(),
    st.floats(), st.complex_numbers(), st.binary(), st.fractions(), st.decimals(allow_nan=False),
    st.datetimes().map(lambda d: d.replace(fold=0)), st.dates(), st.timedeltas(), st.just(...),
    st.times().map(lambda t: t.replace(fold=0)),
)  # fmt: skip
keys = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False), st.binary(),
    st.fractions(), st.dates(), st.just(...), st.tuples(st.integers(), st.text()),
    st.frozensets(st.integers()), st.builds(Point, st.integers(), st.text()),
)  # fmt: skip
dtypes = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(endianness="?"), arrays.floating_dtypes(),
    arrays.unsigned_integer_dtypes(endianness="?"), arrays.complex_number_dtypes(),
    arrays.unicode_string_dtypes(max_len=4), arrays.byte_string_dtypes(max_len=4),
    arrays.datetime64_dtypes(), arrays.timedelta64_dtypes(),
)  # fmt: skip
every_array = arrays.arrays(dtypes, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0))
nested = st.recursive(
    scalars | every_array,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.lists(inner, max_size=4).map(deque),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(OrderedDict),
        st.dictionaries(keys, inner, max_size=4).map(lambda d: defaultdict(list, d)),
        st.sets(keys, max_size=4),
        st.frozensets(keys, max_size=4),
        st.builds(Point, inner, inner),
    ),
    max_leaves=8,
)


def no_reference(value, encoder):
    raise ChannelError("not plain")


def crossed(value):
    """The value after it has gone through the channel."""
    encoder = Encoder(no_reference)
    data = json.loads(json.dumps(encoder.encode(value), allow_nan=False))
    return Decoder(encoder.blobs, no_reference).decode(data)


def same(one, other):
    """Tell whether two plain values are the same, types, signs of zero and NaN included."""
    if isinstance(one, tuple) and hasattr(one, "_fields"):
        return one._fields == other._fields and same(tuple(one), tuple(other))
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return (
            one.dtype == other.dtype and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )  # fmt: skip
    if isinstance(one, float):
        both = math.isnan(one) and math.isnan(other)
        return both or (one == other and math.copysign(1, one) == math.copysign(1, other))
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.keys()), list(other.keys())) and same(
            list(one.values()), list(other.values())
        )
    return one == other


@given(nested)
def test_plain_data_crosses_unchanged(value):
    assert same(value, crossed(value))


@given(every_array)
def test_arrays_cross_with_dtype_shape_and_bytes_and_can_be_written_to(array):
    found = crossed(array)
    assert same(array, found)
    assert found.flags.writeable
    assert found.flags.owndata or found.base.flags.owndata


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4).T,
        np.arange(12)[::-2],
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.broadcast_to(np.float32(3), (2, 3)),
        np.zeros((0, 3)),
        np.array(5),
        np.longdouble(1) / 3 * np.ones(2, np.longdouble),
    ],
    ids=["transposed", "reversed", "Fortran", "broadcast", "empty", "no dimension", "long"],
)
def test_arrays_cross_however_they_lie_in_memory(array):
    found = crossed(array)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape


@given(arrays.from_dtype(np.dtype("f4")) | arrays.from_dtype(np.dtype("i8")))
def test_numpy_scalars_keep_their_type(value):
    assert same(value, crossed(value))


@pytest.mark.parametrize(
    "value",
    [
        range(2, 20, 3), slice(None, 5), slice(1, None, 2), Counter("banana"), np.dtype("<f4"),
        Decimal("NaN"), timedelta(days=-1, microseconds=5),
        datetime(2026, 1, 1, 12, fold=1), date.max, time(23, 59, 59, 999999), -0.0, 2**200_000 - 1,
        Fraction(-3, 7), bytearray(b"ab"), np.str_("text"), np.bool_(True),
        np.datetime64("2026-01"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_each_kind_of_value_crosses(value):
    assert same(value, crossed(value)) or str(value) == str(crossed(value)) == "NaN"


def test_paths_cross(tmp_path):
    assert crossed(tmp_path) == tmp_path
    assert type(crossed(tmp_path)) is type(tmp_path)


def test_arrays_of_objects_cross_item_by_item():
    array = np.array([[1, "two"], [None, [3.0]]], dtype=object)
    found = crossed(array)
    assert found.dtype == object
    assert found.tolist() == array.tolist()
    with pytest.raises(ChannelError):
        crossed(np.array([object()]))


def test_named_tuples_cross_with_their_names():
    found = crossed(Point(1, [2]))
    assert (found.x, found.y) == (1, [2])
    assert found == Point(1, [2])


def test_a_dictionary_with_a_default_keeps_it():
    found = crossed(defaultdict(int, a=1))
    assert found["absent"] == 0
    assert crossed(defaultdict(lambda: 5, a=1)).default_factory is None


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_random_generators_cross_in_their_state(kind):
    generator = np.random.Generator(getattr(np.random, kind)(7))
    generator.random(3)
    assert crossed(generator).random() == generator.random()


@pytest.mark.parametrize("base", [int, float, str, bytes, list, dict, set, tuple, np.ndarray])
def test_subclasses_do_not_cross_as_plain_data(base):
    kind = type("Mine", (base,), {"__eq__": lambda self, other: True, "__hash__": None})
    value = kind((1,)) if base is np.ndarray else kind()
    with pytest.raises(ChannelError, match="not plain"):
        crossed([value])


@pytest.mark.parametrize("value", [object(), len, int, json, operator.add, (i for i in "ab")])
def test_what_is_not_plain_is_left_to_be_referred_to(value):
    encoder = Encoder(lambda value, encoder: ["mine", 5])
    assert encoder.encode({"a": [value]}) == ["dict", [["a", ["list", [["mine", 5]]]]]]


def test_what_contains_itself_cannot_cross():
    cycle = []
    cycle.append({"again": cycle})
    with pytest.raises(ChannelError, match="contains itself"):
        crossed(cycle)


def test_the_same_object_twice_is_no_cycle():
    part = [1]
    assert crossed([part, part, {"a": part}]) == [[1], [1], {"a": [1]}]


@pytest.mark.parametrize("depth", [1, 50, 150])
def test_nested_data_crosses(depth):
    assert crossed(nest(depth)) == nest(depth)


def test_data_that_is_nested_too_deeply_cannot_cross():
    with pytest.raises(ChannelError, match="too many parts"):
        crossed(nest(5000))


def test_data_with_too_many_parts_cannot_cross(monkeypatch):
    monkeypatch.setattr(codec, "MAX_NODES", 100)
    crossed([[]] * 98)
    with pytest.raises(ChannelError, match="too many parts"):
        crossed([[]] * 101)


def test_a_number_that_is_too_large_cannot_cross():
    with pytest.raises(ChannelError, match="too large"):
        crossed(2**codec.MAX_INT_BITS)


mutable_pairs = st.one_of(
    st.tuples(st.lists(nested, max_size=4), st.lists(nested, max_size=4)),
    st.tuples(st.dictionaries(keys, nested, max_size=4), st.dictionaries(keys, nested, max_size=4)),
    st.tuples(st.sets(keys, max_size=4), st.sets(keys, max_size=4)),
)


@given(mutable_pairs)
@settings(max_examples=50)
def test_an_object_can_be_made_equal_to_another_in_its_place(pair):
    old, new = pair
    expected = crossed(new)
    update_in_place(old, new)
    if isinstance(old, list):
        assert same(old, expected)
    elif isinstance(old, set):
        assert old == expected
    else:
        assert old.keys() == expected.keys()
        assert all(same(old[key], expected[key]) for key in expected)


def test_inner_objects_stay_the_same_objects():
    inner, array = [1], np.zeros(2)
    outer = {"a": inner, "b": array, "gone": 1}
    update_in_place(outer, {"a": [1, 2], "b": np.ones(2), "new": 2})
    assert outer == {"a": [1, 2], "b": outer["b"], "new": 2}
    assert outer["a"] is inner
    assert outer["b"] is array
    assert array.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([1], (1,)),
        ([1], {1: 1}),
        (np.zeros(2), np.zeros(3)),
        (np.zeros(2), np.zeros(2, int)),
        (np.zeros(2), [0.0, 0.0]),
        (object(), object()),
    ],
    ids=["tuple", "dict", "shape", "dtype", "list", "object"],
)
def test_an_object_cannot_become_one_of_another_kind(old, new):
    before = repr(old)
    with pytest.raises(ChannelError):
        update_in_place(old, new)
    assert repr(old) == before


def nest(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value
