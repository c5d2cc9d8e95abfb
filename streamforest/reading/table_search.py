"""Where a table begins among the first lines of a text, and how it or other text is laid out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamforest.protocols import SourceError
from streamforest.reading.cells import (
    BLANK,
    BLANKS,
    COMMENT,
    GAP,
    SEPARATORS,
    cut_line,
    filled,
    has_separator,
    header_separator,
    is_comment,
    is_reading,
    names_in_columns,
    row_score,
    row_separator,
    split_line,
)
from streamforest.reading.column_layout import ANY_DIALECT, Asked, Dialect, Found, Layout, listed
from streamforest.reading.column_roles import TIME_NAMES, TIME_WORDS, ColumnRoles
from streamforest.reading.number_form import is_formed_number
from streamforest.reading.objects import (
    LINE_TIME,
    MEASUREMENT,
    METRIC,
    OF_METRICS,
    PAIRS,
    READERS,
    SERIES,
    Fields,
    flattened,
    json_text,
    notation_of,
)
from streamforest.text import shown

_read_json = READERS["JSON"]

#: Lines that may be looked at until the table begins and a column holds a number.
MOST_LINES = 50

# Lines of one shape in a row that make a table where a text begins with something else.
_RUN = 3
# Lines among which the header of a table in columns is looked for whose rows begin with a name.
_HEADERS = 10
# Share of lines that make a table of rows in columns without a header.
_NEARLY = 0.9
# What databases and Markdown draw between a header and the rows.
_RULE = re.compile(r"(?=.*[|+])(?=.*---)[-=:|+ ]+|-{3,}(?:\s+-{3,})+")
_WIDTH = re.compile(r"\d{1,3}[sdn]")
# Digits of a name that is no position among the columns: 40001 of a register, 2019 of a year.
_FEWEST_DIGITS = 4
# What stands before the names in logs of web servers, as W3C has it.
_FIELDS = re.compile(r"#\s?Fields(?::\s*|\t)", re.IGNORECASE)
_DECLARED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_UNIT_LINE = frozenset(
    ("unit", "units", "einheit", "einheiten", "ticker", "symbol", "type", "datatype", "string", "float", "double")
)


def is_possible(line: str) -> bool:
    """Whether a line can be one of the first: a row, an object or a header, rather than rubbish or a rule.

    Examples
    --------
    >>> [is_possible(line) for line in ("time,value", "5", "|---|---|", "-----+-----", "---")]
    [True, True, False, False, True]
    """
    if _RULE.fullmatch(line.strip()):
        return False
    if line.lstrip().startswith("{"):
        return bool(_read_json(line))
    is_text = line.replace("\t", "").replace("\xa0", " ").isprintable()
    return row_score(line) > 0 or (is_text and (line.startswith(COMMENT) or any(map(str.isalpha, line))))


def is_row(line: str) -> bool:
    """Whether a line holds numbers or times, as no header does.

    Examples
    --------
    >>> [is_row(line) for line in ("time,value", "1,2", '{"value": 2}')]
    [False, True, False]
    """
    return _read_json(line) is None and row_score(line) > 0


def fits(line: str, layout: Layout) -> bool:
    """Whether a line is of a layout found before: its header again, or a row where none is expected.

    Examples
    --------
    >>> layout = Layout(("time", "value"), 1, 0, None, ",", "time,value")
    >>> [fits(line, layout) for line in ("time,value", "1,2", "value,time")]
    [True, True, False]
    """
    if layout.has_own_names:
        fields = READERS[layout.notation](line) or {}
        return layout.names[layout.value] in fields or layout.names[layout.value] in flattened(fields)
    if line == layout.header:
        return True
    return is_row(line) and not _names_asked(line, layout.columns())


def find_layout(lines: Sequence[str], asked: Asked, is_last: bool, dialect: Dialect = ANY_DIALECT) -> Found | None:
    """The layout of a text, from as few of its first lines as are enough.

    Parameters
    ----------
    lines : sequence of str
        The first possible lines, at least one, comments among them; called again with one more while the answer is
        None.
    asked : Asked
        Columns that the user named.
    is_last : bool
        Whether no more lines may be waited for.
    dialect : Dialect
        What the user says of numbers and times.

    Raises
    ------
    SourceError
        A column asked for is not there, or the value column or the form of the times cannot be told; names the columns
        there are.
    """
    lines = [line.rstrip("\r") for line in lines]
    notation = notation_of(lines)
    if notation:
        return _object_layout(lines, notation, asked, is_last, dialect)
    return _Table(lines, asked, is_last, dialect).found()


def _object_layout(lines: Sequence[str], notation: str, asked: Asked, is_last: bool, dialect: Dialect) -> Found | None:
    read = READERS[notation]
    objects = [(at, flattened(found)) for at, line in enumerate(lines) if (found := read(line)) is not None]
    fields = [found for _, found in objects]
    names = tuple(dict.fromkeys(name for found in fields for name in found))
    only = None
    if notation in OF_METRICS and asked.column and asked.column not in names:
        chosen = [found for found in fields if asked.column in {found.get(METRIC), found.get(SERIES)}]
        if chosen:
            only, asked, fields = asked.column, asked._replace(column="value"), chosen
    if notation == PAIRS and asked.time_column is None:
        # a time among words is rather how long something took
        asked = asked._replace(time_column=LINE_TIME if LINE_TIME in fields[0] else "")
    asked = Asked(*(_full_name(name, names) for name in asked))
    if asked.column is None and {"values.0", "dsnames.0"} <= set(names) and "values.1" not in names:
        asked = asked._replace(column="values.0")  # as collectd writes
    if not is_last and any(name and name not in names for name in (asked.column, asked.key_column)):
        return None
    rows = [[json_text(found.get(name)) for name in names] for found in fields]
    is_array = lines[objects[0][0]].lstrip().startswith("[")
    roles = ColumnRoles(names, rows, asked, dialect, has_names=not is_array)
    layout = roles.layout(is_last)
    if layout is None:
        return None
    if is_last and notation not in OF_METRICS:
        roles.refuse_mixture(layout)
    series = None
    if notation in OF_METRICS and asked.key_column is None:
        series = _only_series(fields, names[layout.value], names)
    unit = str(fields[0].get("unit_of_measurement") or fields[0].get("unit") or "") or layout.unit
    layout = layout._replace(notation=notation, only=only, unit=unit, series=series)
    return Found(layout, objects[0][0] if notation in OF_METRICS or notation == PAIRS else 0)


def _full_name(name: str | None, names: Sequence[str]) -> str | None:
    """A name asked for as it stands in objects: its last part is enough where only one has it."""
    if not name or name in names:
        return name
    ending = [full for full in names if full.lower().endswith("." + name.lower())]
    return ending[0] if len(ending) == 1 else name


def _only_series(fields: Sequence[Fields], value: str, names: Sequence[str]) -> str:
    """The series that all values are of; raises SourceError where there are several."""
    series = list(dict.fromkeys(str(found.get(SERIES)) for found in fields if value in found))
    if len(series) > 1:
        by = [name for name in names if name in {METRIC, MEASUREMENT, SERIES}]
        which = f"--column {shown(series[0])} reads one of them and " if METRIC in names else ""
        raise SourceError(
            f"there are several series: {listed(series)}; {which}--key-column NAME judges each by itself, "
            f"by {listed(by)} or a tag"
        )
    return series[0]


class _Table:
    """Where a table begins among the first lines of a text, and how it is laid out."""

    def __init__(self, lines: Sequence[str], asked: Asked, is_last: bool, dialect: Dialect) -> None:
        self._asked, self._is_last, self._dialect = asked, is_last, dialect
        declared = _DECLARED.fullmatch(lines[0].strip("\ufeff ")) if lines else None
        self._declared = declared[1] if declared else None
        first = 1 if declared else 0
        self._places = [at for at in range(first, len(lines)) if not is_comment(lines[at])]
        self._lines = [lines[at] for at in self._places]
        self._comments = [(at, lines[at]) for at in range(first, len(lines)) if is_comment(lines[at])]
        self._kinds: dict[int, str] = {}
        self._separators: dict[int, str | None] = {}

    def found(self) -> Found | None:
        """The layout and the first row; None where one more line is needed."""
        header = self._header_asked()
        if header is None and self._declared is None and (self._is_last or len(self._lines) > _RUN):
            header = self._header_of_columns()
        if header is not None:
            row = next((at for at in range(header + 1, len(self._lines)) if self._kind(at) != "words"), None)
            if row is None:
                row = header + 1 if self._is_last and header + 1 < len(self._lines) else None
            return None if row is None else self._with_header(header, row)
        row = 0 if self._are_columns() else self._first_row()
        if row is None:
            return None
        header = self._header_before(row)
        if header is not None:
            return self._with_header(header, row)
        return self._layout(self._header_comment(row), row, row)

    def _kind(self, at: int) -> str:
        """What a line is: a ``row``, ``words`` without a reading, or ``mixed``: a text with a reading behind it."""
        if at not in self._kinds:
            separator, cells = self._separator(at), self._split(at)
            if (at == 0 and _are_numbers_for_names(cells)) or _are_widths(cells):
                self._kinds[at] = "words"
                return "words"
            readings = [is_reading(cell, separator) for cell in cells]
            if not any(readings):
                self._kinds[at] = "words"
            else:
                is_row = readings[0] or not cells[0].strip()
                is_row = is_row and (separator not in BLANKS or all(readings) or self._declared is not None)
                self._kinds[at] = "row" if is_row else "mixed"
        return self._kinds[at]

    def _separator(self, at: int) -> str | None:
        """What stands between the cells of a line."""
        if at not in self._separators:
            self._separators[at] = self._declared or row_separator(self._lines[at])
        return self._separators[at]

    def _split(self, at: int) -> list[str]:
        return split_line(self._lines[at], self._separator(at))

    def _header_asked(self) -> int | None:
        """The line that holds a column that was asked for by a name, which makes it the header."""
        asked = [at for at, line in enumerate(self._lines) if _names_asked(line, self._asked)]
        for separator in (BLANK, GAP) if self._declared is None else ():
            if not asked:
                asked = [at for at, line in enumerate(self._lines) if _names_asked(line, self._asked, (separator,))]
                self._declared = separator if asked else None
        while len(asked) > 1 and asked[1] == asked[0] + 1 and self._kind(asked[1]) == "words":
            asked.pop(0)  # of several lines of names the last one stands before the rows
        return next(iter(asked), None)

    def _header_of_columns(self) -> int | None:
        """The header of a table in columns whose rows begin with a name, as ``df`` prints it; None where there is none.

        Half of the lines behind it have to be its rows: the words of a text are as many as those of another one by
        chance.
        """
        for at, line in enumerate(self._lines[:_HEADERS]):
            if has_separator(line) or self._kind(at) != "words" or any(map(is_reading, split_line(line, BLANK))):
                continue
            others = [other for other in self._lines[at + 1 :] if other != line]
            columns = names_in_columns(line, others[0]) if others and not has_separator(others[0]) else None
            if columns is None:
                continue
            alike = [row for row in others if not has_separator(row) and names_in_columns(line, row) == columns]
            rows = [split_line(row, columns[0]) for row in alike]
            n_rows = sum(not is_reading(cells[0]) and any(map(is_reading, cells)) for cells in rows)
            if n_rows > 1 and 2 * n_rows >= len(others):
                self._declare(columns[0])
                return at
        return None

    def _are_columns(self) -> bool:
        """Whether nearly all lines are rows in columns, with a name before their numbers and without a header."""
        lines = self._lines
        if self._declared is not None or len(lines) <= _RUN or has_separator(lines[0]) or self._kind(0) != "words":
            return False
        first, *others = [split_line(line, BLANK) for line in lines if not has_separator(line)]
        n_alike = sum(len(cells) == len(first) and any(map(is_reading, cells)) for cells in others)
        is_row = len(first) > 1 and not is_reading(first[0]) and any(map(is_reading, first))
        if not is_row or n_alike < _NEARLY * (len(lines) - 1):
            return False
        self._declare(BLANK)
        return True

    def _declare(self, separator: str) -> None:
        """Take what stands between all cells as known."""
        self._declared = separator
        self._kinds.clear()
        self._separators.clear()

    def _first_row(self) -> int | None:
        """The first line of the first run of rows; None where one more line is needed."""
        n = len(self._lines)
        if not n:
            return None
        if self._kind(0) == "row" and (not self._asked_names() or self._is_all_readings(0) or self._is_last):
            return 0
        row = next((at for at in range(n) if self._kind(at) == "row" and self._is_run(at)), None)
        if row is not None:
            return row
        mixed = [at for at in range(n) if self._kind(at) == "mixed"]
        if self._is_last:
            runs = [at for at in mixed if self._is_run(at)]
            lone = [at for at in range(n) if self._kind(at) == "row"]
            return next(iter(runs or lone or mixed), None if n < 2 else min(1, n - 1))
        behind = [at for at in mixed if at and self._kind(at - 1) == "words" and self._is_alike(at - 1, at)]
        if behind:
            return behind[0]
        firsts = [self._split(at)[0] for at in mixed]
        repeated = [at for at, cell in zip(mixed, firsts, strict=True) if firsts.count(cell) > 1]
        return repeated[0] if repeated else None

    def _asked_names(self) -> set[str]:
        return _names_in(self._asked)

    def _is_all_readings(self, at: int) -> bool:
        separator = self._separator(at)
        return all(is_reading(cell, separator) for cell in self._split(at))

    def _is_run(self, at: int) -> bool:
        """Whether the lines from one on are of one shape and kind, as far as they are there."""
        some = range(at, min(at + _RUN, len(self._lines)))
        return all(self._kind(other) == self._kind(at) and self._is_alike(at, other) for other in some)

    def _is_alike(self, at: int, other: int) -> bool:
        """Whether two lines have the same number of cells, empty ones at the end not counted."""
        cells = split_line(self._lines[at], self._separator(other))
        others = self._split(other)
        return len(cells) == len(others) or len(filled(cells)) == len(filled(others))

    def _is_wider(self, at: int, row: int) -> bool:
        """Whether a line has names for more cells than a row has."""
        separator = self._separator(row)
        return (
            separator not in {None, *BLANKS} and len(split_line(self._lines[at], separator)) > len(self._split(row)) > 1
        )

    def _cells(self, at: int, row: int) -> list[str]:
        """The cells of a line as a row is cut."""
        return split_line(self._lines[at], self._declared or header_separator(self._lines[at], self._lines[row]))

    def _header_before(self, row: int) -> int | None:
        """The header before a row: the last line of words of the row's width that is no line of units."""
        if row and self._names_value(row - 1):
            return row - 1
        if row and self._kind(row - 1) == "words" and self._is_wider(row - 1, row):
            return row - 1
        before = [at for at in range(row) if self._kind(at) == "words" and self._is_alike(at, row)]
        group = before[-1:]
        while group and group[0] - 1 in before:
            group.insert(0, group[0] - 1)
        names = [at for at in group if not self._is_unit_line(at)]
        whole = [at for at in names if all(cell.strip(' "') for cell in self._cells(at, row)[1:])]
        if whole or names or group:
            return whole[-1] if whole else (names or group)[0]
        if row and self._kind(row) == "row" and self._kind(row - 1) == "mixed" and self._is_alike(row - 1, row):
            return row - 1
        return None

    def _names_value(self, at: int) -> bool:
        line = self._lines[at]
        there: list[str | None] = [separator for separator in SEPARATORS if separator in line]
        separators = [self._declared] if self._declared else there or [None]
        return self._kind(at) == "words" and any(_names_value(line, separator, self._asked) for separator in separators)

    def _is_unit_line(self, at: int) -> bool:
        """Whether a line behind a header has units, types or tickers in place of names."""
        if not at or self._kind(at - 1) != "words" or not self._is_alike(at - 1, at):
            return False
        separator = self._declared or header_separator(self._lines[at - 1], self._lines[at])
        cells = [cell.strip().strip('"') for cell in split_line(self._lines[at], separator)]
        words = [cell for cell in cells if cell]
        if cells[0].lower() in _UNIT_LINE or _are_widths(cells):
            return True
        if len(words) <= len(cells) // 2:
            return not cells[0] or cells[0].lower() in TIME_NAMES
        if all((cell[0] in "([<" and cell[-1] in ")]>") or cell.lower() in _UNIT_LINE for cell in words):
            return True
        is_named = cells[0].lower() in TIME_NAMES or bool(TIME_WORDS.search(cells[0]))
        return not is_named and len(cells) > 1 and all(is_formed_number(f"1 {cell}") for cell in words[1:])

    def _header_comment(self, row: int) -> str | None:
        """The last comment before the rows, where it has a name for every cell."""
        place = self._places[row]
        before = [line for at, line in self._comments if at < place]
        if not before:
            return None
        named = [line for line in before if _names_in(self._asked).intersection(self._comment_names(line, row))]
        fields = [line for line in before if _FIELDS.match(line)]
        line = next(iter(named + fields), before[-1])
        return line if len(self._split(row)) == len(self._comment_names(line, row)) > 1 else None

    def _comment_names(self, line: str, row: int) -> tuple[str, ...]:
        """The names for the cells of a row in a comment; those behind ``#Fields:`` have blanks between them."""
        fields, separator = _FIELDS.match(line), self._separator(row)
        if fields:
            return tuple(line[fields.end() :].split())
        names = line[1:].strip()
        columns = names_in_columns(names, self._lines[row]) if separator in BLANKS else None
        return _column_names(columns[1] if columns else split_line(names, separator))

    def _with_header(self, header: int, row: int) -> Found | None:
        """The layout by a header and the lines behind it, those with units passed over."""
        begin = header + 1
        while begin < row and self._is_unit_line(begin):
            begin += 1
        units = self._lines[header + 1] if header + 1 < row and self._is_unit_line(header + 1) else None
        return self._layout(self._lines[header], row, begin, units)

    def _layout(self, header: str | None, row: int, begin: int, units: str | None = None) -> Found | None:
        """The layout by a header, if there is one, and the rows; a row whose shape tells, and where the rows begin."""
        if header is None or is_comment(header):
            separator = self._separator(row)
        else:
            separator = self._declared or header_separator(header, self._lines[row])
        if header is None:
            names = tuple(str(at + 1) for at in range(len(self._split(row))))
        else:
            names = _column_names(split_line(header, separator))
            columns = names_in_columns(header, self._lines[row]) if separator in BLANKS else None
            if is_comment(header):
                names = self._comment_names(header, row)
            elif columns is not None:
                separator, names = columns[0], tuple(columns[1])
            names = ("", *names) if self._has_unnamed_first(row, separator, len(names)) else names
        rows = [cut_line(line, separator, len(names)) for line in self._lines[begin:] if line != header]
        if separator not in {None, *BLANKS} and len(self._split(row)) < len(names):
            rows = [cells + [""] * (len(names) - len(cells)) for cells in rows if len(cells) > 1]
        rows = [cells for cells in rows if len(cells) >= len(names)]
        has_names = header is not None
        cells = [] if units is None else [cell.strip().strip('()[]" ') for cell in split_line(units, separator)]
        roles = ColumnRoles(
            *(names, rows, self._asked, self._dialect), has_names=has_names, separator=separator, units=cells
        )
        layout = roles.layout(self._is_last)
        if layout is None:
            return None
        if self._is_last:
            roles.refuse_mixture(layout)
        if units is not None and not layout.unit:
            unit = cells[layout.value] if layout.value < len(cells) else ""
            layout = layout._replace(unit=unit if is_formed_number(f"1 {unit}") else "")
        return Found(layout._replace(header=header), self._places[begin])

    def _has_unnamed_first(self, row: int, separator: str | None, width: int) -> bool:
        """Whether rows begin with a time or number that the header has no name for, as R and rrdtool write them."""
        if separator not in {BLANK, "\t"}:
            return False  # a decimal comma may have cut a number in two
        cells = cut_line(self._lines[row], separator, width)
        return len(cells) == width + 1 and all(map(str.strip, cells)) and is_reading(cells[0], separator)


