import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest import features
from streamforest.compiled import compiled
from streamforest.simulation import Season, SimulatedStream, StreamProfile
from tests.naive import NaiveFeatures, NaiveTail

RATE = 0.001
FINITE = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.sampled_from([0.0, -0.0, 1.7e308, -1.7e308, 5e-324, 1e-300, 1e15, 1.0, math.nan])


@compiled
def _observe_all(states, values, times, rate, surprises, outlooks):
    for i in range(values.size):
        features.observe(states[0], values[i], times[i], rate, surprises[i], outlooks[i])


def observe(values, times=None, state=None):
    """Surprises, shape (n, N_FEATURES), outlooks, shape (n, 4), both NaN in the warm-up; the state."""
    values = np.asarray(values, dtype=float)
    times = np.full(values.size, np.nan) if times is None else np.asarray(times, dtype=float)
    surprises, outlooks = np.full((values.size, features.N_FEATURES), np.nan), np.full((values.size, 4), np.nan)
    state = features.new_state() if state is None else state
    _observe_all(state, values, times, RATE, surprises, outlooks)
    return surprises, outlooks, state[0]


def sine(period, points, seed=1, amplitude=4.0):
    pattern = amplitude * np.sin(2 * np.pi * np.arange(points) / period)
    return pattern, pattern + np.random.default_rng(seed).normal(size=points)


def stream(profile, points=3000, seed=1, outliers=0.02):
    return SimulatedStream(profile, seed, outliers).take(points)[0]


# The twin


