"""Where words sent away would arrive: the loopback interface and unix sockets."""

import contextlib
import os
import selectors
import socket
import threading
import time

PORT = 47111
UNIX_PATH = "/tmp/listener"
ABSTRACT = "\0listener"


class Listener:
    """Notes every connection and packet until it is stopped."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._on = True
        self._selector = selectors.DefaultSelector()
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", PORT)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", PORT)),
            (socket.AF_INET6, socket.SOCK_STREAM, ("::1", PORT)),
            (socket.AF_INET6, socket.SOCK_DGRAM, ("::1", PORT)),
            (socket.AF_UNIX, socket.SOCK_STREAM, UNIX_PATH),
            (socket.AF_UNIX, socket.SOCK_STREAM, ABSTRACT),
        ):
            self._listen(family, kind, address)
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def stop(self) -> list[str]:
        """Return what was heard."""
        time.sleep(0.2)
        self._on = False
        self._thread.join()
        return self.heard

    def _listen(self, family: int, kind: int, address: object) -> None:
        there = socket.socket(family, kind)
        with contextlib.suppress(OSError):
            there.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        there.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            there.listen()
        if address == UNIX_PATH:
            os.chmod(UNIX_PATH, 0o666)
        there.setblocking(False)
        names = {"STREAM": "connection", "DGRAM": "packet"}
        name = names[socket.SocketKind(kind).name.removeprefix("SOCK_")]
        self._selector.register(there, selectors.EVENT_READ, f"{name} to {address!r}")

    def _wait(self) -> None:
        while self._on:
            for key, _ in self._selector.select(0.1):
                self.heard.append(str(key.data))
                there = key.fileobj
                assert isinstance(there, socket.socket)
                with contextlib.suppress(OSError):
                    if there.type == socket.SOCK_STREAM:
                        there.accept()[0].close()
                    else:
                        there.recv(10_000)
