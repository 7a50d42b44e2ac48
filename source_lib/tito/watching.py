"""Do something again whenever a notebook is saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from tito.course import Chapter
from tito.errors import TitoError
from tito.state import State
from tito.workspace import notebook_path

SECONDS = 0.5


def on_each_save(chapter: Chapter, state: State, work: Callable[[], object]) -> None:
    """Call `work` now and after each save, until the user stops it.

    A notebook that cannot be read for a moment, as while it is being saved, ends nothing.
    """
    path = notebook_path(state, chapter)
    seen = None
    click.echo(f"watching {path}; Ctrl+C ends it", err=True)
    try:
        while True:
            now = _saved(path)
            if now and now != seen:
                seen = now
                try:
                    work()
                except (TitoError, OSError) as error:
                    click.echo(f"tito: {error}", err=True)
            time.sleep(SECONDS)
    except KeyboardInterrupt:
        click.echo("tito: no longer watching", err=True)


def _saved(path: Path) -> int | None:
    """Return when a file was saved, or None while it is not there, as between delete and save."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
