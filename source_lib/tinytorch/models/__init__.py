"""Trained models for the chapters: made by a seeded training in seconds, then read from a cache."""

from tinytorch.models.digits import digits_cnn, digits_mlp
from tinytorch.models.language import tiny_gpt

__all__ = ["digits_cnn", "digits_mlp", "tiny_gpt"]
