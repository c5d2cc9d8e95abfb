"""The settings of the alarms that hold in a run: judging kept readings again with others, and taking them over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streamforest.detectors import DETECTORS
from streamforest.judging.rejudging import AlarmSettings, Readings, judge_again
from streamforest.judging.switch import Change
from streamforest.judging.what_if import Trial, WhatIf
from streamforest.optional import MissingPackageError
from streamforest.program import assembly
from streamforest.protocols import DetectorError, Verdicts
from streamforest.verdicts.history import History

if TYPE_CHECKING:
    from types import SimpleNamespace

    from streamforest.program.description import Run

#: What may keep a detector from being made; their texts are for people.
FAULTS = (ValueError, DetectorError, MissingPackageError)
#: Settings -> options of the command line.
FLAGS = ("alarm_rate", "alarms_a_day", "direction", "minimum_deviation", "minimum_deviation_percent", "cool_down")


class LiveSettings:
    """The settings of a run's alarms, which a person may change while it goes on.

    Parameters
    ----------
    run : Run
        Of one stream.
    memory : History
        The readings that are kept of it.
    say : callable
        Takes a line for people.
    """

    def __init__(self, run: Run, memory: History, say: Callable[[str], None]) -> None:
        self._run, self._memory, self._say = run, memory, say
        self._options = run.options
        self._settings = assembly.settings_of(run.options)

    def present(self) -> AlarmSettings:
        """The settings that hold now, with the detector that judges now."""
        return self._settings._replace(detector=self._run.judge.name)

    def options(self) -> SimpleNamespace:
        """The options that would start a run with these settings."""
        return assembly.with_settings(self._options, self.present())

    def judge_again(
        self, settings: AlarmSettings, readings: Readings, is_wanted: Callable[[], bool] = lambda: True
    ) -> Verdicts | None:
        """What a run with settings would say of readings; None where it is not wanted any more.

        Raises
        ------
        ValueError, DetectorError, MissingPackageError
            The detector cannot be made; the message is for the user.
        """
        judge = assembly.judge_to_try(self._options, self._run.source, settings)
        return judge_again(judge.judge, readings, is_wanted)

    def take(self, settings: AlarmSettings, words: str = "") -> None:
        """Let settings hold from a next point on, on the same state where only rules differ; ``words`` are said then.

        Without them the options are said that a run would begin with these settings by.
        """
        before = self.present()
        options = assembly.with_settings(self._options, settings)

        def begin() -> None:
            self._settings = settings
            self._run.cool_down.points = settings.rules.cool_down
            self._run.counts.ask_for(settings.alarm_rate, settings.rules.alarms_a_day)
            flags = flags_of(before, settings)
            self._say(words or f"these settings hold now; to start with them: {flags}")

        self._run.judge.change(
            Change(
                settings.detector,
                assembly.detector_maker(options, self._run.source),
                settings.rules,
                assembly.quiet_times(options),
                keeps_state=settings.keeps_scores_of(before),
                begin=begin,
            )
        )

    def check(self) -> None:
        """Raise ValueError where no other settings can be tried; the message is for the user."""
        if self._run.comparison is not None:
            raise ValueError("with --compare no other settings can be tried: choose one detector")

    def what_if(self, ready: Callable[[], None]) -> WhatIf:
        """A panel of other settings; ``ready`` is called when there is an answer.

        Raises
        ------
        ValueError
            There is nothing to try; the message is for the user.
        """
        self.check()
        trial = Trial(self.judge_again, ready, FAULTS)
        return WhatIf(self._memory, self.present, trial, self.take, tuple(DETECTORS))


def flags_of(before: AlarmSettings, after: AlarmSettings) -> str:
    """The options that make the second of the settings of the first."""

    def shown(settings: AlarmSettings) -> dict[str, Any]:
        rules = {name: getattr(settings.rules, name) for name in FLAGS[1:]}
        return {"detector": settings.detector, "alarm_rate": settings.alarm_rate, **rules}

    old, new = shown(before), shown(after)
    changed = [(name, value) for name, value in new.items() if value != old[name]]
    return " ".join(
        f"--{name.replace('_', '-')} {value if isinstance(value, str) else f'{value:g}'}" for name, value in changed
    )
