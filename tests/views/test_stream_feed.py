import json

import numpy as np
import pytest

from streamforest.protocols import Status
from streamforest.verdicts.history import History
from streamforest.views.stream_feed import MOST_EPISODES, StreamShown
from tests.pictures import ahead_of
from tests.visits import stream

STATUS = Status("s", "d", ("d",), 0, 0, 0, 0, 0, 0.0, 0.001, None, None, None, 1.0)
EVERY = 100  # an alarm in so many points


class Seen:
    """A stream that goes on, and what a visitor has of its episodes."""

    def __init__(self, capacity=100_000):
        self.rows, self.history = stream(60_000), History(capacity)
        self.shown = StreamShown(self.history)
        self.feed = self.shown.new_feed()
        self.starts = {}

    def go_on(self, n):
        self.history.write(self.rows[self.history.end : self.history.end + n])
        self.shown.look_around()
        self.shown.refresh()

    def read(self, busy=()):
        for kind, content in self.feed.due(lambda kind: kind not in busy, 0.0):
            assert kind == "episodes"
            for episode in json.loads(content)["episodes"]:
                self.starts[episode[0]] = episode
        return self.starts


def test_a_visitor_gets_each_episode_and_again_only_the_one_that_goes_on():
    seen = Seen()
    seen.go_on(EVERY + 1)
    assert sorted(seen.read()) == [0, EVERY]
    assert [seen.starts[start][-1] for start in (0, EVERY)] == [False, True]
    sent = seen.starts[EVERY]
    assert sent[2:9] == [
        EVERY,
        seen.rows["time"][EVERY],
        "spike",
        *(pytest.approx(x) for x in [seen.rows["value"][EVERY], seen.rows["expected"][EVERY], 2.0]),
        1,
    ]
    seen.go_on(50)
    seen.starts = {}
    assert list(seen.read()) == [EVERY]
    assert not seen.starts[EVERY][-1]
    seen.starts = {}
    assert seen.read() == {}


def test_a_visitor_that_reads_late_gets_what_it_missed_and_at_most_so_many():
    seen = Seen()
    seen.go_on(EVERY * 3)
    seen.read()
    seen.go_on(EVERY * 5)
    assert seen.read(busy=["episodes"]) == seen.starts
    assert sorted(seen.read()) == list(range(0, EVERY * 8, EVERY))
    seen.starts = {}
    seen.go_on(50_000)
    assert len(seen.read()) == MOST_EPISODES
    assert max(seen.starts) == 50_700


def test_an_episode_is_found_though_the_page_was_not_open_when_it_came():
    seen = Seen(capacity=1000)
    seen.history.write(seen.rows[:5000])
    seen.shown.look_around()
    seen.shown.refresh()
    assert sorted(seen.read()) == list(range(4000, 5000, EVERY))


def test_the_last_alarm_is_where_the_list_has_it_and_says_what_its_peak_was():
    seen = Seen()
    seen.rows[EVERY + 2] = seen.rows[EVERY]
    seen.rows["index"][EVERY + 2] = EVERY + 2
    seen.rows["value"][EVERY + 2] += 20
    seen.rows["p_value"][EVERY + 2] /= 10
    seen.go_on(EVERY + 3)
    assert seen.read()[EVERY][:3] == [EVERY, EVERY + 2, EVERY + 2]
    last = seen.shown.facts(STATUS)["last"]
    assert (last["index"], last["time"]) == (EVERY, seen.rows["time"][EVERY])
    assert last["value"] == pytest.approx(seen.rows["value"][EVERY + 2])


def test_the_state_says_what_a_person_wants_first():
    seen = Seen()
    assert seen.shown.facts(STATUS)["last"] is None
    seen.go_on(EVERY + 1)
    facts = seen.shown.facts(STATUS)
    assert (facts["state"], facts["since"]) == ("anomalous", seen.rows["time"][EVERY])
    assert (facts["last"]["name"], facts["last"]["index"]) == ("spike", EVERY)
    assert seen.shown.facts(STATUS._replace(warm_up=0.5))["state"] == "warming up"
    seen.go_on(50)
    assert seen.shown.facts(STATUS)["state"] == "calm"
    seen.rows["p_value"][seen.history.end] = 0.01
    seen.go_on(1)
    facts = seen.shown.facts(STATUS)
    assert facts["state"] == "unusual"
    assert (facts["first"], facts["end"], facts["time"]) == (0, EVERY + 52, seen.rows["time"][EVERY + 51])


def test_numbers_that_are_unknown_can_be_sent():
    seen = Seen()
    for name in ("time", "value", "expected", "lower", "upper"):
        seen.rows[name] = np.nan
    seen.go_on(EVERY + 1)
    assert seen.read()[0][3:8] == [None, "spike", None, None, None]
    json.dumps(seen.shown.facts(STATUS), allow_nan=False)


def test_a_chart_follows_what_its_visitor_wants_to_see():
    seen = Seen()
    seen.go_on(300)
    seen.feed.heed({"view": [1.0, None, 100.0, 50.0]})
    seen.feed.heed({"view": "nonsense"})
    assert [kind for kind, _ in seen.feed.due(lambda kind: kind == "chart", 0.0)] == ["chart"]
    assert list(seen.feed.due(lambda kind: kind == "chart", 0.0)) == []
    seen.feed.note_read("chart", 5.0)
    assert seen.feed.chart.thinness == 2
    assert len(seen.shown.seen_csv(5, 9).splitlines()) == 5


@pytest.mark.parametrize(("value", "floor"), [(0.0, 0.0), (-1e-9, None)])
def test_the_page_draws_no_band_below_zero_where_no_value_was_ever_negative(value, floor):
    history = History(100)
    rows = stream(50)
    rows["value"] = np.abs(rows["value"])
    rows["value"][3] = value
    history.write(rows)
    assert StreamShown(history).facts(STATUS)["floor"] == floor


def test_a_visitor_who_looks_ahead_gets_what_is_expected_next_once_a_point():
    seen = Seen()
    seen.go_on(300)
    asked = []

    def ahead(steps):
        asked.append(steps)
        return ahead_of(seen.history, steps)

    seen.history.ahead = ahead

    def got():
        return [json.loads(text) for kind, text in seen.feed.due(lambda kind: kind == "ahead", 0.0) if kind == "ahead"]

    assert got() == []
    for strange in (-1.0, 1e9, float("nan"), "3", None, [3.0]):
        seen.feed.heed({"ahead": strange})
    assert got() == []
    seen.feed.heed({"ahead": 5.0})
    (message,) = got()
    assert (message["first"], message["expected"]) == (300, [20.0] * 5)
    assert got() == []
    seen.go_on(1)
    assert got()[0]["first"] == 301
    other = seen.shown.new_feed()
    other.heed({"ahead": 5.0})
    assert len(list(other.due(lambda kind: kind == "ahead", 0.0))) == 1
    assert asked == [5, 5], "what two visitors look at is computed once"
    seen.feed.heed({"ahead": 0.0})
    seen.go_on(1)
    assert got() == []
