"""Axes of the figures: limits that seldom change, ticks of numbers and of times, the x axis of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import floor, isfinite, log10
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator

from streamforest.figures.layers import X_AXIS, Layers
from streamforest.figures.navigation import View
from streamforest.figures.themes import Theme, text_size
from streamforest.protocols import Verdicts
from streamforest.verdicts.history import Floats

CALENDAR: Any = matplotlib.dates  # it ships no types
EARLIEST, LATEST = -62_000_000_000, 253_000_000_000  # seconds: the years 5 to 9987, which a calendar can write
MOST_TICKS = 12  # of the x axis that have a label


class NumberFormatter(Formatter):
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


class StreamAxis:
    """The x axis that panels share: a grid in each of them, labels below the lowest, and the date that they have.

    Parameters
    ----------
    figure : Figure
        On which the panels are.
    panels : sequence of Axes
        The panels, all of the same width.
    lowest : Axes
        The one that has the labels below it.
    layers : Layers
        Draws the axis.
    theme : Theme
        Colours.
    """

    def __init__(self, figure: Figure, panels: Sequence[Axes], lowest: Axes, layers: Layers, theme: Theme) -> None:
        self._figure, self._panels, self._lowest, self._layers = figure, panels, lowest, layers
        style: dict[str, Any] = {"color": theme.grid, "linewidth": 0.8}
        self._grids = [layers.line(a, 0.6, layer=X_AXIS, transform=a.get_xaxis_transform(), **style) for a in panels]
        self.labels = [
            layers.text(lowest, X_AXIS, ha="center", va="top", color=theme.quiet, visible=False)
            for _ in range(MOST_TICKS)
        ]
        self.date = layers.text(lowest, X_AXIS, ha="right", va="top", color=theme.quiet)
        self._shown: tuple[tuple[Any, ...], tuple[float, ...]] = ((), ())
        self._time_ticks = TimeTicks()

    def update(self, rows: Verdicts, view: View) -> None:
        """Show a stretch of the stream, of which these are the points."""
        positions, labels, date = self._find_ticks(rows, view)
        state = (view, tuple(labels), date)
        moved = max((abs(a - b) for a, b in zip(positions, self._shown[1], strict=False)), default=0.0)
        if state == self._shown[0] and moved * self._lowest.bbox.width < 2 * view.width and self._layers.lowest:
            return
        self._shown = (state, tuple(positions))
        self._layers.touch(X_AXIS)
        for axes, grid in zip(self._panels, self._grids, strict=True):
            axes.set_xlim(view.left - 0.5, view.right - 0.5)
            grid.set_data(np.repeat(positions, 3), np.tile([0.0, 1.0, np.nan], len(positions)))
        self._write(positions, labels, date)

    def resize(self, size: float) -> None:
        """Give the labels their size, in proportion to one in points."""
        for text in (*self.labels, self.date):
            text.set_fontsize(0.92 * size)

    def _write(self, positions: Sequence[float], labels: Sequence[str], date: str) -> None:
        below = -0.7 * text_size(self._figure) / 72 * self._figure.dpi / max(1.0, self._lowest.bbox.height)
        for text in self.labels:
            text.set_visible(False)
        for text, position, label in zip(self.labels, positions, labels, strict=False):
            text.set(x=position, y=below, text=label, visible=True, transform=self._lowest.get_xaxis_transform())
        self.date.set(x=1, y=below * 2.9, text=date, transform=self._lowest.transAxes)

    def _find_ticks(self, rows: Verdicts, view: View) -> tuple[list[float], list[str], str]:
        """Positions and labels of the x axis: times where all points have one that a calendar can write."""
        width = self._lowest.bbox.width
        font = text_size(self._figure) * self._figure.dpi / 72
        most = max(2, min(10, int(width / (10 * font))))
        times = np.ascontiguousarray(rows["time"])
        if len(times) > 1 and times.min() > EARLIEST and times.max() < LATEST and times[-1] - times[0] >= 1e-3:
            places, labels, date = self._time_ticks.place(times, int(rows["index"][0]), most)
            date = f"{date} UTC".strip()
        else:
            locator = MaxNLocator(most, steps=[1, 2, 5, 10], integer=True)
            places = np.asarray(locator.tick_values(view.left, view.right - 1))
            labels, date = [f"{place:,.0f}" for place in places], ""
        inside = [(p, t) for p, t in zip(places, labels, strict=True) if view.left <= p <= view.right - 1]
        spaced = thin_out(inside, 5 * font * view.width / max(1.0, width))[:MOST_TICKS]
        return [float(p) for p, _ in spaced], [t for _, t in spaced], date


def thin_out(ticks: list[tuple[float, str]], least: float) -> list[tuple[float, str]]:
    """Leave out ticks that would overlap the one before."""
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if not kept or tick[0] - kept[-1][0] >= least:
            kept.append(tick)
    return kept


def next_limits(current: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """Limits of an axis that shows ``low`` to ``high`` and seldom change: each change is a full draw.

    They stay as long as all is inside, marks at the edge too, and fills 60 % of them; new ones leave 12 % free at
    either end.
    """
    height = high - low
    if not isfinite(height):
        return current
    bottom, top = current
    edge = 0.02 * (top - bottom)
    if bottom + edge <= low and high <= top - edge and height >= 0.6 * (top - bottom):
        return current
    margin = 0.12 * height if height > 1e-9 * max(abs(low), abs(high)) else 0.05 * max(abs(low), abs(high)) or 1.0
    new = (low - margin, high + margin)
    # A constant stream always fills less than half: its limits are kept while they are of the size they would get.
    kept = bottom <= low and high <= top and top - bottom <= 2 * (new[1] - new[0])
    return current if kept else new
