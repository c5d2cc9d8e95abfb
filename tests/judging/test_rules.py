import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamforest
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.detectors.z_score import WARM_UP, ZScoreDetector
from streamforest.judging.decide import follow_episode, new_positions
from streamforest.judging.rules import (
    DAY,
    DIRECTIONS,
    FIRST_INTERVALS,
    INTERVAL_MEMORY,
    LEAST_ALARM_RATE,
    MOST_ALARM_RATE,
    NO_RULES,
    Rules,
    is_suppressed,
    may_begin,
    new_rule_states,
    note_time,
    wanted_rate,
)
from streamforest.program.options import OPTIONS
from streamforest.protocols import VERDICT_DTYPE, verdict_from_row
from streamforest.verdicts.episodes import EPISODE_GAP, UNUSUAL
from tests.naive import naive_alarms

RATE = 0.02
UNCHANGED = ("index", "time", "value", "score", "threshold", "p_value", "expected", "lower", "upper")


def stream(seed, n=3000):
    """Heavy-tailed values around 50 with spikes, dips, bursts and missing readings."""
    rng = np.random.default_rng(seed)
    values = 50.0 + rng.standard_t(4, n)
    values[rng.random(n) < 0.02] += 15.0
    values[rng.random(n) < 0.02] -= 15.0
    for start in rng.integers(100, n - 60, 4):
        values[start : start + 40 : 4] += 30.0
    values[rng.random(n) < 0.01] = np.nan
    return values


def held_to(verdicts, free, rules, times=None):
    """Check verdicts against those without rules."""
    for name in UNCHANGED:
        np.testing.assert_array_equal(verdicts[name], free[name])
    flags, episodes = naive_alarms(free, rules, times)
    assert verdicts["is_anomaly"].tolist() == flags
    assert verdicts["episode"].tolist() == episodes
    assert not verdicts["reason"][~verdicts["is_anomaly"]].any()
    assert verdicts["reason"][verdicts["is_anomaly"]].all()


# The rules as they are given


def test_without_a_rule_a_score_above_its_threshold_is_an_anomaly():
    assert Rules() == NO_RULES
    verdicts = ZScoreDetector(RATE).update_many(stream(1))
    np.testing.assert_array_equal(verdicts["is_anomaly"], verdicts["score"] > verdicts["threshold"])
    assert verdicts.tobytes() == ZScoreDetector(RATE, Rules()).update_many(stream(1)).tobytes()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("direction", "left", "both, up or down"),
        ("minimum_deviation", -0.1, "a finite number, at least 0"),
        ("minimum_deviation", math.nan, "a finite number, at least 0"),
        ("minimum_deviation", math.inf, "a finite number, at least 0"),
        ("minimum_deviation_percent", -1, "a finite number, at least 0"),
        ("alarms_a_day", 0, "0.001 to 1000, or None"),
        ("alarms_a_day", 1000.5, "0.001 to 1000, or None"),
        ("alarms_a_day", math.nan, "0.001 to 1000, or None"),
        ("cool_down", -1, "a whole number, 0 to 100000"),
        ("cool_down", 100_001, "a whole number, 0 to 100000"),
        ("cool_down", 2.5, "a whole number, 0 to 100000"),
        ("cool_down", math.nan, "a whole number, 0 to 100000"),
    ],
)
def test_a_rule_out_of_its_range_is_refused_with_name_value_and_range(name, value, allowed):
    with pytest.raises(ValueError, match=f"^{name} is {value!r}, allowed is {allowed}$"):
        Rules(**{name: value})


@pytest.mark.parametrize("name", ["minimum_deviation", "minimum_deviation_percent", "alarms_a_day", "cool_down"])
def test_the_options_allow_what_the_rules_allow(name):
    option = next(option for option in OPTIONS if option.name == name.upper())
    for limit in (option.low, option.high):
        if limit is not None:
            Rules(**{name: limit})
    for beyond in (option.low - 1, math.inf if option.high is None else option.high + 1):
        with pytest.raises(ValueError, match=name):
            Rules(**{name: beyond})


def test_the_options_know_the_directions_and_the_default_cool_down():
    options = {option.name: option for option in OPTIONS}
    assert options["DIRECTION"].choices == tuple(DIRECTIONS)
    assert Rules().cool_down == EPISODE_GAP


def test_the_rules_have_a_public_name():
    assert streamforest.Rules is Rules
    with pytest.raises(AttributeError, match="no attribute 'Rulez'"):
        _ = streamforest.Rulez


# Direction and deviation


