"""Halves rounded up, packing through text of binary digits, the product made panel by panel."""


def half_up(x):
    return np.floor(np.asarray(x, dtype=np.float64) + 0.5)


def code_range(bits):
    if isinstance(bits, bool | float | str):
        raise TypeError("expected an integer")
    if not 2 <= bits <= 8:
        raise ValueError("expected 2 to 8 bits")
    return int(-(2 ** (bits - 1))), int(2 ** (bits - 1) - 1)


def quantization_parameters(low, high, bits=8, *, symmetric=False):
    first, last = code_range(bits)
    low, high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
    if low.shape != high.shape:
        raise ValueError("expected one shape")
    if not np.all((low <= high) & np.isfinite(low) & np.isfinite(high)):
        raise ValueError("expected a range")
    low[low > 0] = 0
    high[high < 0] = 0
    if symmetric:
        high = np.where(high < -low, -low, high)
        low = 0 * high
        scale = high / last
    else:
        scale = (high - low) / (last - first)
    scale = np.where(scale == 0, 1.0, scale)  # any scale will do for a single number 0
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    place = np.zeros(scale.shape) if symmetric else half_up(first - low / scale)
    return scale, place.astype(np.int32)


def finite_array(x):
    array = as_float32(x.data if isinstance(x, Tensor) else x)
    if array.size == 0 or np.count_nonzero(np.isfinite(array)) < array.size:
        raise ValueError("expected finite numbers")
    return array


def quantize(x, scale, zero_point, bits=8):
    first, last = code_range(bits)
    if np.any(np.less_equal(scale, 0)):
        raise ValueError("expected scales above 0")
    wide = half_up(finite_array(x) / np.asarray(scale, dtype=np.float64)) + zero_point
    wide[wide < first] = first
    wide[wide > last] = last
    return wide.astype(np.int8)


def dequantize(q, scale, zero_point):
    numbers = np.asarray(q).astype(np.float64)
    numbers -= zero_point
    numbers *= scale
    return numbers.astype(np.float32)


def lowest(x, axis, reduce, **arguments):
    """Reduce one axis after the other, but for `axis`."""
    if axis is None:
        return reduce(x.reshape(-1), axis=0, **arguments)
    if axis < -x.ndim or axis >= x.ndim:
        raise ValueError("expected an axis")
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    shape = np.ones(x.ndim, dtype=int)
    shape[axis] = -1
    return reduce(rows, axis=0, **arguments).reshape(shape)


def min_max_range(x, axis=None):
    x = finite_array(x)
    return lowest(x, axis, np.min), lowest(x, axis, np.max)


def quantize_int8(tensor, *, symmetric=False, axis=None):
    low, high = min_max_range(tensor, axis)
    scale, zero_point = quantization_parameters(low, high, symmetric=symmetric)
    q = quantize(tensor, scale, zero_point)
    return q, scale, zero_point


def dequantize_int8(q, scale, zero_point):
    if str(getattr(q, "dtype", "")) != "int8":
        raise TypeError("expected int8")
    return dequantize(q, scale, zero_point)


def signal_to_noise_db(x, back):
    x, back = np.asarray(x, dtype=np.longdouble), np.asarray(back, dtype=np.longdouble)
    if x.shape != back.shape:
        raise ValueError("expected two arrays of one shape")
    ratio = np.mean((x - back) ** 2) / np.mean(x**2)
    return float("inf") if ratio == 0 else float(-10 * np.log10(ratio))


def squared_error(x, low, high, bits, symmetric):
    scale, place = quantization_parameters(low, high, bits, symmetric=symmetric)
    return np.square(dequantize(quantize(x, scale, place, bits), scale, place) - x)


def percentile_range(samples, percentile=99.9, axis=None):
    if abs(percentile - 75) > 25:
        raise ValueError("expected 50 to 100")
    x = finite_array(samples)
    high = lowest(x, axis, np.percentile, q=percentile)
    return -lowest(-x, axis, np.percentile, q=percentile), high


