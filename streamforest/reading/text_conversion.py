"""Bytes as files and pipes hold them -> text: its coding, line ends of old Macs, JSON documents."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from streamforest.protocols import SourceError
from streamforest.reading.notation import RefusedError, read_time
from streamforest.reading.python_values import LATEST
from streamforest.reading.time_form import is_time_text

#: Bytes of the largest JSON document that is read as a whole: one whose rows stand in an object.
LARGEST_DOCUMENT = 64 * 2**20

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNMARKED = {"utf-16-le": [False, True, False, True], "utf-16-be": [True, False, True, False]}  # where zeros are
_HEAD = 4  # bytes of the longest mark
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],\n"]', re.DOTALL)
_ARRAY = re.compile(
    rb'\s*\[\s*(?:[{\["\]]|-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?\s*(?:[,\n]|\]\s*[,\r\n])|(?:null|true|false)\s*[,\]])'
)
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_CUT = 65536  # bytes of a first line that is looked at
#: In place of a JSON value in which too many are one inside the other.
DEEP = "[...]"


class TextConverter:
    """Turns the bytes of one text into UTF-8 with a line feed behind every row.

    A JSON array becomes a line an element, an object with rows inside a line a row; other text stays as it is.

    Attributes
    ----------
    notes : list of str
        What was done, in words; empty where the bytes are handed on unchanged.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []

    def chunks(self, raw: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the text, chunk by chunk, as soon as it is there.

        Raises
        ------
        SourceError
            A JSON document is too large.
        """
        source = iter(raw)
        head, source = _peeked(source, _HEAD)
        coding = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if len(head) == _HEAD:  # without a mark, of signs that are in ASCII
            zeros = [not byte for byte in head]
            coding = next((name for name, places in _UNMARKED.items() if zeros == places), coding)
        if coding is not None and (b"\0" in head or len(head) == 2):
            self.notes.append(coding.upper())
            source = _decoded(source, coding)
        yield from self._structured(self._with_line_ends(source))

    def _with_line_ends(self, source: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks, with a line feed for each carriage return where these alone end the lines."""
        waiting = b""
        for chunk in source:
            waiting += chunk
            at = min((place for sign in (b"\r", b"\n") if (place := waiting.find(sign)) >= 0), default=-1)
            if at < 0:
                yield waiting
                waiting = b""
                continue
            if waiting[at : at + 1] == b"\r" and at + 1 == len(waiting):
                continue  # the next byte tells
            is_old = waiting[at : at + 1] == b"\r" and waiting[at + 1 : at + 2] != b"\n"
            if not is_old:
                yield waiting
                yield from source
                return
            self.notes.append("CR at line ends")
            yield waiting.replace(b"\r", b"\n")
            for rest in source:
                yield rest.replace(b"\r", b"\n")
            return
        if waiting.endswith(b"\r"):
            self.notes.append("CR at line ends")
            waiting = waiting.replace(b"\r", b"\n")
        if waiting:
            yield waiting

    def _structured(self, source: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks, with the rows of JSON documents in lines of their own."""
        waiting = b""
        for chunk in source:
            waiting += chunk
            text = waiting.removeprefix(codecs.BOM_UTF8).lstrip()
            if not text:
                if len(waiting) > _CUT:
                    break
                continue
            if text[:1] == b"[" and len(text) < 64 and b"\n" not in text and not _ARRAY.match(text):
                continue
            if text[:1] not in b"[{" or (text[:1] == b"[" and not _ARRAY.match(text)):
                break
            before = waiting[: len(waiting) - len(text)]
            yield from self._documents(before, text, source)
            return
        if waiting:
            yield waiting
        yield from source

    def _documents(self, before: bytes, text: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
        """The rows of a text of JSON values; text that has none but a value in each line stays as it is."""
        values = _TopValues(text, source)
        first = values.next_value()
        if first is None:  # never closed: no JSON, or a damaged line
            yield before + values.rest()
            yield from source
            return
        found = _loaded(first)
        is_simple = isinstance(found, dict) and not _has_rows(found)
        if found is None or is_simple:
            if is_simple and b"\n" in first.strip():
                self.notes.append("JSON objects over several lines")
                yield _one_line(first)
                while (value := values.next_value()) is not None:
                    yield _one_line(value)
                return
            yield before + first + values.rest()
            yield from source
            return
        second = values.next_value()
        yield from self._rows_of(found, is_alone=second is None)
        while second is not None:
            found = _loaded(second)
            yield from [_one_line(second)] if found is None else self._rows_of(found, is_alone=False)
            second = values.next_value()

    def _rows_of(self, found: Any, *, is_alone: bool) -> Iterator[bytes]:
        if lines := _series_lines(found):
            self._note("an answer of a database of series")
            yield from lines
        elif isinstance(found, list):
            if is_alone and (inner := _answered_rows(found)):
                found = inner
            self._note("a JSON array")
            is_row = not is_alone and not any(isinstance(cell, dict | list) for cell in found)
            yield from map(_line_of, [found] if is_row else _filled(_joined(found)))
        elif isinstance(found, dict) and (is_alone or set(found) == {"metrics"}) and (rows := rows_in(found)):
            name = _name_of(found, rows)
            others = [f", not those of {other!r}" for other in _other_rows(found, rows)]
            of = f"the rows of {name!r} inside a JSON object" if name else "the rows inside a JSON object"
            self._note(of + "".join(others))
            rows = _filled(_with_columns_beside(found, _named(found, rows)))
            name = _unordered_time(rows)
            if name:
                self._note(f"sorted by {name!r}")
                rows = sorted(rows, key=lambda row: str(row[name]))
            yield from map(_line_of, rows)
        else:
            yield _line_of(found)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _peeked(source: Iterator[bytes], n: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of chunks, at least one and up to n as far as the first chunk has them; and all chunks."""
    first = next(source, b"")
    while first and len(first) < n and (b"\n" not in first or b"\0" in first):  # no line is kept waiting
        more = next(source, b"")
        if not more:
            break
        first += more

    def all_chunks() -> Iterator[bytes]:
        if first:
            yield first
        yield from source

    return first[:n], all_chunks()


def _decoded(source: Iterator[bytes], coding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(coding)(errors="replace")
    for chunk in source:
        text = decoder.decode(chunk)
        if text:
            yield text.encode()
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest.encode()


class _TopValues:
    """Cuts chunks into the JSON values that stand in them one behind the other."""

    def __init__(self, text: bytes, source: Iterator[bytes]) -> None:
        self._text, self._source = text, source

    def next_value(self) -> bytes | None:
        """The next value with what ends its line; None where there is none, or it is never closed or damaged."""
        depth, at = 0, 0
        while True:
            token = _TOKEN.search(self._text, at)
            if token is None or token[0] == b'"':
                at = len(self._text) if token is None else token.start()
                if not self._more():
                    return self._last() if depth == 0 else None
                continue
            at = token.end()
            sign = token[0]
            if sign in b"{[":
                if sign == b"{" and depth and self._text[:1] == b"{" and self._text[token.start() - 1 : at] == b"\n{":
                    return None  # an object begins a line while one is open: that one is damaged
                depth += 1
            elif sign in b"}]":
                depth -= 1
                if depth <= 0:
                    return self._cut(at)
            elif sign == b"\n" and depth == 0 and self._text[:at].strip():
                return self._cut(at)

    def _cut(self, at: int) -> bytes:
        end = re.compile(rb"[ \t\r,]*\n?").match(self._text, at)
        at = at if end is None else end.end()
        value, self._text = self._text[:at], self._text[at:]
        return value

    def _last(self) -> bytes | None:
        value, self._text = self._text, b""
        return value if value.strip() else None

    def _more(self) -> bool:
        if len(self._text) > LARGEST_DOCUMENT:
            raise SourceError(
                f"a JSON document of more than {LARGEST_DOCUMENT // 2**20} MB: write its rows as lines first, as with "
                "jq -c '.[]'"
            )
        chunk = next(self._source, b"")
        self._text += chunk
        return bool(chunk)

    def rest(self) -> bytes:
        """What was taken from the chunks and is in no value."""
        text, self._text = self._text, b""
        return text


def _loaded(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _one_line(value: bytes) -> bytes:
    return value.strip().replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def _line_of(found: Any) -> bytes:
    """A JSON value as a line: an array without objects as a CSV row."""
    if isinstance(found, list) and not any(isinstance(cell, dict) for cell in found):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(_cell(cell) for cell in found)
        return _encoded(out.getvalue())
    return _encoded(f"{'null' if found is None else _cell(found)}\n")


def _encoded(text: str) -> bytes:
    r"""Text as UTF-8; half a character, as JSON can name it, by its name again: ``\ud800``."""
    return text.encode("utf-8", "backslashreplace")


def _cell(found: Any) -> str:
    if found is None:
        return ""
    if isinstance(found, str):
        return found.replace("\n", " ")
    try:
        return json.dumps(found, ensure_ascii=False)
    except RecursionError:  # it holds as many one inside the other as can just be read: no reading does
        return DEEP


def _has_rows(found: dict[str, Any]) -> bool:
    return bool(rows_in(found) or _series_lines(found))


def _joined(found: list[Any]) -> list[Any]:
    """An array, or of one with arrays of objects inside these objects, each with the ``entity_id`` of the first."""
    if not found or not all(isinstance(rows, list) and rows and isinstance(rows[0], dict) for rows in found):
        return found
    keys = [{name: rows[0][name] for name in ("entity_id",) if name in rows[0]} for rows in found]
    return [key | row for key, rows in zip(keys, found, strict=True) for row in rows if isinstance(row, dict)]


def _answered_rows(found: list[Any]) -> list[Any]:
    """The only array of objects in an array, beside one that says how many there are; empty where it is none such."""
    arrays = [cells for cells in found if isinstance(cells, list)]
    is_answer = len(found) == 2 and len(arrays) == 1 and all(isinstance(cell, dict) for cell in arrays[0])
    return arrays[0] if is_answer else []


def _filled(rows: list[Any]) -> list[Any]:
    """Objects with null for what most others have: a program that has no value may leave its name out."""
    if not rows or not all(isinstance(row, dict) for row in rows):
        return rows
    counts = Counter(name for row in rows for name in row)
    usual = {name: None for name, n in counts.items() if 2 * n > len(rows)}
    return [usual | row for row in rows]


def _name_of(found: Any, rows: list[Any]) -> str:
    """The name that an array of rows has inside an object; empty for rows that are made of something else."""
    if not isinstance(found, dict):
        return ""
    for name, inner in found.items():
        if inner is rows:
            return str(name)
        inside = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
        if deeper := _name_of(inside, rows):
            return deeper
    return ""


def _named(found: Any, rows: list[Any]) -> list[Any]:
    """Arrays as objects, where names for their cells stand beside them, and perhaps an index of pandas."""
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    if not width or not all(isinstance(row, list) and len(row) == width for row in rows):
        return rows
    beside = _object_with(found, rows) or {}
    names = next((names for names in beside.values() if _are_names(names, width)), None)
    if names is None:
        return rows
    index = beside.get("index")
    keys = index if isinstance(index, list) and len(index) == len(rows) and index is not names else None
    named = [dict(zip(names, row, strict=True)) for row in rows]
    return named if keys is None else [{"index": key} | row for key, row in zip(keys, named, strict=True)]


def _other_rows(found: Any, rows: list[Any]) -> list[str]:
    """Names of the other arrays of objects or arrays beside one inside an object."""
    beside = _object_with(found, rows) or {}
    others = {name: cells for name, cells in beside.items() if isinstance(cells, list) and cells is not rows}
    return [name for name, cells in others.items() if len(cells) > 1 and isinstance(cells[0], dict | list)]


def _are_names(found: Any, n: int) -> bool:
    """Whether this is an array of so many different texts."""
    return isinstance(found, list) and len(found) == n == len({name for name in found if isinstance(name, str)})


def _object_with(found: Any, rows: list[Any]) -> dict[str, Any] | None:
    """The object that holds an array, inside another one."""
    if isinstance(found, list):
        found = found[0] if len(found) == 1 else None
    if not isinstance(found, dict):
        return None
    if any(inner is rows for inner in found.values()):
        return found
    return next((inside for inner in found.values() if (inside := _object_with(inner, rows)) is not None), None)


def _unordered_time(rows: list[Any]) -> str:
    """Name of the first times (ISO 8601 of one length) that go neither up nor down from row to row; empty for none."""
    for name in rows[0] if all(isinstance(row, dict) for row in rows) else ():
        times = [row.get(name) for row in rows]
        if all(isinstance(time, str) and len(time) == len(times[0]) and _ISO_TIME.match(time) for time in times):
            return "" if times in (sorted(times), sorted(times, reverse=True)) else str(name)
    return ""


def _series_lines(found: Any) -> list[bytes]:
    """What a database of series answers, as lines of Prometheus' text format in the order of time; empty: no such."""
    rows: list[tuple[float, str, Any]] = []
    for one in _series_in(found):
        series = _tags_and_samples(one)
        if series is None:
            return []
        tags, samples = series
        labels = ",".join(f"{name}={json.dumps(str(text))}" for name, text in tags.items() if name != "__name__")
        name = f"{tags.get('__name__', 'value')}{{{labels}}}"
        rows += [(time, name, "NaN" if value is None else value) for time, value in samples]
    rows.sort(key=lambda row: row[0])
    # a time that none can be stays as it is, to be refused
    times = [round(1000 * time) if abs(time) <= LATEST else time for time, _, _ in rows]
    return [_encoded(f"{name} {value} {time}\n") for time, (_, name, value) in zip(times, rows, strict=True)]


def _series_in(found: Any) -> list[Any]:
    """The series in an answer of Prometheus, Graphite or OpenTSDB."""
    if isinstance(found, dict):
        data = found.get("data")
        found = data.get("result") if isinstance(data, dict) else None
    return found if isinstance(found, list) else []


def _tags_and_samples(one: Any) -> tuple[dict[str, Any], list[tuple[float, Any]]] | None:
    """Tags of a series and its samples, each a time (seconds, UTC epoch) and a value; None where it is none."""
    if not isinstance(one, dict):
        return None
    if "datapoints" in one and "target" in one:  # Graphite has the value first
        tags, pairs = {"target": one["target"]}, [pair[::-1] for pair in _pairs(one["datapoints"])]
    elif "dps" in one and "metric" in one:
        dps = one["dps"]
        of_metric = one["metric"] if isinstance(one["metric"], str) else ""
        others = one["tags"] if isinstance(one.get("tags"), dict) else {}
        pairs = [[_seconds(time), value] for time, value in (dps.items() if isinstance(dps, dict) else _pairs(dps))]
        tags = {"metric": of_metric, **others}
    elif isinstance(one.get("metric"), dict):
        tags, pairs = one["metric"], _pairs(one.get("values") or [one.get("value")])
    else:
        return None
    samples = [(time, value) for time, value in pairs if isinstance(time, int | float)]
    return (tags, samples) if samples else None


def _pairs(found: Any) -> list[Any]:
    """Arrays of two; empty where some are none."""
    is_right = isinstance(found, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in found)
    return found if is_right else []


def _seconds(time: Any) -> float | None:
    """Unix time in seconds of one in seconds or milliseconds, as a number or text."""
    try:
        return read_time(time)
    except RefusedError:
        return None


def rows_in(found: Any, depth: int = 8) -> list[Any]:
    """The rows inside a JSON object: its longest array of objects or arrays, or arrays that stand for columns.

    Examples
    --------
    >>> rows_in({"status": "ok", "data": [{"v": 1}, {"v": 2}]})
    [{'v': 1}, {'v': 2}]
    >>> rows_in({"hourly": {"time": ["a", "b"], "temp": [1, 2]}})
    [{'time': 'a', 'temp': 1}, {'time': 'b', 'temp': 2}]
    >>> rows_in({"2024-05-01": 1, "2024-05-02": 2})
    [{'time': '2024-05-01', 'value': 1}, {'time': '2024-05-02', 'value': 2}]
    >>> rows_in({"value": [1, 2]})
    []
    """
    best: list[Any] = []
    if not isinstance(found, dict) or not depth:
        return best
    if len(found) > 1 and all(map(_is_time, found)):
        return [
            {"time": time} | (cells if isinstance(cells, dict) else {"value": cells}) for time, cells in found.items()
        ]
    arrays = {name: cells for name, cells in found.items() if isinstance(cells, list) and len(cells) > 1}
    flat = {name: cells for name, cells in arrays.items() if not any(isinstance(cell, dict | list) for cell in cells)}
    if len(flat) > 1 and len(set(map(len, flat.values()))) == 1:
        best = _rows_of_columns(flat)
    for cells in arrays.values():
        if all(isinstance(cell, dict) for cell in cells) or all(isinstance(cell, list) for cell in cells):
            best = max(best, cells, key=len)
    for inner in found.values():
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]  # noqa: PLW2901 - an only element stands for itself
        best = max(best, rows_in(inner, depth - 1), key=len)
    return best


def _rows_of_columns(columns: dict[str, list[Any]]) -> list[Any]:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _with_columns_beside(found: Any, rows: list[Any]) -> list[Any]:
    """Rows that are made of arrays, with the other arrays of that length, such as the times, wherever they stand."""
    columns = {name: cells for name, cells in _arrays_in(found) if len(cells) == len(rows)}
    is_of_columns = bool(rows) and isinstance(rows[0], dict) and rows[0].keys() < columns.keys()
    return _rows_of_columns(columns) if is_of_columns else rows


def _arrays_in(found: Any) -> Iterator[tuple[str, list[Any]]]:
    """The arrays without arrays and objects in them, inside an object, by their names."""
    inner = found.items() if isinstance(found, dict) else []
    for name, cells in inner:
        only = cells[0] if isinstance(cells, list) and len(cells) == 1 else cells
        if isinstance(cells, list) and len(cells) > 1 and not any(isinstance(cell, dict | list) for cell in cells):
            yield name, cells
        else:
            yield from _arrays_in(only)


def _is_time(name: str) -> bool:
    return is_time_text(name) or re.fullmatch(r"1\d{9}(?:\d{3})?", name) is not None


# Digits of other scripts and the signs that go with them; the marks of the direction of writing, which are dropped; and
# the lines that are drawn between the cells of tables.
_FOREIGN = {
    **{first + digit: str(digit) for first in (0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10) for digit in range(10)},
    **{0x66B: ".", 0x66C: "'", 0xFF0D: "-", 0xFF0E: ".", 0xFF0F: "/", 0xFF1A: ":"},
    **dict.fromkeys((0x200E, 0x200F, 0x61C)),
    **dict.fromkeys((0x2502, 0x2503, 0x2506, 0x250A), "|"),
    **dict.fromkeys((0x2500, 0x2501, 0x2550), "-"),
    **dict.fromkeys(
        map(ord, "\u250c\u2510\u2514\u2518\u251c\u2524\u252c\u2534\u253c\u255e\u2561\u256a\u256d\u256e\u256f\u2570"),
        "+",
    ),
}
_FOR_TERMINALS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
_IS_FOREIGN = re.compile(f"[{''.join(map(chr, _FOREIGN))}]")


def text_of(lines: bytes, coding: str = "") -> str | None:
    """Lines as text, None where it is no text.

    Without byte order marks, what colours a terminal and moves its cursor, and the first half of Windows line ends;
    digits of other scripts, such as Arabic ones, are those of ASCII.
    """
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        if not coding:
            return None
        text = lines.decode(coding, "replace")
    if "\x1b" in text:
        text = _FOR_TERMINALS.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    if text.isascii():
        return text
    if _IS_FOREIGN.search(text):
        text = text.translate(_FOREIGN)
    return text.replace("\ufeff", "")
