"""Many streams of a run as its checkpoint keeps them: pages of their records, and a log of the readings since."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import address_of
from streamforest.detectors.isolation_forest import RECORD_DTYPE, new_records
from streamforest.features.ranges import check_records
from streamforest.protocols import VERDICT_DTYPE, State, Verdicts
from streamforest.reading.python_values import LATEST
from streamforest.state import copied, packed, saved_array, unpacked
from streamforest.storage.paging import Log
from streamforest.streams import CHUNK, RECORD_BYTES, UNUSED, StreamDetectors

#: In the place of a reading's time in the log: the stream began anew, before the next reading.
BEGINS_ANEW = np.inf
#: Readings that are judged once more at once when a run goes on.
STEP = 2**16
#: Of one reading in the log: its slot, its time and its value.
LOGGED_BYTES = 20

_Names = list[str | float | bool | None]


class _Readings(NamedTuple):
    """Readings in the log: how many changes there were behind them; their slots, int32, times and values, float64."""

    end: int
    slots: NDArray[np.int32]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


class PagedStreams(StreamDetectors):
    """Streams of which a checkpoint keeps pages of CHUNK records, and the readings since.

    These are judged once more when a run goes on, which gives the same bits. The parameters are StreamDetectors' own.

    Attributes
    ----------
    changes : int
        Readings that were judged, and streams that began anew, since the log is kept.
    changed : int64 array
        By page, how many changes there were when it was changed last; 0 for one of fresh records.
    knows : callable
        Whether the run has a stream of a name: a saved one that it has not is refused.
    """

    def __init__(self, *model_and_rate: Any, **others: Any) -> None:
        super().__init__(*model_and_rate, **others)
        self.changes = 0
        self.changed = np.zeros(0, np.int64)
        self.knows: Callable[[object], bool] = lambda _name: True
        self._log: deque[_Readings] | None = None
        self._forgotten = 0  # changes that are not in the log any more

    @property
    def page_bytes(self) -> int:
        """Of one page."""
        return RECORD_BYTES * max(1, min(CHUNK, len(self)))

    @property
    def log_bytes(self) -> int:
        """Of the log."""
        return LOGGED_BYTES * (self.changes - self._forgotten)

    def keep_log(self) -> None:
        """Note changes from now on."""
        self._log = deque()

    def _note(self, slots: NDArray[np.int64], times: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        if self._log is not None and len(slots):
            self.changes += len(slots)
            self.changed[slots // CHUNK] = self.changes
            self._log.append(_Readings(self.changes, slots.astype(np.int32), times.copy(), values.copy()))

    def _grow(self, n: int) -> None:
        super()._grow(n)
        more = max(0, len(self._chunks) - len(self.changed))
        self.changed = np.append(self.changed, np.zeros(more, np.int64))

    def _reset(self, slots: NDArray[np.int64]) -> None:
        super()._reset(slots)
        self._note(slots, np.full(len(slots), BEGINS_ANEW), np.zeros(len(slots)))

    def _judge_all(
        self,
        slots: NDArray[np.int64],
        order: NDArray[np.int64],
        values: NDArray[np.float64],
        times: NDArray[np.float64],
        verdicts: Verdicts,
    ) -> None:
        self._note(slots, times, values)
        super()._judge_all(slots, order, values, times, verdicts)

    def log(self, first: int) -> State:
        """The changes from one on, as far as they were not forgotten: slots, int32, times and values, float64."""
        blocks = [block for block in self._log or () if block.end > first]
        late = len(blocks[0].slots) - (blocks[0].end - first) if blocks else 0
        joined = {
            "slots": np.concatenate([block.slots for block in blocks] or [np.zeros(0, np.int32)]),
            "times": np.concatenate([block.times for block in blocks] or [np.zeros(0)]),
            "values": np.concatenate([block.values for block in blocks] or [np.zeros(0)]),
        }
        return {name: array[max(late, 0) :] for name, array in joined.items()}

    def forget(self, end: int) -> None:
        """Forget the changes before one."""
        while self._log and self._log[0].end <= end:
            self._log.popleft()
        self._forgotten = self._log[0].end - len(self._log[0].slots) if self._log else self.changes

    def page(self, number: int) -> State:
        """A copy of the records of a page and of their newest times, up to the last slot that is in use."""
        first = number * CHUNK
        names = self._names[first : first + CHUNK]
        used = max((i + 1 for i, name in enumerate(names) if name is not None), default=0)
        return {
            "page": np.array([number]),
            "records": copied(self._chunks[number][:used]),
            "newest": self._newest[first : first + used].copy(),
        }

    def rest(self) -> State:
        """Names by slot, None for one that is free, and what depends on no reading's value."""
        now = self._clock()
        return {
            "names": packed(self._names),
            "silent": now - self._heard,
            "turns": self._taken - self._turns,
            "looks": np.array([self._looked[0], now - self._looked[1]]),
        }

    def restore_pages(
        self, rest: State, pages: dict[int, State], logs: Iterator[Log], since: NDArray[np.int64]
    ) -> None:
        """Go on from pages and the readings since, in place of the streams that are there; see ``Paged``.

        Raises
        ------
        ValueError
            They are none of this version, of more streams than are allowed, or of streams that the run does not know.
        """
        names: _Names = unpacked(rest, "names", _Names)
        n = len(names)
        used = [name for name in names if name is not None]
        if len(used) > self.most or len(set(used)) < len(used) or n != len(since) * CHUNK:
            raise ValueError(
                f"there are {len(used):,} saved streams, allowed are {self.most:,} (most) of different names"
            )
        if not all(map(self.knows, used)):
            raise ValueError("the saved detectors are of streams that have no saved names")
        silent = saved_array(rest, "silent", np.empty(n))
        turns = saved_array(rest, "turns", np.empty(n, np.int64))
        looks = saved_array(rest, "looks", np.empty(2))
        self._slots = {name: slot for slot, name in enumerate(names) if name is not None}
        self._free = [slot for slot in range(n - 1, -1, -1) if names[slot] is None]
        self._names, self._latest, self.dropped, self._taken = [*names], None, [], 0
        self._newest, self._heard, self._turns = np.full(n, np.nan), np.full(n, np.inf), np.full(n, UNUSED)
        self._chunks = [self._restored(number, pages.pop(number, {})) for number in range(len(since))]
        self._addresses = np.array([address_of(chunk) for chunk in self._chunks], np.int64)
        self.changed = since.copy()
        for log in logs:
            self._take_again(log, since)
        now = self._clock()
        is_used = np.array([name is not None for name in names], np.bool_)
        super()._reset(np.flatnonzero(~is_used & ~np.isnan(self._newest)))  # forged: a free slot has no time
        self._heard[is_used], self._turns[is_used] = now - silent[is_used], -turns[is_used]
        self._looked = float(looks[0]), now - float(looks[1])

    def _restored(self, number: int, saved: State) -> NDArray[np.void]:
        """The records of a page, of one that was not saved fresh ones; takes their newest times."""
        if not saved:
            return new_records(CHUNK)
        n = len(saved["records"])
        records = saved_array(saved, "records", np.empty(n, RECORD_DTYPE))
        newest = saved_array(saved, "newest", np.empty(n))
        if n > CHUNK or saved_array(saved, "page", np.empty(1, np.int64))[0] != number:
            raise ValueError(f"page {number} of the saved streams is another one")
        check_records(records)
        self._newest[number * CHUNK : number * CHUNK + n] = newest
        return records if n == CHUNK else np.concatenate([records, new_records(CHUNK - n)])

    def _take_again(self, log: Log, since: NDArray[np.int64]) -> None:
        """Judge the readings of a log once more, those that came after the pages of their streams were written."""
        n = log.end - log.first
        if len(log.state["slots"]) != n:
            raise ValueError("a log of the saved streams is another one")
        slots = saved_array(log.state, "slots", np.empty(n, np.int32)).astype(np.int64)
        times, values = (saved_array(log.state, name, np.empty(n)) for name in ("times", "values"))
        begins_anew = times == BEGINS_ANEW
        is_time = np.isnan(times) | (np.abs(times) <= LATEST) | begins_anew
        if not (is_time & ~np.isinf(values) & (slots >= 0) & (slots < len(self._names))).all():
            raise ValueError("a reading in the log of the saved streams is none")
        numbers = np.arange(log.first, log.end)
        self.changed[slots // CHUNK] = numbers + 1  # of several the last one stays
        kept = np.flatnonzero(numbers >= since[slots // CHUNK])
        cuts = [0, *(np.flatnonzero(np.diff(begins_anew[kept])) + 1).tolist(), len(kept)]
        for first, end in pairwise(cuts):
            for start in range(first, end, STEP):
                some = kept[start : min(start + STEP, end)]
                if begins_anew[some[0]]:
                    super()._reset(np.unique(slots[some]))
                else:
                    order = np.argsort(slots[some], kind="stable")
                    verdicts = np.empty(len(some), VERDICT_DTYPE)
                    super()._judge_all(slots[some], order, values[some], times[some], verdicts)


class AllStreams:
    """All streams of a run as one part of it.

    Parameters
    ----------
    streams : PagedStreams
        What judges them; a checkpoint keeps it page by page.
    knows : callable
        Whether the run has a stream of a name: a saved one that it has not is refused.
    """

    def __init__(self, streams: PagedStreams, knows: Callable[[object], bool]) -> None:
        self.paged = streams
        streams.knows = knows

    def state(self) -> State:
        """A copy of all that is remembered."""
        return self.paged.state_of_all()

    def restore(self, state: State) -> None:
        """Go on from a state of all streams; raises ValueError where it is none, or one of streams that are unknown."""
        if not all(map(self.paged.knows, unpacked(state, "names", list[str | float | bool]))):
            raise ValueError("the saved detectors are of streams that have no saved names")
        self.paged.restore_all(state)
