"""Messages of a broker -> raw readings: a number, a CSV row, JSON or lines of metrics each."""

from __future__ import annotations

from streamforest.protocols import Reading, Refusal
from streamforest.reading.column_layout import ANY_COLUMNS, ANY_DIALECT, Asked, Dialect
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.text_conversion import TextConverter

Items = list[Reading | Refusal]


class PayloadReader:
    """Reads each message as the line of a file: columns are found and asked for alike.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    asked, dialect
        As in :class:`~streamforest.reading.line_reader.RowReader`.

    Attributes
    ----------
    reader : RowReader
        Knows the columns.
    last_time : str, float or None
        Time of the newest reading, as it stood in the message; None where messages hold none.
    """

    def __init__(
        self,
        name: str,
        asked: Asked = ANY_COLUMNS,
        dialect: Dialect = ANY_DIALECT,
    ) -> None:
        self.last_time: str | float | None = None
        self.reader = RowReader(name, asked, dialect)

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self.reader.describe()

    def read(self, payload: bytes, where: str, time: float) -> Items:
        """The readings that a message completes: mostly one, none while the columns are not known.

        Parameters
        ----------
        payload : bytes
            The message.
        where : str
            Where it stood, for the refusal of a message that holds no reading.
        time : float
            Seconds, UTC epoch: the readings' time where messages hold none.

        Raises
        ------
        SourceError
            The value column cannot be told.
        """
        text = payload.strip()
        if not text:
            return [Refusal(where, "an empty message")]
        if len(text) >= LIMIT:
            return [Refusal(where, f"a message of more than {LIMIT} bytes")]
        if text[:1] in b"{[":
            text = b"".join(TextConverter().chunks([text])).strip()
        return [self._placed(item, where, time) for item in self.reader.feed(text + b"\n")]

    def _placed(self, item: Reading | Refusal, where: str, time: float) -> Reading | Refusal:
        if isinstance(item, Refusal):
            return Refusal(where, item.reason)
        if item.time is not None:
            self.last_time = item.time
            return item
        return item if self.last_time is not None else item._replace(time=time)
