"""Maintenance windows: times in which a stream is judged and neither learned nor alarmed about."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.optional import optional
from streamforest.small_files import read_small_file

Floats = NDArray[np.float64]
#: A window's start and end, seconds, UTC epoch.
Span = tuple[float, float]
#: Start and end of a time -> the windows that overlap it.
Rule = Callable[[datetime, datetime], Iterator[Span]]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Windows are worked out for so many days around the times that are asked for, which lie no more seconds apart.
BEFORE, AFTER = timedelta(days=8), timedelta(days=32)
APART = (BEFORE + AFTER).total_seconds()
_DAY = rf"(?:{'|'.join(DAYS)})[a-z]*"
_CLOCK = r"([01]?\d|2[0-4]):([0-5]\d)"
_WEEKLY = re.compile(rf"(?:({_DAY})(?:-({_DAY}))?|daily) {_CLOCK}-(?:({_DAY}) )?{_CLOCK}", re.IGNORECASE)

#: Bytes of the longest calendar.
MOST_CALENDAR = 2**24
#: How long a window of a calendar that recurs may last, how far ahead its times are known, and how many there may be
#: until then, of a whole calendar: some 110 bytes each. A window each hour has 90,000 in ten years.
LONGEST, AHEAD, MOST_TIMES = timedelta(days=366), timedelta(days=3653), 1_000_000

FORMS = (
    "write 2026-03-01T22:00/2026-03-02T06:00, 'daily 02:00-03:00', 'Mon-Fri 12:00-13:00', 'Sat 22:00-Sun 06:00' "
    "or the path of an iCalendar file (.ics)"
)


class MaintenanceWindows:
    """The times that are to be ignored, of any number of rules.

    Parameters
    ----------
    texts : sequence of str
        Each a time from and to in ISO 8601, a weekly window, or the path of an iCalendar file.
    zone : tzinfo
        Of times that have none.

    Raises
    ------
    ValueError
        One of them cannot be understood; the message says which and what can.
    MissingPackageError
        One is a calendar and icalendar is not installed.
    """

    def __init__(self, texts: Sequence[str], zone: tzinfo = UTC) -> None:
        self._rules = [rule for text in texts for rule in _rules_of(text, zone)]
        self._from, self._to = np.inf, -np.inf  # what is worked out
        self._starts, self._ends = np.empty(0), np.empty(0)

    def inside(self, times: Floats) -> NDArray[np.bool_]:
        """Whether each time, shape (n,), seconds, UTC epoch, lies in a window; a time that is unknown does not."""
        found = np.zeros(len(times), dtype=bool)
        finite = np.flatnonzero(np.isfinite(times))
        order = finite[np.argsort(times[finite])]
        # a single far time has a part of its own: to work out all until then would take minutes
        for part in np.split(order, np.flatnonzero(np.diff(times[order]) > APART) + 1):
            if len(part):
                found[part] = self._inside(times[part])
        return found

    def _inside(self, times: Floats) -> NDArray[np.bool_]:
        """The same for times in order that lie close together."""
        low, high = float(times[0]), float(times[-1])
        if low < self._from or high >= self._to:
            self._work_out(low, high)
        which = np.searchsorted(self._starts, times, side="right") - 1
        ends = np.append(self._ends, -np.inf)  # of none
        return np.asarray((which >= 0) & (times < ends[which]), dtype=bool)

    def _work_out(self, low: float, high: float) -> None:
        try:
            begin, end = (datetime.fromtimestamp(seconds, UTC) for seconds in (low, high))
            begin, end = begin - BEFORE, end + AFTER
            spans = _merged(span for rule in self._rules for span in rule(begin, end))
        except (OverflowError, ValueError, OSError):
            self._starts, self._ends = np.empty(0), np.empty(0)  # no calendar goes as far
            self._from, self._to = low, np.nextafter(high, np.inf)
            return
        self._starts, self._ends = (np.array([span[side] for span in spans], dtype=float) for side in (0, 1))
        self._from, self._to = low, (end - AFTER / 2).timestamp()


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Windows in order, those that overlap as one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span[0] <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], span[1])
        else:
            found.append(span)
    return found


def _rules_of(text: str, zone: tzinfo) -> list[Rule]:
    if match := _WEEKLY.fullmatch(text.strip()):
        return [_weekly(match, zone)]
    if text.lower().endswith(".ics"):
        return _calendar(Path(text), zone)
    first, mark, last = text.partition("/")
    try:
        start, end = (_moment(datetime.fromisoformat(part.strip()), zone) for part in (first, last))
    except ValueError:
        raise ValueError(f"{text!r} is no maintenance window: {FORMS}") from None
    if not mark or end <= start:
        raise ValueError(f"{text!r} ends before it begins: {FORMS}")
    span = start.timestamp(), end.timestamp()
    return [lambda _begin, _end: iter([span])]


def _moment(moment: datetime, zone: tzinfo) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _weekly(match: re.Match[str], zone: tzinfo) -> Rule:
    """A window each day, on some days, or from one day to another."""
    first, last, hour, minute, until, end_hour, end_minute = match.groups()
    day = 0 if first is None else _day(first)
    days = range(7) if first is None else range(day, day + 1 + ((_day(last) - day) % 7 if last else 0))
    begins = timedelta(hours=int(hour), minutes=int(minute))
    ends = timedelta(hours=int(end_hour), minutes=int(end_minute))
    if until is not None:
        ends += timedelta(days=(_day(until) - day) % 7)
    if ends <= begins:
        ends += timedelta(days=7 if until is not None else 1)

    def rule(begin: datetime, end: datetime) -> Iterator[Span]:
        today, last_day = begin.astimezone(zone).date() - timedelta(days=7), end.astimezone(zone).date()
        wanted = {day % 7 for day in days}
        while today <= last_day:
            if today.weekday() in wanted:
                yield _clock(today, begins, zone), _clock(today, ends, zone)
            today += timedelta(days=1)

    return rule


def _day(name: str) -> int:
    return DAYS.index(name[:3].lower())


def _clock(day: date, passed: timedelta, zone: tzinfo) -> float:
    """A time by the clock on the wall, which may stand on a later day."""
    whole, rest = divmod(passed, timedelta(days=1))
    return (datetime.combine(day + timedelta(days=whole), time(), zone) + rest).timestamp()


def _calendar(path: Path, zone: tzinfo) -> list[Rule]:
    """The events of an iCalendar file, those that recur with all their times."""
    icalendar = optional("icalendar", "icalendar")
    try:
        calendar = icalendar.Calendar.from_ical(read_small_file(path, MOST_CALENDAR))
        spans: list[Span] = []
        for event in calendar.walk("VEVENT"):
            spans += islice(_event(event, zone), MOST_TIMES + 1 - len(spans))
            if len(spans) > MOST_TIMES:
                raise ValueError(
                    f"its windows recur more than {MOST_TIMES:,} times until {AHEAD.days // 365} years ahead"
                )
        return [_listed(_merged(spans))]
    except OSError as error:
        raise ValueError(f"the calendar {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the calendar {path} is not understood: {error}") from None


def _listed(spans: list[Span]) -> Rule:
    """Windows whose times are all known, in order; none overlaps another."""

    def rule(begin: datetime, end: datetime) -> Iterator[Span]:
        first, last = (bisect_left(spans, (when.timestamp(),)) for when in (begin, end))
        return iter(spans[max(0, first - 1) : last])  # the one before may go on

    return rule


def _event(event: Any, zone: tzinfo) -> Iterator[Span]:
    """The windows of an event of a calendar, in order; of one that recurs those until AHEAD."""

    def aware(when: Any) -> datetime:
        return _moment(when if isinstance(when, datetime) else datetime.combine(when, time()), zone)

    first = event.decoded("dtstart")
    start = aware(first)
    if "dtend" in event:
        length = aware(event.decoded("dtend")) - start
    elif "duration" in event:
        length = event.decoded("duration")
    else:
        length = timedelta(0) if isinstance(first, datetime) else timedelta(days=1)
    if not isinstance(length, timedelta):
        raise ValueError(f"{str(length)[:50]!r} is no duration")
    if "rrule" not in event:
        yield start.timestamp(), (start + length).timestamp()
        return
    rrulestr = optional("dateutil.rrule", "icalendar").rrulestr
    if event["rrule"].get("FREQ", [""])[0] in ("SECONDLY", "MINUTELY") or event["rrule"].get("INTERVAL", [1])[0] < 1:
        raise ValueError("a window recurs hourly or less often, at an interval of at least 1")
    if length > LONGEST:
        raise ValueError(f"a window that recurs lasts at most {LONGEST.days} days")
    listed = event.get("exdate", [])
    left_out = {aware(one.dt) for part in (listed if isinstance(listed, list) else [listed]) for one in part.dts}
    last = datetime.now(UTC) + AHEAD
    recurrence = rrulestr(event["rrule"].to_ical().decode(), dtstart=start)
    for when in takewhile(lambda when: when <= last, recurrence):
        if when not in left_out:
            yield when.timestamp(), (when + length).timestamp()
