"""Pictures of the summary: the worst of many streams, and the most unusual episodes, each drawn small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamforest.figures.inline import inline_picture
from streamforest.figures.shapes import runs
from streamforest.figures.themes import THEMES
from streamforest.program.summary.markup import Card, Figure, Picture, Section, many, moment_of, rarity
from streamforest.protocols import Status, Verdicts
from streamforest.verdicts.episodes import Episode
from streamforest.verdicts.history import Floats, History
from streamforest.verdicts.ranking import PAST, StreamRanking
from streamforest.wording import reason_text

MOST_CARDS = 6  # episodes with a picture of their own
BEFORE, AFTER, LONGEST = 60, 40, 300  # points around an episode, and in all, in its picture
LARGEST = 1e300  # values beyond are drawn there
#: Width and height in inches and pixels an inch of the picture, for a screen and for a phone.
SIZES = {"wide": (12.8, 6.8, 140.0), "narrow": (5.8, 5.8, 180.0)}
CARD_WIDTH, CARD_HEIGHT, CARD_MARGIN = 320.0, 110.0, 8.0  # of an episode's picture, in its own unit


def ranking_pictures(ranking: StreamRanking, status: Callable[[], Status]) -> Section:
    """The worst of many streams at the end of the run, a picture a theme: a printer would not choose anew."""
    if not ranking.end:
        return Section(note="No point was judged.")
    caption = f"The worst streams at the end of the run, the newest {PAST} points of each."
    meaning = "The worst streams with their expected band and anomalies, and a ranking beside them"
    pictures = [
        Picture(theme, *(inline_picture(ranking, status, theme, *SIZES[size]) for size in ("narrow", "wide")))
        for theme in THEMES
    ]
    width, height, _ = SIZES["wide"]
    return Section(figure=Figure(pictures, (round(100 * width), round(100 * height)), meaning, caption))


def episode_cards(history: History, episodes: Sequence[Episode]) -> list[Section]:
    """The most unusual of the episodes that can still be drawn, each with a small picture; nothing without one."""
    found = [episode for episode in episodes if episode.start.index >= history.first]
    chosen = sorted(found, key=rarity)[:MOST_CARDS]
    title = "The most unusual episodes" if len(episodes) > len(chosen) else "The episodes"
    return [Section(title, cards=[_card(history, one) for one in chosen])] if chosen else []


def _card(history: History, episode: Episode) -> Card:
    start = episode.start.index
    rows = history.view(start - BEFORE, min(episode.last.index + AFTER, start - BEFORE + LONGEST - 1))
    kind, _, numbers = reason_text(episode.peak).partition(": ")
    lines = (numbers, f"{moment_of(episode.start)}, {many(episode.points)}")
    return Card(kind or "anomalous", f"episode {episode.number:,}", drawing_of(rows, episode), lines)


def drawing_of(rows: Verdicts, episode: Episode) -> str:
    """The points around an episode as a small drawing, in the colours that the page has."""
    values, expected, lower, upper = (
        np.clip(rows[name], -LARGEST, LARGEST) for name in ("value", "expected", "lower", "upper")
    )
    drawn = np.concatenate((values, expected))
    drawn = drawn[np.isfinite(drawn)]
    low, high = (drawn.min(), drawn.max()) if len(drawn) else (0.0, 0.0)
    half = (high / 2 - low / 2) or 1.0

    def height(numbers: Floats) -> Floats:
        inside = np.clip((numbers / 2 - low / 2) / half, -0.06, 1.06)
        return CARD_MARGIN + (1 - inside) * (CARD_HEIGHT - 2 * CARD_MARGIN)

    x = CARD_MARGIN + (CARD_WIDTH - 2 * CARD_MARGIN) * np.arange(len(rows)) / max(1, len(rows) - 1)
    flagged = np.flatnonzero(rows["is_anomaly"] & (rows["episode"] == episode.number))
    left, right = (x[flagged[0]] - 3, x[flagged[-1]] + 3) if len(flagged) else (0.0, 0.0)
    places = height(np.where(np.isfinite(values), values, expected))
    dots = "".join(f'<circle cx="{x[k]:.1f}" cy="{places[k]:.1f}" r="2.6"/>' for k in flagged if places[k] == places[k])
    return (
        f'<svg viewBox="0 0 {CARD_WIDTH:g} {CARD_HEIGHT:g}" role="img" aria-label="The points around the episode">'
        f'<rect x="{left:.1f}" width="{right - left:.1f}" height="{CARD_HEIGHT:g}"/>'
        f'<path class="band" d="{_band(x, height(lower), height(upper))}"/>'
        f'<path class="expected" d="{_line(x, height(expected))}"/>'
        f'<path class="value" d="{_line(x, height(values))}"/>{dots}</svg>'
    )


def _line(x: Floats, y: Floats) -> str:
    """A path through the finite points, with gaps where others are."""
    return "".join("M" + "L".join(_points(x, y, a, b)) for a, b in _stretches(np.isfinite(y)))


def _stretches(drawn: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last offset of each stretch of True."""
    yield from zip(*runs(drawn * (np.cumsum(~drawn) + 1)), strict=True)


def _band(x: Floats, lower: Floats, upper: Floats) -> str:
    return "".join(
        "M" + "L".join([*_points(x, upper, a, b), *reversed(_points(x, lower, a, b))]) + "Z"
        for a, b in _stretches(np.isfinite(lower) & np.isfinite(upper))
    )


def _points(x: Floats, y: Floats, first: int, last: int) -> list[str]:
    return [f"{a:.1f} {b:.1f}" for a, b in zip(x[first : last + 1], y[first : last + 1], strict=True)]
