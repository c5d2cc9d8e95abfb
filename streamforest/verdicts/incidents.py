"""Incidents: episodes of different streams that begin together more often than chance explains, from begin to end."""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streamforest.protocols import State, Verdicts
from streamforest.state import packed, saved_array, unpacked
from streamforest.stream_names import StreamNames, shown_key
from streamforest.verdicts.episodes import EPISODE_GAP, Episode, EpisodeFolds, Happening
from streamforest.verdicts.life import INCIDENT, INCIDENT_END, Event, episode_id, moment

DAY = 86_400.0  # seconds; of streams without times, readings of each stream
#: Usual intervals of a stream that an incident looks back at most when it is found, and that it lasts at most.
SPAN, LONGEST = 30.0, 240.0
#: It goes on as long as more streams began within so many intervals than chance explains with this probability.
JOIN, JOIN_CHANCE = 6.0, 0.01
#: Readings of a stream whose episodes say no more than how often they begin: all that is new looks unusual at first.
YOUNG = 100
#: Streams of the smallest incident.
LEAST_STREAMS = 4
#: Incidents a day that chance may make.
BY_CHANCE_A_DAY = 0.01
#: Days after which an episode counts for 1 / e in how often episodes begin.
MEMORY_DAYS = 3.0
#: Episodes' worth of trust in the alarm rate, for how often they begin, and how many times it they are taken to be at
#: first: those of streams of some hundred readings are more.
PRIOR, PRIOR_RATE = 50.0, 3.0
#: Spans whose number of episodes is kept, incidents included: there are no fewer than this share of them have at most.
SPANS, LEAST_SPANS, SPANS_SHARE = 100, 3, 0.3
#: Usual intervals in which what begins anew in the streams of an incident is part of it.
AFTER = 60.0
#: A stream of which more episodes than these are due within the span says nothing.
TALKATIVE = 0.2
#: Episodes of no incident, which say how strong those are that come by chance.
STRENGTHS = 500
#: Share of the streams of an incident that have begun where it has begun for sure, and the greatest expected number of
#: episodes as strong as one before that, within JOIN, which chance brings meanwhile. By benchmarks/incidents.py,
#: seeds 1 to 12, where 0.25 to 0.5 are alike.
SURE_SHARE, FIRST_CHANCE = 0.25, 0.25
#: Where so many of these begin within one usual interval they follow somebody: the first is rather one that began alone
#: before them, if chance brings fewer than FIRST_ALONE as strong, and one that it brings half as often (FIRST_RATIO)
#: rather than an earlier one. By the same seeds, first movers right of 20: 17.1 without and 18.7 with it, 18.6 with 2
#: for CROWD, 18.7 with 0.5 to 1 for FIRST_ALONE, 18.1 to 18.7 with 0.1 to 1 for FIRST_RATIO.
CROWD, FIRST_ALONE, FIRST_RATIO = 3, 0.5, 0.5
#: First readings of an episode that its evidence is summed over, as long as they stay outside of the band: all have so
#: many before the incident is complete (JOIN), and what chance brings is mostly back in the band after one.
EVIDENCE_POINTS = 6
MOST_KEPT = 50  # incidents, the newest
MOST_LISTED = 100  # streams of one, in what is written of it


class Member(NamedTuple):
    """A stream of an incident, by the episode that began.

    Attributes
    ----------
    key : str
        Of the stream, as it came from outside.
    start : float or None
        When the episode began, seconds, UTC epoch.
    reason : str
        Of its first point.
    id : str
        Of the episode.
    """

    key: str
    start: float | None
    reason: str
    id: str


class Incident(NamedTuple):
    """Episodes of several streams that began together, complete: no further stream joins.

    Attributes
    ----------
    members : tuple of Member
        In the order in which they began: the first one moved first.
    by_chance : float
        Streams among them that chance would bring.
    chance : float
        Incidents of at least so many streams in so short a time that chance would bring a day.
    sure : float
        That the first one is one of them, in [0, 1].
    is_over : bool
        Whether all of its episodes are over.
    end : float or None
        When it is over, the time of its last anomalous point; None without times.
    """

    members: tuple[Member, ...]
    by_chance: float
    chance: float
    sure: float
    is_over: bool = False
    end: float | None = None

    @property
    def id(self) -> str:
        """16 hexadecimal digits, the same from run to run."""
        return hashlib.sha256(json.dumps(["incident", self.members[0].id]).encode()).hexdigest()[:16]


