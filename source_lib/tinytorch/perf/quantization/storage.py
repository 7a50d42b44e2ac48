"""``PackedWeight``: a weight matrix held as codes, with what is needed to read it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinytorch.core.autograd import Array
from tinytorch.core.tensor import Float32Array, Tensor
from tinytorch.perf.quantization.affine import (
    Codes,
    code_range,
    dequantize,
    finite_array,
    quantization_parameters,
    quantize,
)
from tinytorch.perf.quantization.calibration import Calibration, calibrate_range
from tinytorch.perf.quantization.packing import pack_codes, packed_length, unpack_codes


class PackedWeight:
    """A float32 array (n, ...) quantised to ``bits`` bits an element, and nothing else kept.

    ``codes`` holds int8 (n, ...) for 8 bits, else the packed bytes (ceil(n bits / 8), ...) of the
    codes counted from 0; ``scale`` is float32 and ``zero_point`` int8, None when symmetric.
    With ``axis`` each index of that axis has a scale of its own.
    Raises ValueError for NaN, infinities and no elements, and for bits out of 2 to 8.

    >>> weight = PackedWeight(np.eye(4), bits=4)
    >>> weight.codes.shape, weight.size_bytes(), weight.dequantized()[0].round(3)
    ((2, 4), 12, array([1., 0., 0., 0.], dtype=float32))
    """

    def __init__(
        self,
        weight: Tensor | ArrayLike,
        bits: int = 8,
        *,
        symmetric: bool = True,
        axis: int | None = None,
        calibration: Calibration = "min-max",
    ) -> None:
        smallest, _ = code_range(bits)
        x = finite_array(weight)
        low, high = calibrate_range(x, calibration, bits, symmetric=symmetric, axis=axis)
        scale, zero_point = quantization_parameters(low, high, bits, symmetric=symmetric)
        codes = quantize(x, scale, zero_point, bits)
        self.bits = int(bits)
        self.shape = x.shape
        packed = codes if bits == 8 else pack_codes(counted(codes, smallest), bits)
        self.codes: Array = np.ascontiguousarray(packed)  # the compiled loops take no other
        self.scale: Float32Array = np.asarray(scale)
        self.zero_point = None if symmetric else np.asarray(zero_point, dtype=np.int8)

    def rows(self, start: int = 0, stop: int | None = None) -> Codes:
        """Return the int8 codes of the rows from ``start``, a multiple of 8, to ``stop``."""
        stop = self.shape[0] if stop is None else min(stop, self.shape[0])
        if self.bits == 8:
            return self.codes[start:stop]
        first, last = start * self.bits // 8, packed_length(stop, self.bits)
        return self._signed(unpack_codes(self.codes[first:last], self.bits, stop - start))

    def dequantized(self) -> Float32Array:
        """Return the weight as float32 in its shape, each element within scale / 2 of before."""
        zero_point = 0 if self.zero_point is None else self.zero_point
        return dequantize(self.rows(), self.scale, zero_point)

    def columns(self, places: Array) -> Float32Array:
        """Return the columns of a matrix (n, m) at ``places`` (k,) as float32 (n, k)."""
        codes = self.codes[:, places]
        if self.bits != 8:
            codes = self._signed(unpack_codes(codes, self.bits, self.shape[0]))
        scale = self.scale[:, places]
        return dequantize(
            codes, scale, 0 if self.zero_point is None else self.zero_point[:, places]
        )

    def _signed(self, counted_codes: Array) -> Codes:
        """Return codes counted from 0 as int8 codes from the smallest one up."""
        # Modulo 256 in uint8, whose bytes then are the codes below 0.
        return (counted_codes + np.uint8(code_range(self.bits)[0] % 256)).view(np.int8)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays held, by name: what a layer lists among its buffers."""
        held = {"codes": self.codes, "scale": self.scale}
        return held if self.zero_point is None else {**held, "zero_point": self.zero_point}

    def size_bytes(self) -> int:
        """Return the bytes of the codes, the scales and the zero points."""
        return sum(array.nbytes for array in self.arrays().values())


def counted(codes: Codes, smallest: int) -> Array:
    """Return codes from ``smallest`` up as integers from 0 up.

    >>> counted(np.array([-8, 7], dtype=np.int8), smallest=-8)
    array([ 0, 15], dtype=int16)
    """
    return codes.astype(np.int16) - smallest
