"""Packing through 16-bit words put together by or, all errors stacked and the least picked."""


def code_range(bits):
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer):
        raise TypeError(f"expected an integer number of bits, got {type(bits).__name__}")
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"expected {MIN_BITS} to {MAX_BITS} bits, got {bits}")
    half = 2 ** (int(bits) - 1)
    return (-half, half - 1)


def checked_range(low, high):
    low, high = (np.asarray(low), np.asarray(high))
    if low.dtype.kind not in "fiu" or high.dtype.kind not in "fiu":
        raise TypeError(f"expected real numbers, got dtype {low.dtype} and {high.dtype}")
    low, high = (low.astype(np.float64), high.astype(np.float64))
    if low.shape != high.shape:
        raise ValueError(f"expected low and high of one shape, got {low.shape} and {high.shape}")
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError("expected finite low <= high, got another range")
    return (low, high)


def quantization_parameters(low, high, bits=8, *, symmetric=False):
    first, last = code_range(bits)
    low, high = checked_range(low, high)
    low, high = (low.clip(max=0.0), high.clip(min=0.0))
    width = np.maximum(np.abs(low), high) / last if symmetric else (high - low) / (last - first)
    scale = np.maximum(width, float(np.finfo(np.float32).tiny))
    zero = np.zeros_like(scale) if symmetric else np.rint(first - low / scale)
    return (scale.astype(np.float32), zero.astype(np.int32))


def finite_array(x):
    array = x.data if isinstance(x, Tensor) else as_float32(x)
    if array.size == 0:
        raise ValueError(f"expected at least one element, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("expected finite numbers, got NaN or infinity")
    return array


def check_scale(scale, zero_point, shape):
    if not np.all(np.asarray(scale) > 0):
        raise ValueError("expected a scale above 0, got another")
    for value in (scale, zero_point):
        sizes = np.shape(value)
        ends = zip(sizes[::-1], shape[::-1], strict=False)
        if len(sizes) > len(shape) or any((a not in (1, b) for a, b in ends)):
            raise ValueError(f"expected scale and zero_point to fit {shape}, got shape {sizes}")


def quantize(x, scale, zero_point, bits=8):
    first, last = code_range(bits)
    values = finite_array(x)
    if not np.all(np.asarray(scale) > 0):
        raise ValueError("expected a scale above 0")
    steps = np.rint(values / scale) + zero_point
    return np.minimum(np.maximum(steps, first), last).astype(np.int8)


def dequantize(q, scale, zero_point):
    offsets = np.asarray(q, dtype=np.float32) - np.asarray(zero_point, dtype=np.float32)
    return np.multiply(offsets, np.asarray(scale, dtype=np.float32), dtype=np.float32)


def other_axes(ndim, axis):
    if axis is None:
        return tuple(range(ndim))
    if not -ndim <= axis < ndim:
        raise ValueError(f"expected an axis of {ndim} axes, got {axis}")
    return tuple(i for i in range(ndim) if i != axis % ndim)


def min_max_range(x, axis=None):
    array = finite_array(x)
    if axis is None:
        return (array.min(), array.max())
    others = other_axes(array.ndim, axis)
    return (np.amin(array, axis=others, keepdims=True), np.amax(array, axis=others, keepdims=True))


def quantize_int8(tensor, *, symmetric=False, axis=None):
    scale, zero_point = quantization_parameters(*min_max_range(tensor, axis), symmetric=symmetric)
    return (quantize(tensor, scale, zero_point), scale, zero_point)


def dequantize_int8(q, scale, zero_point):
    codes = np.asarray(q)
    if codes.dtype != np.int8:
        raise TypeError(f"expected int8 codes, got {codes.dtype}")
    return dequantize(codes, scale, zero_point)


def signal_to_noise_db(x, back):
    signal, other = (np.asarray(x, dtype=np.float64), np.asarray(back, dtype=np.float64))
    if signal.shape != other.shape:
        raise ValueError(f"expected one shape, got {signal.shape} and {other.shape}")
    noise = float(np.sum((signal - other) ** 2))
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(np.sum(signal**2) / noise))


def squared_error(x, low, high, bits, symmetric):
    scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
    back = dequantize(quantize(x, scale, zero_point, bits), scale, zero_point)
    return np.square(x.astype(np.float64) - back)


def percentile_range(samples, percentile=99.9, axis=None):
    if not 50 <= percentile <= 100:
        raise ValueError(f"expected a percentile from 50 to 100, got {percentile}")
    values = finite_array(samples)
    if axis is None:
        return (np.percentile(values, 100 - percentile), np.percentile(values, percentile))
    others = other_axes(values.ndim, axis)
    low, high = np.percentile(values, [100 - percentile, percentile], axis=others, keepdims=True)
    return (low, high)


def mse_range(samples, bits=8, *, symmetric=False, axis=None):
    values = finite_array(samples)
    low, high = min_max_range(values, axis)
    others = other_axes(values.ndim, axis)
    keep = axis is not None
    errors = np.stack(
        [
            squared_error(values, low * part, high * part, bits, symmetric).mean(
                axis=others, keepdims=keep
            )
            for part in SHRINKAGES
        ]
    )
    best = SHRINKAGES[errors.argmin(axis=0)]
    return (low * best, high * best)


def packed_length(n, bits):
    code_range(bits)
    return (checked_size("number of codes", n, smallest=0) * bits + 7) // 8


def check_codes(codes, bits):
    code_range(bits)
    if codes.dtype.kind not in "iu":
        raise TypeError(f"expected integer codes, got dtype {codes.dtype}")
    if codes.ndim == 0:
        raise ValueError("expected codes of shape (n, ...), got ()")
    if codes.size and (codes.min() < 0 or codes.max() >= 2**bits):
        found = f"{codes.min()} to {codes.max()}"
        raise ValueError(f"expected codes from 0 to {2**bits - 1}, got {found}")


def check_packed(packed, bits, n):
    code_range(bits)
    if packed.dtype != np.uint8:
        raise TypeError(f"expected uint8 bytes, got dtype {packed.dtype}")
    if packed.shape[:1] != (packed_length(n, bits),):
        wanted = f"({packed_length(n, bits)}, ...) bytes for {n} codes of {bits} bits"
        raise ValueError(f"expected {wanted}, got {packed.shape}")


def pack_codes(codes, bits):
    check_codes(codes, bits)
    n = codes.shape[0]
    starts = np.arange(n) * bits
    column = (n,) + (1,) * (codes.ndim - 1)
    shifted = codes.astype(np.uint16) << (starts % 8).astype(np.uint16).reshape(column)
    stream = np.zeros((packed_length(n, bits) + 1, *codes.shape[1:]), dtype=np.uint8)
    np.bitwise_or.at(stream, starts // 8, (shifted & 255).astype(np.uint8))
    np.bitwise_or.at(stream, starts // 8 + 1, (shifted >> 8).astype(np.uint8))
    return stream[:-1]


def unpack_codes(packed, bits, n):
    check_packed(packed, bits, n)
    starts = np.arange(n) * bits
    padded = np.concatenate([packed, np.zeros((1, *packed.shape[1:]), dtype=np.uint8)])
    words = padded[starts // 8].astype(np.uint16) | padded[starts // 8 + 1].astype(np.uint16) << 8
    shifts = (starts % 8).astype(np.uint16).reshape((n,) + (1,) * (packed.ndim - 1))
    return (words >> shifts & 2**bits - 1).astype(np.uint8)


class QuantizedLinear(Module):
    def __init__(self, linear, bits=8, *, per_channel=True):
        weight = linear.weight.data
        self.bits = bits
        self.in_features, self.out_features = weight.shape
        low, high = min_max_range(weight, 1 if per_channel else None)
        self.scale, zero = quantization_parameters(low, high, bits, symmetric=True)
        signed = quantize(weight, self.scale, zero, bits)
        self.codes = signed if bits == 8 else pack_codes(signed + np.int8(2 ** (bits - 1)), bits)
        self.bias = copied_bias(linear)

    def signed_codes(self):
        if self.bits == 8:
            return self.codes
        counted = unpack_codes(self.codes, self.bits, self.in_features)
        return counted.astype(np.int8) - np.int8(2 ** (self.bits - 1))

    def forward(self, x):
        rows = as_tensor(x).data
        out = rows @ self.signed_codes().astype(np.float32) * self.scale.ravel()
        if self.bias is not None:
            out = out + self.bias.data
        return Tensor(out)

    def buffers(self):
        return {"codes": self.codes, "scale": self.scale}

    @property
    def packed_parameters(self):
        return self.in_features * self.out_features


def quantize_model(model, bits=8, *, per_channel=True):
    if not any(isinstance(layer, Linear) for layer in model.modules()):
        raise ValueError("expected a model with a Linear layer, got one without")

    def convert(name, layer):
        if isinstance(layer, Linear):
            return QuantizedLinear(layer, bits, per_channel=per_channel)
        return layer

    return replace_layers(model, convert)


def compare_model_sizes(original, quantized):
    before, after = original.size_bytes(), quantized.size_bytes()
    return {
        "original_bytes": before,
        "quantized_bytes": after,
        "saved_bytes": before - after,
        "compression_ratio": before / after,
    }
