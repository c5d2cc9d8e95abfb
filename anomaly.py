"""The endless loop: anomaly_dect() reads, judges and tells the sinks, until the source ends or the user stops it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from streamforest.metrics import RunCounts
from streamforest.protocols import (
    Block,
    Detector,
    Points,
    ReaderGoneError,
    Refusal,
    Sink,
    Source,
    SourceError,
    Stop,
    Verdicts,
)
from streamforest.validation import Validator

BLOCK = 4096  # readings that are judged in one go where points need not wait for one another
FIRST_READINGS = 100  # if all of these are refused, the run has failed
REFUSALS_TOLD = 10  # further ones are only counted
LATE = 1.0  # seconds behind the schedule after which a new one begins

Notify = Callable[[str], None]


def anomaly_dect(
    source: Source,
    detector: Detector,
    sinks: Sequence[Sink],
    counts: RunCounts,
    stop: Stop,
    *,
    delay: float = 0.0,
    max_points: int | None = None,
    without_times: str = "",
    notify: Notify,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Judge every point of a source until it ends, ``max_points`` are judged, or ``stop`` is requested.

    Source and sinks are closed at the end, whatever ends it.

    Parameters
    ----------
    source : Source
        Where readings come from; a live one sets its own pace.
    detector : Detector
        Ready to judge: nothing is loaded or fitted here. It is asked block by block, so one that passes each
        block on to another detector can change it while the run goes on.
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
        Points after which the run ends, at least 1.
    without_times : str
        Line for people, told once where the first point has no time; empty: nothing depends on times.
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
    intake = _Intake(source, counts, notify, sys.maxsize if max_points is None else max_points)
    pause = 0.0 if source.live else delay
    is_first = True
    counts.start()
    try:
        for block in _paced(source.read(stop, 1 if pause else BLOCK), pause, stop, clock):
            for points in intake.points(block):
                if is_first and without_times and np.isnan(points["time"][0]):
                    notify(without_times)
                is_first = False
                verdicts = detector.update_many(points["value"], points["time"])
                verdicts["label"] = points["label"]
                counts.add(verdicts)
                outlets.write(verdicts)
            if intake.is_full:
                return
        if not stop.requested:
            intake.end()
    finally:
        counts.end()
        outlets.close()
        source.close()


def _paced(blocks: Iterator[Block], delay: float, stop: Stop, clock: Callable[[], float]) -> Iterator[Block]:
    """The blocks, each when it is due: at a fixed time from the first, so that delays do not add up."""
    due = clock()
    for block in blocks:
        now = clock()
        if now - due > LATE:
            due = now
        if stop.requested or (delay and stop.wait(due - now)):
            return
        yield block
        due += delay


class _Intake:
    """Readings -> points that may be judged; tells of refusals and ends a run in which nothing else comes."""

    def __init__(self, source: Source, counts: RunCounts, notify: Notify, most: int) -> None:
        self._source = source
        self._counts = counts
        self._notify = notify
        self._most = most
        self._validator = Validator()
        self._points = 0
        self._refused = 0

    @property
    def is_full(self) -> bool:
        """Whether as many points as wanted were given."""
        return self._points >= self._most

    def points(self, block: Block) -> Iterator[Points]:
        """The points of one block, up to as many as wanted in all; readings behind these stay unread."""
        first = 0
        while first < len(block) and not self.is_full:
            room = self._most - self._points
            if not self._points:
                room = min(room, FIRST_READINGS - self._refused)
            points, refusals = self._validator.check(block[first : first + room])
            first += room
            self._points += len(points)
            self._take(refusals)
            if len(points):
                yield points

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
        self._counts.repaired = self._validator.repaired
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
