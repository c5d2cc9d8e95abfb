"""What other settings of the alarms would have made of the kept readings, tried by a person, at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from streamforest.judging.rejudging import AlarmSettings, Readings, readings_of
from streamforest.judging.rules import DIRECTIONS, LEAST_ALARM_RATE, MOST_ALARM_RATE
from streamforest.protocols import Verdicts
from streamforest.verdicts.difference import Difference, difference
from streamforest.verdicts.panel import Panel, Row
from streamforest.wording import number_text

#: Steps of a slider: alarm rates and alarms a day; points of cool-down; shares of half the usual band.
RATES = tuple(
    float(f"{digit}e{power}")
    for power in range(-6, 0)
    for digit in (1, 2, 5)
    if LEAST_ALARM_RATE <= float(f"{digit}e{power}") <= MOST_ALARM_RATE
)
A_DAY = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
COOL_DOWNS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
HALF_BANDS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
#: Seconds between two judgements of the same settings, while points come; more where judging takes a share of it.
AGAIN_SECONDS, AGAIN_SHARE = 1.0, 0.1
HINT = "up, down: choose   left, right: change   Enter: take over   Esc: change nothing"


class Outcome(NamedTuple):
    """What settings make of readings: the verdicts, and how their alarms differ from those of the present settings."""

    verdicts: Verdicts
    difference: Difference


class Dial(NamedTuple):
    """A setting that a slider changes.

    Attributes
    ----------
    name : str
        In words.
    steps : tuple
        Its values, in order; the present one among them.
    text : callable
        Value -> words.
    put : callable
        Settings and a value -> settings with this value.
    """

    name: str
    steps: tuple[Any, ...]
    text: Callable[[Any], str]
    put: Callable[[AlarmSettings, Any], AlarmSettings]


#: Settings, readings and whether the answer is still wanted -> the verdicts; None where it is not.
JudgeAgain = Callable[[AlarmSettings, Readings, Callable[[], bool]], Verdicts | None]


class Desire(NamedTuple):
    """What is to be judged: settings, against the present ones, on readings."""

    number: int
    settings: AlarmSettings
    present: AlarmSettings
    readings: Readings


class Trial:
    """Judges the newest of what is wanted in a thread, one after the other; what is not wanted any more is left.

    Parameters
    ----------
    judge_again : callable
        See JudgeAgain; raises one of ``faults`` where a detector cannot be made.
    ready : callable
        Called, in that thread, when there is an answer.
    faults : tuple of exception types
        Their text is the answer then.
    """

    def __init__(
        self,
        judge_again: JudgeAgain,
        ready: Callable[[], None],
        faults: tuple[type[Exception], ...] = (ValueError,),
    ) -> None:
        self._judge_again, self._ready, self._faults = judge_again, ready, faults
        self._lock = threading.Lock()
        self._desire: Desire | None = None
        self._number = 0
        self._is_working = False
        self._before: tuple[AlarmSettings, Readings, Verdicts] | None = None
        self.answer: Outcome | str | None = None  # None while the newest is not judged
        self.seconds = 0.0  # that the last one took

    def want(
        self, settings: AlarmSettings, present: AlarmSettings, readings: Readings, *, keeps_answer: bool = False
    ) -> None:
        """Have readings judged under settings, in place of what was wanted before; until then there is no answer.

        With ``keeps_answer`` the one that there is stays until then.
        """
        with self._lock:
            self._number += 1
            self.answer = self.answer if keeps_answer else None
            self._desire = Desire(self._number, settings, present, readings)
            if self._is_working:
                return
            self._is_working = True
        threading.Thread(target=self._work, name="judge again", daemon=True).start()

    def drop(self) -> None:
        """Want nothing any more, and forget the answer."""
        with self._lock:
            self._number += 1
            self._desire = self._before = self.answer = None

    @property
    def is_working(self) -> bool:
        """Whether something is being judged."""
        return self._is_working

    def _work(self) -> None:
        while True:
            with self._lock:
                desire, self._desire = self._desire, None
                if desire is None:
                    self._is_working = False
                    return
            begun = time.monotonic()
            answer = self._answer(desire)
            with self._lock:
                if desire.number != self._number or answer is None:
                    continue
                self.answer, self.seconds = answer, time.monotonic() - begun
            self._ready()

    def _answer(self, desire: Desire) -> Outcome | str | None:
        def is_wanted() -> bool:
            return desire.number == self._number

        def judged(settings: AlarmSettings) -> Verdicts | None:
            return self._judge_again(settings, desire.readings, is_wanted)

        try:
            before = self._judged_before(desire, judged)
            after = before if desire.settings == desire.present else judged(desire.settings)
        except self._faults as error:
            return str(error)
        if before is None or after is None:
            return None
        return Outcome(after, difference(before, after))

    def _judged_before(self, desire: Desire, judged: Callable[[AlarmSettings], Verdicts | None]) -> Verdicts | None:
        """The verdicts of the present settings, judged once for the same readings."""
        kept = self._before
        if kept is not None and kept[0] == desire.present and kept[1] is desire.readings:
            return kept[2]
        verdicts = judged(desire.present)
        if verdicts is not None:
            self._before = desire.present, desire.readings, verdicts
        return verdicts


class Kept:
    """A copy of the kept readings that grows with the stream, so that its first one stays.

    Parameters
    ----------
    history : object
        Has ``first``, ``end``, ``capacity`` and ``view`` of a History.
    """

    def __init__(self, history: Any) -> None:
        self._history = history
        self.readings = readings_of(history.view(history.first, history.end))

    def follow(self) -> bool:
        """Take over what is new, unless that is too much; returns whether anything was."""
        first, points = self.readings
        end = first + len(points)
        if self._history.end <= end:
            return False
        new = self._history.view(end, self._history.end)
        whole = len(points) and len(new) and int(new["index"][0]) == end
        if not whole or len(points) + len(new) > 2 * self._history.capacity:
            self.readings = readings_of(self._history.view(self._history.first, self._history.end))
        else:
            self.readings = Readings(first, np.concatenate((points, readings_of(new).points)))
        return True


class WhatIf:
    """A panel of sliders; all methods belong to the main thread.

    Parameters
    ----------
    history : History
        Where the kept readings are.
    present : callable
        The settings that the run has.
    trial : Trial
        Judges.
    take : callable
        Lets the run have settings.
    detectors : sequence of str
        That can be chosen.
    clock : callable
        Seconds that only go forward.
    """

    title = "what if"

    def __init__(
        self,
        history: Any,
        present: Callable[[], AlarmSettings],
        trial: Trial,
        take: Callable[[AlarmSettings], None],
        detectors: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history, self._present, self._trial, self._take = history, present, trial, take
        self._clock = clock
        self._kept = Kept(history)
        self._detectors = tuple(detectors)
        self._base = self.settings = present()
        self._dials = dials_of(self._base, self._half_band(), self._detectors)
        self._chosen = 0
        self._version = 0
        self._judged_at = clock()
        self._shown: Any = None
        self._want()

    def panel(self) -> Panel:
        """The panel as it stands; readings that came meanwhile are judged too, about once a second."""
        self._follow()
        answer = self._trial.answer
        if answer is not self._shown:
            self._shown, self._version = answer, self._version + 1
        marks = answer.difference if isinstance(answer, Outcome) else None
        rows = tuple(self._row(dial) for dial in self._dials)
        return Panel(self.title, rows, self._chosen, result_text(answer), HINT, marks, self._version)

    def choose(self, row: int) -> None:
        """Choose a row, by its number; those beyond the ends are the last ones."""
        self._chosen = max(0, min(row, len(self._dials) - 1))
        self._version += 1

    def command(self, name: str) -> bool:
        """Carry out a command: "up", "down", "back", "forward", "take" or "leave"; whether the panel stays open."""
        if name in ("up", "down"):
            self.choose(self._chosen + (1 if name == "down" else -1))
        elif name in ("back", "forward"):
            dial = self._dials[self._chosen]
            self._put(dial, self._place(dial) + (1 if name == "forward" else -1))
        elif name == "take":
            if self.settings != self._base:
                self._take(self.settings)
            return self._close()
        elif name == "leave":
            return self._close()
        return True

    def set_share(self, row: int, share: float) -> None:
        """Choose a row, and put its slider to a place in [0, 1]."""
        if 0 <= row < len(self._dials):
            self.choose(row)
            dial = self._dials[row]
            self._put(dial, round(share * (len(dial.steps) - 1)))

    def _close(self) -> bool:
        self._trial.drop()
        return False

    def _follow(self) -> None:
        wait = max(AGAIN_SECONDS, self._trial.seconds / AGAIN_SHARE)
        if self._trial.is_working or self._clock() < self._judged_at + wait:
            return
        if self._kept.follow() or self._base != self._present():
            self._base = self._present()
            self._want(keeps_answer=True)

    def _want(self, *, keeps_answer: bool = False) -> None:
        self._judged_at = self._clock()
        self._trial.want(self.settings, self._base, self._kept.readings, keeps_answer=keeps_answer)

    def _put(self, dial: Dial, place: int) -> None:
        value = dial.steps[max(0, min(place, len(dial.steps) - 1))]
        changed = dial.put(self.settings, value)
        self._version += 1
        if changed != self.settings:
            self.settings = changed
            self._want()

    def _place(self, dial: Dial) -> int:
        """The step that a setting stands at."""
        return next(k for k, value in enumerate(dial.steps) if dial.put(self.settings, value) == self.settings)

    def _row(self, dial: Dial) -> Row:
        place = self._place(dial)
        value = dial.steps[place]
        is_changed = dial.put(self._base, value) != self._base
        return Row(dial.name, dial.text(value), place / max(1, len(dial.steps) - 1), is_changed)

    def _half_band(self) -> float:
        """Half the usual width of the band, in the stream's unit; NaN where none is kept."""
        rows = self._history.view(self._history.first, self._history.end)
        widths = rows["upper"] / 2 - rows["lower"] / 2
        widths = widths[np.isfinite(widths)]
        return float(np.median(widths)) if len(widths) else math.nan


