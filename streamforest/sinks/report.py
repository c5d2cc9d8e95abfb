"""The report: a CSV file with a header and one row an anomalous point."""

from __future__ import annotations

import csv
import io
import os
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import VERDICT_DTYPE, State, Verdict, Verdicts, verdict_from_row, without_streams
from streamforest.state import packed, unpacked
from streamforest.storage.file_mark import FileMark, fits_path, mark_at, mark_of, sync_folder
from streamforest.storage.safe_files import drop_torn, is_moved, size_of
from streamforest.stream_names import StreamNames
from streamforest.text import inert_cell
from streamforest.verdicts.comparison import DetectorComparison
from streamforest.verdicts.life import EpisodeIds

MOST_KEPT = 10_000  # anomalous points kept for a report that is asked for later
MOST_HELD = 10_000  # rows that cannot be written now; the oldest are dropped


class _Rows:
    """Verdicts -> rows of the report.

    Parameters
    ----------
    ids : EpisodeIds, optional
        Of the episodes: each row ends with the one of its own.
    """

    #: Names of the columns that stand before and behind the verdict's own.
    before: Sequence[str] = ()
    after: Sequence[str] = ()

    def __init__(self, ids: EpisodeIds | None = None) -> None:
        self._ids = ids

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return [*self.before, *Verdict._fields, *self.after, *([] if self._ids is None else ["id"])]

    def pick(self, verdicts: Verdicts) -> tuple[Verdicts, list[list[str]]]:
        """Those of a block that get a row, in VERDICT_DTYPE, and the further cells of each."""
        places = self._places(verdicts)
        further = self._further(verdicts, places)
        if self._ids is not None:
            ids = self._ids.of(verdicts)
            further = [[*cells, ids[place]] for cells, place in zip(further, places.tolist(), strict=True)]
        return without_streams(verdicts[places]), further

    def of(self, found: Verdicts, further: Sequence[Sequence[str]]) -> list[list[Any]]:
        """The rows of what was picked."""
        n = len(self.before)
        rows = zip(found.tolist(), further, strict=True)
        return [[*cells[:n], *map(_cell, verdict_from_row(row)), *cells[n:]] for row, cells in rows]

    def _places(self, verdicts: Verdicts) -> NDArray[np.intp]:
        return np.flatnonzero(verdicts["is_anomaly"])

    def _further(self, _verdicts: Verdicts, places: NDArray[np.intp]) -> list[list[str]]:
        return [[] for _ in range(len(places))]


class _KeyedRows(_Rows):
    """The same of many streams: each row begins with the key of its own."""

    before = ("key",)

    def __init__(self, names: StreamNames, ids: EpisodeIds | None) -> None:
        super().__init__(ids)
        self._names = names

    def _further(self, verdicts: Verdicts, places: NDArray[np.intp]) -> list[list[str]]:
        return [[inert_cell(self._names.shown(n))] for n in verdicts["stream"][places].tolist()]


class _ComparedRows(_Rows):
    """The same of several detectors: each row has the names of those that flag its point."""

    after = ("flagged_by",)

    def __init__(self, comparison: DetectorComparison, ids: EpisodeIds | None) -> None:
        super().__init__(ids)
        self._comparison = comparison

    def _flags(self, verdicts: Verdicts) -> NDArray[np.bool_]:
        return np.vstack((verdicts["is_anomaly"], self._comparison.flags))

    def _places(self, verdicts: Verdicts) -> NDArray[np.intp]:
        return np.flatnonzero(self._flags(verdicts).any(axis=0))

    def _further(self, verdicts: Verdicts, places: NDArray[np.intp]) -> list[list[str]]:
        flags, names = self._flags(verdicts), np.array(self._comparison.names)
        return [[" ".join(names[flags[:, place]])] for place in places]


def _rows(comparison: DetectorComparison | None, names: StreamNames | None, ids: EpisodeIds | None) -> _Rows:
    """The rows that a run has; several detectors are compared on one stream only."""
    if names is not None:
        return _KeyedRows(names, ids)
    return _Rows(ids) if comparison is None else _ComparedRows(comparison, ids)


def _cell(value: Any) -> Any:
    return inert_cell(value) if isinstance(value, str) else value


