"""What the tests of this folder share: the kernels with and without their compiled twins."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tinytorch.perf.acceleration import (
    compiled_matmul,
    fused_bias_relu,
    fused_gelu,
    fused_layer_norm,
)
from tinytorch.perf.fast import numba_available, numpy_only


@pytest.fixture(scope="session")
def compiled_before() -> None:
    """Let numba compile everything now: no example of a property should wait for that."""
    if numba_available():
        for order in ("naive", "reordered", "tiled"):
            compiled_matmul([[1]], [[1]], order)
    fused_gelu([1])
    fused_bias_relu([[1]], [1])
    fused_layer_norm([[1]], [1], [1])


@pytest.fixture(params=["numba", "numpy"], scope="module")
def backend(request: pytest.FixtureRequest, compiled_before: None) -> Iterator[str]:
    """Run the test once with the compiled twins and once without."""
    if request.param == "numba" and not numba_available():
        pytest.skip("numba is not installed")
    with numpy_only() if request.param == "numpy" else nullcontext():
        yield request.param
