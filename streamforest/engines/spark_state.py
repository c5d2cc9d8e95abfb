"""Spark's state of a shard: pages of its records, the readings since they were written, and the streams' names."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.detectors.isolation_forest import Judge
from streamforest.engines.shards import MOST_ENTRIES, OUTCOME_DTYPE, REWRITE, STREAM_DTYPE, Entry, LocalCopy, Shard
from streamforest.optional import optional
from streamforest.streams import CHUNK

pyarrow = optional("pyarrow", "spark")
types = optional("pyspark.sql.types", "spark")

#: To be raised when the numbers in a stream's record come to mean something else; other layouts tell themselves.
MEANING = 3
#: Of what is kept of a shard.
VERSION = f"{MEANING}-{hashlib.sha256(repr(STREAM_DTYPE.descr).encode()).hexdigest()[:12]}"

#: Later than any time, milliseconds.
FOREVER = 2**62

#: Names of parts of the state.
HEAD, NAMES = "head", "names"


def page_name(page: int) -> str:
    """That of a page of records."""
    return f"page {page}"


def entry_name(number: int) -> str:
    """That of an entry."""
    return f"entry {number}"


class Head(NamedTuple):
    """What is written of a shard in each batch.

    Attributes
    ----------
    version : str
        Of the layout.
    shards : int
        How many there are; a stream's shard follows from it.
    home : str
        Name of the shard's local copies.
    token : str
        Of this very state: a local copy with the same one holds its records.
    slots : int
        That were ever used.
    entry : int
        Number of the newest entry; they count from 1 on.
    first : int
        Number of the oldest entry that is kept.
    since : list of int
        By page: the newest entry that it had taken when it was written, or that was there before it.
    credit : float
        How many pages are due, of which the whole ones were written.
    timer : int
        When Spark will call next, milliseconds of processing time; 0 for never.
    """

    version: str
    shards: int
    home: str
    token: str
    slots: int
    entry: int
    first: int
    since: list[int]
    credit: float
    timer: int

    @classmethod
    def read(cls, saved: bytes | None, shards: int | None) -> Head:
        """A head as it was written, or a new one; raises ValueError where another version or number wrote it."""
        if saved is None:
            home = uuid.uuid4().hex
            # at random, lest the pages of all shards be due in the same batch
            return cls(VERSION, shards or 1, home, "", 0, 0, 1, [], int(home[:8], 16) / 2**32, 0)
        fields = json.loads(saved)
        if fields["version"] != VERSION:
            raise ValueError(
                f"the checkpoint holds streams of version {fields['version']}, this program reads {VERSION}: "
                "go on with the program that wrote it, or start with a new checkpoint"
            )
        head = cls(**fields)
        if shards is not None and head.shards != shards:
            raise ValueError(
                f"the checkpoint's streams are in {head.shards} shards, asked for are {shards}: go on with "
                f"{head.shards}, or start a new checkpoint from the streams of this one"
            )
        return head

    def written(self) -> bytes:
        """The same as bytes, a JSON object."""
        return json.dumps(self._asdict()).encode()


class Names:
    """Names of a shard's streams, by slot.

    Parameters
    ----------
    saved : bytes or None
        What :meth:`written` gave.
    kind : pyarrow.DataType
        Of the names.
    slots : int
        That were ever used.
    """

    def __init__(self, saved: bytes | None, kind: Any, slots: int) -> None:
        self._kind = kind
        self._slots: dict[Any, int] = {}
        if saved is not None:
            table = pyarrow.ipc.open_stream(saved).read_all()
            self._slots = dict(zip(table["name"].to_pylist(), table["slot"].to_pylist(), strict=True))
        self._free = sorted(set(range(slots)) - set(self._slots.values()), reverse=True)
        self.slots = slots
        self.is_changed = False

    def missing(self, names: list[Any]) -> int:
        """How many of different names are unknown."""
        return sum(name not in self._slots for name in names)

    def take(self, names: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The slots of different names, shape (n,), and those of them that are given to new streams, shape (m,)."""
        new = [name for name in names if name not in self._slots]
        for name in new:
            if not self._free:
                self._free.append(self.slots)
                self.slots += 1
            self._slots[name] = self._free.pop()
            self.is_changed = True
        return self._as_array([self._slots[name] for name in names]), self._as_array(
            [self._slots[name] for name in new]
        )

    def drop(self, slots: NDArray[np.int64]) -> None:
        """Forget streams."""
        for name in self.of(slots):
            self._free.append(self._slots.pop(name))
            self.is_changed = True

    def used(self) -> NDArray[np.int64]:
        """The slots of all streams."""
        return self._as_array(list(self._slots.values()))

    def of(self, slots: NDArray[np.int64]) -> list[Any]:
        """The names of streams, by their slots."""
        names = {slot: name for name, slot in self._slots.items()} if slots.size else {}
        return [names[slot] for slot in slots.tolist()]

    def written(self) -> bytes:
        """The same as bytes: Arrow's stream of a table."""
        names = pyarrow.array(list(self._slots), self._kind)
        return to_ipc({"name": names, "slot": pyarrow.array(self.used(), pyarrow.int32())})

    @staticmethod
    def _as_array(slots: list[int]) -> NDArray[np.int64]:
        return np.array(slots, np.int64)