class ReportSink:
    """Anomalous points as rows of a CSV file, on disk when ``write`` returns.

    Parameters
    ----------
    path : Path
        The file.
    comparison : DetectorComparison, optional
        Several detectors judge. Then there is a row for each point that any of them flags, with their names in one
        more column; and at the end the table of their agreement is written beside the report, see
        :func:`agreement_path`.
    names : StreamNames, optional
        Of the streams, where there are many. Then the first column is the key; see :func:`text.inert_cell`.
    goes_on : bool
        Whether what is there is kept, for :meth:`restore` to say how much of it; otherwise it is overwritten.
    ids : EpisodeIds, optional
        Of the episodes: the last column, where it is given.

    Raises
    ------
    OSError
        The file cannot be opened; from ``write`` and ``close``, that it cannot be written.

    Notes
    -----
    The columns are the Verdict's fields; unknown ones are empty, numbers are written so that reading gives the
    same number back. What cannot be written is held back and tried again with the next block of verdicts. A report
    that another program has renamed or deleted is begun anew under its name.
    """

    def __init__(
        self,
        path: Path,
        comparison: DetectorComparison | None = None,
        names: StreamNames | None = None,
        *,
        goes_on: bool = False,
        ids: EpisodeIds | None = None,
    ) -> None:
        self.name = f"report {path}"
        self._path, self._comparison, self._ids = path, comparison, ids
        self._rows = _rows(comparison, names, ids)
        self._held: deque[list[Any]] = deque(maxlen=MOST_HELD)
        self._is_closed = False
        self._open("a" if goes_on else "w")

    def state(self) -> State:
        """Where the report ends, and the rows that could not be written."""
        if self._file.closed:
            mark = mark_of(self._path)
        else:
            mark = mark_at(self._file.fileno())
            if mark is not None:
                os.fsync(self._file.fileno())
                sync_folder(self._path.parent)
        own = {"file": packed(mark), "held": packed([*self._held])}
        return own if self._ids is None else own | self._ids.state()

    def restore(self, state: State, *, cut: bool) -> str:
        """Go on with the report as it was; see ResumableSink."""
        saved = unpacked(state, "file", FileMark | None)
        self._held.extend(unpacked(state, "held", list[list[Any]]))
        if self._ids is not None:
            self._ids.restore(state)
        if saved is None:
            return ""
        mark = FileMark(*saved)
        if fits_path(mark, self._path):
            if cut:
                os.truncate(self._path, mark.length)
            return ""
        if os.fstat(self._file.fileno()).st_size > len(_text_of([[*self._rows.header]])):
            raise FileExistsError(f"{self._path} is not the report that it knows; move that away")
        return "the file of the checkpoint is gone, a new one begins"

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        self._held.extend(self._rows.of(*self._rows.pick(verdicts)))
        self._put()

    def close(self) -> None:
        """Close the file, and write the table of agreement."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._put()
            if self._comparison is not None:
                with agreement_path(self._path).open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows(self._comparison.table())
        finally:
            self._file.close()

    def _open(self, mode: str) -> None:
        self._file = self._path.open(mode, encoding="utf-8", newline="")
        if not size_of(self._file):
            self._add([[*self._rows.header]])

    def _put(self) -> None:
        """Write the rows that are held back, all or none, to the file that has the name now."""
        if not self._held:
            return
        if not self._file.closed and is_moved(self._path, self._file.fileno()):
            self._file.close()
        if self._file.closed:
            self._open("a")
        self._add(self._held)
        self._held.clear()

    def _add(self, rows: Iterable[list[Any]]) -> None:
        size = size_of(self._file)
        try:
            csv.writer(self._file, lineterminator="\n").writerows(rows)
            self._file.flush()
        except OSError:
            drop_torn(self._file, size)
            raise


class RecentReport:
    """The newest anomalous points, for a report that is asked for while the run goes on.

    Parameters
    ----------
    most : int
        Anomalous points kept, at least 1.
    comparison : DetectorComparison, optional
        As in :class:`ReportSink`.
    names, ids
        As in :class:`ReportSink`.
    """

    name = "recent anomalous points"

    def __init__(
        self,
        most: int = MOST_KEPT,
        comparison: DetectorComparison | None = None,
        names: StreamNames | None = None,
        ids: EpisodeIds | None = None,
    ) -> None:
        self._rows = _rows(comparison, names, ids)
        self._kept = np.ones(most, VERDICT_DTYPE)  # a ring; its memory is taken now, not as the run goes on
        self._further: deque[list[str]] = deque(maxlen=most)
        self._count = 0
        self._lock = threading.Lock()

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        found, further = self._rows.pick(verdicts)
        if not len(found):
            return
        most = len(self._kept)
        with self._lock:
            self._count += len(found)
            newest = found[-most:]
            self._kept[np.arange(self._count - len(newest), self._count) % most] = newest
            self._further.extend(further)

    def close(self) -> None:
        """Nothing is held back; what is kept stays readable."""

    def csv(self) -> bytes:
        """The report as a CSV file, in UTF-8, with the columns and numbers of :class:`ReportSink`."""
        with self._lock:
            first = max(self._count - len(self._kept), 0)
            found = self._kept[np.arange(first, self._count) % len(self._kept)]
            further = list(self._further)
        return _text_of([[*self._rows.header], *self._rows.of(found, further)])


def _text_of(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def agreement_path(report: Path) -> Path:
    """Where the table of agreement of a report is written: beside it."""
    return report.with_name(f"{report.stem}-agreement.csv")
