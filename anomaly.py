"""The endless loop: anomaly_dect() reads, judges and tells the sinks, until the source ends or the user stops it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from streamforest.metrics import RunCounts
from streamforest.protocols import (
    STREAM_VERDICT_DTYPE,
    UNLABELLED,
    VERDICT_DTYPE,
    Block,
    Detector,
    Points,
    ReaderGoneError,
    Reading,
    Refusal,
    Sink,
    Source,
    SourceError,
    State,
    Stop,
    Verdicts,
)
from streamforest.resumption import Resumption
from streamforest.state import joined, packed, part_of, unpacked
from streamforest.stream_names import StreamNames
from streamforest.validation import Validator

if TYPE_CHECKING:
    from streamforest.streams import StreamDetectors

BLOCK = 4096  # readings that are judged in one go where points need not wait for one another
FIRST_READINGS = 100  # if all of these are refused, the run has failed
REFUSALS_TOLD = 10  # further ones are only counted
LOOK = 1024  # readings from one look for silent streams to the next
LATE = 1.0  # seconds behind the schedule after which a new one begins

Notify = Callable[[str], None]


def anomaly_dect(
    source: Source,
    detector: Detector | StreamDetectors,
    sinks: Sequence[Sink],
    counts: RunCounts,
    stop: Stop,
    *,
    delay: float = 0.0,
    max_points: int | None = None,
    without_times: str = "",
    names: StreamNames | None = None,
    resumption: Resumption | None = None,
    notify: Notify,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Judge every point of a source until it ends, ``max_points`` are judged, or ``stop`` is requested.

    Source and sinks are closed at the end, whatever ends it.

    Parameters
    ----------
    source : Source
        Where readings come from; a live one sets its own pace.
    detector : Detector or StreamDetectors
        Ready to judge: nothing is loaded or fitted here. It is asked block by block, so one that passes each
        block on to another detector can change it while the run goes on. Where there are ``names``, StreamDetectors.
    sinks : sequence of Sink
        Told of every verdict, in this order. One that fails is reported, and goes on to be told: what fails may work
        again, as a full disk may be emptied.
    counts : RunCounts
        Fed with every verdict and refusal.
    stop : Stop
        Ends the run.
    delay : float
        Seconds between points of a source that is not live, at least 0.
    max_points : int, optional
        Points after which the run ends, at least 1; where it was resumed, those before among them.
    without_times : str
        Line for people, told once where the first point has no time; empty: nothing depends on times.
    names : StreamNames, optional
        Of the streams, where the source holds many and its readings have keys.
    resumption : Resumption, optional
        Keeps the run in a checkpoint as it goes on and at its end; source, detector, sinks and counts are in it.
    notify : callable
        Takes a line for people.
    clock : callable
        Seconds that only go forward, as ``stop.wait`` counts them.

    Raises
    ------
    SourceError
        The source broke, or its first readings were all refused.
    ReaderGoneError
        Whoever read the main output went away.
    """
    outlets = _Outlets(sinks, notify)
    one, many = cast("Detector", detector), cast("StreamDetectors", detector)  # one of them is what it is

    def drop_silent() -> None:
        if names is not None:
            names.drop(cast("list[int]", many.drop_silent()))

    look = drop_silent if names is not None and many.silence < math.inf else None
    most = sys.maxsize if max_points is None else max_points
    intake = _Intake(source, counts, notify, most, names, look)
    if resumption is not None:
        resumption.add("intake", intake)
    pause = 0.0 if source.live else delay
    is_first = not intake.judged
    is_between = True  # two blocks: all parts stand at the same point
    counts.start()
    try:
        if resumption is not None:
            resumption.write()  # or a run that is killed before it is due would have left lines that come again
        unpaced = intake.blocks(source.read(stop, 1 if pause else BLOCK))
        for block in _paced(unpaced, pause, stop, clock) if pause else unpaced:
            intake.take(block)
            if stop.requested or intake.is_full:
                break
            is_between = False
            for points in intake.points():
                if is_first and without_times and np.isnan(points["time"][0]):
                    notify(without_times)
                is_first = False
                blocks = [_judge_one(one, points)] if names is None else _judge_many(many, points)
                for verdicts in blocks:
                    try:
                        outlets.write(verdicts)  # first: somebody may wait for it
                    finally:
                        counts.add(verdicts)  # also where the reader went away: log and report may have it
            is_between = True
            if resumption is not None:
                resumption.write_if_due()
        if not stop.requested:
            intake.end()
    finally:
        counts.end()
        if resumption is not None and is_between:
            resumption.write()  # before the sinks end what a resumed run goes on with
        drop_silent()  # for the counts at the end; a run that goes on from the checkpoint looks where no end was
        outlets.close()
        source.close()


def _judge_one(detector: Detector, points: Points) -> Verdicts:
    """Verdicts of the points of one stream, with their labels."""
    verdicts = detector.update_many(points["value"], points["time"])
    labels = points["label"]
    if len(labels) > 1 or labels.item() != UNLABELLED:  # for one point, to fill it in takes as long as half the judging
        verdicts["label"] = labels
    return verdicts


