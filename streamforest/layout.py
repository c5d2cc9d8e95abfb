"""Which column is what: separator, header, value, time and label, told from the first lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from streamforest.protocols import SourceError
from streamforest.validation import MISSING, RefusedError, read_number, read_time, shown

TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "ds", "date_time", "unix_time", "epoch")
LABEL_NAMES = ("label", "labels", "is_anomaly", "anomaly", "is_outlier", "outlier", "ground_truth", "class")

#: Separators that are told apart by a look at one line; where two do equally well, the first one is taken.
SEPARATORS = ("\t", ";", ",", "|")
BLANK = " "

#: Lines that may be looked at until a column holds a number.
MOST_LINES = 20

# In a file without a header, a first column of larger numbers is unix time: from 1973 on.
_UNIX_TIME = 1e8


class Asked(NamedTuple):
    """The columns that the user asked for by name; None where not, an empty name for "there is none"."""

    column: str | None = None
    time_column: str | None = None
    label_column: str | None = None
    key_column: str | None = None


class Layout(NamedTuple):
    """How lines are cut into cells, and which cell is what.

    Attributes
    ----------
    names : tuple of str
        The columns: names of a header, keys of a JSON object, or "1", "2", ...
    value : int
        Position of the value column.
    time, label : int or None
        Position of the time and label column; None where there is none.
    separator : str or None
        What stands between cells; None where a line is one cell.
    header : str or None
        The line that holds the names; None where no line does.
    is_json : bool
        Whether a line is a JSON object.
    key : int or None
        Position of the column that says which stream a row is of; None where all are of one.
    """

    names: tuple[str, ...]
    value: int
    time: int | None
    label: int | None
    separator: str | None = None
    header: str | None = None
    is_json: bool = False
    key: int | None = None

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return f"column {shown(self.names[self.value])} of {listed(self.names)}"

    def columns(self) -> Asked:
        """The columns by their names, as somebody asks for them who wants just these."""
        return Asked(*("" if at is None else self.names[at] for at in (self.value, self.time, self.label, self.key)))


def listed(names: Sequence[str]) -> str:
    """Names for a message, shortened where there are many.

    Examples
    --------
    >>> listed(["timestamp", "value"])
    'timestamp, value'
    """
    words = [name if name.isprintable() and 0 < len(name) <= 40 else shown(name) for name in names[:20]]
    return ", ".join(words) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def split_line(line: str, separator: str | None) -> list[str]:
    """The cells of a line; a quoted cell may hold the separator.

    Examples
    --------
    >>> split_line('1,"2,5"', ",")
    ['1', '2,5']
    """
    if '"' in line:
        return _split_quoted(line, separator)
    if separator == BLANK:
        return line.split()
    return [line] if separator is None else line.split(separator)


def cut_line(line: str, separator: str | None, width: int) -> list[str]:
    """The cells of a line; where they are too few, cut at another separator that gives the right number."""
    cells = split_line(line, separator)
    if len(cells) >= width or separator is None:
        return cells
    others = (split_line(line, other) for other in (*SEPARATORS, BLANK) if other in line)
    return next((other for other in others if len(other) == width), cells)


def _split_quoted(line: str, separator: str | None) -> list[str]:
    reader = csv.reader([line], delimiter=separator or ",", skipinitialspace=separator != BLANK)
    try:
        cells = next(reader)
    except (csv.Error, StopIteration):
        return [line]
    if separator is None:
        return cells if len(cells) == 1 else [line]
    return [cell for cell in cells if cell] if separator == BLANK else cells


def read_object(line: str) -> dict[str, Any] | None:
    """The JSON object that a line is, or None."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def json_text(found: object) -> str:
    """A JSON value other than a number as the text of a cell."""
    if found is None:
        return ""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def is_possible(line: str) -> bool:
    """Whether a line can be one of the first: a row, an object or a header, rather than rubbish."""
    if line.lstrip().startswith("{"):
        return bool(read_object(line))
    return _row_score(line) > 0 or (line.replace("\t", "").isprintable() and any(map(str.isalpha, line)))


def is_row(line: str) -> bool:
    """Whether a line holds numbers or times, as no header does.

    Examples
    --------
    >>> [is_row(line) for line in ("time,value", "1,2", '{"value": 2}')]
    [False, True, False]
    """
    return read_object(line) is None and _row_score(line) > 0


def fits(line: str, layout: Layout) -> bool:
    """Whether a line is of a layout found before: its header again, or a row where none is expected.

    Examples
    --------
    >>> layout = Layout(("time", "value"), 1, 0, None, ",", "time,value")
    >>> [fits(line, layout) for line in ("time,value", "1,2", "value,time")]
    [True, True, False]
    """
    if layout.is_json:
        return layout.names[layout.value] in (read_object(line) or {})
    if line == layout.header:
        return True
    return is_row(line) and not _names_asked(line, layout.columns())


