"""Exceptions of the other side, raised here by their class or one that stands for it."""

import builtins
import sys
from typing import Any

from autograder.trust.source import KNOWN_MODULES

MAX_CLASSES = 20
UNKNOWN = "StudentError"


def lineage(kind: type) -> list[list[Any]]:
    """Return the classes that `kind` consists of: name, and places of those it derives from."""
    kinds = kind.__mro__[:-1][:MAX_CLASSES]
    places = {id(each): place for place, each in enumerate(kinds)}
    return [
        [
            f"{each.__module__}:{each.__qualname__}",
            [places[id(base)] for base in each.__bases__ if id(base) in places],
        ]
        for each in kinds
    ]


def exception_from(kind: type[BaseException], message: str) -> BaseException:
    """Return an exception of `kind`, also when its constructor wants other arguments."""
    try:
        made = kind(message)
    except Exception:  # noqa: BLE001  (any constructor may want anything)
        made = kind.__new__(kind, message)
        made.args = (message,)
    assert isinstance(made, BaseException)
    return made


class StudentExceptions:
    """The classes that stand here for exception classes of the student's.

    Those of Python, of usual modules and of `packages` are themselves; others are made, derived
    from each other as the student's are.
    """

    def __init__(self, packages: tuple[str, ...] = ()) -> None:
        self.packages = packages
        self.made: dict[str, type[BaseException]] = {}

    def class_for(self, classes: Any, number: int | None = None) -> type[BaseException]:
        """Return the class for what `lineage` said; `number` names it to the student's side."""
        entries = [entry for entry in classes if _is_entry(entry)][:MAX_CLASSES]
        found: dict[int, type[BaseException]] = {}
        for place in reversed(range(len(entries))):
            name, above = entries[place]
            kind = self.known(name) or self.made.get(name)
            bases = tuple(found[base] for base in above if base in found)
            if kind is None and bases:
                kind = self.made[name] = _derived(name, bases)
            if kind is not None:
                found[place] = kind
        result = found.get(0, RuntimeError)
        if number is not None and result in self.made.values():
            result._student_number = number  # type: ignore[attr-defined]
        return result

    def known(self, name: str) -> type[BaseException] | None:
        """Return the class that "module:Name" names where both sides have it."""
        module, _, qualname = name.partition(":")
        if module == "builtins":
            found = getattr(builtins, qualname, None)
        else:
            shared = any(module == p or module.startswith(f"{p}.") for p in self.packages)
            if not shared and module.partition(".")[0] not in KNOWN_MODULES:
                return None
            found = getattr(sys.modules.get(module), qualname, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
        return None


def _derived(name: str, bases: tuple[type[BaseException], ...]) -> type[BaseException]:
    short = name.rpartition(":")[2].rpartition(".")[2][:100] or UNKNOWN
    for wanted, above in ((short, bases), (UNKNOWN, bases), (UNKNOWN, bases[:1])):
        try:
            made: Any = type(wanted, above, {"__module__": "student"})
        except (TypeError, ValueError):  # a name no class can have, or bases that do not fit
            continue
        return made
    return RuntimeError


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], list)
        and all(type(base) is int for base in entry[1])
    )
