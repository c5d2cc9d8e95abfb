"""The picture of the benchmark of recurring anomalies: found against probability, and a piece of a marked stream."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.quality_chart import COLOURS, FAINT, INK
from streamforest.protocols import NORMAL

#: Probability of the piece that is shown, its points, and the first one shown: the detector knows the stream by then.
PROBABILITY, POINTS, SHOWN_FROM = 0.2, 1200, 600
#: Colours of injected points that were marked and missed, and of normal points that were marked.
_FOUND, _MISSED, _FALSE = "#2f8f5b", "#d08a00", "#c2352b"
_MARKERS = "osD^vPX"


class Piece(NamedTuple):
    """A piece of a stream, shape (n,), and what a detector marked in it."""

    detector: str
    values: NDArray[np.float64]
    labels: NDArray[np.int8]
    marked: NDArray[np.bool_]


def draw(path: Path, lines: Mapping[str, Mapping[float, float]], own: Collection[str], piece: Piece) -> None:
    """Save the picture.

    Parameters
    ----------
    path : Path
        Of the PNG file.
    lines : mapping of str to mapping of float to float
        Detector -> probability -> share of the spikes and dips found.
    own : collection of str
        Which of the detectors are this project's.
    piece : Piece
        Drawn below.
    """
    figure = Figure(figsize=(12.0, 8.0), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1.0, 1.1))
    _draw_lines(above, lines, own)
    _draw_piece(below, piece)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=FAINT)
    figure.savefig(path, dpi=110, facecolor="white")


def _draw_lines(axes: Axes, lines: Mapping[str, Mapping[float, float]], own: Collection[str]) -> None:
    """A line a detector, its name at its right end; names that would lie over one another are moved apart."""
    axes.set_title("Spikes and dips found, by the probability that a point begins an anomaly", loc="left", color=INK)
    ends: list[tuple[float, str]] = []
    for (name, shares), marker in zip(lines.items(), cycle(_MARKERS), strict=False):
        at = [probability for probability in sorted(shares) if shares[probability] == shares[probability]]
        if not at:
            continue
        known = [shares[probability] for probability in at]
        colour = COLOURS["own"] if name in own else COLOURS["peer"]
        axes.plot(at, known, color=colour, marker=marker, markersize=5, linewidth=2.0 if name in own else 1.2)
        ends.append((known[-1], name))
    axes.set_xscale("log")
    known_at = sorted({probability for shares in lines.values() for probability in shares})
    axes.set_xticks(known_at, [f"{probability:g}" for probability in known_at])
    axes.minorticks_off()
    axes.set_ylim(0.0, 1.05)
    place = -0.03  # a name at 0 stands above the axis
    for share, name in sorted(ends):
        place = max(share, place + 0.055)
        weight = "bold" if name in own else "normal"
        axes.annotate(
            name,
            (known_at[-1], place),
            (9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
            fontweight=weight,
            annotation_clip=False,
        )


def _draw_piece(axes: Axes, piece: Piece) -> None:
    """The stream's line with its injected points and marks."""
    title = f"The default stream at {PROBABILITY:g}, and what {piece.detector} marks"
    axes.set_title(title, loc="left", color=INK)
    index = np.arange(piece.values.size)
    shown = index >= SHOWN_FROM
    axes.plot(index[shown], piece.values[shown], color="#aab4bf", linewidth=0.8, zorder=1)
    injected = piece.labels != NORMAL
    for where, colour, words in (
        (injected & piece.marked, _FOUND, "injected, marked"),
        (injected & ~piece.marked, _MISSED, "injected, not marked"),
        (~injected & piece.marked, _FALSE, "normal, marked"),
    ):
        here = where & shown
        axes.scatter(index[here], piece.values[here], s=16, color=colour, zorder=2, label=f"{words}: {here.sum()}")
    axes.set_xlabel("point", fontsize=8, color=FAINT)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=9)
