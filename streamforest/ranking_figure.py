"""The figure of many streams: the worst few as small panels, a ranking beside them, for any canvas that hosts it."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil, floor, log10
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from streamforest.axes import PlainNumbers, value_range
from streamforest.figure import COMMANDS, LARGEST, THEMES, StreamFigure, counters, forget_measures
from streamforest.history import History
from streamforest.moments import iso_time
from streamforest.protocols import Status
from streamforest.ranking import LEAST_P, PAST, Rank, StreamRanking
from streamforest.shapes import NOTHING, ribbon
from streamforest.stream_names import shown_key

FRAME_SECONDS = 1.0  # between two draws: each is a whole one
WIDE = 9.0  # inches from which on the ranking stands beside the panels, not below
MOST_PANELS, FEWER_PANELS = 6, 4  # of a wide and of a narrow figure
MOST_ROWS = 40  # of the ranking
#: Rows and columns of so many panels.
GRIDS = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 5: (3, 2), 6: (3, 2)}

HELP = """q        save a picture
space    pause the view, go on
← →      the streams before and behind
g        the worst streams again
r        write the report
h        show or hide this
Esc      stop watching, the run goes on
Ctrl+C   stop the run"""


class _Panel:
    """One stream: its newest points, the band, the anomalous ones, and a title."""

    def __init__(self, figure: Figure, theme: Any) -> None:
        self.axes = axes = figure.add_axes((0, 0, 0.1, 0.1))
        axes.set_facecolor(theme.page)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set(color=theme.quiet, linewidth=0.7)
        axes.xaxis.set_visible(False)
        axes.yaxis.set_major_formatter(PlainNumbers())
        axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.yaxis.grid(True, color=theme.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0, pad=4, labelcolor=theme.quiet)
        axes.set_xlim(-PAST + 0.5, 1.5)
        self._band = PathPatch(NOTHING, facecolor=theme.band, edgecolor="none", zorder=2)
        axes.add_artist(self._band)
        self._band.set_clip_path(axes.patch)
        self._value = axes.add_line(Line2D([], [], color=theme.value, linewidth=1.2, zorder=4))
        mark: dict[str, Any] = {"marker": "o", "linestyle": "", "markeredgecolor": theme.page, "markeredgewidth": 0.6}
        self.marks = axes.add_line(Line2D([], [], color=theme.anomaly, markersize=5.5, zorder=5, clip_on=False, **mark))
        self._theme = theme
        text: dict[str, Any] = {"transform": axes.transAxes, "parse_math": False}
        self.key = axes.text(0, 1, "", fontweight="bold", color=theme.text, va="bottom", **text)
        self.state = axes.text(1, 1, "", ha="right", va="bottom", **text)
        self.reason = axes.text(0, 1, "", color=theme.quiet, va="bottom", **text)
        self.first = axes.text(0, 0, "", color=theme.quiet, va="top", **text)
        self.last = axes.text(1, 0, "", color=theme.quiet, va="top", ha="right", **text)

    @property
    def longest_label(self) -> int:
        """Letters of the longest label of the y axis."""
        ticks = [float(tick) for tick in self.axes.yaxis.get_majorticklocs()]
        labels = self.axes.yaxis.get_major_formatter().format_ticks(ticks)
        return max(map(len, labels), default=0)

    def show(self, rank: Rank, past: NDArray[np.void]) -> None:
        """Draw the newest points of a stream."""
        values, lower, upper = (np.clip(past[name], -LARGEST, LARGEST) for name in ("value", "lower", "upper"))
        x = np.arange(1 - len(past), 1, dtype=np.float64)
        low, high = value_range(values, lower, upper) if len(past) else (np.nan, np.nan)
        if np.isfinite(low):
            margin = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
            self.axes.set_ylim(low - margin, high + margin)
        self._band.set_path(ribbon(x, lower, upper))
        self._value.set_data(x, values)
        flagged = past["is_anomaly"]
        middle = np.where(np.isfinite(values), values, lower / 2 + upper / 2)  # a gap's mark stands where it was due
        self.marks.set_data(x[flagged], middle[flagged])
        self.first.set_text(_moment(past, 0) or f"{len(past):,} points")
        self.last.set_text(_moment(past, -1) or f"point {rank.points - 1:,}")

    def entitle(self, place: int, rank: Rank, room: int) -> None:
        """Write what stands above the points; ``room``: letters of a line."""
        self.key.set_text(cut(f"{place}  {shown_key(rank.key)}", ceil(0.62 * room)))
        self.state.set_text(rank.state)
        self.state.set_color(state_colour(rank.state, self._theme))
        self.reason.set_text(cut(rank.reason.replace("+-", "\N{PLUS-MINUS SIGN}"), room))


class _Row(NamedTuple):
    """One line of the ranking."""

    bar: Rectangle
    texts: list[Text]  # place, key, episodes, rarest, state


class RankingFigure:
    """A figure that shows the worst of many streams, hosted by any canvas: a window, a page, a file.

    Every method belongs to the thread that draws; only the ranking is written by another.

    Parameters
    ----------
    ranking : StreamRanking
        What is known of the streams.
    status : callable
        Gives the run's Status.
    theme : {"light", "dark"}
        Colours.
    size : tuple of float
        Width and height in inches; text keeps its size whatever it is.
    dpi : float
        Pixels an inch.
    clock : callable
        Seconds that only grow.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        Give it to a canvas; it has an Agg canvas until then.
    paused : bool
        Whether the view stands still.

    Raises
    ------
    ValueError
        theme is unknown.
    """

    def __init__(
        self,
        ranking: StreamRanking,
        status: Callable[[], Status],
        *,
        theme: Literal["light", "dark"] | str = "light",
        size: tuple[float, float] = (12.8, 8.0),
        dpi: float = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if theme not in THEMES:
            raise ValueError(f"theme is {theme!r}; it must be one of {', '.join(THEMES)}")
        self._ranking, self._status, self._clock = ranking, status, clock
        self._theme_name, self._theme = theme, THEMES[theme]
        self.figure = Figure(size, dpi=dpi, facecolor=self._theme.page)
        FigureCanvasAgg(self.figure)
        self.paused = False
        self._help = False
        self._first = 0  # place in the ranking of the first stream in view
        self._due = 0.0
        self._is_changed = True
        self._numbers = status()
        self._ranks: list[Rank] = []
        self._shown_end = -1
        self._build()
        self.figure.canvas.mpl_connect("resize_event", lambda _event: self._change())

    @property
    def visible(self) -> tuple[int, int]:
        """The first and last point that is accounted for, of all streams; (0, -1) before the first."""
        return 0, self._shown_end - 1

    def command(self, name: str) -> None:
        """Change the view; the next ``refresh`` shows it.

        Parameters
        ----------
        name : str
            One of COMMANDS; "wider" and "narrower" have no meaning here.

        Raises
        ------
        ValueError
            name is none of them.
        """
        if name not in COMMANDS:
            raise ValueError(f"command is {name!r}; it must be one of {', '.join(COMMANDS)}")
        if name == "help":
            self._help = not self._help
        elif name == "pause":
            self.paused = not self.paused
        elif name in ("live", "last-anomaly"):
            self.paused, self._first = False, 0
        elif name in ("back", "forward") and not self.paused:
            step = self._most_panels
            last = max(0, (self._numbers.streams or 0) - 1) // step * step
            self._first = min(max(self._first + (step if name == "forward" else -step), 0), last)
        self._change()

    def select(self, x_data: float | None) -> None:
        """Nothing: what is known of a stream stands in its panel."""

    def describe_at(self, x: float, y: float) -> str | None:  # noqa: ARG002 - as StreamFigure has it
        """Nothing: what is known of a stream stands in its panel."""
        return None

    def show_all(self) -> None:
        """The worst streams, as they are now."""
        self.command("live")

    def refresh(self) -> bool:
        """Bring the figure up to date and draw it, where it is time to.

        Returns
        -------
        bool
            Whether anything was drawn.
        """
        now = self._clock()
        is_new = not self.paused and (
            self._ranking.end != self._shown_end or self._state_text() != self._state.get_text()
        )
        if not self._is_changed and not (is_new and now >= self._due):
            return False
        self._due, self._is_changed = now + FRAME_SECONDS, False
        self._update()
        self.figure.canvas.draw()
        forget_measures(self.figure.canvas)
        return True

    def picture(self) -> RankingFigure:
        """The same view in a figure of its own on an Agg canvas, up to date, to be saved."""
        width, height = self.figure.get_size_inches()
        other = RankingFigure(
            self._ranking, self._status, theme=self._theme_name, size=(width, height), dpi=self.figure.dpi
        )
        other._first = self._first
        other._update()
        return other

    def _change(self) -> None:
        self._is_changed = True

    # Building: once

    def _build(self) -> None:
        theme = self._theme
        self._header = self.figure.add_axes((0, 0.9, 1, 0.1))
        self._header.set_axis_off()
        plain: dict[str, Any] = {"va": "center", "parse_math": False}
        self._name = self._header.text(0, 0.74, "", fontweight="bold", color=theme.text, **plain)
        self._state = self._header.text(1, 0.74, "", ha="right", **plain)
        self._counters = [
            (
                self._header.text(0, 0.36, "", color=theme.quiet, **plain),
                self._header.text(0, 0.08, "", color=theme.text, **plain),
            )
            for _ in range(9)
        ]
        self._panels = [_Panel(self.figure, theme) for _ in range(MOST_PANELS)]
        self._table = self.figure.add_axes((0.7, 0.1, 0.2, 0.8))
        self._table.set_axis_off()
        self._heads = [self._cell(self._table, theme.quiet, **plain) for _ in range(5)]
        self._rule = self._table.add_line(Line2D([], [], color=theme.quiet, linewidth=0.7))
        self._rows = [self._row(plain) for _ in range(MOST_ROWS)]
        keys = [
            Line2D([], [], color=theme.value, linewidth=1.6, label="value"),
            Patch(facecolor=theme.band, label="usual band"),
            Line2D([], [], color=theme.anomaly, linestyle="", marker="o", markersize=5, label="anomalous"),
        ]
        self._legend = self.figure.legend(
            handles=keys,
            loc="lower left",
            ncols=3,
            frameon=False,
            labelcolor=theme.quiet,
            handlelength=1.3,
            columnspacing=1.6,
        )
        self._waiting = self.figure.text(0.5, 0.45, "", color=theme.quiet, ha="center", **plain)
        box = {"boxstyle": "round,pad=1.2", "facecolor": theme.page, "edgecolor": theme.quiet}
        self._keys = self.figure.text(
            *(0.5, 0.5, ""),
            family="monospace",
            color=theme.text,
            ha="center",
            linespacing=1.7,
            multialignment="left",
            **plain,
        )
        self._box = box

    def _cell(self, axes: Axes, colour: str, **style: Any) -> Text:
        return axes.text(0, 0, "", color=colour, **style)

    def _row(self, plain: dict[str, Any]) -> _Row:
        bar = Rectangle((0, 0), 0, 0, facecolor=self._theme.episode, edgecolor="none")
        self._table.add_patch(bar)
        return _Row(bar, [self._cell(self._table, self._theme.text, **plain) for _ in range(5)])

    # Arranging and updating: at each draw

    @property
    def _is_wide(self) -> bool:
        return float(self.figure.get_size_inches()[0]) >= WIDE

    @property
    def _most_panels(self) -> int:
        return MOST_PANELS if self._is_wide else FEWER_PANELS

    @property
    def _font(self) -> float:
        """Size of text, in points."""
        return 9.0 if self._is_wide else 7.5

    def _update(self) -> None:
        if not self.paused:
            self._numbers = self._status()
            self._shown_end = self._ranking.end
            self._ranks = self._ranking.ranks(self._first, MOST_ROWS)
        width, height = (float(n) for n in self.figure.get_size_inches())
        line = self._font / 72
        left, right, bottom, top = 1.9 * line, 1.9 * line, 2.8 * line, 6.2 * line
        body = max(height - top - bottom, 0.3)
        across = max(width - left - right, 0.3)
        if self._is_wide:
            table = (left + across * 0.67, bottom, across * 0.33, body)
            panels = (left, bottom, across * 0.67 - 3.2 * line, body)
        else:
            share = 0.64 * body
            table = (left, bottom, across, body - share - 0.6 * line)
            panels = (left, bottom + body - share, across, share)
        self._header.set_position((left / width, 1 - 4.7 * line / height, across / width, 4.7 * line / height))
        self._update_header(across / line)
        self._legend.set_bbox_to_anchor((left / width, 0.2 * line / height))
        self._legend.set_visible(bool(self._ranks))
        for text in self._legend.get_texts():
            text.set_fontsize(0.88 * self._font)
        self._update_panels(*panels, line)
        self._update_table(*table, line)
        self._waiting.set(text="" if self._ranks else "waiting for the first point", fontsize=self._font)
        self._keys.set(text=HELP if self._help else "", fontsize=self._font, bbox=self._box if self._help else None)

    def _update_header(self, ems: float) -> None:
        font, status = self._font, self._numbers
        name = f"{status.source}  \N{MIDDLE DOT}  {status.detector}"
        self._name.set(text=cut(name, int(ems / 0.78) - 26), fontsize=1.25 * font)
        text = self._state_text()
        colour = self._theme.quiet if text.startswith("live") else self._theme.threshold
        self._state.set(text=text, fontsize=font, color=colour)
        found = counters(status)
        step = min(1 / len(self._counters), 9.5 / ems)
        for k, (label, value) in enumerate(self._counters):
            name, number = found[k] if k < len(found) else ("", "")
            label.set(x=k * step, text=name, fontsize=0.92 * font)
            value.set(x=k * step, text=number, fontsize=1.2 * font)

    def _state_text(self) -> str:
        if self.paused:
            return f"paused, {self._ranking.end - self._shown_end:,} new points"
        if self._numbers.warm_up < 1:
            return f"warming up: {floor(100 * self._numbers.warm_up)} %"
        return "live   h: keys"

    def _update_panels(self, left: float, bottom: float, across: float, body: float, line: float) -> None:
        width, height = (float(n) for n in self.figure.get_size_inches())
        shown = self._ranks[: self._most_panels]
        rows, columns = GRIDS[max(1, len(shown))]
        for k, rank in enumerate(shown):
            self._panels[k].show(rank, self._ranking.past(rank.number))
        labels = line * (0.9 + 0.55 * max((panel.longest_label for panel in self._panels[: len(shown)]), default=0))
        gap, above, below = 2.2 * line, 3.1 * line, 1.7 * line
        each = (across - gap * (columns - 1)) / columns
        tall = body / rows
        for k, panel in enumerate(self._panels):
            panel.axes.set_visible(k < len(shown))
            if k >= len(shown):
                continue
            row, column = divmod(k, columns)
            x = left + column * (each + gap) + labels
            y = bottom + body - (row + 1) * tall + below
            size = (max(each - labels, 0.1), max(tall - above - below, 0.05))
            panel.axes.set_position((x / width, y / height, size[0] / width, size[1] / height))
            panel.entitle(self._first + k + 1, shown[k], int(each / line / 0.5))
            back = -labels / size[0]  # titles begin at the labels
            panel.key.set(x=back, y=1 + 1.75 * line / size[1], fontsize=1.05 * self._font)
            panel.state.set(y=1 + 1.75 * line / size[1], fontsize=0.92 * self._font)
            panel.reason.set(x=back, y=1 + 0.45 * line / size[1], fontsize=0.88 * self._font)
            for text in (panel.first, panel.last):
                text.set(y=-0.3 * line / size[1], fontsize=0.8 * self._font)
            panel.axes.tick_params(axis="y", labelsize=0.85 * self._font)
            panel.marks.set_markersize(0.6 * self._font)

    def _update_table(self, left: float, bottom: float, across: float, tall: float, line: float) -> None:
        width, height = (float(n) for n in self.figure.get_size_inches())
        self._table.set_position((left / width, bottom / height, across / width, tall / height))
        self._table.set(xlim=(0, across), ylim=(0, tall))
        step = 1.75 * line
        # places of: place (right), key, episodes (right), rarest (right, on its bar), state
        ems = across / line
        edges = [2.2 * line, 3.0 * line, across - 12.6 * line, across - 6.6 * line, across - 5.8 * line]
        sides = ("right", "left", "right", "right", "left")
        heads = ("", "stream", "episodes", "rarest p", "now") if self._ranks else ("",) * 5
        for text, x, side, head in zip(self._heads, edges, sides, heads, strict=True):
            text.set(x=x, y=tall - 0.8 * line, text=head, ha=side, fontsize=0.88 * self._font)
        rule = tall - 1.7 * line
        self._rule.set_data([0, across] if self._ranks else [], [rule, rule] if self._ranks else [])
        room = max(4, int((ems - 12.6 - 3.0 - 5.0) / 0.6))
        for k, row in enumerate(self._rows):
            y = rule - (k + 0.75) * step
            rank = self._ranks[k] if k < len(self._ranks) and y > 0.3 * step else None
            self._fill(row, rank, self._first + k + 1, room)
            for text, x, side in zip(row.texts, edges, sides, strict=True):
                text.set(x=x, y=y, ha=side, fontsize=0.92 * self._font)
            share = 0.0 if rank is None or rank.worst_p is None else log10(rank.worst_p) / log10(LEAST_P)
            row.bar.set_bounds(
                edges[3] - 5.2 * line * share, y - 0.42 * step, 5.2 * line * share + 0.3 * line, 0.84 * step
            )
            row.bar.set_visible(share > 0)

    def _fill(self, row: _Row, rank: Rank | None, place: int, room: int) -> None:
        if rank is None:
            for text in row.texts:
                text.set_text("")
            return
        worst = "" if rank.worst_p is None else f"{rank.worst_p:.1g}"
        cells = (
            f"{place}",
            cut(shown_key(rank.key), room),
            f"{rank.episodes:,}" if rank.episodes else "",
            worst,
            rank.state,
        )
        for text, cell in zip(row.texts, cells, strict=True):
            text.set_text(cell)
        row.texts[0].set_color(self._theme.quiet)
        row.texts[1].set_fontweight("bold" if place <= self._first + self._most_panels else "normal")
        row.texts[4].set_color(state_colour(rank.state, self._theme))


def state_colour(state: str, theme: Any) -> str:
    """The colour of a stream's state."""
    return str({"anomalous": theme.anomaly, "unusual": theme.threshold}.get(state, theme.quiet))


def cut(text: str, room: int) -> str:
    """Text with its middle left out where it is longer than ``room`` letters."""
    if len(text) <= room:
        return text
    end = max(1, (room - 1) // 2)
    return f"{text[: max(1, room - 1 - end)]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"


def _moment(past: NDArray[np.void], at: int) -> str:
    """A point's time; empty where it has none, or none that a calendar can write."""
    seconds = float(past["time"][at]) if len(past) else float("nan")
    text = "" if np.isnan(seconds) else iso_time(seconds, has_fractions=False)
    return text[:-1].replace("T", " ") if "T" in text else ""


def figure_of(
    known: History | StreamRanking, status: Callable[[], Status], **options: Any
) -> StreamFigure | RankingFigure:
    """The figure of one stream or of many, by what remembers them."""
    if isinstance(known, StreamRanking):
        return RankingFigure(known, status, **options)
    return StreamFigure(known, status, **options)
