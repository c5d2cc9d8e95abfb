"""The rows of a query that DuckDB answers: Parquet, CSV, Postgres, remote files."""

from __future__ import annotations

from collections.abc import Iterator

from streamforest.optional import optional
from streamforest.protocols import SourceError, Stop
from streamforest.reading.cell_rows import ROWS, CellSource
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.text import shown


class DuckDbSource(CellSource):
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

    def __init__(
        self,
        word: str,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self._query = word.partition(":")[2].strip()
        super().__init__("duckdb", asked, dialect)
        if not self._query:
            raise SourceError("duckdb: there is no query; write duckdb:\"SELECT ... FROM 'FILE'\"")
        self._duckdb = optional("duckdb", "duckdb")
        self._connection = self._duckdb.connect()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, stop: Stop) -> Iterator[tuple[object, ...]]:  # noqa: ARG002 - between two rows nothing waits
        """The names of the columns, then the rows."""
        try:
            self._connection.execute("SET TimeZone = 'UTC'")
            answer = self._connection.sql(self._query)
            if answer is None:
                raise SourceError(f"{self.name}: the query has no rows: {shown(self._query)}")
            yield tuple(answer.columns)
            # as text, or times with a zone would need one package more
            texts = self._connection.execute(answer.project("COLUMNS(*)::VARCHAR").sql_query())
            while rows := texts.fetchmany(ROWS):
                yield from rows
        except self._duckdb.Error as error:
            raise SourceError(f"{self.name}: {' '.join(str(error).split())}") from None
