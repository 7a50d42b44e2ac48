"""Memory, processes, disk and descriptors: code that takes all there is.

Amounts are chosen to be far above the limits of a kernel and harmless to a machine that holds
this test's own outer bounds.
"""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import Book, hostile


@hostile(target.FULL)
def memory_at_once(book: Book) -> NotebookNode:
    """Twelve gigabytes in one request."""
    return book.closing("hog = bytearray(12 * 2**30)")


@hostile(target.FULL)
def memory_bit_by_bit(book: Book) -> NotebookNode:
    """Four megabytes at a time, touched, until none is left."""
    return book.closing("""
        hog = []
        while True:
            try:
                hog.append(b"x" * 2**22)
            except MemoryError:
                hog = hog
        """)


@hostile(target.FULL)
def memory_of_arrays(book: Book) -> NotebookNode:
    """NumPy is asked for a matrix of a terabyte, then for many that fit."""
    return book.closing("""
        try:
            np.ones((10**6, 10**6))
        except MemoryError as error:
            print(error)
        hog = [np.ones(2**24) for _ in range(64)]
        """)


@hostile(target.FULL)
def memory_of_children(book: Book) -> NotebookNode:
    """Eight children take 300 MB each, below the limit of one process."""
    return book.closing("""
        import os
        import time

        for _ in range(8):
            if os.fork() == 0:
                hog = b"x" * (300 * 2**20)
                time.sleep(1000)
        time.sleep(3)
        """)


@hostile(target.FULL)
def shared_memory_of_children(book: Book) -> NotebookNode:
    """Eight children map 300 MB each as shared memory, which counts for no process alone."""
    return book.closing("""
        import mmap
        import os
        import time

        for _ in range(8):
            if os.fork() == 0:
                page = mmap.mmap(-1, 300 * 2**20)
                for _ in range(300):
                    page.write(b"x" * 2**20)
                time.sleep(1000)
        time.sleep(3)
        """)


@hostile(target.FULL)
def memory_shared_by_mapping(book: Book) -> NotebookNode:
    """Anonymous shared mappings and memory files, which belong to no folder."""
    return book.closing("""
        import mmap
        import os

        kept = []
        for _ in range(12):
            page = mmap.mmap(-1, 100 * 2**20)
            page.write(b"x" * 100 * 2**20)
            kept.append(page)
            handle = os.memfd_create("hog")
            os.write(handle, b"x" * 100 * 2**20)
        """)


@hostile()
def memory_in_a_tested_function(book: Book) -> NotebookNode:
    """Each tested function asks for memory until it gets none, and then a little less."""
    return book.everything_is(
        """
        def hungry(*rest):
            hog = []
            while True:
                hog.append(b"x" * 2**24)
        """,
        "hungry",
    )


@hostile(target.FULL)
def integer_of_a_billion_digits(book: Book) -> NotebookNode:
    """A number too large to print, printed."""
    return book.closing("x = 1 << 10**9\nimport sys\nsys.set_int_max_str_digits(0)\nprint(x)")


@hostile(target.FULL)
def fork_bomb(book: Book) -> NotebookNode:
    """Every process forks, and its children do."""
    return book.closing("""
        import os

        while True:
            try:
                os.fork()
            except OSError:
                pass
        """)


@hostile(target.FULL)
def thread_bomb(book: Book) -> NotebookNode:
    """Threads until the machine gives no more."""
    return book.closing("""
        import threading
        import time

        while True:
            try:
                threading.Thread(target=time.sleep, args=(1000,)).start()
            except RuntimeError:
                time.sleep(0.01)
        """)


@hostile(target.FULL)
def bomb_in_the_shell(book: Book) -> NotebookNode:
    """The shell's own fork bomb."""
    return book.closing("""
        import subprocess

        subprocess.Popen(["sh", "-c", "f() { f | f & }; f"])
        """)


@hostile()
def fork_bomb_in_a_tested_function(book: Book) -> NotebookNode:
    """The first tested function forks without end."""
    return book.solved(
        "nothing",
        clamp="""
            import os

            def clamp(*rest):
                while True:
                    try:
                        os.fork()
                    except OSError:
                        pass
            """,
    )


@hostile(target.FULL)
def disk_filled(book: Book) -> NotebookNode:
    """Files of 50 MB in every folder that can be written to."""
    return book.closing("""
        import os
        import tempfile

        for folder in {".", tempfile.gettempdir(), os.path.expanduser("~"), "/tmp", "/var/tmp"}:
            for number in range(40):
                try:
                    with open(os.path.join(folder, f"fill-{number}"), "wb") as file:
                        file.write(b"x" * 50 * 2**20)
                except OSError as error:
                    print(folder, number, error)
                    break
        """)


@hostile(target.FULL)
def disk_filled_with_names(book: Book) -> NotebookNode:
    """Empty files until there are no more names."""
    return book.closing("""
        import os
        import tempfile

        for folder in {".", tempfile.gettempdir(), "/dev/shm"}:
            try:
                for number in range(60_000):
                    open(os.path.join(folder, f"name-{number}"), "w").close()
            except OSError as error:
                print(folder, number, error)
        """)


@hostile(target.FULL)
def folders_in_folders(book: Book) -> NotebookNode:
    """A folder so deep that its path cannot be said, for whoever must delete it."""
    return book.closing("""
        import os

        for _ in range(3000):
            os.mkdir("d" * 50)
            os.chdir("d" * 50)
        """)


@hostile(target.FULL)
def folders_without_permission(book: Book) -> NotebookNode:
    """Files and folders that nobody may read, write or delete are left behind."""
    return book.closing("""
        import os

        os.makedirs("locked/inner")
        open("locked/inner/file", "w").close()
        os.chmod("locked/inner", 0)
        os.chmod("locked", 0)
        os.chmod(".", 0o500)
        """)


@hostile(target.FULL)
def file_of_a_terabyte(book: Book) -> NotebookNode:
    """A file with a hole of a terabyte in it, for whoever copies it."""
    return book.closing("""
        import os

        with open("hole", "wb") as file:
            os.truncate(file.fileno(), 2**40)
        """)


@hostile(target.FULL)
def shared_memory_filled(book: Book) -> NotebookNode:
    """/dev/shm and System V segments, until there is no more."""
    return book.closing("""
        import ctypes
        from multiprocessing import shared_memory

        libc = ctypes.CDLL(None, use_errno=True)
        kept = []
        for number in range(60):
            try:
                kept.append(shared_memory.SharedMemory(create=True, size=50 * 2**20))
                kept[-1].buf[:] = b"x" * kept[-1].size
            except OSError as error:
                print(error)
                break
        for number in range(20):
            print(libc.shmget(number + 1, 20 * 2**20, 0o1666), libc.semget(number + 1, 9, 0o1666))
        """)


@hostile(target.FULL)
def descriptors_used_up(book: Book) -> NotebookNode:
    """Every descriptor that the process may have is open."""
    return book.before(
        "announce",
        """
        import os

        kept = []
        try:
            while True:
                kept.append(os.open("/dev/null", os.O_RDONLY))
                kept += os.pipe()
        except OSError as error:
            print(error)
        """,
    )


@hostile(target.FULL)
def pipes_and_sockets_full(book: Book) -> NotebookNode:
    """Buffers of the kernel are filled through pipes and socket pairs."""
    return book.closing("""
        import os
        import socket

        kept = []
        try:
            while True:
                one, other = socket.socketpair()
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**24)
                kept += [one, other]
                try:
                    while True:
                        one.send(b"x" * 2**20)
                except BlockingIOError:
                    pass
        except OSError as error:
            print(error)
        """)
