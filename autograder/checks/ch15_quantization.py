"""Hidden checks of chapter 15: each takes `student`, whose attributes are the notebook's names."""

# mypy: ignore-errors
# No annotations: the text of a check becomes a test cell that people read while grading.

import math

import numpy as np

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.module import Module
from tinytorch.core.tensor import Tensor


def draw(*shape, spread=1.0, shift=0.0):
    """Random float32 numbers, other ones at each grading."""
    return (np.random.default_rng().normal(size=shape) * spread + shift).astype(np.float32)


def some_bits():
    """All widths from 2 to 8, in a random order."""
    return [int(bits) for bits in np.random.default_rng().permutation(np.arange(2, 9))]


def raises(kind, function, *args, **kwargs):
    """Whether a call raises that kind of error."""
    try:
        function(*args, **kwargs)
    except kind:
        return True
    except Exception:  # noqa: BLE001  (another error is not the one that was asked for)
        return False
    return False


def plain_parameters(low, high, bits, symmetric):
    """Scale and unrounded zero point of a range, in float64."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    if symmetric:
        return max(-low, high) / (2 ** (bits - 1) - 1), 0.0
    scale = (high - low) / (2**bits - 1)
    return scale, -(2 ** (bits - 1)) - low / scale


def plain_packed(codes, bits):
    """The bytes of a list of codes, by one long integer."""
    whole = sum(int(code) << (i * bits) for i, code in enumerate(codes))
    return list(whole.to_bytes(math.ceil(len(codes) * bits / 8), "little"))


def plain_error(x, low, high, bits, symmetric):
    """Mean squared error of quantising over a range, in float64."""
    scale, zero_point = plain_parameters(low, high, bits, symmetric)
    zero_point, half = np.rint(zero_point), 2 ** (bits - 1)
    codes = np.clip(np.rint(np.asarray(x, np.float64) / scale) + zero_point, -half, half - 1)
    return np.mean((x - scale * (codes - zero_point)) ** 2)


def same_numbers(found, expected):
    """Whether two arrays have one shape and nearly the same numbers."""
    found, expected = np.asarray(found), np.asarray(expected)
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-4, atol=1e-6)


def trained_linear(inputs, outputs, bias=True):
    """A layer with random weights of columns of very different size, and a random bias."""
    layer = Linear(inputs, outputs, bias)
    sizes = 10.0 ** np.random.default_rng().uniform(-1, 1, outputs)
    layer.weight.data[:] = draw(inputs, outputs) * sizes
    if bias:
        layer.bias.data[:] = draw(outputs)
    return layer


def check_asymmetric_scale(student):
    """The asymmetric scale divides the range into all the steps that there are codes for."""
    for bits in some_bits():
        low, high = -float(abs(draw(1)[0]) + 0.1), float(abs(draw(1)[0]) + 0.1)
        scale, _ = student.quantization_parameters(low, high, bits)
        expected, _ = plain_parameters(low, high, bits, symmetric=False)
        assert np.isclose(scale, expected, rtol=1e-4), (
            "the asymmetric scale must be (high - low) divided by 2**bits - 1, for every bits"
        )
        assert np.asarray(scale).dtype == np.float32, "the scale must be float32"


def check_asymmetric_zero_point(student):
    """The asymmetric zero point is the code of 0, rounded to the nearest integer."""
    for bits in some_bits():
        low, high = -float(abs(draw(1)[0]) + 0.1), float(abs(draw(1)[0]) + 0.1)
        _, zero_point = student.quantization_parameters(low, high, bits)
        _, expected = plain_parameters(low, high, bits, symmetric=False)
        assert np.issubdtype(np.asarray(zero_point).dtype, np.integer), (
            "the zero point is a code: it must be an integer"
        )
        assert abs(int(zero_point) - expected) <= 0.501, (
            "the zero point must be the lowest code minus low / scale, rounded to the nearest"
        )
        assert np.asarray(zero_point).dtype == np.int32, "the zero point must be int32"


def check_parameters_per_channel(student):
    """Arrays of lows and highs give a scale and a zero point for each entry."""
    low, high = -np.abs(draw(1, 5)) - 0.1, np.abs(draw(1, 5)) + 0.1
    scale, zero_point = student.quantization_parameters(low, high, 6)
    assert np.shape(scale) == (1, 5), "scales must have the shape of low and high"
    assert np.shape(zero_point) == (1, 5), "zero points must have the shape of low and high"
    for j in range(5):
        expected, place = plain_parameters(low[0, j], high[0, j], 6, symmetric=False)
        assert np.isclose(scale[0, j], expected, rtol=1e-4), "each entry has a scale of its own"
        assert abs(zero_point[0, j] - place) <= 0.501, "each entry has a zero point of its own"


def check_symmetric_parameters(student):
    """The symmetric scale reaches the largest absolute value by the last code; 0 stays 0."""
    for bits in some_bits():
        for low, high in ((-0.3, 1.7), (-2.5, 0.4)):
            low, high = low * (1 + abs(float(draw(1)[0]))), high
            scale, zero_point = student.quantization_parameters(low, high, bits, symmetric=True)
            expected, _ = plain_parameters(low, high, bits, symmetric=True)
            assert np.isclose(scale, expected, rtol=1e-4), (
                "the symmetric scale must be the larger of -low and high, divided by "
                "2**(bits - 1) - 1"
            )
            assert int(zero_point) == 0, "the symmetric zero point is 0"
            assert np.asarray(zero_point).dtype == np.int32, "the zero point must be int32"


def check_symmetric_per_channel(student):
    """Symmetric parameters of arrays have their shape, the zero points too."""
    low, high = -np.abs(draw(4, 1)) - 0.1, np.abs(draw(4, 1)) + 0.1
    scale, zero_point = student.quantization_parameters(low, high, symmetric=True)
    assert same_numbers(scale, np.maximum(-low, high) / 127), (
        "each entry has a symmetric scale of its own, in the shape of low and high"
    )
    assert np.shape(zero_point) == (4, 1), "zero points must have the shape of low and high"
    assert not np.any(zero_point), "symmetric zero points are all 0"


def check_range_contains_zero(student):
    """A range on one side of 0 is widened to contain it, before either formula."""
    near, far = np.sort(np.abs(draw(2)) + 0.5)
    for bits in (8, 5):
        for low, high in ((near, far), (-far, -near)):
            for symmetric in (False, True):
                scale, zero_point = student.quantization_parameters(
                    float(low), float(high), bits, symmetric=symmetric
                )
                expected, place = plain_parameters(low, high, bits, symmetric)
                assert np.isclose(scale, expected, rtol=1e-4), (
                    "a range that leaves out 0 must be widened to it before the scale is computed"
                )
                assert abs(int(zero_point) - place) <= 0.501, (
                    "a range that leaves out 0 must be widened to it: 0 needs a code of its own"
                )


def check_range_of_no_width(student):
    """A range of no width has a scale above 0, alone or as one of several channels."""
    for symmetric in (False, True):
        scale, zero_point = student.quantization_parameters(0.0, 0.0, symmetric=symmetric)
        assert 0 < scale < np.inf, "a range of no width needs a scale above 0"
        assert -128 <= int(zero_point) <= 127, "the zero point must be one of the codes"
        scale, _ = student.quantization_parameters(
            np.array([0.0, -1.0]), np.array([0.0, 2.0]), symmetric=symmetric
        )
        expected, _ = plain_parameters(-1.0, 2.0, 8, symmetric)
        assert scale[0] > 0, "one channel of no width needs a scale above 0"
        assert np.isclose(scale[1], expected, rtol=1e-4), (
            "a channel of no width must leave the scales of the others alone"
        )
    scale, _ = student.quantization_parameters(-1e-20, 1e-20)
    assert scale < 1e-21, "a narrow range needs a small scale: the floor is the tiniest float32"


def check_parameters_refuse(student):
    """Ranges and widths that cannot be are refused with ValueError."""
    for low, high in ((1.0, 0.5), (np.nan, 1.0), (0.0, np.inf)):
        assert raises(ValueError, student.quantization_parameters, low, high), (
            "low above high, NaN and infinities must raise ValueError: use checked_range"
        )
    for bits in (1, 9):
        assert raises(ValueError, student.quantization_parameters, -1.0, 1.0, bits), (
            "bits outside 2 to 8 must raise ValueError: use code_range"
        )


def check_quantize_values(student):
    """Codes are x / scale, rounded to the nearest, plus the zero point, as int8 in x's shape."""
    for bits in some_bits():
        half = 2 ** (bits - 1)
        zero_point = int(np.random.default_rng().integers(-half, half))
        x = draw(3, 7)
        scale = np.float32(2 * np.abs(x).max() / 2**bits)
        codes = student.quantize(x, scale, zero_point, bits)
        assert codes.dtype == np.int8, "codes must be int8"
        assert codes.shape == x.shape, "there must be a code for each number, in the same shape"
        exact = np.clip(x.astype(np.float64) / scale + zero_point, -half, half - 1)
        assert np.abs(codes - exact).max() <= 0.501, (
            "a code must be x / scale rounded to the nearest integer, plus the zero point"
        )
    x, scale = draw(5, 3), np.float32([[0.5, 0.05, 0.005]])
    codes = student.quantize(Tensor(x), scale, np.array([[0, 5, -9]]))
    exact = np.clip(x / scale + [[0, 5, -9]], -128, 127)
    assert np.abs(codes - exact).max() <= 0.51, "scales and zero points may be arrays"


