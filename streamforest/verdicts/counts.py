"""The counts of a run: points, rates and, if there are labels, precision, recall and delay."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from streamforest.compiled import Records, compiled
from streamforest.protocols import (
    LABELS,
    NORMAL,
    STREAM_VERDICT_DTYPE,
    UNLABELLED,
    VERDICT_DTYPE,
    State,
    Status,
    Verdicts,
    streams_of,
)
from streamforest.state import attributes_of, joined, packed, part_of, saved_array, set_attributes, unpacked
from streamforest.stream_names import StreamNames

#: Points after a labelled event in which an anomalous point still counts as its discovery.
GRACE = 3
#: Longest delay that is counted apart, in points; longer ones count as this.
LONGEST_DELAY = 10_000

NO_EVENT = -1 - GRACE  # index of the newest labelled anomaly where there was none: its grace is over
RATE_MARKS = 9  # the recent rate looks back over so many marks
MARK_SECONDS = 0.25  # between two marks, at least


@compiled
def tally(verdicts: Records) -> tuple[int, int, int, int, int, int, int, int]:
    """How many verdicts, shape (n,), begin a stream, lack a reading, have a time, a label, a score, are anomalous.

    Then, of those scored and labelled normal, how many there are and how many of them are anomalous.
    """
    begun = missing = timed = labelled = scored = anomalies = normal = false = 0
    for i in range(verdicts.size):
        verdict = verdicts[i]
        begun += verdict.index == 0
        missing += verdict.value != verdict.value
        timed += verdict.time - verdict.time == 0.0
        labelled += verdict.label != UNLABELLED
        is_anomaly = verdict.is_anomaly
        anomalies += is_anomaly
        if verdict.score == verdict.score:
            scored += 1
            if verdict.label == NORMAL:
                normal += 1
                false += is_anomaly
    return begun, missing, timed, labelled, scored, anomalies, normal, false


#: Seconds that no run lasts.
LONGEST_RUN = 1e11


class _Labelled:
    """Where one stream stands among its labelled events and its episodes."""

    __slots__ = ("episode", "inside", "is_found", "is_right", "kind", "start")

    def __init__(self) -> None:
        self.inside = NO_EVENT  # index of the newest point in an event
        self.kind = NORMAL  # of the newest event
        self.start = 0  # its index
        self.is_found = True
        self.episode = 0  # number of the newest episode that was judged
        self.is_right = False


class EventMatch:
    """Labelled events against the detector's episodes, block by block, in constant memory a stream.

    Attributes
    ----------
    is_labelled : bool
        Whether any label was seen.
    events, found : ndarray of int, shape (len(LABELS),)
        Labelled events by their kind, and how many of them were found.
    episodes, right_episodes : int
        Episodes with a labelled point in them, and how many of them belong to an event.

    Notes
    -----
    An event is a run of a stream's points with one anomalous label; another kind starts another event. It is found by
    the first anomalous point in it, or up to GRACE points after its end while no other event has begun. An
    episode is right if one of its anomalous points lies in an event or its grace.
    """

    #: What is remembered beside the arrays and the streams.
    _FACTS = ("is_labelled", "episodes", "right_episodes")

    def __init__(self) -> None:
        self.is_labelled = False
        self.events = np.zeros(len(LABELS), dtype=np.int64)
        self.found = np.zeros(len(LABELS), dtype=np.int64)
        self.episodes = 0
        self.right_episodes = 0
        self._delays = np.zeros(LONGEST_DELAY + 1, dtype=np.int64)
        self._streams: dict[int, _Labelled] = {}

    def add(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        labels = verdicts["label"]
        if not self.is_labelled and not np.count_nonzero(labels != UNLABELLED):
            return
        self.is_labelled = True
        indices, streams = verdicts["index"], streams_of(verdicts)
        for stream in streams[indices == 0].tolist():
            self._streams.pop(stream, None)  # the number was another stream's before
        changes = (labels[1:] != labels[:-1]) | (streams[1:] != streams[:-1])
        begins, ends = np.concatenate(([True], changes)), np.concatenate((changes, [True]))
        # of a stretch of one label its ends are enough
        rows = np.flatnonzero(((labels > NORMAL) & (begins | ends)) | verdicts["is_anomaly"])
        fields = (streams, indices, labels, begins, verdicts["is_anomaly"], verdicts["episode"])
        for stream, index, label, begin, is_anomaly, episode in zip(*(f[rows].tolist() for f in fields), strict=True):
            event = self._streams.get(stream)
            if event is None:
                event = self._streams[stream] = _Labelled()
            if label > NORMAL:
                if begin and not (event.inside == index - 1 and event.kind == label):
                    self.events[label] += 1
                    event.kind, event.start, event.is_found = label, index, False
                event.inside = index
            if is_anomaly:
                self._judge(event, index, label, episode)

    def _judge(self, event: _Labelled, index: int, label: int, episode: int) -> None:
        """Take one anomalous point."""
        is_hit = index - event.inside <= GRACE
        if is_hit and not event.is_found:
            event.is_found = True
            self.found[event.kind] += 1
            self._delays[min(index - event.start, LONGEST_DELAY)] += 1
        if label == UNLABELLED and not is_hit:
            return
        if episode != event.episode:
            event.episode, event.is_right = episode, False
            self.episodes += 1
        if is_hit and not event.is_right:
            event.is_right = True
            self.right_episodes += 1

    def state(self) -> State:
        """A copy of all that is remembered."""
        arrays = {"events": self.events, "found": self.found, "delays": self._delays}
        streams = {str(n): [getattr(event, name) for name in _Labelled.__slots__] for n, event in self._streams.items()}
        own = {"facts": attributes_of(self, self._FACTS), "streams": packed(streams)}
        return own | {name: array.copy() for name, array in arrays.items()}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        for name, array in (("events", self.events), ("found", self.found), ("delays", self._delays)):
            array[:] = saved_array(state, name, array)
        set_attributes(self, self._FACTS, state, "facts")
        self._streams = {}
        for stream, saved in unpacked(state, "streams", dict[str, tuple[int, int, bool, bool, int, int]]).items():
            if not 0 <= saved[_Labelled.__slots__.index("kind")] < len(LABELS):
                raise ValueError("the saved events have labels that there are none of")
            event = self._streams[int(stream)] = _Labelled()
            for name, value in zip(_Labelled.__slots__, saved, strict=True):
                setattr(event, name, value)

    @property
    def precision(self) -> float | None:
        """Share of episodes that are right; None before the first one."""
        return self.right_episodes / self.episodes if self.episodes else None

    @property
    def recall(self) -> float | None:
        """Share of labelled events that were found; None before the first one."""
        events = int(self.events.sum())
        return int(self.found.sum()) / events if events else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where one of them is."""
        precision, recall = self.precision, self.recall
        if precision is None or recall is None:
            return None
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    @property
    def median_delay(self) -> float | None:
        """Median points from an event's start to its discovery; None before the first one."""
        until = np.cumsum(self._delays)
        total = int(until[-1])
        if not total:
            return None
        middle = np.searchsorted(until, [(total + 1) // 2, total // 2 + 1])
        return float(middle.mean())


class RunCounts:
    """What a run has seen and done so far, fed block by block; constant memory a stream.

    Parameters
    ----------
    alarm_rate : float
        Wanted share of normal points that are flagged.
    clock : callable
        Seconds that only go forward.
    alarms_a_day : float, optional
        Wanted in place of the alarm rate, where the stream has times.
    names : StreamNames, optional
        Of the streams, where the source holds many.

    Attributes
    ----------
    points, missing, scored, anomalies, episodes : int
        Points judged; those with no reading; those with a score; those flagged; events these belong to.
    refused, repaired : int
        Readings that could not be judged, and readings that could after a repair; the loop sets them.
    match : EventMatch
        Labelled events against episodes.
    """

    #: What is counted, beside labelled events and seconds.
    _FACTS = (
        *("points", "missing", "scored", "anomalies", "episodes", "refused", "repaired"),
        *("_has_times", "_normal", "_false"),
    )

    def __init__(
        self,
        alarm_rate: float,
        clock: Callable[[], float] = time.monotonic,
        alarms_a_day: float | None = None,
        names: StreamNames | None = None,
    ) -> None:
        self.alarm_rate = alarm_rate
        self._names = names
        self._alarms_a_day = alarms_a_day
        self._has_times = False
        self.points = 0
        self.missing = 0
        self.scored = 0
        self.anomalies = 0
        self.episodes = 0
        self.refused = 0
        self.repaired = 0
        self.understood = ""
        self.match = EventMatch()
        self._normal = 0  # scored points labelled normal
        self._false = 0  # those of them that were flagged
        self._newest_episode: dict[int, int] = {}  # its number, by stream
        self._earlier = 0.0  # seconds of the run before it was resumed
        self._clock = clock
        tally(np.empty(0, VERDICT_DTYPE if names is None else STREAM_VERDICT_DTYPE))  # compiled before the first point
        self.start()

    def start(self) -> None:
        """Count seconds from now on: what came before was preparation."""
        self._newest: float | None = None  # when the newest points came
        self._ended: float | None = None
        self._started = self._clock()
        self._marks = deque([(self._started, self.points)], maxlen=RATE_MARKS)

    def end(self) -> None:
        """Count no more seconds: what comes now is clearing up."""
        self._ended = self._clock()

    def add(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1, with the points' labels in them."""
        begun, missing, timed, labelled, scored, anomalies, normal, false = tally(verdicts)
        self.points += len(verdicts)
        self.missing += missing
        self._has_times = self._has_times or timed > 0
        self.scored += scored
        self.anomalies += anomalies
        self._normal += normal
        self._false += false
        if begun:
            for stream in streams_of(verdicts)[verdicts["index"] == 0].tolist():
                self._newest_episode.pop(stream, None)  # the number was another stream's before
        if anomalies:
            is_anomaly = verdicts["is_anomaly"]
            streams, numbers = streams_of(verdicts)[is_anomaly], verdicts["episode"][is_anomaly]
            for stream, episode in zip(streams.tolist(), numbers.tolist(), strict=True):
                if self._newest_episode.get(stream) != episode:
                    self._newest_episode[stream] = episode
                    self.episodes += 1
        if labelled or self.match.is_labelled:
            self.match.add(verdicts)
        self._mark()

    def state(self) -> State:
        """A copy of all that is counted."""
        newest = packed([*self._newest_episode.items()])
        own = {"facts": attributes_of(self, self._FACTS), "seconds": np.array([self.seconds]), "newest": newest}
        return own | joined({"match": self.match.state()})

    def restore(self, state: State) -> None:
        """Count on from a state; raises ValueError where it is none."""
        seconds = saved_array(state, "seconds", np.zeros(1))
        if not 0.0 <= seconds[0] < LONGEST_RUN:
            raise ValueError(f"the saved run lasted {seconds[0]:g} s")
        self.match.restore(part_of(state, "match"))
        set_attributes(self, self._FACTS, state, "facts")
        self._newest_episode = dict(unpacked(state, "newest", list[tuple[int, int]]))
        self._earlier = float(seconds[0])

    def _mark(self) -> None:
        self._newest = now = self._clock()
        if now - self._marks[-1][0] >= MARK_SECONDS:
            self._marks.append((now, self.points))

    @property
    def streams(self) -> int | None:
        """Streams that there are now; None where the source holds one."""
        return None if self._names is None else len(self._names)

    @property
    def seconds(self) -> float:
        """How long the run has lasted; where it was resumed, without the time in between."""
        return self._earlier + (self._clock() if self._ended is None else self._ended) - self._started

    @property
    def points_per_second(self) -> float:
        """Points a second over the whole run; 0 before the first."""
        return self.points / self.seconds if self.points and self.seconds > 0 else 0.0

    @property
    def recent_points_per_second(self) -> float:
        """Points a second lately: over some seconds, or two points where these are further apart."""
        since, points = self._marks[0]
        seconds = self._clock() - since
        return (self.points - points) / seconds if seconds > 0 else 0.0

    @property
    def realised_rate(self) -> float | None:
        """Share of scored points flagged; if there are labels, of those labelled normal. None before the first."""
        flagged, points = (self._false, self._normal) if self.match.is_labelled else (self.anomalies, self.scored)
        return flagged / points if points else None

    def ask_for(self, alarm_rate: float, alarms_a_day: float | None) -> None:
        """Take what is asked for from now on in place of what was."""
        self.alarm_rate, self._alarms_a_day = alarm_rate, alarms_a_day

    @property
    def alarms_a_day(self) -> float | None:
        """Wanted in place of the alarm rate; None where that is asked for, or the stream has no times."""
        return self._alarms_a_day if self._has_times else None

    def status(self, source: str, detector: str, detectors: tuple[str, ...], warm_up_points: int) -> Status:
        """How the run stands now.

        Parameters
        ----------
        source, detector : str
            Names for people.
        detectors : tuple of str
            Names of all detectors that the run can switch to.
        warm_up_points : int
            Points that the detector takes before its first score.
        """
        return Status(
            source=source,
            detector=detector,
            detectors=detectors,
            points=self.points,
            refused=self.refused,
            missing=self.missing,
            anomalies=self.anomalies,
            episodes=self.episodes,
            points_per_second=self.recent_points_per_second,
            alarm_rate=self.alarm_rate,
            realised_rate=self.realised_rate,
            precision=self.match.precision,
            recall=self.match.recall,
            warm_up=1.0 if self.scored or warm_up_points <= 0 else min(1.0, self.points / warm_up_points),
            alarms_a_day=self.alarms_a_day,
            seconds_since_last_point=None if self._newest is None else self._clock() - self._newest,
            streams=self.streams,
            understood=self.understood,
        )

    def summary(self) -> str:
        """The run in a few lines, for people."""
        lines = [
            ("points", f"{self.points:,} in {_duration(self.seconds)}, {self.points_per_second:,.0f} a second"),
            ("readings", f"{self.refused:,} refused, {self.missing:,} missing, {self.repaired:,} repaired"),
            ("anomalous", f"{_many(self.anomalies, 'point')} in {_many(self.episodes, 'episode')}"),
            ("alarm rate", self._rate_line()),
        ]
        if self._names is not None:
            dropped = f", {self._names.dropped:,} dropped after their silence" if self._names.dropped else ""
            lines.insert(1, ("streams", f"{len(self._names):,}{dropped}"))
        if self.match.is_labelled:
            lines += _match_lines(self.match)
        return "\n".join(f"{name:>10}  {text}" for name, text in lines)

    def _rate_line(self) -> str:
        rate = self.realised_rate
        of = "of normal points" if self.match.is_labelled else "of all points"
        realised = (
            f"no {'normal ' if self.match.is_labelled else ''}point was scored yet"
            if rate is None
            else f"{rate:.3g} {of}"
        )
        most = "at most" if self._names is None else "about"  # of many streams together: see judging.budget
        asked = f"{self.alarm_rate:g}" if self.alarms_a_day is None else f"{most} {self.alarms_a_day:g} alarms a day"
        return f"{realised}, asked for {asked}"


def _match_lines(match: EventMatch) -> list[tuple[str, str]]:
    """The summary's lines on labelled events, as far as there is something to say."""
    lines: list[tuple[str, str]] = []
    if match.precision is not None:
        right = f"{match.right_episodes:,} of {_many(match.episodes, 'episode')} right"
        lines.append(("precision", f"{match.precision:.3f}, {right}"))
    if match.recall is None:
        return [*lines, ("recall", "unknown, no labelled event so far")]
    found = f"{match.found.sum():,} of {_many(match.events.sum(), 'labelled event')} found"
    lines.append(("recall", f"{match.recall:.3f}, {found}"))
    if match.f1 is not None:
        lines.append(("F1", f"{match.f1:.3f}"))
    if match.median_delay is not None:
        lines.append(("delay", f"{_many(match.median_delay, 'point')} in the median"))
    kinds = [f"{LABELS[kind]} {match.found[kind]}/{match.events[kind]}" for kind in np.flatnonzero(match.events)]
    rows = [", ".join(kinds[first : first + 3]) for first in range(0, len(kinds), 3)]
    return [*lines, ("found", rows[0]), *(("", row) for row in rows[1:])]


def _many(count: float, noun: str) -> str:
    return f"{count:,.12g} {noun}{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"
