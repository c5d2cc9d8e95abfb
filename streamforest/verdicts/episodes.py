"""Anomalous points with no calm between them as one event with a start, a peak and an end."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from streamforest.protocols import VERDICT_DTYPE, State, Verdict, Verdicts, explained, verdict_from_row, without_streams
from streamforest.state import fits, packed, unpacked
from streamforest.stream_names import StreamNames
from streamforest.verdicts.trajectory import Trajectory, seen_alone

#: Calm points in a row that an episode survives, where no cool-down is asked for; after one more it is over.
EPISODE_GAP = 5
#: A point with a p-value below this is not calm, even where it is no anomaly: an event does not end before its
#: stream has settled, or one that ebbs away would be reported again and again.
UNUSUAL = 0.02

_INDEX, _IS_ANOMALY = ((VERDICT_DTYPE.names or ()).index(name) for name in ("index", "is_anomaly"))

#: An episode has become worse where a point deviates so many times as far as the farthest that was reported.
WORSE = 2.0

#: An episode starts, becomes worse any number of times, and ends.
Happening = Literal["start", "worse", "end"]


class CoolDown:
    """Calm points in a row that an episode survives: all that follow the episodes of a run share one, which may change.

    Parameters
    ----------
    points : int
        At least 0.
    """

    def __init__(self, points: int = EPISODE_GAP) -> None:
        self.points = points

    @classmethod
    def of(cls, points: int | CoolDown) -> CoolDown:
        """The one that is shared, or one of its own."""
        return points if isinstance(points, cls) else cls(points)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Episode:
    """Anomalous points that are one event, as far as it has come.

    Attributes
    ----------
    number : int
        The detector's number for it, from 1.
    start, peak, last : Verdict
        Its first point, the (first) point with the highest score or the one that made it worse, whichever came last,
        and its newest anomalous point. Once the episode is over, the reason of ``peak`` is what all of it was.
    points : int
        Anomalous points in it.
    stream : int
        Number of its stream; 0 where there is one.
    key : str or None
        Of its stream as it came from outside, where there are many.
    reported : float
        Distance from the expected value, in the stream's unit, of the point that it started or became worse with last.
    """

    number: int
    start: Verdict
    peak: Verdict
    last: Verdict
    points: int
    stream: int = 0
    key: str | None = None
    reported: float = 0.0

    def joined_by(self, verdict: Verdict) -> Episode:
        """The episode with one more anomalous point."""
        is_worse = self.is_made_worse_by(verdict)
        peak = verdict if is_worse or _height(verdict) > _height(self.peak) else self.peak
        reported = deviation_of(verdict) if is_worse else self.reported
        return replace(self, peak=peak, last=verdict, points=self.points + 1, reported=reported)

    def is_made_worse_by(self, verdict: Verdict) -> bool:
        """Whether a point deviates WORSE times as far as what was reported, and from the middle of its band."""
        deviation, lower, upper = deviation_of(verdict), verdict.lower, verdict.upper
        half_band = 0.0 if lower is None or upper is None else upper / 2 - lower / 2
        return deviation > 0.0 and deviation >= WORSE * max(self.reported, half_band)


def _saved_episode(number: int, start: list[Any], peak: list[Any], last: list[Any], *others: Any) -> Episode:
    return Episode(number, Verdict(*start), Verdict(*peak), Verdict(*last), *others)


def _height(verdict: Verdict) -> tuple[float, float]:
    """Higher, or of one score farther from what was expected."""
    return -1.0 if verdict.score is None else verdict.score, deviation_of(verdict)


def deviation_of(verdict: Verdict) -> float:
    """Distance of a value from what was expected, in the stream's unit; 0 where one of them is unknown."""
    if verdict.value is None or verdict.expected is None:
        return 0.0
    return abs(verdict.value - verdict.expected)


