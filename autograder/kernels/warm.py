"""Warm processes, seen from outside: start one, and start confined processes from it."""

import array
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from jupyter_core.paths import jupyter_config_path

from autograder.kernels.jail import SandboxError
from autograder.kernels.limits import Limits

START_SECONDS, SETTLE_SECONDS = 60.0, 0.5
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
# Below folders that are shown: exchanges of nbgrader, and what people configure for a machine.
PRIVATE = ("/usr/local/share/nbgrader", "/usr/share/nbgrader", "/usr/src", "/usr/local/src",
           "/usr/local/etc", "/usr/etc")  # fmt: skip


@dataclass(frozen=True)
class Warm:
    """What a warm process has imported, and so what the processes forked from it start with.

    `module` has the functions `warm()` and `run(request, descriptors)`.
    `library` is a folder to import from before any other; all modules of `packages` are imported.
    """

    module: str
    library: Path | None = None
    packages: tuple[str, ...] = ()


@dataclass
class Confined:
    """A running confined process; closing its lifeline ends it and all it started."""

    lifeline: socket.socket
    pidfd: int
    scratch: int
    ended: dict[str, Any] = field(default_factory=dict)

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        with contextlib.suppress(OSError):
            self.lifeline.send(str(int(number)).encode())

    def exit_code(self) -> int | None:
        """Return how it ended, or None while it runs."""
        if not self.ended and self.pidfd >= 0:
            data = b""
            try:
                data = self.lifeline.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:  # it was killed before it had read a signal that was sent to it
                pass
            self.ended = json.loads(data) if data else {"exit": -9}
        return self.ended.get("exit")

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, or None when it still runs after that many seconds."""
        if self.pidfd >= 0 and not self.ended:
            _readable(self.lifeline.fileno(), seconds)
        return self.exit_code()

    def was_killed(self) -> bool:
        """Tell whether it was ended by a signal, and not for using too much memory."""
        # Its sockets may be seen to be closed before its end is told.
        return self.wait(SETTLE_SECONDS) == -signal.SIGKILL and "reason" not in self.ended

    def close(self) -> None:
        """End the process and everything it started, and wait until they are gone."""
        if self.pidfd < 0:
            return
        self.exit_code()
        self.ended = self.ended or {"exit": -9}
        self.lifeline.shutdown(socket.SHUT_WR)
        _readable(self.pidfd, 10)
        self.lifeline.close()
        os.close(self.pidfd)
        os.close(self.scratch)
        self.pidfd = -1


class WarmProcess:
    """One warm process and the way to it; started by the first use, and again when it died."""

    def __init__(self, warm: Warm) -> None:
        self.warm = warm
        self._orders: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.starts = 0

    def lasted(self, starts: int) -> bool:
        """Tell whether no process but the one after so many starts was needed, and it runs."""
        # It sends nothing after its start, so what can be read is the end; that comes before the
        # ends of the processes it had started.
        orders = self._orders
        alive = orders is not None and not _readable(orders.fileno(), 0)
        return alive and self.starts <= max(starts, 1)

    def start(
        self,
        request: dict[str, Any],
        descriptors: list[int],
        limits: Limits,
        number: int,
        *,
        environment: dict[str, str] | None = None,
        archive: IO[bytes] | None = None,
        scratch: int | None = None,
    ) -> Confined:
        """Fork a confined process that runs `module.run` with the request and the descriptors.

        `archive` is a tar file that the process finds unpacked in its folder; `scratch` is that of
        another process to share it with.
        Raises SandboxError when it cannot be started.
        """
        # What is kept in a home, compiled code for instance, is not to come from the other process.
        home = "/scratch/home" if scratch is None else "/dev/shm/home"
        data = json.dumps(
            request
            | {
                "limits": limits.to_dict(),
                "number": number,
                "environment": inner_environment(self.warm, home) | (environment or {}),
                "has_archive": archive is not None,
                "shares_scratch": scratch is not None,
            }
        ).encode()
        sent = list(descriptors)
        if archive is not None:
            sent.append(archive.fileno())
        if scratch is not None:
            sent.append(scratch)
        for _ in range(2):
            if archive is not None:
                archive.seek(0)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                self._send(data, [theirs.fileno(), *sent])
            finally:
                theirs.close()
            answer, received = _answer(ours)
            if "error" not in answer and len(received) == 2:
                return Confined(ours, received[0], received[1])
            ours.close()
            for descriptor in received:
                os.close(descriptor)
            if "error" in answer:
                raise SandboxError(answer["error"])
            # It ended without a word, so it was ended from outside.
        raise SandboxError("a kernel was ended, twice, while it started")

    def prepare(self) -> None:
        """Start the warm process now; raises SandboxError when the machine does not allow it."""
        with self._lock:
            if self._orders is None:
                self._launch()

    def close(self) -> None:
        """End the warm process and everything that was forked from it."""
        with self._lock:
            self._end()

    def _send(self, data: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for attempt in range(2):
                if self._orders is None:
                    self._launch()
                assert self._orders is not None
                try:
                    ancillary = array.array("i", descriptors)
                    self._orders.sendmsg(
                        [data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ancillary)]
                    )
                    return
                except OSError:
                    # It was killed, and with it all that it had started; a new one takes over.
                    self._end()
                    if attempt:
                        raise

    def _launch(self) -> None:
        for _ in range(2):
            problem = self._problem_in_launch()
            if problem is None:
                return
            if problem:
                raise SandboxError(problem)
            # It said nothing, so it was ended from outside.
        raise SandboxError("the warm process was ended, twice, while it started")

    def _problem_in_launch(self) -> str | None:
        """Start the process; return None when it is ready, otherwise what it said last."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _end)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "autograder.kernels.zygote"],
            cwd="/",  # or the folder of the course would be on its path, before all packages
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=outer_environment(self.warm),
            start_new_session=True,
        )
        theirs.close()
        order = {
            "module": self.warm.module,
            "packages": self.warm.packages,
            "environment": outer_environment(self.warm),
            "visible": [str(self.warm.library)] if self.warm.library else [],
            "hidden": [str(path) for path in (*installed_copies(), *private_folders())],
        }
        self._orders, answer = ours, {}
        with contextlib.suppress(OSError):  # when it ended before it had read the order
            ours.send(json.dumps(order).encode())
            if _readable(ours.fileno(), START_SECONDS):
                answer = json.loads(ours.recv(4096) or b"{}")
            else:
                answer = {"error": f"the warm process did not start in {START_SECONDS:.0f} s"}
        if "ready" not in answer:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().split("\n")[-1]
            self._end()
            return answer.get("error") or (last and f"the warm process did not start: {last}")
        self.starts += 1
        return None

    def _end(self) -> None:
        if self._orders is not None:
            self._orders.close()
            self._orders = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._errors.close()


