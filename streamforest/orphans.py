"""Processes that others started and left to this one: found, and struck off the system's list when they have ended."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: Seconds between two looks for children that have ended.
EVERY = 5.0
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of what a child leaves behind, in a session of its own too, so that it can be ended (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int | str = "self") -> set[int]:
    """The processes whose parent one is, ended ones that nobody asked about among them; none where unknown."""
    found: set[int] = set()
    with suppress(OSError, ValueError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - as fast as it gets
            with suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:  # noqa: PTH123
                found.update(map(int, file.read().split()))
    return found


def descendants(pids: Iterable[int]) -> set[int]:
    """Processes, their children, and theirs."""
    found: set[int] = set()
    waiting = set(pids)
    while waiting:
        found |= waiting
        waiting = {child for pid in waiting for child in children(pid)} - found
    return found


def reap_as_first_process() -> None:
    """In a container, whose first process has to, strike off what ends there without another parent, from now on."""
    if os.getpid() == 1:
        threading.Thread(target=_reap_on, name="orphans", daemon=True).start()


def _reap_on() -> None:
    ended: set[int] = set()
    while True:
        time.sleep(EVERY)
        ended = reap(ended)


def reap(before: set[int]) -> set[int]:
    """Strike off the children that had ended before too; returns the others that have ended.

    Code that started a child asks about its end sooner than that.
    """
    ended = {pid for pid in children() if _has_ended(pid)}
    for pid in ended & before:
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
    return ended - before


def _has_ended(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2][1:2] == "Z"
    return False
