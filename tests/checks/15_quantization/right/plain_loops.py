"""Plain Python: loops over elements and channels, packing by one long integer."""

import itertools
import math


def code_range(bits):
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer):
        raise TypeError("bits must be an integer")
    if bits < 2 or bits > 8:
        raise ValueError("bits must be 2 to 8")
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def quantization_parameters(low, high, bits=8, *, symmetric=False):
    first, last = code_range(bits)
    lows, highs = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    if lows.shape != highs.shape:
        raise ValueError("two shapes")
    scales, places = [], []
    for bottom, top in zip(lows.ravel().tolist(), highs.ravel().tolist(), strict=True):
        if not (math.isfinite(bottom) and math.isfinite(top) and bottom <= top):
            raise ValueError("no range")
        bottom, top = min(bottom, 0.0), max(top, 0.0)
        steps, width = (last, max(-bottom, top)) if symmetric else (last - first, top - bottom)
        scale = max(width / steps, float(np.finfo(np.float32).tiny))
        scales.append(scale)
        places.append(0 if symmetric else round(first - bottom / scale))
    return (
        np.array(scales, dtype=np.float32).reshape(lows.shape),
        np.array(places, dtype=np.int32).reshape(lows.shape),
    )


def finite_array(x):
    array = np.asarray(x.data if isinstance(x, Tensor) else x, dtype=np.float32)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError("expected finite numbers")
    return array


def quantize(x, scale, zero_point, bits=8):
    first, last = code_range(bits)
    numbers = finite_array(x)
    scales = np.broadcast_to(np.asarray(scale, dtype=float), numbers.shape)
    places = np.broadcast_to(zero_point, numbers.shape)
    if np.min(scales) <= 0:
        raise ValueError("a scale must be above 0")
    codes = np.empty(numbers.shape, dtype=np.int8)
    for place in np.ndindex(numbers.shape):
        nearest = round(float(numbers[place]) / float(scales[place])) + int(places[place])
        codes[place] = min(max(nearest, first), last)
    return codes


def dequantize(q, scale, zero_point):
    codes = np.asarray(q)
    scales = np.broadcast_to(np.asarray(scale, dtype=float), codes.shape)
    places = np.broadcast_to(zero_point, codes.shape)
    numbers = np.empty(codes.shape, dtype=np.float32)
    for place in np.ndindex(codes.shape):
        numbers[place] = float(scales[place]) * (int(codes[place]) - int(places[place]))
    return numbers


def channels(x, axis):
    """Yield the index that keeps a channel's axes, and the channel's numbers."""
    if axis is None:
        yield (), x
    elif not -x.ndim <= axis < x.ndim:
        raise ValueError("no such axis")
    else:
        for i in range(x.shape[axis]):
            index = [0] * x.ndim
            index[axis] = i
            yield tuple(index), np.take(x, i, axis=axis)


def of_each_channel(x, axis, function):
    """Two arrays of what `function` returns for each channel."""
    shape = [1] * x.ndim if axis is not None else []
    if axis is not None and -x.ndim <= axis < x.ndim:
        shape[axis] = x.shape[axis]
    low, high = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    for index, numbers in channels(x, axis):
        low[index], high[index] = function(numbers)
    return low, high


def min_max_range(x, axis=None):
    return of_each_channel(
        finite_array(x), axis, lambda c: (min(c.ravel().tolist()), max(c.ravel().tolist()))
    )


def quantize_int8(tensor, *, symmetric=False, axis=None):
    scale, place = quantization_parameters(*min_max_range(tensor, axis), symmetric=symmetric)
    return quantize(tensor, scale, place), scale, place


def dequantize_int8(q, scale, zero_point):
    if not isinstance(q, np.ndarray) or q.dtype.name != "int8":
        raise TypeError("expected int8 codes")
    return dequantize(q, scale, zero_point)


def signal_to_noise_db(x, back):
    if np.shape(x) != np.shape(back):
        raise ValueError("expected one shape")
    pairs = zip(np.ravel(x).tolist(), np.ravel(back).tolist(), strict=True)
    signal = noise = 0.0
    for number, returned in pairs:
        signal += number * number
        noise += (number - returned) * (number - returned)
    return 10 * math.log10(signal / noise) if noise else math.inf


def squared_error(x, low, high, bits, symmetric):
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    steps = np.clip(np.rint(x / scale) + zero_point, *code_range(bits)) - zero_point
    return (np.asarray(x, dtype=float) - steps * scale) ** 2


