"""What one visitor's chart shows, and what of it was sent: the range that is wanted first, then what is new."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple, Protocol

from streamforest.views.chart_rows import per_column, wire_frame

FEWEST_COLUMNS, MOST_COLUMNS = 16, 2_400  # of a chart
NARROWEST = 2  # points
LARGEST_INDEX = 2**53  # JavaScript counts no further

#: Seconds until a visitor has read a frame, above which the next ones are thinner, and below which, so many times in a
#: row, they get finer again.
SLOW, QUICK, QUICK_FRAMES = 1.0, 0.25, 40
THINNEST = 16  # times fewer columns than there is space for


class Cuts(Protocol):
    """Where the points are: stream indices ``first`` to ``end``, which is outside, and at most ``capacity``."""

    first: int
    end: int
    capacity: int

    def cut(self, first: int, end: int, shared: int) -> tuple[int, bytes]:
        """Number of rows and body of a stretch."""
        ...


class Wish(NamedTuple):
    """What a visitor wants to see.

    Attributes
    ----------
    number : int
        The visitor's own, which the answer carries.
    first : int or None
        Stream index of the left edge; None where the chart follows the newest points.
    points : int
        From edge to edge.
    columns : int
        That the chart has space for.
    """

    number: int
    first: int | None
    points: int
    columns: int


def wish_of(parts: object) -> Wish | None:
    """A wish from a visitor's message, ``[number, first or null, points, columns]``; None where it makes no sense."""
    match parts:
        case [float() as number, float() | None as first, float() as points, float() as columns]:
            if not all(isfinite(one) and abs(one) < LARGEST_INDEX for one in (number, first or 0.0, points, columns)):
                return None
            width = max(FEWEST_COLUMNS, min(int(columns), MOST_COLUMNS))
            return Wish(int(number), None if first is None else int(first), max(NARROWEST, int(points)), width)
    return None


class VisitorChart:
    """The chart of one visitor.

    Attributes
    ----------
    wish : Wish or None
        What the visitor wants to see; None before the first time.
    thinness : int
        Times fewer columns than there is space for: more than 1 on a slow link.
    """

    def __init__(self) -> None:
        self.wish: Wish | None = None
        self.thinness = 1
        self._answered: tuple[Wish, int] | None = None  # and with how many points a column
        self._end = 0  # stream index up to which points were sent
        self._sent_at: float | None = None
        self._quick = 0

    def next_frame(self, cuts: Cuts, now: float) -> bytes | None:
        """What is to be sent, at a moment in seconds; None where the visitor has it all.

        It is the whole stretch where the visitor wants another one, or has missed more than the stretch holds; else the
        points that are new, from the beginning of the column on that was not full.
        """
        wish = self.wish
        if wish is None:
            return None
        points = min(wish.points, cuts.capacity)
        left = max(cuts.first, cuts.end - points if wish.first is None else wish.first)
        end = cuts.end if wish.first is None else max(left, min(wish.first + points, cuts.end))
        shared = per_column(points, max(1, wish.columns // self.thinness))
        is_whole = self._answered != (wish, shared) or left > self._end
        if not is_whole and end <= self._end:
            return None
        begin = left if is_whole else max(left, self._end // shared * shared)
        self._answered, self._end, self._sent_at = (wish, shared), end, now
        facts = {"view": wish.number, "whole": is_whole, "from": begin, "end": end, "shared": shared}
        return wire_frame({**facts, "first": cuts.first, "thin": self.thinness}, *cuts.cut(begin, end, shared))

    def note_read(self, now: float) -> None:
        """Note that the visitor has read the newest frame: where that took long, the next ones are thinner."""
        if self._sent_at is None:
            return
        took, self._sent_at = now - self._sent_at, None
        if took > SLOW:
            self.thinness, self._quick = min(2 * self.thinness, THINNEST), 0
        elif took > QUICK:
            self._quick = 0
        else:
            self._quick += 1
            if self._quick >= QUICK_FRAMES:
                self.thinness, self._quick = max(1, self.thinness // 2), 0
