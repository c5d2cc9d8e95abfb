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
- a time that cannot be read, or is beyond the year 5000;
- a time that goes back (an equal one is fine), unless it shows that the clock was wrong before;
- where a key says which stream a reading is of: no key, one that is too long or has half a character, or that of a
  stream too many;
- whatever the source itself refused.

A clock that was wrong does not make a run go blind, see :meth:`streamforest.clocks.Clocks.follow`. Where there are many
streams, this holds for each by its own times.

How numbers, times and labels may be written stands in :mod:`~streamforest.reading.notation`. A time that is None or
empty is not known: NaN, and the point is kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamforest.clocks import Clocks
from streamforest.moments import iso_time
from streamforest.protocols import (
    POINT_DTYPE,
    STREAM_POINT_DTYPE,
    UNLABELLED,
    Block,
    Points,
    Refusal,
    State,
)
from streamforest.reading.notation import (
    BAD_TIME,
    Column,
    RefusedError,
    clean_numbers,
    clean_seconds,
    label_code,
    read_time,
    read_value,
)
from streamforest.reading.python_values import LATEST
from streamforest.reading.row_block import Rows
from streamforest.state import attributes_of, packed, saved_array, set_attributes, unpacked
from streamforest.stream_names import LONGEST_KEY, StreamNames
from streamforest.text import is_whole, shown

TIME_BACK = "a time that goes back"
NO_READING = "a line that holds no reading"
NO_KEY = "a reading without a key"
LONG_KEY = "a key that is too long"
BROKEN_KEY = "a key with half a character"
STREAM_TOO_MANY = "a stream too many"


# Below this many readings, arrays cost more than a look at each reading.
_FEW = 8


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
    _FACTS = ("missing", "repaired", "_seen")

    def __init__(self, names: StreamNames | None = None) -> None:
        self._names = names
        self.missing = 0
        self.repaired = 0
        self.reasons: Counter[str] = Counter()
        self._clocks = Clocks()  # of the one stream
        self._seen = 0

    @property
    def refused(self) -> int:
        """How many readings were refused, those that the source refused among them."""
        return self.reasons.total()

    def state(self) -> State:
        """A copy of all that is remembered."""
        facts = attributes_of(self, self._FACTS)
        return {"facts": facts, "reasons": packed(self.reasons), "clock": self._clocks.records.copy()}

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        reasons = unpacked(state, "reasons", dict[str, int])
        clock = saved_array(state, "clock", self._clocks.records)
        set_attributes(self, self._FACTS, state, "facts")
        self._clocks.restore(clock)
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
        checked = [self._check_parsed(part) if part.is_parsed else self._check_items([*part]) for part in block.parts()]
        if len(checked) == 1:
            return checked[0]
        return np.concatenate([points for points, _ in checked]), [refusal for _, some in checked for refusal in some]

    def _check_parsed(self, rows: Rows) -> tuple[Points, list[Refusal]]:
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
        numbers = clean_numbers(values)
        seconds = None if numbers is None else clean_seconds(times)
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
        streams = None
        if self._names is not None:
            numbers = _numbers_of(keys, self._names)
            if numbers is None:
                return False, None
            streams = np.array(numbers, dtype=np.int64)
        is_unknown = np.isnan(seconds)
        given = seconds[~is_unknown] if is_unknown.any() else seconds
        if len(given) and max(given.max(), -given.min()) > LATEST:
            return False, None
        if streams is None or self._names is None:
            return self._clocks.go_on(0, given), None
        of = streams[~is_unknown] if len(given) < len(seconds) else streams
        return self._names.clocks.go_on_all(of, given), streams

    def _codes(self, labels: Column) -> list[int] | int:
        if labels.count(None) == len(labels):
            return UNLABELLED
        code_of = {label: label_code(label) for label in set(labels)}
        codes = [code_of[label] for label in labels]
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
                value, is_repaired = read_value(item)
                time = math.nan if item.time is None else read_time(item.time)
                if abs(time) > LATEST:
                    raise RefusedError(BAD_TIME, f"time {shown(item.time)} is beyond the year 5000")
                # last of what may be refused for itself: it may make a stream
                stream = 0 if self._names is None else _number_of(item.key, self._names)
                if time == time:
                    self._follow(time, stream, item.time)
            except RefusedError as error:
                self.reasons[error.kind] += 1
                refusals.append(Refusal(f"reading {self._seen}", error.reason))
                continue
            code = UNLABELLED if item.label is None else label_code(item.label)
            self.repaired += is_repaired + (code is None)
            self.missing += value != value
            row = time, value, UNLABELLED if code is None else code
            rows.append(row if self._names is None else (*row, stream))
        return np.array(rows, POINT_DTYPE if self._names is None else STREAM_POINT_DTYPE), refusals

    def _follow(self, time: float, stream: int, raw: str | float | None) -> None:
        """Keep a known time as the last one of its stream; raises RefusedError where it goes back."""
        clocks = self._clocks if self._names is None else self._names.clocks
        if not clocks.follow(stream, time):
            said = shown(raw) if isinstance(raw, str) else iso_time(time)
            raise RefusedError(TIME_BACK, f"time {said} goes back, it is before that of an earlier reading")


def _number_of(key: str | None, names: StreamNames) -> int:
    """Number of the stream of a key."""
    text = (key or "").strip()
    if not text:
        raise RefusedError(NO_KEY, "it has no key, which would say what stream it is of")
    if len(text) > LONGEST_KEY:
        raise RefusedError(LONG_KEY, f"key {shown(text)} is longer than {LONGEST_KEY} characters")
    if not is_whole(text):
        raise RefusedError(BROKEN_KEY, f"key {shown(text)} has half a character")
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


def _points(times: ArrayLike, values: NDArray[np.float64], labels: ArrayLike, streams: ArrayLike | None) -> Points:
    points = np.empty(len(values), POINT_DTYPE if streams is None else STREAM_POINT_DTYPE)
    if streams is not None:
        points["stream"] = streams
    points["time"] = times
    points["value"] = values
    points["label"] = labels
    return points
