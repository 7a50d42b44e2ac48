"""A root directory that holds what a kernel needs to run, read-only, and nothing else.

It is entered in two steps.
`enter_jail` is for the process that kernels are forked from: once, and before any fork.
`confine` is for each forked kernel: its own processes, scratch, user and limits.
"""

import os
import signal
import sys
import sysconfig
from pathlib import Path

from autograder.kernels import linux
from autograder.kernels.limits import Limits
from autograder.kernels.syscalls import student_filter

SCRATCH = "/scratch"
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
INSTALLED = ("bin", "lib", "lib32", "lib64", "include", "share", "etc", "ssl", "pyvenv.cfg")
SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives")
OTHERS = linux.NEW_MOUNTS | linux.NEW_PIDS | linux.NEW_NETWORK | linux.NEW_IPC | linux.NEW_UTS
FIRST_UID = 0x40000000  # far above the ids that a machine gives to people and services


class SandboxError(RuntimeError):
    """The machine does not allow the sandbox; the message says what is missing."""


def enter_jail(visible: tuple[Path, ...], hidden: tuple[Path, ...] = ()) -> None:
    """Fork into new namespaces whose root holds the interpreter, the system and `visible`.

    `hidden` are folders below those that are shown empty.
    The caller goes on as process 1 inside; the process that called waits for its end outside.
    Raises SandboxError naming what the machine refuses or lacks.
    """
    try:
        student_filter()  # whose library has to be found outside
    except ImportError as error:
        raise SandboxError(
            f"the sandbox cannot be set up: libseccomp cannot be loaded ({error}); install it "
            "(Debian, Ubuntu: apt install libseccomp2)"
        ) from error
    try:
        uid, gid = os.getuid(), os.getgid()
        linux.unshare(namespaces())
        keep_user(uid, gid)
        _become_first_process()
        linux.mount("none", "/", "none", linux.RECURSIVE | linux.PRIVATE)
        root = Path("/sys")  # a folder that every Linux has and no kernel of ours needs
        linux.mount("jail", str(root), "tmpfs", linux.NO_SUID | linux.NO_DEVICES, "mode=755")
        for path in (*interpreter_folders(), *map(Path, SYSTEM + SETTINGS), *visible):
            _show(path, root)
        for path in hidden:
            if Path(f"{root}{path}").is_dir():
                linux.mount("hidden", f"{root}{path}", "tmpfs", linux.READ_ONLY, "size=4k,mode=755")
        for name in DEVICES:
            _show(Path("/dev", name), root)
        for name in ("proc", "dev/shm", "scratch", "etc"):
            (root / name).mkdir(parents=True, exist_ok=True)
        if not (root / "tmp").exists():  # it does where what is visible lies below it
            (root / "tmp").symlink_to("scratch/tmp")
        linux.seal(str(root))
        linux.mount("proc", str(root / "proc"), "proc", linux.NO_SUID | linux.NO_DEVICES)
        linux.pivot_into(str(root))
    except OSError as error:
        raise SandboxError(refusal(error)) from error


def interpreter_folders() -> list[Path]:
    """Return where the running Python, its library and its packages lie.

    Of an installation only the usual folders count: an environment may have been made in the
    folder of a course.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    prefixes.add(str(Path(sys.executable).resolve().parent.parent))
    paths = {*map(Path, sysconfig.get_paths().values())} - {*map(Path, prefixes)}
    paths |= {Path(prefix, part) for prefix in prefixes for part in INSTALLED}
    kept: list[Path] = []
    for path in sorted(path for path in paths if path.exists()):
        if not any(path.is_relative_to(above) for above in (*kept, *map(Path, SYSTEM))):
            kept.append(path)
    return kept


class Confinement:
    """What one kernel gets: built by its first process, joined by the kernel itself.

    `scratch_mount` is the descriptor of another kernel's scratch that this one shares, or None.
    """

    def __init__(self, limits: Limits, number: int, scratch_mount: int | None = None) -> None:
        self.limits = limits
        self.uid = FIRST_UID + number if os.getuid() == 0 else os.getuid()
        self.gid = self.uid if os.getuid() == 0 else os.getgid()
        self.shared = scratch_mount

    def mount(self) -> int:
        """Mount /proc, scratch and shared memory; return a descriptor of the scratch."""
        flags = linux.NO_SUID | linux.NO_DEVICES
        linux.mount("proc", "/proc", "proc", flags | linux.NO_EXEC)
        half = self.limits.scratch_bytes // 2
        options = f"size={half},nr_inodes={self.limits.scratch_files},mode=0700"
        options += f",uid={self.uid},gid={self.gid}"
        linux.mount("shm", "/dev/shm", "tmpfs", flags, options)
        if self.shared is not None:
            linux.attach(self.shared, SCRATCH)
        else:
            linux.mount("scratch", SCRATCH, "tmpfs", flags, options)
        if not Path("/tmp").is_symlink():
            self._make_tmp_scratch()
        return linux.detached_copy(SCRATCH)

    def _make_tmp_scratch(self) -> None:
        """Lay scratch over /tmp, and again on top of it what is visible there."""
        visible = {name: os.open(f"/tmp/{name}", os.O_PATH) for name in os.listdir("/tmp")}
        os.makedirs(f"{SCRATCH}/tmp", exist_ok=True)
        os.chown(f"{SCRATCH}/tmp", self.uid, self.gid)
        linux.mount(f"{SCRATCH}/tmp", "/tmp", "none", linux.BIND)
        for name, descriptor in visible.items():
            _bind(Path(f"/proc/self/fd/{descriptor}"), Path("/tmp", name))
            os.close(descriptor)

    def become_nobody(self) -> None:
        """Take the kernel's own user and hide from other processes of that user."""
        if os.getuid() == 0:
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
            linux.set_dumpable(True)
            linux.unshare(linux.NEW_USERS)
            _map_to_itself(self.uid, self.gid)

    def lock(self) -> None:
        """Give up capabilities, hold to the limits and refuse system calls, for good."""
        self.limits.apply()
        linux.drop_capabilities()
        student_filter().load()


def refusal(error: OSError) -> str:
    """Return the sentence that tells an instructor what the machine does not allow."""
    return (
        f"the sandbox cannot be set up: the machine refused {error.filename or 'a step'} "
        f"({error.strerror}); it needs Linux 5.12 or newer with user namespaces "
        "(sysctl user.max_user_namespaces above 0; on Ubuntu also "
        "kernel.apparmor_restrict_unprivileged_userns=0)"
    )


def namespaces() -> int:
    """Return the namespaces that this user can leave for new ones, together."""
    return OTHERS if os.getuid() == 0 else OTHERS | linux.NEW_USERS


def keep_user(uid: int, gid: int) -> None:
    """Be in new namespaces the user that this process was in the old ones."""
    if uid != 0:
        _map_to_itself(uid, gid)


def _map_to_itself(uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        Path("/proc/self", name).write_text(text)


def _become_first_process() -> None:
    child = os.fork()
    if child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(3, 2**20)  # so that who talks to the child learns at once that it ended
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    linux.die_with_parent(signal.SIGKILL)


def _show(path: Path, root: Path) -> None:
    """Make `path` of the machine visible at the same place below `root`."""
    there = Path(f"{root}{path}")
    if path.is_symlink():
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(os.readlink(path))
    elif path.exists():
        _bind(path, there)


def _bind(path: Path, there: Path) -> None:
    if path.is_dir():
        there.mkdir(parents=True, exist_ok=True)
    else:
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
    linux.mount(str(path), str(there), "none", linux.BIND | linux.RECURSIVE)
