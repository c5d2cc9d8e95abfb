"""A line of text with what lies below it veiled, put where it is wanted as pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from streamforest.figures.kept_text import letters
from streamforest.figures.themes import Theme

VEIL = 0.85  # opacity of what is behind the letters
PAD = 0.3  # around them, in sizes of the text


class Stamp(Artist):
    """A line of text in a panel, with what lies below it veiled.

    Parameters
    ----------
    axes : Axes
        The panel.
    theme : Theme
        Colours.

    Attributes
    ----------
    text : str
        What it says; empty where nothing is drawn.
    place : tuple of float
        Of the middle of one of its edges, in the panel's own units.
    is_left : bool
        Whether it stands to the left of its place: that is its right edge then, otherwise its left one.
    size : float
        Of the text, in points.
    """

    def __init__(self, axes: Axes, theme: Theme) -> None:
        super().__init__()
        self._panel, self._colours = axes, (theme.text, theme.page)
        self.text, self.place, self.is_left, self.size = "", (0.0, 0.0), False, 9.0
        self._drawn: tuple[Any, ...] = ()
        self._pixels: NDArray[np.uint8] = np.empty((0, 0, 4), np.uint8)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, lower, right and upper edge, in pixels."""
        pixels = self._pixels_now()
        x, y = self._panel.transData.transform(self.place)
        left = round(float(x)) - (pixels.shape[1] if self.is_left else 0)
        low = round(float(y) - pixels.shape[0] / 2)
        return left, low, left + pixels.shape[1], low + pixels.shape[0]

    def draw(self, renderer: RendererBase) -> None:
        """Put it on the figure."""
        if not self.text or not self.get_visible():
            return
        context = renderer.new_gc()
        renderer.draw_image(context, *self.box[:2], self._pixels)
        context.restore()

    def _pixels_now(self) -> NDArray[np.uint8]:
        """The text as it is now, drawn anew where that is another one; of shape (rows, columns, 4), lowest first."""
        wanted = (self.text, self.size, self._panel.figure.dpi)
        if wanted != self._drawn:
            self._drawn, self._pixels = wanted, self._draw_text(*wanted)
        return self._pixels

    def _draw_text(self, text: str, size: float, dpi: float) -> NDArray[np.uint8]:
        colour, page = self._colours
        written = letters(text, size, "normal", ("sans-serif",), to_rgba(colour), dpi).pixels / 255
        pad = round(PAD * size / 72 * dpi)
        drawn = np.full((written.shape[0] + 2 * pad, written.shape[1] + 2 * pad, 4), (*to_rgba(page)[:3], VEIL))
        inside, ink = drawn[pad : pad + written.shape[0], pad : pad + written.shape[1]], written[..., 3:]
        inside[..., :3] += ink * (written[..., :3] - inside[..., :3])
        inside[..., 3:] += ink * (1 - inside[..., 3:])
        return np.round(255 * drawn).astype(np.uint8)
