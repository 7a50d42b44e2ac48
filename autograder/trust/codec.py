"""Plain data as JSON and bytes, and back.

A value crosses by value when its exact type is one of those listed here; subclasses do not, since
they may compare and print as they like.
What is not plain is left to the two functions that an `Encoder` and a `Decoder` are made with.
In JSON a plain scalar stands for itself, everything else is a list `[tag, ...]`.
"""

import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath
from typing import Any

import numpy as np

from autograder.trust.frames import ChannelError

MAX_DEPTH = 150
MAX_NODES = 1_000_000
MAX_INT_BITS = 200_000
SMALL_INT = 2**53
ARRAY_KINDS = "biufcSUMm"
DTYPE = re.compile(rf"[<>|=]?[{ARRAY_KINDS}][0-9]{{0,9}}(\[[0-9]{{0,9}}[a-zA-Z]{{1,2}}\])?")

LISTS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}
MAPPINGS: dict[str, Any] = {
    "dict": dict,
    "odict": OrderedDict,
    "counter": Counter,
    "ddict": defaultdict,
}
TEXTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "fraction": (Fraction, str, lambda text: Fraction(*map(int, text.split("/")))),
    "decimal": (Decimal, str, Decimal),
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "path": (PosixPath, str, Path),
}
FACTORIES = {kind.__name__: kind for kind in (int, float, str, bool, list, dict, set, tuple)}
_TAG_OF_LIST = {kind: tag for tag, kind in LISTS.items()}
_TAG_OF_MAPPING = {kind: tag for tag, kind in MAPPINGS.items()}
_TAG_OF_TEXT = {kind: tag for tag, (kind, _, _) in TEXTS.items()}


