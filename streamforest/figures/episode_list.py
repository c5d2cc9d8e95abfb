"""The list of episodes beside the panels: the newest first, each with kind, size, time and duration."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures.layers import FRAME, X_AXIS, Layers
from streamforest.figures.news import StreamNews, kind_of, length_text, size_text
from streamforest.figures.side_panel import TITLE, WIDTH, SidePanel
from streamforest.figures.themes import Theme
from streamforest.verdicts.episodes import Episode

#: Height of one episode, in lines of text.
ROW = 3.2
MOST_ROWS = 40


class Row(NamedTuple):
    """The texts of one episode: kind and size in its upper line, time and duration in its lower one."""

    kind: Text
    size: Text
    time: Text
    duration: Text


class EpisodeList(SidePanel):
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
    rows : list of Row
        Texts of the episodes, empty where there is none.
    """

    def __init__(self, figure: Figure, layers: Layers, theme: Theme) -> None:
        super().__init__(figure, layers)
        quiet: dict[str, Any] = {"color": theme.quiet, "va": "center"}
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

    @property
    def _artists(self) -> list[Artist]:
        return [self.more, self._bar, *(text for row in self.rows for text in row)]

    @property
    def _most(self) -> int:
        """Episodes that have a place; the last line says how many more there are."""
        height = -float(self.axes.get_ylim()[0])
        return max(0, min(MOST_ROWS, int((height - TITLE - 1.5) / ROW)))

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
        self._entitle("episodes")
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
        k = int((self._lines_down(y) - TITLE) // ROW)
        return self._shown[k] if 0 <= k < len(self._shown) else None


def _holds(episode: Episode, index: int | None) -> bool:
    """Whether a point, by its stream index, lies in an episode."""
    return index is not None and episode.start.index <= index <= episode.last.index
