"""Standard input, line by line as it arrives."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from streamforest.protocols import SourceError, Stop
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.first_bytes import arriving_text
from streamforest.reading.line_reader import RowReader
from streamforest.reading.row_block import TextBlock


class StdinSource:
    """The lines of standard input, each as soon as it is complete; a last line need not be ended.

    Parameters
    ----------
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.
    descriptor : int, optional
        Another open descriptor to read in place of standard input.

    Raises
    ------
    SourceError
        Standard input is closed.
    """

    name = "standard input"
    live = True

    def __init__(
        self,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
        *,
        descriptor: int | None = None,
    ) -> None:
        self.reader = RowReader(self.name, asked, dialect)
        self._descriptor = _standard_input() if descriptor is None else descriptor

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self.reader.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the lines that are there, in blocks of at most ``most``.

        Raises
        ------
        SourceError
            The value column or the form of its times cannot be told, or reading fails.
        """
        return self.reader.blocks(self._chunks(stop), stop, most)

    def close(self) -> None:
        """Leave standard input as it is: it belongs to the whole program."""

    def _chunks(self, stop: Stop) -> Iterator[bytes]:
        try:
            yield from arriving_text(self._descriptor, stop, self.reader)
        except OSError as error:
            raise SourceError(f"{self.name}: reading failed: {error.strerror or error}") from None


def _standard_input() -> int:
    if sys.stdin is None:
        raise SourceError("standard input is closed; name a file instead of -")
    try:
        return sys.stdin.fileno()
    except (OSError, ValueError):
        raise SourceError("standard input is closed; name a file instead of -") from None
