"""Laws of the tokenizer: decoding undoes encoding, and nothing unknown passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.tokenizer import CharTokenizer


@given(st.text(min_size=1))
def test_decoding_undoes_encoding(text):
    """Any text, in any script, comes back; numbers are dense and in the order of code points."""
    tokenizer = CharTokenizer(text)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert tokens.dtype == np.int64
    assert sorted(set(tokens.tolist())) == list(range(tokenizer.vocab_size))
    assert tokenizer.decode(range(tokenizer.vocab_size)) == "".join(sorted(set(text)))


def test_nothing_is_a_text_too():
    """The empty text has no tokens, and no tokens are the empty text."""
    tokenizer = CharTokenizer("ab")
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.decode([]) == ""


def test_refusals():
    """An empty alphabet, unknown characters and numbers, and other arrays."""
    with pytest.raises(ValueError, match="at least one character"):
        CharTokenizer("")
    tokenizer = CharTokenizer("ab")
    with pytest.raises(ValueError, match="characters of 'ab', got 'c'"):
        tokenizer.encode("abc")
    with pytest.raises(ValueError, match="tokens from 0 to 1, got 2"):
        tokenizer.decode([0, 2])
    with pytest.raises(ValueError, match=r"shape \(T,\), got \(1, 1\)"):
        tokenizer.decode([[0]])
    with pytest.raises(TypeError, match="integer tokens"):
        tokenizer.decode([0.5])