def check_quantize_clips(student):
    """What lies beyond the codes gets the first or the last code, for every number of bits."""
    for bits in some_bits():
        half = 2 ** (bits - 1)
        codes = student.quantize([-1e9, -300.0, -half, half - 1, 300.0, 1e9], 1.0, 0, bits)
        assert codes.tolist() == [-half, -half, -half, half - 1, half - 1, half - 1], (
            "codes must be clipped to those of the given bits before they become int8"
        )
        codes = student.quantize([-300.0, 300.0], 1.0, half - 1, bits)
        assert codes.tolist() == [-half, half - 1], "clip after the zero point is added"


def check_quantize_keeps_its_input(student):
    """`quantize` leaves the numbers that it is given as they are."""
    x = draw(4, 6)
    before = x.copy()
    student.quantize(x, 0.1, 3)
    assert np.array_equal(x, before), "quantize changes its input"


def check_dequantize_values(student):
    """Real numbers are scale * (code - zero point), float32, also for arrays of scales."""
    rng = np.random.default_rng()
    q = rng.integers(-128, 128, (4, 5)).astype(np.int8)
    scale, zero_point = float(rng.uniform(0.01, 2)), int(rng.integers(-100, 100))
    back = student.dequantize(q, scale, zero_point)
    assert back.dtype == np.float32, "real numbers must come back as float32"
    assert same_numbers(back, scale * (q.astype(np.float64) - zero_point)), (
        "a code comes back as scale * (code - zero point)"
    )
    scales = rng.uniform(0.1, 1, (1, 5)).astype(np.float32)
    places = rng.integers(-50, 50, (1, 5)).astype(np.int32)
    back = student.dequantize(q, scales, places)
    assert same_numbers(back, scales * (q.astype(np.float64) - places)), (
        "scales and zero points may be arrays, one for each channel"
    )
    assert back.dtype == np.float32, "real numbers must come back as float32, for arrays too"


