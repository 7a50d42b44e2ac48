"""Laws of the shared checks: integers of any kind pass, everything else is named."""

import numpy as np
import pytest

from tinytorch.core.checks import checked_indices, checked_size


@pytest.mark.parametrize("size", [1, np.int8(3), np.uint64(7)])
def test_sizes_of_any_integer_type(size):
    """The result is a plain int."""
    assert type(checked_size("size", size)) is int
    assert checked_size("size", size) == size


@pytest.mark.parametrize("size", [True, 1.0, np.float64(1), "1", None])
def test_what_is_no_size_is_refused(size):
    """Floats that happen to be whole, and True, are mistakes."""
    with pytest.raises(TypeError, match="expected an integer size, got"):
        checked_size("size", size)


def test_the_smallest_size():
    """1 unless told otherwise."""
    assert checked_size("size", 0, smallest=0) == 0
    with pytest.raises(ValueError, match="size of at least 1, got 0"):
        checked_size("size", 0)


def test_indices_are_integers_in_range():
    """Any shape, none included; both ends of the range are named when left."""
    assert checked_indices("rows", [[0], [4]], 5).shape == (2, 1)
    assert checked_indices("rows", np.zeros((0, 3), int), 5).shape == (0, 3)
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match=f"rows from 0 to 4, got {wrong}"):
            checked_indices("rows", [0, wrong], 5)
    with pytest.raises(TypeError, match="integer rows, got dtype bool"):
        checked_indices("rows", [True], 5)
