"""Streams beyond one machine: the default detector on Apache Spark, on streams (Structured Streaming) and on tables.

Spark holds the streams' records, takes its checkpoints, recovers and spreads the work; nothing of that is done here. A
shard's readings of one batch go through the same compiled function, in one call, as on one machine: the same bits.
"""

from __future__ import annotations

import gc
import hashlib
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamforest.detectors.isolation_forest import Judge, StreamDetector
from streamforest.engines.shards import PAGE_DTYPE, REFUSALS, STREAM_DTYPE, Entry, Shard
from streamforest.engines.spark_state import NAMES, Judged, KeptShard, Parts, to_ipc
from streamforest.features.holidays import HOLIDAY_DTYPE, NO_HOLIDAYS
from streamforest.judging.rules import NO_RULES, Rules
from streamforest.optional import MissingPackageError, optional
from streamforest.protocols import REASONS
from streamforest.streams import CHUNK

pyspark = optional("pyspark", "spark")
sql = optional("pyspark.sql", "spark")
StatefulProcessor: Any = optional("pyspark.sql.streaming", "spark").StatefulProcessor
types = optional("pyspark.sql.types", "spark")
PySparkException: Any = optional("pyspark.errors", "spark").PySparkException
pyarrow = optional("pyarrow", "spark")
from_arrow_type: Any = optional("pyspark.sql.pandas.types", "spark").from_arrow_type
to_arrow_type: Any = optional("pyspark.sql.pandas.types", "spark").to_arrow_type

#: What a session has to be set to; ``new_session`` does it.
SETTINGS = {
    # keyed state of this kind is kept by no other provider
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    # a batch writes what changed in it, and not each time a file of its own for each kind of state
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    # rows and bytes that are handed over at once: each time those of all shards are taken apart
    "spark.sql.execution.arrow.maxRecordsPerBatch": "200000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
}
#: Java's default stack of a thread is too small for Spark's planner: queries died of it after some batches.
DRIVER_OPTIONS = "-Xss16m"
#: Java's own choice, G1, looks through its memory after each large array, of which batches are made: 0.2 s each.
COLLECTOR = "-XX:+UseParallelGC"

#: What gives the files of a checkpoint their names. Spark's usual one asks the programs readlink and chmod of each file
#: on a disk of its machine, 53 times a batch; this one 11 times. Elsewhere, as on HDFS, it replaces no file.
FILES = (
    "spark.sql.streaming.checkpointFileManagerClass",
    "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager",
)

#: Shards where nothing else is asked for: each costs 15 ms of processor time a batch, and 8 cores can share these.
SHARDS = 8
#: Verdicts that are handed over at once.
MOST_VERDICTS = 100_000

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
#: Behind these: seconds that the detector took, once a shard and batch. It is counted and taken away again.
SECONDS = "detector_seconds"
#: Under which name Spark tells the metrics.
METRICS = "streamforest"


def verdict_columns(outcomes: NDArray[np.void], seconds: float) -> dict[str, Any]:
    """Outcomes as Arrow's arrays, by the names of ``COLUMNS`` and ``SECONDS``; what is unknown is null."""
    verdicts, columns = outcomes["verdict"], {}
    for name, kind in COLUMNS.items():
        if name == "refusal":
            columns[name] = _words(REFUSALS, outcomes["refusal"])
        elif name == "reason":
            columns[name] = _words(REASONS, verdicts["reason"])
        elif kind == "double":
            columns[name] = pyarrow.array(verdicts[name], from_pandas=True)  # NaN becomes null
        elif kind == "long":
            columns[name] = pyarrow.array(verdicts[name], mask=verdicts[name] < (0 if name == "index" else 1))
        else:
            columns[name] = pyarrow.array(verdicts[name])
    taken = np.full(outcomes.size, np.nan)
    taken[:1] = seconds
    return columns | {SECONDS: pyarrow.array(taken, from_pandas=True)}


def _words(table: tuple[str, ...], which: NDArray[np.integer[Any]]) -> Any:
    """Texts by their places in a table, the empty one as null."""
    return pyarrow.array([text or None for text in table]).take(pyarrow.array(which))


def keep_what_is_loaded() -> None:
    """Have the garbage collector pass over all that a worker has loaded by now.

    Spark has it look at everything after each task, which takes 0.1 seconds where this package is loaded: more than
    a small batch.
    """
    _keep_modules(len(sys.modules))


