"""The default detector: a forest trained on simulated streams, on any stream's own surprises."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest import features, threshold
from streamforest.compiled import Record, Records, compiled
from streamforest.evidence import EVIDENCE_DTYPE, carry_on, new_evidence, weigh
from streamforest.forest import Forest, Model, ModelError, flatten, load_model, score
from streamforest.judging import COURSE_DTYPE, CompiledDetector, decide, new_courses, open_verdict
from streamforest.novelty import N_SIGNALS
from streamforest.protocols import Verdicts
from streamforest.reasons import reason_for
from streamforest.rules import NO_RULES, RuleNumbers, Rules

#: Features whose mean the forest sees too.
MEAN_OF = (features.CHANGE, features.SHIFT, features.PHASE, features.SHAPE)
#: What the forest looks at, in this order.
VECTOR_NAMES = (*features.FEATURE_NAMES, "strangeness", "mean", "highest")
STRANGENESS, MEAN, HIGHEST = range(features.N_FEATURES, features.N_FEATURES + 3)
LARGEST = float(np.finfo(np.float64).max)
#: All that is remembered of one stream.
RECORD_DTYPE = np.dtype(
    [
        ("course", COURSE_DTYPE),
        ("features", features.FEATURES_DTYPE),
        ("evidence", EVIDENCE_DTYPE),
        ("threshold", threshold.THRESHOLD_DTYPE),
        ("reason", "i8"),  # of the newest anomalous point, and its episode
        ("reason_episode", "i8"),
    ]
)


class Judge(NamedTuple):
    """What the step needs besides the stream's record: the forest, two calibrations, the alarm rate and rules."""

    forest: Forest
    forest_scores: NDArray[np.float64]
    forest_surprises: NDArray[np.float64]
    scores: NDArray[np.float64]
    surprises: NDArray[np.float64]
    rate: float
    rules: RuleNumbers


def new_records(n: int = 1) -> NDArray[np.void]:
    """Fresh records of RECORD_DTYPE for n streams, shape (n,)."""
    records = np.zeros(n, dtype=RECORD_DTYPE)
    records["course"] = new_courses(n)
    records["features"] = features.new_state(n)
    records["evidence"] = new_evidence(n)
    records["threshold"] = threshold.new_thresholds(n)
    return records


@compiled
def vectorise(surprises: NDArray[np.float64], strangeness: float, vector: NDArray[np.float32]) -> None:
    """Surprises as the forest sees them: in the logarithm, in which a forest's even cuts reach far out.

    The strangeness of the newest shape, the mean of some and the highest stand beside them: a forest cuts one
    feature at a time, and would see neither one that is far out among many that are not, nor many that are a
    little out.
    """
    for f in range(surprises.size):
        vector[f] = np.float32(np.log1p(surprises[f] / 3.0))
    highest = vector[0]
    for f in range(1, surprises.size):
        highest = max(highest, vector[f])
    total = np.float32(0.0)
    for f in MEAN_OF:
        total += vector[f]
    vector[STRANGENESS] = np.float32(strangeness)
    vector[MEAN] = total / np.float32(len(MEAN_OF))
    vector[HIGHEST] = highest


@compiled
def isolation(forest: Forest, vector: NDArray[np.float32]) -> float:
    """scikit-learn's own anomaly score of a vector, in (0, 1), higher = more anomalous."""
    return score(forest.nodes, forest.nan_left, forest.depths, forest.roots, forest.levels, forest.normaliser, vector)


@compiled
def _held(value: float) -> float:
    """The finite number next to one that may have overflowed."""
    return min(max(value, -LARGEST), LARGEST)


class Room(NamedTuple):
    """Room to work in, so that no step has to ask for memory."""

    surprises: NDArray[np.float64]
    novelties: NDArray[np.float64]
    outlook: NDArray[np.float64]
    vector: NDArray[np.float32]


@compiled
def _room() -> Room:
    return Room(
        np.empty(features.N_FEATURES),
        np.empty(N_SIGNALS),
        np.empty(features.N_OUTLOOK),
        np.empty(features.N_FEATURES + 3, dtype=np.float32),
    )


@compiled
def step(record: Record, value: float, time: float, judge: Judge, room: Room, verdict: Record) -> None:
    """Judge one reading and learn it; fills in the verdict. All callers use this one function."""
    open_verdict(record.course, value, time, verdict)
    outlook = room.outlook
    if not features.observe(record.features, value, time, judge.rate, room.surprises, room.novelties, outlook):
        return
    expected, half = _held(outlook[features.EXPECTED]), _held(outlook[features.HALF_WIDTH])
    verdict.expected = expected
    verdict.lower = _held(expected - half)
    verdict.upper = _held(expected + half)
    strangeness = outlook[features.STRANGENESS]
    vectorise(room.surprises, strangeness, room.vector)
    isolated = isolation(judge.forest, room.vector)
    isolated = threshold.interpolate(isolated, judge.forest_scores, judge.forest_surprises)
    stillness = max(room.vector[features.GAP], room.vector[features.REPEAT])
    isolated = carry_on(isolated, room.vector[HIGHEST])
    found = weigh(record.evidence, isolated, strangeness, stillness, room.novelties)
    decide(record.course, record.threshold, judge.scores, judge.surprises, judge.rate, judge.rules, found, verdict)
    if verdict.is_anomaly:
        before = record.reason if verdict.episode == record.reason_episode else 0
        record.reason = reason_for(room.surprises, outlook, record.features.season > 0, before)
        record.reason_episode = verdict.episode
        verdict.reason = record.reason


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
    room = _room()
    for i in range(values.size):
        step(records[which], values[i], times[i], judge, room, verdicts[i])


@compiled
def describe_stream(
    states: Records, values: NDArray[np.float64], times: NDArray[np.float64], vectors: NDArray[np.float32]
) -> None:
    """The vectors that the forest is fitted on, shape (n, len(VECTOR_NAMES)); NaN during the warm-up."""
    room = _room()
    for i in range(values.size):
        if features.observe(states[0], values[i], times[i], 0.001, room.surprises, room.novelties, room.outlook):
            vectorise(room.surprises, room.outlook[features.STRANGENESS], vectors[i])
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
    rules : Rules
        What else a point needs to be an alarm.

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

    def __init__(self, model: Model, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> None:
        super().__init__(alarm_rate, rules)
        if tuple(model.feature_names) != VECTOR_NAMES:
            raise ModelError("the model was made for other features: make a new one with 'python model_prod.py'")
        forest_scores, forest_surprises, scores, surprises = (
            np.ascontiguousarray(column) for column in (*model.forest_calibration.T, *model.calibration.T)
        )
        self._parts = Judge(
            flatten(model.forest), forest_scores, forest_surprises, scores, surprises, alarm_rate, self._rules
        )
        self._records = new_records()

    @classmethod
    def load(cls, path: str | Path, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> StreamDetector:
        """Make a detector from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate, rules)

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        judge_stream(self._records, 0, values, times, self._parts, verdicts)
