"""Kernels and confined processes for the tests of this folder."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.manager import KernelManager

from autograder.kernels.limits import Limits
from autograder.kernels.specs import GRADING_KERNEL, CourseKernelSpecManager
from autograder.kernels.warm import Confined, Warm, WarmProcess

BODY = '''
"""Runs the code of a request; what `say` is called with and errors go to its first descriptor."""

import os


def warm():
    pass


def run(request, descriptors):
    def say(*values):
        os.write(descriptors[0], (" ".join(map(str, values)) + "\\n").encode())

    try:
        exec(request["code"], {"os": os, "say": say, "descriptors": descriptors})
    except BaseException as error:
        say(f"{type(error).__name__}: {error}")
        raise
'''
_numbers = itertools.count(1)


class Kernel:
    """A running grading kernel."""

    def __init__(self, **arguments: Any) -> None:
        self.manager = KernelManager(
            kernel_name=GRADING_KERNEL, kernel_spec_manager=CourseKernelSpecManager()
        )
        self.manager.start_kernel(**arguments)
        try:
            self.connect()
        except BaseException:
            self.close()
            raise

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels(hb=False)
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str, seconds: float = 60) -> str:
        """Return what a cell with this code prints, and shows, and "Class: words" of its error."""
        said = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                said.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")

        self.client.execute_interactive(
            code, timeout=seconds, output_hook=hear, allow_stdin=False, stop_on_error=False
        )
        return "".join(said).strip()

    @property
    def confined(self) -> Confined:
        found: Confined = self.manager.provisioner.confined
        return found

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def start_kernel() -> Iterator[Callable[..., Kernel]]:
    """Return a function that starts a kernel, which ends with the test."""
    with ExitStack() as stack:

        def start(**arguments: Any) -> Kernel:
            kernel = Kernel(**arguments)
            stack.callback(kernel.close)
            return kernel

        yield start


@pytest.fixture(scope="session")
def new_kernel() -> type[Kernel]:
    """What starts a kernel that the caller closes."""
    return Kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A kernel for tests that only look around in it."""
    found = Kernel()
    yield found
    found.close()


@pytest.fixture(scope="session")
def plain_body(tmp_path_factory: pytest.TempPathFactory) -> Warm:
    """What is warm, and runs, when nothing but a few lines of Python are needed."""
    library = tmp_path_factory.mktemp("library")
    (library / "plain_body.py").write_text(BODY)
    return Warm("plain_body", library)


@pytest.fixture(scope="session")
def plain_warm(plain_body: Warm) -> Iterator[WarmProcess]:
    """A warm process whose children run the code they are given."""
    warm = WarmProcess(plain_body)
    yield warm
    warm.close()


@pytest.fixture(scope="module")
def run_confined(plain_warm: WarmProcess) -> Callable[..., str]:
    """Return a function that runs code in a process of its own and returns what that said."""

    def run(
        code: str, limits: Limits | None = None, of: WarmProcess = plain_warm, **arguments: Any
    ) -> str:
        said, process = start_process(of, code, limits, **arguments)
        try:
            process.wait(30)
            return said()
        finally:
            process.close()

    return run


@pytest.fixture
def confined(run_confined: Callable[..., str]) -> Callable[..., str]:
    """Return `run_confined`, in fewer letters."""
    return run_confined


@pytest.fixture
def start_confined(plain_warm: WarmProcess) -> Iterator[Callable[..., Confined]]:
    """Return a function that starts a process with code; it ends with the test."""
    with ExitStack() as stack:

        def start(code: str, limits: Limits | None = None, **arguments: Any) -> Confined:
            _, process = start_process(plain_warm, code, limits, **arguments)
            stack.callback(process.close)
            return process

        yield start


def start_process(
    warm: WarmProcess, code: str, limits: Limits | None = None, **arguments: Any
) -> tuple[Callable[[], str], Confined]:
    """Start a process with code; return a function for what it has said, and the process."""
    ours, theirs = os.pipe()
    try:
        number = arguments.pop("number", next(_numbers))
        request = {"code": code} | arguments.pop("request", {})
        process = warm.start(request, [theirs], limits or Limits(), number, **arguments)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)

    def said() -> str:
        with os.fdopen(ours, "rb") as pipe:
            os.set_blocking(ours, False)
            return (pipe.read() or b"").decode().strip()

    return said, process


@pytest.fixture(scope="session")
def started_from() -> Callable[[WarmProcess], set[int]]:
    """Return a function for the ids of all processes below a warm process, and of itself."""

    def found(warm: WarmProcess) -> set[int]:
        assert warm._process is not None
        top = psutil.Process(warm._process.pid)
        return {top.pid, *(process.pid for process in top.children(recursive=True))}

    return found


@pytest.fixture
def host_file(tmp_path: Path) -> Path:
    """A file of the person who grades, with a secret in it."""
    path = tmp_path / "gradebook.db"
    path.write_text("planted-secret")
    return path
