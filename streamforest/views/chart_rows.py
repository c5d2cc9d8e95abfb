"""Verdicts -> the few of them that a chart of so many columns needs, no extreme lost, and the bytes that hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import NORMAL, UNLABELLED, VERDICT_DTYPE, Verdicts
from streamforest.verdicts.history import History, column_starts
from streamforest.verdicts.honesty import marked_by_band
from streamforest.verdicts.ranking import StreamRanking

#: Anomalies that are kept one by one; of more, the lowest and the highest of each column are.
MOST_MARKS = 2_000
#: Fields in the order in which they are sent, each as one array. A browser reads arrays in place only where they begin
#: at a multiple of their item's size: the wide ones come first.
WIRE = (
    *(("index", "<f8"), ("time", "<f8"), ("value", "<f8"), ("expected", "<f8"), ("lower", "<f8"), ("upper", "<f8")),
    *(("score", "<f4"), ("threshold", "<f4"), ("p_value", "<f4"), ("episode", "<u4")),
    *(("reason", "u1"), ("is_anomaly", "u1"), ("label", "i1"), ("others", "u1")),
)
ALIGNMENT = 8  # bytes
MOST_OTHERS = 8  # detectors that judge along and are sent

Places = NDArray[np.intp]
Bits = NDArray[np.uint8]  # of each point: bit k says whether the k-th of the detectors that judge along flagged it


def per_column(points: int, columns: int) -> int:
    """Points that share a column where so many are shown in so many columns: a power of two.

    The columns of a narrower view are then parts of those of a wider one, and few widths are asked for: visitors
    who look at the same can share what is sent.
    """
    shared = 1
    while shared * columns < points:
        shared *= 2
    return shared


def chart_places(rows: Verdicts, others: Bits, shared: int) -> Places:
    """Places of the verdicts that a chart needs, in order.

    Parameters
    ----------
    rows : structured array of shape (n,)
        Verdicts whose stream indices follow one another.
    others : uint8 array of shape (n,)
        What the detectors that judge along flagged.
    shared : int
        Points that share a column, at least 1. Columns begin at its multiples.

    Returns
    -------
    array of shape (m,), m <= n
        Of each column the lowest and the highest value, the highest score, and the first point if all its values are
        missing; besides each anomaly, what others flagged and the ends of labelled stretches (see MOST_MARKS), and the
        newest point. All of them where nothing is shared.
    """
    if shared == 1 or len(rows) == 0:
        return np.arange(len(rows))
    starts = column_starts(int(rows["index"][0]), len(rows), shared)
    column = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
    value = rows["value"]
    lowest = np.fmin.reduceat(value, starts)
    kept = [
        _first_of_each(value == lowest[column], column),
        _highest_of_each(value, starts, column),
        _highest_of_each(rows["score"], starts, column),
        starts[np.isnan(lowest)],
        _marks(rows, column),
        _notes(others > 0, column),
        _notes(_is_edge(rows["label"] > NORMAL), column),
        np.array([len(rows) - 1]),
    ]
    return np.unique(np.concatenate(kept))


def _highest_of_each(values: NDArray[np.float64], starts: Places, column: Places) -> Places:
    return _first_of_each(values == np.fmax.reduceat(values, starts)[column], column)


def _first_of_each(is_one: NDArray[np.bool_], column: Places) -> Places:
    """Place of the first in each column that is one."""
    places = np.flatnonzero(is_one)
    firsts: Places = places[np.diff(column[places], prepend=-1) != 0]
    return firsts


def _marks(rows: Verdicts, column: Places) -> Places:
    places = np.flatnonzero(rows["is_anomaly"])
    if len(places) <= MOST_MARKS:
        return places
    value = np.nan_to_num(rows["value"][places])
    order = np.lexsort((value, column[places]))
    is_first = np.diff(column[places][order], prepend=-1) != 0
    extremes: Places = places[order[is_first | np.append(is_first[1:], True)]]
    return extremes


def _notes(is_one: NDArray[np.bool_], column: Places) -> Places:
    places = np.flatnonzero(is_one)
    return places if len(places) <= MOST_MARKS else _first_of_each(is_one, column)


def _is_edge(is_one: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each is the first or the last of a run of ones."""
    outside = np.concatenate(([False], is_one, [False]))
    return is_one & ~(outside[:-2] & outside[2:])


def wire_body(rows: Verdicts, others: Bits) -> bytes:
    """The arrays of WIRE, one behind the other; a point that its band alone marks has no threshold."""
    rows = rows.copy()
    rows["threshold"][marked_by_band(rows)] = np.nan
    return b"".join((others if name == "others" else rows[name]).astype(kind).tobytes() for name, kind in WIRE)


def wire_frame(facts: Mapping[str, Any], n: int, body: bytes) -> bytes:
    """A message: four bytes that hold the length of the JSON behind them, facts and n in JSON, the body of n rows."""
    text = json.dumps({**facts, "n": n}, allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(4, "little") + text + body


def flags_of_others(history: History, rows: Verdicts) -> Bits:
    """What the detectors that judge along flagged at rows of a history that follow one another, shape (n,)."""
    if history.marks is None or not len(rows):
        return np.zeros(len(rows), np.uint8)
    flags = history.marks.view(int(rows["index"][0]), int(rows["index"][-1]))
    bits: Bits = np.packbits(flags[:MOST_OTHERS], axis=0, bitorder="little")[0]
    return bits


class StreamCuts:
    """Pieces of a stream's history as charts need them, made once for all visitors who look at the same.

    Parameters
    ----------
    history : History
        Where the points are.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._cuts: dict[tuple[int, int, int], tuple[int, bytes]] = {}
        self.refresh()

    def refresh(self) -> None:
        """See the points that there are now: ``first`` to ``end``, which is outside."""
        self.first, self.end = self._history.first, self._history.end
        self.capacity = self._history.capacity
        self._cuts.clear()

    def cut(self, first: int, end: int, shared: int) -> tuple[int, bytes]:
        """Number of rows and body of the points with stream indices ``first`` to ``end``, which is outside."""
        key = (first, end, shared)
        if key not in self._cuts:
            rows = self._history.view(first, end - 1)
            others = flags_of_others(self._history, rows)
            places = chart_places(rows, others, shared)
            self._cuts[key] = (len(places), wire_body(rows[places], others[places]))
        return self._cuts[key]


def past_rows(ranking: StreamRanking, number: int) -> Verdicts:
    """The newest points of one of many streams as verdicts, shape (n,), counted from 0; what is not kept is unknown."""
    past = ranking.past(number)
    rows = np.zeros(len(past), VERDICT_DTYPE)
    for name in ("expected", "score", "threshold", "p_value"):
        rows[name] = np.nan
    for name in past.dtype.names or ():
        rows[name] = past[name]
    rows["index"], rows["label"] = np.arange(len(past)), UNLABELLED
    return rows
