"""A large part of a run in its checkpoint: pages that are written now and then, and a log of what changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import State
from streamforest.state import saved_array
from streamforest.storage.checkpoint import CheckpointFile

#: Bytes of pages a second, at most: 24 KB a stream, so 100,000 streams are written once in two and a half minutes. A
#: disk takes ten times as much, a processor needs a twentieth of its time for it.
RATE = 2**24
#: Bytes of pages that are copied at once, when a checkpoint is due: what is smaller needs no log.
AT_ONCE = 2**22
#: Seconds between two looks for a page to be written.
LOOK = 0.05
#: Share of the pages' bytes that the log may take in memory while it cannot be written, and bytes that it always may.
MOST_SHARE, MOST_LOG = 0.25, 2**26
#: Changes that no run reaches: a count beyond leaves no place for those to come.
MOST_CHANGES = 2**53


class Paged(Protocol):
    """A large state: most of it lies in pages, and a log notes each change of them.

    Attributes
    ----------
    changes : int
        That were noted so far.
    changed : int64 array, shape (n,)
        By page, how many changes there were when it was changed last; 0 for one that is as a new one.
    page_bytes, log_bytes : int
        Of one page, and of the log in memory.
    """

    changes: int
    changed: NDArray[np.int64]

    @property
    def page_bytes(self) -> int: ...  # noqa: D102 - described above

    @property
    def log_bytes(self) -> int: ...  # noqa: D102

    def keep_log(self) -> None:
        """Note changes from now on."""
        ...

    def page(self, number: int) -> State:
        """A copy of a page."""
        ...

    def log(self, first: int) -> State:
        """The changes from one on, counted from 0, as far as they were not forgotten."""
        ...

    def forget(self, end: int) -> None:
        """Forget the changes before one, which are kept elsewhere."""
        ...

    def rest(self) -> State:
        """A copy of what is neither in pages nor in the log."""
        ...

    def restore_pages(
        self, rest: State, pages: dict[int, State], logs: Iterator[Log], since: NDArray[np.int64]
    ) -> None:
        """Go on from a state; raises ValueError where it is none.

        Parameters
        ----------
        rest : State
            As :meth:`rest` gave it.
        pages : dict of int to State
            Those that were written, by number; to be taken out one by one.
        logs : iterator of Log
            In their order; of each page only the changes behind its own time count.
        since : int64 array, shape (n,)
            By page, how many changes it had taken when it was written; 0 for one that never was.
        """
        ...


@runtime_checkable
class Large(Protocol):
    """A part of a run with such a state.

    Attributes
    ----------
    paged : Paged
        The state.
    """

    paged: Paged


class Log(NamedTuple):
    """Changes: which was the first, counted from 0, which is the first behind them, and the changes themselves."""

    first: int
    end: int
    state: State


class Pager:
    """Writes the pages of a part in turn, those that changed, and the log of its changes since they were written.

    Parameters
    ----------
    part : Paged
        Its state; from now on it notes its changes.
    file : CheckpointFile
        Where it is kept.

    Notes
    -----
    A page is written at most once from one checkpoint to the next, and no more than RATE bytes a second are, save after
    changes were lost because the log could not be written. The log is no longer than it takes for all pages to come
    round.
    """

    def __init__(self, part: Paged, file: CheckpointFile) -> None:
        self._part, self._file = part, file
        part.keep_log()
        self._files = np.zeros(0, np.int64)  # by page, 0 for one that is as a new one
        self._since = np.zeros(0, np.int64)  # by page: changes that it had taken when it was written
        self._logs: list[tuple[int, int, int]] = []  # file, first and end
        self._first = 0  # change that is in no file
        self._marked = 0  # changes at the newest checkpoint
        self._lost = 0  # changes that are in no log
        self._wait = 0.0  # until the next page, by the clock

    def page_work(self, now: float, due: float) -> Callable[[], None] | None:
        """What is to be done in another thread, while nothing else of this object is called; None for nothing.

        Parameters
        ----------
        now, due : float
            Seconds by a clock; ``due``: when the next checkpoint is to be written.

        Notes
        -----
        Pages are written as late as they may be: what changes afterwards goes into the log.
        """
        is_urgent = self.has_gap()
        if now < self._wait and not is_urgent:
            return None
        stale, size = self._stale(), self._part.page_bytes
        if not is_urgent and (not len(stale) or now < due - len(stale) * size / RATE):
            self._wait = now + LOOK
            return None
        self._wait = now + size / RATE
        page = int(stale[np.argmin(self._since[stale])])
        changes, state = self._part.changes, self._part.page(page)
        return lambda: self._write_page(page, changes, state)

    def _write_page(self, page: int, changes: int, state: State) -> None:
        self._files[page] = self._file.add(state)
        self._since[page] = changes

    def checkpoint_work(self, now: float) -> Callable[[], tuple[State, list[int]]]:
        """What is to be done in any thread, while nothing else of this object is called.

        It writes pages and the log, and returns what goes into the checkpoint itself, and the numbers of the files that
        it needs. After the checkpoint was written, :meth:`is_written` has to be called.

        To be called unless it :meth:`has_gap`.
        """
        part = self._part
        stale, changes = self._stale(), part.changes
        copies: list[tuple[int, State]] = []
        if now >= self._wait:
            chosen = stale[np.argsort(self._since[stale], kind="stable")][: max(1, AT_ONCE // part.page_bytes)]
            copies = [(page, part.page(page)) for page in chosen.tolist()]
            self._wait = now + len(copies) * part.page_bytes / RATE
        since = self._since.copy()
        since[[page for page, _ in copies]] = changes
        behind = part.changed > since
        oldest = int(since[behind].min(initial=changes))
        logs = [log for log in self._logs if log[2] > oldest]
        log = Log(max(self._first, oldest), changes, part.log(max(self._first, oldest)))
        rest = part.rest()

        def work() -> tuple[State, list[int]]:
            for page, state in copies:
                self._write_page(page, changes, state)
            if log.end > log.first:
                logs.append((self._file.add(log.state), log.first, log.end))
            self._logs, self._first = logs, changes
            own = {"files": self._files.copy(), "since": self._since.copy(), "changes": np.array([changes])}
            own |= {"logs": np.array(logs, np.int64).reshape(-1, 3)}
            return rest | own, [*self._files[self._files > 0].tolist(), *(log[0] for log in logs)]

        return work

    def is_written(self) -> None:
        """Take it that the checkpoint of the newest work is on the disk: pages are due again."""
        self._marked = self._first

    def _stale(self) -> NDArray[np.intp]:
        """The pages that changed since they were written, and were not written since the newest checkpoint."""
        more = len(self._part.changed) - len(self._files)
        if more > 0:
            self._files = np.append(self._files, np.zeros(more, np.int64))
            self._since = np.append(self._since, np.zeros(more, np.int64))
        return np.flatnonzero((self._part.changed > self._since) & (self._since <= self._marked))

    def has_gap(self) -> bool:
        """Whether changes were lost and not all pages that need them were written since: there is no checkpoint yet.

        They are lost where they take too much memory because they cannot be written.
        """
        self._part.forget(self._first)
        most = max(MOST_LOG, MOST_SHARE * self._part.page_bytes * len(self._part.changed))
        if self._part.log_bytes > most:
            self._lost = self._first = self._marked = self._part.changes
            self._part.forget(self._lost)
        if self._lost and not (self._since[self._stale()] < self._lost).any():
            self._lost = 0
        return self._lost > 0

    def restore(self, state: State, found: dict[int, State]) -> None:
        """Let the part go on from a state; raises ValueError where it is none.

        Parameters
        ----------
        state : State
            The part's in the checkpoint.
        found : dict of int to State
            The files that the checkpoint needs; those of this part are taken out.
        """
        changes = int(saved_array(state, "changes", np.zeros(1, np.int64))[0])
        n = len(state["files"]) if "files" in state else 0
        files = saved_array(state, "files", np.zeros(n, np.int64))
        since = saved_array(state, "since", np.zeros(n, np.int64))
        logs = saved_array(state, "logs", np.zeros((len(state.get("logs", ())), 3), np.int64))
        firsts, ends = logs[:, 1], logs[:, 2]
        is_ordered = (firsts <= ends).all() and (ends[:-1] <= firsts[1:]).all()
        is_counted = changes <= MOST_CHANGES and (since >= 0).all() and (since <= changes).all()
        if not (is_counted and is_ordered) or (logs < 0).any() or (ends > changes).any():
            raise ValueError("the saved state's pages are not of this version")
        pages = {page: found.pop(file) for page, file in enumerate(files.tolist()) if file}
        own = {"files", "since", "logs", "changes"}
        rest = {name: array for name, array in state.items() if name not in own}
        each = (Log(first, end, found.pop(file)) for file, first, end in logs.tolist())
        self._part.restore_pages(rest, pages, each, since)
        self._files, self._since = files, since
        self._logs = [(file, first, end) for file, first, end in logs.tolist()]
        self._part.changes = self._first = self._marked = changes
        self._part.forget(changes)
