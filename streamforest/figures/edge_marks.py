"""Marks at the edges of a panel for values that lie outside of it, the wildest with their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from streamforest.figures.layers import STREAM, Layers
from streamforest.figures.themes import Theme
from streamforest.verdicts.history import Floats
from streamforest.wording import number_text

MOST_NUMBERS = 6  # beside marks
MOST_CANDIDATES = 60  # for them, the wildest: more could not be told apart
INSET = 6.0  # from the edge to the middle of a mark, in 1/100 inch
APART = 7.0  # of two marks, at least, in the same
LETTER = 0.62  # width of a letter of a number, in sizes of its text
GAP = 0.7  # between a mark and its number, in the same


class EdgeMarks:
    """Triangles where values lie above or below a panel.

    Parameters
    ----------
    axes : Axes
        The panel.
    layers : Layers
        Draws them.
    theme : Theme
        Colours: anomalous points have that of anomalies, others that of values.

    Attributes
    ----------
    marks : dict of (is_above, is_anomaly) to Line2D
        The triangles.
    numbers : list of Text
        Beside the wildest, as far as they have space; the others are empty.
    """

    def __init__(self, axes: Axes, layers: Layers, theme: Theme) -> None:
        self._axes, self._theme, self._font = axes, theme, 9.0
        place: dict[str, Any] = {"transform": axes.get_xaxis_transform()}
        self.marks = {
            (is_above, is_anomaly): layers.line(
                axes,
                7.2,
                color=theme.anomaly if is_anomaly else theme.value,
                marker="^" if is_above else "v",
                linestyle="",
                markersize=7,
                markeredgecolor=theme.page,
                markeredgewidth=0.7,
                visible=False,
                **place,
            )
            for is_above in (True, False)
            for is_anomaly in (True, False)
        }
        self.numbers = [layers.text(axes, STREAM, va="center", visible=False, **place) for _ in range(MOST_NUMBERS)]
        self._is_empty = True

    def resize(self, size: float) -> None:
        """Give the numbers their size, in proportion to one in points."""
        self._font = 0.88 * size
        for text in self.numbers:
            text.set_fontsize(self._font)

    def draw(self, x: Floats, values: Floats, is_anomaly: NDArray[np.bool_], width: float) -> None:
        """Mark the values outside of the panel's limits; ``x`` are their stream indices, ``width`` that of the view."""
        bottom, top = self._axes.get_ylim()
        outside = np.flatnonzero((values > top) | (values < bottom))
        if not len(outside) and self._is_empty:
            return
        self._is_empty = not len(outside)
        x, values, is_anomaly = x[outside], values[outside], is_anomaly[outside]
        is_above = values > top
        pixel = width / max(1.0, float(self._axes.bbox.width))
        least = APART * float(self._axes.figure.dpi) / 100 * pixel
        for (above, anomalous), line in self.marks.items():
            places = x[(is_above == above) & (is_anomaly == anomalous)]
            shown = _apart(places, least)
            line.set_data(shown, np.full(len(shown), self._height(above)))
            line.set_visible(len(shown) > 0)
        self._write(x, values, is_above, is_anomaly, pixel)

    def _height(self, is_above: bool) -> float:
        """Where the marks stand, as a share of the panel's height."""
        inset = INSET * float(self._axes.figure.dpi) / 100 / max(1.0, float(self._axes.bbox.height))
        return 1 - inset if is_above else inset

    def _write(
        self, x: Floats, values: Floats, is_above: NDArray[np.bool_], is_anomaly: NDArray[np.bool_], pixel: float
    ) -> None:
        """Write numbers beside the wildest values, each where none is written yet."""
        bottom, top = self._axes.get_ylim()
        em = self._font / 72 * float(self._axes.figure.dpi) * pixel  # size of the text, in points of the stream
        left, right = self._axes.get_xlim()
        excess = np.where(is_above, values / 2 - top / 2, bottom / 2 - values / 2)
        taken: list[tuple[bool, float, float]] = []
        for k in np.argsort(-excess, kind="stable")[:MOST_CANDIDATES].tolist():
            if len(taken) == MOST_NUMBERS:
                break
            above, place = bool(is_above[k]), float(x[k])
            content = number_text(float(values[k]), top / 2 - bottom / 2)
            length = (LETTER * len(content) + GAP) * em
            is_left = place + length > right and place - length >= left
            begin, end = (place - length, place) if is_left else (place, place + length)
            if any(above == other and begin - em < b and a - em < end for other, a, b in taken):
                continue
            text = self.numbers[len(taken)]
            taken.append((above, begin, end))
            text.set(
                x=place - GAP * em if is_left else place + GAP * em,
                y=self._height(above),
                text=content,
                visible=True,
                ha="right" if is_left else "left",
                color=self._theme.anomaly if is_anomaly[k] else self._theme.quiet,
            )
        for text in self.numbers[len(taken) :]:
            text.set(text="", visible=False)


def _apart(places: Floats, least: float) -> Floats:
    """Increasing places, the first of each stretch of so many points: the same ones wherever the view begins."""
    if not len(places):
        return places
    stretch = np.floor(places / max(least, 1.0))
    kept: Floats = places[np.r_[True, stretch[1:] != stretch[:-1]]]
    return kept