def find_layout(lines: Sequence[str], asked: Asked, is_last: bool) -> Layout | None:
    """The layout of a text, from as few of its first lines as are enough.

    Parameters
    ----------
    lines : sequence of str
        The first possible lines, at least one; called again with one more while the answer is None.
    asked : Asked
        Columns that the user named.
    is_last : bool
        Whether no more lines may be waited for.

    Raises
    ------
    SourceError
        A column asked for is not there, or the value column cannot be told; names the columns there are.
    """
    if any(read_object(line) is not None for line in lines):
        return _object_layout(lines, asked, is_last)
    return _row_layout(lines, asked, is_last)


def _object_layout(lines: Sequence[str], asked: Asked, is_last: bool) -> Layout | None:
    objects = [found for line in lines if (found := read_object(line)) is not None]
    names = tuple(dict.fromkeys(name for found in objects for name in found))
    if not is_last and any(name and name not in names for name in (asked.column, asked.key_column)):
        return None
    rows = [[json_text(found.get(name)) for name in names] for found in objects]
    roles = _Roles(names, rows, asked, has_names=True)
    chosen = roles.choose(is_last)
    return chosen and Layout(names, *chosen, is_json=True, key=roles.key)


def _row_layout(lines: Sequence[str], asked: Asked, is_last: bool) -> Layout | None:
    first = lines[0]
    if _row_score(first) and not _names_asked(first, asked):
        return _rows_layout(lines, None, _row_separator(first), asked, is_last)
    if len(lines) == 1:
        return None
    separator = _header_separator(first, lines[1])
    is_title = not _names_value(first, separator, asked) and _is_title(lines, len(split_line(first, separator)))
    if is_title is None and not is_last:
        return None
    if is_title:
        return _row_layout(lines[1:], asked, is_last)
    return _rows_layout(lines[1:], first, separator, asked, is_last)


def _is_title(lines: Sequence[str], width: int) -> bool | None:
    """Whether the first line has too few cells for the header of the others; None where one more is needed."""
    if width >= len(_filled(lines[1])):
        return False
    if _row_score(lines[1]):
        return True
    return len(_filled(lines[1])) == len(_filled(lines[2])) if len(lines) > 2 else None


def _filled(line: str) -> list[str]:
    """The cells of a line without the empty ones at its end."""
    cells = split_line(line, _row_separator(line))
    while len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    return cells


def _rows_layout(
    lines: Sequence[str], header: str | None, separator: str | None, asked: Asked, is_last: bool
) -> Layout | None:
    cells = split_line(lines[0] if header is None else header, separator)
    names = _column_names(cells) if header is not None else tuple(str(at + 1) for at in range(len(cells)))
    rows = [cut_line(line, separator, len(names)) for line in lines]
    rows = [row for row in rows if len(row) >= len(names)]
    roles = _Roles(names, rows, asked, has_names=header is not None, has_comma=separator == ";")
    chosen = roles.choose(is_last)
    return chosen and Layout(names, *chosen, separator, header, key=roles.key)


def _column_names(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in cells)


def _names_asked(line: str, asked: Asked) -> bool:
    """Whether a line holds a column that was asked for by a name, so that it must be the header."""
    names = {name for name in asked if name and not name.isdigit()}
    return any(names.intersection(_column_names(split_line(line, separator))) for separator in SEPARATORS)


def _names_value(line: str, separator: str | None, asked: Asked) -> bool:
    names = {name.lower() for name in _column_names(split_line(line, separator))}
    return (asked.column or "value").lower() in names or "value" in names


def _row_score(line: str) -> int:
    """How many cells of a line are a number, a time or a missing reading, under the best separator."""
    separator = _row_separator(line)
    return _score(split_line(line, separator), separator)


def _row_separator(line: str) -> str | None:
    """The separator that makes the most numbers and times of a line."""
    there = [separator for separator in SEPARATORS if separator in line]
    if there:
        return max(there, key=lambda separator: _score(split_line(line, separator), separator))
    cells = split_line(line, BLANK)
    return BLANK if len(cells) > 1 and _is_reading(cells[0]) else None


def _header_separator(header: str, row: str) -> str | None:
    """The separator that cuts header and row alike, or else the header into the most cells."""
    there = [separator for separator in SEPARATORS if len(split_line(header, separator)) > 1]
    if there:
        return max(there, key=lambda separator: _likeness(header, row, separator))
    cells = split_line(row, BLANK)
    is_blank = len(split_line(header, BLANK)) == len(cells) > 1 and _is_reading(cells[0])
    return BLANK if is_blank else None


def _likeness(header: str, row: str, separator: str) -> tuple[bool, int]:
    width = len(split_line(header, separator))
    return width == len(split_line(row, separator)), width


