"""A raw reading -> a point, or the reason why not.

Repaired, and counted:

- blanks around a value;
- a decimal comma, where the source says that a comma is one;
- a label that is no number and no known word: the point counts as unlabelled.

Missing, and counted; time goes on:

- a value that is None, empty, NaN, ``null``, ``none``, ``na`` or ``n/a``, in any case.

Refused, and counted, each with its reason:

- a value that is no number: text, digits of another alphabet, ``1_000``, ``0x10``, ``1,5`` without a decimal comma;
- a value that is infinite, as written or because it is too large (``1e999``);
- a time that cannot be read;
- a time that goes back (an equal one is fine), unless it shows that the clock was wrong before, see below;
- where a key says which stream a reading is of: no key, one that is too long, or that of a stream too many;
- whatever the source itself refused.

A clock that was wrong does not make a run go blind. A time that goes back is taken all the same

- where it goes on from an earlier one of the newest 32, and what stood between was ahead by more than the largest step
  before it. So readings with wild times cost none of those behind them;
- where it is the 20th in a row that goes back, and these were in order among themselves: the clock was set back.

Where there are many streams, a time goes back if it is before the last one of its own stream, and is refused.

Times are ISO 8601 (``2024-05-01``, ``2024-05``, ``2024-05-01T12:00:00.5Z``, ``2024-05-01 12:00:00+02:00``; UTC where no
zone stands; ``/`` between the parts of the date as well) or unix time in seconds, milli-, micro- or nanoseconds, told
apart by their size. A time that is None or empty is not known: NaN, and the point is kept.

Labels are numbers (0 normal, another one an anomaly), ``true/false``, ``yes/no`` or a name in
:data:`~streamforest.protocols.LABELS`, in any case; a label of type int is an index into that table.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamforest.block import Rows
from streamforest.protocols import (
    ANOMALY,
    LABELS,
    NORMAL,
    POINT_DTYPE,
    STREAM_POINT_DTYPE,
    UNLABELLED,
    Block,
    Points,
    Reading,
    Refusal,
    State,
)
from streamforest.state import attributes_of, packed, set_attributes, unpacked
from streamforest.stream_names import LONGEST_KEY, StreamNames

Column = Sequence[str | float | None]

#: Text that stands for a missing value, in lower case.
MISSING = frozenset({"", "nan", "null", "none", "na", "n/a"})

NO_NUMBER = "a value that is no number"
INFINITE = "an infinite value"
BAD_TIME = "a time that cannot be read"
TIME_BACK = "a time that goes back"
NO_READING = "a line that holds no reading"
NO_KEY = "a reading without a key"
LONG_KEY = "a key that is too long"
STREAM_TOO_MANY = "a stream too many"

LABEL_CODES = {
    **{name: code for code, name in enumerate(LABELS)},
    **dict.fromkeys(("true", "yes"), ANOMALY),
    **dict.fromkeys(("false", "no"), NORMAL),
    **dict.fromkeys(MISSING, UNLABELLED),
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_YEAR_AND_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)

# Below this many readings, arrays cost more than a look at each reading.
_FEW = 8

# Readings in a row that make a clock one that was set back, and times that are kept.
_TURNED, _KEPT = 20, 32


class RefusedError(ValueError):
    """A reading that cannot become a point: the kind of fault and the reason in words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Validator:
    """Turns blocks of raw readings into points and keeps count of what was wrong with them.

    Parameters
    ----------
    names : StreamNames, optional
        Gives each reading the number of its stream, by its key; without it all are of one stream.

    Attributes
    ----------
    missing : int
        Points without a value.
    repaired : int
        Readings that were put right.
    reasons : Counter of str
        How many readings were refused, by kind of fault.

    Notes
    -----
    A block is read column by column; where that meets anything but clean numbers and times, the block is read
    again one reading at a time. Both give the same points, bit for bit. Memory is constant.
    """

    #: What is remembered beside the reasons.
    _FACTS = ("missing", "repaired", "_last_time", "_times", "_back", "_back_time", "_seen")

    def __init__(self, names: StreamNames | None = None) -> None:
        self._names = names
        self.missing = 0
        self.repaired = 0
        self.reasons: Counter[str] = Counter()
        self._last_time = -math.inf
        self._times: list[float] = []  # the newest ones, in order
        self._back = 0  # readings in a row that were refused for their times, though these were in order
        self._back_time = -math.inf  # of the last of them
        self._seen = 0

    @property
    def refused(self) -> int:
        """How many readings were refused, those that the source refused among them."""
        return self.reasons.total()

    def state(self) -> State:
        """A copy of all that is remembered."""
        return {"facts": attributes_of(self, self._FACTS), "reasons": packed(self.reasons)}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        reasons = unpacked(state, "reasons")
        set_attributes(self, self._FACTS, state, "facts")
        self.reasons = Counter(reasons)

    def check(self, block: Block) -> tuple[Points, list[Refusal]]:
        """Check one block, which follows the one before in time.

        Parameters
        ----------
        block : sequence of Reading or Refusal
            What the source yielded; of Rows the array is taken where it says all.

        Returns
        -------
        points : array of POINT_DTYPE, or STREAM_POINT_DTYPE where there are names, shape (n,)
            The readings that were not refused, in order.
        refusals : list of Refusal
            The others, in order; ``where`` is the source's own or counts the readings from 1.
        """
        if isinstance(block, list) or not isinstance(block, Rows):  # to find that it is no Rows takes long
            return self._check_items(block)
        checked = [self._check_plain(part) if part.is_plain else self._check_items([*part]) for part in block.parts()]
        if len(checked) == 1:
            return checked[0]
        return np.concatenate([points for points, _ in checked]), [refusal for _, some in checked for refusal in some]

    def _check_plain(self, rows: Rows) -> tuple[Points, list[Refusal]]:
        """Check rows whose numbers are known: only their times may be wrong."""
        table = rows.table
        keys: Sequence[str | None] = () if self._names is None else rows.row_keys() or [None] * len(table)
        is_right, streams = self._streams_of(keys, table["time"])
        if not is_right:
            return self._check_each([*rows])
        self._seen += len(table)
        self.missing += int(np.count_nonzero(np.isnan(table["value"])))
        self.repaired += int(np.count_nonzero(table["is_repaired"]))
        return _points(table["time"], table["value"], table["label"], streams), []

    def _check_items(self, block: Block) -> tuple[Points, list[Refusal]]:
        points = self._check_columns(block) if len(block) >= _FEW else None
        if points is not None:
            self._seen += len(block)
            return points, []
        return self._check_each(block)

    def _check_columns(self, block: Block) -> Points | None:
        """The points of a block that needs no repair and no refusal; None where one may."""
        try:
            values, times, labels, _, keys = zip(*block, strict=True)
        except ValueError:
            return None  # a Refusal, which has two fields, stands among the readings
        numbers = _numbers(values)
        seconds = None if numbers is None else _seconds(times)
        if numbers is None or seconds is None:
            return None
        is_right, streams = self._streams_of(keys, seconds)
        if not is_right:
            return None
        self.missing += int(np.count_nonzero(np.isnan(numbers)))
        return _points(seconds, numbers, self._codes(labels), streams)

    def _streams_of(
        self, keys: Sequence[str | None], seconds: NDArray[np.float64]
    ) -> tuple[bool, NDArray[np.int64] | None]:
        """Whether all keys are clean and no time goes back in its stream; the streams' numbers where there are many."""
        if self._names is None:
            return self._goes_on(seconds), None
        numbers = _numbers_of(keys, self._names)
        if numbers is None:
            return False, None
        streams = np.array(numbers, dtype=np.int64)
        return _each_goes_on(seconds, streams, self._names), streams

    def _goes_on(self, seconds: NDArray[np.float64]) -> bool:
        """Whether no known time goes back; keeps the last one if so."""
        is_unknown = np.isnan(seconds)
        known = seconds[~is_unknown] if is_unknown.any() else seconds
        if not len(known):
            return True
        if not (known[0] >= self._last_time and (known[1:] >= known[:-1]).all()):
            return False
        self._go_on(known[-_KEPT:].tolist())
        return True

    def _go_on(self, times: list[float]) -> None:
        """Keep times that do not go back."""
        self._last_time = times[-1]
        self._times = [*self._times, *times][-_KEPT:]
        self._back, self._back_time = 0, -math.inf

    def _codes(self, labels: Column) -> list[int] | int:
        if labels.count(None) == len(labels):
            return UNLABELLED
        known = {label: _label_code(label) for label in set(labels)}
        codes = [known[label] for label in labels]
        self.repaired += codes.count(None)
        return [UNLABELLED if code is None else code for code in codes]

    def _check_each(self, block: Block) -> tuple[Points, list[Refusal]]:
        rows: list[tuple[float | int, ...]] = []
        refusals: list[Refusal] = []
        for item in block:
            self._seen += 1
            if isinstance(item, Refusal):
                self.reasons[NO_READING] += 1
                refusals.append(item)
                continue
            try:
                value, is_repaired = _read_value(item)
                time = math.nan if item.time is None else read_time(item.time)
                # last of what may be refused for itself: it may make a stream
                stream = 0 if self._names is None else _number_of(item.key, self._names)
                if time == time:
                    self._follow(time, stream, item.time)
            except RefusedError as error:
                self.reasons[error.kind] += 1
                refusals.append(Refusal(f"reading {self._seen}", error.reason))
                continue
            code = UNLABELLED if item.label is None else _label_code(item.label)
            self.repaired += is_repaired + (code is None)
            self.missing += value != value
            row = time, value, UNLABELLED if code is None else code
            rows.append(row if self._names is None else (*row, stream))
        return np.array(rows, POINT_DTYPE if self._names is None else STREAM_POINT_DTYPE), refusals

    def _follow(self, time: float, stream: int, raw: str | float | None) -> None:
        """Keep a known time as the last one of its stream; raises RefusedError where it goes back."""
        last = self._last_time if self._names is None else self._names.last_times[stream]
        if time < last and (self._names is not None or not self._was_wrong(time)):
            raise RefusedError(TIME_BACK, f"time {shown(raw)} goes back, it is before that of an earlier reading")
        if self._names is None:
            self._go_on([time])
        else:
            self._names.last_times[stream] = time

    def _was_wrong(self, time: float) -> bool:
        """Whether a time that goes back shows that times before it were wrong; forgets these if so."""
        place = bisect_right(self._times, time)
        steady, ahead = self._times[:place], self._times[place:]
        if steady:
            step = max(b - a for a, b in pairwise([*steady, time]))
            if 0.0 < step < ahead[0] - steady[-1]:
                self._times = steady
                return True
        self._back = self._back + 1 if time >= self._back_time else 1
        self._back_time = time
        if self._back < _TURNED:
            return False
        self._times = []
        return True


