"""Maintenance windows: times in which a stream is judged and neither learned nor alarmed about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
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
#: Windows are worked out for so many days around the times that are asked for.
BEFORE, AFTER = timedelta(days=8), timedelta(days=32)
_DAY = rf"(?:{'|'.join(DAYS)})[a-z]*"
_CLOCK = r"([01]?\d|2[0-4]):([0-5]\d)"
_WEEKLY = re.compile(rf"(?:({_DAY})(?:-({_DAY}))?|daily) {_CLOCK}-(?:({_DAY}) )?{_CLOCK}", re.IGNORECASE)

#: Bytes of the longest calendar.
MOST_CALENDAR = 2**24
#: How long a window of a calendar that recurs may last, and in how short a time SOME of them may begin: each one since
#: the first is counted.
LONGEST, SOME, SHORTEST = timedelta(days=366), 100, timedelta(hours=8)

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
        finite = times[np.isfinite(times)]
        if not len(finite):
            return np.zeros(len(times), dtype=bool)
        low, high = float(finite.min()), float(finite.max())
        if low < self._from or high >= self._to:
            self._work_out(low, high)
        which = np.searchsorted(self._starts, times, side="right") - 1
        ends = np.append(self._ends, -np.inf)  # of none
        return np.asarray((which >= 0) & (times < ends[which]), dtype=bool)

    def _work_out(self, low: float, high: float) -> None:
        try:
            begin, end = (datetime.fromtimestamp(seconds, UTC) for seconds in (low, high))
            begin, end = begin - BEFORE, end + AFTER
        except (OverflowError, ValueError, OSError):
            self._starts, self._ends = np.empty(0), np.empty(0)  # no calendar goes as far
            self._from, self._to = low, np.nextafter(high, np.inf)
            return
        spans: list[Span] = []
        for span in sorted(span for rule in self._rules for span in rule(begin, end)):
            if spans and span[0] <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(spans[-1][1], span[1])
            else:
                spans.append(span)
        self._starts, self._ends = (np.array([span[side] for span in spans], dtype=float) for side in (0, 1))
        self._from, self._to = low, (end - AFTER / 2).timestamp()


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
        return [_event(event, zone) for event in calendar.walk("VEVENT")]
    except OSError as error:
        raise ValueError(f"the calendar {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the calendar {path} is not understood: {error}") from None


def _event(event: Any, zone: tzinfo) -> Rule:
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
        span = start.timestamp(), (start + length).timestamp()
        return lambda _begin, _end: iter([span])
    rrulestr = optional("dateutil.rrule", "icalendar").rrulestr
    if event["rrule"].get("FREQ", [""])[0] in ("SECONDLY", "MINUTELY") or event["rrule"].get("INTERVAL", [1])[0] < 1:
        raise ValueError("a window recurs hourly or less often, at an interval of at least 1")
    recurrence = rrulestr(event["rrule"].to_ical().decode(), dtstart=start)
    firsts = [*islice(recurrence, SOME)]
    if length > LONGEST or (len(firsts) == SOME and firsts[-1] - firsts[0] < SHORTEST):
        raise ValueError(f"a window that recurs lasts at most {LONGEST.days} days, and comes every 5 minutes at most")
    listed = event.get("exdate", [])
    left_out = {aware(one.dt) for part in (listed if isinstance(listed, list) else [listed]) for one in part.dts}

    def rule(begin: datetime, end: datetime) -> Iterator[Span]:
        for when in recurrence.between(begin - length, end, inc=True):
            if when not in left_out:
                yield when.timestamp(), (when + length).timestamp()

    return rule
