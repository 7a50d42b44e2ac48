"""Which names a cell gives a value to."""

import ast
import contextlib

from nbformat.notebooknode import NotebookNode

from autograder.trust.source import plain_source


def bound_names(source: str, definitions: bool = True) -> set[str]:
    """Return the names that the statements of a cell bind, those of imports left out.

    Without `definitions` those of functions and classes are left out too.
    """
    try:
        body = ast.parse(plain_source(source)).body
    except (SyntaxError, ValueError, RecursionError):
        return set()
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= {statement.name} if definitions else set()
        else:
            found |= {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
    return found


def given_classes(notebook: NotebookNode) -> set[str]:
    """Return the names of the classes that locked cells of a notebook define, tests left out."""
    found: set[str] = set()
    for cell in notebook.cells:
        nbgrader = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and nbgrader.get("locked") and not nbgrader.get("grade"):
            with contextlib.suppress(SyntaxError, ValueError, RecursionError):
                body = ast.parse(plain_source(cell.source)).body
                found |= {node.name for node in body if isinstance(node, ast.ClassDef)}
    return found
