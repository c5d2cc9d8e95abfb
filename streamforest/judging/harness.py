"""What stands around a score of any kind: features before it; its scale, the limit and the episodes behind it."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, compiled
from streamforest.features import observe as features
from streamforest.features.season import LONGEST_SEASON
from streamforest.features.sorting import ordered
from streamforest.features.tails import FAR_WEIGHT, TAIL_START, gains_of, learn_tail, surprise
from streamforest.features.vector import N_VECTOR, Buffers, look, new_buffers, tell_expected
from streamforest.judging import threshold
from streamforest.judging.decide import POSITION_DTYPE, CompiledDetector, decide, new_positions, open_verdict
from streamforest.judging.reasons import own_reason, side_of_band, tell_why
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules
from streamforest.protocols import State, Verdicts
from streamforest.state import joined, part_of

#: Scores that are seen before the first verdict: they give the scale's zero and unit.
LEAST_SCORES = 50
#: Below this the unit does not fall: a scorer that says the same of everything says nothing.
FINEST_UNIT = 1e-9
#: Steps of the zero, in units a point: it is the median of some hundred scores.
ZERO_GAIN = 0.02
#: A scorer's scores are remembered this much longer than a deviation: few are rare, and they are far apart.
SCORE_MEMORY = 10.0
#: Surprise that gives a score of a half, the farthest that the calibration has a knot for, and its knots.
HALF, FARTHEST, KNOTS = 5.0, 60.0, 601

#: What is remembered of a stream, beside what its scorer remembers.
HARNESS_DTYPE = np.dtype(
    [
        ("position", POSITION_DTYPE),
        ("features", features.FEATURES_DTYPE),
        ("scored", "i8"),  # scores seen so far
        ("first", "f8", (LEAST_SCORES,)),
        ("zero", "f8"),  # median of the scores
        ("tail", "f8", (3,)),  # of how far above it they are
        ("threshold", threshold.THRESHOLD_DTYPE),
        ("reason", "i8"),  # of the newest anomalous point, and its episode
        ("reason_episode", "i8"),
    ]
)


def new_harness(n: int = 1) -> NDArray[np.void]:
    """Fresh records of HARNESS_DTYPE for n streams, shape (n,)."""
    records = np.zeros(n, dtype=HARNESS_DTYPE)
    records["position"] = new_positions(n)
    records["features"] = features.new_state(n)
    records["threshold"] = threshold.new_thresholds(n)
    return records


def calibration() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Verdict's score and the surprise it stands for, both rising, shape (KNOTS,) each."""
    surprises = np.linspace(0.0, FARTHEST, KNOTS)
    return surprises / (surprises + HALF), surprises


@compiled
def begin(record: Record, value: float, time: float, rate: float, buffers: Buffers, verdict: Record) -> bool:
    """Take the next reading: open its verdict, and fill in the buffers' vector; returns whether there is one."""
    open_verdict(record.position, value, time, verdict)
    look(record.features, value, time, rate, buffers)
    if buffers.has_vector:
        tell_expected(buffers.outlook, verdict)
    return bool(buffers.has_vector)


