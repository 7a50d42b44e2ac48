"""Objects of classes that both sides have: they cross by their state, not by reference."""

import inspect
import types
from typing import Any

import numpy as np

from autograder.trust.codec import Decoder, Encoder
from autograder.trust.frames import ChannelError
from autograder.trust.peer import known_class

METHODS = (types.FunctionType, classmethod, staticmethod, property)
_TENSOR = "tinytorch.core.tensor:Tensor"


class Shared:
    """Which classes cross by state: those of `packages`, but not of the modules in `withheld`.

    Withheld is what the student has to write: an object that claims to be of the reference's class
    must not become one on the side that judges.
    Classes that the notebook's locked cells define cross too: `given` are their names, `names` is
    the namespace in which this side has them.
    """

    def __init__(
        self,
        packages: tuple[str, ...] = (),
        withheld: tuple[str, ...] = (),
        given: tuple[str, ...] = (),
    ) -> None:
        self.packages = packages
        self.withheld = withheld
        self.given = given
        self.names: dict[str, Any] = {}

    def class_named(self, name: str) -> type | None:
        """Return the class that "module:Name" names if it is shared, else None."""
        module, _, qualname = name.partition(":")
        if module == "__main__":
            return self._given_class(qualname)
        if any(module == path or module.startswith(f"{path}.") for path in self.withheld):
            return None
        if not any(module == path or module.startswith(f"{path}.") for path in self.packages):
            return None
        return known_class(name, self.packages)

    def _given_class(self, name: str) -> type | None:
        """Return the class of a locked cell, if its objects are made up of their state alone."""
        found = self.names.get(name) if name in self.given else None
        if type(found) is not type or found.__qualname__ != name:
            return None
        plain = all(base.__module__ == "__main__" for base in found.__mro__[:-1])
        return found if plain else None

    def encode(self, value: Any, encoder: Encoder) -> list[Any] | None:
        """Return the JSON of an object of a shared class, or None for another.

        None also for one of a locked cell's class that is part of itself, such as a ring of nodes.
        """
        kind = type(value)
        name = f"{kind.__module__}:{kind.__qualname__}"
        if isinstance(value, type) or self.class_named(name) is not kind:
            return None
        state = state_of(name, value)
        if state is None:
            return None
        if kind.__module__ != "__main__":
            return self._encode_state(name, state, encoder)
        return encoder.attempt(lambda: self._encode_state(name, state, encoder))

    def _encode_state(self, name: str, state: dict[str, Any], encoder: Encoder) -> list[Any]:
        return ["value", name, [[key, encoder.encode(item)] for key, item in state.items()]]

    def decode(self, rest: list[Any], decoder: Decoder) -> Any:
        """Return the object for what `encode` returned."""
        name, pairs = rest
        kind = self.class_named(name) if isinstance(name, str) else None
        if kind is None:
            raise ChannelError("an object is of a class that may not be passed")
        made: Any = object.__new__(kind)
        state = {str(key): decoder.decode(item) for key, item in pairs}
        for key in state:
            if isinstance(inspect.getattr_static(kind, key, None), METHODS):
                raise ChannelError("an object hides a method of its class")
        set_state(made, state)
        return made


def state_of(name: str, value: Any) -> dict[str, Any] | None:
    """Return what makes up the object, or None when its class does not keep it in one place.

    A tensor crosses without the record of how it was computed.
    """
    if name == _TENSOR:
        return {"data": value.data, "grad": value.grad, "requires_grad": value.requires_grad}
    return dict(vars(value)) if hasattr(value, "__dict__") else None


def set_state(made: Any, state: dict[str, Any]) -> None:
    """Give an object the state that `state_of` returned."""
    if hasattr(made, "__dict__"):
        vars(made).update(state)
        return
    if not isinstance(state.get("data"), np.ndarray):
        raise ChannelError("a tensor came without an array")
    made.data, made.grad = state["data"], state.get("grad")
    made.requires_grad = bool(state.get("requires_grad"))
    made._parents, made._backward = (), None
