import json
import re
import shutil
import urllib.request

import pytest

from streamforest.connections.targets import read_target
from streamforest.sinks.alertmanager import LEASE, AlertmanagerReceiver
from tests.listeners import END, EVENT, TOGETHER, TOGETHER_END, WORSE, receiver
from tests.servers import Server, free_port, wait_until

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
needs_server = pytest.mark.skipif(ALERTMANAGER is None, reason="needs prometheus-alertmanager")

CONFIGURATION = """
route: {{receiver: web, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: web, webhook_configs: [{{url: 'http://127.0.0.1:{port}/', send_resolved: true}}]}}]
"""


@pytest.fixture
def server(tmp_path, web):
    """Alertmanager, which notifies the listener."""
    port, path = free_port(), tmp_path / "alertmanager.yml"
    path.write_text(CONFIGURATION.format(port=web.port), encoding="utf-8")
    words = [f"--config.file={path}", f"--storage.path={tmp_path / 'kept'}", f"--web.listen-address=127.0.0.1:{port}"]
    started = Server(port, ALERTMANAGER, *words, "--cluster.listen-address=").start()
    yield started
    started.kill()


def alerts(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=30) as answer:
        return json.load(answer)


def statuses(web):
    return [
        (alert["status"], alert["labels"]["episode"]) for request in web.requests for alert in request.json["alerts"]
    ]


@needs_server
def test_alertmanager_shows_an_episode_firing_and_resolved_once_though_each_message_comes_twice(server, web):
    sink = receiver(f"alertmanager+http://127.0.0.1:{server.port}/#team=ops&alertname=Pump")
    for message in (EVENT, EVENT, WORSE, WORSE):
        sink.send(message | {"key": "pump 1"})
    (alert,) = alerts(server.port)
    assert alert["labels"] == {
        **{"alertname": "Pump", "source": "pump.csv", "key": "pump 1", "team": "ops"},
        "episode": EVENT["id"],
    }
    assert alert["startsAt"] == "2024-05-01T00:00:00.000Z"
    assert alert["annotations"]["summary"] == "pump.csv pump 1: worse: spike: 83.1, expected 41 ± 6.8"
    assert alert["annotations"]["value"] == "83.1"
    wait_until(lambda: web.requests, 60)
    for message in (END, END):
        sink.send(message | {"key": "pump 1"})
    wait_until(lambda: len(web.requests) > 1, 60)
    sink.send(END | {"key": "pump 1"})
    other = EVENT | {"id": "fedcba9876543210"}
    sink.send(other)
    wait_until(lambda: len(web.requests) > 2, 60)
    assert statuses(web) == [("firing", EVENT["id"]), ("resolved", EVENT["id"]), ("firing", other["id"])]


def sent(web, message, now=1_714_600_000.0):
    target = read_target(f"alertmanager+http://me:secret@127.0.0.1:{web.port}/am", {})
    AlertmanagerReceiver(target, lambda: now).send(message)
    return web.requests[-1]


def test_an_open_alert_ends_by_itself_some_messages_later_and_one_that_is_over_when_it_was(web):
    request = sent(web, EVENT)
    assert (request.method, request.path) == ("POST", "/am/api/v2/alerts")
    assert request.headers["Authorization"] == "Basic bWU6c2VjcmV0"
    (alert,) = request.json
    assert (alert["startsAt"], alert["endsAt"]) == ("2024-05-01T00:00:00.000Z", "2024-05-01T21:50:40.000Z")
    assert LEASE == 240.0
    assert sent(web, TOGETHER).json[0]["endsAt"] == "2024-05-01T21:50:40.000Z"
    assert sent(web, TOGETHER_END).json[0]["endsAt"] == "2024-05-01T00:30:00.000Z"
    (alert,) = sent(web, END).json
    assert (alert["startsAt"], alert["endsAt"]) == ("2024-05-01T00:00:00.000Z", "2024-05-01T00:05:00.000Z")


@pytest.mark.parametrize("start", [None, 2e9, 1_714_600_000.0])
def test_times_that_are_unknown_or_ahead_of_the_clock_are_now_and_an_alert_never_ends_before_it_begins(web, start):
    for message in (EVENT, END):
        (alert,) = sent(web, message | {"start": start, "end": start}).json
        assert alert["startsAt"] == "2024-05-01T21:46:40.000Z"
        assert alert["endsAt"] > alert["startsAt"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", alert["endsAt"])


@pytest.mark.parametrize("name", ["a-b", "1a", "", "episode"])
def test_what_cannot_be_a_label_is_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' cannot be a label"):
        receiver(f"alertmanager+http://127.0.0.1#{name}=x")


def test_unknown_numbers_are_left_out(web):
    (alert,) = sent(web, EVENT | {"value": None}).json
    assert "value" not in alert["annotations"]
