"""The Linux calls that Python has no function for, each raising OSError when refused.

Numbers and meanings: the manual pages unshare(2), clone(2), mount(2), mount_setattr(2),
pivot_root(2), open_tree(2), capabilities(7) and prctl(2).
"""

import ctypes
import os
import signal

NEW_CGROUP = 0x02000000
NEW_IPC = 0x08000000
NEW_MOUNTS = 0x00020000
NEW_NETWORK = 0x40000000
NEW_PIDS = 0x20000000
NEW_USERS = 0x10000000
NEW_UTS = 0x04000000

READ_ONLY = 0x1
NO_SUID = 0x2
NO_DEVICES = 0x4
NO_EXEC = 0x8
BIND = 0x1000
RECURSIVE = 0x4000
PRIVATE = 0x40000
DETACH = 0x2

_CLONE, _MOUNT_SETATTR, _OPEN_TREE, _MOVE_MOUNT, _PIVOT_ROOT, _CAPSET = 56, 442, 428, 429, 155, 126
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_SET_DUMPABLE, _SET_NO_NEW_PRIVS, _SET_PDEATHSIG, _CAP_DROP = 4, 38, 1, 24
_CAP_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc_with_lock = ctypes.PyDLL(None, use_errno=True)  # of the interpreter, which a fork must hold


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def fork_into(flags: int) -> int:
    """Fork a process into new namespaces; return its number, or 0 in it.

    It costs one copy of the process less than `unshare` and two forks.
    """
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    child: int = _libc_with_lock.syscall(_CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0)
    number = ctypes.get_errno()
    if child == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    ctypes.set_errno(number)
    _checked(child, "a fork into new namespaces")
    return child


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount `source` on `target`."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), flags, options.encode() or None
    )
    _checked(result, f"a mount on {target}")


def unmount(target: str) -> None:
    """Take a mount out of sight at once, whoever still uses it."""
    _checked(_libc.umount2(target.encode(), DETACH), f"an unmount of {target}")


def seal(target: str, flags: int = READ_ONLY | NO_SUID) -> None:
    """Set `flags` on a mount and all below it, leaving those it has."""
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    result = _libc.syscall(
        _MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, attributes, 32
    )
    _checked(result, "mount_setattr")


def pivot_into(folder: str) -> None:
    """Make the mount at `folder` the root, and take the old root out of sight."""
    os.chdir(folder)
    _checked(_libc.syscall(_PIVOT_ROOT, b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def detached_copy(folder: str) -> int:
    """Return a descriptor of the mount at `folder` that another process can attach."""
    close_on_exec, clone = 0o2000000, 1
    result: int = _libc.syscall(_OPEN_TREE, _AT_FDCWD, folder.encode(), close_on_exec | clone)
    _checked(result, "open_tree")
    return result


def attach(descriptor: int, folder: str) -> None:
    """Mount what `detached_copy` returned, here or in another process, on `folder`."""
    from_empty_path = 4
    result = _libc.syscall(
        _MOVE_MOUNT, descriptor, b"", _AT_FDCWD, folder.encode(), from_empty_path
    )
    _checked(result, "move_mount")


def set_dumpable(yes: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    _checked(_libc.prctl(_SET_DUMPABLE, int(yes), 0, 0, 0), "prctl")


def die_with_parent(signal_number: int) -> None:
    """Receive `signal_number` when the parent ends."""
    _checked(_libc.prctl(_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """Give up every capability for good, and with them all ways to gain one."""
    last = int(open("/proc/sys/kernel/cap_last_cap").read())  # noqa: SIM115
    for capability in range(last + 1):
        _checked(_libc.prctl(_CAP_DROP, capability, 0, 0, 0), "prctl")
    header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
    _checked(_libc.syscall(_CAPSET, header, (ctypes.c_uint32 * 6)()), "capset")
    _checked(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
