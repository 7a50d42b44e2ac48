"""Ctrl+C that is not lost where Python cannot raise it."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

AGAIN_SECONDS = 0.05


@contextlib.contextmanager
def never_lost() -> Iterator[None]:
    """Raise KeyboardInterrupt again, a moment later, where it fell into a finalizer.

    Python can only print what is raised while it collects garbage, and goes on; a library's
    connection that is closed there would eat the one Ctrl+C that the user typed.
    """
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            main = threading.main_thread().ident
            again = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT))
            again.daemon = True
            again.start()
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
