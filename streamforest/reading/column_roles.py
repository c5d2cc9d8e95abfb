"""Which column is the value, the time, the label, by names and by content; and how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamforest.protocols import SourceError
from streamforest.reading.cells import BLANKS, is_number, is_reading, is_time
from streamforest.reading.column_layout import Asked, Dialect, Layout, listed
from streamforest.reading.notation import MISSING, RefusedError, label_code, read_number
from streamforest.reading.number_form import BOOKED, DEFAULT_FORM, AmbiguousNumberError, NumberForm, learn_number_form
from streamforest.reading.row_checks import come_round, several_series
from streamforest.reading.time_form import (
    COLUMNS,
    FORMATS,
    AmbiguousTimeError,
    Period,
    TimeReader,
    is_clock,
    is_digit_clock,
    is_hour,
    is_time_text,
    is_zone_less,
    learn_time_form,
    zone_in,
)
from streamforest.reading.time_text import is_zone, read_columns
from streamforest.text import shown

TIME_NAMES = ("timestamp", "time", "_time", "datetime", "date", "ts", "ds", "date_time", "unix_time", "epoch")
VALUE_NAMES = ("value", "_value")
LABEL_NAMES = ("label", "labels", "is_anomaly", "anomaly", "is_outlier", "outlier", "ground_truth", "class")

# In a file without a header, a first column of larger numbers is unix time: from 1973 on.
_UNIX_TIME = 1e8
# Words in a name that say that a column holds times, and names of columns that only count the rows.
TIME_WORDS = re.compile(
    r"time|date|datum|zeit|fecha|hora|heure|tijd|stamp|moment|created|epoch|when|\bsince\b|_ts$|^ts_|^yyyymmdd|"
    r"^(?:interval|bin|bucket|window)[ _]?(?:start|begin|end)|^x_value$|^seconds?$",
    re.IGNORECASE,
)
# Names of columns that hold a part of a time, in the order of the parts, and their letters in ``strptime``.
_PARTS = {
    "Y": re.compile(
        r"#?(?:years?|yyyy|yy|yr|jahr|a\u00f1o|ano|anno|ann\u00e9e|annee|rok|jaar|\u00e5r|\u0433\u043e\u0434)"
    ),
    "m": re.compile(
        r"months?|month[ _]?(?:no|number|num)|mon|mm|mo|monat|mes|m\u00eas|mese|mois|maand|m\u00e5ned|"
        r"\u043c\u0435\u0441\u044f\u0446|period|quarter|qtr|quartal|trimestre"
    ),
    "d": re.compile(
        r"days?|day[ _]?of[ _]?month|dd|dy|da|mday|tag|d\u00eda|dia|jour|giorno|dag|\u0434\u0435\u043d\u044c"
    ),
    "j": re.compile(r"days?|doy|jday|yday|ddd|julian(?:[ _]day)?|day[ _]?of[ _]?year|dayofyear"),
    "H": re.compile(r"hours?|hrs?|hh|h|he|hour[ _]?ending|opr_hr|stunde|heure|hora|ora|uur|\u0447\u0430\u0441"),
    "M": re.compile(r"minutes?|mins?|mn|mm|mi|minuten?|minuto"),
    "S": re.compile(r"seconds?|secs?|ss|sekunden?|segundo"),
}
_RANGES = {"Y": (1600, 2399), "m": (1, 13), "d": (1, 31), "j": (1, 366), "H": (0, 24), "M": (0, 59), "S": (0, 60)}
# Parts that may stand behind one, most likely first.
_NEXT = {"Y": "mj", "m": "d", "d": "H", "j": "H", "H": "M", "M": "S", "S": ""}
_MONTH_CELL = re.compile(r"[^\W\d]{3,12}\.?|[MQ]\d{1,2}")
_SIGN_NAME = re.compile(
    r"soll|haben|s/?h\b|\bd/?c\b|debit|credit|\bdr\b|\bcr\b|sign|vorzeichen|kennz|indic", re.IGNORECASE
)
_ZONE_NAME = re.compile(r"tz|tz_cd|(?:time[ _]?)?zone|(?:utc|gmt|tz|zone)?[ _]?offset|zeitzone")
# Zones of the times of one stream, of winter and summer and perhaps the winter after a change.
_MOST_OFFSETS = 3
_OFFSET_CELL = re.compile(r"[-+]\d\d:?\d\d")
_ROW_NAMES = frozenset(("", "#", "no", "no.", "nr", "nr.", "index", "row", "record", "line", "unnamed: 0"))
_UNIT_IN_NAME = re.compile(r".*?(?:[(\[]\s*([^()\[\]]{1,12})\s*[)\]]|,\s*([^\s,()]{1,8})\s*(?:\(.*\))?)\s*$")
# Words in names of columns that say how long something took.
_DURATION_NAME = re.compile(r"dur|pace|elapsed|took|\blaps?\b|split|dauer|latency|run_?time|length", re.IGNORECASE)
# A number whose comma can be no other than a decimal one.
_COMMA_NUMBER = re.compile(r"[-+]?[\d.]+,(?:\d{1,2}|\d{4,})")
# Steps that a column without a name needs to be one of times, and the share of cells that makes a column.
_FEW_STEPS, _SHARE, _LONGEST_DATE = 3, 0.8, 12
# Words in names of columns that count the parts of a day.
_PERIOD_NAME = re.compile(
    r"period|slot|interval|hour|hora|heure|stunde|uur|godz|time|zeit|quarter|viertel|half|okres|\b(?:mtu|isp|ptu|sp|hr)\b",
    re.IGNORECASE,
)
# Seconds of a day, and of its parts that are counted: a day on which summer time changes has more or less of them.
_DAY, _PERIODS = 86_400, (3600, 1800, 900, 600, 300)
# Rows in which several series are looked for.
_MIXED_ROWS = 400
# Forms of times that may be dates alone.
_OF_DATES = frozenset(("", "ymd", "dmy", "mdy", "compact"))


class UnreadableError(SourceError):
    """Most cells are no times, or no column holds numbers; the message says what to do."""


class ColumnRoles:
    """The choice of the value, time and label column among the columns there are; a key column has to be asked for."""

    def __init__(
        self,
        names: tuple[str, ...],
        rows: list[list[str]],
        asked: Asked,
        dialect: Dialect,
        *,
        has_names: bool,
        separator: str | None = None,
        units: Sequence[str] = (),
    ) -> None:
        self._names = names
        self._folded = [name.strip().lower() for name in names]
        self._rows = rows
        self._asked = asked
        self._dialect = dialect
        self._has_names = has_names
        self._separator = separator
        self._units = units
        self._has_comma = separator == ";"
        self._forms: dict[int, str | None] = {}
        self.key = self._position(asked.key_column)

    def layout(self, is_last: bool) -> Layout | None:
        """Value, time and label, and how they are written; None where one more row is needed to tell."""
        value = self._position(self._asked.column)
        time = self._time(value)
        form, clock, period = "", None, None
        parts = self._parts(time, value)
        if parts:
            time = next(iter(parts.values()))
            form = f"{COLUMNS} {''.join(parts)}"
        elif time is not None:
            try:
                form = self._sure_form(time)
            except AmbiguousTimeError as error:
                if is_last:
                    kind = SourceError if self._holds_times(time) else UnreadableError
                    raise kind(f"time column {shown(self._names[time])}: {error}") from None
                return None
            if not is_last and len(self._rows) <= _FEW_STEPS and form.startswith("elapsed") and self._is_guess(time):
                return None  # how long something took would look the same so far
            clock = self._clock(time, value)
            if clock is None and value != time + 1 and self._holds_dates(time):
                period = self._period(time)
                clock = None if period is None else time + 1
        label = self._label(value, time)
        number: NumberForm | None = None
        if value is None:
            taken = {time, clock, label, self.key, *parts.values()}
            value = self._value([at for at in range(len(self._names)) if at not in taken], is_last)
            if value is None:
                return None
        try:
            number = learn_number_form(
                *(self._cells(value), self._separator, self._dialect.decimal_sign),
                is_comma_usual=self._is_comma_usual(time),
            )
        except AmbiguousNumberError as error:
            if is_last:
                raise SourceError(f"column {shown(self._names[value])}: {error}") from None
            return None
        if number is None and self._asked.column and not is_last and not any(map(str.strip, self._cells(value))):
            return None
        zone = self._dialect.time_zone or (None if time is None else zone_in(self._with_unit(time)) or self._town(time))
        return Layout(
            *(self._names, value, time, label, self._separator),
            key=self.key,
            number=self._needed(number),
            time_form=form,
            clock=clock,
            period=period,
            parts=tuple(parts.values()),
            zone=zone,
            offset=None if time is None or period or parts or zone else self._offset(time, clock, value),
            sign=self._sign(value),
            unit=number.unit if number is not None and number.unit else _unit_in(self._names[value]),
        )

    def refuse_mixture(self, layout: Layout) -> None:
        """Refuse rows of several series that would be judged as one; not if value and time were both asked for.

        Raises
        ------
        SourceError
            They are of several series; names the column that says of which.
        """
        time, clock, asked = layout.time, layout.clock, self._asked
        if layout.key is not None or layout.parts or (asked.column and asked.time_column is not None):
            return
        taken = {layout.value, time, clock, layout.label}
        free = [(at, name) for at, name in enumerate(self._names) if at not in taken]
        if not free:
            return
        rows = self._rows[:_MIXED_ROWS]
        times = self._row_times(rows, layout)
        dates = time if time is not None and clock is None and self._holds_dates(time) else None
        for at, name in free:
            if dates is not None and self._counts_in_day(dates, at):
                raise SourceError(
                    f"{shown(name)} counts the parts of a day beside dates alone, or what else there is of a day: join "
                    "them to times first, call it period if it counts hours or parts of them, or say --time-column "
                    "none; --column and --time-column together read the dates alone"
                )
            keys = [row[at] for row in rows]
            is_printed = time is None and self._separator in BLANKS and not any(map(is_reading, keys))
            if (is_printed and come_round(keys)) or several_series(keys, times, name):
                raise SourceError(
                    f"there are several series, by {shown(name)}: --key-column {shown(name)} judges each by itself; "
                    f"--column and --time-column {'together' if time is not None else 'none'} judge all rows as one"
                )

    def _row_times(self, rows: Sequence[Sequence[str]], layout: Layout) -> NDArray[np.float64]:
        """Seconds of the times of rows; NaN where one is not known."""
        times = np.full(len(rows), np.nan)
        if layout.time is None:
            return times
        reader = TimeReader(layout.time_form, period=layout.period)
        between = " " if layout.period is None else "\t"
        for at, row in enumerate(rows):
            when = row[layout.time]
            if layout.clock is not None:
                when = f"{when.strip()}{between}{row[layout.clock].strip()}"
            with suppress(RefusedError):
                times[at] = reader.read(when)
        return times

    def _needed(self, form: NumberForm | None) -> NumberForm | None:
        """A form, where it says more than plain numbers say."""
        is_said = self._dialect.decimal is not None
        return None if form is None or ((form.decimal, *form[1:]) == DEFAULT_FORM and not is_said) else form

    def _is_comma_usual(self, time: int | None) -> bool:
        """Whether dates have dots, or numbers of any column a decimal comma that is one for sure."""
        if self._separator == ",":
            return False
        if time is not None and any(re.match(r"\s*\d{1,2}\.\d{1,2}\.\d{2}", cell) for cell in self._cells(time)[:3]):
            return True
        return any(_COMMA_NUMBER.fullmatch(cell.strip()) for row in self._rows[:50] for cell in row)

    def _position(self, name: str | None) -> int | None:
        """Where a column asked for stands; the first one where two have its name."""
        if not name:
            return None
        if name in self._names:
            return self._names.index(name)
        if name.strip().lower() in self._folded:
            return self._folded.index(name.strip().lower())
        kind = "column" if self._has_names else "header, so no column"
        raise SourceError(f"there is no {kind} {shown(name)}; the columns are: {listed(self._names)}")

    def _form(self, at: int) -> str | None:
        """The form of a column of times; None where it holds none."""
        if at not in self._forms:
            said = self._dialect.time_format
            if said is not None:
                self._forms[at] = FORMATS.get(said.lower(), said)
            else:
                self._forms[at] = learn_time_form(self._cells(at), self._with_unit(at) if self._has_names else "")
        return self._forms[at]

    def _with_unit(self, at: int) -> str:
        """The name of a column with what a line of units has below it."""
        return self._names[at] + (f" ({self._units[at]})" if at < len(self._units) else "")

    def _sure_form(self, at: int) -> str:
        """The form of the time column; raises AmbiguousTimeError where most of its cells are no times."""
        form = self._form(at)
        texts = [cell for cell in self._cells(at) if cell.strip().lower() not in MISSING]
        if form is None and texts and self._separator is not None:
            text = next((text for text in texts if not (is_time(text) or is_time_text(text.strip()))), texts[0])
            raise AmbiguousTimeError(
                f"{shown(text)} is no time that can be read: say --time-format with a pattern such as "
                "'%d.%m.%Y %H:%M', or --time-column none to judge without times"
            )
        return form or ""

    def _holds_times(self, at: int) -> bool:
        """Whether the cells of a column are times, whatever their order of day and month."""
        cells = [cell for cell in self._cells(at) if cell.strip()]
        try:
            return bool(cells) and learn_time_form(cells, self._names[at]) is not None
        except AmbiguousTimeError:
            return True

    def _time(self, value: int | None) -> int | None:
        if self._asked.time_column is not None or len(self._names) == 1:
            return self._position(self._asked.time_column)
        named = [at for at in self._named(TIME_NAMES) if at not in {value, self.key}] if self._has_names else []
        named = [at for at in named if not self._are_clocks(at) and not self._wanders(at)]
        readable = [at for at in named if self._are_times(at)]
        if readable:
            return readable[0]
        found = self._by_content(value)
        return found if found is not None else next(iter(named), None)

    def _parts(self, time: int | None, value: int | None) -> dict[str, int]:
        """The columns that hold year, month and so on, by their letters, where no column holds whole times."""
        is_whole = time is not None and not str(self._form_or_none(time)).startswith(("elapsed", "years", "None"))
        asked = self._asked.time_column
        if asked == "" or self._dialect.time_format is not None or (is_whole and asked is None):
            return {}
        free = [at for at in range(len(self._names)) if at not in {value, self.key}]
        parts = self._named_parts(free) if self._has_names else self._first_parts(free)
        if not parts or (asked is not None and parts["Y"] != time):
            return {}
        moments = self._moments(parts)
        is_sure = len(parts) > 1 or self._has_names
        is_onward = moments == sorted(moments) or moments == sorted(moments, reverse=True)
        if len(parts) == 1 and len(set(moments)) < len(moments):
            return {}  # what tells the rows of a year apart is not known
        return parts if moments and is_sure and (is_onward or len(parts) > 2) else {}

    def _named_parts(self, free: Sequence[int]) -> dict[str, int]:
        """Parts of times by the names of their columns."""
        parts: dict[str, int] = {}
        for letter, name in _PARTS.items():
            is_next = not parts or letter in _NEXT[list(parts)[-1]]
            found = [at for at in free if at not in parts.values() and name.fullmatch(self._folded[at])]
            fitting = [at for at in found if self._is_part(at, letter)]
            if is_next and fitting:
                parts[letter] = fitting[0]
        return parts if "Y" in parts else {}

    def _first_parts(self, free: Sequence[int]) -> dict[str, int]:
        """The same without names: the first columns, a year, month and perhaps day and hour."""
        parts: dict[str, int] = {}
        for at, letter in zip(free[:4], "YmdH", strict=False):
            if at != len(parts) or not self._is_part(at, letter):
                break
            if letter == "H" and len(set(self._moments(parts))) == len(self._rows):
                break  # a day a row
            parts[letter] = at
        is_dated = len(parts) > 1 and len(set(self._moments(parts))) > 1 and len(self._rows) >= _FEW_STEPS
        return parts if is_dated and all(1900 <= int(cell) < 2100 for cell in self._cells(0)) else {}

    def _is_part(self, at: int, letter: str) -> bool:
        """Whether the cells of a column can be that part of times: numbers in its range, or names of months."""
        cells = [cell.strip().removesuffix(".0") for cell in self._cells(at) if cell.strip()]
        low, high = _RANGES[letter]
        is_fit = [cell.isdecimal() and low <= int(cell) <= high for cell in cells]
        if letter == "m":
            is_fit = [fit or _MONTH_CELL.fullmatch(cell) is not None for fit, cell in zip(is_fit, cells, strict=True)]
        elif letter == "Y":
            is_fit = [fit or (len(cell) == 2 and cell.isdecimal()) for fit, cell in zip(is_fit, cells, strict=True)]
        return bool(cells) and _mostly(is_fit, len(cells))

    def _moments(self, parts: Mapping[str, int]) -> list[float]:
        """The times of the rows whose parts can be read."""
        moments = []
        for row in self._rows:
            with suppress(ValueError):
                moments.append(read_columns("".join(parts), "\t".join(row[at] for at in parts.values())).utc)
        return moments

    def _are_times(self, at: int) -> bool:
        cells = [cell for cell in self._cells(at) if cell.strip()]
        return all(is_time(cell) for cell in cells) or self._holds_times(at)

    def _are_clocks(self, at: int) -> bool:
        cells = [cell for cell in self._cells(at) if cell.strip()]
        is_dotted = bool(cells) and ":" not in cells[0] and all(map(is_time_text, cells))  # 05.03.24 is rather a date
        return bool(cells) and not is_dotted and _mostly(map(is_clock, cells), len(cells))

    def _by_content(self, value: int | None) -> int | None:
        """A column of times that no name of TIME_NAMES says is one, where a value may stand beside it."""
        free = [at for at in range(len(self._names)) if at not in {value, self.key}]
        texts = filter(self._holds_time_texts, free)
        for at in texts:  # when a file was made says nothing of its rows
            is_theirs = len(set(self._cells(at))) > 1
            return at if is_theirs else next((other for other in texts if len(set(self._cells(other))) > 1), at)
        found = [at for at in free if value is not None or self._leaves_value(free, at)]
        found = [at for at in found if self._is_time_in_numbers(at)]
        elapsed = [at for at in found if str(self._form_or_none(at)).startswith("elapsed")]
        return next(iter([at for at in found if at not in elapsed] + elapsed), None)

    def _holds_time_texts(self, at: int) -> bool:
        cells = [cell.strip() for cell in self._cells(at) if cell.strip()]
        return bool(cells) and _mostly(map(is_time_text, cells), len(cells))

    def _wanders(self, at: int) -> bool:
        """Whether numbers that may be seconds from a start go on and back, or never: how long something took, an id."""
        if not str(self._form_or_none(at)).startswith("elapsed"):
            return False
        numbers = [read_number(cell) for cell in self._cells(at) if cell.strip() and is_number(cell, False)]
        steps = [after - before for before, after in pairwise(numbers)]
        most = max(sum(step >= 0 for step in steps), sum(step <= 0 for step in steps))
        is_constant = self._folded[at] not in TIME_NAMES and not any(steps)
        return len(steps) >= _FEW_STEPS and (is_constant or most < _SHARE * len(steps))

    def _is_guess(self, time: int) -> bool:
        """Whether a column of times was neither asked for nor has a usual name."""
        return self._asked.time_column is None and self._folded[time] not in TIME_NAMES and len(self._names) > 1

    def _has_digit_clock(self, at: int) -> bool:
        """Whether a column beside a column holds times of day in digits alone."""
        near = [other for other in (at - 1, at + 1) if 0 <= other < len(self._names)]
        cells = [[cell for cell in self._cells(other) if cell.strip()] for other in near]
        return any(some and _mostly(map(is_digit_clock, some), len(some)) for some in cells)

    def _leaves_value(self, free: Sequence[int], time: int) -> bool:
        """Whether a value may stand beside a column of times."""
        return any(self._may_be_value(at) for at in free if at != time)

    def _form_or_none(self, at: int) -> str | None:
        try:
            return self._form(at)
        except AmbiguousTimeError:
            return None

    def _may_be_value(self, at: int) -> bool:
        return not self._counts_rows(at) and self._is_formed(at)

    def _is_formed(self, at: int) -> bool:
        """Whether a column holds numbers in any form."""
        try:
            return learn_number_form(self._cells(at), self._separator) is not None
        except AmbiguousNumberError:
            return True

    def _is_rather_clock(self, at: int) -> bool:
        """Whether a column of texts such as 8:05 may hold times of day: its name does not say that it has durations."""
        cells = [cell for cell in self._cells(at) if cell.strip()]
        is_named = self._has_names and _DURATION_NAME.search(self._names[at])
        return not is_named and _mostly((":" in cell for cell in cells), len(cells))

    def _is_time_in_numbers(self, at: int) -> bool:
        """Whether a column of numbers is one of times: by its name, or as only times are so large and always go on."""
        cells = [cell.strip() for cell in self._cells(at) if cell.strip()]
        if self._separator != ",":
            cells = [cell.replace(",", ".") for cell in cells]
        if not cells or not _mostly((is_number(cell, False) for cell in cells), len(cells)):
            return False
        if self._has_names and TIME_WORDS.search(self._names[at]):
            return self._holds_times(at) and not self._wanders(at)
        numbers = [read_number(cell) for cell in cells if is_number(cell, False)]
        if at == 0 and not self._has_names and _mostly((number > _UNIX_TIME for number in numbers), len(cells)):
            return True
        steps = [after - before for before, after in pairwise(numbers)]
        if self._form_or_none(at) == "%m.%Y":
            return True
        if len(steps) >= _FEW_STEPS and self._has_digit_clock(at) and self._form_or_none(at) == "compact":
            return True
        if len(steps) < _FEW_STEPS or not (all(step > 0 for step in steps) or all(step < 0 for step in steps)):
            return False
        try:
            form = learn_time_form(cells, self._names[at] if self._has_names else "")
        except AmbiguousTimeError:
            return False
        if form == "excel":
            is_even = max(map(abs, steps)) < 2 * min(map(abs, steps))
            return is_even and (at == 0 or any("." in cell for cell in cells))
        return form is not None and not form.startswith("elapsed")

    def _sign(self, value: int) -> int | None:
        """The column that says which amounts are taken away, where they have no signs of their own."""
        if any(cell.strip()[:1] in {"-", "\u2212", "("} for cell in self._cells(value)):
            return None
        for at in range(len(self._names)):
            words = {word for cell in self._cells(at) if (word := cell.strip().lower())} if at != value else set()
            is_both = words <= BOOKED.keys() and len({BOOKED[word] for word in words}) > 1
            if is_both and ((self._has_names and _SIGN_NAME.search(self._names[at])) or min(map(len, words)) > 1):
                return at
        return None

    def _clock(self, time: int, value: int | None) -> int | None:
        """The column of times of day that belongs to a column of dates."""
        if not self._holds_dates(time):
            return None
        near = [at for at in (time + 1, time - 1) if 0 <= at < len(self._names)]
        near += [at for at in range(len(self._names)) if at not in {time, *near}]
        for at in near:
            cells = [cell for cell in self._cells(at) if cell.strip()]
            if at in {value, self.key} or not cells:
                continue
            is_named = self._has_names and bool(TIME_WORDS.search(self._names[at]))
            is_named = is_named or any(cell.strip()[:1] == "0" for cell in cells)  # no number is written so
            n = len(cells)
            if self._are_clocks(at) or (is_named and _mostly(map(is_digit_clock, cells), n)):
                return at
            if self._has_names and _PARTS["H"].fullmatch(self._folded[at]) and _mostly(map(is_hour, cells), n):
                return at
        return None

    def _holds_dates(self, at: int) -> bool:
        """Whether a column of times has dates alone."""
        dates = [cell.strip() for cell in self._cells(at) if cell.strip()]
        has_clock = [":" in cell or len(cell) > _LONGEST_DATE for cell in dates]
        return bool(dates) and not _mostly(has_clock, len(dates)) and self._form(at) in _OF_DATES

    def _period(self, date: int) -> Period | None:
        """What the column behind one of dates counts, where it counts parts of the day.

        Hours show by their number that they are hours; shorter parts have to be named so, as ranks may be as many.
        """
        if date + 1 in {self.key, len(self._names)} or not self._counts_in_day(date, date + 1):
            return None
        counts = [int(row[date + 1]) for row in self._rows if row[date + 1].strip().isdecimal()]
        n = max(counts) - min(counts) + 1
        seconds = next((length for length in _PERIODS if abs(n - _DAY // length) <= 3600 // length), None)
        is_said = not self._has_names or _PERIOD_NAME.search(self._names[date + 1]) is not None
        if seconds is None or min(counts) > 1 or not (is_said or seconds == 3600):
            return None
        # an hour is named by its end, as 1 to 24; what is shorter is counted from the first one on
        return Period(seconds, 0 if seconds == 3600 else min(counts))

    def _counts_in_day(self, date: int, at: int) -> bool:
        """Whether a column goes on by one from row to row, and begins anew at each other date beside it."""
        pairs = [(row[date].strip(), row[at].strip()) for row in self._rows[:_MIXED_ROWS]]
        if at != date + 1 or not all(count.isdecimal() for _, count in pairs):
            return False
        same = [int(b) - int(a) for (day, a), (next_day, b) in pairwise(pairs) if day == next_day]
        other = [int(b) - int(a) for (day, a), (next_day, b) in pairwise(pairs) if day != next_day]
        return len(same) >= _FEW_STEPS and set(same) in ({1}, {-1}) and all(step * same[0] < 0 for step in other)

    def _town(self, time: int) -> str | None:
        """The zone that a column of its own has for all rows by a town, such as Europe/Vienna; None for none."""
        for at in range(len(self._names)):
            if not self._has_names or at == time or not _ZONE_NAME.fullmatch(self._folded[at]):
                continue
            towns = set(map(str.strip, self._cells(at)))
            if len(towns) == 1 and all(map(is_zone_less, filter(str.strip, self._cells(time)))):
                return zone_in(towns.pop())
        return None

    def _offset(self, time: int, clock: int | None, value: int) -> int | None:
        """The column that says in which zone each time is, where the times themselves do not."""
        if re.search("utc|gmt", self._names[time], re.IGNORECASE):
            return None
        beside = (time if clock is None else max(time, clock)) + 1
        for at in range(len(self._names)):
            cells = [cell.strip() for cell in self._cells(at)]
            if at in {time, clock, value, self.key} or not cells or not all(map(is_zone, cells)):
                continue
            if len(set(cells)) > _MOST_OFFSETS:
                continue
            is_named = self._has_names and _ZONE_NAME.fullmatch(self._folded[at]) is not None
            is_offset = at == beside and all(_OFFSET_CELL.fullmatch(cell) for cell in cells)
            if (is_named or is_offset) and all(map(is_zone_less, filter(str.strip, self._cells(time)))):
                return at
        return None

    def _label(self, value: int | None, time: int | None) -> int | None:
        if self._asked.label_column is not None:
            return self._position(self._asked.label_column)
        free = [at for at in range(len(self._names)) if at not in {value, time, self.key}]
        if value is None and len(free) == 1:
            return None  # the only column that can be the value, whatever its name
        return next((at for at in self._named(LABEL_NAMES) if at in free and self._holds_labels(at)), None)

    def _holds_labels(self, at: int) -> bool:
        """Whether most cells of a column are labels, rather than names of what its rows are about."""
        cells = [cell for cell in self._cells(at) if cell.strip()]
        return 2 * sum(label_code(cell) is not None for cell in cells) >= len(cells)

    def _value(self, free: list[int], is_last: bool) -> int | None:
        named = [self._folded.index(name) for name in VALUE_NAMES if name in self._folded]
        if named and named[0] in free:
            return named[0]
        free = [at for at in free if not self._counts_rows(at)] or free
        numeric = [at for at, is_numeric in zip(free, self._is_numeric(free), strict=True) if is_numeric]
        if not numeric:
            numeric = [at for at in free if self._is_formed(at) and not self._is_rather_clock(at)]
        if len(numeric) > 1 and not self._has_names:
            numeric = [at for at in numeric if not self._is_time_in_numbers(at)] or numeric
        if len(numeric) > 1 and self._has_names and self._asked.time_column != "":
            numeric = [at for at in numeric if not self._is_another_time(at)] or numeric
        if len(numeric) == 1 or (len(free) == 1 and (is_last or not any(map(str.strip, self._cells(free[0]))))):
            return (numeric or free)[0]
        if not numeric and not is_last:
            return None
        fault = "more than one column holds numbers" if numeric else "no column holds numbers"
        kind = SourceError if numeric else UnreadableError
        raise kind(f"{fault}; choose one with --column NAME of: {listed(self._names)}")

    def _counts_rows(self, at: int) -> bool:
        """Whether a column only counts the rows."""
        cells = [cell.strip() for cell in self._cells(at)]
        if not self._names[at] and not any(cells):
            return True
        if not all(map(str.isdecimal, cells)) or (self._folded[at] not in _ROW_NAMES and len(cells) <= _FEW_STEPS):
            return False
        steps = {int(after) - int(before) for before, after in pairwise(cells)}
        return steps <= {1} or steps == {-1}

    def _is_another_time(self, at: int) -> bool:
        return bool(TIME_WORDS.search(self._names[at])) and self._holds_times(at) and not self._wanders(at)

    def _named(self, words: Sequence[str]) -> list[int]:
        last = [name.rpartition(".")[2] for name in self._folded]
        found = [self._folded.index(word) for word in words if word in self._folded]
        return found + [at for word in words if word in last and (at := last.index(word)) not in found]

    def _cells(self, at: int) -> list[str]:
        return [row[at] for row in self._rows]

    def _is_numeric(self, positions: Sequence[int]) -> list[bool]:
        """For each column whether most of its cells that are not empty are numbers."""
        return [self._holds_numbers([cell for cell in self._cells(at) if cell.strip()]) for at in positions]

    def _holds_numbers(self, cells: list[str]) -> bool:
        return 2 * sum(is_number(cell, self._has_comma) for cell in cells) > len(cells)


def _mostly(found: Iterable[bool], n: int) -> bool:
    """Whether most of n are so: a damaged row may be among the first."""
    return sum(found) > _SHARE * n


def _unit_in(name: str) -> str:
    """The unit that a column's name has in brackets or behind a comma.

    Examples
    --------
    >>> [_unit_in(name) for name in ("Netzlast [MWh]", "Temp, \u00b0F (LGR S/N: 1)", "value")]
    ['MWh', '\u00b0F', '']
    """
    found = _UNIT_IN_NAME.fullmatch(name)
    return "" if found is None else (found[1] or found[2] or "").strip()
