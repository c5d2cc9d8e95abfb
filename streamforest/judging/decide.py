"""What compiled detectors share: a score against its limit, episodes numbered, and the two ways to ask."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.features.ranges import check_records
from streamforest.judging import threshold
from streamforest.judging.rules import (
    LEAST_ALARM_RATE,
    MOST_ALARM_RATE,
    NO_RULES,
    RULE_STATE_DTYPE,
    RuleNumbers,
    Rules,
    is_suppressed,
    may_begin,
    new_rule_states,
    note_time,
    wanted_rate,
)
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE, State, Verdict, Verdicts, verdict_from_row
from streamforest.reading.python_values import time_of, times_of, times_within, value_of, values_of
from streamforest.state import saved_array
from streamforest.verdicts.episodes import UNUSUAL

#: Where a stream stands, beside what its detector remembers: the next index, the last episode, the last point that
#: kept it alive, and what the alarm rules remember.
POSITION_DTYPE = np.dtype([("index", "i8"), ("episode", "i8"), ("alive", "i8"), ("rule_state", RULE_STATE_DTYPE)])

INFINITE = "value is {}, allowed are finite numbers and NaN for a missing reading"
NO_POINT = -(2**62)  # index of that point where there was none


def new_positions(n: int = 1) -> NDArray[np.void]:
    """Fresh positions of POSITION_DTYPE for n streams, shape (n,)."""
    positions = np.zeros(n, dtype=POSITION_DTYPE)
    positions["alive"] = NO_POINT
    positions["rule_state"] = new_rule_states(n)
    return positions


@compiled
def open_verdict(position: Record, value: float, time: float, verdict: Record) -> None:
    """Begin the verdict of the next reading: all that is unknown is NaN."""
    verdict.index = position.index
    verdict.time = time
    verdict.value = value
    verdict.label = UNLABELLED
    verdict.is_anomaly = False
    verdict.episode = 0
    verdict.reason = 0
    verdict.score = verdict.threshold = verdict.p_value = np.nan
    verdict.expected = verdict.lower = verdict.upper = np.nan
    note_time(position.rule_state, position.index, time)
    position.index += 1


@compiled
def decide(
    position: Record,
    tail: Record,
    scores: NDArray[np.float64],
    surprises: NDArray[np.float64],
    rate: float,
    rules: RuleNumbers,
    score: float,
    excess: float,
    is_evident: bool,
    verdict: Record,
) -> None:
    """Hold a score against the limit that was known before it, learn it, and go by the alarm rules.

    What is learned is the same whatever the rules say of the point.

    Parameters
    ----------
    position, tail : records of POSITION_DTYPE and THRESHOLD_DTYPE
        Of the stream.
    scores, surprises : float64 arrays, shape (n,)
        What a score says of a normal point: both rising, see ``model_file.Model.calibration``.
    rate : float
        Wanted alarm rate, where the rules do not give another one.
    rules : RuleNumbers
        What else a point needs to be an alarm.
    score : float
        In [0, 1], higher = more anomalous.
    excess : float
        Of an outlier, how many times as far off as the edge of the band it is, above 1; 0 for other points. An outlier
        is an anomaly whatever its score, and the limit does not learn it.
    is_evident : bool
        Whether the value lies outside its band or something else about it is plainly unusual. Where neither is so, it
        is no anomaly: what is back to normal may still have a high score, as the last points have.
    verdict : record of VERDICT_DTYPE
        Output, opened by :func:`open_verdict`, with ``expected`` filled in.
    """
    rate = wanted_rate(position.rule_state, rules, rate)
    limit = threshold.limit(tail, rate)
    surprise = threshold.interpolate(score, scores, surprises)
    verdict.score = score
    # the limit is brought into the score's unit: what is said there is what was decided
    verdict.threshold = min(max(threshold.interpolate(limit, surprises, scores), 0.0), 1.0)
    if excess > 0.0:
        # it needs no score: the limit is what it has
        verdict.threshold = min(verdict.threshold, 0.999 * score)
    elif not is_evident:
        verdict.threshold = max(verdict.threshold, score)
    verdict.is_anomaly = verdict.score > verdict.threshold
    p = threshold.p_value(tail, surprise, limit, rate)
    if excess > 0.0:
        p = min(p, rate / excess)
    # rounding on the way between the two units must not make them disagree
    verdict.p_value = min(p, rate * (1.0 - 1e-12)) if verdict.is_anomaly else max(p, rate)
    if excess == 0.0:
        threshold.learn(tail, surprise, limit, rate, verdict.is_anomaly)
    if is_suppressed(rules, verdict.value, verdict.expected):
        verdict.is_anomaly = False
    else:
        follow_episode(position, rules, verdict)


@compiled
def follow_episode(position: Record, rules: RuleNumbers, verdict: Record) -> None:
    """Number an anomalous point's episode; where it would begin one that may not begin, it is no anomaly.

    A point that is no anomaly and yet unusual begins no episode, and keeps one alive that has not ended.
    """
    is_alive = verdict.index - position.alive <= rules.cool_down + 1
    if not verdict.is_anomaly:
        if is_alive and verdict.p_value < UNUSUAL:
            position.alive = verdict.index
        return
    if not is_alive:
        if not may_begin(position.rule_state, rules):
            verdict.is_anomaly = False
            verdict.episode = verdict.reason = 0
            return
        position.episode += 1
    position.alive = verdict.index
    verdict.episode = position.episode


@compiled
def renumber(positions: Records, rules: RuleNumbers, verdicts: Records) -> None:
    """Number the episodes of verdicts, shape (n,), that several detectors gave, by the rule that each goes by."""
    for i in range(verdicts.size):
        note_time(positions[0].rule_state, verdicts[i].index, verdicts[i].time)
        follow_episode(positions[0], rules, verdicts[i])


class CompiledDetector(ABC):
    """Judges the points of one stream: scores first, then learns.

    Parameters
    ----------
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.

    Raises
    ------
    ValueError
        alarm_rate is outside its range.
    """

    #: Valid readings before the first score.
    warm_up_points: int
    #: All that is remembered of the stream: a structured array of shape (1,), changed in place.
    _records: NDArray[np.void]

    def __init__(self, alarm_rate: float, rules: Rules = NO_RULES) -> None:
        if not LEAST_ALARM_RATE <= alarm_rate <= MOST_ALARM_RATE:
            raise ValueError(f"alarm_rate is {alarm_rate}, allowed is {LEAST_ALARM_RATE:f} to {MOST_ALARM_RATE}")
        self._rules = rules.numbers
        self._verdict = np.empty(1, dtype=VERDICT_DTYPE)
        self._value = np.empty(1)
        self._time = np.empty(1)

    @abstractmethod
    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        """Fill in the verdicts of the next readings, all of shape (n,)."""

    def update(self, value: float, time: float | None = None) -> Verdict:
        """Judge and learn one reading.

        Parameters
        ----------
        value : float
            Finite, or NaN for a missing reading; also what :func:`~streamforest.reading.python_values.value_of` takes.
        time : float, optional
            Seconds, UTC epoch; not before the last one; also what
            :func:`~streamforest.reading.python_values.time_of` takes.

        Raises
        ------
        ValueError
            The value is infinite or no number, or the time is none or beyond the year 5000.
        """
        value = value if type(value) is float else value_of(value)
        if math.isinf(value):
            raise ValueError(INFINITE.format(value))
        self._value[0] = value
        self._time[0] = math.nan if time is None else time_of(time)
        self._judge(self._value, self._time, self._verdict)
        return verdict_from_row(self._verdict[0].item())

    def update_many(self, values: NDArray[np.float64], times: NDArray[np.float64] | None = None) -> Verdicts:
        """Judge and learn readings of shape (n,): the same bits as :meth:`update` one by one.

        Returns
        -------
        array of VERDICT_DTYPE, shape (n,)

        Raises
        ------
        ValueError
            A value is infinite or no number, a time is none or beyond the year 5000, or the shapes differ.
        """
        times = times_within(values) if times is None else times
        values = values_of(values)
        times = times_of(times, len(values))
        if values.shape != times.shape:
            raise ValueError(f"values {values.shape} and times {times.shape} must have the same shape (n,)")
        if np.count_nonzero(np.isinf(values)):  # where there is one, many times as fast as any()
            raise ValueError("a value is infinite; allowed are finite numbers and NaN for a missing reading")
        verdicts = np.empty(values.size, dtype=VERDICT_DTYPE)
        self._judge(values, times, verdicts)
        return verdicts

    def catch_up(self, values: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        """Learn values of shape (n,) that others have judged; may take its time."""
        self.update_many(values, times)

    def state(self) -> State:
        """A copy of all that is remembered of the stream."""
        return {"records": self._records.copy()}

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` of a detector of the same kind and options gave: the same bits from there on.

        Raises
        ------
        ValueError
            It is not the state of such a detector.
        """
        records = saved_array(state, "records", self._records)
        check_records(records)
        self._records[:] = records
