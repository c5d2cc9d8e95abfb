import math
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.seasons import FIRST_DAY, HOLIDAY, KINDS, simulate
from streamforest.compiled import compiled
from streamforest.features import week
from streamforest.features.habits import SEASON_BREAK
from streamforest.features.holidays import HOLIDAY_DTYPE, NO_HOLIDAYS, days_to_sunday
from streamforest.features.observe import new_state
from streamforest.features.vector import new_buffers
from tests.naive import NaiveWeek

DAY = 86_400.0
RATE = 0.001
HOLIDAY_DAY = (HOLIDAY - FIRST_DAY).days
EPOCH = date(1970, 1, 1)
ZONES = ["Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Auckland"]


@compiled
def _follow(states, values, times, alone, holidays, rate, excesses, reasons):
    buffers = new_buffers()[0]
    buffers.rate = rate
    for i in range(values.size):
        states[0].to_sunday = days_to_sunday(holidays, times[i])
        buffers.habit_reason, buffers.habit_excess, buffers.is_alone = 0, 0.0, alone[i]
        week.hold_against_week(states[0], values[i], times[i], buffers)
        excesses[i], reasons[i] = buffers.habit_excess, buffers.habit_reason


def follow(values, times, rate=RATE, states=None, alone=None, holidays=NO_HOLIDAYS):
    """How far beyond what is enough the evidence is, at each reading; and the state after them."""
    values, times = np.asarray(values, dtype=float), np.asarray(times, dtype=float)
    states = new_state() if states is None else states
    if states[0]["interval"] == 0.0:
        states["interval"] = times[1] - times[0]
    alone = np.zeros(values.size, dtype=np.int64) if alone is None else alone
    excesses, reasons = np.zeros(values.size), np.zeros(values.size, dtype=np.int64)
    _follow(states, values, times, alone, holidays, rate, excesses, reasons)
    assert (reasons == np.where(excesses > 0.0, SEASON_BREAK, 0)).all()
    return excesses, states


def odd_days(weeks, values, **options):
    """The days on which an odd day was marked, each as often as it was."""
    return weeks.days[np.flatnonzero(follow(values, weeks.times, **options)[0])].tolist()


def weeks_of(seed, step=15, noise=0.1, zone="Europe/Berlin"):
    return simulate(step, noise, zone, seed)


def free_days(weeks, *days):
    """Days of a stream as holidays."""
    holidays = np.zeros(len(days), HOLIDAY_DTYPE)
    for at, day in enumerate(days):
        begin = weeks.times[weeks.days == day][0]
        holidays[at] = begin, begin + DAY, 6 - day % 7
    return holidays


# The calendar


@settings(deadline=None)
@given(st.dates(date(1, 1, 1), date(9999, 12, 31)))
def test_month_and_day_are_those_of_the_calendar(one):
    assert week.month_and_day((one - EPOCH).days) == (one.month, one.day)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Pacific/Auckland"])
def test_clocks_may_change_on_the_sundays_on_which_they_do(zone):
    offsets = {}
    for days in range((date(2008, 1, 1) - EPOCH).days, (date(2038, 1, 1) - EPOCH).days):
        noon = datetime.combine(EPOCH + timedelta(days=days), time(12), ZoneInfo(zone))
        offsets[days] = noon.utcoffset()
    changes = [days for days in offsets if days - 1 in offsets and offsets[days] != offsets[days - 1]]
    assert len(changes) == 59 or len(changes) == 60
    for days in changes:
        kind = week.EARLY if offsets[days] > offsets[days - 1] else week.LATE
        assert [week.change_of_clocks(days + later) for later in range(-1, 4)] == [-1, kind, kind, kind, -1]
    may_be = sum(week.change_of_clocks(days) >= 0 for days in offsets)
    assert may_be == 30 * 7 * 3, "on seven Sundays a year, three days each"


# The twin


