"""A chapter's notebook as a module of the student's own: what they wrote, and what that needs."""

from __future__ import annotations

import ast
from pathlib import Path

from tito.course import Chapter
from tito.errors import TitoError
from tito.notebook import Notebook, grade_id_of, is_own, is_task
from tito.state import home, write_whole

HEADER = '''"""Chapter {number}, {short}, as you wrote it; 'tito module complete' made this file."""

'''
DEFINITIONS = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
)


def mine_path(name: str) -> Path:
    """Return where the student's module of a chapter is kept."""
    return home() / "mine" / f"{name}.py"


def export(chapter: Chapter, mine: Notebook) -> Path:
    """Write the student's module of a chapter and return its path.

    It holds the given imports and helpers, the tasks' cells, and of cells that the student added
    the imports, functions, classes and constants: what only prints or plots stays behind.
    Raises TitoError when a cell is no Python.
    """
    parts = []
    for cell in mine.cells:
        name = grade_id_of(cell)
        if cell["cell_type"] != "code" or not (
            is_task(cell) or is_own(cell) or name in chapter.needed
        ):
            continue
        kept = cell["source"] if is_task(cell) else definitions(cell["source"], str(name))
        if kept.strip():
            parts.append(kept.strip("\n"))
    text = HEADER.format(number=chapter.number, short=chapter.short) + "\n\n\n".join(parts) + "\n"
    try:
        compile(text, f"{chapter.name}.py", "exec")
    except SyntaxError as error:
        raise TitoError(f"your notebook is no Python yet: {error}", 1) from error
    path = mine_path(chapter.name)
    write_whole(path, text)
    return path


def definitions(source: str, where: str) -> str:
    """Return the imports, functions, classes and constants of a cell, and nothing that acts."""
    lines = source.split("\n")
    # Magics and shell lines are IPython's, no Python.
    text = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
    try:
        nodes = ast.parse(text).body
    except SyntaxError as error:
        raise TitoError(
            f"the cell {where!r} is no Python: {error.msg}, line {error.lineno}"
        ) from error
    kept = []
    for node in nodes:
        if isinstance(node, DEFINITIONS) and _is_quiet(node):
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            kept.append("\n".join(text.split("\n")[first - 1 : node.end_lineno]))
    return "\n".join(kept)


def _is_quiet(node: ast.stmt) -> bool:
    """Return whether a statement only defines: a constant is no result of a call."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is not None and not any(
            isinstance(part, ast.Call | ast.Await) for part in ast.walk(node.value)
        )
    return True