def _number_of(key: str | None, names: StreamNames) -> int:
    """Number of the stream of a key."""
    text = (key or "").strip()
    if not text:
        raise RefusedError(NO_KEY, "it has no key, which would say what stream it is of")
    if len(text) > LONGEST_KEY:
        raise RefusedError(LONG_KEY, f"key {shown(text)} is longer than {LONGEST_KEY} characters")
    numbers = names.numbers_of([text])
    if numbers is None:
        most = f"{names.most:,}"
        raise RefusedError(STREAM_TOO_MANY, f"key {shown(text)} is new, and there are {most} streams, the most")
    return numbers[0]


def _numbers_of(keys: Sequence[str | None], names: StreamNames) -> list[int] | None:
    """Numbers of the streams of clean keys; None where one needs a closer look."""
    try:
        tidy = [key.strip() for key in cast(Sequence[str], keys)]
    except AttributeError:
        return None  # a reading without a key
    if not all(tidy) or max(map(len, tidy)) > LONGEST_KEY:
        return None
    return names.numbers_of(tidy)


def _each_goes_on(seconds: NDArray[np.float64], streams: NDArray[np.int64], names: StreamNames) -> bool:
    """Whether no known time goes back in its stream; keeps the last ones if so."""
    is_known = ~np.isnan(seconds)
    if not is_known.all():
        seconds, streams = seconds[is_known], streams[is_known]
    if not len(seconds):
        return True
    order = np.argsort(streams, kind="stable")
    sorted_streams, after = streams[order], seconds[order]
    before = np.concatenate(([-math.inf], after[:-1]))
    is_first = np.concatenate(([True], sorted_streams[1:] != sorted_streams[:-1]))
    before[is_first] = names.last_times[sorted_streams[is_first]]
    if not (after >= before).all():
        return False
    names.last_times[streams] = seconds  # of several readings of a stream the last one stays
    return True


