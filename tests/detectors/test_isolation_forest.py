import copy
import decimal
import math
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import streamforest
from benchmarks.seasons import FIRST_DAY, HOLIDAY, simulate
from streamforest.detectors.isolation_forest import RECORD_DTYPE, StreamDetector, judge_stream, new_records
from streamforest.features import observe as features
from streamforest.features.holidays import HOLIDAY_DTYPE, SUNDAY
from streamforest.features.vector import STRANGENESS, VECTOR_NAMES, describe_stream
from streamforest.judging.rules import NO_RULES
from streamforest.models.forest import ModelError
from streamforest.models.model_file import save_model
from streamforest.protocols import LABELS, VERDICT_DTYPE, verdict_from_row
from streamforest.simulation.streams import SHORT_KINDS, SimulatedStream, random_profile
from streamforest.streams import StreamDetectors
from tests.naive import NaiveEvidence
from tests.streams import observe

STREAMS = 20
POINTS = 1500


def difficult_stream(seed, points=POINTS):
    """Values and times of a random stream: anomalies, missing readings, and a clock in every state."""
    rng = np.random.default_rng([seed, 99])
    values = SimulatedStream(random_profile(rng), seed, 0.05).take(points)[0]
    values[rng.random(points) < 0.01] = np.nan
    times = 1.7e9 + 60.0 * np.cumsum(1.0 + (rng.random(points) < 0.01) * rng.integers(1, 200, points))
    if seed % 4 == 1:
        times += rng.normal(size=points).cumsum().clip(0, 20)
    if seed % 4 == 2:
        times[rng.random(points) < 0.3] = np.nan
    return values, (None if seed % 4 == 3 else times)


def in_pieces(detector, values, times, cuts):
    parts = [slice(a, b) for a, b in zip([0, *cuts], [*cuts, values.size], strict=True)]
    return np.concatenate([detector.update_many(values[p], None if times is None else times[p]) for p in parts])


# The same bits however the stream is taken


def test_holidays_are_the_same_in_all_ways_and_only_on_and_behind_one_do_they_change_a_bit(model):
    weeks = simulate(15, 0.1, "Europe/Berlin", 3)
    values, times = weeks.values(), weeks.times
    here = np.flatnonzero(weeks.days == (HOLIDAY - FIRST_DAY).days)
    first = int(here[0])
    holidays = np.array([(times[first], times[here[-1] + 1], SUNDAY - HOLIDAY.weekday())], HOLIDAY_DTYPE)
    whole = StreamDetector(model, holidays=holidays).update_many(values, times)
    single, many = StreamDetector(model, holidays=holidays), StreamDetectors(model, holidays=holidays)
    one_by_one = [single.update_many(values[i : i + 1], times[i : i + 1]) for i in range(times.size)]
    assert np.concatenate(one_by_one).tobytes() == whole.tobytes()
    assert many.update(["a"] * times.size, values, times).tobytes() == whole.tobytes()
    broken_off, going_on = (StreamDetector(model, holidays=holidays) for _ in range(2))
    cut = first + 40
    broken_off.update_many(values[:cut], times[:cut])
    going_on.restore(broken_off.state())
    assert going_on.update_many(values[cut:], times[cut:]).tobytes() == whole[cut:].tobytes()
    without = StreamDetector(model).update_many(values, times)
    assert without[:first].tobytes() == whole[:first].tobytes()
    assert without["is_anomaly"][here].any()
    assert not whole["is_anomaly"][here].any()


@pytest.mark.parametrize("seed", range(STREAMS))
def test_one_by_one_in_one_go_and_in_pieces_give_the_same_bits(seed, model):
    values, times = difficult_stream(seed)
    one, whole, pieces, mixed = (StreamDetector(model, 0.01) for _ in range(4))
    expected = whole.update_many(values, times)
    cuts = np.sort(np.random.default_rng(seed).integers(0, POINTS + 1, 25)).tolist()
    assert in_pieces(pieces, values, times, cuts).tobytes() == expected.tobytes()
    clock = [None] * POINTS if times is None else [None if t != t else t for t in times.tolist()]
    verdicts = [one.update(value, time) for value, time in zip(values.tolist(), clock, strict=True)]
    assert verdicts == [verdict_from_row(row) for row in expected.tolist()]
    for i in range(700):
        mixed.update(values[i], clock[i])
    rest = mixed.update_many(values[700:], None if times is None else times[700:])
    assert rest.tobytes() == expected[700:].tobytes()
    assert (
        one.state()["records"].tobytes()
        == pieces.state()["records"].tobytes()
        == whole.state()["records"].tobytes()
        == mixed.state()["records"].tobytes()
    )
    assert expected["is_anomaly"].any()


