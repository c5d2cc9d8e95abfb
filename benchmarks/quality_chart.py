"""The quality benchmark's table of one board as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Annotation

from benchmarks.marks import Marks

#: Colour of a detector's bars, by its kind.
COLOURS = {"own": "#1f6fb4", "peer": "#8a97a6", "baseline": "#d3d9e0"}

INK, FAINT = "#26323f", "#6b7885"
_WORDS = {"own": "this project", "peer": "other libraries", "baseline": "baselines"}


class _Panel(NamedTuple):
    """One figure of all detectors; a logarithmic one is drawn as dots, which need no zero."""

    field: str
    title: str
    form: str
    is_log: bool = False


_PANELS = (
    _Panel("nab_standard", "NAB score\n(bar: standard, line: other profiles)", "{:.1f}"),
    _Panel("vus_pr", "VUS-PR\n(ranking, no threshold)", "{:.3f}"),
    _Panel("f1", "F1 by episode\n(default settings)", "{:.3f}"),
    _Panel("flagged_over_asked", "flagged / asked for\n(series without anomalies)", "{:.2g}", True),
    _Panel("us_per_point", "microseconds a point\n(CPU time)", "{:.3g}", True),
)


def draw(path: Path, title: str, marks: Mapping[str, Marks], kinds: Mapping[str, str]) -> None:
    """Save the picture of one board.

    Parameters
    ----------
    path : path
        Of the PNG file.
    title : str
        One line.
    marks : mapping of str to Marks
        By detector; drawn from the best NAB score down.
    kinds : mapping of str to str
        Each detector's key in COLOURS.
    """
    order = sorted(marks, key=lambda name: np.nan_to_num(marks[name].nab_standard, nan=-1.0))
    figure = Figure(figsize=(15.0, 1.9 + 0.36 * len(order)), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=13)
    every = figure.subplots(1, len(_PANELS), sharey=True, width_ratios=(1.5, 1, 1, 1, 1))
    for axes, panel in zip(every, _PANELS, strict=True):
        values = np.array([getattr(marks[name], panel.field) for name in order], dtype=float)
        colours = [COLOURS[kinds[name]] for name in order]
        _draw_panel(axes, panel, values, colours)
    _draw_profiles(every[0], [marks[name] for name in order])
    every[0].set_yticks(range(len(order)), order, color=INK)
    for label, name in zip(every[0].get_yticklabels(), order, strict=True):
        label.set_fontweight("bold" if kinds[name] == "own" else "normal")
    _draw_key(figure)
    figure.savefig(path, dpi=110, facecolor="white")


def _draw_panel(axes: Axes, panel: _Panel, values: np.ndarray, colours: list[str]) -> None:
    rows = np.arange(values.size)
    known = np.isfinite(values) & ((values > 0.0) | (not panel.is_log))
    axes.set_title(panel.title, fontsize=9, color=FAINT, loc="left")
    if panel.is_log:
        _set_log_scale(axes, values[known], panel.field)
        axes.hlines(rows[known], axes.get_xlim()[0], values[known], color="#e4e8ec", linewidth=1.0, zorder=1)
        axes.scatter(values[known], rows[known], c=[colours[at] for at in rows[known]], s=46, zorder=2)
    else:
        axes.barh(rows[known], values[known], color=[colours[at] for at in rows[known]], height=0.66)
        axes.set_xlim(0.0, 1.4 * max([*values[known], 1e-9]))
    for at in rows:
        # a zero has no place on a logarithmic scale: its number stands at the edge
        where = values[at] if known[at] else axes.get_xlim()[0]
        text = panel.form.format(values[at]) if np.isfinite(values[at]) else "-"
        axes.annotate(text, (where, at), (7, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False, labelsize=8, colors=FAINT)


def _set_log_scale(axes: Axes, values: np.ndarray, field: str) -> None:
    axes.set_xscale("log")
    marked = [*values, 1.0] if field == "flagged_over_asked" else [*values, *([] if values.size else [1.0])]
    axes.set_xlim(min(marked) / 2.0, max(marked) * 8.0)
    if field == "flagged_over_asked":
        axes.axvline(1.0, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)


def _draw_profiles(axes: Axes, marks: list[Marks]) -> None:
    """A thin line from the lowest to the highest of NAB's three scores, with the numbers moved past it."""
    most = 0.0
    for at, one in enumerate(marks):
        three = (one.nab_standard, one.nab_low_fp, one.nab_low_fn)
        if not np.isfinite(three).all():
            continue
        axes.plot([min(three), max(three)], [at, at], color=INK, linewidth=1.1, solid_capstyle="butt")
        number = axes.texts[at]
        if isinstance(number, Annotation):
            number.xy = (max(three), at)
        most = max(most, *three)
    axes.set_xlim(0.0, 1.2 * max(most, 1e-9))


def _draw_key(figure: Figure) -> None:
    handles = [Patch(color=colour) for colour in COLOURS.values()]
    words = [_WORDS[kind] for kind in COLOURS]
    figure.legend(handles, words, loc="outside upper right", ncols=3, frameon=False, fontsize=9)
