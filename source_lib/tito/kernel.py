"""A fresh kernel on this interpreter, and a client that keeps errors and nothing else."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbformat.v4 import new_notebook

from tito.errors import TitoError

CELL_SECONDS = 120


class ErrorsOnly(NotebookClient):
    """Runs cells and forgets what they print and plot: a loop that prints would fill the memory."""

    def output(self, outs: list[Any], msg: Any, display_id: Any, cell_index: int) -> Any:
        if msg["msg_type"] != "error":
            return None
        return super().output(outs, msg, display_id, cell_index)


@contextmanager
def kernel_for(cells: list[Any], folder: str, environment: dict[str, str]) -> Iterator[ErrorsOnly]:
    """Start a kernel in a folder for cells of nbformat, and end it whatever happens.

    Raises TitoError when none can be started.
    """
    manager = _manager()
    client = ErrorsOnly(
        new_notebook(cells=cells),  # type: ignore[no-untyped-call]
        km=manager,
        timeout=CELL_SECONDS,
        interrupt_on_timeout=True,
        allow_errors=True,
        resources={"metadata": {"path": folder}},
    )
    client.log.setLevel(logging.CRITICAL)  # what it would say is in the results
    try:
        _start(client, os.environ | environment)
        yield client
    finally:
        # Also when Ctrl+C came while it was starting, where the client's own way leaves it behind.
        run_sync(manager.shutdown_kernel)(now=True)
        if client.kc is not None:
            client.kc.stop_channels()


def _start(client: ErrorsOnly, environment: dict[str, str]) -> None:
    try:
        client.start_new_kernel(env=environment, stderr=subprocess.DEVNULL)
        client.start_new_kernel_client()
    except RuntimeError as error:
        raise TitoError(f"no kernel could be started ({error}); see 'tito doctor'", 1) from error


def _manager() -> AsyncKernelManager:
    """Return a manager of a kernel on this interpreter, whatever kernels are registered."""
    manager = AsyncKernelManager(kernel_name="python3")
    try:
        spec = manager.kernel_spec
    except NoSuchKernel:
        spec = None
    if spec is None or importlib.util.find_spec("ipykernel_launcher") is None:
        raise TitoError(
            "no Jupyter kernel is installed; 'python -m pip install ipykernel' gets one", 1
        )
    spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    return manager
