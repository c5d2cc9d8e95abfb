"""What keys of a view open and do beside looking: the panel of other settings, and what a person says of alarms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, cast

import numpy as np

from streamforest.judging.advice import Advice, Candidate, Case, Stretch
from streamforest.judging.rejudging import readings_of
from streamforest.judging.what_if import WhatIf
from streamforest.program import assembly
from streamforest.program.detect_limits_command import maker
from streamforest.program.detect_limits_panel import LimitsPanel
from streamforest.program.live_settings import FAULTS, LiveSettings
from streamforest.program.opinions import MISSED, NOTHING, REAL, Opinions, with_rules, without_rule, words_of
from streamforest.reading.time_form import zone_of
from streamforest.storage.verdict_file import VerdictFile
from streamforest.verdicts.history import History

if TYPE_CHECKING:
    from streamforest.judging.rejudging import AlarmSettings
    from streamforest.program.description import Run
    from streamforest.protocols import Verdicts
    from streamforest.storage.verdict_file import Entry

#: What a person looks at: stream indices of the first and last point in view, and of the selected one or None.
Seen = tuple[int, int, int | None]


class Panels:
    """Opens panels and does what keys ask for of alarms; all methods belong to the main thread.

    Parameters
    ----------
    run : Run
        Of one stream.
    memory : History
        Its kept points.
    say : callable
        Takes a line for people.
    ready : callable
        Called, in any thread, when a panel has something new.
    """

    def __init__(self, run: Run, memory: History, say: Callable[[str], None], ready: Callable[[], None]) -> None:
        self._run, self._memory, self._say, self._ready = run, memory, say, ready
        self._live = LiveSettings(run, memory, say)
        self.options = self._live.options  # the run's, with the settings that hold now
        path = run.options.verdicts
        self._opinions = Opinions(run.source_id, None if path is None else VerdictFile(path))
        self._taken: list[tuple[Entry, AlarmSettings]] = []  # rules of this run, and what held before each

    def open(self, name: str, seen: Seen) -> WhatIf | Advice | LimitsPanel | None:
        """Open the panel that an action is for, or do without one what it asks for; None where there is none.

        Raises
        ------
        ValueError, OSError
            It cannot be done; the message is for the user.
        """
        if name == "limits":
            return self._limits()
        if name == "what-if":
            return self._live.what_if(self._ready)
        if name == "undo":
            self._undo()
            return None
        if name == MISSED:
            return self._advise(MISSED, self._stretch_to_miss(seen))
        rows = self._alarm(seen[2])
        if name == REAL:
            self._note(REAL, rows)
            return None
        return self._advise(NOTHING, rows)

    def _limits(self) -> LimitsPanel:
        """What would be caught, by the settings that hold now."""
        self._live.check()
        options = self.options()
        kept = readings_of(self._memory.view(self._memory.first, self._memory.end)).points[-options.history :]
        make = maker(options, self._run.source)
        return LimitsPanel(kept, make, options.alarm_rate, options.seed, self._ready, FAULTS)

    def _note(self, what: str, rows: Verdicts) -> None:
        self._opinions.say(what, rows)
        self._say(f"noted as {what}: {place_text(rows)}, kept {self._opinions.where}")

    def _advise(self, what: str, rows: Verdicts) -> Advice:
        self._live.check()
        self._note(what, rows)
        readings = readings_of(self._memory.view(self._memory.first, self._memory.end))
        case = Case(
            Stretch(int(rows["index"][0]), int(rows["index"][-1])),
            what == MISSED,
            self._live.present(),
            readings,
            self._opinions.said_to_be(REAL, readings),
            zone_of(self._run.options.time_zone) or UTC,
            self._opinions.said_to_be(NOTHING, readings),
        )
        return Advice(case, self._live.judge_again, self._take, self._ready, FAULTS)

    def _take(self, candidate: Candidate) -> None:
        before = self._live.present()
        try:
            entry = self._opinions.take(before, candidate.settings)
        except (OSError, ValueError) as error:
            self._say(f"the rule is not taken: {getattr(error, 'strerror', None) or error}")
            return
        self._taken.append((entry, before))
        kept = f"kept {self._opinions.where}"
        self._live.take(candidate.settings, f"the rule holds now: {candidate.words}; u takes it back; {kept}")

    def _undo(self) -> None:
        """Take the newest rule back."""
        entry = self._opinions.newest_rule()
        if entry is None:
            raise ValueError("there is no rule to take back")
        self._opinions.withdraw(entry)
        if self._taken and self._taken[-1][0] == entry:
            before = without_rule(self._live.present(), self._taken.pop()[1], entry["rule"])
        else:
            asked = assembly.settings_of(self._run.command.asked or self._run.options)
            before = with_rules(asked, self._opinions.entries(), zone_of(self._run.options.time_zone) or UTC)
        self._live.take(before, f"the rule is taken back: {words_of(entry['rule'])}")

    def _alarm(self, index: int | None) -> Verdicts:
        """The points of the selected alarm, from its first anomalous one to its last; of the newest one without."""
        memory = self._memory
        rows = memory.view(memory.first, memory.end)
        flagged = rows[rows["is_anomaly"]]
        if index is not None:
            chosen = rows[rows["index"] == index]
            number = int(chosen["episode"][0]) if len(chosen) else 0
            flagged = flagged[flagged["episode"] == number] if number else flagged[:0]
        elif len(flagged):
            flagged = flagged[flagged["episode"] == flagged["episode"][-1]]
        if not len(flagged):
            raise ValueError("that point is in no alarm" if index is not None else "there was no alarm yet")
        return memory.view(int(flagged["index"][0]), int(flagged["index"][-1]))

    def _stretch_to_miss(self, seen: Seen) -> Verdicts:
        """The selected point; without one the most unusual of those in view that are in no alarm."""
        first, last, index = seen
        rows = self._memory.view(first, last) if index is None else self._memory.view(index, index)
        free = rows[~rows["is_anomaly"] & np.isfinite(rows["p_value"])]
        if not len(free):
            if index is not None and rows["is_anomaly"].any():
                raise ValueError("that point is an alarm: a click on another one selects it, a double click none")
            raise ValueError("there is no point in view that could have been missed; a click selects one")
        at = int(np.argmin(free["p_value"]))
        return cast("Verdicts", free[at : at + 1])


def place_text(rows: Verdicts) -> str:
    """Which points they are, for people."""
    first, last = int(rows["index"][0]), int(rows["index"][-1])
    return f"point {first:,}" if first == last else f"points {first:,} to {last:,}"
