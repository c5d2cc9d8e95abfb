"""The default detector: a forest trained on simulated streams, on any stream's own surprises."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest import features, threshold
from streamforest.compiled import Record, Records, compiled
from streamforest.episodes import EPISODE_GAP
from streamforest.forest import Forest, Model, ModelError, flatten, load_model, score
from streamforest.protocols import UNLABELLED, VERDICT_DTYPE, Verdict, Verdicts, verdict_from_row
from streamforest.reasons import reason_for

#: What the forest looks at, in this order.
VECTOR_NAMES = (*features.FEATURE_NAMES, "highest", "mean")
#: All that is remembered of one stream.
RECORD_DTYPE = np.dtype(
    [
        ("index", "i8"),
        ("episode", "i8"),
        ("last_alarm", "i8"),
        ("features", features.FEATURES_DTYPE),
        ("threshold", threshold.THRESHOLD_DTYPE),
    ]
)


class Judge(NamedTuple):
    """What the step needs besides the stream's record: the forest, its calibration, the alarm rate."""

    forest: Forest
    scores: NDArray[np.float64]
    surprises: NDArray[np.float64]
    rate: float


def new_records(n: int = 1) -> NDArray[np.void]:
    """Fresh records of RECORD_DTYPE for n streams, shape (n,)."""
    records = np.zeros(n, dtype=RECORD_DTYPE)
    records["last_alarm"] = -EPISODE_GAP - 2
    records["features"] = features.new_state(n)
    records["threshold"] = threshold.new_thresholds(n)
    return records


@compiled
def vectorise(surprises: NDArray[np.float64], vector: NDArray[np.float32]) -> None:
    """Surprises as the forest sees them: in the logarithm, in which a forest's even cuts reach far out.

    The highest and the mean stand beside them: a forest cuts one feature at a time, and would see neither one
    that is far out among many that are not, nor many that are a little out.
    """
    highest = total = 0.0
    for f in range(surprises.size):
        vector[f] = np.float32(np.log1p(surprises[f]))
        highest = max(highest, surprises[f])
        total += surprises[f]
    vector[surprises.size] = np.float32(np.log1p(highest))
    vector[surprises.size + 1] = np.float32(np.log1p(total / surprises.size))


@compiled
def step(
    record: Record,
    value: float,
    time: float,
    judge: Judge,
    surprises: NDArray[np.float64],
    outlook: NDArray[np.float64],
    vector: NDArray[np.float32],
    verdict: Record,
) -> None:
    """Judge one reading and learn it; fills in the verdict. All callers use this one function.

    ``surprises``, ``outlook`` and ``vector`` are room to work in.
    """
    verdict.index = record.index
    verdict.time = time
    verdict.value = value
    verdict.label = UNLABELLED
    verdict.is_anomaly = False
    verdict.episode = 0
    verdict.reason = 0
    state = record.features
    if features.observe(state, value, time, judge.rate, surprises, outlook):
        vectorise(surprises, vector)
        forest = judge.forest
        verdict.score = score(
            forest.nodes, forest.nan_left, forest.depths, forest.roots, forest.levels, forest.normaliser, vector
        )
        _decide(record, judge, surprises, outlook, verdict)
        verdict.expected = outlook[0]
        verdict.lower = outlook[0] - outlook[1]
        verdict.upper = outlook[0] + outlook[1]
    else:
        verdict.score = verdict.threshold = verdict.p_value = np.nan
        verdict.expected = verdict.lower = verdict.upper = np.nan
    record.index += 1


@compiled
def _decide(
    record: Record,
    judge: Judge,
    surprises: NDArray[np.float64],
    outlook: NDArray[np.float64],
    verdict: Record,
) -> None:
    rate = judge.rate
    tail = record.threshold
    limit = threshold.limit(tail, rate)
    # the limit is brought into the score's unit: what is said there is what was decided
    verdict.threshold = min(max(threshold.interpolate(limit, judge.surprises, judge.scores), 0.0), 1.0)
    surprise = threshold.interpolate(verdict.score, judge.scores, judge.surprises)
    verdict.is_anomaly = verdict.score > verdict.threshold
    p = threshold.p_value(tail, surprise, limit, rate)
    # rounding on the way between the two units must not make them disagree
    verdict.p_value = min(p, rate * (1.0 - 1e-12)) if verdict.is_anomaly else max(p, rate)
    threshold.learn(tail, surprise, limit, rate, verdict.is_anomaly)
    if verdict.is_anomaly:
        if record.index - record.last_alarm > EPISODE_GAP + 1:
            record.episode += 1
        record.last_alarm = record.index
        verdict.episode = record.episode
        verdict.reason = reason_for(surprises, outlook[2], outlook[3], record.features.season > 0)


