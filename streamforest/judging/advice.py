"""What would silence an alarm that was nothing, or catch what was missed: rules, each with what else it changes."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import numpy as np

from streamforest.judging.rejudging import AlarmSettings, Readings
from streamforest.judging.what_if import A_DAY, RATES, JudgeAgain
from streamforest.protocols import Verdicts
from streamforest.verdicts.difference import Difference, Spans, difference, has_counterpart, spans_of
from streamforest.verdicts.panel import Panel, Row
from streamforest.wording import number_text

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: Times without alarms begin and end at multiples of so many minutes, at least as far from the alarm.
QUARTER = 15
#: A rule that silences a direction, or all but the rarest points (by a rate below this share of the present one), needs
#: so many confirmed alarms that it keeps: Laplace's rule then expects that it drops 1 in 20 of the next ones. Quiet
#: times of more hours are broad, too.
CONFIRMING, BROAD_RATE, BROAD_HOURS = 18, 0.3, 2.0
#: A least deviation is well below those of n confirmed alarms where the smallest is (1 + MARGIN / n) times as far, a
#: rate well above their p-values where it is so many times the greatest.
MARGIN = 2.0
#: A longer stretch is no time of the day.
LONGEST_QUIET = timedelta(hours=12)
HINT = "up, down: choose   Enter: take the rule, u takes it back   Esc: no rule"


class Stretch(NamedTuple):
    """Points that a person says something of: stream indices of the first and the last."""

    first: int
    last: int


class Candidate(NamedTuple):
    """A rule that does what is wanted.

    Attributes
    ----------
    words : str
        What it is.
    settings : AlarmSettings
        The settings with it.
    difference : Difference
        Of the alarms, against the present settings.
    text : str
        What it changes, in numbers.
    rank : tuple
        The lower, the less it changes that was not asked for.
    """

    words: str
    settings: AlarmSettings
    difference: Difference
    text: str
    rank: tuple[int, ...]


class Case(NamedTuple):
    """What a person said of a stretch, and what is there to judge it by.

    Attributes
    ----------
    stretch : Stretch
    is_missed : bool
        Whether it should have alarmed; otherwise it should not have.
    present : AlarmSettings
        Settings that hold now.
    readings : Readings
        Kept, the stretch among them.
    real, nothing : sequence of Stretch
        Alarms that a person has confirmed, and that were nothing.
    zone : tzinfo
        Of times of the day.
    """

    stretch: Stretch
    is_missed: bool
    present: AlarmSettings
    readings: Readings
    real: Sequence[Stretch]
    zone: tzinfo
    nothing: Sequence[Stretch] = ()


def candidates(case: Case, judge_again: JudgeAgain, is_wanted: Callable[[], bool]) -> Iterator[Candidate]:
    """The rules that do what is wanted, as they are found; none that does not.

    Raises
    ------
    ValueError and what ``judge_again`` raises
        The detector cannot be made.
    """
    before = judge_again(case.present, case.readings, is_wanted)
    if before is None:
        return
    for tries in rules_to_try(case, before):
        for words, settings in tries:
            after = judge_again(settings, case.readings, is_wanted)
            if after is None:
                return
            if alarms_at(after, case.stretch) == case.is_missed:
                yield _candidate(case, words, settings, before, after)
                break


def alarms_at(verdicts: Verdicts, stretch: Stretch) -> bool:
    """Whether an alarm lies at a stretch, or next to it."""
    return bool(has_counterpart(_spans([stretch]), spans_of(verdicts))[0])


def rules_to_try(case: Case, before: Verdicts) -> Iterator[Sequence[tuple[str, AlarmSettings]]]:
    """Rules in words and as settings, each kind from the one that changes least; the first that does it is the one."""
    if case.is_missed:
        yield _without_rules(case)
    elif len(rows := _of_alarm(before, case.stretch)):
        yield _directions(case, rows)
        yield _deviations(case, rows)
        yield from _quiet(case, rows)
    yield _rates(case)


def _rates(case: Case) -> list[tuple[str, AlarmSettings]]:
    """Lower rates where an alarm is to go, higher ones where one is missing."""
    settings, rules = case.present, case.present.rules
    now = settings.alarm_rate if rules.alarms_a_day is None else rules.alarms_a_day
    steps = RATES if rules.alarms_a_day is None else A_DAY
    wanted = [step for step in steps if step > now] if case.is_missed else [step for step in steps[::-1] if step < now]
    if rules.alarms_a_day is None:
        return [(f"alarm rate {number_text(100 * rate)} %", settings._replace(alarm_rate=rate)) for rate in wanted]
    return [(f"{n:g} alarms a day", settings._replace(rules=replace(rules, alarms_a_day=n))) for n in wanted]


def _without_rules(case: Case) -> list[tuple[str, AlarmSettings]]:
    """The present settings without one of the rules, then without all."""
    settings, rules = case.present, case.present.rules
    found = []
    if rules.direction != "both":
        found.append(("both directions", settings._replace(rules=replace(rules, direction="both"))))
    if rules.minimum_deviation or rules.minimum_deviation_percent:
        free = replace(rules, minimum_deviation=0.0, minimum_deviation_percent=0.0)
        found.append(("any deviation", settings._replace(rules=free)))
    if settings.quiet:
        found.append(("no quiet times", settings._replace(quiet=())))
    return found


def _of_alarm(verdicts: Verdicts, stretch: Stretch) -> Verdicts:
    """The anomalous points of the alarms at a stretch."""
    flagged = verdicts[verdicts["is_anomaly"]]
    near = (flagged["index"] >= stretch.first) & (flagged["index"] <= stretch.last)
    of_alarm: Verdicts = flagged[np.isin(flagged["episode"], flagged["episode"][near])]
    return of_alarm


def _directions(case: Case, rows: Verdicts) -> list[tuple[str, AlarmSettings]]:
    rules = case.present.rules
    is_above, is_below = bool((rows["value"] > rows["expected"]).all()), bool((rows["value"] < rows["expected"]).all())
    if rules.direction != "both" or not (is_above or is_below):
        return []
    way = "down" if is_above else "up"
    return [(f"{way} only", case.present._replace(rules=replace(rules, direction=way)))]


def _deviations(case: Case, rows: Verdicts) -> list[tuple[str, AlarmSettings]]:
    sizes = np.abs(rows["value"] - rows["expected"])
    if not np.isfinite(sizes).all():
        return []
    least = rounded_up(float(sizes.max()))
    if not case.present.rules.minimum_deviation < least < math.inf:
        return []
    rules = replace(case.present.rules, minimum_deviation=least)
    return [(f"least deviation {number_text(least)}", case.present._replace(rules=rules))]


def rounded_up(size: float) -> float:
    """A number of two digits that is larger than another one; 0 where there is none.

    Examples
    --------
    >>> rounded_up(12.31), rounded_up(0.0), rounded_up(5.0)
    (13.0, 0.0, 5.1)
    """
    if not 1e-300 < size < 1e300:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(size)) - 1)
    next_ones = (float(f"{(math.floor(size / step) + k) * step:.12g}") for k in (1, 2))
    return next(one for one in next_ones if one > size)


def _quiet(case: Case, rows: Verdicts) -> Iterator[list[tuple[str, AlarmSettings]]]:
    """The time of the day, and the same on that day of the week alone."""
    times = rows["time"]
    if not np.isfinite(times).all() or not 0.0 <= times.min() <= times.max() < 2e11:
        return
    begin, end = (datetime.fromtimestamp(seconds, case.zone) for seconds in (float(times.min()), float(times.max())))
    begin, end = _to_quarter(begin, 0), _to_quarter(end, 1)
    if end - begin > LONGEST_QUIET:
        return
    clock = f"{begin:%H:%M}-{end:%H:%M}"
    over = end.date() != begin.date() and f"{end:%H:%M}" != "00:00"
    weekly = f"{DAYS[begin.weekday()]} {begin:%H:%M}-{f'{DAYS[end.weekday()]} ' if over else ''}{end:%H:%M}"
    for text in (f"daily {clock}", weekly):
        quiet = (*case.present.quiet, text.replace("-00:00", "-24:00"))
        yield [(f"quiet {text}", case.present._replace(quiet=quiet))]


def _to_quarter(moment: datetime, later: int) -> datetime:
    whole = moment.replace(minute=moment.minute // QUARTER * QUARTER, second=0, microsecond=0)
    return whole + later * timedelta(minutes=QUARTER)


def _candidate(case: Case, words: str, settings: AlarmSettings, before: Verdicts, after: Verdicts) -> Candidate:
    change = difference(before, after)
    if case.is_missed:
        others = change.new - 1
        text = "catches it, " + (f"{others:,} other new alarm{'' if others == 1 else 's'}" if others else "no other")
        text += f", drops {change.dropped:,}" if change.dropped else ""
        return Candidate(words, settings, change, text, (change.new + change.dropped,))
    real, nothing = ([one for one in said if alarms_at(before, one)] for said in (case.real, case.nothing))
    kept = sum(alarms_at(after, one) for one in real)
    right = sum(not alarms_at(after, one) for one in nothing)
    text = f"drops {change.dropped:,} of {change.before:,} alarms"
    text += f", {right:,} of {len(nothing):,} that were nothing" if len(nothing) > 1 else ""
    text += f", adds {change.new:,}" if change.new else ""
    text += f", keeps {kept:,} of {len(real):,} that were real" if real else ""
    rank = (
        len(real) - kept,
        int(is_broad(case, settings, farthest_points(before, real), kept)),
        change.dropped + change.new - 2 * right,
    )
    return Candidate(words, settings, change, text, rank)


def is_broad(case: Case, after: AlarmSettings, real: Verdicts, kept: int) -> bool:
    """Whether a rule may silence real alarms of which none is known yet.

    Parameters
    ----------
    after : AlarmSettings
        The settings with the rule.
    real : Verdicts
        The farthest point of each confirmed alarm, shape (n,).
    kept : int
        Confirmed alarms that stay.
    """
    before = case.present
    rules, now, then = after.rules, *((one.rules.alarms_a_day or one.alarm_rate) for one in (before, after))
    if rules.direction != before.rules.direction or then < BROAD_RATE * now:
        return kept < CONFIRMING
    if then != now and rules.alarms_a_day is None:
        return not len(real) or not float(real["p_value"].max()) * (1.0 + MARGIN / len(real)) <= then
    if rules.minimum_deviation != before.rules.minimum_deviation:
        sizes = np.abs(real["value"] - real["expected"])
        return not len(sizes) or not float(sizes.min()) >= (1.0 + MARGIN / len(sizes)) * rules.minimum_deviation
    return after.quiet != before.quiet and hours_of(after.quiet[-1]) > BROAD_HOURS


def farthest_points(verdicts: Verdicts, stretches: Sequence[Stretch]) -> Verdicts:
    """Of each stretch with anomalous points the one that is farthest from what was expected, shape (n,)."""
    flagged = verdicts[verdicts["is_anomaly"]]
    parts = (flagged[(flagged["index"] >= one.first) & (flagged["index"] <= one.last)] for one in stretches)
    places = [
        part[int(np.argmax(np.nan_to_num(np.abs(part["value"] - part["expected"]))))] for part in parts if len(part)
    ]
    return np.array(places, verdicts.dtype)


def hours_of(quiet: str) -> float:
    """Hours of a quiet time, on each day that it is on.

    Examples
    --------
    >>> hours_of("daily 02:30-02:45"), hours_of("Fri 21:00-Sat 01:00"), hours_of("daily 23:00-24:00")
    (0.25, 4.0, 1.0)
    """
    begin, end = (clock.split(":") for clock in re.findall(r"\d\d:\d\d", quiet))
    minutes = 60 * (int(end[0]) - int(begin[0])) + int(end[1]) - int(begin[1])
    return minutes % (24 * 60) / 60 or 24.0


def _spans(stretches: Sequence[Stretch]) -> Spans:
    firsts, lasts = (np.array([one[side] for one in stretches], np.int64) for side in (0, 1))
    return Spans(firsts, lasts)


class Advice:
    """A panel of rules that do what a person wants; all methods belong to the main thread.

    Parameters
    ----------
    case : Case
        What is wanted.
    judge_again : callable
        Judges the kept readings.
    take : callable
        Lets the run have settings, in words, for good.
    ready : callable
        Called, in another thread, when there is something new.
    faults : tuple of exception types
        That ``judge_again`` may raise.
    """

    def __init__(
        self,
        case: Case,
        judge_again: JudgeAgain,
        take: Callable[[Candidate], None],
        ready: Callable[[], None],
        faults: tuple[type[Exception], ...] = (ValueError,),
    ) -> None:
        self._case, self._judge_again, self._take, self._ready, self._faults = case, judge_again, take, ready, faults
        self.title = "what would have caught it" if case.is_missed else "what would silence it"
        self._found: list[Candidate] = []  # replaced, never changed
        self._chosen: Candidate | None = None  # none: the first
        self._moves = 0
        self._fault = ""
        self._is_open = True
        self.is_working = True
        threading.Thread(target=self._work, name="look for rules", daemon=True).start()

    def panel(self) -> Panel:
        """The panel as it stands."""
        found, is_working = self._found, self.is_working
        rows = tuple(Row(one.words, one.text) for one in found)
        chosen = self._place(found)
        result = "judging the kept points again" if is_working else self._fault
        if not is_working and not self._fault:
            result = found[chosen].difference.words if found else "no rule does that by itself"
        marks = found[chosen].difference if found else None
        version = 2 * (len(found) + self._moves) + (not is_working)
        return Panel(self.title, rows, chosen, result, HINT, marks, version)

    def choose(self, row: int) -> None:
        """Choose a row, by its number."""
        found = self._found
        if found:
            self._chosen = found[max(0, min(row, len(found) - 1))]
            self._moves += 1

    def set_share(self, row: int, share: float) -> None:  # noqa: ARG002 - as all panels have it
        """Choose a row: there is no slider."""
        self.choose(row)

    def command(self, name: str) -> bool:
        """Carry out "up", "down", "take" or "leave"; whether the panel stays open."""
        if name in ("up", "down"):
            self.choose(self._place(self._found) + (1 if name == "down" else -1))
        elif name == "take" and self._found:
            self._take(self._found[self._place(self._found)])
            self._is_open = False
        elif name == "leave":
            self._is_open = False
        return self._is_open

    def _place(self, found: list[Candidate]) -> int:
        """Number of the chosen one; more may have been found since it was chosen."""
        return next((k for k, one in enumerate(found) if one is self._chosen), 0)

    def _work(self) -> None:
        try:
            for found in candidates(self._case, self._judge_again, lambda: self._is_open):
                self._found = sorted([*self._found, found], key=lambda one: one.rank)
                self._ready()
        except self._faults as error:
            self._fault = str(error)
        self.is_working = False
        self._ready()
