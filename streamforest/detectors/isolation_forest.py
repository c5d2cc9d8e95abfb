"""The default detector: a forest trained on simulated streams, on any stream's own surprises."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest import features, threshold
from streamforest.compiled import Record, Records, compiled
from streamforest.forest import Forest, Model, ModelError, flatten, load_model, score
from streamforest.judging import COURSE_DTYPE, CompiledDetector, decide, new_courses, open_verdict
from streamforest.protocols import Verdicts
from streamforest.reasons import reason_for

#: What the forest looks at, in this order.
VECTOR_NAMES = (*features.FEATURE_NAMES, "highest", "mean")
HIGHEST, MEAN = features.N_FEATURES, features.N_FEATURES + 1
LARGEST = float(np.finfo(np.float64).max)
#: All that is remembered of one stream.
RECORD_DTYPE = np.dtype(
    [
        ("course", COURSE_DTYPE),
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
    records["course"] = new_courses(n)
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
    vector[HIGHEST] = np.float32(np.log1p(highest))
    vector[MEAN] = np.float32(np.log1p(total / surprises.size))


#: Highest surprise, as the vector has it, from which on it raises the score; and how much more halves the doubt.
FAR_OUT = 2.3
FAR_SCALE = 2.0


@compiled
def anomaly_score(forest: Forest, vector: NDArray[np.float32]) -> float:
    """The forest's score of a vector, raised towards 1 by how far out it is; in (0, 1), higher = more anomalous.

    A forest sees no farther than its training: beyond the last cut all points fall into the same leaves, at 20
    standard deviations as at 2,000.
    """
    isolated = score(
        forest.nodes, forest.nan_left, forest.depths, forest.roots, forest.levels, forest.normaliser, vector
    )
    beyond = max(float(vector[HIGHEST]) - FAR_OUT, 0.0)
    return 1.0 - (1.0 - isolated) / (1.0 + beyond / FAR_SCALE)


@compiled
def _held(value: float) -> float:
    """The finite number next to one that may have overflowed."""
    return min(max(value, -LARGEST), LARGEST)


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
    open_verdict(record.course, value, time, verdict)
    if not features.observe(record.features, value, time, judge.rate, surprises, outlook):
        return
    expected, half = _held(outlook[0]), _held(outlook[1])
    verdict.expected = expected
    verdict.lower = _held(expected - half)
    verdict.upper = _held(expected + half)
    vectorise(surprises, vector)
    found = anomaly_score(judge.forest, vector)
    decide(record.course, record.threshold, judge.scores, judge.surprises, judge.rate, found, verdict)
    if verdict.is_anomaly:
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


class StreamDetector(CompiledDetector):
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
    warm_up_points = features.WARM_UP

    def __init__(self, model: Model, alarm_rate: float = 0.001) -> None:
        super().__init__(alarm_rate)
        if tuple(model.feature_names) != VECTOR_NAMES:
            raise ModelError("the model was made for other features: make a new one with 'python model_prod.py'")
        scores = np.ascontiguousarray(model.calibration[:, 0])
        surprises = np.ascontiguousarray(model.calibration[:, 1])
        self._parts = Judge(flatten(model.forest), scores, surprises, alarm_rate)
        self._records = new_records()

    @classmethod
    def load(cls, path: str | Path, alarm_rate: float = 0.001) -> StreamDetector:
        """Make a detector from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate)

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        judge_stream(self._records, 0, values, times, self._parts, verdicts)
