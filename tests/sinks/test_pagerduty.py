import numpy as np
import pytest

from streamforest.connections.outbox import Outbox
from streamforest.connections.targets import read_target
from streamforest.sinks.pagerduty import PagerDutyReceiver
from streamforest.sinks.tell import TellSink
from streamforest.storage.journal import Journal
from streamforest.verdicts.life import EpisodeLife
from tests.listeners import END, EVENT, WORSE, receiver
from tests.servers import wait_until
from tests.sinks.test_episode_lines import incidents_found


def test_an_incident_is_triggered_and_resolved_under_the_id_of_its_episode(web):
    sink = receiver(f"pagerduty+http://127.0.0.1:{web.port}#key={{env:KEY}}&severity=error", {"KEY": "r0uting"})
    for message in (EVENT, WORSE, END):
        sink.send(message | {"key": "pump 1"})
    assert {request.path for request in web.requests} == {"/v2/enqueue"}
    first, worse, end = (request.json for request in web.requests)
    assert [one["event_action"] for one in (first, worse, end)] == ["trigger", "trigger", "resolve"]
    assert {one["dedup_key"] for one in (first, worse, end)} == {EVENT["id"]}
    assert (first["routing_key"], first["payload"]["severity"]) == ("r0uting", "error")
    assert first["payload"]["summary"] == "pump.csv pump 1: spike: 83.1, expected 41 ± 6.8"
    assert (first["payload"]["component"], first["payload"]["class"]) == ("pump 1", "spike")
    assert first["payload"]["timestamp"] == "2024-05-01T00:00:00.000Z"
    assert first["payload"]["custom_details"]["value"] == 83.1


def run_from(web, path, state=None):
    """Incidents and messages of a run with a checkpoint, which it goes on from if there is a state."""
    incidents, names, rows = incidents_found()
    sink = receiver(f"pagerduty+http://127.0.0.1:{web.port}#key=abc")
    outbox = Outbox("pagerduty", sink, lambda _line: None, Journal(path, goes_on=state is not None))
    tell = TellSink(EpisodeLife("fleet.csv", names=names), "fleet.csv", [outbox], incidents=incidents)
    if state is not None:
        incidents.restore(state[0], cut=True)
        tell.restore(state[1], cut=True)
    return incidents, tell, np.split(rows, 70)


@pytest.mark.parametrize("killed_at", [30, 31, 33])
def test_an_incident_across_streams_is_triggered_and_resolved_once_though_the_run_is_killed(web, tmp_path, killed_at):
    incidents, tell, parts = run_from(web, tmp_path / "told")
    for number, part in enumerate(parts[:35]):
        if number == killed_at:
            state = incidents.state(), tell.state()
        incidents.write(part)
        tell.write(part)
    wait_until(lambda: not tell.counts()[0][2], 60)  # killed here, and it has told more than its checkpoint knows
    incidents, tell, parts = run_from(web, tmp_path / "told", state)
    for part in parts[killed_at:]:
        incidents.write(part)
        tell.write(part)
    tell.close()
    sent = [request.json for request in web.requests]
    own = [one for one in sent if one["payload"]["class"] == "incident"]
    assert [one["event_action"] for one in own] == ["trigger", "resolve"]
    assert len({one["dedup_key"] for one in own}) == 1
    assert own[1]["payload"]["summary"].startswith("fleet.csv: incident: over: 2")
    episodes = [(one["dedup_key"], one["event_action"]) for one in sent if one not in own]
    assert len(episodes) == len({*episodes}), "nor is an episode told twice"


def test_without_a_time_it_is_now_and_a_long_summary_is_cut(web):
    target = read_target(f"pagerduty+http://127.0.0.1:{web.port}#key=abc", {})
    PagerDutyReceiver(target, lambda: 60.0).send(EVENT | {"start": None, "source": "x" * 2000})
    payload = web.requests[0].json["payload"]
    assert (payload["timestamp"], len(payload["summary"])) == ("1970-01-01T00:01:00.000Z", 1024)


@pytest.mark.parametrize("settings", ["", "#key=", "#key=abc&severity=bad"])
def test_a_missing_key_and_a_wrong_severity_are_refused(settings):
    with pytest.raises(ValueError, match=r"key is missing|severity"):
        receiver(f"pagerduty://events.example.org{settings}")
