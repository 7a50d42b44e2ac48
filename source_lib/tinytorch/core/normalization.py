"""Layer normalisation: every vector is given mean 0 and variance 1, then scaled and shifted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.checks import checked_size
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor, as_tensor, needs_grad, wrap


class LayerNorm(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axis, (..., dim).

    ``weight`` starts as ones and ``bias`` as zeros, both (dim,); the variance is that of the
    population (divided by dim).
    Source: Ba, Kiros, Hinton 2016, Layer Normalization, equations 3 and 4.
    Raises ValueError for an eps that is not positive and finite and for an input whose last axis
    is not dim.

    >>> LayerNorm(2)([[1.0, 3.0]]).numpy().round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        self.dim = checked_size("dim", dim)
        if not (math.isfinite(eps) and eps > 0):
            raise ValueError(f"expected a finite eps above 0, got {eps}")
        self.eps = eps
        self.weight = Tensor(np.ones(self.dim), requires_grad=True)
        self.bias = Tensor(np.zeros(self.dim), requires_grad=True)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Return the normalised vectors, in the shape of ``x``."""
        x = as_tensor(x)
        shape = x.data.shape
        if not shape or shape[-1] != self.dim:
            raise ValueError(f"expected input of shape (..., {self.dim}), got {shape}")
        weight, bias = self.weight, self.bias
        normal, inverse_std = standardize(x.data, self.eps)
        scaled = normal * weight.data
        scaled += bias.data
        out = wrap(scaled)
        if needs_grad(x, weight, bias):

            def backward(grad: Array) -> tuple[Array, ...]:
                g = grad * weight.data  # (..., dim)
                projection = np.vecdot(g, normal)[..., np.newaxis] / self.dim  # (..., 1)
                grad_x = g - g.mean(axis=-1, keepdims=True) - normal * projection
                grad_x *= inverse_std
                return grad_x, grad * normal, grad

            out.record((x, weight, bias), backward)
        return out

    def __repr__(self) -> str:
        return f"LayerNorm({self.dim}, eps={self.eps})"


def standardize(x: Array, eps: float) -> tuple[Array, Array]:
    """Return (x - mean) / sqrt(variance + eps) (..., dim) and 1 / sqrt(variance + eps) (..., 1).

    The variance is the mean square of the centred vectors: as a mean of squares less a squared
    mean it would lose its digits to cancellation where the mean is large.
    """
    dim = x.shape[-1]
    centred = x - np.add.reduce(x, axis=-1, keepdims=True) / dim  # x.mean() costs 2 us more
    inverse_std = (np.vecdot(centred, centred) / dim + eps) ** -0.5
    inverse_std = inverse_std[..., np.newaxis]
    centred *= inverse_std
    return centred, inverse_std
