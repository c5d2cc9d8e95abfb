"""Text from outside as it may be shown: it can forge no line, no colour, no command of a terminal and no formula."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# What str.isprintable calls unprintable: control characters (C0, C1), line ends, marks that turn the direction of text
# round or cannot be seen, halves of surrogate pairs. Most text has none, and a look at it is cheap.
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
#: What a spreadsheet program takes for the start of a formula; it reads the wide signs of East Asian scripts alike.
_FORMULA = re.compile("[=+\\-@\\t\\r\\n|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05]")


def escaped(text: str) -> str:
    r"""A text in one line, with all that cannot be seen escaped as in Python.

    Examples
    --------
    >>> print(escaped("pump\x1b[31m\nwater\u202e"))
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


def is_whole(text: str) -> bool:
    r"""Whether a text has no half character, which JSON can name (``\ud800``) and nothing can write.

    Examples
    --------
    >>> is_whole("caf\u00e9"), is_whole("\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(raw: object) -> str:
    r"""Text as it may be shown to a user: quoted, at most 40 characters, with control characters escaped.

    Examples
    --------
    >>> print(shown("a\x1b[31m"))
    'a\x1b[31m'
    """
    text = str(raw)
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}..."


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


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """A guess at what was meant by a misspelt word, for the end of a message; empty if nothing is near.

    Examples
    --------
    >>> did_you_mean("zscore", ("z-score", "matrix-profile"))
    '; did you mean z-score?'
    """
    near = difflib.get_close_matches(word, list(words), 1) if isinstance(word, str) else []
    return f"; did you mean {near[0]}?" if near else ""
