"""Streams beyond one machine: the default detector as keyed state of Apache Spark's Structured Streaming.

Spark holds the streams' records, takes its checkpoints, recovers and spreads the work; nothing of that is done here. A
stream's readings of one batch go through the same compiled function, in one call, as on one machine: the same bits.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.clocks import CLOCK_DTYPE, Clocks
from streamforest.detectors.isolation_forest import RECORD_DTYPE, Judge, StreamDetector, judge_stream, new_records
from streamforest.judging.rules import NO_RULES, Rules
from streamforest.optional import MissingPackageError, optional
from streamforest.protocols import REASONS, VERDICT_DTYPE
from streamforest.reading.notation import BAD_TIME, INFINITE
from streamforest.reading.python_values import LATEST
from streamforest.reading.validation import TIME_BACK

pyspark = optional("pyspark", "spark")
sql = optional("pyspark.sql", "spark")
StatefulProcessor: Any = optional("pyspark.sql.streaming", "spark").StatefulProcessor
types = optional("pyspark.sql.types", "spark")
PySparkException: Any = optional("pyspark.errors", "spark").PySparkException
pyarrow = optional("pyarrow", "spark")

#: What a session has to be set to; ``new_session`` does it.
SETTINGS = {
    # keyed state of this kind is kept by no other provider
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    # bytes of the verdicts that are handed over at once: those of one stream and batch are one row
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
}
#: Java's default stack of a thread is too small for Spark's planner: queries died of it after some batches.
DRIVER_OPTIONS = "-Xss16m"

#: Why a reading was refused; an index into this table, 0 where it was not.
REFUSALS = ("", INFINITE, BAD_TIME, TIME_BACK)

#: One reading's outcome, as it goes from the state to the table of verdicts. Refused ones have no verdict.
OUTCOME_DTYPE = np.dtype([("verdict", VERDICT_DTYPE), ("refusal", "i1")])

#: To be raised when the numbers in a stream's record come to mean something else; other layouts tell themselves.
MEANING = 1
#: Of what is kept of a stream.
VERSION = f"{MEANING}-{hashlib.sha256(repr((RECORD_DTYPE.descr, CLOCK_DTYPE.descr)).encode()).hexdigest()[:12]}"

_STATE = "version string, record binary, clock binary, deadline long"

#: Columns of the verdicts behind that of the stream's name, with Spark's types.
COLUMNS = {
    "index": "long",
    "time": "double",
    "value": "double",
    "score": "double",
    "threshold": "double",
    "p_value": "double",
    "is_anomaly": "boolean",
    "expected": "double",
    "lower": "double",
    "upper": "double",
    "episode": "long",
    "reason": "string",
    "refusal": "string",
}


class Stream(NamedTuple):
    """What is kept of one stream.

    Attributes
    ----------
    records : array of RECORD_DTYPE, shape (1,)
        The detector's record.
    clocks : Clocks
        Of the one stream: what is known of its times.
    deadline : int or None
        When the stream counts as silent, milliseconds of processing time; None where no timer waits for it.
    """

    records: NDArray[np.void]
    clocks: Clocks
    deadline: int | None = None

    @property
    def last_time(self) -> float:
        """Of the newest reading, seconds, UTC epoch; minus infinity before the first."""
        return float(self.clocks.last[0])

    @classmethod
    def read(cls, state: tuple[str, bytes, bytes, int | None] | None) -> Stream:
        """A stream as it was written, or a new one; raises ValueError where another version wrote it."""
        if state is None:
            return cls(new_records(), Clocks())
        version, record, clock, deadline = state
        if version != VERSION:
            raise ValueError(
                f"the checkpoint holds streams of version {version}, this program reads {VERSION}: "
                "go on with the program that wrote it, or start with a new checkpoint"
            )
        clocks = Clocks()
        clocks.restore(np.frombuffer(clock, CLOCK_DTYPE))
        return cls(np.frombuffer(record, RECORD_DTYPE).copy(), clocks, deadline)

    def written(self) -> tuple[str, bytes, bytes, int | None]:
        """The same for the state."""
        return VERSION, self.records.tobytes(), self.clocks.records.tobytes(), self.deadline


def judge_readings(
    stream: Stream, times: NDArray[np.float64], values: NDArray[np.float64], judge: Judge
) -> NDArray[np.void]:
    """Take one stream through its readings of one batch.

    Parameters
    ----------
    stream : Stream
        Its record and clock are changed in place.
    times, values : float64 arrays, shape (n,)
        In any order; NaN is a missing value, and a time that could not be read.
    judge : Judge
        Of the model.

    Returns
    -------
    array of OUTCOME_DTYPE, shape (n,)
        In the order of the times, and of the values where those are equal: no other order survives a shuffle.
    """
    order = np.lexsort((values, times))
    times, values = times[order], values[order]
    refusals = np.select([np.isinf(values), ~(np.abs(times) <= LATEST)], [1, 2], 0)
    to_follow = np.flatnonzero(refusals == 0)
    if not stream.clocks.go_on(0, times[to_follow]):
        refusals[to_follow] = [0 if stream.clocks.follow(0, time) else 3 for time in times[to_follow].tolist()]
    kept = refusals == 0
    outcomes = np.zeros(times.size, OUTCOME_DTYPE)
    outcomes["refusal"] = refusals
    refused = outcomes["verdict"]
    refused["index"] = -1
    refused["time"], refused["value"] = times, values
    for name in ("score", "threshold", "p_value", "expected", "lower", "upper"):
        refused[name] = np.nan
    if kept.any():
        verdicts = np.empty(int(kept.sum()), VERDICT_DTYPE)
        judge_stream(stream.records, 0, values[kept], times[kept], judge, verdicts)
        outcomes["verdict"][kept] = verdicts
    return outcomes


@cache
def _judge_of(file: str, alarm_rate: float, rules: Rules) -> Judge:
    """The model of a session, read once in each worker."""
    return StreamDetector.load(pyspark.SparkFiles.get(file), alarm_rate, rules).judge


class DetectorProcessor(StatefulProcessor):  # type: ignore[misc] # Any: see pyproject.toml
    """Judges the readings of each key, a stream; gives a row of outcomes a key and batch.

    Parameters
    ----------
    file : str
        The model's, by the name that Spark hands it out under.
    alarm_rate : float
        Wanted share of normal points that are flagged.
    rules : Rules
        What else a point needs to be an alarm.
    gap, silence : int or None
        Milliseconds, see :func:`detect`.
    """

    def __init__(self, file: str, alarm_rate: float, rules: Rules, gap: int | None, silence: int | None) -> None:
        self._model = file, alarm_rate, rules
        self._gap, self._silence = gap, silence

    def init(self, handle: Any) -> None:
        """Begin a part of a batch; Spark calls it."""
        self._handle = handle
        self._state = handle.getValueState("stream", _STATE, self._silence)

    # the names are Spark's
    def handleInputRows(self, key: tuple[Any], rows: Iterable[Any], timerValues: Any) -> Iterator[Any]:  # noqa: N802, N803
        """Judge a stream's readings of one batch."""
        readings = np.array([(row.time, row.value) for row in rows], dtype=np.float64)  # None becomes NaN
        stream = Stream.read(self._state.get())
        outcomes = judge_readings(stream, readings[:, 0], readings[:, 1], _judge_of(*self._model))
        if self._gap is not None and stream.last_time > -math.inf:
            deadline = timerValues.getCurrentProcessingTimeInMs() + self._gap
            if stream.deadline is None:
                self._handle.registerTimer(deadline)
            stream = stream._replace(deadline=deadline)
        self._state.update(stream.written())
        yield sql.Row(stream=key[0], outcomes=outcomes.tobytes())

    def handleExpiredTimer(  # noqa: N802
        self,
        key: tuple[Any],
        timerValues: Any,  # noqa: N803
        expiredTimerInfo: Any,  # noqa: ARG002, N803
    ) -> Iterator[Any]:
        """Give a stream that has been silent for long a missing reading, at the time of its last one."""
        state = self._state.get()
        if state is None:
            return  # it is gone
        stream = Stream.read(state)
        if stream.deadline is None:
            return
        if timerValues.getCurrentProcessingTimeInMs() < stream.deadline:
            self._handle.registerTimer(stream.deadline)  # it has spoken since
            return
        time, value = np.array([stream.last_time]), np.array([np.nan])
        outcomes = judge_readings(stream, time, value, _judge_of(*self._model))
        self._state.update(stream._replace(deadline=None).written())
        yield sql.Row(stream=key[0], outcomes=outcomes.tobytes())

    def close(self) -> None:
        """End a part of a batch."""


