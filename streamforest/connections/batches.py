"""Batches of readings that others post, on their way to the reader: a bounded queue, and an answer to each."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

#: Batches, and bytes of them, that wait at most: beyond that those who post have to wait.
MOST_WAITING, MOST_WAITING_BYTES = 256, 2**26

#: How a batch is written: as its bytes say, or as Prometheus' remote write.
Form = Literal["text", "remote-write"]


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    Attributes
    ----------
    state : {"judged", "kept", "unread", "postponed"}
        ``kept``: it is on the disk, and a later run judges it. ``unread``: its content cannot be read. ``postponed``:
        it was not taken, and may be sent again.
    error : str
        Why it was not judged; else empty.
    points, anomalies : int
        Readings that were judged, and those of them that are anomalous.
    refused : int
        Readings that were not.
    refusals : tuple of (where, reason)
        The first of them.
    is_repeated : bool
        Whether a batch of that id was judged before: this one was not judged again.
    verdicts : tuple of arrays
        Of its points, in order; none of a repeated batch.
    """

    state: Literal["judged", "kept", "unread", "postponed"] = "judged"
    error: str = ""
    points: int = 0
    anomalies: int = 0
    refused: int = 0
    refusals: tuple[tuple[str, str], ...] = ()
    is_repeated: bool = False
    verdicts: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Readings that were posted together.

    Attributes
    ----------
    body : bytes
        As they were sent, unpacked.
    arrival : float
        Seconds, UTC epoch: the time of readings that have none.
    form : str
        How the body is written.
    client, id : str
        Who sent it, and by what it is known if it is sent again; without an id it cannot be.
    outcome : Future of Outcome
        What those who sent it wait for.
    """

    body: bytes
    arrival: float
    form: Form = "text"
    client: str = ""
    id: str = ""
    outcome: Future[Outcome] = field(default_factory=Future, compare=False)

    def end(self, outcome: Outcome) -> None:
        """Give the outcome, unless there is one."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class BatchQueue:
    """Takes batches from the thread that serves to the one that judges.

    Parameters
    ----------
    most, most_bytes : int
        Batches and bytes that may wait.
    """

    def __init__(self, most: int = MOST_WAITING, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: deque[Batch] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = ""  # why nothing is taken any more

    @property
    def is_full(self) -> bool:
        """Whether those who post have to wait."""
        return len(self._waiting) >= self._most or self._bytes >= self._most_bytes

    def put(self, batch: Batch) -> bool:
        """Take a batch and return at once; False: it was not taken, as too much waits or the run ends."""
        with self._changed:
            if self.is_full or self._ended:
                return False
            self._waiting.append(batch)
            self._bytes += len(batch.body)
            self._changed.notify()
        return True

    def take(self, seconds: float) -> list[Batch]:
        """All batches that wait, oldest first; waits at most so many seconds for one."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(seconds)
            batches = [*self._waiting]
            self._waiting.clear()
            self._bytes = 0
        return batches

    def end(self, why: str) -> None:
        """Take no more; those that wait are not judged."""
        with self._changed:
            self._ended = why
        for batch in self.take(0.0):
            batch.end(Outcome("postponed", why))