def test_the_order_in_which_streams_are_interleaved_changes_nothing(model):
    taken = [difficult_stream(seed, 600) for seed in range(STREAMS)]
    detectors = [StreamDetector(model, 0.01) for _ in range(STREAMS)]
    expected = [detector.update_many(*stream) for detector, stream in zip(detectors, taken, strict=True)]
    parts = detectors[0].judge
    for order in range(3):
        rng = np.random.default_rng(order)
        records, at = new_records(STREAMS), np.zeros(STREAMS, dtype=int)
        found = [np.empty(600, dtype=VERDICT_DTYPE) for _ in range(STREAMS)]
        while (open_streams := np.flatnonzero(at < 600)).size:
            which = int(rng.choice(open_streams))
            piece = slice(at[which], at[which] + int(rng.integers(1, 60)))
            values, times = taken[which]
            clock = np.full(600, np.nan) if times is None else times
            judge_stream(records, which, values[piece], clock[piece], parts, found[which][piece])
            at[which] = piece.stop
        for one, other in zip(found, expected, strict=True):
            assert one.tobytes() == other.tobytes()


def test_verdicts_do_not_depend_on_what_comes_later(model):
    values, times = difficult_stream(4)
    changed = values.copy()
    changed[800:] = 1e9
    one, other = (StreamDetector(model, 0.01).update_many(v, times)[:800] for v in (values, changed))
    assert one.tobytes() == other.tobytes()


# What a verdict says


def test_a_point_comes_back_with_its_index_time_and_value_and_no_label(model):
    values, times = difficult_stream(0)
    verdicts = StreamDetector(model).update_many(values, times)
    np.testing.assert_array_equal(verdicts["index"], np.arange(POINTS))
    np.testing.assert_array_equal(verdicts["value"], values)
    np.testing.assert_array_equal(verdicts["time"], times)
    assert (verdicts["label"] == -1).all()


def test_the_first_score_comes_after_the_warm_up_and_before_30_points(model):
    detector = StreamDetector(model)
    verdicts = [detector.update(value) for value in np.random.default_rng(1).normal(size=40)]
    known = [verdict.score is not None for verdict in verdicts]
    assert known == [False] * detector.warm_up_points + [True] * (40 - detector.warm_up_points)
    assert detector.warm_up_points < 30
    first = verdicts[0]
    assert (first.threshold, first.p_value, first.expected, first.lower, first.upper) == (None,) * 5
    assert (first.is_anomaly, first.episode, first.reason) == (False, None, "")


def assert_sound(verdicts, rate):
    known = verdicts[~np.isnan(verdicts["score"])]
    for name in ("score", "threshold", "p_value"):
        assert ((known[name] >= 0.0) & (known[name] <= 1.0)).all(), name
    for name in ("expected", "lower", "upper"):
        assert np.isfinite(known[name]).all(), name
    assert (known["lower"] <= known["expected"]).all()
    assert (known["expected"] <= known["upper"]).all()
    np.testing.assert_array_equal(known["is_anomaly"], known["score"] > known["threshold"])
    np.testing.assert_array_equal(known["is_anomaly"], known["p_value"] < rate)
    np.testing.assert_array_equal(known["is_anomaly"], known["reason"] > 0)
    np.testing.assert_array_equal(known["is_anomaly"], known["episode"] > 0)


@pytest.fixture(scope="module")
def detectors(model):
    return {rate: StreamDetector(model, rate) for rate in RATES}


