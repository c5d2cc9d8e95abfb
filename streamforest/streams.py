"""Many streams side by side: one default detector a stream, in batches of readings, spread over the cores."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numpy.typing import ArrayLike, NDArray

from streamforest.compiled import Records, address_of, compiled, pointer
from streamforest.detectors.isolation_forest import RECORD_DTYPE, Judge, StreamDetector, new_records, step
from streamforest.model_file import Model, load_model
from streamforest.protocols import VERDICT_DTYPE, State, Verdicts
from streamforest.rules import NO_RULES, Rules
from streamforest.state import saved_array
from streamforest.stream_names import MOST_STREAMS
from streamforest.vector import new_rooms

#: Records that memory is asked for at once: more streams never move those that are there.
CHUNK = 256
#: Readings below which a batch is judged by one thread: starting others takes longer.
FEW = 1000
#: Share of the silence that passes between two looks for silent streams: each looks at every stream there is.
LOOKS = 0.01


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
    rooms = new_rooms()
    for i in range(first, end):
        place = order[i]
        slot = slots[place]
        records = carray(pointer(chunks[slot // CHUNK]), CHUNK, RECORD_DTYPE)
        time = times[place]
        if time - newest[slot] > silence:
            records[slot % CHUNK] = fresh[0]
        if time == time and not newest[slot] >= time:
            newest[slot] = time
        step(records[slot % CHUNK], values[place], time, judge, rooms[0], verdicts[place])


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
        Seconds: a stream that says nothing for longer begins anew when it comes again, and is dropped once the newest
        time of all is that much later. For one without times the clock counts.
    threads : int, optional
        At least 1; one a core without it.
    clock : callable
        Seconds that only go forward.

    Attributes
    ----------
    dropped : list
        Names of the streams that were dropped at the end of the newest batch.
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
    bytes_per_stream = RECORD_DTYPE.itemsize

    def __init__(
        self,
        model: Model,
        alarm_rate: float = 0.001,
        rules: Rules = NO_RULES,
        *,
        most: int = MOST_STREAMS,
        silence: float | None = None,
        threads: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, number in (("most", most), ("threads", threads)):
            if number is not None and number < 1:
                raise ValueError(f"{name} is {number}, allowed is at least 1")
        if silence is not None and not silence > 0.0:
            raise ValueError(f"silence is {silence}, allowed is above 0 seconds")
        self._judge = StreamDetector(model, alarm_rate, rules).judge
        self._most, self._silence = most, math.inf if silence is None else silence
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, "judge streams") if self._threads > 1 else None
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
        self._looked = (-math.inf, -math.inf)  # newest time and clock at the last look for silent streams
        self.dropped: list[Hashable] = []

    @classmethod
    def load(
        cls, path: str | Path, alarm_rate: float = 0.001, rules: Rules = NO_RULES, **limits: Any
    ) -> StreamDetectors:
        """Make detectors from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate, rules, **limits)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, stream_id: object) -> bool:
        return stream_id in self._slots

    def __iter__(self) -> Iterator[Hashable]:
        return iter(tuple(self._slots))

    def update(
        self, stream_ids: ArrayLike | Sequence[Hashable], values: ArrayLike, times: ArrayLike | None = None
    ) -> Verdicts:
        """Judge and learn a batch of readings, of one stream in the order in which they stand.

        Parameters
        ----------
        stream_ids : array of int or str, shape (n,)
            Which stream each reading is of; one that was not seen before is created.
        values : float64 array, shape (n,)
            Finite, or NaN for a missing reading.
        times : float64 array, shape (n,), optional
            Seconds, UTC epoch; within a stream not before the last one.

        Returns
        -------
        array of VERDICT_DTYPE, shape (n,)
            In the order of the readings; ``index`` counts within each stream.

        Raises
        ------
        ValueError
            A value is infinite, the shapes differ, or there would be too many streams; nothing was learned then.
        """
        ids = np.asarray(stream_ids)
        values = np.ascontiguousarray(values, dtype=np.float64)
        times = np.full(values.shape, np.nan) if times is None else np.ascontiguousarray(times, dtype=np.float64)
        if values.ndim != 1 or not ids.shape == values.shape == times.shape:
            raise ValueError(f"ids {ids.shape}, values {values.shape} and times {times.shape} must have one shape (n,)")
        if np.isinf(values).any():
            raise ValueError("a value is infinite; allowed are finite numbers and NaN for a missing reading")
        slots, order = self._places(ids)
        now = self._clock()
        self._begin_anew(slots, now)
        verdicts = np.empty(values.size, dtype=VERDICT_DTYPE)
        self._judge_all(slots, order, values, times, verdicts)
        if self._silence < math.inf:
            self._drop_silent(float(np.fmax.reduce(times, initial=self._looked[0])), now)
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
        what = values, times, self._newest, self._silence, self._fresh, self._judge, verdicts
        if self._pool is None or n < FEW:
            judge_batch(self._addresses, slots, order, 0, n, *what)
            return
        ordered = slots[order]
        # a part begins where a stream begins
        cuts = [0, *np.searchsorted(ordered, ordered[[n * k // self._threads for k in range(1, self._threads)]]), n]
        parts = [(int(a), int(b)) for a, b in pairwise(cuts) if a < b]
        work = [self._pool.submit(judge_batch, self._addresses, slots, order, a, b, *what) for a, b in parts]
        for part in work:
            part.result()

    def _places(self, ids: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each reading's slot, and the readings' places stream by stream; new streams are created."""
        # most batches name the same streams as the one before: all of those that are asked in turn, or always one
        if self._latest is None or not np.array_equal(ids, self._latest[0]):
            found, which = np.unique(ids, return_inverse=True)
            slots = self._slots_of(found.tolist())[which]
            self._latest = ids.copy(), slots, np.argsort(slots, kind="stable")
        return self._latest[1:]

    def _slots_of(self, stream_ids: list[Any]) -> NDArray[np.int64]:
        """The slots of different streams, shape (n,); new ones are created."""
        slots = self._slots
        fresh = [stream_id for stream_id in stream_ids if stream_id not in slots]
        if len(slots) + len(fresh) > self._most:
            raise ValueError(
                f"{len(fresh):,} new streams with {len(slots):,} there: no more than {self._most:,} are allowed (most)"
            )
        self._grow(-(-(len(fresh) - len(self._free)) // CHUNK))
        for stream_id in fresh:
            slot = self._free.pop()
            slots[stream_id] = slot
            self._names[slot] = stream_id
        return np.fromiter((slots[stream_id] for stream_id in stream_ids), np.int64, len(stream_ids))

    def _grow(self, n: int) -> None:
        """Make room for n more chunks of streams, none where n is below 1."""
        if n < 1:
            return
        first = len(self._chunks) * CHUNK
        chunks = [new_records(CHUNK) for _ in range(n)]
        self._chunks += chunks
        self._addresses = np.append(self._addresses, [address_of(chunk) for chunk in chunks])
        self._names += [None] * (n * CHUNK)
        self._newest = np.append(self._newest, np.full(n * CHUNK, np.nan))
        self._heard = np.append(self._heard, np.full(n * CHUNK, math.inf))
        self._free += range(first + n * CHUNK - 1, first - 1, -1)

    def _begin_anew(self, slots: NDArray[np.int64], now: float) -> None:
        """Let streams without times know nothing where they said nothing for too long, by the clock."""
        if self._silence < math.inf:
            is_late = np.isnan(self._newest[slots]) & (self._heard[slots] < now - self._silence)
            for slot in set(slots[is_late].tolist()):
                self._record(slot)[:] = self._fresh
            self._heard[slots] = now

    def _drop_silent(self, newest: float, now: float) -> None:
        """Drop the streams that are silent for too long, by the newest time of all or by the clock."""
        self.dropped = []
        passed = now - self._looked[1]
        if newest > -math.inf:  # there are times
            passed = max(passed, newest - self._looked[0])
        if passed < LOOKS * self._silence:
            return
        self._looked = newest, now
        times = self._newest
        is_silent = np.where(np.isnan(times), self._heard < now - self._silence, times < newest - self._silence)
        self.dropped = [self._names[slot] for slot in np.flatnonzero(is_silent).tolist()]
        for stream_id in self.dropped:
            self.drop(stream_id)

    def drop(self, stream_id: Hashable) -> None:
        """Forget a stream; raises KeyError where there is none."""
        slot = self._slots.pop(stream_id)
        self._latest = None
        self._names[slot], self._newest[slot], self._heard[slot] = None, np.nan, math.inf
        self._record(slot)[:] = self._fresh
        self._free.append(slot)

    def state(self, stream_id: Hashable) -> State:
        """What is remembered of a stream, as ``StreamDetector.state`` gives it; raises KeyError where there is none."""
        return {"records": self._record(self._slots[stream_id]).copy()}

    def restore(self, stream_id: Hashable, state: State) -> None:
        """Let a stream, new or not, go on from a state; raises ValueError where it is none."""
        records = saved_array(state, "records", new_records())
        self._record(int(self._slots_of([stream_id])[0]))[:] = records

    def _record(self, slot: int) -> NDArray[np.void]:
        """A view of one stream's record, shape (1,)."""
        return self._chunks[slot // CHUNK][slot % CHUNK : slot % CHUNK + 1]
