"""A moving, robust z-score: how many standard deviations a value is from a moving level."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.judging import threshold
from streamforest.judging.decide import POSITION_DTYPE, CompiledDetector, decide, new_positions, open_verdict
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules
from streamforest.protocols import REASONS, Verdicts

WARM_UP = 24
#: Gain of level and deviation: a memory of about a hundred points.
GAIN = 0.02
#: Standard deviations beyond which a value pulls no harder.
REACH = 3.0
#: Values farther from zero than this are held to it: no difference of two overflows.
FARTHEST = 1e306
#: Mean absolute deviation of a normal distribution with standard deviation 1.
MEAN_DEVIATION = 0.7978845608028654

_SPIKE = REASONS.index("spike")
_DIP = REASONS.index("dip")

RECORD_DTYPE = np.dtype(
    [
        ("position", POSITION_DTYPE),
        ("count", "i8"),
        ("level", "f8"),
        ("deviation", "f8"),
        ("threshold", threshold.THRESHOLD_DTYPE),
    ]
)


def calibration() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and surprise of a normal distribution at z = 0 to 37, both rising, shape (371,) each."""
    z = np.linspace(0.0, 37.0, 371)
    return z / (1.0 + z), -np.log([math.erfc(x / math.sqrt(2.0)) for x in z])


@compiled
def _learn(record: Record, value: float, sigma: float) -> None:
    gain = max(GAIN, 1.0 / (record.count + 1.0))
    off = value - record.level
    if record.count >= WARM_UP:
        off = min(max(off, -REACH * sigma), REACH * sigma)
    record.level += gain * off
    record.deviation += gain * (abs(off) - record.deviation)
    record.count += 1


@compiled
def judge_stream(
    records: Records,
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    scores: NDArray[np.float64],
    surprises: NDArray[np.float64],
    rate: float,
    rules: RuleNumbers,
    verdicts: Records,
) -> None:
    """Take the stream through its readings; ``verdicts`` of shape (n,) is filled in."""
    record = records[0]
    half = threshold.interpolate(-math.log(rate), surprises, scores)
    for i in range(values.size):
        value, verdict = values[i], verdicts[i]
        open_verdict(record.position, value, times[i], verdict)
        if value == value:
            value = min(max(value, -FARTHEST), FARTHEST)
        # a stream that never moved has no deviation: a thousandth of its level stands in for it
        sigma = max(record.deviation / MEAN_DEVIATION, 1e-3 * abs(record.level), 1e-300)
        if record.count >= WARM_UP:
            band = sigma * half / (1.0 - half)
            verdict.expected = record.level
            verdict.lower = record.level - band
            verdict.upper = record.level + band
            if value == value:
                z = min(abs(value - record.level) / sigma, 1e15)
                decide(
                    record.position, record.threshold, scores, surprises, rate, rules, z / (1.0 + z), 0.0, True, verdict
                )
                if verdict.is_anomaly:
                    verdict.reason = _SPIKE if value > record.level else _DIP
        if value == value:
            _learn(record, value, sigma)


class ZScoreDetector(CompiledDetector):
    """Judges a point by its distance from a moving level, in moving standard deviations; needs no model.

    Level and deviation forget exponentially and are pulled by far values no harder than by one at three
    standard deviations. A missing reading is not scored.

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

    Examples
    --------
    >>> import numpy as np
    >>> detector = ZScoreDetector(alarm_rate=0.001)
    >>> verdicts = detector.update_many(np.r_[np.random.default_rng(1).normal(size=200), 25.0])
    >>> bool(verdicts["is_anomaly"][-1])
    True
    """

    name = "z-score"
    warm_up_points = WARM_UP

    def __init__(self, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> None:
        super().__init__(alarm_rate, rules)
        self._rate = alarm_rate
        self._scores, self._surprises = calibration()
        self._records = np.zeros(1, dtype=RECORD_DTYPE)
        self._records["position"] = new_positions()
        self._records["threshold"] = threshold.new_thresholds()

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        parts = (self._scores, self._surprises, self._rate, self._rules)
        judge_stream(self._records, values, times, *parts, verdicts)