def check_dequantize_does_not_wrap(student):
    """The difference of code and zero point may be beyond int8."""
    q = np.array([-128, 127], dtype=np.int8)
    for zero_point in (127, np.int8(127), np.array(127, dtype=np.int8), np.int32(127)):
        back = student.dequantize(q, 1.0, zero_point)
        assert back.tolist() == [-255.0, 0.0], (
            "code minus zero point does not fit into int8: compute it in float32"
        )


def check_quantize_refuses(student):
    """A scale that is not above 0, NaN, infinities and no numbers are refused."""
    for scale in (0.0, -0.5, np.array([[0.1, 0.0]]), np.array([[0.1, -1.0]])):
        assert raises(ValueError, student.quantize, draw(3, 2), scale, 0), (
            "a scale that is not above 0, be it one of several, must raise ValueError"
        )
    for x in ([1.0, np.nan], [np.inf, 0.0], np.empty((0, 3), dtype=np.float32)):
        assert raises(ValueError, student.quantize, x, 0.1, 0), (
            "NaN, infinities and no numbers must raise ValueError: use finite_array"
        )


def check_min_max_range(student):
    """Lowest and highest value of everything, or of each index of an axis, kept as an axis."""
    x = draw(3, 4, 5)
    low, high = student.min_max_range(x)
    assert np.shape(low) == np.shape(high) == (), "without an axis there is one low and one high"
    assert [low, high] == [x.min(), x.max()], "expected the smallest and the largest of all"
    for axis, others in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1)), (-1, (0, 1))):
        low, high = student.min_max_range(x, axis)
        assert same_numbers(low, x.min(axis=others, keepdims=True)), (
            "with an axis there is a low for each of its indices, of size 1 along the others"
        )
        assert same_numbers(high, x.max(axis=others, keepdims=True)), (
            "with an axis there is a high for each of its indices, of size 1 along the others"
        )
    low, _ = student.min_max_range(Tensor(x), 1)
    assert np.shape(low) == (1, 4, 1), "a Tensor may be given too"
    assert raises(ValueError, student.min_max_range, [1.0, np.nan]), "NaN must raise ValueError"
    assert raises(ValueError, student.min_max_range, x, 3), "no such axis: raise ValueError"


def check_int8_values(student):
    """`quantize_int8` finds scale and zero point of the whole array, of both kinds."""
    for shift in (0.0, 3.0, -4.0):
        x = draw(6, 7, shift=shift)
        for symmetric in (False, True):
            q, scale, zero_point = student.quantize_int8(x, symmetric=symmetric)
            expected, place = plain_parameters(x.min(), x.max(), 8, symmetric)
            assert q.dtype == np.int8, "codes are int8"
            assert q.shape == x.shape, "there must be a code for each number, in the same shape"
            assert np.isclose(scale, expected, rtol=1e-4), (
                "the scale must be that of the smallest and the largest value, of the kind asked"
            )
            assert abs(int(zero_point) - place) <= 0.501, (
                "the zero point must be that of the smallest and the largest value"
            )
            exact = np.clip(x / expected + int(zero_point), -128, 127)
            assert np.abs(q - exact).max() <= 0.51, "a code is not the nearest"
    q, scale, _ = student.quantize_int8(Tensor(draw(3, 2)))
    assert np.shape(q) == (3, 2), "a Tensor may be given too"
    assert np.shape(scale) == (), "without an axis there is one scale"


def check_int8_error_bound(student):
    """Every number comes back to within half a scale, wherever the numbers lie."""
    for spread, shift in ((1.0, 0.0), (1e-3, 5.0), (1e4, -2e4), (1e-20, 0.0), (0.0, 7.0)):
        x = draw(40, 3, spread=spread, shift=shift)
        for symmetric in (False, True):
            for axis in (None, 0, 1):
                q, scale, zero_point = student.quantize_int8(x, symmetric=symmetric, axis=axis)
                back = student.dequantize_int8(q, scale, zero_point)
                assert back.dtype == np.float32, "numbers must come back as float32"
                room = 0.501 * np.asarray(scale, np.float64) + 2e-6 * np.abs(x).max()
                assert (np.abs(back.astype(np.float64) - x) <= room).all(), (
                    "each number must come back to within half a scale"
                )


