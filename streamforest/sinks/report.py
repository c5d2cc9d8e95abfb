"""The report: a CSV file with a header and one row an anomalous point."""

from __future__ import annotations

import csv
from pathlib import Path

from streamforest.protocols import Verdict, Verdicts, verdict_from_row


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
