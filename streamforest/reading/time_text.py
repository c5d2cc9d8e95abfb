"""Times in words and digits -> seconds on the wall: ISO 8601 in all its forms, dates in any order, names of months."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

_DAY = 86_400
_PIVOT = 69  # two digits of a year below it are of this century, as strptime has it
# In English, French, Spanish, German, Dutch, Portuguese, Italian, Nordic languages, Russian, Polish, Czech and Turkish;
# without the Polish listopada, which is October in Croatian.
_MONTH_WORDS = (
    "jan january janvier janv enero ene januar jän jänner januari janeiro gennaio gen января янв stycznia ledna ocak|"
    "feb february février févr fév febrero februar februari fevereiro fev febbraio февраля фев lutego února şubat|"
    "mar march mars marzo märz mär mrz maart mrt março marts марта мар marca března mart|"
    "apr april avril avr abril abr aprile апреля апр kwietnia dubna nisan|"
    "may mai mayo mei maio maggio mag maj мая май maja května may\u0131s|"
    "jun june juin junio juni junho giugno giu июня июн czerwca června haziran|"
    "jul july juillet juil julio juli julho luglio lug июля июл lipca července temmuz|"
    "aug august août aou agosto ago augustus augusti августа авг sierpnia srpna ağustos|"
    "sep sept september septembre septiembre setembro settembre set сентября сен сент września září eylül|"
    "oct october octobre octubre okt oktober outubro ottobre out ott октября окт października října ekim|"
    "nov november novembre noviembre novembro ноября ноя нояб listopadu kas\u0131m|"
    "dec december décembre déc diciembre dic dez dezember dezembro dicembre декабря дек grudnia prosince aral\u0131k"
)
_MONTHS = {word: at for at, words in enumerate(_MONTH_WORDS.split("|"), 1) for word in words.split()}
_ZONES = {"z": 0, "utc": 0, "gmt": 0, "wet": 0, "cet": 1, "mez": 1, "west": 1, "cest": 2, "mesz": 2, "eet": 2}
_ZONES |= {"eest": 3, "jst": 9, "est": -5, "edt": -4, "pdt": -7, "pst": -8, "mst": -7, "mdt": -6, "cdt": -5}
_ZONES |= {"akst": -9, "akdt": -8, "hst": -10, "msk": 3, "kst": 9, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13}

CLOCK = (
    r"(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2})(?:[:.m](?P<second>\d{2})(?:[.,:](?P<fraction>\d{1,9}))?)?s?)?"
    r"(?:\s*(?P<half>[ap])(?:\.?\s?m\.?)?)?"
)
ZONE = r"(?:\s*\(?(?P<zone>z|[a-z]{3,4}|(?:utc|gmt)?[-+\u2212]\d{1,2}(?::?\d{2})?)\)?)?"
# Year, month, day, hour, minute and second as Chinese, Japanese and Korean programs write them behind their numbers.
_EAST = str.maketrans("年月日时時分秒년월일시분초", "-- ::::-- :::")
_EAST_SIGNS = set(map(chr, _EAST))
_ERA = re.compile(r"(令和|平成|昭和)(\d{1,2}|元)年")
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925}  # the year before the first
_EAST_HALF = re.compile(r"\s*(?:(上午|午前|오전)|下午|午後|오후)\s*(\d{1,2})(.*)")
_EAST_WEEKDAY = re.compile(r"^(\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?)\s?[(\uff08][^\W\d]{1,3}[)\uff09]")
_ODD_SIGNS = re.compile("[年년午오\uff08(\\[_]")
_ZONE_NAME = re.compile(r"(?<=[\dZ])\[[A-Za-z_]+(?:/[A-Za-z_+\-0-9]+)*\]$")  # as Java writes it behind the offset
_UNDERSCORED = re.compile(r"(\d{4}-\d\d-\d\d)_(\d\d)-(\d\d)-(\d\d)")
_BROWSER_ZONE = re.compile(r"(GMT[-+]\d{4}) \([^()]+\)")  # its name, behind the offset
_COMPACT_AND_CLOCK = re.compile(r"\d{8}[Tt :]\d")
_WITH_SECONDS, _WITH_MINUTES = 19, 16  # characters of a date and a clock
_WITH_CLOCK = {_WITH_SECONDS, _WITH_MINUTES}
_SHORTEST = 7  # characters of a month or week
_WEEKDAY = r"(?:[^\W\d]{2,10}\.?,?\s+)?"
_NUMERIC = re.compile(
    rf"{_WEEKDAY}(?P<a>\d{{1,4}})(?P<s>[./\-])\s?(?P<b>\d{{1,2}})(?P=s)\s?(?P<c>\d{{1,4}})\.?"
    rf"(?:(?:[t,:_]\s*|\s+|,\s+|\s*-\s+|-(?=\d\d[:.]\d\d[:.])){CLOCK}{ZONE})?",
    re.IGNORECASE | re.ASCII,
)
_NAMED = re.compile(
    rf"\[?{_WEEKDAY}(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?(?:[\s\-/]|\bde\b)*(?P<month>[^\W\d]{{3,12}})\.?,?|"
    rf"(?P<month2>[^\W\d]{{3,12}})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?=[\s,/\-]),?)(?:[\s\-/]|\bde\b)*"
    r"(?P<year>\d{4}|\d{2})(?:\s?\u0433\.?)?"
    rf"(?:(?:[t,:\s]|\s@)\s*{CLOCK}{ZONE})?\]?",
    re.IGNORECASE,
)
# Months, quarters, halves and weeks without a day: March 2024, Jan-19, 19-Jan, 01/2019, 2024M03, Q1 2024, KW 05/2024.
_MONTH_ALONE = re.compile(
    r"(?P<month>[^\W\d]{3,12})(?:\.?(?:\s(?:de\s)?|\s?[-/.]\s?)'?(?P<year>\d{4}|\d{2})|(?P<year2>\d{4}))"
)
_YEAR_AND_MONTH = re.compile(r"(?:(?P<year>\d{4}|\d{2})(?:\s|\s?[-/.]\s?)|(?P<year2>\d{4}))(?P<month>[^\W\d]{3,12})\.?")
_MONTH_OF_YEAR = re.compile(r"(\d{1,2})[/\-]((?:19|20)\d{2})|((?:19|20)\d{2})/(\d{1,2})", re.ASCII)
_PERIOD = re.compile(r"(\d{4})[-/\s]?(?:M(\d{2})|[QT]([1-4])|[SH]([12]))", re.IGNORECASE | re.ASCII)
_PERIOD_FIRST = re.compile(
    r"(?:[QT]([1-4])|([1-4])(?:\.|st|nd|rd|th)?\s?(?:Q|Quarter|Quartal|trim\w*)|[HS]([12]))"
    r"[-/\s]*((?:19|20)\d{2}|(?<=^Q\d[-/ ])\d{2})",
    re.IGNORECASE | re.ASCII,
)
_WEEK_FIRST = re.compile(r"(?:KW|CW|W|week|woche|semaine)\s?(\d{1,2})[-/.\s]+(\d{4})", re.IGNORECASE | re.ASCII)
_CLOCK_FIRST = re.compile(r"(\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\.?)?),?\s+(\d.{5,})", re.IGNORECASE | re.ASCII)
_CTIME = re.compile(
    rf"{_WEEKDAY}(?P<month>[^\W\d]{{3,10}})\s+(?P<day>\d{{1,2}})\s+{CLOCK}{ZONE}\s+(?P<year>\d{{4}})", re.IGNORECASE
)
_COMPACT = re.compile(
    rf"(?P<a>\d{{4}})(?P<b>\d{{2}})(?P<c>\d{{2}})"
    r"(?:[t _:\-]?(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,]?(?P<fraction>\d{1,9}))?)?)?"
    rf"{ZONE})?",
    re.IGNORECASE | re.ASCII,
)
_ISO = re.compile(
    r"\d{4}-?(?:\d\d-?\d\d|W\d\d(?:-?\d)?)(?:[Tt _]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?"
    r"(?: ?(?:[Zz]|[+\-]\d\d(?::?\d\d(?::?\d\d(?:\.\d+)?)?)?))?)?",
    re.ASCII,
)
_ORDINAL = re.compile(r"(\d{4})-?(\d{3})(?:[T ](.*))?", re.ASCII)
_DUTCH_METER = re.compile(r"(\d{12})([SW])")  # yymmddhhmmss, and summer or winter
_RANGE = re.compile(r"\s+(?:-|--|\u2013|to|bis)\s+|--(?=\d)")
_ISO_RANGE = re.compile(r"/(?=\d{4}|P|\d{1,2}:)")
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
    if n not in _WITH_CLOCK or text[13] != ":" or text[10] not in "T " or "T" in text[:10] or not text.isascii():
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
    if _ODD_SIGNS.search(text):
        text = _western(text)
    if not text[:1].isdigit() and not text[:1].isalpha() and text[:1] != "[":
        raise ValueError(text)
    found = _NUMERIC.fullmatch(text)
    if found:
        return _wall_of(*_ordered(found, order), found)
    found = _NAMED.fullmatch(text) or _CTIME.fullmatch(text)
    if found:
        fields = found.groupdict()
        month = _MONTHS.get((fields["month"] or fields.get("month2") or "").lower(), 0)
        if month:
            return _wall_of(_full_year(fields["year"]), month, int(fields["day"] or fields.get("day2") or 0), found)
    if (first := _first_of_period(text)) is not None:
        return first
    if found := _CLOCK_FIRST.fullmatch(text):
        return read_text(f"{found[2]} {found[1]}", order)
    start, *rest = _RANGE.split(text, maxsplit=1)
    if not rest and text[:4].isdigit():
        start, *rest = _ISO_RANGE.split(text, maxsplit=1)
    if rest and len(start) > _SHORTEST:
        if not re.fullmatch(r"P[\dTYMWDHS.]+|[\d.:/\-T ]+(?: ?[AaPp][Mm]|Z|[+-][\d:]+)?", rest[0]):
            raise ValueError(text)
        return read_text(start, order)
    if _COMPACT_AND_CLOCK.match(text) or _DUTCH_METER.fullmatch(text):
        return read_compact(text)
    if text[:4].isdigit() and len(text) >= _SHORTEST and not text.isdigit():
        return of_moment(_iso_moment(text))
    raise ValueError(text)


def _first_of_period(text: str) -> Wall | None:
    """The first moment of a month or quarter without a day; None where a text is none."""
    if found := _PERIOD.fullmatch(text):
        year, month, quarter, half = found.groups()
        return _first_of_month(year, month or _month_of(quarter, half))
    if found := _PERIOD_FIRST.fullmatch(text):
        quarter, quarter_too, half, year = found.groups()
        return _first_of_month(year, _month_of(quarter or quarter_too, half))
    if found := _MONTH_OF_YEAR.fullmatch(text):
        return _first_of_month(found[2] or found[3], found[1] or found[4])
    if found := _WEEK_FIRST.fullmatch(text):
        return of_moment(datetime.fromisocalendar(int(found[2]), int(found[1]), 1))
    found = _MONTH_ALONE.fullmatch(text) or _YEAR_AND_MONTH.fullmatch(text)
    if found is None or (month := _MONTHS.get(found["month"].lower(), 0)) == 0:
        return None
    return _first_of_month(found["year"] or found["year2"], month)


def _month_of(quarter: str | None, half: str | None) -> int:
    """The first month of a quarter, or else of half a year."""
    return 3 * int(quarter) - 2 if quarter else 6 * int(half or 1) - 5


def _first_of_month(year: str, month: str | int) -> Wall:
    return of_moment(datetime(_full_year(year), int(month), 1))


def _western(text: str) -> str:
    """A time without words of Chinese, Japanese or Korean, names of zones in brackets, and underscores."""
    text = _ZONE_NAME.sub("", _BROWSER_ZONE.sub(r"\1", text))
    text = _UNDERSCORED.sub(r"\1 \2:\3:\4", text)
    text = _ERA.sub(lambda era: f"{_ERAS[era[1]] + (1 if era[2] == '元' else int(era[2]))}年", text)
    text = _EAST_WEEKDAY.sub(r"\1 ", text).strip()
    if not _EAST_SIGNS.isdisjoint(text):
        text = re.sub(r"([-:]) +", r"\1", text.translate(_EAST)).strip().rstrip(":")
        text = re.sub(r":(\d)(?!\d)", r":0\1", text)
    # noon is 0 in Japan
    return _EAST_HALF.sub(lambda half: f" {int(half[2]) or 12}{half[3]} {'am' if half[1] else 'pm'}", text)


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


def is_zone(text: str) -> bool:
    """Whether a text is an offset from UTC, with its sign, or a short name of a zone that is known.

    Examples
    --------
    >>> [is_zone(text) for text in ("+05:30", "EST", "A", "21")]
    [True, True, False, False]
    """
    return OFFSET.fullmatch(text) is not None or text.lower() in _ZONES


def read_columns(letters: str, text: str) -> Wall:
    r"""A time whose parts stand in columns of their own.

    Parameters
    ----------
    letters : str
        What each part is, as ``strptime`` has it: ``Y`` year, ``m`` month (a number, name, ``M01`` or ``Q1``), ``d``
        day, ``j`` day of the year, ``H`` hour (0 to 24), ``M`` minute, ``S`` second.
    text : str
        The parts, with tabs between them.

    Raises
    ------
    ValueError
        It is no time, as where a part is missing.

    Examples
    --------
    >>> read_columns("YmdH", "2024\t3\t5\t24").utc == read_columns("Yj", "2024\t66").utc
    True
    """
    cells = dict(zip(letters, (cell.strip() for cell in text.split("\t")), strict=True))
    year, month = _full_year(_whole(cells["Y"])), _month(cells.get("m", "1"))
    day = datetime(year, month, int(_whole(cells.get("d", "1"))))
    if "j" in cells:
        day += timedelta(days=int(_whole(cells["j"])) - 1)
    hour, minute = int(_whole(cells.get("H", "0"))), int(_whole(cells.get("M", "0")))
    second = float(cells.get("S", "0"))
    if not (day.year == year and 0 <= hour < 25 and 0 <= minute < 60 and 0 <= second < 60):
        raise ValueError(text)
    return of_moment(day + timedelta(hours=hour, minutes=minute, seconds=second))


def _whole(cell: str) -> str:
    """The digits of a whole number, which some programs write as 5.0."""
    digits = cell.removesuffix(".0")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(cell)
    return digits


def _month(cell: str) -> int:
    """The number of a month: by its number or name, of a quarter its first one."""
    if cell[:1] in {"Q", "q"} and cell[1:] in {"1", "2", "3", "4"}:
        return _month_of(cell[1:], None)
    return _MONTHS.get(cell.lower().rstrip("."), 0) or int(_whole(cell.removeprefix("M")))


def read_compact(text: str) -> Wall:
    """A time of digits alone: yyyymmdd and perhaps hours, minutes, seconds; raises ValueError where it is none."""
    if meter := _DUTCH_METER.fullmatch(text):
        text = f"20{meter[1]}+0{'1' if meter[2] == 'W' else '2'}00"
    found = _COMPACT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return _wall_of(int(found["a"]), int(found["b"]), int(found["c"]), found)