RATES = (1e-6, 0.001, 0.01, 0.2)
READINGS = st.one_of(
    st.floats(allow_infinity=False),
    st.floats(-100.0, 100.0),
    st.sampled_from([0.0, 1.0, -0.0, 1.7e308, -1.7e308, 5e-324, 1e-300, math.nan]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(READINGS, min_size=25, max_size=150), st.integers(1, 30), st.sampled_from(RATES))
@example([1.7e308, -1.7e308] * 40, 10, 0.01)
@example([1e-300, -1e-300] * 40, 10, 0.01)
@example([0.0, 1.0] * 40, 20, 0.01)
@example([5.0] * 60, 50, 0.01)
@example([0.0] * 30 + [5e-324] * 30, 5, 0.2)
@example([1.0, 2.0] * 20 + [math.nan] * 60, 20, 0.01)
def test_verdicts_on_any_stream_are_sound(detectors, readings, repeats, rate):
    detector = detectors[rate]
    detector.restore({"records": new_records()})
    assert_sound(detector.update_many(np.repeat(readings, repeats)), rate)
    assert_sound(detector.update_many(np.random.default_rng(1).normal(size=100)), rate)


@pytest.mark.parametrize("rate", [1e-6, 0.001, 0.05, 0.2])
def test_verdicts_on_simulated_streams_are_sound(model, rate):
    for seed in range(10):
        assert_sound(StreamDetector(model, rate).update_many(*difficult_stream(seed)), rate)


def test_the_band_holds_the_values_that_the_rate_says(model, profiles):
    for name in ("plain", "seasonal", "heavy-tailed"):
        values = SimulatedStream(profiles[name], 1).take(50_000)[0]
        verdicts = StreamDetector(model, 0.01).update_many(values)[5000:]
        outside = (verdicts["value"] < verdicts["lower"]) | (verdicts["value"] > verdicts["upper"])
        assert 0.005 < np.mean(outside) < 0.02, name


def test_anomalies_close_together_share_an_episode_and_those_apart_have_their_own(model):
    values = np.random.default_rng(2).normal(size=2000)
    for at in (1000, 1002, 1500):
        values[at] += 60.0
    verdicts = StreamDetector(model, 0.001).update_many(values)
    a, b, c = verdicts["episode"][[1000, 1002, 1500]].tolist()
    assert a == b > 0
    assert c > b
    numbers = verdicts["episode"][verdicts["is_anomaly"]]
    assert set(np.diff(numbers).tolist()) <= {0, 1}
    assert numbers[0] == 1


@pytest.mark.parametrize(
    "kind",
    [
        "spike",
        "dip",
        "flat line",
        "missing",
    ],
)
def test_planted_anomalies_of_the_simple_kinds_are_found(kind, model, profiles):
    hits = []
    for seed in range(20):
        probability = 0.002 if kind in SHORT_KINDS else 0.0001
        values, labels = SimulatedStream(profiles["seasonal"], seed, probability, (kind,)).take(8000)
        flags = StreamDetector(model, 0.001).update_many(values)["is_anomaly"]
        starts = np.flatnonzero(np.diff(labels == LABELS.index(kind), prepend=False) & (labels > 0))
        hits += [flags[start : start + 25].any() for start in starts if start > 1500]
    assert np.mean(hits) > 0.6


# The alarm rate on points without anomalies

CALM = ("plain", "seasonal", "drifting", "heavy-tailed", "counts")


@pytest.mark.parametrize("rate", [0.01, 0.001])
@pytest.mark.parametrize("name", CALM)
def test_over_200_000_normal_points_the_alarm_rate_is_the_one_asked_for(name, rate, model, profiles):
    values = SimulatedStream(profiles[name], 1).take(200_000)[0]
    verdicts = StreamDetector(model, rate).update_many(values)[features.WARM_UP :]
    assert 0.5 <= verdicts["is_anomaly"].mean() / rate <= 2.0


@pytest.mark.parametrize("rate", [0.01, 0.001])
@pytest.mark.parametrize("name", CALM)
def test_over_the_first_1_000_normal_points_of_200_streams_it_is_at_most_three_times_that(name, rate, model, profiles):
    parts, records, clock = StreamDetector(model, rate).judge, new_records(200), np.full(1000, np.nan)
    verdicts, alarms = np.empty(1000, dtype=VERDICT_DTYPE), 0
    for seed in range(200):
        values = SimulatedStream(profiles[name], 1000 + seed).take(1000)[0]
        judge_stream(records, seed, values, clock, parts, verdicts)
        alarms += np.count_nonzero(verdicts["is_anomaly"])
    assert alarms / (200 * (1000 - features.WARM_UP)) <= 3.0 * rate


@pytest.mark.parametrize(
    "name", ["seasonal", "short season", "heavy-tailed", "autocorrelated", "counts", "rare counts"]
)
def test_over_the_first_50_000_points_of_a_stream_it_is_between_half_and_twice_that(name, model, profiles):
    values = SimulatedStream(profiles[name], 2).take(50_000)[0]
    verdicts = StreamDetector(model, 0.01).update_many(values)[features.WARM_UP :]
    assert 0.5 <= verdicts["is_anomaly"].mean() / 0.01 <= 2.0


# What an anomaly leaves behind


def spread_of(profile):
    """Standard deviation of a profile's noise."""
    return profile.level**0.5 if profile.noise == "counts" else profile.noise_scale


def judged(model, profile, seed, places, height, rate=0.001, rules=NO_RULES):
    """Verdicts from the 2,000th point on, where the values at some places are lifted by so many standard deviations."""
    values = SimulatedStream(profile, seed).take(3500)[0]
    values[2000:][places] += height * spread_of(profile)
    return StreamDetector(model, rate, rules).update_many(values)[2000:]


@pytest.mark.parametrize("apart", [1, 5, 20, 50, 200])
@pytest.mark.parametrize(
    ("name", "least"),
    [("plain", 0.85), ("seasonal", 0.7), ("autocorrelated", 0.85), ("counts", 0.85), ("heavy-tailed", 0.6)],
)
def test_a_second_spike_soon_after_the_first_is_found_too(name, least, apart, model, profiles):
    two = [judged(model, profiles[name], seed, [0, apart], 15.0)["is_anomaly"] for seed in range(20)]
    first, second = np.mean([[flags[0], flags[apart]] for flags in two], axis=0)
    assert first >= 0.95
    assert second >= least


@pytest.mark.parametrize("rate", [0.01, 0.001])
def test_after_a_level_shift_the_new_level_is_normal_within_200_points(rate, model, profiles):
    """Its start is flagged; it is one event; from the 150th point on as few are flagged as was asked."""
    starts, settled, episodes = [], [], []
    for name, profile in profiles.items():
        taken = [judged(model, profile, seed, slice(None), 12.0, rate) for seed in range(5)]
        starts += [verdicts["is_anomaly"][:3].any() for verdicts in taken]
        settled += [verdicts["is_anomaly"][150:200].mean() for verdicts in taken]
        episodes += [np.unique(verdicts["episode"][:200]).size - 1 for verdicts in taken]
        assert np.mean([verdicts["is_anomaly"][200:].mean() for verdicts in taken]) <= 3.0 * rate, name
    assert all(starts)
    assert np.mean(settled) <= 4.0 * rate
    assert np.mean(episodes) <= 1.1 + 100 * rate  # in 200 points some begin by chance


# Scale


@pytest.mark.parametrize("power", [-100, 3, 100])
def test_another_unit_changes_no_score(power, model):
    values, times = difficult_stream(5)
    one, other = (StreamDetector(model, 0.01).update_many(v, times) for v in (values, values * 2.0**power))
    for name in ("score", "threshold", "p_value", "is_anomaly", "episode", "reason"):
        np.testing.assert_array_equal(one[name], other[name])
    np.testing.assert_array_equal(one["expected"] * 2.0**power, other["expected"])


def hair(values):
    values[1500] = np.nextafter(5.0, 6.0)


def hairs(values):
    values[1500:] += 1e-9 * np.random.default_rng(1).normal(size=values.size - 1500)


def step(values):
    values[1500:] = np.nextafter(5.0, 6.0)


@pytest.mark.parametrize("level", [5.0, -5.0, 5e9])
@pytest.mark.parametrize("move", [hair, hairs, step])
def test_a_hairs_move_of_a_constant_stream_is_no_anomaly(move, level, model):
    values = np.full(2500, 5.0)
    move(values)
    verdicts = StreamDetector(model, 0.001).update_many(values * level / 5.0)[1400:]
    assert not verdicts["is_anomaly"].any()
    assert verdicts["score"].max() < 0.3


def test_a_constant_stream_that_moves_for_good_is_an_anomaly(model):
    values = np.full(2500, 5.0)
    values[1500] = 6.0
    verdicts = StreamDetector(model, 0.001).update_many(values)
    assert verdicts["is_anomaly"][1500]
    assert verdicts["score"][1500] > 2.0 * verdicts["score"][1499]


# Memory


def test_memory_does_not_grow_with_the_stream(model):
    detector = StreamDetector(model)
    values = np.random.default_rng(1).normal(size=5000)
    detector.update_many(values)
    detector.update(0.0)  # what it compiles or loads is no growth
    size = detector.state()["records"].nbytes
    tracemalloc.start()
    for _ in range(20):
        detector.update_many(values)
    for value in values[:2000].tolist():
        detector.update(value)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert detector.state()["records"].nbytes == size == RECORD_DTYPE.itemsize <= 24_576
    assert held < 100_000


def test_detectors_of_one_model_are_apart(model):
    one, other = StreamDetector(model), StreamDetector(model)
    one.update_many(np.random.default_rng(1).normal(size=500))
    assert other.state()["records"].tobytes() == new_records().tobytes()
    assert other.update(1.0).index == 0


def test_verdicts_handed_out_are_not_changed_afterwards(model):
    detector = StreamDetector(model)
    first = detector.update_many(np.arange(50.0))
    kept = first.copy()
    detector.update_many(np.arange(50.0))
    detector.update(3.0)
    assert first.tobytes() == kept.tobytes()


# The vector and the score


def observed(values, times):
    """Surprises, novelties and outlooks of a stream's points, and which of them are known."""
    *parts, _ = observe(values, times)
    return (*parts, ~np.isnan(parts[0]).any(axis=1))


@pytest.mark.parametrize("seed", range(4))
def test_what_the_forest_is_fitted_on_is_what_it_is_asked(seed, model):
    values, times = difficult_stream(seed)
    vectors = np.empty((POINTS, len(VECTOR_NAMES)), dtype=np.float32)
    clock = np.full(POINTS, np.nan) if times is None else times
    describe_stream(features.new_state(), values, clock, vectors)
    surprises, _, outlooks, known = observed(values, times)
    np.testing.assert_array_equal(known, ~np.isnan(vectors).any(axis=1))
    np.testing.assert_array_equal(known, ~np.isnan(StreamDetector(model).update_many(values, times)["score"]))
    np.testing.assert_allclose(vectors[known, : features.N_FEATURES], np.log1p(surprises[known] / 3.0), rtol=1e-6)
    np.testing.assert_allclose(vectors[known, STRANGENESS], outlooks[known, features.STRANGENESS], rtol=1e-6)


def surprise_of(scores, table):
    """What a calibration says of scores, in plain numpy: on a line beyond its last knot."""
    (x0, y0), (x1, y1) = table[-2:]
    beyond = y1 + (scores - x1) * (y1 - y0) / (x1 - x0)
    return np.where(scores > x1, beyond, np.interp(scores, *table.T))


@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_weighed_from_scikit_learns_the_shape_the_stillness_and_the_novelty(seed, model):
    values, times = difficult_stream(seed)
    _, novelties, outlooks, known = observed(values, times)
    vectors = np.empty((POINTS, len(VECTOR_NAMES)), dtype=np.float32)
    describe_stream(features.new_state(), values, np.full(POINTS, np.nan) if times is None else times, vectors)
    vectors = vectors[known]
    isolations = surprise_of(-model.fitted.score_samples(vectors), model.forest_calibration)
    # carried on by the highest surprise, where a forest sees no farther
    highest = vectors[:, VECTOR_NAMES.index("highest")].astype(float)
    isolations = (isolations + 3.0) * np.exp(0.75 * np.maximum(highest - 1.2, 0.0)) - 3.0
    stillnesses = vectors[:, [features.GAP, features.REPEAT]].max(axis=1).astype(float)
    twin = NaiveEvidence()
    each = zip(isolations, outlooks[known, features.STRANGENESS], stillnesses, novelties[known], strict=True)
    expected = [twin.weigh(a, b, c, d.tolist()) for a, b, c, d in each]
    np.testing.assert_allclose(StreamDetector(model).update_many(values, times)["score"][known], expected, rtol=1e-9)


# The way in


def test_it_loads_from_a_file_under_its_public_name(model, tmp_path):
    save_model(model, tmp_path / "forest.joblib")
    detector = streamforest.StreamDetector.load(str(tmp_path / "forest.joblib"), alarm_rate=0.01)
    values, times = difficult_stream(1)
    expected = StreamDetector(model, 0.01).update_many(values, times)
    assert detector.update_many(values, times).tobytes() == expected.tobytes()
    with pytest.raises(ModelError, match="there is no model at"):
        StreamDetector.load(tmp_path / "gone.joblib")


def test_a_model_of_other_features_is_refused(model):
    with pytest.raises(ModelError, match="other features"):
        StreamDetector(model._replace(feature_names=("a", "b")))


@pytest.mark.parametrize("rate", [0.0, -1.0, 0.21, 1.0, math.nan])
def test_an_alarm_rate_out_of_its_range_is_named(rate, model):
    with pytest.raises(ValueError, match=rf"alarm_rate is {rate}, allowed is 0.000001 to 0.2"):
        StreamDetector(model, rate)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_value_is_refused_and_not_learned(value, model):
    detector = StreamDetector(model)
    detector.update_many(np.arange(40.0))
    before = detector.state()["records"].tobytes()
    with pytest.raises(ValueError, match=rf"value is {value}"):
        detector.update(value)
    with pytest.raises(ValueError, match="infinite"):
        detector.update_many(np.array([1.0, value]))
    assert detector.state()["records"].tobytes() == before


def test_shapes_that_do_not_fit_are_named_and_none_at_all_is_fine(model):
    detector = StreamDetector(model)
    with pytest.raises(ValueError, match=r"values \(3,\) and times \(2,\)"):
        detector.update_many(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match=r"values have the shape \(2, 2\)"):
        detector.update_many(np.zeros((2, 2)))
    assert detector.update_many(np.empty(0)).shape == (0,)
    assert detector.update_many([1, 2, 3])["index"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda detector: pickle.loads(pickle.dumps(detector))])
