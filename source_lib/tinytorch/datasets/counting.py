"""A text that a tiny language model learns in seconds: numbers in order, "127 128 129 130 ...".

What follows is fixed by what came before, so it can be said whether a model is right, and the
numbers left out of the training text show whether it counts or recites.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinytorch.core.tokenizer import CharTokenizer

NUMBERS = 1000
CHARACTERS_PER_NUMBER = 4  # three digits and a space
NUMBERS_PER_WINDOW = 32


class Counting(NamedTuple):
    """Windows of the text as int64 tokens; ``y`` is ``X`` one character later; read-only."""

    X_train: NDArray[np.int64]  # (N, 128)
    y_train: NDArray[np.int64]  # (N, 128)
    X_test: NDArray[np.int64]  # (M, 128)
    y_test: NDArray[np.int64]  # (M, 128)
    is_held_out: NDArray[np.bool_]  # (M, 128), whether y_test belongs to a held-out number


@cache
def load_counting() -> Counting:
    """Return all windows of 32 numbers from 000 to 999, split by the numbers in them.

    Held out are the numbers whose tens, counted from 0, are 4 more than a multiple of 9: 040 to
    049, 130 to 139, ..., 940 to 949; so every digit still occurs at every place in training.
    Training windows hold none of them; test windows hold at least one, or lead to one, and of
    their characters only those of held-out numbers are new to a model.
    Generated, hence free of any licence, and by a rule without random numbers.

    >>> data = load_counting()
    >>> counting_tokenizer().decode(data.X_train[0])[:20], data.X_train.shape
    ('000 001 002 003 004 ', (506, 128))
    """
    text = "".join(f"{number:03d} " for number in range(NUMBERS))
    tokens = counting_tokenizer().encode(text)  # (4 NUMBERS,)
    held_out = np.arange(NUMBERS) // 10 % 9 == 4  # (NUMBERS,)
    length = CHARACTERS_PER_NUMBER * NUMBERS_PER_WINDOW
    starts = CHARACTERS_PER_NUMBER * np.arange(NUMBERS - NUMBERS_PER_WINDOW)  # (N + M,)
    places = starts[:, np.newaxis] + np.arange(length + 1)  # (N + M, 129)
    windows, is_held_out = tokens[places], held_out[places // CHARACTERS_PER_NUMBER]
    is_test = is_held_out.any(axis=1)
    split = Counting(
        windows[~is_test, :-1],
        windows[~is_test, 1:],
        windows[is_test, :-1],
        windows[is_test, 1:],
        is_held_out[is_test, 1:],
    )
    for array in split:
        array.setflags(write=False)
    return split


def counting_tokenizer() -> CharTokenizer:
    """Return the tokenizer of the text: the space is 0, the digit d is d + 1.

    >>> counting_tokenizer().encode("127 ").tolist()
    [2, 3, 8, 0]
    """
    return CharTokenizer(" 0123456789")
