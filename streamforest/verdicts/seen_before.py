"""Seen before: the nearest earlier episode of the same stream, by shape and size, and what a person said of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from streamforest.moments import iso_time
from streamforest.protocols import State, Verdict, Verdicts, streams_of
from streamforest.state import packed, unpacked
from streamforest.stream_names import StreamNames
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, Episode, EpisodeFolds, Happening
from streamforest.verdicts.life import Event, episode_id
from streamforest.wording import MINUS, spread_text

#: Episodes of a stream that are remembered, the newest; streams, those of the newest episodes; answers.
MOST_PAST, MOST_STREAMS, MOST_ANSWERS = 50, 2_000, 2_000
#: Greatest distance of what is alike: sizes differ by half as much again.
NEAR = math.log(1.5)

#: First and last stream index of an episode, and their times -> what a person said of it, and the note; empty texts
#: where nothing was said.
Said = Callable[["Past"], tuple[str, str]]


class Past(NamedTuple):
    """An episode that is over, as far as others are compared with it.

    Attributes
    ----------
    id : str
        Of the episode.
    start, end : float or None
        When, seconds, UTC epoch.
    first, last : int
        Stream indices of its first and last anomalous point.
    kind, peak_kind : str
        What was unusual at its first point and at its peak.
    size, peak_size : float
        Values less what was expected, at the same points, in the stream's unit.
    place : float
        Where its peak is between its first point and its last, in [0, 1].
    """

    id: str
    start: float | None
    end: float | None
    first: int
    last: int
    kind: str
    peak_kind: str
    size: float
    peak_size: float
    place: float


class Likeness(NamedTuple):
    """The nearest earlier episode, and what a person said of it; empty texts where nothing was said."""

    past: Past
    verdict: str
    note: str


def nothing_said(_past: Past) -> tuple[str, str]:
    """Where nobody says anything."""
    return "", ""


class SeenBefore:
    """A sink in front of others that knows which earlier episode a new one is like; only starts and ends cost time.

    Parameters
    ----------
    source : str
        Name of the source, without a password, for the ids of the episodes.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many.
    said : callable
        See Said; asked only where there is a near episode.
    """

    name = "episodes seen before"

    def __init__(
        self,
        source: str,
        cool_down: int | CoolDown = EPISODE_GAP,
        names: StreamNames | None = None,
        said: Said = nothing_said,
    ) -> None:
        self._source, self._said = source, said
        self._has_many = names is not None
        self._folds = EpisodeFolds(cool_down, names)
        self._past: dict[int, deque[Past]] = {}  # by stream, those of the newest episode last
        self._answers: dict[tuple[int, int, Happening], Likeness | None] = {}

    def of(self, episode: Episode, happening: Happening = "start") -> Likeness | None:
        """Which earlier one an episode was like when it started, or when it was over; None where none is near."""
        place = episode.stream, episode.start.index
        if happening == "end" and place in ((one.stream, one.start.index) for one in self._folds.open):
            return self._likeness(past_of(episode, self._source), episode.stream, is_over=True)  # the run ends
        return self._answers.get((*place, happening))

    def of_start(self, index: int) -> Likeness | None:
        """Which earlier one an episode of the only stream is like, by the stream index of its first anomalous point."""
        return self._answers.get((0, index, "end"), self._answers.get((0, index, "start")))

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        if self._has_many or not verdicts["index"][0]:
            for stream in streams_of(verdicts)[verdicts["index"] == 0].tolist():
                self._past.pop(stream, None)  # the number was another stream's before
        self._take(self._folds.add(verdicts))

    def close(self) -> None:
        """Take the open episodes as over."""
        self._take(self._folds.finish())

    def state(self) -> State:
        """A copy of all that is remembered."""
        past = [(stream, [*episodes]) for stream, episodes in self._past.items()]
        return self._folds.state() | {"past": packed(past)}

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - it writes nowhere
        """Go on from a state; raises ValueError where it is none."""
        saved = unpacked(state, "past", list[tuple[int, list[Past]]])
        numbers = (number for _, past in saved for one in past for number in one if isinstance(number, float))
        if not all(map(math.isfinite, numbers)):
            raise ValueError("the saved episodes have numbers that none can have")
        self._folds.restore(state)
        self._past = {stream: deque((Past(*one) for one in past), MOST_PAST) for stream, past in saved}
        return ""

    def _take(self, happenings: list[tuple[Happening, Episode]]) -> None:
        for happening, episode in happenings:
            if happening == "worse":
                continue
            own = past_of(episode, self._source)
            found = self._likeness(own, episode.stream, is_over=happening == "end")
            if found is not None or (episode.stream, episode.start.index, "start") in self._answers:
                self._answers[episode.stream, episode.start.index, happening] = found
                if len(self._answers) > MOST_ANSWERS:
                    self._answers.pop(next(iter(self._answers)))
            if happening == "end":
                self._remember(own, episode.stream)

    def _likeness(self, own: Past, stream: int, *, is_over: bool) -> Likeness | None:
        """The nearest episode, of those that are equally near the newest; None where none is near."""
        past = self._past.get(stream)
        if not past:
            return None
        found = min(reversed(past), key=lambda one: distance(own, one, is_over=is_over))
        return Likeness(found, *self._said(found)) if distance(own, found, is_over=is_over) <= NEAR else None

    def _remember(self, own: Past, stream: int) -> None:
        past = self._past.pop(stream, None)
        self._past[stream] = deque(maxlen=MOST_PAST) if past is None else past
        self._past[stream].append(own)
        if len(self._past) > MOST_STREAMS:
            self._past.pop(next(iter(self._past)))


def past_of(episode: Episode, source: str) -> Past:
    """What is compared of an episode."""
    start, peak, last = episode.start, episode.peak, episode.last
    long = last.index - start.index
    return Past(
        episode_id(source, episode.key, start),
        start.time,
        last.time,
        start.index,
        last.index,
        start.reason.partition(":")[0],
        peak.reason.partition(":")[0],
        _size(start),
        _size(peak),
        (peak.index - start.index) / long if long else 0.0,
    )


def _size(verdict: Verdict) -> float:
    return 0.0 if verdict.value is None or verdict.expected is None else verdict.value - verdict.expected


def distance(one: Past, other: Past, *, is_over: bool) -> float:
    """How unlike two episodes are: of their sizes, lengths and the places of their peaks, in the root mean square.

    Sizes and lengths are compared by the logarithm of their ratio. Of an episode that is not over only the first point
    counts. Infinite where kind or direction differ.
    """
    if one.kind != other.kind or (is_over and one.peak_kind != other.peak_kind):
        return math.inf
    apart = [_apart(one.size, other.size)]
    if is_over:
        lengths = [past.last - past.first + 1.0 for past in (one, other)]
        apart += [_apart(one.peak_size, other.peak_size), _apart(*lengths), one.place - other.place]
    return math.sqrt(float(np.mean(np.square(apart))))


def _apart(size: float, other: float) -> float:
    """The logarithm of a ratio; infinite where the directions differ.

    Examples
    --------
    >>> _apart(2.0, 2.0), _apart(-1.0, 1.0), round(_apart(3.0, 2.0), 4)
    (0.0, inf, 0.4055)
    """
    if size == other:
        return 0.0
    if not (math.isfinite(size) and math.isfinite(other) and size and other) or (size > 0) != (other > 0):
        return math.inf
    return abs(math.log(abs(size)) - math.log(abs(other)))


def likeness_event(likeness: Likeness | None) -> Event | None:
    """The earlier episode as a part of an event, see docs/outputs.md."""
    if likeness is None:
        return None
    past = likeness.past
    facts: dict[str, Any] = {"id": past.id, "start": past.start, "start_index": past.first, "kind": past.peak_kind}
    facts |= {"deviation": abs(past.peak_size), "points": past.last - past.first + 1}
    return facts | {"verdict": likeness.verdict or None, "note": likeness.note or None}


def likeness_text(likeness: Likeness) -> str:
    """The earlier episode in a line for people.

    Examples
    --------
    >>> past = Past("a", 60.0, 120.0, 1, 2, "spike", "spike", 3.0, 4.0, 1.0)
    >>> likeness_text(Likeness(past, "nothing", "backup"))
    'seen before, 1970-01-01T00:01:00Z: +4, 2 points, said to be nothing: backup'
    """
    past, points = likeness.past, likeness.past.last - likeness.past.first + 1
    when = f"point {past.first:,}" if past.start is None else iso_time(past.start, has_fractions=False)
    sign = MINUS if past.peak_size < 0 else "+"
    size = f"{sign}{spread_text(abs(past.peak_size))}, " if past.peak_size else ""
    said = f", said to be {likeness.verdict}" if likeness.verdict else ""
    note = f": {likeness.note}" if likeness.verdict and likeness.note else ""
    return f"seen before, {when}: {size}{points:,} point{'' if points == 1 else 's'}{said}{note}"
