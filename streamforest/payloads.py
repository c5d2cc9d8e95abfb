"""Messages of a broker -> raw readings: a number, a CSV row or a JSON object each."""

from __future__ import annotations

from streamforest.protocols import Reading, Refusal
from streamforest.rows import LIMIT, RowReader

Items = list[Reading | Refusal]


class PayloadReader:
    """Reads each message as the line of a file: columns are found and asked for alike.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    column, time_column, label_column, key_column : str, optional
        As in :class:`~streamforest.rows.RowReader`.

    Attributes
    ----------
    last_time : str, float or None
        Time of the newest reading, as it stood in the message; None where messages hold none.
    """

    def __init__(
        self,
        name: str,
        column: str | None = None,
        time_column: str | None = None,
        label_column: str | None = None,
        key_column: str | None = None,
    ) -> None:
        self.last_time: str | float | None = None
        self._rows = RowReader(name, column, time_column, label_column, key_column)

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return self._rows.describe()

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
        if text.startswith(b"{"):
            text = text.replace(b"\r", b" ").replace(b"\n", b" ")  # in JSON these stand between words only
        return [self._placed(item, where, time) for item in self._rows.feed(text + b"\n")]

    def _placed(self, item: Reading | Refusal, where: str, time: float) -> Reading | Refusal:
        if isinstance(item, Refusal):
            return Refusal(where, item.reason)
        if item.time is not None:
            self.last_time = item.time
            return item
        return item if self.last_time is not None else item._replace(time=time)