class Encoder:
    """Turns one message's values into JSON; the bytes of arrays gather in `blobs`.

    `refer` is asked for the JSON of what is not plain, `aliases` gives the JSON of objects that
    the other side knows already, by their `id`.
    """

    def __init__(self, refer: Callable[[Any, "Encoder"], list[Any]]) -> None:
        self.refer = refer
        self.blobs: list[bytes] = []
        self.aliases: dict[int, list[Any]] = {}
        self._open: set[int] = set()
        self._attempting = False
        self.nodes = 0

    def attempt(self, encode: Callable[[], list[Any]]) -> list[Any] | None:
        """Return what `encode` does, or None when it raises ChannelError.

        Of attempts within attempts only the outermost counts, or the time would grow without end.
        """
        if self._attempting:
            return encode()
        self._attempting, blobs, nodes = True, len(self.blobs), self.nodes
        try:
            return encode()
        except ChannelError:
            del self.blobs[blobs:]
            self.nodes = nodes
            return None
        finally:
            self._attempting = False

    def encode(self, value: Any) -> Any:
        """Return `value` as JSON; raises ChannelError for what contains itself or has no end."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -SMALL_INT < value < SMALL_INT else ["int", _hex(value)]
        if kind is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if id(value) in self.aliases:
            return self.aliases[id(value)]
        self.nodes += 1
        if self.nodes > MAX_NODES or len(self._open) > MAX_DEPTH:
            raise ChannelError("a value has too many parts to be passed to or from a test")
        if id(value) in self._open:
            raise ChannelError("a value contains itself and cannot be passed to or from a test")
        self._open.add(id(value))
        try:
            return self._encode_compound(value, kind)
        finally:
            self._open.discard(id(value))

    def _encode_compound(self, value: Any, kind: type) -> Any:
        if kind in _TAG_OF_LIST:
            items = [self.encode(item) for item in value]
            if kind in (set, frozenset):
                items.sort(key=repr)
            return [_TAG_OF_LIST[kind], items]
        if kind in _TAG_OF_MAPPING:
            pairs = [[self.encode(key), self.encode(item)] for key, item in value.items()]
            if kind is defaultdict:
                return ["ddict", pairs, getattr(value.default_factory, "__name__", None)]
            return [_TAG_OF_MAPPING[kind], pairs]
        if kind in _TAG_OF_TEXT:
            tag = _TAG_OF_TEXT[kind]
            return [tag, TEXTS[tag][1](value)]
        if kind is np.ndarray:
            if value.dtype.kind not in ARRAY_KINDS:
                return self.encode_object_array(value)
            return ["array", value.dtype.str, list(value.shape), self.blob(value.tobytes())]
        if isinstance(value, np.generic) and kind.__module__ == "numpy":
            if value.dtype.kind in ARRAY_KINDS:
                return ["scalar", value.dtype.str, self.blob(value.tobytes())]
        elif kind in (bytes, bytearray):
            return [kind.__name__, self.blob(bytes(value))]
        elif kind is complex:
            return ["complex", [self.encode(value.real), self.encode(value.imag)]]
        elif kind is range or kind is slice:
            return [kind.__name__, [self.encode(p) for p in (value.start, value.stop, value.step)]]
        elif kind is timedelta:
            return ["timedelta", [value.days, value.seconds, value.microseconds]]
        elif value is Ellipsis:
            return ["ellipsis"]
        elif isinstance(value, np.dtype):
            return ["dtype", value.str]
        elif kind is np.random.Generator:
            return ["rng", self.encode(value.bit_generator.state)]
        elif is_named_tuple(kind):
            items = [self.encode(item) for item in tuple.__iter__(value)]
            return ["named", kind.__name__, list(value._fields), items]
        return self.refer(value, self)

    def encode_object_array(self, value: np.ndarray) -> list[Any]:
        items = [self.encode(item) for item in value.ravel().tolist()]
        return ["objects", list(value.shape), items]

    def blob(self, data: bytes) -> int:
        self.blobs.append(data)
        return len(self.blobs) - 1


class Decoder:
    """Turns JSON of an `Encoder` back into values.

    `resolve` is asked for what is not plain: it gets the tag and the rest of the list.
    Raises ChannelError for everything that an honest encoder would not have sent.
    """

    def __init__(
        self, blobs: list[bytes], resolve: Callable[[str, list[Any], "Decoder"], Any]
    ) -> None:
        self.blobs = blobs
        self.resolve = resolve
        self._depth = 0

    def decode(self, data: Any) -> Any:
        if data is None or isinstance(data, bool | int | float | str):
            return data
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise ChannelError("a value is not in the agreed form")
        self._depth += 1
        if self._depth > MAX_DEPTH + 10:
            raise ChannelError("a value is nested too deeply")
        try:
            return self._decode_tagged(data[0], data[1:])
        except ChannelError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as e:
            raise ChannelError(f"a value of kind {data[0][:20]!r} is not in the agreed form") from e
        finally:
            self._depth -= 1

    def _decode_tagged(self, tag: str, rest: list[Any]) -> Any:
        if tag in LISTS:
            return LISTS[tag](self.decode(item) for item in rest[0])
        if tag in MAPPINGS:
            pairs = [(self.decode(key), self.decode(item)) for key, item in rest[0]]
            return (
                defaultdict(FACTORIES.get(rest[1]), pairs)
                if tag == "ddict"
                else _mapping(tag, pairs)
            )
        if tag in TEXTS:
            return TEXTS[tag][2](_text(rest[0], 10_000))
        if tag == "array":
            return self._array(*rest)
        if tag == "scalar":
            return self._array(rest[0], [], rest[1])[()]
        if tag == "objects":
            return self._objects(*rest)
        if tag == "int":
            return int(_text(rest[0], MAX_INT_BITS // 4 + 3), 16)
        if tag == "float":
            return float(_text(rest[0], 4))
        if tag == "bytes":
            return self.blobs[rest[0]]
        if tag == "bytearray":
            return bytearray(self.blobs[rest[0]])
        if tag == "complex":
            real, imaginary = map(self.decode, rest[0])
            return complex(real, imaginary)
        if tag in ("range", "slice"):
            parts = [self.decode(part) for part in rest[0]]
            return range(*parts) if tag == "range" else slice(*parts)
        if tag == "timedelta":
            return timedelta(*rest[0])
        if tag == "ellipsis":
            return Ellipsis
        if tag == "dtype":
            return _dtype(rest[0])
        if tag == "rng":
            return generator(self.decode(rest[0]))
        if tag == "named":
            return _named(rest[0], rest[1], [self.decode(item) for item in rest[2]])
        return self.resolve(tag, rest, self)

    def _array(self, dtype: str, shape: list[int], blob: int) -> np.ndarray:
        data = self.blobs[blob]
        kind = _dtype(dtype)
        if not all(type(side) is int and side >= 0 for side in shape) or len(shape) > 32:
            raise ChannelError("an array's shape is not in the agreed form")
        if math.prod(shape) * kind.itemsize != len(data):
            raise ChannelError("an array's bytes do not fit its shape")
        return np.frombuffer(data, dtype=kind).reshape(shape).copy()

    def _objects(self, shape: list[int], items: list[Any]) -> np.ndarray:
        if not all(type(side) is int and side >= 0 for side in shape) or len(shape) > 32:
            raise ChannelError("an array's shape is not in the agreed form")
        result = np.empty(len(items), dtype=object)
        for index, item in enumerate(items):
            result[index] = self.decode(item)
        return result.reshape(shape)


def generator(state: dict[str, Any]) -> np.random.Generator:
    """Return the random generator that `state` was taken from."""
    kinds = {"PCG64": np.random.PCG64, "MT19937": np.random.MT19937}
    kinds |= {
        "Philox": np.random.Philox,
        "SFC64": np.random.SFC64,
        "PCG64DXSM": np.random.PCG64DXSM,
    }
    source = kinds[state["bit_generator"]]()
    source.state = state
    return np.random.Generator(source)


def is_named_tuple(kind: type) -> bool:
    """Tell whether `kind` is what `collections.namedtuple` makes, with nothing added to it."""
    fields = kind.__dict__.get("_fields")
    return kind.__bases__ == (tuple,) and isinstance(fields, tuple) and len(fields) < 100


def update_in_place(old: Any, new: Any) -> None:
    """Make the mutable `old` equal to `new`, keeping inner objects that stay of their kind.

    Raises ChannelError when that cannot be done, such as for an array that changed its shape.
    """
    kind = type(old)
    if kind is not type(new):
        raise ChannelError("an argument came back as another kind of object")
    if kind is list and len(old) == len(new):
        for index, item in enumerate(new):
            if not _updated(old[index], item):
                old[index] = item
    elif kind in (list, deque, bytearray):
        old.clear()
        old.extend(new)
    elif kind is set:
        old.clear()
        old.update(new)
    elif kind in _TAG_OF_MAPPING:
        merged = {k: old[k] if k in old and _updated(old[k], v) else v for k, v in new.items()}
        old.clear()
        old.update(merged)
    elif kind is np.ndarray:
        if old.shape != new.shape or old.dtype != new.dtype:
            raise ChannelError("an array came back with another shape or dtype")
        if old.tobytes() != new.tobytes():
            old[...] = new
    elif kind is np.random.Generator:
        old.bit_generator.state = new.bit_generator.state
    else:
        mine, theirs = attributes(old), attributes(new)
        if not mine or not theirs:
            raise ChannelError("an argument came back that cannot have changed")
        for name, value in theirs.items():
            if name not in mine or not _updated(mine[name], value):
                object.__setattr__(old, name, value)
        for name in mine.keys() - theirs.keys():
            object.__delattr__(old, name)


def attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that an object holds itself: all of its dictionary, public slots."""
    try:
        found = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        found = {}
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("_") and hasattr(value, name):
                found[name] = object.__getattribute__(value, name)
    return found


