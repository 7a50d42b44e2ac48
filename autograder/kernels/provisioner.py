"""Start a grading kernel within its bounds, in an environment that holds no secrets."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from autograder.kernels.limits import Limits

KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class BoundedProvisioner(LocalProvisioner):
    """A local kernel with limits, started in its own process group, ended with all of it.

    The entry point `tinytorch-bounded` of `jupyter_client.kernel_provisioners`.
    The caller passes `limits`, and by `env` the variables the kernel gets beside those in `KEPT`.
    """

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        self.limits: Limits = kwargs.pop("limits", Limits())
        prepared: dict[str, Any] = await super().pre_launch(**kwargs)
        prepared["cmd"][0] = sys.executable
        return prepared

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        kwargs.update(
            env=kernel_environment(kwargs.get("env", {})),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        connection = await super().launch_kernel(cmd, **kwargs)
        assert self.pid is not None
        self.limits.apply(self.pid)
        return connection

    async def cleanup(self, restart: bool = False) -> None:
        """End what the kernel started and left in its process group."""
        if self.pgid and self.pgid != os.getpgrp():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pgid, signal.SIGKILL)
        await super().cleanup(restart)


def kernel_environment(given: dict[str, str]) -> dict[str, str]:
    """Return the environment of a kernel: a few variables of this process, then its own."""
    inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {
        name: given[name]
        for name in ("PYTHONPATH", "HOME", "IPYTHONDIR", "MPLCONFIGDIR")
        if name in given
    }
    return inherited | own | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