def outer_environment(warm: Warm) -> dict[str, str]:
    """Return the environment in which the warm process imports."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    kept |= dict.fromkeys(THREADS, "1")
    kept |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONHASHSEED": "0"}
    if "HOME" in os.environ:  # where matplotlib keeps the list of fonts
        kept["HOME"] = os.environ["HOME"]
    if warm.library is not None:
        kept["PYTHONPATH"] = str(warm.library)
    return kept


def inner_environment(warm: Warm, home: str = "/scratch/home") -> dict[str, str]:
    """Return the environment that a confined process sees."""
    inside = {"HOME": home, "TMPDIR": "/scratch/tmp", "USER": "student"}
    inside |= {"IPYTHONDIR": f"{home}/.ipython", "MPLCONFIGDIR": f"{home}/.matplotlib"}
    return outer_environment(warm) | inside


def installed_copies() -> list[Path]:
    """Return the folders of this course that were installed beside other packages."""
    import autograder

    packages = [Path(path) for path in autograder.__path__]
    sites = {Path(path) for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    copies = [site / name for site in sites for name in ("tinytorch", "tito", "autograder")]
    return sorted({path for path in (*packages, *copies) if path.parent in sites})


def private_folders() -> list[Path]:
    """Return folders that lie where the interpreter does, but may hold secrets.

    Jupyter reads its configuration there too, and nbgrader's may name a database with a password.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found = {Path(prefix, "etc", "jupyter") for prefix in prefixes}
    found |= {Path(prefix, "share", "jupyter", "runtime") for prefix in prefixes}
    found |= {Path(path) for path in (*PRIVATE, *jupyter_config_path())}
    return sorted(path for path in found if path.is_dir())


def _answer(lifeline: socket.socket) -> tuple[dict[str, Any], list[int]]:
    if not _readable(lifeline.fileno(), START_SECONDS):
        return {"error": "a kernel did not start in time"}, []
    data, descriptors, _, _ = socket.recv_fds(lifeline, 4096, 4)
    return json.loads(data or b"{}"), descriptors


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * seconds))
