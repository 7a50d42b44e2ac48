"""Whatever a hostile side sends in place of plain data is refused, at little cost."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.trust.codec import MAX_INT_BITS, Decoder
from autograder.trust.frames import ChannelError


def refuse(tag, rest, decoder):
    raise ChannelError(f"an unknown kind of value: {tag}")


def decoded(data, *blobs):
    return Decoder(list(blobs), refuse).decode(json.loads(json.dumps(data)))


def nested(depth):
    data = 1
    for _ in range(depth):
        data = ["list", [data]]
    return data


LIES = {
    "an object": {"a": 1},
    "an empty list": [],
    "a list without a tag": [1, 2],
    "a list as tag": [["list"], []],
    "an unknown tag": ["pickle", "gASVBQA="],
    "a list without items": ["list"],
    "a number of items": ["list", 5],
    "no items": ["list", None],
    "a pair of one": ["dict", [[1]]],
    "a pair of three": ["dict", [[1, 2, 3]]],
    "a key that can change": ["dict", [[["list", []], 1]]],
    "an item that can change": ["set", [["list", []]]],
    "a deep nest": nested(170),
    "a number in words": ["int", "twelve"],
    "a number that is a number": ["int", 5],
    "a giant number": ["int", "f" * (MAX_INT_BITS // 4 + 4)],
    "a long float": ["float", "1" * 50],
    "a float that is none": ["float", "x"],
    "a complex of text": ["complex", ["1", "2"]],
    "a complex of three": ["complex", [1, 2, 3]],
    "a fraction by zero": ["fraction", "1/0"],
    "a fraction by a power": ["fraction", "1e99999999"],
    "a decimal that is none": ["decimal", "x" * 20],
    "a long decimal": ["decimal", "1" * 20_000],
    "a date that is none": ["date", "2026-02-30"],
    "a range of text": ["range", ["a", "b", "c"]],
    "a range by zero": ["range", [0, 1, 0]],
    "a time difference without end": ["timedelta", [10**12, 0, 0]],
    "bytes that are not there": ["bytes", 7],
    "bytes by name": ["bytes", "0"],
    "a generator of nothing": ["rng", 5],
    "a generator of an unknown kind": ["rng", ["dict", [["bit_generator", "os.system"]]]],
    "a generator of a wrong state": [
        "rng", ["dict", [["bit_generator", "PCG64"], ["state", ["dict", [["state", -1]]]]]],
    ],
    "a named tuple with a keyword": ["named", "P", ["class"], [1]],
    "a named tuple that is code": ["named", "P", ["x=__import__('os')"], [1]],
    "a named tuple whose name is code": ["named", "P: pass\nimport os", ["x"], [1]],
    "a named tuple that lacks a field": ["named", "P", ["x", "y"], [1]],
    "a named tuple with private fields": ["named", "P", ["_make"], [1]],
    "a dtype of objects": ["dtype", "O"],
    "a dtype that is a list": ["dtype", [["a", "O"]]],
}  # fmt: skip

ARRAYS = {
    "negative shape": ["array", "<f8", [-1], 0],
    "negative shapes": ["array", "<f8", [-1, -2], 0],
    "shape with a fraction": ["array", "<f8", [2.0], 0],
    "shape with a truth": ["array", "<f8", [True, 2], 0],
    "shape in words": ["array", "<f8", "2", 0],
    "no shape": ["array", "<f8", None, 0],
    "too many dimensions": ["array", "<f8", [1] * 33 + [2], 0],
    "more than the bytes": ["array", "<f8", [3], 0],
    "less than the bytes": ["array", "<f8", [1], 0],
    "far more than the bytes": ["array", "<f8", [2**40, 2**40], 0],
    "an endless empty shape": ["array", "<f8", [0, 2**62, 2**62], 1],
    "no such bytes": ["array", "<f8", [2], 9],
    "bytes by name": ["array", "<f8", [2], "0"],
    "objects": ["array", "O", [2], 0],
    "objects in fields": ["array", "O,O", [1], 0],
    "fields": ["array", "f8,f8", [1], 0],
    "fields of fields": ["array", [["a", "<f8"]], [2], 0],
    "raw memory": ["array", "V8", [2], 0],
    "arrays in an array": ["array", "(2,)f8", [1], 0],
    "an unknown dtype": ["array", "os.system", [2], 0],
    "a dtype with a comma": ["array", ",,", [2], 0],
    "a long dtype": ["array", "f8" * 100, [2], 0],
    "items of no size": ["array", "U0", [2], 1],
    "a scalar of objects": ["scalar", "O", 0],
    "a scalar of too many bytes": ["scalar", "<f8", 0],
    "objects of another shape": ["objects", [3], [1, 2]],
    "objects of a negative shape": ["objects", [-1], [1, 2]],
    "objects without items": ["objects", [2], None],
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES.keys())
def test_a_lie_about_a_value_is_refused(data):
    with pytest.raises(ChannelError):
        decoded(data)
    with pytest.raises(ChannelError):
        decoded(["list", [1, data]])


@pytest.mark.parametrize("data", ARRAYS.values(), ids=ARRAYS.keys())
def test_a_lie_about_an_array_is_refused(data):
    with pytest.raises(ChannelError):
        decoded(data, b"\0" * 16, b"")


def test_the_truth_about_an_array_is_not():
    assert decoded(["array", "<f8", [2], 0], b"\0" * 16).tolist() == [0, 0]
    assert decoded(["array", "<f8", [0, 3], 0], b"").shape == (0, 3)
    assert decoded(nested(140)) == decoded(nested(140))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.floats()
    | st.sampled_from(["<f8", "O", "PCG64", "builtins:int", "1/3"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
TAGS = (
    "list tuple set frozenset deque dict odict counter ddict fraction decimal datetime date time "
    "path array scalar objects int float bytes bytearray complex range slice timedelta ellipsis "
    "dtype rng named value mine theirs class module argument"
).split()
tagged = st.builds(lambda tag, rest: [tag, *rest], st.sampled_from(TAGS), st.lists(json_values))


@given(data=json_values | tagged | tagged.map(lambda inner: ["list", [inner]]))
@settings(max_examples=150)
def test_whatever_comes_is_a_value_or_is_refused(data):
    with contextlib.suppress(ChannelError):
        decoded(data, b"12345678", b"")
