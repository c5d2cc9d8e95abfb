"""The request to end a run: set by a signal handler or a thread, watched by every wait."""

from __future__ import annotations

import select
import socket


class StopFlag:
    """A flag that wakes every waiter, safe to set from a signal handler.

    ``threading.Event`` is not: its lock may be held by the very code that the handler interrupts.
    A byte in a socket pair wakes ``select`` on every platform and needs no lock.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._requested = False

    @property
    def requested(self) -> bool:
        """Whether the run shall end."""
        return self._requested

    def request(self, *_signal: object) -> None:
        """Ask the run to end; has the shape of a signal handler and may be called any number of times."""
        if not self._requested:
            self._requested = True
            self._sender.send(b"\0")  # never read: the descriptor stays readable for all waiters

    def wait(self, seconds: float) -> bool:
        """Sleep at most so many seconds, less if the run shall end; returns ``requested``."""
        if not self._requested and seconds > 0:
            select.select([self._receiver], [], [], seconds)
        return self._requested

    def fileno(self) -> int:
        """A descriptor that becomes readable when the run shall end."""
        return self._receiver.fileno()

    def close(self) -> None:
        """Release the descriptors."""
        self._receiver.close()
        self._sender.close()
