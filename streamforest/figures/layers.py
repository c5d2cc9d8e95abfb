"""What is drawn on a figure, in layers kept as pixels: a frame draws the lowest that changed and those above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from matplotlib import text as matplotlib_text
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.text import Text

from streamforest.figures.kept_text import KeptText
from streamforest.figures.shapes import NOTHING
from streamforest.figures.themes import Theme

#: The layers, from the lowest on: frame and y axes, which matplotlib draws; x axis and texts that seldom change; the
#: counters; the stream; what the mouse points at.
FRAME, X_AXIS, HEADER, STREAM, POINTER = range(5)
NOTHING_NEW = POINTER + 1

MOST_MEASURES = 256  # of texts, several times those of a picture


class Layers:
    """The artists of a figure, each in the layer that it is drawn with.

    Parameters
    ----------
    figure : Figure
        On which they are drawn; its canvas may change.
    theme : Theme
        Gives texts their colour.
    is_animated : bool
        Whether a frame draws the layers that changed; otherwise what is added here is drawn by each draw of the figure.

    Attributes
    ----------
    lowest : int
        The lowest layer that has to be drawn with the next frame; NOTHING_NEW where none has.
    keeps_stream : bool
        Whether the stream is kept as pixels too, so that what lies above it can be drawn alone. That takes time, which
        nobody needs while the mouse is elsewhere.
    """

    def __init__(self, figure: Figure, theme: Theme, *, is_animated: bool = True) -> None:
        self._figure, self._theme, self._is_animated = figure, theme, is_animated
        self._artists: list[list[tuple[Axes, Artist]]] = [[] for _ in range(NOTHING_NEW)]
        self._copies: list[Any] = [None] * POINTER
        self.keeps_stream = False
        self._hosted: tuple[Any, ...] = ()
        self.lowest = FRAME
        figure.canvas.mpl_connect("draw_event", self._on_draw)

    def touch(self, layer: int) -> None:
        """Have a layer, and those above it, drawn with the next frame."""
        self.lowest = min(self.lowest, layer)

    def line(self, axes: Axes, zorder: float, layer: int = STREAM, **style: Any) -> Line2D:
        """A new line or set of markers."""
        line = Line2D([], [], **style)
        axes.add_line(line)
        return cast(Line2D, self._add(layer, axes, line, zorder))

    def area(self, axes: Axes, zorder: float, **style: Any) -> PathPatch:
        """A new area in the stream's layer."""
        patch = PathPatch(NOTHING, **style)
        axes.add_artist(patch)
        patch.set_clip_path(axes.patch)
        return cast(PathPatch, self._add(STREAM, axes, patch, zorder))

    def text(self, axes: Axes, layer: int, zorder: float = 9, **style: Any) -> Text:
        """A new text."""
        # a name may hold dollar signs, which would make it a formula, or an error
        place: dict[str, Any] = {"transform": axes.transData, "clip_on": False}
        text = KeptText(0, 0, "", **{**place, "color": self._theme.text, "parse_math": False, **style})
        axes.add_artist(text)
        return cast(Text, self._add(layer, axes, text, zorder))

    def artist(self, axes: Axes, zorder: float, artist: Artist) -> None:
        """Take an artist of another kind into the stream's layer."""
        axes.add_artist(artist)
        self._add(STREAM, axes, artist, zorder)

    def _add(self, layer: int, axes: Axes, artist: Artist, zorder: float) -> Artist:
        artist.set_zorder(zorder)
        artist.set_animated(self._is_animated)
        self._artists[layer].append((axes, artist))
        return artist

    def sort(self, last: Axes) -> None:
        """Draw each layer as matplotlib draws a saved picture: panel by panel, one of them last, and by zorder."""
        for layer in self._artists:
            layer.sort(key=lambda drawn: (drawn[0] is last, drawn[1].get_zorder()))

    def draw(self, arrange: Callable[[], None]) -> None:
        """Draw a frame; where the canvas or its size is new, ``arrange`` places all that is on the figure before."""
        canvas = self._figure.canvas
        blits = bool(canvas.supports_blit)
        hosted = (canvas, blits, *self._figure.bbox.size)
        if hosted != self._hosted:
            self._hosted, self.lowest = hosted, FRAME
            self._animate(blits)
            arrange()
        if not blits:
            canvas.draw_idle()
        elif self.lowest == FRAME:
            canvas.draw()
        else:
            self._draw_from(self.lowest if self._copies[STREAM] is not None else min(self.lowest, STREAM))
            canvas.blit(self._figure.bbox)
        forget_measures(canvas)
        self.lowest = NOTHING_NEW

    def _on_draw(self, _event: object) -> None:
        """Finish a full draw, which anything may ask for: matplotlib has drawn the frame only."""
        canvas: Any = self._figure.canvas
        if canvas.is_saving() or not canvas.supports_blit:
            return  # everything is in the picture already
        if not self._hosted or self._hosted[0] is not canvas:
            return  # not yet ours
        self._copies[FRAME] = canvas.copy_from_bbox(self._figure.bbox)
        self._draw_from(X_AXIS)

    def _draw_from(self, lowest: int) -> None:
        canvas: Any = self._figure.canvas  # one that blits: its methods ship no types
        canvas.restore_region(self._copies[lowest - 1])
        for number in range(lowest, NOTHING_NEW):
            for axes, artist in self._artists[number]:
                # to find out that there is nothing to draw takes matplotlib a while
                if artist.get_visible() and axes.get_visible():
                    axes.draw_artist(artist)
            if number < POINTER:
                is_kept = number < STREAM or self.keeps_stream
                self._copies[number] = canvas.copy_from_bbox(self._figure.bbox) if is_kept else None

    def _animate(self, animated: bool) -> None:
        for layer in self._artists[X_AXIS:]:
            for _, artist in layer:
                artist.set_animated(animated)


def forget_measures(canvas: Any) -> None:
    """Let matplotlib forget how large the texts were that a canvas has drawn, once it knows more than MOST_MEASURES.

    It would keep the newest 4,096 of them, 4 MB, and most are of counters and times that never come again.
    """
    measures = getattr(matplotlib_text, "_get_text_metrics_function", None)  # it has no public name
    if measures is not None and hasattr(canvas, "get_renderer"):
        cached = measures(canvas.get_renderer())
        if cached.cache_info().currsize > MOST_MEASURES:
            cached.cache_clear()