def check_int8_keeps_its_input(student):
    """`quantize_int8` leaves the numbers that it is given as they are."""
    x = draw(4, 6)
    before = x.copy()
    student.quantize_int8(x)
    student.quantize_int8(x, symmetric=True, axis=1)
    assert np.array_equal(x, before), "quantize_int8 changes its input"


def check_int8_per_channel(student):
    """With an axis, each of its indices is quantised as if it were alone."""
    x = draw(9, 4) * np.float32([[0.01, 1.0, 30.0, 500.0]])
    for symmetric in (False, True):
        q, scale, zero_point = student.quantize_int8(x, symmetric=symmetric, axis=1)
        assert np.shape(scale) == np.shape(zero_point) == (1, 4), (
            "with axis=1 of a matrix, scale and zero point have shape (1, columns)"
        )
        for j in range(4):
            expected, place = plain_parameters(x[:, j].min(), x[:, j].max(), 8, symmetric)
            assert np.isclose(scale[0, j], expected, rtol=1e-4), (
                "each channel's scale must come from its own smallest and largest value"
            )
            assert abs(zero_point[0, j] - place) <= 0.501, (
                "each channel's zero point must come from its own smallest and largest value"
            )
            exact = np.clip(x[:, j] / expected + zero_point[0, j], -128, 127)
            assert np.abs(q[:, j] - exact).max() <= 0.51, "each channel's codes use its own scale"


def check_int8_other_axes(student):
    """Channels may lie along any axis of any number of axes."""
    x = draw(3, 4, 2, 5)
    for axis in (0, 2, -1):
        place = axis % 4
        _, scale, _ = student.quantize_int8(x, symmetric=True, axis=axis)
        others = tuple(i for i in range(4) if i != place)
        assert same_numbers(scale, np.abs(x).max(axis=others, keepdims=True) / 127), (
            "scales of size 1 along all axes but the channels', whatever axis that is"
        )


def check_int8_refuses(student):
    """Codes that are not int8, and numbers without a range, are refused."""
    for codes in (np.array([1.0, 2.0]), np.array([1, 2]), np.array([1, 2], dtype=np.uint8)):
        assert raises(TypeError, student.dequantize_int8, codes, 0.5, 0), (
            "codes of another type than int8 must raise TypeError"
        )
    for x in ([1.0, np.nan], [np.inf], []):
        assert raises(ValueError, student.quantize_int8, x), (
            "NaN, infinities and no numbers must raise ValueError"
        )


def check_decibels(student):
    """The decibels are those of the two sums of squares."""
    for shape, size in (((50,), 1e-3), ((8, 9), 0.3), ((3, 4, 5), 10.0)):
        x = draw(*shape, shift=1.0)
        back = x + draw(*shape, spread=size, shift=size)
        noise = np.sum((x.astype(np.float64) - back) ** 2)
        expected = 10 * np.log10(np.sum(x.astype(np.float64) ** 2) / noise)
        found = student.signal_to_noise_db(x, back)
        assert np.isclose(found, expected, atol=1e-3), (
            "expected 10 log10 of the sum of x squared over the sum of the squared errors"
        )
    x = draw(20).astype(np.float64) + 2.0
    back = x + 1e-10
    expected = 10 * np.log10(np.sum(x**2) / np.sum((x - back) ** 2))
    assert np.isclose(student.signal_to_noise_db(x, back), expected, atol=1e-3), (
        "sums and differences must be taken in float64: a small error is lost in float32"
    )


def check_decibels_ends(student):
    """No error is infinitely many decibels, two shapes are an error, and the result is a float."""
    x = draw(5)
    assert student.signal_to_noise_db(x, x) == float("inf"), "no error at all must give infinity"
    assert type(student.signal_to_noise_db(x, x + 1)) is float, "return a Python float"
    assert np.isclose(student.signal_to_noise_db([3, 4], [3, 9]), 0.0, atol=1e-9), (
        "lists of integers are numbers too"
    )
    for back in ([1.0], 1.0, draw(5, 1)):
        assert raises(ValueError, student.signal_to_noise_db, x, back), (
            "two arrays of different shapes must raise ValueError, not broadcast"
        )


def check_percentile_values(student):
    """Low and high are the two percentiles of all samples, 0.1 and 99.9 unless told otherwise."""
    x = draw(40, 30)
    low, high = student.percentile_range(x)
    assert np.shape(low) == np.shape(high) == (), "without an axis there is one low and one high"
    assert same_numbers([low, high], np.percentile(x, [0.1, 99.9])), (
        "by default the range is from the 0.1th to the 99.9th percentile"
    )
    for percentile in (50, 90, 97.5, 100):
        low, high = student.percentile_range(Tensor(x), percentile)
        assert same_numbers([low, high], np.percentile(x, [100 - percentile, percentile])), (
            "the range is from the (100 - percentile)th to the percentile-th percentile"
        )


def check_percentile_per_channel(student):
    """With an axis, each of its indices has its own percentiles, in shapes that broadcast."""
    x = draw(7, 50, 3) * np.float32([1, 10, 100])
    for axis, others in ((2, (0, 1)), (0, (1, 2)), (-2, (0, 2))):
        low, high = student.percentile_range(x, 95, axis=axis)
        for found, percentile in ((low, 5), (high, 95)):
            expected = np.percentile(x, percentile, axis=others, keepdims=True)
            assert np.shape(found) == expected.shape, (
                "with an axis, low and high keep it and have size 1 along the others"
            )
            assert np.allclose(found, expected, rtol=1e-4, atol=1e-3), (
                "with an axis, each of its indices has percentiles of its own"
            )


