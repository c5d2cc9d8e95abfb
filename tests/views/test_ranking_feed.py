import json

import numpy as np
import pytest

from streamforest.protocols import Status
from streamforest.views.ranking_feed import RankingShown
from tests.sinks.test_episode_lines import incidents_found
from tests.views.test_chart_rows import taken_apart
from tests.visits import ranking

STATUS = Status("s", "d", ("d",), 0, 0, 0, 0, 0, 0.0, 0.001, None, None, None, 1.0, streams=2)


@pytest.fixture
def shown():
    found = RankingShown(ranking(["pump", "valve"], 200))
    found.look_around()
    return found


def due(feed, busy=()):
    return dict(feed.due(lambda kind: kind not in busy, 0.0))


def test_a_visitor_gets_the_table_once_until_something_changes(shown):
    feed = shown.new_feed()
    table = json.loads(due(feed)["table"])
    assert [row[2] for row in table["rows"]] == ["pump", "valve"]
    assert due(feed) == {}
    shown.look_around()
    assert due(feed) == {}, "no new points"
    feed.heed({"table": [10.0, "key", True, "", ""]})
    assert due(feed, busy=["table"]) == {}
    assert [row[2] for row in json.loads(due(feed)["table"])["rows"]] == ["valve", "pump"]
    feed.heed({"table": "nonsense"})
    assert due(feed) == {}


def test_a_visitor_gets_the_incidents_once_until_there_is_another(shown):
    shown.incidents, _, rows = incidents_found()
    feed = shown.new_feed()
    assert "incidents" not in due(feed)
    for part in np.split(rows, 50):
        shown.incidents.write(part)
    shown.incidents.close()
    found = json.loads(due(feed)["incidents"])
    assert found["found"] == len(found["incidents"]) > 0
    newest = found["incidents"][0]
    assert newest["id"] == shown.incidents.kept[-1].id
    assert [key for key, _, _ in newest["members"]] == [one.key for one in shown.incidents.kept[-1].members]
    assert due(feed) == {}


def test_a_stream_that_is_opened_is_sent_until_it_is_closed(shown):
    feed = shown.new_feed()
    due(feed)
    feed.heed({"stream": 1.0})
    facts, columns = taken_apart(due(feed)["chart"])
    assert (facts["stream"], facts["n"], facts["end"], facts["whole"]) == (1, 120, 120, True)
    assert np.isfinite(columns["value"]).all()
    assert due(feed) == {}
    feed.heed({"stream": 0.0})
    assert taken_apart(due(feed)["chart"])[0]["stream"] == 0
    feed.heed({"stream": None})
    feed.note_read("chart", 0.0)
    assert due(feed) == {}


@pytest.mark.parametrize("number", [-1.0, 0.5, 2.0, 1e300, float("nan"), "1", [1.0]])
def test_a_stream_that_there_is_not_cannot_be_opened(shown, number):
    feed = shown.new_feed()
    due(feed)
    feed.heed({"stream": number})
    assert due(feed) == {}


def test_the_state_is_that_of_the_worst_stream(shown):
    facts = shown.facts(STATUS)
    assert facts["state"] == "anomalous"
    assert facts["last"]["words"].startswith("pump: spike")
    assert shown.seen_csv(0, 1).decode().splitlines()[1].startswith("pump,anomalous,200,")
    calm = RankingShown(ranking([], 1))
    calm.look_around()
    assert calm.facts(STATUS)["state"] == "calm"
    assert calm.facts(STATUS._replace(warm_up=0.5))["state"] == "warming up"
