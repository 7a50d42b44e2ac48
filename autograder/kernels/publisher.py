"""Sends what a kernel shows from the thread that shows it.

ipykernel has a thread for that, so that what is printed appears while a cell runs.
Handing over to it and waiting for it, several times a cell, was half of what a short cell costs;
here a thread is woken only for what is still unsent a while after it was printed.
"""

import os
import signal
import threading
from collections.abc import Callable
from time import sleep  # by a name that student code does not replace
from typing import TYPE_CHECKING, Any

from ipykernel.iostream import IOPubThread, OutStream

from autograder.trust.peer import no_interrupt

if TYPE_CHECKING:
    from autograder.kernels.output import BoundedStream


class Publisher(IOPubThread):
    """What ipykernel takes for its thread, which is never started."""

    def __init__(self, socket: Any, session: Any) -> None:
        super().__init__(socket, pipe=False, session=session)
        self._turn = threading.RLock()
        self._unsent: set[BoundedStream] = set()
        self._is_some_unsent = threading.Event()
        self._sender: threading.Thread | None = None

    def schedule(self, f: Callable[[], Any]) -> None:
        """Do it now, in turn with other threads; nothing in a process forked from the kernel."""
        if os.getpid() == self._master_pid:
            with self._turn, no_interrupt():  # or half a message would be sent
                f()

    def send_soon(self, stream: "BoundedStream") -> None:
        """Send what is printed to a stream when its usual time has passed."""
        if os.getpid() != self._master_pid:
            return
        self._unsent.add(stream)
        if self._sender is None:
            self._sender = threading.Thread(target=self._send_late, name="IOPub", daemon=True)
            self._sender.start()
        self._is_some_unsent.set()

    def _send_late(self) -> None:
        # Python interrupts its main thread, whichever thread the signal comes to.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while not self.closed:
            self._is_some_unsent.wait()
            self._is_some_unsent.clear()
            sleep(OutStream.flush_interval)
            while self._unsent:
                self._unsent.pop().send_now()
