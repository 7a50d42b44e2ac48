"""A chapter's notebook as a module of the student's own: what they wrote, and what that needs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tito.course import Chapter
from tito.errors import TitoError
from tito.files import write_whole
from tito.notebook import Notebook, grade_id_of, is_own, is_task
from tito.overlay import CHAPTER
from tito.state import backup, home

HEADER = '''"""Chapter {number}, {short}, as you wrote it; 'tito module complete' made this file."""

'''
FUTURE = "from __future__ import annotations"
IMPORT_SECONDS = 60
MAGIC = re.compile(r"\s*[%!?]|.*\?\s*$")
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
    """Write the student's module of a chapter and return its path; the one before is kept.

    It holds the given imports and helpers, the tasks' cells, and of cells that the student added
    the imports, functions, classes and constants: what only prints or plots stays behind.
    Raises TitoError when that is no Python or cannot be imported; then nothing is changed.
    """
    text = module_text(chapter, mine)
    _demand_import(chapter, text)
    path = mine_path(chapter.name)
    if path.is_file() and path.read_bytes() != text.encode():
        backup(path)
    write_whole(path, text)
    return path


def module_text(chapter: Chapter, mine: Notebook) -> str:
    """Return the student's module of a chapter; raises TitoError when it is no Python."""
    parts = []
    for cell in mine.cells:
        name = grade_id_of(cell)
        if cell["cell_type"] != "code" or not (
            is_task(cell) or is_own(cell) or name in chapter.needed
        ):
            continue
        source = without_magics(cell["source"])
        kept = definitions(source) if is_own(cell) else source
        if kept.strip():
            parts.append(kept.strip("\n"))
    text = "\n\n\n".join(parts) + "\n"
    if FUTURE in text.split("\n"):  # Python wants it before all the rest
        text = f"{FUTURE}\n\n" + text.replace(f"{FUTURE}\n", "")
    text = HEADER.format(number=chapter.number, short=chapter.short) + text
    try:
        compile(text, f"{chapter.name}.py", "exec")
    except (SyntaxError, ValueError) as error:
        line = (getattr(error, "text", "") or "").strip()
        raise TitoError(
            f"your notebook is no Python without its magics: {getattr(error, 'msg', error)}, at "
            f"{line!r}; repair it, then 'tito module complete {chapter.number}'",
            1,
        ) from error
    return text


def _demand_import(chapter: Chapter, text: str) -> None:
    """Raise TitoError unless the module can be imported and lacks nothing that its tasks use."""
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as scratch:
        path = Path(scratch) / f"{chapter.name}.py"
        path.write_text(text, encoding="utf-8", newline="\n")
        written = [dotted.rsplit(".", 1)[1] for names in chapter.tasks.values() for dotted in names]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tito.trial", str(path), *written],
                cwd=scratch,
                env=os.environ | {CHAPTER: chapter.name, "MPLBACKEND": "Agg"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=IMPORT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            problem = f"it takes over {IMPORT_SECONDS} s"
        else:
            said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
            problem = (said or "it ends Python") if done.returncode else ""
    if problem:
        raise TitoError(
            f"your code does not run outside the notebook ({problem}); put what it needs "
            f"into the cell that uses it, then 'tito module complete {chapter.number}'",
            1,
        )


def without_magics(source: str) -> str:
    """Return a cell's code with empty lines for magics and shell lines, which are IPython's."""
    try:
        ast.parse(source)
        return source  # a line of a longer text or formula may begin like a magic
    except SyntaxError:
        lines = source.split("\n")
    return "\n".join("" if MAGIC.match(line) else line for line in lines)


def definitions(source: str) -> str:
    """Return the imports, functions, classes and constants of a cell, and nothing that acts.

    Of a cell that is no Python, as one of a shell, that is nothing: if something is missed, the
    check of what the module needs says so.
    """
    text = without_magics(source)
    try:
        nodes = ast.parse(text).body
    except SyntaxError:
        return ""
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