def test_a_copy_is_a_stream_of_its_own(copied, model):
    values = difficult_stream(3)[0]
    detector = StreamDetector(model)
    detector.update_many(values[:500])
    other = copied(detector)
    for value in values[500:520]:
        other.update(1e6)
        expected = copied(detector).update_many(np.array([value]))[0]
        assert repr(detector.update(float(value))) == repr(verdict_from_row(expected.item()))


def test_what_programs_have_is_judged_as_the_numbers_that_it_stands_for(model):
    moments = np.array(["2024-05-01T00:00", "2024-05-01T00:01"], dtype="datetime64[ns]")
    values = np.ma.masked_array([21.5, -9999.0], mask=[False, True])
    found = StreamDetector(model).update_many(values, moments)
    expected = StreamDetector(model).update_many(np.array([21.5, np.nan]), np.array([1714521600.0, 1714521660.0]))
    assert found.tobytes() == expected.tobytes()
    assert StreamDetector(model).update_many(values[1:], moments[:1])["time"] == 1714521600.0
    assert StreamDetector(model).update(decimal.Decimal("21.5"), moments[0])[:3] == (0, 1714521600.0, 21.5)
    assert StreamDetector(model).update(None).value is None
    for wrong in ({"time": 1.7e12}, {"time": "soon"}, {"value": "x"}, {"value": [1.0]}):
        with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
            StreamDetector(model).update(**({"value": 1.0} | wrong))
    with pytest.raises(ValueError, match="values have the shape"):
        StreamDetector(model).update_many([[1.0]])


