"""What the sections of the summary hold, of which its page makes HTML: tables, cards, pictures; text and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streamforest.moments import iso_time
from streamforest.protocols import Verdict
from streamforest.text import escaped
from streamforest.verdicts.episodes import Episode
from streamforest.wording import DASH


class Column(NamedTuple):
    """The head of a column; numbers stand at its right edge."""

    name: str
    is_number: bool = False


class Table(NamedTuple):
    """A table of texts.

    Attributes
    ----------
    heads : sequence of Column
        One for each cell of a row; their names are shown unless all are empty.
    rows : sequence of sequence of str
        The cells.
    style : str
        A class of the page's style.
    has_row_heads : bool
        Whether the first cell of a row is its head.
    """

    heads: Sequence[Column]
    rows: Sequence[Sequence[str]]
    style: str = ""
    has_row_heads: bool = False


class Card(NamedTuple):
    """A small drawing with its heading and lines below; the drawing is SVG already, of numbers only."""

    title: str
    beside: str
    drawing: str
    lines: Sequence[str]


class Picture(NamedTuple):
    """A picture in the colours of a theme, as addresses that hold it: of a phone's width and of a screen's."""

    theme: str
    narrow: str
    wide: str


class Figure(NamedTuple):
    """A picture in each theme, of which the page's style shows one."""

    pictures: Sequence[Picture]
    size: tuple[int, int]  # of the wide one, in CSS pixels
    meaning: str  # in words, for those who cannot see it
    caption: str


class Chart(NamedTuple):
    """A stream that the page's script draws, and the picture that stands for it on paper and where no script runs.

    Attributes
    ----------
    run : str
        Points and episodes, JSON that ends no element of the page.
    picture : str
        Address that holds the picture.
    size : (int, int)
        Of the picture, in CSS pixels.
    meaning : str
        In words, for those who cannot see it.
    caption : str
        Which points it shows.
    listed : str
        Which episodes are listed beside it; empty where all are.
    """

    run: str
    picture: str
    size: tuple[int, int]
    meaning: str
    caption: str
    listed: str


class Section(NamedTuple):
    """One part of the page; what is empty is left out."""

    title: str = ""
    note: str = ""
    chart: Chart | None = None
    figure: Figure | None = None
    cards: Sequence[Card] = ()
    table: Table | None = None
    code: str = ""
    is_folded: bool = False


def printable(part: Any) -> Any:
    """The same with every text escaped, in tuples, lists and dicts too: what does not print is shown as a code."""
    if isinstance(part, str):
        return escaped(part)
    if isinstance(part, dict):
        return {printable(name): printable(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        inner = map(printable, part)
        return type(part)(*inner) if hasattr(part, "_fields") else [*inner]
    return part


def moment_of(verdict: Verdict) -> str:
    """When a point was read: its time, where it has one, else its number."""
    return f"point {verdict.index:,}" if verdict.time is None else iso_time(verdict.time, has_fractions=False)


def rarity(episode: Episode) -> tuple[float, float]:
    """Sorts the most unusual episodes first."""
    peak = episode.peak
    return (1.0 if peak.p_value is None else peak.p_value, -(peak.score or 0.0))


def many(points: int) -> str:
    """So many points, in words."""
    return f"{points:,} point{'' if points == 1 else 's'}"


def number_of(number: float | None, form: str) -> str:
    """A number as text, a dash if it is unknown."""
    return DASH if number is None else format(number, form)
