"""A panel of choices made of characters, and the row of marks that a choice would make."""

from __future__ import annotations

import numpy as np

from streamforest.figures.braille import Glyphs
from streamforest.figures.canvas import Canvas, Style, columns_of, cut
from streamforest.verdicts.panel import Panel, Row

#: Columns of a row's name and of a slider.
NAME, LEAST_SLIDER, MOST_SLIDER = 17, 8, 24
KNOB = "O"
#: Signs of an alarm that stays, that is new and that is dropped.
STAYS, NEW, DROPPED = "|", "+", "x"

#: First row and column, rows and columns.
Place = tuple[int, int, int, int]


def rows_of(panel: Panel) -> int:
    """Rows that a panel takes: its result, its rows and the keys."""
    return len(panel.rows) + 2


def write_panel(canvas: Canvas, place: Place, panel: Panel, glyphs: Glyphs) -> None:
    """Write a panel in an area, which is cleared; where it has too few rows, around the chosen one."""
    row, column, rows, columns = place
    if rows < 1 or columns < 12:
        return
    canvas.clear(*place)
    canvas.write(row, column, cut(f"{panel.title}: {panel.result}", columns), Style.STRONG)
    shown = max(0, min(rows - 1, len(panel.rows)))
    first = max(0, min(panel.chosen - shown + 1, len(panel.rows) - shown))
    for k in range(shown):
        number = first + k
        _write_row(canvas, (row + 1 + k, column, columns), panel.rows[number], number == panel.chosen, glyphs)
    if rows > shown + 1:
        canvas.write(row + 1 + shown, column, cut(panel.hint, columns), Style.QUIET)


def _write_row(canvas: Canvas, place: tuple[int, int, int], row: Row, is_chosen: bool, glyphs: Glyphs) -> None:
    at, column, columns = place
    style = Style.STRONG if is_chosen else Style.TEXT
    canvas.write(at, column, f"{'>' if is_chosen else ' '} {cut(row.name, NAME)}", style)
    place_of_text = column + NAME + 3
    slider = min(MOST_SLIDER, columns - NAME - 3 - columns_of(row.text) - 2)
    if row.share is not None and slider >= LEAST_SLIDER:
        canvas.write(at, place_of_text, glyphs.rule * slider, Style.QUIET)
        canvas.write(at, place_of_text + round(row.share * (slider - 1)), KNOB, style)
        place_of_text += slider + 2
    text = cut(row.text, column + columns - place_of_text)
    canvas.write(at, place_of_text, text, Style.ANOMALY if row.is_changed else style)


def write_marks(canvas: Canvas, row: int, left: int, columns: int, places: dict[str, np.ndarray]) -> None:
    """Write the row of marks: columns, by sign, where alarms stay, are new or are dropped; new ones lie on top."""
    canvas.clear(row, 0, 1, left + columns)
    for sign, style in ((DROPPED, Style.QUIET), (STAYS, Style.ANOMALY), (NEW, Style.THRESHOLD)):
        at = np.unique(places.get(sign, np.empty(0, np.intp)))
        canvas.codes[row, at], canvas.styles[row, at] = ord(sign), style
    canvas.write(row, 0, cut("trial", max(0, left - 1)), Style.QUIET)