# As it is seen


def square_wave(noise, seed, days=14):
    """288 points a day, of which 108 are at 80 and the rest at 20; noise is a share of the value."""
    rng = np.random.default_rng(seed)
    one = np.where((np.arange(288) >= 100) & (np.arange(288) < 208), 80.0, 20.0)
    values = np.tile(one, days)
    return values * (1.0 + noise * rng.uniform(-1.0, 1.0, values.size))


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_a_square_wave_is_foretold_with_its_edges_and_a_spike_on_its_floor_is_found(noise, model):
    values = square_wave(noise, 3)
    values[288 * 11 + 40] += 20.0
    verdicts = StreamDetector(model).update_many(values)
    last = verdicts[288 * 9 :]
    assert np.flatnonzero(last["is_anomaly"]).tolist() == [288 * 2 + 40]
    usual = np.delete(last, 288 * 2 + 40)
    assert np.abs(usual["value"] - usual["expected"]).max() < 12.0
    assert np.median(usual["upper"] - usual["lower"]) < 20.0


@pytest.mark.parametrize("seed", range(3))
def test_what_nobody_could_see_beside_the_rest_is_not_marked(seed, model):
    """Idle at 0.1 with bursts to 90, and now and then a move to 1.0, which is ten times the idle value."""
    rng = np.random.default_rng(seed)
    values = 0.1 + 0.01 * rng.normal(size=4000)
    for start in range(300, 4000, 150):
        values[start : start + 6] = rng.uniform(70.0, 95.0, 6)
    moves = np.arange(2100, 4000, 150)
    values[moves] = 1.0
    marked = StreamDetector(model).update_many(values)["is_anomaly"]
    assert not marked[moves].any()
