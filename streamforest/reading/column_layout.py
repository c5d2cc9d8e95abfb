"""Which column is what, and how its cells are written: what was found, and what the user asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streamforest.reading.cells import BLANK, GAP
from streamforest.reading.number_form import DEFAULT_FORM, NumberForm
from streamforest.reading.time_form import Period, in_words
from streamforest.text import shown


class Asked(NamedTuple):
    """The columns that the user asked for by name, or by position from 1 where there is no header.

    None: it is found by name and content; without a key column all rows are of one stream. An empty name of a time or
    label column: there is none.
    """

    column: str | None = None
    time_column: str | None = None
    label_column: str | None = None
    key_column: str | None = None


#: No column is asked for: names and content tell all.
ANY_COLUMNS = Asked()


class Dialect(NamedTuple):
    """What the user says of how numbers and times are written; None: the first rows tell.

    Attributes
    ----------
    time_format : str or None
        One of FORMATS, or a pattern of ``strptime``.
    time_zone : str or None
        Of times that have none: a name such as ``Europe/Vienna``, or an offset.
    decimal : str or None
        ``dot`` or ``comma``.
    """

    time_format: str | None = None
    time_zone: str | None = None
    decimal: str | None = None

    @property
    def decimal_sign(self) -> str | None:
        """The decimal sign, where it was said."""
        return {None: None, "dot": ".", "comma": ","}[self.decimal]


#: Nothing is said: the rows tell all.
ANY_DIALECT = Dialect()


class Layout(NamedTuple):
    """How lines are cut into cells, and which cell is what.

    Attributes
    ----------
    names : tuple of str
        The columns: names of a header, keys of a JSON object, or "1", "2", ...
    value : int
        Position of the value column.
    time, label : int or None
        Position of the time and label column; None where there is none.
    separator : str or None
        What stands between cells; None where a line is one cell.
    header : str or None
        The line that holds the names; None where no line does.
    key : int or None
        Position of the column that says which stream a row is of; None where all are of one.
    number : NumberForm or None
        How the values are written; None: as ``float`` reads them, in a text with semicolons with a decimal comma too.
    time_form : str
        How the times are written, see :class:`~streamforest.reading.time_form.TimeReader`.
    clock : int or None
        Position of a column of times of day that belong to the dates in the time column.
    period : Period or None
        What the numbers in the column of times of day count; None where they are clocks or hours.
    zone : str or None
        Of times that have none; UTC where there is no zone.
    notation : str
        Of lines that name their own values: a key of READERS.
    only : str or None
        The one metric or series that is read, where each line is of one of many.
    unit : str
        Of the values, as far as a header or the cells say.
    coding : str
        Of the text, where it is not UTF-8.
    series : str or None
        The only one that there was when the layout was found, where each line is of one of many.
    parts : tuple of int
        Positions of the columns that hold year, month and so on, where no column holds whole times; empty: one does.
    offset : int or None
        Position of a column that has the zone or offset of each time.
    footers : tuple of str
        Lines at the end of the text that sum up its rows.
    sign : int or None
        Position of a column that says whether an amount is taken away, by a word of BOOKED.
    """

    names: tuple[str, ...]
    value: int
    time: int | None
    label: int | None
    separator: str | None = None
    header: str | None = None
    key: int | None = None
    number: NumberForm | None = None
    time_form: str = ""
    clock: int | None = None
    zone: str | None = None
    notation: str = ""
    only: str | None = None
    unit: str = ""
    coding: str = ""
    series: str | None = None
    sign: int | None = None
    parts: tuple[int, ...] = ()
    footers: tuple[str, ...] = ()
    period: Period | None = None
    offset: int | None = None

    @property
    def has_own_names(self) -> bool:
        """Whether a line names its own values, as a JSON object does."""
        return bool(self.notation)

    def describe(self) -> str:
        """The value column and the columns there are, in words."""
        return f"column {shown(self.names[self.value])} of {listed(self.names)}"

    @property
    def value_name(self) -> str:
        """Name of what is judged: the value column, or the one metric that is read."""
        return self.only or self.names[self.value]

    def understood(self) -> str:
        """How each part was understood, in words."""
        value = shown(self.value_name)
        parts = [f"value {value}" + (f" in {self.unit}" if self.unit else "")]
        if self.number is not None and self.number.kind == "switch":
            parts[0] += " (on, open, true, yes: 1; off, closed, false, no: 0)"
        if self.number is not None and self.number.kind == "duration":
            parts[0] += " (durations, in the smallest of their parts)"
        if self.names.count(self.names[self.value]) > 1:
            parts[0] += " (the first of that name)"
        if self.sign is not None:
            parts[0] += f" (negative where {shown(self.names[self.sign])} says so)"
        if self.time is None:
            parts.append("no times")
        else:
            columns = self.parts or (self.time, *([] if self.clock is None else [self.clock]))
            *others, last = [shown(self.names[at]) for at in columns]
            named = f"{', '.join(others)} and {last}" if others else last
            zone = self.zone or "UTC" if self.offset is None else f"zones in {shown(self.names[self.offset])}"
            counted = f", parts of {self.period.seconds // 60} min counted" if self.period else ""
            parts.append(f"time {named} ({in_words(self.time_form)}{counted}, {zone})")
        if self.label is not None:
            parts.append(f"label {shown(self.names[self.label])}")
        if self.key is not None:
            parts.append(f"streams by {shown(self.names[self.key])}")
        if self.has_own_names:
            parts.append(self.notation)
            return "; ".join(parts)
        words = {None: "one cell a line", "\t": "tabs between cells"}
        words |= {BLANK: "blanks between cells", GAP: "two blanks or more between cells"}
        parts.append(words.get(self.separator, f"{self.separator!r} between cells"))
        number = self.number or DEFAULT_FORM
        parts.append(f"decimal {'comma' if number.decimal == ',' else 'point'}")
        if number.thousands and number.thousands != number.decimal:
            parts[-1] += f", {number.thousands!r} between thousands"
        parts.append("no header" if self.header is None else "header read")
        return "; ".join(parts)

    def columns(self) -> Asked:
        """The columns by their names, as somebody asks for them who wants just these."""
        value, *others = ("" if at is None else self.names[at] for at in (self.value, self.time, self.label, self.key))
        return Asked(self.only or value, *others)


class Found(NamedTuple):
    """A layout, and which of the lines it was told from is the first row; those before it are none."""

    layout: Layout
    begin: int


def listed(names: Sequence[str]) -> str:
    """Names for a message, shortened where there are many.

    Examples
    --------
    >>> listed(["timestamp", "value"])
    'timestamp, value'
    """
    words = [name if name.isprintable() and 0 < len(name) <= 40 else shown(name) for name in names[:20]]
    return ", ".join(words) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
