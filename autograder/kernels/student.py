"""The kernel that student code runs in: ipykernel, on sockets that were opened outside."""

import asyncio
import io
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp
from traitlets.config import Config

from autograder.kernels.output import bound_output
from autograder.trust.shared import Shared
from autograder.trust.student_side import StudentSide

BACKEND = "module://matplotlib_inline.backend_inline"
PORTS = ("shell", "iopub", "stdin", "control", "hb")


class ForkedKernelApp(IPKernelApp):
    """ipykernel without what a forked, confined kernel has no use for.

    The sockets listen already, so that the kernel needs no folder in common with the outside.
    `on_channel` serves the channel to the checker, in the main thread, between cells.
    """

    listening: dict[int, int]
    on_channel: Callable[[], None]
    channel: int | None

    def init_connection_file(self) -> None:
        pass

    def write_connection_file(self, **kwargs: Any) -> None:
        pass

    def init_poller(self) -> None:
        pass

    def init_iopub(self, context: Any) -> None:
        self.iopub_socket = context.socket(zmq.XPUB)
        self.iopub_socket.linger = 1000
        self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)
        # Without the pipe for output of child processes, which needs a network interface.
        self.iopub_thread = IOPubThread(self.iopub_socket, pipe=False, session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_heartbeat(self) -> None:
        os.close(self.listening[self.hb_port])

    def init_blackhole(self) -> None:
        pass

    def init_crash_handler(self) -> None:
        pass

    def _try_bind_socket(self, s: Any, port: int) -> int:
        s.setsockopt(zmq.USE_FD, self.listening[port])
        s.bind(f"ipc://{self.ip}-{port}")
        return port

    def start(self) -> None:
        if self.channel is not None:
            loop = asyncio.get_event_loop()
            loop.add_reader(self.channel, self.on_channel)
        super().start()


def warm() -> None:
    """Import and use once what every kernel imports and uses."""
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # a debugger costs start-up time
    import matplotlib

    matplotlib.use(BACKEND)
    from matplotlib import pyplot

    figure, axis = pyplot.subplots()
    axis.plot([0, 1])
    axis.set_title("warm")
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close("all")
    import numpy

    numpy.linalg.inv(numpy.eye(3))


def run(request: dict[str, Any], descriptors: list[int]) -> None:
    """Serve one kernel until it is shut down.

    The descriptors are the listening sockets in the order of `PORTS`, then the channel to the
    checker if there is one.
    """
    connection = request["connection"]
    app = ForkedKernelApp.instance(config=settings(connection))
    app.listening = {
        connection[f"{name}_port"]: descriptor
        for name, descriptor in zip(PORTS, descriptors, strict=False)
    }
    app.channel = descriptors[len(PORTS)] if len(descriptors) > len(PORTS) else None
    app.initialize([])
    assert app.kernel is not None
    bound_output(app.kernel.shell)
    show_figures(app.kernel.shell)
    if app.channel is not None:
        shared = Shared(*(tuple(request.get(n, ())) for n in ("packages", "withheld", "given")))
        channel = socket.socket(fileno=app.channel)
        side = StudentSide(channel, app.kernel.shell.user_ns, shared)
        app.on_channel = side.serve_waiting
    app.start()


def show_figures(shell: Any) -> None:
    """Show the figures that a cell leaves open; matplotlib was imported before the shell."""
    from IPython.core.pylabtools import activate_matplotlib
    from matplotlib_inline.backend_inline import configure_inline_support

    activate_matplotlib(BACKEND)
    configure_inline_support(shell, BACKEND)


def settings(connection: dict[str, Any]) -> Config:
    """Return the configuration of a kernel for this connection."""
    config = Config()
    for name in ("transport", "ip", *(f"{port}_port" for port in PORTS)):
        config.ForkedKernelApp[name] = connection[name]
    config.ForkedKernelApp.capture_fd_output = False
    config.ForkedKernelApp.outstream_class = "autograder.kernels.output.BoundedStream"
    config.ForkedKernelApp.exec_PYTHONSTARTUP = False
    config.Session.key = connection["key"].encode()
    config.Session.signature_scheme = connection["signature_scheme"]
    config.HistoryManager.enabled = False
    return config
