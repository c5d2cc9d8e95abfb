"""The default detector: a forest trained on simulated streams, on any stream's own surprises."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numpy.typing import NDArray

import streamforest
from streamforest.compiled import Record, Records, address_of, compiled, pointer
from streamforest.features import observe as features
from streamforest.features.vector import (
    HIGHEST,
    N_VECTOR,
    ROOM_DTYPE,
    VECTOR_NAMES,
    Room,
    look,
    new_rooms,
    tell_expected,
)
from streamforest.judging import threshold
from streamforest.judging.decide import COURSE_DTYPE, INFINITE, CompiledDetector, decide, new_courses, open_verdict
from streamforest.judging.evidence import EVIDENCE_DTYPE, carry_on, new_evidence, weigh
from streamforest.judging.reasons import own_reason, side_of_band, tell_why
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules, note_time, wanted_rate
from streamforest.models.forest import BLOCK, NODE_DTYPE, Forest, ModelError, isolate, isolation
from streamforest.models.model_file import Model, load_model
from streamforest.protocols import VERDICT_DTYPE, Verdict, Verdicts, verdict_from_row
from streamforest.reading.python_values import LATEST, time_of, value_of
from streamforest.verdict_array import as_shown

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


class Bench(NamedTuple):
    """Where the readings of a block lie while they are judged: their rooms, the vectors out of them, their scores."""

    rooms: Records
    vectors: NDArray[np.float32]
    isolated: NDArray[np.float64]


@compiled
def new_bench(readings: int) -> Bench:
    """A bench for blocks of so many readings, at most BLOCK."""
    n = min(readings, BLOCK)
    return Bench(new_rooms(n), np.zeros((n, N_VECTOR), dtype=np.float32), np.zeros(n))


@compiled
def isolate_block(forest: Forest, bench: Bench, n: int) -> None:
    """Fill in the forest's scores of the first n readings; what they are where nothing is known, says nothing."""
    for i in range(n):
        for f in range(N_VECTOR):  # one by one: numba's copy of an array compiles all the text of its error too
            bench.vectors[i, f] = bench.rooms[i].vector[f]
    isolate(forest, bench.vectors[:n], bench.isolated[:n])


@compiled
def conclude(
    record: Record, value: float, time: float, judge: Judge, room: Room, isolated: float, verdict: Record
) -> None:
    """Make a verdict of a reading that was looked at, ``isolated`` being the forest's score of the room's vector."""
    open_verdict(record.course, value, time, verdict)
    if not room.is_known:
        return
    tell_expected(room.outlook, verdict)
    isolated = threshold.interpolate(isolated, judge.forest_scores, judge.forest_surprises)
    stillness = max(room.vector[features.GAP], room.vector[features.REPEAT])
    isolated = carry_on(isolated, room.vector[HIGHEST])
    found = weigh(record.evidence, isolated, room.outlook[features.STRANGENESS], stillness, room.novelties)
    excess = room.excess if room.is_outlier else 0.0
    own = own_reason(room.surprises, room.outlook, side_of_band(verdict))
    is_plain = own > 0 and not room.is_foreseen and not room.is_echo
    if room.habit_reason:
        excess, own, is_plain = max(excess, room.habit_excess), room.habit_reason, True
    decide(
        record.course,
        record.threshold,
        judge.scores,
        judge.surprises,
        judge.rate,
        judge.rules,
        found,
        excess,
        is_plain,
        verdict,
    )
    if verdict.is_anomaly:
        tell_why(record, own, room.surprises, room.outlook, verdict)


@compiled
def block_size(rules: RuleNumbers) -> int:
    """Readings that may be looked at before the first of them is concluded: one where the alarm rate follows times."""
    return 1 if rules.alarms_a_day > 0.0 else BLOCK


@compiled
def rate_of(course: Record, time: float, judge: Judge) -> float:
    """Alarm rate of the next reading; the one before it must be concluded where :func:`block_size` is 1."""
    if judge.rules.alarms_a_day == 0.0:
        return judge.rate
    note_time(course.diary, course.index, time)
    return wanted_rate(course.diary, judge.rules, judge.rate)


@compiled
def step(record: Record, value: float, time: float, judge: Judge, room: Room, verdict: Record) -> None:
    """Judge one reading and learn it; fills in the verdict."""
    look(record.features, value, time, rate_of(record.course, time, judge), room)
    isolated = isolation(judge.forest, room.vector[:]) if room.is_known else 0.0
    conclude(record, value, time, judge, room, isolated, verdict)


@compiled
def judge_stream(
    records: Records,
    which: int,
    values: NDArray[np.float64],
    times: NDArray[np.float64],
    judge: Judge,
    verdicts: Records,
) -> None:
    """Take one stream through its readings; ``verdicts`` of shape (n,) is filled in.

    Nothing that is looked at hangs on a verdict: so a block is looked at, then isolated, then concluded, and what each
    of these needs stays at hand. That takes three quarters of the time of :func:`step` by step.
    """
    record = records[which]
    bench = new_bench(values.size)
    size = block_size(judge.rules)
    for first in range(0, values.size, size):
        n = min(values.size - first, size)
        for i in range(n):
            rate = rate_of(record.course, times[first + i], judge)
            look(record.features, values[first + i], times[first + i], rate, bench.rooms[i])
        isolate_block(judge.forest, bench, n)
        for i in range(n):
            at = first + i
            conclude(record, values[at], times[at], judge, bench.rooms[i], bench.isolated[i], verdicts[at])