def check_percentile_refuses(student):
    """Percentiles outside 50 to 100 and samples that are not finite are refused."""
    for percentile in (49.9, 100.1, -1):
        assert raises(ValueError, student.percentile_range, draw(9), percentile), (
            "a percentile below 50 or above 100 must raise ValueError"
        )
    assert raises(ValueError, student.percentile_range, [1.0, np.nan], 90), (
        "NaN must raise ValueError: use finite_array"
    )


def check_mse_range_is_best(student):
    """The range of least squared error is found, among the parts of the min-max range."""
    for bits in (2, 3, 4, 6):
        x = (draw(300) ** 3).astype(np.float32)
        for symmetric in (False, True):
            low, high = student.mse_range(x, bits, symmetric=symmetric)
            part = float(high) / float(x.max())
            assert np.isclose(part, float(low) / float(x.min()), rtol=1e-3), (
                "low and high must be the same part of the smallest and the largest value"
            )
            assert 0.0999 <= part <= 1.0001, "the parts to try are those in SHRINKAGES"
            assert np.isclose(part * 100, np.rint(part * 100), atol=0.01), (
                "the range must be one of those tried, the min-max range times a factor"
            )
            least = min(
                plain_error(x, x.min() * f, x.max() * f, bits, symmetric)
                for f in np.linspace(1.0, 0.1, 91)
            )
            found = plain_error(x, low, high, bits, symmetric)
            assert found <= 1.02 * least + 1e-12, (
                "another part of the range has a smaller squared error, for these bits and this "
                "kind of codes"
            )


def check_mse_range_keeps_what_fits(student):
    """Where nothing is gained by clipping, the whole range stays."""
    x = np.arange(-128, 128).astype(np.float32) * np.float32(2.0 ** int(draw(1)[0]))
    low, high = student.mse_range(x)
    assert np.allclose([low, high], [x.min(), x.max()]), (
        "numbers that 8 bits hold without any error must keep their range"
    )
    low, high = student.mse_range(draw(5000), 8, symmetric=True)
    narrow_low, narrow_high = student.mse_range(draw(5000), 2, symmetric=True)
    assert narrow_high - narrow_low < high - low, (
        "few bits gain by a narrower range than many: does the error depend on bits?"
    )


def check_mse_range_per_channel(student):
    """With an axis, each of its indices chooses the range that is best for itself."""
    # Whole numbers that 3 bits hold without any error: their range must stay, the others not.
    whole = np.random.default_rng().permutation(np.tile(np.arange(-3, 4), 30))
    x = np.stack([whole, 100 * draw(210), draw(210) ** 3], axis=1).astype(np.float32)
    for axis, samples in ((1, x), (0, np.ascontiguousarray(x.T))):
        low, high = student.mse_range(samples, 3, symmetric=True, axis=axis)
        shape = (1, 3) if axis == 1 else (3, 1)
        assert np.shape(low) == np.shape(high) == shape, (
            "with an axis, low and high keep it and have size 1 along the others"
        )
        for j in range(3):
            column = x[:, j]
            least = min(
                plain_error(column, column.min() * f, column.max() * f, 3, True)
                for f in np.linspace(1.0, 0.1, 91)
            )
            ends = float(np.ravel(low)[j]), float(np.ravel(high)[j])
            assert plain_error(column, *ends, 3, True) <= 1.02 * least + 1e-12, (
                "with an axis, each channel must choose the range that is best for itself"
            )


def check_pack_four_bits(student):
    """Two codes of 4 bits share a byte, the first in its lower half."""
    for n in (1, 2, 7, 20):
        codes = np.random.default_rng().integers(0, 16, n)
        packed = student.pack_codes(codes, 4)
        assert packed.dtype == np.uint8, "packed codes are uint8"
        assert len(packed) == (n + 1) // 2, "n codes of 4 bits take n / 2 bytes, rounded up"
        assert packed.tolist() == plain_packed(codes, 4), (
            "the first of two codes is the lower half of a byte, and what is left over is 0"
        )


def check_pack_keeps_its_input(student):
    """Packing leaves the codes that it is given as they are, of any integer type."""
    for dtype in (np.uint8, np.int16, np.int64):
        codes = np.random.default_rng().integers(0, 16, (5, 3)).astype(dtype)
        before = codes.copy()
        packed = student.pack_codes(codes, 4)
        assert np.array_equal(codes, before), "pack_codes changes its input"
        assert packed[:, 1].tolist() == plain_packed(before[:, 1], 4), (
            "codes of any integer type may be packed"
        )


def check_pack_any_bits(student):
    """Codes of 2 to 8 bits lie one after the other in the stream, lowest bit first."""
    rng = np.random.default_rng()
    for bits in some_bits():
        for n in (1, 8, int(rng.integers(9, 40))):
            codes = rng.integers(0, 2**bits, n)
            found = student.pack_codes(codes, bits).tolist()
            assert len(found) == math.ceil(n * bits / 8), (
                "n codes take n * bits / 8 bytes, rounded up"
            )
            assert found == plain_packed(codes, bits), (
                "bit k of code i must be bit i * bits + k of the stream, for every number of bits"
            )