def _are_numbers_for_names(cells: Sequence[str]) -> bool:
    """Whether a first line is a header as pandas writes it of columns without names: 0, 1, 2, ..., nothing before them.

    Examples
    --------
    >>> [_are_numbers_for_names(line.split(",")) for line in (",0", "0,1,2", "0,1", "5,6,7")]
    [True, True, False, False]
    """
    names = [cell.strip() for cell in cells]
    first = 0 if names[0] else 1
    return len(names) > 2 - first and names[first:] == [str(at) for at in range(len(names) - first)]


def _are_widths(cells: Sequence[str]) -> bool:
    """Whether a line has the width and type of each column, as files of the USGS have it below their header."""
    return len(cells) > 1 and all(map(_WIDTH.fullmatch, cells))


def _column_names(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in cells)


def _names_asked(line: str, asked: Asked, separators: Sequence[str | None] = (*SEPARATORS, None)) -> bool:
    """Whether a line holds a column that was asked for by a name, so that it must be the header."""
    names = _names_in(asked)
    if not names:
        return False
    cut = (split_line(line, separator) for separator in separators)
    return any(names.intersection(_column_names(cells)) for cells in cut)


def _names_in(asked: Asked) -> set[str]:
    """The columns asked for by a name: digits, such as of a register, where they are hardly a position."""
    return {name for name in asked if name and not (name.isdigit() and len(name) < _FEWEST_DIGITS)}


def _names_value(line: str, separator: str | None, asked: Asked) -> bool:
    names = {name.lower() for name in _column_names(split_line(line, separator))}
    return (asked.column or "value").lower() in names or "value" in names