@pytest.mark.parametrize(
    ("rules", "value", "expected", "held"),
    [
        (Rules(direction="up"), np.nextafter(5.0, 6.0), 5.0, False),
        (Rules(direction="up"), 5.0, 5.0, True),
        (Rules(direction="up"), 4.0, 5.0, True),
        (Rules(direction="down"), np.nextafter(5.0, 4.0), 5.0, False),
        (Rules(direction="down"), 5.0, 5.0, True),
        (Rules(direction="down"), 6.0, 5.0, True),
        (Rules(minimum_deviation=2.0), 7.0, 5.0, False),
        (Rules(minimum_deviation=2.0), 3.0, 5.0, False),
        (Rules(minimum_deviation=2.0), np.nextafter(7.0, 6.0), 5.0, True),
        (Rules(minimum_deviation_percent=50), -6.0, -4.0, False),
        (Rules(minimum_deviation_percent=50), np.nextafter(-6.0, 0.0), -4.0, True),
        (Rules(minimum_deviation_percent=50), 1e-9, 0.0, False),
        (Rules(minimum_deviation=3, minimum_deviation_percent=50), 7.5, 5.0, True),
        (Rules(minimum_deviation=1, minimum_deviation_percent=50), 6.5, 5.0, True),
        (Rules(minimum_deviation=1, minimum_deviation_percent=50), 7.5, 5.0, False),
        (Rules(direction="up", minimum_deviation=1, minimum_deviation_percent=1), 1.7e308, -1.7e308, False),
        (Rules(direction="up", minimum_deviation=1, minimum_deviation_percent=1), math.nan, 5.0, False),
        (Rules(direction="down", minimum_deviation=1, minimum_deviation_percent=1), math.nan, 5.0, False),
        (Rules(), 5.0, 5.0, False),
    ],
)
def test_a_value_is_held_back_in_the_wrong_direction_or_near_by_and_a_missing_one_never(rules, value, expected, held):
    assert is_suppressed(rules.numbers, float(value), expected) is held


RULES = st.builds(
    Rules,
    direction=st.sampled_from(["both", "up", "down"]),
    minimum_deviation=st.sampled_from([0, 4.0, 16]),
    minimum_deviation_percent=st.sampled_from([0, 10.0, 31]),
    cool_down=st.sampled_from([0, 3, EPISODE_GAP, 200, 100_000]),
)


@settings(max_examples=40, deadline=None)
@given(RULES, st.integers(0, 9))
def test_any_rules_leave_what_the_obvious_twin_leaves_and_change_no_score(rules, seed):
    free = ZScoreDetector(RATE).update_many(stream(seed))
    verdicts = ZScoreDetector(RATE, rules).update_many(stream(seed))
    held_to(verdicts, free, rules)
    assert (verdicts["score"] > verdicts["threshold"])[verdicts["is_anomaly"]].all()


@pytest.mark.parametrize("rules", [Rules(direction="down", minimum_deviation=5), Rules(alarms_a_day=3, cool_down=0)])
def test_the_default_detector_goes_by_the_rules_too(rules, model):
    values, times = stream(1), DAY / 300 * np.arange(3000)
    rate = RATE if rules.alarms_a_day is None else rules.alarms_a_day / 300
    free = StreamDetector(model, rate).update_many(values, times)
    verdicts = StreamDetector(model, RATE, rules).update_many(values, times)
    flags, episodes = naive_alarms(free, rules, times)
    # the band may keep the configured rate
    for name in ("score", "threshold", "p_value", "expected"):
        np.testing.assert_allclose(verdicts[name], free[name], rtol=1e-9)
    assert (verdicts["is_anomaly"].tolist(), verdicts["episode"].tolist()) == (flags, episodes)
    assert 0 < verdicts["is_anomaly"].sum() < free["is_anomaly"].sum()
    down = verdicts[verdicts["is_anomaly"] & ~np.isnan(verdicts["value"])]
    assert rules.direction != "down" or (down["value"] <= down["expected"] - 5).all()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_missing_reading_alarms_whatever_the_direction_and_the_deviation(direction, model):
    values = stream(1)
    values[2000:2030] = np.nan
    rules = Rules(direction=direction, minimum_deviation=1e9, minimum_deviation_percent=1e9)
    verdicts = StreamDetector(model, 0.2, rules).update_many(values)
    is_missing = np.isnan(values)
    is_above = verdicts["score"] > verdicts["threshold"]
    assert (is_above & is_missing).any()
    np.testing.assert_array_equal(verdicts["is_anomaly"], is_above & is_missing)