def check_pack_columns(student):
    """Packing goes along the first axis; what lies along the others are streams of their own."""
    rng = np.random.default_rng()
    for bits in (3, 4, 7):
        codes = rng.integers(0, 2**bits, (11, 2, 3))
        packed = student.pack_codes(codes, bits)
        assert packed.shape == (math.ceil(11 * bits / 8), 2, 3), (
            "only the first axis becomes shorter; the others stay as they are"
        )
        for i in range(2):
            for j in range(3):
                assert packed[:, i, j].tolist() == plain_packed(codes[:, i, j], bits), (
                    "each column must be packed as if it were alone"
                )


def check_unpack_any_bits(student):
    """Unpacking gives back n codes as uint8, for every number of bits."""
    rng = np.random.default_rng()
    for bits in some_bits():
        for n in (1, 8, int(rng.integers(9, 40))):
            codes = rng.integers(0, 2**bits, n)
            packed = np.array(plain_packed(codes, bits), dtype=np.uint8)
            before = packed.copy()
            found = student.unpack_codes(packed, bits, n)
            assert found.dtype == np.uint8, "unpacked codes are uint8"
            assert found.tolist() == codes.tolist(), (
                "the bytes of n codes must give these n codes back, and nothing after them"
            )
            assert np.array_equal(packed, before), "unpack_codes changes its input"


def check_unpack_columns(student):
    """Unpacking goes along the first axis and leaves the others as they are."""
    rng = np.random.default_rng()
    for bits in (2, 5, 6, 8):
        codes = rng.integers(0, 2**bits, (13, 3))
        columns = [plain_packed(codes[:, j], bits) for j in range(3)]
        packed = np.array(columns, dtype=np.uint8).T
        assert same_numbers(student.unpack_codes(packed, bits, 13), codes), (
            "each column of bytes must be unpacked as if it were alone"
        )


def check_packing_refuses(student):
    """Codes that do not fit, and bytes of another length, are refused."""
    for codes in (np.array([0, 8]), np.array([-1, 3])):
        assert raises(ValueError, student.pack_codes, codes, 3), (
            "codes that do not fit into the bits must raise ValueError: use check_codes"
        )
    assert raises(TypeError, student.pack_codes, np.array([1.0, 2.0]), 3), (
        "codes that are no integers must raise TypeError: use check_codes"
    )
    packed = np.zeros(3, dtype=np.uint8)
    assert raises(ValueError, student.unpack_codes, packed, 4, 7), (
        "bytes of another length than n codes take must raise ValueError: use check_packed"
    )
    assert raises(TypeError, student.unpack_codes, packed.astype(np.int64), 4, 6), (
        "what are not bytes must raise TypeError: use check_packed"
    )


def check_layer_output(student):
    """A layer answers x times what its codes stand for, plus the bias, for every width."""
    for bits in some_bits():
        for per_channel in (True, False):
            linear = trained_linear(19, 7)
            layer = student.QuantizedLinear(linear, bits, per_channel=per_channel)
            codes, scale = layer.signed_codes(), np.asarray(layer.scale)
            assert codes.dtype == np.int8, "signed_codes gives int8 codes"
            assert codes.shape == (19, 7), "signed_codes has the shape of the weight"
            half = 2 ** (bits - 1)
            assert np.abs(linear.weight.data / scale - codes).max() <= 0.51, (
                "a code must be the weight / scale, rounded, in the range of the bits"
            )
            assert -half <= codes.min() <= codes.max() < half, "a code is out of range"
            x = draw(5, 19)
            expected = x @ (codes.astype(np.float64) * scale) + linear.bias.data
            found = layer(Tensor(x)).data
            assert np.allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()), (
                "the layer must answer x times scale * codes, plus the bias"
            )


def check_layer_error_bound(student):
    """An output is off by half a scale times the sum of the absolute inputs at most."""
    for bits in some_bits():
        linear = trained_linear(23, 6)
        x = draw(9, 23, spread=3.0)
        error = np.abs(student.QuantizedLinear(linear, bits)(x).data - linear(x).data)
        scale = np.abs(linear.weight.data).max(axis=0) / (2 ** (bits - 1) - 1)
        room = 0.505 * scale * np.abs(x).sum(axis=1, keepdims=True)
        assert (error <= room + 1e-3 * np.abs(linear(x).data).max()).all(), (
            "outputs are further off than rounding the weights to the nearest code explains"
        )


def check_layer_shapes(student):
    """Any axes may stand before the features; arrays and tensors may be given."""
    linear = trained_linear(6, 4)
    layer = student.QuantizedLinear(linear)
    for shape in ((6,), (1, 6), (3, 6), (2, 5, 6)):
        x = draw(*shape)
        for given in (x, Tensor(x)):
            found = layer(given)
            assert isinstance(found, Tensor), "forward must return a Tensor"
            assert found.shape == (*shape[:-1], 4), (
                "forward maps (..., in_features) to (..., out_features), for any axes before"
            )
            room = 0.05 * (1 + np.abs(linear.weight.data).max() * np.abs(x).sum())
            assert np.abs(found.data - linear(x).data).max() < room, (
                "the outputs are far from those of the float32 layer"
            )
    assert found.data.dtype == np.float32, "outputs are float32"
    assert (layer.in_features, layer.out_features, layer.bits) == (6, 4, 8), (
        "the layer must keep in_features, out_features and bits"
    )