def to_ipc(columns: dict[str, Any]) -> bytes:
    """Columns as Arrow's stream of one record batch."""
    batch = pyarrow.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


class Judged(NamedTuple):
    """What came of a batch.

    Attributes
    ----------
    names : pyarrow.Array, shape (n,)
        Of the streams.
    outcomes : array of OUTCOME_DTYPE, shape (n,)
    seconds : float
        Processor time that the detector took.
    """

    names: Any
    outcomes: NDArray[np.void]
    seconds: float


class Parts:
    """Spark's state of a shard, of that one whose turn it is: parts of it, as bytes, by their names.

    All of them are in one variable of one simple type: for each variable of its state Spark makes and compiles code
    anew, in every batch and partition.

    Parameters
    ----------
    handle : pyspark.sql.streaming.StatefulProcessorHandle
    """

    #: Names of the variable and its columns. Spark refuses earlier layouts, where one of this name had another type.
    VARIABLE, NAME, WRITTEN = "pages", "name", "written"

    def __init__(self, handle: Any) -> None:
        name, written = types.StructType().add(self.NAME, "string"), types.StructType().add(self.WRITTEN, "binary")
        self._map = handle.getMapState(self.VARIABLE, name, written)

    def get(self, name: str) -> bytes | None:
        """A part, None where there is none."""
        found = self._map.getValue((name,))
        return None if found is None else found[0]

    def set(self, name: str, written: bytes) -> None:
        """Write a part."""
        self._map.updateValue((name,), (written,))

    def remove(self, name: str) -> None:
        """Take a part away."""
        self._map.removeKey((name,))


