"""A panel of choices beside the stream, with sliders, and the strip of marks that a choice would make."""

from __future__ import annotations

from bisect import bisect_right
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from streamforest.figures.layers import FRAME, X_AXIS, Layers
from streamforest.figures.panels import InView, Panel
from streamforest.figures.side_panel import TITLE, WIDTH, SidePanel
from streamforest.figures.themes import Theme
from streamforest.verdicts import panel as choices
from streamforest.verdicts.difference import Difference

#: Heights in lines of text: of a row with a slider and one without, of a line of text; letters of a line.
WITH_SLIDER, WITHOUT_SLIDER, LINE, LETTERS = 2.9, 4.1, 1.45, 29
MOST_ROWS, MOST_LINES = 8, 12
#: Where a row's texts and its slider stand below its upper edge, and from where to where a slider reaches.
TEXT_AT, SLIDER_AT = 0.7, 1.75
LEFT, RIGHT = 0.95, WIDTH - 0.5
#: Height of the strip of marks, in lines of text.
STRIP = 1.5


class Drawn(NamedTuple):
    """What is drawn of a row."""

    name: Text
    value: Text
    track: Line2D
    knob: Line2D


class ChoicePanel(SidePanel):
    """The panel, as high as there is space.

    Parameters
    ----------
    figure : Figure
        On which it gets its place.
    layers : Layers
        Draws it.
    theme : Theme
        Colours.

    Attributes
    ----------
    rows : list of Drawn
    lines : list of Text
        The lines below the rows.
    """

    def __init__(self, figure: Figure, layers: Layers, theme: Theme) -> None:
        super().__init__(figure, layers)
        self._theme = theme
        track: dict[str, Any] = {"color": theme.grid, "linewidth": 2.5, "solid_capstyle": "round"}
        knob: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 6, "color": theme.value}
        self.rows = [
            Drawn(
                layers.text(self.axes, X_AXIS, va="center"),
                layers.text(self.axes, X_AXIS, va="center", ha="right"),
                layers.line(self.axes, 2, X_AXIS, **track),
                layers.line(self.axes, 3, X_AXIS, **knob),
            )
            for _ in range(MOST_ROWS)
        ]
        self._bar = layers.line(self.axes, 1, X_AXIS, color=theme.value, linewidth=2.5, solid_capstyle="butt")
        self.lines = [layers.text(self.axes, X_AXIS, va="center") for _ in range(MOST_LINES)]
        self._edges = [TITLE]  # of the rows: the upper ones, and the lower one of the last, in lines from the top

    @property
    def _artists(self) -> list[Artist]:
        return [self._bar, *self.lines, *(artist for row in self.rows for artist in row)]

    def write(self, panel: choices.Panel) -> None:
        """Write the panel as it stands."""
        written = (panel.version, self._layers.lowest == FRAME)
        if not self.is_shown or written == self._written:
            return
        self._written = written
        self._layers.touch(X_AXIS)
        self._entitle(panel.title)
        rows = panel.rows[:MOST_ROWS]
        self._edges = [TITLE]
        for row in rows:
            self._edges.append(self._edges[-1] + (WITHOUT_SLIDER if row.share is None else WITH_SLIDER))
        for k, drawn in enumerate(self.rows):
            self._write_row(drawn, rows[k] if k < len(rows) else None, -self._edges[min(k, len(rows))])
        place = slice(panel.chosen, panel.chosen + 2)
        top, bottom = (-edge for edge in self._edges[place]) if panel.chosen < len(rows) else (0.0, 0.0)
        self._bar.set_data([0, 0] if top else [], [top - 0.1, bottom + 0.4] if top else [])
        self._write_lines(panel, -self._edges[-1] - 0.8)

    def _write_row(self, drawn: Drawn, row: choices.Row | None, top: float) -> None:
        for artist in drawn:
            artist.set_visible(row is not None)
        if row is None:
            return
        has_slider = row.share is not None
        drawn.name.set(text=row.name, x=0.6, y=top - TEXT_AT, color=self._theme.text)
        place = (WIDTH, top - TEXT_AT) if has_slider else (0.6, top - TEXT_AT - 0.6)
        text = row.text if has_slider else "\n".join(wrap(row.text, LETTERS + 2)[:2])
        drawn.value.set(text=text, ha="right" if has_slider else "left", va="center" if has_slider else "top")
        drawn.value.set_position(place)
        drawn.value.set_color(self._theme.anomaly if row.is_changed else self._theme.quiet)
        drawn.track.set_data([LEFT, RIGHT] if has_slider else [], [top - SLIDER_AT] * 2 if has_slider else [])
        at = LEFT + (row.share or 0.0) * (RIGHT - LEFT)
        drawn.knob.set_data([at] if has_slider else [], [top - SLIDER_AT] if has_slider else [])
        drawn.knob.set_color(self._theme.anomaly if row.is_changed else self._theme.value)

    def _write_lines(self, panel: choices.Panel, top: float) -> None:
        result = wrap(panel.result, LETTERS)
        hint = [part for line in panel.hint.split("   ") for part in wrap(line, LETTERS)]
        space = int((top - float(self.axes.get_ylim()[0])) / LINE + 0.5)  # lines that fit
        lines = [*result, "", *hint][: max(0, min(MOST_LINES, space))]
        for k, text in enumerate(self.lines):
            is_there = k < len(lines)
            text.set(text=lines[k] if is_there else "", x=0.6, y=top - k * LINE, visible=is_there)
            text.set_color(self._theme.text if k < len(result) else self._theme.quiet)
            text.set_fontweight("bold" if k < len(result) else "normal")

    def row_at(self, y: float) -> int | None:
        """Number of the row at a height on the canvas, in pixels; None where there is none."""
        row = bisect_right(self._edges, self._lines_down(y)) - 1
        return row if 0 <= row < len(self._edges) - 1 else None

    def share_at(self, x: float) -> float:
        """The share of a slider that a place on the canvas stands for, in pixels from the left."""
        across = float(self.axes.transData.inverted().transform((x, 0))[0])
        return min(max((across - LEFT) / (RIGHT - LEFT), 0.0), 1.0)


