"""Laws of a quantised model: a copy, four times smaller in memory and on disk, as accurate."""

import numpy as np
import pytest

from tinytorch.core.activations import ReLU
from tinytorch.core.conv import Conv2d, Flatten, MaxPool2d
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.training import train
from tinytorch.core.transformer import GPT
from tinytorch.datasets import load_digits
from tinytorch.perf.quantization import (
    QuantizedConv2d,
    QuantizedEmbedding,
    QuantizedLinear,
    calibrate_model,
    compare_model_sizes,
    quantize_model,
)


def mlp(seed=0, sizes=(64, 48, 10)):
    rng = np.random.default_rng(seed)
    return Sequential(
        Linear(sizes[0], sizes[1], rng=rng), ReLU(), Linear(sizes[1], sizes[2], rng=rng)
    )


def accuracy(model, X, y):
    return np.mean(model(X).numpy().argmax(axis=1) == y)


@pytest.fixture(scope="module")
def trained():
    digits = load_digits()
    model = mlp()
    train(model, digits.X_train, digits.y_train, epochs=12)
    return model


def test_the_model_itself_is_untouched():
    """Same layers, same weights, same outputs, and nothing shared that could change later."""
    model = mlp()
    before, layers = model.state_dict(), list(model)
    small = quantize_model(model)
    assert list(model) == layers
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    small.layers[0].bias.data[:] = 7
    assert not (model.layers[0].bias.data == 7).any()
    assert [type(layer).__name__ for layer in small] == [
        "QuantizedLinear",
        "ReLU",
        "QuantizedLinear",
    ]


def test_layers_are_found_wherever_they_are():
    """In attributes, lists, tuples and dicts, at any depth; one used twice stays one."""

    class Odd(Module):
        def __init__(self):
            self.first = Linear(4, 4)
            self.again = self.first
            self.pair = (Linear(4, 4), ReLU())
            self.named = {"a": [Sequential(Linear(4, 4))]}

        def forward(self, x):
            return self.named["a"][0](self.pair[0](self.again(self.first(x))))

    small = quantize_model(Odd(), bits=5)
    assert sum(isinstance(m, QuantizedLinear) for m in small.modules()) == 3
    assert not any(isinstance(m, Linear) for m in small.modules())
    assert small.first is small.again
    assert small(np.ones((2, 4))).shape == (2, 4)
    alone = quantize_model(Linear(4, 3))
    assert isinstance(alone, QuantizedLinear)


@pytest.mark.parametrize(
    ("bits", "points"), [(8, 0.3), (7, 0.6), (6, 0.6), (5, 1.0), (4, 1.5), (3, 8.0)]
)
def test_accuracy_survives(trained, bits, points):
    """One seed and 360 images: a wide margin here, the measured one is in benchmarks/perf."""
    digits = load_digits()
    full = accuracy(trained, digits.X_test, digits.y_test)
    assert full > 0.93
    small = accuracy(quantize_model(trained, bits), digits.X_test, digits.y_test)
    assert abs(full - small) <= points / 100


def test_activations_are_rounded_too(trained):
    """Dynamic and static inputs stay near the float model, and differ from weight-only."""
    digits = load_digits()
    full = trained(digits.X_test).numpy()
    weight_only = quantize_model(trained)(digits.X_test).numpy()
    dynamic = quantize_model(trained, activations="dynamic")
    static = quantize_model(trained, activations="static", calibration_data=digits.X_train)
    for model in (dynamic, static):
        found = model(digits.X_test).numpy()
        assert not np.array_equal(found, weight_only)
        assert np.abs(found - full).max() < 0.05 * np.abs(full).max()
    assert [layer.activations for layer in static if isinstance(layer, QuantizedLinear)] == [
        "static",
        "static",
    ]


def test_each_layer_is_calibrated_on_what_reaches_it(trained):
    """The second layer's range is that of the hidden units, whose smallest value is 0."""
    digits = load_digits()
    static = quantize_model(trained, activations="static", calibration_data=digits.X_train)
    hidden = trained.layers[1](trained.layers[0](digits.X_train)).numpy()
    assert static.layers[0].input_scale == pytest.approx(1 / 255)
    assert static.layers[2].input_scale == pytest.approx(hidden.max() / 255, rel=0.02)
    assert static.layers[2].input_zero_point == -128
    assert "forward" not in vars(static.layers[0])


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [True, False])
def test_bytes_in_memory(bits, symmetric):
    """Exactly the packed codes, one scale (and zero point) per column, and the biases."""
    small = quantize_model(mlp(), bits, symmetric=symmetric)
    codes = 64 * bits // 8 * 48 + 48 * bits // 8 * 10
    assert small.size_bytes() == codes + (8 if symmetric else 9) * (48 + 10)


