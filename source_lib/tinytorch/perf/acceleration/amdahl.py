"""How much a whole gains when a part of it gets faster.

Amdahl 1967, Validity of the single processor approach to achieving large scale computing
capabilities.
"""

from __future__ import annotations

import math


def amdahl_speedup(fraction: float, factor: float) -> float:
    """Return the speedup of a whole of which ``fraction`` of the time runs ``factor`` times faster.

    1 / ((1 - fraction) + fraction / factor), without unit; ``factor`` may be the number of threads
    of the part that runs on all of them, or infinite for the limit.
    Raises ValueError unless 0 <= fraction <= 1 and factor > 0.

    >>> amdahl_speedup(0.5, 2), amdahl_speedup(0.9, float("inf"))
    (1.3333333333333333, 10.000000000000002)
    """
    _check(fraction, factor)
    left = (1 - fraction) + fraction / factor
    return 1 / left if left > 0 else math.inf


def amdahl_fraction(speedup: float, factor: float) -> float:
    """Return the fraction of the time that must have run ``factor`` times faster, given a speedup.

    (1 - 1 / speedup) / (1 - 1 / factor), the inverse of ``amdahl_speedup``; with ``factor``
    threads it is 1 minus the serial fraction of Karp and Flatt 1990, Measuring Parallel Processor
    Performance.
    Below 0 for a whole that got slower, above 1 for one that gained more than the part can give.
    Raises ValueError unless speedup is finite, speedup and factor are above 0, and factor is not 1.

    >>> round(amdahl_fraction(4 / 3, 2), 6)
    0.5
    """
    _check(0.0, factor)
    if not 0 < speedup < math.inf or factor == 1:
        raise ValueError(f"expected a speedup above 0 and a factor not 1, got {speedup}, {factor}")
    return (1 - 1 / speedup) / (1 - 1 / factor)


def _check(fraction: float, factor: float) -> None:
    if not 0 <= fraction <= 1:
        raise ValueError(f"expected a fraction from 0 to 1, got {fraction}")
    if not factor > 0:
        raise ValueError(f"expected a factor above 0, got {factor}")
