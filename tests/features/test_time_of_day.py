import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.features import time_of_day as clock
from streamforest.features.observe import new_state
from tests.naive import NaiveClock

DAY = 86_400.0
MINUTE = 60.0


def learn(times, values, state=None):
    """The state after the readings."""
    state = new_state()[0] if state is None else state
    for time, value in zip(times, values, strict=True):
        clock.learn_clock(state, float(time), float(value))
    return state


def known(state):
    return {slot: clock.usual_at(state, slot * 15 * MINUTE) for slot in range(96) if state["slot_days"][slot]}


# The time of day


@settings(deadline=None)
@given(st.integers(-10_000_000_000, 10_000_000_000))
@example(0)
@example(-1)
@example(86_399)
def test_a_slot_is_a_quarter_of_an_hour_of_the_day_in_utc(seconds):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert clock.slot_at(float(seconds)) == (moment.hour * 60 + moment.minute) // 15


@pytest.mark.parametrize("slot", range(96))
def test_a_slot_starts_on_its_quarter_and_ends_just_before_the_next(slot):
    start = slot * 15 * MINUTE
    assert clock.slot_at(start) == clock.slot_at(1e9 - 1e9 % DAY + start) == slot
    assert clock.slot_at(math.nextafter(start + 15 * MINUTE, 0.0)) in (slot, slot + 1)
    assert clock.slot_at(start + 15 * MINUTE - 1e-6) == slot


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-5e-324)
@example(math.nextafter(DAY, 0.0))
@example(-1.7e308)
def test_any_finite_time_has_a_slot(time):
    assert 0 <= clock.slot_at(time) < clock.SLOTS


def test_a_reading_without_a_time_has_no_slot():
    assert clock.slot_at(math.nan) == -1


# What is usual


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_without_times_nothing_is_usual_at_any_time_of_day(values):
    state = learn([math.nan] * len(values), values)
    assert math.isnan(clock.usual_at(state, math.nan))
    assert not known(state)
    assert state.tobytes() == new_state()[0].tobytes()


def test_at_a_time_never_seen_nothing_is_usual():
    state = learn(np.arange(0.0, DAY / 2, 5 * MINUTE), np.ones(144))
    assert clock.usual_at(state, 0.0) == 1.0
    assert math.isnan(clock.usual_at(state, 0.75 * DAY))
    assert math.isnan(clock.usual_at(state, math.nan))


def test_a_slots_mean_is_learned_once_the_slot_is_over():
    times, values = 5 * MINUTE * np.arange(3), [1.0, 2.0, 6.0]
    state = learn(times, values)
    assert not known(state), "it still goes on"
    learn([math.nan], [100.0], state)
    assert not known(state), "a reading without a time does not end it"
    learn([15 * MINUTE], [50.0], state)
    assert known(state) == {0: 3.0}


def test_a_reading_of_today_changes_nothing_that_is_usual_today():
    times = np.arange(0.0, DAY, 5 * MINUTE)
    state = learn(times, np.sin(times))
    before = clock.usual_at(state, 0.0)
    learn(DAY + 5 * MINUTE * np.arange(3), [9.0] * 3, state)
    assert clock.usual_at(state, DAY + 14 * MINUTE) == before


def test_the_mean_of_the_first_ten_days_is_plain_and_of_more_it_forgets():
    rng = np.random.default_rng(1)
    days = rng.normal(size=40)
    state = new_state()[0]
    for day, value in enumerate(days):
        learn([day * DAY, day * DAY + 20 * MINUTE], [value, 0.0], state)
        if day < 10:
            assert clock.usual_at(state, 0.0) == pytest.approx(days[: day + 1].mean(), rel=1e-5, abs=1e-6)
    weights = np.r_[np.full(10, 0.1) * 0.9**30, 0.1 * 0.9 ** np.arange(29, -1, -1)]
    assert clock.usual_at(state, 0.0) == pytest.approx(weights @ days, rel=1e-5, abs=1e-6)
    assert state["slot_days"][0] == 40


def test_a_day_with_more_readings_weighs_no_more():
    state = learn([0.0, 20 * MINUTE], [3.0, 0.0])
    learn([*(DAY + np.arange(0.0, 900.0, 10.0)), DAY + 20 * MINUTE], [*np.full(90, 5.0), 0.0], state)
    assert clock.usual_at(state, 0.0) == 4.0


@st.composite
def readings(draw):
    """Times that go on by any steps, some unknown, and values."""
    steps = draw(st.lists(st.sampled_from([10.0, 300.0, 900.0, 7200.0, DAY - 900.0, DAY]), min_size=1, max_size=80))
    times = draw(st.floats(-1e6, 2e9)) + np.cumsum(steps)
    times[draw(st.lists(st.booleans(), min_size=times.size, max_size=times.size))] = math.nan
    return times, np.random.default_rng(draw(st.integers(0, 99))).normal(size=times.size)


@settings(deadline=None)
@given(readings())
def test_what_is_usual_is_what_the_slow_twin_says(stream):
    state, twin = new_state()[0], NaiveClock()
    for time, value in zip(*stream, strict=True):
        found = clock.usual_at(state, time)
        np.testing.assert_allclose(found, twin.usual(time), rtol=1e-6, atol=1e-7)
        learn([time], [value], state)
        twin.learn(time, value)


@settings(deadline=None)
@given(readings(), st.integers(-20, 20), st.integers(-20, 20))
def test_another_unit_or_another_date_changes_nothing(stream, power, days):
    times, values = np.round(stream[0]), stream[1].astype(np.float32)
    before, after = learn(times, values), learn(times + days * DAY, values * 2.0**power)
    np.testing.assert_array_equal(before["slot_means"] * 2.0**power, after["slot_means"])
    np.testing.assert_array_equal(before["slot_days"], after["slot_days"])


def test_memory_is_of_fixed_size():
    size = np.dtype(clock.FIELDS).itemsize
    assert size <= 8 * clock.SLOTS + 24
    state = learn(np.arange(0.0, 30 * DAY, 20 * MINUTE), np.zeros(30 * 72))
    assert state.nbytes == new_state()[0].nbytes
    assert (state["slot_days"] <= 30).all()


@pytest.mark.parametrize(
    ("seconds", "is_of_days"),
    [
        *((days * DAY, True) for days in (1, 7, 0.5, 1.02, 2.97)),
        *((days * DAY, False) for days in (75 / 24, 1 / 12, 0.7, 0)),
    ],
)
def test_a_season_goes_with_the_clock_where_it_is_some_days_or_a_part_of_one(seconds, is_of_days):
    assert clock.is_of_days(seconds) == is_of_days


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_has_no_slot(time):
    assert clock.slot_at(time) == -1
