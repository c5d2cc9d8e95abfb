"""Text from outside as it may be shown: it can forge no line, no colour, no command of a terminal and no formula."""

from __future__ import annotations

import re

# What str.isprintable calls unprintable: control characters (C0, C1), line ends, marks that turn the direction of text
# round or cannot be seen, halves of surrogate pairs. Most text has none, and a look at it is cheap.
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
#: What a spreadsheet program takes for the start of a formula.
_FORMULA = re.compile(r"[=+\-@\t\r\n|%]")


def plain(text: str) -> str:
    r"""A text in one line, with all that cannot be seen escaped as in Python.

    Examples
    --------
    >>> print(plain("pump\x1b[31m\nwater\u202e"))
    pump\x1b[31m\nwater\u202e
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(sign: str) -> str:
    if sign.isprintable():
        return sign
    code = ord(sign)
    if code < 0x100:
        return _ESCAPES.get(sign, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def inert_cell(text: str) -> str:
    """A cell of a CSV file that no spreadsheet program runs: one that may be a formula begins with an apostrophe.

    Examples
    --------
    >>> inert_cell("=1+1"), inert_cell("pump 1"), inert_cell("-5")
    ("'=1+1", 'pump 1', '-5')
    """
    if not _FORMULA.match(text):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
