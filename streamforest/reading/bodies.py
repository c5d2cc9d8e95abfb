"""Bodies of HTTP requests -> raw readings: JSON, JSON Lines, CSV, numbers, and lines of metrics; one or many."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.reading.column_layout import Asked, Dialect
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.reading.objects import (
    METRIC,
    OF_METRICS,
    READERS,
    SERIES,
    TIME,
    VALUE,
    in_a_row,
    json_text,
    notation_of,
)
from streamforest.stream_names import LONGEST_KEY
from streamforest.text import shown

Items = list[Reading | Refusal]

#: Bytes of a body, unpacked, and readings in it: each of them takes some 250 bytes until it is judged.
MOST_BYTES, MOST_READINGS = 2**23, 250_000
#: Hexadecimal digits in place of the end of a name that is too long for a key.
DIGITS = 16
#: Names in an object, where the user names no others.
KEY, LABEL = "key", "label"
#: First lines that show the notation of a text.
_LOOKED_AT = 5
#: First lines of rows from which columns and forms are learnt: of all of them it takes longer than reading them.
_LEARNT_FROM = 100
_INFLUX = "InfluxDB line protocol"
_INFLUX_LINE = re.compile(
    r'(?P<series>(?:[^\s\\]|\\.)+)\s+(?P<fields>(?:[^\s\\"]|\\.|"(?:[^"\\]|\\.)*")+)(?:\s+(?P<time>-?\d+))?'
)
_INFLUX_FIELD = re.compile(r'((?:[^\s\\,="]|\\.)++)=("(?:[^"\\]|\\.)*+"|[^\s",]++)(?:,|$)')
_COMMA, _EQUALS, _ESCAPE = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)="), re.compile(r"\\(.)")


class BodyError(ValueError):
    """Nothing of a body can be read; the message is for those who sent it."""


def check_count(n: int) -> None:
    """Raise BodyError if a body has more readings than may be."""
    if n > MOST_READINGS:
        raise BodyError(f"it has more than {MOST_READINGS:,} readings: send several requests")


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
        """Take one reading of a series that is wanted; raises BodyError where there are too many."""
        check_count(len(self.items) + 1)
        self.items.append(Reading(value, time, key=key))


class BodyReader:
    """Reads each body for itself, as a file that begins anew: its content shows what it is.

    Parameters
    ----------
    asked : Asked
        Names of columns, tags or members; without them ``value``, ``time``, ``label`` of objects.
    dialect : Dialect
        How numbers and times are written, in rows.
    """

    def __init__(self, asked: Asked, dialect: Dialect) -> None:
        self._asked, self._dialect = asked, dialect
        self._value, self._time = asked.column or VALUE, asked.time_column or TIME
        self._label = LABEL if asked.label_column is None else asked.label_column

    def read(self, body: bytes, arrival: float) -> Items:
        """The readings and what is none, in order.

        Parameters
        ----------
        body : bytes
            As it was sent, unpacked.
        arrival : float
            Seconds, UTC epoch: the time of readings that have none.

        Raises
        ------
        BodyError
            It cannot be read at all, has more than MOST_READINGS, or is of several series and the run has one stream.
        """
        text = body.strip()
        if not text:
            raise BodyError("there is nothing in it")
        try:
            items = self._read_json(text) if text[:1] in b"{[" else self._read_text(text)
        except BodyError:
            raise
        except (SourceError, ValueError, RecursionError) as error:
            raise BodyError(str(error)[:500]) from None
        return [item._replace(time=arrival) if type(item) is Reading and item.time is None else item for item in items]

    # JSON

    def _read_json(self, text: bytes) -> Items:
        found = _parsed(text)
        if isinstance(found, dict):
            for name in ("readings", "metrics"):
                if isinstance(found.get(name), list):
                    found = found[name]
                    break
        objects = found if isinstance(found, list) else [found]
        check_count(len(objects))
        if objects and all(isinstance(one, dict) and isinstance(one.get("fields"), dict) for one in objects):
            return self._read_telegraf(objects)
        return self._read_objects(objects)

    def _read_objects(self, objects: list[Any]) -> Items:
        value_name, time_name, label_name = self._value, self._time, self._label
        key_name, new = self._asked.key_column, tuple.__new__
        items: Items = []
        for place, found in enumerate(objects, 1):
            if type(found) is not dict:
                items.append(_bare(found, place))
                continue
            if value_name not in found:
                items.append(Refusal(f"item {place}", f"the object has no {shown(value_name)}"))
                continue
            if key_name is None and KEY in found:
                raise BodyError("the readings have keys, and this run has one stream: serve with --key-column key")
            value, time, label = found[value_name], found.get(time_name), found.get(label_name)
            key = None if key_name is None else found.get(key_name)
            # Reading(...) takes twice as long
            items.append(
                new(
                    Reading,
                    (
                        value if type(value) in _SCALARS else json_text(value),
                        time if type(time) in _SCALARS else json_text(time),
                        label if label is None or type(label) is str else json_text(label),
                        False,
                        key if key is None or type(key) is str else json_text(key),
                    ),
                )
            )
        return items

    def _read_telegraf(self, objects: list[dict[str, Any]]) -> Items:
        """Metrics as Telegraf's JSON has them: each field that is a number is a series."""
        found = SeriesReadings(self._asked)
        for metric in objects:
            name, tags = str(metric.get("name", "")), metric.get("tags") or {}
            tags = {tag: str(text) for tag, text in tags.items()} if isinstance(tags, dict) else {}
            time = metric.get("timestamp")
            for field, value in metric["fields"].items():
                if type(value) in (int, float):
                    key = found.key_of(_measure(name, field), tags, field)
                    if key is not None:
                        found.add(value, time if type(time) in _SCALARS else json_text(time), key)
        return [*found.items]

    # text

    def _read_text(self, text: bytes) -> Items:
        head = [line for line in text[:LIMIT].split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
        notation = notation_of([line.decode("utf-8", "replace").strip("\r") for line in head])
        if notation in OF_METRICS:
            return self._read_metrics(text.decode("utf-8", "replace").splitlines(), notation)
        return self._read_rows(text)

    def _read_metrics(self, lines: list[str], notation: str) -> Items:
        check_count(len(lines))
        found = SeriesReadings(self._asked)
        refusals: Items = []
        keys: dict[tuple[str, str], str | None] = {}
        for number, line in enumerate(lines, 1):
            if len(line) > LIMIT:
                refusals.append(Refusal(f"line {number}", f"a line of more than {LIMIT} characters"))
                continue
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            if notation == _INFLUX:
                is_read = _take_influx(stripped, found, keys)
            else:
                is_read = _take_metric(stripped, notation, found)
            if not is_read:
                refusals.append(Refusal(f"line {number}", f"{shown(line)} is not {notation}"))
        return [*found.items, *refusals]

    def _read_rows(self, text: bytes) -> Items:
        text += b"\n"
        reader = RowReader("the body", self._asked, self._dialect)
        reader.learn(b"\n".join(text[: text.rfind(b"\n", 0, LIMIT) + 1].split(b"\n", _LEARNT_FROM)[:_LEARNT_FROM]))
        items: Items = []
        for start in range(0, len(text), LIMIT):
            items += reader.feed(text[start : start + LIMIT])
            check_count(len(items))
        items += reader.finish()
        return items


_SCALARS = frozenset({float, int, str, type(None)})


def _parsed(text: bytes) -> Any:
    """One JSON document, or the list of those of its lines."""
    try:
        return orjson.loads(text)
    except ValueError:
        pass  # several lines, or numbers that only Python's own reader takes: NaN, and very large ones
    try:
        return json.loads(text)
    except ValueError as error:
        why = str(error)
    found: list[Any] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line) if b"NaN" in line else orjson.loads(line))
        except ValueError:
            raise BodyError(f"line {number} is no JSON ({why})" if number > 1 else f"no JSON: {why}") from None
    return found


