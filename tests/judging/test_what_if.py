import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging.rejudging import AlarmSettings, judge_again, readings_of
from streamforest.judging.rules import Rules
from streamforest.judging.what_if import Kept, Outcome, Trial, WhatIf, dials_of
from streamforest.verdicts.difference import difference
from streamforest.verdicts.history import History

PRESENT = AlarmSettings("z-score", 0.01)
SECONDS = 120.0


def again(settings, readings, is_wanted=lambda: True):
    if settings.detector == "broken":
        raise ValueError("it is broken")
    detector = ZScoreDetector(settings.alarm_rate, settings.rules)
    return judge_again(lambda points: [detector.update_many(points["value"], points["time"])], readings, is_wanted)


class Stream:
    """A stream whose kept readings a person tries settings on."""

    def __init__(self, n=2000, capacity=5000, detectors=("z-score", "broken")):
        self.detector, self.history = ZScoreDetector(0.01), History(capacity)
        self.rng = np.random.default_rng(4)
        self.n = 0
        self.add(n)
        self.taken, self.now = [], 0.0
        self.event = threading.Event()
        self.trial = Trial(again, self.event.set)
        self.what_if = WhatIf(self.history, lambda: PRESENT, self.trial, self.taken.append, detectors, lambda: self.now)

    def add(self, n):
        values = self.rng.normal(size=n)
        values[self.rng.random(n) < 0.02] += 9
        values[self.rng.random(n) < 0.02] -= 15
        self.history.write(self.detector.update_many(values, 1e9 + np.arange(self.n, self.n + n, dtype=float)))
        self.n += n

    def do(self, *names):
        return [self.what_if.command(name) for name in names][-1]

    def panel(self):
        """The panel once what is wanted is judged."""
        until = time.monotonic() + SECONDS
        while self.trial.is_working or self.trial.answer is None:
            assert time.monotonic() < until
            self.event.wait(0.01)
        return self.what_if.panel()

    def choose(self, name):
        names = [row.name for row in self.what_if.panel().rows]
        self.what_if.choose(names.index(name))


def test_at_first_nothing_differs_and_every_setting_stands_where_the_run_has_it():
    stream = Stream()
    panel = stream.panel()
    assert panel.result.startswith("the same ")
    assert [(row.name, row.text) for row in panel.rows] == [
        ("alarm rate", "1 %"),
        ("direction", "up and down"),
        ("least deviation", "any"),
        ("cool-down", "5 points"),
        ("detector", "z-score"),
    ]
    assert not any(row.is_changed for row in panel.rows)
    assert panel.marks.before == len(np.unique(stream.history.newest(9999)["episode"])) - 1


def test_the_numbers_are_those_of_a_run_with_the_other_settings():
    stream = Stream()
    before = stream.history.newest(9999)
    stream.do("down", "forward")  # direction: up only
    panel = stream.panel()
    assert panel.rows[1].text == "up only"
    assert panel.rows[1].is_changed
    rerun = ZScoreDetector(0.01, Rules("up")).update_many(before["value"].copy(), before["time"].copy())
    assert panel.result == difference(before, rerun).words
    assert "dropped" in panel.result
    assert set(panel.marks.kept_points) | set(panel.marks.new_points) == set(np.flatnonzero(rerun["is_anomaly"]))


def test_enter_takes_the_settings_over_and_escape_leaves_all_as_it_was():
    stream = Stream()
    assert stream.do("back")
    assert not stream.do("leave")
    assert stream.taken == []
    stream = Stream()
    assert not stream.do("back", "take")
    assert stream.taken == [PRESENT._replace(alarm_rate=0.005)]
    stream = Stream()
    assert not stream.do("back", "forward", "take")
    assert stream.taken == [], "nothing to take over"


def test_a_slider_is_put_to_a_place_and_stops_at_its_ends():
    stream = Stream()
    stream.what_if.set_share(0, 1.0)
    assert stream.what_if.settings.alarm_rate == 0.2
    stream.do("forward")
    assert stream.what_if.settings.alarm_rate == 0.2
    stream.what_if.set_share(3, 0.0)
    assert (stream.what_if.settings.rules.cool_down, stream.what_if.panel().chosen) == (0, 3)
    stream.what_if.set_share(99, 0.0)
    stream.what_if.choose(99)
    assert stream.what_if.panel().chosen == 4


def test_a_detector_that_cannot_be_made_says_why():
    stream = Stream()
    stream.choose("detector")
    stream.do("back", "forward", "forward")
    assert stream.panel().result == "it is broken"


def test_points_that_come_meanwhile_are_judged_too_and_the_first_one_stays():
    stream = Stream(n=5000)
    first = stream.panel()
    stream.add(300)
    assert stream.panel().version == first.version, "not at each point"
    stream.now = 60.0
    stream.what_if.panel()
    found = stream.panel()
    assert found.marks.before > first.marks.before
    kept = Kept(stream.history)
    assert kept.readings.first == 300
    stream.add(100)
    assert kept.follow()
    assert not kept.follow()
    assert (kept.readings.first, len(kept.readings.points)) == (300, 5100)
    stream.add(5000)
    assert kept.follow()
    assert len(kept.readings.points) == 5000, "it does not grow for ever"


def test_only_the_newest_wish_is_answered_and_an_old_one_is_left_early():
    stream = Stream(n=0)
    stream.add(10)
    readings, gate, looks = readings_of(stream.history.newest(10)), threading.Event(), []

    def slow(settings, _readings, is_wanted):
        gate.wait(SECONDS)
        looks.append(is_wanted())
        return again(settings, _readings) if is_wanted() else None

    answered = threading.Event()
    trial = Trial(slow, answered.set)
    trial.want(PRESENT, PRESENT, readings)
    trial.want(PRESENT._replace(alarm_rate=0.1), PRESENT, readings)
    trial.want(PRESENT._replace(alarm_rate=0.2), PRESENT, readings)
    gate.set()
    assert answered.wait(SECONDS)
    assert isinstance(trial.answer, Outcome)
    assert looks in ([False, True, True], [True, True])
    trial.drop()
    assert trial.answer is None


@given(
    st.floats(1e-6, 0.2),
    st.builds(Rules, st.just("up"), st.floats(0, 1e9), st.just(0.0), st.none() | st.floats(0.001, 1000)),
    st.floats(allow_nan=True, allow_infinity=False),
)
def test_whatever_the_run_has_is_one_of_the_steps(rate, rules, half_band):
    present = AlarmSettings("own", rate, rules)
    for dial in dials_of(present, half_band, ("z-score", "isolation-forest")):
        assert sum(dial.put(present, value) == present for value in dial.steps) == 1
        assert all(isinstance(dial.text(value), str) for value in dial.steps)


@pytest.mark.parametrize("a_day", [None, 3.0])
def test_where_alarms_a_day_are_asked_for_the_slider_is_of_these(a_day):
    dial = dials_of(PRESENT._replace(rules=Rules(alarms_a_day=a_day)), 1.0, ())[0]
    assert dial.name == ("alarm rate" if a_day is None else "alarms a day")
