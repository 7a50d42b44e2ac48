"""Data that ships with the package, so that nothing is downloaded in class."""

from tinytorch.datasets.digits import Digits, load_digits

__all__ = ["Digits", "load_digits"]
