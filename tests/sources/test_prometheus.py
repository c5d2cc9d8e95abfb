import http.server
import json
import re
import shutil
import signal
import socket
import threading
import time
import urllib.request
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.connections import reconnecting
from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.sources import SourceOptions, open_source, prometheus
from streamforest.sources.prometheus import PrometheusSource
from streamforest.terminal.stop import StopFlag
from tests.servers import Program, Reader, Server, free_port, let_end, wait_until

PROMETHEUS = shutil.which("prometheus")
needs_server = pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus")


@pytest.fixture
def stop():
    flag, before = StopFlag(), threading.enumerate()
    yield flag
    flag.request()
    let_end(before)
    flag.close()


@pytest.fixture
def said():
    return []


def series(port):
    """What the server has of its own requests; nothing while it starts."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query=prometheus_http_requests_total"
    with suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]
    return []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real Prometheus that watches itself, once a second."""
    port, folder = free_port(), tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n",
        encoding="utf-8",
    )
    server = Server(
        *(port, PROMETHEUS, f"--web.listen-address=127.0.0.1:{port}", f"--config.file={folder / 'prometheus.yml'}"),
        f"--storage.tsdb.path={folder / 'data'}",
        cwd=folder,
    ).start()
    try:
        wait_until(lambda: len(series(port)) > 1)  # it has watched itself once
        yield server
    finally:
        server.kill()


