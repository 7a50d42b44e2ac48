"""Pull code out of the reference library, with nbgrader's marks around what students write."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

BEGIN_SOLUTION = "### BEGIN SOLUTION"
END_SOLUTION = "### END SOLUTION"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnknownObjectError(LookupError):
    """A chapter names an object that the library does not have."""


def solution_source(names: tuple[str, ...], write: tuple[str, ...]) -> str:
    """Return the source of the named objects with the bodies of `write` marked as solution.

    `names` are dotted paths such as "tinytorch.capstone.SimpleMLP".
    `write` holds functions ("save_submission") and methods ("SimpleMLP.forward"); empty means all.
    Signature and docstring stay outside the marks.
    Raises UnknownObjectError for a name that is not there.
    """
    pending = set(write)
    parts = []
    for name in names:
        node, lines = _find(name)
        functions = dict(_functions(node))
        wanted = set(functions) & set(write) if write else set(functions)
        pending -= wanted
        parts.append(_mark(node, lines, [functions[key] for key in wanted]))
    if pending:
        raise UnknownObjectError(
            f"{sorted(pending)[0]!r} is to be written by students, but none of "
            f"{', '.join(names)} has it"
        )
    return "\n\n\n".join(parts)


def solution_bodies(names: tuple[str, ...], write: tuple[str, ...]) -> list[str]:
    """Return the bodies that `solution_source` marks, dedented: what must not reach a student."""
    bodies, current, inside = [], [""], False
    for line in solution_source(names, write).split("\n"):
        if BEGIN_SOLUTION in line:
            current, inside = [], True
        elif END_SOLUTION in line:
            inside = False
            bodies.append(textwrap.dedent("\n".join(current)).strip())
        elif inside:
            current.append(line)
    return bodies


def _find(name: str) -> tuple[ast.ClassDef | Function, list[str]]:
    module = _module_of(name)
    path = Path(inspect.getsourcefile(module) or "")
    text = path.read_text(encoding="utf-8")
    wanted = name.rpartition(".")[2]
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | Function) and node.name == wanted:
            return node, text.split("\n")
    raise UnknownObjectError(f"{name!r} is not a class or function of {module.__name__}")


def _module_of(name: str) -> ModuleType:
    owner, _, attribute = name.rpartition(".")
    try:
        value = getattr(importlib.import_module(owner), attribute)
        return importlib.import_module(value.__module__)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownObjectError(f"the library has no object {name!r} ({error})") from error


def _functions(node: ast.ClassDef | Function) -> Iterator[tuple[str, Function]]:
    if isinstance(node, Function):
        yield node.name, node
    else:
        for child in node.body:
            if isinstance(child, Function):
                yield f"{node.name}.{child.name}", child


def _mark(node: ast.ClassDef | Function, lines: list[str], functions: list[Function]) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    begins = {_body_start(function): function for function in functions}
    ends = {function.end_lineno: function for function in functions}
    result = []
    for number in range(first, (node.end_lineno or first) + 1):
        if number in begins:
            result.append(" " * begins[number].body[0].col_offset + BEGIN_SOLUTION)
        result.append(lines[number - 1])
        if number in ends:
            result.append(" " * ends[number].body[0].col_offset + END_SOLUTION)
    return "\n".join(result)


def _body_start(function: Function) -> int:
    """Return the line after the docstring, or after the signature when there is none."""
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return first.lineno
    if len(function.body) == 1:
        raise UnknownObjectError(f"{function.name!r} has a docstring and no body to write")
    return (first.end_lineno or first.lineno) + 1