def _points(times: ArrayLike, values: NDArray[np.float64], labels: ArrayLike, streams: ArrayLike | None) -> Points:
    points = np.empty(len(values), POINT_DTYPE if streams is None else STREAM_POINT_DTYPE)
    if streams is not None:
        points["stream"] = streams
    points["time"] = times
    points["value"] = values
    points["label"] = labels
    return points


def shown(raw: object) -> str:
    r"""Text as it may be shown to a user: quoted, at most 40 characters, with control characters escaped.

    Examples
    --------
    >>> print(shown("a\x1b[31m"))
    'a\x1b[31m'
    """
    text = str(raw)
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}..."


def read_number(raw: str | float | None, decimal_comma: bool = False) -> float:
    """The number that a text or number stands for; NaN for a missing one.

    Raises
    ------
    RefusedError
        It is no number, or infinite.

    Examples
    --------
    >>> read_number(" 3,5 ", decimal_comma=True)
    3.5
    """
    return _read_value(Reading(raw, None, None, decimal_comma))[0]


def _read_value(reading: Reading) -> tuple[float, bool]:
    """The value, NaN for a missing one, and whether it was repaired."""
    raw = reading.value
    if raw is None:
        return math.nan, False
    is_repaired = False
    try:
        if isinstance(raw, str):
            text = raw.strip()
            if text.lower() in MISSING:
                return math.nan, False
            is_repaired = text != raw
            if reading.decimal_comma and "," in text:
                text, is_repaired = text.replace(",", "."), True
            value = _plain_number(text)
        else:
            value = float(raw)
    except OverflowError:
        value = math.inf  # an integer that is too large for a float
    except (ValueError, TypeError):
        raise RefusedError(NO_NUMBER, f"{shown(raw)} is no number") from None
    if math.isinf(value):
        raise RefusedError(INFINITE, f"{shown(raw)} is infinite or too large for a number")
    return value, is_repaired and value == value


