"""The default detector: a forest trained on simulated streams, on any stream's own surprises."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest import features, threshold
from streamforest.compiled import Record, Records, compiled
from streamforest.evidence import EVIDENCE_DTYPE, carry_on, new_evidence, weigh
from streamforest.forest import Forest, Model, ModelError, flatten, isolation, load_model
from streamforest.judging import COURSE_DTYPE, CompiledDetector, decide, new_courses, open_verdict
from streamforest.protocols import Verdicts
from streamforest.reasons import tell_why
from streamforest.rules import NO_RULES, RuleNumbers, Rules
from streamforest.vector import HIGHEST, VECTOR_NAMES, Room, look, new_room

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
def step(record: Record, value: float, time: float, judge: Judge, room: Room, verdict: Record) -> None:
    """Judge one reading and learn it; fills in the verdict. All callers use this one function."""
    open_verdict(record.course, value, time, verdict)
    if not look(record.features, value, time, judge.rate, room, verdict):
        return
    isolated = isolation(judge.forest, room.vector)
    isolated = threshold.interpolate(isolated, judge.forest_scores, judge.forest_surprises)
    stillness = max(room.vector[features.GAP], room.vector[features.REPEAT])
    isolated = carry_on(isolated, room.vector[HIGHEST])
    found = weigh(record.evidence, isolated, room.outlook[features.STRANGENESS], stillness, room.novelties)
    decide(record.course, record.threshold, judge.scores, judge.surprises, judge.rate, judge.rules, found, verdict)
    if verdict.is_anomaly:
        tell_why(record, room.surprises, room.outlook, verdict)


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
    room = new_room()
    for i in range(values.size):
        step(records[which], values[i], times[i], judge, room, verdicts[i])


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
