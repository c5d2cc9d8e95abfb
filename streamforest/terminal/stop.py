"""The request to end a run: set by a signal handler or a thread, watched by every wait."""

from __future__ import annotations

import errno
import math
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable

from streamforest.terminal.signals import end_abruptly

#: Seconds from SIGTERM by which a run should be over, and by which it is.
GRACE, END = 1.5, 1.9
_TERMINATING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopFlag:
    """A flag that wakes every waiter, safe to set from a signal handler.

    ``threading.Event`` is not: its lock may be held by the very code that the handler interrupts.
    A byte in a socket pair wakes ``select`` on every platform and needs no lock.

    Attributes
    ----------
    deadline : float
        When the run should be over, by ``time.monotonic``; infinite where nobody is in a hurry.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._requested = False
        self._was_interrupted = False
        self.deadline = math.inf

    @property
    def requested(self) -> bool:
        """Whether the run shall end."""
        return self._requested

    def request(self, *_signal: object) -> None:
        """Ask the run to end; may be called any number of times."""
        if not self._requested:
            self._requested = True
            self._sender.send(b"\0")  # never read: the descriptor stays readable for all waiters

    def hear(self, number: int, _frame: object) -> None:
        """Take a signal: ask the run to end, soon where it is SIGTERM, and at once at the second Ctrl+C.

        Where the terminal went away, SIGHUP is no reason to end: the run goes on without it.
        """
        if number == getattr(signal, "SIGHUP", None) and has_lost_terminal():
            return
        if number not in _TERMINATING:
            if self._was_interrupted:
                end_abruptly("ended at once: what was not written yet is lost", 1)
            self._was_interrupted = True
        elif self.deadline == math.inf:
            self.deadline = time.monotonic() + GRACE
        self.request()

    def end_in_time(self, notice: Callable[[], str] = str) -> None:
        """End the program END seconds after SIGTERM, wherever it is then; ``notice`` says what is not done."""
        threading.Thread(target=self._watch, args=(notice,), name="end in time", daemon=True).start()

    def _watch(self, notice: Callable[[], str]) -> None:
        try:
            select.select([self._receiver], [], [])
            while self.deadline == math.inf:  # Ctrl+C, which SIGTERM may follow
                time.sleep(0.1)
            time.sleep(max(0.0, self.deadline + END - GRACE - time.monotonic()))
        except (OSError, ValueError):
            return  # the run is over
        more = notice()
        end_abruptly(f"ended {END:g} s after the signal, what was not written is left out{more and '; '}{more}", 0)

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


def has_lost_terminal() -> bool:
    """Whether a standard stream is a terminal that is not there any more."""
    for descriptor in range(3):
        try:
            os.ttyname(descriptor)
        except OSError as error:
            if error.errno in _GONE:
                return True
    return False


_GONE = (errno.EIO, errno.ENXIO)
