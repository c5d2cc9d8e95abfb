"""Lines of text -> raw readings: CSV, JSON Lines or one number a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from streamforest.block import NOWHERE, ROW_DTYPE, Lines, Place, Position, Rows, TextBlock
from streamforest.cells import ODD, read_rows
from streamforest.layout import (
    MOST_LINES,
    SEPARATORS,
    Asked,
    Layout,
    cut_line,
    find_layout,
    fits,
    is_possible,
    is_row,
    json_text,
    split_line,
)
from streamforest.protocols import Reading, Refusal, SourceError, Stop
from streamforest.validation import shown

#: Bytes of the longest line that is read, without its end; also the most bytes that ``feed`` takes.
LIMIT = 65536

#: Where more than one row in so many is not plain, all rows of a chunk are read as text, column by column.
MANY = 8

# Of fewer lines each is read by itself: a call of the compiled reader takes longer.
FEW = 8


class Seam(Enum):
    """Where one text ends and another one of the same rows begins, among chunks of bytes.

    At a ``WHOLE`` one the last line of the old text is complete, ended or not; at a ``CUT`` one, what is left of a
    line is no line.
    """

    WHOLE = "whole"
    CUT = "cut"


_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"


class RowReader:
    """Cuts bytes into lines and lines into readings; tells by the first lines what is what.

    Blank lines are skipped. A line that is too long, is no UTF-8, holds no row or repeats the header is
    refused. Memory is constant, however long a line is. The readings do not depend on how the bytes are
    cut into chunks.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    column, time_column, label_column : str, optional
        Names of columns, or positions from 1 where there is no header; found by name and content where
        not given. An empty name of a time or label column: there is none.
    key_column : str, optional
        The column that says which stream a row is of; without it all are of one.
    """

    def __init__(
        self,
        name: str,
        column: str | None = None,
        time_column: str | None = None,
        label_column: str | None = None,
        key_column: str | None = None,
    ) -> None:
        self.lines = 0
        self._name = name
        self._asked = Asked(column, time_column, label_column, key_column)
        self._layout: Layout | None = None
        self._earlier: Layout | None = None
        self._offset = 0  # bytes of the text before the tail
        self._first: list[_Line] = []
        self._pending: list[_Line] = []
        self._tail = bytearray()
        self._is_skipping = False
        read_rows(b"\n", None, (1, 0, None, None), 0, 1)  # compiles while a signal still ends the program at once

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return "no columns found so far" if self._layout is None else self._layout.describe()

    @property
    def known(self) -> Layout | None:
        """Which column is what, as far as it is known, in this text or the one before."""
        return self._layout or self._earlier

    def go_on(self, place: Position, earlier: Layout | None = None) -> None:
        """Read on at a place of a text, before the first bytes of which are fed; ``earlier`` as after a restart."""
        self._offset, self.lines, self._layout = place
        self._earlier = earlier

    def blocks(self, chunks: Iterable[bytes | Seam], stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the readings of all chunks in blocks of at most ``most``, each as soon as it is there.

        After a seam another text goes on: :meth:`restart`.

        Raises
        ------
        SourceError
            The value column cannot be told, or the text is UTF-16 or compressed.
        """
        for chunk in chunks:
            rows = self.restart(chunk) if isinstance(chunk, Seam) else self.feed(chunk)
            if len(rows) > most:
                yield from _cut(rows, stop, most)
            elif len(rows) and not stop.requested:
                yield rows
            if stop.requested:
                return
        if not stop.requested:
            yield from _cut(self.finish(), stop, most)

    def feed(self, chunk: bytes) -> TextBlock:
        """Take the next bytes, at most LIMIT; returns the readings of the lines that they complete."""
        is_anew = not (self._is_skipping or self._tail)
        if is_anew and self.lines and self._layout is not None and chunk.endswith(b"\n") and chunk.count(b"\n") < FEW:
            # as nearly always where each line is waited for
            return Lines(*self._read_each(chunk, self._layout), self._layout)
        if b"\n" not in chunk and not self._is_skipping and len(self._tail) + len(chunk) <= LIMIT:
            self._tail += chunk
            return Lines([], [], self._layout)
        found = _Found()
        if self._is_skipping:
            end = chunk.find(b"\n") + 1
            self._offset += end or len(chunk)
            if not end:
                return found.block(self._layout)
            chunk = chunk[end:]
            self._is_skipping = False
        end = chunk.rfind(b"\n") + 1
        if end:
            self._read_body(bytes(self._tail) + chunk[:end], found)
            self._tail = bytearray()
        self._tail += chunk[end:]
        if len(self._tail) > LIMIT:
            self._refuse_long(NOWHERE, found)
            self._offset += len(self._tail)
            self._tail = bytearray()
            self._is_skipping = True
        return found.block(self._layout)

    def restart(self, seam: Seam) -> TextBlock:
        """Go on with another text: lines are counted anew, and a header at its start is read anew.

        The columns are the ones of the text before, wherever a new header puts them; without a header they are where
        they were. Returns the readings of what was left of the text before.
        """
        found = _Found()
        if self._tail and seam is Seam.CUT:
            cut = Refusal(f"line {self.lines + 1}", f"{shown(self._tail.decode(errors='replace'))} was cut off")
            found.add(cut, self.lines + 1, self._offset, NOWHERE)
        elif self._tail:
            self._read_body(bytes(self._tail) + b"\n", found)
        if len(self._first) > 1:
            with suppress(SourceError):  # nothing of it can be told, or the next text will
                self._decide(found, is_last=True)
        rows = found.block(self._layout)
        self._tail = bytearray()
        self._is_skipping = False
        self._earlier = self._layout or self._earlier
        self._layout = None
        self._pending, self._first = self._first or self._pending, []  # a text without a line tells nothing
        self.lines = self._offset = 0
        return rows

    def finish(self) -> TextBlock:
        """The readings of what is left when no more bytes come: a last line need not be ended."""
        found = _Found()
        if self._tail:
            self._read_body(bytes(self._tail) + b"\n", found)
            self._tail = bytearray()
        if self._first:
            self._decide(found, is_last=True)
        return found.block(self._layout)

    def _refuse_long(self, end: int, found: _Found) -> None:
        self.lines += 1
        refusal = Refusal(f"line {self.lines}", f"a line of more than {LIMIT} bytes")
        found.add(refusal, self.lines, self._offset, end)

    def _read_body(self, body: bytes, found: _Found) -> None:
        """Read whole lines; only the first can be too long, for it alone comes from two chunks."""
        if not self.lines:
            self._check_encoding(body)
        at = 0
        end = body.find(b"\n") + 1
        if end > LIMIT + 1:
            self._refuse_long(self._offset + end, found)
            at = end
        while self._layout is None and at < len(body):
            end = body.find(b"\n", at) + 1
            self._read_first(body[at : end - 1], self._offset + at, found)
            at = end
        self._offset += at
        if at < len(body):
            self._read_rows(body[at:], found)

    def _check_encoding(self, body: bytes) -> None:
        if body.startswith(_UTF16) and b"\0" in body:
            raise SourceError(f"{self._name}: the text is UTF-16; save it as UTF-8 and try again")
        if body.startswith(_GZIP):
            raise SourceError(f"{self._name}: the input is compressed; unpack it first, as with gzip -dc")

    def _read_first(self, raw: bytes, start: int, found: _Found) -> None:
        """Keep a line until the layout is known; then find the readings of all that were kept."""
        self.lines += 1
        text = _text(raw)
        place = self.lines, start, start + len(raw) + 1
        told = (*place[:2], NOWHERE) if self._first else place  # lines before it are told later
        if text is None:
            found.add(_no_text(self.lines), *told)
        elif text.strip(" \r") and not is_possible(text):
            found.add(Refusal(f"line {self.lines}", f"{shown(text)} is neither a row nor a header"), *told)
        elif text.strip(" \r"):
            if is_row(text):
                self._first = self._pending + self._first  # the text before ended behind its header
            self._pending = []
            self._first.append(_Line(text, *place))
            self._decide(found, is_last=len(self._first) >= MOST_LINES)

    def _decide(self, found: _Found, is_last: bool) -> None:
        try:
            layout = self._find_layout([line.text for line in self._first], is_last)
        except SourceError as error:
            raise SourceError(f"{self._name}: {error}") from None
        self._layout = layout
        if layout is None:
            return
        first, self._first = self._first, []
        if layout.header is not None:
            header = next((kept for kept in first if kept.text == layout.header), None)
            first = [kept for kept in first if kept is not header]
        for text, *place in first:
            found.add(_read_line(text, place[0], layout), *place)

    def _find_layout(self, lines: list[str], is_last: bool) -> Layout | None:
        """The layout of these first lines; after a restart the earlier one, or one with the columns of that."""
        if self._earlier is None:
            return find_layout(lines, self._asked, is_last)
        if fits(lines[0], self._earlier):
            return self._earlier
        try:
            return find_layout(lines, self._earlier.columns(), is_last)
        except SourceError:
            return find_layout(lines, self._asked, is_last)  # a column has another name now

    def _read_rows(self, body: bytes, found: _Found) -> None:
        """Read whole lines by the layout: plain ones all at once, others by a closer look."""
        layout = cast(Layout, self._layout)
        if body.count(b"\n") < FEW:
            found.add_lines(*self._read_each(body, layout))
            return
        table = _table(body, layout, self._offset, self.lines + 1)
        odd = np.flatnonzero(table["item"] == ODD)
        if MANY * len(odd) > len(table):
            places = (table[name].tolist() for name in ("line", "start", "end"))
            for item, *place in zip(_read_lines(body, self.lines + 1, layout), *places, strict=True):
                found.add(item, *place)
        else:
            read = partial(_read_place, body, self._offset, layout)
            key = None if layout.key is None else partial(_key_at, body, self._offset, layout.key, layout.separator)
            found.add_rows(table, odd, read, key)
        self.lines += len(table)
        self._offset += len(body)

    def _read_each(self, body: bytes, layout: Layout) -> tuple[list[Reading | Refusal], list[Place]]:
        """The readings of whole lines, one by one, and where they stand."""
        items: list[Reading | Refusal] = []
        places: list[Place] = []
        number, end = self.lines, self._offset
        for raw in body[:-1].split(b"\n"):
            number += 1
            start, end = end, end + len(raw) + 1
            item = _read_bytes(raw, number, layout)
            if item is not None:
                items.append(item)
                places.append((number, start, end))
        self.lines, self._offset = number, end
        return items, places