class TrialStrip(Panel):
    """A strip below the stream: the alarms that a choice would make, and those that it would drop."""

    def __init__(self, axes: Axes, layers: Layers, theme: Theme) -> None:
        super().__init__(axes, layers, theme)
        axes.set_ylim(1, 0)
        axes.set_yticks([])
        axes.axhline(0.5, color=theme.grid, linewidth=0.8, zorder=0.5)
        tick: dict[str, Any] = {"linestyle": "", "marker": "|", "markeredgewidth": 1.6}
        self.kept = layers.line(axes, 7, color=theme.anomaly, **tick)
        self.new = layers.line(axes, 8, color=theme.threshold, linestyle="", marker="D")
        self.dropped = layers.line(axes, 6, color=theme.quiet, linestyle="", marker="x")
        axes.set_visible(False)

    @property
    def is_shown(self) -> bool:
        """Whether it takes part in the figure."""
        return bool(self.axes.get_visible())

    def resize(self, size: float) -> None:
        """Give title and marks their sizes, in proportion to one in points."""
        self.entitle("what if:  | stays   \N{BLACK DIAMOND} new   \N{MULTIPLICATION SIGN} dropped", 0.92 * size)
        self.kept.set_markersize(1.2 * size)
        self.new.set_markersize(0.5 * size)
        self.dropped.set_markersize(0.55 * size)

    def draw(self, points: InView, marks: Difference | None) -> None:
        """Mark what would alarm, and what would not any more."""
        first, last = points.visible
        for line, name in ((self.kept, "kept_points"), (self.new, "new_points"), (self.dropped, "dropped_points")):
            places = np.empty(0, np.int64) if marks is None else getattr(marks, name)
            seen = places[(places >= first) & (places <= last)]
            column = np.unique(seen // points.per_column)
            middle = column * points.per_column + (points.per_column - 1) / 2
            line.set_data(middle, np.full(len(column), 0.5))
