"""Laws of the starting weights: one seed, one result; bounds and variances as published."""

import subprocess
import sys

import numpy as np
import pytest

from tinytorch.core import init
from tinytorch.core.layers import Linear

SHAPE = (200, 300)


def test_a_seed_fixes_every_draw():
    """Equal seeds give equal weights, other seeds others, and a generator of one's own rules."""
    init.manual_seed(3)
    first = Linear(5, 4).weight.data
    second = Linear(5, 4).weight.data
    init.manual_seed(3)
    np.testing.assert_array_equal(Linear(5, 4).weight.data, first)
    assert not np.array_equal(first, second)
    own = [Linear(5, 4, rng=np.random.default_rng(1)).weight.data for _ in range(2)]
    np.testing.assert_array_equal(own[0], own[1])


def test_an_unseeded_program_repeats_itself():
    """Without manual_seed the generator starts at seed 0."""
    code = (
        "import sys; from tinytorch.core.init import normal; sys.stdout.write(str(normal((3,), 1)))"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("draw", "variance", "bound"),
    [
        (lambda rng: init.kaiming_uniform(SHAPE, 200, rng), 2 / 200, (6 / 200) ** 0.5),
        (lambda rng: init.kaiming_normal(SHAPE, 200, rng), 2 / 200, np.inf),
        (lambda rng: init.xavier_uniform(SHAPE, 200, 300, rng), 2 / 500, (6 / 500) ** 0.5),
        (lambda rng: init.uniform(SHAPE, 0.5, rng), 0.25 / 3, 0.5),
        (lambda rng: init.normal(SHAPE, 0.02, rng), 0.02**2, np.inf),
    ],
)
def test_bounds_and_variances(draw, variance, bound):
    """60 000 draws have mean 0 and the published variance within 3 %, and keep the bound."""
    weights = draw(np.random.default_rng(0))
    assert weights.shape == SHAPE
    assert weights.dtype == np.float32
    assert np.abs(weights).max() <= np.float32(bound)
    assert abs(weights.mean()) < 0.02 * variance**0.5
    assert weights.var() == pytest.approx(variance, rel=0.03)


def test_refusals():
    """Seeds, fans and scales out of range are refused."""
    with pytest.raises(TypeError, match="integer seed, got float"):
        init.manual_seed(1.5)
    with pytest.raises(TypeError, match="integer seed, got bool"):
        init.manual_seed(True)
    with pytest.raises(ValueError, match="got -1"):
        init.manual_seed(-1)
    with pytest.raises(ValueError, match="fan_in of at least 1, got 0"):
        init.kaiming_uniform((1,), 0)
    with pytest.raises(ValueError, match="fan_in of at least 1, got 0"):
        init.kaiming_normal((1,), 0)
    with pytest.raises(ValueError, match="fan_out of at least 1, got nan"):
        init.xavier_uniform((1,), 1, float("nan"))
    with pytest.raises(ValueError, match="finite bound"):
        init.uniform((1,), float("nan"))
    with pytest.raises(ValueError, match="finite std"):
        init.normal((1,), -1.0)