def result_text(answer: Outcome | str | None) -> str:
    """What came of the settings, in words."""
    if answer is None:
        return "judging the kept points again"
    return answer if isinstance(answer, str) else answer.difference.words


def dials_of(present: AlarmSettings, half_band: float, detectors: Sequence[str]) -> tuple[Dial, ...]:
    """The sliders, with the present value of each among its steps."""
    rules = present.rules
    if rules.alarms_a_day is None:
        rate = Dial("alarm rate", _steps(RATES, present.alarm_rate), _percent, _put_rate)
    else:
        rate = Dial("alarms a day", _steps(A_DAY, rules.alarms_a_day), lambda n: f"{n:g}", _put_rule("alarms_a_day"))
    least = tuple(float(f"{share * half_band:.2g}") for share in HALF_BANDS) if 1e-300 < half_band < 1e300 else ()
    directions = tuple(DIRECTIONS)
    dials = [
        rate,
        Dial("direction", directions, _direction_text, _put_rule("direction")),
        Dial(
            "least deviation",
            _steps((0.0, *least), rules.minimum_deviation),
            lambda size: number_text(size) if size else "any",
            _put_rule("minimum_deviation"),
        ),
        Dial("cool-down", _steps(COOL_DOWNS, rules.cool_down), _points_text, _put_rule("cool_down")),
    ]
    if len(detectors) > 1:
        names = detectors if present.detector in detectors else (present.detector, *detectors)
        dials.append(Dial("detector", tuple(names), str, lambda settings, name: settings._replace(detector=name)))
    return tuple(dials)


def _steps(steps: Sequence[float], present: float) -> tuple[Any, ...]:
    return tuple(sorted({*steps, present}))


def _percent(rate: float) -> str:
    return f"{number_text(100 * rate)} %"


def _direction_text(direction: str) -> str:
    return {"both": "up and down", "up": "up only", "down": "down only"}[direction]


def _points_text(points: int) -> str:
    return f"{points:,} point{'' if points == 1 else 's'}"


def _put_rate(settings: AlarmSettings, rate: float) -> AlarmSettings:
    return settings._replace(alarm_rate=rate)


def _put_rule(name: str) -> Callable[[AlarmSettings, Any], AlarmSettings]:
    def put(settings: AlarmSettings, value: Any) -> AlarmSettings:
        return settings._replace(rules=replace(settings.rules, **{name: value}))

    return put
