"""A line -> a raw reading, by a layout; or the reason why it is none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import repeat
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import Reading, Refusal
from streamforest.reading.cells import BLANKS, COMMENT, SEPARATORS, cut_line, split_line
from streamforest.reading.column_layout import Layout
from streamforest.reading.notation import RefusedError
from streamforest.reading.number_form import BOOKED, DEFAULT_FORM
from streamforest.reading.objects import METRIC, OF_METRICS, READERS, SERIES, Fields, json_text, value_at
from streamforest.reading.row_block import ODD
from streamforest.reading.text_conversion import text_of
from streamforest.reading.time_form import TimeReader, is_digit_clock, is_hour
from streamforest.text import shown

# Words that a row without a time begins with where it sums up others.
_FOOTER = re.compile(
    r"\s*(?:sums?|totals?|averages?|avg|mean|min(?:imum)?|max(?:imum)?|summen?|gesamt|mittelwerte?|durchschnitt|somme|"
    r"moyenne|media|promedio|suma)\b(?!.*\d[.,]\d)",
    re.IGNORECASE,
)

#: Why a row that repeats the header is refused, and one that sums up.
HEADER_AGAIN, SUM = "the header again", "sums up the rows before it"


class LineRules:
    """Reads lines by a layout, one by one or column by column."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._number = layout.number
        self._has_comma = layout.separator == ";" or (layout.number or DEFAULT_FORM).decimal == ","
        self._is_joined = layout.clock is not None or bool(layout.parts) or layout.offset is not None
        is_formed = layout.time_form not in {"", "elapsed", "unix"} or self._is_joined
        self._times = (
            TimeReader(layout.time_form, layout.zone, layout.period) if is_formed or layout.zone is not None else None
        )
        self._is_default = self._times is None and self._number is None and layout.sign is None
        is_cut = layout.separator is None or layout.separator in SEPARATORS
        is_whole = not self._is_joined and layout.sign is None and not layout.has_own_names
        self._is_simple = is_cut and is_whole

    def localised(self, table: NDArray[np.void]) -> NDArray[np.void]:
        """The rows with the zone of the layout taken off their times."""
        if self._layout.zone is not None and self._times is not None:
            rows = table["item"] != ODD
            if rows.any():
                table["time"][rows] = self._times.local(table["time"][rows])
        return table

    def read_lines(self, body: bytes, number: int) -> Sequence[Reading | Refusal | None]:
        """The readings of whole lines, the first of that number; None where one is blank."""
        text = text_of(body[:-1], self._layout.coding)
        if text is None:
            return [self.read_bytes(line, number + at) for at, line in enumerate(body[:-1].split(b"\n"))]
        lines = text.split("\n")
        columns = _read_columns(lines, self._layout) if self._is_default else None
        return columns or [self.read_line(line, number + at) for at, line in enumerate(lines)]

    def read_bytes(self, raw: bytes, number: int) -> Reading | Refusal | None:
        """One line as it stands in the text."""
        if self._is_simple and (reading := self._read_simple(raw)) is not None:
            return reading
        text = text_of(raw, self._layout.coding)
        return no_text_in(number) if text is None else self.read_line(text, number)

    def _read_simple(self, raw: bytes) -> Reading | None:
        """A row as nearly all are: ASCII without quotes, with a cell a column; None for any other line."""
        if not raw.isascii() or b'"' in raw:
            return None
        layout = self._layout
        line = raw.decode().removesuffix("\r")
        cells = [line] if layout.separator is None else line.split(layout.separator)
        if len(cells) != len(layout.names) or line == layout.header or not line.strip() or line[0] == COMMENT:
            return None
        if layout.footers and line in layout.footers:
            return None
        time, label, key = layout.time, layout.label, layout.key
        if time is not None and not cells[time].strip():
            return None
        fields = (
            cells[layout.value],
            None if time is None else cells[time],
            None if label is None else cells[label],
            self._has_comma,
            None if key is None else cells[key],
        )
        if self._is_default:
            return tuple.__new__(Reading, fields)  # Reading(*fields) would take twice as long
        reading = self._reading(*fields[:3], fields[4])
        return None if isinstance(reading, str) else reading

    def read_line(self, line: str, number: int) -> Reading | Refusal | None:
        """One line; None where it is blank or a comment."""
        if not line.strip(" \r") or line.startswith(COMMENT):
            return None
        layout = self._layout
        item: Reading | str | None
        if layout.has_own_names:
            item = self._read_fields(line)
        elif line == layout.header:
            item = HEADER_AGAIN
        elif line in layout.footers:
            item = f"{shown(line)} {SUM}"
        else:
            item = self._read_row(line)
        return Refusal(f"line {number}", item) if isinstance(item, str) else item

    def _read_row(self, line: str) -> Reading | str | None:
        """One row, None where all cells are empty; what is wrong with it where it has too few or too many cells."""
        layout = self._layout
        width, value, time = len(layout.names), layout.value, layout.time
        cells = cut_line(line, layout.separator, width)
        n = len(cells)
        if n <= value and line.count('"') % 2:
            return f"{shown(line)} has a quoted cell that goes on in the next line, which is not read"
        if n <= value or (n < width and layout.separator in BLANKS):  # nobody knows which cell is missing there
            return f"{shown(line)} has too few cells: {n} of {width}"
        if n > width and any(cell.strip() for cell in cells[width:]):
            return f"{shown(line)} has {n} cells, more than the {width} columns"
        label = None if layout.label is None or layout.label >= n else cells[layout.label]
        key = None if layout.key is None or layout.key >= n else cells[layout.key]
        when = None if time is None or time >= n else cells[time]
        is_timeless = when is not None and not when.strip()
        if (is_timeless and any(map(_FOOTER.match, cells))) or (layout.separator in BLANKS and _FOOTER.match(cells[0])):
            return f"{shown(line)} {SUM}"
        if is_timeless and not cells[value].strip():
            return f"{shown(line)} has neither a time nor a value" if any(map(str.strip, cells)) else None
        if self._is_default:
            return Reading(cells[value], when, label, self._has_comma, key)
        if self._is_joined and when is not None and when.strip():
            when = self._joined(when, cells)
        cell = cells[value]
        if layout.sign is not None and layout.sign < n and BOOKED.get(cells[layout.sign].strip().lower()):
            cell = f"-{cell.strip()}"
        return self._reading(cell, when, label, key)

    def _joined(self, when: str, cells: Sequence[str]) -> str:
        """A time with what other columns have of it."""
        layout = self._layout
        if layout.parts:
            return "\t".join(cells[at] if at < len(cells) else "" for at in layout.parts)
        if layout.clock is not None and layout.clock < len(cells):
            when = self._with_clock(when, cells[layout.clock])
        if layout.offset is not None and layout.offset < len(cells):
            when = f"{when.strip()} {cells[layout.offset].strip()}"
        return when

    def _with_clock(self, date: str, clock: str) -> str:
        """A date with the time of day of another column behind it, which may be an hour or a count alone."""
        date, clock = date.strip(), clock.strip()
        if self._layout.period is not None:
            return f"{date}\t{clock}"
        if is_hour(clock):
            clock = f"{clock:0>2}:00"
        elif is_digit_clock(clock) and self._layout.time_form != "compact":
            clock = ":".join((clock[:2], clock[2:4], *([clock[4:6]] if clock[4:6].isdigit() else [])))
        between = "" if self._layout.time_form == "compact" and clock.isdigit() else " "
        return f"{date}{between}{clock}"

    def _reading(
        self, value: str | float | None, time: str | float | None, label: str | None, key: str | None
    ) -> Reading | str:
        """A reading whose value and time are written as the layout says; what is wrong where they are not."""
        try:
            if self._number is not None and isinstance(value, str):
                value = self._number.normalised(value)
            if self._times is not None and time is not None:
                seconds = self._times.read(time)
                time = seconds if seconds == seconds else None
        except RefusedError as error:
            return error.reason
        return Reading(value, time, label, self._has_comma, key)

    def _read_fields(self, line: str) -> Reading | str | None:
        """One object, bare value or line of a metric; what is wrong with it where it is none."""
        layout = self._layout
        if layout.notation == "JSON":
            return self._read_json(line)
        fields = READERS[layout.notation](line)
        if fields is None:
            return f"{shown(line)} is not {layout.notation}"
        name = layout.names[layout.value]
        is_other = layout.only is not None and layout.only not in {fields.get(METRIC), fields.get(SERIES)}
        if is_other or (name not in fields and layout.notation in OF_METRICS):
            return None  # one of the other measures
        if layout.series is not None and fields.get(SERIES) != layout.series:
            return f"another series: {shown(line)}; --column or --key-column says which are meant"
        if name not in fields:
            return f"the line has no {shown(name)}: {shown(line)}"
        return self._of_fields(fields, name)

    def _read_json(self, line: str) -> Reading | str:
        try:
            found = json.loads(line.rstrip(" \r,"))
        except (ValueError, RecursionError):
            return f"{shown(line)} is no JSON object"
        if isinstance(found, list) and self._layout.names[0] == "1":
            found = {str(at + 1): cell for at, cell in enumerate(found)}
        if not isinstance(found, dict):
            return Reading(_json_cell(found))
        name = self._layout.names[self._layout.value]
        return self._of_fields(found, name)

    def _of_fields(self, found: Fields, name: str) -> Reading | str:
        layout = self._layout
        try:
            value = found[name] if name in found else value_at(found, name)
        except KeyError:
            return f"the object has no {shown(name)}: {shown(json.dumps(found, ensure_ascii=False))}"
        time, label, key = (
            None if at is None else _field(found, layout.names[at]) for at in (layout.time, layout.label, layout.key)
        )
        label, key = (None if cell is None else json_text(cell) for cell in (label, key))
        when = _json_cell(time)
        if self._is_joined and when is not None:
            when = self._joined(str(when), [json_text(_field(found, name)) for name in layout.names])
        if self._is_default:
            return Reading(_json_cell(value), when, label, key=key)
        return self._reading(_json_cell(value), when, label, key)


