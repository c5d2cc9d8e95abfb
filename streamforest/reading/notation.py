"""Numbers, times and labels as text writes them.

Times are ISO 8601 (``2024-05-01``, ``2024-05``, ``2024-05-01T12:00:00.5Z``, ``2024-05-01 12:00:00+02:00``; UTC where no
zone stands; ``/`` between the parts of the date as well; basic, week and ordinal dates; of a range the start), dates
with names of months, or unix time in seconds, milli-, micro- or nanoseconds, told apart by their size. A time that is
None or empty is not known: NaN. Other forms are learnt from a column: :mod:`~streamforest.reading.time_form`.

Labels are numbers (0 normal, another one an anomaly), ``true/false``, ``yes/no`` or a name in
:data:`~streamforest.protocols.LABELS`, in any case; a label of type int is an index into that table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import ANOMALY, LABELS, NORMAL, UNLABELLED, Reading
from streamforest.reading.time_text import Wall, iso_moment, of_moment, read_text, simple_seconds
from streamforest.text import shown

Column = Sequence[str | float | None]
#: Text that stands for a missing value, in lower case.
MISSING = frozenset(
    [
        *("", "nan", "null", "none", "na", "n/a", "#n/a", "#na", "<na>", "n.a.", "n/e", "n.v.", "k.a.", "nil", "nat"),
        *("-", "--", "---", "----", "?", "***", "\\n", "unavailable", "unknown", "unavail", "undefined", "missing"),
        *("no data", "nodata", "not available", "offline", "#null!", "#value!", "#div/0!", "#ref!", "#num!", "#name?"),
        *("ice", "eqp"),  # of gauges in rivers
        *(
            ".",
            "..",
            ":",
            "--.-",
            "---.-",
            "-.-",
            "m",
            "mm",
            "nd",
            "n/d",
            "n.d.",
            "s/d",
        ),  # of offices and weather stations
        *(
            "no value",
            "missing value",
            "bad input",
            "i/o timeout",
            "pt created",
            "calc failed",
            "scan off",
            "comm fail",
        ),
        *("keine daten", "kein wert", "sin datos", "sin dato", "geen data", "void", "fehlt"),
        *("bad", "error", "err", "invalid", "fault", "overflow", "(null)", "<null>", "[null]", "#n/v"),
        *("1.#qnan", "1.#ind", "-1.#ind", "-nan", "-nan(ind)", "nan(ind)"),  # of C programs
    ]
)
#: What spreadsheets and typesetters take for a minus: the sign, or a dash.
MINUS = ("\u2212", "\u2013")
NO_NUMBER = "a value that is no number"
INFINITE = "an infinite value"
BAD_TIME = "a time that cannot be read"
LABEL_CODES = {
    **{name: code for code, name in enumerate(LABELS)},
    **dict.fromkeys(("true", "yes"), ANOMALY),
    **dict.fromkeys(("false", "no"), NORMAL),
    **dict.fromkeys(MISSING, UNLABELLED),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_JSON_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[-+]\d{4})?\)/")  # milliseconds, as .NET writes them
_YEAR_AND_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)


class RefusedError(ValueError):
    """A reading that cannot become a point: the kind of fault and the reason in words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def read_number(raw: str | float | None, decimal_comma: bool = False) -> float:
    """The number that a text or number stands for; NaN for a missing one.

    Raises
    ------
    RefusedError
        It is no number, or infinite.

    Examples
    --------
    >>> read_number(" 3,5 ", decimal_comma=True)
    3.5
    """
    return read_value(Reading(raw, None, None, decimal_comma))[0]


def read_value(reading: Reading) -> tuple[float, bool]:
    """The value, NaN for a missing one, and whether it was repaired."""
    raw = reading.value
    if raw is None:
        return math.nan, False
    if isinstance(raw, str) and (number := _simple_number(raw)) is not None:
        return number, False
    is_repaired = False
    try:
        if isinstance(raw, str):
            text = raw.strip()
            if text.lower() in MISSING:
                return math.nan, False
            is_repaired = text != raw
            if text.startswith(MINUS):
                text, is_repaired = f"-{text[1:]}", True
            if reading.decimal_comma and "," in text:
                text, is_repaired = text.replace(",", "."), True
            value = _ascii_number(text)
        else:
            value = float(raw)
    except OverflowError:
        value = math.inf  # an integer that is too large for a float
    except (ValueError, TypeError):
        raise RefusedError(NO_NUMBER, f"{shown(raw)} is no number") from None
    if math.isinf(value):
        raise RefusedError(INFINITE, f"{shown(raw)} is infinite or too large for a number")
    return value, is_repaired and value == value


