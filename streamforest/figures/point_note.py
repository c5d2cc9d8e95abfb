"""Which point is meant and what there is to say of it: a line through all panels, a ring, and a note beside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np
from matplotlib.axes import Axes

from streamforest.figures.honesty_text import limit_text
from streamforest.figures.layers import Layers
from streamforest.figures.panels import InView, dpi_of
from streamforest.figures.themes import Theme
from streamforest.moments import iso_time
from streamforest.protocols import Verdict
from streamforest.wording import expected_text, half_width, kind_text, number_text, p_text


class PointNote:
    """Shows a point.

    Parameters
    ----------
    panels : sequence of Axes
        All that share the x axis; the first has the values, and the note.
    layers : Layers
        Draws it.
    theme : Theme
        Colours.
    layer : int
        With which it is drawn.

    Attributes
    ----------
    text : matplotlib.text.Text
        The note, empty where none is shown.
    """

    def __init__(self, panels: Sequence[Axes], layers: Layers, theme: Theme, layer: int) -> None:
        self._axes = axes = panels[0]
        self._hairs = [
            layers.line(panel, 7.5, layer, color=theme.quiet, linewidth=0.8, transform=panel.get_xaxis_transform())
            for panel in panels
        ]
        self._level = layers.line(
            axes, 7.5, layer, color=theme.quiet, linewidth=0.8, transform=axes.get_yaxis_transform()
        )
        self._ring = layers.line(
            axes, 8, layer, color=theme.text, linestyle="", marker="o", markersize=9, fillstyle="none"
        )
        box = {"boxstyle": "round,pad=0.6", "facecolor": theme.page, "edgecolor": theme.quiet, "linewidth": 0.8}
        self.text = layers.text(axes, layer, bbox=box, linespacing=1.45, multialignment="left")
        self.hide()

    def resize(self, size: float) -> None:
        """Give the note its size, in points."""
        self.text.set_fontsize(size)

    def hide(self) -> None:
        """Show no point."""
        for line in (*self._hairs, self._level, self._ring):
            line.set_visible(False)
        self.text.set(text="", visible=False)

    def show(self, points: InView, offset: int) -> None:
        """Show a point, by its offset among those in view."""
        index = float(points.rows["index"][offset])
        bottom, top = self._axes.get_ylim()
        value = float(np.clip(points.field("value")[offset], bottom, top))
        for line in (*self._hairs, self._level, self._ring):
            line.set_visible(True)
        for hair in self._hairs:
            hair.set_data([index, index], [0, 1])
        self._level.set_data([0, 1], [value, value])
        self._ring.set_data([index], [value])
        share = (index - points.view.left) / points.view.width
        self._place(share, (value - bottom) / (top - bottom), describe(points.verdict(offset)))

    def _place(self, across: float, up: float, text: str) -> None:
        """Put the note where a point at these shares of the panel's width and height leaves more space."""
        is_left = across > 0.5
        is_low = isfinite(up) and up > 0.5
        gap = 16 * dpi_of(self._axes) / 100 / max(1.0, float(self._axes.bbox.width))
        self.text.set(
            text=text,
            visible=True,
            x=across + (-gap if is_left else gap),
            y=0.07 if is_low else 0.93,
            ha="right" if is_left else "left",
            va="bottom" if is_low else "top",
            transform=self._axes.transAxes,
        )


def describe(verdict: Verdict) -> str:
    """A point's numbers and what is unusual about it, in a few short lines."""
    moment = "" if verdict.time is None else iso_time(verdict.time, has_fractions=False)
    when = f", {moment.replace('T', ' ').replace('Z', ' UTC')}" if moment else ""
    half = half_width(verdict)
    lines = [kind_text(verdict) or "anomalous"] if verdict.is_anomaly else []
    lines.append(f"point {verdict.index:,}{when}")
    lines.append("value missing" if verdict.value is None else f"value {number_text(verdict.value, half)}")
    if verdict.expected is not None:
        lines[-1] += f", expected {expected_text(verdict) if half else number_text(verdict.expected)}"
    if half is not None:
        lines.append(f"usual {number_text(verdict.lower, half)} to {number_text(verdict.upper, half)}")
    if verdict.score is None:
        lines.append("no score yet (warm-up)")
    else:
        lines.append(f"score {number_text(verdict.score, 0.1)}, {limit_text(verdict)}")
        lines[-1] += f", p {p_text(verdict.p_value)}"
    if verdict.label is not None:
        lines.append(f"label: {verdict.label}")
    return "\n".join(lines)