@dataclass(eq=False)
class _Start:
    """An episode that began: at a place on the clock of its stream, with its ``index`` there."""

    at: float
    index: int
    stream: int
    member: Member
    evidence: float = 0.0  # sum of -log p of its first points, as long as they stay outside of the band
    readings: int = 0  # that it is the sum of
    end: float | None = None  # time of its last anomalous point, once it is over


@dataclass(eq=False)
class _Lasting:
    """An incident that is complete and not over: its streams, those with an open episode, and its end so far.

    ``until``: by the clock, what begins anew in its streams before this is part of it.
    """

    incident: Incident
    streams: frozenset[int]
    until: float
    alive: set[int]
    end: float | None


class IncidentFold:
    """Verdicts of many streams -> incidents, when no further stream joins and when all of its episodes are over.

    They are the same however the verdicts are cut.

    Parameters
    ----------
    names : StreamNames
        Of the streams.
    source : str
        Name of the source, without a password, for the ids of the episodes.
    alarm_rate : float
        What is known of how often episodes begin, before there are any.
    cool_down : int
        Calm points in a row that an episode survives.

    Notes
    -----
    How often episodes begin is counted over a decaying past, those of incidents once. So many streams or more within a
    time have the probability of a Poisson distribution; of all times that end now the rarest counts, times how many
    there are (a scan statistic, with Bonferroni's correction). Readings should come in the order of their times.
    How strong an episode is, is the sum of -log p over its first points (Fisher's method) until one is back in the
    band, held against those of the episodes that were in no incident: what moves first goes on, while what chance
    brings is mostly over at once.
    """

    def __init__(self, names: StreamNames, source: str, alarm_rate: float, cool_down: int = EPISODE_GAP) -> None:
        self.source = source
        self._names, self._alarm_rate = names, alarm_rate
        self._folds = EpisodeFolds(cool_down, names)
        self._firsts = np.zeros(0)  # by stream, when its first reading came; NaN without a time
        self._interval = 0.0  # usual one of a stream
        self._now = -math.inf  # of the newest start
        self._elapsed = self._count = 0.0  # decayed
        self._counts: dict[int, tuple[float, float]] = {}  # by stream, its decayed count, and when
        self._recent: list[_Start] = []  # that are in no incident
        self._open: list[_Start] = []
        self._chance = 1.0  # of the open incident
        self._strengths: deque[float] = deque(maxlen=STRENGTHS)  # evidence of those that were in none
        self._growing: dict[int, _Start] = {}  # by stream, of which more evidence may come
        self._spans: deque[int] = deque(maxlen=SPANS)  # episodes in each
        self._span: tuple[float, int] = (-math.inf, 0)  # when the newest began, and its episodes
        self._after: dict[int, float] = {}  # by stream of an incident, until when it belongs to that
        self._alive: set[int] = set()  # streams with an open episode
        self._lasting: list[_Lasting] = []

    def add(self, verdicts: Verdicts) -> list[Incident]:
        """Take one block of verdicts, shape (n,), n >= 1; returns the incidents that are complete, and those over."""
        self._see_new_streams(verdicts)
        found: list[Incident] = []
        for happenings, row in self._news(verdicts):
            if self._open and _place_of(row) > self._ends_at:
                found += self._settled()  # before this point counts, as where a block ended before it
            for happening, episode in happenings:
                if happening == "end":
                    self._end(episode)
                elif happening == "start":
                    self._alive.add(episode.stream)
                    self._take(episode)
            if happenings:
                found += self._over()
            self._weigh(row)
        if self._open and _place_of(verdicts[-1]) > self._ends_at:
            found += self._settled()
        return found

    def _news(self, verdicts: Verdicts) -> Iterator[tuple[list[tuple[Happening, Episode]], np.void]]:
        """The points that may be evidence of an episode, in order; each with what happens to episodes there."""
        happened: dict[int, list[tuple[Happening, Episode]]] = {}
        for place, happening, episode in self._folds.add_with_places(verdicts):
            happened.setdefault(place, []).append((happening, episode))
        if not happened and not self._growing:
            return
        is_outside = (verdicts["value"] < verdicts["lower"]) | (verdicts["value"] > verdicts["upper"])
        places = np.flatnonzero(verdicts["is_anomaly"] | is_outside)
        streams = [*self._growing, *(episode.stream for at_place in happened.values() for _, episode in at_place)]
        places = places[np.isin(verdicts["stream"][places], streams)]
        for place in sorted({*places.tolist(), *happened}):
            yield happened.get(place, []), verdicts[place]

    def _end(self, episode: Episode) -> None:
        """Take an episode that is over."""
        stream, end = episode.stream, episode.last.time
        self._alive.discard(stream)
        for start in (*self._recent, *self._open):
            if start.stream == stream:
                start.end = end
        for lasting in self._lasting:
            if stream in lasting.alive:
                lasting.alive.discard(stream)
                lasting.end = _later(lasting.end, end)

    def _over(self, most: int = MOST_KEPT) -> list[Incident]:
        """The incidents of which no episode is open any more, and the oldest of more than so many."""
        first = len(self._lasting) - most
        over = [lasting for at, lasting in enumerate(self._lasting) if at < first or not lasting.alive]
        self._lasting = [lasting for lasting in self._lasting if lasting not in over]
        return [lasting.incident._replace(is_over=True, end=lasting.end) for lasting in over]

    def _weigh(self, row: np.void) -> None:
        """Add what a point says of the newest episode of its stream, if it is outside of the band."""
        start = self._growing.get(int(row["stream"]))
        if start is None or not (row["is_anomaly"] or row["value"] < row["lower"] or row["value"] > row["upper"]):
            return
        if row["index"] - start.index != start.readings or start.readings == EVIDENCE_POINTS:
            del self._growing[start.stream]  # it was in the band meanwhile, or has said enough
            return
        start.readings += 1
        if row["p_value"] >= 0.0:  # it is known
            start.evidence -= math.log(max(float(row["p_value"]), 1e-300))

    def finish(self) -> list[Incident]:
        """The open incident, and those that are not over, because the run has ended."""
        found = self._settled() if self._open else []
        for _, episode in self._folds.finish():
            self._end(episode)
        return found + self._over(0)

    def state(self) -> State:
        """A copy of all that is remembered."""
        starts = [
            [[one.at, one.evidence, one.readings, one.end, one.index, one.stream, *one.member] for one in part]
            for part in (self._recent, self._open)
        ]
        numbers = [self._interval, self._now, self._elapsed, self._count, self._chance]
        spans = [*self._span, [*self._spans], [*self._after.items()]]
        counts = [(stream, *counted) for stream, counted in self._counts.items()]
        lasting = [[one.incident, [*one.streams], one.until, [*one.alive], one.end] for one in self._lasting]
        facts = packed([numbers, counts, *starts, [*self._strengths], spans, lasting])
        return {"facts": facts, "firsts": self._firsts.copy(), **self._folds.state()}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        start = list[tuple[float, float, int, float | None, int, int, str, float | None, str, str]]
        five = tuple[float, float, float, float, float]
        spans = tuple[float, int, list[int], list[tuple[int, float]]]
        lasts = list[tuple[Incident, list[int], float, list[int], float | None]]
        kind = tuple[five, list[tuple[int, float, float]], start, start, list[float], spans, lasts]
        numbers, counts, recent, opened, strengths, counted, lasting = unpacked(state, "facts", kind)
        interval, now, elapsed, count, chance = numbers
        saved = [interval, elapsed, count, chance, *strengths, *(number for one in counts for number in one[1:])]
        saved += [number for one in (*recent, *opened) for number in (*one[:2], one[3], one[7])]
        for (members, *others), _, until, _, end in lasting:
            saved += [until, end, *others, *(member[1] for member in members)]
        is_finite = all(math.isfinite(number) for number in saved if number is not None)
        if not is_finite or min(interval, elapsed, count) < 0.0 or now == math.inf:
            raise ValueError("the saved incidents have numbers that none can have")
        firsts = state.get("firsts", np.zeros((1, 1)))
        self._firsts = saved_array(state, "firsts", np.zeros(len(firsts))).copy()
        self._folds.restore(state)
        self._interval, self._now, self._elapsed, self._count, self._chance = numbers
        self._counts = {stream: (number, at) for stream, number, at in counts}
        self._recent, self._open = (
            [
                _Start(at, index, stream, Member(*facts), evidence, readings, end)
                for at, evidence, readings, end, index, stream, *facts in part
            ]
            for part in (recent, opened)
        )
        self._growing = {one.stream: one for one in (*self._recent, *self._open)}
        self._strengths = deque(strengths, maxlen=STRENGTHS)
        self._span, self._spans = (counted[0], counted[1]), deque(counted[2], maxlen=SPANS)
        self._after = dict(counted[3])
        self._alive = {episode.stream for episode in self._folds.open}
        self._lasting = [
            _Lasting(_incident_of(*one), frozenset(of), until, {*alive}, end) for one, of, until, alive, end in lasting
        ]

    def _see_new_streams(self, verdicts: Verdicts) -> None:
        begins = verdicts[verdicts["index"] == 0]
        if not len(begins):
            return
        missing = int(begins["stream"].max()) + 1 - len(self._firsts)
        if missing > 0:
            self._firsts = np.concatenate((self._firsts, np.full(max(missing, 256), np.nan)))
        self._firsts[begins["stream"]] = begins["time"]
        for stream in begins["stream"].tolist():
            self._counts.pop(stream, None)
            self._after.pop(stream, None)

    def _take(self, episode: Episode) -> None:
        """Take an episode that begins."""
        at = float(episode.start.index) if episode.start.time is None else episode.start.time
        start = self._start_of(episode, at)
        talks = self._counted(start)
        if episode.start.index < YOUNG:
            self._count += 1.0  # as its time counts
            return
        if at < self._after.get(start.stream, -math.inf):
            for lasting in self._lasting:
                if start.stream in lasting.streams and at < lasting.until:
                    lasting.alive.add(start.stream)
            return
        self._count_span(at)
        if self._open and self._joins(start):
            return
        self._count += 1.0
        if not talks:
            self._recent.append(start)
            self._growing[start.stream] = start
            if not self._open:
                self._look_back(start.at)

    def _joins(self, start: _Start) -> bool:
        """Let a stream join the open incident, if that goes on; returns whether it is one of it."""
        if start.stream in {one.stream for one in self._open}:
            return True
        since = max(start.at - JOIN * self._interval, self._open[0].at)
        near = sum(one.at >= since for one in self._open) + 1
        if poisson_tail(near, self._rate * (start.at - since + self._interval)) > JOIN_CHANCE:
            return False
        self._open.append(start)
        self._growing[start.stream] = start
        return True

    def _start_of(self, episode: Episode, at: float) -> _Start:
        """Where an episode began; lets the time pass."""
        verdict, stream = episode.start, episode.stream
        first = float(self._firsts[stream]) if stream < len(self._firsts) else math.nan
        interval = 1.0
        if verdict.time is not None and verdict.index > 0 and at > first:
            interval = (at - first) / verdict.index
        self._interval += (interval - self._interval) * (0.1 if self._interval else 1.0)
        if at > self._now > -math.inf:
            passed = min(at - self._now, DAY)
            kept = math.exp(-passed / DAY / MEMORY_DAYS)
            self._elapsed = self._elapsed * kept + passed
            self._count *= kept
        self._now = max(self._now, at)
        key = episode.key or ""
        member = Member(key, verdict.time, verdict.reason, episode_id(self.source, episode.key, verdict))
        return _Start(at, verdict.index, stream, member)

    def _counted(self, start: _Start) -> bool:
        """Count an episode of a stream; returns whether the stream has so many that one more says nothing."""
        count, at = self._counts.get(start.stream, (0.0, start.at))
        count *= math.exp(-max(start.at - at, 0.0) / DAY / MEMORY_DAYS)
        self._counts[start.stream] = count + 1.0, start.at
        due = count * SPAN * self._interval / max(min(self._elapsed, MEMORY_DAYS * DAY), SPAN * self._interval)
        return count >= LEAST_STREAMS and due > TALKATIVE

    @property
    def _rate(self) -> float:
        """Episodes that begin, by the unit of the clock, of all streams."""
        expected = PRIOR_RATE * self._alarm_rate * max(len(self._names), 1) / self._interval
        rate = (self._count + PRIOR) / (self._elapsed + PRIOR / expected)
        if len(self._spans) < LEAST_SPANS:
            return rate
        return max(rate, sorted(self._spans)[int(SPANS_SHARE * len(self._spans))] / (SPAN * self._interval))

    def _count_span(self, at: float) -> None:
        """Count an episode in its span, which begins with the first one behind the span before."""
        since, count = self._span
        if at - since < SPAN * self._interval:
            self._span = since, count + 1
            return
        if since > -math.inf:
            empty = int(min((at - since) / (SPAN * self._interval), SPANS)) - 1
            self._spans.extend([count, *[0] * empty])
        self._span = at, 1

    @property
    def _ends_at(self) -> float:
        """After this no stream joins the open incident."""
        return min(self._open[-1].at + JOIN * self._interval, self._open[0].at + LONGEST * self._interval)

    def _look_back(self, now: float) -> None:
        """Whether an incident begins with the episodes that began of late."""
        since = now - SPAN * self._interval
        self._strengths.extend(one.evidence for one in self._recent if one.at < since)  # that were in no incident
        self._recent = [one for one in self._recent if one.at >= since]
        rate, seen, best = self._rate, set[int](), (1.0, 0)
        for place in range(len(self._recent) - 1, -1, -1):
            seen.add(self._recent[place].stream)
            if len(seen) >= LEAST_STREAMS:
                due = rate * (now - self._recent[place].at + self._interval)
                best = min(best, (poisson_tail(len(seen), due), place))
        self._chance = best[0] * len(self._recent) * rate * DAY
        if best[0] < 1.0 and self._chance < BY_CHANCE_A_DAY:
            opened = {one.stream: one for one in reversed(self._recent[best[1] :])}  # of each stream the first
            self._open = sorted(opened.values(), key=lambda one: one.at)
            self._recent = self._recent[: best[1]]
            self._count -= len(self._open) - 1

    def _settled(self) -> list[Incident]:
        """The open incident, with the one that moved first; a second time where it is over already."""
        opened, self._open = self._open, []
        sure_at = opened[int(SURE_SHARE * len(opened))].at
        early = sure_at - JOIN * self._interval
        before = [one for one in (*self._recent, *opened) if early <= one.at < sure_at]
        before.sort(key=lambda one: (one.at, -one.evidence))
        kept = [one for one in opened if one.at >= sure_at]
        chances = [self._chance_of(one, sure_at) for one in before]
        first, sure = self._first_of(before, chances), 1.0
        if first is not None:
            sure = math.exp(-chances[first])
            streams = {late.stream for late in kept}
            kept = [early for early in before[first:] if early.stream not in streams] + kept
        self._recent = [one for one in self._recent if one not in kept]
        self._growing = {one.stream: one for one in self._recent}
        kept.sort(key=lambda one: (one.at, -one.evidence))
        until = kept[-1].at + AFTER * self._interval
        self._after = {stream: end for stream, end in self._after.items() if end > kept[-1].at}
        self._after |= {one.stream: until for one in kept}
        span = kept[-1].at - kept[0].at + self._interval
        by_chance = self._rate * span
        chance = min(self._chance, poisson_tail(len(kept), by_chance) * len(kept) * self._rate * DAY)
        incident = Incident(tuple(one.member for one in kept), by_chance, chance, sure)
        own, end = frozenset(one.stream for one in kept), None
        for one in kept:
            end = _later(end, one.end)
        self._lasting.append(_Lasting(incident, own, until, {*own & self._alive}, end))
        return [incident, *self._over()]

    def _first_of(self, before: list[_Start], chances: list[float]) -> int | None:
        """The place of the one that moved first among those before an incident is sure, in order; None for none."""
        convincing = [place for place, chance in enumerate(chances) if chance < FIRST_CHANCE]
        crowds = (
            place
            for place, last in zip(convincing, convincing[CROWD - 1 :], strict=False)
            if before[last].at - before[place].at < self._interval
        )
        crowd = next(crowds, None)
        first: int | None = None
        for place, chance in enumerate(chances):
            is_alone = crowd is None or before[place].at < before[crowd].at
            if is_alone and chance < (FIRST_ALONE if first is None else FIRST_RATIO * chances[first]):
                first = place
        return next(iter(convincing), None) if first is None else first

    def _chance_of(self, one: _Start, until: float) -> float:
        """How many episodes as strong as one would begin by chance between it and a time."""
        stronger = sum(strength >= one.evidence for strength in self._strengths) + 1
        return self._rate * (until - one.at + self._interval) * stronger / (len(self._strengths) + 1)


