"""Rows of cells from a query or a sheet -> raw readings: each row becomes a line, read as that of a file."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import islice

from streamforest.protocols import Stop
from streamforest.reading.column_layout import Asked, Dialect
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.row_block import TextBlock

#: Rows that are taken at once; the first ones tell the columns.
ROWS = 1000


class CellSource(ABC):
    """What sources of rows of cells share: a kind of them opens what it reads, and gives the rows.

    Parameters
    ----------
    name : str
        For people.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.
    """

    live = False

    def __init__(self, name: str, asked: Asked, dialect: Dialect) -> None:
        self.name = name
        self.reader = RowReader(name, asked, dialect)

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self.reader.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the rows in blocks of at most ``most``.

        Raises
        ------
        SourceError
            The rows cannot be had, or the value column or the form of the times cannot be told.
        """
        return self.reader.blocks(_chunks(self.rows(stop), self.reader), stop, most)

    @abstractmethod
    def rows(self, stop: Stop) -> Iterator[Iterable[object]]:
        """Yield the rows in order; names of columns are the cells of a row before the readings, as in a file.

        Raises
        ------
        SourceError
            They cannot be had.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what is held."""


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
