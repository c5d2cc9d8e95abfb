import math
import time
from datetime import UTC, datetime
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.judging.rules import Rules
from streamforest.models.forest import ModelError
from streamforest.models.model_file import save_model
from streamforest.protocols import REASONS, VERDICT_DTYPE, Reading
from streamforest.reading.notation import BAD_TIME, INFINITE
from streamforest.reading.validation import TIME_BACK, Validator
from streamforest.stream_names import StreamNames

pyspark = pytest.importorskip("pyspark", reason="needs streamforest/requirements/spark.txt")
engine = pytest.importorskip("streamforest.engines.spark")
Named = engine.ReadingColumns
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
twstester = pytest.importorskip("pyspark.sql.streaming.tws_tester")

RULES = Rules(direction="up", cool_down=2)
RATE = 0.01


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("spark") / "forest.joblib"
    save_model(model, file)
    return file


def shuffled(n_streams, n, n_batches, seed=1):
    """Batches of rows (stream, time, value) with late, repeated, missing and impossible readings among them."""
    rng = np.random.default_rng(seed)
    streams = rng.integers(0, n_streams, n)
    values = (10.0 * streams + rng.normal(size=n)).round(6)
    values[rng.random(n) < 0.01] += 50.0
    values[rng.random(n) < 0.02] = np.nan
    values[rng.random(n) < 0.001] = np.inf
    times = 1.7e9 + np.arange(n).astype(float)
    batches = np.minimum((np.arange(n) * n_batches) // n + (rng.random(n) < 0.05), n_batches - 1)
    rows = list(zip(streams.tolist(), times.tolist(), values.tolist(), batches.tolist(), strict=True))
    rows += [rows[i] for i in rng.integers(0, n, n // 50)]
    rng.shuffle(rows)
    return [[row[:3] for row in rows if row[3] == batch] for batch in range(n_batches)]


def alone(model, batches, rate=RATE, rules=RULES):
    """What one machine says of the same batches: a validator and a detector a stream, one reading at a time.

    As a dict of stream -> verdicts of its readings, None for a refused one, each with the fault.
    """
    parts = {}
    for batch in batches:
        for stream, moment, value in sorted(batch, key=lambda row: (row[1], math.isnan(row[2]), row[2])):
            if stream not in parts:
                parts[stream] = StreamDetector(model, rate, rules), Validator(StreamNames()), []
            detector, validator, found = parts[stream]
            before = validator.reasons.copy()
            points, _ = validator.check([Reading(value, moment, key="one of many")])
            fault = next(iter(validator.reasons - before), None)
            verdict = detector.update_many(points["value"], points["time"]) if points.size else None
            found.append((None if verdict is None else verdict[0].tobytes(), fault))
    return {stream: found for stream, (_, _, found) in parts.items()}


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


# --- what a worker does, without Spark's machinery


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 300), st.integers(1, 5), st.integers(0, 99))
def test_a_stream_judged_in_batches_has_the_bits_of_one_machine(model, n_streams, n, n_batches, seed):
    batches = shuffled(n_streams, n, n_batches, seed)
    judge = StreamDetector(model, RATE, RULES).judge
    states, found = {}, {}
    for batch in batches:
        for stream in dict.fromkeys(row[0] for row in batch):
            times, values = np.array([row[1:] for row in batch if row[0] == stream]).T
            kept = engine.Stream.read(states.get(stream))
            outcomes = engine.judge_readings(kept, times, values, judge)
            states[stream] = kept.written()
            found.setdefault(stream, []).extend(
                (None if one["refusal"] else one["verdict"].tobytes(), engine.REFUSALS[one["refusal"]] or None)
                for one in outcomes
            )
    assert found == alone(model, batches)


def test_a_time_that_cannot_be_read_is_refused_and_teaches_nothing(model):
    judge = StreamDetector(model).judge
    stream = engine.Stream.read(None)
    outcomes = engine.judge_readings(stream, np.array([math.nan, 5.0]), np.array([1.0, 2.0]), judge)
    assert [engine.REFUSALS[code] for code in outcomes["refusal"]] == ["", BAD_TIME]
    assert outcomes["verdict"]["index"].tolist() == [0, -1]
    assert stream.last_time == 5.0


def test_a_state_of_another_version_is_refused_with_both_versions():
    _, *rest = engine.Stream.read(None).written()
    with pytest.raises(ValueError, match=rf"streams of version 0-other, this program reads {engine.VERSION}"):
        engine.Stream.read(("0-other", *rest))


def test_a_failed_query_has_one_line_to_say():
    trace = (
        "[STREAM_FAILED] Query terminated: Traceback:\n  File x\nValueError: the checkpoint holds others\n\n at org.x"
    )
    assert engine.reason_of(RuntimeError(trace)) == "ValueError: the checkpoint holds others"
    assert engine.reason_of(RuntimeError("no such topic\n at org.x")) == "no such topic"
    assert engine.reason_of(RuntimeError()) == "RuntimeError"


@pytest.fixture
def worker(model, monkeypatch):
    """A processor with a clock that the test sets."""
    monkeypatch.setattr(engine, "_judge_of", lambda *_: StreamDetector(model, RATE).judge)
    processor = engine.DetectorProcessor("", RATE, RULES, 5_000, 60_000)
    return twstester.TwsTester(processor, timeMode="ProcessingTime")


def outcomes_of(rows):
    return np.concatenate([np.frombuffer(row.outcomes, engine.OUTCOME_DTYPE) for row in rows])


def test_a_silent_stream_is_given_one_missing_reading_at_the_time_of_its_last_one(worker, model):
    row = pyspark.sql.Row("time", "value")
    found = [worker.test("pump", [row(100.0 + i, 1.0) for i in range(40)])]
    assert worker.setProcessingTime(3_000) == []
    found.append(worker.test("pump", [row(140.0, 1.0)]))
    assert worker.setProcessingTime(7_999) == [], "it has spoken since"
    missing = worker.setProcessingTime(8_000)
    assert worker.setProcessingTime(50_000) == [], "once a silence"
    found += [missing, worker.test("pump", [row(141.0, 2.0)])]
    values, times = [1.0] * 41 + [math.nan, 2.0], [*(100.0 + np.arange(41)), 140.0, 141.0]
    expected = StreamDetector(model, RATE).update_many(np.array(values), np.array(times))
    assert outcomes_of(chain(*found))["verdict"].tobytes() == expected.tobytes()
    assert outcomes_of(worker.setProcessingTime(55_000))["verdict"]["index"].tolist() == [43], "the next silence"


def test_a_stream_that_is_gone_is_left_alone_by_its_timer(worker):
    row = pyspark.sql.Row("time", "value")
    worker.test("pump", [row(1.0, 1.0)])
    worker.test("no time", [row(None, 1.0)])
    worker.deleteState("stream", "pump")
    assert worker.setProcessingTime(9_000) == []


# --- the engine itself


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # it lives too short for others
        patch.setenv("PYTHONPATH", "")
        patch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("local")))
        try:
            made = engine.new_session("tests", partitions=2, master="local[2]")
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
    """Take a streaming query through all that there is, into a Parquet table."""

    def once():
        query = (
            verdicts.writeStream.format("parquet")
            .option("checkpointLocation", str(folder / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(folder / "verdicts"))
        )
        query.awaitTermination()

    patiently(once)


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
            readings, model=path, alarm_rate=RATE, rules=RULES, columns=Named("name", "at", "celsius")
        )
        run(verdicts, tmp_path)
    assert verdicts.columns == ["name", *engine.COLUMNS]
    assert verdicts.schema["time"].dataType.simpleString() == "timestamp"
    seconds = session.read.parquet(str(tmp_path / "verdicts")).selectExpr(
        "int(substr(name, 2)) stream", "double(time) time", *(name for name in engine.COLUMNS if name != "time")
    )
    rows = sorted(seconds.collect(), key=lambda row: (row["index"] is None, row["index"]))
    expected = alone(model, batches)
    assert by_fault(said(rows)) == by_fault(expected)
    faults = [fault for found in expected.values() for _, fault in found]
    assert {INFINITE, TIME_BACK} < set(faults), "such readings are among them"


def test_sparks_own_timer_gives_a_silent_stream_its_missing_reading(session, path, tmp_path):
    parquet.write_table(
        pyarrow.table({"key": ["a", "a"], "time": [1.0, 2.0], "value": [5.0, 6.0]}), tmp_path / "0.parquet"
    )
    readings = session.readStream.schema("key string, time double, value double").parquet(str(tmp_path / "*.parquet"))
    verdicts = engine.detect(readings, model=path, gap=0.5, silence=3_600)

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
        (fine, {"gap": 0}, ValueError, "gap is 0"),
        (fine, {"gap": 5, "silence": 5}, ValueError, "silence is 5, allowed is above gap, which is 5"),
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
            engine.detect(fine, model=path)
    finally:
        session.conf.set(name, provider)
