"""Shapes of the figure: columns, bands and stretches of a stream as paths."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.path import Path
from numpy.typing import NDArray

from streamforest.verdicts.history import Columns, Floats

NOTHING = Path(np.empty((0, 2)))


def runs(numbers: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last offset of each stretch of one number that is not 0; zeros in between belong to it."""
    places = np.flatnonzero(numbers)
    if not len(places):
        return places, places
    cuts = np.flatnonzero(np.diff(numbers[places])) + 1
    return places[np.r_[0, cuts]], places[np.r_[cuts - 1, len(places) - 1]]


def boxes(left: Floats, right: Floats, bottom: float = 0.0, top: float = 1.0) -> Path:
    """One path of rectangles; ``bottom`` and ``top`` are shares of a panel's height."""
    corners = np.empty((len(left), 5, 2))
    corners[:, (0, 3, 4), 0] = left[:, None]
    corners[:, 1:3, 0] = right[:, None]
    corners[:, :, 1] = (bottom, bottom, top, top, bottom)
    codes = np.tile(np.array([Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY], Path.code_type), len(left))
    return Path(corners.reshape(-1, 2), codes)


def steps(column: Columns, half: float, thin: float) -> tuple[Floats, Floats, Floats]:
    """Outline of columns as rectangles, each reaching up or down to where the one before it ends."""
    low, high = column.low, column.high
    before_low, before_high = np.r_[low[:1], low[:-1]], np.r_[high[:1], high[:-1]]
    joined_low = np.where(before_high < low, before_high, low)
    joined_high = np.where(before_low > high, before_low, high)
    x = np.column_stack((column.x - half, column.x + half)).ravel()
    return x, np.repeat(joined_low - thin, 2), np.repeat(joined_high + thin, 2)


def ribbon(x: Floats, low: Floats, high: Floats) -> Path:
    """One path around the area between two lines, cut where either is unknown."""
    is_finite = np.isfinite(low) & np.isfinite(high)
    pieces, codes = [], []
    for start, end in zip(*runs(is_finite * (np.cumsum(~is_finite) + 1)), strict=True):
        part = slice(start, end + 1)
        there, back = np.column_stack((x[part], low[part])), np.column_stack((x[part], high[part]))[::-1]
        pieces.append(np.concatenate((there, back, there[:1])))
        codes.append(np.r_[Path.MOVETO, np.full(2 * len(there) - 1, Path.LINETO), Path.CLOSEPOLY])
    if not pieces:
        return NOTHING
    return Path(np.concatenate(pieces), np.concatenate(codes).astype(Path.code_type))


def merge(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Edges of the stretches that sorted, perhaps overlapping stretches cover."""
    if not len(left):
        return left, right
    reach = np.maximum.accumulate(right)
    cuts = np.flatnonzero(left[1:] > reach[:-1])
    return left[np.r_[0, cuts + 1]], reach[np.r_[cuts, len(reach) - 1]]
