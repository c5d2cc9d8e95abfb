"""The ranking of many streams as a table that visitors sort and filter, with a small line in each row."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from streamforest.stream_names import shown_key
from streamforest.verdicts.ranking import Rank, StreamRanking

MOST_RANKED = 1_000  # the worst streams, among which visitors sort and filter
MOST_SHOWN = 200  # rows of a visitor's table
LONGEST_FILTER = 100  # characters
LINE_POINTS = 60  # of a row's line
LINE_HEIGHT = 100  # its values are counted in this many steps

STATES = ("anomalous", "unusual", "calm", "warming up")

#: Column -> what it is sorted by; unknown numbers come last.
SORTS: dict[str, Callable[[Rank], Any]] = {
    "key": lambda rank: rank.key.casefold(),
    "state": lambda rank: STATES.index(rank.state),
    "points": lambda rank: rank.points,
    "anomalies": lambda rank: rank.anomalies,
    "episodes": lambda rank: rank.episodes,
    "worst_p": lambda rank: math.inf if rank.worst_p is None else rank.worst_p,
    "p_value": lambda rank: math.inf if rank.p_value is None else rank.p_value,
    "time": lambda rank: -math.inf if rank.time is None else rank.time,
}
WORST = "rank"  # the order that the ranking has itself


class TableWish(NamedTuple):
    """Which rows of the table a visitor wants to see.

    Attributes
    ----------
    rows : int
        At most so many.
    sort : str
        One of SORTS, or WORST.
    is_reversed : bool
        The last in that order come first.
    words : str
        Keys that contain them, in capitals or not.
    state : str
        One of STATES, or empty for all.
    """

    rows: int = 50
    sort: str = WORST
    is_reversed: bool = False
    words: str = ""
    state: str = ""


def table_wish_of(parts: object) -> TableWish | None:
    """A wish from a visitor's message, ``[rows, sort, reversed, words, state]``; None where it makes no sense."""
    match parts:
        case [float() as rows, str() as sort, bool() as is_reversed, str() as words, str() as state]:
            is_right = math.isfinite(rows) and (sort in SORTS or sort == WORST) and (not state or state in STATES)
            if is_right and len(words) <= LONGEST_FILTER:
                return TableWish(max(1, min(int(rows), MOST_SHOWN)), sort, is_reversed, words.casefold(), state)
    return None


def wanted_ranks(ranks: list[Rank], wish: TableWish) -> list[tuple[int, Rank]]:
    """Place in the ranking, from 1, and rank of the streams that a visitor wants to see."""
    found = [
        (place, rank)
        for place, rank in enumerate(ranks, 1)
        if wish.words in rank.key.casefold() and wish.state in ("", rank.state)
    ]
    if wish.sort != WORST:
        found.sort(key=lambda one: SORTS[wish.sort](one[1]), reverse=wish.is_reversed)
    elif wish.is_reversed:
        found.reverse()
    return found


def table_facts(ranking: StreamRanking, ranks: list[Rank], wish: TableWish) -> dict[str, Any]:
    """What is sent of the table: how many streams were found, and a list a row, with its line."""
    found = wanted_ranks(ranks, wish)
    rows = [
        [
            *(place, rank.number, shown_key(rank.key), rank.state, rank.points, rank.anomalies, rank.episodes),
            *(rank.worst_p, rank.p_value, rank.time, rank.reason, *line_of(ranking.past(rank.number))),
        ]
        for place, rank in found[: wish.rows]
    ]
    return {"found": len(found), "searched": len(ranks), "rows": rows}


def line_of(past: Any) -> tuple[list[int | None], list[int]]:
    """The heights of a small line of the newest points, 0 to LINE_HEIGHT, None for missing; and which are anomalous.

    Examples
    --------
    >>> past = np.zeros(3, [("value", "f8"), ("is_anomaly", "?")])
    >>> past["value"], past["is_anomaly"][2] = (4.0, np.nan, 6.0), True
    >>> line_of(past)
    ([0, None, 100], [2])
    """
    newest = past[-LINE_POINTS:]
    values = np.clip(newest["value"], -1e300, 1e300)
    if not np.isfinite(values).any():
        return [None] * len(values), []
    low, high = np.nanmin(values), np.nanmax(values)
    shares = (values - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
    heights = [None if math.isnan(share) else round(LINE_HEIGHT * share) for share in shares.tolist()]
    return heights, np.flatnonzero(newest["is_anomaly"]).tolist()
