import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.seasons import simulate
from streamforest.features import observe as features
from streamforest.features.forecast import MOST_STEPS, forecast
from tests.streams import RATE, observe, sine

DAY = 86_400.0


def state_after(values, times=None):
    state = features.new_state()
    observe(values, times, state)
    return state


def noise(n, seed=1):
    return np.random.default_rng(seed).normal(size=n)


STREAMS = {
    "noise": 50.0 + noise(1500),
    "season": sine(48, 1500)[1],
    "walk": np.cumsum(noise(1500)),
    "outliers": 20.0 + noise(1500) + 30.0 * (np.random.default_rng(2).random(1500) < 0.05),
    "constant": np.full(1500, 7.0),
    "missing": np.where(np.random.default_rng(3).random(1500) < 0.1, np.nan, noise(1500)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_first_step_is_what_the_next_verdict_has_and_the_record_keeps_its_bits(name):
    values = STREAMS[name]
    for taken in (24, 25, 100, 700, 1499):
        state = state_after(values[:taken])
        before = state.tobytes()
        ahead = forecast(state, RATE, 5)
        assert state.tobytes() == before
        if taken < 30 and np.isnan(values[:taken]).any():
            assert np.isnan(ahead.expected).all()  # still warming up
            continue
        outlook = observe(values[taken : taken + 1], None, state)[2][0]
        expected = outlook[features.EXPECTED]
        assert ahead.expected[0] == expected
        assert ahead.lower[0] == expected - outlook[features.BELOW]
        assert ahead.upper[0] == expected + outlook[features.ABOVE]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(allow_infinity=False) | st.integers(-5, 5).map(float), min_size=0, max_size=120),
    st.floats(1.0, 100_000.0),
    st.integers(1, 700),
)
def test_of_any_readings_the_band_holds_what_is_expected_and_is_finite(values, step, steps):
    state = state_after(values, 1.7e9 + step * np.arange(len(values)))
    expected, lower, upper = forecast(state, RATE, steps)
    assert expected.shape == lower.shape == upper.shape == (steps,)
    if np.count_nonzero(~np.isnan(values)) < features.WARM_UP:
        assert np.isnan([expected, lower, upper]).all()
    else:
        assert np.isfinite([lower, upper]).all()
        assert ((lower <= expected) & (expected <= upper)).all()


def test_a_season_goes_on():
    pattern, values = sine(48, 1548)
    expected = forecast(state_after(values[:1500]), RATE, 48).expected
    assert np.abs(expected - pattern[1500:]).mean() < 0.6  # of noise of width 1


def test_a_line_goes_on():
    values = 3.0 * np.arange(1100) + noise(1100)
    expected = forecast(state_after(values[:1000]), RATE, 100).expected
    assert np.abs(expected - values[1000:]).mean() < 6.0  # the last value is 152 off


def test_a_day_that_is_longer_than_what_is_kept_goes_on_by_the_clock():
    minutes = np.arange(6 * 1440)
    pattern = 10.0 * np.sin(2.0 * np.pi * minutes / 1440)
    values = pattern + noise(len(minutes))
    taken = 5 * 1440 + 300
    ahead = forecast(state_after(values[:taken], 60.0 * minutes[:taken]), RATE, 720)
    off = np.abs(ahead.expected - pattern[taken : taken + 720]).mean()
    assert off < 0.2 * np.abs(values[taken - 1] - pattern[taken : taken + 720]).mean()


def test_a_weekend_is_forecast_from_friday_and_monday_from_sunday():
    weeks = simulate(60, 0.05, "Asia/Tokyo", 1)
    values, seconds = weeks.values(), weeks.times
    for day in (46, 48):  # a Friday and a Sunday, at noon
        taken = int(np.flatnonzero((weeks.days == day) & (weeks.hours == 12.0))[0])
        expected = forecast(state_after(values[:taken], seconds[:taken]), RATE, 30).expected
        error = np.abs(expected - values[taken : taken + 30]).mean()
        assert error < 0.5 * np.abs(values[taken - 24 : taken + 6] - values[taken : taken + 30]).mean()
        assert error < 0.1


def test_the_band_of_a_walk_widens_by_the_root_of_the_steps_and_that_of_noise_hardly_at_all():
    walk = forecast(state_after(STREAMS["walk"]), RATE, 100)
    width = walk.upper - walk.lower
    assert 5.0 < width[99] / width[0] < 20.0
    still = forecast(state_after(STREAMS["noise"]), RATE, 100)
    width = still.upper - still.lower
    assert 1.0 <= width[99] / width[0] < 1.5


@pytest.mark.parametrize("steps", [0, -1, MOST_STEPS + 1, 2.5, "3", None])
def test_steps_that_cannot_be_are_refused_with_what_can(steps):
    with pytest.raises(ValueError, match=r"steps is .*, allowed are whole numbers from 1 to 10,000"):
        forecast(features.new_state(), RATE, steps)