@pytest.mark.parametrize("seed", range(4))
def test_every_reading_gives_what_the_slow_twin_gives(seed, profiles):
    """Missing and late readings, anomalies, a season that is found and then lost."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([stream(list(profiles.values())[seed + at], 1500, seed, 0.05) for at in (1, 4)])
    values[rng.random(values.size) < 0.01] = np.nan
    times = 60.0 * np.cumsum(1.0 + (rng.random(values.size) < 0.005) * rng.integers(1, 40, values.size))
    times[rng.random(values.size) < 0.1 * (seed == 3)] = np.nan
    surprises, outlooks, state = observe(values, times)
    twin = NaiveFeatures()
    seasons = set()
    for i, (value, time) in enumerate(zip(values.tolist(), times.tolist(), strict=True)):
        known = twin.observe(value, time, RATE)
        seasons.add(twin.season)
        if known is None:
            assert np.isnan(surprises[i]).all()
            continue
        np.testing.assert_allclose(surprises[i], known[0], rtol=1e-6, atol=1e-6, err_msg=f"reading {i}")
        np.testing.assert_allclose(outlooks[i, :2], known[1:], rtol=1e-6, atol=1e-6, err_msg=f"reading {i}")
    assert state["season"] == twin.season
    assert seed > 1 or len(seasons) > 1, "the stream must try the season too"


@given(st.floats(0.0, 1e6), st.floats(0.02, 100.0), st.floats(1.2, 50.0), st.floats(0.1, 5.0))
def test_surprise_is_the_twins_and_its_inverse_leads_back(deviation, first, second, third):
    b = first * second
    tail = np.array([first, b, b + third * (b - first)])
    twin = NaiveTail(1.0, 0.01)
    twin.at = tail.tolist()
    found = features.surprise(deviation, tail)
    assert found == pytest.approx(twin.surprise(deviation), rel=1e-9, abs=1e-12)
    assert features.deviation_at(found, tail) == pytest.approx(deviation, rel=1e-9, abs=1e-12)


def test_a_tracked_quantile_has_its_share_of_deviations_above_it():
    rng = np.random.default_rng(2)
    for draw in (rng.normal(size=60_000), rng.exponential(size=60_000), rng.standard_t(3, 60_000)):
        deviations = np.abs(draw)
        tail = np.array([1.0, 2.0, 3.2])
        above = np.zeros(3)
        for count, deviation in enumerate(deviations):
            above += deviation > tail
            features._learn_tail(tail, deviation, float(count), 0.01)
        shares = above / deviations.size
        np.testing.assert_allclose(shares[:2], features.TAIL_SHARES[:2], rtol=0.15)
        assert tail[0] < tail[1] < tail[2]


# Unit and zero of the stream


@pytest.mark.parametrize("power", [-200, -40, -1, 1, 40, 200])
def test_another_unit_changes_no_bit_of_a_surprise(power, profiles):
    for profile in profiles.values():
        values = stream(profile, 1500)
        for one, other in zip(observe(values), observe(values * 2.0**power), strict=True):
            if one.shape[-1:] == (features.N_FEATURES,):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shift", [-1000, 1 << 20, 1 << 30])
def test_another_zero_changes_no_bit_of_a_surprise_where_the_sum_is_exact(shift):
    values = stream(StreamProfile(level=2000.0, noise="counts"), 3000)
    np.testing.assert_array_equal(observe(values)[0], observe(values + shift)[0])


def test_another_zero_changes_a_surprise_by_rounding_only():
    _, values = sine(40, 3000)
    before, after = observe(values)[0], observe(values + 1e6)[0]
    np.testing.assert_allclose(before[features.WARM_UP :], after[features.WARM_UP :], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("offset", [1e6, 1.8e9, 1e10])
def test_a_spike_on_a_large_level_is_surprising(offset):
    _, values = sine(40, 1000)
    values[900] += 40.0
    assert observe(values + offset)[0][900, features.RESIDUAL] > features.FAR


@pytest.mark.parametrize("value", [0.0, 5.0, -1e200, 3e-308])
def test_a_hairs_move_of_a_constant_stream_is_no_surprise(value):
    values = np.full(1000, value)
    values[900:] = np.nextafter(np.nextafter(value, np.inf), np.inf)
    assert observe(values)[0][900:902].max() < 3.0


def test_a_move_of_a_constant_stream_by_a_tenth_of_its_level_is_surprising():
    values = np.full(1000, 50.0)
    values[900] = 55.0
    assert observe(values)[0][900, features.RESIDUAL] > features.FAR


# The warm-up


def test_nothing_is_known_until_the_warm_up_has_its_valid_readings():
    values = np.random.default_rng(1).normal(size=100)
    values[5:15] = np.nan
    known = ~np.isnan(observe(values)[0]).any(axis=1)
    assert known.argmax() == features.WARM_UP + 10
    assert known[features.WARM_UP + 10 :].all()


# The season


@pytest.mark.parametrize("period", [24, 50, 200])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_season_is_found_to_within_a_point(period, seed):
    assert abs(observe(sine(period, 10 * period + 1000, seed)[1])[2]["season"] - period) <= 1


@pytest.mark.parametrize("period", [24, 50, 200])
def test_a_season_of_any_shape_is_found_to_within_a_point(period):
    shape = np.where(np.arange(period) < period // 3, 4.0, -2.0)
    values = stream(StreamProfile(seasons=(Season(period, shape),)), 10 * period + 1000, outliers=0.0)
    assert abs(observe(values)[2]["season"] - period) <= 1


def test_no_season_is_found_in_noise_or_a_constant_and_hardly_one_in_a_walk():
    rng = np.random.default_rng(3)
    assert observe(np.full(3000, 7.0))[2]["season"] == 0
    assert [observe(rng.normal(size=6000))[2]["season"] for _ in range(10)] == [0] * 10
    assert np.count_nonzero([observe(np.cumsum(rng.normal(size=6000)))[2]["season"] for _ in range(20)]) <= 3


def test_a_season_makes_the_forecast_better_and_is_dropped_when_it_is_gone():
    _, values = sine(50, 3000)
    _, outlooks, state = observe(values)
    late = slice(2000, None)
    assert np.std(values[late] - outlooks[late, 0]) < 1.5
    calm = np.random.default_rng(4).normal(size=9000) * np.std(values)
    state = np.array([state], dtype=features.FEATURES_DTYPE)
    assert observe(calm, state=state)[2]["season"] == 0


def _error_after_a_pause(values, pattern, times, pause):
    _, outlooks, state = observe(values, times)
    assert state["season"] == 50
    after = slice(pause, pause + 25)
    return np.sqrt(np.mean((outlooks[after, 0] - pattern[after]) ** 2))


@pytest.mark.parametrize("missing", [1, 20, 137])
def test_missing_readings_keep_the_phase_of_the_season(missing):
    pattern, values = sine(50, 3200, amplitude=8.0)
    values[3000 : 3000 + missing] = np.nan
    assert _error_after_a_pause(values, pattern, None, 3000 + missing) < 2.5


@pytest.mark.parametrize("absent", [20, 137])
def test_readings_absent_by_the_clock_keep_the_phase_of_the_season(absent):
    pattern, values = sine(50, 3200, amplitude=8.0)
    kept = np.r_[0:3000, 3000 + absent : 3200]
    times = 1e9 + 60.0 * np.arange(3200)
    assert _error_after_a_pause(values[kept], pattern[kept], times[kept], 3000) < 2.5
    assert _error_after_a_pause(values[kept], pattern[kept], None, 3000) > 2.5, "without a clock it cannot"


# Gaps


def test_a_late_reading_is_a_gap_and_the_next_is_none():
    values = np.random.default_rng(1).normal(size=400)
    times = 60.0 * np.arange(400)
    times[300:] += 600.0
    gaps = observe(values, times)[0][:, features.GAP]
    assert gaps[300] > features.FAR
    assert max(gaps[299], gaps[301]) < 1.0


def test_missing_readings_in_a_row_are_ever_more_surprising_and_only_as_a_gap():
    values = np.random.default_rng(1).normal(size=400)
    values[300:310] = np.nan
    surprises = observe(values)[0]
    gaps = surprises[300:310, features.GAP]
    assert (np.diff(gaps) > 0).all()
    assert gaps[-1] > features.FAR
    assert not surprises[300:310, : features.GAP].any()
    assert surprises[311, features.GAP] < 1.0, "the first reading after a gap still ends one"


def test_a_clock_that_stands_still_or_a_stream_without_one_has_no_gap():
    values = np.random.default_rng(1).normal(size=200)
    for times in (np.full(200, 5.0), np.full(200, np.nan), 60.0 * np.arange(200)):
        assert observe(values, times)[0][features.WARM_UP :, features.GAP].max() < 1e-9


# Any input


@settings(deadline=None, max_examples=300)
@given(st.lists(FINITE | EDGES | st.floats(-10, 10), min_size=30, max_size=120), st.integers(1, 40))
@example([1.7e308, -1.7e308] * 40, 1)
@example([0.0] * 30 + [1.7e308, -1.7e308] * 20, 1)
@example([1e300, -1e300, 0.0] * 10 + [1.7e308] * 30, 1)
@example([5e-324, 0.0] * 30, 5)
def test_any_finite_stream_has_finite_surprises(values, repeats):
    surprises, outlooks, state = observe(np.repeat(values, repeats))
    known = ~np.isnan(surprises).all(axis=1)
    assert np.isfinite(surprises[known]).all()
    assert (surprises[known] >= 0.0).all()
    assert np.isfinite(outlooks[known, 2:]).all()
    for name in ("forecasts", "levels", "tails", "lags", "cycle", "ring"):
        assert np.isfinite(state[name]).all(), name


@settings(deadline=None, max_examples=100)
@given(st.lists(FINITE.map(abs), min_size=60, max_size=120))
def test_any_finite_rising_times_have_finite_gaps(times):
    surprises, _, _ = observe(np.random.default_rng(1).normal(size=len(times)), sorted(times))
    assert np.isfinite(surprises[features.WARM_UP :]).all()


# Memory


def test_memory_does_not_grow_with_the_stream():
    _, values = sine(40, 2000)
    state = features.new_state()
    observe(values, state=state)
    size = state.nbytes
    tracemalloc.start()
    for _ in range(50):
        observe(values, state=state)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert state.nbytes == size < 20_000
    assert state["count"][0] == 51 * 2000
    assert grown < 100_000


def test_states_of_several_streams_are_apart():
    states = features.new_state(3)
    _, values = sine(40, 500)
    surprises, outlook = np.empty(features.N_FEATURES), np.empty(4)
    for value in values:
        features.observe(states[1], value, math.nan, RATE, surprises, outlook)
    assert states[0].tobytes() == states[2].tobytes() == features.new_state().tobytes()
    assert states[1].tobytes() == observe(values)[2].tobytes()
