"""What the user asks for, from whichever key, window or page: asked in any thread, carried out in one."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

#: Commands of the picture: those of ``streamforest.figures.navigation``, which nothing here may import.
VIEW_COMMANDS = (
    *("pause", "live", "back", "forward", "wider", "narrower", "last-anomaly", "previous-anomaly", "next-anomaly"),
    *("episodes", "help", "honesty", "forecast"),
)
#: What opens a panel of choices or says something of an alarm, and what only an open panel heeds.
OPENING = ("what-if", "limits", "nothing", "real", "missed", "undo")
#: What closes the panel that it has opened.
SWITCHING = ("what-if", "limits")
PANEL_COMMANDS = (*OPENING, "up", "down", "take")
#: All that can be asked for, beside ``detector:NAME``.
NAMES = frozenset(
    {"snapshot", "case", "report", "next-detector", "stop", "unwatch", *VIEW_COMMANDS, *PANEL_COMMANDS},
)
DETECTOR = "detector:"

REPEAT = 0.3  # seconds in which another q is the same press: a held key repeats
MOST_WAITING = 1000  # more are of a stuck key


class Actions:
    """A queue of what was asked for, with a descriptor that wakes ``select``.

    Parameters
    ----------
    clock : callable
        Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: deque[str] = deque(maxlen=MOST_WAITING)
        self._last_snapshot = float("-inf")
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def ask(self, name: str) -> None:
        """Ask for an action; may be called from any thread, but not from a signal handler.

        Parameters
        ----------
        name : str
            One of NAMES, or ``detector:`` and a detector's name. A "snapshot" less than REPEAT seconds after
            the one before belongs to the same press.

        Raises
        ------
        ValueError
            There is no such action.
        """
        if name not in NAMES and not name.startswith(DETECTOR):
            raise ValueError(f"action is {name!r}; it must be {DETECTOR}NAME or one of {', '.join(sorted(NAMES))}")
        with self._lock:
            if not self._is_repeated(name):
                self._asked.append(name)
        self.wake()

    def is_asked(self, name: str) -> bool:
        """Whether an action was asked for that nobody has taken yet."""
        with self._lock:
            return name in self._asked

    def _is_repeated(self, name: str) -> bool:
        if name == "snapshot":
            now = self._clock()
            last, self._last_snapshot = self._last_snapshot, now
            return now - last < REPEAT
        return False

    def ignore_repeats(self) -> None:
        """Count a "snapshot" asked for from now on, within REPEAT seconds, as the one that was just taken.

        A held key repeats while the picture is being saved, and is heard afterwards.
        """
        with self._lock:
            self._last_snapshot = self._clock()

    def wake(self) -> None:
        """Make the descriptor readable: what waits on it has to look around."""
        with suppress(OSError):  # full, which wakes as well, or closed
            self._sender.send(b"\0")

    def take(self) -> list[str]:
        """What was asked for since the last call, in order."""
        with suppress(OSError):
            while self._receiver.recv(4096):
                pass
        with self._lock:
            asked = list(self._asked)
            self._asked.clear()
        return asked

    @property
    def is_waiting(self) -> bool:
        """Whether something was asked for that nobody has taken."""
        return bool(self._asked)

    def wait(self, seconds: float, *descriptors: int) -> None:
        """Sleep so long, less if an action is asked for, :meth:`wake` is called or a descriptor becomes readable."""
        readable: list[socket.socket | int] = [self._receiver, *descriptors]
        select.select(readable, [], [], seconds)

    def fileno(self) -> int:
        """A descriptor that becomes readable when something is asked for."""
        return self._receiver.fileno()

    def close(self) -> None:
        """Release the descriptors; asking afterwards does nothing."""
        self._receiver.close()
        self._sender.close()