def _updated(old: Any, new: Any) -> bool:
    mutable = (list, deque, bytearray, set, np.ndarray, np.random.Generator, *MAPPINGS.values())
    if type(old) is not type(new):
        return False
    if type(old) not in mutable and (callable(old) or not attributes(old)):
        return False
    try:
        update_in_place(old, new)
    except ChannelError:
        return False
    return True


def _mapping(tag: str, pairs: list[tuple[Any, Any]]) -> Any:
    return MAPPINGS[tag](dict(pairs)) if tag == "counter" else MAPPINGS[tag](pairs)


def _named(name: str, fields: list[str], items: list[Any]) -> Any:
    from collections import namedtuple

    if len(fields) > 100 or len(name) > 100:
        raise ChannelError("a named tuple is not in the agreed form")
    return namedtuple(name, fields)(*items)


def _dtype(text: str) -> np.dtype:
    if not DTYPE.fullmatch(_text(text, 50)):
        raise ChannelError("an array's dtype is not one that may be passed")
    kind = np.dtype(text)
    if kind.kind not in ARRAY_KINDS or kind.hasobject:
        raise ChannelError("an array's dtype is not one that may be passed")
    return kind


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise ChannelError("a value is not in the agreed form")
    return value


def _hex(value: int) -> str:
    if value.bit_length() > MAX_INT_BITS:
        raise ChannelError("a whole number is too large to be passed to or from a test")
    return hex(value)
