"""Many streams in order of how bad they are, with the newest points of each, in bounded memory."""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import VERDICT_DTYPE, Verdicts, streams_of, verdict_from_row, without_streams
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP, UNUSUAL
from streamforest.wording import reason_text

#: Points of a stream that are kept for its picture.
PAST = 120
#: Streams whose newest points are kept: the first ones, and then those that are worse.
MOST_PASTS = 20_000
#: A stream's points after which an anomaly weighs half in the ranking.
HALF_LIFE = 100.0
#: p-values below are all the same.
LEAST_P = 1e-9
#: What the weight of any anomaly is less than: streams in an episode come first.
IN_EPISODE = 100.0
NO_ANOMALY = -(2**62)  # index of the newest anomaly where there was none

#: One point of a stream's past.
PAST_DTYPE = np.dtype([("time", "f8"), ("value", "f8"), ("lower", "f8"), ("upper", "f8"), ("is_anomaly", "?")])

#: What is kept of a stream, by its number.
STANDING_DTYPE = np.dtype(
    [
        ("points", "i8"),
        ("anomalies", "i8"),
        ("episodes", "i8"),  # so far
        ("newest_anomaly", "i8"),  # its index
        ("weight", "f8"),  # of the anomaly that counts most, when it came: minus log10 of its p-value
        ("weighed", "i8"),  # its index
        ("worst_p", "f8"),
        ("p_value", "f8"),  # of the newest point; NaN before the first
        ("time", "f8"),
        ("past", "i8"),  # place of its newest points, -1 where they are not kept
        ("since", "i8"),  # index from which on they are kept
    ]
)


def new_standings(n: int) -> NDArray[np.void]:
    """Standings of n streams that have no points yet, shape (n,)."""
    standings = np.zeros(n, STANDING_DTYPE)
    standings["newest_anomaly"], standings["past"] = NO_ANOMALY, -1
    for name in ("worst_p", "p_value", "time"):
        standings[name] = np.nan
    return standings


class Rank(NamedTuple):
    """A stream in the ranking.

    Attributes
    ----------
    number : int
        Of the stream.
    key : str
        As it came from outside.
    state : str
        ``anomalous``: it is in an episode; ``unusual`` or ``calm``, by its newest p-value; ``warming up``: it has none.
    points, anomalies, episodes : int
        Points judged, anomalous ones, and the events that they belong to.
    worst_p, p_value : float or None
        Least p-value of its anomalies; that of the newest point.
    time : float or None
        Of the newest point, seconds, UTC epoch.
    reason : str
        Of the anomaly that it has its place for, in words.
    """

    number: int
    key: str
    state: str
    points: int
    anomalies: int
    episodes: int
    worst_p: float | None
    p_value: float | None
    time: float | None
    reason: str


