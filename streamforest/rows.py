"""Lines of text -> raw readings: CSV, JSON Lines or one number a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from itertools import repeat
from typing import Any, cast

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

Items = list[Reading | Refusal]


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
    """

    def __init__(
        self, name: str, column: str | None = None, time_column: str | None = None, label_column: str | None = None
    ) -> None:
        self.lines = 0
        self._name = name
        self._asked = Asked(column, time_column, label_column)
        self._layout: Layout | None = None
        self._earlier: Layout | None = None
        self._first: list[tuple[int, str]] = []
        self._pending: list[tuple[int, str]] = []
        self._tail = bytearray()
        self._is_skipping = False

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return "no columns found so far" if self._layout is None else self._layout.describe()

    def blocks(self, chunks: Iterable[bytes | Seam], stop: Stop, most: int) -> Iterator[Items]:
        """Yield the readings of all chunks in blocks of at most ``most``, each as soon as it is there.

        After a seam another text goes on: :meth:`restart`.

        Raises
        ------
        SourceError
            The value column cannot be told, or the text is UTF-16 or compressed.
        """
        for chunk in chunks:
            items = self.restart(chunk) if isinstance(chunk, Seam) else self.feed(chunk)
            yield from _cut(items, stop, most)
            if stop.requested:
                return
        if not stop.requested:
            yield from _cut(self.finish(), stop, most)

    def feed(self, chunk: bytes) -> Items:
        """Take the next bytes, at most LIMIT; returns the readings of the lines that they complete."""
        if self._is_skipping:
            end = chunk.find(b"\n")
            if end < 0:
                return []
            chunk = chunk[end + 1 :]
            self._is_skipping = False
        items: Items = []
        end = chunk.rfind(b"\n") + 1
        if end:
            items = self._read_body(bytes(self._tail) + chunk[:end])
            self._tail = bytearray()
        self._tail += chunk[end:]
        if len(self._tail) > LIMIT:
            items.append(self._refuse_long())
            self._tail = bytearray()
            self._is_skipping = True
        return items

    def restart(self, seam: Seam) -> Items:
        """Go on with another text: lines are counted anew, and a header at its start is read anew.

        The columns are the ones of the text before, wherever a new header puts them; without a header they are where
        they were. Returns the readings of what was left of the text before.
        """
        items: Items = []
        if self._tail and seam is Seam.CUT:
            items = [Refusal(f"line {self.lines + 1}", f"{shown(self._tail.decode(errors='replace'))} was cut off")]
        elif self._tail:
            items = self._read_body(bytes(self._tail) + b"\n")
        if len(self._first) > 1:
            with suppress(SourceError):  # nothing of it can be told, or the next text will
                items += self._decide(is_last=True)
        self._tail = bytearray()
        self._is_skipping = False
        self._earlier = self._layout or self._earlier
        self._layout = None
        self._pending, self._first = self._first, []
        self.lines = 0
        return items

    def finish(self) -> Items:
        """The readings of what is left when no more bytes come: a last line need not be ended."""
        items: Items = []
        if self._tail:
            items = self._read_body(bytes(self._tail) + b"\n")
            self._tail = bytearray()
        if self._first:
            items += self._decide(is_last=True)
        return items

    def _refuse_long(self) -> Refusal:
        self.lines += 1
        return Refusal(f"line {self.lines}", f"a line of more than {LIMIT} bytes")

    def _read_body(self, body: bytes) -> Items:
        """Read whole lines; only the first can be too long, for it alone comes from two chunks."""
        items: Items = []
        if not self.lines:
            self._check_encoding(body)
        end = body.find(b"\n")
        if end > LIMIT:
            items.append(self._refuse_long())
            body = body[end + 1 :]
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return items + [item for line in body[:-1].split(b"\n") for item in self._read_line_bytes(line)]
        return items + (self._read_text(text) if text else [])

    def _read_line_bytes(self, line: bytes) -> Items:
        try:
            return self._read_text(line.decode() + "\n")
        except UnicodeDecodeError:
            self.lines += 1
            return [Refusal(f"line {self.lines}", "bytes that are no UTF-8")]

    def _check_encoding(self, body: bytes) -> None:
        if body.startswith(_UTF16) and b"\0" in body:
            raise SourceError(f"{self._name}: the text is UTF-16; save it as UTF-8 and try again")
        if body.startswith(_GZIP):
            raise SourceError(f"{self._name}: the input is compressed; unpack it first, as with gzip -dc")

    def _read_text(self, text: str) -> Items:
        """Read text of whole lines."""
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if "\ufeff" in text:
            text = text.replace("\ufeff", "")
        lines = text[:-1].split("\n")
        at = 0
        items: Items = []
        while self._layout is None and at < len(lines):
            self.lines += 1
            items += self._read_first(lines[at])
            at += 1
        return items + self._read_lines(lines[at:] if at else lines)

    def _read_first(self, line: str) -> Items:
        """Keep a line until the layout is known; then return the readings of all that were kept."""
        if not line.strip(" \r"):
            return []
        if not is_possible(line):
            return [Refusal(f"line {self.lines}", f"{shown(line)} is neither a row nor a header")]
        if is_row(line):
            self._first = self._pending + self._first  # the text before ended behind its header
        self._pending = []
        self._first.append((self.lines, line))
        return self._decide(is_last=len(self._first) >= MOST_LINES)

    def _decide(self, is_last: bool) -> Items:
        try:
            self._layout = self._find_layout([line for _, line in self._first], is_last)
        except SourceError as error:
            raise SourceError(f"{self._name}: {error}") from None
        if self._layout is None:
            return []
        first, self._first = self._first, []
        if self._layout.header is not None:
            header = next((kept for kept in first if kept[1] == self._layout.header), None)
            first = [kept for kept in first if kept is not header]
        items = (self._read_line(line, number, self._layout) for number, line in first)
        return [item for item in items if item is not None]

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

    def _read_lines(self, lines: list[str]) -> Items:
        if not lines or self._layout is None:
            return []
        number = self.lines + 1
        self.lines += len(lines)
        items = _read_columns(lines, self._layout)
        if items is not None:
            return items
        each = (self._read_line(line, number + at, self._layout) for at, line in enumerate(lines))
        return [item for item in each if item is not None]

    def _read_line(self, line: str, number: int, layout: Layout) -> Reading | Refusal | None:
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