def _place_of(row: np.void) -> float:
    """Where a point is on the clock: its time, or without one its index."""
    return float(row["index"] if math.isnan(row["time"]) else row["time"])


def _later(one: float | None, other: float | None) -> float | None:
    """The later of two times, where there is one."""
    return max((at for at in (one, other) if at is not None), default=None)


def _incident_of(members: list[Any], *others: Any) -> Incident:
    """A saved incident."""
    if not members:
        raise ValueError("a saved incident has no streams")
    return Incident(tuple(Member(*member) for member in members), *others)


def poisson_tail(k: int, mean: float) -> float:
    """Probability of k or more where fewer are expected; 1 where no fewer are.

    Examples
    --------
    >>> round(poisson_tail(3, 2.0), 4), f"{poisson_tail(20, 2.0):.2e}", poisson_tail(1, 2.0)
    (0.3233, '6.44e-14', 1.0)
    """
    if k <= 0 or mean <= 0.0:
        return 1.0 if k <= 0 else 0.0
    if mean >= k:
        return 1.0  # no more than chance explains: how much less does not matter
    term = total = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    for n in range(k + 1, k + 1000):
        term *= mean / n
        total += term
        if term < 1e-17 * total:
            break
    return min(total, 1.0)


class Incidents:
    """A sink in front of others that finds incidents for them.

    Parameters
    ----------
    fold : IncidentFold
        Finds them.

    Attributes
    ----------
    new : list of Incident
        Those that were complete with the newest block, and those that were over.
    kept : deque of Incident
        The newest of all, as they were when they were complete.
    found : int
        How many there were.
    """

    name = "incidents"

    def __init__(self, fold: IncidentFold) -> None:
        self._fold = fold
        self._last: list[Incident] = []
        self.new: list[Incident] = []
        self.kept: deque[Incident] = deque(maxlen=MOST_KEPT)
        self.found = 0

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._keep(self._fold.add(verdicts))

    def finish(self) -> list[Incident]:
        """What the end of the run makes complete and over; the same for all that ask."""
        if last := self._fold.finish():
            self._keep(last)
            self._last = last
        return self._last

    def new_events(self) -> list[Event]:
        """What happened with the newest block, as events for programs."""
        return [incident_event(incident, self._fold.source) for incident in self.new]

    def last_events(self) -> list[Event]:
        """Those of :meth:`finish`."""
        return [incident_event(incident, self._fold.source) for incident in self.finish()]

    def close(self) -> None:
        """Take the open incident as complete, and all as over."""
        self.finish()

    def state(self) -> State:
        """A copy of all that is remembered; the newest incidents are not."""
        return self._fold.state() | {"found": packed(self.found)}

    def restore(self, state: State, *, cut: bool) -> str:  # noqa: ARG002 - it writes nowhere
        """Go on from a state; raises ValueError where it is none."""
        self._fold.restore(state)
        self.found = unpacked(state, "found", int)
        return ""

    def _keep(self, incidents: list[Incident]) -> None:
        self.new = incidents
        complete = [incident for incident in incidents if not incident.is_over]
        self.kept.extend(complete)
        self.found += len(complete)