class StreamRanking:
    """A sink that ranks streams, for the thread that judges; asked by the one that draws.

    A stream is as bad as the rarest of its anomalies, by the logarithm of the p-value, which weighs half after
    HALF_LIFE further points of the stream; streams in an episode come first.

    Parameters
    ----------
    names : StreamNames
        Of the streams.
    gap : int
        Calm points in a row that an episode survives.
    most_pasts : int
        Streams whose newest points are kept, at least 1. They are those that came first; once all places are taken, a
        stream that becomes anomalous takes that of the least bad one.

    Attributes
    ----------
    end : int
        Points of all streams so far.
    """

    name = "ranking"

    def __init__(self, names: StreamNames, gap: int = EPISODE_GAP, most_pasts: int = MOST_PASTS) -> None:
        self._names, self._gap = names, gap
        self._lock = threading.Lock()
        self._standings = np.zeros(0, STANDING_DTYPE)
        self._pasts = np.zeros((most_pasts, PAST), PAST_DTYPE)  # takes memory only where something is written
        self._owners = np.zeros(most_pasts, np.int64)  # stream of each past
        self._n_pasts = 0
        self._reasons: dict[int, tuple[Any, ...]] = {}  # verdict of the anomaly that counts most, by stream
        self._newest: Verdicts = np.empty(0, VERDICT_DTYPE)
        self.end = 0

    @property
    def first(self) -> int:
        """Index of the oldest point that can be shown by itself: none can."""
        return self.end

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        streams = streams_of(verdicts)
        with self._lock:
            self._grow(int(streams.max()) + 1)
            standings = self._standings
            # where the run was resumed, the first point that comes of a stream is not its first one
            is_fresh = (verdicts["index"] == 0) | (standings["points"][streams] == 0)
            for stream, index in zip(streams[is_fresh].tolist(), verdicts["index"][is_fresh].tolist(), strict=True):
                if not index or not standings["points"][stream]:
                    self._begin(stream, index)
            standings["points"][streams] = verdicts["index"] + 1  # of several points of a stream the last one stays
            standings["p_value"][streams] = verdicts["p_value"]
            standings["time"][streams] = verdicts["time"]
            places = np.flatnonzero(verdicts["is_anomaly"])
            for stream, row in zip(streams[places].tolist(), without_streams(verdicts[places]).tolist(), strict=True):
                self._mark(stream, row)
            self._keep(streams, verdicts)
            self._newest = without_streams(verdicts[-1:])
            self.end += len(verdicts)

    def close(self) -> None:
        """Nothing is held back; what is kept stays readable."""

    def newest(self, n: int) -> Verdicts:
        """The newest verdict of all streams, in an array of shape (1,), for n of at least 1; (0,) before the first."""
        with self._lock:
            return self._newest[:n]

    def ranks(self, first: int, n: int) -> list[Rank]:
        """The streams from place ``first`` of the ranking on (the worst is at 0), at most n."""
        with self._lock:
            standings = self._standings.copy()
        badness = _badness(standings, self._gap)
        order = np.argsort(-badness, kind="stable")
        found: list[Rank] = []
        for number in order.tolist():
            key = self._names.key_of(number)
            if key is None or not standings["points"][number]:
                continue  # dropped, or not there yet
            first -= 1
            if first < 0:
                found.append(self._rank(number, key, standings[number]))
            if len(found) >= n:
                break
        return found

    def past(self, number: int) -> NDArray[np.void]:
        """The newest points of a stream that are kept, oldest first: array of PAST_DTYPE, shape (n,), n <= PAST."""
        with self._lock:
            standing = self._standings[number]
            if standing["past"] < 0:
                return np.zeros(0, PAST_DTYPE)
            points = int(standing["points"])
            indices = np.arange(max(int(standing["since"]), points - PAST), points)
            past: NDArray[np.void] = self._pasts[standing["past"], indices % PAST]
            return past

    def _rank(self, number: int, key: str, standing: np.void) -> Rank:
        def finite(name: str) -> float | None:
            return float(standing[name]) if np.isfinite(standing[name]) else None

        reason = self._reasons.get(number)
        p_value = finite("p_value")
        if is_in_episode(standing, self._gap):
            state = "anomalous"
        elif p_value is None:
            state = "warming up"
        else:
            state = "unusual" if p_value < UNUSUAL else "calm"
        return Rank(
            number,
            key,
            state,
            points=int(standing["points"]),
            anomalies=int(standing["anomalies"]),
            episodes=int(standing["episodes"]),
            worst_p=finite("worst_p"),
            p_value=p_value,
            time=finite("time"),
            reason="" if reason is None else reason_text(verdict_from_row(reason)),
        )

    def _grow(self, n: int) -> None:
        missing = n - len(self._standings)
        if missing > 0:
            fresh = new_standings(max(missing, 256, len(self._standings) // 2))
            self._standings = np.concatenate((self._standings, fresh))

    def _begin(self, stream: int, index: int) -> None:
        """Know nothing of a stream before its point of an index; it keeps the place of whose number it has now."""
        place = int(self._standings["past"][stream])
        if place < 0 and self._n_pasts < len(self._pasts):
            place, self._n_pasts = self._n_pasts, self._n_pasts + 1
            self._owners[place] = stream
        self._standings[stream : stream + 1] = new_standings(1)
        self._standings["past"][stream] = place
        self._standings["points"][stream], self._standings["since"][stream] = index + 1, index
        self._reasons.pop(stream, None)

    def _mark(self, stream: int, row: tuple[Any, ...]) -> None:
        """Take one anomalous point."""
        verdict = verdict_from_row(row)
        standing = self._standings[stream]
        index = verdict.index
        p_value = LEAST_P if verdict.p_value is None else max(verdict.p_value, LEAST_P)
        if -math.log10(p_value) >= standing["weight"] * 0.5 ** ((index - standing["weighed"]) / HALF_LIFE):
            standing["weight"], standing["weighed"] = -math.log10(p_value), index
            self._reasons[stream] = row
        standing["worst_p"] = np.fmin(standing["worst_p"], p_value)
        standing["anomalies"] += 1
        standing["episodes"], standing["newest_anomaly"] = verdict.episode or 0, index
        if standing["past"] < 0:
            self._take_past(stream, index)

    def _take_past(self, stream: int, index: int) -> None:
        """Keep a stream's points from an index on, in place of those of the least bad one."""
        owners = self._owners[: self._n_pasts]
        place = int(np.argmin(_badness(self._standings[owners], self._gap)))
        self._standings["past"][owners[place]] = -1
        owners[place] = stream
        self._standings["past"][stream], self._standings["since"][stream] = place, index

    def _keep(self, streams: NDArray[np.int64], verdicts: Verdicts) -> None:
        places = self._standings["past"][streams]
        is_kept = places >= 0
        is_kept &= verdicts["index"] >= self._standings["since"][streams]
        places, kept = places[is_kept], verdicts[is_kept]
        at = kept["index"] % PAST
        for name in PAST_DTYPE.names or ():
            self._pasts[name][places, at] = kept[name]


def is_in_episode(standing: Any, gap: int) -> Any:
    """Whether the newest point of a stream, or of each, lies in an episode or so short behind one that it may go on."""
    return standing["points"] - 1 - standing["newest_anomaly"] <= gap


def _badness(standings: NDArray[np.void], gap: int) -> NDArray[np.float64]:
    """How bad streams are, shape (n,): 0 without an anomaly."""
    badness = np.zeros(len(standings))
    places = np.flatnonzero(standings["weight"])
    marked = standings[places]
    age = marked["points"] - 1 - marked["weighed"]
    badness[places] = marked["weight"] * 0.5 ** (age / HALF_LIFE) + IN_EPISODE * is_in_episode(marked, gap)
    return badness
