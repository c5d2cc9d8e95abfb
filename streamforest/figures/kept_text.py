"""A text that is kept as pixels: to lay out and draw its letters takes a millisecond, to put pixels somewhere none."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from numpy.typing import NDArray

MOST_KEPT = 512  # texts: several times those of a picture, a few MB
MARGIN = 2  # pixels around the letters, which may reach beyond what is measured


class Letters(NamedTuple):
    """A line of text as pixels.

    Attributes
    ----------
    pixels : uint8 array of shape (height, width, 4)
        Red, green, blue, opacity; the lowest row first.
    width, height, descent : float
        Of the line, in pixels; the descent is what of the height lies below the base line.
    """

    pixels: NDArray[np.uint8]
    width: float
    height: float
    descent: float


@lru_cache(MOST_KEPT)
def letters(
    text: str, size: float, weight: str | int, family: tuple[str, ...], colour: tuple[float, ...], dpi: float
) -> Letters:
    """A line of text as pixels.

    Parameters
    ----------
    text : str
        Without line breaks; dollar signs are dollar signs.
    size : float
        In points.
    weight, family, colour
        As matplotlib has them; red, green, blue and opacity from 0 to 1.
    dpi : float
        Pixels an inch.
    """
    font = FontProperties(family=[*family], size=size, weight=weight)
    measure = _renderer(1, 1, dpi)
    width, height, descent = measure.get_text_width_height_descent(text, font, ismath=False)
    usual, below = _usual_height(size, weight, family, dpi)
    height, descent = max(height, usual), max(descent, below)
    rows, columns = ceil(height) + 2 * MARGIN, ceil(width) + 2 * MARGIN
    renderer = _renderer(columns, rows, dpi)
    context = renderer.new_gc()
    context.set_foreground(colour, isRGBA=True)
    renderer.draw_text(context, MARGIN, rows - MARGIN - round(descent), text, font, 0.0)
    drawn: NDArray[np.uint8] = np.asarray(renderer.buffer_rgba())
    return Letters(drawn[::-1].copy(), width, height, descent)


def _renderer(columns: int, rows: int, dpi: float) -> Any:
    return RendererAgg(columns, rows, dpi)  # type: ignore[no-untyped-call]


@lru_cache(MOST_KEPT)
def _usual_height(size: float, weight: str | int, family: tuple[str, ...], dpi: float) -> tuple[float, float]:
    """Height and descent that a line has at least, as matplotlib takes them, in pixels."""
    font = FontProperties(family=[*family], size=size, weight=weight)
    _, height, descent = _renderer(1, 1, dpi).get_text_width_height_descent("lp", font, ismath=False)
    return height, descent


class KeptText(Text):
    """A text that is drawn from pixels where it is one line, level and without a box; else as matplotlib draws it."""

    def draw(self, renderer: RendererBase) -> None:
        """Put it on the canvas."""
        text = self.get_text()
        if not text or not self.get_visible():
            return
        is_line = isinstance(renderer, RendererAgg) and "\n" not in text and not self.get_rotation()
        if not is_line or self.get_bbox_patch() is not None or self.get_path_effects():
            super().draw(renderer)
            return
        figure: Any = self.figure
        line = letters(
            text,
            float(self.get_fontsize()),
            self.get_fontweight(),
            tuple(self.get_fontfamily()),
            to_rgba(self.get_color(), self.get_alpha()),
            float(figure.dpi),
        )
        x, y = self.get_transform().transform(self.get_unitless_position())
        left = x - {"left": 0.0, "center": line.width / 2, "right": line.width}[self.get_horizontalalignment()]
        below = {
            "bottom": 0.0,
            "baseline": line.descent,
            "center": line.height / 2,
            "center_baseline": (line.height + line.descent) / 2,
            "top": line.height,
        }[self.get_verticalalignment()]
        context = renderer.new_gc()
        if self.get_clip_on():
            context.set_clip_rectangle(self.get_clip_box())
        renderer.draw_image(context, round(left) - MARGIN, round(y - below) - MARGIN, line.pixels)
        context.restore()
        self.stale = False