def percentile_range(samples, percentile=99.9, axis=None):
    if percentile < 50 or percentile > 100:
        raise ValueError("expected 50 to 100")

    def ends(numbers):
        ordered = sorted(numbers.ravel().tolist())

        def at(percent):
            place = percent / 100 * (len(ordered) - 1)
            below = math.floor(place)
            above = min(below + 1, len(ordered) - 1)
            return ordered[below] + (place - below) * (ordered[above] - ordered[below])

        return at(100 - percentile), at(percentile)

    return of_each_channel(finite_array(samples), axis, ends)


def mse_range(samples, bits=8, *, symmetric=False, axis=None):
    def best(numbers):
        low, high = float(numbers.min()), float(numbers.max())
        tried = [
            (squared_error(numbers, low * part, high * part, bits, symmetric).mean(), -part)
            for part in SHRINKAGES
        ]
        part = -min(tried)[1]
        return low * part, high * part

    return of_each_channel(finite_array(samples), axis, best)


def packed_length(n, bits):
    return math.ceil(n * bits / 8)


def pack_codes(codes, bits):
    code_range(bits)
    if codes.dtype.kind not in "iu":
        raise TypeError("expected integers")
    if codes.size and not 0 <= codes.min() <= codes.max() < 2**bits:
        raise ValueError("a code does not fit")
    rest = codes.shape[1:]
    packed = np.empty((packed_length(len(codes), bits), *rest), dtype=np.uint8)
    for place in itertools.product(*map(range, rest)):
        stream = 0
        for code in reversed(codes[(slice(None), *place)].tolist()):
            stream = stream << bits | code
        packed[(slice(None), *place)] = list(stream.to_bytes(len(packed), "little"))
    return packed


def unpack_codes(packed, bits, n):
    code_range(bits)
    if packed.dtype != np.uint8:
        raise TypeError("expected bytes")
    if len(packed) != packed_length(n, bits):
        raise ValueError("expected the bytes of n codes")
    codes = np.empty((n, *packed.shape[1:]), dtype=np.uint8)
    for place in itertools.product(*map(range, packed.shape[1:])):
        stream = int.from_bytes(packed[(slice(None), *place)].tobytes(), "little")
        for i in range(n):
            codes[(i, *place)] = stream >> (i * bits) & (2**bits - 1)
    return codes


class QuantizedLinear(Module):
    def __init__(self, linear, bits=8, *, per_channel=True):
        weight = linear.weight.data
        low, high = min_max_range(weight, 1 if per_channel else None)
        self.scale, _ = quantization_parameters(low, high, bits, symmetric=True)
        self.bits = bits
        self.in_features, self.out_features = weight.shape
        self.bias = copied_bias(linear)
        self.codes = quantize(weight, self.scale, 0, bits)
        if bits != 8:
            self.codes = pack_codes(self.codes.astype(int) + 2**bits // 2, bits)

    def signed_codes(self):
        if self.bits == 8:
            return self.codes
        counted = unpack_codes(self.codes, self.bits, self.in_features).astype(int)
        return (counted - 2**self.bits // 2).astype(np.int8)

    def forward(self, x):
        numbers = x.data if isinstance(x, Tensor) else np.asarray(x, dtype=np.float32)
        codes = self.signed_codes()
        scales = np.broadcast_to(self.scale, (1, self.out_features))[0]
        out = np.empty((*numbers.shape[:-1], self.out_features), dtype=np.float32)
        for j in range(self.out_features):
            out[..., j] = scales[j] * (numbers @ codes[:, j].astype(np.float32))
            if self.bias is not None:
                out[..., j] += self.bias.data[j]
        return Tensor(out)

    def buffers(self):
        return {"codes": self.codes, "scale": self.scale}

    @property
    def packed_parameters(self):
        return self.in_features * self.out_features


def quantize_model(model, bits=8, *, per_channel=True):
    code_range(bits)
    found = []

    def convert(name, layer):
        if not isinstance(layer, Linear):
            return layer
        found.append(name)
        return QuantizedLinear(layer, bits, per_channel=per_channel)

    result = replace_layers(model, convert)
    if not found:
        raise ValueError("there is no Linear in this model")
    return result


def compare_model_sizes(original, quantized):
    sizes = [model.size_bytes() for model in (original, quantized)]
    return {
        "original_bytes": sizes[0],
        "quantized_bytes": sizes[1],
        "saved_bytes": sizes[0] - sizes[1],
        "compression_ratio": sizes[0] / sizes[1],
    }