def _score(cells: Sequence[str], separator: str | None) -> int:
    return sum(_is_reading(cell, separator == ";") for cell in cells)


def _is_reading(cell: str, has_comma: bool = False) -> bool:
    """Whether a cell is a number, a time or a word for a missing one; an empty cell is not."""
    return bool(cell.strip()) and (_is_number(cell, has_comma) or _is_time(cell))


def _is_number(cell: str, has_comma: bool) -> bool:
    try:
        read_number(cell, has_comma)
    except RefusedError:
        return False
    return True


def _is_time(cell: str) -> bool:
    try:
        read_time(cell)
    except RefusedError:
        return False
    return True


class _Roles:
    """The choice of the value, time and label column among the columns there are; a key column has to be asked for."""

    def __init__(
        self,
        names: tuple[str, ...],
        rows: list[list[str]],
        asked: Asked,
        *,
        has_names: bool,
        has_comma: bool = False,
    ) -> None:
        self._names = names
        self._folded = [name.strip().lower() for name in names]
        self._rows = rows
        self._asked = asked
        self._has_names = has_names
        self._has_comma = has_comma
        self.key = self._position(asked.key_column)

    def choose(self, is_last: bool) -> tuple[int, int | None, int | None] | None:
        """Positions of value, time and label; None where one more row is needed to tell."""
        value = self._position(self._asked.column)
        time = self._time(value)
        label = self._label(value, time)
        if value is None:
            value = self._value([at for at in range(len(self._names)) if at not in {time, label, self.key}], is_last)
            if value is None:
                return None
        return value, time, label

    def _position(self, name: str | None) -> int | None:
        """Where a column asked for stands; the first one where two have its name."""
        if not name:
            return None
        if name in self._names:
            return self._names.index(name)
        if name.strip().lower() in self._folded:
            return self._folded.index(name.strip().lower())
        kind = "column" if self._has_names else "header, so no column"
        raise SourceError(f"there is no {kind} {shown(name)}; the columns are: {listed(self._names)}")

    def _time(self, value: int | None) -> int | None:
        if self._asked.time_column is not None or len(self._names) == 1:
            return self._position(self._asked.time_column)
        named = [at for at in self._named(TIME_NAMES) if at not in {value, self.key}] if self._has_names else []
        readable = [at for at in named if all(_is_time(cell) for cell in self._cells(at))]
        return next(iter(readable + named), None if 0 in {value, self.key} else self._first_column_time())

    def _first_column_time(self) -> int | None:
        """The first column where it holds times though no name says so, and a value may stand beside it."""
        cells = [cell.strip() for cell in self._cells(0)]
        if not cells or not all(_is_time(cell) and cell.lower() not in MISSING for cell in cells):
            return None
        if not any(_is_number(cell, False) for cell in cells):
            return 0
        is_unix = not self._has_names and all(_is_number(cell, False) and float(cell) > _UNIX_TIME for cell in cells)
        return 0 if is_unix and any(self._is_numeric(range(1, len(self._names)))) else None

    def _label(self, value: int | None, time: int | None) -> int | None:
        if self._asked.label_column is not None:
            return self._position(self._asked.label_column)
        free = [at for at in range(len(self._names)) if at not in {value, time, self.key}]
        if value is None and len(free) == 1:
            return None  # the only column that can be the value, whatever its name
        return next((at for at in self._named(LABEL_NAMES) if at in free), None)

    def _value(self, free: list[int], is_last: bool) -> int | None:
        if "value" in self._folded and self._folded.index("value") in free:
            return self._folded.index("value")
        free = [at for at in free if self._names[at]] or free  # no name: the row numbers of a table
        numeric = [at for at, is_numeric in zip(free, self._is_numeric(free), strict=True) if is_numeric]
        if len(numeric) == 1 or (len(free) == 1 and (is_last or not any(map(str.strip, self._cells(free[0]))))):
            return (numeric or free)[0]
        if not numeric and not is_last:
            return None
        fault = "more than one column holds numbers" if numeric else "no column holds numbers"
        raise SourceError(f"{fault}; choose one with --column NAME of: {listed(self._names)}")

    def _named(self, words: Sequence[str]) -> list[int]:
        return [self._folded.index(word) for word in words if word in self._folded]

    def _cells(self, at: int) -> list[str]:
        return [row[at] for row in self._rows]

    def _is_numeric(self, positions: Sequence[int]) -> list[bool]:
        """For each column whether most of its cells that are not empty are numbers."""
        return [self._holds_numbers([cell for cell in self._cells(at) if cell.strip()]) for at in positions]

    def _holds_numbers(self, cells: list[str]) -> bool:
        return 2 * sum(_is_number(cell, self._has_comma) for cell in cells) > len(cells)
