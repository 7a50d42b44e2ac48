"""What one kernel may use."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one kernel process.

    `memory_bytes` bounds the address space, so that too much is a MemoryError in the student's
    cell and not a machine out of memory.
    """

    memory_bytes: int = 4 * 2**30
    cpu_seconds: int = 300
    file_bytes: int = 256 * 2**20
    open_files: int = 512

    def apply(self, pid: int) -> None:
        """Hold a running process to these bounds; it can lower them and never raise them."""
        for kind, bound in (
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_CPU, self.cpu_seconds),
            (resource.RLIMIT_FSIZE, self.file_bytes),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.prlimit(pid, kind, (bound, bound))
