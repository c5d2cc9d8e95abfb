import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.features import novelty
from streamforest.features import observe as features
from streamforest.features.tails import FAR
from streamforest.simulation.streams import StreamProfile
from tests.naive import NaiveFeatures
from tests.streams import RATE, observe, sine, stream

WARM_UP = features.WARM_UP
FINITE = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.sampled_from([0.0, -0.0, 1.7e308, -1.7e308, 5e-324, 1e-300, 1e15, 1.0, math.nan])
DAY, STEP = 86_400.0, 600.0
#: The outlook without what is in the stream's own unit.
UNITLESS = slice(features.OFF_FORECAST, None)


# The twin


def hold_against_twin(values, times):
    """Compare reading by reading; the twin, and the seasons that it had."""
    surprises, novelties, outlooks, state = observe(values, times)
    found = np.hstack((surprises, novelties, outlooks))
    twin, had, expected = NaiveFeatures(), set(), np.full_like(found, np.nan)
    for i, (value, time) in enumerate(zip(values.tolist(), times.tolist(), strict=True)):
        known = twin.observe(value, time, RATE)
        had.add(twin.season)
        if known is not None:
            expected[i] = [number for numbers in known for number in numbers]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert state["season"] == twin.season
    assert state["count"] == len(twin.history)
    assert state["centres_used"].tolist() == [len(cover.centres) for cover in twin.covers]
    return twin, had


