"""Codes of 2 to 8 bits without a gap between them, as bytes.

Packing goes along the first axis; the others stay as they are, so that every column of a weight
matrix is a stream of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinytorch.core.checks import checked_size
from tinytorch.perf.quantization.affine import code_range

Bytes = NDArray[np.uint8]


def pack_codes(codes: NDArray[Any], bits: int) -> Bytes:
    """Return integers (n, ...) in [0, 2^bits) as bytes (ceil(n bits / 8), ...).

    Eight codes fill ``bits`` bytes: code i of them begins at bit i bits of the eight codes, which
    is bit i bits % 8 of byte i bits // 8, and may run over into the next byte.
    The lowest bit of a code comes first; what the last byte has left are zeros.
    Raises TypeError for codes that are no integers, ValueError for one out of range, for codes
    without an axis and for bits out of 2 to 8.

    >>> pack_codes(np.array([1, 2, 3]), bits=4)
    array([33,  3], dtype=uint8)
    """
    check_codes(codes, bits)
    n, *rest = codes.shape
    groups = -(-n // 8)
    eights = np.zeros((groups * 8, *rest), dtype=np.uint8)
    eights[:n] = codes
    eights = eights.reshape(groups, 8, *rest)
    packed = np.zeros((groups, bits, *rest), dtype=np.uint8)
    for i in range(8):
        byte, shift = divmod(i * bits, 8)
        packed[:, byte] |= eights[:, i] << shift
        if shift + bits > 8:
            packed[:, byte + 1] |= eights[:, i] >> (8 - shift)
    return packed.reshape(groups * bits, *rest)[: packed_length(n, bits)]


def unpack_codes(packed: Bytes, bits: int, n: int) -> Bytes:
    """Return the ``n`` codes (n, ...) that ``pack_codes`` packed into ``packed``, as uint8.

    Raises TypeError for what are no bytes, ValueError when ``packed`` is not as long as n codes
    are, and for bits out of 2 to 8.

    >>> unpack_codes(np.array([33, 3], dtype=np.uint8), bits=4, n=3)
    array([1, 2, 3], dtype=uint8)
    """
    check_packed(packed, bits, n)
    rest = packed.shape[1:]
    groups = -(-n // 8)
    whole = packed
    if len(packed) < groups * bits:
        whole = np.zeros((groups * bits, *rest), dtype=np.uint8)
        whole[: len(packed)] = packed
    whole = whole.reshape(groups, bits, *rest)
    codes = np.empty((groups, 8, *rest), dtype=np.uint8)
    for i in range(8):
        byte, shift = divmod(i * bits, 8)
        codes[:, i] = whole[:, byte] >> shift
        if shift + bits > 8:
            codes[:, i] |= whole[:, byte + 1] << (8 - shift)
    codes &= 2**bits - 1
    return codes.reshape(groups * 8, *rest)[:n]


def packed_length(n: int, bits: int) -> int:
    """Return the number of bytes of ``n`` codes: n bits / 8, rounded up.

    >>> packed_length(3, 4), packed_length(8, 3)
    (2, 3)
    """
    code_range(bits)
    return (checked_size("number of codes", n, smallest=0) * bits + 7) // 8


def check_codes(codes: NDArray[Any], bits: int) -> None:
    """Refuse what are no integers (n, ...) in [0, 2^bits): TypeError or ValueError."""
    code_range(bits)
    if codes.dtype.kind not in "iu":
        raise TypeError(f"expected integer codes, got dtype {codes.dtype}")
    if codes.ndim == 0:
        raise ValueError("expected codes of shape (n, ...), got ()")
    if codes.size and (codes.min() < 0 or codes.max() >= 2**bits):
        found = f"{codes.min()} to {codes.max()}"
        raise ValueError(f"expected codes from 0 to {2**bits - 1}, got {found}")


def check_packed(packed: Bytes, bits: int, n: int) -> None:
    """Refuse what are not the uint8 bytes of ``n`` codes: TypeError or ValueError."""
    code_range(bits)
    if packed.dtype != np.uint8:
        raise TypeError(f"expected uint8 bytes, got dtype {packed.dtype}")
    if packed.shape[:1] != (packed_length(n, bits),):
        wanted = f"({packed_length(n, bits)}, ...) bytes for {n} codes of {bits} bits"
        raise ValueError(f"expected {wanted}, got {packed.shape}")