def _tell(batches: Iterable[Any]) -> Iterator[Any]:
    """Rows of outcomes, one a stream and batch -> rows of verdicts, one a reading; both as Arrow's record batches."""
    reasons = pyarrow.array([reason or None for reason in REASONS])
    refusals = pyarrow.array([refusal or None for refusal in REFUSALS])
    for batch in batches:
        blobs = batch.column("outcomes").to_pylist()
        outcomes = np.frombuffer(b"".join(blobs), OUTCOME_DTYPE)
        which = np.repeat(np.arange(len(blobs)), [len(blob) // OUTCOME_DTYPE.itemsize for blob in blobs])
        verdicts = outcomes["verdict"]
        columns = [batch.column("stream").take(pyarrow.array(which))]
        for name, kind in COLUMNS.items():
            if name == "reason":
                columns.append(reasons.take(pyarrow.array(verdicts["reason"])))
            elif name == "refusal":
                columns.append(refusals.take(pyarrow.array(outcomes["refusal"])))
            elif kind == "double":
                columns.append(pyarrow.array(verdicts[name], from_pandas=True))  # NaN becomes null
            elif name == "is_anomaly":
                columns.append(pyarrow.array(verdicts[name]))
            else:
                unknown = verdicts[name] < (0 if name == "index" else 1)
                columns.append(pyarrow.array(verdicts[name], mask=unknown))
        yield pyarrow.RecordBatch.from_arrays(columns, names=["stream", *COLUMNS])


class ReadingColumns(NamedTuple):
    """Names of the columns of readings.

    Attributes
    ----------
    key : str
        Names the stream.
    time : str
        A timestamp, or a number of seconds, UTC epoch.
    value : str
        A number; null and NaN are a missing reading.
    """

    key: str = "key"
    time: str = "time"
    value: str = "value"


USUAL_COLUMNS = ReadingColumns()


def detect(
    readings: Any,
    *,
    model: str | Path,
    alarm_rate: float = 0.001,
    rules: Rules = NO_RULES,
    columns: ReadingColumns = USUAL_COLUMNS,
    gap: float | None = None,
    silence: float | None = None,
) -> Any:
    """Judge the readings of many streams.

    Parameters
    ----------
    readings : pyspark.sql.DataFrame
        Streaming or not.
    model : str or Path
        The file made by ``python model_prod.py``, on the driver's machine; Spark hands it to each worker once.
    alarm_rate : float
        Wanted share of normal points that are flagged, in each stream, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    columns : ReadingColumns
        What the columns of key, time and value are called.
    gap : float, optional
        Seconds without a reading, above 0, after which a stream is given one missing reading, with the time of its last
        one. Processing time, not the readings'.
    silence : float, optional
        Seconds without a reading, above ``gap``, after which a stream is forgotten, and new if it comes again.
        Processing time too; a missing reading given for ``gap`` counts as one.

    Returns
    -------
    pyspark.sql.DataFrame
        One row a reading: the key under its own name, then ``COLUMNS``. What is unknown is null, never 0. ``time`` is
        of the readings' own type. A refused reading has a ``refusal``, which says why, and no ``index``.

    Raises
    ------
    ValueError
        A number is outside its range, a column is missing or of another type, or the session keeps its state elsewhere
        than in RocksDB.
    ModelError
        The model cannot be used.

    Notes
    -----
    With ``gap`` or ``silence`` Spark runs batches without readings too, and a query does not end by itself.

    Within a batch a stream's readings are put in the order of their times, those of equal times in that of their
    values. A reading from before the last one of an earlier batch is refused, as on one machine.

    Examples
    --------
    >>> verdicts = detect(readings, model="isolation_forest.joblib", silence=86_400)  # doctest: +SKIP
    """
    for name, seconds in (("gap", gap), ("silence", silence)):
        if seconds is not None and not 0.001 <= seconds < math.inf:
            raise ValueError(f"{name} is {seconds}, allowed is at least 0.001 seconds")
    if gap is not None and silence is not None and not gap < silence:
        raise ValueError(f"silence is {silence}, allowed is above gap, which is {gap}")
    StreamDetector.load(model, alarm_rate, rules)  # what cannot be used is reported here, not by a worker
    session = readings.sparkSession
    _check_state_store(session)
    rows = _columns(readings, *columns)
    milliseconds = [None if seconds is None else round(1000 * seconds) for seconds in (gap, silence)]
    processor = DetectorProcessor(_hand_out(session, Path(model)), alarm_rate, rules, *milliseconds)
    stream_type = rows.schema["stream"].dataType
    outcomes = rows.groupBy("stream").transformWithState(
        processor,
        types.StructType().add("stream", stream_type).add("outcomes", "binary"),
        "Append",
        "None" if gap is None and silence is None else "ProcessingTime",
    )
    kinds = types.StructType().add("stream", stream_type)
    for name, kind in COLUMNS.items():
        kinds.add(name, kind)
    verdicts = outcomes.mapInArrow(_tell, kinds)
    if readings.schema[columns.time].dataType == types.TimestampType():
        microseconds = sql.functions.rint(verdicts["time"] * 1e6).cast("long")
        verdicts = verdicts.withColumn("time", sql.functions.timestamp_micros(microseconds))
    return verdicts.withColumnRenamed("stream", columns.key)


def _check_state_store(session: Any) -> None:
    name = "spark.sql.streaming.stateStore.providerClass"
    if not session.conf.get(name, "").endswith("RocksDBStateStoreProvider"):
        raise ValueError(
            f"{name} is {session.conf.get(name, '')!r}, allowed is {SETTINGS[name]!r}: set it in the session"
        )


def _columns(readings: Any, key: str, time: str, value: str) -> Any:
    """The readings as three columns: stream, time in seconds, value."""
    if key in COLUMNS:
        raise ValueError(f"the key's column is {key!r}, which is a column of the verdicts too: rename it")
    for name in (key, time, value):
        if name not in readings.columns:
            raise ValueError(f"there is no column {name!r}; there are {', '.join(map(repr, readings.columns))}")
    for name, kinds, words in (
        (time, (types.NumericType, types.TimestampType), "a timestamp or a number of seconds"),
        (value, (types.NumericType,), "a number"),
    ):
        kind = readings.schema[name].dataType
        if not isinstance(kind, kinds):
            raise ValueError(f"the column {name!r} is of type {kind.simpleString()}, allowed is {words}: cast it first")
    return readings.select(
        readings[key].alias("stream"),
        readings[time].cast("double").alias("time"),
        readings[value].cast("double").alias("value"),
    )


@cache
def _copies() -> tempfile.TemporaryDirectory[str]:
    """A folder of models that Spark hands out, for as long as the driver runs."""
    return tempfile.TemporaryDirectory(prefix="streamforest-")


def _hand_out(session: Any, model: Path) -> str:
    """Have Spark bring a model to each worker once, under a name made of its content; returns that."""
    name = f"streamforest-{hashlib.sha256(model.read_bytes()).hexdigest()[:16]}.joblib"
    copy = Path(_copies().name) / name
    if not copy.exists():
        shutil.copyfile(model, copy)
    session.sparkContext.addFile(str(copy))
    return name


def reason_of(error: Exception) -> str:
    """What a failed query has to say in one line: the worker's own error, where it was one, else the first line."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)), lines[0])


def new_session(name: str, partitions: int | None = None, master: str | None = None) -> Any:
    """A session that is set as ``detect`` needs it: of the cluster it is submitted to, else of this machine's cores.

    Parameters
    ----------
    name : str
        Of the application.
    partitions : int, optional
        Parts that the streams are spread over: two or three times the cores of the cluster. A query keeps those
        that it began with. Spark's default is 200.
    master : str, optional
        Another place to run at, as ``local[2]``, for two cores of this machine.

    Raises
    ------
    MissingPackageError
        There is no Java.
    """
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java", path=None if home is None else str(Path(home) / "bin")):
        raise MissingPackageError(
            "Spark needs Java 17 or newer, which is not found (PATH, JAVA_HOME); "
            "on Debian run 'apt install default-jre-headless'"
        )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    package = str(Path(__file__).parents[2])
    # the workers of a cluster have a PYTHONPATH of their own
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    builder = sql.SparkSession.builder.appName(name).config("spark.driver.extraJavaOptions", DRIVER_OPTIONS)
    for setting, text in SETTINGS.items():
        builder = builder.config(setting, text)
    if master is not None:
        builder = builder.master(master)
    if partitions is not None:
        builder = builder.config("spark.sql.shuffle.partitions", str(partitions))
    return builder.getOrCreate()
