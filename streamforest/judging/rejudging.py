"""Judges readings that are kept again under other settings of the alarms, as a run with these would have."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from streamforest.judging.rules import NO_RULES, Rules
from streamforest.protocols import POINT_DTYPE, VERDICT_DTYPE, Points, Verdicts

#: Readings between two looks whether the answer is still wanted: 10 ms of the default detector.
BLOCK = 4_000


class AlarmSettings(NamedTuple):
    """What decides which readings alarm.

    Attributes
    ----------
    detector : str
        Its name.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    quiet : tuple of str
        Weekly times without alarms, as ``daily 02:00-03:00``; judged and learned as ever.
    """

    detector: str
    alarm_rate: float
    rules: Rules = NO_RULES
    quiet: tuple[str, ...] = ()

    def keeps_scores_of(self, other: AlarmSettings) -> bool:
        """Whether scores and all that is learned are those of other settings: only rules differ, which change neither.

        A number of alarms a day stands for an alarm rate, and is no such rule.
        """
        same = (self.detector, self.alarm_rate, self.rules.alarms_a_day)
        return same == (other.detector, other.alarm_rate, other.rules.alarms_a_day)


class Readings(NamedTuple):
    """Kept readings in order, without gaps: the stream index of the first, and all as points of POINT_DTYPE."""

    first: int
    points: Points


#: Judges points: the verdicts in blocks.
Judge = Callable[[Points], list[Verdicts]]


def readings_of(verdicts: Verdicts) -> Readings:
    """The readings that verdicts, shape (n,), are of."""
    points = np.empty(len(verdicts), POINT_DTYPE)
    for name in POINT_DTYPE.names or ():
        points[name] = verdicts[name]
    return Readings(int(verdicts["index"][0]) if len(verdicts) else 0, points)


def judge_again(judge: Judge, readings: Readings, is_wanted: Callable[[], bool] = lambda: True) -> Verdicts | None:
    """The verdicts of a fresh judge on kept readings.

    Parameters
    ----------
    judge : callable
        Of a detector that has seen nothing yet.
    readings : Readings
        Any number of them.
    is_wanted : callable
        Asked again and again; once it says no, nothing more is judged.

    Returns
    -------
    array of VERDICT_DTYPE, shape (n,), or None
        What a run over these readings would say, with the stream's own indices; None where it is not wanted any more.
    """
    blocks: list[Verdicts] = [np.empty(0, VERDICT_DTYPE)]
    for begin in range(0, len(readings.points), BLOCK):
        if not is_wanted():
            return None
        blocks += judge(readings.points[begin : begin + BLOCK])
    verdicts = np.concatenate(blocks)
    verdicts["index"] += readings.first
    return verdicts
