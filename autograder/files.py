"""Files that appear whole or not at all."""

import os
from pathlib import Path


def write_whole(target: Path, text: str) -> None:
    """Write UTF-8 text to `target`, making its folder; a reader sees the old file or the new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, target)
