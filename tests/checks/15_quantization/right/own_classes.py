"""A small class for a grid of codes, tables for packing, recursion of its own over the model."""

from dataclasses import dataclass


@dataclass
class Grid:
    """The numbers that codes of some bits stand for."""

    low: Any
    high: Any
    bits: int = 8
    symmetric: bool = False

    def __post_init__(self):
        if type(self.bits) is not int and not isinstance(self.bits, np.integer):
            raise TypeError("bits are counted in whole numbers")
        if self.bits < 2 or self.bits > 8:
            raise ValueError("2 to 8 bits are possible")
        self.low, self.high = np.float64(self.low), np.float64(self.high)
        if np.shape(self.low) != np.shape(self.high):
            raise ValueError("low and high have different shapes")
        if np.isnan(self.low).any() or np.isinf(self.high - self.low).any():
            raise ValueError("the range is not finite")
        if np.isnan(self.high).any() or np.any(self.low > self.high):
            raise ValueError("low is above high")

    @property
    def scale(self):
        below, above = np.where(self.low < 0, -self.low, 0), np.where(self.high > 0, self.high, 0)
        if self.symmetric:
            found = np.where(below > above, below, above) / (2**self.bits // 2 - 1)
        else:
            found = (below + above) / (2**self.bits - 1)
        return np.where(found > 1.2e-38, found, np.finfo(np.float32).tiny).astype(np.float32)

    @property
    def zero_point(self):
        if self.symmetric:
            return np.zeros(np.shape(self.scale), dtype=np.int32)
        below = np.where(self.low < 0, -self.low, 0)
        return np.around(below / self.scale - 2**self.bits // 2).astype(np.int32)


def quantization_parameters(low, high, bits=8, *, symmetric=False):
    grid = Grid(low, high, bits, symmetric)
    return grid.scale, grid.zero_point


def numbers_of(x):
    array = np.array(x.data if isinstance(x, Tensor) else x, dtype=np.float32)
    if array.size < 1 or np.isnan(array).any() or np.isinf(array).any():
        raise ValueError("there must be numbers, and finite ones")
    return array


def quantize(x, scale, zero_point, bits=8):
    if not (np.asarray(scale) > 0).all():
        raise ValueError("the scale must be above 0")
    numbers = numbers_of(x)
    numbers = np.divide(numbers, scale)
    np.rint(numbers, out=numbers)
    numbers = numbers + zero_point
    bound = 2 ** (bits - 1)
    return np.minimum(np.maximum(numbers, -bound), bound - 1).astype(np.int8)


def dequantize(q, scale, zero_point):
    return (np.float32(scale) * (np.int32(q) - np.int32(zero_point))).astype(np.float32)


def min_max_range(x, axis=None):
    x = numbers_of(x)
    if axis is None:
        return x.min(), x.max()
    if not -x.ndim <= axis < x.ndim:
        raise ValueError("there is no such axis")
    rows = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    shape = [1] * x.ndim
    shape[axis] = -1
    return rows.min(axis=1).reshape(shape), rows.max(axis=1).reshape(shape)


def quantize_int8(tensor, *, symmetric=False, axis=None):
    numbers = numbers_of(tensor)
    grid = Grid(*min_max_range(numbers, axis), symmetric=symmetric)
    return quantize(numbers, grid.scale, grid.zero_point), grid.scale, grid.zero_point


def dequantize_int8(q, scale, zero_point):
    if np.asarray(q).dtype != np.dtype("int8"):
        raise TypeError("codes must be int8")
    return dequantize(q, scale, zero_point)


def signal_to_noise_db(x, back):
    if np.shape(x) != np.shape(back):
        raise ValueError("the shapes differ")
    x, back = np.float64(x), np.float64(back)
    error = (x - back).ravel()
    if not error.any():
        return np.inf
    return 10.0 * float(np.log10(np.dot(x.ravel(), x.ravel())) - np.log10(np.dot(error, error)))


def squared_error(x, low, high, bits, symmetric):
    grid = Grid(low, high, bits, symmetric)
    codes = quantize(x, grid.scale, grid.zero_point, bits)
    return (x - dequantize(codes, grid.scale, grid.zero_point).astype(float)) ** 2


def percentile_range(samples, percentile=99.9, axis=None):
    if percentile > 100 or percentile < 50:
        raise ValueError("the percentile must be 50 to 100")
    x = numbers_of(samples)
    if axis is None:
        return np.quantile(x, 1 - percentile / 100), np.quantile(x, percentile / 100)
    rows = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    shape = [1] * x.ndim
    shape[axis] = -1
    low, high = np.quantile(rows, [1 - percentile / 100, percentile / 100], axis=1)
    return low.reshape(shape), high.reshape(shape)


def mse_range(samples, bits=8, *, symmetric=False, axis=None):
    x = numbers_of(samples)
    if axis is not None:
        parts = [mse_range(part, bits, symmetric=symmetric) for part in np.moveaxis(x, axis, 0)]
        shape = [1] * x.ndim
        shape[axis] = -1
        return tuple(np.reshape(ends, shape) for ends in zip(*parts, strict=True))
    low, high = x.min(), x.max()

    def error(part):
        return squared_error(x, low * part, high * part, bits, symmetric).sum()

    part = min(SHRINKAGES, key=error)
    return low * part, high * part


def tested(bits, values, kind, wanted):
    Grid(0, 1, bits)
    if values.dtype.kind not in kind:
        raise TypeError("the numbers have the wrong type")
    if not wanted():
        raise ValueError("the numbers do not fit")


def pack_codes(codes, bits):
    tested(
        bits, codes, "iu", lambda: codes.size == 0 or (codes.min() >= 0 and codes.max() < 2**bits)
    )
    n = codes.shape[0]
    wide = np.zeros(((n * bits + 7) // 8 + 1, *codes.shape[1:]), dtype=np.uint16)
    for i in range(n):  # one code after the other, into the byte it begins in and the next
        byte, shift = i * bits // 8, i * bits % 8
        shifted = codes[i].astype(np.uint16) << shift
        wide[byte] |= shifted & 255
        wide[byte + 1] |= shifted >> 8
    return wide[:-1].astype(np.uint8)


def unpack_codes(packed, bits, n):
    tested(bits, packed, "u", lambda: len(packed) == (n * bits + 7) // 8)
    if packed.dtype.itemsize != 1:
        raise TypeError("bytes are uint8")
    wide = np.concatenate([packed, np.zeros_like(packed[:1])]).astype(np.uint16)
    first, shift = np.divmod(np.arange(n) * bits, 8)
    pairs = wide[first] | wide[first + 1] << 8
    shift = shift.reshape(-1, *[1] * (packed.ndim - 1)).astype(np.uint16)
    return (pairs >> shift & (2**bits - 1)).astype(np.uint8)


class QuantizedLinear(Module):
    def __init__(self, linear, bits=8, *, per_channel=True):
        self.bits = bits
        self.in_features = linear.weight.shape[0]
        self.out_features = linear.weight.shape[1]
        self.bias = None if linear.bias is None else Tensor(linear.bias.data.copy(), True)
        grid = Grid(*min_max_range(linear.weight, 1 if per_channel else None), bits, True)
        self.held = {"codes": self.pack(quantize(linear.weight, grid.scale, 0, bits))}
        self.held["scale"] = np.atleast_1d(grid.scale).reshape(-1)

    codes = property(lambda self: self.held["codes"])
    scale = property(lambda self: self.held["scale"])
    packed_parameters = property(lambda self: self.in_features * self.out_features)

    def pack(self, signed):
        return signed if self.bits == 8 else pack_codes(signed + 2 ** (self.bits - 1), self.bits)

    def signed_codes(self):
        if self.bits == 8:
            return self.codes
        counted = unpack_codes(self.codes, self.bits, self.in_features)
        return counted.view(np.int8) - np.int8(2 ** (self.bits - 1))

    def forward(self, x):
        rows = as_tensor(x).data
        out = np.einsum("...i,ij->...j", rows, self.signed_codes().astype(np.float32)) * self.scale
        if self.bias is not None:
            out += self.bias.data
        return Tensor(out)

    def buffers(self):
        return self.held


def quantize_model(model, bits=8, *, per_channel=True):
    count = 0

    def exchanged(value):
        nonlocal count
        if isinstance(value, Linear):
            count += 1
            return QuantizedLinear(value, bits, per_channel=per_channel)
        if isinstance(value, Module):
            for name, inside in list(vars(value).items()):
                setattr(value, name, exchanged(inside))
        elif isinstance(value, list):
            return [exchanged(item) for item in value]
        return value

    result = exchanged(copy.deepcopy(model))
    if count == 0:
        raise ValueError("there is no Linear layer in the model")
    return result


def compare_model_sizes(original, quantized):
    report = {"original_bytes": original.size_bytes(), "quantized_bytes": quantized.size_bytes()}
    report["saved_bytes"] = report["original_bytes"] - report["quantized_bytes"]
    report["compression_ratio"] = report["original_bytes"] / report["quantized_bytes"]
    return report