@cache
def _keep_modules(n: int) -> None:  # noqa: ARG001 - with each number once: some are loaded late, as pandas by pyarrow
    gc.collect()
    gc.freeze()


def pack(batches: Iterable[Any]) -> Iterator[Any]:
    """Readings with the number of their shard -> a row a shard: its readings as bytes; Arrow's record batches."""
    for batch in batches:
        shards = batch.column("shard").to_numpy()
        order = np.argsort(shards, kind="stable")
        found, firsts = np.unique(shards[order], return_index=True)
        readings = batch.select(["stream", "time", "value"]).take(pyarrow.array(order))
        parts = [readings.slice(a, b - a) for a, b in zip(firsts, [*firsts[1:], shards.size], strict=True)]
        packed = [to_ipc(dict(zip(readings.schema.names, part.columns, strict=True))) for part in parts]
        yield pyarrow.RecordBatch.from_arrays(
            [pyarrow.array(found, pyarrow.int32()), pyarrow.array(packed, pyarrow.binary())],
            names=["shard", "readings"],
        )
    keep_what_is_loaded()


def unpack(batches: Iterable[Any]) -> Iterator[Any]:
    """Rows of verdicts as bytes -> rows of verdicts; Arrow's record batches."""
    for batch in batches:
        for packed in batch.column("verdicts"):
            yield from pyarrow.ipc.open_stream(packed.as_buffer())
    keep_what_is_loaded()


@cache
def judge_of(file: str, alarm_rate: float, rules: Rules, holidays: bytes) -> Judge:
    """The model of a session, read once in each worker; holidays are bytes of HOLIDAY_DTYPE."""
    days = np.frombuffer(holidays, HOLIDAY_DTYPE)
    return StreamDetector.load(pyspark.SparkFiles.get(file), alarm_rate, rules, days).judge


def copies_folder() -> Path:
    """Where a worker keeps local copies of shards: in the application's own folder, which Spark clears away."""
    return Path(pyspark.SparkFiles.getRootDirectory()) / "shards"


class Settings(NamedTuple):
    """What a worker needs to judge.

    Attributes
    ----------
    file : str
        The model's, by the name that Spark hands it out under.
    alarm_rate : float
        Wanted share of normal points that are flagged.
    rules : Rules
        What else a point needs to be an alarm.
    holidays : bytes
        Days that are judged as Sundays, of HOLIDAY_DTYPE.
    shards : int
        How many there are; 0 where none are kept.
    gap, silence : int
        Milliseconds, see :class:`Silences`; 0 for never.
    """

    file: str
    alarm_rate: float
    rules: Rules
    holidays: bytes = b""
    shards: int = 0
    gap: int = 0
    silence: int = 0

    @property
    def judge(self) -> Judge:
        """What a step needs besides the stream's record."""
        return judge_of(self.file, self.alarm_rate, self.rules, self.holidays)


