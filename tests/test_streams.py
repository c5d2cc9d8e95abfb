import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamforest
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.judging.rules import Rules
from streamforest.models.model_file import save_model
from streamforest.state import packed
from streamforest.streams import CHUNK, FEW, StreamDetectors, judge_batch

RULES = Rules(direction="up", cool_down=2)


def readings(n_streams, n, seed=1):
    """A batch of readings of many streams, shuffled, with missing values and times."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, n_streams, n)
    values = rng.normal(size=n) + 10.0 * ids
    values[rng.random(n) < 0.01] += 50.0
    values[rng.random(n) < 0.02] = np.nan
    return ids, values, 1.7e9 + np.arange(n) * 60.0


def alone(model, ids, values, times, rate=0.01, rules=RULES):
    """What a detector a stream says of the same readings, in their order."""
    parts = {}
    for stream_id in dict.fromkeys(ids.tolist()):
        mine = ids == stream_id
        parts[stream_id] = StreamDetector(model, rate, rules).update_many(values[mine], times[mine])
    taken = dict.fromkeys(parts, 0)
    rows = []
    for stream_id in ids.tolist():
        rows.append(parts[stream_id][taken[stream_id]])
        taken[stream_id] += 1
    return np.array(rows)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.lists(st.integers(0, 4000), max_size=5), st.sampled_from([1, 2, 3]), st.integers(0, 9))
def test_many_streams_give_the_bits_of_one_detector_a_stream(model, n_streams, cuts, threads, seed):
    ids, values, times = readings(n_streams, 4000, seed)
    many = StreamDetectors(model, 0.01, RULES, threads=threads)
    cuts = sorted(cuts)
    parts = zip(*(np.split(column, cuts) for column in (ids, values, times)), strict=True)
    found = np.concatenate([many.update(*part) for part in parts])
    assert found.tobytes() == alone(model, ids, values, times).tobytes()
    assert len(many) == len(set(ids.tolist()))


def test_batches_above_and_below_the_threads_limit_give_the_same_bits(model):
    ids, values, times = readings(700, 4 * FEW)
    one, two = (StreamDetectors(model, 0.01, threads=threads) for threads in (1, 2))
    expected = one.update(ids, values, times)
    assert two.update(ids, values, times).tobytes() == expected.tobytes()
    assert len(two) > 2 * CHUNK, "several chunks of records"


def test_names_may_be_words(model):
    many = StreamDetectors(model)
    verdicts = many.update(["pump 1", "pump 2", "pump 1"], [21.5, 3.0, 21.6])
    assert verdicts["index"].tolist() == [0, 0, 1]
    assert np.isnan(verdicts["time"]).all()
    assert list(many) == ["pump 1", "pump 2"]
    assert "pump 1" in many
    assert "pump 3" not in many


def test_a_silence_of_whole_seconds_compiles_no_step_of_its_own(model):
    for silence in (100.0, 100):
        StreamDetectors(model, silence=silence).update(["pump"], [21.5])
    assert len(judge_batch.signatures) == 1


def test_a_silent_stream_is_dropped_and_new_when_it_comes_again(model):
    many = StreamDetectors(model, silence=100.0)
    many.update([1, 2, 3], [1.0, 2.0, 3.0], [0.0, 50.0, np.nan])
    many.update([2, 4], [2.0, 4.0], [100.0, 100.0])
    assert set(many) == {1, 2, 3, 4}, "just 100 seconds are no longer than 100"
    many.update([2, 4], [2.0, 4.0], [101.0, 101.0])
    assert set(many) == {2, 3, 4}, "without times nobody is silent"
    assert many.update([1, 2], [1.0, 2.0], [102.0, 102.0])["index"].tolist() == [0, 3]


def test_a_slot_that_is_used_again_remembers_nothing(model):
    values = np.random.default_rng(1).normal(size=300)
    many = StreamDetectors(model, most=1)
    many.update(np.zeros(300, int), values * 1000.0)
    many.drop(0)
    found = many.update(np.ones(300, int), values)
    assert found.tobytes() == StreamDetector(model).update_many(values).tobytes()
    with pytest.raises(KeyError):
        many.drop(0)


def test_a_stream_that_was_dropped_is_new_though_the_next_batch_names_the_same(model):
    detectors = StreamDetectors(model)
    names, values = np.array(["a", "b"] * 20), np.arange(40.0)
    first = detectors.update(names, values)
    detectors.drop("a")
    second = detectors.update(names, values)
    assert first[names == "a"].tobytes() == second[names == "a"].tobytes()
    assert second[names == "b"]["index"].tolist() == list(range(20, 40))


def test_a_batch_that_is_refused_teaches_nothing(model):
    many = StreamDetectors(model, most=2)
    many.update([1, 2], [1.0, 2.0])
    for ids, values, words in (
        ([1, 3], [1.0, 2.0], r"1 new streams with 2 there: no more than 2 are allowed \(most\)"),
        ([1, 2], [1.0, np.inf], "a value is infinite"),
        ([1, 2], [1.0], "must have one shape"),
    ):
        with pytest.raises(ValueError, match=words):
            many.update(ids, values)
    assert many.update([1, 2], [1.0, 2.0])["index"].tolist() == [1, 1]
    assert many.update([], []).shape == (0,)


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"most": 0}, "most is 0"), ({"threads": 0}, "threads is 0"), ({"silence": 0.0}, "silence is 0")],
)
def test_a_number_out_of_its_range_is_named(limits, words, model):
    with pytest.raises(ValueError, match=words):
        StreamDetectors(model, **limits)


def test_a_stream_goes_on_elsewhere_from_its_state(model):
    values = np.random.default_rng(2).normal(size=400)
    many, detector = StreamDetectors(model), StreamDetector(model)
    expected = detector.update_many(values)
    many.update(np.full(200, 7), values[:200])
    other = StreamDetectors(model)
    other.restore("seven", many.state(7))
    assert other.update(["seven"] * 200, values[200:]).tobytes() == expected[200:].tobytes()
    alone = StreamDetector(model)
    alone.restore(many.state(7))
    assert alone.update_many(values[200:]).tobytes() == expected[200:].tobytes()
    with pytest.raises(ValueError, match="saved state"):
        other.restore("eight", {})


def gone_on(detectors, state, others=()):
    """Other detectors with other streams, which go on from the state."""
    second = StreamDetectors(detectors.model, 0.01, RULES, silence=detectors.silence, clock=detectors.clock)
    second.update(others, np.zeros(len(others)))
    second.restore_all({name: array.copy() for name, array in state.items()})
    return second


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 600),
    st.lists(st.integers(0, 2000), min_size=1, max_size=6),
    st.sampled_from([None, 40.0, 5000.0]),
    st.booleans(),
    st.integers(0, 99),
)
def test_streams_that_go_on_from_a_state_give_the_same_bits_and_are_dropped_alike(
    model, n_streams, cuts, silence, has_times, seed
):
    ids, values, times = readings(n_streams, 2000, seed)
    rng = np.random.default_rng(seed)
    times = np.where(rng.random(2000) < 0.9, times, np.nan) if has_times else np.full(2000, np.nan)
    now = [1000.0]
    first = StreamDetectors(model, 0.01, RULES, silence=silence, clock=lambda: now[0])
    first.model, first.clock = model, lambda: now[0]
    cuts = sorted(cuts)
    stop = rng.integers(len(cuts) + 1)
    second = None
    for n, part in enumerate(zip(*(np.split(column, cuts) for column in (ids, values, times)), strict=True)):
        now[0] += float(rng.integers(30))
        expected = first.update(*part)
        if second is not None:
            assert second.update(*part).tobytes() == expected.tobytes()
            assert sorted(second.dropped) == sorted(first.dropped)
            assert list(second) == list(first)
        if n == stop:
            if len(first):
                first.drop(next(iter(first)))
            second = gone_on(first, first.state_of_all(), others=[1, 3, -5])
            assert list(second) == list(first)


def test_silence_by_the_clock_goes_on_from_a_state_without_the_time_in_between(model):
    first = [5000.0]
    many = StreamDetectors(model, silence=100.0, clock=lambda: first[0])
    many.update(["a"], [1.0])
    first[0] += 60.0
    state = many.state_of_all()
    now = [7.0]  # of another program
    other = StreamDetectors(model, silence=100.0, clock=lambda: now[0])
    other.restore_all(state)
    now[0] += 40.0
    assert other.drop_silent() == [], "just 100 seconds are no longer than 100"
    now[0] += 2.0
    assert other.drop_silent() == ["a"]


def test_names_of_streams_come_back_as_what_they_are(model):
    many = StreamDetectors(model)
    names = np.array(["pump 1", 7, 2.5, "\ud800", True], dtype=object)
    for name in names:
        many.update(np.array([name], dtype=object), [1.0])
    other = StreamDetectors(model)
    other.restore_all(many.state_of_all())
    assert list(other) == names.tolist()
    assert [type(name) for name in other] == [type(name) for name in names]
    for name in (None, ("a", 1), b"a"):
        odd = StreamDetectors(model)
        odd.restore(name, many.state(7))
        with pytest.raises(ValueError, match="neither a text nor a number"):
            odd.state_of_all()


def test_what_is_no_state_of_all_is_refused_and_changes_nothing(model):
    many = StreamDetectors(model, most=2)
    many.update(["a", "b"], [1.0, 2.0])
    state = many.state_of_all()
    for wrong, words in (
        ({}, "no names"),
        ({**state, "names": packed({"a": 1})}, "names is not of this version"),
        ({**state, "names": packed(["a", ["b"]])}, "names is not of this version"),
        ({**state, "names": packed(["a", "a"])}, "2 saved streams"),
        ({**state, "names": packed(["a", "b", "c"])}, r"3 saved streams, allowed are 2 \(most\)"),
        ({**state, "names": packed(["a"])}, r"no records of shape \(1,\)"),
        ({**state, "newest": np.zeros(3)}, "no newest of shape"),
        ({**state, "looks": np.zeros(3)}, "no looks of shape"),
    ):
        with pytest.raises(ValueError, match=words):
            many.restore_all(wrong)
    assert many.update(["b", "a"], [1.0, 2.0])["index"].tolist() == [1, 1]


def test_forecasts_of_a_stream_are_those_of_a_detector_of_its_own_and_change_nothing(model):
    ids, values, times = readings(3, 900)
    detectors = StreamDetectors(model, rules=Rules(alarms_a_day=2))
    detectors.update(ids, values, times)
    single = StreamDetector(model, rules=Rules(alarms_a_day=2))
    single.update_many(values[ids == 1], times[ids == 1])
    before = detectors.state(1)["records"].tobytes()
    ahead = detectors.forecast(1, 30)
    assert detectors.state(1)["records"].tobytes() == before == single.state()["records"].tobytes()
    np.testing.assert_array_equal(ahead, single.forecast(30))
    state = single.state()["records"]["features"][0]
    verdict = single.update(20.0, float(state["last_time"] + state["interval"]))
    assert (verdict.expected, verdict.lower, verdict.upper) == tuple(numbers[0] for numbers in ahead)
    with pytest.raises(KeyError):
        detectors.forecast("nobody", 1)


def test_a_stream_takes_less_than_32_kib(model):
    assert StreamDetectors(model).bytes_per_stream < 32_768


def test_it_loads_from_a_file_under_its_public_name(model, tmp_path):
    save_model(model, tmp_path / "forest.joblib")
    many = streamforest.StreamDetectors.load(tmp_path / "forest.joblib", 0.01, threads=1, silence=5.0)
    assert many.update([1], [2.0]).shape == (1,)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=4), st.integers(0, 9))
def test_a_stream_begins_anew_after_its_silence_wherever_batches_are_cut(model, cuts, seed):
    rng = np.random.default_rng(seed)
    ids, values = rng.integers(0, 3, 300), rng.normal(size=300)
    times = np.cumsum(rng.choice([1.0, 40.0, 120.0], 300, p=[0.8, 0.17, 0.03]))
    many = StreamDetectors(model, silence=100.0)
    parts = zip(*(np.split(column, sorted(cuts)) for column in (ids, values, times)), strict=True)
    found = np.concatenate([many.update(*part) for part in parts])
    for stream_id in range(3):
        mine = ids == stream_id
        pieces = np.split(np.flatnonzero(mine), np.flatnonzero(np.diff(times[mine]) > 100.0) + 1)
        expected = [StreamDetector(model).update_many(values[piece], times[piece]) for piece in pieces]
        assert found[mine].tobytes() == np.concatenate(expected).tobytes()


def test_silent_streams_are_dropped_at_a_call_of_its_own_too_however_readings_came(model):
    for cut in (1, 2, 3):
        many = StreamDetectors(model, silence=100.0)
        for part in (slice(0, cut), slice(cut, 4)):
            many.update(
                [1, 2, 1, 3][part], [1.0] * len([1, 2, 1, 3][part]), [0.0, 300.0, 310.0, 250.0][part], drops=False
            )
            assert many.dropped == []
        assert many.drop_silent() == []
        many.update([2, 4, 5], [1.0] * 3, [411.0] * 3, drops=False)
        assert set(many.drop_silent()) == {1, 3}
        assert set(many) == {2, 4, 5}


def test_the_clock_does_not_drop_what_has_times(model):
    now = [0.0]
    many = StreamDetectors(model, silence=100.0, clock=lambda: now[0])
    many.update([1, 2, 3], [1.0] * 3, [0.0, 100.0, 100.0])
    many.update([2, 3], [1.0] * 2, [100.5] * 2)
    now[0] = 1000.0
    assert many.drop_silent() == [], "a hundredth of the silence has not passed since the last look"
    many.update([2, 3], [1.0] * 2, [101.5] * 2)
    assert many.dropped == [1]


FAR = 95_617_497_600.0  # 4999-12-31


@pytest.mark.parametrize("liars", [1, 9])
def test_a_far_future_time_drops_nobody_and_dropping_goes_on(model, liars):
    many = StreamDetectors(model, silence=3600.0)
    for k in range(200):
        now = 1.7e9 + 60.0 * k
        many.update(range(20), np.zeros(20), np.full(20, now))
        if k == 50:
            many.update(range(liars), np.zeros(liars), np.full(liars, FAR))
    indices = many.update(range(20), np.zeros(20), np.full(20, now + 60.0))["index"]
    assert (indices[liars:] == 200).all(), "none of the others began anew"
    many.update([20], [0.0], [FAR])
    for k in range(80):
        many.update(range(1, 20), np.zeros(19), np.full(19, now + 60.0 * (k + 2)))
    assert 0 not in many, "a stream that fell silent"
    assert 20 not in many, "a stream that spoke once, of a time that never comes"
    assert len(many) == 19


def test_a_stream_alone_moves_no_time(model):
    many = StreamDetectors(model, silence=100.0)
    many.update(["a", "b", "c"], np.zeros(3), np.zeros(3))
    many.update(["a"] * 3000, np.zeros(3000), 1000.0 * np.arange(3000))
    assert set(many) == {"a", "b", "c"}
    many.update(["a", "d"], np.zeros(2), np.full(2, 3e6))
    assert set(many) == {"a", "d"}


def test_streams_without_times_are_dropped_by_the_clock(model):
    now = [0.0]
    many = StreamDetectors(model, silence=100.0, clock=lambda: now[0])
    many.update([1, 2], [1.0, 2.0])
    now[0] = 60.0
    many.update([2], [2.0])
    assert many.dropped == []
    now[0] = 102.0
    many.update([2], [2.0])
    assert (set(many), many.dropped) == ({2}, [1])
    assert many.update([2], [2.0])["index"].tolist() == [3]
    assert many.dropped == []
    now[0] = 300.0
    assert many.update([2], [2.0])["index"].tolist() == [0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda detectors: pickle.loads(pickle.dumps(detectors))])
@pytest.mark.parametrize("threads", [1, 2])
def test_copies_of_many_streams_are_streams_of_their_own(copied, threads, model):
    ids, values, times = readings(300, 4000)
    many = StreamDetectors(model, 0.01, RULES, threads=threads)
    many.update(ids[:2000], values[:2000], times[:2000])
    other = copied(many)
    other.update(ids[:500], np.full(500, 1e6), times[2000] + np.zeros(500))
    expected = copied(many).update(ids[2000:], values[2000:], times[2000:])
    assert many.update(ids[2000:], values[2000:], times[2000:]).tobytes() == expected.tobytes()


def test_a_batch_may_hold_what_programs_have(model):
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    found = StreamDetectors(model).update(["a", "a"], [Decimal("21.5"), None], [moment, np.datetime64("2024-05-02")])
    assert found["time"].tolist() == [1714521600.0, 1714608000.0]
    assert found["value"][0] == 21.5
    assert np.isnan(found["value"][1])
    with pytest.raises(ValueError, match="beyond the year 5000"):
        StreamDetectors(model).update(["a"], [1.0], [1.7e12])


@pytest.mark.parametrize("ids", [["a", 1], ["a", None], [1.0, np.nan], np.array(["a", None], dtype=object)])
def test_ids_that_are_missing_or_of_several_kinds_are_refused_in_one_line(ids, model):
    many = StreamDetectors(model)
    with pytest.raises(ValueError, match=r"\A[^\n]*stream ids? [^\n]*several kinds[^\n]*\Z"):
        many.update(ids, [1.0, 2.0])
    assert len(many) == 0


def test_ids_may_be_a_series_of_pandas_or_polars_or_an_arrow_array(model):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    words = ["a", "b", "a"]
    for kind in (pandas.Series, polars.Series, pyarrow.array, lambda ids: pandas.Series(ids, dtype="category")):
        many = StreamDetectors(model)
        assert many.update(kind(words), kind([1.0, 2.0, 3.0]))["index"].tolist() == [0, 0, 1]
        assert set(many) == {"a", "b"}