def check_layer_holds_codes(student):
    """Codes are held as int8 for 8 bits, else packed from 0 up, column by column."""
    linear = trained_linear(11, 3)
    layer = student.QuantizedLinear(linear)
    assert layer.codes.dtype == np.int8, "for 8 bits codes must be held as int8"
    assert layer.codes.shape == (11, 3), "for 8 bits codes have the shape of the weight"
    for bits in (2, 3, 4, 5, 6, 7):
        layer = student.QuantizedLinear(linear, bits)
        counted = layer.signed_codes().astype(int) + 2 ** (bits - 1)
        assert np.asarray(layer.codes).dtype == np.uint8, "packed codes are held as uint8"
        for j in range(3):
            assert layer.codes[:, j].tolist() == plain_packed(counted[:, j], bits), (
                "below 8 bits the layer must hold what pack_codes makes of the codes from 0 up"
            )


def check_layer_bytes(student):
    """The bytes of the state are those of the codes, the scales and the bias."""
    for bits in some_bits():
        n, m = (int(size) for size in np.random.default_rng().integers(5, 40, 2))
        layer = student.QuantizedLinear(Linear(n, m), bits)
        expected = math.ceil(n * bits / 8) * m + 4 * m + 4 * m
        assert layer.size_bytes() == expected, (
            "size_bytes must count codes, one float32 scale an output, and the bias: does "
            "buffers() return codes and scale?"
        )
        assert layer.count_parameters() == n * m + m, "the count of weights must stay as it was"
        held = layer.buffers()
        assert sorted(held) == ["codes", "scale"], "buffers are named codes and scale"
        assert held["scale"].dtype == np.float32, "scales are float32"
    layer = student.QuantizedLinear(Linear(30, 20), per_channel=False)
    assert layer.size_bytes() == 600 + 4 + 80, "one scale for all takes 4 bytes"


def check_layer_keeps_no_floats(student):
    """Nothing of the float32 weight stays in the layer, neither before nor after a call."""
    linear = Linear(64, 48)
    for bits in (8, 4):
        layer = student.QuantizedLinear(linear, bits)
        for _ in range(2):
            held = 0
            for value in dict(layer.__dict__).values():
                if isinstance(value, Module):
                    held += value.size_bytes()
                elif isinstance(value, np.ndarray | Tensor):
                    held += np.asarray(getattr(value, "data", value)).nbytes
                elif isinstance(value, list | tuple):
                    held += sum(np.asarray(item).nbytes for item in value)
            assert held <= 64 * 48 * bits // 8 + 1000, (
                "the layer keeps more than its codes, scales and bias: floats may live only "
                "as long as a call"
            )
            layer(draw(3, 64))


def check_layer_per_channel(student):
    """Each output has a scale of its own, or one serves all of them."""
    for bits in (8, 3):
        linear = trained_linear(12, 5)
        largest = np.abs(linear.weight.data).max(axis=0)
        scale = np.asarray(student.QuantizedLinear(linear, bits).scale)
        assert scale.size == 5, "by default there is a scale for each output"
        assert np.allclose(scale.ravel(), largest / (2 ** (bits - 1) - 1), rtol=1e-4), (
            "an output's scale must come from the largest weight of its own column"
        )
        scale = np.asarray(student.QuantizedLinear(linear, bits, per_channel=False).scale)
        assert scale.size == 1, "with per_channel=False one scale serves all outputs"
        assert np.allclose(scale, largest.max() / (2 ** (bits - 1) - 1), rtol=1e-4), (
            "one scale for all must come from the largest weight of all"
        )


def check_layer_without_bias(student):
    """A layer without a bias stays without one, and one output or one input is no exception."""
    for inputs, outputs in ((7, 3), (1, 3), (7, 1)):
        linear = trained_linear(inputs, outputs, bias=False)
        layer = student.QuantizedLinear(linear)
        assert layer.bias is None, "a layer without a bias must stay without one"
        x = draw(4, inputs)
        room = 0.02 * np.abs(linear.weight.data).max() * np.abs(x).sum()
        assert np.abs(layer(x).data - linear(x).data).max() <= room, (
            "without a bias the outputs are far from those of the float32 layer"
        )
        assert layer.size_bytes() == inputs * outputs + 4 * outputs, (
            "without a bias there are codes and scales to count"
        )


def check_layer_leaves_the_original(student):
    """The layer quantised stays as it was, and what happens to it later changes nothing."""
    linear = trained_linear(8, 5)
    weight, bias = linear.weight.data.copy(), linear.bias.data.copy()
    layer = student.QuantizedLinear(linear, 8)
    x = draw(3, 8)
    before = layer(x).data.copy()
    assert np.array_equal(linear.weight.data, weight), "quantising changes the layer's weight"
    assert np.array_equal(linear.bias.data, bias), "quantising changes the layer's bias"
    layer.bias.data[:] = 0.0
    linear.bias.data[:] = 50.0
    linear.weight.data[:] = 0.0
    again = student.QuantizedLinear(linear, 8)
    assert np.allclose(again(x).data, 50.0, atol=1e-3), (
        "weights of 0 and a bias of 50 must give 50: a column of zeros has to work too"
    )
    after = layer(x).data
    close = np.abs(after - before).max() <= np.abs(bias).max() + 1e-3
    assert close, "the quantised layer must not change when the original does: copy the bias"


