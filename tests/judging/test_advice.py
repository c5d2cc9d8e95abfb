import threading
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.advice import Advice, Case, Stretch, alarms_at, candidates, is_broad, rounded_up
from streamforest.judging.rejudging import AlarmSettings, judge_again, readings_of
from streamforest.judging.rules import Rules
from streamforest.judging.switch import hold_back
from streamforest.program.maintenance_windows import MaintenanceWindows
from streamforest.verdicts.difference import difference

PRESENT = AlarmSettings("z-score", 0.002)
TOKYO = ZoneInfo("Asia/Tokyo")
SECONDS = 120.0
MONDAY = datetime(2024, 4, 29, tzinfo=UTC).timestamp()


def run_with(settings, points, zone=UTC):
    """What a run with settings says, without what is tested."""
    verdicts = ZScoreDetector(settings.alarm_rate, settings.rules).update_many(points["value"], points["time"])
    if settings.quiet:
        hold_back(verdicts, MaintenanceWindows(settings.quiet, zone).inside(verdicts["time"]))
    return verdicts


def again(settings, readings, is_wanted=lambda: True):
    return judge_again(lambda points: [run_with(settings, points)], readings, is_wanted)


def stream(days=7, every=300.0):
    """Noise with a spike each night, and some high ones and one low one at other times."""
    n = int(days * 86400 / every)
    times = MONDAY + every * np.arange(n)
    values = np.random.default_rng(5).normal(20.0, 1.0, n)
    nightly = np.flatnonzero((times % 86400) == 2.5 * 3600)
    values[nightly[1:]] += 15.0
    for place, size in ((500, 40.0), (900, 40.0), (1200, -40.0), (1500, 40.0)):
        values[place : place + 1] += size
    verdicts = ZScoreDetector(PRESENT.alarm_rate).update_many(values, times)
    return verdicts, nightly[1:]


def case_of(verdicts, first, last=None, **changes):
    stretch = Stretch(first, first if last is None else last)
    case = Case(stretch, False, PRESENT, readings_of(verdicts), (), UTC)
    return case._replace(**changes)


def found(case):
    def in_zone(settings, readings, is_wanted):
        return judge_again(lambda points: [run_with(settings, points, case.zone)], readings, is_wanted)

    return {one.words: one for one in candidates(case, in_zone, lambda: True)}


def test_each_rule_silences_the_alarm_and_its_numbers_are_those_of_a_run_with_it():
    verdicts, nightly = stream()
    real = [Stretch(500, 500), Stretch(1200, 1200)]
    case = case_of(verdicts, int(nightly[2]), real=real)
    rules = found(case)
    assert [words.split()[0] for words in rules][:2] == ["down", "least"]
    daily, weekly = [words for words in rules if words.startswith("quiet")]
    assert daily.startswith("quiet daily 02:30-")
    assert weekly.startswith("quiet Thu 02:30-")
    for one in rules.values():
        rerun = run_with(one.settings, case.readings.points)
        assert not alarms_at(rerun, case.stretch)
        expected = difference(verdicts, rerun)
        assert one.difference.words == expected.words
        assert one.text.startswith(f"drops {expected.dropped:,} of {expected.before:,} alarms")
    assert "keeps 2 of 2 that were real" in rules[daily].text
    assert rules[daily].difference.dropped >= len(nightly) > rules[weekly].difference.dropped


def test_a_rule_that_may_silence_real_alarms_of_which_none_is_known_comes_behind_the_others():
    verdicts, nightly = stream()
    nothing = [Stretch(int(place), int(place)) for place in nightly[3:6]]
    real = [Stretch(place, place) for place in (500, 900, 1500)]
    unknown = found(case_of(verdicts, int(nightly[3]), nothing=nothing))
    known = found(case_of(verdicts, int(nightly[3]), nothing=nothing, real=real))
    least = next(words for words in known if words.startswith("least"))
    daily = next(words for words in known if words.startswith("quiet daily"))
    assert [rules["down only"].rank[1] for rules in (unknown, known)] == [1, 1]
    assert [rules[least].rank[:2] for rules in (unknown, known)] == [(0, 1), (0, 0)], "they are well above it"
    assert min(unknown.values(), key=lambda one: one.rank).words.startswith("quiet")
    assert ", 3 of 3 that were nothing, keeps 3 of 3 that were real" in known[daily].text
    close = Rules(minimum_deviation=35.0)
    assert is_broad(case_of(verdicts, 500), PRESENT._replace(rules=close), verdicts[[500, 900, 1500]], 3)


