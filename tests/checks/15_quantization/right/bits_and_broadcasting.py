"""Single bits by packbits, all 91 ranges in one broadcast, a dense weight made in each call."""


def code_range(bits):
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer):
        raise TypeError("expected an integer number of bits")
    if bits not in range(2, 9):
        raise ValueError("expected 2 to 8 bits")
    return -(1 << bits - 1), (1 << bits - 1) - 1


def checked_range(low, high):
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if low.shape != high.shape or not np.isfinite(high - low).all() or (low > high).any():
        raise ValueError("expected finite low <= high of one shape")
    return low, high


def quantization_parameters(low, high, bits=8, *, symmetric=False):
    ends = np.stack([*checked_range(low, high), np.zeros(np.shape(low))])
    _first, last = code_range(bits)
    scale = np.abs(ends).max(axis=0) / last if symmetric else np.ptp(ends, axis=0) / (2**bits - 1)
    scale = scale.clip(np.finfo(np.float32).tiny)
    # From the other end: where the highest value has the last code, 0 has this one.
    zero_point = 0 * scale if symmetric else (last - ends.max(axis=0) / scale).round()
    return np.float32(scale), zero_point.astype("int32")


def finite_array(x):
    array = as_tensor(x).data
    if not array.size or not np.isfinite(array.sum(dtype=np.float64)):
        raise ValueError("expected finite numbers")
    return array


def quantize(x, scale, zero_point, bits=8):
    scale = np.asarray(scale, dtype=np.float64)
    if (scale <= 0).any():
        raise ValueError("expected scales above 0")
    first, last = code_range(bits)
    steps = (
        (finite_array(x) / scale)
        .round()
        .clip(first - np.int64(zero_point), last - np.int64(zero_point))
    )
    return (steps + zero_point).astype(np.int8)


def dequantize(q, scale, zero_point):
    return np.multiply(np.subtract(q, zero_point, dtype=np.int64), scale, dtype=np.float64).astype(
        "f4"
    )


def other_axes(ndim, axis):
    if axis is None:
        return tuple(range(ndim))
    if axis not in range(-ndim, ndim):
        raise ValueError("expected an axis")
    return tuple(set(range(ndim)) - {axis % ndim})


def min_max_range(x, axis=None):
    x = finite_array(x)
    if axis is None:
        return x.min(), x.max()
    others = other_axes(x.ndim, axis)
    return np.amin(x, axis=others, keepdims=True), np.amax(x, axis=others, keepdims=True)


def quantize_int8(tensor, *, symmetric=False, axis=None):
    x = finite_array(tensor)
    parameters = quantization_parameters(*min_max_range(x, axis), 8, symmetric=symmetric)
    return (quantize(x, *parameters), *parameters)


def dequantize_int8(q, scale, zero_point):
    if getattr(q, "dtype", None) != np.int8:
        raise TypeError("expected int8 codes")
    return dequantize(q, scale, zero_point)


def signal_to_noise_db(x, back):
    x, back = np.array(x, dtype=float), np.array(back, dtype=float)
    if x.shape != back.shape:
        raise ValueError("expected one shape")
    noise = np.linalg.norm(x - back)
    return float(20 * np.log10(np.linalg.norm(x) / noise)) if noise else float("inf")


def percentile_range(samples, percentile=99.9, axis=None):
    if not 50 <= percentile <= 100:
        raise ValueError("expected 50 to 100")
    x = finite_array(samples)
    ends = np.percentile(
        x, [100 - percentile, percentile], axis=other_axes(x.ndim, axis), keepdims=axis is not None
    )
    return ends[0], ends[1]


def squared_error(x, low, high, bits, symmetric):
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    back = dequantize(quantize(x, scale, zero_point, bits), scale, zero_point)
    return np.square(x.astype(np.float64) - back)


def mse_range(samples, bits=8, *, symmetric=False, axis=None):
    x = finite_array(samples)
    low, high = min_max_range(x, axis)
    column = SHRINKAGES.reshape(-1, *[1] * x.ndim)
    lows, highs = column * np.asarray(low), column * np.asarray(high)
    error = squared_error(x[None], lows, highs, bits, symmetric)  # (91, ...)
    others = tuple(i + 1 for i in other_axes(x.ndim, axis))
    best = SHRINKAGES[error.mean(axis=others, keepdims=axis is not None).argmin(axis=0)]
    return best * low, best * high


def packed_length(n, bits):
    return -(-n * bits // 8)


def pack_codes(codes, bits):
    code_range(bits)
    if not np.issubdtype(codes.dtype, np.integer):
        raise TypeError("expected integers")
    if (codes < 0).any() or (codes >> bits).any():
        raise ValueError("a code does not fit")
    places = np.arange(bits).reshape(1, -1, *[1] * (codes.ndim - 1))
    single = (codes[:, None] >> places) & 1  # (n, bits, ...)
    stream = single.reshape(-1, *codes.shape[1:]).astype(np.uint8)
    return np.packbits(stream, axis=0, bitorder="little")


def unpack_codes(packed, bits, n):
    code_range(bits)
    if packed.dtype != np.uint8:
        raise TypeError("expected bytes")
    if packed.shape[0] != packed_length(n, bits):
        raise ValueError("expected the bytes of n codes")
    stream = np.unpackbits(packed, axis=0, count=n * bits, bitorder="little")
    single = stream.reshape(n, bits, *packed.shape[1:])
    return np.tensordot(2 ** np.arange(bits), single, axes=(0, 1)).astype(np.uint8)


class QuantizedLinear(Module):
    def __init__(self, linear, bits=8, *, per_channel=True):
        super().__init__()
        self.bits, self.in_features, self.out_features = (
            bits,
            linear.in_features,
            linear.out_features,
        )
        limit = code_range(bits)[1]
        largest = abs(linear.weight.data).max(axis=0 if per_channel else None)
        scale = np.maximum(largest / limit, np.finfo(np.float32).tiny)
        self.scale = np.asarray(scale, dtype=np.float32)  # (out_features,) or ()
        signed = np.rint(linear.weight.data / self.scale).clip(-limit - 1, limit).astype(np.int8)
        self.codes = signed if bits == 8 else pack_codes(signed.astype(np.int16) + limit + 1, bits)
        self.bias = copied_bias(linear)

    def signed_codes(self):
        if self.bits == 8:
            return self.codes.copy()
        counted = unpack_codes(self.codes, self.bits, self.in_features)
        return (counted.astype(np.int16) - 2 ** (self.bits - 1)).astype(np.int8)

    def forward(self, x):
        dense = dequantize(self.signed_codes(), self.scale, 0)
        out = as_tensor(x) @ Tensor(dense)
        return out if self.bias is None else out + self.bias

    def buffers(self):
        return {name: getattr(self, name) for name in ("scale", "codes")}

    @property
    def packed_parameters(self):
        return self.in_features * self.out_features


def quantize_model(model, bits=8, *, per_channel=True):
    code_range(bits)
    if Linear not in {type(layer) for layer in model.modules()}:
        raise ValueError("there is nothing to quantise")
    return replace_layers(
        model,
        lambda _, layer: (
            QuantizedLinear(layer, bits, per_channel=per_channel)
            if type(layer) is Linear
            else layer
        ),
    )


def compare_model_sizes(original, quantized):
    def held(model):
        return sum(array.nbytes for array in model.state_dict().values())

    before, after = held(original), held(quantized)
    return {
        "original_bytes": before,
        "quantized_bytes": after,
        "saved_bytes": before - after,
        "compression_ratio": before / after,
    }
