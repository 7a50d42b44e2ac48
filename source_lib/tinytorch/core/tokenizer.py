"""``CharTokenizer``: a text as integers, one for each character."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinytorch.core.checks import checked_indices


class CharTokenizer:
    """Number the characters that occur in ``text``, in the order of their code points.

    Raises ValueError for an empty text.

    >>> tokenizer = CharTokenizer("abracadabra")
    >>> tokenizer.characters, tokenizer.encode("cab").tolist(), tokenizer.decode([2, 0, 1])
    ('abcdr', [2, 0, 1], 'cab')
    """

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("expected a text with at least one character, got none")
        self.characters = "".join(sorted(set(text)))
        self._numbers = {character: number for number, character in enumerate(self.characters)}

    @property
    def vocab_size(self) -> int:
        """Number of different characters."""
        return len(self.characters)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the numbers of the characters of ``text``, int64 (len(text),).

        Raises ValueError for a character that the tokenizer does not know.
        """
        unknown = sorted(set(text) - self._numbers.keys())
        if unknown:
            raise ValueError(f"expected characters of {self.characters!r}, got {unknown[0]!r}")
        return np.array([self._numbers[character] for character in text], dtype=np.int64)

    def decode(self, tokens: ArrayLike) -> str:
        """Return the text of integers (T,) in [0, vocab_size).

        Raises TypeError for what are no integers, ValueError for another shape or range.
        """
        # Without elements there is no dtype to judge: np.asarray([]) is float64.
        numbers = np.asarray(tokens) if np.size(tokens) else np.zeros(np.shape(tokens), np.int64)
        numbers = checked_indices("tokens", numbers, self.vocab_size)
        if numbers.ndim != 1:
            raise ValueError(f"expected tokens of shape (T,), got {numbers.shape}")
        return "".join(self.characters[number] for number in numbers)