class DetectorProcessor(StatefulProcessor):  # type: ignore[misc] # Any: see pyproject.toml
    """Judges the readings of each key, a shard; gives rows of verdicts as bytes.

    Parameters
    ----------
    settings : Settings
    kind : pyarrow.DataType
        Of the streams' names.
    """

    def __init__(self, settings: Settings, kind: Any) -> None:
        self._settings, self._kind = settings, kind

    def init(self, handle: Any) -> None:
        """Begin a part of a batch; Spark calls it."""
        self._handle = handle
        self._parts = Parts(handle)

    # the names are Spark's
    def handleInputRows(self, key: tuple[Any], rows: Iterable[Any], timerValues: Any) -> Iterator[Any]:  # noqa: N802, ARG002, N803
        """Judge a shard's readings of one batch."""
        parts = [pyarrow.ipc.open_stream(row.readings).read_all() for row in rows]
        readings = pyarrow.concat_tables(parts).combine_chunks()
        names = readings["stream"].combine_chunks().dictionary_encode(null_encoding="encode")
        times, values = (readings[name].to_numpy() for name in ("time", "value"))  # null becomes NaN
        now, gap, silence = timerValues.getCurrentProcessingTimeInMs(), self._settings.gap, self._settings.silence
        shard = self._shard()
        judged = shard.take(names, times, values, now, now + gap if gap else 0, silence)
        yield from self._rows(shard, judged)

    def handleExpiredTimer(  # noqa: N802
        self,
        key: tuple[Any],  # noqa: ARG002
        timerValues: Any,  # noqa: N803
        expiredTimerInfo: Any,  # noqa: ARG002, N803
    ) -> Iterator[Any]:
        """Give streams that have been silent for long a missing reading, at the time of their last one."""
        shard = self._shard()
        judged = shard.wake(timerValues.getCurrentProcessingTimeInMs(), self._settings.silence)
        yield from self._rows(shard, judged)

    def handleInitialState(self, key: tuple[Any], initialState: Any, timerValues: Any) -> None:  # noqa: N802, ARG002, N803
        """Let streams of another checkpoint go on in this one."""
        table = pyarrow.ipc.open_stream(initialState.streams).read_all().combine_chunks()
        streams = np.frombuffer(b"".join(table["kept"].to_pylist()), STREAM_DTYPE)
        self._shard().add(table["stream"].combine_chunks(), streams)

    def _shard(self) -> KeptShard:
        return KeptShard(self._parts, self._settings.shards, self._kind, copies_folder(), self._settings.judge)

    def _rows(self, shard: KeptShard, judged: Judged) -> Iterator[Any]:
        if shard.timer:
            self._handle.registerTimer(shard.timer)
        for first in range(0, judged.outcomes.size, MOST_VERDICTS):
            some = slice(first, first + MOST_VERDICTS)
            columns = verdict_columns(judged.outcomes[some], 0.0 if first else judged.seconds)
            yield sql.Row(verdicts=to_ipc({"stream": judged.names[some]} | columns))

    def close(self) -> None:
        """End a part of a batch."""
        keep_what_is_loaded()


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


class Shards(NamedTuple):
    """Parts of the streams that are judged and kept together.

    Attributes
    ----------
    number : int
        At least 1: a multiple of the session's partitions, with 1,000 to 10,000 streams each. A checkpoint keeps the
        number that it began with.
    streams : pyspark.sql.DataFrame, optional
        Streams to go on with, as :func:`streams_of` another checkpoint; for the first run with a new checkpoint.
    """

    number: int = SHARDS
    streams: Any = None


USUAL_SHARDS = Shards()


class Silences(NamedTuple):
    """What happens to streams without readings, by the clock of the cluster and not by the readings' times.

    Attributes
    ----------
    gap : float, optional
        Seconds without a reading, above 0, after which a stream is given one missing reading, with the time of its last
        one.
    silence : float, optional
        Seconds without a reading, above ``gap``, after which a stream is forgotten, and new if it comes again; a
        missing reading given for ``gap`` counts as one.
    """

    gap: float | None = None
    silence: float | None = None

    def milliseconds(self) -> tuple[int, int]:
        """Both in milliseconds, 0 for never; raises ValueError where one is outside its range."""
        for name, seconds in self._asdict().items():
            if seconds is not None and not 0.001 <= seconds < math.inf:
                raise ValueError(f"{name} is {seconds}, allowed is at least 0.001 seconds")
        gap, silence = (0 if seconds is None else round(1000 * seconds) for seconds in self)
        if self.gap is not None and self.silence is not None and not self.gap < self.silence:
            raise ValueError(f"silence is {self.silence}, allowed is above gap, which is {self.gap}")
        return gap, silence


USUAL_SILENCES = Silences()