class KeptShard:
    """A shard as Spark keeps it, for one batch.

    Parameters
    ----------
    parts : Parts, or dict of str to bytes
        Its state; to be read only if it is a dict.
    shards : int or None
        How many there are; None for what the state says.
    kind : pyarrow.DataType
        Of the streams' names.
    folder : Path
        Of the local copies.
    judge : Judge
        Of the model.

    Attributes
    ----------
    timer : int
        Which timer is to be registered, milliseconds of processing time; 0 for none.

    Raises
    ------
    ValueError
        The state was written by another version, or for another number of shards.
    """

    def __init__(
        self, parts: Parts | dict[str, bytes], shards: int | None, kind: Any, folder: Path, judge: Judge
    ) -> None:
        self._parts: Any = parts
        self._kind, self._folder, self._judge = kind, folder, judge
        self._head = Head.read(parts.get(HEAD), shards)
        self._names = Names(parts.get(NAMES), kind, self._head.slots)
        self.timer = 0

    def take(
        self, names: Any, times: NDArray[np.float64], values: NDArray[np.float64], now: int, deadline: int, silence: int
    ) -> Judged:
        """Judge a batch's readings.

        Parameters
        ----------
        names : pyarrow.DictionaryArray, shape (n,)
            Of the readings' streams.
        times, values : float64 arrays, shape (n,)
            In any order; NaN is a missing value, and a time that could not be read.
        now : int
            Milliseconds of processing time.
        deadline : int
            When these streams are to be given a missing reading, the same; 0 for never.
        silence : int
            Milliseconds after which streams without readings are dropped first; 0 for never.
        """
        different = names.dictionary.to_pylist()
        which = names.indices.to_numpy()
        with self._opened(self._names.slots + self._names.missing(different)) as shard:
            self._drop_silent(shard, now, silence)
            slots, new = self._names.take(different)
            outcomes, order, seconds = self._judge_entry(shard, Entry(now, deadline, new, slots[which], times, values))
            self._save(shard, silence)
        return Judged(names.dictionary.take(pyarrow.array(which[order])), outcomes, seconds)

    def wake(self, now: int, silence: int) -> Judged:
        """Give the streams whose deadline is over a missing reading, at the time of their last one.

        The parameters are those of :meth:`take`.
        """
        self._head = self._head._replace(timer=0)
        with self._opened(self._names.slots) as shard:
            self._drop_silent(shard, now, silence)
            used = self._names.used()
            deadlines = shard.of("deadline", used)
            due = used[(deadlines > 0) & (deadlines <= now)]
            times, values = shard.last_times(due), np.full(due.size, np.nan)
            outcomes, order, seconds = np.empty(0, OUTCOME_DTYPE), due, 0.0
            if due.size:
                outcomes, order, seconds = self._judge_entry(shard, Entry(now, 0, due[:0], due, times, values))
            self._save(shard, silence)
        return Judged(pyarrow.array(self._names.of(due[order]), self._kind), outcomes, seconds)

    def add(self, names: Any, streams: NDArray[np.void]) -> None:
        """Let streams go on here from what another checkpoint kept of them.

        Parameters
        ----------
        names : pyarrow.Array, shape (n,)
            Different ones.
        streams : array of STREAM_DTYPE, shape (n,)
        """
        different = names.to_pylist()
        with self._opened(self._names.slots + len(different)) as shard:
            slots, new = self._names.take(different)
            shard.set_streams(slots, streams)
            nothing = np.empty(0)
            self._write(shard, Entry(0, 0, new, new[:0], nothing, nothing), np.unique(slots // CHUNK).tolist())
            self._save(shard, 0)

    def streams(self) -> tuple[Any, NDArray[np.void]]:
        """The names of all streams, and what is kept of them: the parameters of :meth:`add`."""
        used = self._names.used()
        with self._opened(self._names.slots) as shard:
            return pyarrow.array(self._names.of(used), self._kind), shard.streams(used)

    @contextmanager
    def _opened(self, slots: int) -> Iterator[Shard]:
        """The shard's records, with space for so many streams."""
        with LocalCopy(self._folder / self._head.home) as copy:
            is_good = copy.token == self._head.token != ""
            copy.sign("")
            shard = Shard(copy.pages(max(-(-slots // CHUNK), 1)))
            if not is_good:
                self._restore(shard)
            yield shard
            copy.sign(self._head.token)

    def _restore(self, shard: Shard) -> None:
        since = np.array(self._head.since, np.int64)
        saved = {page: self._parts.get(page_name(page)) for page in range(len(since))}
        numbers = range(self._head.first, self._head.entry + 1)
        entries = ((number, Entry.read(self._parts.get(entry_name(number)))) for number in numbers)
        shard.restore(
            {page: written for page, written in saved.items() if written is not None}, entries, since, self._judge
        )

    def _drop_silent(self, shard: Shard, now: int, silence: int) -> None:
        if silence:
            used = self._names.used()
            self._names.drop(used[shard.of("heard", used) + silence <= now])

    def _judge_entry(self, shard: Shard, entry: Entry) -> tuple[NDArray[np.void], NDArray[np.intp], float]:
        """Judge readings and write them, and the pages that are due; also returns the processor time of the first."""
        begun = time.thread_time()
        outcomes, order = shard.take(entry, self._judge)
        seconds = time.thread_time() - begun
        self._write(shard, entry)
        return outcomes, order, seconds

    def _write(self, shard: Shard, entry: Entry, pages: Sequence[int] = ()) -> None:
        """Write an entry, the pages that are due by now and others, and take old entries away."""
        head, slots = self._head, self._names.slots
        n = -(-slots // CHUNK)
        number = head.entry + 1
        since = np.append(np.array(head.since, np.int64), np.full(n, head.entry))[:n]
        self._parts.set(entry_name(number), entry.written())
        credit = head.credit + n * max(entry.slots.size / (REWRITE * max(slots, 1)), 1 / MOST_ENTRIES)
        for page in {*pages, *np.argsort(since, kind="stable")[: int(credit)].tolist()}:
            self._parts.set(page_name(page), shard.written(page, slots))
            since[page] = number
        first = int(since.min(initial=number)) + 1
        for old in range(head.first, first):
            self._parts.remove(entry_name(old))
        self._head = head._replace(
            token=uuid.uuid4().hex, slots=slots, entry=number, first=first, since=since.tolist(), credit=credit % 1.0
        )

    def _save(self, shard: Shard, silence: int) -> None:
        """Write the head, and the names if there are others, and say which timer is wanted if Spark calls too late."""
        used = self._names.used()
        due = shard.of("deadline", used)
        due = due[due > 0]
        if silence:
            due = np.append(due, shard.of("heard", used) + silence)
        wanted = int(due.min(initial=FOREVER))
        if wanted < (self._head.timer or FOREVER):
            self.timer = wanted
            self._head = self._head._replace(timer=wanted)
        if self._names.is_changed:
            self._parts.set(NAMES, self._names.written())
        self._parts.set(HEAD, self._head.written())
