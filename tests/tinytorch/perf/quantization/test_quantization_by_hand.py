"""The chapter's layer and model hold the bytes and give the results of the library's own."""

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.perf import quantization
from tinytorch.perf.quantization import by_hand, dequantize, quantize, signal_to_noise_db


def mlp(seed=0):
    rng = np.random.default_rng(seed)
    model = Sequential(Linear(19, 11, rng=rng), ReLU(), Linear(11, 3, bias=False, rng=rng))
    model[0].bias.data[:] = rng.normal(size=11)
    return model


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_model_by_hand_is_the_librarys(bits, per_channel):
    """Codes, bytes, counts and results, with and without a bias, at odd sizes."""
    model, x = mlp(), np.random.default_rng(1).normal(size=(2, 5, 19))
    found = by_hand.quantize_model(model, bits, per_channel=per_channel)
    expected = quantization.quantize_model(model, bits, per_channel=per_channel)
    for place in (0, 2):
        np.testing.assert_array_equal(found[place].codes, expected[place].packed.codes)
        np.testing.assert_array_equal(found[place].scale, expected[place].packed.scale)
    assert found.size_bytes() == expected.size_bytes()
    assert found.count_parameters() == expected.count_parameters() == model.count_parameters()
    np.testing.assert_allclose(found(x).data, expected(x).data, rtol=1e-4, atol=1e-4)


def test_a_layer_by_hand_keeps_nothing_of_the_float32_weight():
    """Codes, scales, bias and sizes are all there is."""
    layer = by_hand.QuantizedLinear(Linear(64, 10), bits=4)
    held = sum(a.nbytes for a in vars(layer).values() if isinstance(a, np.ndarray))
    assert held + 40 == layer.size_bytes() == 64 * 10 // 2 + 40 + 40


def test_a_layer_by_hand_comes_back_from_a_file(tmp_path):
    """What is saved is the codes."""
    model, path = by_hand.quantize_model(mlp(), 4), tmp_path / "model.npz"
    model.save(path)
    other = by_hand.quantize_model(mlp(seed=7), 4)
    other.load(path)
    x = np.random.default_rng(1).normal(size=(5, 19))
    np.testing.assert_array_equal(other(x).data, model(x).data)


def test_a_model_without_a_linear_is_refused():
    with pytest.raises(ValueError, match="with a Linear"):
        by_hand.quantize_model(Sequential(ReLU()))
    with pytest.raises(ValueError, match="bits"):
        by_hand.quantize_model(mlp(), 9)


@pytest.mark.parametrize("bits", range(3, 9))
def test_a_bit_is_worth_six_decibels(bits):
    """20 log10(2^bits) for numbers drawn evenly from the range that the codes reach."""
    reach = 2 ** (bits - 1)
    x = np.random.default_rng(bits).uniform(-reach, reach, 200_000) - 0.5
    found = signal_to_noise_db(x + 0.5, dequantize(quantize(x, 1.0, 0, bits), 1.0, 0) + 0.5)
    assert found == pytest.approx(20 * bits * np.log10(2), abs=0.1)


def test_the_ends_of_the_decibel_scale():
    """No error, no signal, and two shapes."""
    assert signal_to_noise_db([1.0, 2.0], [1.0, 2.0]) == np.inf
    assert signal_to_noise_db([0.0, 0.0], [1.0, 0.0]) == -np.inf
    for pair in (([np.nan, 1.0], [0.0, 1.0]), ([0.0, 1.0], [np.nan, 1.0])):
        with pytest.raises(ValueError, match="got NaN"):
            signal_to_noise_db(*pair)
    with pytest.raises(ValueError, match="one shape"):
        signal_to_noise_db([1.0, 2.0], [1.0])