class EpisodeFold:
    """Verdicts of one stream -> what happens to its episodes; the same however the stream is cut into blocks.

    Parameters
    ----------
    gap : int or CoolDown
        Calm points in a row that an episode survives, at least 0.
    stream : int
        Number of the stream; 0 where there is one.
    key : str, optional
        Of the stream, where there are many.

    Notes
    -----
    Only unusual points cost time; constant memory.
    """

    def __init__(self, gap: int | CoolDown = EPISODE_GAP, stream: int = 0, key: str | None = None) -> None:
        self._gap, self._stream, self._key = CoolDown.of(gap), stream, key
        self._open: Episode | None = None
        self._trajectory: Trajectory | None = None  # of the open one
        self._alive = 0  # index of the newest point that is not calm

    @property
    def open(self) -> Episode | None:
        """The episode that is not over yet, if there is one."""
        return self._open

    def add(self, verdicts: Verdicts) -> list[tuple[Happening, Episode]]:
        """Take one block of verdicts, shape (n,), n >= 1; returns what happened in it, in order."""
        return [(happening, episode) for _, happening, episode in self.add_with_indices(verdicts)]

    def add_with_indices(self, verdicts: Verdicts) -> list[tuple[int, Happening, Episode]]:
        """What ``add`` returns, each with the index of the point that it came with."""
        happenings: list[tuple[int, Happening, Episode]] = []
        for row in _unusual_rows(verdicts):
            self._take(row, verdicts, happenings)
        newest = int(verdicts["index"][-1])
        self._end_if_before(newest, verdicts, happenings)
        if self._trajectory is not None:
            self._trajectory.follow(verdicts, newest)
        return happenings

    def finish(self) -> list[tuple[Happening, Episode]]:
        """End the open episode, if there is one, because the stream has ended."""
        episode, trajectory = self._open, self._trajectory
        self._open = self._trajectory = None
        if episode is None or trajectory is None:
            return []
        peak = episode.peak
        return [("end", replace(episode, peak=peak._replace(reason=explained(trajectory.kind(peak), peak))))]

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {"fold": packed(self.facts())}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        self.go_on(unpacked(state, "fold"))

    def facts(self) -> list[Any]:
        """All that is remembered, as JSON can hold it."""
        episode, trajectory = self._open, self._trajectory
        if episode is None or trajectory is None:
            return [self._alive, None, None]
        return [self._alive, [getattr(episode, field.name) for field in fields(Episode)], trajectory.facts()]

    def go_on(self, facts: Any) -> None:
        """Go on from facts, with the stream and the key of the open episode; raises ValueError where they are none."""
        if not fits(facts, tuple[int, Episode | None, Any]):
            raise ValueError("the saved episode is not of this version")
        self._alive, saved, trajectory = facts
        self._open = None if saved is None else _saved_episode(*saved)
        self._trajectory = None if self._open is None else Trajectory.of(self._open.start, trajectory)
        if self._open is not None:
            self._stream, self._key = self._open.stream, self._open.key

    def _take(self, row: tuple[Any, ...], block: Verdicts, happenings: list[tuple[int, Happening, Episode]]) -> None:
        index, is_anomaly = row[_INDEX], row[_IS_ANOMALY]
        self._end_if_before(index - 1, block, happenings)
        self._alive = index
        if not is_anomaly:
            return
        verdict = verdict_from_row(row)
        number = verdict.episode or 0
        if self._open is not None and self._trajectory is not None and self._open.number == number:
            self._trajectory.count(verdict)
            is_worse = self._open.is_made_worse_by(verdict)
            if is_worse:
                verdict = seen_alone(verdict)
            self._open = self._open.joined_by(verdict)
            if is_worse:
                happenings.append((index, "worse", self._open))
            return
        if self._trajectory is not None:
            self._trajectory.follow(block, index - 1)
        happenings += [(index, *happening) for happening in self.finish()]
        self._trajectory = Trajectory(verdict)
        self._trajectory.count(verdict)
        reported = deviation_of(verdict)
        self._open = Episode(number, verdict, verdict, verdict, 1, self._stream, self._key, reported)
        happenings.append((index, "start", self._open))

    def _end_if_before(self, index: int, block: Verdicts, happenings: list[tuple[int, Happening, Episode]]) -> None:
        """End the open episode where more than ``gap`` calm points lie behind it up to ``index``."""
        if self._trajectory is not None and index - self._alive > self._gap.points:
            end = self._alive + self._gap.points + 1
            self._trajectory.follow(block, end)
            happenings += [(end, *happening) for happening in self.finish()]


