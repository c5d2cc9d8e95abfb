import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamforest.compiled import compiled
from streamforest.features import season
from streamforest.features.observe import new_state
from streamforest.simulation.streams import Season, StreamProfile
from tests.naive import lag_distances, likeness_distance
from tests.streams import observe, sine, stream

LONGEST = season.LONGEST_SEASON
CLIP = 3.0
f4 = np.float32


@compiled
def _learn_all(states, values, are_outliers, level, reach, distances, changes):
    state = states[0]
    for i in range(values.size):
        season.hold_against_past(state, values[i], are_outliers[i], 1.0, 3.0, distances[i])
        changes[i] = season.learn_season(state, values[i], level, reach, reach)


def learn(values, state=None, level=0.0, reach=1e6, outliers=()):
    """Distances of the short and the long shape, a row a value; where the season changed; the states."""
    if state is None:
        state = new_state()
        season.begin_season(state[0])
    values = np.asarray(values, dtype=float)
    distances, changes = np.empty((values.size, 2)), np.empty(values.size, dtype=bool)
    are_outliers = np.zeros(values.size, dtype=bool)
    are_outliers[list(outliers)] = True
    _learn_all(state, values, are_outliers, level, reach, distances, changes)
    return distances, changes, state


def noise(points, seed=1):
    return np.random.default_rng(seed).normal(size=points)


# What is kept


@pytest.mark.parametrize("points", [1, 7, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 1800])
def test_the_last_values_are_kept_in_a_ring(points):
    values = noise(points)
    state = learn(values)[2][0]
    kept = np.arange(max(points - LONGEST, 0), points)
    assert state["count"] == points
    np.testing.assert_array_equal(state["ring"][kept % LONGEST], values[kept].astype(f4))


@pytest.mark.parametrize("points", [100, LONGEST, 1800])
def test_an_outlier_is_no_usual_point_until_it_is_the_level(points):
    values = noise(points)
    outliers = [points - 60, points - 3, points - 2]
    state = learn(values, outliers=outliers)[2][0]
    expected = values[-60:].astype(f4)
    expected[[0, -3, -2]] = np.nan
    found = [season.usual_point(state, back) for back in range(60, 0, -1)]
    np.testing.assert_array_equal(found, expected)
    state["count"] -= 1  # the newest is the present one
    season.keep_points(state, 3, float(values[-3]), abs(values[-1] - values[-3]) / 2.0)
    state["count"] += 1
    assert season.usual_point(state, 3) == f4(values[-3])
    assert season.usual_point(state, 1) == f4(values[-3]), "far from the level: it was held to a bound"
    assert np.isnan(season.usual_point(state, 60))


def test_the_mark_of_an_outlier_goes_with_its_value():
    state = learn(noise(LONGEST + 20), outliers=[10, 30])[2][0]
    assert np.flatnonzero(state["outliers"]).tolist() == [30]


def test_memory_is_of_fixed_size():
    assert np.dtype(season.FIELDS).itemsize < 16_000
    assert learn(noise(5000))[2].nbytes == new_state().nbytes


@given(st.lists(st.floats(0.0, width=32), max_size=50))
@settings(deadline=None)
def test_the_least_of_values_is_the_least(values):
    assert season.least(np.array(values, dtype=f4)) == min(values, default=math.inf)


@pytest.mark.parametrize("size", range(1, 26))
def test_the_least_is_found_at_every_place(size):
    for place in range(size):
        values = np.full(size, 5.0, dtype=f4)
        values[place] = 1e-30
        assert season.least(values) == f4(1e-30)


# The distance from the nearest likeness


@pytest.mark.parametrize("points", [2, 17, 100, LONGEST, LONGEST + 1, LONGEST + 5, LONGEST + 40, 1500, 3000])
def test_the_distance_equals_the_naive_one_at_every_lag(points):
    values = 3.0 * noise(points)
    shapes = learn(values)[2][0]["shapes"]
    kept = min(points - 1, LONGEST)
    for k, length in enumerate((3, 16)):
        naive = lag_distances(list(values.astype(f4)), length)[:kept]
        np.testing.assert_allclose(shapes[k][::-1][:kept], naive, rtol=1e-5, atol=1e-9)
        assert not shapes[k][::-1][kept:].any()


