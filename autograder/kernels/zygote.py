"""The warm process that kernels are forked from: it has imported what they need, and is jailed.

Started by `autograder.kernels.warm`, with a socket to it as its standard input.
Each request on that socket carries a description of one process to start, as JSON, and the
descriptors it gets.
The first of them is the process's lifeline: the answer is sent on it, signals come by it, and when
the other end is closed, everything that was started ends.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.kernels import linux
from autograder.kernels.jail import (
    Confinement,
    SandboxError,
    enter_jail,
    keep_user,
    namespaces,
    refusal,
)
from autograder.kernels.limits import Limits
from autograder.kernels.syscalls import student_filter

MAX_REQUEST, MAX_DESCRIPTORS = 2**20, 16
WATCH_SECONDS = 0.5

Body = Callable[[dict[str, Any], list[int]], None]


def main() -> None:
    """Import, enter the jail and start processes until the other end of the socket is closed."""
    orders = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    request = json.loads(orders.recv(MAX_REQUEST))
    os.environ.clear()
    os.environ.update(request["environment"])
    random.seed()
    module = importlib.import_module(request["module"])
    import_all(request["packages"])
    module.warm()
    visible = tuple(Path(path) for path in request["visible"])
    try:
        enter_jail(visible, tuple(Path(path) for path in request["hidden"]))
    except SandboxError as error:
        orders.send(json.dumps({"error": str(error)}).encode())
        return
    orders.send(json.dumps({"ready": True}).encode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    student_filter()
    gc.collect()
    gc.freeze()
    user, flags = (os.getuid(), os.getgid()), namespaces()
    while True:
        data, descriptors, _, _ = socket.recv_fds(orders, MAX_REQUEST, MAX_DESCRIPTORS)
        if not data:
            return
        try:
            child = linux.fork_into(flags)
        except OSError as error:
            os.write(descriptors[0], json.dumps({"error": refusal(error)}).encode())
        else:
            if child == 0:
                orders.close()
                start(json.loads(data), descriptors, module.run, user)
        for descriptor in descriptors:
            os.close(descriptor)


def import_all(packages: list[str]) -> None:
    """Import the packages with all their modules that can be imported."""
    for name in packages:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}.", onerror=lambda _: None):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)


def start(
    request: dict[str, Any], descriptors: list[int], body: Body, user: tuple[int, int]
) -> None:
    """Become process 1 of a confined process that runs `body`; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lifeline = socket.socket(fileno=descriptors[0])
    scratch = descriptors.pop() if request["shares_scratch"] else None
    try:
        keep_user(*user)
        confinement = Confinement(Limits(**request["limits"]), request["number"], scratch)
        mounted = confinement.mount()
        if scratch is not None:
            os.close(scratch)
        confinement.become_nobody()
    except OSError as error:
        lifeline.send(json.dumps({"error": refusal(error)}).encode())
        os._exit(1)
    linux.set_dumpable(False)  # or the kernel, being of the same user, could write to its memory
    child = os.fork()
    if child == 0:
        linux.set_dumpable(True)
        os.close(mounted)
        _run(request, descriptors, confinement, body)
    socket.send_fds(lifeline, [b'{"started": true}'], [os.pidfd_open(os.getpid()), mounted])
    for descriptor in (*descriptors[1:], mounted):
        os.close(descriptor)
    _watch(child, lifeline, confinement.limits)


def _run(
    request: dict[str, Any], descriptors: list[int], confinement: Confinement, body: Body
) -> None:
    """Run `body` in the state in which every kernel starts."""
    try:
        os.setsid()
        os.close(descriptors[0])
        for folder in ("/scratch/work", "/scratch/tmp", request["environment"]["HOME"]):
            os.makedirs(folder, exist_ok=True)
        os.chdir("/scratch/work")
        os.environ.clear()
        os.environ.update(request["environment"])
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        confinement.lock()
        if request["has_archive"]:
            with (
                os.fdopen(descriptors.pop(), "rb") as archive,
                tarfile.open(fileobj=archive) as tar,
            ):
                tar.extractall(request.get("archive_to", "."), filter="data")
        # Until here it was the warm process's own file, which other kernels could read.
        with open(os.devnull, "r+b", buffering=0) as nowhere:
            os.dup2(nowhere.fileno(), 2)
        body(request, descriptors[1:])
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  (the process ends here, whatever it was)
        os.write(2, f"kernel failed to start: {error!r}\n".encode()[:500])
        os._exit(1)


def _watch(child: int, lifeline: socket.socket, limits: Limits) -> None:
    """Be process 1 of the kernel: pass signals on, watch memory, and end all when told to.

    It outlives the kernel, since copies that the kernel made of itself may have work left.
    """
    pidfd = os.pidfd_open(child)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(lifeline, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(1000 * WATCH_SECONDS)}
        if pidfd in ready:
            _, status = os.waitpid(child, 0)
            poll.unregister(pidfd)
            os.close(pidfd)
            pidfd = -1
            _say(lifeline, {"exit": os.waitstatus_to_exitcode(status)})
        if lifeline.fileno() in ready:
            data = lifeline.recv(64)
            if not data:
                os._exit(0)
            if pidfd >= 0:
                os.kill(child, int(data))
        _reap_others(child if pidfd >= 0 else 0)
        if memory_used(limits.memory_bytes) > limits.memory_bytes:
            _say(lifeline, {"exit": -signal.SIGKILL, "reason": "memory"})
            os._exit(0)


def _reap_others(child: int) -> None:
    """Collect processes that lost their parent, which process 1 inherits."""
    with contextlib.suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid == child:
                return
            os.waitpid(found.si_pid, 0)


def memory_used(limit: int) -> int:
    """Return the bytes that the processes in /proc but the first hold together.

    Pages that copies share are counted once, which takes longer, where counting them for each
    would come to more than `limit`.
    """
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != "1"]
    if len(others) < 2:
        return 0  # one process is bounded by its address space
    at_most = sum(_resident(pid) for pid in others)
    return at_most if at_most <= limit else sum(_proportional(pid) for pid in others)


def _resident(pid: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        try:
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except PermissionError:
            return _resident(pid)
        for row in rows:
            if row.startswith("Pss_Anon:"):
                return 1024 * int(row.split()[1])
    return 0


def _say(lifeline: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        lifeline.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)


if __name__ == "__main__":
    main()
