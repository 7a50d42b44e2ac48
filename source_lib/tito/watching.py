"""Do something again whenever a notebook is saved."""

from __future__ import annotations

import time
from collections.abc import Callable

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
    while True:
        now = path.stat().st_mtime_ns if path.is_file() else seen
        if now != seen:
            seen = now
            try:
                work()
            except TitoError as error:
                click.echo(f"tito: {error}", err=True)
        time.sleep(SECONDS)
