"""Labelled boards: NAB's folder, TSB-AD's, the UCR anomaly archive's, or CSV files with a label column."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamforest.reading.column_roles import LABEL_NAMES, TIME_NAMES
from streamforest.reading.notation import RefusedError, read_number, read_time
from streamforest.text import shown

#: Share and most rows of a series' beginning that count for nothing.
PROBATION, MOST_PROBATION = 0.15, 750

NAB_WINDOWS = Path("labels") / "combined_windows.json"

#: Names of TSB-AD's files, and of the UCR archive's, where first and last row of the anomaly are counted from 1.
TSB_AD = re.compile(r"\d+_.+_id_\d+_.+_tr_(?P<train>\d+)_1st_\d+\.csv")
UCR = re.compile(r"\d+_UCR_Anomaly_.+_(?P<train>\d+)_(?P<begin>\d+)_(?P<end>\d+)\.txt")

_TRUE = frozenset({"true", "yes", "anomaly"})
_FALSE = frozenset({"false", "no", "normal", ""})

#: First and last row of an anomaly, both included.
Window = tuple[int, int]


class BoardError(Exception):
    """A board cannot be read; the message is for the user."""


@dataclass(frozen=True)
class Series:
    """One labelled series.

    Attributes
    ----------
    name : str
        Path below the board's folder, with ``/``.
    values : float64 array, shape (n,)
        NaN where a value is missing.
    times : float64 array, shape (n,)
        Seconds, UTC epoch, never going back; NaN where the file has none.
    stamps : tuple of str
        The times as the file writes them.
    windows : tuple of (int, int)
        First and last row of every anomaly, in order, not overlapping.
    train : int
        Rows at the beginning that the board gives for training, by the file's name; 0 where it gives none.
    """

    name: str
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    stamps: tuple[str, ...]
    windows: tuple[Window, ...]
    train: int = 0

    @property
    def probation(self) -> int:
        """Rows at the beginning that count for nothing."""
        return probation_rows(self.values.size)

    @property
    def counted_windows(self) -> list[Window]:
        """The windows as far as they lie behind the probation."""
        start = self.probation
        return [(max(left, start), right) for left, right in self.windows if right >= start]

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether a row lies in a window, shape (n,)."""
        labels = np.zeros(self.values.size, dtype=bool)
        for left, right in self.windows:
            labels[left : right + 1] = True
        return labels


@dataclass(frozen=True)
class Board:
    """Labelled series under one name, in the order of their names; ``kind`` is "nab", "tsb-ad", "ucr" or "csv"."""

    name: str
    folder: Path
    series: tuple[Series, ...]
    kind: str = "csv"


def probation_rows(n: int) -> int:
    """Rows at the beginning of a series of ``n`` rows that count for nothing."""
    return min(int(PROBATION * n), MOST_PROBATION)


