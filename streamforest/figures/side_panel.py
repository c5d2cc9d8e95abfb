"""What stands beside the panels of a stream: its place, measured in lines of text, and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamforest.figures.layers import X_AXIS, Layers

#: Width in lines of text, and height of the title.
WIDTH, TITLE = 16.0, 2.0
SMALLER = 0.92  # size of all texts but the title


class SidePanel:
    """A column of texts, as high as there is space.

    Parameters
    ----------
    figure : Figure
        On which it gets its place.
    layers : Layers
        Draws it.

    Attributes
    ----------
    axes : Axes
        Its place: 0 to WIDTH to the right, 0 downwards, both in lines of text.
    is_shown : bool
        Whether it is there.
    """

    def __init__(self, figure: Figure, layers: Layers) -> None:
        self._layers = layers
        self.is_shown = False
        self.axes: Axes = figure.add_axes((0.9, 0.1, 0.1, 0.8))
        self.axes.set_axis_off()
        self.axes.set_visible(False)
        self._title = layers.text(self.axes, X_AXIS, fontweight="bold", va="center")
        self._written: tuple[Any, ...] = ()  # what it shows; to be written anew where that is empty

    @property
    def _artists(self) -> Sequence[Artist]:
        """All that is drawn, but the title."""
        return ()

    def place(self, left: float, bottom: float, height: float, line: float, size: tuple[float, float]) -> None:
        """Give it its place on a figure of a size; all of it in inches, ``line`` is one of text."""
        self.axes.set_visible(self.is_shown)
        self.axes.set_position((left / size[0], bottom / size[1], WIDTH * line / size[0], height / size[1]))
        self.axes.set(xlim=(0, WIDTH), ylim=(-height / line, 0))
        self._title.set(visible=self.is_shown, fontsize=72 * line)
        for artist in self._artists:
            artist.set_visible(self.is_shown)
            if isinstance(artist, Text):
                artist.set_fontsize(72 * line * SMALLER)
        self._written = ()

    def _entitle(self, title: str) -> None:
        self._title.set(text=title, x=0, y=0.4 - 0.5 * TITLE)

    def _lines_down(self, y: float) -> float:
        """Lines of text from its upper edge down to a height on the canvas, in pixels."""
        return -float(self.axes.transData.inverted().transform((0, y))[1])