def test_the_distance_is_that_of_the_nearest_likeness_point_by_point():
    """From the first value that has one to beyond the longest lag: no lag counts before a whole shape of points."""
    values = 3.0 * noise(700, 2)
    distances = learn(values)[0]
    history = list(values.astype(f4))
    for i in [*range(60), *range(LONGEST - 5, LONGEST + 40), 699]:
        for k, length in enumerate((3, 16)):
            naive = likeness_distance(history[: i + 1], length)
            np.testing.assert_allclose(distances[i, k], naive, rtol=1e-5, err_msg=f"value {i}")


def test_there_is_no_likeness_before_the_shortest_lag_and_a_whole_shape():
    distances = learn(noise(100))[0]
    assert np.isnan(distances).argmin(axis=0).tolist() == [season.SHORTEST_LAG + 3, season.SHORTEST_LAG + 16]
    assert np.isfinite(distances[season.SHORTEST_LAG + 16 :]).all()


def test_a_value_is_held_against_the_past_before_it_is_part_of_it():
    values = np.r_[np.zeros(300), 9.0, np.zeros(300), 9.0, np.zeros(20)]
    distances = learn(values)[0][:, 0]
    assert distances[300] > 3.0
    assert distances[601] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("lag", [20, 100, LONGEST])
def test_a_shape_seen_before_is_not_strange_one_never_seen_is(lag):
    values = 0.1 * noise(1200)
    shape = np.array([3.0, -2.0, 5.0, 5.0, -4.0, 1.0, 2.0, -3.0])
    ends = slice(1000 + shape.size - 3, 1000 + shape.size)
    values[1000 : 1000 + shape.size] += shape
    never = learn(values)[0][ends, 0]
    values[1000 - lag : 1000 - lag + shape.size] += shape
    before = learn(values)[0][ends, 0]
    assert never.min() > 1.5
    assert before.max() < 0.4
    values[1000 : 1000 + shape.size] -= 2.0 * shape
    assert learn(values)[0][ends, 0].min() > 1.5, "the same upside down is another"


def test_a_shape_is_no_likeness_of_its_own():
    """A lasting move would be like itself a point ago."""
    values = 0.1 * noise(1000)
    values[900:] += 5.0
    distances = learn(values)[0]
    assert distances[901 : 900 + season.SHORTEST_LAG, 0].min() > 1.0
    assert distances[940:, 0].max() < 0.5, "until it has gone on for long enough"


@pytest.mark.parametrize("power", [-20, 3, 20])
def test_another_unit_changes_nothing_but_the_unit(power):
    values, unit = sine(40, 2500)[1], 2.0**power
    one, other = learn(values)[2], new_state()
    season.begin_season(other[0])
    distances = np.empty(2)
    for value in values:
        season.hold_against_past(other[0], value * unit, False, unit, CLIP * unit, distances)
        season.learn_season(other[0], value * unit, 0.0, 1e6 * unit, 1e6 * unit)
    for name in ("ring", "lags", "cycle"):
        np.testing.assert_array_equal(one[0][name] * f4(unit), other[0][name])
    np.testing.assert_array_equal(one[0]["shapes"] * f4(unit) ** 2, other[0]["shapes"])
    assert one[0]["season"] == other[0]["season"] > 0


# The season


def test_the_difference_at_a_lag_is_its_mean_held_to_the_clip():
    values = 2.0 * noise(1200)
    state = learn(values)[2][0]
    history = values.astype(f4).astype(float)
    for lag in (1, 4, 100, LONGEST):
        mean = np.minimum(abs(history[lag:] - history[:-lag]), CLIP).mean()
        assert state["lags"][LONGEST - lag] == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("points", [400, 1200, 3000])
def test_the_difference_at_a_lag_is_learned_from_usual_points_alone(points):
    """Before, while and after the lags are full; a pair that holds an outlier leaves the mean as it is."""
    values, outliers = 2.0 * noise(points), np.random.default_rng(2).random(points) < 0.1
    state = learn(values, outliers=np.flatnonzero(outliers))[2][0]
    history = values.astype(f4)
    for lag in (1, 5, 100, 300, LONGEST):
        mean = f4(0.0)
        for i in range(lag, points):
            if not outliers[i] and not outliers[i - lag]:
                gain = f4(1.0) / f4(min(i - lag + 1, season.LAG_MEMORY))
                mean += gain * (min(abs(history[i - lag] - history[i]), f4(CLIP)) - mean)
        assert state["lags"][LONGEST - lag] == mean, lag


@pytest.mark.parametrize("period", [24, 50, 200])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_season_is_found_to_within_a_point(period, seed):
    assert abs(observe(sine(period, 10 * period + 1000, seed)[1])[-1]["season"] - period) <= 1


