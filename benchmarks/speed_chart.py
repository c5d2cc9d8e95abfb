"""The speed benchmark's figures as a picture: who costs what, and how the cost grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from benchmarks.quality_chart import COLOURS, FAINT, INK
from benchmarks.speed_contenders import is_own
from benchmarks.speed_rounds import Cost

#: Topic -> title of its panel; those above are a dot a contender, those below a line.
_FIGURES = {
    "one by one": "one point at a time, us",
    "in arrays": "in arrays, us a point",
    "10,000 streams": "10,000 streams, us a point",
    "first verdict": "start to first verdict, ms",
    "a line in a pipe": "a line in to a line out, us",
    "memory": "resident memory, MiB",
}
_GROWTH = {
    "growth: trees": "us a point by trees",
    "growth: features": "us a point by features",
    "growth: window": "us a point by the window's points",
    "growth: length of the stream": "us a point by points seen before",
    "growth: number of streams": "us a point by streams side by side",
    "growth: memory of the streams": "MiB of the process by streams side by side",
}
_MARKERS = "osD^v"


def draw(path: Path, head: str, costs: Sequence[Cost]) -> None:
    """Save the picture.

    Parameters
    ----------
    path : Path
        Of the PNG file.
    head : str
        Machine and versions, a line each.
    costs : sequence of Cost
        Topics that are not among them are left out; there must be one.
    """
    by_topic: dict[str, list[Cost]] = {}
    for one in costs:
        if not one.who.endswith("99 % within"):  # those stand in the tables
            by_topic.setdefault(one.topic, []).append(one)
    figures = [topic for topic in _FIGURES if topic in by_topic]
    growth = [topic for topic in _GROWTH if topic in by_topic]
    rows = [(-(-len(topics) // 3), topics) for topics in (figures, growth) if topics]
    figure = Figure(figsize=(15.0, 1.0 + sum(3.1 * n for n, _ in rows)), layout="constrained")
    figure.suptitle(f"What judging a point costs: median, and a line from the lowest to the highest round\n{head}",
                    x=0.01, ha="left", color=INK, fontsize=10)  # fmt: skip
    parts = figure.subfigures(len(rows), 1, height_ratios=[n for n, _ in rows], squeeze=False)[:, 0]
    for part, (n, topics) in zip(parts, rows, strict=True):
        for axes, topic in zip(_panels(part, n, len(topics)), topics, strict=True):
            _style(axes)
            if topic in _FIGURES:
                _draw_figures(axes, _FIGURES[topic], by_topic[topic])
            else:
                _draw_growth(axes, _GROWTH[topic], by_topic[topic])
    figure.savefig(path, dpi=110, facecolor="white")


def _panels(part: SubFigure, rows: int, wanted: int) -> list[Axes]:
    every = list(part.subplots(rows, 3, squeeze=False).flat)
    for axes in every[wanted:]:
        axes.remove()
    return every[:wanted]


def _style(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=FAINT, which="both")
    axes.grid(axis="both", color="#eef1f4", linewidth=0.8)
    axes.set_axisbelow(True)


def _colour(who: str) -> str:
    return COLOURS["own" if is_own(who) else "peer"]


def _draw_figures(axes: Axes, title: str, costs: Sequence[Cost]) -> None:
    """A dot a contender on a logarithmic scale, its number beside it."""
    axes.set_title(title, fontsize=9, color=FAINT, loc="left")
    axes.set_xscale("log")
    for row, one in enumerate(reversed(costs)):
        axes.plot([one.lowest, one.highest], [row, row], color=INK, linewidth=1.2)
        axes.plot(one.median, row, "o", color=_colour(one.who), markersize=7)
        axes.annotate(f"{one.median:,.3g}" if one.median < 1000 else f"{one.median:,.0f}", (one.highest, row), (7, 0),
                      textcoords="offset points", va="center", fontsize=8, color=INK)  # fmt: skip
    axes.set_yticks(range(len(costs)), [one.who for one in reversed(costs)], fontsize=8, color=INK)
    axes.tick_params(left=False)
    axes.set_ylim(-0.6, len(costs) - 0.4)
    axes.set_xlim(0.5 * min(one.lowest for one in costs), 20.0 * max(one.highest for one in costs))


def _draw_growth(axes: Axes, title: str, costs: Sequence[Cost]) -> None:
    """A line a contender on two logarithmic scales."""
    axes.set_title(title, fontsize=9, color=FAINT, loc="left")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for at, who in enumerate(dict.fromkeys(one.who for one in costs)):
        mine = [one for one in costs if one.who == who]
        spread = [[one.median - one.lowest for one in mine], [one.highest - one.median for one in mine]]
        axes.errorbar([one.at for one in mine], [one.median for one in mine], spread, label=who, color=_colour(who),
                      marker=_MARKERS[at], markersize=5, linewidth=1.4, elinewidth=1.0)  # fmt: skip
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the key
    axes.legend(fontsize=8, frameon=False, loc="upper left", labelcolor=INK)
