"""A line -> its cells, and whether one of them alone can be a reading: a number or a time in any form."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from streamforest.reading.notation import RefusedError, read_number, read_time
from streamforest.reading.number_form import is_formed_number
from streamforest.reading.time_form import is_time_text

# Separators, one of which is chosen by one line; where two do equally well, the first one is taken. The rare ones stand
# in texts and units too, so they count only behind a number without a unit or a time.
_USUAL, _RARE = ("\t", ";", ",", "|"), ("^", "~")
#: All separators of one sign.
SEPARATORS = (*_USUAL, *_RARE)
#: Between the cells of tables in columns: any number of blanks; or at least two, where one alone is part of a name.
BLANK, GAP = " ", "  "
BLANKS = frozenset((BLANK, GAP))
#: With this sign a line begins that is a comment.
COMMENT = "#"

_FORMULA = re.compile(r'(?:^|(?<=[,;\t|]))="')  # ="5" keeps a spreadsheet program from changing a text
_GAP = re.compile(r"\s{2,}|\t")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DATE_AND_CLOCK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?:[.,]\d+)?")
_MISSING_ROWS = frozenset(("nan", "null", "none", "na", "n/a"))  # words that make a row where they stand alone


def split_line(line: str, separator: str | None) -> list[str]:
    """The cells of a line; a quoted cell may hold the separator.

    Examples
    --------
    >>> split_line('1,"2,5"', ",")
    ['1', '2,5']
    """
    if separator == GAP:
        return _GAP.split(line.strip())
    if '"' in line:
        return _split_quoted(_FORMULA.sub('"', line) if '="' in line else line, separator)
    if separator == BLANK:
        return _split_at_blanks(line)
    return [line] if separator is None else line.split(separator)


def _split_at_blanks(line: str) -> list[str]:
    cells = line.split()
    if cells and cells[0][-1] == ":" and cells[0][:-1].isdecimal():
        cells[0] = cells[0][:-1]  # as rrdtool writes its times
    return cells


def cut_line(line: str, separator: str | None, width: int) -> list[str]:
    """The cells of a line; where it is not cut at all, cut at another separator that gives the right number.

    Where blanks stand between cells and there is one cell too many, a date and the clock behind it are one.
    """
    cells = split_line(line, separator)
    if separator == BLANK and len(cells) == width + 1:
        at = next((at for at in range(width) if _DATE_AND_CLOCK.fullmatch(f"{cells[at]} {cells[at + 1]}")), None)
        return cells if at is None else [*cells[:at], f"{cells[at]} {cells[at + 1]}", *cells[at + 2 :]]
    if len(cells) > 1 or len(cells) >= width or separator in {None, GAP}:
        return cells
    others = (split_line(line, other) for other in (*_USUAL, BLANK) if other in line)
    return next((other for other in others if len(other) == width), cells)


def _split_quoted(line: str, separator: str | None) -> list[str]:
    reader = csv.reader([line], delimiter=separator or ",", skipinitialspace=separator != BLANK)
    try:
        cells = next(reader)
    except (csv.Error, StopIteration):
        return [line]
    if separator is None:
        return cells if len(cells) == 1 else [line]
    return [cell for cell in cells if cell] if separator == BLANK else cells


def is_comment(line: str) -> bool:
    """Whether a line is a comment, rather than a header whose first name is the sign of one.

    Examples
    --------
    >>> [is_comment(line) for line in ("# made by hand", "#,time,value", "1,2")]
    [True, False, False]
    """
    return line.startswith(COMMENT) and line[1:2] not in SEPARATORS


def filled(cells: list[str]) -> list[str]:
    """The cells of a line without the empty ones at its end."""
    n = len(cells)
    while n > 1 and not cells[n - 1].strip():
        n -= 1
    return cells[:n]


def row_score(line: str) -> int:
    """How many cells of a line are a number, a time or a missing reading, under the best separator."""
    separator = row_separator(line)
    return _score(split_line(line, separator), separator)


def row_separator(line: str) -> str | None:
    """The separator that makes the most numbers and times of a line."""
    there = [] if _has_grouped_numbers(line) else [separator for separator in _USUAL if separator in line]
    there += [separator for separator in _RARE if separator in line and _is_unitless(split_line(line, separator)[0])]
    if there:
        return max(there, key=lambda separator: _score(split_line(line, separator), separator))
    cells = split_line(line, BLANK)
    is_blank = len(cells) > 1 and _is_simple_reading(cells[0]) and not is_reading(line)
    return BLANK if is_blank else None


def _is_unitless(cell: str) -> bool:
    """Whether a cell is a number without a unit, of which the next sign may be part, or a time."""
    return _is_simple_reading(cell, has_comma=True) or is_time_text(cell.strip())


def _has_grouped_numbers(line: str) -> bool:
    """Whether the commas of a line in columns stand between thousands, as in ``1.5    1,234,567  instructions``."""
    if GAP not in line or "," not in line or any(separator in line for separator in _USUAL if separator != ","):
        return False
    words = line.split()
    return all(_THOUSANDS.fullmatch(word) for word in words if "," in word) and _is_simple_reading(words[0])


def header_separator(header: str, row: str) -> str | None:
    """The separator that cuts header and row alike, or else the header into the most cells."""
    there = [separator for separator in _USUAL if len(split_line(header, separator)) > 1]
    there += [sign for sign in _RARE if len(split_line(header, sign)) == len(split_line(row, sign)) > 1]
    if there:
        return max(there, key=lambda separator: _likeness(header, row, separator))
    columns = names_in_columns(header, row)
    return columns[0] if columns and _is_simple_reading(split_line(row, BLANK)[0]) else None


def names_in_columns(header: str, row: str) -> tuple[str, list[str]] | None:
    """How a table in columns is cut, by BLANK or GAP, and the names of its columns; None where line and row do not fit.

    Examples
    --------
    >>> names_in_columns("Filesystem  Used  Mounted on", "/dev/sda1  5  /")
    ('  ', ['Filesystem', 'Used', 'Mounted on'])
    >>> names_in_columns("Filesystem Used Mounted on", "/dev/sda1 5 /")
    (' ', ['Filesystem', 'Used', 'Mounted on'])
    >>> names_in_columns("NAME   CPU %   MEM USAGE / LIMIT", "web   5%   1MiB / 2MiB")
    ('  ', ['NAME', 'CPU %', 'MEM USAGE / LIMIT'])
    >>> names_in_columns("       total  used", "Mem:   16  5")
    (' ', ['name', 'total', 'used'])
    """
    names, parts = split_line(header, BLANK), split_line(header, GAP)
    n, wider = len(cut_line(row, BLANK, len(names))), split_line(row, GAP)
    is_wider = len(parts) == len(wider) > 1
    is_of_times = len(parts) < len(names) and all(is_reading(cell) for cell in wider if BLANK in cell)
    if len(names) == n > 1 and not (is_wider and is_of_times):
        return BLANK, names
    if is_wider:
        return GAP, parts
    if len(names) == n + 1 > 2:
        # a title stands before the names, or the last name is one of two words
        is_titled = names[0][-1] == ":" and row[0].isspace()
        return BLANK, names[1:] if is_titled else [*names[:-2], " ".join(names[-2:])]
    if header[:1].isspace() and len(cut_line(row, BLANK, len(names) + 1)) == len(names) + 1:
        return BLANK, ["" if row[0].isdigit() else "name", *names]
    return None


def has_separator(line: str) -> bool:
    """Whether separators stand between the cells of a line; a comma between thousands is none."""
    words = [line] if "," not in line else [word for word in line.split(BLANK) if not _THOUSANDS.fullmatch(word)]
    return any(separator in word for word in words for separator in _USUAL) or row_separator(line) in _RARE


def _likeness(header: str, row: str, separator: str) -> tuple[bool, int, int]:
    cells = split_line(row, separator)
    width = len(split_line(header, separator))
    return width in {len(cells), len(filled(cells))}, _score(cells, separator), width


def _score(cells: Sequence[str], separator: str | None) -> int:
    return sum(is_reading(cell, separator) for cell in cells)


def is_reading(cell: str, separator: str | None = None) -> bool:
    """Whether a cell alone is a number or a time in any form, or a usual word for a missing one; no empty cell is."""
    text = cell.strip()
    if not text:
        return False
    if not (text[0].isdigit() or text[0] in "+-.($\u20ac\u00a3\u2212['") and text.lower() not in _MISSING_ROWS:
        return text[0].isalpha() and any(map(str.isdigit, text)) and (is_time_text(text) or _is_currency(text))
    return _is_simple_reading(text, separator == ";") or is_formed_number(text) or is_time_text(text)


def _is_currency(text: str) -> bool:
    return not text.isascii() or text[:3].isupper() if is_formed_number(text) else False


def _is_simple_reading(cell: str, has_comma: bool = False) -> bool:
    """Whether a cell is a plain number, a time or a word for a missing one; an empty cell is not."""
    return bool(cell.strip()) and (is_number(cell, has_comma) or is_time(cell))


def is_number(cell: str, has_comma: bool) -> bool:
    """Whether a cell is a number as ``float`` reads it, or a word for a missing one."""
    try:
        read_number(cell, has_comma)
    except RefusedError:
        return False
    return True


def is_time(cell: str) -> bool:
    """Whether a cell is a time in ISO 8601 or unix time, or a word for a missing one."""
    try:
        read_time(cell)
    except RefusedError:
        return False
    return True
