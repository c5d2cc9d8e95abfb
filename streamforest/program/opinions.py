"""What a person says of alarms, kept in a file if that is wished for, and the rules that are taken because of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np

from streamforest.judging.advice import Stretch
from streamforest.judging.rejudging import AlarmSettings, Readings
from streamforest.judging.rules import LEAST_ALARM_RATE, MOST_ALARM_RATE, Rules
from streamforest.moments import iso_time
from streamforest.program.maintenance_windows import MaintenanceWindows
from streamforest.protocols import Verdicts, verdict_from_row
from streamforest.storage.verdict_file import Entry, VerdictFile
from streamforest.verdicts.seen_before import Past
from streamforest.wording import kind_text

#: What may be said of an alarm or a stretch.
NOTHING, REAL, MISSED = "nothing", "real", "missed"
#: Rules of the alarms by the names that they have in a file, beside ``alarm_rate`` and ``quiet``.
RULES = ("direction", "minimum_deviation", "minimum_deviation_percent", "alarms_a_day", "cool_down")


class Opinions:
    """What was said of one stream, in this run and in earlier ones.

    Parameters
    ----------
    stream : str
        Its name.
    file : VerdictFile or None
        Where it is kept; None keeps it for this run only.
    """

    def __init__(self, stream: str, file: VerdictFile | None) -> None:
        self._stream, self._file = stream, file
        self._own: list[Entry] = []  # where there is no file

    @property
    def where(self) -> str:
        """Where what is said is kept, for people."""
        return "in this run only; --verdicts FILE keeps it" if self._file is None else f"in {self._file.path}"

    def entries(self) -> list[Entry]:
        """All lines of the stream, in order; raises OSError or ValueError where the file cannot be read."""
        found = self._own if self._file is None else self._file.entries()
        return [entry for entry in found if entry["stream"] == self._stream]

    def say(self, what: str, rows: Verdicts) -> None:
        """Keep what is said of a stretch of verdicts, shape (n,), n >= 1; raises OSError where that cannot be done."""
        peak = rows[int(np.argmax(np.nan_to_num(rows["score"], nan=-1.0)))]
        verdict = verdict_from_row(peak.item())
        entry = {
            "stream": self._stream,
            "verdict": what,
            "start": _moment(rows["time"][0]),
            "end": _moment(rows["time"][-1]),
            "first": int(rows["index"][0]),
            "last": int(rows["index"][-1]),
            "kind": kind_text(verdict),
            "value": verdict.value,
            "expected": verdict.expected,
            "note": "",
        }
        self._add(entry)

    def take(self, before: AlarmSettings, after: AlarmSettings) -> Entry:
        """Write down the rule that makes settings of others; returns its line. Raises OSError where it cannot be."""
        entry = {"stream": self._stream, "rule": rule_between(before, after), "note": ""}
        self._add(entry)
        return entry

    def withdraw(self, entry: Entry) -> bool:
        """Delete a line; whether it was there. Raises OSError where that cannot be done."""
        if self._file is not None:
            return self._file.withdraw(entry)
        if entry in self._own:
            self._own.remove(entry)
            return True
        return False

    def newest_rule(self) -> Entry | None:
        """The line of the rule that was taken last; None where there is none."""
        rules = [entry for entry in self.entries() if "rule" in entry]
        return rules[-1] if rules else None

    def said_to_be(self, what: str, readings: Readings) -> list[Stretch]:
        """The stretches among readings of which that was said: by their times, or by index where there are none."""
        said = [entry for entry in self.entries() if entry.get("verdict") == what]
        places = (place_of(entry, readings) for entry in said)
        return [place for place in places if place is not None]

    def said_of(self, past: Past) -> tuple[str, str]:
        """What was said last of an episode, and the note; empty texts where nothing was, or the file cannot be read."""
        try:
            said = [entry for entry in self.entries() if "verdict" in entry and _is_of(entry, past)]
        except (OSError, ValueError):
            return "", ""
        return (str(said[-1]["verdict"]), str(said[-1].get("note") or "")) if said else ("", "")

    def _add(self, entry: Entry) -> None:
        if self._file is None:
            self._own.append(entry)
        else:
            self._file.add(entry)


def _moment(seconds: float) -> str | None:
    return None if seconds != seconds else iso_time(float(seconds))


def place_of(entry: Entry, readings: Readings) -> Stretch | None:
    """Where a stretch of an entry lies among readings; None where it does not, or where that cannot be told."""
    first, points = readings
    times = points["time"]
    start, end = _seconds(entry.get("start")), _seconds(entry.get("end"))
    if start is not None and end is not None and np.isfinite(times).any():
        inside = np.flatnonzero((times >= start - 0.001) & (times <= end + 0.001))
        return Stretch(first + int(inside[0]), first + int(inside[-1])) if len(inside) else None
    begin, last = entry.get("first"), entry.get("last")
    if type(begin) is not int or type(last) is not int or not first <= begin <= last < first + len(points):
        return None
    return Stretch(begin, last)


def _is_of(entry: Entry, past: Past) -> bool:
    """Whether an entry is of an episode: their times overlap, or their places in the stream where there are none."""
    start, end = _seconds(entry.get("start")), _seconds(entry.get("end"))
    if start is not None and end is not None and past.start is not None and past.end is not None:
        return start <= past.end + 0.001 and end >= past.start - 0.001
    first, last = entry.get("first"), entry.get("last")
    return type(first) is int and type(last) is int and first <= past.last and last >= past.first


def _seconds(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def rule_between(before: AlarmSettings, after: AlarmSettings) -> dict[str, Any]:
    """What is changed from settings to others, by name; of quiet times the one that comes to them, or None for all."""
    rule: dict[str, Any] = {}
    if after.alarm_rate != before.alarm_rate:
        rule["alarm_rate"] = after.alarm_rate
    for name in RULES:
        value = getattr(after.rules, name)
        if value != getattr(before.rules, name):
            rule[name] = value
    if after.quiet != before.quiet:
        rule["quiet"] = after.quiet[-1] if after.quiet else None
    return rule


def without_rule(now: AlarmSettings, before: AlarmSettings, rule: dict[str, Any]) -> AlarmSettings:
    """Settings in which what a rule changed is as it was before it, and all else as it is now."""
    for name, value in rule.items():
        if name == "alarm_rate":
            now = now._replace(alarm_rate=before.alarm_rate)
        elif name == "quiet":
            quiet = before.quiet if value is None else tuple(text for text in now.quiet if text != value)
            now = now._replace(quiet=quiet)
        else:
            now = now._replace(rules=replace(now.rules, **{name: getattr(before.rules, name)}))
    return now


def with_rules(settings: AlarmSettings, entries: Sequence[Entry], zone: tzinfo = UTC) -> AlarmSettings:
    """Settings with the rules of entries, one after the other.

    Raises
    ------
    ValueError
        A rule is none; the message is for the user.
    """
    for entry in entries:
        if "rule" in entry:
            settings = _with_rule(settings, entry["rule"], zone)
    return settings


def _with_rule(settings: AlarmSettings, rule: object, zone: tzinfo) -> AlarmSettings:
    if not isinstance(rule, dict):
        raise ValueError(f"the rule {rule!r} is none; mend or delete its line")
    try:
        for name, value in rule.items():
            if name == "alarm_rate":
                settings = settings._replace(alarm_rate=_rate(value))
            elif name == "quiet":
                settings = settings._replace(quiet=() if value is None else (*settings.quiet, _quiet(value, zone)))
            elif name in RULES:
                settings = settings._replace(rules=_ruled(settings.rules, name, value))
            else:
                raise ValueError(f"there is no {name}, but alarm_rate, quiet, {', '.join(RULES)}")
    except (ValueError, TypeError) as error:
        raise ValueError(f"the rule {rule!r}: {error}; mend or delete its line") from None
    return settings


def _ruled(rules: Rules, name: str, value: Any) -> Rules:
    if isinstance(value, bool):
        raise ValueError(f"{name} is {value}")
    return replace(rules, **{name: value})


def _rate(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not LEAST_ALARM_RATE <= value <= MOST_ALARM_RATE:  # type: ignore[operator]
        raise ValueError(f"alarm_rate is {value!r}, allowed is {LEAST_ALARM_RATE:f} to {MOST_ALARM_RATE}")
    return float(value)  # type: ignore[arg-type]


def _quiet(text: object, zone: tzinfo) -> str:
    if not isinstance(text, str) or text.lower().endswith(".ics"):
        raise ValueError(f"quiet is {text!r}, it must be like 'daily 02:00-03:00' or 'Mon 12:00-13:00'")
    MaintenanceWindows((text,), zone)
    return text


def words_of(rule: dict[str, Any]) -> str:
    """A rule in words.

    Examples
    --------
    >>> words_of({"alarm_rate": 0.0005, "quiet": "daily 02:00-02:15"})
    'alarm rate 0.0005, quiet daily 02:00-02:15'
    """
    shown = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in rule.items()}
    return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in shown.items())
