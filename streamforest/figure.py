"""The figure of the live view: the stream above, score and threshold below, for any canvas that hosts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, isfinite
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from matplotlib import text as matplotlib_text
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from streamforest.axes import PlainNumbers, TimeTicks, extremes, next_limits, thin_out, value_range
from streamforest.history import Floats, History, columns
from streamforest.protocols import NORMAL, Status, Verdict, Verdicts, verdict_from_row
from streamforest.shapes import NOTHING, boxes, merge, ribbon, runs, steps

SPAN = 500  # points in view at first
NARROWEST = 20  # points
SECONDS_IN_VIEW = 10  # at least, as long as the user has not chosen a width
STEPS = 8  # a full view moves on by this part of its width, so that its axis seldom changes
MOST_MEASURES = 256  # of texts, several times those of a picture
HEADER_SECONDS = 0.25  # text is dear to draw and nobody reads faster
MANY = 60  # episodes or labelled stretches in view: more are drawn with less ink
MOST_MARKS = 2_000  # anomalies marked one by one; more are marked by each column's lowest and highest
LARGEST = 1e300  # values beyond are drawn there: the range of an axis must stay finite
REACH = 6  # pixels around a click in which an anomalous point is preferred
ROW_OF_OTHERS = 2.3  # lines of text: the name of a detector that judges along, and its marks below it
NAME_LINE, MARK_LINE = 0.3, 0.74  # where in a row they stand
EARLIEST, LATEST = -62_000_000_000, 253_000_000_000  # seconds: the years 5 to 9987, which a calendar can write


COMMANDS = ("pause", "live", "back", "forward", "wider", "narrower", "last-anomaly", "help")

HELP = """q        save a picture
space    pause the view, go on
← →      back and forth
+ -      wider, narrower in time
g        last anomaly, then the one before
d        next detector
r        write the report
h        show or hide this
Esc      stop watching, the run goes on
Ctrl+C   stop the run"""


@dataclass(frozen=True)
class Theme:
    """Colours of the figure; those of marks are Okabe and Ito's, which the colour-blind can tell apart."""

    page: str
    text: str
    quiet: str
    grid: str
    value: str
    expected: str
    band: str
    anomaly: str
    episode: str
    label: str
    threshold: str


THEMES = {
    "light": Theme(
        page="#ffffff",
        text="#1f2933",
        quiet="#6b7785",
        grid="#e8ebef",
        value="#0072b2",
        expected="#7b8794",
        band="#dfe5ec",
        anomaly="#d55e00",
        episode="#fbe3d1",
        label="#009e73",
        threshold="#c98a00",
    ),
    "dark": Theme(
        page="#12161c",
        text="#e7ebf0",
        quiet="#8f9bab",
        grid="#232a34",
        value="#56b4e9",
        expected="#97a3b3",
        band="#28313d",
        anomaly="#ff7f2a",
        episode="#47291a",
        label="#2fc89b",
        threshold="#e6b422",
    ),
}


class View(NamedTuple):
    """The stretch of the stream in view, as stream indices; ``right`` is outside, and may lie beyond the newest."""

    left: int
    right: int

    @property
    def width(self) -> int:
        """Points from edge to edge."""
        return self.right - self.left


def describe(verdict: Verdict) -> str:
    """A point's numbers and what is unusual about it, in a few short lines."""

    def plain(number: float | None) -> str:
        return "unknown" if number is None else f"{number:.5g}"

    when = "" if verdict.time is None else f", {datetime.fromtimestamp(verdict.time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"point {verdict.index:,}{when}"]
    lines.append("value missing" if verdict.value is None else f"value {plain(verdict.value)}")
    if verdict.expected is not None:
        lines[-1] += f", expected {plain(verdict.expected)} ({plain(verdict.lower)} to {plain(verdict.upper)})"
    if verdict.score is None:
        lines.append("no score yet (warm-up)")
    else:
        lines.append(f"score {plain(verdict.score)}, threshold {plain(verdict.threshold)}, p {plain(verdict.p_value)}")
    if verdict.is_anomaly:
        lines.append(verdict.reason or "anomalous")
    if verdict.label is not None:
        lines.append(f"label: {verdict.label}")
    return "\n".join(lines)


def percent(share: float | None) -> str:
    """A share as text."""
    return "\N{EN DASH}" if share is None else f"{100 * share:.3g} %"


def counters(status: Status) -> list[tuple[str, str]]:
    """Names and values of the line of numbers above the panels."""
    streams = [] if status.streams is None else [("streams", f"{status.streams:,}")]
    found = [
        *streams,
        ("points", f"{status.points:,}"),
        ("points/s", f"{status.points_per_second:,.{0 if status.points_per_second >= 100 else 1}f}"),
        ("anomalous", f"{status.anomalies:,}"),
        ("episodes", f"{status.episodes:,}"),
        ("alarm rate", percent(status.realised_rate)),
        ("asked for", percent(status.alarm_rate) if status.alarms_a_day is None else f"{status.alarms_a_day:g} a day"),
    ]
    if status.precision is not None:
        found.append(("precision", f"{status.precision:.2f}"))
    if status.recall is not None:
        found.append(("recall", f"{status.recall:.2f}"))
    return found


