"""The steps of the endless loop: valid points, their verdicts, the sinks; and what holds between two blocks."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamforest.moments import iso_time
from streamforest.protocols import (
    AnsweringSource,
    Block,
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
from streamforest.reading.counter import JudgedValues
from streamforest.reading.line_rules import HEADER_AGAIN
from streamforest.reading.validation import TIME_BACK, Validator
from streamforest.state import joined, packed, part_of, unpacked

if TYPE_CHECKING:
    from types import SimpleNamespace

    from streamforest.program.description import Run
    from streamforest.reading.line_reader import RowReader

BLOCK = 4096  # readings that are judged in one go where points need not wait for one another
FIRST_READINGS = 100  # if all of these are refused, the run has failed
REFUSALS_REPORTED = 10  # further ones are only counted
BACK_READINGS = 10  # so many whose time goes back, beside few that do not: the newest row comes first
#: What one would type to have a text understood otherwise.
OTHERWISE = "--column, --time-column, --time-format, --time-zone, --decimal, --counter, --gauge; --explain shows more"
LOOK = 1024  # readings from one look for silent streams to the next
LATE = 1.0  # seconds behind the schedule after which a new one begins

Notify = Callable[[str], None]


class Loop:
    """Reads, judges and tells the sinks, until the source ends, ``max_points`` are judged or ``stop`` is requested.

    ``with loop:`` closes source and sinks at the end, whatever ends it; see :meth:`run` for what is done within.

    Parameters
    ----------
    run : Run
        The source, who judges, what counts and what ends the run. Its judge is asked block by block, so one that passes
        each block on to another detector can change it while the run goes on.
    sinks : sequence of Sink
        Get every verdict, in this order. One that fails is reported, and goes on to get them: what fails may work
        again, as a full disk may be emptied.
    without_times : str
        Line for people, said once if the first point has no time; empty: nothing depends on times.
    notify : callable
        Takes a line for people.
    clock : callable
        Seconds that only go forward, as ``stop.wait`` counts them.
    """

    def __init__(
        self,
        run: Run,
        sinks: Sequence[Sink],
        *,
        without_times: str = "",
        notify: Notify,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._judge, self._counts, self._stop = run.source, run.judge, run.counts, run.stop
        self._is_answering = isinstance(run.source, AnsweringSource)
        self._outlets = _Outlets(sinks, notify)
        self._resumption = run.resumption
        self._intake = _Intake(run, notify)
        if run.resumption is not None:
            run.resumption.add("intake", self._intake)
        self._pause = 0.0 if run.source.live else run.options.delay
        self._without_times, self._notify, self._clock = without_times, notify, clock
        self._is_between = True  # two blocks: all parts stand at the same point

    def run(self) -> None:
        """Judge every point to the end.

        Raises
        ------
        SourceError
            The source broke, or its first readings were all refused.
        ReaderGoneError
            Nobody reads the main output any more.
        """
        with self:
            for points in self.points():
                self.tell(self.judge(points))

    def points(self) -> Iterator[Points]:
        """Valid points in blocks, each block when it is due, until the run ends."""
        if self._resumption is not None:
            self._resumption.write()  # or a run that is killed before it is due would have left lines that come again
        is_first = not self._intake.judged
        for block in self._blocks():
            self._intake.take(block)
            if self._stop.requested or self._intake.is_full:
                break
            self._is_between = False
            for points in self._intake.points():
                if is_first and self._without_times and np.isnan(points["time"][0]):
                    self._notify(self._without_times)
                is_first = False
                yield points
            self._is_between = True
            if self._resumption is not None:
                self._resumption.write_if_due()
        if not self._stop.requested or self._resumption is None:
            yield from self._intake.rest()
        if not self._stop.requested:
            self._intake.end()

    def judge(self, points: Points) -> list[Verdicts]:
        """Score each point, then learn it: the verdicts, in blocks."""
        return self._judge.judge(points)

    def tell(self, blocks: list[Verdicts]) -> None:
        """Give the verdicts to every sink, and count them."""
        for verdicts in blocks:
            if self._is_answering:
                self._source.take(verdicts)  # type: ignore[attr-defined] # an AnsweringSource
            try:
                self._outlets.write(verdicts)  # first: somebody may wait for it
            finally:
                self._counts.add(verdicts)  # also where the reader went away: log and report may have it

    def __enter__(self) -> Loop:
        self._counts.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._counts.end()
        if self._resumption is not None and self._is_between:
            # before the sinks end what a resumed run goes on with
            self._resumption.write_last(getattr(self._stop, "deadline", math.inf))
        # for the counts at the end; a run that goes on from the checkpoint looks where no end was
        self._judge.drop_silent()
        self._outlets.close()
        self._source.close()

    def _blocks(self) -> Iterator[Block]:
        unpaced = self._intake.blocks(self._source.read(self._stop, 1 if self._pause else BLOCK))
        return _paced(unpaced, self._pause, self._stop, self._clock) if self._pause else unpaced


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

    Silent streams are dropped between two readings, before each LOOK of the run's: which ones are dropped there decides
    which times go back and which numbers are free, so the places must not depend on how the source cuts its blocks.
    """

    def __init__(self, run: Run, notify: Notify) -> None:
        self._source, self._judge, self._counts = run.source, run.judge, run.counts
        self._options = run.options
        self._values = judged_values(run.source, run.options, has_keys=run.judge.keys is not None)
        self._is_introduced = False
        self._notify = notify
        self._most = sys.maxsize if run.options.max_points is None else run.options.max_points
        self._validator = Validator(run.judge.keys)
        self._points = 0
        self._refused = 0
        self._repeated_headers = 0  # rows refused only as they repeat the header
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
            wanted = self._most - self._points
            if not self._points and not isinstance(self._source, AnsweringSource):
                wanted = min(wanted, FIRST_READINGS - self._refused)
            if self._judge.drops_silent:
                since = (self._points + self._refused) % LOOK
                if not since:
                    self._drop_silent()
                wanted = min(wanted, LOOK - since)
            if len(self._unread) <= wanted:
                readings, self._unread = self._unread, []
            else:
                readings, self._unread = self._unread[:wanted], self._unread[wanted:]
            points, refusals = self._validator.check(readings)
            self._points += len(points)
            self._counts.repaired = self._validator.repaired
            if refusals:
                self._take(refusals)
            if len(points):
                yield from self._introduced(self._values.of(points, is_last=self.is_full))

    def rest(self) -> Iterator[Points]:
        """The points that are held back when the source has ended."""
        yield from self._introduced(self._values.rest())

    def _introduced(self, points: Points) -> Iterator[Points]:
        """The points, if there are any; says how the source is understood before the first ones."""
        if len(points):
            if not self._is_introduced:
                self._introduce_source(points)
            yield points

    def _introduce_source(self, points: Points) -> None:
        """Say how the source is understood."""
        self._is_introduced = True
        is_counter = bool(self._values.is_counter)
        if line := hint_of_counter(self._source, self._options, is_counter=is_counter):
            self._notify(line)
        self._counts.understood = understood(self._source, points["time"], self._options, is_counter=is_counter)
        if self._counts.understood:
            self._notify(f"{self._source.name}: {self._counts.understood} (otherwise: {OTHERWISE})")

    def state(self) -> State:
        """A copy of all that is remembered, and what the source gave and was not read."""
        unread = [list(item) for item in self._unread]
        own = {"facts": packed([self._points, self._refused, self._repeated_headers, unread])}
        return own | joined({"validator": self._validator.state(), "values": self._values.state()})

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        self._validator.restore(part_of(state, "validator"))
        self._values.restore(part_of(state, "values"))
        kind = tuple[int, int, int, list[Reading | Refusal]]
        self._points, self._refused, self._repeated_headers, unread = unpacked(state, "facts", kind)
        self._unread = [Refusal(*item) if len(item) == len(Refusal._fields) else Reading(*item) for item in unread]

    def _drop_silent(self) -> None:
        self._values.forget(self._judge.drop_silent())  # their numbers may be those of other streams

    def end(self) -> None:
        """Complain of a source that has ended and of which no reading, or not even half of them, could be judged."""
        if self.is_full:
            return
        if self._refused and not self._points:
            self._fail()
        if not self._points:
            raise SourceError(f"{self._source.name}: there is no reading in it; {self._source.describe()}")
        lost = self._refused - self._repeated_headers
        if lost > self._points:
            raise SourceError(
                f"{self._source.name}: {lost} of {lost + self._points} readings were refused, more than half of them; "
                f"{self._source.describe()}"
            )

    def _take(self, refusals: list[Refusal]) -> None:
        if isinstance(self._source, AnsweringSource):
            self._refused += len(refusals)
            self._counts.refused = self._refused
            self._source.answer(refusals)  # not here: the run is not of one sender alone
            return
        for refusal in refusals[: max(0, REFUSALS_REPORTED - self._refused)]:
            self._notify(f"refused {refusal.where}: {refusal.reason}")
        if self._refused <= REFUSALS_REPORTED < self._refused + len(refusals):
            self._notify("further refusals are only counted")
        self._refused += len(refusals)
        self._repeated_headers += sum(refusal.reason == HEADER_AGAIN for refusal in refusals)
        self._counts.refused = self._refused
        back = self._validator.reasons[TIME_BACK]
        if back >= BACK_READINGS and back > 4 * self._points:
            raise SourceError(
                f"{self._source.name}: the times go back from row to row, so the newest row comes first: turn the rows "
                "round, as with tac, or name a file, which is read backwards"
            )
        if not self._points and self._refused >= FIRST_READINGS:
            self._fail()

    def _fail(self) -> None:
        raise SourceError(
            f"{self._source.name}: the first {self._refused} readings were all refused; {self._source.describe()}"
        )


