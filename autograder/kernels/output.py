"""What a kernel sends of its output: up to a limit a cell, so that a flood costs nobody's points.

This keeps honest code within bounds; for what is sent past it, the grader keeps its own count.
"""

import sys
from typing import Any

from ipykernel.iostream import OutStream

MAX_CHARACTERS = 2**20
MAX_MESSAGES = 500
CUT = "\n[the rest of this cell's output is left out]\n"


class BoundedStream(OutStream):
    """A stream to the notebook that stops writing after `MAX_CHARACTERS` of a cell.

    Processes that the cell starts have no way to the notebook, so what they print is dropped.
    """

    left = MAX_CHARACTERS
    flushes = MAX_MESSAGES

    def write(self, string: str) -> int:
        if isinstance(string, str):
            if not self._is_master_process() or self.left <= 0:
                return len(string)
            self.left -= len(string)
            if self.left <= 0:
                super().write(string[: self.left + len(string)] + CUT)
                return len(string)
        super().write(string)
        return len(string)

    def flush(self) -> None:
        if self.flushes > 0 and self._is_master_process():
            self.flushes -= 1
            super().flush()

    def send_now(self) -> None:
        """Send what was printed, which counts for no flush of the cell's."""
        self._flush()

    def _schedule_flush(self) -> None:
        if not self._flush_pending:
            self._flush_pending = True
            self.pub_thread.send_soon(self)


class BoundedDisplays:
    """Drops displays after `MAX_MESSAGES` of a cell; a hook of IPython's display publisher."""

    def __init__(self) -> None:
        self.left = MAX_MESSAGES

    def __call__(self, message: Any) -> Any:
        self.left -= 1
        return message if self.left >= 0 else None


def bound_output(shell: Any) -> None:
    """Hold the cells of a shell to the limits, each from anew."""
    displays = BoundedDisplays()
    shell.display_pub.register_hook(displays)
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, BoundedStream)]

    def start_anew(*_: Any) -> None:
        displays.left = MAX_MESSAGES
        for stream in streams:
            stream.left, stream.flushes = MAX_CHARACTERS, MAX_MESSAGES

    shell.events.register("pre_run_cell", start_anew)
