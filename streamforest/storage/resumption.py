"""What of a run is kept in its checkpoint and when, and how a run goes on from there."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from streamforest.protocols import ResumableSink, ResumableSource, Sink, Source, State
from streamforest.state import joined, part_of
from streamforest.storage.checkpoint import CheckpointError, CheckpointFile, Saved
from streamforest.storage.paging import Large, Pager

GAP = "this source cannot go back: it goes on with what comes, the readings in between are missing"

#: Bytes of a checkpoint that is written while the run goes on.
LARGE = 2**22
#: Share of the time that large checkpoints may take: those of 100,000 streams cost seconds.
SHARE = 0.05
#: Seconds that the end waits for a checkpoint that is being written, as a disk may hang.
CLOSING = 2.0
#: Characters of what does not fit that are shown.
LONGEST = 200
#: What restoring a part from a state that is none may raise.
FAULTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError)


class Kept(Protocol):
    """A part of a run with something to remember."""

    def state(self) -> State:
        """A copy of all that is remembered."""
        ...


class Part(Kept, Protocol):
    """One that goes on from there, come what may."""

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        ...


@runtime_checkable
class KeepingSource(Protocol):
    """What a source has besides, if it keeps what it gave until a checkpoint holds it."""

    def written(self, state: State) -> None:
        """Take note that a checkpoint with this state of the source is on the disk; called in any thread."""
        ...


class Resumption:
    """Keeps the parts of a run in a checkpoint as it goes on; each goes on from there as it is added.

    All parts are to be added before the first point, the source first: whether it can go back to where it was decides
    whether sinks take back what they wrote since, or it would be missing.

    Parameters
    ----------
    file : CheckpointFile
        Where it is kept; closed with this object.
    fingerprint : mapping of str to str
        What decides the results, by names that the user knows: a checkpoint of other ones is refused.
    every : float
        Seconds between two checkpoints, above 0.
    notify : callable
        Takes a line for people.
    clock : callable
        Seconds that only go forward.

    Raises
    ------
    CheckpointError
        There is a checkpoint that cannot be used, see ``CheckpointFile.load``.
    DifferentRunError
        There is one of another run.
    """

    def __init__(
        self,
        file: CheckpointFile,
        fingerprint: Mapping[str, str],
        every: float,
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._fingerprint, self._every = file, fingerprint, every
        self._notify, self._clock = notify, clock
        self._parts: dict[str, Kept] = {}
        self._pagers: dict[str, Pager] = {}  # of large parts, by the part's name
        self._failure = ""  # reported last
        self._due = clock() + every
        self._writer: threading.Thread | None = None  # of a large checkpoint
        self._begun = clock()  # when the state of the newest one was taken
        self._took = 0.0  # seconds, the newest one
        self._is_paced = False  # whether it was told that they come later than asked for
        self.goes_back = True  # the source, to where the checkpoint was written
        self._saved: State | None = None  # what no part has taken yet
        self._had: frozenset[str] = frozenset()  # parts in the checkpoint
        try:
            saved, note = file.load()
            if saved is not None:
                _check(file, saved.fingerprint, fingerprint)
                self._saved = dict(saved.state)
                self._had = frozenset(name.partition(".")[0] for name in saved.state)
        except CheckpointError:
            file.close()
            raise
        if note:
            notify(note)

    @property
    def is_resumed(self) -> bool:
        """Whether the run goes on from a checkpoint."""
        return self._saved is not None

    @property
    def path(self) -> Path:
        """Of the checkpoint."""
        return self._file.path

    def has(self, part: str) -> bool:
        """Whether the run goes on from a checkpoint with this part in it, a sink by the name of its class."""
        return part in self._had

    def add_source(self, source: Source) -> None:
        """Take the source, and let it go on behind the last reading that was judged.

        Raises
        ------
        SourceError
            What it read has changed since; the message is for the user.
        CheckpointError
            The checkpoint does not fit.
        """
        if isinstance(source, ResumableSource):
            self._parts["source"] = source
        if self._saved is None:
            return
        state = self._taken("source")
        gap = GAP
        if isinstance(source, ResumableSource) and state:
            gap = self._restored(lambda: source.restore(state)) or ""
        self.goes_back = not gap
        if gap:
            self._notify(f"the checkpoint {self._file.path}: {gap}")

    def add(self, name: str, part: Part) -> None:
        """Take a part; raises CheckpointError where the checkpoint does not fit."""
        restore: Callable[[State], None]
        if isinstance(part, Large):
            pager = self._pagers[name] = Pager(part.paged, self._file)
            restore = partial(pager.restore, found=self._file.pages)
        else:
            self._parts[name] = part
            restore = part.restore
        if self.has(name):
            state = self._taken(name)
            self._restored(lambda: restore(state))

    def add_sink(self, sink: Sink) -> None:
        """Take a sink, if it has something to keep; raises CheckpointError where the checkpoint does not fit."""
        if not isinstance(sink, ResumableSink):
            return
        name = type(sink).__name__
        self._parts[name] = sink
        if self.has(name):
            state = self._taken(name)
            note = self._restored(lambda: sink.restore(state, cut=self.goes_back))
            if note:
                self._notify(f"{sink.name}: {note}")

    def _taken(self, part: str) -> State:
        """The saved state of a part, which is not kept any longer: that of many streams is large."""
        saved = self._saved or {}
        state = part_of(saved, part)
        self._saved = {name: array for name, array in saved.items() if name.partition(".")[0] != part}
        return state

    def _restored(self, restore: Callable[[], str | None]) -> str | None:
        try:
            return restore()
        except FAULTS as error:
            why = str(error)[:LONGEST]  # it may show what is in the file
            raise CheckpointError(f"the checkpoint {self._file.path} does not fit: {why}") from None
        except OSError as error:
            raise CheckpointError(f"the checkpoint {self._file.path}: {error.strerror or error}") from None

    def write_if_due(self) -> None:
        """Write a checkpoint if it is time; call it between two blocks, where all parts stand at the same point.

        A large one is written while the run goes on, and so are the pages of large parts before it; the next one waits
        until it is, and until both together have taken no more than SHARE of the time.
        """
        now = self._clock()
        if self._pagers and not self._is_writing and (now < self._due or self._has_gap()):
            self._write_page(now)
        elif now >= self._due and not self._is_writing:
            self._begin(LARGE)

    def _has_gap(self) -> bool:
        """Whether the pages of a large part have to be written anew before there is another checkpoint."""
        return any(pager.has_gap() for pager in self._pagers.values())

    def _write_page(self, now: float) -> None:
        """Write a page of a large part in a thread of its own, if one is due."""
        for pager in self._pagers.values():
            try:
                work = pager.page_work(now, self._due)
            except MemoryError as error:
                self._tell(error)
                return
            if work is not None:
                self._write_beside(partial(self._attempt, work))
                return

    def _write_beside(self, work: Callable[[], object]) -> None:
        """Let something be written while the run goes on."""
        self._writer = threading.Thread(target=work, name="checkpoint", daemon=True)
        self._writer.start()

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Do what may fail as a disk is full; whether it did not."""
        try:
            work()
        except (OSError, ValueError, MemoryError) as error:
            self._tell(error)
            return False
        return True

    def write(self) -> None:
        """Write a checkpoint, and return when it is written; if that fails the run goes on, and it is reported once."""
        self._finish()
        while self._has_gap():
            works = [pager.page_work(self._clock(), self._due) for pager in self._pagers.values() if pager.has_gap()]
            if not all(self._attempt(work) for work in works if work is not None):
                return
        self._begin(math.inf)

    def write_last(self, deadline: float = math.inf) -> None:
        """Write a checkpoint at the end of the run, if it can be done by a time of ``time.monotonic``."""
        self._finish(deadline)
        if self._is_writing:
            self._notify(f"no last checkpoint, one is still being written: {self.unwritten}")
        elif time.monotonic() + self._took > deadline or (deadline < math.inf and self._has_gap()):
            self._notify(f"no last checkpoint, it takes {self._took:.1f} s: {self.unwritten}")
        else:
            self.write()

    @property
    def unwritten(self) -> str:
        """Which checkpoint a run goes on from if no other one is written, in words."""
        which = "the one before that of" if self._is_writing else "that of"
        return f"the last checkpoint is {which} {self._clock() - self._begun:.0f} s ago"

    @property
    def _is_writing(self) -> bool:
        return self._writer is not None and self._writer.is_alive()

    def _finish(self, deadline: float = math.inf) -> None:
        """Wait for what is being written, no longer than to a time of ``time.monotonic``."""
        if self._writer is not None:
            self._writer.join(None if deadline == math.inf else max(0.0, deadline - time.monotonic()))

    def _begin(self, large: float) -> None:
        """Take the state of all parts and write it, in a thread of its own where it has more bytes than ``large``."""
        began, worked, self._begun = time.monotonic(), time.thread_time(), self._clock()
        self._due = self._begun + self._every
        try:
            state = joined({name: part.state() for name, part in self._parts.items()})
            work = {name: pager.checkpoint_work(self._begun) for name, pager in self._pagers.items()}
        except (OSError, ValueError, MemoryError) as error:
            self._tell(error)
        else:
            put = partial(self._put, state, work, began)
            if large < math.inf and (work or sum(array.nbytes for array in state.values()) > large):
                self._write_beside(partial(self._put_paced, put, time.thread_time() - worked))
            else:
                put()

    def _put_paced(self, put: Callable[[], None], taken: float) -> None:
        """Write in a thread of its own, and let the next one wait for it.

        ``taken``: seconds of a processor that taking the state cost.
        """
        before, due = time.thread_time(), self._due
        put()
        cost = taken + time.thread_time() - before
        self._due = max(self._due, self._clock() + cost * (1 / SHARE - 1))
        if self._due > due + self._every and not self._is_paced:
            self._is_paced = True
            self._notify(
                f"a checkpoint costs {cost:.1f} s of a processor: there is one every {cost / SHARE:.0f} s, "
                f"or judging would wait"
            )

    def _put(self, state: State, work: Mapping[str, Callable[[], tuple[State, list[int]]]], began: float) -> None:
        if self._attempt(lambda: self._write(state, work)):
            if self._failure:
                self._notify(f"checkpoints are written again: {self._file.path}")
            self._failure = ""
            source = self._parts.get("source")
            if isinstance(source, KeepingSource):
                source.written(part_of(state, "source"))
            self._took = time.monotonic() - began

    def _write(self, state: State, work: Mapping[str, Callable[[], tuple[State, list[int]]]]) -> None:
        """Write a checkpoint of the state of the small parts and what is to be done for the large ones."""
        done = {name: write_pages() for name, write_pages in work.items()}
        whole = state | joined({name: rest for name, (rest, _) in done.items()})
        self._file.write(
            Saved(self._fingerprint, whole, [number for _, numbers in done.values() for number in numbers])
        )
        for pager in self._pagers.values():
            pager.is_written()

    def _tell(self, error: Exception) -> None:
        failure = getattr(error, "strerror", None) or str(error) or "there is not enough memory"
        if failure != self._failure:
            self._notify(f"no checkpoint is written, the run goes on: {self._file.path}: {failure}")
        self._failure = failure

    def close(self) -> None:
        """Let another run have the checkpoint; may be called twice.

        One that is still being written after CLOSING seconds keeps it, to the end of the program.
        """
        self._finish(time.monotonic() + CLOSING)
        if not self._is_writing:
            self._file.close()


class DifferentRunError(CheckpointError):
    """The checkpoint is one of a run with other options; the message is for the user."""


def _check(file: CheckpointFile, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    differing = [
        f"{name} was {then.get(name, 'unknown')} and is {now.get(name, 'unknown')}"
        for name in dict.fromkeys((*then, *now))
        if then.get(name) != now.get(name)
    ]
    if differing:
        raise DifferentRunError(
            f"the checkpoint {file.path} is one of another run: {'; '.join(differing)}; "
            f"go back to that, or give this run another --checkpoint"
        )