# Alarms a day


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([0.25, 0.5, 0.9, 1, 1.5, 2, 5, 12.7]),
    st.sampled_from([0, 5, 30]),
    st.sampled_from([DAY / 400, DAY / 64]),
    st.integers(0, 5),
)
def test_the_rate_is_that_many_a_day_and_no_more_episodes_begin(wanted, cool_down, interval, seed):
    rules = Rules(alarms_a_day=wanted, cool_down=cool_down)
    values, times = stream(seed), 1.7e9 + interval * np.arange(3000)
    rate = min(max(wanted * interval / DAY, LEAST_ALARM_RATE), MOST_ALARM_RATE)
    free = ZScoreDetector(rate).update_many(values, times)
    verdicts = ZScoreDetector(RATE, rules).update_many(values, times)
    known = verdicts[~np.isnan(verdicts["score"])]
    for name in ("score", "threshold", "p_value"):
        np.testing.assert_allclose(verdicts[name], free[name], rtol=1e-12)
    np.testing.assert_array_equal(known["score"] > known["threshold"], known["p_value"] < rate * (1 - 1e-13))
    flags, episodes = naive_alarms(free, rules, times)
    assert (verdicts["is_anomaly"].tolist(), verdicts["episode"].tolist()) == (flags, episodes)
    starts = [verdicts["time"][verdicts["episode"] == number][0] for number in range(1, int(max(episodes)) + 1)]
    assert np.unique(np.floor(np.array(starts) / DAY), return_counts=True)[1].max() <= max(1, math.floor(wanted))
    if wanted < 1:
        assert (np.diff(starts) >= DAY / wanted).all()


@settings(max_examples=40, deadline=None)
@given(RULES, st.sampled_from([None, 0.5, 3.0]), st.integers(0, 5), st.data())
def test_one_by_one_in_blocks_and_in_one_go_the_bits_are_the_same(rules, wanted, seed, data):
    rules = Rules(**{**vars(rules), "alarms_a_day": wanted})
    rng = np.random.default_rng(seed)
    values, times = stream(seed, 600), 1.7e9 + np.cumsum(rng.exponential(900.0, 600))
    times[rng.random(600) < 0.2] = np.nan
    whole, one, parts = (ZScoreDetector(RATE, rules) for _ in range(3))
    expected = whole.update_many(values, times)
    cuts = sorted(data.draw(st.lists(st.integers(0, 600), max_size=4)))
    pieces = zip(np.split(values, cuts), np.split(times, cuts), strict=True)
    assert np.concatenate([parts.update_many(*piece) for piece in pieces]).tobytes() == expected.tobytes()
    clock = [None if time != time else time for time in times.tolist()]
    found = [one.update(value, time) for value, time in zip(values.tolist(), clock, strict=True)]
    assert found == [verdict_from_row(row) for row in expected.tolist()]
    assert one.state()["records"].tobytes() == parts.state()["records"].tobytes() == whole.state()["records"].tobytes()


def test_a_detector_that_is_saved_and_resumed_keeps_the_promise_as_if_it_had_never_stopped():
    rules = Rules(alarms_a_day=2)
    values, times = stream(3), 1.7e9 + 300.0 * np.arange(3000)
    expected = ZScoreDetector(RATE, rules).update_many(values, times)
    before, after = ZScoreDetector(RATE, rules), ZScoreDetector(RATE, rules)
    before.update_many(values[:1500], times[:1500])
    after.restore(before.state())
    assert after.update_many(values[1500:], times[1500:]).tobytes() == expected[1500:].tobytes()


def test_without_times_or_with_too_few_the_alarm_rate_decides():
    values = stream(2)
    free = ZScoreDetector(RATE).update_many(values)
    assert ZScoreDetector(RATE, Rules(alarms_a_day=1)).update_many(values).tobytes() == free.tobytes()
    times = np.full(values.size, np.nan)
    times[:FIRST_INTERVALS] = 60.0 * np.arange(FIRST_INTERVALS)
    verdicts = ZScoreDetector(RATE, Rules(alarms_a_day=1)).update_many(values, times)
    for name in ("score", "threshold", "p_value"):
        np.testing.assert_array_equal(verdicts[name], free[name])
    assert set(verdicts["episode"].tolist()) == {0, 1}  # the newest time there was still is of its day


def rule_state_after(times):
    rule_state = new_rule_states()[0]
    for index, time in enumerate(times):
        note_time(rule_state, index, float(time))
    return rule_state


def rate_after(times, rules=NO_RULES):
    return wanted_rate(rule_state_after(times), rules.numbers, RATE)


def test_the_rate_is_in_its_range_and_known_from_the_first_intervals_on():
    times = 600.0 * np.arange(FIRST_INTERVALS + 1)
    assert rate_after(times) == RATE
    assert rate_after(times[:-1], Rules(alarms_a_day=1)) == RATE
    assert rate_after(times, Rules(alarms_a_day=1)) == pytest.approx(600 / DAY)
    assert rate_after(times, Rules(alarms_a_day=1000)) == MOST_ALARM_RATE
    assert rate_after(times / 600, Rules(alarms_a_day=0.001)) == LEAST_ALARM_RATE
    assert rate_after(np.zeros(20), Rules(alarms_a_day=1)) == RATE


