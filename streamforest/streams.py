"""Many streams side by side: one default detector a stream, in batches of readings, spread over the cores."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numpy.typing import ArrayLike, NDArray

import streamforest
from streamforest.compiled import Records, address_of, compiled, pointer
from streamforest.detectors.isolation_forest import (
    RECORD_DTYPE,
    Judge,
    StreamDetector,
    Workspace,
    block_size,
    conclude,
    forecast_of,
    isolate_block,
    look_at,
    new_records,
    new_workspace,
)
from streamforest.features.ranges import check_records
from streamforest.judging.rules import NO_RULES, Rules
from streamforest.models.model_file import Model, load_model
from streamforest.protocols import VERDICT_DTYPE, Forecast, State, Verdicts
from streamforest.reading.python_values import times_of, times_within, values_of
from streamforest.state import packed, saved_array, unpacked
from streamforest.stream_names import MOST_STREAMS

#: Records that memory is asked for at once: more streams never move those that are there.
CHUNK = 256
#: Readings below which a batch is judged by one thread: starting others takes longer.
FEW = 1000
#: Parts of a batch for each thread: where one's core is held up by others, the rest take over some of its parts.
PARTS = 2
#: Share of the silence that passes between two looks for silent streams: each looks at every stream there is.
LOOKS = 0.01
#: Newest readings whose streams tell what time it is.
WITNESSES = 1024

UNUSED = -(2**62)  # turn of a slot that is not in use

RECORD_BYTES = RECORD_DTYPE.itemsize


@compiled
def _record_at(chunks: NDArray[np.int64], slot: int) -> Records:
    """The record of a stream's slot, shape (1,), in place."""
    return carray(pointer(chunks[slot // CHUNK] + slot % CHUNK * RECORD_BYTES), 1, RECORD_DTYPE)


@compiled
def judge_batch(
    chunks: NDArray[np.int64],
    slots: NDArray[np.int64],
    order: NDArray[np.int64],
    first: int,
    end: int,
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    newest: NDArray[np.float64],
    silence: float,
    fresh: Records,
    judge: Judge,
    verdicts: Records,
) -> None:
    """Take a part of a batch, the places ``order[first:end]``, through the records of its streams.

    Parameters
    ----------
    chunks : int64 array
        Addresses of the chunks of records; a stream's is the record ``slot % CHUNK`` of chunk ``slot // CHUNK``.
    slots : int64 array, shape (n,)
        Of each reading's stream.
    order : int64 array, shape (n,)
        Places of the readings; no other caller has readings of the same streams at the same time.
    newest : float64 array
        Newest time by slot, NaN where there is none; kept here.
    silence : float
        Seconds from its newest time after which a stream begins anew.
    fresh : records of RECORD_DTYPE, shape (1,)
        With which it begins.
    """
    workspace = new_workspace(end - first)
    size = block_size(judge.rules)
    begun = first  # of the block that was looked at and not concluded
    for i in range(first, end):
        place = order[i]
        slot = slots[place]
        record = _record_at(chunks, slot)
        time = times[place]
        is_late = time - newest[slot] > silence
        if is_late or i - begun == size:
            _conclude_block(chunks, slots, order, begun, i, values, times, judge, workspace, verdicts)
            begun = i
        if is_late:
            record[0] = fresh[0]
        if time == time:
            newest[slot] = time  # also one that goes back: what was before it was wrong
        look_at(record[0], values[place], time, judge, workspace.buffers[i - begun])
    _conclude_block(chunks, slots, order, begun, end, values, times, judge, workspace, verdicts)


@compiled
def _conclude_block(
    chunks: NDArray[np.int64],
    slots: NDArray[np.int64],
    order: NDArray[np.int64],
    first: int,
    end: int,
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    judge: Judge,
    workspace: Workspace,
    verdicts: Records,
) -> None:
    """Make verdicts of the places ``order[first:end]``, whose readings were looked at."""
    isolate_block(judge.forest, workspace, end - first)
    for i in range(first, end):
        place = order[i]
        record = _record_at(chunks, slots[place])[0]
        buffers, isolated = workspace.buffers[i - first], workspace.isolated[i - first]
        conclude(record, values[place], times[place], judge, buffers, isolated, verdicts[place])


def _ids_of(raw: Any) -> NDArray[Any]:
    """Ids as an array; numbers stay apart from texts that look like them."""
    ids = np.asarray(raw)
    if isinstance(raw, list | tuple) and ids.dtype.kind in "US":
        kinds = set(map(type, raw))
        if len(kinds) > 1 and not all(issubclass(kind, str) for kind in kinds):
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise ValueError(f"stream ids are of several kinds: {names}; allowed is one kind, numbers or texts")
    return ids


def _different(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The different ids in order, and which of them each is."""
    try:
        found, which = np.unique(ids, return_inverse=True)
        if (found != found).any():
            raise TypeError
    except TypeError:  # None, NaN or another missing one
        raise ValueError("a stream id is missing, or ids are of several kinds; allowed are numbers or texts") from None
    return found, which


class StreamDetectors:
    """Judges batches of readings of many streams: for each the same bits as a StreamDetector of its own.

    Parameters
    ----------
    model : Model
        As trained by ``python model_prod.py``.
    alarm_rate : float
        Wanted share of normal points that are flagged, in each stream, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    most : int
        Streams at the same time, at least 1.
    silence : float, optional
        Seconds: a stream that says nothing for longer begins anew when it comes again, and is dropped once the time is
        that much later, see :meth:`drop_silent`. For one without times the clock counts, see :meth:`restore_all`.
    threads : int, optional
        At least 1; one a core without it.
    holidays : array, optional
        Days that are judged as Sundays, see :func:`~streamforest.features.holidays.public_holidays`.
    clock : callable
        Seconds that only go forward.

    Attributes
    ----------
    most : int
        As given.
    silence : float
        As given; infinite where it was not.
    dropped : list
        Names of the streams that were dropped when silent ones were looked for last, in no order that says anything.
    bytes_per_stream : int
        Memory of one stream's record; its name comes on top.

    Raises
    ------
    ValueError
        A number is outside its range.

    Examples
    --------
    >>> detectors = StreamDetectors.load("isolation_forest.joblib", silence=86_400)  # doctest: +SKIP
    >>> verdicts = detectors.update(["pump 1", "pump 2", "pump 1"], [21.5, 3.0, 21.6])  # doctest: +SKIP
    """

    name = StreamDetector.name
    warm_up_points = StreamDetector.warm_up_points
    bytes_per_stream = RECORD_BYTES

    def __init__(
        self,
        model: Model,
        alarm_rate: float = 0.001,
        rules: Rules = NO_RULES,
        *,
        most: int = MOST_STREAMS,
        silence: float | None = None,
        threads: int | None = None,
        holidays: NDArray[np.void] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, number in (("most", most), ("threads", threads)):
            if number is not None and number < 1:
                raise ValueError(f"{name} is {number}, allowed is at least 1")
        if silence is not None and not silence > 0.0:
            raise ValueError(f"silence is {silence}, allowed is above 0 seconds")
        self._judge = StreamDetector(model, alarm_rate, rules, holidays).judge
        # a float, as the compiled step is compiled once more for a whole number
        self.most, self.silence = most, math.inf if silence is None else float(silence)
        self._threads = threads or os.cpu_count() or 1
        self._pool = self._new_pool()
        self._slots: dict[Hashable, int] = {}
        self._free: list[int] = []
        self._chunks: list[NDArray[np.void]] = []
        self._addresses = np.empty(0, dtype=np.int64)
        self._names: list[Hashable] = []  # by slot
        self._latest: tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]] | None = None  # see _places
        self._newest = np.empty(0)  # time by slot, NaN where there is none
        self._heard = np.empty(0)  # when, by the clock
        self._clock = clock
        self._fresh = new_records()
        self._taken = 0  # readings
        self._turns = np.empty(0, dtype=np.int64)  # by slot, which of the readings was its newest
        self._looked = (-math.inf, -math.inf)  # time and clock at the last looks for silent streams
        self.dropped: list[Hashable] = []

    def _new_pool(self) -> ThreadPoolExecutor | None:
        return ThreadPoolExecutor(self._threads, "judge streams") if self._threads > 1 else None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pool": None, "_addresses": None, "_latest": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._pool = self._new_pool()
        # a copy's records lie elsewhere
        self._addresses = np.array([address_of(chunk) for chunk in self._chunks], dtype=np.int64)

    @classmethod
    def load(cls, path: str | Path, alarm_rate: float = 0.001, rules: Rules = NO_RULES, **limits: Any) -> Self:
        """Make detectors from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate, rules, **limits)

    def _repr_html_(self) -> str | None:
        return streamforest.html_of(self)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, stream_id: object) -> bool:
        return stream_id in self._slots

    def __iter__(self) -> Iterator[Hashable]:
        return iter(tuple(self._slots))

    def update(
        self,
        stream_ids: ArrayLike | Sequence[Hashable],
        values: ArrayLike,
        times: ArrayLike | None = None,
        *,
        drops: bool = True,
    ) -> Verdicts:
        """Judge and learn a batch of readings, of one stream in the order in which they stand.

        Parameters
        ----------
        stream_ids : array of int or str, shape (n,)
            Which stream each reading is of; one that was not seen before is created.
        values : float64 array, shape (n,)
            Finite, or NaN for a missing reading.
        times : float64 array, shape (n,), optional
            Seconds, UTC epoch; within a stream not before the last one. Without them the index of a Series counts, if
            it holds times.
        drops : bool
            Whether silent streams are dropped at the end of the batch; without it :meth:`drop_silent` does.

        Returns
        -------
        array of VERDICT_DTYPE, shape (n,)
            In the order of the readings; ``index`` counts within each stream.

        Raises
        ------
        ValueError
            A value is infinite or no number, a time is none or beyond the year 5000, an id is missing, ids are of more
            than one kind, the shapes differ, or there would be too many streams; nothing was learned then.
        """
        ids = _ids_of(stream_ids)
        times = times_within(values) if times is None else times
        values = values_of(values)
        times = times_of(times, len(values))
        if not ids.shape == values.shape == times.shape:
            raise ValueError(f"ids {ids.shape}, values {values.shape} and times {times.shape} must have one shape (n,)")
        if np.isinf(values).any():
            raise ValueError("a value is infinite; allowed are finite numbers and NaN for a missing reading")
        slots, order = self._places(ids)
        self._begin_anew(slots)
        verdicts = np.empty(values.size, dtype=VERDICT_DTYPE)
        self._judge_all(slots, order, values, times, verdicts)
        self._turns[slots] = np.arange(self._taken, self._taken + values.size)  # of several the last one stays
        self._taken += values.size
        if drops:
            self.drop_silent()
        return verdicts

    def _judge_all(
        self,
        slots: NDArray[np.int64],
        order: NDArray[np.int64],
        values: NDArray[np.float64],
        times: NDArray[np.float64],
        verdicts: Verdicts,
    ) -> None:
        n = values.size
        what = values, times, self._newest, self.silence, self._fresh, self._judge, verdicts
        if self._pool is None or n < FEW:
            judge_batch(self._addresses, slots, order, 0, n, *what)
            return
        ordered = slots[order]
        # a part begins where a stream begins
        all_parts = PARTS * self._threads
        cuts = [0, *np.searchsorted(ordered, ordered[[n * k // all_parts for k in range(1, all_parts)]]), n]
        parts = [(int(a), int(b)) for a, b in pairwise(cuts) if a < b]
        work = [self._pool.submit(judge_batch, self._addresses, slots, order, a, b, *what) for a, b in parts]
        for part in work:
            part.result()

    def _places(self, ids: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each reading's slot, and the readings' places stream by stream; new streams are created."""
        # most batches name the same streams as the one before: all of those that are asked in turn, or always one
        if self._latest is None or not np.array_equal(ids, self._latest[0]):
            found, which = _different(ids)
            slots = self._slots_of(found.tolist())[which]
            self._latest = ids.copy(), slots, np.argsort(slots, kind="stable")
        return self._latest[1:]

    def _slots_of(self, stream_ids: list[Any]) -> NDArray[np.int64]:
        """The slots of different streams, shape (n,); new ones are created."""
        slots = self._slots
        fresh = [stream_id for stream_id in stream_ids if stream_id not in slots]
        if len(slots) + len(fresh) > self.most:
            raise ValueError(
                f"{len(fresh):,} new streams with {len(slots):,} there: no more than {self.most:,} are allowed (most)"
            )
        self._grow(-(-(len(fresh) - len(self._free)) // CHUNK))
        for stream_id in fresh:
            slot = self._free.pop()
            slots[stream_id] = slot
            self._names[slot] = stream_id
        return np.fromiter((slots[stream_id] for stream_id in stream_ids), np.int64, len(stream_ids))

    def _grow(self, n: int) -> None:
        """Allocate n more chunks of streams, none if n is below 1."""
        if n < 1:
            return
        first = len(self._chunks) * CHUNK
        chunks = [new_records(CHUNK) for _ in range(n)]
        self._chunks += chunks
        self._addresses = np.append(self._addresses, [address_of(chunk) for chunk in chunks])
        self._names += [None] * (n * CHUNK)
        self._newest = np.append(self._newest, np.full(n * CHUNK, np.nan))
        self._heard = np.append(self._heard, np.full(n * CHUNK, math.inf))
        self._turns = np.append(self._turns, np.full(n * CHUNK, UNUSED))
        self._free += range(first + n * CHUNK - 1, first - 1, -1)

    def _begin_anew(self, slots: NDArray[np.int64]) -> None:
        """Let streams without times know nothing where they said nothing for too long, by the clock."""
        if self.silence < math.inf:
            now = self._clock()
            is_late = np.isnan(self._newest[slots]) & (self._heard[slots] < now - self.silence)
            if is_late.any():
                self._reset(np.unique(slots[is_late]))
            self._heard[slots] = now

    def _reset(self, slots: NDArray[np.int64]) -> None:
        """Let streams know nothing."""
        self._newest[slots] = np.nan
        for slot in slots.tolist():
            self._record(slot)[:] = self._fresh

    def drop_silent(self) -> list[Hashable]:
        """Drop the streams that are silent for too long, by the time that most streams tell or else by the clock.

        A time is a claim: that of one stream alone moves nothing. The time is the median of the newest times of the
        streams of the newest WITNESSES readings (of two the earlier one); where only one stream spoke, it stands still.
        A stream that is ahead of it by more than the silence, and did not speak among these, is dropped too.

        Nothing is looked at before a hundredth of the silence has passed since the last look. The clock has no say
        where there are times, so that at one place among the readings each run drops the same streams.

        Returns
        -------
        list
            Their names, which ``dropped`` has from now on.
        """
        self.dropped = []
        if self.silence == math.inf:
            return self.dropped
        time, now = self._time(), self._clock()
        is_silent = np.zeros(len(self._newest), dtype=bool)
        # before the first look the difference is infinite, where nobody tells the time NaN
        if abs(time - self._looked[0]) >= LOOKS * self.silence:
            self._looked = time, self._looked[1]
            is_silent |= self._newest < time - self.silence
            is_silent |= (self._newest > time + self.silence) & (self._turns < self._taken - WITNESSES)
        if now - self._looked[1] >= LOOKS * self.silence:
            self._looked = self._looked[0], now
            is_silent |= np.isnan(self._newest) & (self._heard < now - self.silence)
        self.dropped = [self._names[slot] for slot in np.flatnonzero(is_silent).tolist()]
        for stream_id in self.dropped:
            self.drop(stream_id)
        return self.dropped

    def _time(self) -> float:
        """The time that most of the streams that spoke last tell; NaN where there are not two of them."""
        times = self._newest[self._turns >= self._taken - WITNESSES]
        times = np.sort(times[~np.isnan(times)])
        return float(times[len(times) // 2 if len(times) > 2 else 0]) if len(times) > 1 else math.nan

    def drop(self, stream_id: Hashable) -> None:
        """Forget a stream; raises KeyError where there is none."""
        slot = self._slots.pop(stream_id)
        self._latest = None
        self._names[slot], self._heard[slot], self._turns[slot] = None, math.inf, UNUSED
        self._reset(np.array([slot]))
        self._free.append(slot)

    def forecast(self, stream_id: Hashable, steps: int) -> Forecast:
        """What is expected of a stream's next points, as ``StreamDetector.forecast`` gives it.

        Raises
        ------
        KeyError
            There is no such stream.
        ValueError
            steps is outside its range or no whole number.
        """
        return forecast_of(self._record(self._slots[stream_id]), self._judge, steps)

    def state(self, stream_id: Hashable) -> State:
        """What is remembered of a stream, as ``StreamDetector.state`` gives it; raises KeyError where there is none."""
        return {"records": self._record(self._slots[stream_id]).copy()}

    def restore(self, stream_id: Hashable, state: State) -> None:
        """Let a stream, new or not, go on from a state; raises ValueError where it is none."""
        records = saved_array(state, "records", new_records())
        check_records(records)
        self._record(int(self._slots_of([stream_id])[0]))[:] = records

    def state_of_all(self) -> State:
        """A copy of all that is remembered, of all streams: for each name its record, newest time and silence.

        Returns
        -------
        State
            ``names``, n of them as JSON; ``records``, array of RECORD_DTYPE, shape (n,); ``newest``, float64 array,
            shape (n,), seconds, UTC epoch, NaN where there is none; ``silent``, float64 array, shape (n,), seconds by
            the clock; ``turns``, int64 array, shape (n,), readings since its newest one; ``looks``, float64 array,
            shape (2,), about the looks for silent streams.

        Raises
        ------
        ValueError
            A name is neither a text nor a number, which is all that can be kept.
        """
        if not all(isinstance(name, str | int | float) for name in self._slots):
            raise ValueError("a stream's name is neither a text nor a number: it cannot be kept")
        n, now = len(self._slots), self._clock()
        slots = np.fromiter(self._slots.values(), np.int64, n)
        records = np.empty(n, RECORD_DTYPE)
        order = np.argsort(slots, kind="stable")
        chunk_ends = np.searchsorted(slots[order], np.arange(1, len(self._chunks)) * CHUNK)
        for chunk, places in zip(self._chunks, np.split(order, chunk_ends), strict=False):  # there may be none
            if len(places) == CHUNK and (np.diff(places) == 1).all():
                records[places[0] : places[0] + CHUNK] = chunk  # three times as fast as one by one
            else:
                records[places] = chunk[slots[places] % CHUNK]
        return {
            "names": packed([*self._slots]),
            "records": records,
            "newest": self._newest[slots],
            "silent": now - self._heard[slots],
            "turns": self._taken - self._turns[slots],
            "looks": np.array([self._looked[0], now - self._looked[1]]),
        }

    def restore_all(self, state: State) -> None:
        """Go on from a state of all streams, in place of those that are there.

        By the clock, which begins anew with each program, a stream was silent as long as it was when the state was
        taken: the time since then is no silence of its own, for nobody listened.

        Raises
        ------
        ValueError
            It is no such state, or there are more streams in it than are allowed; nothing is changed then.
        """
        names = unpacked(state, "names", list[str | float | bool])
        n = len(names)
        if n > self.most or len(set(names)) < n:
            raise ValueError(f"there are {n:,} saved streams, allowed are {self.most:,} (most) of different names")
        records = saved_array(state, "records", np.empty(n, RECORD_DTYPE))
        for first in range(0, n, CHUNK):  # a few at a time: they are looked at field by field
            check_records(records[first : first + CHUNK])
        newest, silent = (saved_array(state, name, np.empty(n)) for name in ("newest", "silent"))
        turns = saved_array(state, "turns", np.empty(n, np.int64))
        looks = saved_array(state, "looks", np.empty(2))
        now = self._clock()
        self._slots, self._free, self._chunks, self._names = {}, [], [], []
        self._addresses, self._newest, self._heard = np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
        self._turns, self._taken = np.empty(0, dtype=np.int64), 0
        self._latest, self.dropped = None, []
        self._slots_of(names)  # in their order, from slot 0 on
        for i, chunk in enumerate(self._chunks):
            part = records[i * CHUNK : (i + 1) * CHUNK]
            chunk[: len(part)] = part
        self._newest[:n], self._heard[:n], self._turns[:n] = newest, now - silent, -turns
        self._looked = float(looks[0]), now - float(looks[1])

    def _record(self, slot: int) -> NDArray[np.void]:
        """A view of one stream's record, shape (1,)."""
        return self._chunks[slot // CHUNK][slot % CHUNK : slot % CHUNK + 1]
