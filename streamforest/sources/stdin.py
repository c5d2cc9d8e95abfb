"""Standard input, line by line as it arrives."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from streamforest.block import TextBlock
from streamforest.pipes import arriving
from streamforest.protocols import SourceError, Stop
from streamforest.rows import RowReader


class StdinSource:
    """The lines of standard input, each as soon as it is complete; a last line need not be ended.

    Parameters
    ----------
    column, time_column, label_column, key_column : str, optional
        As in :class:`~streamforest.rows.RowReader`.
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
        column: str | None = None,
        time_column: str | None = None,
        label_column: str | None = None,
        key_column: str | None = None,
        *,
        descriptor: int | None = None,
    ) -> None:
        self._rows = RowReader(self.name, column, time_column, label_column, key_column)
        self._descriptor = _standard_input() if descriptor is None else descriptor

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self._rows.describe()

    def read(self, stop: Stop, most: int) -> Iterator[TextBlock]:
        """Yield the lines that are there, in blocks of at most ``most``.

        Raises
        ------
        SourceError
            The value column cannot be told, or reading fails.
        """
        return self._rows.blocks(self._chunks(stop), stop, most)

    def close(self) -> None:
        """Leave standard input as it is: it belongs to the whole program."""

    def _chunks(self, stop: Stop) -> Iterator[bytes]:
        try:
            yield from arriving(self._descriptor, stop)
        except OSError as error:
            raise SourceError(f"{self.name}: reading failed: {error.strerror or error}") from None


def _standard_input() -> int:
    if sys.stdin is None:
        raise SourceError("standard input is closed; name a file instead of -")
    try:
        return sys.stdin.fileno()
    except (OSError, ValueError):
        raise SourceError("standard input is closed; name a file instead of -") from None
