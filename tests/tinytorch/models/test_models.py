"""Laws of the trained models: good on data they have not seen, repeatable, ready to be used."""

import numpy as np
import pytest

from tinytorch.core.autograd import no_grad
from tinytorch.datasets import counting_tokenizer, load_counting, load_digits
from tinytorch.models import digits_cnn, digits_mlp, tiny_gpt
from tinytorch.perf.memoization import generate


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Train once for this file, in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYTORCH_CACHE", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("make", "shape"), [(digits_mlp, (-1, 64)), (digits_cnn, (-1, 1, 8, 8))])
def test_digits_are_recognised(make, shape, seed):
    """More than 96 % of the test digits, whatever the seed, by a model in evaluation mode."""
    data, model = load_digits(), make(seed=seed)
    with no_grad():
        right = model(data.X_test.reshape(shape)).numpy().argmax(axis=1) == data.y_test
    assert right.mean() > 0.96
    assert not model.training


def test_the_width_and_the_seed_make_the_model():
    """Another width has other shapes, another seed other weights, the same ones the same."""
    assert digits_mlp(hidden=24).count_parameters() == 64 * 24 + 24 + 240 + 10
    first, second, third = (digits_mlp(24, seed).state_dict() for seed in (0, 0, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
        assert (third[name] != array).any()


def test_two_callers_share_nothing():
    """Pruning one's model does not prune another's."""
    first, second = digits_mlp(24), digits_mlp(24)
    first.parameters()[0].data[:] = 0
    assert second.parameters()[0].data.any()


@pytest.mark.slow
def test_the_language_model_counts():
    """It writes on in order, and gets more than 95 % of numbers right that it never saw."""
    data, tokenizer, model = load_counting(), counting_tokenizer(), tiny_gpt()
    with no_grad():
        right = model(data.X_test).numpy().argmax(axis=-1) == data.y_test
    assert right[data.is_held_out].mean() > 0.95
    written = tokenizer.decode(generate(model, tokenizer.encode("127 "), 40))
    assert written == "".join(f"{number} " for number in range(127, 138))