def _simple_number(text: str) -> float | None:
    """The number of a text that is nothing else, as nearly all are; None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    is_simple = number - number == 0.0 and text.isascii() and "_" not in text and text.strip() == text
    return number if is_simple else None


def _ascii_number(text: str) -> float:
    """``float`` without the notations of Python's own: underscores and digits of other alphabets."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def read_time(raw: str | float | None) -> float:
    """Seconds, UTC epoch, of an ISO 8601 text or a unix time; NaN for None or empty text.

    Raises
    ------
    RefusedError
        It is neither.

    Examples
    --------
    >>> read_time("1970-01-02T01:00:00+01:00")
    86400.0
    >>> read_time("1714521600000") == read_time("2024-05-01")
    True
    """
    if isinstance(raw, str):
        if raw.isdigit() and raw.isascii():
            return _read_unix(float(raw))
        if (seconds := simple_seconds(raw.removesuffix("Z"))) is not None:
            return seconds
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in MISSING):
        return math.nan
    try:
        found = read_wall(raw)
    except (ValueError, TypeError, OverflowError):
        reason = f"time {shown(raw)} cannot be read: it is neither ISO 8601 nor unix time"
        raise RefusedError(BAD_TIME, reason) from None
    return found.utc if isinstance(found, Wall) else found


def read_wall(raw: str | float) -> Wall | float:
    """What :func:`read_time` reads before a zone is taken off: a wall or, of a number, seconds, UTC epoch.

    Raises ValueError, TypeError or OverflowError where it is no time.
    """
    if not isinstance(raw, str):
        return _read_unix(float(raw))
    text = raw.strip()
    if text[4:5] in {"-", "/"} and text[:4].isdigit():
        with suppress(ValueError):
            return _read_iso(text)
    if found := _JSON_DATE.fullmatch(text):
        return float(found[1]) / 1e3
    if text.isascii() and text.replace(".", "", 1).lstrip("+-").isdigit():
        return _read_unix(float(text))
    try:
        return read_text(text)
    except ValueError:
        return _read_unix(_ascii_number(text))


def _read_iso(text: str) -> Wall:
    tidy = text.removesuffix(" UTC").replace("/", "-")
    if _YEAR_AND_MONTH.fullmatch(tidy):
        tidy += "-01"
    return of_moment(iso_moment(tidy))


def _read_unix(number: float) -> float:
    if math.isinf(number):
        raise ValueError
    return number / _unit(abs(number))


def _unit(size: float) -> float:
    """Parts of a second that a unix time of this size counts: seconds reach to the year 5138."""
    if size < 1e11:
        return 1.0
    if size < 1e14:
        return 1e3
    return 1e6 if size < 1e17 else 1e9


def clean_numbers(values: Column) -> NDArray[np.float64] | None:
    """Clean texts or numbers as an array, NaN where one is empty; None where one needs a closer look."""
    try:
        if set(map(type, values)) <= {float, int}:
            numbers = np.array(list(map(float, cast(Sequence[float], values))))
        else:
            texts = cast(Sequence[str], values)
            joined = "".join(texts)  # anything but text raises TypeError
            if "_" in joined or not joined.isascii() or "".join(joined.split()) != joined:
                return None
            numbers = np.array([float(text or "nan") for text in texts])
    except (TypeError, ValueError, OverflowError):
        return None
    return None if np.isinf(numbers).any() else numbers


def clean_seconds(times: Column) -> NDArray[np.float64] | None:
    """Times of one notation as an array; None where one needs a closer look."""
    first = times[0]
    if first is None:
        return np.full(len(times), math.nan) if times.count(None) == len(times) else None
    if not isinstance(first, str) or first[4:5] != "-":
        numbers = clean_numbers(times)
        return None if numbers is None else _unix_seconds(numbers)
    try:
        texts = [text for text in cast(Sequence[str], times) if text[4] == "-"]
        epoch = _EPOCH if iso_moment(first).tzinfo else _NAIVE_EPOCH
        seconds = [(moment - epoch).total_seconds() for moment in map(iso_moment, texts)]
    except (TypeError, ValueError, IndexError):
        return None  # numbers among the texts, or two notations, in one block
    return np.array(seconds) if len(seconds) == len(times) else None


def _unix_seconds(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.abs(numbers)
    if sizes.max() < 1e11:
        return numbers
    units = np.select([sizes < 1e11, sizes < 1e14, sizes < 1e17], [1.0, 1e3, 1e6], 1e9)
    return np.asarray(numbers / units)


def label_code(label: str | float | None) -> int | None:
    """The index of a label in LABELS, or UNLABELLED; None for one that is not known."""
    if label is None:
        return UNLABELLED
    if isinstance(label, int):
        return label if UNLABELLED <= label < len(LABELS) else None
    text = str(label).strip().lower()
    if text in LABEL_CODES:
        return LABEL_CODES[text]
    try:
        number = _ascii_number(text)
    except ValueError:
        return None
    return UNLABELLED if number != number else ANOMALY if number else NORMAL