def _judge_many(detectors: StreamDetectors, points: Points) -> list[Verdicts]:
    """Verdicts of the points of many streams, with their labels and streams, in blocks in which none begins anew."""
    judged = detectors.update(points["stream"], points["value"], points["time"], drops=False)
    verdicts = np.empty(len(points), STREAM_VERDICT_DTYPE)
    for name in VERDICT_DTYPE.names or ():
        verdicts[name] = judged[name]
    verdicts["label"], verdicts["stream"] = points["label"], points["stream"]
    begins = np.flatnonzero(verdicts["index"] == 0)
    if not len(begins):
        return [verdicts]
    streams, firsts = np.unique(points["stream"], return_index=True)
    is_anew = begins > firsts[np.searchsorted(streams, points["stream"][begins])]
    return np.split(verdicts, begins[is_anew])


def _paced(blocks: Iterator[Block], delay: float, stop: Stop, clock: Callable[[], float]) -> Iterator[Block]:
    """The blocks, each when it is due: at a fixed time from the first, so that delays do not add up."""
    due = clock()
    for block in blocks:
        now = clock()
        if now - due > LATE:
            due = now
        stop.wait(due - now)
        yield block
        due += delay


class _Intake:
    """Readings -> points that may be judged; tells of refusals and ends a run in which nothing else comes.

    ``look`` is called between two readings, before each LOOK of the run's: which streams are dropped there decides
    which times go back and which numbers are free, so the places must not depend on how the source cuts its blocks.
    """

    def __init__(
        self,
        source: Source,
        counts: RunCounts,
        notify: Notify,
        most: int,
        names: StreamNames | None,
        look: Callable[[], None] | None,
    ) -> None:
        self._source = source
        self._counts = counts
        self._notify = notify
        self._most = most
        self._validator = Validator(names)
        self._look = look
        self._points = 0
        self._refused = 0
        self._unread: Block = []  # of the newest block

    @property
    def judged(self) -> int:
        """Points that were given."""
        return self._points

    @property
    def is_full(self) -> bool:
        """Whether as many points as wanted were given."""
        return self._points >= self._most

    def blocks(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """What an earlier run left unread, and then what comes; nothing where no point is wanted any more."""
        if self._unread:
            yield self._unread
        while not self.is_full and (block := next(blocks, None)) is not None:
            yield block

    def take(self, block: Block) -> None:
        """Take the next block, of which nothing is read yet."""
        self._unread = block

    def points(self) -> Iterator[Points]:
        """The points of the block, up to as many as wanted in all; readings behind these stay unread."""
        while self._unread and not self.is_full:
            room = self._most - self._points
            if not self._points:
                room = min(room, FIRST_READINGS - self._refused)
            if self._look is not None:
                since = (self._points + self._refused) % LOOK
                if not since:
                    self._look()
                room = min(room, LOOK - since)
            if len(self._unread) <= room:
                readings, self._unread = self._unread, []
            else:
                readings, self._unread = self._unread[:room], self._unread[room:]
            points, refusals = self._validator.check(readings)
            self._points += len(points)
            self._counts.repaired = self._validator.repaired
            if refusals:
                self._take(refusals)
            if len(points):
                yield points

    def state(self) -> State:
        """A copy of all that is remembered, and what the source gave and was not read."""
        unread = [list(item) for item in self._unread]
        own = {"facts": packed([self._points, self._refused, unread])}
        return own | joined({"validator": self._validator.state()})

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        self._validator.restore(part_of(state, "validator"))
        self._points, self._refused, unread = unpacked(state, "facts")
        self._unread = [Refusal(*item) if len(item) == len(Refusal._fields) else Reading(*item) for item in unread]

    def end(self) -> None:
        """Complain of a source that has ended and of which no reading could be judged."""
        if self._refused and not self._points:
            self._fail()

    def _take(self, refusals: list[Refusal]) -> None:
        for refusal in refusals[: max(0, REFUSALS_TOLD - self._refused)]:
            self._notify(f"refused {refusal.where}: {refusal.reason}")
        if self._refused <= REFUSALS_TOLD < self._refused + len(refusals):
            self._notify("further refusals are only counted")
        self._refused += len(refusals)
        self._counts.refused = self._refused
        if not self._points and self._refused >= FIRST_READINGS:
            self._fail()

    def _fail(self) -> None:
        raise SourceError(
            f"{self._source.name}: the first {self._refused} readings were all refused; {self._source.describe()}"
        )


class _Outlets:
    """The sinks, some of which may fail for a time."""

    def __init__(self, sinks: Sequence[Sink], notify: Notify) -> None:
        self._sinks = list(sinks)
        self._failing: list[Sink] = []
        self._notify = notify

    def write(self, verdicts: Verdicts) -> None:
        """Tell all sinks of one block of verdicts; report the ones that fail, or work again, once each time."""
        for sink in self._sinks:
            try:
                sink.write(verdicts)
            except OSError as error:
                if sink not in self._failing:
                    self._failing.append(sink)
                    self._notify(f"{sink.name} failed, the run goes on without it: {error.strerror or error}")
            else:
                if sink in self._failing:
                    self._failing.remove(sink)
                    self._notify(f"{sink.name} works again")

    def close(self) -> None:
        """Close all sinks; tell of the ones that fail to write what they held back."""
        while self._sinks:
            sink = self._sinks.pop()
            try:
                sink.close()
            except OSError as error:
                self._notify(f"{sink.name} failed at its end: {error.strerror or error}")
            except ReaderGoneError:
                pass  # the run ends anyway