def check_model_output(student):
    """The copy answers nearly as the model does, the more nearly the more bits there are."""
    model = Sequential(trained_linear(20, 16), ReLU(), trained_linear(16, 4, bias=False))
    x = draw(30, 20)
    expected = model(x).data
    errors = {}
    for bits in (8, 5, 2):
        found = student.quantize_model(model, bits)(x).data
        assert found.shape == expected.shape, "the copy must answer in the model's shape"
        errors[bits] = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    assert 1e-6 < errors[8] < 0.03, "8 bits must change the answers, and only a little"
    assert errors[8] < errors[5] < errors[2], "fewer bits must change the answers more"
    one = student.quantize_model(model, 4, per_channel=False)(x).data
    error = np.sqrt(np.mean((one - expected) ** 2) / np.mean(expected**2))
    each = student.quantize_model(model, 4)(x).data
    assert not np.array_equal(one, each), "per_channel must be passed on to the layers"
    assert error < 1, "with one scale for a layer the answers are far off"


def check_model_deep(student):
    """Every Linear is replaced, also one inside of other modules; nothing else is."""
    inner = Sequential(Linear(12, 12), ReLU(), Sequential(Linear(12, 6, bias=False)))
    model = Sequential(inner, ReLU(), Linear(6, 3))
    small = student.quantize_model(model, 8)
    expected = (144 + 8 * 12) + (72 + 4 * 6) + (18 + 8 * 3)
    assert small.size_bytes() == expected, (
        "every Linear must be replaced, however deep in the model it stands"
    )
    assert small.count_parameters() == model.count_parameters(), "the copy lost or gained weights"
    assert small(draw(2, 12)).shape == (2, 3), "the copy must answer as the model does"
    alone = student.quantize_model(Linear(10, 4), 8)
    assert alone.size_bytes() == 40 + 32, "a model may be a single Linear"


def check_model_refuses(student):
    """A model without a Linear is refused, and so are impossible numbers of bits."""
    assert raises(ValueError, student.quantize_model, Sequential(ReLU(), ReLU())), (
        "a model without a Linear must raise ValueError"
    )
    for bits in (1, 9):
        assert raises(ValueError, student.quantize_model, Linear(3, 2), bits), (
            "bits outside 2 to 8 must raise ValueError"
        )


def check_model_bytes(student):
    """The copy holds the bytes that its bits say, for every number of bits."""
    model = Sequential(Linear(33, 9), ReLU(), Linear(9, 5))
    for bits in some_bits():
        codes = math.ceil(33 * bits / 8) * 9 + math.ceil(9 * bits / 8) * 5
        for per_channel, scales in ((True, 4 * 14), (False, 8)):
            small = student.quantize_model(model, bits, per_channel=per_channel)
            assert small.size_bytes() == codes + scales + 4 * 14, (
                "the copy must hold packed codes of the given bits, their scales and the biases, "
                "and nothing else"
            )


def check_model_original(student):
    """The model itself keeps its layers and its weights."""
    model = Sequential(trained_linear(8, 6), ReLU(), trained_linear(6, 2))
    before, x = model.state_dict(), draw(3, 8)
    answers, size = model(x).data.copy(), model.size_bytes()
    student.quantize_model(model, 4)
    assert model.size_bytes() == size, "quantize_model must return a copy and leave the model"
    after = model.state_dict()
    assert all(np.array_equal(after[name], before[name]) for name in before), (
        "quantize_model changes the weights of the model that it is given"
    )
    assert np.array_equal(model(x).data, answers), "quantize_model changes the model's answers"


def check_model_sizes(student):
    """The sizes are the bytes that both models hold, and the ratio is above 1 for a saving."""
    before, after = Linear(50, 20), Linear(10, 5)
    large, small = 4 * (50 * 20 + 20), 4 * (10 * 5 + 5)
    sizes = student.compare_model_sizes(before, after)
    entries = ["compression_ratio", "original_bytes", "quantized_bytes", "saved_bytes"]
    assert sorted(sizes) == entries, f"the four entries are {', '.join(entries)}"
    assert sizes["original_bytes"] == large, "original_bytes is what the original holds"
    assert sizes["quantized_bytes"] == small, "quantized_bytes is what the second model holds"
    assert sizes["saved_bytes"] == large - small, "saved_bytes is original minus quantized"
    assert np.isclose(sizes["compression_ratio"], large / small), (
        "compression_ratio is original_bytes / quantized_bytes"
    )
    codes = Sequential(Linear(8, 6))
    ratio = student.compare_model_sizes(codes, student.quantize_model(codes, 4))
    assert np.isclose(ratio["compression_ratio"], 216 / (24 + 24 + 24)), (
        "packed layers count the bytes that they hold: ask size_bytes()"
    )