@pytest.mark.parametrize("seed", range(4))
def test_every_reading_gives_what_the_slow_twin_gives(seed, profiles):
    """Missing and late readings, anomalies, a season that is found and then lost, ten days."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([stream(list(profiles.values())[seed + at], 1500, seed, 0.05) for at in (1, 4)])
    values[rng.random(values.size) < 0.01] = np.nan
    times = 600.0 * np.cumsum(1.0 + (rng.random(values.size) < 0.005) * rng.integers(1, 40, values.size))
    times[rng.random(values.size) < 0.1 * (seed == 3)] = np.nan
    kept = slice(1800) if seed == 0 else slice(800, 2000)  # the season of the first is long
    twin, seasons = hold_against_twin(values[kept], times[kept])
    assert seed > 1 or len(seasons) > 1, "the stream must try the season too"
    assert len(twin.clock.stays) > 600, "and the time of day"
    assert all(len(cover.centres) > 1 for cover in twin.covers)


@pytest.mark.parametrize(
    "make", ["season and no clock", "constant", "then constant", "counts", "far out", "rough clock"]
)
def test_a_stream_of_another_make_gives_what_the_slow_twin_gives(make):
    rng = np.random.default_rng(7)
    normal = rng.normal(size=900)
    values = {
        "season and no clock": sine(24, 900)[1],
        "constant": np.full(300, 7.0),
        "then constant": np.r_[normal[:400], np.full(300, 2.0), normal[400:]],
        "counts": rng.poisson(2.0, size=900).astype(float),
        "far out": np.r_[np.zeros(40), 1e9 + np.round(normal[:400]), np.full(100, 123456789.0), normal[:60]],
        "rough clock": normal,
    }[make]
    times = 1e9 + 600.0 * np.arange(values.size)
    if make == "season and no clock":
        times[:] = np.nan
    if make == "rough clock":
        times += np.cumsum(rng.exponential(2000.0, size=times.size))
    twin, _ = hold_against_twin(values, times)
    assert (twin.season == 24) == (make == "season and no clock")


# Unit and zero of the stream


@pytest.mark.parametrize("power", [-200, -40, -1, 1, 40, 200])
def test_another_unit_changes_no_bit_but_that_of_the_unit(power, profiles):
    for profile in profiles.values():
        values = stream(profile, 1500)
        one, other = observe(values), observe(values * 2.0**power)
        for k in (0, 1):
            np.testing.assert_array_equal(one[k], other[k])
        np.testing.assert_array_equal(one[2][:, UNITLESS], other[2][:, UNITLESS])
        in_the_unit = slice(features.EXPECTED, features.OFF_FORECAST)
        np.testing.assert_array_equal(one[2][:, in_the_unit] * 2.0**power, other[2][:, in_the_unit])


@pytest.mark.parametrize("shift", [-1000, 1 << 20, 1 << 30])
def test_another_zero_changes_no_bit_of_a_surprise_where_the_sum_is_exact(shift):
    values = stream(StreamProfile(level=2000.0, noise="counts"), 3000)
    one, other = observe(values), observe(values + shift)
    for k in (0, 1):
        np.testing.assert_array_equal(one[k], other[k])
    np.testing.assert_array_equal(one[2][:, UNITLESS], other[2][:, UNITLESS])


def test_another_zero_changes_a_surprise_by_rounding_only():
    _, values = sine(40, 3000)
    before, after = observe(values)[0], observe(values + 1e6)[0]
    np.testing.assert_allclose(before[WARM_UP:], after[WARM_UP:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("offset", [1e6, 1.8e9, 1e10])
def test_a_spike_on_a_large_level_is_surprising(offset):
    _, values = sine(40, 1000)
    values[900] += 40.0
    assert observe(values + offset)[0][900, features.RESIDUAL] > FAR


@pytest.mark.parametrize("value", [0.0, 5.0, -1e200, 3e-308])
def test_a_hairs_move_of_a_constant_stream_is_no_surprise(value):
    values = np.full(1000, value)
    values[900:] = np.nextafter(np.nextafter(value, np.inf), np.inf)
    assert observe(values)[0][900:902].max() < 3.0


def test_a_move_of_a_constant_stream_by_a_tenth_of_its_level_is_surprising():
    values = np.full(1000, 50.0)
    values[900] = 55.0
    assert observe(values)[0][900, features.RESIDUAL] > FAR


# The warm-up


def test_nothing_is_known_until_the_warm_up_has_its_valid_readings():
    values = np.random.default_rng(1).normal(size=100)
    values[5:15] = np.nan
    for outputs in observe(values)[:3]:
        known = ~np.isnan(outputs).any(axis=1)
        assert known.argmax() == WARM_UP + 10
        assert known[WARM_UP + 10 :].all()


# The season


def test_a_season_makes_the_forecast_better_and_is_dropped_when_it_is_gone():
    _, values = sine(50, 3000)
    _, _, outlooks, state = observe(values)
    late = slice(2000, None)
    assert np.std(values[late] - outlooks[late, 0]) < 1.5
    calm = np.random.default_rng(4).normal(size=9000) * np.std(values)
    state = np.array([state], dtype=features.FEATURES_DTYPE)
    assert observe(calm, state=state)[-1]["season"] == 0


def _error_after_a_pause(values, pattern, times, pause):
    _, _, outlooks, state = observe(values, times)
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
    assert gaps[300] > FAR
    assert max(gaps[299], gaps[301]) < 1.0


def test_missing_readings_in_a_row_are_ever_more_surprising_and_only_as_a_gap():
    values = np.random.default_rng(1).normal(size=400)
    values[300:310] = np.nan
    surprises = observe(values)[0]
    gaps = surprises[300:310, features.GAP]
    assert (np.diff(gaps) > 0).all()
    assert gaps[-1] > FAR
    assert not surprises[300:310, : features.GAP].any()
    assert surprises[311, features.GAP] < 1.0, "the first reading after a gap still ends one"


def test_a_clock_that_stands_still_or_a_stream_without_one_has_no_gap():
    values = np.random.default_rng(1).normal(size=200)
    for times in (np.full(200, 5.0), np.full(200, np.nan), 60.0 * np.arange(200)):
        assert observe(values, times)[0][WARM_UP:, features.GAP].max() < 1e-9


def test_a_missing_reading_is_neither_new_nor_off_nor_strange():
    values = np.random.default_rng(1).normal(size=400)
    values[300:310] = np.nan
    _, novelties, outlooks, _ = observe(values)
    assert not novelties[300:310].any()
    assert not outlooks[300:310, UNITLESS].any()
    assert np.isfinite(outlooks[300:310, : features.OFF_FORECAST]).all(), "what was expected is known all the same"


# The time of day


def daily(days, seed=1):
    """Times ten minutes apart, and values of a day that lead up at noon, with noise."""
    times = 1e9 - 1e9 % DAY + STEP * np.arange(days * 144)
    return times, 5.0 * np.sin(np.pi * (times % DAY) / DAY) ** 8 + 0.3 * np.random.default_rng(seed).normal(
        size=times.size
    )


def test_a_noons_value_in_the_night_is_surprising_and_new_for_its_time_of_day_only():
    times, values = daily(12)
    at = 11 * 144 + 12
    values[at] = 5.0
    surprises, novelties, _, _ = observe(values, times)
    assert surprises[at, features.PHASE] > FAR
    assert novelties[at, novelty.PHASE] > 3.0
    assert not novelties[at, novelty.VALUE], "as a value it is nothing new"
    noon = 11 * 144 + 72
    assert surprises[noon, features.PHASE] < 3.0


def test_the_time_of_day_is_followed_through_a_pause_that_no_lag_survives():
    times, values = daily(20)
    kept = np.r_[0 : 12 * 144, 12 * 144 + 500 : times.size]
    surprises, _, _, _ = observe(values[kept], times[kept])
    after = surprises[12 * 144 : 12 * 144 + 100, features.PHASE]
    assert after.max() < FAR
    assert np.mean(after) < 2.0


def test_nothing_is_said_of_the_time_of_day_on_the_first_day_or_without_a_clock():
    times, values = daily(3)
    surprises, novelties, _, _ = observe(values, times)
    known = surprises[:, features.PHASE] > 0.0
    assert not known[WARM_UP : 144 - 1].any()
    assert known[146 + WARM_UP :].all()
    assert not novelties[WARM_UP:144, novelty.PHASE].any()
    noise = np.random.default_rng(1).normal(size=500)
    surprises, novelties, _, _ = observe(noise)
    assert not surprises[WARM_UP:, features.PHASE].any()
    assert not novelties[WARM_UP:, novelty.PHASE].any()


def test_without_a_clock_the_season_says_what_is_usual():
    pattern, values = sine(50, 3000, amplitude=8.0)
    top = int(pattern[2900:2950].argmax()) + 2900
    values[top] = -8.0
    surprises, novelties, _, state = observe(values)
    assert state["season"] == 50
    assert surprises[top, features.PHASE] > FAR
    assert novelties[top, novelty.PHASE] > 1.0
    assert not novelties[top, novelty.VALUE]


# Shapes


def test_a_beat_of_another_shape_is_strange_though_no_value_is_new():
    rng = np.random.default_rng(1)
    beats = np.tile(np.r_[0.0, 0.0, 6.0, -3.0, 2.0, np.zeros(20)], 80) + 0.1 * rng.normal(size=2000)
    usual = observe(beats)
    at = 1900
    beats[at : at + 5] = [0.0, -3.0, 6.0, 6.0, -3.0]
    odd = observe(beats)
    rows = slice(at, at + 6)
    assert odd[2][rows, features.STRANGENESS].max() > 1.5 > usual[2][1000:, features.STRANGENESS].max()
    assert odd[0][rows.start : rows.stop + 10, features.SHAPE].max() > usual[0][1000:, features.SHAPE].max()
    assert not odd[1][rows, novelty.VALUE].any()


def test_a_constant_stream_is_never_strange():
    surprises, novelties, outlooks, _ = observe(np.full(1500, 7.0))
    assert not outlooks[WARM_UP:, features.STRANGENESS].any()
    assert not surprises[WARM_UP:, features.SHAPE].any()
    assert not novelties[WARM_UP:].any()


def test_a_hairs_move_of_a_constant_stream_is_not_strange_though_few_were_seen():
    values = np.full(1500, 50.0)
    values[30::100] += 1e-4
    outlooks = observe(values)[2]
    assert outlooks[WARM_UP:, features.STRANGENESS].max() < 0.1
    values[1450] += 1.0
    assert observe(values)[2][1450, features.STRANGENESS] > 2.0


# The outlook


def test_the_signs_of_the_outlook_are_those_of_the_move():
    for side in (1.0, -1.0):
        values = np.random.default_rng(1).normal(size=600)
        values[500] += side * 20.0
        outlook = observe(values)[2][500]
        for kind in (features.OFF_FORECAST, features.OFF_LEVEL):
            assert 15.0 < side * outlook[kind] < 40.0
        assert outlook[features.RUN] == side


def test_a_run_counts_the_points_off_the_slow_level_and_their_growth():
    values = 0.5 * np.random.default_rng(1).normal(size=600)
    values[500:510] -= np.linspace(10.0, 30.0, 10)
    values[510:520] += 20.0
    outlooks = observe(values)[2]
    assert outlooks[499:520, features.RUN].tolist() == [0, *range(-1, -11, -1), *range(1, 11)]
    growths = outlooks[500:510, features.GROWTH]
    assert growths[0] == 1.0
    np.testing.assert_allclose(
        growths, np.abs(outlooks[500:510, features.OFF_LEVEL] / outlooks[500, features.OFF_LEVEL])
    )
    assert outlooks[499, features.GROWTH] == outlooks[521, features.GROWTH] == 0.0


def test_a_missing_reading_does_not_end_a_run():
    values = 0.5 * np.random.default_rng(1).normal(size=600)
    values[500:510] += 20.0
    values[504:506] = np.nan
    assert observe(values)[2][500:510, features.RUN].tolist() == [1, 2, 3, 4, 0, 0, 5, 6, 7, 8]


def test_unrest_is_the_recent_share_of_residuals_that_are_rather_large():
    rng = np.random.default_rng(1)
    values = rng.normal(size=3000)
    values[2500:2520] *= 6.0
    unrest = observe(values)[2][:, features.UNREST]
    assert np.mean(unrest[1000:2500]) == pytest.approx(0.2, abs=0.03)
    assert unrest[2519] > 0.5
    assert ((unrest[WARM_UP:] >= 0.0) & (unrest[WARM_UP:] <= 1.0)).all()


def test_about_the_rate_of_calm_values_lies_outside_the_band():
    values = np.random.default_rng(1).normal(size=20_000)
    outlooks = observe(values)[2]
    off = values - outlooks[:, features.EXPECTED]
    outside = (off > outlooks[:, features.ABOVE]) | (-off > outlooks[:, features.BELOW])
    assert RATE / 3 < np.mean(outside[5000:]) < 3 * RATE


# Novelty


def test_the_way_back_from_what_was_new_is_nothing_new():
    values = np.random.default_rng(2).normal(size=1000)
    values[900:904] = (40.0, 30.0, 20.0, 55.0)
    novelties = observe(values)[1][900:904, novelty.VALUE]
    assert novelties[0] > 5.0
    assert not novelties[1:3].any(), "between the old range and the newest value"
    assert novelties[3] > 2.0, "farther than ever"


def test_a_value_is_looked_at_before_it_is_learned():
    values = np.random.default_rng(1).normal(size=1000)
    values[900:902] = 40.0
    surprises, novelties, _, _ = observe(values)
    assert novelties[900, novelty.VALUE] > 5.0
    assert novelties[901, novelty.VALUE] == 0.0
    assert surprises[900, features.RESIDUAL] > FAR
    same, _, _, _ = observe(np.r_[values[:900], 7.0, values[901:]])
    np.testing.assert_array_equal(surprises[:900], same[:900])


def test_each_signal_is_new_where_it_should_be():
    rng = np.random.default_rng(1)
    quiet = rng.uniform(-1.0, 1.0, size=3000)
    for at, kind in ((novelty.VALUE, "spike"), (novelty.RESIDUAL, "spike"), (novelty.LEVEL, "step")):
        values = quiet.copy()
        values[2500 : 2501 if kind == "spike" else 2540] += 20.0
        assert observe(values)[1][2500, at] > 3.0, novelty.SIGNALS[at]
    values = np.r_[np.zeros(200), np.tile([5.0, -5.0], 1400)] + 0.1 * quiet
    values[2500:2540] = 5.0 + 0.1 * quiet[2500:2540]
    novelties = observe(values)[1][2500:2540]
    assert novelties[:, [novelty.LEVEL, novelty.SHIFT, novelty.TREND]].max(axis=0).min() > 3.0
    assert not novelties[:, novelty.VALUE].any(), "no value is"


# Any input


@settings(deadline=None, max_examples=300)
@given(st.lists(FINITE | EDGES | st.floats(-10, 10), min_size=30, max_size=120), st.integers(1, 40))
@example([1.7e308, -1.7e308] * 40, 1)
@example([0.0] * 30 + [1.7e308, -1.7e308] * 20, 1)
@example([1e300, -1e300, 0.0] * 10 + [1.7e308] * 30, 1)
@example([5e-324, 0.0] * 30, 5)
def test_any_finite_stream_has_finite_surprises_and_novelties(values, repeats):
    surprises, novelties, outlooks, state = observe(np.repeat(values, repeats), STEP * np.arange(len(values) * repeats))
    known = ~np.isnan(surprises).all(axis=1)
    for outputs in (surprises[known], novelties[known]):
        assert np.isfinite(outputs).all()
        assert (outputs >= 0.0).all()
    assert np.isfinite(outlooks[known, UNITLESS]).all()
    for name in (
        "forecasts",
        "levels",
        "novelty_levels",
        "tails",
        "run_tail",
        "lags",
        "shapes",
        "cycle",
        "ring",
        "slot_means",
    ):
        assert np.isfinite(state[name]).all(), name
    for centres, used in zip(state["centres"], state["centres_used"], strict=True):
        assert np.isfinite(centres).tolist() == [k < used for k in range(len(centres))]
    assert np.isfinite(state["radii"]).all()


@settings(deadline=None, max_examples=100)
@given(st.lists(FINITE.map(abs), min_size=60, max_size=120))
def test_any_finite_rising_times_have_finite_gaps(times):
    known = observe(np.random.default_rng(1).normal(size=len(times)), sorted(times))
    for outputs in known[:3]:
        assert np.isfinite(outputs[WARM_UP:]).all()


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
    assert state.nbytes == size < 24_576
    assert state["count"][0] == 51 * 2000
    assert grown < 100_000


def test_states_of_several_streams_are_apart():
    states = features.new_state(3)
    _, values = sine(40, 500)
    for part in np.split(values, [3, 24, 25, 300]):
        observe(part, state=states[1:2])
    assert states[0].tobytes() == states[2].tobytes() == features.new_state().tobytes()
    assert states[1].tobytes() == observe(values)[-1].tobytes()