def _field(found: Fields, name: str) -> Any:
    try:
        return found[name] if name in found else value_at(found, name)
    except KeyError:
        return None


def no_text_in(number: int) -> Refusal:
    """Of a line that is no text."""
    return Refusal(f"line {number}", "bytes that are no UTF-8")


def _read_columns(lines: list[str], layout: Layout) -> list[Reading] | None:
    """The readings of rows that all have the right number of cells; None where one needs a closer look."""
    if layout.has_own_names or layout.header in lines or any(line.startswith(COMMENT) for line in lines):
        return None
    if any(line in lines for line in layout.footers):
        return None
    columns = _columns(lines, layout.separator)
    if columns is None or len(columns) != len(layout.names):
        return None
    if layout.time is not None and not all(map(str.strip, columns[layout.time])):
        return None
    times, labels, keys = (
        repeat(None) if at is None else columns[at] for at in (layout.time, layout.label, layout.key)
    )
    fields = zip(columns[layout.value], times, labels, repeat(layout.separator == ";"), keys, strict=False)
    # Reading(*fields) would take twice as long
    return list(map(tuple.__new__, repeat(Reading), fields))


def _columns(lines: list[str], separator: str | None) -> Sequence[Sequence[str]] | None:
    """The columns of lines that have all the same number of cells, no line blank; else None."""
    if separator is None:
        return [lines] if all(line.strip(" \r") and '"' not in line for line in lines) else None
    if separator not in SEPARATORS:
        return None
    rows = [split_line(line, separator) if '"' in line else line.split(separator) for line in lines]
    try:
        return list(zip(*rows, strict=True))
    except ValueError:
        return None


def _json_cell(found: Any) -> str | float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return cast(float | None, found) if found is None or is_number else json_text(found)