def detect(
    readings: Any,
    *,
    model: str | Path,
    alarm_rate: float = 0.001,
    rules: Rules = NO_RULES,
    holidays: NDArray[np.void] | None = None,
    columns: ReadingColumns = USUAL_COLUMNS,
    silences: Silences = USUAL_SILENCES,
    shards: Shards = USUAL_SHARDS,
) -> Any:
    """Judge the readings of many streams.

    Parameters
    ----------
    readings : pyspark.sql.DataFrame
        Streaming or not. One that is not is judged as a whole, each stream from its beginning, and keeps no state.
    model : str or Path
        The file made by ``python model_prod.py``, on the driver's machine; Spark hands it to each worker once.
    alarm_rate : float
        Wanted share of normal points that are flagged, in each stream, in [1e-6, 0.2].
    rules : Rules
        What else a point needs to be an alarm.
    holidays : array, optional
        Days that are judged as Sundays, see :func:`~streamforest.features.holidays.public_holidays`; worked out once,
        on the driver.
    columns : ReadingColumns
        What the columns of key, time and value are called.
    silences : Silences
        What happens to streams without readings.
    shards : Shards
        In how many parts a stream of readings is judged and kept.

    Returns
    -------
    pyspark.sql.DataFrame
        One row a reading: the key under its own name, then ``COLUMNS``. What is unknown is null, never 0. ``time`` is
        of the readings' own type. A refused reading has a ``refusal``, which says why, and no ``index``. Spark tells
        ``points``, ``alarms``, ``refusals`` and ``detector_seconds`` of each batch as observed metrics, under the
        name ``METRICS``.

    Raises
    ------
    ValueError
        A number is outside its range, a column is missing or of another type, or the session keeps its state elsewhere
        than in RocksDB.
    ModelError
        The model cannot be used.

    Notes
    -----
    With ``silences`` Spark runs batches without readings too, and a query does not end by itself.

    Within a batch a stream's readings are put in the order of their times, those of equal times in that of their
    values. A reading from before the last one of an earlier batch is refused, as on one machine.

    Examples
    --------
    >>> verdicts = detect(readings, model="forest.joblib", silences=Silences(silence=86_400))  # doctest: +SKIP
    """
    gap, silence = silences.milliseconds()
    if shards.number < 1:
        raise ValueError(f"shards is {shards.number}, allowed is at least 1")
    session = readings.sparkSession
    rows = _columns(readings, *columns)
    settings = _settings(session, model, alarm_rate, rules, holidays)
    settings = settings._replace(shards=shards.number, gap=gap, silence=silence)
    if readings.isStreaming:
        _check_state_store(session)
        judged = _judge_stream(rows, settings, shards.streams)
    else:
        judged = _judge_table(rows, settings)
    judged = judged.observe(METRICS, *_metrics()).drop(SECONDS)
    if readings.schema[columns.time].dataType == types.TimestampType():
        microseconds = sql.functions.rint(judged["time"] * 1e6).cast("long")
        judged = judged.withColumn("time", sql.functions.timestamp_micros(microseconds))
    return judged.withColumnRenamed("stream", columns.key)


def _settings(
    session: Any, model: str | Path, alarm_rate: float, rules: Rules, holidays: NDArray[np.void] | None
) -> Settings:
    """What workers need, the model handed out to them; what cannot be used is reported here, not by a worker."""
    StreamDetector.load(model, alarm_rate, rules, holidays)
    days = NO_HOLIDAYS if holidays is None else np.ascontiguousarray(holidays, HOLIDAY_DTYPE)
    return Settings(_hand_out(session, Path(model)), alarm_rate, rules, days.tobytes())


def _judge_stream(rows: Any, settings: Settings, streams: Any) -> Any:
    """Verdicts of readings that keep coming, the streams in Spark's state."""
    name_type = rows.schema["stream"].dataType
    packed = _with_shard(rows, settings.shards).mapInArrow(
        pack, types.StructType().add("shard", "integer").add("readings", "binary")
    )
    return (
        packed.groupBy("shard")
        .transformWithState(
            DetectorProcessor(settings, to_arrow_type(name_type)),
            types.StructType().add("verdicts", "binary"),
            "Append",
            "ProcessingTime" if settings.gap or settings.silence else "None",
            None if streams is None else _initial_state(streams, settings.shards),
        )
        .mapInArrow(unpack, _verdict_types(name_type))
    )


def _with_shard(rows: Any, shards: int) -> Any:
    """Rows with the number of their stream's shard."""
    numbers = sql.functions.array(*map(sql.functions.lit, shard_numbers(shards)))
    which = sql.functions.pmod(sql.functions.xxhash64("stream"), sql.functions.lit(shards)).cast("int")
    return rows.withColumn("shard", sql.functions.get(numbers, which))


def _initial_state(streams: Any, shards: int) -> Any:
    """Streams by shard, some of them in each row."""

    def pack_streams(table: Any) -> Any:
        parts = table.select(["stream", "kept"]).combine_chunks().to_batches(CHUNK)
        packed = [to_ipc(dict(zip(part.schema.names, part.columns, strict=True))) for part in parts]
        return pyarrow.table({"shard": table["shard"][: len(packed)], "streams": packed})

    return (
        _with_shard(streams, shards)
        .groupBy("shard")
        .applyInArrow(pack_streams, types.StructType().add("shard", "integer").add("streams", "binary"))
        .groupBy("shard")
    )


