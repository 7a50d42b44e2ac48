"""The kernel that student code runs in: ipykernel, on sockets that were opened outside.

What ipykernel does at its start is divided in two.
The warm process makes the shell and the kernel once, and each fork adds what is its own: the
sockets, the session and the thread for output.
Much of the time of a start is copying pages on their first write, so what runs before the fork is
saved twice.
"""

import asyncio
import importlib
import io
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import zmq
from ipykernel import zmqshell
from ipykernel.compiler import XCachingCompiler
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from IPython.core.profiledir import ProfileDir
from jupyter_client.session import Session
from traitlets import observe
from traitlets.config import Config
from zmq.eventloop.zmqstream import ZMQStream

from autograder.kernels.output import bound_output
from autograder.kernels.publisher import Publisher
from autograder.trust.shared import Shared
from autograder.trust.student_side import StudentSide

CHUNK = 2**16
BACKEND = "module://matplotlib_inline.backend_inline"
FOLDER = "/scratch/home/.ipython"
IMPORTED_LATE = (  # by ipykernel when it starts and runs its first cell
    "faulthandler",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.oinspect",
    "tornado.platform.asyncio",
)
PORTS = ("shell", "iopub", "stdin", "control", "hb")


class UnmadeProfile(ProfileDir):
    """The profile of a kernel, whose folders nobody makes before they are used."""

    @observe("location")
    def _location_changed(self, change: Any) -> None:
        self.startup_dir = f"{change['new']}/startup"

    @observe("startup_dir")
    def check_startup_dir(self, change: Any = None) -> None:
        pass


class ZMQInteractiveShell(zmqshell.ZMQInteractiveShell):
    """ipykernel's shell, by the name that libraries look for, made where its folder is not."""

    @observe("ipython_dir")
    def _ipython_dir_changed(self, change: Any) -> None:
        pass

    def system_piped(self, cmd: str) -> None:
        """Run a line that begins with an exclamation mark; there are no terminals to run it in."""
        with subprocess.Popen(
            self.var_expand(cmd, depth=1),
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            while text := process.stdout.read(CHUNK):
                sys.stdout.write(text)
        self.user_ns["_exit_code"] = process.returncode

    system = system_piped


class NoThread:
    """Stands where ipykernel has a thread that serves further shells: there are none."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class ForkedKernel(IPythonKernel):
    """ipykernel's kernel, which takes its messages in the main thread."""

    _supports_kernel_subshells = False


class ForkedKernelApp(IPKernelApp):
    """ipykernel without what a forked, confined kernel has no use for.

    The sockets listen already, so that the kernel needs no folder in common with the outside.
    `on_channel` serves the channel to the checker, in the main thread, between cells.
    """

    listening: dict[int, int]
    on_channel: Callable[[], None]
    channel: int | None = None
    shell: ZMQInteractiveShell

    def prepare(self) -> None:
        """Make the shell and the kernel, in the warm process."""
        self.init_pdb()
        self.profile_dir = UnmadeProfile(location=f"{FOLDER}/profile_default")
        ZMQInteractiveShell.instance(
            config=self.config,
            ipython_dir=FOLDER,
            profile_dir=self.profile_dir,
            user_ns={},
            compiler_class=XCachingCompiler,
        )
        self.kernel = ForkedKernel.instance(
            parent=self,
            log=self.log,
            profile_dir=self.profile_dir,
            shell_channel_thread=NoThread(),
        )
        self.init_shell()
        self.shell.kernel = self.kernel
        self.init_extensions()
        self.shell.user_ns_hidden.update(self.shell.user_ns)
        self.shell._sys_modules_keys = set(sys.modules)

    def connect(self, connection: dict[str, Any]) -> None:
        """Serve the sockets of one kernel, in the process that was forked for it."""
        for name in ("transport", "ip", *(f"{port}_port" for port in PORTS)):
            setattr(self, name, connection[name])
        self.session = Session(
            parent=self,
            key=connection["key"].encode(),
            signature_scheme=connection["signature_scheme"],
        )
        self.init_path()
        self.init_sockets()
        os.close(self.listening[self.hb_port])
        self.init_io()
        self.init_signal()
        kernel, shell = self.kernel, self.shell
        kernel._stdout, kernel._stderr = sys.stdout, sys.stderr
        kernel.ident = str(uuid.uuid4())
        kernel.session = self.session
        kernel.shell_stream = ZMQStream(self.shell_socket)
        kernel.control_stream = ZMQStream(self.control_socket)
        kernel.stdin_socket = self.stdin_socket
        kernel.iopub_thread, kernel.iopub_socket = self.iopub_thread, self.iopub_socket
        publishers: tuple[Any, Any] = (shell.displayhook, shell.display_pub)
        for publisher in publishers:
            publisher.session, publisher.pub_socket = self.session, self.iopub_socket
        publishers[0].topic = kernel._topic("execute_result")
        self.displayhook.get_execution_count = lambda: kernel.execution_count

    def init_control(self, context: Any) -> None:
        self.control_socket = context.socket(zmq.ROUTER)
        self.control_socket.linger = 1000
        self.control_port = self._bind_socket(self.control_socket, self.control_port)

    def init_iopub(self, context: Any) -> None:
        self.iopub_socket = context.socket(zmq.PUB)
        self.iopub_socket.linger = 1000
        self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)
        self.iopub_thread = Publisher(self.iopub_socket, self.session)
        self.iopub_socket = self.iopub_thread.background_socket

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
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    import matplotlib
    import numpy
    from IPython.core.pylabtools import activate_matplotlib
    from matplotlib import pyplot
    from matplotlib_inline.backend_inline import configure_inline_support

    app = ForkedKernelApp.instance(config=settings())
    app.prepare()
    matplotlib.use(BACKEND)
    activate_matplotlib(BACKEND)
    configure_inline_support(app.shell, BACKEND)
    pyplot.uninstall_repl_displayhook()  # it draws what `flush_figures` then draws and closes
    figure, axis = pyplot.subplots()
    axis.plot([0, 1])
    axis.set_title("warm")
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    pyplot.close("all")
    numpy.linalg.inv(numpy.eye(3))


def run(request: dict[str, Any], descriptors: list[int]) -> None:
    """Serve one kernel until it is shut down.

    The descriptors are the listening sockets in the order of `PORTS`, then the channel to the
    checker if there is one.
    """
    connection = request["connection"]
    app = ForkedKernelApp.instance()
    app.listening = {
        connection[f"{name}_port"]: descriptor
        for name, descriptor in zip(PORTS, descriptors, strict=False)
    }
    app.channel = descriptors[len(PORTS)] if len(descriptors) > len(PORTS) else None
    app.connect(connection)
    bound_output(app.shell)
    if app.channel is not None:
        shared = Shared(*(tuple(request[name]) for name in ("packages", "withheld", "given")))
        channel = socket.socket(fileno=app.channel)
        side = StudentSide(channel, app.shell.user_ns, shared)
        app.on_channel = side.serve_waiting
    app.start()


def settings() -> Config:
    """Return the configuration of every kernel."""
    config = Config()
    config.ForkedKernelApp.capture_fd_output = False
    config.ForkedKernelApp.outstream_class = "autograder.kernels.output.BoundedStream"
    config.HistoryManager.enabled = False
    return config