def _bare(found: Any, place: int) -> Reading | Refusal:
    """A reading that is a number alone."""
    if found is None or type(found) in (int, float):
        return Reading(found)
    return Refusal(f"item {place}", f"{shown(json_text(found))} is no object and no number")


def _measure(name: str, field: str) -> str:
    """What a field of a measurement is called, as Telegraf writes it for Prometheus."""
    return name if field == VALUE else f"{name}_{field}" if name else field


def _take_metric(line: str, notation: str, found: SeriesReadings) -> bool:
    fields = READERS[notation](line)
    if fields is None:
        return False
    tags = {tag: text for tag, text in fields.items() if tag not in (METRIC, SERIES, VALUE, TIME)}
    key = found.key_of(fields[METRIC], tags)
    if key is not None:
        found.add(fields[VALUE], fields.get(TIME), key)
    return True


def _take_influx(line: str, found: SeriesReadings, keys: dict[tuple[str, str], str | None]) -> bool:
    """Take the fields of a line that are numbers; False where it is none of the protocol.

    ``keys``: of the series and fields of earlier lines, as they are written.
    """
    is_escaped = "\\" in line or '"' in line
    if is_escaped:
        match = _INFLUX_LINE.fullmatch(line)
        if match is None:
            return False
        series, time = match["series"], match["time"]
        fields = [(_unescaped(field), text) for field, text in in_a_row(_INFLUX_FIELD, match["fields"])]
        if not fields:
            return False
    else:
        parts = line.split()
        if not 2 <= len(parts) <= 3 or "=" not in parts[1]:
            return False
        series, time = parts[0], parts[2] if len(parts) == 3 else None
        fields = [pair.partition("=")[::2] for pair in parts[1].split(",")]
    for field, text in fields:
        if text[-1:] in "iu":
            text = text[:-1]  # noqa: PLW2901 - an integer
        if not text or text[0] not in "-+.0123456789":
            continue  # a text or a truth value
        if (series, field) not in keys:
            name, tags = _name_and_tags(series, is_escaped)
            keys[series, field] = found.key_of(_measure(name, field), tags, field)
        key = keys[series, field]
        if key is not None:
            found.add(text, time, key)
    return True


def _name_and_tags(series: str, is_escaped: bool) -> tuple[str, dict[str, str]]:
    if is_escaped:
        name, *pairs = _COMMA.split(series)
        return _unescaped(name), {_unescaped(tag): _unescaped(text) for tag, text in map(_pair, pairs)}
    name, *pairs = series.split(",")
    return name, dict(pair.partition("=")[::2] for pair in pairs)


def _pair(pair: str) -> tuple[str, str]:
    """A tag and its text; what is escaped stays so."""
    tag, *text = _EQUALS.split(pair, maxsplit=1)
    return tag, "".join(text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text
