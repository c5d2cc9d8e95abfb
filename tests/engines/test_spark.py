import math
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.forest import ModelError
from streamforest.models.model_file import save_model
from streamforest.protocols import REASONS, VERDICT_DTYPE
from streamforest.reading.notation import INFINITE
from streamforest.reading.validation import TIME_BACK
from tests.batches import RATE, RULES, alone, free_thursday, shuffled

pyspark = pytest.importorskip("pyspark", reason="needs streamforest/requirements/spark.txt")
engine = pytest.importorskip("streamforest.engines.spark")
Named = engine.ReadingColumns
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("spark") / "forest.joblib"
    save_model(model, file)
    return file


def said(rows):
    """Rows of Spark's table in the form of ``alone``: each stream's in the order of their batches."""
    found = {}
    for row in rows:
        verdict = None
        if row.refusal is None:
            one = np.zeros(1, VERDICT_DTYPE)
            one["label"] = -1
            for name in set(VERDICT_DTYPE.names) - {"label", "reason"}:
                one[name] = (0 if name == "episode" else math.nan) if row[name] is None else row[name]
            one["reason"] = REASONS.index(row.reason or "")
            verdict = one[0].tobytes()
        found.setdefault(row["stream"], []).append((verdict, row.refusal))
    return found


def by_fault(found):
    """What does not depend on where the refused readings stand: verdicts in their order, and the faults counted."""
    return {
        stream: ([verdict for verdict, _ in rows if verdict], sorted(fault for _, fault in rows if fault))
        for stream, rows in found.items()
    }


def alarms(found):
    """How many of the verdicts are anomalous."""
    verdicts = (np.frombuffer(verdict, VERDICT_DTYPE)[0] for rows in found.values() for verdict, _ in rows if verdict)
    return sum(bool(verdict["is_anomaly"]) for verdict in verdicts)


def test_a_failed_query_has_one_line_to_say():
    trace = (
        "[STREAM_FAILED] Query terminated: Traceback:\n  File x\nValueError: the checkpoint holds others\n\n at org.x"
    )
    assert engine.reason_of(RuntimeError(trace)) == "ValueError: the checkpoint holds others"
    assert engine.reason_of(RuntimeError("no such topic\n at org.x")) == "no such topic"
    assert engine.reason_of(RuntimeError()) == "RuntimeError"


def test_a_collector_is_chosen_where_the_user_chose_none(monkeypatch):
    for name in ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"):
        monkeypatch.delenv(name, raising=False)
    assert engine._driver_options() == f"{engine.DRIVER_OPTIONS} {engine.COLLECTOR}"
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx2g -XX:+UseZGC")
    assert engine._driver_options() == engine.DRIVER_OPTIONS


def test_what_a_worker_has_loaded_is_looked_through_once_and_again_when_it_loads_more(monkeypatch):
    engine._keep_modules.cache_clear()
    frozen = []
    monkeypatch.setattr(engine.gc, "freeze", lambda: frozen.append(True))
    for work in (engine.pack, engine.unpack, engine.pack):
        assert list(work([])) == []
    engine.DetectorProcessor(None, None).close()
    assert frozen == [True]
    monkeypatch.setitem(sys.modules, "loaded_late", None)
    assert list(engine.pack([])) == list(engine.pack([])) == []
    assert frozen == [True, True]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 99), st.data())
def test_a_sorted_table_has_the_bits_of_one_machine_wherever_it_is_cut(model, n_streams, n, seed, data):
    (batch,) = shuffled(n_streams, n, 1, seed)
    batch.sort(key=lambda row: (row[0], row[1], math.isnan(row[2]), row[2]))
    kinds = {"stream": pyarrow.int64(), "time": pyarrow.float64(), "value": pyarrow.float64()}
    columns = zip(*batch, strict=True) if batch else ([],) * 3
    arrays = [pyarrow.array(list(column), kind) for column, kind in zip(columns, kinds.values(), strict=True)]
    table = pyarrow.RecordBatch.from_arrays(arrays, names=list(kinds))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(batch)), max_size=4)))
    parts = [table.slice(a, b - a) for a, b in pairwise([0, *cuts, len(batch)])]
    verdicts = engine.judge_in_order(parts, StreamDetector(model, RATE, RULES).judge)
    rows = [pyspark.sql.Row(**row) for part in verdicts for row in part.to_pylist()]
    assert by_fault(said(rows)) == by_fault(alone(model, [batch]))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # it lives too short for others
        patch.setenv("PYTHONPATH", "")
        patch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("local")))
        try:
            folder = str(tmp_path_factory.mktemp("checkpoints"))
            made = engine.new_session("tests", partitions=2, master="local[2]", checkpoint=folder)
        except engine.MissingPackageError as error:
            pytest.skip(str(error))
        made.sparkContext.setLogLevel("OFF")
        yield made
        made.stop()


