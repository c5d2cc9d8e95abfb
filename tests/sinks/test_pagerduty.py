import pytest

from streamforest.connections.targets import read_target
from streamforest.sinks.pagerduty import PagerDutyReceiver
from tests.listeners import END, EVENT, WORSE, receiver


def test_an_incident_is_triggered_and_resolved_under_the_id_of_its_episode(web):
    sink = receiver(f"pagerduty+http://127.0.0.1:{web.port}#key={{env:KEY}}&severity=error", {"KEY": "r0uting"})
    for message in (EVENT, WORSE, END):
        sink.send(message | {"key": "pump 1"})
    assert {request.path for request in web.requests} == {"/v2/enqueue"}
    first, worse, end = (request.json for request in web.requests)
    assert [one["event_action"] for one in (first, worse, end)] == ["trigger", "trigger", "resolve"]
    assert {one["dedup_key"] for one in (first, worse, end)} == {EVENT["id"]}
    assert (first["routing_key"], first["payload"]["severity"]) == ("r0uting", "error")
    assert first["payload"]["summary"] == "pump.csv pump 1: spike: 83.1, expected 41 +- 6.8"
    assert (first["payload"]["component"], first["payload"]["class"]) == ("pump 1", "spike")
    assert first["payload"]["timestamp"] == "2024-05-01T00:00:00.000Z"
    assert first["payload"]["custom_details"]["value"] == 83.1


def test_without_a_time_it_is_now_and_a_long_summary_is_cut(web):
    target = read_target(f"pagerduty+http://127.0.0.1:{web.port}#key=abc", {})
    PagerDutyReceiver(target, lambda: 60.0).send(EVENT | {"start": None, "source": "x" * 2000})
    payload = web.requests[0].json["payload"]
    assert (payload["timestamp"], len(payload["summary"])) == ("1970-01-01T00:01:00.000Z", 1024)


@pytest.mark.parametrize("settings", ["", "#key=", "#key=abc&severity=bad"])
def test_a_missing_key_and_a_wrong_severity_are_refused(settings):
    with pytest.raises(ValueError, match=r"key is missing|severity"):
        receiver(f"pagerduty://events.example.org{settings}")
