"""The figure of many streams: the worst few as small panels, a ranking beside them, for any canvas that hosts it."""

from __future__ import annotations

from math import ceil, log10
from typing import Any, NamedTuple, Self

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from streamforest.figures.axes import NumberFormatter
from streamforest.figures.header import HEADER_LINES, News, state_text, warm_up_text
from streamforest.figures.layers import forget_measures
from streamforest.figures.live_figure import LiveFigure
from streamforest.figures.panels import LARGEST
from streamforest.figures.ranges import usual_range
from streamforest.figures.shapes import NOTHING, ribbon
from streamforest.figures.text_parts import ENDED, waiting_text
from streamforest.figures.themes import is_wide, text_size
from streamforest.moments import iso_time
from streamforest.stream_names import shown_key
from streamforest.verdicts.ranking import LEAST_P, PAST, Rank, StreamRanking
from streamforest.wording import cut, p_text

FRAME_SECONDS = 1.0  # between two draws: each is a whole one
NOTICE_SECONDS = 0.25  # between two looks for what the run says
MOST_PANELS, FEWER_PANELS = 6, 4  # of a wide and of a narrow figure
MOST_ROWS = 40  # of the ranking
MOMENT_LETTER = 0.5  # width of a letter of the times below a panel, in sizes of the text
#: Rows and columns of so many panels.
GRIDS = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 5: (3, 2), 6: (3, 2)}

HELP = """q        save a picture
space    pause the view, go on
← →      the streams before and behind
g        the worst streams again
i        alarms asked for and got
r        write the report
h        show or hide this
Esc      close what is open, then the picture
Ctrl+C   stop the run"""


class RankingPanel:
    """One stream: its newest points, the band, the anomalous ones, and a title."""

    def __init__(self, figure: Figure, theme: Any) -> None:
        self.axes = axes = figure.add_axes((0, 0, 0.1, 0.1))
        axes.set_facecolor(theme.page)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set(color=theme.quiet, linewidth=0.7)
        axes.xaxis.set_visible(False)
        axes.yaxis.set_major_formatter(NumberFormatter())
        axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.yaxis.grid(True, color=theme.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0, pad=4, labelcolor=theme.quiet)
        axes.set_xlim(-PAST + 0.5, 1.5)
        self._band = PathPatch(NOTHING, facecolor=theme.band, edgecolor="none", zorder=2)
        axes.add_artist(self._band)
        self._band.set_clip_path(axes.patch)
        self._value = axes.add_line(Line2D([], [], color=theme.value, linewidth=1.2, zorder=4))
        mark: dict[str, Any] = {"color": theme.anomaly, "linestyle": "", "zorder": 5, "clip_on": False}
        mark |= {"markersize": 5.5, "markeredgecolor": theme.page, "markeredgewidth": 0.6}
        # anomalous points at their place, and those outside of the axis at its edge
        self.marks, self.above, self.below = (axes.add_line(Line2D([], [], marker=sign, **mark)) for sign in "o^v")
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
        flagged = past["is_anomaly"]
        low, high = usual_range(values, lower, upper, flagged)
        if np.isfinite(low):
            margin = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
            self.axes.set_ylim(low - margin, high + margin)
        self._band.set_path(ribbon(x, lower, upper))
        self._value.set_data(x, values)
        middle = np.where(np.isfinite(values), values, lower / 2 + upper / 2)  # a gap's mark stands where it was due
        bottom, top = self.axes.get_ylim()
        for marks, are_there in (
            (self.marks, (middle >= bottom) & (middle <= top)),
            (self.above, middle > top),
            (self.below, middle < bottom),
        ):
            marks.set_data(x[flagged & are_there], np.clip(middle[flagged & are_there], bottom, top))
        self.first.set_text(_moment(past, 0) or f"{len(past):,} points")
        self.last.set_text(_moment(past, -1) or f"point {rank.points - 1:,}")

    def entitle(self, place: int, rank: Rank, letters: int) -> None:
        """Write what stands above the points, in lines of so many letters."""
        self.key.set_text(cut(f"{place}  {shown_key(rank.key)}", ceil(0.62 * letters)))
        self.state.set_text(rank.state)
        self.state.set_color(state_colour(rank.state, self._theme))
        self.reason.set_text(cut(rank.reason, letters))


class RankingRow(NamedTuple):
    """One line of the ranking."""

    bar: Rectangle
    texts: list[Text]  # place, key, episodes, rarest, state


