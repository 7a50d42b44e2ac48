"""Files that appear whole or not at all."""

import os
from pathlib import Path


def write_whole(target: Path, text: str) -> None:
    """Write UTF-8 text to `target`, making its folder; a reader sees the old file or the new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, target)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path there, but for what Python compiled of them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }
