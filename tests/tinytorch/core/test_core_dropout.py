"""Laws of dropout: the share that is dropped, the expectation, and nothing after training."""

import numpy as np
import pytest

from tinytorch.core.dropout import Dropout
from tinytorch.core.init import manual_seed
from tinytorch.core.tensor import Tensor


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_expectation_is_kept(p):
    """A share p is 0, the rest is divided by 1 - p, so the mean stays within 5 deviations."""
    N = 20_000
    out = Dropout(p, rng=np.random.default_rng(0))(np.ones(N)).numpy()
    assert out.dtype == np.float32
    kept = out != 0
    np.testing.assert_allclose(out[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(kept.mean() - (1 - p)) < 5 * (p * (1 - p) / N) ** 0.5


def test_the_gradient_passes_where_the_element_did():
    """What was dropped has no influence."""
    x = Tensor(np.full(100, 3.0), requires_grad=True)
    out = Dropout(0.5, rng=np.random.default_rng(0))(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, out.numpy() / 3)


def test_after_training_the_input_is_returned():
    """eval() and p = 0 hand on the very tensor."""
    x = Tensor(np.ones(100))
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_the_seed_fixes_what_is_dropped():
    """Without a generator of its own, the layer draws from the shared one."""
    runs = []
    for seed in (0, 0, 1):
        manual_seed(seed)
        runs.append(Dropout(0.5)(np.ones(64)).numpy().tolist())
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("p", [1.0, -0.1, float("nan")])
def test_a_p_out_of_range_is_refused(p):
    """p = 1 would divide by 0."""
    with pytest.raises(ValueError, match=r"p in \[0, 1\)"):
        Dropout(p)


def test_repr():
    """repr is the call that makes the layer."""
    assert repr(Dropout(0.25)) == "Dropout(0.25)"
