"""Colours and text sizes of the figures."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

WIDE = 9.0  # inches from which on a figure has space for text of the usual size


@dataclass(frozen=True)
class Theme:
    """Colours of the figure; those of marks are Okabe and Ito's, which the colour-blind can tell apart."""

    page: str
    text: str
    quiet: str
    grid: str
    value: str
    expected: str
    band: str
    anomaly: str
    episode: str
    label: str
    threshold: str


#: Name -> colours.
THEMES = {
    "light": Theme(
        page="#ffffff",
        text="#1f2933",
        quiet="#6b7785",
        grid="#e8ebef",
        value="#0072b2",
        expected="#7b8794",
        band="#dfe5ec",
        anomaly="#d55e00",
        episode="#fbe3d1",
        label="#009e73",
        threshold="#c98a00",
    ),
    "dark": Theme(
        page="#12161c",
        text="#e7ebf0",
        quiet="#8f9bab",
        grid="#232a34",
        value="#56b4e9",
        expected="#97a3b3",
        band="#28313d",
        anomaly="#ff7f2a",
        episode="#47291a",
        label="#2fc89b",
        threshold="#e6b422",
    ),
}


def theme_of(name: str) -> Theme:
    """The colours of a theme; raises ValueError where there is none of that name."""
    if name not in THEMES:
        raise ValueError(f"theme is {name!r}; it must be one of {', '.join(THEMES)}")
    return THEMES[name]


def is_wide(figure: Figure) -> bool:
    """Whether a figure has space for text of the usual size."""
    return float(figure.get_size_inches()[0]) >= WIDE


def text_size(figure: Figure) -> float:
    """Size of text, in points, by the width of the figure."""
    return 9.0 if is_wide(figure) else 7.5
