"""Lines of text -> raw readings: CSV, JSON Lines or one number a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from functools import cached_property, partial
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from streamforest.connections.compression import HEAD, compression_of, no_text
from streamforest.protocols import Reading, Refusal, SourceError, Stop
from streamforest.reading.cells import COMMENT, SEPARATORS
from streamforest.reading.codings import MULTIBYTE, coding_of
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect, Found, Layout
from streamforest.reading.column_roles import UnreadableError
from streamforest.reading.compiled_rows import WrittenForm, read_rows
from streamforest.reading.counter import is_counter
from streamforest.reading.line_rules import LineRules, no_text_in
from streamforest.reading.notation import RefusedError, read_time, read_value
from streamforest.reading.number_form import DEFAULT_FORM
from streamforest.reading.row_block import (
    NOWHERE,
    ODD,
    ROW_DTYPE,
    Lines,
    Place,
    Position,
    RowCollector,
    TextBlock,
)
from streamforest.reading.row_checks import end_of_summer_time, footers_of, has_autumn_night, missing_codes
from streamforest.reading.table_search import MOST_LINES, find_layout, fits, is_possible, is_row
from streamforest.reading.text_conversion import text_of
from streamforest.text import shown

#: Bytes of the longest line that is read, without its end; also the most bytes that ``feed`` takes.
LIMIT = 65536

#: Where more than one row in so many is not plain, all rows of a chunk are read as text, column by column.
MANY = 8

# Of fewer lines each is read by itself: a call of the compiled reader takes longer. They are counted in so many bytes.
FEW, FEW_BYTES = 8, 4096


class Seam(Enum):
    """Where one text ends and another one of the same rows begins, among chunks of bytes.

    At a ``WHOLE`` one the last line of the old text is complete, ended or not; at a ``CUT`` one, what is left of a
    line is no line.
    """

    WHOLE = "whole"
    CUT = "cut"


_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Rows of a sample from which the forms of numbers and times are learnt: so many at its start, and among the others.
_SAMPLE_ROWS, _SPREAD_ROWS = 400, 400


class RowReader:
    """Cuts bytes into lines and lines into readings; tells by the first lines what is what.

    Blank lines, comments and what stands before the table are skipped. A line that is too long, is no text, holds no
    row, has more cells than there are columns or repeats the header is refused. Memory is constant, however long a line
    is. The readings do not depend on how the bytes are cut into chunks.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    asked : Asked
        Columns that the user named; the others are found by name and content.
    dialect : Dialect
        What the user says of how numbers and times are written.

    Attributes
    ----------
    lines : int
        Lines that were read.
    skipped : int
        Those of them that stood before the table.
    table_start : int
        Where the first row begins, in bytes, as far as a sample told it.
    is_newest_first : bool
        Whether the times of a sample go back from row to row.
    is_like_counter : bool
        Whether the values of a sample are those of a counter.
    notes : tuple of str
        What else there is to say of how the text is understood; set by its source.
    """

    def __init__(
        self,
        name: str,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self.lines = 0
        self.skipped = 0
        self.table_start = 0
        self.is_newest_first = False
        self.is_like_counter = False
        self.notes: tuple[str, ...] = ()
        self._remarks: tuple[str, ...] = ()  # on the readings of the sample
        self._name = name
        self._asked = asked
        self._dialect = dialect
        self._layout: Layout | None = None
        self._rules: LineRules
        self._table: _Table
        self._earlier: Layout | None = None
        self._learnt: Found | None = None  # from a sample of the text
        self._offset = 0  # bytes of the text before the tail
        self._first: list[_Line] = []
        self._pending: list[_Line] = []
        self._tail = bytearray()
        self._is_skipping = False
        # compiles while a signal still ends the program at once
        read_rows(b"\n", None, (1, 0, None, None), 0, 1)

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return "no columns found so far" if self._layout is None else self._layout.describe()

    @property
    def newest_layout(self) -> Layout | None:
        """Which column is what, as far as it is known, in this text or the one before."""
        return self._layout or self._earlier

    def go_on(self, place: Position, earlier: Layout | None = None) -> None:
        """Read on at a place of a text, before the first bytes of which are fed; ``earlier`` as after a restart."""
        self._offset, self.lines, layout = place
        self._set_layout(layout)
        self._earlier = earlier

    def _set_layout(self, layout: Layout | None) -> None:
        self._layout = layout
        if layout is not None:
            self._rules = LineRules(layout)
            self._table = _Table(layout)

    def learn(self, sample: bytes, end: bytes | None = None) -> Layout | None:
        """Learn the columns and how they are written from the first lines of the text, before these are fed.

        Without it they are learnt from as few lines as are enough, where each is waited for.

        Parameters
        ----------
        sample : bytes
            The first lines.
        end : bytes or None
            The last lines, where the sample does not hold them; empty: it holds the whole text; None: they are not
            known.

        Returns
        -------
        Layout or None
            None where it cannot be told yet.

        Raises
        ------
        SourceError
            The value column or the form of the times cannot be told, or the value column has no number.
        """
        raw_lines = sample.split(b"\n")
        coding = coding_of(raw_lines[:-1])
        ends = np.cumsum([len(raw) + 1 for raw in raw_lines]).tolist()
        lines: list[str] = []
        starts: list[int] = []
        for raw, behind in zip(raw_lines, ends, strict=True):
            text = text_of(raw, coding)
            is_first = len(lines) < MOST_LINES
            if text is not None and text.strip(" \r") and (is_possible(text) if is_first else text[:1] != COMMENT):
                lines.append(text)
                starts.append(behind - len(raw) - 1)
        some = lines[:_SAMPLE_ROWS] + lines[_SAMPLE_ROWS :: max(1, (len(lines) - _SAMPLE_ROWS) // _SPREAD_ROWS)]
        if not lines:
            return None
        found = self._layout_of_sample(some)
        if found is None or found.begin >= min(len(lines), MOST_LINES):
            return None
        layout = found.layout._replace(coding=coding)
        times, values = _readings_of(some[found.begin :], layout)
        if end == b"" and len(values) >= FEW and np.isnan(values).all():
            raise SourceError(f"{self._name}: no cell of the value column is a number: {layout.describe()}")
        if end is not None:
            last = lines if not end else [text for raw in end.split(b"\n") if (text := text_of(raw, coding))]
            footers = footers_of(lines[found.begin :], last, layout, is_whole=not end)
            layout = layout._replace(footers=footers)
        self._learnt = found._replace(layout=layout)
        repeated = "most rows have the time of the row before" if layout.key is None and _stands_still(times) else ""
        self.table_start = starts[found.begin]
        self.is_newest_first = _goes_back(times[: _SAMPLE_ROWS - found.begin])
        back = ""
        if layout.time is not None and layout.zone is None and layout.offset is None and layout.key is None:
            if len(some) < len(lines) and has_autumn_night(times):
                times = _times_of(sample[self.table_start :], lines[found.begin :], layout)
            back = end_of_summer_time(times[::-1] if self.is_newest_first else times)
        self._remarks = tuple(filter(None, (missing_codes(values), repeated, back)))
        values = values[::-1] if self.is_newest_first else values
        self.is_like_counter = self._asked.key_column is None and is_counter(values, self._learnt.layout.value_name)
        return self._learnt.layout

    def _layout_of_sample(self, lines: Sequence[str]) -> Found | None:
        """The layout of lines; where most of them cannot be read, as in a log that was damaged later, of the first."""
        unreadable: UnreadableError | None = None
        for some in (lines, lines[:MOST_LINES]):
            try:
                return find_layout(some, self._asked, is_last=True, dialect=self._dialect)
            except UnreadableError as error:
                unreadable = unreadable or error
            except SourceError as error:
                raise SourceError(f"{self._name}: {unreadable or error}") from None
        raise SourceError(f"{self._name}: {unreadable}") from None

    def understood(self) -> str:
        """How the text is understood, in words; empty while that is not known."""
        layout = self._layout or (self._learnt and self._learnt.layout)
        if layout is None:
            return ""
        coding = [layout.coding] if layout.coding else []
        skipped = [f"{self.skipped} lines before it skipped"] if self.skipped else []
        return "; ".join([layout.understood(), *coding, *skipped, *self.notes, *self._remarks])

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
            return Lines(*self._read_each(chunk), self._layout)
        if b"\n" not in chunk and not self._is_skipping and len(self._tail) + len(chunk) <= LIMIT:
            self._tail += chunk
            return Lines([], [], self._layout)
        found = RowCollector()
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
        found = RowCollector()
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
        self._layout = self._learnt = None
        self._pending, self._first = self._first or self._pending, []  # a text without a line tells nothing
        self.lines = self._offset = 0
        return rows

    def finish(self) -> TextBlock:
        """The readings of what is left when no more bytes come: a last line need not be ended."""
        found = RowCollector()
        if self._tail:
            self._read_body(bytes(self._tail) + b"\n", found)
            self._tail = bytearray()
        if self._first:
            self._decide(found, is_last=True)
        return found.block(self._layout)

    def _refuse_long(self, end: int, found: RowCollector) -> None:
        self.lines += 1
        refusal = Refusal(f"line {self.lines}", f"a line of more than {LIMIT} bytes")
        found.add(refusal, self.lines, self._offset, end)

    def _read_body(self, body: bytes, found: RowCollector) -> None:
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
        if compression_of(body[:HEAD]):
            raise SourceError(f"{self._name}: the input is compressed; unpack it first, as with gzip -dc")
        if words := no_text(body[:HEAD]):
            raise SourceError(f"{self._name}: this is {words}")

    def _read_first(self, raw: bytes, start: int, found: RowCollector) -> None:
        """Keep a line until the layout is known; then find the readings of all that were kept."""
        self.lines += 1
        coding = "" if self._learnt is None else self._learnt.layout.coding
        text = text_of(raw, coding)
        if text is None and (coding := coding_of([raw])):
            text = text_of(raw, coding)
        place = self.lines, start, start + len(raw) + 1
        where = (*place[:2], NOWHERE) if self._first else place  # lines before it are handed out later
        if text is None:
            found.add(no_text_in(self.lines), *where)
        elif text.strip(" \r") and not is_possible(text):
            found.add(Refusal(f"line {self.lines}", f"{shown(text)} is neither a row nor a header"), *where)
        elif text.strip(" \r"):
            if is_row(text):
                self._first = self._pending + self._first  # the text before ended behind its header
            self._pending = []
            self._first.append(_Line(text, *place, coding))
            self._decide(found, is_last=len(self._first) >= MOST_LINES)

    def _decide(self, found: RowCollector, is_last: bool) -> None:
        lines = [line.text for line in self._first]
        try:
            found_layout = self._find_layout(lines, is_last)
        except SourceError as error:
            raise SourceError(f"{self._name}: {error}") from None
        if found_layout is None or found_layout.begin >= len(lines) + (self._learnt is None):
            return
        coding = found_layout.layout.coding or next((line.coding for line in self._first if line.coding), "")
        self._set_layout(found_layout.layout._replace(coding=coding))
        first, self._first = self._first[found_layout.begin :], []
        self.skipped += found_layout.begin - (found_layout.layout.header in lines[: found_layout.begin])
        for text, *place, _ in first:
            found.add(self._rules.read_line(text, place[0]), *place)

    def _find_layout(self, lines: list[str], is_last: bool) -> Found | None:
        """The layout of these first lines; after a restart the earlier one, or one with the columns of that."""
        if self._learnt is not None:
            return self._learnt
        if self._earlier is None:
            return find_layout(lines, self._asked, is_last, self._dialect)
        if fits(lines[0], self._earlier):
            return Found(self._earlier, int(lines[0] == self._earlier.header))
        try:
            return find_layout(lines, self._earlier.columns(), is_last, self._dialect)
        except SourceError:
            return find_layout(lines, self._asked, is_last, self._dialect)  # a column has another name now

    def _read_rows(self, body: bytes, found: RowCollector) -> None:
        """Read whole lines by the layout: plain ones all at once, others by a closer look."""
        layout = cast(Layout, self._layout)
        if len(body) < FEW_BYTES and body.count(b"\n") < FEW:
            found.add_lines(*self._read_each(body))
            return
        table = self._rules.localised(self._table.rows(body, self._offset, self.lines + 1))
        odd = np.flatnonzero(table["item"] == ODD)
        if MANY * len(odd) > len(table):
            places = (table[name].tolist() for name in ("line", "start", "end"))
            for item, *place in zip(self._rules.read_lines(body, self.lines + 1), *places, strict=True):
                found.add(item, *place)
        else:
            read = partial(_read_place, body, self._offset, self._rules)
            key = None if layout.key is None else partial(_key_at, body, self._offset, layout)
            found.add_rows(table, odd, read, key)
        self.lines += len(table)
        self._offset += len(body)

    def _read_each(self, body: bytes) -> tuple[list[Reading | Refusal], list[Place]]:
        """The readings of whole lines, one by one, and where they stand."""
        items: list[Reading | Refusal] = []
        places: list[Place] = []
        number, end = self.lines, self._offset
        for raw in body[:-1].split(b"\n"):
            number += 1
            start, end = end, end + len(raw) + 1
            item = self._rules.read_bytes(raw, number)
            if item is not None:
                items.append(item)
                places.append((number, start, end))
        self.lines, self._offset = number, end
        return items, places


class _Line(NamedTuple):
    """A line without its end, its number, where it begins and ends in its text, in bytes; its coding, if no UTF-8."""

    text: str
    number: int
    start: int
    end: int
    coding: str


def _cut(rows: TextBlock, stop: Stop, most: int) -> Iterator[TextBlock]:
    for start in range(0, len(rows), most):
        if stop.requested:
            return
        yield rows[start : start + most]


class _Table:
    """Reads whole lines by a layout with the compiled reader, as far as that can."""

    def __init__(self, layout: Layout) -> None:
        can = layout.separator is None or layout.separator in SEPARATORS
        self._form = _written_form(layout) if can and not layout.has_own_names else None
        self._separator = layout.separator
        self._columns = len(layout.names), layout.value, layout.time, layout.label
        self._layout = layout
        self._footers = [line.encode(layout.coding or "utf-8", "replace") for line in layout.footers]

    @cached_property
    def _header(self) -> bytes:
        """The header, if the compiled reader would take it for a row; else empty."""
        header = (self._layout.header or "").encode(self._layout.coding or "utf-8", "replace")
        is_odd = read_rows(header + b"\n", self._separator, self._columns, 0, 1, self._form)["item"][0] == ODD
        return b"" if is_odd else header

    def rows(self, body: bytes, start: int, line: int) -> NDArray[np.void]:
        """The rows of lines that begin at a place of their text with a line of that number; ODD: a closer look."""
        if self._form is not None:
            has_header = self._header and self._header in body
            if not has_header and not any(footer in body for footer in self._footers):
                return read_rows(body, self._separator, self._columns, start, line, self._form)
        ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n")) + 1
        table = np.empty(len(ends), ROW_DTYPE)
        table["item"] = ODD
        table["end"] = start + ends
        table["start"][0], table["start"][1:] = start, table["end"][:-1]
        table["line"] = np.arange(line, line + len(ends))
        return table


def _written_form(layout: Layout) -> WrittenForm | None:
    """How the compiled reader has to read numbers and times; None where it cannot."""
    is_joined = layout.clock is not None or bool(layout.parts) or layout.offset is not None
    if is_joined or layout.time_form not in _COMPILED_TIMES:
        return None
    number = layout.number or DEFAULT_FORM._replace(decimal="," if layout.separator == ";" else ".")
    if (
        layout.sign is not None
        or (layout.separator == "|" and layout.coding in MULTIBYTE)
        or number.kind in {"switch", "booked", "flagged", "scaled", "duration"}
        or len(number.thousands.encode()) > 1
        or (number.kind != "number" and number.unit)
    ):
        return None
    return WrittenForm(
        has_comma=number.decimal == ",",
        thousands=number.thousands if layout.number else "",
        around=(number.prefix, number.suffix),
        dots={"number": 0, "whole": -1, "thirds": 1}[number.kind],
        time=_COMPILED_TIMES[layout.time_form],
        has_zone=layout.zone is not None,
        is_text=bool(layout.coding),
    )


# Forms of times that the compiled reader knows, and their numbers there.
_COMPILED_TIMES = {"": 0, "elapsed": 0, "unix": 0, "dmy": 1, "mdy": 2, "compact": 3}


# Share of steps back that makes a text go back.
_NEARLY = 0.8


def _readings_of(lines: Sequence[str], layout: Layout) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and values of the rows that can be read."""
    rules = LineRules(layout)
    found = []
    for item in (rules.read_line(line, 0) for line in lines):
        if isinstance(item, Reading):
            with suppress(RefusedError):
                found.append((read_time(item.time), read_value(item)[0]))
    times, values = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return times, values


