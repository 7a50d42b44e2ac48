"""What stands in a test cell for the student's functions, classes and objects.

Attributes and calls are asked of the student, since they are what a test is about.
Whether something equals, contains or adds to a value of the test is not: only an object that the
test itself made, from a class of the student's, is asked for that, because its operators are then
what is tested; `autograder.trust.made` says where that is.
"""

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from autograder.trust.session import Session

PLAIN_RESULTS = {
    "len": int,
    "int": int,
    "hash": int,
    "index": int,
    "float": float,
    "complex": complex,
    "str": str,
    "repr": str,
    "format": str,
    "bytes": bytes,
}
ATTRIBUTES = ("__name__", "__qualname__", "__doc__", "__annotations__", "__defaults__", "__dict__",
              "__wrapped__", "__kwdefaults__", "__slots__", "__dataclass_fields__")  # fmt: skip


class UntrustedError(TypeError):
    """A test would have let an object of the student's decide about itself."""


class ObjectProxy:
    """Stands for an object that is not plain data."""

    # Slots, and long names: every other attribute is the student's, `__dict__` among them.
    __slots__ = (
        "__weakref__", "_proxy_about", "_proxy_made", "_proxy_number", "_proxy_session",
        "_proxy_trusted",
    )  # fmt: skip
    __array_ufunc__ = None

    def __init__(self, session: "Session", number: int, about: dict[str, Any]) -> None:
        set_field = object.__setattr__
        set_field(self, "_proxy_session", session)
        set_field(self, "_proxy_number", number)
        set_field(self, "_proxy_about", about)
        set_field(self, "_proxy_made", False)
        set_field(self, "_proxy_trusted", False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ATTRIBUTES:
            raise AttributeError(f"a test cannot use {name!r} of {noun(self)}")
        return self._proxy_session.ask("get", self, [name])

    def __setattr__(self, name: str, value: Any) -> None:
        self._proxy_session.ask("set", self, [name, value])

    @property
    def __class__(self) -> type:
        """The nearest class that tests know, for `isinstance`."""
        return self._proxy_session.nearest_class(self._proxy_about) or type(self)

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise UntrustedError(f"a test cannot change the class of {noun(self)}")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise UntrustedError(f"expected a NumPy array or a number, found {noun(self)}")

    def __bool__(self) -> bool:
        if not self._proxy_trusted:
            raise UntrustedError(f"expected True or False, found {noun(self)}")
        return bool(_plain(self, "bool"))

    def __hash__(self) -> int:
        return hash(("proxy", self._proxy_number))

    def __enter__(self) -> Any:
        return self._proxy_session.ask("get", self, ["__enter__"])()

    def __exit__(self, kind: type[BaseException] | None, *problem: Any) -> None:
        """Leave, telling the student's code of which class an exception is.

        What it answers does not matter: it would silence what the test found wrong.
        """
        told = kind if kind is not None and kind.__module__ == "builtins" else None
        self._proxy_session.ask("get", self, ["__exit__"])(told, None, None)

    def __iter__(self) -> Iterator[Any]:
        found = self._proxy_session.ask("do", "iter", [self])
        return found if is_proxy(found) else iter(found)

    def __next__(self) -> Any:
        return self._proxy_session.ask("do", "next", [self])

    def __getitem__(self, key: Any) -> Any:
        return self._proxy_session.ask("do", "getitem", [self, key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._proxy_session.ask("do", "setitem", [self, key, value])

    def __delitem__(self, key: Any) -> None:
        self._proxy_session.ask("do", "delitem", [self, key])

    def __reversed__(self) -> Any:
        return self._proxy_session.ask("do", "reversed", [self])

    def __contains__(self, item: Any) -> bool:
        _may_decide(self, item, "contains")
        return bool(_plain(self, "contains", item))

    def __dir__(self) -> list[str]:
        return [str(name) for name in self._proxy_session.ask("do", "dir", [self])]

    def __format__(self, spec: str) -> str:
        return str(_plain(self, "format", spec))

    def __round__(self, digits: int | None = None) -> Any:
        return self._proxy_session.ask("do", "round", [self, *([] if digits is None else [digits])])

    def __copy__(self) -> Any:
        return self._proxy_session.ask("do", "copy", [self])

    def __deepcopy__(self, memo: Any) -> Any:
        return self._proxy_session.ask("do", "deepcopy", [self])

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"a test cannot store {noun(self)}")


class CallableProxy(ObjectProxy):
    """Stands for a function or another object that can be called."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._proxy_session.call(self, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self  # a function of the student's does not become a method of a test's class

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature that `inspect.signature` shows."""
        kinds = {kind.name: kind for kind in inspect._ParameterKind}
        parameters = []
        for name, kind, *default in self._proxy_session.ask("signature", self):
            value = default[0] if default else inspect.Parameter.empty
            parameters.append(inspect.Parameter(name, kinds[kind], default=value))
        return inspect.Signature(parameters)


class ClassProxy(CallableProxy):
    """Stands for a class of the student's."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return _as_made(self._proxy_session.call(self, args, kwargs), True)

    def __mro_entries__(self, bases: Any) -> Any:
        raise TypeError(f"a test cannot derive a class from {noun(self)}")

    def __instancecheck__(self, value: Any) -> bool:
        if type(value) not in (ObjectProxy, CallableProxy):
            return False
        return bool(self._proxy_session.ask("do", "isinstance", [value, self]))

    def __subclasscheck__(self, value: Any) -> bool:
        return type(value) is ClassProxy and bool(
            self._proxy_session.ask("do", "issubclass", [value, self])
        )


def noun(proxy: ObjectProxy) -> str:
    """Return how a sentence names what a proxy stands for."""
    about = proxy._proxy_about
    if about.get("class"):
        return f"the class {about.get('name')}"
    if about.get("function"):
        return f"the function {about.get('name')}"
    return f"an object of type {about.get('kind')}"


def is_proxy(value: Any) -> bool:
    """Tell whether `value` stands for an object of the student's."""
    return type(value) in (ObjectProxy, CallableProxy, ClassProxy)


def trust(proxy: ObjectProxy, yes: bool) -> None:
    """Say whether an object may decide about values of the test."""
    object.__setattr__(proxy, "_proxy_trusted", yes)


class Trusted:
    """The objects that may decide at this moment; a test's code is compiled to call these."""

    def __init__(self) -> None:
        self.now: list[ObjectProxy] = []

    def made(self, value: Any) -> Any:
        """Trust an object of which the test's text says that the test has made it."""
        if type(value) in (ObjectProxy, CallableProxy) and value._proxy_made:
            trust(value, True)
            self.now.append(value)
        return value

    def mark(self) -> int:
        """Return how many are trusted, to come back to that."""
        return len(self.now)

    def done(self, mark: int, result: Any) -> Any:
        """Trust those no more that came after the mark; return the result."""
        for proxy in self.now[mark:]:
            trust(proxy, False)
        del self.now[mark:]
        return result

    def truth(self, value: Any) -> bool:
        """Return the truth of an object that the test has made."""
        mark = self.mark()
        return bool(self.done(mark, bool(self.made(value))))


def _as_made(value: Any, yes: bool) -> Any:
    if type(value) in (ObjectProxy, CallableProxy) and yes:
        object.__setattr__(value, "_proxy_made", True)
    return value


def _may_decide(proxy: ObjectProxy, other: Any, operation: str) -> None:
    if not proxy._proxy_trusted and not is_proxy(other):
        raise UntrustedError(
            f"expected plain data such as a number, a list or an array, found {noun(proxy)}"
        )


def _plain(proxy: ObjectProxy, operation: str, *args: Any) -> Any:
    result = proxy._proxy_session.ask("do", operation, [proxy, *args])
    wanted = PLAIN_RESULTS.get(operation, bool)
    if wanted is bool and type(result) is np.bool_:
        return bool(result)
    if type(result) is not wanted:
        raise UntrustedError(f"{operation}() of {noun(proxy)} gave no plain {wanted.__name__}")
    return result


def _comparison(operation: str) -> Any:
    def compare(self: ObjectProxy, other: Any) -> Any:
        if self is other:
            return operation in ("eq", "le", "ge")
        if other is None and operation in ("eq", "ne"):
            return operation == "ne"
        _may_decide(self, other, operation)
        return _plain(self, operation, other)

    return compare


def _arithmetic(operation: str, reflected: bool) -> Any:
    def combine(self: ObjectProxy, other: Any) -> Any:
        _may_decide(self, other, operation)
        pair = [other, self] if reflected else [self, other]
        made = self._proxy_made or (is_proxy(other) and other._proxy_made)
        return _as_made(self._proxy_session.ask("do", operation, pair), made)

    return combine


def _unary(operation: str) -> Any:
    def ask(self: ObjectProxy) -> Any:
        return _as_made(self._proxy_session.ask("do", operation, [self]), self._proxy_made)

    return ask


def _conversion(operation: str) -> Any:
    return lambda self: _plain(self, operation)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(ObjectProxy, f"__{_name}__", _comparison(_name))
for _name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split():
    _operation = {"and": "and_", "or": "or_"}.get(_name, _name)
    setattr(ObjectProxy, f"__{_name}__", _arithmetic(_operation, reflected=False))
    setattr(ObjectProxy, f"__r{_name}__", _arithmetic(_operation, reflected=True))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(ObjectProxy, f"__{_name}__", _unary(_name))
for _name in ("len", "int", "float", "index", "complex", "str", "repr", "bytes"):
    setattr(ObjectProxy, f"__{_name}__", _conversion(_name))
for _kind in (ObjectProxy, CallableProxy, ClassProxy):
    # Found on the class, these would be ours and not what the student wrote.
    del _kind.__slots__
    _kind.__doc__ = property(lambda self: self._proxy_session.ask("get", self, ["__doc__"]))  # type: ignore[assignment]
