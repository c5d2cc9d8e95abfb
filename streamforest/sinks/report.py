"""The report: a CSV file with a header and one row an anomalous point."""

from __future__ import annotations

import csv
import io
import threading
from collections import deque
from pathlib import Path
from typing import Any

from streamforest.protocols import Verdict, Verdicts, verdict_from_row

MOST_KEPT = 10_000  # anomalous points kept for a report that is asked for later


class ReportSink:
    """Anomalous points as rows of a CSV file, on disk when ``write`` returns.

    Parameters
    ----------
    path : Path
        The file; what is there is overwritten.

    Raises
    ------
    OSError
        The file cannot be opened; from ``write`` and ``close``, that it cannot be written.

    Notes
    -----
    The columns are the Verdict's fields; unknown ones are empty, numbers are written so that reading gives the
    same number back.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"report {path}"
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(Verdict._fields)
        self._file.flush()

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        rows = verdicts[verdicts["is_anomaly"]].tolist()
        if rows:
            self._rows.writerows(verdict_from_row(row) for row in rows)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RecentReport:
    """The newest anomalous points, for a report that is asked for while the run goes on.

    Parameters
    ----------
    most : int
        Anomalous points kept, at least 1.
    """

    name = "recent anomalous points"

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._rows: deque[tuple[Any, ...]] = deque(maxlen=most)
        self._lock = threading.Lock()

    def write(self, verdicts: Verdicts) -> None:
        """Take one block of verdicts, shape (n,), n >= 1."""
        rows = verdicts[verdicts["is_anomaly"]].tolist()
        if rows:
            with self._lock:
                self._rows.extend(rows)

    def close(self) -> None:
        """Nothing is held back; what is kept stays readable."""

    def csv(self) -> bytes:
        """The report as a CSV file, in UTF-8, with the columns and numbers of :class:`ReportSink`."""
        with self._lock:
            rows = list(self._rows)
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Verdict._fields)
        writer.writerows(verdict_from_row(row) for row in rows)
        return text.getvalue().encode()