def streams_of(
    session: Any,
    checkpoint: str,
    *,
    model: str | Path,
    alarm_rate: float = 0.001,
    rules: Rules = NO_RULES,
    holidays: NDArray[np.void] | None = None,
) -> Any:
    """Read what a checkpoint keeps of its streams, to begin another one with them, in more shards or fewer.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
    checkpoint : str
        Of a query that is not running.
    model, alarm_rate, rules, holidays
        As the query had them.

    Returns
    -------
    pyspark.sql.DataFrame
        ``stream``, its name, and ``kept``, bytes of STREAM_DTYPE; for :class:`Shards`.

    Raises
    ------
    ModelError
        The model cannot be used.
    """
    settings = _settings(session, model, alarm_rate, rules, holidays)
    parts = (
        session.read.format("statestore")
        .options(path=checkpoint, stateVarName=Parts.VARIABLE)
        .load()
        .select("key.shard", f"user_map_key.{Parts.NAME}", f"user_map_value.{Parts.WRITTEN}")
    )
    found = parts.where(parts[Parts.NAME] == NAMES).first()
    if found is None:
        raise ValueError(f"there are no streams in {checkpoint}")
    kind = pyarrow.ipc.open_stream(found[Parts.WRITTEN]).schema.field("name").type

    def read(table: Any) -> Any:
        of_shard = dict(zip(table[Parts.NAME].to_pylist(), table[Parts.WRITTEN].to_pylist(), strict=True))
        stream_names, streams = KeptShard(of_shard, None, kind, copies_folder(), settings.judge).streams()
        kept = [streams[first : first + CHUNK] for first in range(0, streams.size, CHUNK)]
        packed = pyarrow.chunked_array([[one.tobytes() for one in some] for some in kept], pyarrow.binary())
        return pyarrow.table({"stream": stream_names, "kept": packed})

    kinds = types.StructType().add("stream", from_arrow_type(kind)).add("kept", "binary")
    return parts.groupBy("shard").applyInArrow(read, kinds)


def _judge_table(rows: Any, settings: Settings) -> Any:
    """Verdicts of a table: each stream's readings in a row, in their order."""
    ordered = rows.repartition("stream").sortWithinPartitions("stream", "time", "value")

    def judge(batches: Iterable[Any]) -> Iterator[Any]:
        yield from judge_in_order(batches, settings.judge)
        keep_what_is_loaded()

    return ordered.mapInArrow(judge, _verdict_types(rows.schema["stream"].dataType))


def judge_in_order(batches: Iterable[Any], judge: Judge) -> Iterator[Any]:
    """Rows of readings, each stream's in a row -> rows of verdicts; Arrow's record batches."""
    shard = Shard(np.zeros(1, PAGE_DTYPE))
    first_slot, last_name = np.zeros(1, np.int64), None
    is_first = True
    for batch in batches:
        if not batch.num_rows:
            continue
        names = batch.column("stream").dictionary_encode(null_encoding="encode")
        which = names.indices.to_numpy().astype(np.int64)
        times, values = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("time", "value"))
        goes_on = not is_first and names.dictionary[0].as_py() == last_name
        for first in range(0, len(names.dictionary), CHUNK):
            rows = slice(*np.searchsorted(which, (first, first + CHUNK)).tolist())
            used = np.arange(min(len(names.dictionary) - first, CHUNK))
            entry = Entry(0, 0, used[1:] if goes_on else used, which[rows] - first, times[rows], values[rows])
            begun = time.thread_time()
            outcomes, _ = shard.take(entry, judge)
            seconds = time.thread_time() - begun
            goes_on = False
            columns = {"stream": batch.column("stream")[rows]} | verdict_columns(outcomes, seconds)
            yield pyarrow.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        shard.set_streams(first_slot, shard.streams(used[-1:]))  # the next batch may go on with it
        last_name, is_first = names.dictionary[-1].as_py(), False


def shard_numbers(shards: int) -> list[int]:
    """Numbers of shards that Spark spreads evenly over its partitions, where their number divides that of the shards.

    The partition of a number follows from a hash of it: these have different remainders.
    """
    found: dict[int, int] = {}
    number = 0
    while len(found) < shards:
        found.setdefault(spark_hash(number) % shards, number)
        number += 1
    return list(found.values())


