"""What others post to the run's own server: batches of readings, each judged once, also when it is sent again."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from streamforest.connections.batches import Batch, BatchQueue, Outcome
from streamforest.optional import MissingPackageError
from streamforest.protocols import Reading, Refusal, SourceError, State, Stop, Verdicts
from streamforest.reading.bodies import MOST_READINGS, BodyError, BodyReader
from streamforest.reading.column_layout import Asked, Dialect
from streamforest.reading.remote_write import read_remote_write
from streamforest.state import packed, unpacked
from streamforest.storage.batch_log import BatchLog, Place

#: Seconds between two looks at the stop flag.
PATIENCE = 0.1
#: Ids that are kept: the newest ones of each client, and of all clients together.
MOST_IDS, MOST_IDS_IN_ALL = 256, 100_000
#: Characters of a longer id stand for it by their checksum.
LONGEST_ID = 64
#: Refusals of a batch that are handed back.
MOST_REFUSALS = 100

ENDING = "the run is ending"

Items = list[Reading | Refusal]
#: Points, anomalies and refused readings of a batch.
Counts = tuple[int, int, int]


class ServeSource:
    """Batches from a queue, whose outcome those who posted them wait for.

    With a path a batch is on the disk before it is judged: a run that is killed judges it again from its last
    checkpoint on, and all that was answered is in its results.

    Parameters
    ----------
    asked, dialect
        As in :class:`~streamforest.reading.bodies.BodyReader`.
    path : Path, optional
        Of the checkpoint.
    notify : callable
        Takes a line for people.

    Attributes
    ----------
    queue : BatchQueue
        Where batches are put.
    """

    name = "serve"
    live = True

    def __init__(self, asked: Asked, dialect: Dialect, path: Path | None, notify: Callable[[str], None]) -> None:
        self.queue = BatchQueue()
        self._asked, self._bodies = asked, BodyReader(asked, dialect)
        self._notify = notify
        self._log = None if path is None else BatchLog(path)
        self._place: Place | None = None  # behind the last batch that was judged
        self._is_live = False  # all that the log held at the start was handed out
        self._written: list[Place] = []  # of the newest two checkpoints
        self._ids = _Ids()
        self._seen = 0  # readings that were handed out in batches before the one in hand
        self._is_failing = False  # the log
        self._taken: deque[Batch] = deque()  # from the queue, and not read yet
        self._waiting: list[_InHand] = []  # batches that were read and are not judged yet
        self._now = _InHand()  # the one that is judged

    def describe(self) -> str:
        """Where readings come from, in words."""
        return "readings that are posted to /readings"

    def read(self, stop: Stop, most: int) -> Iterator[Items]:
        """Yield the readings of batches: first of those in the log, then of the ones that are posted."""
        if self._log is not None and not self._is_live:
            yield from self._replayed(self._log, most)
        self._is_live = True
        while not stop.requested:
            if not self._taken:
                self._taken.extend(self.queue.take(PATIENCE))
            self._waiting = self._new(self._taken)
            while self._waiting:
                yield from self._handed_out(self._waiting.pop(0), most)

    def _replayed(self, log: BatchLog, most: int) -> Iterator[Items]:
        first = self._begun(log)
        try:
            for place, raw in log.since(first):
                batch = _unpacked(raw)
                items = None if batch is None else self._read(batch)
                if batch is None or items is None:
                    self._place = place  # of another version
                else:
                    yield from self._handed_out(_InHand(batch, items, place), most)
        except OSError as error:
            raise SourceError(f"the batches beside the checkpoint cannot be read: {error.strerror or error}") from None
        self._place = log.end

    def _handed_out(self, batch: _InHand, most: int) -> Iterator[Items]:
        """Yield the readings of a batch, and give its outcome once they are judged."""
        batch.go_on(self._now)
        self._now = batch
        for start in range(batch.part, len(batch.items), most):
            block = batch.items[start : start + most]
            batch.part = start + len(block)  # in a checkpoint the block is with the reader
            yield block
        self._end_batch()

    def _end_batch(self) -> None:
        batch, self._now = self._now, _InHand()
        self._seen += len(batch.items)
        if batch.place is not None:
            self._place = batch.place
        self._ids.add(batch.batch, batch.counts)
        batch.batch.end(batch.outcome())

    def _new(self, batches: deque[Batch]) -> list[_InHand]:
        """Take the first of the batches; those that are to be judged with their readings, the others get their outcome.

        No further one is taken once they have MOST_READINGS: all that wait would take gigabytes.
        """
        found: list[_InHand] = []
        firsts: dict[tuple[str, str], Batch] = {}
        readings = 0
        while batches and readings < MOST_READINGS:
            batch = batches.popleft()
            name = batch.client, batch.id
            if (counts := self._ids.get(batch)) is not None:
                batch.end(_repeated(counts))
            elif batch.id and name in firsts:
                _follow(firsts[name], batch)
            elif (items := self._read(batch)) is not None:
                found.append(_InHand(batch, items))
                firsts[name] = batch
                readings += len(items)
        return found if self._log is None or not found else self._kept(self._log, found)

    def _kept(self, log: BatchLog, found: list[_InHand]) -> list[_InHand]:
        """The batches, once they are on the disk; none where that fails: they are to be sent again."""
        try:
            places = log.add([_packed(one.batch) for one in found])
        except OSError as error:
            why = f"batches cannot be kept: {error.strerror or error}"
            if not self._is_failing:
                self._notify(f"{self.name}: {why}; they have to be sent again")
            self._is_failing = True
            for one in found:
                one.batch.end(Outcome("postponed", why))
            return []
        if self._is_failing:
            self._notify(f"{self.name}: batches can be kept again")
        self._is_failing = False
        for one, place in zip(found, places, strict=True):
            one.place = place
        return found

    def _read(self, batch: Batch) -> Items | None:
        """The readings of a batch; None where it cannot be read, which is its outcome then."""
        try:
            if batch.form == "remote-write":
                return read_remote_write(batch.body, self._asked)
            return self._bodies.read(batch.body, batch.arrival)
        except (BodyError, MissingPackageError) as error:
            batch.end(Outcome("unread", str(error)))
            return None

    # What the run says of the readings

    def answer(self, refusals: Sequence[Refusal]) -> None:
        """Take the refusals of readings that were handed out last."""
        self._now.refusals += [_placed(one, self._seen) for one in refusals]

    def take(self, verdicts: Verdicts) -> None:
        """Take the verdicts of readings that were handed out last."""
        self._now.verdicts.append(verdicts)

    # What is kept

    def state(self) -> State:
        """Where the run stands among the batches, and the ids of those that were judged; empty without a path.

        Raises OSError where the next file of batches cannot be begun.
        """
        if self._log is None:
            return {}
        place, now, ids, seen = self._begun(self._log), self._now, self._ids.facts(), self._seen
        part, counts = now.part, now.counts
        is_done = now.place is not None and part == len(now.items)  # all of it is with the reader or judged
        if now.place is not None and is_done:
            place, part, counts, seen = now.place, 0, (0, 0, 0), seen + part
            ids = self._ids.facts_with(now.batch, now.counts)
        is_behind_all = self._log.is_behind_all(place)
        if self._is_live:
            self._log.turn()
            place = self._log.end if is_behind_all else place
            if is_done:
                now.place = place
            else:
                self._place = place
        return {"facts": packed([[*place], [part, *counts], seen, ids])}

    def restore(self, state: State) -> str:
        """Go back to where the run stood; raises ValueError where the state is none."""
        kind = tuple[tuple[int, int], tuple[int, int, int, int], int, list[tuple[str, list[tuple[str, int, int, int]]]]]
        place, (part, *counts), seen, ids = unpacked(state, "facts", kind)
        if place[0] < 1 or min(place[1], part, *counts, seen) < 0:
            raise ValueError("the saved place among the batches is none")
        self._place, self._ids, self._seen = Place(*place), _Ids(ids), seen
        self._now = _InHand(part=part, before=tuple(counts))
        is_there = self._log is not None and self._log.has(self._place)
        return "" if is_there else "the batches that were kept beside it are gone"

    def written(self, state: State) -> None:
        """Take note of a checkpoint that is on the disk: what neither it nor the one before it needs is deleted."""
        if self._log is None or "facts" not in state:
            return
        self._written = [*self._written, Place(*unpacked(state, "facts")[0])][-2:]
        if len(self._written) == 2:
            self._log.forget_before(min(self._written))

    def close(self) -> None:
        """Take no more; batches that are not judged are answered with what becomes of them. May be called twice."""
        self.queue.end(ENDING)
        if self._now.is_judged:
            self._end_batch()
        for one in (self._now, *self._waiting):
            is_kept = one.place is not None
            why = f"{ENDING}: the next one judges it" if is_kept else ENDING
            one.batch.end(Outcome("kept" if is_kept else "postponed", why))
        for batch in self._taken:
            batch.end(Outcome("postponed", ENDING))
        self._waiting = []
        self._taken.clear()
        if self._log is not None:
            self._log.close()

    def _begun(self, log: BatchLog) -> Place:
        """Where the run stands; the log of a run that goes on from nowhere is begun."""
        if self._place is None:
            log.begin()
            self._place, self._is_live = log.end, True
        return self._place


@dataclass
class _InHand:
    """A batch, its readings, and what is known of it so far.

    Attributes
    ----------
    batch, items
        The batch, and what it holds.
    place : Place or None
        In the log, behind it; None where there is none.
    part : int
        Readings that were handed out.
    before : Counts
        Of those of them that an earlier run judged.
    """

    batch: Batch = field(default_factory=lambda: Batch(b"", 0.0))
    items: Items = field(default_factory=list)
    place: Place | None = None
    part: int = 0
    before: Counts = (0, 0, 0)
    refusals: list[Refusal] = field(default_factory=list)
    verdicts: list[Verdicts] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """Points, anomalies and refused readings so far."""
        points, anomalies, refused = self.before
        points += sum(map(len, self.verdicts))
        anomalies += sum(int(verdicts["is_anomaly"].sum()) for verdicts in self.verdicts)
        return points, anomalies, refused + len(self.refusals)

    @property
    def is_judged(self) -> bool:
        """Whether all that it holds was judged or refused."""
        points, _, refused = self.counts
        return bool(self.items) and points + refused == len(self.items)

    def go_on(self, earlier: _InHand) -> None:
        """Take what an earlier run did of this batch, and this one of the readings that it had in hand."""
        if earlier.part:
            self.part, self.before = earlier.part, earlier.before
            self.refusals, self.verdicts = earlier.refusals, earlier.verdicts

    def outcome(self) -> Outcome:
        """What became of it."""
        points, anomalies, refused = self.counts
        first = tuple((one.where, one.reason) for one in self.refusals[:MOST_REFUSALS])
        return Outcome("judged", "", points, anomalies, refused, first, verdicts=tuple(self.verdicts))


class _Ids:
    """Ids of batches that were judged, the newest of each client, with their counts; bounded in all."""

    def __init__(self, facts: Sequence[tuple[str, Sequence[tuple[str, int, int, int]]]] = ()) -> None:
        self._clients: dict[str, dict[str, Counts]] = {
            client: {name: (points, anomalies, refused) for name, points, anomalies, refused in ids}
            for client, ids in facts
        }
        self._count = sum(map(len, self._clients.values()))

    def get(self, batch: Batch) -> Counts | None:
        """The counts of the batch that was judged under this one's id."""
        return self._clients.get(batch.client, {}).get(_short(batch.id)) if batch.id else None

    def add(self, batch: Batch, counts: Counts) -> None:
        """Keep a batch's id, if it has one."""
        if not batch.id:
            return
        ids = self._clients.pop(batch.client, {})
        self._clients[batch.client] = ids  # the newest client is the last one
        name = _short(batch.id)
        self._count += name not in ids
        ids[name] = counts
        if len(ids) > MOST_IDS:
            del ids[next(iter(ids))]
            self._count -= 1
        while self._count > MOST_IDS_IN_ALL:
            self._count -= len(self._clients.pop(next(iter(self._clients))))

    def facts_with(self, batch: Batch, counts: Counts) -> list[tuple[str, list[tuple[str, int, int, int]]]]:
        """All that will be remembered once a batch is added."""
        self.add(batch, counts)  # it is added again, with all that it counts then
        return self.facts()

    def facts(self) -> list[tuple[str, list[tuple[str, int, int, int]]]]:
        """All that is remembered, as JSON can hold it."""
        return [(client, [(name, *counts) for name, counts in ids.items()]) for client, ids in self._clients.items()]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_ID else hashlib.sha256(name.encode()).hexdigest()


def _placed(refusal: Refusal, seen: int) -> Refusal:
    """A refusal that counts the readings of its batch, not of the run."""
    kind, _, number = refusal.where.partition(" ")
    return Refusal(f"item {int(number) - seen}", refusal.reason) if kind == "reading" else refusal


def _repeated(counts: Counts) -> Outcome:
    points, anomalies, refused = counts
    return Outcome(points=points, anomalies=anomalies, refused=refused, is_repeated=True)


def _follow(first: Batch, second: Batch) -> None:
    """Give a batch that was sent twice at a time the outcome of the first one."""

    def pass_on(_: object) -> None:
        outcome = first.outcome.result()
        is_judged = outcome.state == "judged"
        second.end(_repeated((outcome.points, outcome.anomalies, outcome.refused)) if is_judged else outcome)

    first.outcome.add_done_callback(pass_on)


def _packed(batch: Batch) -> bytes:
    return orjson.dumps([batch.client, batch.id, batch.arrival, batch.form]) + b"\n" + batch.body


def _unpacked(raw: bytes) -> Batch | None:
    head, _, body = raw.partition(b"\n")
    try:
        client, name, arrival, form = orjson.loads(head)
    except ValueError:
        return None
    return Batch(body, float(arrival), form, str(client), str(name))
