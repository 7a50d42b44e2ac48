"""Laws of packing: codes come back, take bits / 8 bytes each, and lie where the docs say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinytorch.perf.quantization import pack_codes, packed_length, unpack_codes


@given(st.data(), st.integers(2, 8), array_shapes(max_dims=3, max_side=40))
def test_round_trip(data, bits, shape):
    """Any codes of any width, length and number of axes, and no byte more than they need."""
    codes = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 2**bits - 1)))
    packed = pack_codes(codes, bits)
    assert packed.dtype == np.uint8
    assert packed.shape == (-(-shape[0] * bits // 8), *shape[1:])
    np.testing.assert_array_equal(unpack_codes(packed, bits, shape[0]), codes)


@given(st.integers(2, 8), st.lists(st.integers(0, 255), min_size=1, max_size=30))
def test_bits_lie_in_one_stream(bits, values):
    """Equal to writing the codes as one binary number, the first lowest."""
    codes = np.array(values) % 2**bits
    number = sum(int(code) << (i * bits) for i, code in enumerate(codes))
    expected = number.to_bytes(packed_length(len(codes), bits), "little")
    assert pack_codes(codes, bits).tobytes() == expected


def test_each_column_is_a_stream_of_its_own():
    """Packing a matrix is packing its columns."""
    codes = np.random.default_rng(0).integers(0, 8, (13, 5))
    packed = pack_codes(codes, 3)
    for column in range(5):
        np.testing.assert_array_equal(packed[:, column], pack_codes(codes[:, column], 3))


def test_no_codes():
    """None take no bytes."""
    assert pack_codes(np.zeros((0, 3), dtype=int), 4).shape == (0, 3)
    assert unpack_codes(np.zeros((0, 3), dtype=np.uint8), 4, 0).shape == (0, 3)


def test_refusals():
    """Codes out of range or of another kind, and bytes that are too few or too many."""
    with pytest.raises(ValueError, match="expected codes from 0 to 15, got 0 to 16"):
        pack_codes(np.array([0, 16]), 4)
    with pytest.raises(ValueError, match="expected codes from 0 to 15, got -1 to 2"):
        pack_codes(np.array([-1, 2]), 4)
    with pytest.raises(TypeError, match="integer codes, got dtype float64"):
        pack_codes(np.ones(2), 4)
    with pytest.raises(ValueError, match=r"shape \(n, \.\.\.\), got \(\)"):
        pack_codes(np.array(1), 4)
    with pytest.raises(ValueError, match="expected 2 to 8 bits, got 1"):
        pack_codes(np.array([1]), 1)
    for length in (1, 3):
        with pytest.raises(ValueError, match=r"expected \(2, \.\.\.\) bytes for 3 codes of 4 bits"):
            unpack_codes(np.zeros(length, dtype=np.uint8), 4, 3)
    with pytest.raises(TypeError, match="expected uint8 bytes, got dtype int8"):
        unpack_codes(np.zeros(2, dtype=np.int8), 4, 3)
