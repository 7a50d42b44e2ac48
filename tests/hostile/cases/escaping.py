"""Ways out of a sandbox: each prints its word only where the way was open."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile

ATTEMPT = """
    import ctypes
    import os

    libc = ctypes.CDLL(None, use_errno=True)

    def attempt(word, action):
        try:
            result = action()
        except (OSError, ValueError, AttributeError) as error:
            print(word.lower(), error)
            return
        if isinstance(result, int) and result < 0:
            print(word.lower(), os.strerror(ctypes.get_errno()))
        else:
            print(word.upper(), result)
    """


def trying(book: Book, code: str) -> NotebookNode:
    return book.closing(code, book.closing(ATTEMPT))


@hostile(target.FULL, forbidden=("NEW-USERS", "NEW-MOUNTS", "NEW-NET", "CLONED"))
def namespaces_of_its_own(book: Book) -> NotebookNode:
    """New namespaces, in which one is root again."""
    return trying(
        book,
        """
        attempt("new-users", lambda: libc.unshare(0x10000000))
        attempt("new-mounts", lambda: libc.unshare(0x00020000))
        attempt("new-net", lambda: libc.unshare(0x40000000))

        def cloned():
            pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
            if pid == 0:
                os._exit(0)
            return pid

        attempt("cloned", cloned)
        """,
    )


@hostile(target.FULL, forbidden=("MOUNTED", "PIVOTED", "REMOUNTED", "ROOT-CHANGED", "UNMOUNTED"))
def mounts(book: Book) -> NotebookNode:
    """Mounting, unmounting, a new root, and the read-only root made writable."""
    return trying(
        book,
        """
        os.makedirs("place", exist_ok=True)
        attempt("mounted", lambda: libc.mount(b"none", b"place", b"tmpfs", 0, None))
        attempt("mounted", lambda: libc.mount(b"/", b"place", None, 4096, None))
        attempt("remounted", lambda: libc.mount(b"none", b"/", None, 32 | 4096, None))
        attempt("root-changed", lambda: os.chroot("."))
        attempt("pivoted", lambda: libc.syscall(155, b".", b"."))
        attempt("unmounted", lambda: libc.umount2(b"/proc", 2))
        attempt("mounted", lambda: libc.syscall(428, -100, b"/", 1))
        attempt("mounted", lambda: libc.syscall(430, b"tmpfs", 0))
        """,
    )


@hostile(target.FULL, forbidden=("WRITTEN-TO", "ROOT-AGAIN"))
def system_files(book: Book) -> NotebookNode:
    """Files of /proc and /sys by which the kernel runs programs for others, or gains rights."""
    return trying(
        book,
        """
        def write(path, text):
            with open(path, "w") as file:
                file.write(text)
            return path

        for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                     "/proc/sys/vm/drop_caches", "/sys/fs/cgroup/release_agent",
                     "/sys/kernel/uevent_helper", "/proc/1/oom_score_adj",
                     "/proc/sys/kernel/modprobe", "/proc/self/uid_map", "/etc/ld.so.preload",
                     "/etc/passwd", "/usr/bin/env", "/proc/1/mem", "/dev/mem", "/dev/kmsg"):
            attempt("written-to", lambda: write(path, "|/tmp/x"))
        attempt("root-again", lambda: os.setuid(0) or os.getuid())
        attempt("root-again", lambda: os.setresuid(0, 0, 0))
        """,
    )


@hostile(target.FULL, forbidden=("LIMITS-CHANGED",))
def limits_of_the_watcher_changed(book: Book) -> NotebookNode:
    """The process that watches the kernel gets limits under which it cannot watch."""
    return trying(
        book,
        """
        import resource

        for pid in {1, os.getppid()} - {0, os.getpid()}:
            for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK, resource.RLIMIT_MSGQUEUE):
                attempt("limits-changed", lambda: resource.prlimit(pid, kind, (3, 3)))
        """,
    )


@hostile(target.FULL, forbidden=("LIMIT-RAISED", "PRIORITY-RAISED"))
def limits_raised(book: Book) -> NotebookNode:
    """The limits on memory, time, files and processes are lifted again."""
    return trying(
        book,
        """
        import resource

        kinds = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
        for kind in sorted(set(kinds)):
            soft, hard = resource.getrlimit(kind)
            if hard != resource.RLIM_INFINITY:
                attempt("limit-raised", lambda: resource.setrlimit(kind, (hard + 1, hard + 1)))
        attempt("priority-raised", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
        """,
    )


@hostile(target.FULL, forbidden=("TRACED", "WRITTEN-INTO", "DESCRIPTOR-TAKEN", "COMPARED"))
def other_processes(book: Book) -> NotebookNode:
    """Tracing, reading, writing into and taking descriptors of other processes."""
    return trying(
        book,
        """
        buffer = ctypes.create_string_buffer(16)
        vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
            if pid == os.getpid():
                continue
            attempt("traced", lambda: libc.ptrace(16, pid, 0, 0))
            attempt("written-into", lambda: libc.syscall(311, pid, vector, 1, vector, 1, 0))
            attempt("compared", lambda: libc.syscall(312, pid, os.getpid(), 0, 0, 0))
            try:
                handle = os.pidfd_open(pid)
            except OSError:
                continue
            for number in range(12):
                attempt("descriptor-taken", lambda: libc.syscall(438, handle, number, 0))
        """,
    )


@hostile(target.FULL, forbidden=("CALL-101", "CALL-248", "CALL-250", "CALL-298", "CALL-304",
                                 "CALL-321", "CALL-323", "CALL-425", "CALL-319"))  # fmt: skip
def rare_system_calls(book: Book) -> NotebookNode:
    """Calls that have been ways out before: keys, tracing, bpf, perf, userfaultfd, io_uring."""
    return trying(
        book,
        """
        event = ctypes.create_string_buffer(b"\\x01\\0\\0\\0\\x70\\0\\0\\0" + b"\\0" * 104)
        arguments = {101: (0, 0, 0, 0), 248: (b"user", b"x", b"y", 1, -3), 250: (0, -3, 1, 0, 0),
                     298: (event, 0, -1, -1, 0),
                     304: (-100, b"x", 0), 319: (b"x", 0), 321: (0, None, 0), 323: (1,),
                     425: (4, ctypes.create_string_buffer(120))}
        for number, rest in arguments.items():
            attempt(f"call-{number}", lambda: libc.syscall(number, *rest))
        """,
    )


@hostile(target.FULL, forbidden=("BECAME-ROOT", "uid=0"))
def programs_with_rights(book: Book) -> NotebookNode:
    """Programs that run as root for anybody: su, mount, sudo, newuidmap, fusermount."""
    return trying(
        book,
        """
        import glob
        import stat
        import subprocess

        for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/lib/*"):
            for path in glob.glob(folder + "/*"):
                try:
                    mode = os.stat(path).st_mode
                except OSError:
                    continue
                if mode & stat.S_ISUID and stat.S_ISREG(mode):
                    print(path, oct(mode))
        for command in ("sudo -n id", "su -c id", "newuidmap $$ 0 0 1", "unshare -r id",
                        "chmod u+s $(cp /usr/bin/id ./id; echo ./id) && ./id"):
            done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=3,
                                  stdin=subprocess.DEVNULL)
            print(command, done.returncode, done.stdout, done.stderr)
        """,
    )


@hostile(target.FULL, forbidden=("OVERWRITTEN",))
def interpreter_overwritten(book: Book) -> NotebookNode:
    """The running interpreter is written to by /proc/self/exe and /proc/PID/exe."""
    return trying(
        book,
        """
        def overwrite(path):
            handle = os.open(path, os.O_WRONLY)
            os.close(handle)
            return path

        for pid in ["self", *(name for name in os.listdir("/proc") if name.isdigit())]:
            attempt("overwritten", lambda: overwrite(f"/proc/{pid}/exe"))
        """,
    )


@hostile(target.FULL, forbidden=("TYPED",))
def typing_into_the_terminal(book: Book) -> NotebookNode:
    """A command is typed into the instructor's terminal by TIOCSTI."""
    return trying(
        book,
        """
        import fcntl

        for path in ("/dev/tty", "/dev/console", "/dev/pts/0", "/proc/self/fd/0"):
            def type_into():
                handle = os.open(path, os.O_RDWR | os.O_NOCTTY)
                for letter in "id\\n":
                    fcntl.ioctl(handle, 0x5412, letter.encode())
            attempt("typed", type_into)
            def type_wide():
                handle = os.open(path, os.O_RDWR | os.O_NOCTTY)
                return libc.ioctl(handle, ctypes.c_ulong(0x100005412), ctypes.c_char_p(b"x"))
            attempt("typed", type_wide)
        """,
    )


@hostile(target.FULL, forbidden=("DEVICE-MADE", "OLD-CALLS"))
def devices_and_old_calls(book: Book) -> NotebookNode:
    """Device files are made, and system calls made by the 32-bit entry."""
    return trying(
        book,
        """
        import mmap
        import stat

        block, character = 0o600 | stat.S_IFBLK, 0o600 | stat.S_IFCHR
        attempt("device-made", lambda: os.mknod("disk", block, os.makedev(8, 0)) or 1)
        attempt("device-made", lambda: os.mknod("mem", character, os.makedev(1, 1)) or 1)
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes.fromhex("b814000000cd80c3"))
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        pid = os.fork()
        if pid == 0:
            found = ctypes.CFUNCTYPE(ctypes.c_int)(start)()
            os._exit(7 if found == os.getpid() else 0)
        _, status = os.waitpid(pid, 0)
        worked = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 7
        attempt("old-calls", lambda: 1 if worked else -1)
        """,
    )
