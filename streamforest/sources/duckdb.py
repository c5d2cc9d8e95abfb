"""The rows of a query that DuckDB answers: Parquet, CSV, Postgres, remote files."""

from __future__ import annotations

from collections.abc import Iterator

from streamforest.optional import optional
from streamforest.protocols import SourceError, Stop
from streamforest.reading.cell_rows import ROWS, blocks_of
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.line_reader import RowReader
from streamforest.reading.row_block import TextBlock


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
        return blocks_of(self._rows(), self.reader, stop, most)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _rows(self) -> Iterator[tuple[object, ...]]:
        """The names of the columns, then the rows."""
        try:
            answer = self._connection.execute(self._query)
            yield tuple(column[0] for column in answer.description or ())
            while rows := answer.fetchmany(ROWS):
                yield from rows
        except self._duckdb.Error as error:
            raise SourceError(f"{self.name}: {' '.join(str(error).split())}") from None