def _plain_number(text: str) -> float:
    """``float`` without the notations of Python's own: underscores and digits of other alphabets."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def read_time(raw: str | float | None) -> float:
    """Seconds, UTC epoch, of an ISO 8601 text or a unix time; NaN for None or empty text.

    Raises
    ------
    RefusedError
        It is neither.

    Examples
    --------
    >>> read_time("1970-01-02T01:00:00+01:00")
    86400.0
    >>> read_time("1714521600000") == read_time("2024-05-01")
    True
    """
    try:
        if not isinstance(raw, str):
            return math.nan if raw is None else _read_unix(float(raw))
        text = raw.strip()
        if text[4:5] in {"-", "/"} and text[:4].isdigit():
            return _read_iso(text)
        return math.nan if text.lower() in MISSING else _read_unix(_plain_number(text))
    except (ValueError, TypeError, OverflowError):
        reason = f"time {shown(raw)} cannot be read: it is neither ISO 8601 nor unix time"
        raise RefusedError(BAD_TIME, reason) from None


def _read_iso(text: str) -> float:
    tidy = text.removesuffix(" UTC").replace("/", "-")
    if _YEAR_AND_MONTH.fullmatch(tidy):
        tidy += "-01"
    moment = datetime.fromisoformat(tidy)
    return (moment - (_EPOCH if moment.tzinfo else _NAIVE_EPOCH)).total_seconds()


def _read_unix(number: float) -> float:
    if math.isinf(number):
        raise ValueError
    return number / _unit(abs(number))


def _unit(size: float) -> float:
    """Parts of a second that a unix time of this size counts: seconds reach to the year 5138."""
    if size < 1e11:
        return 1.0
    if size < 1e14:
        return 1e3
    return 1e6 if size < 1e17 else 1e9


def _numbers(values: Column) -> NDArray[np.float64] | None:
    """Clean texts or numbers as an array, NaN where one is empty; None where one needs a closer look."""
    try:
        if set(map(type, values)) <= {float, int}:
            numbers = np.array(list(map(float, cast(Sequence[float], values))))
        else:
            texts = cast(Sequence[str], values)
            joined = "".join(texts)  # anything but text raises TypeError
            if "_" in joined or not joined.isascii() or "".join(joined.split()) != joined:
                return None
            numbers = np.array([float(text or "nan") for text in texts])
    except (TypeError, ValueError, OverflowError):
        return None
    return None if np.isinf(numbers).any() else numbers


def _seconds(times: Column) -> NDArray[np.float64] | None:
    """Times of one notation as an array; None where one needs a closer look."""
    first = times[0]
    if first is None:
        return np.full(len(times), math.nan) if times.count(None) == len(times) else None
    if not isinstance(first, str) or first[4:5] != "-":
        numbers = _numbers(times)
        return None if numbers is None else _unix_seconds(numbers)
    try:
        texts = [text for text in cast(Sequence[str], times) if text[4] == "-"]
        epoch = _EPOCH if datetime.fromisoformat(first).tzinfo else _NAIVE_EPOCH
        seconds = [(moment - epoch).total_seconds() for moment in map(datetime.fromisoformat, texts)]
    except (TypeError, ValueError, IndexError):
        return None  # numbers among the texts, or two notations, in one block
    return np.array(seconds) if len(seconds) == len(times) else None


def _unix_seconds(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.abs(numbers)
    if sizes.max() < 1e11:
        return numbers
    units = np.select([sizes < 1e11, sizes < 1e14, sizes < 1e17], [1.0, 1e3, 1e6], 1e9)
    return np.asarray(numbers / units)


def _label_code(label: str | float | None) -> int | None:
    """The index of a label in LABELS, or UNLABELLED; None for one that is not known."""
    if label is None:
        return UNLABELLED
    if isinstance(label, int):
        return label if UNLABELLED <= label < len(LABELS) else None
    text = str(label).strip().lower()
    if text in LABEL_CODES:
        return LABEL_CODES[text]
    try:
        number = _plain_number(text)
    except ValueError:
        return None
    return UNLABELLED if number != number else ANOMALY if number else NORMAL