#: Where a step finds all that it needs, for one point at a time: addresses, and lengths of what has no fixed one.
DESK_DTYPE = np.dtype(
    [
        *((name, "i8") for name in ("record", "verdict", "room")),
        *((name, "i8") for name in ("nodes", "nan_left", "depths", "n_nodes", "roots", "n_roots", "levels")),
        ("normaliser", "f8"),
        *((name, "i8") for name in ("forest_scores", "forest_surprises", "n_forest", "scores", "known", "n_scores")),
        ("rate", "f8"),
        ("direction", "i8"),
        ("minimum_deviation", "f8"),
        ("minimum_share", "f8"),
        ("alarms_a_day", "f8"),
        ("cool_down", "i8"),
    ]
)


def lay_desk(records: NDArray[np.void], verdicts: Verdicts, rooms: NDArray[np.void], judge: Judge) -> NDArray[np.void]:
    """A desk of DESK_DTYPE, shape (1,), for the first of the records, verdicts and rooms; all must outlive it."""
    forest = judge.forest
    desk = np.zeros(1, dtype=DESK_DTYPE)
    desk[0] = (
        *map(address_of, (records, verdicts, rooms)),
        *map(address_of, (forest.nodes, forest.nan_left, forest.depths)),
        *(len(forest.nodes), address_of(forest.roots), len(forest.roots), forest.levels, forest.normaliser),
        *(address_of(judge.forest_scores), address_of(judge.forest_surprises), len(judge.forest_scores)),
        *(address_of(judge.scores), address_of(judge.surprises), len(judge.scores)),
        judge.rate,
        *judge.rules,
    )
    return desk


@compiled
def judge_point(desk_address: int, value: float, time: float) -> None:
    """Take one reading of the stream whose desk lies at an address: as :func:`judge_stream` does.

    Handing a compiled function a dozen arrays takes longer than judging a point; handing it one number does not.
    """
    desk = carray(pointer(desk_address), 1, DESK_DTYPE)[0]
    n = desk.n_nodes
    forest = Forest(
        carray(pointer(desk.nodes), n, NODE_DTYPE),
        carray(pointer(desk.nan_left), n, np.bool_),
        carray(pointer(desk.depths), n, np.float64),
        carray(pointer(desk.roots), desk.n_roots, np.uint64),
        desk.levels,
        desk.normaliser,
    )
    judge = Judge(
        forest,
        carray(pointer(desk.forest_scores), desk.n_forest, np.float64),
        carray(pointer(desk.forest_surprises), desk.n_forest, np.float64),
        carray(pointer(desk.scores), desk.n_scores, np.float64),
        carray(pointer(desk.known), desk.n_scores, np.float64),
        desk.rate,
        RuleNumbers(desk.direction, desk.minimum_deviation, desk.minimum_share, desk.alarms_a_day, desk.cool_down),
    )
    room = carray(pointer(desk.room), 1, ROOM_DTYPE)[0]
    record = carray(pointer(desk.record), 1, RECORD_DTYPE)[0]
    step(record, value, time, judge, room, carray(pointer(desk.verdict), 1, VERDICT_DTYPE)[0])


def _is_one(numbers: object) -> bool:
    """Whether it is an array of one float, which needs no conversion."""
    return type(numbers) is np.ndarray and numbers.shape == (1,) and numbers.dtype == np.float64


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
        self._parts = Judge(model.forest, forest_scores, forest_surprises, scores, surprises, alarm_rate, self._rules)
        self._records = new_records()
        self._lay_desk()

    @property
    def judge(self) -> Judge:
        """What a step needs besides the stream's record, for whoever keeps records of many streams."""
        return self._parts

    def _lay_desk(self) -> None:
        self._rooms = new_rooms()
        self._desk = lay_desk(self._records, self._verdict, self._rooms, self._parts)
        self._desk_address = address_of(self._desk)
        self._verdict_bytes = self._verdict.view(np.uint8)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._lay_desk()  # a copy's arrays lie elsewhere

    def update(self, value: float, time: float | None = None) -> Verdict:
        """Judge and learn one reading; see :meth:`CompiledDetector.update`."""
        known = math.nan if time is None else time if type(time) is float and abs(time) <= LATEST else time_of(time)
        self._judge_one(value if type(value) is float else value_of(value), known)
        return verdict_from_row(cast("tuple[Any, ...]", self._verdict.item()))

    def update_many(self, values: NDArray[np.float64], times: NDArray[np.float64] | None = None) -> Verdicts:
        """Judge and learn readings; see :meth:`CompiledDetector.update_many`."""
        if not (_is_one(values) and (times is None or _is_one(times))):
            return as_shown(super().update_many(values, times))
        self._judge_one(float(values[0]), math.nan if times is None else float(times[0]))
        return as_shown(np.frombuffer(bytearray(self._verdict_bytes), VERDICT_DTYPE))  # half the time of a copy

    def _repr_html_(self) -> str | None:
        return streamforest.html_of(self)

    def _judge_one(self, value: float, time: float) -> None:
        if math.isinf(value):
            raise ValueError(INFINITE.format(value))
        judge_point(self._desk_address, value, time)

    @classmethod
    def load(cls, path: str | Path, alarm_rate: float = 0.001, rules: Rules = NO_RULES) -> StreamDetector:
        """Make a detector from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate, rules)

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        judge_stream(self._records, 0, values, times, self._parts, verdicts)
