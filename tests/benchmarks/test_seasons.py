from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks import seasons as benchmark
from benchmarks.seasons import FIRST_DAY, HOLIDAY, KINDS, WEEKS, Outcome, measure, offsets, row, simulate
from streamforest.protocols import VERDICT_DTYPE

HOLIDAY_DAY = (HOLIDAY - FIRST_DAY).days
CHANGE_DAY = (datetime(2024, 10, 27) - FIRST_DAY).days  # the end of summer time


def quiet(week):
    """The same without noise."""
    return week._replace(noise=np.zeros(len(week.times)), sizes=np.ones(len(week.sizes)))


def shown(week, values, day):
    """A day's values by its clock."""
    is_here = week.days == day
    return dict(zip(week.hours[is_here].round(4).tolist(), values[is_here].round(9).tolist(), strict=True))


def marker(*points):
    """A judge that marks these points of any stream, each an episode."""

    def judge(values, times):
        assert values.shape == times.shape
        verdicts = np.zeros(len(values), VERDICT_DTYPE)
        for number, point in enumerate(points, 1):
            verdicts["is_anomaly"][point] = True
            verdicts["episode"][point] = number
        return verdicts

    return lambda: judge


def test_the_weeks_follow_the_clock_of_their_zone_through_the_end_of_summer_time():
    week = quiet(simulate(60, 0.1, "Europe/Berlin", 1))
    assert len(week.times) == WEEKS * 7 * 24 + 1, "the night of the change has an hour more"
    assert datetime.fromtimestamp(week.times[0], UTC) == datetime(2024, 9, 8, 22, tzinfo=UTC)
    assert (np.diff(week.times) == 3600.0).all()
    values = week.values()
    assert shown(week, values, 1) == shown(week, values, 7 * 7 + 1), "the same by the clock, before and after"
    assert sorted(set(offsets(week.times, "Europe/Berlin").tolist())) == [3600.0, 7200.0]
    assert set(offsets(week.times, "Asia/Kolkata").tolist()) == {19_800.0}


def test_a_holiday_is_like_a_sunday_and_so_is_the_monday_that_is_to_be_found():
    week = quiet(simulate(15, 0.1, "Europe/Berlin", 2))
    values = week.values()
    sunday = shown(week, values, 6)
    assert shown(week, values, HOLIDAY_DAY) == sunday != shown(week, values, HOLIDAY_DAY - 7)
    assert shown(week, week.values(KINDS[1], 35), 35) == sunday != shown(week, values, 35)


def test_of_the_other_kinds_one_day_is_flat_and_one_an_hour_late():
    week = quiet(simulate(15, 0.1, "Europe/Berlin", 3))
    values, missed, late = week.values(), week.values(KINDS[0], 30), week.values(KINDS[2], 30)
    assert set(shown(week, missed, 30).values()) == {0.0}
    usual, shifted = shown(week, values, 30), shown(week, late, 30)
    assert all(shifted[hour] == pytest.approx(usual[(hour - 1.0) % 24.0], abs=1e-9) for hour in usual)
    for other in (missed, late):
        assert (other[week.days != 30] == values[week.days != 30]).all()


def test_the_same_seed_gives_the_same_stream_and_another_one_another():
    one, same, other = (simulate(60, 0.1, "Europe/Berlin", seed).values() for seed in (4, 4, 5))
    assert (one == same).all()
    assert (one != other).any()


def test_episodes_count_that_begin_after_the_third_week_and_a_mark_on_the_day_finds_it():
    hours = 24 * (7 * 3 + 2)
    outcome = measure(marker(10, hours, hours + 48), 60, 0.1, "Europe/Berlin", 1)
    assert outcome.false_episodes == 2 / (WEEKS - 3)
    assert not any((*outcome.found, *outcome.by_chance))
    assert not outcome.on_holiday
    assert not outcome.on_change
    on_the_holiday = measure(marker(24 * HOLIDAY_DAY + 12, 24 * HOLIDAY_DAY + 15), 60, 0.1, "Europe/Berlin", 1)
    assert on_the_holiday.on_holiday == 2
    assert not on_the_holiday.on_change
    on_the_change = measure(marker(24 * CHANGE_DAY + 12), 60, 0.1, "Europe/Berlin", 1)
    assert on_the_change.on_change == 1
    assert not on_the_change.on_holiday
    everywhere = measure(marker(*range(WEEKS * 7 * 24)), 60, 0.1, "Europe/Berlin", 1)
    assert everywhere.found == everywhere.by_chance == (True,) * len(KINDS)


def test_a_row_says_what_was_asked_for_and_the_shares_of_its_streams():
    streams = [
        Outcome(1.0, 2, 0, (True, True, False), (False,) * 3),
        Outcome(0.5, 1, 0, (True, False, False), (True,) * 3),
    ]
    assert row(5, 0.1, 0.001, streams) == (
        "| 5 min | 0.1 | 2.02 | 0.75 | 1.50 | 0.00 | 1.00 (0.50) | 0.50 (0.50) | 0.00 (0.50) |"
    )


def test_the_table_is_printed_for_the_steps_and_noises_asked_for(model_path, capsys):
    asked = ["--streams", "1", "--steps", "60", "--noises", "0.1", "--model", str(model_path)]
    assert benchmark.main(asked) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 5
    assert lines[2].count("|") == lines[4].count("|")
    assert lines[4].startswith("| 60 min | 0.1 | 0.17 |")
