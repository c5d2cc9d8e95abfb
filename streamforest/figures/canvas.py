"""Characters and styles of a screen full of text, and what the styles look like in so many colours."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Styles = NDArray[np.uint8]

SPACE = ord(" ")
#: A cell that the wide character to its left covers too.
COVERED = 0
MOST_CACHED = 2048  # texts whose cells are kept


class Style(IntEnum):
    """What a cell shows; a palette says how it looks."""

    TEXT = 0
    STRONG = 1
    QUIET = 2
    VALUE = 3
    SCORE = 4
    THRESHOLD = 5
    ANOMALY = 6
    CALM = 7


#: Added to a style where the cell lies in the band.
SHADED = 8
N_STYLES = 16

#: Colours of the styles, as numbers of the 256 that terminals have, on a dark and on a light page; the hues are those
#: of the window. None: the colour that the terminal uses for text.
DARK = {
    Style.QUIET: 245,
    Style.VALUE: 75,
    Style.SCORE: 110,
    Style.THRESHOLD: 178,
    Style.ANOMALY: 208,
    Style.CALM: 78,
}
LIGHT = {
    Style.QUIET: 243,
    Style.VALUE: 25,
    Style.SCORE: 60,
    Style.THRESHOLD: 136,
    Style.ANOMALY: 166,
    Style.CALM: 29,
}
#: Background of the band, dark and light.
DARK_BAND, LIGHT_BAND = 237, 254
#: The same where there are 16 colours, which are what the user's terminal makes of them.
FEW = {
    Style.QUIET: 90,
    Style.VALUE: 36,
    Style.SCORE: 34,
    Style.THRESHOLD: 33,
    Style.ANOMALY: 91,
    Style.CALM: 32,
}
#: Styles that are bold in any palette: without colours they are what tells an anomaly from the rest.
BOLD = {Style.STRONG, Style.ANOMALY}


def palette(colours: int, is_dark: bool) -> list[str]:
    """Escape sequences that choose each style, in the order of their numbers.

    Parameters
    ----------
    colours : {256, 16, 0}
        How many the terminal has.
    is_dark : bool
        Whether its page is dark.
    """
    return [_sequence(Style(number % SHADED), number >= SHADED, colours, is_dark) for number in range(N_STYLES)]


def _sequence(style: Style, is_shaded: bool, colours: int, is_dark: bool) -> str:
    parts = ["0"]
    if style in BOLD:
        parts.append("1")
    elif colours == 0 and style is Style.QUIET:
        parts.append("2")
    if colours == 256:
        number = (DARK if is_dark else LIGHT).get(style)
        parts += [] if number is None else [f"38;5;{number}"]
        parts += [f"48;5;{DARK_BAND if is_dark else LIGHT_BAND}"] if is_shaded else []
    elif colours == 16 and style in FEW:
        parts.append(str(FEW[style]))
    return f"\x1b[{';'.join(parts)}m"


class Canvas:
    """A screen full of characters, each with a style.

    Parameters
    ----------
    columns, rows : int
        Its size, at least 1 each.

    Attributes
    ----------
    codes : uint32 array, shape (rows, columns)
        Code points; COVERED behind a wide character.
    styles : uint8 array, shape (rows, columns)
        A Style, with SHADED added in the band.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.codes: Codes = np.full((rows, columns), SPACE, np.uint32)
        self.styles: Styles = np.zeros((rows, columns), np.uint8)

    def write(self, row: int, column: int, text: str, style: Style = Style.TEXT, width: int | None = None) -> int:
        """Write text from a place on, cut at ``width`` columns and at the edge; returns the column behind it.

        Rows and columns outside are left out, and so are characters that take no column of their own.
        """
        end = self.columns if width is None else min(self.columns, column + width)
        if not 0 <= row < self.rows:
            return column
        codes = _first(text, end - column)
        seen = codes[max(0, -column) :]
        if seen:
            self._put(row, max(0, column), seen, style)
        return column + len(codes)

    def _put(self, row: int, column: int, codes: list[int], style: Style) -> None:
        """Write code points; of a wide character that half is written over the other half goes, too."""
        end = column + len(codes)
        if self.codes[row, column] == COVERED or codes[0] == COVERED:
            self.codes[row, max(0, column - 1)] = SPACE
            codes[0] = SPACE if codes[0] == COVERED else codes[0]
        if end < self.columns and self.codes[row, end] == COVERED:
            self.codes[row, end] = SPACE
        self.codes[row, column:end] = codes
        self.styles[row, column:end] = style

    def write_parts(self, row: int, column: int, parts: Sequence[tuple[str, Style]]) -> int:
        """Write texts of different styles behind one another, cut at the edge; returns the column behind them."""
        for text, style in parts:
            column = self.write(row, column, cut(text, self.columns - column), style)
        return column

    def clear(self, row: int, column: int, rows: int, columns: int) -> None:
        """Empty a rectangle."""
        area = slice(max(row, 0), max(row + rows, 0)), slice(max(column, 0), max(column + columns, 0))
        self.codes[area], self.styles[area] = SPACE, Style.TEXT

    def lines(self) -> list[str]:
        """The rows as text, without styles."""
        return ["".join(chr(code) for code in row if code != COVERED) for row in self.codes.tolist()]


@lru_cache(maxsize=MOST_CACHED)
def _cells(text: str) -> tuple[int, ...]:
    """The code points of the cells that a text takes; most texts are those of the frame before."""
    if text.isascii() and text.isprintable():
        return tuple(text.encode("ascii"))
    return tuple(code for sign in text for code in (ord(sign), COVERED)[: width_of(sign)])


def width_of(sign: str) -> int:
    """Columns that a character takes: 0, 1 or 2; what a terminal might take for a command is not shown."""
    if not sign.isprintable() or unicodedata.category(sign) in ("Mn", "Me"):
        return 0
    if sign.isascii():
        return 1
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def columns_of(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(_cells(text))


def cut(text: str, columns: int) -> str:
    """A text that takes at most so many columns, with dots at its end where it is cut."""
    if columns_of(text) <= columns:
        return text
    kept = "".join(chr(code) for code in _first(text, columns - 2) if code != COVERED)
    return f"{kept}.."[: max(0, columns)]


def _first(text: str, columns: int) -> list[int]:
    """The code points of a text's first cells, at most so many; half of a wide character is none."""
    cells = _cells(text)
    columns = max(0, columns)
    if columns < len(cells) and columns and cells[columns] == COVERED:
        columns -= 1
    return list(cells[:columns])