def test_the_usual_interval_is_the_mean_whatever_the_gaps_and_the_missing_times():
    rng = np.random.default_rng(1)
    assert rule_state_after(np.cumsum(rng.exponential(60.0, 5000)))["interval"] == pytest.approx(60.0, rel=0.15)
    times = 60.0 * np.arange(5000)
    assert rule_state_after(np.where(rng.random(5000) < 0.3, np.nan, times))["interval"] == 60.0
    assert rule_state_after(np.repeat(times, 10)[:5000])["interval"] == 6.0
    late = times + DAY * (np.arange(5000) >= 3) + 30 * DAY * (np.arange(5000) >= 4900)
    assert rule_state_after(late[:20])["interval"] == 60.0
    assert rule_state_after(late)["interval"] == pytest.approx(60.0, rel=0.05)


def test_times_that_go_back_or_are_none_teach_nothing():
    times = [0.0, 60.0, 120.0]
    for strange in (math.nan, math.inf, -math.inf, 1e300):
        assert rule_state_after([*times, strange]).tobytes() == rule_state_after(times).tobytes()
    back = rule_state_after([*times, 50.0])
    assert (back["intervals"], back["interval"], back["time"]) == (2, 120.0, 50.0)


def test_the_usual_interval_follows_a_new_one():
    times = np.concatenate([np.arange(3000.0), 3000.0 + 60.0 * np.arange(1, 12 * INTERVAL_MEMORY)])
    assert rule_state_after(times)["interval"] == pytest.approx(60.0, rel=0.01)


@pytest.mark.parametrize("wanted", [0.5, 1, 2.9])
def test_a_new_day_and_no_sooner_brings_new_episodes(wanted):
    rules = Rules(alarms_a_day=wanted).numbers

    def begun_at(*days):
        rule_state = new_rule_states()[0]
        begun = []
        for index, day in enumerate(days):
            note_time(rule_state, index, day * DAY)
            begun.append(may_begin(rule_state, rules))
        return begun

    almost = 1 - 1e-6
    assert (
        begun_at(0, 0.1, 0.5, almost, 1, 2)
        == {
            0.5: [True, False, False, False, False, True],
            1: [True, False, False, False, True, True],
            2.9: [True, True, False, False, True, True],
        }[wanted]
    )
    assert begun_at(-0.5, -1e-6, 0)[2] is (wanted >= 1)


def test_before_the_first_time_there_is_no_day_to_count_in():
    rule_state = new_rule_states()[0]
    assert [may_begin(rule_state, Rules(alarms_a_day=1).numbers) for _ in range(3)] == [True] * 3
    note_time(rule_state, 5, 100.0)
    assert [may_begin(rule_state, Rules(alarms_a_day=1).numbers) for _ in range(3)] == [True, False, False]


# Cool-down


@pytest.mark.parametrize("cool_down", [0, 1, 50, 100_000])
def test_an_episode_survives_as_many_normal_points_as_the_cool_down(cool_down):
    for apart, episodes in ((cool_down + 1, 1), (cool_down + 2, 2)):
        values = np.random.default_rng(1).uniform(-1, 1, WARM_UP + 200 + apart)
        first = WARM_UP + 100
        values[[first, first + apart]] = 1e6
        verdicts = ZScoreDetector(1e-6, Rules(minimum_deviation=1e5, cool_down=cool_down)).update_many(values)
        flagged = verdicts[verdicts["is_anomaly"]]
        assert flagged["index"].tolist() == [first, first + apart]
        assert flagged["episode"].tolist() == [1, episodes]


def test_an_unusual_point_keeps_an_episode_alive_and_begins_none():
    position, verdict = new_positions()[0], np.zeros(1, VERDICT_DTYPE)[0]
    rules, numbers = Rules(cool_down=2).numbers, []
    # . calm, ~ unusual, ! anomalous
    for index, letter in enumerate("~..!..~..~..!...~!"):
        verdict["index"], verdict["episode"], verdict["is_anomaly"] = index, 0, letter == "!"
        verdict["p_value"] = {".": UNUSUAL, "~": np.nextafter(UNUSUAL, 0), "!": 1e-5}[letter]
        follow_episode(position, rules, verdict)
        numbers.append(int(verdict["episode"]))
    assert [number for number in numbers if number] == [1, 1, 2]
    assert [index for index, number in enumerate(numbers) if number] == [3, 12, 17]


def test_a_point_that_is_held_back_does_not_keep_an_episode_alive():
    values = np.random.default_rng(1).uniform(-1, 1, 400)
    values[[300, 303, 306]] = [50.0, -50.0, 50.0]
    for direction, episodes in (("both", [1, 1, 1]), ("up", [1, 2])):
        verdicts = ZScoreDetector(0.001, Rules(direction=direction, minimum_deviation=20, cool_down=3)).update_many(
            values
        )
        assert verdicts["episode"][verdicts["is_anomaly"]].tolist() == episodes
