"""Readings of many measures, each with a name and tags: the key of its stream, and whether it is wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from streamforest.protocols import Reading
from streamforest.reading.column_layout import Asked
from streamforest.stream_names import LONGEST_KEY

#: Hexadecimal digits in place of the end of a name that is too long for a key.
DIGITS = 16


class SeveralSeriesError(ValueError):
    """Readings are of several series, and the run has one stream; the message is for the user."""


def series_name(name: str, tags: Mapping[str, str]) -> str:
    r"""A series as Prometheus writes it, its tags in order; one that is too long for a key ends in a checksum.

    Examples
    --------
    >>> series_name("cpu_idle", {"host": "a", "cpu": "0"}), series_name("load", {})
    ('cpu_idle{cpu="0",host="a"}', 'load')
    """
    if not tags:
        return _short(name)
    pairs = ",".join(f'{tag}="{_escaped(text)}"' for tag, text in sorted(tags.items()))
    return _short(f"{name}{{{pairs}}}")


def _escaped(text: str) -> str:
    if "\\" in text or '"' in text:
        return text.replace("\\", "\\\\").replace('"', '\\"')
    return text


def _short(name: str) -> str:
    if len(name) <= LONGEST_KEY:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:DIGITS]
    return f"{name[: LONGEST_KEY - DIGITS - 3]}...{digest}"


class SeriesReadings:
    """Collects the readings of one batch that are wanted.

    Parameters
    ----------
    asked : Asked
        ``column``: the one measure that is read; ``key_column``: a tag that tells the streams of that measure apart,
        or any other name for a stream a series. Without a key column all must be of one series.

    Attributes
    ----------
    items : list of Reading
        In order.
    """

    def __init__(self, asked: Asked) -> None:
        self._wanted, self._key_column = asked.column, asked.key_column
        self._only: str | None = None  # the series of the one stream
        self.items: list[Reading] = []

    def key_of(self, name: str, tags: Mapping[str, str], field: str = "") -> str | None:
        """The key of a series' readings; None where they are not wanted.

        Parameters
        ----------
        name : str
            Of the measure.
        tags : mapping of str to str
            What else says which series it is.
        field : str
            Another name that the measure has.

        Raises
        ------
        SeveralSeriesError
            The run has one stream, and this is a second series.
        """
        if self._wanted is not None:
            if self._wanted not in (name, field):
                return None
            if self._key_column in tags:
                return tags[self._key_column]  # type: ignore[index] # None is in no mapping of texts
        key = series_name(name, tags)
        if self._key_column is None:
            if self._only not in (None, key):
                raise SeveralSeriesError(
                    f"the readings are of several series, {self._only} and {key}: serve with --key-column key, or name "
                    "one of them with --column"
                )
            self._only = key
        return key

    def add(self, value: Any, time: str | float | None, key: str) -> None:
        """Take one reading of a series that is wanted."""
        self.items.append(Reading(value, time, key=key))