@pytest.mark.parametrize("period", [24, 50, 200])
def test_a_season_of_any_shape_is_found_to_within_a_point(period):
    shape = np.where(np.arange(period) < period // 3, 4.0, -2.0)
    values = stream(StreamProfile(seasons=(Season(period, shape),)), 10 * period + 1000, outliers=0.0)
    assert abs(observe(values)[-1]["season"] - period) <= 1


def test_no_season_is_found_in_noise_or_a_constant_and_hardly_one_in_a_walk():
    rng = np.random.default_rng(3)
    assert observe(np.full(3000, 7.0))[-1]["season"] == 0
    assert [observe(rng.normal(size=6000))[-1]["season"] for _ in range(10)] == [0] * 10
    assert np.count_nonzero([observe(np.cumsum(rng.normal(size=6000)))[-1]["season"] for _ in range(20)]) <= 3


@pytest.mark.parametrize("period", [24, 100, 200])
def test_a_season_is_believed_only_after_it_was_seen_twice(period):
    values = sine(period, 2000, amplitude=8.0)[1]
    first = learn(values)[1].argmax() + 1
    assert 2 * learn(values[:first])[2][0]["season"] < first < 1500
    assert not learn(values[: first - 1])[2][0]["season"]


def test_a_change_of_the_season_is_told_at_once_and_only_then():
    values = np.r_[sine(50, 2500)[1], 4.0 * noise(9000)]
    state, before, seasons = None, 0, set()
    for value in values:
        _, changes, state = learn([value], state)
        assert changes[0] == (state[0]["season"] != before)
        before = int(state[0]["season"])
        seasons.add(before)
    assert 50 in seasons
    assert before == 0, "and it is dropped when it is gone"


@pytest.mark.parametrize("period", [24, 100, 400])
def test_a_new_season_starts_in_step_and_from_the_last_cycles(period):
    pattern, values = sine(period, 5000, amplitude=8.0)
    first = learn(values)[1].argmax() + 1
    state = learn(values[:first])[2][0]
    found = int(state["season"])
    cycles = min(min(first, LONGEST) // found, 5)
    last = np.median(values[first - cycles * found : first].astype(f4).reshape(cycles, found), axis=0)
    off = state["cycle"][:found] - last
    # of two values that differ by too much one is taken
    assert np.mean(abs(off - np.median(off)) < 1e-4) >= (0.95 if cycles == 2 else 1.0)
    assert abs(state["cycle"][:found].mean()) < 1e-5
    assert season.seasonal(state) == state["cycle"][0]
    assert abs(season.seasonal(state) - pattern[first]) < 3.0
    assert abs(state["cycle"][found // 2] - pattern[first + found // 2]) < 3.0


def test_what_the_season_adds_is_the_shape_of_the_last_cycles():
    pattern, values = sine(40, 3000)
    state = learn(values)[2]
    assert state[0]["season"] == 40
    added = []
    for value in pattern[:40]:
        added.append(season.seasonal(state[0]))
        learn([value], state)
    assert np.sqrt(np.mean((np.array(added) - pattern[:40]) ** 2)) < 0.6
    assert abs(np.mean(added)) < 0.1
    fresh = new_state()[0]
    fresh["cycle"] = 5.0
    assert season.seasonal(fresh) == 0.0, "none is known"


def test_a_value_far_out_bends_the_cycle_no_more_than_one_within_reach():
    _, _, state = learn(sine(40, 3000)[1])
    far, near = state.copy(), state.copy()
    learn([1e9], far, reach=2.0)
    learn([season.seasonal(state[0]) + 2.0], near, reach=2.0)
    np.testing.assert_allclose(far[0]["cycle"], near[0]["cycle"], rtol=1e-5)


def test_the_phase_comes_round_with_the_season():
    _, _, state = learn(sine(40, 3000)[1])
    phases = []
    for value in sine(40, 100)[0][40:]:
        phases.append(int(state[0]["phase"]))
        learn([value], state)
    assert np.diff(phases).tolist() == [-39 if phase == 39 else 1 for phase in phases[:-1]]


@settings(deadline=None)
@given(arrays(np.float32, st.integers(0, 100), elements=st.floats(0, 2.0**60, width=32)))
def test_extremes_are_the_least_and_the_greatest(values):
    assert season.extremes(values) == (np.min(values, initial=np.inf), np.max(values, initial=0.0))
