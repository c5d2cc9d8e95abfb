"""The rows of a query that DuckDB answers: Parquet, workbooks, SQLite, Postgres, remote files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from streamforest.optional import optional
from streamforest.protocols import SourceError, Stop
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.row_block import TextBlock

#: Rows that are asked for at once: those of the first time tell the columns.
ROWS = 1000


class DuckDbSource:
    """The rows of a query, in the order in which it gives them.

    Parameters
    ----------
    word : str
        ``duckdb:QUERY``, as ``duckdb:SELECT time, value FROM 'readings.parquet' ORDER BY time``.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        There is no query.
    MissingPackageError
        duckdb is not installed.
    """

    live = False

    def __init__(
        self,
        word: str,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self._query = word.partition(":")[2].strip()
        self.name = "duckdb"
        if not self._query:
            raise SourceError("duckdb: there is no query; write duckdb:\"SELECT ... FROM 'FILE'\"")
        self._duckdb = optional("duckdb", "duckdb")
        self.reader = RowReader(self.name, asked, dialect)
        self._connection = self._duckdb.connect()

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self.reader.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the rows in blocks of at most ``most``.

        Raises
        ------
        SourceError
            DuckDB refuses the query, or the value column cannot be told.
        """
        return self.reader.blocks(self._chunks(), stop, most)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _chunks(self) -> Iterator[bytes]:
        try:
            answer = self._connection.execute(self._query)
            names = [column[0] for column in answer.description or ()]
            text = _lines([names, *answer.fetchmany(ROWS)])
            self.reader.learn(text)
            while text:
                yield from _pieces(text)
                text = _lines(answer.fetchmany(ROWS))
        except self._duckdb.Error as error:
            raise SourceError(f"{self.name}: {' '.join(str(error).split())}") from None


def _lines(rows: list[Any]) -> bytes:
    """Rows as lines of cells."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _cell(cell: object) -> str:
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return "" if cell is None else str(cell).replace("\n", " ").replace("\r", " ")


def _pieces(text: bytes) -> Iterator[bytes]:
    """A text in pieces that the reader takes."""
    for at in range(0, len(text), LIMIT):
        yield text[at : at + LIMIT]
