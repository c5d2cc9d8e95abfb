import json
from urllib.parse import parse_qs, urlsplit

import pytest

from streamforest.connections.outbox import DeliveryError
from streamforest.connections.targets import read_target
from streamforest.sinks.grafana import GrafanaReceiver
from tests.listeners import END, EVENT, WORSE, receiver


@pytest.fixture
def annotations(web):
    """Grafana's interface of annotations, as far as it is used: they are found by their tags and changed by number."""
    kept = {}

    def answer(request):
        path = urlsplit(request.path)
        if request.method == "GET":
            tags = set(parse_qs(path.query)["tags"])
            found = [{"id": number, **one} for number, one in kept.items() if tags <= set(one["tags"])]
            return 200, json.dumps(found).encode(), {}
        if request.method == "PATCH":
            kept[int(path.path.rpartition("/")[2])] |= request.json
        else:
            kept[len(kept) + 1] = request.json
        return 200, b'{"message": "ok"}', {}

    web.answer = answer
    return kept


def test_an_episode_is_one_region_though_each_message_comes_twice(web, annotations):
    sink = receiver(f"grafana+http://127.0.0.1:{web.port}/g#token={{env:T}}&dashboard=abc&panel=2", {"T": "glsa_1"})
    for message in (EVENT, EVENT, WORSE, END, END):
        sink.send(message)
    assert {request.path.partition("?")[0] for request in web.requests} == {
        "/g/api/annotations",
        "/g/api/annotations/1",
    }
    assert {request.headers["Authorization"] for request in web.requests} == {"Bearer glsa_1"}
    assert annotations == {
        1: {
            **{"dashboardUID": "abc", "panelId": 2, "time": 1_714_521_600_000, "timeEnd": 1_714_521_900_000},
            "tags": ["streamforest", "spike", EVENT["id"]],
            "text": "pump.csv: over after 4 points: spike: 83.1, expected 41 ± 6.8",
        }
    }


def test_an_end_whose_start_never_came_is_a_whole_region_and_no_time_is_now(web, annotations):
    target = read_target(f"grafana+http://127.0.0.1:{web.port}", {})
    GrafanaReceiver(target, lambda: 60.0).send(END | {"start": None, "key": "pump 1"})
    assert (annotations[1]["time"], annotations[1]["timeEnd"]) == (60_000, 1_714_521_900_000)
    assert "pump 1" in annotations[1]["tags"]


def test_what_is_no_grafana_is_told(web):
    with pytest.raises(DeliveryError, match="no list of annotations"):
        receiver(f"grafana+http://127.0.0.1:{web.port}").send(EVENT)
    with pytest.raises(ValueError, match="panel is 'x'"):
        receiver("grafana://g.example.org#panel=x")