def _times_of(body: bytes, lines: Sequence[str], layout: Layout) -> NDArray[np.float64]:
    """Times of rows: of those that the compiled reader can read, where it can read any."""
    table = _Table(layout).rows(body[: body.rfind(b"\n") + 1], 0, 1) if body.count(b"\n") else np.empty(0, ROW_DTYPE)
    rows = table[table["item"] != ODD]
    return np.asarray(rows["time"]) if len(rows) else _readings_of(lines, layout)[0]


def _stands_still(times: NDArray[np.float64]) -> bool:
    """Whether more than half of the times are those of the row before."""
    return len(times) >= FEW and bool(2 * np.count_nonzero(np.diff(times) == 0) > len(times))


def _goes_back(times: NDArray[np.float64]) -> bool:
    """Whether times go back from nearly each to the next."""
    steps = np.diff(times)
    steps = steps[(steps == steps) & (steps != 0)]
    return bool(len(steps) > 1 and np.count_nonzero(steps < 0) > _NEARLY * len(steps))


def _read_place(
    body: bytes, offset: int, rules: LineRules, line: int, start: int, end: int
) -> Reading | Refusal | None:
    """The reading of the row from one place of a text to another; the body is the text from an offset on."""
    return rules.read_bytes(body[start - offset : end - offset - 1], line)


def _key_at(body: bytes, offset: int, layout: Layout, start: int, end: int) -> str:
    """The key of a plain row, which has the right number of cells and no quotes."""
    line = body[start - offset : end - offset]
    cells = [line] if layout.separator is None else line.split(layout.separator.encode())
    cell = cells[cast(int, layout.key)]
    return text_of(cell, layout.coding) or ""
