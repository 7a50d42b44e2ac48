"""The system calls that student code is refused.

Refused is what reaches other processes, changes mounts or namespaces, talks to the network or to
rarely used parts of the kernel, and what holds memory outside the limits.
An unknown call answers "not implemented", so that programs fall back to an older one.
"""

import errno
import socket
from functools import cache
from typing import TYPE_CHECKING

from autograder.kernels import linux

if TYPE_CHECKING:
    import pyseccomp

REFUSED = (
    # other processes
    "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp "
    # mounts, namespaces, roots
    "mount umount2 pivot_root chroot setns unshare open_tree move_mount fsopen fsconfig fsmount "
    "fspick mount_setattr name_to_handle_at open_by_handle_at "
    # keys, tracing, programs in the kernel
    "add_key request_key keyctl bpf perf_event_open userfaultfd fanotify_init lookup_dcookie "
    "io_uring_setup io_uring_enter io_uring_register seccomp "
    # memory outside the limits
    "memfd_create memfd_secret shmget shmat msgget semget mq_open mlock mlock2 mlockall "
    # the machine
    "reboot kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff acct "
    "sethostname setdomainname settimeofday clock_settime clock_adjtime adjtimex quotactl syslog "
    "iopl ioperm personality modify_ldt vhangup nfsservctl uselib ustat sysfs _sysctl vmsplice"
).split()
NEW_NAMESPACE = (
    linux.NEW_CGROUP,
    linux.NEW_IPC,
    linux.NEW_MOUNTS,
    linux.NEW_NETWORK,
    linux.NEW_PIDS,
    linux.NEW_USERS,
    linux.NEW_UTS,
)
TERMINAL_INPUT = 0x5412  # TIOCSTI, which types into a terminal


@cache
def student_filter() -> "pyseccomp.SyscallFilter":
    """Return the filter; its `load` holds the calling thread and what it starts for good.

    Raises ImportError where libseccomp cannot be loaded.
    """
    try:
        import pyseccomp
    except (RuntimeError, OSError) as error:  # what it raises without the library
        raise ImportError(str(error)) from error
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refused = pyseccomp.ERRNO(errno.EPERM)
    for name in REFUSED:
        if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) >= 0:
            rules.add_rule(refused, name)
    for flag in NEW_NAMESPACE:
        rules.add_rule(refused, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    # The flags of clone3 lie in memory, where a filter cannot see them.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for call in ("socket", "socketpair"):
        other = pyseccomp.Arg(0, pyseccomp.NE, socket.AF_UNIX)
        rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), call, other)
    # Process 1 watches the kernel and is of the same user, to whom the limits of a process belong.
    rules.add_rule(refused, "prlimit64", pyseccomp.Arg(0, pyseccomp.EQ, 1))
    typed = pyseccomp.Arg(1, pyseccomp.MASKED_EQ, 0xFFFFFFFF, TERMINAL_INPUT)
    rules.add_rule(refused, "ioctl", typed)
    return rules
