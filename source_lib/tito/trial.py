"""Import a student's module on trial, and look for names that its functions use and it lacks.

Cells that only act are not exported, so a constant that a call made may be missing, which an
import alone does not show: functions look their names up when they are called.
"""

from __future__ import annotations

import builtins
import dis
import runpy
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

NAME = "tinytorch_mine"


def main(path: str, *written: str) -> None:
    """Run the file and follow its functions of these names; exit with a sentence if one fails."""
    module = runpy.run_path(path, run_name=NAME)
    lacking = sorted(missing(module, written))
    if lacking:
        sys.exit(f"it uses {', '.join(lacking)}, which no function, class or constant of it is")


def missing(module: dict[str, Any], names: tuple[str, ...]) -> set[str]:
    """Return the global names that these objects, and what they use of the module, do not find."""
    seen: set[str] = set()
    lacking: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in module:
            for code in _codes(module[name], module["__file__"]):
                left += _globals_of(code, "LOAD_GLOBAL")
                seen |= set(_globals_of(code, "STORE_GLOBAL")) - module.keys()
        elif not hasattr(builtins, name) and name not in names:
            lacking.add(name)
    return lacking


def _codes(value: Any, file: str) -> Iterator[CodeType]:
    """Return the code of a function or of a class's methods that stands in the file."""
    parts = vars(value).values() if isinstance(value, type) else (value,)
    for part in parts:
        part = getattr(part, "fget", None) or getattr(part, "__func__", part)
        part = getattr(part, "__wrapped__", part)
        if isinstance(part, FunctionType) and part.__code__.co_filename == file:
            yield part.__code__


def _globals_of(code: CodeType, opname: str) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == opname:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant, opname)


if __name__ == "__main__":
    main(*sys.argv[1:])
