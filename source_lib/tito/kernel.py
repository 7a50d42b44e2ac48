"""A fresh kernel on this interpreter, and a client that keeps errors and nothing else."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async, run_sync
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_notebook

from tito.errors import TitoError

CELL_SECONDS, STOP_SECONDS = 120, 10


class ErrorsOnly(NotebookClient):
    """Runs cells and forgets what they print and plot: a loop that prints would fill the memory.

    `ended` says in words how a cell ended the kernel; it is empty while the kernel runs.
    """

    ended = ""

    async def _async_handle_timeout(self, timeout: int, cell: Any = None) -> Any:
        """Interrupt the cell, and end the kernel where that did not help."""
        assert self.km is not None
        assert self.kc is not None
        await ensure_async(self.km.interrupt_kernel())
        try:
            return await ensure_async(self.kc.shell_channel.get_msg(timeout=STOP_SECONDS))
        except Empty:
            self.ended = "it ran for too long, and could not be interrupted"
            await ensure_async(self.km.shutdown_kernel(now=True))
            raise DeadKernelError(self.ended) from None

    def note_exit(self, execute_reply: Any = None, **_: Any) -> None:
        """Note that a cell called `exit()`: the kernel lives a moment longer, for some cells."""
        payload = (execute_reply or {}).get("content", {}).get("payload", [])
        if any(part.get("source") == "ask_exit" for part in payload):
            self.ended = "it ends Python, by exit() or quit()"

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
        allow_errors=True,
        resources={"metadata": {"path": folder}},
    )
    client.on_cell_executed = client.note_exit
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
