"""What a command costs: wall time, processor time and memory of all its processes.

A control group of version 2 counts every process that was ever in it, however it was started,
reparented or collected, which `getrusage` does not: it misses the children of a child that ignores
their end, as the process does that kernels are forked from.
"""

import contextlib
import itertools
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
SAMPLE_SECONDS = 0.05
END_SECONDS = 10.0
_count = itertools.count()


@dataclass(frozen=True)
class Usage:
    """`others` is the share of the machine's processors that something else used meanwhile."""

    wall_s: float
    cpu_s: float
    others: float
    memory_bytes: int | None = None
    processes_left: int = 0


def own_group() -> Path | None:
    """Return the folder of this process's control group, or None where there is no version 2."""
    for row in Path("/proc/self/cgroup").read_text().splitlines():
        if row.startswith("0::"):
            inside = row[3:].lstrip("/")
            for mount in MOUNTS:
                if (mount / "cgroup.controllers").is_file() and (mount / inside).is_dir():
                    return mount / inside
    return None


def exact() -> bool:
    """Tell whether processor time is counted by a control group here."""
    try:
        with _group():
            return True
    except OSError:
        return False


def cpu_seconds(group: Path) -> float:
    """Return the processor time of all processes that are or were in a group."""
    usage = (group / "cpu.stat").read_text().split()
    return int(usage[usage.index("usage_usec") + 1]) / 1e6


def measure(
    command: list[str],
    folder: Path,
    environment: dict[str, str],
    limit_s: float,
    with_memory: bool = False,
) -> tuple[Usage, subprocess.CompletedProcess[str]]:
    """Run a command in `folder` and return what it cost, and its output and exit code.

    Memory is the largest sum, over samples, of the proportional set sizes of its processes.
    Taking samples costs time, so it is for runs of their own.
    Without control groups the processor time is that of processes collected by their parents.
    Raises subprocess.TimeoutExpired; the command is ended before.
    """
    if not exact():
        return _measure_collected(command, folder, environment, limit_s)
    with _group() as group:
        busy, started = _busy_seconds(), time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: (group / "cgroup.procs").write_text("0") and None,
        )  # fmt: skip
        largest = 0
        try:
            if with_memory:
                while process.poll() is None:
                    largest = max(largest, _memory(group))
                    time.sleep(SAMPLE_SECONDS)
                    if time.monotonic() - started > limit_s:
                        raise subprocess.TimeoutExpired(command, limit_s)
            output, _ = process.communicate(timeout=limit_s)
            wall_s = time.monotonic() - started
            left = _wait_until_empty(group)
        finally:
            (group / "cgroup.kill").write_text("1")
            process.wait()
            _wait_until_empty(group)
        cpu_s = cpu_seconds(group)
        lasted = time.monotonic() - started
        others = (_busy_seconds() - busy - cpu_s) / (lasted * (os.cpu_count() or 1))
    done = subprocess.CompletedProcess(command, process.returncode, output)
    return Usage(wall_s, cpu_s, max(others, 0.0), largest or None, left), done


@contextlib.contextmanager
def _group() -> Iterator[Path]:
    above = own_group()
    if above is None:
        raise FileNotFoundError("no control groups of version 2")
    group = above / f"grading-bench-{os.getpid()}-{next(_count)}"
    group.mkdir()
    try:
        yield group
    finally:
        group.rmdir()


def _wait_until_empty(group: Path) -> int:
    """Wait for the last process to end; return how many still run after some time."""
    end = time.monotonic() + END_SECONDS
    while "populated 1" in (group / "cgroup.events").read_text():
        if time.monotonic() > end:
            return len((group / "cgroup.procs").read_text().split())
        time.sleep(0.005)
    return 0


def _memory(group: Path) -> int:
    """Return the bytes that the group's processes hold, each shared page divided by its sharers."""
    total = 0
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if row.startswith("Pss:"):
                    total += 1024 * int(row.split()[1])
    return total


def _busy_seconds() -> float:
    """Return the processor seconds of the whole machine that were not idle, stolen ones too."""
    fields = Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _measure_collected(
    command: list[str], folder: Path, environment: dict[str, str], limit_s: float
) -> tuple[Usage, subprocess.CompletedProcess[str]]:
    busy, before, started = _busy_seconds(), _collected(), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, timeout=limit_s, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wall_s, cpu_s = time.monotonic() - started, _collected() - before
    others = (_busy_seconds() - busy - cpu_s) / (wall_s * (os.cpu_count() or 1))
    return Usage(wall_s, cpu_s, max(others, 0.0)), done


def _collected() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
