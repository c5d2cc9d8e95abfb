"""A text that is put together from letters that are kept as pixels: to lay out and draw a line takes milliseconds."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate, pairwise
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
MOST_SIGNS = 4_096  # and pairs of them: those of the sizes and weights of a picture, a few MB
MARGIN = 2  # pixels around the letters, which may reach beyond what is measured
PHASES = 4  # of a pixel: where between two of them a sign may stand
#: What else than ASCII is put together sign by sign; other scripts may join their letters.
SIGNS = frozenset("\N{MINUS SIGN}\N{PLUS-MINUS SIGN}\N{MIDDLE DOT}\N{EN DASH}\N{BLACK CIRCLE}\N{HORIZONTAL ELLIPSIS}")

Font = tuple[float, str | int, tuple[str, ...], float]  # size in points, weight, family, pixels an inch


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
    font = size, weight, family, dpi
    pieces = [*text] if all(sign.isascii() or sign in SIGNS for sign in text) and text else [text]
    sizes = [_size(piece, font) for piece in (*pieces, "lp")]  # a line is at least as high as these letters
    above, descent = max(height - below for _, height, below in sizes), max(below for *_, below in sizes)
    places = [0.0, *accumulate(_step(*pair, font) for pair in pairwise(pieces))]
    width = places[-1] + sizes[-2][0]
    ink = np.zeros((ceil(above) + ceil(descent) + 2 * MARGIN, ceil(width) + 2 * MARGIN + 1), np.uint8)
    for piece, place in zip(pieces, places, strict=True):
        left, phase = divmod(round(place * PHASES), PHASES)
        drawn, under = _ink(piece, phase, font)
        low = ceil(descent) - under
        part = ink[low : low + drawn.shape[0], left : left + drawn.shape[1]]
        np.maximum(part, drawn[: part.shape[0], : part.shape[1]], out=part)
    pixels = np.empty((*ink.shape, 4), np.uint8)
    pixels[..., :3] = np.round(255 * np.array(colour[:3]))
    pixels[..., 3] = np.round(colour[3] * ink)
    return Letters(pixels, width, above + descent, descent)


def _renderer(columns: int, rows: int, dpi: float) -> Any:
    return RendererAgg(columns, rows, dpi)  # type: ignore[no-untyped-call]


def _properties(font: Font) -> FontProperties:
    size, weight, family, _ = font
    return FontProperties(family=[*family], size=size, weight=weight)


@lru_cache(MOST_SIGNS)
def _size(piece: str, font: Font) -> tuple[float, float, float]:
    """Width, height and descent of a piece of text, in pixels."""
    measured: tuple[float, float, float] = _measure(font[-1]).get_text_width_height_descent(
        piece, _properties(font), ismath=False
    )
    return measured


@lru_cache(1)
def _measure(dpi: float) -> Any:
    return _renderer(1, 1, dpi)


@lru_cache(MOST_SIGNS)
def _step(sign: str, following: str, font: Font) -> float:
    """Pixels from the beginning of a sign to that of the one behind it: between bars, which nothing is kerned to."""
    return _size(f"|{sign}{following}|", font)[0] - _size(f"|{following}|", font)[0]


@lru_cache(MOST_SIGNS)
def _ink(piece: str, phase: int, font: Font) -> tuple[NDArray[np.uint8], int]:
    """How black each pixel of a piece is, lowest row first, MARGIN around it; and whole rows below its base line.

    It begins ``phase`` of PHASES behind a whole pixel.
    """
    width, height, descent = _size(piece, font)
    under = ceil(descent)
    rows, columns = ceil(height - descent) + under + 2 * MARGIN, ceil(width) + 2 * MARGIN + 1
    renderer = _renderer(columns, rows, font[-1])
    context = renderer.new_gc()
    context.set_foreground("black")
    renderer.draw_text(context, MARGIN + phase / PHASES, rows - MARGIN - under, piece, _properties(font), 0.0)
    drawn: NDArray[np.uint8] = np.asarray(renderer.buffer_rgba())[::-1, :, 3]
    return drawn.copy(), under


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