class _Line(NamedTuple):
    """A line without its end, its number, and where it begins and ends in its text, in bytes."""

    text: str
    number: int
    start: int
    end: int


class _Found:
    """Collects the rows of a block."""

    def __init__(self) -> None:
        self._items: list[Reading | Refusal] = []
        self._places: list[Place] = []  # of the newest items, which are in no table yet
        self._tables: list[NDArray[np.void]] = []
        self._read: Callable[[int, int, int], Reading | Refusal | None]
        self._key: Callable[[int, int], str] | None = None

    def add(self, item: Reading | Refusal | None, line: int, start: int, end: int) -> None:
        """Add one row that is not plain; None: it is no row."""
        if item is not None:
            self._items.append(item)
            self._places.append((line, start, end))

    def add_lines(self, items: list[Reading | Refusal], places: list[Place]) -> None:
        """Add rows of which none is plain."""
        self._items += items
        self._places += places

    def add_rows(
        self,
        table: NDArray[np.void],
        odd: NDArray[np.int64],
        read: Callable[[int, int, int], Reading | Refusal | None],
        key: Callable[[int, int], str] | None,
    ) -> None:
        """Add rows of which some are not plain; once a block."""
        self._read, self._key = read, key
        self._give_table()
        for row in odd.tolist():
            item = read(*table[["line", "start", "end"]][row].item())
            table["item"][row] = len(self._items) if item is not None else ODD
            self._items += [] if item is None else [item]
        self._tables.append(table[table["item"] != ODD] if len(odd) else table)

    def block(self, layout: Layout | None) -> TextBlock:
        """What was found."""
        if not self._tables:
            return Lines(self._items, self._places, layout)
        self._give_table()
        first, *others = self._tables
        table = np.concatenate(self._tables) if others else first
        return Rows(table, self._items, self._read, layout, self._key)

    def _give_table(self) -> None:
        if self._places:
            table = np.zeros(len(self._places), ROW_DTYPE)
            table["item"] = np.arange(len(self._items) - len(table), len(self._items))
            table["line"], table["start"], table["end"] = np.transpose(self._places)
            self._tables.append(table)
            self._places = []