@compiled
def _begin_scale(record: Record) -> None:
    """Zero and unit of the scale from the first scores."""
    scores = ordered(record.first)
    record.zero = scores[LEAST_SCORES // 2]
    unit = max(scores[4 * LEAST_SCORES // 5] - record.zero, 1e-3 * abs(record.zero), FINEST_UNIT)
    for k in range(3):
        record.tail[k] = unit * TAIL_START[k]


@compiled
def _rarity(record: Record, raw: float) -> float:
    """How rare a score is among the stream's own, as a surprise; learns it."""
    above = max(raw - record.zero, 0.0)
    rarity: float = surprise(above, record.tail)
    unit = record.tail[0]
    gains = gains_of(float(record.scored), SCORE_MEMORY, 1.0)
    learn_tail(record.tail, above, rarity, gains, FINEST_UNIT, FAR_WEIGHT)
    record.zero += ZERO_GAIN * unit * (1.0 if raw > record.zero else (-1.0 if raw < record.zero else 0.0))
    return rarity


@compiled
def fill_sight(record: Record, buffers: Buffers, sight: NDArray[np.float32]) -> None:
    """What a scorer sees, as :func:`begin` left it: the buffers' vector, and behind it the newest values.

    Parameters
    ----------
    record : record of HARNESS_DTYPE
    buffers : Buffers
    sight : float32 array, shape (N_VECTOR + n,)
        Output; n values, at most WARM_UP, in the stream's unit from its zero, the newest last. Where a reading is
        missing the forecast stands in for it.
    """
    n = sight.size - N_VECTOR
    sight[:N_VECTOR] = buffers.vector
    for i in range(n):
        sight[N_VECTOR + i] = record.features.ring[(record.features.count - n + i) % LONGEST_SEASON]


@compiled
def conclude(
    record: Record,
    raw: float,
    scores: NDArray[np.float64],
    surprises: NDArray[np.float64],
    rate: float,
    rules: RuleNumbers,
    buffers: Buffers,
    verdict: Record,
) -> None:
    """Make a verdict of a scorer's score: how rare it is among this stream's own scores decides.

    Parameters
    ----------
    record : record of HARNESS_DTYPE
    raw : float
        Of any scale, higher = more anomalous; NaN where the scorer does not know yet.
    scores, surprises : float64 arrays, shape (KNOTS,)
        See :func:`calibration`.
    rate : float
        Wanted alarm rate.
    rules : RuleNumbers
        What else a point needs to be an alarm.
    buffers : Buffers
        As :func:`begin` left it.
    verdict : record of VERDICT_DTYPE
        Output, opened by :func:`begin`.
    """
    if raw != raw:
        return
    record.scored += 1
    if record.scored <= LEAST_SCORES:
        record.first[record.scored - 1] = raw
        if record.scored == LEAST_SCORES:
            _begin_scale(record)
        return
    rarity = _rarity(record, raw)
    own = own_reason(buffers.surprises, buffers.outlook, side_of_band(verdict))
    decide(
        record.position,
        record.threshold,
        scores,
        surprises,
        rate,
        rules,
        rarity / (rarity + HALF),
        0.0,
        own > 0,
        verdict,
    )
    if verdict.is_anomaly:
        tell_why(record, own, buffers.surprises, buffers.outlook, verdict)


class Scorer(Protocol):
    """Scores feature vectors, one at a time."""

    def score(self, vector: NDArray[np.float32]) -> float:
        """Score of a vector of shape (N_VECTOR,), of any scale, higher = more anomalous; NaN while unknown.

        Changes nothing of what later scores depend on. Behind the vector stand as many newest values, in the stream's
        unit, as the detector around the scorer was told to give.
        """
        ...

    def learn(self, vector: NDArray[np.float32]) -> None:
        """Learn a vector; the array is used again by the caller."""
        ...

    def state(self) -> State:
        """A copy of all that is remembered."""
        ...

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is none."""
        ...


class HarnessedDetector(CompiledDetector):
    """A detector around a scorer that is not compiled: it scores each point's vector, then learns it.

    Parameters
    ----------
    scorer : Scorer
        Fresh.
    warm_up_points : int
        Vectors that the scorer takes before its first score.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    newest : int
        Values that the scorer is given behind each vector, in [0, features.WARM_UP]: see :func:`fill_sight`.

    Raises
    ------
    ValueError
        alarm_rate is outside its range.
    """

    def __init__(
        self,
        scorer: Scorer,
        warm_up_points: int,
        alarm_rate: float = 0.001,
        rules: Rules = NO_RULES,
        newest: int = 0,
    ) -> None:
        super().__init__(alarm_rate, rules)
        self.warm_up_points = features.WARM_UP + warm_up_points + LEAST_SCORES
        self._scorer = scorer
        self._rate = alarm_rate
        self._parts = (*calibration(), alarm_rate, self._rules)
        self._buffers = new_buffers()[0]
        self._sight = np.zeros(N_VECTOR + newest, np.float32)
        self._records = new_harness()
        self._compile()

    def _compile(self) -> None:
        """Go once through all that is compiled, with a record of its own: no point shall wait for it."""
        record = new_harness()[0]
        begin(record, math.nan, math.nan, self._rate, self._buffers, self._verdict[0])
        fill_sight(record, self._buffers, self._sight)
        conclude(record, math.nan, *self._parts, self._buffers, self._verdict[0])

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        sight = self._sight
        record = self._records[0]
        for value, time, verdict in zip(values, times, verdicts, strict=True):
            if begin(record, value, time, self._rate, self._buffers, verdict):
                fill_sight(record, self._buffers, sight)
                conclude(record, self._scorer.score(sight), *self._parts, self._buffers, verdict)
                self._scorer.learn(sight)

    def state(self) -> State:
        """A copy of all that is remembered of the stream."""
        return super().state() | joined({"scorer": self._scorer.state()})

    def restore(self, state: State) -> None:
        """Go on from a state; raises ValueError where it is not one of a detector of this kind."""
        super().restore(state)
        self._scorer.restore(part_of(state, "scorer"))
