"""Copies of what a detector remembers, taken now and then: with the points since, any verdict can be had again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from streamforest.protocols import State, Verdicts
from streamforest.storage.resumption import Kept

#: Points between two copies, at least; a copy is taken between two blocks.
EVERY = 512
#: Copies that are kept, the newest, and bytes of them: the default detector's, of 24 KB, reach back 65,000 points.
MOST, MOST_BYTES = 128, 2**26
#: Share of the time that copies may take: those of some detectors have megabytes.
SHARE = 0.01


@dataclass(frozen=True)
class StateCopy:
    """What was remembered before the point of an index."""

    index: int
    state: State


class StateCopies:
    """The newest copies; taken by the thread that judges, asked for by any.

    Parameters
    ----------
    clock : callable
        Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._copies: deque[StateCopy] = deque()
        self._bytes = 0
        self._since = EVERY  # points judged since the newest one
        self._due = float("-inf")
        self._fresh: State | None = None  # of the block that is judged now
        self._judge = ""  # name of the detector

    def take_if_due(self, part: Kept) -> None:
        """Copy what a part remembers before a block is judged, if it is time."""
        if self._since < EVERY:
            return
        began = self._clock()
        if began < self._due:
            return
        self._fresh, self._since = part.state(), 0
        took = self._clock() - began
        self._due = began + took / SHARE

    def note(self, verdicts: Verdicts, judge: str) -> None:
        """Note the verdicts of a block, shape (n,), n >= 1, and who judged it: what another one remembered is gone."""
        fresh, self._fresh = self._fresh, None
        self._since += len(verdicts)
        if judge != self._judge:
            self._judge = judge
            if self._copies or fresh is None:
                self.clear()
                return
        if fresh is not None:
            self._keep(StateCopy(int(verdicts["index"][0]), fresh))

    def clear(self) -> None:
        """Drop all copies: points are judged in another way from here on."""
        with self._lock:
            self._copies.clear()
        self._fresh = None
        self._bytes, self._since, self._due = 0, EVERY, float("-inf")

    def before(self, index: int, least: int) -> StateCopy | None:
        """The newest copy from before a point, else the oldest one from the point ``least`` on; None without one."""
        with self._lock:
            kept = [copy for copy in self._copies if copy.index >= least]
        earlier = [copy for copy in kept if copy.index <= index]
        return earlier[-1] if earlier else kept[0] if kept else None

    def _keep(self, copy: StateCopy) -> None:
        with self._lock:
            self._copies.append(copy)
            self._bytes += _size(copy)
            while len(self._copies) > MOST or (self._bytes > MOST_BYTES and len(self._copies) > 1):
                self._bytes -= _size(self._copies.popleft())


def _size(copy: StateCopy) -> int:
    return sum(array.nbytes for array in copy.state.values())