class RankingFigure(LiveFigure[StreamRanking]):
    """The figure of the worst of many streams; parameters and methods are those of :class:`LiveFigure`.

    Attributes
    ----------
    panels : list of RankingPanel
        Places of the worst streams.
    rows : list of RankingRow
        Lines of the ranking.
    waiting : matplotlib.text.Text
        Says that there is no point yet, empty once there is.
    """

    HELP = HELP
    MOST_COUNTERS = 9
    DRAWS_BY_LAYER = False
    _paused: bool
    _shown_end: int
    _due: float
    _notice_due: float

    @property
    def visible(self) -> tuple[int, int]:
        """The first and last point that is accounted for, of all streams; (0, -1) before the first."""
        return 0, self._shown_end - 1

    @property
    def paused(self) -> bool:
        """Whether the view stands still."""
        return self._paused

    def _navigate(self, name: str) -> None:
        """Carry out a command; "wider" and "narrower" have no meaning here."""
        if name == "pause":
            self._paused = not self._paused
        elif name in ("live", "last-anomaly"):
            self._paused, self._first = False, 0
        elif name in ("back", "forward") and not self._paused:
            step = self._most_panels
            last = max(0, (self._numbers.streams or 0) - 1) // step * step
            self._first = min(max(self._first + (step if name == "forward" else -step), 0), last)
        self._is_changed = True

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
        is_new = not self._paused and (
            self._memory.end != self._shown_end or self._state_text() != self.header.state.get_text()
        )
        if now >= self._notice_due:
            self._notice_due = now + NOTICE_SECONDS
            self._hear(self._status().notice)
        self._is_changed |= self._notice_text() != self.notice.get_text()
        if not self._is_changed and not (is_new and now >= self._due):
            return False
        self._due, self._is_changed = now + FRAME_SECONDS, False
        self._update()
        self.figure.canvas.draw()
        forget_measures(self.figure.canvas)
        return True

    def _look_as(self, other: Self) -> None:
        self._first = other._first

    # Building: once

    def _build(self) -> None:
        theme = self._theme
        self._paused = False
        self._first = 0  # place in the ranking of the first stream in view
        self._due = self._notice_due = 0.0
        self._is_changed = True
        self._ranks: list[Rank] = []
        self._shown_end = -1
        style: dict[str, Any] = {"va": "center", "parse_math": False}
        self.panels = [RankingPanel(self.figure, theme) for _ in range(MOST_PANELS)]
        self._table = self.figure.add_axes((0.7, 0.1, 0.2, 0.8))
        self._table.set_axis_off()
        self._heads = [self._table.text(0, 0, "", color=theme.quiet, **style) for _ in range(5)]
        self._rule = self._table.add_line(Line2D([], [], color=theme.quiet, linewidth=0.7))
        self.rows = [self._row(style) for _ in range(MOST_ROWS)]
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
        self.waiting = self.figure.text(0.5, 0.45, "", color=theme.quiet, ha="center", **style)
        self.keys = self._keys_on(self._table)

    def _resize(self) -> None:
        self._is_changed = True

    def _row(self, style: dict[str, Any]) -> RankingRow:
        bar = Rectangle((0, 0), 0, 0, facecolor=self._theme.episode, edgecolor="none")
        self._table.add_patch(bar)
        return RankingRow(bar, [self._table.text(0, 0, "", color=self._theme.text, **style) for _ in range(5)])

    # Arranging and updating: at each draw

    @property
    def _most_panels(self) -> int:
        return MOST_PANELS if is_wide(self.figure) else FEWER_PANELS

    @property
    def _font(self) -> float:
        """Size of text, in points."""
        return text_size(self.figure)

    def _update(self) -> None:
        if not self._paused:
            self._numbers = self._status()
            self._shown_end = self._memory.end
            self._ranks = self._memory.ranks(self._first, MOST_ROWS)
        width, height = (float(n) for n in self.figure.get_size_inches())
        line = self._font / 72
        left, right, bottom, top = 1.9 * line, 1.9 * line, 2.8 * line, (HEADER_LINES + 1.5) * line
        body = max(height - top - bottom, 0.3)
        across = max(width - left - right, 0.3)
        if is_wide(self.figure):  # the ranking stands beside the panels, not below
            table = (left + across * 0.67, bottom, across * 0.33, body)
            panels = (left, bottom, across * 0.67 - 3.2 * line, body)
        else:
            share = 0.64 * body
            table = (left, bottom, across, body - share - 0.6 * line)
            panels = (left, bottom + body - share, across, share)
        tall = HEADER_LINES * line / height
        self.header.axes.set_position((left / width, 1 - tall, across / width, tall))
        self.header.resize(self._font)
        self.header.write(self._numbers, self._state_text(), self._news())
        self._legend.set_bbox_to_anchor((left / width, 0.2 * line / height))
        self._place_notice(left, right, line)
        self._write_notice()
        self._legend.set_visible(bool(self._ranks) and not self.notice.get_text())
        for text in self._legend.get_texts():
            text.set_fontsize(0.88 * self._font)
        self._update_panels(*panels, line)
        self._update_table(*table, line)
        self.waiting.set(text="" if self._ranks else waiting_text(), fontsize=self._font)
        self.keys.set(text=self._help_text(), fontsize=self._font)

    def _state_text(self) -> str:
        unseen = self._memory.end - self._shown_end if self._paused else None
        return state_text(unseen)

    def _news(self) -> News:
        """How the worst of the streams is."""
        worst = self._memory.ranks(0, 1) if self._first else self._ranks[:1]
        has_ended = self._numbers.has_ended
        if not worst:
            return News(ENDED if has_ended else waiting_text(), "quiet", "")
        rank = worst[0]
        if not rank.anomalies:
            now = warm_up_text(self._numbers.warm_up) if self._numbers.warm_up < 1 else "no stream had an alarm yet"
            return News(now, "quiet", "")
        why = f"{rank.state}; {rank.reason}"
        if incident := self._numbers.incident:
            why = f"{why}   {incident}"
        name = f"worst: {cut(shown_key(rank.key), 40)}"
        return News(ENDED, "quiet", f"{name}, {why}") if has_ended else News(name, state_name(rank.state), why)

    def _update_panels(self, left: float, bottom: float, across: float, body: float, line: float) -> None:
        width, height = (float(n) for n in self.figure.get_size_inches())
        shown = self._ranks[: self._most_panels]
        rows, columns = GRIDS[max(1, len(shown))]
        for k, rank in enumerate(shown):
            self.panels[k].show(rank, self._memory.past(rank.number))
        labels = line * (0.9 + 0.55 * max((panel.longest_label for panel in self.panels[: len(shown)]), default=0))
        gap, above, below = 2.2 * line, 3.1 * line, 1.7 * line
        each = (across - gap * (columns - 1)) / columns
        tall = body / rows
        for k, panel in enumerate(self.panels):
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
            letters = len(panel.first.get_text() + panel.last.get_text())
            panel.first.set_visible(MOMENT_LETTER * letters * line < size[0])
            panel.axes.tick_params(axis="y", labelsize=0.85 * self._font)
            for marks, share in ((panel.marks, 0.6), (panel.above, 0.8), (panel.below, 0.8)):
                marks.set_markersize(share * self._font)

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
        letters = max(4, int((ems - 12.6 - 3.0 - 5.0) / 0.6))
        for k, row in enumerate(self.rows):
            y = rule - (k + 0.75) * step
            rank = self._ranks[k] if k < len(self._ranks) and y > 0.3 * step else None
            self._fill(row, rank, self._first + k + 1, letters)
            for text, x, side in zip(row.texts, edges, sides, strict=True):
                text.set(x=x, y=y, ha=side, fontsize=0.92 * self._font)
            share = 0.0 if rank is None or rank.worst_p is None else log10(rank.worst_p) / log10(LEAST_P)
            row.bar.set_bounds(
                edges[3] - 5.2 * line * share, y - 0.42 * step, 5.2 * line * share + 0.3 * line, 0.84 * step
            )
            row.bar.set_visible(share > 0)

    def _fill(self, row: RankingRow, rank: Rank | None, place: int, letters: int) -> None:
        if rank is None:
            for text in row.texts:
                text.set_text("")
            return
        worst = "" if rank.worst_p is None else p_text(rank.worst_p, 1)
        cells = (
            f"{place}",
            cut(shown_key(rank.key), letters),
            f"{rank.episodes:,}" if rank.episodes else "",
            worst,
            rank.state,
        )
        for text, cell in zip(row.texts, cells, strict=True):
            text.set_text(cell)
        row.texts[0].set_color(self._theme.quiet)
        row.texts[1].set_fontweight("bold" if place <= self._first + self._most_panels else "normal")
        row.texts[4].set_color(state_colour(rank.state, self._theme))


def state_name(state: str) -> str:
    """The name of a colour of the theme for a stream's state."""
    return {"anomalous": "anomaly", "unusual": "threshold"}.get(state, "quiet")


def state_colour(state: str, theme: Any) -> str:
    """The colour of a stream's state."""
    return str(getattr(theme, state_name(state)))


def _moment(past: NDArray[np.void], at: int) -> str:
    """A point's time; empty where it has none, or none that a calendar can write."""
    seconds = float(past["time"][at]) if len(past) else float("nan")
    text = "" if np.isnan(seconds) else iso_time(seconds, has_fractions=False)
    return text[:-1].replace("T", " ") if "T" in text else ""