def _cut(items: Items, stop: Stop, most: int) -> Iterator[Items]:
    for start in range(0, len(items), most):
        if stop.requested:
            return
        yield items[start : start + most]


def _read_columns(lines: list[str], layout: Layout) -> Items | None:
    """The readings of rows that all have the right number of cells; None where one needs a closer look."""
    if layout.is_json or layout.header in lines:
        return None
    columns = _columns(lines, layout.separator)
    if columns is None or len(columns) != len(layout.names):
        return None
    times = repeat(None) if layout.time is None else columns[layout.time]
    labels = repeat(None) if layout.label is None else columns[layout.label]
    fields = zip(columns[layout.value], times, labels, repeat(layout.separator == ";"), strict=False)
    # Reading(*fields) would take twice as long
    return cast(Items, list(map(tuple.__new__, repeat(Reading), fields)))


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
    cells = cut_line(line, layout.separator, len(layout.names))
    if len(cells) <= layout.value:
        return f"{shown(line)} has too few cells: {len(cells)} of {len(layout.names)}"
    time, label = (None if at is None or at >= len(cells) else cells[at] for at in (layout.time, layout.label))
    return Reading(cells[layout.value], time, label, layout.separator == ";")


def _read_json(line: str, layout: Layout) -> Reading | str:
    """One object or bare value; what is wrong with it where it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return f"{shown(line)} is no JSON object"
    if not isinstance(found, dict):
        return Reading(_json_cell(found))
    key = layout.names[layout.value]
    if key not in found:
        return f"the object has no {shown(key)}: {shown(line)}"
    time, label = (None if at is None else found.get(layout.names[at]) for at in (layout.time, layout.label))
    return Reading(_json_cell(found[key]), _json_cell(time), None if label is None else json_text(label))


def _json_cell(found: Any) -> str | float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return cast(float | None, found) if found is None or is_number else json_text(found)
