import math
from datetime import UTC, date, datetime, timedelta
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


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_clocks_may_change_on_the_sundays_on_which_they_do(zone):
    offsets = {}
    for days in range((date(2008, 1, 1) - EPOCH).days, (date(2038, 1, 1) - EPOCH).days):
        noon = datetime.combine(EPOCH + timedelta(days=days), datetime.min.time(), UTC) + timedelta(hours=20)
        offsets[days] = noon.astimezone(ZoneInfo(zone)).utcoffset()
    changes = [days for days in offsets if days - 1 in offsets and offsets[days] != offsets[days - 1]]
    assert len(changes) == 59 or len(changes) == 60
    for days in changes:
        kind = week.EARLY if offsets[days] > offsets[days - 1] else week.LATE
        assert [week.change_of_clocks(days + later) for later in range(-1, 4)] == [-1, kind, kind, kind, -1]
    may_be = sum(week.change_of_clocks(days) >= 0 for days in offsets)
    assert may_be == 30 * 4 * 3, "of two rules, twice a year, three days each"


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


@pytest.mark.parametrize(("zone", "ahead"), [("Europe/Berlin", -3600.0), ("Asia/Tokyo", 0.0)])
def test_the_clock_is_put_back_where_the_streams_is(zone, ahead):
    for seed in range(1, 6):
        weeks = weeks_of(seed, 15, 0.1, zone)
        assert follow(weeks.values(), weeks.times)[1][0]["week_ahead"] == ahead


def test_a_day_an_hour_late_is_found_behind_the_end_of_summer_time_too():
    weeks = weeks_of(2)
    assert 7 * 7 + 3 in odd_days(weeks, weeks.values(KINDS[2], 7 * 7 + 3))


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
