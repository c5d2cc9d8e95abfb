"""A text stream that is written in a thread of its own: a reader that stands still holds nobody up for ever."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TextIO

#: Characters that wait for a reader who stands still; beyond, the oldest lines are left out.
MOST = 8 * 2**20
#: Bytes written in one go: between two of them it is seen that the reader goes on.
PIECE = 8192
#: Seconds without progress after which nothing is waited for once the run shall end.
LAST_PATIENCE = 1.0

_LOOK = 0.05  # seconds between two looks at the request to end the run


class Requested(Protocol):
    """Whether the run shall end; a part of Stop."""

    @property
    def requested(self) -> bool:
        """Whether it shall."""
        ...


class PatientStream:
    """Stands in for standard output or standard error.

    ``flush`` waits until all is written, as that of any stream, as long as the reader takes something now and then.
    Once it has taken nothing for ``patience`` seconds, nobody waits for it any more until it has taken all that waits.

    Parameters
    ----------
    stream : text stream
        What is written to; other attributes are looked up on it.
    name : str
        For people.
    patience : float or None
        Seconds; None: for ever.
    clock : callable
        Seconds that only go forward.

    Attributes
    ----------
    patience : float or None
        May be changed.
    stop : Requested or None
        Once it is requested, LAST_PATIENCE is all there is.
    notify : callable
        Takes a line for people: of lines that are left out, at the first and at each ten times as many.
    left_out : int
        Lines that were never written.

    Notes
    -----
    A write that fails raises its OSError in ``flush``. Lines are whole also then: what is missing of one that was
    written in part comes before anything else, and the lines behind it are left out.
    """

    def __init__(
        self,
        stream: TextIO,
        name: str,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self.stop: Requested | None = None
        self.notify: Callable[[str], None] = _nobody
        self.left_out = 0
        self._stream, self._name, self._clock = stream, name, clock
        self._descriptor = _descriptor_of(stream)
        self._poller = _poller_of(self._descriptor)
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[str] = deque()
        self._size = 0  # characters that wait
        self._rest = b""  # of a line that was written in part
        self._given = self._written = 0  # lines
        self._is_writing = self._is_stuck = False
        self._progress = 0
        self._fault: OSError | None = None
        self._reported = 0
        self._keep: Callable[[str], None] | None = None
        self._thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)

    @property
    def unread(self) -> int:
        """Lines that still wait."""
        return self._given - self._written - self.left_out

    def hold(self, keep: Callable[[str], None] | None) -> None:
        """Hand what is written to somebody else from now on, who keeps it; None: write it again."""
        self._keep = keep

    def write(self, text: str) -> int:
        """Take whole lines; returns at once."""
        keep = self._keep
        if keep is not None:
            keep(text)
            return len(text)
        with self._lock:
            self._given += text.count("\n")
            if self._has_space(text) or not self._has_thread():
                self._put_or_note(text)
                return len(text)
            self._waiting.append(text)
            self._size += len(text)
            while self._size > MOST and len(self._waiting) > 1:
                oldest = self._waiting.popleft()
                self._size -= len(oldest)
                self.left_out += oldest.count("\n")
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Wait until all is written, as far as the reader is worth waiting for.

        Raises
        ------
        OSError
            It cannot be written.
        """
        with self._lock:
            self._wait()
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        self._tell()

    def finish(self) -> None:
        """Wait once more, at the end, for a reader who was given up: as long as something is taken now and then.

        Raises
        ------
        OSError
            It cannot be written.
        """
        with self._lock:
            self._is_stuck = False
        if self.patience is not None:
            self.patience = min(self.patience, LAST_PATIENCE)
        self.flush()

    def _wait(self) -> None:
        """Wait until nothing is to be written, or the patience is over; the caller holds the lock."""
        progress, since = self._progress, self._clock()
        while (self._waiting or self._is_writing) and self._fault is None:
            if self._progress != progress:
                progress, since = self._progress, self._clock()
            patience = self.patience
            if self.stop is not None and self.stop.requested:
                patience = LAST_PATIENCE if patience is None else min(patience, LAST_PATIENCE)
            if patience is not None and (self._is_stuck or self._clock() - since >= patience):
                self._is_stuck = True
                return
            self._changed.wait(_LOOK)
        self._is_stuck = False

    def _tell(self) -> None:
        if self.left_out >= max(1, 10 * self._reported):
            self._reported = self.left_out
            self.notify(f"{self._name}: lines cannot be written; {self.left_out:,} left out so far")

    def _work(self) -> None:
        while True:
            with self._lock:
                self._is_writing = False
                self._changed.notify_all()
                while not self._waiting:
                    self._changed.wait()
                text = self._waiting.popleft()
                self._size -= len(text)
                self._is_writing = True
            self._put_or_note(text)

    def _has_thread(self) -> bool:
        """Whether there is a thread that writes; none can be started where memory ends. The caller holds the lock."""
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="output", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                return False
            self._thread = thread
        return True

    def _has_space(self, text: str) -> bool:
        """Whether a pipe takes this at once, so that no thread need be woken for it; the caller holds the lock."""
        if self._poller is None or self._waiting or self._is_writing or self._rest or self._fault is not None:
            return False
        is_short = len(text) <= select.PIPE_BUF and text.isascii()  # a pipe that has space takes it whole
        return is_short and self._poller.poll(0) == [(self._descriptor, select.POLLOUT)]

    def _put_or_note(self, text: str) -> None:
        """Write; a fault waits for the next ``flush``."""
        try:
            self._put(text)
        except OSError as error:
            with self._lock:
                self._fault = error
                if isinstance(error, BrokenPipeError):  # nobody will ever read the rest, or misses it
                    self.left_out += bool(self._rest)
                    self._rest = b""
                    self.notify = _nobody

    def _put(self, text: str) -> None:
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            self._written += text.count("\n")
            return
        content = self._rest + text.encode(self._stream.encoding or "utf-8", self._stream.errors or "backslashreplace")
        place = 0
        try:
            while place < len(content):
                piece = content[place : place + PIECE]
                size = os.write(self._descriptor, piece)
                place += size
                self._written += piece.count(b"\n", 0, size)
                self._progress += 1
        finally:
            is_torn = content[place - 1] != ord("\n") if place else bool(self._rest)
            missing = content[place:]
            self._rest = missing[: missing.find(b"\n") + 1] if is_torn else b""
            self.left_out += missing.count(b"\n") - self._rest.count(b"\n")


def _nobody(_line: str) -> None:
    """Take a line and tell it to nobody."""


def _descriptor_of(stream: TextIO) -> int | None:
    """What is written to directly; None where the stream knows better: a console of Windows, or no file at all."""
    if sys.platform == "win32":
        return None
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _poller_of(descriptor: int | None) -> select.poll | None:
    """What tells whether a pipe has space; None if it is none: a terminal may stand still though it seems to have."""
    if descriptor is None or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return None
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return poller
