"""Whole lines of text -> rows of numbers, compiled; a row that needs a closer look is only marked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamforest.block import PLAIN, ROW_DTYPE
from streamforest.compiled import Records, compiled
from streamforest.protocols import ANOMALY, NORMAL, UNLABELLED
from streamforest.validation import LABEL_CODES, MISSING

Bytes = NDArray[np.uint8]

#: In place of an item's number: the row needs a closer look.
ODD = -2

_LINE_END, _RETURN, _BLANK, _QUOTE = (ord(sign) for sign in '\n\r "')
_DOT, _COMMA, _COLON, _SEMICOLON, _DASH, _SLASH, _PLUS = (ord(sign) for sign in ".,:;-/+")
_ZERO, _UPPER_T, _UPPER_Z, _UPPER_A, _LOWER_E = (ord(sign) for sign in "0TZAe")
_TO_LOWER = 0x20  # between a capital letter and its small one
_NOT_ASCII = 0x80
_MARK = "\ufeff".encode()

_EXACT = 2**53  # integers up to here are floats
_LARGEST = 2**62 // 10 - 1  # integers that one more digit can follow: below 2^62, so that rounding stays in 64 bits
_POWERS = 10.0 ** np.arange(23)  # the powers of ten that are floats
_HALVES = 2.0**27 + 1.0  # splits a float into two halves of its digits
_DOUBT = 2.0**-98  # share of a number by which its correction may be wrong, with room to spare
_DAY = 86_400  # seconds
_NO_DAY = -(2**62)
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])  # by the month's number
_DAYS_BEFORE = np.cumsum([0, 0, *_MONTH_DAYS[1:12]])  # in the year before a month
_EPOCH_DAYS = 719_162  # from 0001-01-01 to 1970-01-01


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
) -> NDArray[np.void]:
    """Read whole lines whose cells stand between separators of one byte.

    Parameters
    ----------
    body : bytes
        Lines with their ends.
    separator : str or None
        What stands between cells; where it is a semicolon, a comma is a decimal point. None: a line is one cell.
    columns : tuple of int
        How many cells a row has, and which is value, time and label; None where there is no time or label.
    start : int
        Where the lines begin in their text, in bytes.
    line : int
        Number of the first line.

    Returns
    -------
    array of ROW_DTYPE, shape (n_lines,)
        A plain row holds what the line reader and the validator make of it, bit for bit; a row that they have to be
        asked for has the ``item`` ODD: blank lines, quotes, rare notations and all that is refused. That a time goes
        back is not looked for.
    """
    count, value, time, label = (-1 if at is None else at for at in columns)
    table = np.empty(body.count(b"\n"), ROW_DTYPE)
    sign = -1 if separator is None else ord(separator)
    _read_lines(np.frombuffer(body, np.uint8), sign, count, value, time, label, _is_text(body), start, line, table)
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
def _read_lines(
    body: Bytes,
    separator: int,
    count: int,
    value: int,
    time: int,
    label: int,
    is_text: bool,
    start: int,
    line: int,
    table: Records,
) -> None:
    """Fill in the table: see :func:`read_rows`; -1 stands for None."""
    begin = 0
    for k in range(table.size):
        row = table[k]
        row.is_repaired = False
        row.item = PLAIN
        row.time = np.nan
        row.label = UNLABELLED
        cell, at, first = 0, begin, begin
        is_odd = False
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
                    is_odd = not _take_value(body, first, last, separator == _SEMICOLON, row)
                    begins, ends = _stripped(body, first, last)
                    is_odd = is_odd or (count == 1 and begins == ends)  # a blank line is no missing reading
                elif cell == time:
                    is_odd = not _take_time(body, first, last, row)
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
    if length and _is_digit(body[first]):
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
def _iso_seconds(body: Bytes, first: int, last: int) -> tuple[bool, float]:
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
    if last - at < 6 or (body[at] != _BLANK and body[at] != _UPPER_T) or body[at + 3] != _COLON:
        return False, np.nan
    hour, minute, second, fraction = _digits(body, at + 1, at + 3), _digits(body, at + 4, at + 6), 0, 0
    at += 6
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
