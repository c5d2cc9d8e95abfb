import json
import re
import shutil

import pytest

from streamforest.connections.outbox import DeliveryError
from tests.listeners import END, EVENT, TOGETHER, receiver
from tests.servers import Server, free_port, wait_until

paho = pytest.importorskip("paho.mqtt.client", reason="needs streamforest/requirements/mqtt.txt")

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")

#: What Home Assistant takes in the configuration of both kinds of sensor, as its documentation has it.
COMMON = {"name", "unique_id", "state_topic", "value_template", "availability_topic", "device", "origin"}
ALLOWED = {
    "sensor": COMMON | {"state_class", "json_attributes_topic"},
    "binary_sensor": COMMON | {"device_class"},
}


@pytest.fixture
def server(tmp_path):
    port, path = free_port(), tmp_path / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "persistence false", "user root", "allow_anonymous true", ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    started = Server(port, MOSQUITTO, "-c", path).start()
    yield started
    started.kill()


@pytest.fixture
def heard(server):
    """Messages by topic, as another client hears them."""
    found = {}
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("#", 1)
    client.on_subscribe = lambda *_: found.setdefault("subscribed", True)
    client.on_message = lambda _client, _data, message: found.__setitem__(message.topic, message)
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    wait_until(lambda: "subscribed" in found, 60)
    yield found
    client.disconnect()
    client.loop_stop()


VERDICT = {"source": "pump.csv", "index": 5, "value": 21.5, "expected": 21.0, "lower": 20.0, "upper": None}


def test_home_assistant_finds_the_sensors_of_a_stream_and_their_states(server, heard):
    sink = receiver(f"mqtt://127.0.0.1:{server.port}/plant/watch#every=0.5")
    assert sink.values_every == 0.5
    sink.show(VERDICT)
    sink.send(EVENT)
    wait_until(lambda: any(topic.endswith("/reason") for topic in heard), 60)
    configs = {topic: json.loads(heard[topic].payload) for topic in heard if topic.endswith("/config")}
    assert len(configs) == 6
    for topic, config in configs.items():
        prefix, kind, device, name, _ = topic.split("/")
        assert prefix == "homeassistant"
        assert {*config} <= ALLOWED[kind]
        assert re.fullmatch(r"[\w-]+", device)
        assert config["unique_id"] == f"{device}_{name}"
        assert config["availability_topic"] == "plant/watch/status"
        assert config["device"]["identifiers"] == [device]
        assert {"name", "sw_version"} <= {*config["origin"]}
        assert config["state_topic"] in heard, "every sensor has a state"
    assert {topic.split("/")[3] for topic in configs} == {"value", "expected", "lower", "upper", "problem", "reason"}
    state = {topic.rpartition("/")[2]: heard[topic].payload.decode() for topic in heard if topic.startswith("plant/")}
    assert state["status"] == "online"
    assert json.loads(state["state"]) == VERDICT
    assert (state["problem"], state["reason"]) == ("ON", EVENT["reason"])
    assert json.loads(state["event"]) == EVENT
    sink.send(END)
    problem = next(topic for topic in heard if topic.endswith("/problem"))
    wait_until(lambda: heard[problem].payload == b"OFF", 60)
    sink.close()
    wait_until(lambda: heard["plant/watch/status"].payload == b"offline", 60)


def test_each_of_many_streams_is_a_device_with_problem_and_reason(server, heard):
    sink = receiver(f"mqtt://127.0.0.1:{server.port}#discovery=ha")
    for key in ("pump 1", "pump/2#"):
        sink.send(EVENT | {"key": key})
    wait_until(lambda: sum(topic.endswith("/reason") for topic in heard) == 2, 60)
    configs = [json.loads(heard[topic].payload) for topic in heard if topic.startswith("ha/")]
    assert {config["device"]["name"] for config in configs} == {"pump.csv pump 1", "pump.csv pump/2#"}
    assert len(configs) == 4
    sink.close()


def test_an_incident_across_streams_is_a_message_of_no_device(server, heard):
    sink = receiver(f"mqtt://127.0.0.1:{server.port}/site")
    sink.send(TOGETHER)
    wait_until(lambda: "site/incident" in heard, 60)
    assert json.loads(heard["site/incident"].payload)["first"] == "s7"
    assert not any(topic.endswith("/config") for topic in heard)
    sink.close()


@pytest.mark.usefixtures("heard")
def test_a_server_that_is_gone_is_told_and_one_that_came_back_gets_what_comes_next(server):
    sink = receiver(f"mqtt://127.0.0.1:{server.port}")
    server.kill()
    with pytest.raises(DeliveryError, match="refused"):
        sink.send(EVENT)
    server.start()
    sink.send(EVENT)
    sink.close()


@pytest.mark.parametrize("word", ["mqtt://h/a+b", "mqtt://h#every=0", "mqtt://h#every=x", "mqtt://h#topic=a"])
def test_a_wrong_topic_or_setting_is_refused(word):
    with pytest.raises(ValueError, match=r"signs # and \+|every is|no setting"):
        receiver(word)
