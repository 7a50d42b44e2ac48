"""Laws of the counting text: every window is true, and nothing held out is in the training part."""

import numpy as np
import pytest

from tinytorch.datasets.counting import counting_tokenizer, load_counting


def numbers(tokens):
    """Return the whole numbers of a window's tokens."""
    return [int(word) for word in counting_tokenizer().decode(tokens).split()]


def held_out(number):
    """Return whether the docstring's rule holds the number out."""
    return number // 10 % 9 == 4


def test_windows_count_up():
    """X is 32 numbers in order, y the same one character later."""
    data = load_counting()
    for X, y in ((data.X_train, data.y_train), (data.X_test, data.y_test)):
        assert X.shape == y.shape == (len(X), 128)
        assert X.dtype == y.dtype == np.int64
        np.testing.assert_array_equal(X[:, 1:], y[:, :-1])
        for window in X:
            first, *rest = numbers(window)
            assert rest == list(range(first + 1, first + 32))


def test_no_training_window_holds_a_held_out_number():
    """And every test window does, or leads to one; all digits occur at all places in training."""
    data = load_counting()
    seen = {number for window in data.X_train for number in numbers(window)}
    assert not any(map(held_out, seen))
    for window in data.X_test:
        first = numbers(window)[0]
        assert any(map(held_out, range(first, first + 33)))
    for place in (1, 10, 100):
        assert {number // place % 10 for number in seen} == set(range(10))


def test_only_held_out_numbers_count():
    """The mask marks the characters of y that belong to held-out numbers, spaces included."""
    data = load_counting()
    for X, mask in zip(data.X_test[::50], data.is_held_out[::50], strict=True):
        first = numbers(X)[0]
        expected = [held_out(first + place // 4) for place in range(1, 129)]
        assert mask.tolist() == expected


def test_arrays_are_shared_and_read_only():
    """The second call returns the same arrays, and no caller can change another's data."""
    assert load_counting() is load_counting()
    for array in load_counting():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
