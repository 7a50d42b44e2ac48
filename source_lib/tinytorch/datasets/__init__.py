"""Data that ships with the package, so that nothing is downloaded in class."""

from tinytorch.datasets.counting import Counting, counting_tokenizer, load_counting
from tinytorch.datasets.digits import Digits, load_digits

__all__ = ["Counting", "Digits", "counting_tokenizer", "load_counting", "load_digits"]
