"""How many bytes a computation moves, counted from the sizes of the arrays it touches.

Every NumPy operation reads its operands and writes its result.
While the arrays are larger than the caches, each reading and each writing goes to memory, and a
chain of operations that does little arithmetic takes the time that its bytes take.
Fused into one pass, it would read its inputs once and write its result once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tinytorch.perf.arrays import arrays_in
from tinytorch.perf.profiling.memory import traced_peak


class Operation(NamedTuple):
    """One NumPy operation: its name, and the bytes of its array operands and of its result."""

    name: str
    bytes_read: int
    bytes_written: int


def record_operations(function: Callable[..., Any], *arrays: np.ndarray) -> list[Operation]:
    """Run ``function(*arrays)`` once and return the NumPy operations in their order.

    Ufuncs with their reductions and NumPy's functions are seen, an operand that is broadcast at its
    own size; views, which move nothing, assignments to slices and compiled code are not.
    Raises TypeError for an argument that is no array.

    >>> x = np.ones(1000, dtype=np.float32)
    >>> record_operations(lambda x: np.maximum(x + 1, 0), x)
    [Operation(name='add', bytes_read=4000, bytes_written=4000), Operation(name='maximum', \
bytes_read=4000, bytes_written=4000)]
    """
    log: list[Operation] = []
    recorded = []
    for array in arrays:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"expected arrays, got {type(array).__name__}")
        recorded.append(_recorded(array, log))
    function(*recorded)
    return list(log)  # a copy, since results that the function kept go on recording


def bytes_moved(operations: Iterable[Operation]) -> int:
    """Return the bytes that the operations read and write, one after the other.

    >>> bytes_moved([Operation("add", 8, 4), Operation("maximum", 4, 4)])
    20
    """
    return sum(operation.bytes_read + operation.bytes_written for operation in operations)


def least_bytes(inputs: Iterable[np.ndarray], result: np.ndarray) -> int:
    """Return the bytes that any computation has to move: each input once, and the result once.

    >>> x = np.ones(1000, dtype=np.float32)
    >>> least_bytes([x], x)
    8000
    """
    return sum(array.nbytes for array in inputs) + result.nbytes


def peak_bytes(function: Callable[..., object], *arrays: np.ndarray) -> int:
    """Run ``function(*arrays)`` once and return the most bytes it held at any time.

    Its result counts, its arguments do not.

    >>> x = np.ones(1000, dtype=np.float32)
    >>> 8000 <= peak_bytes(lambda x: np.maximum(x + 1, 0), x) < 9000
    True
    """
    return traced_peak(lambda: function(*arrays)).peak_bytes


class RecordedArray(np.ndarray[Any, Any]):
    """An array that notes each operation on it, and whose results do the same."""

    log: list[Operation] | None = None

    def __array_finalize__(self, parent: Any) -> None:
        self.log = getattr(parent, "log", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        return self._note(name, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._note(func.__name__, func, args, kwargs)

    def _note(self, name: str, function: Any, inputs: Any, kwargs: Any) -> Any:
        """Call the function on plain arrays, note it, and let the result go on recording."""
        result = function(*_plain(inputs), **{key: _plain(v) for key, v in kwargs.items()})
        if self.log is None or not isinstance(result, np.ndarray | np.generic):
            return result
        out = kwargs.get("out")
        if out is not None:
            given = out[0] if isinstance(out, tuple) else out
            self.log.append(Operation(name, _bytes_in(inputs), result.nbytes))
            return given
        recorded = _recorded(np.asarray(result), self.log)
        if not any(np.may_share_memory(recorded, array) for array in arrays_in(inputs)):
            self.log.append(Operation(name, _bytes_in(inputs), result.nbytes))
        return recorded


def _recorded(array: np.ndarray, log: list[Operation]) -> RecordedArray:
    view = array.view(RecordedArray)
    view.log = log
    return view


def _bytes_in(value: Any) -> int:
    return sum(array.nbytes for array in arrays_in(value))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_plain(item) for item in value)
    return value.view(np.ndarray) if isinstance(value, RecordedArray) else value
