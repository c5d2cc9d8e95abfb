"""What programs can ask a run for: the newest verdicts, its episodes, and both as they come."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import orjson

from streamforest.protocols import STREAM_VERDICT_DTYPE, VERDICT_DTYPE, State, Verdicts
from streamforest.state import joined, packed, part_of, unpacked
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP
from streamforest.verdicts.incidents import Incidents
from streamforest.verdicts.life import EpisodeLife, Event

#: Episodes that are kept, the newest.
MOST_EPISODES = 10_000
#: Verdicts and events that wait for a listener who does not take them; the oldest are left out beyond.
MOST_WAITING = 20_000


class Range(NamedTuple):
    """Which verdicts or episodes are wanted; None: no limit.

    Attributes
    ----------
    key : str or None
        Of the stream.
    since, until : float or None
        Seconds, UTC epoch, both included: what has no time is in no such range.
    first, end : int or None
        Of the stream's index; ``end`` is outside.
    """

    key: str | None = None
    since: float | None = None
    until: float | None = None
    first: int | None = None
    end: int | None = None


class Listener:
    """What comes for one listener: blocks of verdicts and events, in order.

    Parameters
    ----------
    wake : callable
        Called in the thread that judges whenever something came.
    wants_verdicts : bool
        Whether verdicts come too, or events only.
    """

    def __init__(self, wake: Callable[[], None], wants_verdicts: bool) -> None:
        self._wake, self._wants_verdicts = wake, wants_verdicts
        self._waiting: deque[Verdicts | Event] = deque()
        self._count = self._left_out = 0
        self._lock = threading.Lock()

    def put(self, verdicts: Verdicts, events: list[Event]) -> None:
        """Take what is new; returns at once."""
        if not (events or self._wants_verdicts):
            return
        with self._lock:
            self._waiting += [verdicts, *events] if self._wants_verdicts else events
            self._count += len(events) + (len(verdicts) if self._wants_verdicts else 0)
            while self._count > MOST_WAITING and len(self._waiting) > 1:
                lost = _size(self._waiting.popleft())
                self._count -= lost
                self._left_out += lost
        self._wake()

    def take(self) -> tuple[list[Verdicts | Event], int]:
        """All that came since the last time, and how much was left out before it."""
        with self._lock:
            found, left_out = [*self._waiting], self._left_out
            self._waiting.clear()
            self._count = self._left_out = 0
        return found, left_out


def _size(item: Verdicts | Event) -> int:
    return 1 if isinstance(item, dict) else len(item)


class ServedVerdicts:
    """A sink of the thread that judges, asked by the one that serves.

    Parameters
    ----------
    source : str
        Name of the source, without a password.
    cool_down : int
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many.
    capacity : int
        Verdicts that are kept, of all streams together.
    incidents : Incidents, optional
        Of many streams, those that it has found; listeners get them.
    """

    name = "what programs ask for"

    def __init__(
        self,
        source: str,
        cool_down: int = EPISODE_GAP,
        names: StreamNames | None = None,
        capacity: int = 50_000,
        incidents: Incidents | None = None,
    ) -> None:
        self._incidents = incidents
        self._life, self._names, self._capacity = EpisodeLife(source, cool_down, names), names, capacity
        self._lock = threading.Lock()
        self._ring: Verdicts = np.zeros(0, VERDICT_DTYPE if names is None else STREAM_VERDICT_DTYPE)
        self._count = 0  # verdicts so far
        self._episodes: dict[str, Event] = {}  # newest event of each, by its id
        self._listeners: list[Listener] = []

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        events = self._life.add(verdicts)
        with self._lock:
            self._keep(verdicts)
            for event in events:
                self._episodes[event["id"]] = event
            while len(self._episodes) > MOST_EPISODES:
                del self._episodes[next(iter(self._episodes))]
            listeners = [*self._listeners]
        if listeners and self._incidents is not None:
            events += self._incidents.new_events()
        for listener in listeners:
            listener.put(verdicts, events)

    def close(self) -> None:
        """Nothing is held back."""

    def listen(self, wake: Callable[[], None], wants_verdicts: bool) -> Listener:
        """Somebody who gets what comes from now on."""
        listener = Listener(wake, wants_verdicts)
        with self._lock:
            self._listeners.append(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        """Give a listener no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def verdicts(self, wanted: Range, most: int) -> Verdicts:
        """The newest verdicts that are kept of what is wanted, at most so many, oldest first."""
        with self._lock:
            at = self._count % self._capacity if self._count > self._capacity else 0
            kept = np.concatenate((self._ring[at : self._count], self._ring[:at]))
        is_wanted = np.ones(len(kept), dtype=bool)
        if wanted.key is not None:
            number = None if self._names is None else self._names.number_of(wanted.key)
            is_wanted = np.zeros(len(kept), dtype=bool) if number is None else kept["stream"] == number
        for field, low, high in (("time", wanted.since, wanted.until), ("index", wanted.first, _before(wanted.end))):
            if low is not None:
                is_wanted &= kept[field] >= low
            if high is not None:
                is_wanted &= kept[field] <= high
        found: Verdicts = kept[is_wanted]
        return found[-most:]

    def episodes(self, wanted: Range, most: int) -> list[Event]:
        """The newest event of each episode that lies in what is wanted, the newest episodes first, at most so many."""
        with self._lock:
            kept = [*self._episodes.values()]
        return [event for _, event in zip(range(most), _those_in(wanted, kept), strict=False)]

    def state(self) -> State:
        """A copy of what is remembered of episodes; the newest verdicts are not kept."""
        with self._lock:
            episodes = orjson.loads(orjson.dumps([*self._episodes.values()]))  # null for what is not finite
        return {"episodes": packed(episodes)} | joined({"life": self._life.state()})

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - it writes nowhere
        """Go on from a state; raises ValueError where it is none."""
        episodes = unpacked(state, "episodes", list[dict[str, float | str | None]])
        if not all(isinstance(event.get("id"), str) for event in episodes):
            raise ValueError("the saved episodes are not of this version")
        self._life.restore(part_of(state, "life"))
        self._episodes = {event["id"]: event for event in episodes}
        return ""

    def _keep(self, verdicts: Verdicts) -> None:
        """Write to the ring, whose memory grows with what is in it; the caller holds the lock."""
        kept = verdicts[-self._capacity :]
        start = (self._count + len(verdicts) - len(kept)) % self._capacity
        needed = min(self._capacity, start + len(kept))
        if needed > len(self._ring):
            grown = np.zeros(min(self._capacity, max(needed, 2 * len(self._ring))), self._ring.dtype)
            grown[: min(self._count, len(self._ring))] = self._ring[: self._count]
            self._ring = grown
        before_seam = self._capacity - start
        self._ring[start : start + len(kept)] = kept[:before_seam]
        self._ring[: max(0, len(kept) - before_seam)] = kept[before_seam:]
        self._count += len(verdicts)


def _before(end: int | None) -> int | None:
    return None if end is None else end - 1


def _those_in(wanted: Range, events: list[Event]) -> Iterator[Event]:
    """Events that lie in what is wanted, the newest episode first."""
    for event in reversed(events):
        start, last = event["start"], event["end"] if event["event"] == "end" else None
        if wanted.key is not None and event.get("key") != wanted.key:
            continue
        if wanted.until is not None and (start is None or start > wanted.until):
            continue
        if wanted.since is not None and (start is None or (last is not None and last < wanted.since)):
            continue
        yield event