class StreamFigure:
    """A figure that shows the stream, hosted by any canvas: a window, a page, a file.

    Every method belongs to the thread that draws; only the history is written by another.

    Parameters
    ----------
    history : History
        Where the points come from.
    status : callable
        Gives the run's Status; called up to 4 times a second.
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

    Raises
    ------
    ValueError
        theme is unknown.

    Notes
    -----
    What is drawn lies in layers, each kept as pixels: frame and y axes; x axis; header; then the
    stream. A frame draws the lowest layer that changed and those above it.
    """

    def __init__(
        self,
        history: History,
        status: Callable[[], Status],
        *,
        theme: Literal["light", "dark"] | str = "light",
        size: tuple[float, float] = (12.8, 8.0),
        dpi: float = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if theme not in THEMES:
            raise ValueError(f"theme is {theme!r}; it must be one of {', '.join(THEMES)}")
        self._history, self._status, self._clock = history, status, clock
        self._theme_name, self._theme = theme, THEMES[theme]
        self.figure = Figure(size, dpi=dpi, facecolor=self._theme.page)
        FigureCanvasAgg(self.figure)
        self._rows: Verdicts = history.newest(0)  # kept here too, so that a paused view does not lose its points
        self._kept = History(history.capacity)
        self._frozen: View | None = None  # the view, where it does not follow the stream
        self._view = View(0, 64)
        self._span, self._span_chosen = SPAN, False
        self._fields: dict[str, Floats] = {}  # of the points in view, as they are asked for
        self._selected: int | None = None
        self._help = False
        self._numbers = status()
        self._header_due = 0.0
        self._written_names: list[str] = []
        self._drawn: tuple[Any, ...] = ()
        self._ticks: tuple[tuple[Any, ...], tuple[float, ...]] = ((), ())
        self._time_ticks = TimeTicks()
        self._layers: list[list[tuple[Axes, Artist]]] = [[], [], [], []]
        self._copies: list[Any] = [None, None, None]
        self._dirty = 0  # lowest layer that changed
        self._labelled = False
        self._scaled: set[Axes] = set()  # panels whose y axis has seen a number
        self._hosted: tuple[Any, ...] = ()
        self._build()
        self.figure.canvas.mpl_connect("draw_event", self._on_draw)
        self.figure.canvas.mpl_connect("resize_event", lambda _event: self._arrange())

    # Commands

    @property
    def visible(self) -> tuple[int, int]:
        """Stream indices of the first and last point in view; (0, -1) where there is none."""
        return (int(self._rows["index"][0]), int(self._rows["index"][-1])) if len(self._rows) else (0, -1)

    @property
    def paused(self) -> bool:
        """Whether the view stands still."""
        return self._frozen is not None

    def command(self, name: str) -> None:
        """Change the view; the next ``refresh`` shows it.

        Parameters
        ----------
        name : str
            One of COMMANDS. "last-anomaly", given again, goes on to the episode before.

        Raises
        ------
        ValueError
            name is none of them.
        """
        if name not in COMMANDS:
            raise ValueError(f"command is {name!r}; it must be one of {', '.join(COMMANDS)}")
        if name == "help":
            self._help = not self._help
        elif name == "live" or (name == "pause" and self.paused):
            self._frozen = self._selected = None
        elif name == "last-anomaly":
            self._go_to_anomaly()
        elif name in ("wider", "narrower"):
            self._change_width(2.0 if name == "wider" else 0.5)
        else:
            self._freeze({"pause": 0.0, "back": -0.5, "forward": 0.5}[name])

    def describe_at(self, x: float, y: float) -> str | None:
        """Numbers and reason of the point at a place on the canvas, in pixels; None where there is none."""
        if not any(axes.bbox.contains(x, y) for axes in (self._upper, self._lower)):
            return None
        offset = self._nearest(self._upper.transData.inverted().transform((x, y))[0])
        return None if offset is None else describe(verdict_from_row(self._rows[offset].item()))

    def select(self, x_data: float | None) -> None:
        """Show the numbers of the point nearest to a place on the x axis (a stream index); None hides them."""
        offset = None if x_data is None else self._nearest(x_data)
        self._selected = None if offset is None else int(self._rows["index"][offset])

    def _nearest(self, x: float) -> int | None:
        """Offset of the nearest point in view, an anomalous one preferred."""
        if not len(self._rows) or not isfinite(x):
            return None
        distance = np.abs(self._rows["index"] - x)
        reach = REACH * self._view.width / max(1.0, self._upper.bbox.width)
        near = np.flatnonzero(self._rows["is_anomaly"] & (distance <= reach))
        return int(near[np.argmin(distance[near])]) if len(near) else int(np.argmin(distance))

    def _freeze(self, by: float) -> None:
        """Hold the view still, moved by a part of its width."""
        self._hold(self._view.left + round(by * self._view.width), self._view.width, moved=by != 0)

    def _hold(self, left: int, width: int, moved: bool = True) -> None:
        """Hold the view still, within what is kept where it moved."""
        if moved:
            left = max(self._kept.first, min(left, self._kept.end - width))
        self._frozen = View(left, left + width)

    def _change_width(self, factor: float) -> None:
        self._span_chosen = True
        self._span = max(NARROWEST, min(round(self._view.width * factor), self._history.capacity))
        if self._frozen:
            self._hold((self._frozen.left + self._frozen.right - self._span) // 2, self._span)

    def show(self, index: int) -> bool:
        """Hold the view around a point, by its stream index, and show its numbers; False where it is not kept."""
        self._follow()
        if not self._kept.first <= index < self._kept.end:
            return False
        self._hold(index - SPAN // 2, min(SPAN, self._history.capacity))
        self._selected = index
        return True

    def show_all(self) -> None:
        """Hold the view on all that is kept."""
        self._follow()
        self._hold(self._kept.first, max(NARROWEST, self._kept.end - self._kept.first), moved=False)

    def _go_to_anomaly(self) -> None:
        self._follow()
        here = self._selected if self._frozen else None
        found = self._kept.last_anomaly() if here is None else self._kept.previous_anomaly(self._episode_start(here))
        found = self._kept.last_anomaly() if found is None else found
        if found is None:
            return
        self._hold(found - self._view.width // 2, self._view.width)
        self._selected = found

    def _episode_start(self, index: int) -> int:
        """Index of the first kept point of the episode that a point belongs to."""
        rows = self._kept.view(self._kept.first, index)
        same = rows["index"][(rows["episode"] == rows["episode"][-1]) & rows["is_anomaly"]] if len(rows) else []
        return int(same[0]) if len(same) else index

    # Drawing

    def refresh(self) -> bool:
        """Bring the figure up to date with the history and draw what changed.

        Returns
        -------
        bool
            Whether anything was drawn.
        """
        self._update()
        state = (self._kept.end, self._view, self._selected, self._help, self.paused)
        if self._dirty > 2 and state == self._drawn:
            return False
        self._drawn = state
        self._draw()
        self._dirty = 3
        return True

    def picture(self) -> StreamFigure:
        """The same view in a figure of its own on an Agg canvas, up to date, to be saved."""
        width, height = self.figure.get_size_inches()
        other = StreamFigure(
            self._history, self._status, theme=self._theme_name, size=(width, height), dpi=self.figure.dpi
        )
        self._follow()
        other._kept, other._frozen = self._kept, self._frozen
        other._span, other._span_chosen, other._selected = self._span, self._span_chosen, self._selected
        other._update()
        return other

    def _draw(self) -> None:
        canvas = self.figure.canvas
        blits = bool(canvas.supports_blit)
        hosted = (canvas, blits, *self.figure.bbox.size)
        if hosted != self._hosted:
            self._hosted, self._dirty = hosted, 0
            self._animate(blits)
            self._arrange()
        if not blits:
            canvas.draw_idle()
        elif self._dirty == 0:
            canvas.draw()
        else:
            self._draw_layers(self._dirty)
            canvas.blit(self.figure.bbox)
        forget_measures(canvas)

    def _on_draw(self, _event: object) -> None:
        """Finish a full draw, whoever asked for it: matplotlib has drawn layer 0 only."""
        canvas: Any = self.figure.canvas
        if canvas.is_saving() or not canvas.supports_blit:
            return  # everything is in the picture already
        if not self._hosted or self._hosted[0] is not canvas:
            return  # not yet ours
        self._copies[0] = canvas.copy_from_bbox(self.figure.bbox)
        self._draw_layers(1)

    def _draw_layers(self, lowest: int) -> None:
        canvas: Any = self.figure.canvas  # one that blits: its methods ship no types
        canvas.restore_region(self._copies[lowest - 1])
        for number in range(lowest, 4):
            for axes, artist in self._layers[number]:
                axes.draw_artist(artist)
            if number < 3:
                self._copies[number] = canvas.copy_from_bbox(self.figure.bbox)

    def _animate(self, animated: bool) -> None:
        for layer in self._layers[1:]:
            for _, artist in layer:
                artist.set_animated(animated)

    # Building: once

    def _build(self) -> None:
        self._header = self.figure.add_axes((0, 0.9, 1, 0.1))
        self._header.set_axis_off()
        self._upper = self.figure.add_axes((0.1, 0.4, 0.8, 0.4))
        self._lower = self.figure.add_axes((0.1, 0.1, 0.8, 0.2))
        for axes in (self._upper, self._lower):
            self._style(axes)
        self._build_others()
        self._panels = [self._upper, self._lower, *([] if self._others is None else [self._others])]
        self._build_stream()
        self._build_scores()
        self._build_x_axis()
        self._build_header()
        # A saved picture is drawn panel by panel and by zorder; layers are drawn in the same order.
        self._upper.set_zorder(1)
        for layer in self._layers:
            layer.sort(key=lambda drawn: (drawn[0] is self._upper, drawn[1].get_zorder()))
        self._arrange()

    def _style(self, axes: Axes) -> None:
        axes.set_facecolor(self._theme.page)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(self._theme.quiet)
        axes.spines["bottom"].set_linewidth(0.7)
        axes.spines["bottom"].set_zorder(0.55)  # above the axis (0.5), below all that moves
        axes.xaxis.set_visible(False)
        axes.yaxis.set_major_formatter(PlainNumbers())
        axes.yaxis.grid(True, color=self._theme.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0, pad=6, labelcolor=self._theme.quiet)

    def _layer(self, number: int, axes: Axes, artist: Artist, zorder: float) -> Any:
        artist.set_zorder(zorder)
        artist.set_animated(True)
        self._layers[number].append((axes, artist))
        return artist

    def _line(self, axes: Axes, zorder: float, layer: int = 3, **style: Any) -> Line2D:
        line = Line2D([], [], **style)
        axes.add_line(line)
        return cast(Line2D, self._layer(layer, axes, line, zorder))

    def _area(self, axes: Axes, zorder: float, **style: Any) -> PathPatch:
        patch = PathPatch(NOTHING, **style)
        axes.add_artist(patch)
        patch.set_clip_path(axes.patch)
        return cast(PathPatch, self._layer(3, axes, patch, zorder))

    def _text(self, axes: Axes, layer: int, zorder: float = 9, **style: Any) -> Text:
        # a name may hold dollar signs, which would make it a formula, or an error
        text = axes.text(0, 0, "", **{"color": self._theme.text, "parse_math": False, **style})
        return cast(Text, self._layer(layer, axes, text, zorder))

    def _build_stream(self) -> None:
        axes, theme = self._upper, self._theme
        self._shades = [
            self._area(a, 1, facecolor=theme.episode, edgecolor="none", transform=a.get_xaxis_transform())
            for a in self._panels
        ]
        self._band = self._area(axes, 2, facecolor=theme.band, edgecolor="none")
        self._expected = self._line(axes, 3, color=theme.expected, linewidth=0.9)
        self._value = self._line(axes, 4, color=theme.value, linewidth=1.3, solid_joinstyle="round")
        self._value_columns = self._area(axes, 4, facecolor=theme.value, edgecolor="none")
        self._dots = self._line(axes, 4, color=theme.value, linestyle="", marker="o", markersize=2.6)
        self._labels = self._area(
            axes, 5, facecolor=theme.label, edgecolor="none", transform=axes.get_xaxis_transform()
        )
        self._rings = self._line(
            axes, 6, color=theme.label, linestyle="", marker="o", markersize=9, fillstyle="none", markeredgewidth=1.3
        )
        mark: dict[str, Any] = {"color": theme.anomaly, "linestyle": "", "marker": "o", "markeredgecolor": theme.page}
        self._marks = self._line(axes, 7, markersize=6, markeredgewidth=0.7, **mark)
        self._score_marks = self._line(self._lower, 7, markersize=4.5, markeredgewidth=0.5, **mark)
        self._hairs = [
            self._line(a, 7.5, color=theme.quiet, linewidth=0.8, transform=a.get_xaxis_transform())
            for a in (axes, self._lower)
        ]
        self._chosen = self._line(axes, 8, color=theme.text, linestyle="", marker="o", markersize=9, fillstyle="none")
        box = {"boxstyle": "round,pad=0.6", "facecolor": theme.page, "edgecolor": theme.quiet, "linewidth": 0.8}
        self._note = self._text(axes, 3, bbox=box, linespacing=1.45, multialignment="left")
        self._waiting = self._text(axes, 3, transform=axes.transAxes, color=theme.quiet, ha="center", va="center")
        self._legend(axes, "stream", self._stream_keys(labelled=False))

    def _stream_keys(self, labelled: bool) -> list[Artist]:
        theme = self._theme
        mark = Line2D([], [], color=theme.anomaly, linestyle="", marker="o", markersize=5.5, label="anomalous")
        keys: list[Artist] = [
            Line2D([], [], color=theme.value, linewidth=1.8, label="value"),
            Line2D([], [], color=theme.expected, linewidth=1.2, label="expected"),
            Patch(facecolor=theme.band, label="usual band"),
            mark,
            Patch(facecolor=theme.episode, label="episode"),
        ]
        ring = Line2D([], [], color=theme.label, linestyle="", marker="o", markersize=6.5, fillstyle="none")
        ring.set_label("labelled")
        return [*keys, ring] if labelled else keys

    def _build_scores(self) -> None:
        axes, theme = self._lower, self._theme
        self._score = self._line(axes, 4, color=theme.value, linewidth=1.1, solid_joinstyle="round")
        self._score_columns = self._area(axes, 4, facecolor=theme.value, edgecolor="none")
        self._threshold = self._line(axes, 5, color=theme.threshold, linewidth=1.5)
        self._no_score = self._text(axes, 3, transform=axes.transAxes, color=theme.quiet, ha="center", va="center")
        self._legend(axes, "how unusual", self._score_keys())

    def _score_keys(self) -> list[Artist]:
        return [
            Line2D([], [], color=self._theme.value, linewidth=1.8, label="score"),
            Line2D([], [], color=self._theme.threshold, linewidth=1.8, label="threshold"),
        ]

    def _legend(self, axes: Axes, title: str, keys: Sequence[Artist]) -> None:
        axes.legend(
            handles=list(keys),
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=len(keys),
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.3,
            handletextpad=0.5,
            columnspacing=1.4,
            labelcolor=self._theme.quiet,
            fontsize=self._font * 0.92,
        )
        self._entitle(axes, title)

    def _entitle(self, axes: Axes, title: str) -> None:
        axes.set_title(title, loc="left", color=self._theme.text, fontweight="bold", fontsize=self._font, pad=7)

    def _build_others(self) -> None:
        """A strip with a row for each detector that judges along; none where there is none."""
        self._others: Axes | None = None
        self._other_marks: list[Line2D] = []
        self._other_names: list[Text] = []
        marks = self._history.marks
        if marks is None:
            return
        axes = self._others = self.figure.add_axes((0.1, 0.3, 0.8, 0.1))
        self._style(axes)
        axes.set_ylim(len(marks.names), 0)
        axes.set_yticks([])
        style: dict[str, Any] = {"linestyle": "", "marker": "|", "markeredgewidth": 1.6, "color": self._theme.anomaly}
        for row, _ in enumerate(marks.names):
            axes.axhline(row + MARK_LINE, color=self._theme.grid, linewidth=0.8, zorder=0.5)
            self._other_marks.append(self._line(axes, 7, **style))
            place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
            name = self._text(axes, 2, color=self._theme.quiet, **place)
            name.set_position((0, row + NAME_LINE))
            self._other_names.append(name)

    def _update_others(self) -> None:
        marks = self._history.marks
        if marks is None or self._others is None:
            return
        first, last = self.visible
        flags = marks.view(first, last)
        for row, line in enumerate(self._other_marks):
            column = np.unique((first + np.flatnonzero(flags[row])) // self._per_column)
            line.set_data(column * self._per_column + (self._per_column - 1) / 2, np.full(len(column), row + MARK_LINE))

    def _write_names_of_others(self) -> None:
        for text, (name, shared, episodes) in zip(self._other_names, self._numbers.agreement, strict=False):
            content = f"{name}: {shared:,} of {episodes:,} episodes too"
            if text.get_text() != content:
                text.set_text(content)
                self._dirty = min(self._dirty, 2)

    def _build_x_axis(self) -> None:
        style: dict[str, Any] = {"color": self._theme.grid, "linewidth": 0.8}
        self._grids = [self._line(a, 0.6, layer=1, transform=a.get_xaxis_transform(), **style) for a in self._panels]
        self._tick_labels = [
            self._text(self._lower, 1, ha="center", va="top", color=self._theme.quiet, visible=False) for _ in range(12)
        ]
        self._date = self._text(self._lower, 1, ha="right", va="top", color=self._theme.quiet)

    def _build_header(self) -> None:
        quiet: dict[str, Any] = {"color": self._theme.quiet}
        self._name = self._text(self._header, 2, fontweight="bold", va="center")
        self._state = self._text(self._header, 2, ha="right", va="center")
        self._counter_names = [self._header.text(0, 0, "", va="center", **quiet) for _ in range(8)]
        self._counter_values = [self._text(self._header, 2, va="center") for _ in range(8)]
        box = {"boxstyle": "round,pad=1.2", "facecolor": self._theme.page, "edgecolor": self._theme.quiet}
        self._keys = self._text(
            self._upper,
            3,
            zorder=10,
            transform=self.figure.transFigure,
            family="monospace",
            ha="center",
            va="center",
            linespacing=1.7,
            bbox=box,
            clip_on=False,
            multialignment="left",
        )
        self._keys.set_position((0.5, 0.5))

    # Arranging: at each change of size

    @property
    def _font(self) -> float:
        """Size of text, in points, by the width of the figure."""
        return 9.0 if self.figure.get_size_inches()[0] >= 9 else 7.5

    def _arrange(self) -> None:
        """Place the panels: margins are lengths, not shares, so that text fits at any size."""
        width, height = (float(n) for n in self.figure.get_size_inches())
        line = self._font / 72
        left, right = self._left_margin(line), 1.9 * line
        top, gap, bottom = 7.2 * line, 2.9 * line, 3.3 * line
        strip = ROW_OF_OTHERS * line * len(self._other_names)
        between = gap + (strip + gap if strip else 0.0)
        panels = max(height - top - between - bottom, 0.2)
        upper, lower = panels * 2.2 / 3.2, panels / 3.2
        across = max(width - left - right, 0.2) / width
        self._upper.set_position((left / width, (bottom + lower + between) / height, across, upper / height))
        if self._others is not None:
            self._others.set_position((left / width, (bottom + lower + gap) / height, across, strip / height))
        self._lower.set_position((left / width, bottom / height, across, lower / height))
        self._header.set_position((left / width, 1 - 4.7 * line / height, across, 4.7 * line / height))
        self._upper.yaxis.set_major_locator(MaxNLocator(max(3, min(7, int(upper / 0.5))), steps=[1, 2, 5, 10]))
        self._lower.yaxis.set_major_locator(MaxNLocator(max(2, min(4, int(lower / 0.4))), steps=[1, 2, 5, 10]))
        self._size_text()
        self._dirty = 0

    def _left_margin(self, line: float) -> float:
        """Room for the longest y label, in inches."""
        longest = 4
        for axes in (self._upper, self._lower):
            labels = axes.yaxis.get_major_formatter().format_ticks(
                [float(tick) for tick in axes.yaxis.get_majorticklocs()]
            )
            longest = max(longest, *(len(label) for label in labels)) if labels else longest
        return line * (1.9 + 0.64 * min(longest, 16))

    def _size_text(self) -> None:
        font = self._font
        self._name.set_fontsize(1.25 * font)
        texts = [*self._counter_names, *self._tick_labels, self._date]
        for text in texts:
            text.set_fontsize(0.92 * font)
        for text in (self._state, self._note, self._waiting, self._no_score, self._keys):
            text.set_fontsize(font)
        for text in self._other_names:
            text.set_fontsize(0.85 * font)
        if self._others is not None:
            self._entitle(self._others, "also judging")
            for marks in self._other_marks:
                marks.set_markersize(0.75 * font)
        for text in self._counter_values:
            text.set_fontsize(1.2 * font)
        for axes in (self._upper, self._lower):
            axes.tick_params(axis="y", labelsize=0.92 * font)
            axes.title.set_fontsize(font)
        self._legend(self._upper, "stream", self._stream_keys(self._labelled))
        self._legend(self._lower, "how unusual", self._score_keys())

    # Updating: at each frame

    def _update(self) -> None:
        self._follow()
        self._choose_view()
        self._rows = self._kept.view(self._view.left, self._view.right - 1)
        self._fields.clear()
        self._update_limits()
        self._update_x_axis()
        self._update_header()
        self._update_stream()
        self._update_scores()
        self._update_others()
        self._update_selection()
        self._keys.set_text(HELP if self._help else "")

    def _follow(self) -> None:
        """Take over what is new, unless the view stands still."""
        if self._frozen or self._kept is self._history:
            return
        end = self._kept.end if self._kept.written else 0
        new = self._history.view(end, self._history.end)
        if len(new) and self._kept.written and new["index"][0] != end:
            self._kept = History(self._history.capacity)
        if len(new):
            self._kept.write(new)

    def _choose_view(self) -> None:
        if self._frozen:
            self._view = self._frozen
            return
        if not self._span_chosen:
            wanted = min(self._numbers.points_per_second * SECONDS_IN_VIEW, self._history.capacity)
            while self._span < wanted:  # never narrower by itself
                self._span = min(2 * self._span, self._history.capacity)
        self._view = live_view(self._kept.first, self._kept.end, self._span)

    @property
    def _per_column(self) -> int:
        return max(1, ceil(self._view.width / max(1.0, self._upper.bbox.width)))

    def _field(self, name: str) -> Floats:
        """A field of the points in view, in a range that an axis can show."""
        if name not in self._fields:
            self._fields[name] = np.clip(self._rows[name], -LARGEST, LARGEST)
        return self._fields[name]

    def _update_limits(self) -> None:
        self._set_limits(self._upper, *value_range(*(self._field(name) for name in ("value", "lower", "upper"))))
        self._set_limits(self._lower, *extremes(self._field("score"), self._field("threshold")))
        labelled = self._labelled or bool((self._rows["label"] >= NORMAL).any())
        if labelled != self._labelled:
            self._labelled = labelled
            self._arrange()

    def _set_limits(self, axes: Axes, low: float, high: float) -> None:
        current = axes.get_ylim() if axes in self._scaled else (float("nan"), float("nan"))
        new = next_limits(current, low, high)
        if not isfinite(new[0]):
            return
        self._scaled.add(axes)
        if new != current:
            axes.set_ylim(*new)
            self._arrange()

    def _update_x_axis(self) -> None:
        left, right = self._view.left - 0.5, self._view.right - 0.5
        positions, labels, date = self._find_ticks()
        state = (self._view, tuple(labels), date)
        moved = max((abs(a - b) for a, b in zip(positions, self._ticks[1], strict=False)), default=0.0)
        if state == self._ticks[0] and moved * self._upper.bbox.width < 2 * self._view.width and self._dirty:
            return
        self._ticks = (state, tuple(positions))
        self._dirty = min(self._dirty, 1)
        for axes, grid in zip(self._panels, self._grids, strict=True):
            axes.set_xlim(left, right)
            grid.set_data(np.repeat(positions, 3), np.tile([0.0, 1.0, np.nan], len(positions)))
        self._write_ticks(positions, labels, date)

    def _write_ticks(self, positions: Sequence[float], labels: Sequence[str], date: str) -> None:
        below = -0.7 * self._font / 72 * self.figure.dpi / max(1.0, self._lower.bbox.height)
        for text in self._tick_labels:
            text.set_visible(False)
        for text, position, label in zip(self._tick_labels, positions, labels, strict=False):
            text.set(x=position, y=below, text=label, visible=True, transform=self._lower.get_xaxis_transform())
        self._date.set(x=1, y=below * 2.9, text=date, transform=self._lower.transAxes)

    def _find_ticks(self) -> tuple[list[float], list[str], str]:
        """Positions and labels of the x axis: times where all points have one that a calendar can write."""
        font = self._font * self.figure.dpi / 72
        most = max(2, min(10, int(self._upper.bbox.width / (10 * font))))
        times = np.ascontiguousarray(self._rows["time"])
        if len(times) > 1 and times.min() > EARLIEST and times.max() < LATEST and times[-1] - times[0] >= 1e-3:
            places, labels, date = self._time_ticks.place(times, int(self._rows["index"][0]), most)
            date = f"{date} UTC".strip()
        else:
            locator = MaxNLocator(most, steps=[1, 2, 5, 10], integer=True)
            places = np.asarray(locator.tick_values(self._view.left, self._view.right - 1))
            labels, date = [f"{place:,.0f}" for place in places], ""
        inside = [(p, t) for p, t in zip(places, labels, strict=True) if self._view.left <= p <= self._view.right - 1]
        spaced = thin_out(inside, 5 * font * self._view.width / max(1.0, self._upper.bbox.width))
        spaced = spaced[: len(self._tick_labels)]
        return [float(p) for p, _ in spaced], [t for _, t in spaced], date

    def _update_header(self) -> None:
        now = self._clock()
        if self._dirty > 2 and now < self._header_due and self._drawn[4:] == (self.paused,):
            return
        self._header_due = now + HEADER_SECONDS
        self._numbers = self._status()
        found = counters(self._numbers)
        texts = [self._title(self._numbers), self._state_text(self._numbers), *(value for _, value in found)]
        names = [name for name, _ in found]
        if names != self._written_names or self._dirty == 0:
            self._written_names, self._dirty = names, 0
            self._place_header(names)
        for text, content in zip([self._name, self._state, *self._counter_values], texts, strict=False):
            if text.get_text() != content:
                text.set_text(content)
                self._dirty = min(self._dirty, 2)
        self._write_names_of_others()
        self._state.set_color(self._theme.quiet if texts[1].startswith("live") else self._theme.threshold)

    def _title(self, status: Status) -> str:
        """Source and detector, cut in front where there is no room: a path's end says most."""
        name = f"{status.source}  \N{MIDDLE DOT}  {status.detector}"
        room = max(10, int(self._header_ems / 0.78) - 26)
        return name if len(name) <= room else f"\N{HORIZONTAL ELLIPSIS}{name[1 - room :]}"

    def _state_text(self, status: Status) -> str:
        if self._frozen:
            return f"paused, {self._history.end - self._kept.end:,} new points"
        if status.warm_up < 1:
            return f"warming up: {floor(100 * status.warm_up)} %"
        return "live   h: keys"

    @property
    def _header_ems(self) -> float:
        """Width of the header in sizes of its text."""
        return float(self._header.bbox.width) / self.figure.dpi * 72 / self._font

    def _place_header(self, names: list[str]) -> None:
        self._name.set(x=0, y=0.74)
        self._state.set(x=1, y=0.74)
        step = min(1.0, 8 * 9.5 / self._header_ems) / 8
        for k, (name, value) in enumerate(zip(self._counter_names, self._counter_values, strict=True)):
            name.set(x=k * step, y=0.36, text=names[k] if k < len(names) else "")
            value.set(x=k * step, y=0.08)

    def _update_stream(self) -> None:
        rows, values = self._rows, self._field("value")
        self._draw_series(self._value, self._value_columns, values)
        x = rows["index"].astype(np.float64)
        isolated = ~(np.isfinite(np.r_[np.nan, values[:-1]]) | np.isfinite(np.r_[values[1:], np.nan]))
        sparse = self._view.width * 7 < self._upper.bbox.width / self.figure.dpi * 100
        shown = slice(None) if sparse else isolated
        self._dots.set_data(x[shown], values[shown])
        self._draw_expected(x)
        self._draw_shades(x)
        self._draw_labels(x, values)
        self._draw_marks(x, values)

    def _draw_series(self, line: Line2D, area: PathPatch, values: Floats) -> None:
        """Draw each point as long as each has a pixel column, else each column from its least to its greatest."""
        first = int(self._rows["index"][0]) if len(self._rows) else 0
        if self._per_column == 1:
            line.set_data(first + np.arange(len(values)), values)
            area.set_path(NOTHING)
        else:
            line.set_data([], [])
            column = columns(values, first, self._per_column)
            thin = 0.6 * self._pixel_height(area.axes)  # a level stretch must not vanish
            area.set_path(ribbon(*steps(column, self._per_column / 2, thin)))

    def _pixel_height(self, axes: Any) -> float:
        """Height of 1/100 inch of a panel, in the unit of its y axis."""
        bottom, top = axes.get_ylim()
        return float((top - bottom) * self.figure.dpi / 100 / max(1.0, axes.bbox.height))

    def _draw_expected(self, x: Floats) -> None:
        lower, upper, expected = (self._field(name) for name in ("lower", "upper", "expected"))
        if self._per_column > 1 and len(x):
            first = int(self._rows["index"][0])
            coarse = 3 * self._per_column  # context, which need not have the detail of the stream
            x, lower, _ = columns(lower, first, coarse)
            upper = columns(upper, first, coarse).high
            low, high = columns(expected, first, coarse)[1:]
            expected = low / 2 + high / 2
        self._band.set_path(ribbon(x, lower, upper))
        self._expected.set_data(x, expected)

    def _widen(self, left: Floats, right: Floats, pixels: float) -> tuple[Floats, Floats]:
        """Edges of boxes around points, at least so many pixels (of 1/100 inch) apart."""
        least = pixels * self.figure.dpi / 100 * self._view.width / max(1.0, self._upper.bbox.width)
        pad = np.maximum(least - (right - left), 1.0) / 2
        return merge(left - pad, right + pad)

    def _draw_shades(self, x: Floats) -> None:
        starts, ends = runs(self._rows["episode"])
        few = len(starts) < MANY  # shades from top to bottom would cover the panel, and take long to fill
        path = boxes(*self._widen(x[starts], x[ends], 4 if few else 2), bottom=0.0 if few else 0.97)
        for shade in self._shades:
            shade.set_path(path)

    def _draw_labels(self, x: Floats, values: Floats) -> None:
        """Underline labelled stretches; where they are few, ring those of at most 2 points too."""
        starts, ends = runs((self._rows["label"] > NORMAL) * (self._changes(self._rows["label"]) + 1))
        thick = 4 * self.figure.dpi / 100 / max(1.0, self._upper.bbox.height)
        path = boxes(*self._widen(x[starts], x[ends], 3), top=thick)
        self._labels.set_path(path)
        short = starts[ends - starts < 2] if len(starts) < MANY else starts[:0]
        self._rings.set_data(x[short], values[short])

    @staticmethod
    def _changes(numbers: NDArray[Any]) -> NDArray[np.intp]:
        return np.cumsum(np.r_[0, np.diff(numbers) != 0])[: len(numbers)]

    def _draw_marks(self, x: Floats, values: Floats) -> None:
        flagged = self._rows["is_anomaly"]
        # A missing reading has no value: its mark stands where the value was expected, else on the axis.
        bottom = self._upper.get_ylim()[0]
        expected = self._field("expected")
        places = np.where(np.isfinite(values), values, np.where(np.isfinite(expected), expected, bottom))
        self._marks.set_data(*self._marked(x, places, flagged))
        self._score_marks.set_data(*self._marked(x, self._field("score"), flagged))

    def _marked(self, x: Floats, values: Floats, flagged: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        if np.count_nonzero(flagged) <= MOST_MARKS:
            return x[flagged], values[flagged]
        column = columns(np.where(flagged, values, np.nan), int(self._rows["index"][0]), self._per_column)
        return np.r_[column.x, column.x], np.r_[column.low, column.high]

    def _update_scores(self) -> None:
        score, threshold = self._field("score"), self._field("threshold")
        self._draw_series(self._score, self._score_columns, score)
        x = self._rows["index"].astype(np.float64)
        if self._per_column > 1 and len(x):
            x, _, threshold = columns(threshold, int(self._rows["index"][0]), self._per_column)
        self._threshold.set_data(x, threshold)
        unknown = len(score) > 0 and not np.isfinite(score).any()
        self._no_score.set(x=0.5, y=0.5, text="no score yet: the memory is warming up" if unknown else "")
        self._waiting.set(x=0.5, y=0.5, text="" if len(score) else "waiting for the first point")

    def _update_selection(self) -> None:
        rows = self._rows
        offset = -1 if self._selected is None or not len(rows) else self._selected - int(rows["index"][0])
        if not 0 <= offset < len(rows):
            self._note.set_text("")
            for line in (*self._hairs, self._chosen):
                line.set_data([], [])
            return
        x, value = float(rows["index"][offset]), float(self._field("value")[offset])
        for hair in self._hairs:
            hair.set_data([x, x], [0, 1])
        self._chosen.set_data([x], [value])
        self._place_note(x, value, describe(verdict_from_row(rows[offset].item())))

    def _place_note(self, x: float, value: float, text: str) -> None:
        """Put the note on the side of the point that has more room, inside the panel."""
        bottom, top = self._upper.get_ylim()
        share = (x - self._view.left) / self._view.width
        left_of = share > 0.5
        low = isfinite(value) and value - bottom > 0.5 * (top - bottom)
        gap = 16 * self.figure.dpi / 100 / max(1.0, self._upper.bbox.width)
        self._note.set(
            text=text,
            x=share + (-gap if left_of else gap),
            y=0.07 if low else 0.93,
            ha="right" if left_of else "left",
            va="bottom" if low else "top",
            transform=self._upper.transAxes,
        )


def live_view(first: int, end: int, span: int) -> View:
    """The view that follows the stream: it grows with it from 64 points on, then moves in steps."""
    width = 64
    while width < min(end - first, span):
        width *= 2
    width = min(width, span)
    if not first and end <= width:
        return View(0, width)
    step = max(1, width // STEPS)
    right = max(ceil(end / step) * step, width if not first else 0)
    return View(right - width, right)


def forget_measures(canvas: Any) -> None:
    """Let matplotlib forget how large the texts were that a canvas has drawn, once it knows more than MOST_MEASURES.

    It would keep the newest 4,096 of them, 4 MB, and most are of counters and times that never come again.
    """
    measures = getattr(matplotlib_text, "_get_text_metrics_function", None)  # it has no public name
    if measures is not None and hasattr(canvas, "get_renderer"):
        known = measures(canvas.get_renderer())
        if known.cache_info().currsize > MOST_MEASURES:
            known.cache_clear()