def label_runs(labels: NDArray[np.bool_]) -> list[Window]:
    """Runs of labelled rows as (first row, last row).

    Examples
    --------
    >>> label_runs(np.array([0, 1, 1, 0, 1], dtype=bool))
    [(1, 2), (4, 4)]
    """
    steps = np.diff(np.concatenate(([0], labels.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def read_board(folder: Path, only: Collection[str] | None = None) -> Board:
    """Read the series of a board.

    Parameters
    ----------
    folder : path
        A clone of NAB (it has ``data`` and ``labels/combined_windows.json``), the UCR anomaly archive's text files, or
        a folder whose CSV files, at any depth, have a header, a value column and a label column, as TSB-AD's have.
    only : collection of str, optional
        Names of the files that are read, without folders; all without it.

    Raises
    ------
    BoardError
        The folder holds no series, or one of them cannot be read.
    """
    folder = folder.resolve()
    windows = folder / NAB_WINDOWS
    kind = _kind_of(folder)
    if kind == "nab":
        series = _read_nab(folder, windows, only)
    elif kind == "ucr":
        series = [_read_ucr(path, folder) for path in _paths(folder, "*.txt", only) if UCR.fullmatch(path.name)]
    else:
        series = _read_folder(folder, only)
    if not series:
        raise BoardError(f"{folder}: no CSV file in it, so there is nothing to run on")
    return Board(folder.name.lower(), folder, tuple(series), kind)


def _kind_of(folder: Path) -> str:
    if (folder / NAB_WINDOWS).is_file():
        return "nab"
    if any(UCR.fullmatch(path.name) for path in folder.rglob("*.txt")):
        return "ucr"
    return "tsb-ad" if any(TSB_AD.fullmatch(path.name) for path in folder.rglob("*.csv")) else "csv"


def _paths(folder: Path, pattern: str, only: Collection[str] | None) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file() and (only is None or path.name in only))


def _read_nab(folder: Path, windows: Path, only: Collection[str] | None) -> list[Series]:
    asked: dict[str, list[list[str]]] = json.loads(windows.read_text(encoding="utf-8"))
    wanted = [(name, ends) for name, ends in sorted(asked.items()) if only is None or name.split("/")[-1] in only]
    return [_read_series(folder / "data" / name, name, ends) for name, ends in wanted]


def _read_folder(folder: Path, only: Collection[str] | None) -> list[Series]:
    paths = _paths(folder, "*.csv", only)
    return [_read_series(path, path.relative_to(folder).as_posix(), None) for path in paths]


def _read_ucr(path: Path, folder: Path) -> Series:
    """A file of the UCR anomaly archive: numbers between blanks or line ends, and all else in its name."""
    told = UCR.fullmatch(path.name)
    assert told is not None
    train, begin, end = (int(told[name]) for name in ("train", "begin", "end"))
    try:
        values = _numbers(path, tuple(path.read_text(encoding="utf-8").split()))
    except (OSError, UnicodeDecodeError) as error:
        raise BoardError(f"{path}: cannot be read: {error}") from None
    if not train < begin <= end <= values.size:
        raise BoardError(f"{path}: its name tells rows {train}, {begin} and {end}, and it has {values.size} values")
    name = path.relative_to(folder).as_posix()
    return Series(name, values, np.full(values.size, np.nan), (), ((begin - 1, end - 1),), train)


def _read_series(path: Path, name: str, ends: list[list[str]] | None) -> Series:
    """One file; its windows are given by the times of their ends, or are the runs of its label column."""
    columns = _columns(path)
    stamps = columns.get(_first_of(TIME_NAMES, columns) or "", ())
    values = _numbers(path, columns[_value_column(path, columns)])
    times = _times(path, stamps) if stamps else np.full(values.size, np.nan)
    if ends is None:
        windows = label_runs(_labels(path, columns))
    else:
        windows = [_between(path, times, *map(read_time, pair)) for pair in ends]
    if any(before[1] >= after[0] for before, after in pairwise(windows)):
        raise BoardError(f"{path}: the label windows overlap or are not in order")
    told = TSB_AD.fullmatch(path.name)
    return Series(name, values, times, stamps, tuple(windows), int(told["train"]) if told else 0)


def _columns(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        header, *body = rows
        return {head.strip().lower(): cells for head, cells in zip(header, zip(*body, strict=True), strict=True)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BoardError(f"{path}: cannot be read: {error}") from None
    except ValueError:
        raise BoardError(f"{path}: it needs a header, at least one row, and as many cells in every row") from None


def _first_of(names: Sequence[str], columns: dict[str, tuple[str, ...]]) -> str | None:
    return next((name for name in names if name in columns), None)


def _value_column(path: Path, columns: dict[str, tuple[str, ...]]) -> str:
    free = [name for name in columns if name not in {*TIME_NAMES, *LABEL_NAMES}]
    if "value" in free or len(free) == 1:
        return "value" if "value" in free else free[0]
    raise BoardError(f"{path}: it needs a column named value, its columns are {', '.join(columns)}")


def _numbers(path: Path, cells: tuple[str, ...]) -> NDArray[np.float64]:
    try:
        return np.array([read_number(cell) for cell in cells])
    except RefusedError as error:
        raise BoardError(f"{path}: {error}") from None


def _times(path: Path, cells: tuple[str, ...]) -> NDArray[np.float64]:
    """Times that never go back: one that does (a clock put back) is held at the latest time before it."""
    try:
        return np.maximum.accumulate(np.array([read_time(cell) for cell in cells]))
    except RefusedError as error:
        raise BoardError(f"{path}: {error}") from None


def _labels(path: Path, columns: dict[str, tuple[str, ...]]) -> NDArray[np.bool_]:
    name = _first_of(LABEL_NAMES, columns)
    if name is None:
        raise BoardError(f"{path}: it needs a label column, its columns are {', '.join(columns)}")
    try:
        return np.array([_is_labelled(cell.strip().lower()) for cell in columns[name]], dtype=bool)
    except ValueError as error:
        raise BoardError(f"{path}: {shown(str(error))} is no label: 0 or 1") from None


def _is_labelled(cell: str) -> bool:
    if cell in _TRUE or cell in _FALSE:
        return cell in _TRUE
    try:
        return float(cell) > 0
    except ValueError:
        raise ValueError(cell) from None


def _between(path: Path, times: NDArray[np.float64], left: float, right: float) -> Window:
    """The rows from the first one at or after ``left`` to the first one at ``right``, or the last before it."""
    first = int(np.searchsorted(times, left))
    last = int(np.searchsorted(times, right))
    if last == times.size or times[last] > right:
        last -= 1
    if last < first:
        raise BoardError(f"{path}: no row lies in the label window from {left:.0f} to {right:.0f} (unix seconds)")
    return first, last
