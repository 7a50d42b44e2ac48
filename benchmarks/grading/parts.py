"""What single steps cost: a cold and a forked kernel, the fork and the jail, tests and calls.

Every figure is [wall, processor] in milliseconds, the processor's of all processes that took part.
Each part is measured by this file run as a program in a control group of its own.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import meter
import peers

IMPORTS = "import numpy, matplotlib.pyplot"
HIDDEN = "### BEGIN HIDDEN TESTS\nassert square(4) == 16\n### END HIDDEN TESTS"
COLD_SECONDS = 60.0

Figure = list[float]


def own_cells() -> list[float]:
    """Return the processor seconds of the notebook's own cells, one entry a run."""
    command = [sys.executable, str(Path(__file__).with_name("own_cells.py"))]
    done = subprocess.run(
        command, env=peers.environment(), capture_output=True, text=True, check=True
    )
    return list(json.loads(done.stdout))


def measure_all(quick: bool = False) -> dict[str, Figure | str]:
    """Return the figures of every part, or the reason why one cannot be measured here."""
    found: dict[str, Figure | str] = {}
    if not meter.exact():
        return {"parts": "not measured: this machine counts no processor time by control group"}
    for name in PARTS:
        command = [sys.executable, str(Path(__file__).resolve()), name, str(5 if quick else 25)]
        _, done = meter.measure(command, peers.WORK, peers.environment(), 600)
        if done.returncode:
            raise peers.BenchError(f"parts.py {name}: {done.stdout[-500:]}")
        found |= json.loads(done.stdout.strip().splitlines()[-1])
    return found