def incident_event(incident: Incident, source: str) -> Event:
    """An incident as an event for programs, see docs/outputs.md."""
    first, last = incident.members[0], incident.members[-1]
    return {
        "event": INCIDENT_END if incident.is_over else INCIDENT,
        "id": incident.id,
        "source": source,
        "kind": INCIDENT,
        "reason": _in_words(incident),
        "start": first.start,
        "joined": last.start,
        "end": incident.end,
        "first": first.key,
        "first_sure": incident.sure,
        "streams": len(incident.members),
        "streams_by_chance": incident.by_chance,
        "chance_a_day": incident.chance,
        "members": [member._asdict() for member in incident.members[:MOST_LISTED]],
    }


def incident_text(incident: Incident) -> str:
    """An incident in a line for people."""
    begun, end = incident.members[0].start, incident.end
    from_to = "" if begun is None else f" from {moment(begun)}"
    if incident.is_over:
        from_to += " is over" if end is None else f" to {moment(end)} is over"
    return f"incident{from_to}: {_in_words(incident)}"


def _in_words(incident: Incident, listed: int = 3) -> str:
    """How many streams, which one first, how sure that is, and who followed."""
    first, *others = incident.members
    names = ", ".join(shown_key(member.key) for member in others[:listed])
    more = f" and {len(others) - listed:,} more" if len(others) > listed else ""
    sure = f"{100 * incident.sure:.0f} % sure"
    return f"{len(incident.members):,} streams, first {shown_key(first.key)} ({sure}), then {names}{more}"


def keys_text(members: Sequence[Member]) -> str:
    """Keys of streams as they are shown, with commas between."""
    shown: list[Any] = [shown_key(member.key) for member in members[:MOST_LISTED]]
    return ", ".join(shown) + (", ..." if len(members) > MOST_LISTED else "")
