"""Streams in shards: records of many streams in pages, judged together, and what an engine writes of them in a batch.

An engine writes the readings of each batch, and a page of records only now and then: the newest pages, and the readings
since then judged once more, give the same bits. So a record of 24 KB costs an engine 20 bytes a reading. In between the
pages lie in a file of the machine that judged them last.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.clocks import CLOCK_DTYPE, Clocks
from streamforest.compiled import address_of
from streamforest.detectors.isolation_forest import RECORD_DTYPE, Judge, new_records
from streamforest.features.ranges import check_records
from streamforest.optional import optional
from streamforest.protocols import VERDICT_DTYPE
from streamforest.reading.notation import BAD_TIME, INFINITE
from streamforest.reading.python_values import LATEST
from streamforest.reading.validation import TIME_BACK
from streamforest.state import check_ranges
from streamforest.streams import CHUNK, judge_batch

pyarrow = optional("pyarrow", "spark")

#: Why a reading was refused; an index into this table, 0 where it was not.
REFUSALS = ("", INFINITE, BAD_TIME, TIME_BACK)

#: One reading's outcome. Refused ones have no verdict.
OUTCOME_DTYPE = np.dtype([("verdict", VERDICT_DTYPE), ("refusal", "i1")])

#: All that is kept of one stream.
STREAM_DTYPE = np.dtype(
    [
        ("record", RECORD_DTYPE),
        ("clock", CLOCK_DTYPE),
        ("heard", "i8"),  # when it had readings last, milliseconds of processing time
        ("deadline", "i8"),  # when it is to be given a missing reading, the same; 0 for never
    ]
)
#: The same of CHUNK streams. Each field apart, because compiled code finds the records of a page side by side.
PAGE_DTYPE = np.dtype([(name, STREAM_DTYPE[name], (CHUNK,)) for name in STREAM_DTYPE.names or ()])

#: Readings of a stream after which its page is written, on average: to judge so many again takes as long as to read it.
REWRITE = 64
#: Batches after which every page of a shard was written, however few readings there were.
MOST_ENTRIES = 256

CODEC = "lz4_raw"

#: Files whose pages a worker leaves in its memory's map, those it used last: each is an open file of it. To map 1,250
#: records anew for each batch takes five times as long as to judge a reading of each.
MAPPED = 64


class Entry(NamedTuple):
    """What happened to a shard in one batch: all that its records need to come to be what they are.

    Attributes
    ----------
    now : int
        Milliseconds of processing time.
    deadline : int
        When streams that have readings here are to be given a missing one, the same; 0 for never.
    reset : int64 array, shape (m,)
        Slots of streams that begin anew, before the readings.
    slots : int64 array, shape (n,)
        Of each reading's stream.
    times, values : float64 arrays, shape (n,)
        In any order; NaN is a missing value, and a time that could not be read.
    """

    now: int
    deadline: int
    reset: NDArray[np.int64]
    slots: NDArray[np.int64]
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def written(self) -> bytes:
        """The same as bytes."""
        sizes = np.array([self.now, self.deadline, self.reset.size, self.slots.size])
        slots = np.concatenate([self.reset, self.slots]).astype(np.int32)
        return b"".join(part.tobytes() for part in (sizes, self.times, self.values, slots))

    @classmethod
    def read(cls, saved: bytes) -> Entry:
        """An entry as it was written."""
        now, deadline, m, n = np.frombuffer(saved, np.int64, 4).tolist()
        times, values = np.frombuffer(saved, np.float64, 2 * n, 32).reshape(2, n)
        slots = np.frombuffer(saved, np.int32, m + n, 32 + 16 * n).astype(np.int64)
        return cls(now, deadline, slots[:m], slots[m:], times, values)

    def of(self, is_wanted: NDArray[np.bool_]) -> Entry:
        """The part of it that concerns some slots; a boolean array by slot."""
        has = is_wanted[self.slots]
        reset = self.reset[is_wanted[self.reset]]
        return self._replace(reset=reset, slots=self.slots[has], times=self.times[has], values=self.values[has])


@cache
def fresh_stream() -> NDArray[np.void]:
    """A stream that nothing is known of, array of STREAM_DTYPE, shape (1,)."""
    stream = np.zeros(1, STREAM_DTYPE)
    stream["record"] = new_records()
    stream["clock"] = Clocks().records
    return stream


class Shard:
    """The records of many streams, by slot.

    Parameters
    ----------
    pages : array of PAGE_DTYPE, shape (n,)
        Of the slots from ``CHUNK * page`` on; changed in place. They say nothing before :meth:`reset` or
        :meth:`restore`.
    """

    def __init__(self, pages: NDArray[np.void]) -> None:
        self.pages = pages
        self._addresses = address_of(pages) + np.arange(len(pages)) * PAGE_DTYPE.itemsize

    def reset(self, slots: NDArray[np.int64]) -> None:
        """Let streams begin anew."""
        at = slots // CHUNK, slots % CHUNK
        for name in PAGE_DTYPE.names or ():
            self.pages[name][at] = fresh_stream()[name]

    def streams(self, slots: NDArray[np.int64]) -> NDArray[np.void]:
        """A copy of all that is kept of streams, array of STREAM_DTYPE, shape (n,)."""
        found = np.empty(slots.size, STREAM_DTYPE)
        for name in STREAM_DTYPE.names or ():
            found[name] = self.of(name, slots)
        return found

    def set_streams(self, slots: NDArray[np.int64], streams: NDArray[np.void]) -> None:
        """Let streams go on from what :meth:`streams` gave."""
        for name in STREAM_DTYPE.names or ():
            self.pages[name][slots // CHUNK, slots % CHUNK] = streams[name]

    def take(self, entry: Entry, judge: Judge) -> tuple[NDArray[np.void], NDArray[np.intp]]:
        """Take the streams through one batch.

        Parameters
        ----------
        entry : Entry
            What happens to them.
        judge : Judge
            Of the model.

        Returns
        -------
        outcomes : array of OUTCOME_DTYPE, shape (n,)
            By stream, in the order of the times, and of the values where those are equal: no other order survives a
            shuffle.
        order : int array, shape (n,)
            Which reading of the entry each is of.
        """
        self.reset(entry.reset)
        order = np.lexsort((entry.values, entry.times, entry.slots))
        slots, times, values = entry.slots[order], entry.times[order], entry.values[order]
        refusals = self._follow(slots, times, values, entry)
        outcomes = np.zeros(times.size, OUTCOME_DTYPE)
        outcomes["refusal"] = refusals
        is_kept = refusals == 0
        outcomes["verdict"] = _unjudged(times, values)
        if is_kept.any():
            outcomes["verdict"][is_kept] = self._judge(slots[is_kept], times[is_kept], values[is_kept], judge)
        return outcomes, order

    def _follow(
        self, slots: NDArray[np.int64], times: NDArray[np.float64], values: NDArray[np.float64], entry: Entry
    ) -> NDArray[np.int64]:
        """Let the streams' clocks follow readings that are in order; returns why each is refused."""
        refusals = np.select([np.isinf(values), ~(np.abs(times) <= LATEST)], [1, 2], 0)
        of, which = np.unique(slots, return_inverse=True)
        at = of // CHUNK, of % CHUNK
        clocks = Clocks()
        clocks.restore(self.pages["clock"][at])
        to_follow = np.flatnonzero(refusals == 0)
        # only a stream's first reading can be behind what it had before
        firsts = to_follow[np.unique(which[to_follow], return_index=True)[1]]
        is_behind = np.zeros(of.size, np.bool_)
        is_behind[which[firsts]] = times[firsts] < clocks.last[which[firsts]]
        singly = is_behind[which[to_follow]]
        clocks.go_on_all(which[to_follow[~singly]], times[to_follow[~singly]])
        for place in to_follow[singly].tolist():
            refusals[place] = 0 if clocks.follow(int(which[place]), float(times[place])) else 3
        self.pages["clock"][at] = clocks.records
        self.pages["heard"][at] = entry.now
        self.pages["deadline"][at] = np.where(clocks.last > -math.inf, entry.deadline, 0)
        return refusals

    def _judge(
        self, slots: NDArray[np.int64], times: NDArray[np.float64], values: NDArray[np.float64], judge: Judge
    ) -> NDArray[np.void]:
        verdicts = np.empty(slots.size, VERDICT_DTYPE)
        newest = np.full(len(self.pages) * CHUNK, np.nan)
        places = np.arange(slots.size)
        silence = math.inf, fresh_stream()["record"], judge, verdicts
        judge_batch(self._addresses, slots, places, 0, slots.size, values, times, newest, *silence)
        return verdicts

    def of(self, name: str, slots: NDArray[np.int64]) -> NDArray[Any]:
        """A field of STREAM_DTYPE of each stream, shape (n,)."""
        return self.pages[name][slots // CHUNK, slots % CHUNK]

    def last_times(self, slots: NDArray[np.int64]) -> NDArray[np.float64]:
        """The newest time of each stream, seconds, UTC epoch; minus infinity before the first."""
        times: NDArray[np.float64] = self.of("clock", slots)["last"]
        return times

    def written(self, page: int, slots: int) -> bytes:
        """A page as bytes, of a shard that has so many slots."""
        used = slice(0, max(min(slots - page * CHUNK, CHUNK), 0))
        whole = b"".join(self.pages[name][page, used].tobytes() for name in PAGE_DTYPE.names or ())
        packed: bytes = pyarrow.compress(whole, codec=CODEC, asbytes=True)
        return len(whole).to_bytes(8, "little") + packed

    def restore(
        self, pages: Mapping[int, bytes], entries: Iterable[tuple[int, Entry]], since: NDArray[np.int64], judge: Judge
    ) -> None:
        """Make the records what they were.

        Parameters
        ----------
        pages : mapping of int to bytes
            What :meth:`written` gave, by page.
        entries : iterable of (int, Entry)
            With their numbers, in their order.
        since : int64 array, shape (n,)
            By page, the number of the newest entry that it had taken when it was written, or that was there before it.
        judge : Judge
            Of the model.

        Raises
        ------
        ValueError
            A page is none that compiled code may follow.
        """
        for page, saved in pages.items():
            self._restore_page(page, saved)
        for number, entry in entries:
            is_new = np.repeat(since < number, CHUNK)
            if is_new.any():
                self.take(entry.of(is_new), judge)

    def _restore_page(self, page: int, saved: bytes) -> None:
        whole = pyarrow.decompress(saved[8:], int.from_bytes(saved[:8], "little"), codec=CODEC, asbytes=True)
        n, first = len(whole) // STREAM_DTYPE.itemsize, 0
        for name in STREAM_DTYPE.names or ():
            part = np.frombuffer(whole, STREAM_DTYPE[name], n, first)
            first += part.nbytes
            self.pages[name][page, :n] = part
        check_records(self.pages["record"][page, :n])
        check_ranges(self.pages["clock"][page, :n], {})


def _unjudged(times: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.void]:
    """Rows in the place of verdicts of refused readings: all is unknown."""
    rows = np.zeros(times.size, VERDICT_DTYPE)
    rows["index"] = -1
    rows["time"], rows["value"] = times, values
    for name in ("score", "threshold", "p_value", "expected", "lower", "upper"):
        rows[name] = np.nan
    return rows


class LocalCopy:
    """Pages of a shard in a file of this machine, for the next program there that judges it.

    Several programs may come to judge the same shard, one after another, or at once where one is late to be stopped.
    So the file is locked, and it is good only for the shard whose state was written with the same token. While its
    pages change it has none.

    Parameters
    ----------
    path : Path
        Made if it is not there; others who have it open are waited for.
    """

    #: Bytes in front of the pages: the token's, and no more than what lets the pages begin at a page of memory.
    HEADER = mmap.PAGESIZE

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __enter__(self) -> LocalCopy:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @property
    def token(self) -> str:
        """That of the state which the pages belong to; empty where they belong to none."""
        return os.pread(self._file, 32, 0).rstrip(b"\0").decode()

    def sign(self, token: str) -> None:
        """Say which state the pages belong to from now on; at most 32 characters."""
        os.pwrite(self._file, token.encode().ljust(32, b"\0"), 0)

    def pages(self, n: int) -> NDArray[np.void]:
        """The first n pages, at least 1, to be changed in place; raises OSError where there is no space for them."""
        size = self.HEADER + n * PAGE_DTYPE.itemsize
        if os.fstat(self._file).st_size < size:
            os.posix_fallocate(self._file, 0, size)  # a file with holes would end the program when the disk is full
        return np.frombuffer(self._map(size), PAGE_DTYPE, n, self.HEADER)

    def _map(self, size: int) -> mmap.mmap:
        """The file in memory, at least so many bytes of it: as it was mapped before, if it is the same file."""
        found = os.fstat(self._file)
        of = found.st_dev, found.st_ino  # a mapped file keeps its number, even where it is deleted
        mapped = _mapped.pop(of, None)
        if mapped is None or len(mapped) < size:
            file = os.open(f"/proc/self/fd/{self._file}", os.O_RDWR)  # apart, as the map keeps it open, and its lock
            try:
                mapped = mmap.mmap(file, size)
            finally:
                os.close(file)
        _mapped[of] = mapped
        if len(_mapped) > MAPPED:
            del _mapped[next(iter(_mapped))]
        return mapped


#: Maps of this program's, by device and number of their files, the one used last at the end.
_mapped: dict[tuple[int, int], mmap.mmap] = {}
