"""What can be told of a cell from its text."""

import ast
import dis
import importlib
import re
import sys
import types

HIDDEN = re.compile(r"###\s*(BEGIN|END) HIDDEN TESTS")
MODULE_ALIASES = {
    "np": "numpy",
    "plt": "matplotlib.pyplot",
    "pd": "pandas",
    "mpl": "matplotlib",
}
KNOWN_MODULES = frozenset(
    {"numpy", "matplotlib", "pandas", "scipy", *sys.stdlib_module_names} - {"this", "antigravity"}
)
LOOKUPS = ("LOAD_NAME", "LOAD_GLOBAL")
NO_OPERATION = re.compile(r"^\s*%(matplotlib|load_ext|autoreload|config)\b.*$", re.MULTILINE)


def plain_source(source: str) -> str:
    """Return a cell without the magic commands that mean nothing to a test."""
    return NO_OPERATION.sub("", source)


def hidden_lines(source: str) -> set[int]:
    """Return the numbers of the lines between the marks of hidden tests."""
    found, inside = set(), False
    for number, line in enumerate(source.splitlines(), 1):
        mark = HIDDEN.search(line)
        if mark:
            inside = mark[1] == "BEGIN"
        if inside:
            found.add(number)
    return found


def module_names(source: str) -> set[str]:
    """Return the names of Python's own and usual modules that a cell uses as such.

    That is with a dot only, and for what the module has: `math.sqrt`, but not `queue.push`.
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return set()
    used: dict[str, set[str]] = {}
    dotted = set()
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
            dotted.add(node.value)
    bare = {node.id for node in nodes if isinstance(node, ast.Name) and node not in dotted}
    return {
        name
        for name, parts in used.items()
        if name not in bare and _has_all(MODULE_ALIASES.get(name, name), parts)
    }


def _has_all(module: str, names: set[str]) -> bool:
    if module not in KNOWN_MODULES and module not in MODULE_ALIASES.values():
        return False
    try:
        found = importlib.import_module(module)
    except ImportError:
        return False
    return all(hasattr(found, name) for name in names)


def is_import(node: ast.stmt) -> bool:
    """Tell whether a statement imports something."""
    return isinstance(node, ast.Import | ast.ImportFrom)


def is_definition(node: ast.stmt) -> bool:
    """Tell whether a statement only names something: an import, a function or a class."""
    return is_import(node) or isinstance(node, ast.FunctionDef | ast.ClassDef)


def is_constant(node: ast.stmt) -> bool:
    """Tell whether a statement gives a name to a literal."""
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def needed_for(name: str, statements: list[ast.stmt]) -> list[ast.stmt]:
    """Return those of a notebook's top-level statements that give a function what it uses.

    They are imports, definitions and assignments to the names that it, or what it uses, looks up;
    an import of all that a module has may be one of these.
    Raises SyntaxError for statements that cannot stand where they do.
    """
    bound = [(node, _binds(node)) for node in statements]
    needed, before = {name, "*"}, 0
    while len(needed) > before:
        before = len(needed)
        for node, names in bound:
            if names & needed:
                needed |= _looks_up(compile(ast.Module([node], []), "<notebook>", "exec"))
    return [node for node, names in bound if names & needed]


def _binds(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds or changes, if it is of a kind that is followed."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    else:
        return set()
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _looks_up(code: types.CodeType) -> set[str]:
    """Return the global names that code reads, in the functions inside it too."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in LOOKUPS}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _looks_up(constant)
    return found