@pytest.fixture
def answer():
    """Serve answers of the HTTP API on the loopback, the last one for ever; gives the address and what was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers))
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_):
            pass

    answers, asked, servers = [], [], []

    def answer(*wanted):
        answers[:] = wanted
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}", asked

    yield answer
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def watch(stop, said):
    def watch(place, query="up", interval=0.05, key_column=None):
        word = f"prometheus:http://{place}?query={query}"
        source = open_source(word, SourceOptions(said.append, interval=interval, key_column=key_column))
        reader = Reader(source, stop)
        reader.source = source
        return reader

    return watch


def result(kind, found):
    return 200, {"status": "success", "data": {"resultType": kind, "result": found}}


def vector(*values, at=1700000000.5):
    return result("vector", [{"metric": {"__name__": "up", "job": str(n)}, "value": [at, v]} for n, v in values])


@needs_server
def test_a_real_server_gives_values_with_its_times(server, watch):
    reader = watch(f"127.0.0.1:{server.port}", "sum(up) * 2 + 1")
    wait_until(lambda: len([item for item in reader.items if item.value == "3"]) > 2)
    assert all(abs(item.time - time.time()) < 60 for item in reader.items)
    assert reader.source.describe() == "the value of 'sum(up) * 2 + 1'"


@needs_server
def test_a_scalar_is_a_value_and_an_empty_answer_a_missing_reading(server, watch):
    scalar = watch(f"127.0.0.1:{server.port}", "scalar(vector(4))")
    wait_until(lambda: scalar.items)
    assert scalar.items[0].value == "4"
    empty = watch(f"127.0.0.1:{server.port}", "no_such_metric")
    wait_until(lambda: empty.items)
    assert empty.items[0].value is None


@needs_server
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("prometheus_http_requests_total", r"gives \d+ series: prometheus_http_requests_total\{.*sum\(\.\.\.\)"),
        ("up[5m]", r"gives a matrix, not a number; a range as \[5m\] needs a function"),
        ("sum(", r"the server answers 400: .*parse error"),
        ('"text"', "gives a string, not a number"),
    ],
)
def test_a_query_that_gives_no_single_number_ends_the_run_with_words_of_what_to_do(server, watch, query, message):
    reader = watch(f"127.0.0.1:{server.port}", query)
    reader.ends_within(20)
    assert isinstance(reader.fault, SourceError)
    assert reader.fault.args[0].startswith(reader.source.name)
    assert re.search(message, str(reader.fault)), str(reader.fault)


@needs_server
def test_a_server_that_is_killed_and_started_again_is_told_of_once_each_and_readings_go_on(server, watch, said):
    reader = watch(f"127.0.0.1:{server.port}", "sum(up)", 0.2)
    wait_until(lambda: len(reader.items) > 2)
    server.kill()
    wait_until(lambda: said)
    time.sleep(3.5)  # time for further attempts, of which nothing must be said
    assert len(said) == 1
    assert "the connection is lost: Connection refused; trying again in 1 s" in said[0]
    server.start()
    wait_until(lambda: len(said) > 1)
    assert "the connection is back after" in said[1]
    count = len(reader.items)
    wait_until(lambda: len(reader.items) > count + 3)
    assert reader.fault is None


@needs_server
def test_main_judges_the_answers_and_ends_with_ctrl_c(server, tmp_path):
    program = Program(f"prometheus:http://127.0.0.1:{server.port}?query=sum(up)", cwd=tmp_path)
    try:
        wait_until(lambda: program.verdicts, 60)
        code, err, seconds = program.end(signal.SIGINT)
    finally:
        program.kill()
    assert (code, seconds < 1) == (0, True)
    assert abs(program.verdicts[0]["time"] - time.time()) < 60
    assert "1 in" in err


def test_the_query_is_sent_as_it_is_typed(answer, watch):
    place, asked = answer(vector((1, "5")))
    reader = watch(f"{place}/base/graph", 'rate(a{b="c&d%20e"}[5m]) + 1')
    wait_until(lambda: reader.items)
    assert reader.items[0] == Reading("5", 1700000000.5)
    assert asked[0][0] == "/base/api/v1/query?query=rate%28a%7Bb%3D%22c%26d+e%22%7D%5B5m%5D%29+%2B+1"


def test_a_password_is_sent_and_never_shown(answer, stop, said):
    place, asked = answer((500, {"error": "broken"}))
    source = open_source(f"prometheus:http://ann:s%40cret@{place}?query=up", SourceOptions(said.append))
    Reader(source, stop)
    wait_until(lambda: asked)
    assert asked[0][1]["Authorization"] == "Basic YW5uOnNAY3JldA=="
    assert source.name == f"prometheus:http://{place}?query=up"
    assert "cret" not in source.describe() + "".join(said)


def test_no_value_is_a_missing_reading_and_the_clock_is_the_servers(answer, watch):
    place, _ = answer(
        vector((1, "NaN")), vector(at=0), vector((1, "7"), at=1700000001), vector((1, "+Inf"), at=1700000002)
    )
    reader = watch(place)
    wait_until(lambda: len(reader.items) >= 4)
    assert reader.items[0] == Reading("nan", 1700000000.5)
    assert reader.items[1].value is None
    assert 0 < reader.items[1].time - 1700000000.5 < 10
    assert reader.items[2:4] == [Reading("7", 1700000001.0), Reading("+Inf", 1700000002.0)]


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (vector((1, "1"), (2, "2")), 'the query gives 2 series: up{job="1"}, up{job="2"}; choose one'),
        ((200, b"<html>"), "the answer is none of Prometheus"),
        ((200, b"[" * 100_000), "the answer is none of Prometheus"),
        ((200, b" " * 2_000_000), "an answer of more than 1048576 bytes"),
        ((200, {"data": {"resultType": "vector", "result": [{"value": [1]}]}}), "the answer is none of Prometheus"),
    ],
)
def test_what_cannot_be_judged_is_refused_and_is_an_error_only_as_the_first_answer(answer, watch, later, reason):
    place, _ = answer(vector((1, "5")), later)
    reader = watch(place)
    wait_until(lambda: len(reader.items) > 1)
    assert isinstance(reader.items[1], Refusal)
    assert reader.items[1].reason.startswith(reason)
    place, _ = answer(later)
    reader = watch(place)
    reader.ends_within(10)
    assert reason in str(reader.fault)


def test_many_series_are_named_up_to_five(answer, watch):
    place, _ = answer(vector(*((n, "1") for n in range(9))))
    reader = watch(place)
    reader.ends_within(10)
    assert 'up{job="4"} and 4 more; choose one by its labels' in str(reader.fault)


@pytest.mark.parametrize(
    ("status", "is_final"), [(400, True), (401, True), (403, True), (404, True), (422, False), (503, False)]
)
def test_an_error_is_final_at_the_start_where_another_try_would_not_help(answer, watch, status, is_final, said):
    place, asked = answer((status, {"status": "error", "error": "because"}), vector((1, "5")))
    reader = watch(place)
    wait_until(lambda: reader.is_done or reader.items)
    assert reader.is_done == is_final
    if is_final:
        assert f"the server answers {status}: because" in str(reader.fault)
    assert len(asked) == 1 + (not is_final) or not is_final
    assert not said


def test_a_server_that_is_not_there_ends_the_run_after_the_first_limit(watch, monkeypatch):
    assert reconnecting.FIRST_LIMIT == 10
    for module in (reconnecting, prometheus):
        monkeypatch.setattr(module, "FIRST_LIMIT", 2.0)
    began = time.monotonic()
    reader = watch(f"127.0.0.1:{free_port()}")
    reader.ends_within(20)
    assert time.monotonic() - began > 1.5
    assert "no connection within 2 s: Connection refused" in str(reader.fault)


def test_a_stop_ends_the_wait_for_an_answer_within_a_second(stop, watch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reader = watch(f"127.0.0.1:{silent.getsockname()[1]}")
        threading.Timer(0.3, stop.request).start()
        reader.ends_within(1.3)
        assert reader.fault is None


def test_a_long_silence_gives_a_missing_reading(answer, watch):
    place, _ = answer(vector((1, "5")), (503, b""))
    reader = watch(place, interval=0.5)
    wait_until(lambda: len(reader.items) > 1, 15)
    assert reader.items[1].value is None
    assert reader.items[1].time > 1700000005


@pytest.mark.parametrize("word", ["", "host?query=up", "http://host", "http://host?query=", "ftp://host?query=up"])
def test_an_address_without_what_it_needs_is_an_error_that_shows_how(word):
    with pytest.raises(SourceError, match=r"write prometheus:http://HOST:9090\?query=QUERY"):
        PrometheusSource(f"prometheus:{word}", print)


@given(st.binary(max_size=200))
def test_whatever_the_answer_is_it_is_read_or_refused(body):
    source = PrometheusSource("prometheus:http://host?query=up", print)
    source._connection.worked()
    assert all(isinstance(item, Reading | Refusal) for item in source._read(body))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["vector", "scalar"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "resultType", "result", "value", "metric"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_whatever_the_object_is_it_is_read_or_refused(found):
    for key_column in (None, "job"):
        source = PrometheusSource("prometheus:http://host?query=up", print, key_column=key_column)
        source._connection.worked()
        for body in (found, {"data": found}, {"data": {"resultType": "vector", "result": found}}):
            assert all(isinstance(item, Reading | Refusal) for item in source._read(json.dumps(body).encode()))


def test_a_series_without_a_sample_is_refused_and_the_others_are_read():
    source = PrometheusSource("prometheus:http://host?query=up", print, key_column="job")
    source._connection.worked()
    samples = [("a", [5, "1"]), ("b", [5, "x"]), ("c", None), ("d", [6, "2"])]
    body = {"resultType": "vector", "result": [{"metric": {"job": job}, "value": value} for job, value in samples]}
    first, *wrong, last = source._read(json.dumps({"data": body}).encode())
    assert (first.value, first.key, last.value, last.key) == ("1", "a", "2", "d")
    assert [item.where for item in wrong] == ["series 'b'", "series 'c'"]


def test_with_a_key_column_each_series_is_a_stream_and_two_of_one_key_are_refused(answer, watch):
    twice = vector(("a", "1"), ("a", "2"), ("b", "3"))
    place, _ = answer(vector(("a", "1"), ("b", "NaN")), twice, result("vector", []), vector(("b", "5")))
    reader = watch(place, key_column="job")
    wait_until(lambda: len(reader.items) >= 4)
    assert [(item.value, item.key) for item in reader.items[:2]] == [("1", "a"), ("nan", "b")]
    assert reader.items[2].reason == "2 series have job='a'; make one of them, as with sum by (job)"
    assert (reader.items[3].value, reader.items[3].key) == ("5", "b")


def test_a_server_that_sends_a_byte_now_and_then_is_told_of_after_the_limit(monkeypatch, stop, said):
    monkeypatch.setattr(prometheus, "FIRST_LIMIT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle():
            whole = b'{"data": {"resultType": "scalar", "result": [1, "5"]}}'
            for n in range(2):
                link, _ = listener.accept()
                with link, suppress(OSError):
                    link.recv(4096)
                    link.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + (b"" if n else whole))
                    while n and not stop.requested:
                        link.sendall(b" ")
                        time.sleep(0.05)

        threading.Thread(target=trickle, daemon=True).start()
        word = f"prometheus:http://127.0.0.1:{listener.getsockname()[1]}?query=up"
        source = PrometheusSource(word, said.append, interval=0.1)
        threading.Timer(2.0, stop.request).start()
        began = time.monotonic()
        list(source.read(stop, 10))
        assert time.monotonic() - began < 4
    assert any("the connection is lost: the server gave no whole answer within 0 s" in line for line in said), said


@pytest.mark.parametrize(
    "wrong",
    [None, 7, "x", [], {"metric": [1]}, {"metric": {"job": {}}}, {"metric": {"job": ["a"]}, "value": [1, "2"]}]
    + [
        {"metric": {"job": "b"}, "value": value}
        for value in (None, [1], [10**400, "1"], [1, 10**400], {"a": 1}, [[], {}])
    ],
)
def test_what_is_no_series_is_refused_and_the_others_are_read(wrong):
    source = PrometheusSource("prometheus:http://127.0.0.1:1?query=up", lambda _line: None, key_column="job")
    source._connection.was_made = True
    right = {"metric": {"job": "a"}, "value": [1, "2"]}
    body = json.dumps({"data": {"resultType": "vector", "result": [right, wrong]}}).encode()
    first, second = source._read(body)
    assert (first.key, first.value) == ("a", "2")
    assert isinstance(second, Refusal) or second.key is None


@pytest.mark.parametrize(
    "result",
    [
        {"resultType": "x" * 50_000, "result": []},
        {"resultType": "vector", "result": [{"metric": {"job": "x" * 50_000, "n": str(n)}} for n in range(9)]},
    ],
)
def test_no_message_of_an_answer_is_longer_than_a_line(result):
    source = PrometheusSource("prometheus:http://127.0.0.1:1?query=up", lambda _line: None)
    with pytest.raises(SourceError) as caught:
        source._read(json.dumps({"data": result}).encode())
    assert len(str(caught.value)) <= 500