def test_four_times_smaller_in_memory_and_on_disk(tmp_path):
    """A wide model in 8 bits is 3.9 times smaller both ways, in 4 bits 7.5 times."""
    model = mlp(sizes=(784, 256, 10))
    model.save(tmp_path / "full.npz")
    for bits, ratio in ((8, 3.9), (4, 7.5)):
        small = quantize_model(model, bits)
        small.save(tmp_path / "small.npz")
        sizes = compare_model_sizes(model, small)
        assert sizes["compression_ratio"] > ratio
        assert sizes["saved_bytes"] == sizes["original_bytes"] - sizes["quantized_bytes"]
        files = [(tmp_path / f"{name}.npz").stat().st_size for name in ("full", "small")]
        assert files[0] / files[1] > ratio - 0.05


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("activations", ["float32", "dynamic", "static"])
def test_save_and_load_round_trip(tmp_path, trained, bits, activations):
    """A model quantised from other weights computes the same bits after loading."""
    digits = load_digits()
    data = digits.X_train if activations == "static" else None
    options = {"activations": activations, "symmetric": bits != 3}
    small = quantize_model(trained, bits, calibration_data=data, **options)
    other = quantize_model(
        mlp(seed=1), bits, calibration_data=None if data is None else data[:9], **options
    )
    small.save(tmp_path / "small.npz")
    other.load(tmp_path / "small.npz")
    np.testing.assert_array_equal(other(digits.X_test).numpy(), small(digits.X_test).numpy())
    with pytest.raises(KeyError, match="state does not fit"):
        mlp().load(tmp_path / "small.npz")


def test_convolutions_and_transformers():
    """Every weight matrix of both is quantised, and outputs stay near."""
    rng = np.random.default_rng(0)
    cnn = Sequential(
        Conv2d(1, 8, 3, rng=rng), ReLU(), MaxPool2d(2), Flatten(), Linear(72, 10, rng=rng)
    )
    image = rng.normal(size=(2, 1, 8, 8)).astype(np.float32)
    small = quantize_model(cnn)
    assert isinstance(small.layers[0], QuantizedConv2d)
    assert np.abs(small(image).numpy() - cnn(image).numpy()).max() < 0.1
    gpt = GPT(vocab_size=17, embed_dim=16, num_layers=2, num_heads=2, max_seq_len=12, rng=rng)
    tokens = rng.integers(0, 17, (2, 12))
    small = quantize_model(gpt)
    kinds = [type(m).__name__ for m in small.modules()]
    assert kinds.count("QuantizedLinear") == 2 * 6 + 1
    assert kinds.count("QuantizedEmbedding") == 2
    assert isinstance(small.token_embedding, QuantizedEmbedding)
    np.testing.assert_allclose(small(tokens).numpy(), gpt(tokens).numpy(), atol=0.06)
    assert gpt.size_bytes() > 2.5 * small.size_bytes()


def test_layers_can_be_skipped():
    """By dotted name; the rest is quantised."""
    small = quantize_model(mlp(), skip=["layers.2"])
    assert isinstance(small.layers[0], QuantizedLinear)
    assert isinstance(small.layers[2], Linear)


def test_refusals():
    """Every wrong argument is named, and no layer is left out in silence."""
    model = mlp()
    with pytest.raises(ValueError, match="expected 2 to 8 bits, got 1"):
        quantize_model(model, bits=1)
    with pytest.raises(ValueError, match=r"names of layers to skip, got \['layers.7'\]"):
        quantize_model(model, skip=["layers.7"])
    with pytest.raises(ValueError, match="Linear, Conv2d or Embedding to quantise"):
        quantize_model(Sequential(ReLU()))
    with pytest.raises(ValueError, match="Linear, Conv2d or Embedding to quantise"):
        quantize_model(quantize_model(model))
    with pytest.raises(ValueError, match="one of float32, dynamic, static"):
        quantize_model(model, activations="int8")
    for options in ({"activations": "static"}, {"calibration_data": np.ones((1, 64))}):
        with pytest.raises(ValueError, match='calibration_data with activations="static"'):
            quantize_model(model, **options)
    with pytest.raises(TypeError, match="expected a Module, got str"):
        quantize_model("model")
    with pytest.raises(ValueError, match="a QuantizedLinear to calibrate"):
        calibrate_model(model, np.ones((1, 64)))

    class Unused(Module):
        def __init__(self):
            self.used, self.unused = Linear(2, 2), Linear(2, 2)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(ValueError, match="the samples never reach QuantizedLinear"):
        quantize_model(Unused(), activations="static", calibration_data=np.ones((1, 2)))