def test_what_was_missed_is_caught_by_the_rate_or_without_the_rule_that_hid_it():
    verdicts, nightly = stream()
    hidden = PRESENT._replace(rules=Rules("down", minimum_deviation=30.0), quiet=("Mon 00:00-Mon 00:05",))
    place = int(nightly[1])
    verdicts = run_with(hidden, readings_of(verdicts).points)
    rules = found(case_of(verdicts, place, is_missed=True, present=hidden))
    assert rules == {}, "no single rule hid it"
    only = PRESENT._replace(rules=Rules("down"))
    rules = found(case_of(verdicts, place, is_missed=True, present=only))
    assert next(iter(rules)) == "both directions"
    assert (
        rules["both directions"].text == f"catches it, {rules['both directions'].difference.new - 1} other new alarms"
    )
    calm = case_of(verdicts, 300, is_missed=True, present=AlarmSettings("z-score", 1e-6))
    for one in found(calm).values():
        assert alarms_at(run_with(one.settings, calm.readings.points), calm.stretch)


def test_a_time_of_the_day_is_that_of_the_zone_and_may_reach_over_midnight():
    verdicts, nightly = stream()
    case = case_of(verdicts, int(nightly[2]), zone=TOKYO)
    assert any(words.startswith("quiet daily 11:30-") for words in found(case))
    late = np.flatnonzero((verdicts["time"] - MONDAY) == 2 * 86400 - 600)[0]
    values = verdicts["value"].copy()
    values[late : late + 5] += 50.0
    over = ZScoreDetector(PRESENT.alarm_rate).update_many(values, verdicts["time"].copy())
    words = [words for words in found(case_of(over, int(late), int(late) + 4)) if words.startswith("quiet")]
    assert words == ["quiet daily 23:45-00:15", "quiet Tue 23:45-Wed 00:15"]
    MaintenanceWindows([one.removeprefix("quiet ") for one in words])


def test_without_times_there_is_no_rule_of_times():
    verdicts, nightly = stream()
    verdicts["time"] = np.nan
    assert not any("quiet" in words for words in found(case_of(verdicts, int(nightly[2]))))


@given(st.floats(0, 1e299))
def test_the_least_deviation_is_larger_than_that_of_the_alarm(size):
    least = rounded_up(size)
    assert least > size or least == 0.0
    assert least <= 1.2 * size or least == 0.0


def advice(case, **options):
    """A panel, once it has looked for all rules."""
    taken, event = [], threading.Event()
    panel = Advice(case, options.get("again", again), taken.append, event.set)
    until = time.monotonic() + SECONDS
    while panel.is_working:
        assert time.monotonic() < until
        event.wait(0.01)
    return panel, taken


def test_the_panel_shows_the_rule_that_changes_least_first_and_one_key_takes_it():
    verdicts, nightly = stream()
    panel, taken = advice(case_of(verdicts, int(nightly[2]), real=[Stretch(500, 500)]))
    shown = panel.panel()
    assert shown.title == "what would silence it"
    assert "keeps 1 of 1" in shown.rows[0].text
    assert panel.command("down")
    assert panel.panel().chosen == 1
    assert panel.panel().version != shown.version
    assert panel.panel().result == panel.panel().marks.words
    panel.choose(99)
    panel.set_share(0, 0.5)
    assert not panel.command("take")
    assert [one.words for one in taken] == [shown.rows[0].name]


def test_escape_takes_nothing_and_a_fault_is_said():
    verdicts, nightly = stream()

    def broken(_settings, _readings, _is_wanted):
        raise ValueError("it is broken")

    panel, taken = advice(case_of(verdicts, int(nightly[2])), again=broken)
    assert panel.panel().result == "it is broken"
    assert panel.command("take"), "there is nothing to take"
    panel.choose(3)
    assert not panel.command("leave")
    assert taken == []


@pytest.mark.parametrize("is_missed", [False, True])
def test_where_no_rule_does_it_that_is_said(is_missed):
    verdicts, _ = stream(days=1)
    case = case_of(verdicts, 3, is_missed=is_missed, present=AlarmSettings("z-score", 0.2 if is_missed else 1e-6))
    panel, _ = advice(case)
    if not panel.panel().rows:
        assert panel.panel().result == "no rule does that by itself"
