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

from streamforest.appending import drop_torn, is_moved, size_of
from streamforest.comparison import DetectorComparison
from streamforest.file_mark import FileMark, fits_path, mark_at, mark_of, sync_folder
from streamforest.plain import inert_cell
from streamforest.protocols import VERDICT_DTYPE, State, Verdict, Verdicts, plain, verdict_from_row
from streamforest.state import packed, unpacked
from streamforest.stream_names import StreamNames

MOST_KEPT = 10_000  # anomalous points kept for a report that is asked for later
MOST_HELD = 10_000  # rows that cannot be written now; the oldest make room


class _Rows:
    """Verdicts -> rows of the report."""

    def __init__(self, comparison: DetectorComparison | None, names: StreamNames | None) -> None:
        self._comparison, self._names = comparison, names

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        key = [] if self._names is None else ["key"]
        return [*key, *Verdict._fields, *([] if self._comparison is None else ["flagged_by"])]

    def pick(self, verdicts: Verdicts) -> tuple[Verdicts, list[str]]:
        """Those of a block that get a row, in VERDICT_DTYPE, and one more cell of each where there is such a column."""
        if self._comparison is None:
            found = verdicts[verdicts["is_anomaly"]]
            known = self._names
            return plain(found), [] if known is None else [inert_cell(known.shown(n)) for n in found["stream"].tolist()]
        flags = np.vstack((verdicts["is_anomaly"], self._comparison.flags))
        places = np.flatnonzero(flags.any(axis=0))
        names = np.array(self._comparison.names)
        return verdicts[places], [" ".join(names[flags[:, place]]) for place in places]

    def of(self, found: Verdicts, further: Sequence[str]) -> list[list[Any]]:
        """The rows of what was picked."""
        rows = [[*map(_cell, verdict_from_row(row))] for row in found.tolist()]
        if self._names is not None:
            return [[key, *row] for key, row in zip(further, rows, strict=True)]
        if self._comparison is not None:
            return [[*row, who] for row, who in zip(rows, further, strict=True)]
        return rows


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
        Of the streams, where there are many. Then the first column is the key; see :func:`plain.inert_cell`.
    goes_on : bool
        Whether what is there is kept, for :meth:`restore` to say how much of it; otherwise it is overwritten.

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
    ) -> None:
        self.name = f"report {path}"
        self._path, self._comparison = path, comparison
        self._rows = _Rows(comparison, names)
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
        return {"file": packed(mark), "held": packed([*self._held])}

    def restore(self, state: State, *, cut: bool) -> str:
        """Go on with the report as it was; see ResumableSink."""
        saved = unpacked(state, "file")
        self._held.extend(unpacked(state, "held"))
        if saved is None:
            return ""
        mark = FileMark(*saved)
        if fits_path(mark, self._path):
            if cut:
                os.truncate(self._path, mark.length)
            return ""
        if os.fstat(self._file.fileno()).st_size > len(_text_of([self._rows.header])):
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
            self._add([self._rows.header])

    def _put(self) -> None:
        """Write the rows that are held back, all or none, to the file that has the name now."""
        if not self._held:
            return
        if not self._file.closed and is_moved(self._path, self._file):
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
    names : StreamNames, optional
        As in :class:`ReportSink`.
    """

    name = "recent anomalous points"

    def __init__(
        self,
        most: int = MOST_KEPT,
        comparison: DetectorComparison | None = None,
        names: StreamNames | None = None,
    ) -> None:
        self._rows = _Rows(comparison, names)
        self._kept = np.ones(most, VERDICT_DTYPE)  # a ring; its memory is taken now, not as the run goes on
        self._further: deque[str] = deque(maxlen=most)
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
        return _text_of([self._rows.header, *self._rows.of(found, further)])


def _text_of(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def agreement_path(report: Path) -> Path:
    """Where the table of agreement of a report is written: beside it."""
    return report.with_name(f"{report.stem}-agreement.csv")
