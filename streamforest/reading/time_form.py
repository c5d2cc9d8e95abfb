"""How the times of a column are written: which order of day and month, which kind of number; learnt from its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from streamforest.reading.notation import BAD_TIME, MISSING, RefusedError, read_time, read_wall
from streamforest.reading.python_values import LATEST as FARTHEST
from streamforest.reading.time_text import (
    CLOCK,
    OFFSET,
    ZONE,
    Wall,
    of_moment,
    offset_of,
    read_columns,
    read_compact,
    read_text,
    simple_seconds,
)
from streamforest.text import shown

#: Seconds, UTC epoch, of the years in between which a number is believed to be a time.
EARLIEST, LATEST = 631_152_000, 4_102_444_800  # 1990-01-01, 2100-01-01
#: The same of the years in which a number of seconds is believed to be one of unix time rather than of another epoch.
SURE = 1e9, 2e9  # 2001-09-09, 2033-05-18
#: A number below this many seconds is rather the time since a start: unix time reached it in 1973.
LONGEST_ELAPSED = 1e8
#: Begins the form of a time whose parts stand in columns of their own; their letters follow, see ``read_columns``.
COLUMNS = "columns"
#: What ``--time-format`` may be beside a pattern with % signs, and the form that it stands for.
FORMATS = {
    **dict.fromkeys(("dmy", "d.m.y", "d/m/y", "d-m-y"), "dmy"),
    **dict.fromkeys(("mdy", "m/d/y", "m-d-y", "m.d.y"), "mdy"),
    **dict.fromkeys(("ymd", "y-m-d", "iso"), "ymd"),
    **dict.fromkeys(("yyyymmdd", "compact"), "compact"),
    **{name: name for name in ("unix", "excel", "matlab", "jd", "mjd", "filetime", "ticks", "elapsed", "years")},
}
#: Beside these a count since any date: ``seconds since 2001-01-01``.
SINCE = re.compile(
    r"(?P<unit>ns|nano(?:second)?s?|us|µs|micro(?:second)?s?|ms|milli(?:second)?s?|s|secs?|seconds?|min|minutes?|h|hours?|"
    r"d|days?)\s+since\s+(?P<date>\d{4}-\d\d?-\d\d?(?:[T ]\d\d?:\d\d(?::\d\d)?)?)(?:\.0*)?(?:\s?(?:Z|UTC))?",
    re.IGNORECASE,
)
#: The forms in words.
IN_WORDS = {
    "": "ISO 8601 or unix time",
    "ymd": "year-month-day",
    "dmy": "day.month.year",
    "mdy": "month/day/year",
    "compact": "yyyymmdd",
    "unix": "unix time",
    "excel": "days of a spreadsheet since 1900",
    "matlab": "days of MATLAB",
    "jd": "Julian days",
    "mjd": "modified Julian days",
    "filetime": "Windows file time",
    "ticks": ".NET ticks",
    "elapsed": "seconds from a start, no date",
    "years": "years with a fraction",
}
# The letters of parts of times in words.
_PART_WORDS = {"Y": "year", "m": "month", "d": "day", "j": "day of the year", "H": "hour", "M": "minute", "S": "second"}

# Seconds, UTC epoch, of the years 1600 and 2400: before and after, most dates are Persian, Islamic or Buddhist ones.
_FIRST_YEAR, _LAST_YEAR = -11_676_096_000, 13_569_465_600
_DAY = 86_400
# Days from the first one of a form to 1970-01-01.
_DAYS_BEFORE = {"excel": 25_569, "matlab": 719_529, "jd": 2_440_587.5, "mjd": 40_587}
_EXCEL = 32_874, 73_051  # 1990 and 2100
_LATE_EXCEL = 54_789  # 2050: from here on they may as well be modified Julian days, of 2008 and later
_FILETIME = 11_644_473_600  # seconds from 1601-01-01 to 1970-01-01
_TICKS = 62_135_596_800  # seconds from 0001-01-01 to 1970-01-01
# Counts since a date, by which a number that as unix time would be of a year beyond SURE may be of one within it.
_OTHER_COUNTS = (
    ("s", "2001-01-01"),  # Apple
    ("ns", "2001-01-01"),
    ("s", "1904-01-01"),  # LabVIEW, and Macs of old
    ("s", "1900-01-01"),  # NTP
    ("s", "1960-01-01"),  # SAS
    ("ms", "1960-01-01"),  # Stata
)
# Days, hours and minutes since 1970, or 1960 as SAS counts days, that are so large may as well be seconds from a start:
# the words for each, and what the name of the column has to say for it to be asked about.
_SLOW_COUNTS = (
    ("d", "1970-01-01", "date|day|datum|tag"),
    ("d", "1960-01-01", "date|day|datum|tag"),
    ("h", "1970-01-01", "date|hour|stunde"),
    ("min", "1970-01-01", ""),
)
_WEBKIT = "us since 1601-01-01"
_GPS = ("s", "1980-01-06")  # 18 seconds ahead of UTC
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_UNIT_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "min": "minutes"}
_UNIT_WORDS |= {"h": "hours", "d": "days"}

#: Dates in so few digits that they may be seconds from a start.
_SHORT_DATES = {
    "%Y": "a year",
    "%Y%m": "a year and month",
    "%Y%j": "a year and the day in it",
    "%y%m%d": "a year, month and day",
    "%d%m%Y": "a day, month and year",
    "%m%d%Y": "a month, day and year",
}
# Of these digits the years from 19 on are as unix times of 2030 and later.
_SHORT_CLOCK, _SHORT_CLOCK_FROM = "%y%m%d%H%M", 1.9e9
_HOUR_DIGITS = 10
_LONG_STEP = 300 * _DAY
_SHORT_YEAR = re.compile(r"\d\d-\d\d-\d\d(?!\d)", re.ASCII)
_SLASHED_SHORT_YEAR = re.compile(r"\d\d/\d\d/\d\d(?!\d)", re.ASCII)
_NEARLY_ALL = 0.9
_IS_OF_YEARS = re.compile(r"year|date|jahr|datum", re.IGNORECASE)
_YEAR_ALONE = re.compile(r"(?:1[6-9]|20)\d\d", re.ASCII)
_YEAR_AND_MORE = re.compile(rf"{_YEAR_ALONE.pattern}[ \-]?(?:Q[1-4]|[^\W\d]{{3,12}}|M?[01]\d)", re.IGNORECASE)
_MONTH_AND_TWO_DIGITS = re.compile(r"[^\W\d]{3,12}\.?\W{1,3}\d\d|\d\d\W{0,3}[^\W\d]{3,12}\.?")
_MONTH_DOT_YEAR = re.compile(r"(?:0[1-9]|1[0-2])\.(?:19|20)\d\d", re.ASCII)
_CLOCK_ALONE = re.compile(rf"{CLOCK}{ZONE}", re.IGNORECASE | re.ASCII)
_HEADER_ZONE = re.compile(r"(?:utc|gmt)[-+\u2212]\d{1,2}(?::?\d{2})?|(?:CET|MEZ)/(?:CEST|MESZ)", re.IGNORECASE)
_ZONE_OF_TOWN = re.compile(r"\b(?:Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[A-Za-z_/]+")
# What Windows writes over its counters: minutes to be added for UTC, and dates as in America whatever the country.
_WINDOWS_COUNTERS = re.compile(r"\(PDH-CSV \d.\d\)(?: \(.*\)\((?P<behind>-?\d{1,3})\))?")
_HEADER_ORDER = re.compile(r"\b(?:(dd?[./\-]mm?)|(mm?[./\-]dd?))[./\-]yy", re.IGNORECASE)
_HEADER_UNIT = re.compile(r"[(\[](s|sec|seconds|ms|us|µs|ns|min|h|d)[)\]]\s*$", re.IGNORECASE)


def in_words(form: str) -> str:
    """A form of times as people say it.

    Examples
    --------
    >>> in_words("dmy"), in_words("columns YmH"), in_words("%d.%m.")
    ('day.month.year', 'year, month, hour', '%d.%m.')
    """
    if form.startswith(COLUMNS):
        return ", ".join(_PART_WORDS[letter] for letter in form.removeprefix(f"{COLUMNS} "))
    if found := SINCE.fullmatch(form):
        return f"{_UNIT_WORDS[_unit_of(found['unit'])]} since {found['date']}"
    return IN_WORDS.get(form.split(maxsplit=1)[0] if form.startswith("elapsed") else form, form)


def _unit_of(word: str) -> str:
    """The key of _UNITS for a unit in words."""
    word = word.lower()
    return next((unit for unit, words in _UNIT_WORDS.items() if word == unit or words.startswith(word)), "us")


@lru_cache
def _count(form: str) -> tuple[float, float] | None:
    """Seconds that one of a count since a date lasts, and of the date, UTC epoch; None for another form."""
    found = SINCE.fullmatch(form)
    if found is None:
        return None
    return _UNITS[_unit_of(found["unit"])], read_text(found["date"].replace("T", " ")).micros / 1e6


class AmbiguousTimeError(ValueError):
    """The times of a column can be read in more than one way, or in none that is likely; says what to do."""


class Period(NamedTuple):
    """Parts of equal length of which a column counts those of a day.

    Attributes
    ----------
    seconds : int
        Length of one.
    first : int
        Number of the one that begins at midnight.
    """

    seconds: int
    first: int


class TimeReader:
    """Reads the times of one column.

    Parameters
    ----------
    form : str
        One of the values of FORMATS, a count since a date as of SINCE, a pattern of ``strptime``, or empty for ISO 8601
        and unix time.
    zone : str, optional
        Name or offset of the zone of times that have none: ``Europe/Vienna``, ``+02:00``; UTC without it.
    period : Period, optional
        A date comes with a tab and the number of a part of that day behind it.

    Raises
    ------
    ValueError
        There is no such form or zone.

    Notes
    -----
    Of the hour that comes twice at the end of summer time, the second one is taken where the first would go back behind
    the time before.
    """

    def __init__(self, form: str = "", zone: str | None = None, period: Period | None = None) -> None:
        self._period = period
        self._letters = form.removeprefix(f"{COLUMNS} ") if form.startswith(COLUMNS) else ""
        unit = form.removeprefix("elapsed ")
        self._count = _count(form)
        is_there = form in IN_WORDS or "%" in form or bool(self._letters) or self._count is not None
        if not is_there and (unit == form or unit not in _UNITS):
            raise ValueError(f"{shown(form)} is no form of times")
        self.form = form
        self._is_of_dates = form in {"", "dmy", "mdy"}
        self._zone = zone_of(zone)
        self._last = -math.inf

    def read(self, raw: str | float | None) -> float:
        """Seconds, UTC epoch; NaN where it is missing; raises RefusedError where it is no time of this form."""
        if self._period is None or not isinstance(raw, str) or "\t" not in raw:
            return self._read(raw)
        date, _, count = raw.partition("\t")
        if not count.strip().isdecimal():
            raise RefusedError(BAD_TIME, f"{shown(count)} is no number of a part of the day")
        return self._kept(self._read(date) + (int(count) - self._period.first) * self._period.seconds)

    def _read(self, raw: str | float | None) -> float:
        if self._is_of_dates and isinstance(raw, str):
            seconds = simple_seconds(raw, self.form)
            if seconds is not None and abs(seconds) <= FARTHEST:
                return self._local(seconds)
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in MISSING):
            return math.nan
        try:
            wall = self._wall(raw)
        except (ValueError, OverflowError):
            text = raw.replace("\t", " ") if isinstance(raw, str) else raw
            raise RefusedError(BAD_TIME, f"time {shown(text)} cannot be read as {in_words(self.form)}") from None
        if abs(wall if isinstance(wall, float) else wall.utc) > FARTHEST:  # or it would be taken for milliseconds
            raise RefusedError(BAD_TIME, f"time {shown(raw)} is beyond the year 5000")
        if isinstance(wall, float):
            return self._kept(wall)
        return self._local(wall.micros / 1_000_000) if wall.ahead is None else self._kept(wall.utc)

    def _wall(self, raw: str | float) -> Wall | float:
        if self.form in _NUMBERS or self._count is not None or self.form.startswith("elapsed "):
            raw = float(raw.replace(",", ".") if isinstance(raw, str) else raw)
        if self.form in _NUMBERS or self._count is not None:
            seconds = _number_seconds(self.form, cast(float, raw))
            is_of_days = self._count is not None and self._count[0] == _DAY
            return _wall_at(seconds) if is_of_days or self.form in _OF_WALLS else seconds
        if self.form.startswith("elapsed "):
            return cast(float, raw) * _UNITS[self.form.removeprefix("elapsed ")]
        if not self.form:
            return read_wall(raw)
        if self._letters:
            return read_columns(self._letters, str(raw))
        text = str(raw).strip()
        if "%" in self.form:
            return of_moment(datetime.strptime(text, self.form))
        if self.form == "compact":
            return read_compact(text.removesuffix(".0"))
        return read_text(text, self.form)

    def _local(self, seconds: float) -> float:
        """Seconds, UTC epoch, of a wall's, in the column's zone."""
        if self._zone is None:
            return self._kept(seconds)
        first, second = _offsets(self._zone, int(seconds // 900))
        if first != second and seconds - first < self._last <= seconds - second:
            return self._kept(seconds - second)
        return self._kept(seconds - first)

    def _kept(self, seconds: float) -> float:
        self._last = seconds if seconds == seconds else self._last
        return seconds

    def local(self, walls: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds, UTC epoch, of walls' seconds, shape (n,), in order; NaN stays."""
        if self._zone is None:
            return walls
        given = walls[walls == walls]
        quarters, which = np.unique(given // 900, return_inverse=True)
        offsets = np.array([_offsets(self._zone, int(quarter)) for quarter in quarters]).reshape(-1, 2)
        found = walls.copy()
        if (offsets[:, 0] == offsets[:, 1]).all():
            found[walls == walls] = given - offsets[which, 0]
            self._last = float(found[walls == walls][-1]) if len(given) else self._last
        else:
            found[walls == walls] = [self._local(seconds) for seconds in given.tolist()]
        return found


def _wall_at(seconds: float) -> Wall:
    """What a clock shows at so many seconds after 1970 on it; raises ValueError where it is not finite."""
    return Wall(round(seconds * 1e6), None)


# Numbers that count what a clock on the wall shows.
_OF_WALLS = frozenset(("excel", "matlab", "ticks", "years"))
_NUMBERS = ("unix", "excel", "matlab", "jd", "mjd", "filetime", "ticks", "elapsed", "years")


def _number_seconds(form: str, number: float) -> float:
    if not np.isfinite(number):
        raise ValueError(number)
    if count := _count(form):
        return number * count[0] + count[1]
    if form in _DAYS_BEFORE:
        return round((number - _DAYS_BEFORE[form]) * _DAY, 3)
    if form == "years":
        first, last = (datetime(int(number) + more, 1, 1, tzinfo=UTC).timestamp() for more in (0, 1))
        return round(first + number % 1 * (last - first), 3)
    if form == "filetime":
        return number / 1e7 - _FILETIME
    if form == "ticks":
        return number / 1e7 - _TICKS
    return number if form == "elapsed" else read_time(number)


@lru_cache(100_000)
def _offsets(zone: tzinfo, quarter: int) -> tuple[int, int]:
    """Seconds ahead of UTC in a quarter of an hour on the wall, by ``fold`` 0 and 1; equal where it comes once only."""
    moment = datetime(1970, 1, 1) + timedelta(seconds=quarter * 900)
    first, second = (moment.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    second = min(second, first)  # in a hole, which no clock shows, the offset before it counts
    return int(first.total_seconds()), int(second.total_seconds())


@lru_cache
def zone_of(zone: str | None) -> tzinfo | None:
    """A zone by name or offset; None for none.

    Raises
    ------
    ValueError
        There is no such zone.
    """
    if zone is None:
        return None
    found = OFFSET.fullmatch(zone.strip())
    if found:
        return timezone(timedelta(seconds=offset_of(found)))
    if zone.strip().lower() in {"utc", "z", "gmt"}:
        return UTC
    try:
        return ZoneInfo(zone.strip())
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{zone!r} is no time zone: write a name such as Europe/Vienna, or +02:00") from None


def _is_zone(name: str) -> bool:
    try:
        return zone_of(name) is not None
    except ValueError:
        return False


def is_time_text(cell: str) -> bool:
    """Whether a cell is a time that is no plain number, whatever the order of day and month.

    Examples
    --------
    >>> [is_time_text(cell) for cell in ("01.03.2024 0:00", "3/1/24 12:00 AM", "20240301T0000", "1 Mar 2024", "1.5")]
    [True, True, True, True, False]
    """
    return _time_text(cell.strip())


def is_zone_less(cell: str) -> bool:
    """Whether a time that is no number says no zone.

    Examples
    --------
    >>> [is_zone_less(cell) for cell in ("2024-03-01 05:00", "2024-03-01T05:00Z")]
    [True, False]
    """
    order = next((order for order in ("", "dmy", "mdy") if _reads(cell.strip(), order)), None)
    return order is not None and read_text(cell.strip(), order).ahead is None


@lru_cache(4096)
def _time_text(text: str) -> bool:
    return any(_reads(text, order) for order in ("", "dmy", "mdy"))


def _reads(text: str, order: str) -> bool:
    """Whether a text is a time with its date in an order."""
    try:
        read_text(text, order)
    except (ValueError, OverflowError):
        return False
    return True


def is_clock(cell: str) -> bool:
    """Whether a cell is a time of day without a date.

    Examples
    --------
    >>> [is_clock(cell) for cell in ("0:00", "23:59:59.5", "12:00 AM", "18.00.00", "24.5")]
    [True, True, True, True, False]
    """
    found = _CLOCK_ALONE.fullmatch(cell.strip())
    if found is None:
        return False
    if not (":" in cell or found["half"] or found["second"]):
        return False  # 18.00 is rather a number
    return int(found["hour"]) < 25 and int(found["minute"] or 0) < 60 and int(found["second"] or 0) < 60


def is_digit_clock(cell: str) -> bool:
    """Whether a cell is a time of day of four or six digits alone, perhaps with UTC behind it."""
    text = cell.strip().removesuffix(" UTC")
    is_right = len(text) in {4, 6} and text.isascii() and text.isdigit()
    return is_right and int(text[:2]) < 24 and int(text[2:4]) < 60 and int(text[4:] or 0) < 60


def is_hour(cell: str) -> bool:
    """Whether a cell is an hour of the day alone, 0 to 24."""
    text = cell.strip()
    return len(text) in {1, 2} and text.isascii() and text.isdigit() and int(text) <= 24


def zone_in(name: str) -> str | None:
    """The zone that a header names beside a time column, as in ``Date Time, GMT-08:00``."""
    windows = _WINDOWS_COUNTERS.fullmatch(name)
    if windows and windows["behind"]:
        minutes = -int(windows["behind"])
        return f"{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    found = _HEADER_ZONE.search(name)
    if found is None:
        named = _ZONE_OF_TOWN.search(name)
        return named[0] if named and _is_zone(named[0]) else None
    return "CET" if "/" in found[0] else found[0]  # winter and summer


def learn_time_form(cells: Sequence[str], name: str = "") -> str | None:
    """The form of a column of times, from some of its cells.

    Parameters
    ----------
    cells : sequence of str
        In the order of the text.
    name : str
        Of the column: it may have a unit.

    Returns
    -------
    str or None
        See :class:`TimeReader`; None: these are no times.

    Raises
    ------
    AmbiguousTimeError
        Day and month cannot be told apart, or a number means no likely time.
    """
    texts = [text for cell in cells if (text := cell.strip()) and text.lower() not in MISSING]
    if not texts:
        return None
    _refuse_mixed_periods(texts)
    numbers = [_number(text) for text in texts]
    n_numbers = sum(number is not None for number in numbers)
    if 2 * n_numbers > len(texts):
        if found := SINCE.search(name):
            return f"{_unit_of(found['unit'])} since {found['date']}"
        return _number_form(texts, [number for number in numbers if number is not None], name)
    form = _text_form(texts, name)
    if form is not None:
        _refuse_days_without_year(texts, form)
        _refuse_other_calendars(texts, form)
    return form


def _text_form(texts: Sequence[str], name: str) -> str | None:
    """The form of times that are no numbers."""
    begins_with_day = bool(re.match(r"(?:\D+\s)?\d{1,2}\.", texts[0]))
    if not begins_with_day and all(_reads(text, "") for text in texts):
        return ""
    if said := _order_in(name):
        return said
    # 24-03-01 may begin with its year; with points or slashes between them hardly anybody writes so
    names = ("", "dmy", "mdy", *(["ymd"] if _SHORT_YEAR.match(texts[0]) else []))
    orders = {order: sum(_reads(text, order) for text in texts) for order in names}
    if not begins_with_day and orders[""] > _NEARLY_ALL * len(texts):
        return ""  # of a damaged date, what is left of its year may be a day
    most = max(orders.values())
    if 2 * most <= len(texts):
        return "ymd" if 2 * sum(_reads(text, "ymd") for text in texts) > len(texts) else None
    if orders["dmy"] == most and begins_with_day:
        return "dmy"
    best = [order for order, n in orders.items() if n == most]
    if _SLASHED_SHORT_YEAR.match(texts[0]) and best[0] and _are_years_first(texts, best[0]):
        return "ymd"
    if best[0] == "" or len(best) == 1:
        return best[0]
    return _by_steps(texts, best)


def _refuse_mixed_periods(texts: Sequence[str]) -> None:
    """Refuse years, quarters and months below one another: each is a series of its own."""
    years = [text for text in texts if len(text) == 4 and _YEAR_ALONE.fullmatch(text)]
    others = [text for text in texts if _YEAR_AND_MORE.fullmatch(text)] if len(years) > 1 else []
    if len(others) > 1:
        raise AmbiguousTimeError(
            f"{shown(years[0])} is a year alone and {shown(others[0])} a part of one: keep the rows of one kind"
        )


def _refuse_days_without_year(texts: Sequence[str], form: str) -> None:
    """Refuse to take 19-Jan for a month of 2019 where the next row is 20-Jan: such dates have no year."""
    if form or not all(map(_MONTH_AND_TWO_DIGITS.fullmatch, texts)):
        return
    steps = _steps(texts, form)
    is_onward = bool((steps > 0).all() or (steps < 0).all())
    if not (len(steps) and is_onward and np.median(np.abs(steps)) < _LONG_STEP):
        raise AmbiguousTimeError(
            f"{shown(texts[0])} may be a day without its year: say --time-column none to judge without times, or "
            f"--time-format '{_pattern_of(texts[0])}' if it is a month and year"
        )


def _pattern_of(text: str) -> str:
    """The pattern of strptime for a month and two digits of a year."""
    year_first = re.sub(r"^\d+", "%y", text)
    return re.sub(r"\d+$", "%y", re.sub(r"[^\W\d]{3,}", "%b", year_first))


def _refuse_other_calendars(texts: Sequence[str], form: str) -> None:
    """Refuse to take the years of other calendars for those of the Gregorian one."""
    walls = [read_text(text, form).micros for text in texts if _reads(text, form)]
    odd = [micros for micros in walls if not _FIRST_YEAR <= micros / 1e6 < _LAST_YEAR]
    if 2 * len(odd) > len(walls):
        raise AmbiguousTimeError(
            f"{shown(texts[0])} may be of another calendar than the Gregorian one: convert the times, or say "
            "--time-format if they are right, --time-column none to judge without them"
        )


def _order_in(name: str) -> str:
    """The order of day and month that a name says, as ``dd/MM/yyyy HH:mm``; empty where it says none."""
    if _WINDOWS_COUNTERS.fullmatch(name):
        return "mdy"
    found = _HEADER_ORDER.search(name)
    return "" if found is None else "dmy" if found[1] else "mdy"


def _steps(texts: Sequence[str], order: str) -> NDArray[np.float64]:
    """Seconds between the dates that can be read in an order, without those of no length."""
    walls = [read_text(text, order).micros / 1_000_000 for text in texts if _reads(text, order)]
    steps = np.diff(np.array(walls))
    return np.asarray(steps[steps != 0], np.float64)


def _spread(steps: NDArray[np.float64]) -> float:
    """How far steps are from the usual one, in seconds; 0 where there is none."""
    return float(np.abs(steps - np.median(steps)).max()) if len(steps) else 0.0


def _are_years_first(texts: Sequence[str], order: str) -> bool:
    """Whether dates such as 24/03/01 begin with their years, which is rare: not unless they would go on year by year.

    Raises AmbiguousTimeError where they may do that.
    """
    steps = _steps(texts, order)
    if not len(steps) or np.median(np.abs(steps)) < _LONG_STEP or not all(_reads(text, "ymd") for text in texts):
        return False
    if _spread(steps) <= 2 * _spread(_steps(texts, "ymd")) + 1:
        raise _undecided(texts[0], "day and year", "y-m-d", "d-m-y")
    return True


def _undecided(text: str, what: str, *ways: str) -> AmbiguousTimeError:
    said = " or ".join(f"--time-format {way}" for way in ways)
    return AmbiguousTimeError(f"{what} of {shown(text)} cannot be told apart: say {said}")


def _by_steps(texts: Sequence[str], orders: Sequence[str]) -> str:
    """Which order of day, month and year makes the steps even, where the dates are right in several."""
    spreads = {order: _spread(_steps(texts, order)) for order in orders}
    (first, low), (_, high), *_ = sorted(spreads.items(), key=lambda item: item[1])
    if high > 2 * low + 1:
        return first
    way = ("day and month", "d/m/y", "m/d/y") if "ymd" not in orders else ("day and year", "y-m-d", "d-m-y")
    raise _undecided(texts[0], *way)


def _number(text: str) -> float | None:
    try:
        # a lone comma is a decimal sign, as in days of a spreadsheet
        number = float(text.replace(",", ".")) if text.isascii() and "_" not in text else np.nan
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _number_form(texts: Sequence[str], numbers: Sequence[float], name: str) -> str | None:
    """The form of times that are numbers."""
    first, last = numbers[0], numbers[-1]
    n = len(numbers)
    if all(map(_MONTH_DOT_YEAR.fullmatch, texts)) and any(text[0] == "0" for text in texts):
        return "%m.%Y"  # no number is written with such a zero
    if all(map(_YEAR_ALONE.fullmatch, texts)) and _IS_OF_YEARS.search(name):
        return "years"
    if sum(_is_hour_of_day(text) for text in texts) * 10 > 9 * n:
        return "compact"  # as unix time such digits are of 2033 and later
    if sum(_is_likely(number) for number in numbers) * 2 > n:
        _refuse_short_clocks(texts, numbers)
        _refuse_other_epochs(texts[0], numbers, name)
        return "s since 1970-01-01" if any("," in text for text in texts) else ""
    if sum(_is_compact(text.removesuffix(".0")) for text in texts) * 10 > 9 * n:
        return "compact"
    if days := _form_of_days(texts, numbers, name):
        return days
    for form in ("filetime", "ticks", _WEBKIT):
        if all(EARLIEST <= _number_seconds(form, number) < LATEST for number in (first, last)):
            return form
    unit = _HEADER_UNIT.search(name)
    if unit is None and _are_decimal_years(texts, numbers):
        if _IS_OF_YEARS.search(name):
            return "years"
        raise AmbiguousTimeError(
            f"{shown(texts[0])} may be a year with a fraction or seconds from a start: say --time-format years or "
            "--time-format elapsed"
        )
    if unit is None:
        _refuse_dates_in_digits(texts)
        _refuse_slow_counts(texts, numbers, name)
    if abs(first) < LONGEST_ELAPSED:
        said = unit[1].lower() if unit else "s"
        has_comma = any("," in text for text in texts)
        return f"elapsed {said}" if said in _UNITS and (said != "s" or has_comma) else "elapsed"
    _refuse_other_epochs(texts[0], numbers, name)
    year = _year(read_time(first))
    raise AmbiguousTimeError(
        f"{shown(texts[0])} as a unix time would be the year {year}: say --time-format unix if it is one"
    )


def _year(seconds: float) -> int:
    return math.floor(1970 + seconds / (365.2425 * _DAY))


def _is_sure(number: float, unit: str, date: str) -> bool:
    """Whether a count since a date is one of the years in which unix time is believed."""
    return SURE[0] <= _number_seconds(f"{unit} since {date}", number) < SURE[1]


def _refuse_other_epochs(text: str, numbers: Sequence[float], name: str) -> None:
    """Refuse numbers that as unix times are of years that are far off, and as another count of near ones."""
    number = float(np.median(numbers))
    is_sure = SURE[0] <= read_time(number) < SURE[1]
    is_by_gps = "gps" in name.lower() and _is_sure(number, *_GPS)
    counts = [count for count in _OTHER_COUNTS if _is_sure(number, *count)] if not is_sure else []
    counts += [_GPS] if is_by_gps else []
    if counts:
        raise _undecided_count(text, f"unix time ({_year(read_time(number))})", "unix", number, counts)


def _refuse_slow_counts(texts: Sequence[str], numbers: Sequence[float], name: str) -> None:
    """Refuse whole numbers that may be days, hours or minutes since 1970, or seconds from a start."""
    if not all(map(str.isdecimal, texts)):
        return
    number = float(np.median(numbers))
    counts = [
        (unit, date)
        for unit, date, words in _SLOW_COUNTS
        if _is_sure(number, unit, date) and re.search(words, name, re.IGNORECASE)
    ]
    if counts:
        raise _undecided_count(texts[0], "seconds from a start", "elapsed", number, counts)


def _undecided_count(
    text: str, what: str, form: str, number: float, counts: Sequence[tuple[str, str]]
) -> AmbiguousTimeError:
    ways = [f"--time-format {form}"]
    for unit, date in counts:
        year = _year(_number_seconds(f"{unit} since {date}", number))
        ways.append(f"--time-format '{_UNIT_WORDS[unit]} since {date}' ({year})")
    return AmbiguousTimeError(f"{shown(text)} may be {what} or a count from another date: say {', '.join(ways)}")


def _form_of_days(texts: Sequence[str], numbers: Sequence[float], name: str) -> str:
    """The form of numbers that are likely days; empty where they are none."""
    if all(_EXCEL[0] <= number < _EXCEL[1] for number in (numbers[0], numbers[-1])):
        is_late = numbers[0] >= _LATE_EXCEL
        if is_late and "mjd" not in name.lower():
            raise AmbiguousTimeError(
                f"{shown(texts[0])} may be a modified Julian day or a day of a spreadsheet after 2049: say "
                "--time-format mjd or --time-format excel"
            )
        return "mjd" if is_late else "excel"
    if _are_days_of_matlab(numbers, name):
        return "matlab"
    return "jd" if _are_days(numbers, "jd") else ""


def _refuse_short_clocks(texts: Sequence[str], numbers: Sequence[float]) -> None:
    """Refuse to take a year of two digits, month, day, hour and minute for unix times."""
    if min(numbers) > _SHORT_CLOCK_FROM and all(_is_date(text, _SHORT_CLOCK) for text in texts):
        raise AmbiguousTimeError(
            f"{shown(texts[0])} may be a year, month, day, hour and minute or unix time: say --time-format "
            f"'{_SHORT_CLOCK}' or --time-format unix"
        )


def _are_days_of_matlab(numbers: Sequence[float], name: str) -> bool:
    """Whether numbers are days as MATLAB counts them; whole ones by their name alone, as they may be seconds."""
    is_said = "datenum" in name.lower() or any(number % 1 for number in numbers)
    return is_said and _are_days(numbers, "matlab")


def _are_days(numbers: Sequence[float], form: str) -> bool:
    """Whether numbers are likely days of a form."""
    return all(EARLIEST <= _number_seconds(form, number) < LATEST for number in numbers)


def _are_decimal_years(texts: Sequence[str], numbers: Sequence[float]) -> bool:
    """Whether numbers are years with fractions, such as 2024.0417, that go on by a year at most."""
    is_written = all(re.fullmatch(r"(?:1[6-9]|20)\d\d\.\d{2,}", text) for text in texts)
    return is_written and any(number % 1 for number in numbers) and bool((np.abs(np.diff(numbers)) <= 1).all())


def _refuse_dates_in_digits(texts: Sequence[str]) -> None:
    """Refuse to take years, months or days of a year for seconds from a start."""
    for pattern, what in _SHORT_DATES.items():
        if all(_is_date(text, pattern) for text in texts):
            raise AmbiguousTimeError(
                f"{shown(texts[0])} may be {what} or seconds from a start: say --time-format '{pattern}' or "
                "--time-format elapsed"
            )


def _is_date(text: str, pattern: str) -> bool:
    """Whether digits alone are a likely date of a pattern, as it would write them."""
    try:
        moment = datetime.strptime(text, pattern).replace(tzinfo=UTC)
    except ValueError:
        return False
    return moment.strftime(pattern) == text and EARLIEST <= moment.timestamp() < LATEST


def _is_likely(number: float) -> bool:
    if any(EARLIEST <= _number_seconds(form, number) < LATEST for form in ("filetime", "ticks")):
        return False
    return EARLIEST <= read_time(number) < LATEST


def _is_hour_of_day(text: str) -> bool:
    """Whether digits are a year, month, day and hour, as in 2024030123."""
    return len(text) == _HOUR_DIGITS and _is_compact(text)


def _is_compact(text: str) -> bool:
    if not (text.isdigit() and len(text) in {8, 10, 12, 14, 17}):
        return False
    try:
        return EARLIEST <= read_compact(text).utc < LATEST
    except ValueError:
        return False
