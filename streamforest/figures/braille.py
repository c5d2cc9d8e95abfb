"""Lines drawn in dots that are smaller than a character: braille, half blocks, or what ASCII has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.figures.canvas import Codes
from streamforest.verdicts.history import Floats

Dots = NDArray[np.bool_]


class Glyphs(NamedTuple):
    """What characters there are to draw with.

    Attributes
    ----------
    across, down : int
        Dots of a character.
    weights : tuple, shape (down, across)
        Of each dot.
    table : str
        The characters by the sum of their dots' weights; that without dots is a space.
    marks : tuple of str
        Of an anomalous point: above what was expected, below it, and without a value.
    rule, tick, shade, dot, plus_minus : str
        A horizontal line, where a time stands, the band where it has no colour, what stands between two texts, a sign.
    arrows : tuple of str
        Left and right.
    """

    across: int
    down: int
    weights: tuple[tuple[int, ...], ...]
    table: str
    marks: tuple[str, str, str]
    rule: str
    tick: str
    shade: str
    dot: str
    plus_minus: str
    arrows: tuple[str, str]


#: The Unicode Standard, block "Braille Patterns": dots 1-2-3-7 to the left, 4-5-6-8 to the right, a bit each.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_PATTERNS = " " + "".join(map(chr, range(0x2801, 0x2900)))
BRAILLE = Glyphs(2, 4, _BRAILLE, _PATTERNS, ("▲", "▼", "x"), "─", "└", "░", "·", "±", ("←", "→"))
#: The fonts of a Linux console lack braille; these are in all of them.
BLOCKS = Glyphs(1, 2, ((1,), (2,)), " ▀▄█", ("▲", "▼", "x"), "─", "└", "░", "·", "±", ("<", ">"))
ASCII = Glyphs(1, 2, ((1,), (2,)), " '.:", ("^", "v", "x"), "-", "|", ":", "|", "+-", ("<", ">"))


class Trace(NamedTuple):
    """A line as columns of dots: its least and greatest value in each, NaN where there is none; shape (dots,)."""

    low: Floats
    high: Floats


def trace(values: Floats, places: Floats, dots: int) -> Trace:
    """The line through points, reduced to columns of dots without losing an extreme.

    Parameters
    ----------
    values : array of shape (n,), float64
        NaN is missing: the line is interrupted.
    places : array of shape (n,), float64
        Where each point stands, in columns of dots from the left edge; increasing.
    dots : int
        Columns, at least 1.
    """
    low, high = np.full(dots, np.nan), np.full(dots, np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    bins = np.floor(places).astype(np.intp)
    inside = (bins >= 0) & (bins < dots)
    values, places, bins = values[inside], places[inside], bins[inside]
    if not len(values):
        return Trace(low, high)
    middles = np.arange(dots) + 0.5
    low[:] = high[:] = np.interp(middles, places, values, np.nan, np.nan)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    at = bins[starts]
    low[at] = np.fmin.reduceat(values, starts)
    high[at] = np.fmax.reduceat(values, starts)
    return Trace(low, high)


def raster(line: Trace, bottom: float, top: float, dots: int) -> Dots:
    """A line as dots, shape (dots, columns), the top row first; what lies outside stands at the edge."""
    low, high = line
    joined_low, joined_high = low.copy(), high.copy()
    joined_low[1:] = np.where(high[:-1] < low[1:], high[:-1], low[1:])
    joined_high[1:] = np.where(low[:-1] > high[1:], low[:-1], high[1:])
    first, last = places_of(joined_high, bottom, top, dots), places_of(joined_low, bottom, top, dots)
    rows = np.arange(dots)[:, None]
    drawn: Dots = (rows >= first) & (rows <= last) & np.isfinite(low)
    return drawn


def places_of(values: Floats, bottom: float, top: float, n: int) -> NDArray[np.intp]:
    """Row of each value among n, 0 at the top; those outside are at the edge, and so is what is unknown."""
    with np.errstate(invalid="ignore", over="ignore"):
        rows = np.floor((top - values) / (top - bottom) * n)
    rows[np.isnan(rows)] = 0
    return np.clip(rows, 0, n - 1).astype(np.intp)


def characters(drawn: Dots, glyphs: Glyphs) -> Codes:
    """Dots as code points, shape (rows, columns); ``drawn`` has whole characters."""
    rows, columns = drawn.shape[0] // glyphs.down, drawn.shape[1] // glyphs.across
    cells = drawn.reshape(rows, glyphs.down, columns, glyphs.across)
    sums = np.einsum("rdca,da->rc", cells.astype(np.uint32), np.array(glyphs.weights, np.uint32))
    codes: Codes = np.array([ord(sign) for sign in glyphs.table], np.uint32)[sums]
    return codes
