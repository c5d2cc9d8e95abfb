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
from streamforest.features.forecast import forecast
from streamforest.features.holidays import HOLIDAY_DTYPE, NO_HOLIDAYS, days_to_sunday
from streamforest.features.vector import (
    BUFFERS_DTYPE,
    HIGHEST,
    N_VECTOR,
    VECTOR_NAMES,
    Buffers,
    look,
    new_buffers,
    tell_expected,
)
from streamforest.judging import threshold
from streamforest.judging.decide import INFINITE, POSITION_DTYPE, CompiledDetector, decide, new_positions, open_verdict
from streamforest.judging.evidence import EVIDENCE_DTYPE, carry_on, new_evidence, weigh
from streamforest.judging.reasons import own_reason, side_of_band, tell_why
from streamforest.judging.rules import NO_RULES, RuleNumbers, Rules, note_time, wanted_rate
from streamforest.models.forest import BLOCK, NODE_DTYPE, Forest, ModelError, isolate, isolation
from streamforest.models.model_file import Model, load_model
from streamforest.protocols import VERDICT_DTYPE, Forecast, Verdict, Verdicts, verdict_from_row
from streamforest.reading.python_values import LATEST, time_of, value_of
from streamforest.verdict_array import as_shown

#: All that is remembered of one stream.
RECORD_DTYPE = np.dtype(
    [
        ("position", POSITION_DTYPE),
        ("features", features.FEATURES_DTYPE),
        ("evidence", EVIDENCE_DTYPE),
        ("threshold", threshold.THRESHOLD_DTYPE),
        ("reason", "i8"),  # of the newest anomalous point, and its episode
        ("reason_episode", "i8"),
    ]
)


class Judge(NamedTuple):
    """What the step needs besides the stream's record: the forest, two calibrations, alarm rate, rules, holidays."""

    forest: Forest
    forest_scores: NDArray[np.float64]
    forest_surprises: NDArray[np.float64]
    scores: NDArray[np.float64]
    surprises: NDArray[np.float64]
    rate: float
    rules: RuleNumbers
    holidays: Records


def new_records(n: int = 1) -> NDArray[np.void]:
    """Fresh records of RECORD_DTYPE for n streams, shape (n,)."""
    records = np.zeros(n, dtype=RECORD_DTYPE)
    records["position"] = new_positions(n)
    records["features"] = features.new_state(n)
    records["evidence"] = new_evidence(n)
    records["threshold"] = threshold.new_thresholds(n)
    return records


class Workspace(NamedTuple):
    """Scratch arrays for one block of readings: buffers of each, the vectors out of them and their scores."""

    buffers: Records
    vectors: NDArray[np.float32]
    isolated: NDArray[np.float64]


@compiled
def new_workspace(readings: int) -> Workspace:
    """A workspace for blocks of so many readings, at most BLOCK."""
    n = min(readings, BLOCK)
    return Workspace(new_buffers(n), np.zeros((n, N_VECTOR), dtype=np.float32), np.zeros(n))


@compiled
def isolate_block(forest: Forest, workspace: Workspace, n: int) -> None:
    """Fill in the forest's scores of the first n readings; those of readings without a vector are undefined."""
    for i in range(n):
        for f in range(N_VECTOR):  # one by one: numba's copy of an array compiles all the text of its error too
            workspace.vectors[i, f] = workspace.buffers[i].vector[f]
    isolate(forest, workspace.vectors[:n], workspace.isolated[:n])


@compiled
def conclude(
    record: Record, value: float, time: float, judge: Judge, buffers: Buffers, isolated: float, verdict: Record
) -> None:
    """Make a verdict of a reading that was looked at, ``isolated`` being the forest's score of its vector."""
    open_verdict(record.position, value, time, verdict)
    if not buffers.has_vector:
        return
    tell_expected(buffers.outlook, verdict)
    isolated = threshold.interpolate(isolated, judge.forest_scores, judge.forest_surprises)
    stillness = max(buffers.vector[features.GAP], buffers.vector[features.REPEAT])
    isolated = carry_on(isolated, buffers.vector[HIGHEST])
    found = weigh(record.evidence, isolated, buffers.outlook[features.STRANGENESS], stillness, buffers.novelties)
    excess = buffers.excess if buffers.is_outlier else 0.0
    own = own_reason(buffers.surprises, buffers.outlook, side_of_band(verdict))
    is_evident = own > 0 and not buffers.is_foreseen and not buffers.is_echo
    if buffers.habit_reason:
        excess, own, is_evident = max(excess, buffers.habit_excess), buffers.habit_reason, True
    decide(
        record.position,
        record.threshold,
        judge.scores,
        judge.surprises,
        judge.rate,
        judge.rules,
        found,
        excess,
        is_evident,
        verdict,
    )
    if verdict.is_anomaly:
        tell_why(record, own, buffers.surprises, buffers.outlook, verdict)


