"""What happens to episodes, as events for programs: each with an id that is the same from run to run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import orjson

from streamforest.moments import iso_time
from streamforest.protocols import State, Verdict, Verdicts, streams_of, verdict_from_row, without_streams
from streamforest.state import packed, unpacked
from streamforest.stream_names import StreamNames, shown_key
from streamforest.verdicts.episodes import EPISODE_GAP, CoolDown, Episode, EpisodeFolds, Happening, deviation_of
from streamforest.wording import reason_text

#: What happened to an episode, with its facts: texts, numbers and None by name, as JSON can hold them.
Event = dict[str, Any]

#: Fields of the peak that an event has under their own names.
OF_PEAK = ("value", "expected", "lower", "upper", "score", "threshold", "p_value")

#: What happens where episodes of different streams began together: no further stream joins; all of them are over.
INCIDENT, INCIDENT_END = "incident", "incident_end"
#: What happens at an end.
ENDS = ("end", INCIDENT_END)
#: Streams of it that are named in a message for people.
MOST_SHOWN = 20


def episode_id(source: str, key: str | None, start: Verdict) -> str:
    """16 hexadecimal digits that stand for a source, a stream and the point that an episode began with.

    Examples
    --------
    >>> point = Verdict(7, 60.0, 1.0, None, 0.5, 0.4, 1e-3, True, 0.0, -1.0, 1.0, 1, "spike")
    >>> episode_id("a.csv", None, point), episode_id("a.csv", "b", point)
    ('7571987434d80275', '5b245ec952c2de42')
    """
    facts = json.dumps([source, key, start.index, start.time])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def event_of(happening: Happening, episode: Episode, source: str) -> Event:
    """An event, see docs/outputs.md; ``end`` is the last anomalous point of an episode that is over."""
    start, peak, last = episode.start, episode.peak, episode.last
    is_over = happening == "end"
    return {
        "event": happening,
        "id": episode_id(source, episode.key, start),
        "source": source,
        **({} if episode.key is None else {"key": episode.key}),
        "episode": episode.number,
        "kind": peak.reason.partition(":")[0],
        "reason": peak.reason,
        "start": start.time,
        "end": last.time if is_over else None,
        "peak": peak.time,
        "start_index": start.index,
        "end_index": last.index if is_over else None,
        "peak_index": peak.index,
        "points": episode.points,
        "deviation": deviation_of(peak),
        **{name: getattr(peak, name) for name in OF_PEAK},
    }


def event_lines(events: Iterable[Event]) -> str:
    """One JSON object an event, each on its line; what is no ASCII is escaped: a key is a source's."""
    # orjson writes null for numbers that are not finite; json escapes what a terminal might take for a command
    return "".join(json.dumps(orjson.loads(orjson.dumps(event)), separators=(",", ":")) + "\n" for event in events)


def why(event: Event) -> str:
    """The reason of an event as people read it; its field ``reason`` is what programs read."""
    if event["event"] in (INCIDENT, INCIDENT_END):
        return str(event["reason"])
    numbers: dict[str, Any] = {name: event.get(name) for name in ("value", "expected", "lower", "upper")}
    peak = Verdict(0, None, None, None, None, None, None, True, None, None, None, None, event["reason"])
    return reason_text(peak._replace(**numbers))


def headline(event: Event) -> str:
    """An event in one line for people: stream, what happened, why.

    Examples
    --------
    >>> peak = {"reason": "dip: 12345, expected 50000 +- 2e+04", "value": 12345.0, "expected": 5e4}
    >>> event = {"event": "end", "source": "a.csv", "points": 3, **peak, "lower": 3e4, "upper": 7e4}
    >>> print(headline(event))
    a.csv: over after 3 points: dip: 12,345, expected 50,000 ± 20,000
    """
    names = [event["source"]] + ([shown_key(event["key"])] if event.get("key") is not None else [])
    if event["event"] in (INCIDENT, INCIDENT_END):
        over = "over: " if event["event"] == INCIDENT_END else ""
        return f"{event['source']}: incident: {over}{event['reason']}"
    points = f"{event['points']:,} point{'' if event['points'] == 1 else 's'}"
    what = {"start": "", "worse": "worse: ", "end": f"over after {points}: "}[event["event"]]
    return f"{' '.join(names)}: {what}{why(event)}"


def streams_text(event: Event) -> str:
    """The streams of an incident in the order in which they began, for people; empty for any other event."""
    members = event.get("members", ())
    shown = ", ".join(shown_key(member["key"]) for member in members[:MOST_SHOWN])
    more = event.get("streams", 0) - min(len(members), MOST_SHOWN)
    return f"{shown} and {more:,} more" if more > 0 else shown