def spark_hash(number: int) -> int:
    """What Spark's ``hash`` says of an integer in [0, 2^31): MurmurHash3 of 32 bits with seed 42.

    References
    ----------
    Appleby, MurmurHash3, public domain, https://github.com/aappleby/smhasher.
    """
    mask = 2**32 - 1

    def rotated(bits: int, by: int) -> int:
        return (bits << by | bits >> (32 - by)) & mask

    mixed = rotated(number * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask
    hashed = (rotated(42 ^ mixed, 13) * 5 + 0xE6546B64) & mask ^ 4
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        hashed = (hashed ^ hashed >> shift) * factor & mask
    return hashed - 2**32 if hashed >= 2**31 else hashed


def _verdict_types(name_type: Any) -> Any:
    kinds = types.StructType().add("stream", name_type)
    for name, kind in COLUMNS.items():
        kinds.add(name, kind)
    return kinds.add(SECONDS, "double")


def _metrics() -> tuple[Any, ...]:
    """What is counted of a batch's verdicts."""
    count_if, total = sql.functions.count_if, sql.functions.sum(SECONDS)
    return (
        sql.functions.count("*").alias("points"),
        count_if("is_anomaly").alias("alarms"),
        count_if(sql.functions.col("refusal").isNotNull()).alias("refusals"),
        total.alias(SECONDS),
    )


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
    names = types.StringType, types.IntegralType, types.DecimalType, types.BooleanType, types.DateType, types.BinaryType
    for name, kinds, words in (
        (key, names, "a text, a whole number, a decimal, a boolean, a date or bytes"),
        (time, (types.NumericType, types.TimestampType), "a timestamp or a number of seconds"),
        (value, (types.NumericType,), "a number"),
    ):
        if name not in readings.columns:
            raise ValueError(f"there is no column {name!r}; there are {', '.join(map(repr, readings.columns))}")
        kind = readings.schema[name].dataType
        if not isinstance(kind, kinds):
            raise ValueError(f"the column {name!r} is of type {kind.simpleString()}, allowed is {words}: cast it first")
    return readings.select(
        readings[key].alias("stream"),
        readings[time].cast("double").alias("time"),
        # NaN comes last in every order, null does not
        sql.functions.coalesce(readings[value].cast("double"), sql.functions.lit(math.nan)).alias("value"),
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


def check_java() -> None:
    """Raise MissingPackageError where there is no Java."""
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java", path=None if home is None else str(Path(home) / "bin")):
        raise MissingPackageError(
            "Spark needs Java 17 or newer, which is not found (PATH, JAVA_HOME); "
            "on Debian run 'apt install default-jre-headless'"
        )


def _driver_options() -> str:
    """Java's options, with a collector where the user's own choose none: of two Java starts with neither."""
    chosen = " ".join(os.environ.get(name, "") for name in ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"))
    return DRIVER_OPTIONS if re.search(r"-XX:\+Use\w+GC\b", chosen) else f"{DRIVER_OPTIONS} {COLLECTOR}"


def _is_on_disk(session: Any, folder: str) -> bool:
    """Whether a folder is one of this machine's file system, or mounted there."""
    context = session.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(folder)
    return str(path.getFileSystem(context._jsc.hadoopConfiguration()).getScheme()) == "file"


def new_session(
    name: str, partitions: int | None = None, master: str | None = None, checkpoint: str | None = None
) -> Any:
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
    checkpoint : str, optional
        Folder of the queries' checkpoints and tables: on a disk, also one that is mounted everywhere, a batch takes
        less time if Spark knows it beforehand.

    Raises
    ------
    MissingPackageError
        There is no Java.
    """
    check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    package = str(Path(__file__).parents[2])
    # the workers of a cluster have a PYTHONPATH of their own
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    builder = sql.SparkSession.builder.appName(name).config("spark.driver.extraJavaOptions", _driver_options())
    for setting, text in SETTINGS.items():
        builder = builder.config(setting, text)
    if master is not None:
        builder = builder.master(master)
    if partitions is not None:
        builder = builder.config("spark.sql.shuffle.partitions", str(partitions))
    session = builder.getOrCreate()
    if checkpoint is not None and not session.conf.get(FILES[0], "") and _is_on_disk(session, checkpoint):
        session.conf.set(*FILES)
    return session
