"""Bytes from a pipe or a keyboard as they arrive, with a way out when the run shall end."""

from __future__ import annotations

import math
import os
import queue
import select
import threading
import time
from collections.abc import Iterator

from streamforest.protocols import Stop

#: Bytes asked for at once.
CHUNK = 65536

#: Seconds for which more is waited for awake, where the last came within them: to be woken takes as long as to judge a
#: line. A stream that lets more time pass between its lines is waited for asleep, at no cost.
AWAKE = 200e-6

# Seconds between two looks at the stop flag where ``select`` cannot watch a pipe.
_PATIENCE = 0.1


def arriving(descriptor: int, stop: Stop, silence: float | None = None) -> Iterator[bytes]:
    """Yield what arrives, at once, in chunks of at most CHUNK bytes.

    Ends when the other side closes or ``stop`` is requested, even while nothing arrives.

    Parameters
    ----------
    descriptor : int
        Of the pipe.
    stop : Stop
        Ends the wait.
    silence : float, optional
        Seconds: an empty chunk is yielded, once, as soon as nothing arrives for so long behind the first bytes.

    Raises
    ------
    OSError
        The descriptor is closed or cannot be read.
    """
    return (through_thread if os.name == "nt" else through_select)(descriptor, stop, silence)


def through_select(descriptor: int, stop: Stop, silence: float | None = None) -> Iterator[bytes]:
    """What arrives at a descriptor, in the pieces in which it does, until its end or the stop."""
    watched = [descriptor, stop.fileno()]
    is_quick, patience = False, None
    while True:
        since = time.monotonic()
        if not (is_quick and _comes_soon(watched, since + AWAKE)) and not select.select(watched, [], [], patience)[0]:
            silence = patience = None
            yield b""
            continue
        is_quick = time.monotonic() - since < AWAKE
        patience = silence
        if stop.requested:
            return
        try:
            chunk = os.read(descriptor, CHUNK)
        except BlockingIOError:
            continue  # another reader of the same pipe was faster
        if not chunk:
            return
        yield chunk


def _comes_soon(watched: list[int], end: float) -> bool:
    """Wait awake, but behind all others who want this processor, until there is something to read or time is over."""
    give_way = getattr(os, "sched_yield", None)
    while give_way is not None and time.monotonic() < end:
        if select.select(watched, [], [], 0)[0]:
            return True
        give_way()
    return False


def through_thread(descriptor: int, stop: Stop, silence: float | None = None) -> Iterator[bytes]:
    """The same where ``select`` takes sockets only, as on Windows."""
    chunks: queue.Queue[bytes | OSError] = queue.Queue(maxsize=16)
    threading.Thread(target=_read_all, args=(descriptor, chunks), daemon=True).start()
    newest = math.inf
    while not stop.requested:
        try:
            chunk = chunks.get(timeout=_PATIENCE)
        except queue.Empty:
            if silence is not None and time.monotonic() - newest >= silence:
                silence = None
                yield b""
            continue
        newest = time.monotonic()
        if isinstance(chunk, OSError):
            raise chunk
        if not chunk:
            return
        yield chunk


def _read_all(descriptor: int, chunks: queue.Queue[bytes | OSError]) -> None:
    chunk = b"-"
    while chunk:
        try:
            chunk = os.read(descriptor, CHUNK)
        except OSError as error:
            chunks.put(error)
            return
        chunks.put(chunk)
