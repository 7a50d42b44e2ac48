"""Hidden checks as text: a check function with all it needs from its module, and no more."""

import ast
from pathlib import Path

CHECKS = Path(__file__).resolve().parent.parent / "checks"


class UnknownCheckError(LookupError):
    """A chapter names a check that its checks file does not have."""


def checks_file(chapter: str) -> Path:
    """Return the file of a chapter's hidden checks: ch20_capstone.py for "20_capstone"."""
    return CHECKS / f"ch{chapter}.py"


def collect_checks(file: Path, names: tuple[str, ...]) -> str:
    """Return the source of the named functions and of what they use, in the file's order.

    Raises UnknownCheckError for a name that the file does not define.
    """
    if not file.is_file():
        raise UnknownCheckError(f"there is no {file.name} in autograder/checks to find checks in")
    text = file.read_text(encoding="utf-8")
    statements = ast.parse(text).body
    owners = {name: node for node in statements for name in _defines(node)}
    for name in names:
        if not isinstance(owners.get(name), ast.FunctionDef):
            raise UnknownCheckError(f"{file.name} has no check {name!r}")
    needed: set[ast.stmt] = set()
    pending = [owners[name] for name in names]
    while pending:
        node = pending.pop()
        if node not in needed:
            needed.add(node)
            pending += [owners[name] for name in _uses(node) if name in owners]
    parts = [_source(text, node) for node in statements if node in needed]
    return "\n\n".join(parts)


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _uses(node: ast.stmt) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _source(text: str, node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(text.split("\n")[first - 1 : node.end_lineno])