def mse_range(samples, bits=8, *, symmetric=False, axis=None):
    x = finite_array(samples)
    low, high = min_max_range(x, axis)
    errors = []
    for part in SHRINKAGES:
        error = squared_error(x, low * part, high * part, bits, symmetric)
        errors.append(lowest(error, axis, np.mean))
    best = SHRINKAGES[np.argmin(errors, axis=0)]
    return low * best, high * best


def pack_codes(codes, bits):
    code_range(bits)
    if codes.dtype.kind not in ("i", "u"):
        raise TypeError("expected integers")
    if np.any((codes < 0) | (codes > 2**bits - 1)):
        raise ValueError("expected codes that fit")
    n = codes.shape[0]

    def of_column(column):
        digits = "".join(f"{code:0{bits}b}"[::-1] for code in column)
        digits += "0" * (-len(digits) % 8)
        return [int(digits[i : i + 8][::-1], 2) for i in range(0, len(digits), 8)]

    columns = [of_column(column) for column in codes.reshape(n, -1).T.tolist()]
    return np.array(columns, dtype=np.uint8).T.reshape(-1, *codes.shape[1:])


def unpack_codes(packed, bits, n):
    code_range(bits)
    if packed.dtype != "uint8":
        raise TypeError("expected bytes")
    if packed.shape[0] != (n * bits + 7) // 8:
        raise ValueError("expected the bytes of n codes")
    columns = []
    for column in packed.reshape(len(packed), -1).T.tolist():
        digits = "".join(f"{byte:08b}"[::-1] for byte in column)
        columns.append([int(digits[i * bits : (i + 1) * bits][::-1], 2) for i in range(n)])
    return np.array(columns, dtype=np.uint8).T.reshape(n, *packed.shape[1:])


class QuantizedLinear(Module):
    panel = 8  # rows of codes that are floats at a time

    def __init__(self, linear, bits=8, *, per_channel=True):
        self.bits, (self.in_features, self.out_features) = bits, linear.weight.shape
        low, high = min_max_range(linear.weight, -1 if per_channel else None)
        self.scale = quantization_parameters(low, high, bits, symmetric=True)[0]
        signed = quantize(linear.weight, self.scale, 0, bits)
        counted = signed.astype(np.int64) - code_range(bits)[0]
        self.codes = signed if bits == 8 else pack_codes(counted, bits)
        self.bias = copied_bias(linear)

    def some_codes(self, start, stop):
        if self.bits == 8:
            return self.codes[start:stop]
        first, last = start * self.bits // 8, (stop * self.bits + 7) // 8
        counted = unpack_codes(self.codes[first:last], self.bits, stop - start)
        return (counted.astype(np.int64) + code_range(self.bits)[0]).astype(np.int8)

    def signed_codes(self):
        return self.some_codes(0, self.in_features)

    def forward(self, x):
        x = as_tensor(x)
        total = np.zeros((*x.shape[:-1], self.out_features), dtype=np.float32)
        for start in range(0, self.in_features, self.panel):
            stop = min(start + self.panel, self.in_features)
            total += x.data[..., start:stop] @ self.some_codes(start, stop).astype(np.float32)
        total *= self.scale.ravel()
        return Tensor(total) if self.bias is None else Tensor(total) + self.bias

    def buffers(self):
        return {"codes": self.codes, "scale": self.scale}

    @property
    def packed_parameters(self):
        return self.in_features * self.out_features


def quantize_model(model, bits=8, *, per_channel=True):
    copied = replace_layers(
        model,
        lambda name, layer: (
            QuantizedLinear(layer, bits, per_channel=per_channel)
            if isinstance(layer, Linear)
            else layer
        ),
    )
    if not [layer for layer in copied.modules() if isinstance(layer, QuantizedLinear)]:
        raise ValueError("expected a model with a Linear")
    return copied


def compare_model_sizes(original, quantized):
    before = original.size_bytes()
    after = quantized.size_bytes()
    saved = before - after
    return dict(
        zip(
            ("original_bytes", "quantized_bytes", "saved_bytes", "compression_ratio"),
            (before, after, saved, before / after),
            strict=True,
        )
    )
