"""A table of a SQLite database, or what a query of it answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from streamforest.protocols import SourceError, Stop
from streamforest.reading.cell_rows import CellSource
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect, listed

# Steps of SQLite's machine between two looks whether the run shall end: some milliseconds.
_STEPS = 100_000


class SqliteSource(CellSource):
    """The rows of a query, in the order in which SQLite gives them; the database is only read.

    Parameters
    ----------
    word : str
        ``sqlite:FILE?QUERY``; without a query the only table of the file is read.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Raises
    ------
    SourceError
        The file is not there or no database, or no query says which of several tables is meant.
    """

    def __init__(
        self,
        word: str,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        path, _, query = word.partition(":")[2].partition("?")
        super().__init__(Path(path).name, asked, dialect)
        self._path = path
        if not Path(path).is_file():
            raise SourceError(f'there is no file {path or "to read"}; write sqlite:FILE or "sqlite:FILE?SELECT ..."')
        self._connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, check_same_thread=False)
        self._connection.text_factory = lambda text: text.decode(errors="replace")
        try:
            self._query = query.strip() or self._only_table()
        except sqlite3.Error as error:
            self.close()
            raise self._broken(error) from None

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _only_table(self) -> str:
        """The query for the only table there is."""
        listing = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        names = [name for (name,) in listing]
        if len(names) != 1:
            self.close()
            there = f"the tables are: {listed(names)}" if names else "there is no table"
            raise SourceError(f'{self._path}: say what to read, as "sqlite:{self._path}?SELECT ..."; {there}')
        return 'SELECT * FROM "{}"'.format(names[0].replace('"', '""'))

    def rows(self, stop: Stop) -> Iterator[tuple[object, ...]]:
        """The names of the columns, then the rows."""
        self._connection.set_progress_handler(lambda: stop.requested, _STEPS)
        try:
            answer = self._connection.execute(self._query)
            yield tuple(column[0] for column in answer.description or ())
            yield from answer
        except (sqlite3.Error, sqlite3.Warning) as error:
            if not stop.requested:  # which interrupts the query
                raise self._broken(error) from None

    def _broken(self, error: Exception) -> SourceError:
        return SourceError(f"{self._path}: {' '.join(str(error).split())}")
