"""An LSTM autoencoder: how far a point is from what a trained network makes of the windows that lead up to it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.compiled import Record, Records, compiled
from streamforest.features import observe as features
from streamforest.features.tails import deviation_at, gains_of, learn_tail, surprise
from streamforest.features.vector import Buffers, new_buffers
from streamforest.features.windows import (
    N_SCALES,
    SCALES,
    WINDOWS_DTYPE,
    add_up,
    look_back,
    new_windows,
    next_point,
    push,
    scaled,
    spread,
)
from streamforest.judging.decide import CompiledDetector
from streamforest.judging.harness import HALF, HARNESS_DTYPE, LEAST_SCORES, begin, calibration, conclude, new_harness
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules
from streamforest.models.lstm import LstmBuffers, LstmModel, Weights, load_lstm, new_lstm_buffers, reconstruct
from streamforest.protocols import Verdicts

#: Points of a coarse scale before its errors count.
LEAST_POINTS = 8
#: Below this an error's first quantile does not fall, in spreads.
FINEST_ERROR = 1e-3
#: Factors of the tails' memory and prior; an error far out counts in full, so that what happens often is no news.
TAIL_MEMORY, TAIL_PRIOR, FAR_WEIGHT = 1.0, 0.3, 1.0
LARGEST = float(np.finfo(np.float64).max)

#: All that is remembered of one stream.
RECORD_DTYPE = np.dtype(
    [
        ("harness", HARNESS_DTYPE),
        ("windows", WINDOWS_DTYPE),
        ("errors", "f8", (N_SCALES, 3)),  # tails of the errors, and how many were learned
        ("learned", "f8", (N_SCALES,)),
        ("rarity", "f8", (N_SCALES,)),  # of each scale's newest error
    ]
)


class Judge(NamedTuple):
    """What the step needs besides the stream's record."""

    weights: Weights
    scores: NDArray[np.float64]
    surprises: NDArray[np.float64]
    rate: float
    rules: RuleNumbers


def new_records(model: LstmModel, n: int = 1) -> NDArray[np.void]:
    """Fresh records of RECORD_DTYPE for n streams, shape (n,)."""
    records = np.zeros(n, dtype=RECORD_DTYPE)
    records["harness"] = new_harness(n)
    records["windows"] = new_windows(n)
    records["errors"] = model.errors
    return records


@compiled
def _held(value: float) -> float:
    return min(max(value, -LARGEST), LARGEST)


@compiled
def _learn_error(record: Record, k: int, error: float) -> None:
    tail = record.errors[k]
    surprise_now = surprise(error, tail)
    learn_tail(
        tail, error, surprise_now, gains_of(record.learned[k], TAIL_MEMORY, TAIL_PRIOR), FINEST_ERROR, FAR_WEIGHT
    )
    record.learned[k] += 1.0


@compiled
def foresee(record: Record, k: int, weights: Weights, buffers: LstmBuffers, newest: NDArray[np.float32]) -> float:
    """What the autoencoder makes of a scale's next point, which is hidden from it; in the stream's unit."""
    look_back(record.windows, k, buffers.window)
    reconstruct(weights, buffers, newest)
    point: float = record.windows.level[k] + spread(record.windows, k) * newest[0]
    return point


@compiled
def take(record: Record, y: float, weights: Weights, buffers: LstmBuffers, newest: NDArray[np.float32]) -> None:
    """Take a reading into all windows, NaN where it is missing; hold the coarse points that it completes to account."""
    windows = record.windows
    for k in range(N_SCALES):
        if not add_up(windows, k, y):
            continue
        point = next_point(windows, k)
        if k > 0:
            record.rarity[k] = 0.0
            if point == point and windows.points[k] >= LEAST_POINTS:
                error = abs(point - foresee(record, k, weights, buffers, newest)) / spread(windows, k)
                record.rarity[k] = surprise(error, record.errors[k])
                _learn_error(record, k, error)
        push(windows, k, point)
    windows.taken += 1


@compiled
def coarse_rarity(record: Record) -> float:
    """What the coarse scales say: their newest rarities, fading until the next."""
    total = 0.0
    for k in range(1, N_SCALES):
        left = SCALES[k] - record.windows.taken % SCALES[k]
        total += record.rarity[k] * left / SCALES[k]
    return total


