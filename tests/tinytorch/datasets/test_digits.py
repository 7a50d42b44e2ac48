"""Laws of the digits: equal to scikit-learn's, split by a fixed rule, not to be changed."""

import hashlib
import re
from importlib.resources import files

import numpy as np
import pytest
import sklearn.datasets

from tinytorch.datasets.digits import load_digits


def test_arrays_have_the_documented_form():
    """Shapes, dtypes and ranges are those of the docstring."""
    data = load_digits()
    assert [array.shape for array in data] == [(1437, 64), (1437,), (360, 64), (360,)]
    assert [array.dtype for array in data] == [np.float32, np.int64, np.float32, np.int64]
    assert min(data.X_train.min(), data.X_test.min()) == 0.0
    assert max(data.X_train.max(), data.X_test.max()) == 1.0
    assert all(array.flags.c_contiguous for array in data)


def test_split_of_scikit_learns_data_by_the_documented_rule():
    """Every fifth of each label's samples, counted on through the labels, is a test sample."""
    pixels, labels = sklearn.datasets.load_digits(return_X_y=True)
    by_label = [row for digit in range(10) for row in np.flatnonzero(labels == digit)]
    test_rows = sorted(by_label[::5])
    train_rows = sorted(set(range(1797)) - set(test_rows))
    data = load_digits()
    np.testing.assert_array_equal(data.X_train * 16, pixels[train_rows])
    np.testing.assert_array_equal(data.y_train, labels[train_rows])
    np.testing.assert_array_equal(data.X_test * 16, pixels[test_rows])
    np.testing.assert_array_equal(data.y_test, labels[test_rows])


def test_classes_are_balanced():
    """Each digit has 35 to 37 test samples."""
    counts = np.bincount(load_digits().y_test)
    assert len(counts) == 10
    assert (counts.min(), counts.max()) == (35, 37)


def test_arrays_are_shared_and_read_only():
    """The second call returns the same arrays, and no caller can change another's data."""
    data = load_digits()
    assert load_digits() is data
    for array in data:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_file_is_the_one_whose_licence_is_stated():
    """The hash in DIGITS_LICENSE.md is that of the file."""
    folder = files("tinytorch.datasets")
    stated = re.search("[0-9a-f]{64}", (folder / "DIGITS_LICENSE.md").read_text()).group()
    assert hashlib.sha256((folder / "digits.csv.gz").read_bytes()).hexdigest() == stated