def cold(runs: int) -> dict[str, Figure | str]:
    """A fresh interpreter and ipykernel in Debian's bubblewrap, as a packaged sandbox would."""
    if shutil.which("bwrap") is None:
        return {"cold kernel in bubblewrap": "not measured: bwrap is not installed"}
    first, imported = [], []
    for _ in range(max(3, runs // 5)):
        with tempfile.TemporaryDirectory() as folder:
            start = now()
            with cold_kernel(Path(folder)) as client:
                client.kernel_info()
                client.get_shell_msg(timeout=COLD_SECONDS)
                first.append(since(start))
                client.execute(IMPORTS, reply=True, timeout=COLD_SECONDS)
                imported.append(since(start))
    return {
        "cold kernel in bubblewrap, to its first reply": medians(first),
        "cold kernel in bubblewrap, to NumPy and pyplot imported": medians(imported),
    }


@contextlib.contextmanager
def cold_kernel(folder: Path) -> Iterator[Any]:
    """Start ipykernel in bubblewrap with nothing shared but a folder for its sockets."""
    from jupyter_client import BlockingKernelClient
    from jupyter_client.connect import write_connection_file

    connection = folder / "connection.json"
    write_connection_file(str(connection), transport="ipc", ip=str(folder / "k"))
    command = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    command += ["--bind", str(folder), str(folder), "--unshare-all"]
    command += ["--die-with-parent", "--new-session", "--setenv", "HOME", str(folder)]
    command += [sys.executable, "-m", "ipykernel_launcher", "-f", str(connection)]
    command += ["--HistoryManager.enabled=False"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:  # type: ignore[call-overload]
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels(hb=False)
        try:
            yield client
        finally:
            client.stop_channels()
            process.kill()


def forked(runs: int) -> dict[str, Figure | str]:
    """Our kernel: forked from the warm process, and confined."""
    from autograder.kernels.provisioner import shared_warm
    from autograder.kernels.warm import Warm

    first, imported, ended = [], [], []
    shared_warm(Warm("autograder.kernels.student")).prepare()
    for _ in range(runs):
        start = now()
        manager = kernel_manager()
        manager.start_kernel()
        client = manager.client()
        client.start_channels(hb=False)
        client.kernel_info()
        client.get_shell_msg(timeout=COLD_SECONDS)
        first.append(since(start))
        client.execute(IMPORTS, reply=True, timeout=COLD_SECONDS)
        imported.append(since(start))
        start = now()
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        ended.append(since(start))
    return {
        "our forked and confined kernel, to its first reply": medians(first),
        "our forked and confined kernel, to NumPy and pyplot imported": medians(imported),
        "our forked and confined kernel, its end": medians(ended),
    }


def fork(runs: int) -> dict[str, Figure | str]:
    """The fork alone, of a process that has imported the same, and its end."""
    from autograder.kernels import student

    student.warm()
    used = []
    for _ in range(runs):
        start = now()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        used.append(since(start))
    return {"os.fork of a process with the same imports, and its end": medians(used)}


def confined(runs: int) -> dict[str, Figure | str]:
    """The forks and the jail without what runs inside: a process that waits and is ended."""
    import socket

    from autograder.kernels.limits import Limits
    from autograder.kernels.provisioner import next_number, shared_warm
    from autograder.kernels.warm import Warm

    warm = shared_warm(Warm("autograder.trust.checker"))
    warm.prepare()
    used = []
    for _ in range(runs):
        ends = [socket.socketpair() for _ in range(2)]
        start = now()
        descriptors = [theirs.fileno() for _, theirs in ends]
        request = {"packages": [], "withheld": [], "given": []}
        process = warm.start(request, descriptors, Limits(), next_number())
        process.close()
        used.append(since(start))
        for pair in ends:
            for end in pair:
                end.close()
    return {"WarmProcess.start and close of a checker, which imports less": medians(used)}


def tests(runs: int) -> dict[str, Figure | str]:
    """Test cells and calls through the channel, in a checker beside a student's kernel."""
    from autograder.grading.pair import Pair, View
    from autograder.kernels.limits import Limits
    from autograder.kernels.warm import Warm

    pair = Pair(
        View(Warm("autograder.kernels.student"), Warm("autograder.trust.checker")), Limits()
    )
    manager = kernel_manager()
    manager.start_kernel(**pair.kernel_arguments())
    pair.start_checker(manager.provisioner.confined.scratch)
    client = manager.client()
    client.start_channels(hb=False)
    code = "import numpy as np\ndef square(x): return x * x\ndef same(x): return x"
    client.execute(code, reply=True, timeout=COLD_SECONDS)

    def cost(source: str) -> Figure:
        used = []
        for _ in range(runs + 1):
            start = now()
            verdict = pair.test(source, 30, [], [])
            used.append(since(start))
            assert verdict["passed"], verdict
        return medians(used[1:])

    empty, many = cost("pass"), cost("for i in range(200): square(i)")
    array = cost("import numpy as np\na = np.zeros(131072)\nassert same(a).shape == a.shape")
    one, hidden = cost("assert square(3) == 9"), cost(f"assert square(3) == 9\n{HIDDEN}")
    client.stop_channels()
    pair.close()
    manager.shutdown_kernel(now=True)
    return {
        "a test cell that asks nothing": empty,
        "a test cell of one call": one,
        "the same with a hidden part, up to the copies that it will run in": hidden,
        "one call through the channel": [(b - a) / 200 for a, b in zip(empty, many, strict=True)],
        "a test cell that passes an array of 1 MiB both ways": array,
    }


PARTS: dict[str, Callable[[int], dict[str, Figure | str]]] = {
    "cold": cold, "forked": forked, "fork": fork, "confined": confined, "tests": tests,
}  # fmt: skip


def kernel_manager() -> Any:
    """Return a manager of the grading kernel."""
    from jupyter_client.manager import KernelManager

    from autograder.kernels.specs import GRADING_KERNEL, CourseKernelSpecManager

    return KernelManager(kernel_name=GRADING_KERNEL, kernel_spec_manager=CourseKernelSpecManager())


def now() -> tuple[float, float]:
    """Return wall time and the processor time of this control group, in seconds."""
    group = meter.own_group()
    assert group is not None, "run by measure_all"
    return time.monotonic(), meter.cpu_seconds(group)


def since(start: tuple[float, float]) -> Figure:
    """Return the milliseconds since then."""
    return [1e3 * (b - a) for a, b in zip(start, now(), strict=True)]


def medians(figures: list[Figure]) -> Figure:
    """Return the medians of wall and processor time."""
    return [statistics.median(column) for column in zip(*figures, strict=True)]


if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](int(sys.argv[2]))))  # noqa: T201
