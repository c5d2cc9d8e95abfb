"""Times in words and digits -> seconds on the wall: ISO 8601 in all its forms, dates in any order, names of months."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

_DAY = 86_400
_PIVOT = 69  # two digits of a year below it are of this century, as strptime has it
_MONTH_WORDS = (
    "jan january janvier janv enero ene januar jän jänner januari|"
    "feb february février févr fév febrero februar februari|"
    "mar march mars marzo märz mär mrz maart mrt|apr april avril avr abril abr|may mai mayo mei|"
    "jun june juin junio juni|jul july juillet juil julio juli|aug august août aou agosto ago augustus|"
    "sep sept september septembre septiembre|oct october octobre octubre okt oktober|"
    "nov november novembre noviembre|dec december décembre déc diciembre dic dez dezember"
)
_MONTHS = {word: at for at, words in enumerate(_MONTH_WORDS.split("|"), 1) for word in words.split()}
_ZONES = {"z": 0, "utc": 0, "gmt": 0, "wet": 0, "cet": 1, "mez": 1, "west": 1, "cest": 2, "mesz": 2, "eet": 2}
_ZONES |= {"eest": 3, "jst": 9, "est": -5, "edt": -4, "pdt": -7, "pst": -8}

CLOCK = (
    r"(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2})(?:[:.m](?P<second>\d{2})(?:[.,:](?P<fraction>\d{1,9}))?)?s?)?"
    r"(?:\s*(?P<half>[ap])(?:\.?\s?m\.?)?)?"
)
ZONE = r"(?:\s*\(?(?P<zone>z|[a-z]{3,4}|(?:utc|gmt)?[-+\u2212]\d{1,2}(?::?\d{2})?)\)?)?"
# Year, month, day, hour, minute and second as Chinese and Japanese programs write them behind their numbers.
_CHINESE = str.maketrans("\u5e74\u6708\u65e5\u65f6\u6642\u5206\u79d2", "-- ::::")
_COMPACT_AND_CLOCK = re.compile(r"\d{8}[Tt ]\d")
_WITH_SECONDS, _WITH_MINUTES = 19, 16  # characters of a date and a clock
_WITH_CLOCK = {_WITH_SECONDS, _WITH_MINUTES}
_SHORTEST = 7  # characters of a month or week
_WEEKDAY = r"(?:[^\W\d]{2,10}\.?,?\s+)?"
_NUMERIC = re.compile(
    rf"{_WEEKDAY}(?P<a>\d{{1,4}})(?P<s>[./\-])\s?(?P<b>\d{{1,2}})(?P=s)\s?(?P<c>\d{{1,4}})\.?"
    rf"(?:(?:[t,:]\s*|\s+|,\s+|\s*-\s+){CLOCK}{ZONE})?",
    re.IGNORECASE | re.ASCII,
)
_NAMED = re.compile(
    rf"\[?{_WEEKDAY}(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[\s\-/]*(?P<month>[^\W\d]{{3,10}})\.?,?|"
    rf"(?P<month2>[^\W\d]{{3,10}})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,?)[\s\-/]*(?P<year>\d{{4}}|\d{{2}})"
    rf"(?:[t,:\s]\s*{CLOCK}{ZONE})?\]?",
    re.IGNORECASE,
)
_CTIME = re.compile(
    rf"{_WEEKDAY}(?P<month>[^\W\d]{{3,10}})\s+(?P<day>\d{{1,2}})\s+{CLOCK}{ZONE}\s+(?P<year>\d{{4}})", re.IGNORECASE
)
_COMPACT = re.compile(
    rf"(?P<a>\d{{4}})(?P<b>\d{{2}})(?P<c>\d{{2}})"
    r"(?:[t _\-]?(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,]?(?P<fraction>\d{1,9}))?)?)?"
    rf"{ZONE})?",
    re.IGNORECASE | re.ASCII,
)
_ISO = re.compile(
    r"\d{4}-?(?:\d\d-?\d\d|W\d\d(?:-?\d)?)(?:[Tt _]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?"
    r"(?: ?(?:[Zz]|[+\-]\d\d(?::?\d\d(?::?\d\d(?:\.\d+)?)?)?))?)?",
    re.ASCII,
)
_ORDINAL = re.compile(r"(\d{4})-?(\d{3})(?:[T ](.*))?", re.ASCII)
_RANGE = re.compile(r"\s+(?:-|--|\u2013|to|bis)\s+|--(?=\d)|/(?=\d{4}|P|\d{1,2}:)")
OFFSET = re.compile(r"(?:utc|gmt)?(?P<sign>[-+\u2212])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?", re.IGNORECASE)


class Wall(NamedTuple):
    """What a clock on the wall shows: microseconds since 1970 there, and the seconds it is ahead of UTC, if known."""

    micros: int
    ahead: int | None

    @property
    def utc(self) -> float:
        """Seconds, UTC epoch; of an unknown zone as if it were UTC."""
        return (self.micros - (self.ahead or 0) * 1_000_000) / 1_000_000


def of_moment(moment: datetime) -> Wall:
    """The wall of a moment, with a zone or without."""
    offset = moment.utcoffset()
    since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)
    return Wall(since // timedelta(microseconds=1), None if offset is None else int(offset.total_seconds()))


def iso_moment(text: str) -> datetime:
    """``datetime.fromisoformat`` without what it passes over: any sign between date and clock, and one before a zone.

    Raises
    ------
    ValueError
        It is no such time.

    Examples
    --------
    >>> iso_moment("2024-05-01 12:00+02:00").hour
    12
    >>> datetime.fromisoformat("2024-05-01T12:00|-20").hour  # two cells
    12
    """
    if not _ISO.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def offset_of(found: re.Match[str]) -> int:
    """Seconds ahead of UTC that a match of OFFSET says; raises ValueError where it is no offset."""
    ahead = int(found["hours"]) * 3600 + int(found["minutes"] or 0) * 60
    if ahead >= _DAY:
        raise ValueError(found[0])
    return ahead if found["sign"] == "+" else -ahead


def simple_seconds(text: str, order: str = "") -> float | None:
    """Seconds on the wall of a date of ten characters with a clock of hours, minutes and perhaps seconds behind it.

    None where it is written in another way, as with a zone or parts of a second: see :func:`read_text`.
    """
    n = len(text)
    if n not in _WITH_CLOCK or text[13] != ":" or text[10] not in "T " or not text.isascii():
        return None
    try:
        hour, minute = int(text[11:13]), int(text[14:16])
        second = int(text[17:]) if n == _WITH_SECONDS and text[16] == ":" else 0 if n == _WITH_MINUTES else 60
        day = _day(text[:10], order)
    except ValueError:
        return None
    is_clock = text[11:16].replace(":", "0").isdigit() and text[n - 2 :].isdigit()
    return day + hour * 3600 + minute * 60 + second if is_clock and hour < 24 and minute < 60 and second < 60 else None


@lru_cache(64)
def _day(date: str, order: str) -> float:
    """Seconds on the wall at the start of a date; raises ValueError where it is none."""
    return read_text(date, order).micros / 1_000_000


def read_text(text: str, order: str = "") -> Wall:
    """A time in words and digits: ISO 8601 in any form, dates with points, dashes or slashes, names of months.

    Parameters
    ----------
    text : str
        Of a range the start counts.
    order : str
        ``dmy``, ``mdy`` or ``ymd``: of a date of three numbers of which the first is no year.

    Raises
    ------
    ValueError
        It is no such time.
    """
    if "\u5e74" in text:
        text = text.translate(_CHINESE).rstrip(":")
    if not text[:1].isdigit() and not text[:1].isalpha() and text[:1] != "[":
        raise ValueError(text)
    found = _NUMERIC.fullmatch(text)
    if found:
        return _wall_of(*_ordered(found, order), found)
    found = _NAMED.fullmatch(text) or _CTIME.fullmatch(text)
    if found:
        fields = found.groupdict()
        month = _MONTHS.get((fields["month"] or fields.get("month2") or "").lower(), 0)
        return _wall_of(_full_year(fields["year"]), month, int(fields["day"] or fields.get("day2") or 0), found)
    start, *rest = _RANGE.split(text, maxsplit=1)
    if rest and len(start) > _SHORTEST:
        if not re.fullmatch(r"P[\dTYMWDHS.]+|[\d.:/\-T ]+(?: ?[AaPp][Mm]|Z|[+-][\d:]+)?", rest[0]):
            raise ValueError(text)
        return read_text(start, order)
    if _COMPACT_AND_CLOCK.match(text):
        return read_compact(text)
    if text[:4].isdigit() and len(text) >= _SHORTEST and not text.isdigit():
        return of_moment(_iso_moment(text))
    raise ValueError(text)


def _iso_moment(text: str) -> datetime:
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal and (ordinal[3] or "-" in text):
        clock = f"T{ordinal[3]}" if ordinal[3] else ""
        first = iso_moment(f"{ordinal[1]}-01-01{clock}")
        if not 1 <= int(ordinal[2]) <= 366:
            raise ValueError(text)
        return first + timedelta(days=int(ordinal[2]) - 1)
    if re.fullmatch(r"\d{4}-\d{2}", text):
        text += "-01"
    return iso_moment(text)


def _ordered(found: re.Match[str], order: str) -> tuple[int, int, int]:
    a, b, c = found["a"], found["b"], found["c"]
    if len(a) == 4 or (order == "ymd" and len(a) == 2):
        return _full_year(a), int(b), int(c)
    if len(a) > 2 or len(c) not in {2, 4} or order == "ymd":
        raise ValueError(found[0])
    if found["s"] == "." and order != "mdy":
        order = "dmy"
    if order == "dmy":
        return _full_year(c), int(b), int(a)
    if order == "mdy":
        return _full_year(c), int(a), int(b)
    raise ValueError(found[0])


def _full_year(digits: str) -> int:
    year = int(digits)
    if len(digits) == 2:
        year += 2000 if year < _PIVOT else 1900
    return year


def _wall_of(year: int, month: int, day: int, found: re.Match[str]) -> Wall:
    """Seconds on the wall at a day and the clock that a match holds."""
    fields = found.groupdict()
    hour, minute, second = (int(fields.get(name) or 0) for name in ("hour", "minute", "second"))
    half = (fields.get("half") or "").lower()
    if fields.get("hour") and not (fields.get("minute") or half or "T" in found[0]) and "s" in fields:
        raise ValueError(found[0])  # a lone number behind a date is no hour
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(found[0])
        hour = hour % 12 + (12 if half == "p" else 0)
    is_midnight = hour == 24 and not minute and not second
    micros = int((fields.get("fraction") or "0")[:6].ljust(6, "0"))
    moment = datetime(year, month, day, 0 if is_midnight else hour, minute, second)
    days = moment.toordinal() - _EPOCH_DAY + is_midnight
    seconds = days * _DAY + moment.hour * 3600 + moment.minute * 60 + moment.second
    zone = fields.get("zone")
    return Wall(seconds * 1_000_000 + micros, None if zone is None else _ahead(zone))


_EPOCH_DAY = datetime(1970, 1, 1).toordinal()


def _ahead(zone: str) -> int:
    found = OFFSET.fullmatch(zone)
    if found:
        return offset_of(found)
    if zone.lower() not in _ZONES:
        raise ValueError(zone)
    return _ZONES[zone.lower()] * 3600


def read_compact(text: str) -> Wall:
    """A time of digits alone: yyyymmdd and perhaps hours, minutes, seconds; raises ValueError where it is none."""
    found = _COMPACT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return _wall_of(int(found["a"]), int(found["b"]), int(found["c"]), found)
