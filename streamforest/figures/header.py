"""The lines above the panels: source and detector, the state of the stream, its last alarm, the counters of the run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import floor
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures.layers import FRAME, HEADER, X_AXIS, Layers
from streamforest.figures.text_parts import asked_for, hits, marked
from streamforest.figures.themes import Theme, text_size
from streamforest.protocols import Status
from streamforest.wording import DASH, rate_text

#: Height of the header in lines of text, and of the space above the panels that it and their titles take.
HEADER_LINES, TOP_LINES = 6.2, 8.7
#: Widths in sizes of the text: of a letter of the title, which is larger and bold, of the state of the view, of the
#: state of the stream, which is bold too, and of the last alarm.
TITLE_LETTER, STATE_LETTER, NOW_LETTER, ALARM_LETTER = 0.78, 0.6, 0.74, 0.58
#: Width of a number's place, in the same: of a letter of its name, the least, and what there may be more.
NAME_LETTER, LEAST_PLACE, MORE_PLACE = 0.52, 6.5, 3.0


class News(NamedTuple):
    """What a person wants to know first.

    Attributes
    ----------
    now : str
        The state of the stream now; empty where there are many streams.
    colour : str
        Of that text: the name of a colour of the theme.
    alarm : str
        The last alarm and why it was one.
    """

    now: str
    colour: str
    alarm: str


class Header:
    """The texts of the header.

    Parameters
    ----------
    figure : Figure
        On which the header gets its place.
    layers : Layers
        Draws the texts that change.
    theme : Theme
        Colours.
    most : int
        Numbers that it has places for.
    """

    def __init__(self, figure: Figure, layers: Layers, theme: Theme, most: int) -> None:
        self._figure, self._layers, self._theme = figure, layers, theme
        self.axes = axes = figure.add_axes((0, 0.9, 1, 0.1))
        axes.set_axis_off()
        quiet: dict[str, Any] = {"color": theme.quiet}
        self.name = layers.text(axes, X_AXIS, fontweight="bold", va="center")
        self.state = layers.text(axes, X_AXIS, ha="right", va="center")
        self.now = layers.text(axes, HEADER, fontweight="bold", va="center")
        self.alarm = layers.text(axes, X_AXIS, va="center")
        self.counter_names = [axes.text(0, 0, "", va="center", **quiet) for _ in range(most)]
        self.counter_values = [layers.text(axes, HEADER, va="center") for _ in range(most)]
        self._written_names: list[str] = []

    def write(self, status: Status, state: str, news: News) -> None:
        """Write how the run stands, the state of the view, and what is new."""
        most = len(self.counter_names)
        found = counters(status)[:most]
        while len(found) > 1 and sum(place_of(name) for name, _ in found) > self._ems:
            found.pop()
        names = [name for name, _ in found]
        if names != self._written_names or self._layers.lowest == FRAME:
            self._written_names = names
            self._layers.touch(FRAME)
            self._place(names)
        values = [value for _, value in found] + [""] * (most - len(found))
        # the alarm stays at its place while the state is "calm" or "unusual": it is in a layer that is seldom drawn
        begin = NOW_LETTER * (max(len(news.now), len("unusual")) + 2) if news.now else 0.0
        alarm = cut_end(news.alarm, int((self._ems - begin) / ALARM_LETTER))
        now = f"\N{BLACK CIRCLE} {news.now}" if news.now else ""
        titles = (self._title(status, state), state, alarm)
        self.alarm.set_x((begin + 1.2 if begin else 0.0) / self._ems)
        self.now.set_color(getattr(self._theme, news.colour))
        self._write_all(X_AXIS, (self.name, self.state, self.alarm), titles)
        self._write_all(HEADER, (self.now, *self.counter_values), (now, *values))
        self.state.set_color(self._theme.quiet if state.startswith("live") else self._theme.threshold)

    def _write_all(self, layer: int, texts: Sequence[Text], contents: Sequence[str]) -> None:
        """Write texts of a layer, which is drawn again if one of them is another one now."""
        for text, content in zip(texts, contents, strict=True):
            if text.get_text() != content:
                text.set_text(content)
                self._layers.touch(layer)

    def resize(self, size: float) -> None:
        """Give the texts their sizes, in proportion to one in points."""
        self.name.set_fontsize(1.25 * size)
        for text in (self.state, self.now, self.alarm):
            text.set_fontsize(size)
        for text in self.counter_names:
            text.set_fontsize(0.92 * size)
        for text in self.counter_values:
            text.set_fontsize(1.2 * size)

    def _title(self, status: Status, state: str) -> str:
        """Source and detector, cut in front if they leave no space for the state: a path's end says most."""
        name = f"{status.source}  \N{MIDDLE DOT}  {status.detector}"
        longest = max(10, int((self._ems - STATE_LETTER * (len(state) + 2)) / TITLE_LETTER))
        return name if len(name) <= longest else f"\N{HORIZONTAL ELLIPSIS}{name[1 - longest :]}"

    @property
    def _ems(self) -> float:
        """Width of the header in sizes of its text."""
        return float(self.axes.bbox.width) / self._figure.dpi * 72 / text_size(self._figure)

    def _place(self, names: list[str]) -> None:
        self.name.set(x=0, y=0.84)
        self.state.set(x=1, y=0.84)
        self.now.set(x=0, y=0.54)
        self.alarm.set_y(0.54)
        places = [place_of(name) for name in names]
        more = min(MORE_PLACE, (self._ems - sum(places)) / len(names))
        lefts = [0.0, *accumulate(place + more for place in places)]
        for k, (name, value) in enumerate(zip(self.counter_names, self.counter_values, strict=True)):
            left = lefts[min(k, len(names))] / self._ems
            name.set(x=left, y=0.27, text=names[k] if k < len(names) else "")
            value.set(x=left, y=0.05)


def place_of(name: str) -> float:
    """Width that a number of this name takes at least, in sizes of the text."""
    return max(LEAST_PLACE, NAME_LETTER * len(name) + 1.0)


def counters(status: Status) -> list[tuple[str, str]]:
    """Names and values of the line of numbers above the panels, those first that a person wants first."""
    streams = [] if status.streams is None else [("streams", f"{status.streams:,}")]
    number, unit = rate_text(status.points_per_second)
    found = [
        *streams,
        ("points", f"{status.points:,}"),
        ("episodes", f"{status.episodes:,}"),
        marked(status),
        ("asked for", asked_for(status)),
        ("anomalous", f"{status.anomalies:,}"),
        (f"points/{unit}", number if status.points_per_second > 0 and not status.has_ended else DASH),
    ]
    return found + hits(status)


def state_text(unseen: int | None) -> str:
    """The state of a view: how many points came since it stands still; None where it does not."""
    return "live   h: keys" if unseen is None else f"paused, {unseen:,} new points"


def warm_up_text(warm_up: float) -> str:
    """How far the warm-up has come, given as a share."""
    return f"warming up: {floor(100 * warm_up)} %"


def cut_end(text: str, letters: int) -> str:
    """Text without its end if it is longer than so many letters."""
    return text if len(text) <= letters else f"{text[: max(0, letters - 1)]}\N{HORIZONTAL ELLIPSIS}"
