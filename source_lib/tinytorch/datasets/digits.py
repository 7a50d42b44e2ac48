"""Handwritten digits, 8 by 8 pixels, in a fixed split into training and test data."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Digits(NamedTuple):
    """The split: pixels float32 in [0, 1], labels int64 in [0, 10); all arrays are read-only."""

    X_train: NDArray[np.float32]  # (1437, 64)
    y_train: NDArray[np.int64]  # (1437,)
    X_test: NDArray[np.float32]  # (360, 64)
    y_test: NDArray[np.int64]  # (360,)


@cache
def load_digits() -> Digits:
    """Return 1437 training and 360 test images of the UCI digits, rows being the 64 pixels.

    The file is scikit-learn's copy of the data, unchanged; it is shipped here so that students
    need no scikit-learn, whose import alone takes many times as long as this function.
    Pixel counts from 0 to 16 are divided by 16, which is exact in float32.

    The split: order all samples by label, keeping the order of the file within a label; every
    fifth, from the first on, is a test sample, and both parts stay in the order of the file.
    No random generator is involved, so no version of NumPy can change the split.
    Simply every fifth row would be unbalanced, since the writers copied digits in a pattern:
    26 to 48 test samples per class, instead of 35 to 37.
    As in any split of this file, writers occur on both sides.

    The result is cached and the arrays are read-only; copy what you want to change.
    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, licence in DIGITS_LICENSE.md.

    >>> X_train, y_train, X_test, y_test = load_digits()
    >>> X_train.shape, y_test.shape, X_train.dtype
    ((1437, 64), (360,), dtype('float32'))
    """
    with (
        (files("tinytorch.datasets") / "digits.csv.gz").open("rb") as packed,
        gzip.open(packed, "rt", encoding="ascii") as text,
    ):
        table = np.loadtxt(text, delimiter=",", dtype=np.int64)  # (1797, 65)
    pixels = (table[:, :-1] / 16).astype(np.float32)  # (1797, 64)
    labels = table[:, -1]  # (1797,)
    is_test = np.zeros(len(table), dtype=bool)  # (1797,)
    is_test[np.argsort(labels, kind="stable")[::5]] = True
    split = Digits(pixels[~is_test], labels[~is_test], pixels[is_test], labels[is_test])
    for array in split:
        array.setflags(write=False)
    return split
