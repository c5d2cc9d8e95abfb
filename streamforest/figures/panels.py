"""The panels of one stream's figure: the stream, its scores, and the marks of detectors that judge along."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from streamforest.figures.axes import NumberFormatter, next_limits
from streamforest.figures.edge_marks import EdgeMarks
from streamforest.figures.layers import STREAM, Layers
from streamforest.figures.navigation import View
from streamforest.figures.shapes import NOTHING, boxes, merge, ribbon, runs, steps
from streamforest.figures.stamp import Stamp
from streamforest.figures.text_parts import waiting_text
from streamforest.figures.themes import Theme
from streamforest.protocols import NORMAL, Verdict, Verdicts, verdict_from_row
from streamforest.verdicts.history import Floats, Marks, columns
from streamforest.verdicts.honesty import marked_by_band
from streamforest.wording import number_text, reason_text

MANY = 60  # episodes or labelled stretches in view: more are drawn with less ink
MOST_MARKS = 2_000  # anomalies marked one by one; more are marked by each column's lowest and highest
BAND = ("lower", "upper", "expected")
AHEAD_ALPHA = 0.5  # of the band of what is to come
LARGEST = 1e300  # values beyond are drawn there: the range of an axis must stay finite
REACH = 6  # 1/100 inch around the mouse in which an anomalous point is preferred
#: Widths in sizes of the text: a letter of a legend's key, what else a key takes, and a letter of a panel's title.
KEY_LETTER, KEY_SPACE, TITLE_LETTER = 0.55, 3.0, 0.7
#: Width of a letter of a reason and height of its line in sizes of its text, and its greatest share of the view.
REASON_LETTER, REASON_LINE, WIDEST_REASON = 0.6, 1.8, 0.45
#: Distances in 1/100 inch: of a reason from its mark, of what is drawn from a reason, and of a reason from the edges,
#: where marks and their numbers stand.
REASON_GAP, REASON_MARGIN, REASON_EDGE = 14.0, 4.0, 16.0
#: Where a reason may stand: lines above its mark.
REASON_LINES = (0, 1, -1)
FADED = 0.35  # of a key whose part is hidden
KEY_MARGIN = 0.04  # inches around a key that a click may miss it by
HALO = 1.4  # points that the halo of a mark is wider
BY_BAND_KEY = "marked by its band"  # a point whose score does not say so
NAME_LINE, MARK_LINE = 0.3, 0.74  # where in a row of a detector that judges along its name and its marks stand


class InView:
    """The points in view.

    Parameters
    ----------
    rows : structured array
        Verdicts, in order and without gaps.
    view : View
        The stretch in view, which may reach beyond them.
    axes : Axes
        A panel that they are drawn in: all are equally wide.
    ahead : structured array
        What is expected of the next points.
    floor : float
        Nothing that is expected is drawn below it.

    Attributes
    ----------
    first : int
        Stream index of the first point, 0 where there is none.
    x : float64 array
        Stream indices.
    """

    def __init__(
        self, rows: Verdicts, view: View, axes: Axes, ahead: Verdicts | None = None, floor: float = -LARGEST
    ) -> None:
        self.rows, self.view, self._axes = rows, view, axes
        self.ahead = rows[:0] if ahead is None else ahead
        self._floor = max(floor, -LARGEST)
        self.first = int(rows["index"][0]) if len(rows) else 0
        self.x: Floats = rows["index"].astype(np.float64)
        self._fields: dict[str, Floats] = {}  # as they are asked for

    @property
    def visible(self) -> tuple[int, int]:
        """Stream indices of the first and last point; (0, -1) where there is none."""
        return (self.first, int(self.rows["index"][-1])) if len(self.rows) else (0, -1)

    @property
    def pixels(self) -> float:
        """Width of the view, at least 1."""
        return max(1.0, float(self._axes.bbox.width))

    @property
    def hundredths(self) -> float:
        """Width of the view in 1/100 inch."""
        return float(self._axes.bbox.width) / dpi_of(self._axes) * 100

    @property
    def per_column(self) -> int:
        """Points that share a column of pixels."""
        return max(1, ceil(self.view.width / self.pixels))

    def field(self, name: str) -> Floats:
        """A field of the points, in a range that an axis can show."""
        if name not in self._fields:
            self._fields[name] = self._shown(self.rows, name)
        return self._fields[name]

    def _shown(self, rows: Verdicts, name: str) -> Floats:
        return np.asarray(np.clip(rows[name], self._floor if name in BAND else -LARGEST, LARGEST))

    def field_ahead(self, name: str) -> Floats:
        """The same of the points to come; where these follow the newest in view, it comes first."""
        joined = len(self.rows) and len(self.ahead) and self.rows["index"][-1] + 1 == self.ahead["index"][0]
        return self._shown(np.concatenate((self.rows[-1:], self.ahead)) if joined else self.ahead, name)

    def nearest(self, x: float) -> int | None:
        """Offset of the point nearest to a stream index, an anomalous one preferred; None where there is none."""
        if not len(self.rows) or not isfinite(x):
            return None
        distance = np.abs(self.rows["index"] - x)
        near = np.flatnonzero(self.rows["is_anomaly"] & (distance <= REACH / self.hundredths * self.view.width))
        return int(near[np.argmin(distance[near])]) if len(near) else int(np.argmin(distance))

    def verdict(self, offset: int) -> Verdict:
        """A point, by its offset."""
        return verdict_from_row(self.rows[offset].item())

    def shades(self) -> Path:
        """The episodes as boxes; where they are few, from the bottom of a panel to its top."""
        starts, ends = runs(self.rows["episode"])
        few = len(starts) < MANY  # shades from top to bottom would cover the panel, and take long to fill
        return boxes(*self.widened(self.x[starts], self.x[ends], 4 if few else 2), bottom=0.0 if few else 0.97)

    def widened(self, left: Floats, right: Floats, pixels: float) -> tuple[Floats, Floats]:
        """Edges of boxes around points, at least so many pixels (of 1/100 inch) apart."""
        least = pixels * dpi_of(self._axes) / 100 * self.view.width / self.pixels
        pad = np.maximum(least - (right - left), 1.0) / 2
        return merge(left - pad, right + pad)


class Panel:
    """One of the panels, which share the x axis: how it looks, and the shades of the episodes.

    Parameters
    ----------
    axes : Axes
        Where it is drawn.
    layers : Layers
        Draws it.
    theme : Theme
        Colours.
    """

    def __init__(self, axes: Axes, layers: Layers, theme: Theme) -> None:
        self.axes, self._layers, self._theme = axes, layers, theme
        axes.set_facecolor(theme.page)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(theme.quiet)
        axes.spines["bottom"].set_linewidth(0.7)
        axes.spines["bottom"].set_zorder(0.55)  # above the axis (0.5), below all that moves
        axes.xaxis.set_visible(False)
        axes.yaxis.set_major_formatter(NumberFormatter())
        axes.yaxis.grid(True, color=theme.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0, pad=6, labelcolor=theme.quiet)
        self.shade = layers.area(
            axes, 1, facecolor=theme.episode, edgecolor="none", transform=axes.get_xaxis_transform()
        )
        self._scaled = False  # whether the y axis has seen a number
        self.parts: dict[str, Sequence[Artist]] = {"episode": (self.shade,)}  # what each key of the legend stands for
        self.hidden: set[str] = set()  # keys of what is not shown

    @property
    def longest_label(self) -> int:
        """Letters of the longest label of the y axis."""
        ticks = [float(tick) for tick in self.axes.yaxis.get_majorticklocs()]
        return max(map(len, self.axes.yaxis.get_major_formatter().format_ticks(ticks)), default=0)

    def set_limits(self, low: float, high: float) -> bool:
        """Have the y axis show a range; whether it changed."""
        current = self.axes.get_ylim() if self._scaled else (float("nan"), float("nan"))
        new = next_limits(current, low, high)
        if not isfinite(new[0]):
            return False
        self._scaled = True
        if new == current:
            return False
        self.axes.set_ylim(*new)
        return True

    def entitle(self, title: str, size: float) -> None:
        """Write what the panel shows."""
        self.axes.set_title(title, loc="left", color=self._theme.text, fontweight="bold", fontsize=size, pad=7)

    def _legend(self, title: str, keys: Sequence[Artist], size: float) -> None:
        """Write the keys, the last left out if there is no space for all, and the title if there is some left."""
        space = float(self.axes.bbox.width) / dpi_of(self.axes) * 72 / size
        widths = np.cumsum([KEY_LETTER * len(str(key.get_label())) + KEY_SPACE for key in keys])
        fitting = max(1, int(np.count_nonzero(widths <= space)))
        self.axes.legend(
            handles=list(keys[:fitting]),
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=fitting,
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.3,
            handletextpad=0.5,
            columnspacing=1.4,
            labelcolor=self._theme.quiet,
            fontsize=size * 0.92,
        )
        for handle, text in self._keys_shown():
            for artist in (handle, text):
                artist.set_alpha(FADED if text.get_text() in self.hidden else None)
        has_title = float(widths[-1]) + TITLE_LETTER * len(title) <= space
        self.entitle(title if has_title else "", size)  # the keys say it too

    def _keys_shown(self) -> list[tuple[Artist, Text]]:
        legend = self.axes.get_legend()
        if legend is None:
            return []
        keys = zip(legend.legend_handles, legend.get_texts(), strict=True)
        return [(handle, text) for handle, text in keys if handle is not None]

    def key_at(self, x: float, y: float) -> str | None:
        """The key of the legend at a place, in pixels; None where there is none that can be hidden."""
        for handle, text in self._keys_shown():
            box = Bbox.union([handle.get_window_extent(), text.get_window_extent()])
            if text.get_text() in self.parts and box.padded(KEY_MARGIN * dpi_of(self.axes)).contains(x, y):
                return text.get_text()
        return None

    def hide(self, hidden: set[str]) -> None:
        """Show all that the keys of the legend stand for but for some."""
        self.hidden = hidden
        for key, artists in self.parts.items():
            for artist in artists:
                artist.set_visible(key not in hidden)

    def _centred_text(self) -> Text:
        return self._layers.text(
            self.axes, STREAM, transform=self.axes.transAxes, color=self._theme.quiet, ha="center", va="center"
        )

    def _draw_series(self, line: Line2D, area: PathPatch, points: InView, name: str) -> None:
        """Draw each point as long as each has a pixel column, else each column from its least to its greatest."""
        values = points.field(name)
        if points.per_column == 1:
            line.set_data(points.first + np.arange(len(values)), values)
            area.set_path(NOTHING)
        else:
            line.set_data([], [])
            column = columns(values, points.first, points.per_column)
            area.set_path(ribbon(*steps(column, points.per_column / 2, self.thinnest)))

    @property
    def thinnest(self) -> float:
        """Half the height of what is drawn of a level stretch, in the unit of the y axis: it must not vanish."""
        bottom, top = self.axes.get_ylim()
        return 0.6 * float((top - bottom) * dpi_of(self.axes) / 100 / max(1.0, self.axes.bbox.height))

    @staticmethod
    def _marked(points: InView, values: Floats) -> tuple[Floats, Floats]:
        """Where the marks of the anomalous points stand."""
        flagged = points.rows["is_anomaly"] & ~np.isnan(values)
        if np.count_nonzero(flagged) <= MOST_MARKS:
            return points.x[flagged], values[flagged]
        column = columns(np.where(flagged, values, np.nan), points.first, points.per_column)
        return np.r_[column.x, column.x], np.r_[column.low, column.high]


class StreamPanel(Panel):
    """The stream: its values, what was expected, what is anomalous, and what is labelled."""

    def __init__(self, axes: Axes, layers: Layers, theme: Theme) -> None:
        super().__init__(axes, layers, theme)
        self.band = layers.area(axes, 2, facecolor=theme.band, edgecolor="none")
        self.expected = layers.line(axes, 3, color=theme.expected, linewidth=0.9)
        self.ahead_band = layers.area(axes, 2, facecolor=theme.band, edgecolor="none", alpha=AHEAD_ALPHA)
        self.ahead = layers.line(axes, 3, color=theme.expected, linewidth=1.1, linestyle=(0, (4, 3)))
        self.value = layers.line(axes, 4, color=theme.value, linewidth=1.3, solid_joinstyle="round")
        self.value_columns = layers.area(axes, 4, facecolor=theme.value, edgecolor="none")
        self.dots = layers.line(axes, 4, color=theme.value, linestyle="", marker="o", markersize=2.6)
        self.labels = layers.area(
            axes, 5, facecolor=theme.label, edgecolor="none", transform=axes.get_xaxis_transform()
        )
        self.rings = layers.line(
            axes, 6, color=theme.label, linestyle="", marker="o", markersize=9, fillstyle="none", markeredgewidth=1.3
        )
        self.halos, self.marks = _marks(layers, axes, theme, size=6)
        self.outside = EdgeMarks(axes, layers, theme)
        self.waiting = self._centred_text()
        self.newest = layers.text(axes, STREAM, va="center", fontweight="bold", transform=axes.get_yaxis_transform())
        self.reason = Stamp(axes, theme)
        layers.artist(axes, 4, self.reason)
        self.parts |= {
            "value": (self.value, self.value_columns, self.dots, self.newest),
            "anomalous": (self.halos, self.marks, self.reason),
            "usual band": (self.band, self.ahead_band),
            "expected": (self.expected, self.ahead),
            "labelled": (self.labels, self.rings),
        }

    def resize(self, size: float, labelled: bool) -> None:
        """Give the texts their sizes, in proportion to one in points; ``labelled``: whether there are labels."""
        self.waiting.set_fontsize(size)
        self.outside.resize(size)
        self.newest.set_fontsize(0.92 * size)
        self.reason.size = 0.92 * size
        self.axes.tick_params(axis="y", labelsize=0.92 * size)
        self.axes.title.set_fontsize(size)
        self._legend("stream", self._keys(labelled), size)

    def _keys(self, labelled: bool) -> list[Artist]:
        theme = self._theme
        mark = Line2D([], [], color=theme.anomaly, linestyle="", marker="o", markersize=5.5, label="anomalous")
        keys: list[Artist] = [
            Line2D([], [], color=theme.value, linewidth=1.8, label="value"),
            mark,
            Patch(facecolor=theme.band, label="usual band"),
            Line2D([], [], color=theme.expected, linewidth=1.2, label="expected"),
            Patch(facecolor=theme.episode, label="episode"),
        ]
        ring = Line2D([], [], color=theme.label, linestyle="", marker="o", markersize=6.5, fillstyle="none")
        ring.set_label("labelled")
        return [*keys, ring] if labelled else keys

    def draw(self, points: InView) -> None:
        """Draw the points in view."""
        values, x = points.field("value"), points.x
        self._draw_series(self.value, self.value_columns, points, "value")
        isolated = ~(np.isfinite(np.r_[np.nan, values[:-1]]) | np.isfinite(np.r_[values[1:], np.nan]))
        sparse = points.view.width * 7 < points.hundredths
        shown = slice(None) if sparse else isolated
        self.dots.set_data(x[shown], values[shown])
        self._draw_expected(points)
        self._draw_ahead(points)
        self._draw_labels(points)
        # A missing reading has no value: its mark stands where the value was expected, else on the axis.
        bottom, top = self.axes.get_ylim()
        expected = points.field("expected")
        places = np.where(np.isfinite(values), values, np.where(np.isfinite(expected), expected, bottom))
        is_inside = (places >= bottom) & (places <= top)
        marked = self._marked(points, np.where(is_inside, places, np.nan))
        self.halos.set_data(*marked)
        self.marks.set_data(*marked)
        self.outside.draw(x, places, points.rows["is_anomaly"], points.view.width)
        self.waiting.set(x=0.5, y=0.5, text="" if len(values) else waiting_text())

    @property
    def letters_of_newest(self) -> int:
        """Letters that the number of the newest value has at most, as long as it is within the y axis."""
        bottom, top = self.axes.get_ylim()
        return max(len(number_text(edge, top / 2 - bottom / 2, keeps_zeros=True)) for edge in (bottom, top)) + 1

    def write_newest(self, points: InView, is_newest_in_view: bool) -> None:
        """Write the number of the newest value beside the panel, as high as it stands."""
        value = float(points.field("value")[-1]) if is_newest_in_view else float("nan")
        if not isfinite(value):
            self.newest.set_text("")
            return
        bottom, top = self.axes.get_ylim()
        gap = 0.6 * float(self.newest.get_fontsize()) / 72 * dpi_of(self.axes) / max(1.0, float(self.axes.bbox.width))
        colour = self._theme.anomaly if points.rows["is_anomaly"][-1] else self._theme.value
        text = number_text(value, top / 2 - bottom / 2, keeps_zeros=True)
        self.newest.set(text=text, x=1 + gap, y=min(max(value, bottom), top), color=colour)

    def write_reason(self, points: InView, alarm: Verdict | None) -> None:
        """Write beside an alarm in view why it is one, if that covers nothing there; None is no alarm."""
        at = None if alarm is None else alarm.index - points.first
        text = "" if alarm is None else reason_text(alarm)
        found = self._free_place(points, at, len(text)) if at is not None and text else None
        self.reason.text = "" if found is None else text
        if found is not None:
            self.reason.place, self.reason.is_left = found

    def _free_place(self, points: InView, at: int, letters: int) -> tuple[tuple[float, float], bool] | None:
        """Where so many letters beside a point cover no value, and whether to the left of it; None where they do."""
        bottom, top = self.axes.get_ylim()
        across = points.view.width / points.hundredths  # of 1/100 inch, in points and in the unit of the values
        up = (top - bottom) * dpi_of(self.axes) / 100 / max(1.0, float(self.axes.bbox.height))
        em = self.reason.size / 72 * 100
        wide, line, gap = REASON_LETTER * letters * em * across, REASON_LINE * em * up, REASON_GAP * across
        near = slice(max(0, at - int(wide + 2 * gap) - 2), at + int(wide + 2 * gap) + 3)
        values, expected = points.field("value")[near], points.field("expected")[near]
        places = np.clip(np.where(np.isfinite(values), values, expected), bottom, top)
        x, y = float(points.x[at]), float(places[at - near.start])
        half, edge = line / 2 + REASON_MARGIN * up, line / 2 + REASON_EDGE * up
        if not isfinite(y) or wide > WIDEST_REASON * points.view.width:
            return None
        margin, is_far = REASON_MARGIN * across, x - points.view.left > points.view.width / 2
        for is_left in (is_far, not is_far):
            left = x - gap - wide if is_left else x + gap
            low, high = _reach(points.x[near], places, left - margin, left + wide + margin)
            is_inside = points.view.left <= left and left + wide <= points.view.right
            for middle in (y + lines * line for lines in REASON_LINES):
                is_within = is_inside and bottom + edge <= middle <= top - edge
                if is_within and not ((low <= middle + half) & (high >= middle - half)).any():
                    return (x - gap if is_left else x + gap, middle), is_left
        return None

    def _draw_expected(self, points: InView) -> None:
        x, (lower, upper, expected) = points.x, (points.field(name) for name in ("lower", "upper", "expected"))
        if points.per_column > 1 and len(x):
            coarse = 3 * points.per_column  # context, which need not have the detail of the stream
            x, lower, _ = columns(lower, points.first, coarse)
            upper = columns(upper, points.first, coarse).high
            low, high = columns(expected, points.first, coarse)[1:]
            expected = low / 2 + high / 2
        self.band.set_path(ribbon(x, lower, upper))
        self.expected.set_data(x, expected)

    def _draw_ahead(self, points: InView) -> None:
        """Draw what is expected of the next points, or nothing."""
        x, lower, upper, expected = map(points.field_ahead, ("index", *BAND))
        self.ahead_band.set_path(ribbon(x, lower, upper))
        self.ahead.set_data(x, expected)

    def _draw_labels(self, points: InView) -> None:
        """Underline labelled stretches; where they are few, ring the points of those that have at most 2."""
        x, values, labels = points.x, points.field("value"), points.rows["label"]
        starts, ends = runs((labels > NORMAL) * (_changes(labels) + 1))
        thick = 4 * dpi_of(self.axes) / 100 / max(1.0, self.axes.bbox.height)
        self.labels.set_path(boxes(*points.widened(x[starts], x[ends], 3), top=thick))
        is_short = (ends - starts < 2) & (len(starts) < MANY)
        ringed = np.union1d(starts[is_short], ends[is_short])
        self.rings.set_data(x[ringed], values[ringed])


class ScorePanel(Panel):
    """The scores, and the threshold that they are held against."""

    def __init__(self, axes: Axes, layers: Layers, theme: Theme) -> None:
        super().__init__(axes, layers, theme)
        self.halos, self.marks = _marks(layers, axes, theme, size=4.5)
        self.by_band = layers.line(axes, 8, **_hollow(theme, 4.0))
        self.score = layers.line(axes, 4, color=theme.value, linewidth=1.1, solid_joinstyle="round")
        self.score_columns = layers.area(axes, 4, facecolor=theme.value, edgecolor="none")
        self.threshold = layers.line(axes, 5, color=theme.threshold, linewidth=1.5)
        self.no_score = self._centred_text()
        self.parts |= {
            "score": (self.score, self.score_columns),
            "threshold": (self.threshold,),
            "anomalous": (self.halos, self.marks),
            BY_BAND_KEY: (self.by_band,),
        }

    def resize(self, size: float) -> None:
        """Give the texts their sizes, in proportion to one in points."""
        self.no_score.set_fontsize(size)
        self.axes.tick_params(axis="y", labelsize=0.92 * size)
        self.axes.title.set_fontsize(size)
        keys = [
            Line2D([], [], color=self._theme.value, linewidth=1.8, label="score"),
            Line2D([], [], color=self._theme.threshold, linewidth=1.8, label="threshold"),
            Line2D([], [], label=BY_BAND_KEY, **_hollow(self._theme, 4.5)),
        ]
        self._legend("how unusual", keys, size)

    def draw(self, points: InView) -> None:
        """Draw the points in view."""
        score, x = points.field("score"), points.x
        by_band = marked_by_band(points.rows)
        threshold = np.where(by_band, np.nan, points.field("threshold"))  # theirs says nothing of the score's
        self._draw_series(self.score, self.score_columns, points, "score")
        if points.per_column > 1 and len(x):
            x, _, threshold = columns(threshold, points.first, points.per_column)
        is_drawn = np.isfinite(threshold)
        self.threshold.set_data(x[is_drawn], threshold[is_drawn])
        for marks, marked in ((self.marks, ~by_band), (self.halos, ~by_band), (self.by_band, by_band)):
            marks.set_data(*self._marked(points, np.where(marked, score, np.nan)))
        unknown = len(score) > 0 and not np.isfinite(score).any()
        self.no_score.set(x=0.5, y=0.5, text="no score yet: the memory is warming up" if unknown else "")


class OthersPanel(Panel):
    """A strip with a row for each detector that judges along.

    Parameters
    ----------
    marks : Marks
        Which points they flagged.
    """

    def __init__(self, axes: Axes, layers: Layers, theme: Theme, marks: Marks) -> None:
        super().__init__(axes, layers, theme)
        self._history = marks
        axes.set_ylim(len(marks.names), 0)
        axes.set_yticks([])
        style: dict[str, Any] = {"linestyle": "", "marker": "|", "markeredgewidth": 1.6, "color": theme.anomaly}
        self.marks: list[Line2D] = []
        self.names: list[Text] = []
        for row, _ in enumerate(marks.names):
            axes.axhline(row + MARK_LINE, color=theme.grid, linewidth=0.8, zorder=0.5)
            self.marks.append(layers.line(axes, 7, **style))
            place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
            name = layers.text(axes, STREAM, color=theme.quiet, **place)  # above the shades
            name.set_position((0, row + NAME_LINE))
            self.names.append(name)

    def resize(self, size: float) -> None:
        """Give texts and marks their sizes, in proportion to one in points."""
        for text in self.names:
            text.set_fontsize(0.85 * size)
        self.entitle("also judging", size)
        for marks in self.marks:
            marks.set_markersize(0.75 * size)

    def draw(self, points: InView) -> None:
        """Mark what each of the detectors flagged."""
        first, last = points.visible
        flags = self._history.view(first, last)
        for row, line in enumerate(self.marks):
            column = np.unique((first + np.flatnonzero(flags[row])) // points.per_column)
            middle = column * points.per_column + (points.per_column - 1) / 2
            line.set_data(middle, np.full(len(column), row + MARK_LINE))

    def write_names(self, agreement: Sequence[tuple[str, int, int]]) -> None:
        """Write how many of the episodes each of the detectors flagged too."""
        for text, (name, shared, episodes) in zip(self.names, agreement, strict=False):
            content = f"{name} marks {shared:,} of these {episodes:,} episodes too"
            if text.get_text() != content:
                text.set_text(content)
                self._layers.touch(STREAM)


def dpi_of(axes: Axes) -> float:
    """Pixels an inch of the figure that axes are on."""
    return float(axes.figure.dpi)


def _marks(layers: Layers, axes: Axes, theme: Theme, size: float) -> tuple[Line2D, Line2D]:
    """The marks of anomalous points, and their halos below all of them: marks side by side do not cut one another."""
    style: dict[str, Any] = {"linestyle": "", "marker": "o", "markeredgewidth": 0.0}
    halos = layers.line(axes, 6.5, color=theme.page, markersize=size + HALO, **style)
    return halos, layers.line(axes, 7, color=theme.anomaly, markersize=size, **style)


def _hollow(theme: Theme, size: float) -> dict[str, Any]:
    """The look of a point that its band alone marks, where the scores are."""
    look: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": size, "markeredgewidth": 1.2}
    return look | {"markerfacecolor": theme.page, "markeredgecolor": theme.anomaly}


def _reach(x: Floats, y: Floats, left: float, right: float) -> tuple[Floats, Floats]:
    """Least and greatest height of each piece of a line from one place to another; ``x`` grows, NaN is left out."""
    first, end = np.searchsorted(x, (left, right))
    near = slice(max(0, first - 1), end + 1)
    is_finite = np.isfinite(y[near])
    x, y = x[near][is_finite], y[near][is_finite]
    if not len(x):
        return x, y
    inside = x[(x > left) & (x < right)]
    edges: Floats = np.clip(np.array([left, right]), x[0], x[-1])
    heights: Floats = np.asarray(np.interp(np.concatenate((edges[:1], inside, edges[1:])), x, y))
    return np.minimum(heights[1:], heights[:-1]), np.maximum(heights[1:], heights[:-1])


def _changes(numbers: NDArray[Any]) -> NDArray[np.intp]:
    return np.cumsum(np.r_[0, np.diff(numbers) != 0])[: len(numbers)]
