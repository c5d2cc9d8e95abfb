"""Rows of cells from a query or a sheet -> raw readings: each row becomes a line, read as that of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import islice

from streamforest.protocols import Stop
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.row_block import TextBlock

#: Rows that are taken at once; the first ones tell the columns.
ROWS = 1000


def blocks_of(rows: Iterable[Iterable[object]], reader: RowReader, stop: Stop, most: int) -> Iterator[TextBlock]:
    """Yield the readings of rows in blocks of at most ``most``.

    Parameters
    ----------
    rows : iterable of rows
        In order. Names of columns are the cells of a row before the readings, as in a file.
    reader : RowReader
        Learns the columns from the first rows.

    Raises
    ------
    SourceError
        The value column or the form of the times cannot be told.
    """
    return reader.blocks(_chunks(iter(rows), reader), stop, most)


def _chunks(rows: Iterator[Iterable[object]], reader: RowReader) -> Iterator[bytes]:
    text = _lines(islice(rows, ROWS))
    reader.learn(text)
    while text:
        for at in range(0, len(text), LIMIT):
            yield text[at : at + LIMIT]
        text = _lines(islice(rows, ROWS))


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    out = io.StringIO()
    texts = ([_text_of(cell) for cell in row] for row in rows)
    csv.writer(out, lineterminator="\n").writerows(cells if any(cells) or len(cells) == 1 else [] for cells in texts)
    return out.getvalue().encode(errors="replace")


def _text_of(cell: object) -> str:
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return "" if cell is None else str(cell).replace("\n", " ").replace("\r", " ")
