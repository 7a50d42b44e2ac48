"""What one kernel may use."""

import resource
from dataclasses import asdict, dataclass
from typing import Any

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds of one kernel and all processes it starts.

    `memory_bytes` bounds the address space of a process, so that too much is a MemoryError in the
    student's cell, and the memory of all processes together, beyond which the kernel is ended.
    `scratch_bytes` and `scratch_files` bound what the kernel may write, in /tmp and in /dev/shm.
    """

    memory_bytes: int = 4096 * MIB
    cpu_seconds: int = 600
    processes: int = 256
    open_files: int = 512
    file_bytes: int = 256 * MIB
    scratch_bytes: int = 512 * MIB
    scratch_files: int = 20_000

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self) -> None:
        """Hold this process and its children to these bounds; they cannot be raised again."""
        for kind, bound in (
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_CPU, self.cpu_seconds),
            (resource.RLIMIT_NPROC, self.processes),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_FSIZE, self.file_bytes),
            (resource.RLIMIT_CORE, 1),  # none; with 0 the machine's own crash handler still runs
            (resource.RLIMIT_MEMLOCK, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
        ):
            resource.setrlimit(kind, (bound, bound))
