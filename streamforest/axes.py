"""Axes of the figure: limits that seldom change, ticks of plain numbers and of times."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from math import floor, isfinite, log10
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.ticker import Formatter

from streamforest.history import Floats

CALENDAR: Any = matplotlib.dates  # it ships no types


class PlainNumbers(Formatter):
    """Tick labels with the digits that the step between ticks needs, and no offset to add in the head."""

    _digits = 0
    _large = False

    def set_locs(self, locs: Any) -> None:
        """Take the positions of all ticks, before the first is written."""
        ticks = [float(tick) for tick in locs]
        step = min((b - a for a, b in pairwise(ticks)), default=1.0)
        most = max((abs(tick) for tick in ticks), default=0.0)
        exponent = floor(log10(step) + 1e-9) if step > 0 else 0
        self._large = most >= 1e7 or exponent < -5
        self._digits = max(1, floor(log10(most)) - exponent + 1 if most else 1) if self._large else max(0, -exponent)

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002  matplotlib's signature
        """Write one tick."""
        text = f"{x:.{self._digits}g}" if self._large else f"{x:,.{self._digits}f}"
        return text.replace("-", "\N{MINUS SIGN}")


class TimeTicks:
    """Round times (UTC) and where they stand among the points in view.

    Looking for round times in a calendar takes milliseconds: it is done for twice the range, and again
    only when the view leaves it or changes its width.
    """

    def __init__(self) -> None:
        self._days: Floats = np.empty(0)
        self._range = (1.0, 0.0)
        self._width = 0.0
        self._most = 0
        self._formatter = CALENDAR.ConciseDateFormatter(CALENDAR.AutoDateLocator(tz=UTC), tz=UTC)

    def place(self, times: Floats, first: int, most: int) -> tuple[Floats, list[str], str]:
        """Positions (stream indices), labels, and the part of the date that all share.

        ``times`` are those of the points from stream index ``first`` on, not decreasing, in seconds.
        """
        begin, end = (
            float(day) for day in CALENDAR.date2num([datetime.fromtimestamp(t, UTC) for t in (times[0], times[-1])])
        )
        self._search(begin, end, most)
        days = self._days[(self._days >= begin) & (self._days <= end)]
        positions = first + np.interp(days * 86_400, times, np.arange(len(times)))
        labels = self._formatter.format_ticks(list(days)) if len(days) else []
        return positions, labels, self._formatter.get_offset() if len(days) else ""

    def _search(self, begin: float, end: float, most: int) -> None:
        inside = self._range[0] <= begin and end <= self._range[1]
        if inside and most == self._most and 0.8 * self._width <= end - begin <= 1.25 * self._width:
            return
        self._width, self._most = end - begin, most
        self._range = (begin, end + self._width)
        # one more than twice as many: half an hour may be too fine and an hour too coarse, and matplotlib warns of it
        locator = CALENDAR.AutoDateLocator(tz=UTC, minticks=most, maxticks=2 * most + 1)
        self._days = np.asarray(
            locator.tick_values(*(CALENDAR.num2date(day, UTC) for day in self._range)), dtype=np.float64
        )


def thin_out(ticks: list[tuple[float, str]], least: float) -> list[tuple[float, str]]:
    """Leave out ticks that would overlap the one before."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if not kept or tick[0] - kept[-1][0] >= least:
            kept.append(tick)
    return kept


def next_limits(current: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """Limits of an axis that shows ``low`` to ``high`` and seldom change: each change is a full draw.

    They stay as long as all is inside and fills half of them; new ones leave 12 % free at either end.
    """
    height = high - low
    if not isfinite(height):
        return current
    bottom, top = current
    if bottom <= low and high <= top and height >= 0.5 * (top - bottom):
        return current
    margin = 0.12 * height if height > 1e-9 * max(abs(low), abs(high)) else 0.05 * max(abs(low), abs(high)) or 1.0
    new = (low - margin, high + margin)
    # A constant stream always fills less than half: its limits are kept while they are of the size they would get.
    kept = bottom <= low and high <= top and top - bottom <= 2 * (new[1] - new[0])
    return current if kept else new


def extremes(*series: Floats) -> tuple[float, float]:
    """Least and greatest of all that is known; NaN where nothing is."""
    known = [s for s in series if len(s)]
    if not known:
        return float("nan"), float("nan")
    return float(np.fmin.reduce([np.fmin.reduce(s) for s in known])), float(
        np.fmax.reduce([np.fmax.reduce(s) for s in known])
    )


def value_range(values: Floats, lower: Floats, upper: Floats) -> tuple[float, float]:
    """What the upper panel must show: every value, and as much of the band as leaves the values legible."""
    low, high = extremes(values)
    band_low, band_high = extremes(lower, upper)
    if not isfinite(low):
        return band_low, band_high
    if not isfinite(band_low):
        return low, high
    room = max(high - low, 0.5 * float(np.nanmedian(upper - lower)))
    return max(min(low, band_low), low - room), min(max(high, band_high), high + room)
