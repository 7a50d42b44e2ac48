"""Run an nbgrader command inside of the house, with a clock for each student and a watchman."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from .courses import BIN
from .house import HOME, MIB
from .submission import COURSE

KEPT_LINES = 60
MOST_MEMORY, MOST_PROCESSES = 8 * 1024 * MIB, 700


class Command:
    """One nbgrader command in the course."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.seconds_of: dict[str, float] = {}
        self.student: str | None = None
        self._since = time.monotonic()

    def run(self, seconds: float) -> dict[str, object]:
        """Run it, for no longer than `seconds`; return how it ended and the end of its log."""
        started = time.monotonic()
        kept = {name: os.environ[name] for name in ("PATH", "EXAM_KEY") if name in os.environ}
        process = subprocess.Popen(
            [BIN / "nbgrader", *self.arguments],
            cwd=COURSE,
            env=kept | {"HOME": str(HOME), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        lines: list[str] = []
        reader = threading.Thread(target=self._read, args=(process, lines), daemon=True)
        reader.start()
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reader.join(5)
        self._next(None)
        took = round(time.monotonic() - started, 1)
        return {"code": code, "seconds": took, "log": lines[-KEPT_LINES:]}

    def _read(self, process: subprocess.Popen[bytes], lines: list[str]) -> None:
        """Keep the log, and note when the work on each student began."""
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()[:500]
            lines.append(line)
            del lines[: -10 * KEPT_LINES]
            found = re.search(r"/(?:submitted|autograded)/([^/]+)/", line)
            if found and found[1] != self.student:
                self._next(found[1])

    def _next(self, student: str | None) -> None:
        now = time.monotonic()
        if self.student is not None:
            before = self.seconds_of.get(self.student, 0.0)
            self.seconds_of[self.student] = round(before + now - self._since, 2)
        self.student, self._since = student, now


class Watch:
    """Looks at all processes and ends them when they are about to harm the real machine.

    `peaks` has the most memory, in MiB, that they held together while a student was graded.
    """

    def __init__(self, command: Command) -> None:
        self.peaks: dict[str, int] = {}
        self._command = command
        self._stopped: list[str] = []
        self._before = memory_of_the_machine()
        self._on = True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> list[str]:
        """Return why everything was ended, if it was."""
        self._on = False
        self._thread.join()
        return self._stopped

    def _watch(self) -> None:
        while self._on:
            # One counts copies that forks share as often as there are forks, the other counts
            # what else the machine does.
            private, shared = memory_of_the_machine()
            held = min(private_memory(), max(0, private - self._before[0]))
            held += max(0, shared - self._before[1])
            count = len(others())
            student = self._command.student
            if student is not None:
                self.peaks[student] = max(self.peaks.get(student, 0), held // MIB)
            if held > MOST_MEMORY or count > MOST_PROCESSES:
                self._stopped.append(f"{held // MIB} MiB in {count} processes, at {student}")
                os.kill(-1, signal.SIGKILL)
            time.sleep(0.1)


def others() -> dict[int, str]:
    """Return the command lines of all processes but this one and the first."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
                text = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if state != "Z":
                found[int(name)] = text.decode(errors="replace").strip()[:200]
    return found


def private_memory() -> int:
    """Return the bytes that processes hold and share with no file, counting copies twice."""
    total, page = 0, os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                _, resident, shared, *_ = Path(f"/proc/{name}/statm").read_text().split()
            except (OSError, ValueError):
                continue
            total += (int(resident) - int(shared)) * page
    return total


def memory_of_the_machine() -> tuple[int, int]:
    """Return the bytes that all processes hold, and those of shared memory and files in memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    sizes = {
        name: int(size.split()[0]) * 1024 for name, _, size in (x.partition(":") for x in lines)
    }
    return sizes["AnonPages"], sizes["Shmem"]
