import math
import shutil
from itertools import chain

import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.protocols import REASONS, VERDICT_DTYPE
from tests.batches import RATE, RULES, alone, shuffled

pyspark = pytest.importorskip("pyspark", reason="needs streamforest/requirements/spark.txt")
engine = pytest.importorskip("streamforest.engines.spark")
kept = pytest.importorskip("streamforest.engines.spark_state")
LocalCopy = pytest.importorskip("streamforest.engines.shards").LocalCopy
pyarrow = pytest.importorskip("pyarrow")
twstester = pytest.importorskip("pyspark.sql.streaming.tws_tester")

SHARD = 3


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """Where the local copies are."""
    folder = tmp_path / "copies"
    monkeypatch.setattr(engine, "copies_folder", lambda: folder)
    return folder


@pytest.fixture
def new_worker(model, copies, monkeypatch):  # noqa: ARG001 - the copies are in their own place
    """A processor with a clock that the test sets."""
    monkeypatch.setattr(engine, "judge_of", lambda _file, rate, rules, _days: StreamDetector(model, rate, rules).judge)

    def new_worker(gap=0, silence=0, shards=8, rules=RULES):
        settings = engine.Settings("", RATE, rules, b"", shards, gap, silence)
        processor = engine.DetectorProcessor(settings, pyarrow.string())
        return twstester.TwsTester(processor, timeMode="ProcessingTime")

    return new_worker