@compiled
def _begin_windows(record: Record, weights: Weights, buffers: LstmBuffers, newest: NDArray[np.float32]) -> None:
    """Take the readings of the features' warm-up, which gave zero and unit."""
    state = record.harness.features
    for i in range(features.WARM_UP):
        take(record, scaled(state.buffer[i], state.zero, state.unit), weights, buffers, newest)


@compiled
def step(
    record: Record,
    value: float,
    time: float,
    judge: Judge,
    buffers: Buffers,
    lstm_buffers: LstmBuffers,
    newest: NDArray[np.float32],
    verdict: Record,
) -> None:
    """Judge one reading and learn it; fills in the verdict. All callers use this one function."""
    held = record.harness
    if not begin(held, value, time, judge.rate, buffers, verdict):
        return
    windows, state = record.windows, held.features
    if windows.taken == 0:
        _begin_windows(record, judge.weights, lstm_buffers, newest)
    y = scaled(value, state.zero, state.unit)
    foreseen = foresee(record, 0, judge.weights, lstm_buffers, newest)
    sigma, coarse = spread(windows, 0), coarse_rarity(record)
    error = abs(y - foreseen) / sigma
    # a missing reading has no error: how rare such a gap is stands in for it
    own = surprise(error, record.errors[0]) if y == y else buffers.surprises[features.GAP]
    verdict.expected = _held(state.zero + state.unit * foreseen)
    zero, a, b, c = held.zero, held.tail[0], held.tail[1], held.tail[2]
    conclude(held, own + coarse, judge.scores, judge.surprises, judge.rate, judge.rules, buffers, verdict)
    limit = -np.log(judge.rate)
    if verdict.threshold == verdict.threshold:
        limit = HALF * verdict.threshold / (1.0 - verdict.threshold)
        limit = max(zero + deviation_at(limit, np.array([a, b, c])) - coarse, 0.0)
    half = _held(state.unit * sigma * deviation_at(limit, record.errors[0]))
    verdict.lower = _held(verdict.expected - half)
    verdict.upper = _held(verdict.expected + half)
    if y == y:
        _learn_error(record, 0, error)
    take(record, y, judge.weights, lstm_buffers, newest)


@compiled
def judge_stream(
    records: Records, values: NDArray[np.float64], times: NDArray[np.float64], judge: Judge, verdicts: Records
) -> None:
    """Take the stream through its readings; ``verdicts`` of shape (n,) is filled in."""
    scratch, lstm_buffers, newest = new_buffers(), new_lstm_buffers(judge.weights), np.empty(1, dtype=np.float32)
    for i in range(values.size):
        step(records[0], values[i], times[i], judge, scratch[0], lstm_buffers, newest, verdicts[i])


class LstmAutoencoderDetector(CompiledDetector):
    """Judges a point by its distance from what an LSTM autoencoder reconstructs in its place.

    The autoencoder sees the 31 points before, at three scales, in moving spreads from a moving level; the newest one
    is hidden from it, or it would copy it. Each scale's error is held against the scale's own errors, and how rare
    they are is added up. A missing reading is unknown to the autoencoder, and judged by how rare such a gap is.

    Parameters
    ----------
    model : LstmModel
        As trained by ``python model_prod.py --detector lstm-autoencoder``.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.

    Raises
    ------
    ValueError
        alarm_rate is outside its range.

    Notes
    -----
    ``expected`` is the reconstruction, and the band from ``lower`` to ``upper`` is the threshold: but for the rules,
    a reading is anomalous where it lies outside. The framework that trained the weights is not needed.

    Examples
    --------
    >>> detector = LstmAutoencoderDetector.load("lstm_autoencoder.npz")  # doctest: +SKIP
    >>> detector.update(21.5).is_anomaly  # doctest: +SKIP
    False
    """

    name = "lstm-autoencoder"
    warm_up_points = features.WARM_UP + LEAST_SCORES

    def __init__(self, model: LstmModel, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> None:
        super().__init__(alarm_rate, rules)
        self._parts = Judge(model.weights, *calibration(), alarm_rate, self._rules)
        self._records = new_records(model)

    @classmethod
    def load(cls, path: str | Path, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> LstmAutoencoderDetector:
        """Make a detector from a weights' file; raises ModelError."""
        return cls(load_lstm(Path(path)), alarm_rate, rules)

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        judge_stream(self._records, values, times, self._parts, verdicts)
