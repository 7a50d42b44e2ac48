"""Start a kernel by forking a warm process, in the sandbox.

The entry point `autograder-sandbox` of `jupyter_client.kernel_provisioners`.
"""

import asyncio
import atexit
import itertools
import os
import shutil
import signal
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from autograder.kernels.limits import Limits
from autograder.kernels.warm import Confined, Warm, WarmProcess

PORTS = ("shell", "iopub", "stdin", "control", "hb")
POLL_SECONDS = 0.01
_count = itertools.count(1)


@cache
def shared_warm(warm: Warm) -> WarmProcess:
    """Return the warm process of this program for `warm`; it ends with the program."""
    process = WarmProcess(warm)
    atexit.register(process.close)
    return process


def next_number() -> int:
    """Return a number that no other kernel of this machine has now: its user is made of it."""
    return (os.getpid() << 12 | next(_count) & 0xFFF) & 0x3FFFFFFF


class WarmProvisioner(KernelProvisionerBase):
    """A kernel forked from a process that has imported what it needs.

    `start_kernel` of the kernel manager takes, all optional: `warm`, `limits`, `number`,
    `channel` (a socket that the kernel gets), `request` (what else it is told) and `archive` (a
    tar file to fill its folder from).
    """

    confined: Confined | None = None
    _folder: str | None = None

    @property
    def has_process(self) -> bool:
        return self.confined is not None

    async def poll(self) -> int | None:
        return 0 if self.confined is None else self.confined.exit_code()

    async def wait(self) -> int | None:
        while self.confined is not None and self.confined.exit_code() is None:
            await asyncio.sleep(POLL_SECONDS)
        code = await self.poll()
        self._end()
        return code

    async def send_signal(self, signum: int) -> None:
        if self.confined is not None:
            if signum == signal.SIGKILL:
                self._end()
            else:
                self.confined.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        self._end()

    async def terminate(self, restart: bool = False) -> None:
        self._end()

    async def cleanup(self, restart: bool = False) -> None:
        self._end()
        if self._folder is not None and not restart:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager: Any = self.parent
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="kernel-")
            manager.transport = "ipc"
            manager.ip = str(Path(self._folder, "k"))
            for port, name in enumerate(PORTS, 1):
                setattr(manager, f"{name}_port", port)
        self.connection_info = manager.get_connection_info()
        kwargs.pop("extra_arguments", None)
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        connection: dict[str, Any] = dict(self.connection_info)
        connection["key"] = connection["key"].decode()
        sockets = [self._listen(port) for port in range(1, len(PORTS) + 1)]
        descriptors = [listening.fileno() for listening in sockets]
        if kwargs.get("channel") is not None:
            descriptors.append(kwargs["channel"].fileno())
        warm = shared_warm(kwargs.get("warm") or Warm("autograder.kernels.student"))
        try:
            self.confined = warm.start(
                {"connection": connection, **(kwargs.get("request") or {})},
                descriptors,
                kwargs.get("limits") or Limits(),
                kwargs.get("number") or next_number(),
                archive=kwargs.get("archive"),
            )
        finally:
            for listening in sockets:
                listening.close()
        return self.connection_info

    def _listen(self, port: int) -> socket.socket:
        manager: Any = self.parent
        path = f"{manager.ip}-{port}"
        Path(path).unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(16)
        return listening

    def _end(self) -> None:
        if self.confined is not None:
            self.confined.close()
            self.confined = None
