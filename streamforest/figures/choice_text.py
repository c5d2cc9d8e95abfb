"""A panel of choices made of characters, and the row of marks that a choice would make."""

from __future__ import annotations

import numpy as np

from streamforest.figures.braille import Glyphs
from streamforest.figures.canvas import Canvas, Style, columns_of, cut
from streamforest.verdicts.panel import Panel

#: Columns of a slider.
LEAST_SLIDER, MOST_SLIDER = 8, 24
KNOB = "O"
#: Signs of an alarm that stays, that is new and that is dropped.
STAYS, NEW, DROPPED = "|", "+", "x"
SIGNS = f"{STAYS} stays   {NEW} new   {DROPPED} dropped"
APART = " " * 3  # between two hints

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
    end = canvas.write(row, column, cut(f"{panel.title}: {panel.result}", columns), Style.STRONG)
    below = panel.hint.split(APART)
    if end + 3 + len(SIGNS) <= column + columns:
        canvas.write(row, column + columns - len(SIGNS), SIGNS, Style.QUIET)
    else:
        below.append(SIGNS)
    shown = max(0, min(rows - 1, len(panel.rows)))
    first = max(0, min(panel.chosen - shown + 1, len(panel.rows) - shown))
    names = min(max((columns_of(one.name) for one in panel.rows), default=0), columns // 2)
    for k in range(shown):
        number = first + k
        sign = ">" if number == panel.chosen else " "
        canvas.write(row + 1 + k, column, f"{sign} {cut(panel.rows[number].name, names)}", _style(sign == ">"))
        _write_value(canvas, (row + 1 + k, column + names + 4, columns - names - 4), panel, number, glyphs)
    for k, line in enumerate(_filled(below, columns)[: rows - shown - 1]):
        canvas.write(row + 1 + shown + k, column, cut(line, columns), Style.QUIET)


def _filled(parts: list[str], columns: int) -> list[str]:
    """Lines of so many columns, filled with parts that are not broken."""
    lines = parts[:1]
    for part in parts[1:]:
        if columns_of(lines[-1] + APART + part) <= columns:
            lines[-1] += APART + part
        else:
            lines.append(part)
    return lines


def _style(is_chosen: bool) -> Style:
    return Style.STRONG if is_chosen else Style.TEXT


def _write_value(canvas: Canvas, place: tuple[int, int, int], panel: Panel, number: int, glyphs: Glyphs) -> None:
    """Write the slider of a row, if it has one and there is space, and its value; place: row, column, columns."""
    at, column, columns = place
    row, style = panel.rows[number], _style(number == panel.chosen)
    slider = min(MOST_SLIDER, columns - columns_of(row.text) - 2)
    if row.share is not None and slider >= LEAST_SLIDER:
        canvas.write(at, column, glyphs.rule * slider, Style.QUIET)
        canvas.write(at, column + round(row.share * (slider - 1)), KNOB, style)
        column, columns = column + slider + 2, columns - slider - 2
    canvas.write(at, column, cut(row.text, columns), Style.ANOMALY if row.is_changed else style)


def write_marks(canvas: Canvas, row: int, left: int, columns: int, places: dict[str, np.ndarray]) -> None:
    """Write the row of marks: columns, by sign, where alarms stay, are new or are dropped; new ones lie on top."""
    canvas.clear(row, 0, 1, left + columns)
    for sign, style in ((DROPPED, Style.QUIET), (STAYS, Style.ANOMALY), (NEW, Style.THRESHOLD)):
        at = np.unique(places.get(sign, np.empty(0, np.intp)))
        canvas.codes[row, at], canvas.styles[row, at] = ord(sign), style
    canvas.write(row, 0, cut("trial", max(0, left - 1)), Style.QUIET)