def _cut(rows: TextBlock, stop: Stop, most: int) -> Iterator[TextBlock]:
    for start in range(0, len(rows), most):
        if stop.requested:
            return
        yield rows[start : start + most]


def _table(body: bytes, layout: Layout, start: int, line: int) -> NDArray[np.void]:
    """The rows of whole lines that begin at a place of their text with a line of that number; ODD where not plain."""
    has_header = layout.header is not None and layout.header.encode() in body
    if not (layout.is_json or has_header) and (layout.separator is None or layout.separator in SEPARATORS):
        columns = len(layout.names), layout.value, layout.time, layout.label
        return read_rows(body, layout.separator, columns, start, line)
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n")) + 1
    table = np.empty(len(ends), ROW_DTYPE)
    table["item"] = ODD
    table["end"] = start + ends
    table["start"][0], table["start"][1:] = start, table["end"][:-1]
    table["line"] = np.arange(line, line + len(ends))
    return table


def _read_lines(body: bytes, number: int, layout: Layout) -> Sequence[Reading | Refusal | None]:
    """The readings of whole lines, the first of that number; None where one is blank."""
    text = _text(body[:-1])
    if text is None:
        return [_read_bytes(line, number + at, layout) for at, line in enumerate(body[:-1].split(b"\n"))]
    lines = text.split("\n")
    return _read_columns(lines, layout) or [_read_line(line, number + at, layout) for at, line in enumerate(lines)]


