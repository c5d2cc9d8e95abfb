"""The list of episodes beside the panels: the newest first, each with kind, size, time and duration."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures.layers import FRAME, X_AXIS, Layers
from streamforest.figures.news import StreamNews, kind_of, length_text, size_text
from streamforest.figures.themes import Theme
from streamforest.verdicts.episodes import Episode

#: Width of the list, height of its title and of one episode, in lines of text.
WIDTH, TITLE, ROW = 16.0, 2.0, 3.2
MOST_ROWS = 40


class Row(NamedTuple):
    """The texts of one episode: kind and size in its upper line, time and duration in its lower one."""

    kind: Text
    size: Text
    time: Text
    duration: Text


class EpisodeList:
    """The newest episodes, as many as fit.

    Parameters
    ----------
    figure : Figure
        On which the list gets its place.
    layers : Layers
        Draws it.
    theme : Theme
        Colours.

    Attributes
    ----------
    axes : Axes
        Its place.
    is_shown : bool
        Whether it is there.
    rows : list of Row
        Texts of the episodes, empty where there is none.
    """

    def __init__(self, figure: Figure, layers: Layers, theme: Theme) -> None:
        self._layers = layers
        self.is_shown = False
        self.axes: Axes = figure.add_axes((0.9, 0.1, 0.1, 0.8))
        self.axes.set_axis_off()
        self.axes.set_visible(False)
        quiet: dict[str, Any] = {"color": theme.quiet, "va": "center"}
        self._title = layers.text(self.axes, X_AXIS, fontweight="bold", va="center")
        self.more = layers.text(self.axes, X_AXIS, **quiet)
        self.rows = [
            Row(
                layers.text(self.axes, X_AXIS, color=theme.anomaly, va="center"),
                layers.text(self.axes, X_AXIS, ha="right", va="center"),
                layers.text(self.axes, X_AXIS, **quiet),
                layers.text(self.axes, X_AXIS, ha="right", **quiet),
            )
            for _ in range(MOST_ROWS)
        ]
        self._bar = layers.line(self.axes, 1, X_AXIS, color=theme.anomaly, linewidth=2.5, solid_capstyle="butt")
        self._shown: list[Episode] = []
        self._written: tuple[Any, ...] = ()
        self._lines = (1.0, 1.0)  # width and height of the list in lines of text

    def place(self, left: float, bottom: float, height: float, line: float, size: tuple[float, float]) -> None:
        """Give the list its place on a figure of a size; all of it in inches, ``line`` is one of text."""
        self.axes.set_visible(self.is_shown)
        for text in (self._title, self.more, self._bar, *(text for row in self.rows for text in row)):
            text.set_visible(self.is_shown)
        self.axes.set_position((left / size[0], bottom / size[1], WIDTH * line / size[0], height / size[1]))
        self._lines = (WIDTH, height / line)
        self.axes.set(xlim=(0, WIDTH), ylim=(-height / line, 0))
        for text in (self._title, self.more, *(text for row in self.rows for text in row)):
            text.set_fontsize(72 * line * (0.92 if text is not self._title else 1.0))
        self._written = ()

    @property
    def _most(self) -> int:
        """Episodes that have a place; the last line says how many more there are."""
        return max(0, min(MOST_ROWS, int((self._lines[1] - TITLE - 1.5) / ROW)))

    def write(self, news: StreamNews, selected: int | None) -> None:
        """Write the newest of the episodes, and mark that of the selected point."""
        if not self.is_shown:
            return
        episodes = news.episodes
        self._shown = list(episodes[: self._most])
        texts = [(kind_of(one), size_text(one), news.when_and_like(one), length_text(one)) for one in self._shown]
        chosen = next((k for k, one in enumerate(self._shown) if _holds(one, selected)), None)
        written = (texts, len(episodes), chosen, self._layers.lowest == FRAME)
        if written == self._written:
            return
        self._written = written
        self._layers.touch(X_AXIS)
        self._title.set(text="episodes", x=0, y=-0.5 * TITLE + 0.4)
        for k, row in enumerate(self.rows):
            y = -TITLE - k * ROW
            for text, content in zip(row, texts[k] if k < len(texts) else ("",) * 4, strict=True):
                text.set(text=content, visible=k < len(texts))
            for text, x, below in zip(row, (0.6, WIDTH, 0.6, WIDTH), (0.6, 0.6, 1.85, 1.85), strict=True):
                text.set_position((x, y - below))
        left_out = len(episodes) - len(self._shown)
        more = f"and {left_out:,} before" if left_out and self._shown else "" if episodes else "no alarm yet"
        self.more.set(text=more, x=0.6, y=-TITLE - len(self._shown) * ROW - 0.6)
        top = -TITLE - (chosen or 0) * ROW - 0.1
        self._bar.set_data([0, 0] if chosen is not None else [], [top, top - ROW + 0.8] if chosen is not None else [])

    def episode_at(self, y: float) -> Episode | None:
        """The episode at a height on the canvas, in pixels; None where there is none."""
        down = -float(self.axes.transData.inverted().transform((0, y))[1])
        k = int((down - TITLE) // ROW)
        return self._shown[k] if 0 <= k < len(self._shown) else None


def _holds(episode: Episode, index: int | None) -> bool:
    """Whether a point, by its stream index, lies in an episode."""
    return index is not None and episode.start.index <= index <= episode.last.index