@compiled
def block_size(rules: RuleNumbers) -> int:
    """Readings that may be looked at before the first of them is concluded: one where the alarm rate follows times."""
    return 1 if rules.alarms_a_day > 0.0 else BLOCK


@compiled
def rate_of(position: Record, time: float, judge: Judge) -> float:
    """Alarm rate of the next reading; the one before it must be concluded where :func:`block_size` is 1."""
    if judge.rules.alarms_a_day == 0.0:
        return judge.rate
    note_time(position.rule_state, position.index, time)
    return wanted_rate(position.rule_state, judge.rules, judge.rate)


@compiled
def look_at(record: Record, value: float, time: float, judge: Judge, buffers: Buffers) -> None:
    """Look at the next reading; the one before it must be concluded where :func:`block_size` is 1."""
    record.features.to_sunday = days_to_sunday(judge.holidays, time)
    look(record.features, value, time, rate_of(record.position, time, judge), buffers)


@compiled
def step(record: Record, value: float, time: float, judge: Judge, buffers: Buffers, verdict: Record) -> None:
    """Judge one reading and learn it; fills in the verdict."""
    look_at(record, value, time, judge, buffers)
    isolated = isolation(judge.forest, buffers.vector[:]) if buffers.has_vector else 0.0
    conclude(record, value, time, judge, buffers, isolated, verdict)


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

    The features do not depend on a verdict: so a block is looked at, then isolated, then concluded, and what each
    of these needs stays at hand. That takes three quarters of the time of :func:`step` by step.
    """
    record = records[which]
    workspace = new_workspace(values.size)
    size = block_size(judge.rules)
    for first in range(0, values.size, size):
        n = min(values.size - first, size)
        for i in range(n):
            look_at(record, values[first + i], times[first + i], judge, workspace.buffers[i])
        isolate_block(judge.forest, workspace, n)
        for i in range(n):
            at = first + i
            conclude(record, values[at], times[at], judge, workspace.buffers[i], workspace.isolated[i], verdicts[at])


#: The arguments of a step for one point at a time: addresses, and lengths of what has no fixed one.
ARGUMENTS_DTYPE = np.dtype(
    [
        *((name, "i8") for name in ("record", "verdict", "buffers")),
        *((name, "i8") for name in ("nodes", "nan_left", "depths", "n_nodes", "roots", "n_roots", "levels")),
        ("normaliser", "f8"),
        *(
            (name, "i8")
            for name in ("forest_scores", "forest_surprises", "n_forest", "scores", "surprises", "n_scores")
        ),
        ("rate", "f8"),
        ("direction", "i8"),
        ("minimum_deviation", "f8"),
        ("minimum_share", "f8"),
        ("alarms_a_day", "f8"),
        ("cool_down", "i8"),
        ("holidays", "i8"),
        ("n_holidays", "i8"),
    ]
)


def packed_arguments(
    records: NDArray[np.void], verdicts: Verdicts, scratch: NDArray[np.void], judge: Judge
) -> NDArray[np.void]:
    """Arguments of ARGUMENTS_DTYPE, shape (1,), of the first record, verdict and buffers; all must outlive it."""
    forest = judge.forest
    arguments = np.zeros(1, dtype=ARGUMENTS_DTYPE)
    arguments[0] = (
        *map(address_of, (records, verdicts, scratch)),
        *map(address_of, (forest.nodes, forest.nan_left, forest.depths)),
        *(len(forest.nodes), address_of(forest.roots), len(forest.roots), forest.levels, forest.normaliser),
        *(address_of(judge.forest_scores), address_of(judge.forest_surprises), len(judge.forest_scores)),
        *(address_of(judge.scores), address_of(judge.surprises), len(judge.scores)),
        judge.rate,
        *judge.rules,
        *(address_of(judge.holidays), len(judge.holidays)),
    )
    return arguments


@compiled
def judge_point(address: int, value: float, time: float) -> None:
    """Take one reading of the stream whose arguments lie at an address: as :func:`judge_stream` does.

    Handing a compiled function a dozen arrays takes longer than judging a point; handing it one number does not.
    """
    arguments = carray(pointer(address), 1, ARGUMENTS_DTYPE)[0]
    n = arguments.n_nodes
    forest = Forest(
        carray(pointer(arguments.nodes), n, NODE_DTYPE),
        carray(pointer(arguments.nan_left), n, np.bool_),
        carray(pointer(arguments.depths), n, np.float64),
        carray(pointer(arguments.roots), arguments.n_roots, np.uint64),
        arguments.levels,
        arguments.normaliser,
    )
    judge = Judge(
        forest,
        carray(pointer(arguments.forest_scores), arguments.n_forest, np.float64),
        carray(pointer(arguments.forest_surprises), arguments.n_forest, np.float64),
        carray(pointer(arguments.scores), arguments.n_scores, np.float64),
        carray(pointer(arguments.surprises), arguments.n_scores, np.float64),
        arguments.rate,
        RuleNumbers(
            arguments.direction,
            arguments.minimum_deviation,
            arguments.minimum_share,
            arguments.alarms_a_day,
            arguments.cool_down,
        ),
        carray(pointer(arguments.holidays), arguments.n_holidays, HOLIDAY_DTYPE),
    )
    buffers = carray(pointer(arguments.buffers), 1, BUFFERS_DTYPE)[0]
    record = carray(pointer(arguments.record), 1, RECORD_DTYPE)[0]
    step(record, value, time, judge, buffers, carray(pointer(arguments.verdict), 1, VERDICT_DTYPE)[0])


def _is_one(numbers: object) -> bool:
    """Whether it is an array of one float, which needs no conversion."""
    return type(numbers) is np.ndarray and numbers.shape == (1,) and numbers.dtype == np.float64


def forecast_of(records: NDArray[np.void], judge: Judge, steps: int) -> Forecast:
    """What is expected of the next points of a stream, whose record, shape (1,), is not changed."""
    rate = judge.rate
    if judge.rules.alarms_a_day > 0.0:
        state = records["features"][0]
        rate = rate_of(records["position"].copy()[0], float(state["last_time"] + state["interval"]), judge)
    return forecast(records["features"], rate, steps)


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
    holidays : array, optional
        Days that are judged as Sundays, see :func:`~streamforest.features.holidays.public_holidays`.

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

    def __init__(
        self,
        model: Model,
        alarm_rate: float = 0.001,
        rules: Rules = NO_RULES,
        holidays: NDArray[np.void] | None = None,
    ) -> None:
        super().__init__(alarm_rate, rules)
        if tuple(model.feature_names) != VECTOR_NAMES:
            raise ModelError("the model was made for other features: make a new one with 'python model_prod.py'")
        forest_scores, forest_surprises, scores, surprises = (
            np.ascontiguousarray(column) for column in (*model.forest_calibration.T, *model.calibration.T)
        )
        calibrations = forest_scores, forest_surprises, scores, surprises
        days = np.ascontiguousarray(NO_HOLIDAYS if holidays is None else holidays, HOLIDAY_DTYPE)
        self._parts = Judge(model.forest, *calibrations, alarm_rate, self._rules, days)
        self._records = new_records()
        self._pack_arguments()

    @property
    def judge(self) -> Judge:
        """What a step needs besides the stream's record, for those that keep the records of many streams."""
        return self._parts

    def _pack_arguments(self) -> None:
        self._scratch = new_buffers()
        self._arguments = packed_arguments(self._records, self._verdict, self._scratch, self._parts)
        self._arguments_address = address_of(self._arguments)
        self._verdict_bytes = self._verdict.view(np.uint8)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._pack_arguments()  # a copy's arrays lie elsewhere

    def update(self, value: float, time: float | None = None) -> Verdict:
        """Judge and learn one reading; see :meth:`CompiledDetector.update`."""
        seconds = math.nan if time is None else time if type(time) is float and abs(time) <= LATEST else time_of(time)
        self._judge_one(value if type(value) is float else value_of(value), seconds)
        return verdict_from_row(cast("tuple[Any, ...]", self._verdict.item()))

    def update_many(self, values: NDArray[np.float64], times: NDArray[np.float64] | None = None) -> Verdicts:
        """Judge and learn readings; see :meth:`CompiledDetector.update_many`."""
        if not (_is_one(values) and (times is None or _is_one(times))):
            return as_shown(super().update_many(values, times))
        self._judge_one(float(values[0]), math.nan if times is None else float(times[0]))
        return as_shown(np.frombuffer(bytearray(self._verdict_bytes), VERDICT_DTYPE))  # half the time of a copy

    def forecast(self, steps: int) -> Forecast:
        """What is expected of the next points; learns nothing and changes nothing.

        Parameters
        ----------
        steps : int
            Points ahead, in [1, 10000].

        Returns
        -------
        Forecast
            ``expected``, ``lower`` and ``upper``, float64 arrays of shape (steps,) in the stream's unit; NaN during the
            warm-up. The first step is what the next verdict has if the reading comes when it is due; the band widens
            as forecasts farther ahead err more.

        Raises
        ------
        ValueError
            steps is outside its range or no whole number.
        """
        return forecast_of(self._records, self._parts, steps)

    def _repr_html_(self) -> str | None:
        return streamforest.html_of(self)

    def _judge_one(self, value: float, time: float) -> None:
        if math.isinf(value):
            raise ValueError(INFINITE.format(value))
        judge_point(self._arguments_address, value, time)

    @classmethod
    def load(
        cls,
        path: str | Path,
        alarm_rate: float = 0.001,
        rules: Rules = NO_RULES,
        holidays: NDArray[np.void] | None = None,
    ) -> StreamDetector:
        """Make a detector from a model's file; raises ModelError."""
        return cls(load_model(Path(path)), alarm_rate, rules, holidays)

    def _judge(self, values: NDArray[np.float64], times: NDArray[np.float64], verdicts: Verdicts) -> None:
        judge_stream(self._records, 0, values, times, self._parts, verdicts)