def _text(lines: bytes) -> str | None:
    """Lines as text, without byte order marks and the first half of Windows line ends; None where it is no UTF-8."""
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return text.replace("\ufeff", "") if "\ufeff" in text else text


def _read_place(body: bytes, offset: int, layout: Layout, line: int, start: int, end: int) -> Reading | Refusal | None:
    """The reading of the row from one place of a text to another; the body is the text from an offset on."""
    return _read_bytes(body[start - offset : end - offset - 1], line, layout)


def _key_at(body: bytes, offset: int, column: int, separator: str | None, start: int, end: int) -> str:
    """The key of a plain row, which has the right number of cells and no quotes."""
    line = body[start - offset : end - offset]
    cells = [line] if separator is None else line.split(separator.encode())
    return cells[column].decode()


def _read_bytes(raw: bytes, number: int, layout: Layout) -> Reading | Refusal | None:
    text = _text(raw)
    return _no_text(number) if text is None else _read_line(text, number, layout)


def _no_text(number: int) -> Refusal:
    return Refusal(f"line {number}", "bytes that are no UTF-8")


def _read_line(line: str, number: int, layout: Layout) -> Reading | Refusal | None:
    """One line; None where it is blank."""
    if not line.strip(" \r"):
        return None
    if layout.is_json:
        item = _read_json(line, layout)
    elif line == layout.header:
        item = "the header again"
    else:
        item = _read_row(line, layout)
    return Refusal(f"line {number}", item) if isinstance(item, str) else item


def _read_columns(lines: list[str], layout: Layout) -> list[Reading] | None:
    """The readings of rows that all have the right number of cells; None where one needs a closer look."""
    if layout.is_json or layout.header in lines:
        return None
    columns = _columns(lines, layout.separator)
    if columns is None or len(columns) != len(layout.names):
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


def _read_row(line: str, layout: Layout) -> Reading | str:
    """One row; what is wrong with it where it has too few cells."""
    names, value, time, label, separator, _, _, key = layout
    cells = cut_line(line, separator, len(names))
    n = len(cells)
    if n <= value:
        return f"{shown(line)} has too few cells: {n} of {len(names)}"
    return Reading(
        cells[value],
        None if time is None or time >= n else cells[time],
        None if label is None or label >= n else cells[label],
        separator == ";",
        None if key is None or key >= n else cells[key],
    )


def _read_json(line: str, layout: Layout) -> Reading | str:
    """One object or bare value; what is wrong with it where it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return f"{shown(line)} is no JSON object"
    if not isinstance(found, dict):
        return Reading(_json_cell(found))
    name = layout.names[layout.value]
    if name not in found:
        return f"the object has no {shown(name)}: {shown(line)}"
    time, label, key = (
        None if at is None else found.get(layout.names[at]) for at in (layout.time, layout.label, layout.key)
    )
    label, key = (None if cell is None else json_text(cell) for cell in (label, key))
    return Reading(_json_cell(found[name]), _json_cell(time), label, key=key)


def _json_cell(found: Any) -> str | float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return cast(float | None, found) if found is None or is_number else json_text(found)