def patiently(work):
    """Do what a busy machine may need several tries for: Spark gives each new worker 10 seconds to answer."""
    for _ in range(4):
        try:
            return work()
        except pyspark.errors.PySparkException as error:
            if "connect back" not in str(error):
                raise
    return work()


def run(verdicts, folder):
    """Take a streaming query through all that there is, into a Parquet table; returns what Spark counted."""

    def once():
        query = (
            verdicts.writeStream.format("parquet")
            .option("checkpointLocation", str(folder / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(folder / "verdicts"))
        )
        query.awaitTermination()
        return [progress.observedMetrics[engine.METRICS] for progress in query.recentProgress if progress.numInputRows]

    return patiently(once)


def test_a_streaming_query_gives_the_bits_of_one_machine_and_goes_on_from_its_checkpoint(
    session, model, path, tmp_path
):
    batches = shuffled(20, 1_500, 3)
    folder = tmp_path / "in"
    folder.mkdir()
    schema = "name string, at timestamp, celsius double"
    readings = session.readStream.schema(schema).option("maxFilesPerTrigger", 1).parquet(str(folder))
    for number, batch in enumerate(batches):
        streams, times, values = zip(*batch, strict=True)
        table = {
            "name": [f"s{stream}" for stream in streams],
            "at": [datetime.fromtimestamp(time, UTC) for time in times],
            "celsius": values,
        }
        parquet.write_table(pyarrow.table(table), folder / f"{number}.parquet")
        if number == 0:
            continue  # two batches in the first run, one in the next
        verdicts = engine.detect(
            readings,
            model=path,
            alarm_rate=RATE,
            rules=RULES,
            columns=Named("name", "at", "celsius"),
            shards=engine.Shards(4),
        )
        counted = run(verdicts, tmp_path)
    assert [one["points"] for one in counted] == [len(batches[2])]
    assert counted[0]["refusals"] > 0 < counted[0][engine.SECONDS]
    assert verdicts.columns == ["name", *engine.COLUMNS]
    assert verdicts.schema["time"].dataType.simpleString() == "timestamp"
    seconds = session.read.parquet(str(tmp_path / "verdicts")).selectExpr(
        "int(substr(name, 2)) stream", "double(time) time", *(name for name in engine.COLUMNS if name != "time")
    )
    rows = sorted(seconds.collect(), key=lambda row: (row["index"] is None, row["index"]))
    expected = alone(model, batches)
    assert by_fault(said(rows)) == by_fault(expected)
    assert counted[0]["alarms"] == alarms(expected) - alarms(alone(model, batches[:2])) > 0
    faults = [fault for found in expected.values() for _, fault in found]
    assert {INFINITE, TIME_BACK} < set(faults), "such readings are among them"


def test_streams_of_a_checkpoint_go_on_in_another_number_of_shards(session, model, path, tmp_path):
    batches = shuffled(30, 2_000, 3, seed=5)

    def judge(number, shards, streams=None):
        folder = tmp_path / str(shards)
        (folder / "in").mkdir(parents=True, exist_ok=True)
        columns = map(list, zip(*batches[number], strict=True))
        table = pyarrow.table(dict(zip(("stream", "time", "value"), columns, strict=True)))
        parquet.write_table(table, folder / "in" / f"{number}.parquet")
        readings = session.readStream.schema("stream long, time double, value double").parquet(str(folder / "in"))
        options = {"model": path, "alarm_rate": RATE, "rules": RULES, "columns": Named("stream")}
        run(engine.detect(readings, **options, shards=engine.Shards(shards, streams)), folder)

    judge(0, 2)
    checkpoint = str(tmp_path / "2" / "checkpoint")
    judge(1, 3, streams=engine.streams_of(session, checkpoint, model=path, alarm_rate=RATE, rules=RULES))
    judge(2, 3)
    rows = [row for shards in (2, 3) for row in session.read.parquet(str(tmp_path / f"{shards}/verdicts")).collect()]
    rows.sort(key=lambda row: (row["index"] is None, row["index"]))
    assert by_fault(said(rows)) == by_fault(alone(model, batches))


def test_shards_are_spread_evenly_over_as_many_partitions_as_divide_their_number(session):
    numbers = engine.shard_numbers(24)
    rows = session.createDataFrame([(number,) for number in numbers], "number int")
    hashes = [row[0] for row in rows.selectExpr("hash(number)").collect()]
    assert hashes == [engine.spark_hash(number) for number in numbers]
    for partitions in (1, 2, 3, 8, 24):
        assert np.bincount(np.array(hashes) % partitions).tolist() == [24 // partitions] * partitions


@pytest.mark.parametrize(
    ("folder", "own", "used"),
    [
        ("of/a/run", "", engine.FILES[1]),
        ("file:///of/a/run", "", engine.FILES[1]),
        ("hdfs://127.0.0.1:1/of/a/run", "", ""),
        ("of/a/run", "the.users.Own", "the.users.Own"),
    ],
)
def test_files_of_a_checkpoint_on_a_disk_get_their_names_without_other_programs(session, folder, own, used):
    name = engine.FILES[0]
    session.conf.set(name, own) if own else session.conf.unset(name)
    try:
        engine.new_session("tests", checkpoint=folder)
        assert session.conf.get(name, "") == used
    finally:
        session.conf.set(*engine.FILES)


def test_sparks_own_timer_gives_a_silent_stream_its_missing_reading(session, path, tmp_path):
    parquet.write_table(
        pyarrow.table({"key": ["a", "a"], "time": [1.0, 2.0], "value": [5.0, 6.0]}), tmp_path / "0.parquet"
    )
    readings = session.readStream.schema("key string, time double, value double").parquet(str(tmp_path / "*.parquet"))
    verdicts = engine.detect(readings, model=path, silences=engine.Silences(0.5, 3_600), shards=engine.Shards(2))

    def watch():
        query = verdicts.writeStream.format("memory").queryName("silent").start()
        try:
            while query.isActive:
                time.sleep(0.1)
                rows = session.table("silent").collect()
                if len(rows) == 3:
                    return rows
            query.awaitTermination()  # raises what ended it
        finally:
            query.stop()

    rows = patiently(watch)
    assert [(row["index"], row["time"], row["value"]) for row in rows] == [(0, 1.0, 5.0), (1, 2.0, 6.0), (2, 2.0, None)]


def test_a_table_is_judged_as_one_batch(session, model, path):
    (batch,) = shuffled(5, 400, 1, seed=2)
    readings = session.createDataFrame(batch, "stream long, time double, value double")
    verdicts = engine.detect(readings, model=path, alarm_rate=RATE, rules=RULES, columns=Named("stream"))
    rows = patiently(verdicts.collect)
    rows.sort(key=lambda row: (row["index"] is None, row["index"]))
    assert by_fault(said(rows)) == by_fault(alone(model, [batch]))


def test_a_holiday_is_judged_as_on_one_machine(session, model, path, tmp_path):
    times, values, holidays = free_thursday()
    expected, unaware = (
        StreamDetector(model, RATE, holidays=days).update_many(values, times) for days in (holidays, None)
    )
    assert expected["is_anomaly"].sum() < unaware["is_anomaly"].sum()
    parquet.write_table(pyarrow.table({"stream": ["a"] * times.size, "time": times, "value": values}), tmp_path / "a")
    readings = session.read.parquet(str(tmp_path / "a"))
    verdicts = engine.detect(readings, model=path, alarm_rate=RATE, columns=Named("stream"), holidays=holidays)
    rows = patiently(verdicts.orderBy("time").collect)
    assert said(rows)["a"] == [(verdict.tobytes(), None) for verdict in expected]


def test_what_cannot_be_used_is_told_before_anything_runs(session, path, tmp_path):
    readings = session.createDataFrame([("a", "b", 1.0)], "key string, time string, value double")
    fine = readings.withColumn("time", pyspark.sql.functions.lit(1.0))
    for given_, more, error, words in (
        (readings, {}, ValueError, "'time' is of type string, allowed is a timestamp or a number of seconds"),
        (
            fine,
            {"columns": Named(value="key")},
            ValueError,
            "'key' is of type string, allowed is a number",
        ),
        (
            fine,
            {"columns": Named("name")},
            ValueError,
            "no column 'name'; there are 'key', 'time', 'value'",
        ),
        (
            fine,
            {"columns": Named("value")},
            ValueError,
            "which is a column of the verdicts too: rename it",
        ),
        (
            readings.select(pyspark.sql.functions.array("key").alias("key"), "value", "time"),
            {},
            ValueError,
            "of type array",
        ),
        (fine, {"shards": engine.Shards(0)}, ValueError, "shards is 0"),
        (fine, {"silences": engine.Silences(0)}, ValueError, "gap is 0"),
        (fine, {"silences": engine.Silences(5, 5)}, ValueError, "silence is 5, allowed is above gap, which is 5"),
        (fine, {"alarm_rate": 0.5}, ValueError, r"alarm_rate is 0\.5"),
        (fine, {"model": tmp_path / "none"}, ModelError, "there is no model at"),
    ):
        with pytest.raises(error, match=words):
            engine.detect(given_, **{"model": path, **more})
    name = "spark.sql.streaming.stateStore.providerClass"
    provider = session.conf.get(name)
    session.conf.set(name, "other")
    try:
        with pytest.raises(ValueError, match=r"providerClass is 'other', allowed is .*RocksDB"):
            engine.detect(session.readStream.schema(fine.schema).parquet(str(tmp_path)), model=path)
    finally:
        session.conf.set(name, provider)
