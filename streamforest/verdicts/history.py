"""The newest verdicts in bounded memory, written by one thread and read by another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import VERDICT_DTYPE, Verdicts
from streamforest.verdicts.episodes import Episode
from streamforest.verdicts.seen_before import SeenBefore, likeness_text

Floats = NDArray[np.float64]
#: A verdict as so many bytes: copied field by field, verdicts take 15 times as long.
BYTES = np.dtype((np.void, VERDICT_DTYPE.itemsize))


class History:
    """The newest ``capacity`` verdicts: a sink for the thread that judges, a store for the one that draws.

    Verdicts are found by their stream index; indices are taken to follow one another, from that of the
    first verdict on. Reading copies, and the lock is held for no longer than the copy takes: about 1
    microsecond for 50 verdicts, 0.1 ms for 50,000. A reader that draws asks for what is new.

    Parameters
    ----------
    capacity : int
        Verdicts kept, at least 1; 83 bytes each, allocated at once.

    Raises
    ------
    ValueError
        capacity is below 1.

    Attributes
    ----------
    marks : Marks or None
        What other detectors flagged, where some judge along.
    seen : SeenBefore or None
        Knows which earlier episodes new ones are like.
    lowest : float
        The lowest value that was ever written; infinite before the first.
    ahead : callable
        Steps -> as many verdicts, shape (steps,), of which only ``index``, ``expected``, ``lower`` and ``upper`` are
        known: what is expected of the next points; none where it is unknown.
    """

    name = "history"

    def __init__(self, capacity: int = 50_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        self.capacity = capacity
        self._ring: Verdicts = np.zeros(capacity, VERDICT_DTYPE)
        self._lock = threading.Lock()
        self._base = 0
        self._written = 0
        self.marks: Marks | None = None  # of other detectors, where some judge along
        self.seen: SeenBefore | None = None
        self.lowest = float("inf")
        self.ahead: Callable[[int], Verdicts] = lambda _steps: np.empty(0, VERDICT_DTYPE)

    @property
    def written(self) -> int:
        """Verdicts written in all."""
        return self._written

    @property
    def first(self) -> int:
        """Stream index of the oldest verdict kept."""
        with self._lock:
            return self._base + max(0, self._written - self.capacity)

    @property
    def end(self) -> int:
        """Stream index that the next verdict will have."""
        with self._lock:
            return self._base + self._written

    def like_text(self, episode: Episode) -> str:
        """The earlier episode that one of these points is like, in words; empty where there is none."""
        like = None if self.seen is None else self.seen.of_start(episode.start.index)
        return "" if like is None else likeness_text(like)

    def write(self, verdicts: Verdicts) -> None:
        """Keep a block of verdicts of shape (n,), in place of the oldest."""
        kept = verdicts[-self.capacity :]
        if len(verdicts):
            self.lowest = float(np.fmin.reduce(verdicts["value"], initial=self.lowest))
        with self._lock:
            if not self._written and len(verdicts):
                self._base = int(verdicts["index"][0])
            start = (self._written + len(verdicts) - len(kept)) % self.capacity
            before_seam = self.capacity - start
            self._ring[start : start + len(kept)] = kept[:before_seam]
            self._ring[: max(0, len(kept) - before_seam)] = kept[before_seam:]
            self._written += len(verdicts)

    def close(self) -> None:
        """Nothing is held back; what is kept stays readable."""

    def view(self, first: int, last: int) -> Verdicts:
        """Copy of the verdicts with stream index ``first`` to ``last``, both included, as far as they are kept."""
        with self._lock:
            return self._copy(first - self._base, last + 1 - self._base)

    def newest(self, n: int) -> Verdicts:
        """Copy of the newest ``n`` verdicts, or of all that are kept."""
        with self._lock:
            return self._copy(self._written - n, self._written)

    @property
    def floor(self) -> float:
        """What no band need be drawn below: 0 where no value was ever negative."""
        return 0.0 if self.lowest >= 0.0 else float("-inf")

    def last_anomaly(self) -> int | None:
        """Stream index of the newest anomalous point kept, or None."""
        return self.previous_anomaly(self.end)

    def previous_anomaly(self, index: int) -> int | None:
        """Stream index of the newest anomalous point kept before ``index``, or None."""
        found = self._anomalies()
        place = int(np.searchsorted(found, index, "left"))
        return int(found[place - 1]) if place else None

    def next_anomaly(self, index: int) -> int | None:
        """Stream index of the oldest anomalous point kept after ``index``, or None."""
        found = self._anomalies()
        place = int(np.searchsorted(found, index, "right"))
        return int(found[place]) if place < len(found) else None

    def _anomalies(self) -> NDArray[np.int64]:
        with self._lock:
            oldest = max(0, self._written - self.capacity)
            flags = self._ring["is_anomaly"][: self._written - oldest].copy()
            base = self._base
        seam = oldest % self.capacity
        return base + oldest + np.flatnonzero(np.roll(flags, -seam))

    def _copy(self, first: int, end: int) -> Verdicts:
        """Rows by count since the start; the caller holds the lock."""
        end = min(end, self._written)
        first = max(first, self._written - self.capacity, 0)
        n = max(0, end - first)
        start = first % self.capacity
        rows: Verdicts = np.empty(n, VERDICT_DTYPE)
        before_seam = min(n, self.capacity - start)
        copied, ring = rows.view(BYTES), self._ring.view(BYTES)
        copied[:before_seam] = ring[start : start + before_seam]
        copied[before_seam:] = ring[: n - before_seam]
        return rows


class Marks:
    """What other detectors flagged at the newest points: written by the thread that judges, read by the one that draws.

    Parameters
    ----------
    capacity : int
        Points kept, at least 1.
    names : sequence of str
        Of the detectors.
    """

    def __init__(self, capacity: int, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._ring = np.zeros((len(self.names), capacity), dtype=bool)
        self._lock = threading.Lock()
        self._end = 0

    def write(self, first: int, flags: NDArray[np.bool_]) -> None:
        """Keep a block of flags, shape (len(names), n), from the stream index ``first`` on, in place of the oldest."""
        n, capacity = flags.shape[1], self._ring.shape[1]
        kept = min(n, capacity)
        places = (first + np.arange(n - kept, n)) % capacity
        with self._lock:
            self._ring[:, places] = flags[:, n - kept :]
            self._end = first + n

    def view(self, first: int, last: int) -> NDArray[np.bool_]:
        """Flags at stream indices ``first`` to ``last``, shape (len(names), last + 1 - first); False where not kept."""
        indices = np.arange(first, last + 1)
        capacity = self._ring.shape[1]
        with self._lock:
            flags: NDArray[np.bool_] = self._ring[:, indices % capacity]
            end = self._end
        flags[:, (indices < end - capacity) | (indices >= end)] = False
        return flags


class Columns(NamedTuple):
    """Values reduced to columns: where each stands, its least and its greatest value (NaN where all are missing)."""

    x: Floats
    low: Floats
    high: Floats


def column_starts(first: int, n: int, per_column: int) -> NDArray[np.intp]:
    """Offset of the first value of each column among ``n`` values from stream index ``first`` on.

    Columns begin at multiples of ``per_column``, so that they hold the same values wherever the view
    begins: a picture that moves does not flicker.
    """
    offsets = np.arange(-(first % per_column), n, per_column, dtype=np.intp)
    return np.maximum(offsets, 0)


def columns(values: Floats, first: int, per_column: int) -> Columns:
    """Reduce values to columns without losing an extreme.

    Parameters
    ----------
    values : array of shape (n,), float64
        NaN is missing: it takes no part.
    first : int
        Stream index of ``values[0]``.
    per_column : int
        Values a column, at least 1.

    Returns
    -------
    Columns
        Arrays of shape (n_columns,); ``x`` is the stream index of the column's middle.
    """
    if not len(values):
        return Columns(np.empty(0), np.empty(0), np.empty(0))
    starts = column_starts(first, len(values), per_column)
    middle = (first + starts) // per_column * per_column + (per_column - 1) / 2
    return Columns(middle.astype(np.float64), np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts))
