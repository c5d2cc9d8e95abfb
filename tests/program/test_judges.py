import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.switch import DetectorSwitch
from streamforest.program.judges import ManyStreamsJudge, OneStreamJudge
from streamforest.protocols import POINT_DTYPE, STREAM_POINT_DTYPE
from streamforest.stream_names import StreamNames
from streamforest.streams import StreamDetectors
from streamforest.verdicts.history import History


def points(n, dtype=POINT_DTYPE):
    found = np.zeros(n, dtype)
    found["time"], found["label"] = 60.0 * np.arange(n), -1
    found["value"] = np.random.default_rng(1).normal(size=n)
    return found


def one(start=None):
    """A judge of one stream that can be switched between two z-scores."""

    def made(name):
        detector = ZScoreDetector()
        detector.name = name
        return detector

    def make_switch(recent):
        return DetectorSwitch(
            made("first"), ("first", "second"), made, recent, print, start=start or (lambda work: work())
        )

    return OneStreamJudge(make_switch)


def test_one_stream_gets_the_verdicts_of_its_detector_with_the_labels_of_its_points():
    labelled = points(200)
    labelled["label"][7] = 2
    (verdicts,) = one().judge(labelled)
    expected = ZScoreDetector().update_many(labelled["value"], labelled["time"])
    assert verdicts["label"].tolist() == labelled["label"].tolist()
    expected["label"] = labelled["label"]
    assert verdicts.tobytes() == expected.tobytes()
    (single,) = one().judge(points(1))
    assert single["label"].tolist() == [-1]


def test_a_detector_that_is_switched_to_knows_the_verdicts_that_are_recalled():
    judge, memory = one(), History(1000)
    assert (judge.name, judge.detectors, judge.keys, judge.drops_silent) == ("first", ("first", "second"), None, False)
    judge.recall(memory.newest)
    memory.write(judge.judge(points(300))[0])
    judge.switch_to_next()
    (verdicts,) = judge.judge(points(5))
    assert judge.name == "second"
    assert np.isfinite(verdicts["score"]).all(), "it is past its warm-up"
    judge.switch("first")
    judge.judge(points(1))
    assert judge.name == "first"
    assert judge.warm_up_points > 0
    assert [*judge.parts()] == ["detector"]
    assert judge.drop_silent() == ()


def test_without_a_memory_it_starts_from_nothing():
    judge = one()
    judge.judge(points(300))
    judge.switch("second")
    assert np.isnan(judge.judge(points(5))[0]["score"]).all()


def many(model, silence=None):
    keys = StreamNames()
    return ManyStreamsJudge(StreamDetectors(model, 0.01, silence=silence, threads=1), keys)


def test_many_streams_are_judged_each_by_itself(model):
    judge = many(model)
    mixed = points(600, STREAM_POINT_DTYPE)
    mixed["stream"] = np.array(judge.keys.numbers_of(["a", "b"]))[np.arange(600) % 2]
    (verdicts,) = judge.judge(mixed)
    alone = many(model).judge(mixed[::2])[0]
    assert verdicts[::2].tobytes() == alone.tobytes()
    assert verdicts["index"].tolist() == (np.arange(600) // 2).tolist()
    assert [*judge.parts()] == ["names", "streams"]
    assert not judge.drops_silent
    assert judge.detectors == (judge.name,)


def test_silent_streams_are_dropped_and_their_names_with_them(model):
    judge = many(model, silence=100.0)
    assert judge.drops_silent
    mixed = points(50, STREAM_POINT_DTYPE)
    a, b, c = judge.keys.numbers_of(["a", "b", "c"])
    mixed["stream"] = np.where(np.arange(50) < 10, a, np.where(np.arange(50) % 2, b, c))
    judge.judge(mixed)
    assert judge.drop_silent() == [a]
    assert (judge.keys.key_of(a), judge.keys.key_of(b)) == (None, "b")


def test_a_block_ends_before_a_stream_begins_anew(model):
    judge = many(model, silence=100.0)
    mixed = points(4, STREAM_POINT_DTYPE)
    mixed["time"] = [0.0, 1.0, 500.0, 501.0]
    mixed["stream"] = judge.keys.numbers_of(["a"])[0]
    assert [block["index"].tolist() for block in judge.judge(mixed)] == [[0, 1], [0, 1]]


def test_the_detector_of_many_streams_stays(model):
    judge = many(model)
    judge.recall(print)
    for change in (judge.switch_to_next, lambda: judge.switch("z-score")):
        with pytest.raises(ValueError, match="one detector, which stays"):
            change()


def test_what_is_expected_next_follows_the_newest_point_and_is_nothing_where_the_detector_does_not_say(model):
    assert len(one().ahead(5)) == 0
    detector = StreamDetector(model)
    judge = OneStreamJudge(lambda recent: DetectorSwitch(detector, (detector.name,), lambda _: detector, recent, print))
    judge.judge(points(300))
    rows = judge.ahead(5)
    assert rows["index"].tolist() == [300, 301, 302, 303, 304]
    assert rows["expected"].tolist() == detector.forecast(5).expected.tolist()
    assert np.isnan(rows["value"]).all()
    assert len(judge.ahead(0)) == 0
    with judge._lock:  # a block is being judged
        assert len(judge.ahead(5)) == 0