@compiled
def judge_stream(
    records: Records,
    which: int,
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    judge: Judge,
    verdicts: Records,
) -> None:
    """Take one stream through its readings; ``verdicts`` of shape (n,) is filled in."""
    surprises = np.empty(features.N_FEATURES)
    outlook = np.empty(4)
    vector = np.empty(features.N_FEATURES + 2, dtype=np.float32)
    for i in range(values.size):
        step(records[which], values[i], times[i], judge, surprises, outlook, vector, verdicts[i])


@compiled
def describe_stream(
    states: Records, values: NDArray[np.float64], times: NDArray[np.float64], vectors: NDArray[np.float32]
) -> None:
    """The vectors that the forest is fitted on, shape (n, len(VECTOR_NAMES)); NaN during the warm-up."""
    surprises = np.empty(features.N_FEATURES)
    outlook = np.empty(4)
    for i in range(values.size):
        if features.observe(states[0], values[i], times[i], 0.001, surprises, outlook):
            vectorise(surprises, vectors[i])
        else:
            vectors[i] = np.nan


class StreamDetector:
    """Judges the points of one stream: scores first, then learns.

    Parameters
    ----------
    model : Model
        As trained by ``python model_prod.py``.
    alarm_rate : float
        Wanted share of normal points that are flagged, in [1e-6, 0.2].

    Raises
    ------
    ValueError
        alarm_rate is outside its range.
    ModelError
        The model was made for other features.

    Examples
    --------
    >>> detector = StreamDetector.load("isolation_forest.joblib")  # doctest: +SKIP
    >>> detector.update(21.5).is_anomaly  # doctest: +SKIP
    False
    """

    name = "isolation-forest"
    #: Valid readings before the first score.
    warm_up_points = features.WARM_UP

    def __init__(self, model: Model, alarm_rate: float = 0.001) -> None:
        if not 1e-6 <= alarm_rate <= 0.2:
            raise ValueError(f"alarm_rate is {alarm_rate}, allowed is 0.000001 to 0.2")
        if tuple(model.feature_names) != VECTOR_NAMES:
            raise ModelError("the model was made for other features: make a new one with 'python model_prod.py'")
        scores = np.ascontiguousarray(model.calibration[:, 0])
        surprises = np.ascontiguousarray(model.calibration[:, 1])
        self._judge = Judge(flatten(model.forest), scores, surprises, alarm_rate)
        self._records = new_records()
        self._verdict = np.empty(1, dtype=VERDICT_DTYPE)
        self._value = np.empty(1)
        self._time = np.empty(1)

    @classmethod
    def load(cls, path: str | Path, alarm_rate: float = 0.001) -> StreamDetector:
        """Make a detector from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate)

    def update(self, value: float, time: float | None = None) -> Verdict:
        """Judge and learn one reading.

        Parameters
        ----------
        value : float
            Finite, or NaN for a missing reading.
        time : float, optional
            Seconds, UTC epoch; not before the last one.

        Raises
        ------
        ValueError
            The value is infinite.
        """
        if math.isinf(value):
            raise ValueError(f"value is {value}, allowed are finite numbers and NaN for a missing reading")
        self._value[0] = value
        self._time[0] = math.nan if time is None else time
        judge_stream(self._records, 0, self._value, self._time, self._judge, self._verdict)
        return verdict_from_row(self._verdict[0].item())

    def update_many(self, values: NDArray[np.float64], times: NDArray[np.float64] | None = None) -> Verdicts:
        """Judge and learn readings of shape (n,): the same bits as :meth:`update` one by one.

        Returns
        -------
        array of VERDICT_DTYPE, shape (n,)

        Raises
        ------
        ValueError
            A value is infinite, or the shapes differ.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        times = np.full(values.shape, np.nan) if times is None else np.ascontiguousarray(times, dtype=np.float64)
        if values.ndim != 1 or values.shape != times.shape:
            raise ValueError(f"values {values.shape} and times {times.shape} must have the same shape (n,)")
        if np.isinf(values).any():
            raise ValueError("a value is infinite; allowed are finite numbers and NaN for a missing reading")
        verdicts = np.empty(values.size, dtype=VERDICT_DTYPE)
        judge_stream(self._records, 0, values, times, self._judge, verdicts)
        return verdicts
