"""The gradient check that the tests of this folder share."""

from collections.abc import Callable

import numpy as np
import pytest

from tinytorch.core.tensor import Tensor

STEP = 1e-6


def _leaf(array: np.ndarray) -> Tensor:
    """Return a leaf that holds float64.

    Tensors are float32, in which a difference quotient has three good digits at best.
    The operations keep whatever float type they are given, so the same code is checked in
    float64 to seven digits.
    """
    leaf = Tensor(array, requires_grad=True)
    leaf.data = np.array(array, dtype=np.float64)
    return leaf


def _check(function: Callable[..., Tensor], *arrays: np.ndarray) -> None:
    leaves = [_leaf(np.asarray(array)) for array in arrays]
    out = function(*leaves)
    weights = np.random.default_rng(0).normal(size=out.shape)  # one direction for every output
    (out * _leaf(weights).detach()).sum().backward()
    for leaf in leaves:
        expected = np.zeros_like(leaf.data)
        for place in np.ndindex(leaf.shape):
            middle = leaf.data[place]
            values = []
            for shifted in (middle + STEP, middle - STEP):
                leaf.data[place] = shifted
                values.append((function(*leaves).data * weights).sum())
            leaf.data[place] = middle
            expected[place] = (values[0] - values[1]) / (2 * STEP)
        assert leaf.grad is not None
        assert leaf.grad.shape == leaf.shape
        np.testing.assert_allclose(leaf.grad, expected, rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="session")
def check_gradient() -> Callable[..., None]:
    """Compare the gradients of ``function(*tensors)`` with central differences."""
    return _check
