"""Commands that are disturbed while they run, and what is left of them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .small_class import BIN, environment

SET_CHILD_SUBREAPER = 36


class Family:
    """A command with all it starts: what loses its parent becomes a child of this process."""

    def __init__(self, root: Path, *command: str, **extra: Any) -> None:
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.before = set(children(os.getpid()))
        self.process = subprocess.Popen(
            [BIN / command[0], *command[1:]],
            cwd=root,
            env=environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Tests that run in the background of a shell were told to ignore Ctrl+C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **extra,
        )

    def signal(self, number: int) -> None:
        """Send a signal to the command's process group, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def finish(self, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Wait for the command's end."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        finally:
            self.signal(signal.SIGKILL)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)

    def left(self, seconds: float = 15) -> list[str]:
        """Return what still runs of the command's family after waiting for it to end."""
        end = time.monotonic() + seconds
        while True:
            known = {*self.before, self.process.pid}
            found = [pid for pid in children(os.getpid()) if pid not in known]
            for pid in found:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            found = [pid for pid in found if Path(f"/proc/{pid}").exists()]
            if not found or time.monotonic() > end:
                return [command_line(pid) for pid in found]
            time.sleep(0.05)

    def wait_for(self, wanted: Callable[[int], bool], seconds: float = 60) -> list[int]:
        """Return the processes of the family that are `wanted`, once there are any."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            found = [pid for pid in descendants(self.process.pid) if wanted(pid)]
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"what was waited for did not come: {self.finish(1)}")


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Return the processes that `pid` started, and those that they started."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> str:
    """Return the command of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def depth_in_zygote(pid: int) -> int:
    """Return how many processes of a zygote's are above this one; -1 for other processes.

    The first waits, the second is the one that forks, the third watches a kernel, the fourth is it.
    """
    depth = -1
    while "autograder.kernels.zygote" in command_line(pid):
        depth += 1
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return depth


def is_worker(pid: int) -> bool:
    """Tell whether it is one of the processes that `--workers` asks for."""
    return "multiprocessing.spawn" in command_line(pid)