def moment(seconds: float | None) -> str:
    """A time of an event for people; ``-`` where the source has none."""
    return "-" if seconds is None else iso_time(seconds, seconds % 1 > 0)


class EpisodeIds:
    """Ids of the episodes that anomalous points belong to.

    Parameters
    ----------
    source : str
        Name of the source, without a password.
    names : StreamNames, optional
        Of the streams, where there are many; constant memory each.
    """

    def __init__(self, source: str, names: StreamNames | None = None) -> None:
        self._source, self._names = source, names
        self._newest: dict[int, tuple[int, str]] = {}  # number and id of the newest episode, by stream

    def of(self, verdicts: Verdicts) -> list[str]:
        """Of each verdict of a block, shape (n,), n >= 1, the id; empty for one that is not anomalous."""
        streams = streams_of(verdicts)
        for stream in streams[verdicts["index"] == 0].tolist():
            self._newest.pop(stream, None)  # the number was another stream's before
        ids = [""] * len(verdicts)
        for place in np.flatnonzero(verdicts["is_anomaly"]).tolist():
            stream, number = int(streams[place]), int(verdicts["episode"][place])
            newest = self._newest.get(stream)
            if newest is None or newest[0] != number:
                start = verdict_from_row(without_streams(verdicts[place : place + 1]).tolist()[0])
                key = None if self._names is None else self._names.key_of(stream)
                newest = self._newest[stream] = number, episode_id(self._source, key, start)
            ids[place] = newest[1]
        return ids

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {"ids": packed([(stream, *newest) for stream, newest in self._newest.items()])}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        saved = unpacked(state, "ids", list[tuple[int, int, str]])
        self._newest = {stream: (number, name) for stream, number, name in saved}


class EpisodeCounts:
    """A sink that counts what happens to episodes.

    Parameters
    ----------
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many.

    Attributes
    ----------
    happened : dict of str to int
        How many episodes started, became worse, ended.
    """

    name = "counts of episodes"

    def __init__(self, cool_down: int | CoolDown = EPISODE_GAP, names: StreamNames | None = None) -> None:
        self._folds = EpisodeFolds(cool_down, names)
        self.happened: dict[Happening, int] = {"start": 0, "worse": 0, "end": 0}

    @property
    def open(self) -> int:
        """Episodes that are not over yet."""
        return self.happened["start"] - self.happened["end"]

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._count(self._folds.add(verdicts))

    def close(self) -> None:
        """Take the open episodes as over."""
        self._count(self._folds.finish())

    def state(self) -> State:
        """A copy of all that is counted."""
        return self._folds.state() | {"happened": packed([*self.happened.values()])}

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - it writes nowhere
        """Count on from a state; raises ValueError where it is none."""
        self._folds.restore(state)
        counted = unpacked(state, "happened", tuple[int, int, int])
        self.happened = dict(zip(self.happened, counted, strict=True))
        return ""

    def _count(self, happenings: Iterable[tuple[Happening, Episode]]) -> None:
        for happening, _ in happenings:
            self.happened[happening] += 1


class EpisodeLife:
    """Verdicts -> the events of their episodes; the same ones however the stream is cut into blocks.

    Parameters
    ----------
    source : str
        Name of the source, without a password.
    cool_down : int or CoolDown
        Calm points in a row that an episode survives.
    names : StreamNames, optional
        Of the streams, where there are many.
    like : callable, optional
        Episode and what happened to it -> the earlier one that it is like, as a part of the event.
    """

    def __init__(
        self,
        source: str,
        cool_down: int | CoolDown = EPISODE_GAP,
        names: StreamNames | None = None,
        like: Callable[[Episode, Happening], Event | None] | None = None,
    ) -> None:
        self._source, self._like = source, like
        self._folds = EpisodeFolds(cool_down, names)

    def add(self, verdicts: Verdicts) -> list[Event]:
        """Take one block of verdicts, shape (n,), n >= 1; returns what happened in it, in order."""
        return self._events(self._folds.add(verdicts))

    def finish(self) -> list[Event]:
        """End the open episodes, because the run has ended."""
        return self._events(self._folds.finish())

    def state(self) -> State:
        """A copy of all that is remembered."""
        return self._folds.state()

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        self._folds.restore(state)

    def _events(self, happenings: Iterable[tuple[Happening, Episode]]) -> list[Event]:
        events = [(event_of(happening, episode, self._source), happening, episode) for happening, episode in happenings]
        if self._like is None:
            return [event for event, _, _ in events]
        return [event | {"seen_before": self._like(episode, happening)} for event, happening, episode in events]