@pytest.mark.parametrize(
    ("step", "noise", "kind", "rate", "free"),
    [
        (60, 0.1, "", RATE, ()),
        (15, 0.05, KINDS[0], RATE, (HOLIDAY_DAY,)),
        (30, 0.1, KINDS[1], 1e-5, (HOLIDAY_DAY, 15, 40, 41)),
        (5, 0.2, KINDS[2], 0.1, (HOLIDAY_DAY, 30)),
    ],
)
def test_every_reading_gives_what_the_slow_twin_gives(step, noise, kind, rate, free):
    weeks = weeks_of(step, step, noise)
    values, times = weeks.values(kind, 37), weeks.times
    rng = np.random.default_rng(step)
    values[rng.random(values.size) < 0.001] += 50.0
    values[weeks.days >= 46] += 2.0
    alone = (rng.random(values.size) < 0.02).astype(np.int64)
    kept = (rng.random(values.size) < 0.98) & ~((weeks.days == 30) & (weeks.hours > 7.0))
    values, times, alone = values[kept], times[kept], alone[kept]
    holidays = free_days(weeks, *free)
    excesses, states = follow(values, times, rate, alone=alone, holidays=holidays)
    twin, interval = NaiveWeek(), float(states[0]["interval"])
    assert np.isnan(times).sum() == 0
    expected = [
        twin.hold(value, time, interval, rate, bool(left), days_to_sunday(holidays, time))
        for value, time, left in zip(values, times, alone, strict=True)
    ]
    assert excesses == pytest.approx(np.array(expected), rel=1e-6)
    assert np.count_nonzero(excesses) > 0
    state = states[0]
    assert state["days"] == twin.days > 48
    assert (state["week_level"], state["week_ahead"]) == pytest.approx((twin.level, twin.ahead))
    assert state["unlikeness"].tolist() == pytest.approx(twin.evidence)
    for at in range(0, values.size, 97):
        one = float(values[at]), float(times[at])
        assert week.is_usual_by_clock(state, *one, 0.1) == twin.is_usual(*one, interval, 0.1)


# Odd days


@pytest.mark.parametrize("step", [1, 5, 15, 60])
@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_day_is_marked_once_on_that_day(kind, step):
    day = 36 if kind == KINDS[1] else 37
    day -= day % 7 if kind == KINDS[1] else 0
    weeks = weeks_of(3, step, 0.05)
    usual, odd = (odd_days(weeks, weeks.values(*event)) for event in ((), (kind, day)))
    assert day not in usual
    assert odd.count(day) == 1


def test_of_usual_weeks_with_a_holiday_and_the_end_of_summer_time_only_the_holiday_is_told():
    found = [one for seed in range(1, 9) for one in odd_days(weeks_of(seed), weeks_of(seed).values())]
    assert found.count(HOLIDAY_DAY) == 8
    assert len(found) <= 11, "of 320 days"


