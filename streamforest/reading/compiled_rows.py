"""Whole lines of text -> rows of numbers, compiled; a row that needs a closer look is only marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Records, compiled
from streamforest.protocols import ANOMALY, NORMAL, UNLABELLED
from streamforest.reading.notation import LABEL_CODES, MISSING
from streamforest.reading.row_block import ODD, PARSED, ROW_DTYPE

Bytes = NDArray[np.uint8]

#: Whether a comma is a decimal sign, whether there is more than digits, thousands sign, text around, dots.
WrittenNumbers = tuple[bool, bool, int, Bytes, Bytes, int]

_LINE_END, _RETURN, _BLANK, _QUOTE, _HASH = (ord(sign) for sign in '\n\r "#')
_DOT, _COMMA, _COLON, _DASH, _SLASH, _PLUS = (ord(sign) for sign in ".,:-/+")
_ZERO, _UPPER_T, _UPPER_Z, _UPPER_A, _LOWER_E = (ord(sign) for sign in "0TZAe")
_LOWER_A, _LOWER_M, _LOWER_P = (ord(sign) for sign in "amp")
_TO_LOWER = 0x20  # between a capital letter and its small one
_NOT_ASCII = 0x80
_MARK = "\ufeff".encode()

_EXACT = 2**53  # integers up to here are floats
_LARGEST = 2**62 // 10 - 1  # integers that one more digit can follow: below 2^62, so that rounding stays in 64 bits
_POWERS = 10.0 ** np.arange(23)  # the powers of ten that are floats
_HALVES = 2.0**27 + 1.0  # splits a float into two halves of its digits
_DOUBT = 2.0**-98  # share of a number by which its correction may be wrong, with a wide margin
_DAY = 86_400  # seconds
_NO_DAY = -(2**62)
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])  # by the month's number
_DAYS_BEFORE = np.cumsum([0, 0, *_MONTH_DAYS[1:12]])  # in the year before a month
_EPOCH_DAYS = 719_162  # from 0001-01-01 to 1970-01-01
_PIVOT = 69  # two digits of a year below it are of this century
_DAY_FIRST, _COMPACT = 1, 3  # forms of times beside ISO 8601 and unix time; 2 has the month first


class WrittenForm(NamedTuple):
    """How the cells of value and time are written.

    Attributes
    ----------
    has_comma : bool
        Whether a comma is a decimal sign.
    thousands : str
        Sign of one byte between groups of three digits; empty for none.
    around : tuple of (str, str)
        What may stand before and behind the number.
    dots : int
        -1: a number with a dot needs a closer look; 1: one without; 0: neither.
    time : int
        0: ISO 8601 and unix time; 1: day, month, year; 2: month, day, year; 3: digits alone, yyyymmdd and so on.
    has_zone : bool
        Whether times without a zone are of another one than UTC: they are read as if they were UTC, and one that has a
        zone or is a number needs a closer look.
    is_text : bool
        Whether bytes above 127 are text, whatever they are.
    """

    has_comma: bool = False
    thousands: str = ""
    around: tuple[str, str] = ("", "")
    dots: int = 0
    time: int = 0
    has_zone: bool = False
    is_text: bool = False

    @property
    def is_formed(self) -> bool:
        """Whether numbers are more than digits with a decimal sign."""
        return bool(self.thousands or any(self.around))


def _word_table(words: Mapping[str, int]) -> tuple[Bytes, NDArray[np.int64]]:
    """Words as rows of bytes that end in zeros, and what each stands for."""
    width = max(map(len, words)) + 1
    texts = b"".join(word.encode().ljust(width, b"\0") for word in words)
    return np.frombuffer(texts, np.uint8).reshape(len(words), width), np.array([*words.values()])


_MISSING_WORDS, _ = _word_table(dict.fromkeys(sorted(MISSING), 0))
_LABEL_WORDS, _LABEL_OF_WORD = _word_table(LABEL_CODES)


def read_rows(
    body: bytes,
    separator: str | None,
    columns: tuple[int, int, int | None, int | None],
    start: int,
    line: int,
    form: WrittenForm | None = None,
) -> NDArray[np.void]:
    """Read whole lines whose cells stand between separators of one byte.

    Parameters
    ----------
    body : bytes
        Lines with their ends.
    separator : str or None
        What stands between cells. None: a line is one cell.
    columns : tuple of int
        How many cells a row has, and which is value, time and label; None where there is no time or label.
    start : int
        Where the lines begin in their text, in bytes.
    line : int
        Number of the first line.
    form : WrittenForm, optional
        How numbers and times are written; without it plainly, and where the separator is a semicolon, with a comma for
        a decimal point.

    Returns
    -------
    array of ROW_DTYPE, shape (n_lines,)
        A plain row holds what the line reader and the validator make of it, bit for bit; a row that they have to be
        asked for has the ``item`` ODD: blank lines, quotes, rare notations and all that is refused. That a time goes
        back is not looked for.
    """
    count, value, time, label = (-1 if at is None else at for at in columns)
    signs = np.frombuffer(body, np.uint8)
    table = np.empty(np.count_nonzero(signs == _LINE_END), ROW_DTYPE)
    sign = -1 if separator is None else ord(separator)
    form = form or WrittenForm(has_comma=separator == ";")
    is_text = form.is_text or _is_text(body)
    roles = count, value, time, label
    facts = form.has_comma, is_text, start, line
    numbers, times = None, None  # with which the function is compiled without what follows, and as fast as can be
    if form != WrittenForm(form.has_comma, is_text=form.is_text):
        before, behind = (np.frombuffer(text.encode() + b"\0", np.uint8) for text in form.around)
        thousands = ord(form.thousands) if form.thousands else 0
        numbers = form.has_comma, form.is_formed, thousands, before, behind, form.dots
        times = form.time, form.has_zone
    _read_lines(signs, sign, roles, numbers, times, facts, table)
    return table


def _is_text(body: bytes) -> bool:
    """Whether all of it is UTF-8 that may stand in any cell; a byte order mark is cut out wherever it stands."""
    if body.isascii():
        return True
    if _MARK in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@compiled
def _read_lines(  # noqa: PLR0912 - one loop over all bytes
    body: Bytes,
    separator: int,
    roles: tuple[int, int, int, int],
    numbers: WrittenNumbers | None,
    times: tuple[int, bool] | None,
    facts: tuple[bool, bool, int, int],
    table: Records,
) -> None:
    """Fill in the table: see :func:`read_rows`; -1 stands for None."""
    count, value, time, label = roles
    has_comma, is_text, start, line = facts
    begin = 0
    for k in range(table.size):
        row = table[k]
        row.is_repaired = False
        row.item = PARSED
        row.time = np.nan
        row.label = UNLABELLED
        cell, at, first = 0, begin, begin
        is_odd = body[begin] == _HASH  # a comment
        while True:
            byte = body[at]
            if _LINE_END != byte != separator:
                is_odd = is_odd or byte == _QUOTE or (byte >= _NOT_ASCII and not is_text)
                at += 1
                continue
            last = at
            if byte == _LINE_END and last > first and body[last - 1] == _RETURN:
                last -= 1
            if not is_odd:
                if cell == value:
                    if numbers is None:
                        is_odd = not _take_value(body, first, last, has_comma, row)
                    else:
                        is_odd = not _take_written(body, first, last, numbers, row)
                    begins, ends = _stripped(body, first, last)
                    is_odd = is_odd or (count == 1 and begins == ends)  # a blank line is no missing reading
                elif cell == time:
                    if times is None:
                        is_odd = not _take_time(body, first, last, row)
                    else:
                        is_odd = not _take_written_time(body, first, last, times, row)
                    is_odd = is_odd or row.time != row.time  # it may sum up the rows before it
                elif cell == label:
                    is_odd = not _take_label(body, first, last, row)
            at += 1
            cell += 1
            first = at
            if byte == _LINE_END:
                break
        if is_odd or cell != count:
            row.item = ODD
        row.start = start + begin
        row.end = start + at
        row.line = line + k
        begin = at


@compiled
def _take_value(body: Bytes, first: int, last: int, has_comma: bool, row: Records) -> bool:
    """Read a value; returns whether it could be read, as in the two below."""
    begin, end = _stripped(body, first, last)
    if _word(body, begin, end, _MISSING_WORDS) >= 0:
        row.value = np.nan
        return True
    is_read, number, is_comma = _number(body, begin, end, has_comma)
    row.value = number
    row.is_repaired = is_comma or begin != first or end != last
    return is_read


@compiled
def _take_written(body: Bytes, first: int, last: int, numbers: WrittenNumbers, row: Records) -> bool:
    """Read a value that is written as a form says."""
    has_comma, is_formed, thousands, before, behind, dots = numbers
    if not is_formed and dots == 0:
        return _take_value(body, first, last, has_comma, row)
    begin, end = _stripped(body, first, last)
    if _word(body, begin, end, _MISSING_WORDS) >= 0:
        row.value = np.nan
        return True
    if not (is_formed and _has_sign(body, begin, end, thousands)):  # mostly there is neither that nor a unit
        is_read, row.value, row.is_repaired = _number(body, begin, end, has_comma)
        if is_read or not is_formed:
            return is_read and (dots == 0 or _has_right_dots(body, begin, end, dots))
    return _take_formed(body, begin, end, has_comma, thousands, before, behind, row)


@compiled
def _has_sign(body: Bytes, first: int, last: int, sign: int) -> bool:
    """Whether a sign stands in a cell."""
    for at in range(first, last):  # noqa: SIM110 - compiled code has no any()
        if body[at] == sign:
            return True
    return False


@compiled
def _has_right_dots(body: Bytes, first: int, last: int, dots: int) -> bool:
    """Whether a number has a dot, or none, as all others of its column."""
    return _has_sign(body, first, last, _DOT) == (dots > 0)


@compiled
def _take_formed(
    body: Bytes, first: int, last: int, has_comma: bool, thousands: int, before: Bytes, behind: Bytes, row: Records
) -> bool:
    """Read a value with groups of three digits, or with a unit or currency around it; no blanks are."""
    is_negative = first < last and body[first] == _DASH
    begin = _behind_text(body, first + is_negative, last, before)
    end = _before_text(body, begin, last, behind)
    if begin >= end or not (_is_digit(body[begin]) and body[end - 1] != _DOT and body[end - 1] != _COMMA):
        return False
    mantissa, exponent, digits, groups = 0, 0, 0, 0
    has_point = False
    for at in range(begin, end):
        byte = body[at]
        if _is_digit(byte):
            if mantissa > _LARGEST:
                return False
            mantissa = mantissa * 10 + _digit(byte)
            digits += 1
            exponent -= has_point
        elif byte == thousands and not has_point:
            if not (digits == 3 or (groups == 0 and 0 < digits < 3)):
                return False
            groups += 1
            digits = 0
        elif byte == (_COMMA if has_comma else _DOT) and not has_point:
            if groups and digits != 3:
                return False
            has_point = True
        else:
            return False
    if groups and not has_point and digits != 3:
        return False
    is_read, number = _scaled(mantissa, exponent)
    row.value = -number if is_negative else number
    row.is_repaired = has_point and has_comma
    return is_read


@compiled
def _behind_text(body: Bytes, begin: int, end: int, text: Bytes) -> int:
    """Where a cell goes on behind a text that it may begin with, and one blank."""
    n = text.size - 1
    for k in range(n):
        if begin + k >= end or body[begin + k] != text[k]:
            return begin
    begin += n
    return begin + 1 if begin < end and body[begin] == _BLANK else begin


@compiled
def _before_text(body: Bytes, begin: int, end: int, text: Bytes) -> int:
    """Where a cell ends before a text that it may end with, and one blank."""
    n = text.size - 1
    for k in range(n):
        if end - n + k < begin or body[end - n + k] != text[k]:
            return end
    end -= n
    return end - 1 if begin < end and body[end - 1] == _BLANK else end


@compiled
def _take_label(body: Bytes, first: int, last: int, row: Records) -> bool:
    begin, end = _stripped(body, first, last)
    word = _word(body, begin, end, _LABEL_WORDS)
    if word >= 0:
        row.label = _LABEL_OF_WORD[word]
        return True
    is_read, number, _ = _number(body, begin, end, False)
    row.label = ANOMALY if number else NORMAL
    return is_read


@compiled
def _take_time(body: Bytes, first: int, last: int, row: Records) -> bool:
    first, last = _stripped(body, first, last)
    if last - first > 4 and (body[first + 4] == _DASH or body[first + 4] == _SLASH):
        is_read, row.time = _iso_seconds(body, first, last)
        return is_read
    if _word(body, first, last, _MISSING_WORDS) >= 0:
        return True
    is_read, number, _ = _number(body, first, last, False)
    size = abs(number)
    unit = 1.0 if size < 1e11 else 1e3 if size < 1e14 else 1e6 if size < 1e17 else 1e9
    row.time = number / unit
    return is_read


@compiled
def _take_written_time(body: Bytes, first: int, last: int, times: tuple[int, bool], row: Records) -> bool:
    """Read a time of another form than ISO 8601, or one without a zone that is not of UTC."""
    form, has_zone = times
    first, last = _stripped(body, first, last)
    if form == 0:
        if has_zone and first < last:
            if last - first < 5 or (body[first + 4] != _DASH and body[first + 4] != _SLASH):
                return _word(body, first, last, _MISSING_WORDS) >= 0
            if body[last - 1] == _UPPER_Z or body[last - 6] == _PLUS or (last - first > 16 and body[last - 6] == _DASH):
                return False
        return _take_time(body, first, last, row)
    if _word(body, first, last, _MISSING_WORDS) >= 0:
        return True
    is_read, row.time = (
        _compact_seconds(body, first, last) if form == _COMPACT else _date_seconds(body, first, last, form)
    )
    return is_read


@compiled
def _compact_seconds(body: Bytes, first: int, last: int) -> tuple[bool, float]:
    """Seconds, UTC epoch, of YYYYMMDD[HH[MM[SS]]], and whether it is one."""
    n = last - first
    if n not in {8, 10, 12, 14}:
        return False, np.nan
    days = _days(
        _digits(body, first, first + 4), _digits(body, first + 4, first + 6), _digits(body, first + 6, first + 8)
    )
    hour = _digits(body, first + 8, min(first + 10, last))
    minute = _digits(body, first + 10, first + 12) if n > 10 else 0
    second = _digits(body, first + 12, first + 14) if n > 12 else 0
    if days == _NO_DAY or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return False, np.nan
    return True, float(days * _DAY + hour * 3600 + minute * 60 + second)


@compiled
def _date_seconds(body: Bytes, first: int, last: int, form: int) -> tuple[bool, float]:
    """Seconds, UTC epoch, of D.M.Y or M/D/Y with HH:MM[:SS[.F]] [AM|PM] behind it, and whether it is one."""
    if last - first < 6:
        return False, np.nan
    middle = first + 2 if _is_digit(body[first + 1]) else first + 1
    sign = body[middle]
    year_at = middle + 3 if _is_digit(body[middle + 2]) else middle + 2
    if year_at >= last or body[year_at] != sign or sign not in (_DOT, _SLASH, _DASH):
        return False, np.nan
    if sign == _DOT and form != _DAY_FIRST:
        return False, np.nan
    year_at += 1
    at = year_at + 2
    if last - year_at >= 4 and _is_digit(body[at]):
        at = year_at + 4
    if at > last:
        return False, np.nan
    one, two = _digits(body, first, middle), _digits(body, middle + 1, year_at - 1)
    year = _digits(body, year_at, at)
    if at - year_at == 2 and year >= 0:
        year += 2000 if year < _PIVOT else 1900
    days = _days(year, two, one) if form == _DAY_FIRST else _days(year, one, two)
    if days == _NO_DAY:
        return False, np.nan
    if at == last:
        return True, float(days * _DAY)
    if body[at] != _BLANK:
        return False, np.nan
    return _clock_behind(body, at + 1, last, days * _DAY)


@compiled
def _short_number(body: Bytes, first: int, last: int) -> tuple[int, int]:
    """A number of one or two digits, and where it ends; -1 where there is none."""
    at = first
    while at < last and at - first < 2 and _is_digit(body[at]):
        at += 1
    return (_digits(body, first, at) if at > first else -1), at


@compiled
def _clock_behind(body: Bytes, at: int, last: int, seconds: int) -> tuple[bool, float]:
    """The seconds of a day with its clock behind it: HH:MM[:SS[.F]] [AM|PM]; whether it is one.

    :func:`_iso_seconds` holds the same lines once more: a call costs plain CSV 12 % of its rows a second.
    """
    hour, at = _short_number(body, at, last)
    if last - at < 3 or body[at] != _COLON:
        return False, np.nan
    minute, second, fraction = _digits(body, at + 1, at + 3), 0, 0
    at += 3
    if at < last and body[at] == _COLON:
        if last - at < 3:
            return False, np.nan
        second = _digits(body, at + 1, at + 3)
        at += 3
        if at < last and body[at] == _DOT:
            begin = at + 1
            at = begin
            while at < last and _is_digit(body[at]):
                at += 1
            fraction = _digits(body, begin, at) * 10 ** (6 - (at - begin)) if 0 < at - begin <= 6 else -1
    if last - at == 3 and body[at] == _BLANK and _lower(body[at + 2]) == _LOWER_M:
        half = _lower(body[at + 1])
        if not (1 <= hour <= 12 and half in {_LOWER_A, _LOWER_P}):
            return False, np.nan
        hour = hour % 12 + (12 if half == _LOWER_P else 0)
        at = last
    if at != last or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and fraction >= 0):
        return False, np.nan
    seconds += hour * 3600 + minute * 60 + second
    if not fraction:
        return True, float(seconds)
    parts = seconds * 1_000_000 + fraction
    return abs(parts) <= _EXACT, parts / 1e6


@compiled
def _stripped(body: Bytes, first: int, last: int) -> tuple[int, int]:
    """Where a cell begins and ends without blanks."""
    while first < last and body[first] == _BLANK:
        first += 1
    while first < last and body[last - 1] == _BLANK:
        last -= 1
    return first, last


@compiled
def _word(body: Bytes, first: int, last: int, words: Bytes) -> int:
    """Which of the words a cell is, in any case; -1: none."""
    length = last - first
    if length and (_is_digit(body[first]) or (length > 1 and body[first] == _DASH and _is_digit(body[first + 1]))):
        return -1
    for k in range(words.shape[0]):
        at = 0
        while at < length and words[k, at] and words[k, at] == _lower(body[first + at]):
            at += 1
        if at == length and not words[k, at]:
            return k
    return -1


@compiled
def _lower(byte: int) -> int:
    return byte + _TO_LOWER if _UPPER_A <= byte <= _UPPER_Z else byte


@compiled
def _is_digit(byte: int) -> bool:
    return _ZERO <= byte <= _ZERO + 9


@compiled
def _digit(byte: int) -> int:
    return int(np.int64(byte) - _ZERO)


@compiled
def _number(body: Bytes, first: int, last: int, has_comma: bool) -> tuple[bool, float, bool]:
    """Whether a cell is a number that can be told here; the one that ``float`` gives; whether a comma was its point."""
    at = first
    is_negative = at < last and body[at] == _DASH
    if is_negative or (at < last and body[at] == _PLUS):
        at += 1
    mantissa, exponent, digits = 0, 0, 0
    is_comma, has_point = False, False
    while at < last:
        byte = body[at]
        if _is_digit(byte):
            if mantissa > _LARGEST:
                return False, 0.0, False
            mantissa = mantissa * 10 + _digit(byte)
            exponent -= has_point
            digits += 1
        elif not has_point and (byte == _DOT or (has_comma and byte == _COMMA)):
            has_point = True
            is_comma = byte == _COMMA
        else:
            break
        at += 1
    if not digits:
        return False, 0.0, False
    if at < last:
        is_read, power = _exponent(body, at, last)
        if not is_read:
            return False, 0.0, False
        exponent += power
    is_read, number = _scaled(mantissa, exponent)
    return is_read, -number if is_negative else number, is_comma


@compiled
def _exponent(body: Bytes, at: int, last: int) -> tuple[bool, int]:
    """The power of ten that ends a number, and whether it is one of at most three digits."""
    if _lower(body[at]) != _LOWER_E:
        return False, 0
    at += 1
    is_negative = at < last and body[at] == _DASH
    if is_negative or (at < last and body[at] == _PLUS):
        at += 1
    if not 0 < last - at <= 3:
        return False, 0
    power = 0
    while at < last:
        if not _is_digit(body[at]):
            return False, 0
        power = power * 10 + _digit(body[at])
        at += 1
    return True, -power if is_negative else power


@compiled
def _scaled(mantissa: int, exponent: int) -> tuple[bool, float]:
    """The float nearest to ``mantissa * 10 ** exponent``, and whether it could be told.

    Notes
    -----
    Where both factors are floats, their product or quotient is rounded once, which makes it the nearest [1]_. A longer
    mantissa is the sum of two floats; their quotient's first guess is corrected by its remainder, which products
    in two floats [2]_ give; where a slightly larger and a slightly smaller correction lead to one float, it is the
    nearest [3]_.

    References
    ----------
    .. [1] W. D. Clinger, How to read floating point numbers accurately, PLDI 1990, doi:10.1145/93542.93557.
    .. [2] T. J. Dekker, A floating-point technique for extending the available precision, Numerische Mathematik 18,
       1971, doi:10.1007/BF01397083.
    .. [3] A. Ziv, Fast evaluation of elementary mathematical functions with correctly rounded last bit, ACM TOMS 17,
       1991, doi:10.1145/114697.116813.
    """
    number = float(mantissa)
    if exponent == 0:
        return True, number
    if abs(exponent) >= _POWERS.size:
        return False, 0.0
    power = _POWERS[abs(exponent)]
    if mantissa <= _EXACT:
        return True, number / power if exponent < 0 else number * power
    if exponent > 0:
        return False, 0.0
    guess = number / power
    product, error = _product(guess, power)
    correction = (((number - product) - error) + float(mantissa - np.int64(number))) / power
    doubt = guess * _DOUBT
    nearest = guess + (correction - doubt)
    return nearest == guess + (correction + doubt), nearest


@compiled
def _product(x: float, y: float) -> tuple[float, float]:
    """A product, rounded, and what rounding took from it: exact product = first + second."""
    product = x * y
    x_high = x * _HALVES - (x * _HALVES - x)
    y_high = y * _HALVES - (y * _HALVES - y)
    x_low, y_low = x - x_high, y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


@compiled
def _digits(body: Bytes, first: int, last: int) -> int:
    """The integer that digits are; -1 where one is none."""
    number = 0
    for at in range(first, last):
        if not _is_digit(body[at]):
            return -1
        number = number * 10 + _digit(body[at])
    return number


@compiled
def _iso_seconds(body: Bytes, first: int, last: int) -> tuple[bool, float]:  # noqa: PLR0912 - each part is looked at
    """Seconds, UTC epoch, of YYYY-MM-DD[ HH:MM[:SS[.F]][Z|+HH:MM]], and whether it is one."""
    if last - first < 10 or body[first + 7] != body[first + 4]:
        return False, np.nan
    days = _days(
        _digits(body, first, first + 4), _digits(body, first + 5, first + 7), _digits(body, first + 8, first + 10)
    )
    if days == _NO_DAY:
        return False, np.nan
    seconds = days * _DAY
    at = first + 10
    if at == last:
        return True, float(seconds)
    if last - at < 5 or (body[at] != _BLANK and body[at] != _UPPER_T):
        return False, np.nan
    second, fraction = 0, 0
    if last - at > 5 and body[at + 3] == _COLON:
        hour, minute = _digits(body, at + 1, at + 3), _digits(body, at + 4, at + 6)
        at += 6
    elif body[at + 2] == _COLON:  # an hour of one digit
        hour, minute = _digits(body, at + 1, at + 2), _digits(body, at + 3, at + 5)
        at += 5
    else:
        return False, np.nan
    if at < last and body[at] == _COLON:
        if last - at < 3:
            return False, np.nan
        second = _digits(body, at + 1, at + 3)
        at += 3
        if at < last and body[at] == _DOT:
            begin = at + 1
            at = begin
            while at < last and _is_digit(body[at]):
                at += 1
            fraction = _digits(body, begin, at) * 10 ** (6 - (at - begin)) if 0 < at - begin <= 6 else -1
    is_zone, zone = _zone(body, at, last)
    if not is_zone or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and fraction >= 0):
        return False, np.nan
    seconds += hour * 3600 + minute * 60 + second - zone
    if not fraction:
        return True, float(seconds)
    parts = seconds * 1_000_000 + fraction
    return abs(parts) <= _EXACT, parts / 1e6


@compiled
def _zone(body: Bytes, at: int, last: int) -> tuple[bool, int]:
    """Whether the end of a time is none, Z or +HH:MM; seconds that clocks there are ahead of UTC."""
    if at == last or (at + 1 == last and body[at] == _UPPER_Z):
        return True, 0
    if last - at != 6 or (body[at] != _PLUS and body[at] != _DASH) or body[at + 3] != _COLON:
        return False, 0
    hours, minutes = _digits(body, at + 1, at + 3), _digits(body, at + 4, at + 6)
    ahead = hours * 3600 + minutes * 60
    return 0 <= hours < 24 and 0 <= minutes < 60, -ahead if body[at] == _DASH else ahead


@compiled
def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a day of the Gregorian calendar, from year 1 on; _NO_DAY where there is no such day."""
    if not (year >= 1 and 1 <= month <= 12 and day >= 1):
        return _NO_DAY
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTH_DAYS[month] + (month == 2 and is_leap):
        return _NO_DAY
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - _EPOCH_DAYS
    return int(days + _DAYS_BEFORE[month] + (month > 2 and is_leap) + day - 1)
