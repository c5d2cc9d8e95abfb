"""What rows say of one another: lines at the end that sum up those before, and several series in one table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import Reading
from streamforest.reading.cells import cut_line
from streamforest.reading.column_layout import Layout
from streamforest.reading.line_rules import LineRules
from streamforest.reading.notation import RefusedError, read_value
from streamforest.reading.number_form import is_formed_number
from streamforest.reading.python_values import LATEST as FARTHEST

#: Names of columns that say which of several series a row is of.
SERIES_NAMES = frozenset(
    [
        *("entity_id", "statistic_id", "sensor", "sensor_id", "sensorid", "device", "device_id", "deviceid", "series"),
        *("metric", "parameter", "variable", "symbol", "ticker", "tagname", "tag_name", "_field", "indicator", "topic"),
        *("unit", "units", "unit_of_measurement", "uom", "einheit", "unit\u00e9"),
    ]
)

# Words that a line behind the last row begins with where it sums up the rows.
_SUMMING = re.compile(
    r"[\s*=]*(?:(?:grand|sub|column|overall)[ -]?)?(?:sums?|totals?|averages?|avg|mean|median|"
    r"min(?:imum)?|max(?:imum)?|std\.? ?dev(?:iation)?|count|rows|summen?|gesamt(?:summe)?|mittelwerte?|durchschnitt|"
    r"anzahl|somme|moyenne|media|promedio|suma|totale|\u0438\u0442\u043e\u0433\u043e|\u5408\u8ba1|\u5408\u8a08|\u603b\u8ba1)\b",
    re.IGNORECASE,
)
# A number that is measured rather than given.
_FRACTION = re.compile(r"\s*\D?\s?\d+[.,]\d+.*")
# What programs write for a missing reading beside digits of nines: ends of the ranges of whole numbers, and of loggers.
_CODES = frozenset(
    (32767, 32768, 65535, 2147483647, 2147483648, 4294967295, 8388607, 6999, 7999, 127, 1e20, 1e30, 1e35)
)
# Such a value is so many times the range of nine tenths of all others away from any of them.
_FAR = 3
# Lines at the end that are looked at, the fewest rows that can be summed up, and the fewest of a series.
_MOST_FOOTERS, _FEWEST_ROWS, _SERIES_ROWS = 8, 8, 3
# Seconds by which clocks are put back at most, on a Sunday, and from its midnight on; the days between which it is done
# north and south of the equator, each as month and day.
_HOUR, _SUNDAY, _NIGHT = 3600, 6, 4 * 3600
_NORTHERN, _SOUTHERN = (920, 1110), (320, 415)
_FIRST_SUNDAY, _WEEK, _YEAR = 3 * 86_400, 7 * 86_400, 366 * 86_400
# A series has so many rows on average.
_ROWS_A_SERIES = 3


def footers_of(rows: Sequence[str], last: Sequence[str], layout: Layout, *, is_whole: bool) -> tuple[str, ...]:
    """Lines at the end of a text that sum up its rows, rather than hold readings.

    Such a line begins with a word such as Total, or its value is the sum of all others; or their mean, where it has
    nothing in the place of a time or a name.

    Parameters
    ----------
    rows : sequence of str
        Rows of the text, from the first one on.
    last : sequence of str
        The last lines of the text.
    layout : Layout
        How they are cut.
    is_whole : bool
        Whether ``rows`` are all rows of the text, the last lines among them.
    """
    if layout.has_own_names or len(rows) < _FEWEST_ROWS:
        return ()
    rules = LineRules(layout)
    first = 0 if layout.time is None else layout.time
    cut = [cut_line(line, layout.separator, len(layout.names)) for line in rows[:_FEWEST_ROWS]]
    is_filled = layout.value != first and all(len(cells) > first and cells[first].strip() for cells in cut)
    is_worded = any(_SUMMING.match(cell) for cells in cut for cell in cells)
    footers: list[str] = []
    for at, line in enumerate(reversed(last[-_MOST_FOOTERS:])):
        value = _value_of(rules, line)
        if value is None:
            continue  # refused in any case
        cells = cut_line(line, layout.separator, len(layout.names))
        begin = next((cell for cell in cells if cell.strip()), "")
        is_footer = not is_worded and bool(_SUMMING.match(begin)) and begin != cells[layout.value]
        is_lacking = is_filled and not any(cell.strip() and not _is_number(cell) for cell in cells)
        is_lacking = is_lacking and not cells[first].strip()
        if not is_footer and (layout.time is None or is_lacking):
            others = [_value_of(rules, row) for row in (rows[: -at - 1] if is_whole else rows)]
            is_footer = _sums_up(value, [other for other in others if other is not None], is_lacking, is_whole)
        if not is_footer:
            break
        footers.append(line)
    return tuple(footers)


def _is_number(cell: str) -> bool:
    return not any(map(str.isalpha, cell)) or is_formed_number(cell)


def _value_of(rules: LineRules, line: str) -> float | None:
    """The value of a row; None where it is refused or missing."""
    item = rules.read_line(line, 0)
    if not isinstance(item, Reading):
        return None
    try:
        value = read_value(item)[0]
    except RefusedError:
        return None
    return value if value == value else None


def _sums_up(value: float, others: Sequence[float], is_lacking: bool, is_whole: bool) -> bool:
    """Whether a value is the sum of all others, which are smaller; where the row lacks a time or name, their mean too.

    Of a text that is not known whole, a value beyond all others is taken for their sum.
    """
    if len(others) < _FEWEST_ROWS:
        return False
    is_beyond = value > max(map(abs, others))
    if not is_whole:
        return is_beyond and is_lacking
    total = sum(others)
    is_sum = is_beyond and bool(np.isclose(value, total, rtol=1e-9, atol=1e-9))
    places = len(repr(value).partition(".")[2])
    return is_sum or (is_lacking and round(total / len(others), places) == value)


def missing_codes(values: NDArray[np.float64]) -> str:
    """What there is to say of numbers that rather stand for missing readings, such as -999.9; empty where none do.

    Parameters
    ----------
    values : array of float, shape (n,)
        Of the first rows; NaN where one is missing.
    """
    found: list[str] = []
    left = values[values == values]
    while len(left) >= _FEWEST_ROWS and len(found) < _MOST_FOOTERS:
        low, high = float(left.min()), float(left.max())
        negative = left[left < 0]
        is_only_negative = high > 0 and len(negative) > 1 and bool((negative == low).all())
        codes = [value for value in (low, high) if _is_code(value) or (is_only_negative and value == low)]
        far = [code for code in codes if _is_far(code, left[left != code])]
        if not far:
            break
        found.append(f"{far[0]:.10g} ({np.count_nonzero(left == far[0])} of {len(values)} rows)")
        left = left[left != far[0]]
    if not found:
        return ""
    return f"{' and '.join(found)} judged as it is: leave such rows out if it stands for a missing reading"


def _is_code(value: float) -> bool:
    digits = f"{abs(value):.10g}".replace(".", "")
    return abs(value) in _CODES or (len(digits) > 2 and set(digits.rstrip("0")) == {"9"})


def _is_far(value: float, others: NDArray[np.float64]) -> bool:
    low, high = np.quantile(others, (0.05, 0.95)) if len(others) else (0.0, np.inf)
    return bool(np.abs(others - value).min(initial=np.inf) > _FAR * (high - low))


def end_of_summer_time(times: NDArray[np.float64]) -> str:
    """What there is to say of times that go back by an hour in a night in which clocks are; empty where none do.

    Parameters
    ----------
    times : array of float, shape (n,)
        Of the first rows, in order, seconds, as if the clock showed UTC.
    """
    back = np.flatnonzero((np.diff(times) < 0) & (np.diff(times) >= -_HOUR)) + 1
    nights = (datetime.fromtimestamp(times[at], UTC) for at in back if _is_autumn_night(times[at]))
    return next(
        (f"the times go back on {night:%Y-%m-%d}, as where summer time ends: say --time-zone" for night in nights), ""
    )


def has_autumn_night(times: NDArray[np.float64]) -> bool:
    """Whether a night in which clocks may be put back lies between the first and the last time."""
    there = times[times == times]
    first, last = sorted(there[[0, -1]]) if len(there) else (0.0, 0.0)
    if last - first > _YEAR:
        return True
    sunday = first - (first - _FIRST_SUNDAY) % _WEEK
    return any(_is_autumn_night(night) for night in np.arange(sunday, last, _WEEK) if night + _NIGHT > first)


def _is_autumn_night(seconds: float) -> bool:
    """Whether clocks may be put back at a time, as if the clock showed UTC: on a Sunday before dawn."""
    if not 0 <= seconds <= FARTHEST:
        return False
    moment = datetime.fromtimestamp(seconds, UTC)
    day = 100 * moment.month + moment.day
    is_autumn = _NORTHERN[0] <= day <= _NORTHERN[1] or _SOUTHERN[0] <= day <= _SOUTHERN[1]
    return is_autumn and moment.weekday() == _SUNDAY and moment.hour * _HOUR < _NIGHT


def come_round(keys: Sequence[str]) -> bool:
    """Whether the same names come again and again in the same order, as devices in a table that is printed repeatedly.

    Examples
    --------
    >>> come_round(["sda", "sdb"] * 3), come_round(["sda", "sda", "sdb"] * 3), come_round(["sda"] * 9)
    (True, False, False)
    """
    n = len(dict.fromkeys(keys))
    return 1 < n <= len(keys) / _ROWS_A_SERIES and all(key == keys[at % n] for at, key in enumerate(keys))


def several_series(keys: Sequence[str], times: NDArray[np.float64], name: str) -> bool:
    """Whether a column says which of several series a row is of.

    Its name says so; or times come again or go back from row to row, and from row to row of each key they do not.

    Parameters
    ----------
    keys : sequence of str
        The column's cells, one a row.
    times : array of float, shape (n,)
        Of the rows, seconds; NaN where one is not known.
    name : str
        Of the column.
    """
    if any(map(_FRACTION.fullmatch, keys)):
        return False
    found, which, counts = np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True, return_counts=True)
    if not 1 < len(found) <= len(keys) / _ROWS_A_SERIES or np.sort(counts)[-2] < _SERIES_ROWS or "" in found:
        return False
    if name.strip().lower() in SERIES_NAMES:
        return True
    if len(keys) < _FEWEST_ROWS or np.isnan(times).any() or _is_onward(times):
        return False
    return all(_is_onward(times[which == key]) for key in range(len(found)))


def _is_onward(times: NDArray[np.float64]) -> bool:
    """Whether times always go on, or always back."""
    steps = np.diff(times)
    return bool((steps > 0).all() or (steps < 0).all())