def _unusual_rows(verdicts: Verdicts) -> list[tuple[Any, ...]]:
    """Those of the verdicts that are not calm."""
    if len(verdicts) == 1 and not (verdicts["is_anomaly"].item() or verdicts["p_value"].item() < UNUSUAL):
        return []  # as nearly each point that is waited for: a mask takes ten times as long
    unusual: list[tuple[Any, ...]] = verdicts[verdicts["is_anomaly"] | (verdicts["p_value"] < UNUSUAL)].tolist()
    return unusual


class EpisodeFolds:
    """Verdicts of one stream or of many -> what happens to each stream's episodes.

    Parameters
    ----------
    gap : int or CoolDown
        Calm points in a row of its stream that an episode survives, at least 0.
    names : StreamNames, optional
        Of the streams, where there are many.

    Notes
    -----
    Of many streams only those with an anomalous point or an open episode cost time and memory. An episode of a stream
    that was dropped ends when its number goes to another stream, or with the run.
    """

    def __init__(self, gap: int | CoolDown = EPISODE_GAP, names: StreamNames | None = None) -> None:
        self._gap, self._names = CoolDown.of(gap), names
        self._folds: dict[int, EpisodeFold] = {} if names is not None else {0: EpisodeFold(self._gap)}

    @property
    def open(self) -> list[Episode]:
        """The episodes that are not over yet."""
        return [fold.open for fold in self._folds.values() if fold.open is not None]

    def add(self, verdicts: Verdicts) -> list[tuple[Happening, Episode]]:
        """Take one block of verdicts, shape (n,), n >= 1; returns what happened in it, in order."""
        if self._names is None:
            return self._folds[0].add(verdicts)
        return [(happening, episode) for _, happening, episode in self.add_with_places(verdicts)]

    def add_with_places(self, verdicts: Verdicts) -> list[tuple[int, Happening, Episode]]:
        """Of many streams, what ``add`` returns, each with the place in the block of the point that it came with."""
        streams = verdicts["stream"]
        touched = {*streams[verdicts["is_anomaly"]].tolist(), *self._folds}
        if not touched:
            return []
        order = np.argsort(streams, kind="stable")
        wanted = np.array(sorted(touched))
        firsts, ends = (np.searchsorted(streams[order], wanted, side) for side in ("left", "right"))
        found: list[tuple[int, Happening, Episode]] = []
        for stream, first, end in zip(wanted.tolist(), firsts.tolist(), ends.tolist(), strict=True):
            if first < end:
                places = order[first:end]
                found += self._add_of_one(stream, places.tolist(), without_streams(verdicts[places]))
        return sorted(found, key=lambda one: one[0])

    def _add_of_one(self, stream: int, places: list[int], verdicts: Verdicts) -> list[tuple[int, Happening, Episode]]:
        """What happened in a stream's part of a block, each with its place in the block."""
        first = int(verdicts["index"][0])
        fold = self._folds.pop(stream, None)
        found: list[tuple[int, Happening, Episode]] = []
        if fold is not None and not first:  # the number was another stream's before
            found = [(places[0], *happening) for happening in fold.finish()]
            fold = None
        if fold is None:
            fold = EpisodeFold(self._gap, stream, None if self._names is None else self._names.key_of(stream))
        for index, happening, episode in fold.add_with_indices(verdicts):
            found.append((places[int(np.searchsorted(verdicts["index"], index))], happening, episode))
        if fold.open is not None:
            self._folds[stream] = fold
        return found

    def state(self) -> State:
        """A copy of all that is remembered."""
        if self._names is None:
            return self._folds[0].state()
        return {"folds": packed([fold.facts() for fold in self._folds.values()])}

    def restore(self, state: State) -> None:
        """Go on from a state, in place of all that is remembered; raises ValueError where it is none."""
        if self._names is None:
            self._folds[0].restore(state)
            return
        saved = unpacked(state, "folds", list[Any])
        folds = [EpisodeFold(self._gap) for _ in saved]
        for fold, facts in zip(folds, saved, strict=True):
            fold.go_on(facts)
        self._folds = {fold.open.stream: fold for fold in folds if fold.open is not None}

    def finish(self) -> list[tuple[Happening, Episode]]:
        """End the open episodes, because the run has ended; of many streams in the order of their numbers."""
        return [happening for _, fold in sorted(self._folds.items()) for happening in fold.finish()]