@pytest.mark.parametrize(
    ("zone", "turned"),
    [("Europe/Berlin", -3600.0), ("Asia/Tokyo", 0.0), ("America/New_York", 0.0), ("Australia/Sydney", 3600.0)],
)
def test_the_clock_is_put_back_or_forward_where_the_streams_is(zone, turned):
    for seed in range(1, 6):
        weeks = weeks_of(seed, 15, 0.1, zone)
        is_early = weeks.days < 26  # in Sydney, whose clocks go forward on day 27
        (_, before), (_, after) = (
            follow(weeks.values()[which], weeks.times[which]) for which in (is_early, weeks.days < 55)
        )
        assert after[0]["week_ahead"] - before[0]["week_ahead"] == turned


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("step", [15, 60])
def test_days_begin_in_the_night_of_the_streams_place(zone, step):
    for seed in range(1, 6):
        weeks = weeks_of(seed, step, 0.05, zone)
        is_past = weeks.days < 20
        ahead = follow(weeks.values()[is_past], weeks.times[is_past])[1][0]["week_ahead"]
        begins = np.diff((weeks.times + ahead) // DAY, prepend=0.0) > 0.0
        hours = weeks.hours[begins & is_past & (weeks.days > 0)]
        assert ((hours >= 20.0) | (hours <= 6.0)).all()


@pytest.mark.parametrize("zone", ZONES)
def test_odd_days_are_found_in_any_zone(zone):
    for kind, day in zip(KINDS, (37, 35, 38), strict=True):
        found = 0
        for seed in range(1, 6):
            weeks = weeks_of(seed, 60, 0.1, zone)
            found += day in odd_days(weeks, weeks.values(kind, day))
        assert found >= 4


def test_a_day_an_hour_late_is_found_behind_the_end_of_summer_time_too():
    weeks = weeks_of(2)
    assert 7 * 7 + 3 in odd_days(weeks, weeks.values(KINDS[2], 7 * 7 + 3))


@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_a_day_an_hour_late_is_found_in_hourly_readings_behind_a_holiday_too(noise):
    found = 0
    for seed in range(1, 21):
        weeks = weeks_of(seed, 60, noise)
        found += HOLIDAY_DAY + 6 in odd_days(weeks, weeks.values(KINDS[2], HOLIDAY_DAY + 6))
    assert found >= 18


def test_an_odd_day_is_not_learned_but_the_second_of_its_weekday_in_a_row_is():
    weeks = weeks_of(3, 15, 0.05)
    usual, once = weeks.values(), weeks.values(KINDS[0], 30)
    often = usual.copy()
    for day in (30, 37, 44):
        often[weeks.days == day] = weeks.values(KINDS[0], day)[weeks.days == day]
    off = []
    for values in (once, often):
        is_past = weeks.days < 46
        (_, one), (_, other) = (follow(series[is_past], weeks.times[is_past]) for series in (values, usual))
        off.append(np.nanmax(np.abs(one[0]["week"] - other[0]["week"])))
    assert off[0] < 0.15
    assert off[1] > 0.5


def test_a_kind_that_goes_on_the_next_day_is_marked_once_and_again_after_a_usual_day():
    weeks = weeks_of(3, 15, 0.05)
    values = weeks.values()
    for day in (36, 37, 39):
        values[weeks.days == day] = weeks.values(KINDS[2], day)[weeks.days == day]
    assert [day for day in odd_days(weeks, values) if 35 <= day <= 40] == [36, 39]


def test_readings_as_rare_as_slots_tell_where_they_stand_out_alone():
    weeks = weeks_of(3, 60, 0.05)
    values = weeks.values(KINDS[2], 37)
    assert 37 in odd_days(weeks, values, alone=(weeks.days == 37).astype(np.int64))


def test_the_first_day_of_which_half_was_seen_is_like_no_other():
    weeks = weeks_of(3, 60, 0.03)
    is_past = np.arange(weeks.times.size) >= 20  # of the first day the evening, which is like any
    state = follow(weeks.values()[is_past], weeks.times[is_past])[1][0]
    assert state["usual_week_spread"] < 2.0 * 0.03


def test_a_single_late_hour_is_no_odd_day():
    for seed in range(1, 6):
        weeks = weeks_of(seed, 60, 0.1)
        values = weeks.values()
        one = np.flatnonzero((weeks.days == 36) & (weeks.hours == 10.0))
        values[one] = 0.0
        assert 36 not in odd_days(weeks, values)


def test_nothing_is_marked_in_the_first_three_weeks_or_of_a_stream_without_a_week():
    weeks = weeks_of(1)
    values = weeks.values(KINDS[0], 17)
    assert min(odd_days(weeks, values)) > 20
    walk = np.cumsum(np.random.default_rng(1).normal(size=values.size))
    noise = np.random.default_rng(2).normal(size=values.size)
    for other in (walk, noise, np.zeros(values.size)):
        assert odd_days(weeks, other) == []


def test_a_level_that_stays_is_marked_at_most_twice_and_odd_days_are_found_on_it():
    weeks = weeks_of(4, 15, 0.05)
    values = weeks.values(KINDS[0], 44)
    values[weeks.days >= 33] += 3.0
    found = odd_days(weeks, values)
    assert 44 in found
    assert sum(33 <= day < 44 for day in found) <= 2


def test_rarer_alarms_need_more_evidence():
    found = [0, 0]
    for seed in range(1, 7):
        weeks = weeks_of(seed, 5, 0.03)
        for at, rate in enumerate((1e-5, 0.1)):
            found[at] += len(odd_days(weeks, weeks.values(), rate=rate))
    assert found[0] < found[1]


# Holidays


def test_a_declared_holiday_is_no_odd_day_and_is_learned_of_no_day_of_the_week():
    for seed in range(1, 9):
        weeks = weeks_of(seed)
        values, wild = weeks.values(), weeks.values()
        wild[weeks.days == HOLIDAY_DAY] += np.random.default_rng(seed).normal(0.0, 3.0)
        holiday = free_days(weeks, HOLIDAY_DAY)
        (_, states), (_, other) = (follow(series, weeks.times, holidays=holiday) for series in (values, wild))
        assert states[0]["week"].tobytes() == other[0]["week"].tobytes()
        assert states[0]["week_level"] == other[0]["week_level"]
        for series in (values, wild):
            assert HOLIDAY_DAY not in odd_days(weeks, series, holidays=holiday)
            assert HOLIDAY_DAY in odd_days(weeks, series)


def test_days_behind_a_holiday_are_found_to_be_odd_as_ever():
    for seed in range(1, 5):
        weeks = weeks_of(seed)
        assert HOLIDAY_DAY + 1 in odd_days(
            weeks, weeks.values(KINDS[0], HOLIDAY_DAY + 1), holidays=free_days(weeks, HOLIDAY_DAY)
        )


@pytest.mark.parametrize("seed", range(1, 21))
def test_what_is_left_of_a_holiday_hides_no_missed_day_of_noisy_hourly_readings(seed):
    weeks = weeks_of(seed, step=60, noise=0.2)
    day = HOLIDAY_DAY + 5
    assert odd_days(weeks, weeks.values("missed day", day)).count(day) == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_on_a_holiday_what_a_sunday_foretells_is_usual(zone):
    weeks = weeks_of(7, 60, 0.03, zone)
    values = weeks.values()
    day = 32  # a Friday
    holidays = free_days(weeks, day)
    is_past = (weeks.days < day) | ((weeks.days == day) & (weeks.hours < 12.0))
    noon = (weeks.days == day) & (weeks.hours == 12.0)
    time, working = weeks.times[noon][0], values[noon][0]
    sunday = values[(weeks.days == 27) & (weeks.hours == 12.0)][0]
    for declared, usual, unusual in ((holidays, sunday, working), (NO_HOLIDAYS, working, sunday)):
        state = follow(values[is_past], weeks.times[is_past], holidays=declared)[1][0]
        assert week.is_usual_by_clock(state, usual, time, 0.25)
        assert not week.is_usual_by_clock(state, unusual, time, 0.25)


# What is usual by the clock


def test_what_the_time_of_the_week_foretells_is_usual_and_nothing_else_is():
    weeks = weeks_of(5, 60, 0.05)
    values = weeks.values()
    is_past = weeks.days + weeks.hours / 24.0 < 42.1
    state = follow(values[is_past], weeks.times[is_past])[1][0]
    monday, noon, night = (weeks.days == 42), weeks.hours == 12.0, weeks.hours == 3.0
    for hour, other in ((noon, night), (night, noon)):
        time, value = weeks.times[monday & hour][0], values[monday & hour][0]
        assert week.is_usual_by_clock(state, value, time, 0.2)
        assert not week.is_usual_by_clock(state, values[monday & other][0], time, 0.2)
    assert not week.is_usual_by_clock(state, value, math.nan, 0.2)
    assert not week.is_usual_by_clock(state, value, time, 0.01), "it is not known so well"
    early = follow(values[weeks.days < 18], weeks.times[weeks.days < 18])[1][0]
    assert not week.is_usual_by_clock(early, value, time, 0.2), "it is not known yet"


def test_on_an_odd_day_what_it_is_like_is_usual_once_that_was_told():
    weeks = weeks_of(5, 60, 0.05)
    values = weeks.values(KINDS[1], 42)
    noon, night = ((weeks.days == 42) & (weeks.hours == hour) for hour in (14.0, 5.0))
    for which, is_odd in ((noon, True), (night, False)):
        at = int(np.flatnonzero(which)[0])
        state = follow(values[:at], weeks.times[:at])[1][0]
        assert bool(state["odd"] & week.TODAY) == is_odd
        assert week.is_usual_by_clock(state, values[noon][0], weeks.times[noon][0], 0.2) == is_odd


def test_what_a_change_of_clocks_foretells_is_usual_before_it_is_known():
    weeks = weeks_of(5, 60, 0.15)
    monday = 49  # summer time ended on the day before
    quiet = weeks._replace(noise=np.zeros(weeks.times.size), sizes=np.ones(weeks.sizes.size)).values()
    morning = np.flatnonzero((weeks.days == monday) & (weeks.hours < 12.0))
    moved = morning[np.argmax(np.abs(quiet[morning] - quiet[morning - 7 * 24]))]
    for back, is_usual in ((0, True), (7 * 24, False)):
        now = moved - back
        state = follow(weeks.values()[:now], weeks.times[:now])[1][0]
        assert state["turned"] == 0.0
        assert week.is_usual_by_clock(state, quiet[moved], weeks.times[now], 0.25) == is_usual


# What is remembered


@pytest.mark.parametrize("wild", [1e3, 1e9, -1e15])
def test_one_wild_reading_moves_the_week_by_no_more_than_an_ordinary_far_one(wild):
    weeks = weeks_of(6)
    values = weeks.values()
    at = np.flatnonzero(weeks.days == 30)[50]
    spoilt = values.copy()
    spoilt[at] = wild
    is_past = weeks.days < 35
    (_, one), (_, other) = (follow(series[is_past], weeks.times[is_past]) for series in (values, spoilt))
    moved = np.abs(one[0]["week"] - other[0]["week"])
    assert np.nanmax(moved) <= week.REACH * np.nanmax(one[0]["week_spread"])
    assert abs(float(one[0]["week_level"] - other[0]["week_level"])) < 0.1
    assert odd_days(weeks, spoilt) == odd_days(weeks, values)


def test_without_times_or_with_few_readings_a_day_nothing_is_learned():
    values = np.arange(500.0)
    fresh = new_state().tobytes()
    for times in (np.full(500, math.nan), np.arange(500) * 3.0 * 3600.0):
        states = new_state()
        states["interval"] = 3.0 * 3600.0
        follow(values, times, states=states)
        states["interval"] = 0.0
        assert states.tobytes() == fresh


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-1e15, 1e15), st.floats(-1e11, 1e11)), min_size=2, max_size=200))
def test_any_times_in_any_order_leave_a_finite_record(readings):
    values, times = map(list, zip(*readings, strict=True))
    states = new_state()
    states["interval"] = 60.0
    excesses, _ = follow(values * 3, times * 3, states=states)
    assert np.isfinite(excesses).all()
    assert not np.isinf(states[0]["week"]).any()
    assert -1 <= states[0]["week_slot"] < 96
    assert 0 <= states[0]["week_alike"] < 128


def test_it_takes_less_than_four_kilobytes():
    assert np.dtype(week.FIELDS).itemsize < 4096
