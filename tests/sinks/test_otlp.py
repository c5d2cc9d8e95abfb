import pytest

from streamforest.connections.outbox import DeliveryError
from streamforest.connections.targets import read_target
from tests.listeners import END, EVENT, TOGETHER, TOGETHER_END, WORSE

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from streamforest.sinks.otlp import OtlpReceiver

VERDICT = {"source": "pump.csv", "value": 41.5, "expected": 41.0, "lower": 34.2, "upper": 47.8}
VERDICT |= {"score": None, "threshold": 0.6, "p_value": 0.3}


@pytest.fixture
def collector(web):
    """A collector on the loopback: it takes what the SDK sends."""
    web.answer = lambda _request: (200, b"", {"Content-Type": "application/x-protobuf"})
    return web


@pytest.fixture
def sink(collector):
    found = []

    def make(settings="", timeout=10.0, port=None, **environment):
        address = f"otlp+http://127.0.0.1:{port or collector.port}/otel#{settings}"
        found.append(OtlpReceiver(read_target(address, environment), timeout))
        return found[-1]

    yield make
    for one in found:
        one.close()


def sent(collector, path, kind):
    requests = [request for request in collector.requests if request.path == f"/otel/v1/{path}"]
    return [kind.FromString(request.body) for request in requests]


def plain(attributes):
    values = {one.key: one.value for one in attributes}
    return {name: getattr(value, value.WhichOneof("value")) for name, value in values.items()}


def points(collector):
    """Name -> newest points of the metric, as (value, attributes)."""
    found = {}
    for request in sent(collector, "metrics", ExportMetricsServiceRequest):
        for metric in request.resource_metrics[0].scope_metrics[0].metrics:
            rows = getattr(metric, metric.WhichOneof("data")).data_points
            found[metric.name] = [(getattr(row, row.WhichOneof("value")), plain(row.attributes)) for row in rows]
    return found


def test_an_incident_is_a_log_record_with_the_keys_of_its_streams(collector, sink):
    receiver = sink()
    for message in (TOGETHER, TOGETHER_END):
        receiver.send(message)
    requests = sent(collector, "logs", ExportLogsServiceRequest)
    record, over = (request.resource_logs[0].scope_logs[0].log_records[0] for request in requests)
    assert (record.event_name, record.severity_text) == ("streamforest.incident", "ERROR")
    assert (over.event_name, over.severity_text) == ("streamforest.incident.end", "INFO")
    assert over.time_unix_nano == round(TOGETHER_END["end"] * 1e9)
    keys = plain(record.attributes)["streamforest.members"].values
    assert [one.string_value for one in keys][:3] == ["s7", "s0", "s1"]


def test_each_event_of_an_episode_is_a_log_record_with_its_facts(collector, sink):
    receiver = sink("token={env:T}&service=pumps", T="a-long-secret")
    for message in (EVENT, WORSE, END | {"key": "pump 1"}):
        receiver.send(message)
    requests = sent(collector, "logs", ExportLogsServiceRequest)
    records = [request.resource_logs[0].scope_logs[0].log_records[0] for request in requests]
    assert [record.severity_text for record in records] == ["WARN", "ERROR", "INFO"]
    assert [record.event_name for record in records] == [
        f"streamforest.episode.{event}" for event in ("start", "worse", "end")
    ]
    assert [record.time_unix_nano // 10**9 for record in records] == [1_714_521_600, 1_714_521_600, 1_714_521_900]
    assert "spike: 83.1" in records[0].body.string_value
    facts = plain(records[2].attributes)
    assert facts["streamforest.id"] == EVENT["id"]
    assert facts["streamforest.key"] == "pump 1"
    assert facts["streamforest.points"] == 4
    assert plain(requests[0].resource_logs[0].resource.attributes)["service.name"] == "pumps"
    assert {request.headers["authorization"] for request in collector.requests} == {"Bearer a-long-secret"}


def test_episodes_are_counted_and_the_newest_point_is_shown(collector, sink):
    receiver = sink("every=2")
    assert receiver.values_every == 2.0
    receiver.send(EVENT)
    receiver.send(EVENT | {"id": "another"})
    receiver.show(VERDICT)
    found = points(collector)
    assert found["streamforest.episodes"] == [(2, {"event": "start", "source": "pump.csv"})]
    assert found["streamforest.value"] == [(41.5, {"source": "pump.csv"})]
    assert found["streamforest.expected"] == [(41.0, {"source": "pump.csv"})]
    assert "streamforest.score" not in found


@pytest.mark.parametrize(("code", "is_final"), [(400, True), (401, False), (404, False)])
def test_a_refusal_is_a_failure_and_final_only_if_another_attempt_cannot_help(collector, sink, code, is_final):
    collector.answer = lambda _request: (code, b"", {})
    receiver = sink()
    for deliver, message in ((receiver.send, EVENT), (receiver.show, VERDICT)):
        with pytest.raises(DeliveryError, match=f"the collector says {code}") as failure:
            deliver(message)
        assert failure.value.is_final == is_final


def test_a_busy_or_absent_collector_is_no_end_and_what_was_counted_comes_later(collector, sink, capsys):
    collector.answer = lambda _request: (503, b"", {"Retry-After": "7"})
    receiver = sink(timeout=0.5)
    with pytest.raises(DeliveryError, match="503") as failure:
        receiver.send(EVENT)
    assert (failure.value.is_final, failure.value.pause) == (False, 7.0)
    with pytest.raises(DeliveryError, match="refused"):
        sink(timeout=0.5, port=1).send(EVENT)
    collector.answer = lambda request: (200 if "logs" in request.path else 400, b"", {})
    receiver.send(EVENT)
    collector.answer = lambda _request: (200, b"", {})
    receiver.show(VERDICT)
    assert points(collector)["streamforest.episodes"][0][0] == 1
    assert capsys.readouterr() == ("", "")


def test_a_message_and_its_token_are_not_sent_on_to_another_place(collector, sink):
    collector.answer = lambda _request: (307, b"", {"Location": f"http://127.0.0.1:{collector.port}/elsewhere"})
    with pytest.raises(DeliveryError, match="307"):
        sink("token=a-long-secret").send(EVENT)
    assert {request.path for request in collector.requests} == {"/otel/v1/logs"}


@pytest.mark.parametrize("settings", ["every=0", "every=x", "other=1"])
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ValueError, match=r"every|other"):
        OtlpReceiver(read_target(f"otlp+http://localhost:4318#{settings}", {}))