def judged_values(source: Source, options: SimpleNamespace, *, has_keys: bool) -> JudgedValues:
    """What is judged of the readings of a source: what the user says, else what the first ones of one stream tell."""
    reader = _reader_of(source)
    is_open = reader is not None and not (options.counter or options.gauge or has_keys)

    def name() -> str:
        layout = getattr(reader, "newest_layout", None)
        return "" if layout is None else str(layout.value_name)

    return JudgedValues(None if is_open else options.counter, name)


def hint_of_counter(source: Source, options: SimpleNamespace, *, is_counter: bool) -> str:
    """A line for a source whose values, which are judged, look like those of a counter; empty if the user said what.

    Its growth is judged unasked only if the first readings tell it: the later ones of a pipe are not there yet, and a
    file has to give the verdicts of the pipe that it was.
    """
    reader = _reader_of(source)
    if reader is None or not reader.is_like_counter or options.gauge or is_counter:
        return ""
    return f"{source.name}: this looks like a counter: --counter judges its growth, --gauge its values as now"


def _reader_of(source: Source) -> RowReader | None:
    """What reads the columns of a source; None where it has none."""
    return getattr(source, "reader", None)


def understood(source: Source, times: NDArray[np.float64], options: SimpleNamespace, *, is_counter: bool) -> str:
    """How a source is understood, with its first time and its usual step, in one line.

    It is empty without columns, unless holidays are declared.

    Parameters
    ----------
    source : Source
        One with columns has a ``reader``.
    times : float64 array
        Of its first points, seconds, UTC epoch.
    options : SimpleNamespace
        Of the run.
    is_counter : bool
        Whether its growth is judged.
    """
    reader = _reader_of(source)
    free = "" if options.holidays is None else _holidays_in_words(options)
    if reader is None or not (form := reader.understood()):
        return free
    form += "; a counter, judged by its growth (--gauge: by its values)" if is_counter else ""
    given = times[times == times]
    layout = reader.newest_layout
    first = ""
    if len(given):
        is_elapsed = layout is not None and layout.time_form.startswith("elapsed")
        time = f"{given[0]:.6g} s" if is_elapsed else iso_time(float(given[0]), has_fractions=False)
        first = f"; first time {time}"
    steps = np.diff(given)
    steps = steps[steps > 0]
    every = f", usually every {_step_in_words(float(np.median(steps)))}" if len(steps) else ""
    return f"{form}{first}{every}{'; ' if free else ''}{free}"


def _holidays_in_words(options: SimpleNamespace) -> str:
    return f"public holidays of {options.holidays} ({options.time_zone or 'UTC'}) are judged as Sundays"


def _step_in_words(step: float) -> str:
    """Seconds between two times, or the length in the calendar that they are.

    Examples
    --------
    >>> [_step_in_words(days * 86400.0) for days in (1, 7, 30, 31, 92, 365, 1 / 24)]
    ['day', 'week', 'month', 'month', 'quarter', 'year', '3600 s']
    """
    for word, shortest, longest in _CALENDAR:
        if shortest <= step / 86_400 <= longest:
            return word
    return f"{step:.6g} s"


# Words for steps of the calendar, and how many days they have.
_CALENDAR = (("day", 1, 1), ("week", 7, 7), ("month", 28, 31), ("quarter", 90, 92), ("year", 365, 366))


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
