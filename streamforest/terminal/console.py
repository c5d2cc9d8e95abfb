"""The terminal that a run was started in: lines for people, whether anybody is there, and who reads what is written."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from streamforest.terminal.patient_stream import PatientStream
from streamforest.text import escaped

if TYPE_CHECKING:
    from streamforest.terminal.stop import StopFlag

MOST_HELD = 100  # lines that wait while something is drawn on the terminal; the oldest are dropped
NOTICE_SECONDS = 8.0  # for which a line for people is news to who looks at a picture
_SAID: deque[tuple[float, str]] = deque(maxlen=1)  # when, and the newest line for people
_BAR: list[str] = []  # the bar that stands on the terminal's last line


def say(message: str) -> None:
    """Write a line for people to standard error, if there is one; what a name or a source put in forges none."""
    _SAID.append((time.monotonic(), escaped(message)))
    if sys.stderr is not None:
        with suppress(OSError):
            # in one piece: the worker thread speaks too; a bar is wiped away, and drawn again below
            wiped = f"\r{' ' * len(_BAR.pop())}\r" if _BAR else ""
            sys.stderr.write(f"{wiped}{escaped(message)}\n")
            sys.stderr.flush()


def draw_bar(bar: str, *, is_last: bool) -> None:
    """Draw a bar on standard error, which is a terminal, over the one before; the last one ends its line."""
    _BAR[:] = [] if is_last else [bar]
    sys.stderr.write(f"\r{bar}" + "\n" * is_last)
    sys.stderr.flush()


def newest_notice() -> str:
    """The newest line for people, for NOTICE_SECONDS after it was said; empty before and afterwards."""
    said, message = _SAID[-1] if _SAID else (float("-inf"), "")
    return message if time.monotonic() - said < NOTICE_SECONDS else ""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def is_file(stream: TextIO | None) -> bool:
    """Whether what is written to a standard stream goes into a file, where it stays."""
    try:
        return stream is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False  # it is closed, or none of the system's


def is_attended() -> bool:
    """Whether somebody is at the terminal: can type, and read what is said."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def with_patience(stream: TextIO | None, name: str, patience: float | None) -> TextIO | None:
    """A standard stream that holds nobody up, if there is one."""
    return None if stream is None else cast(TextIO, PatientStream(stream, name, patience))


def wait_for_readers(stop: StopFlag, patience: float | None) -> None:
    """Let a live run go on, and any run end, though nobody reads what it writes; a replay waits for its reader."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, PatientStream):
            stream.stop, stream.notify = stop, say
    if isinstance(sys.stdout, PatientStream):
        sys.stdout.patience = patience


class HeldLines:
    """What is written to the terminal by standard output and standard error waits: something is drawn there."""

    def __init__(self) -> None:
        self._held: deque[tuple[PatientStream, str]] = deque(maxlen=MOST_HELD)
        self._streams = [one for one in (sys.stdout, sys.stderr) if isinstance(one, PatientStream) and one.isatty()]
        for stream in self._streams:
            stream.hold(partial(self._keep, stream))

    def let_go(self) -> None:
        """Write what waits, the newest MOST_HELD pieces of it, and hold nothing any more; may be called twice."""
        for stream in self._streams:
            stream.hold(None)
        while self._held:
            stream, text = self._held.popleft()
            with suppress(OSError):
                stream.write(text)
                stream.flush()

    def _keep(self, stream: PatientStream, text: str) -> None:
        self._held.append((stream, text))


def flush_or_drop() -> None:
    """Empty the standard streams; what cannot be written is dropped, or Python would complain at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if isinstance(stream, PatientStream):
                stream.finish()
            elif stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def leave(code: int) -> NoReturn:
    """End the program here and now."""
    flush_or_drop()
    if isinstance(sys.stdout, PatientStream) and sys.stdout.unread:
        say(f"the last {sys.stdout.unread:,} lines were not written: nobody reads them")
    os._exit(code)