def rows_of(readings):
    """Readings (stream, time, value) as the rows that a worker gets, in two parts."""
    kinds = {"stream": pyarrow.string(), "time": pyarrow.float64(), "value": pyarrow.float64()}
    parts = [readings[: len(readings) // 2], readings[len(readings) // 2 :]]
    columns = [map(pyarrow.array, map(list, zip(*part, strict=True)), kinds.values()) for part in parts if part]
    return [pyspark.sql.Row(readings=kept.to_ipc(dict(zip(kinds, some, strict=True)))) for some in columns]


def verdicts_of(rows):
    """What a worker says, as a list of dicts; not how long it took."""
    tables = (pyarrow.ipc.open_stream(row.verdicts).read_all() for row in rows)
    return [one for table in tables for one in table.drop_columns(engine.SECONDS).to_pylist()]


def test_a_shard_has_the_bits_of_one_machine_whether_its_copy_is_there_or_not(model, new_worker, copies, monkeypatch):
    monkeypatch.setattr(kept, "REWRITE", 4)
    batches = [[(f"s{stream}", *rest) for stream, *rest in batch] for batch in shuffled(300, 3_000, 12)]
    expected = alone(model, batches)
    worker, found, dropped = new_worker(), {}, 0
    for number, batch in enumerate(batches):
        for row in verdicts_of(worker.test(SHARD, rows_of(batch))):
            found.setdefault(row["stream"], []).append(row)
        if number % 3 == 1:
            shutil.rmtree(copies)  # another machine goes on
        if number % 3 == 2:
            (copy,) = copies.iterdir()
            with LocalCopy(copy) as opened:
                opened.pages(1)["record"]["position"]["index"] += 1
                opened.sign("")  # the program was ended while it judged
        head = head_of(worker)
        dropped = max(dropped, head.first)
        assert head.entry == number + 1
    assert dropped > 3, "old entries go when the pages were written"
    for stream, rows in found.items():
        verdicts = [row for row in rows if row["refusal"] is None]
        wanted = [np.frombuffer(one, VERDICT_DTYPE)[0] for one, _ in expected[stream] if one]
        assert [row["index"] for row in verdicts] == [one["index"] for one in wanted]
        for name in ("score", "threshold", "p_value", "expected", "lower", "upper", "value"):
            one_machine = [None if math.isnan(one[name]) else one[name].item() for one in wanted]
            assert [row[name] for row in verdicts] == one_machine, name
        assert [row["reason"] or "" for row in verdicts] == [REASONS[one["reason"]] for one in wanted]
        assert sorted(row["refusal"] for row in rows if row["refusal"]) == sorted(
            fault for _, fault in expected[stream] if fault
        )
    assert found.keys() == expected.keys()


def saved_state(worker):
    """What Spark would have in its checkpoint: parts by their names."""
    return {name: written for (name,), (written,) in worker.peekMapState(kept.Parts.VARIABLE, SHARD).items()}


def set_state(worker, state):
    worker.updateMapState(kept.Parts.VARIABLE, SHARD, {(name,): (written,) for name, written in state.items()})


def head_of(worker):
    return kept.Head.read(saved_state(worker)[kept.HEAD], None)


def test_a_batch_that_was_judged_and_lost_is_judged_again_from_the_state_before_it(new_worker):
    first, second = ([("pump", 40.0 * n + i, float(i % 7)) for i in range(40)] for n in range(2))
    worker = new_worker()
    worker.test(SHARD, rows_of(first))
    before = saved_state(worker)
    lost = verdicts_of(worker.test(SHARD, rows_of(second)))
    set_state(worker, before)  # the copy that was left is of a state that Spark has not
    assert verdicts_of(worker.test(SHARD, rows_of(second))) == lost
    assert [row["index"] for row in lost] == list(range(40, 80))


def test_a_silent_stream_is_given_one_missing_reading_at_the_time_of_its_last_one(model, new_worker):
    worker = new_worker(gap=5_000, silence=60_000, rules=engine.NO_RULES)
    found = [worker.test(SHARD, rows_of([("pump", 100.0 + i, 1.0) for i in range(40)]))]
    assert worker.setProcessingTime(3_000) == []
    found.append(worker.test(SHARD, rows_of([("pump", 140.0, 1.0), ("timeless", None, 1.0)])))
    assert worker.setProcessingTime(7_999) == [], "it has spoken since"
    missing = worker.setProcessingTime(8_000)
    assert worker.setProcessingTime(50_000) == [], "once a silence"
    found += [missing, worker.test(SHARD, rows_of([("pump", 141.0, 2.0)]))]
    values, times = [1.0] * 41 + [math.nan, 2.0], [*(100.0 + np.arange(41)), 140.0, 141.0]
    expected = StreamDetector(model, RATE).update_many(np.array(values), np.array(times))
    rows = [row for row in verdicts_of(chain(*found)) if row["stream"] == "pump"]
    assert [row["score"] for row in rows] == [None if math.isnan(score) else score for score in expected["score"]]
    assert [row["value"] for row in rows] == [*values[:41], None, 2.0]
    assert [row["index"] for row in verdicts_of(worker.setProcessingTime(55_000))] == [43], "the next silence"


def test_a_stream_that_is_silent_for_long_is_dropped_and_new_if_it_comes_again(new_worker, copies):
    worker = new_worker(silence=10_000)
    worker.test(SHARD, rows_of([("a", 1.0, 1.0), ("b", 1.0, 1.0)]))
    worker.setProcessingTime(6_000)
    worker.test(SHARD, rows_of([("b", 2.0, 1.0)]))
    worker.setProcessingTime(9_999)
    assert kept.Names(saved_state(worker)[kept.NAMES], pyarrow.string(), 2).missing(["a", "b"]) == 0
    assert worker.setProcessingTime(10_000) == []
    names = kept.Names(saved_state(worker)[kept.NAMES], pyarrow.string(), 2)
    assert [names.missing([name]) for name in ("a", "b")] == [1, 0], "by a timer, though nobody spoke"
    shutil.rmtree(copies)
    rows = verdicts_of(worker.test(SHARD, rows_of([("c", 1.0, 1.0), ("b", 3.0, 1.0), ("a", 0.5, 1.0)])))
    assert {row["stream"]: row["index"] for row in rows} == {"a": 0, "b": 2, "c": 0}
    assert head_of(worker).slots == 3, "the place of the dropped one was used again"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"version": "0-other"}, rf"streams of version 0-other, this program reads {kept.VERSION}"),
        ({"shards": 4}, "in 4 shards, asked for are 8"),
    ],
)
def test_a_state_that_another_program_wrote_is_refused(new_worker, wrong, words):
    worker = new_worker()
    worker.test(SHARD, rows_of([("a", 1.0, 1.0)]))
    head = head_of(worker)
    set_state(worker, saved_state(worker) | {kept.HEAD: head._replace(**wrong).written()})
    with pytest.raises(ValueError, match=words):
        worker.test(SHARD, rows_of([("a", 2.0, 1.0)]))


def test_names_of_any_kind_come_back():
    for kind, names in ((pyarrow.int64(), [5, -1, None]), (pyarrow.date32(), []), (pyarrow.binary(), [b"", b"x"])):
        before = kept.Names(None, kind, 0)
        slots, new = before.take(names)
        assert slots.tolist() == new.tolist() == list(range(len(names)))
        again = kept.Names(before.written(), kind, before.slots)
        assert again.of(slots) == names
