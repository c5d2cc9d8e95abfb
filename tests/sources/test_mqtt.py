import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from streamforest.connections import reconnecting
from streamforest.optional import MissingPackageError
from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.sources import SourceOptions, open_source
from streamforest.terminal.stop import StopFlag
from tests.servers import Program, Reader, Server, free_port, let_end, wait_until

pytest.importorskip("paho.mqtt.client", reason="needs streamforest/requirements/mqtt.txt")

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_server = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")


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


@pytest.fixture
def serve(tmp_path):
    """Start mosquitto with a configuration of its own."""
    started = []

    def serve(*lines, port=None):
        port = port or free_port()
        path = tmp_path / f"mosquitto-{port}.conf"
        path.write_text(
            "\n".join([f"listener {port} 127.0.0.1", "persistence false", "user root", *lines, ""]), encoding="utf-8"
        )
        started.append(Server(port, MOSQUITTO, "-c", path).start())
        return started[-1]

    yield serve
    for server in started:
        server.kill()


@pytest.fixture
def server(serve):
    return serve("allow_anonymous true")


@pytest.fixture
def publish():
    """Publish messages through a client of its own."""
    import paho.mqtt.client as paho  # noqa: PLC0415

    def publish(port, topic, *payloads, retain=False, qos=1):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        wait_until(client.is_connected)
        for payload in payloads:
            client.publish(topic, payload, qos, retain).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    return publish


@pytest.fixture
def watch(stop, said):
    """Read a source; returns once it is subscribed."""

    def watch(word, is_up=True, **options):
        source = open_source(word, SourceOptions(said.append, **options))
        reader = Reader(source, stop)
        reader.source = source
        if is_up:
            wait_until(lambda: is_subscribed(source) or reader.is_done)
        return reader

    return watch


def is_subscribed(source):
    return getattr(source, "_connection", None) is not None and source._connection.was_made


@needs_server
def test_numbers_come_with_the_time_of_their_arrival(server, publish, watch):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/garden/temperature")
    publish(server.port, "garden/temperature", "21.5", "22")
    publish(server.port, "garden/humidity", "99")
    wait_until(lambda: len(reader.items) == 2)
    assert [item.value for item in reader.items] == ["21.5", "22"]
    assert all(abs(item.time - time.time()) < 30 for item in reader.items)


@needs_server
def test_wildcards_objects_and_columns(server, publish, watch):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/+/room/#", column="celsius", time_column="at")
    publish(server.port, "house/room/1", '{"celsius": 20, "at": "2024-05-01T00:00:00Z", "volt": 3}')
    publish(server.port, "house/hall/1", '{"celsius": 99}')
    publish(server.port, "house/room/2/b", '{"celsius": 21, "at": "2024-05-01T00:00:01Z", "volt": 3}', "online")
    wait_until(lambda: len(reader.items) == 3)
    assert reader.items == [
        Reading(20, "2024-05-01T00:00:00Z"),
        Reading(21, "2024-05-01T00:00:01Z"),
        Refusal("message 3 of house/room/2/b", "'online' is no JSON object"),
    ]
    assert "celsius" in reader.source.describe()


@needs_server
def test_a_column_that_cannot_be_told_ends_the_reading_and_names_the_columns(server, publish, watch):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/a")
    publish(server.port, "a", '{"x": 1, "y": 2}')
    reader.ends_within(10)
    assert isinstance(reader.fault, SourceError)
    assert "--column NAME of: x, y" in str(reader.fault)


@needs_server
def test_a_retained_message_is_older_than_the_run_and_left_out(server, publish, watch):
    publish(server.port, "a", "1", retain=True)
    reader = watch(f"mqtt://127.0.0.1:{server.port}/a")
    publish(server.port, "a", "2", retain=True)
    wait_until(lambda: reader.items)
    assert [item.value for item in reader.items] == ["2"]


@needs_server
def test_a_server_that_is_killed_and_started_again_is_told_of_once_each_and_readings_go_on(
    server, publish, watch, said
):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/a")
    publish(server.port, "a", "1")
    wait_until(lambda: reader.items)
    server.kill()
    wait_until(lambda: said)
    time.sleep(3.5)  # time for further attempts, of which nothing must be said
    assert len(said) == 1
    assert "the connection is lost" in said[0]
    assert "trying again in 1 s, then after growing pauses of up to 60 s" in said[0]
    server.start()
    wait_until(lambda: len(said) == 2)
    assert "the connection is back after" in said[1]
    publish(server.port, "a", "2")
    wait_until(lambda: len(reader.items) == 2)
    assert [item.value for item in reader.items] == ["1", "2"]
    assert reader.fault is None


@needs_server
@pytest.mark.parametrize("given", ["address", "environment"])
def test_user_and_password_are_given_and_never_shown(serve, watch, tmp_path, said, monkeypatch, given):
    word_file = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", word_file, "ann", "se/cr:et@1"], check=True, capture_output=True)
    word_file.chmod(0o644)
    server = serve("allow_anonymous false", f"password_file {word_file}")
    if given == "environment":
        monkeypatch.setenv("STREAMFOREST_USER", "ann")
        monkeypatch.setenv("STREAMFOREST_PASSWORD", "se/cr:et@1")
    user = "ann:se%2Fcr%3Aet%401@" if given == "address" else ""
    reader = watch(f"mqtt://{user}127.0.0.1:{server.port}/a")
    assert not reader.is_done
    assert reader.source.name == f"mqtt://127.0.0.1:{server.port}/a"
    assert "cr" not in reader.source.describe() + "".join(said)


@needs_server
def test_a_wrong_password_ends_the_run_at_once(serve, watch, tmp_path):
    word_file = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", word_file, "ann", "secret"], check=True, capture_output=True)
    word_file.chmod(0o644)
    server = serve("allow_anonymous false", f"password_file {word_file}")
    reader = watch(f"mqtt://ann:wrong-one@127.0.0.1:{server.port}/a", is_up=False)
    reader.ends_within(5)
    assert "the server refuses the connection: Not authorized" in str(reader.fault)
    assert "wrong-one" not in str(reader.fault)


@needs_server
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a refused socket open
def test_tls_needs_a_trusted_certificate(serve, watch, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o644)
    server = serve("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    reader = watch(f"mqtts://127.0.0.1:{server.port}/a", is_up=False)
    reader.ends_within(10)
    assert "the server's certificate is not trusted: self" in str(reader.fault)
    assert "SSL_CERT_FILE" in str(reader.fault)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert not watch(f"mqtts://127.0.0.1:{server.port}/a").is_done


def test_a_server_that_is_not_there_ends_the_run_after_the_first_limit(watch, said, monkeypatch):
    monkeypatch.setattr(reconnecting, "FIRST_LIMIT", 2.0)
    began = time.monotonic()
    reader = watch(f"mqtt://127.0.0.1:{free_port()}/a", is_up=False)
    reader.ends_within(60)
    assert time.monotonic() - began > 1.5
    assert "no connection within 2 s: Connection refused" in str(reader.fault)
    assert not said


def test_a_stop_ends_the_wait_for_a_server_that_does_not_answer(watch, stop):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reader = watch(f"mqtt://127.0.0.1:{silent.getsockname()[1]}/a", is_up=False)
        threading.Timer(0.3, stop.request).start()
        reader.ends_within(1.3)
        assert reader.fault is None


@needs_server
def test_when_nothing_comes_for_long_a_missing_reading_comes(server, publish, watch, said):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/a")
    for number in range(5):
        publish(server.port, "a", str(number))
        time.sleep(1.05)  # what is usual is learned from real intervals
    wait_until(lambda: len(reader.items) == 6, 15)
    assert reader.items[-1].value is None
    assert abs(reader.items[-1].time - time.time()) < 2
    assert "nothing has come for" in said[0]


@needs_server
def test_a_flood_is_read_in_order_and_what_is_left_out_is_counted(server, publish, watch):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/a")
    publish(server.port, "a", *map(str, range(2000)), qos=0)
    publish(server.port, "a", "2000", qos=0)
    wait_until(lambda: reader.items and reader.items[-1].value == "2000")
    values = [int(item.value) for item in reader.items]
    assert values == sorted(values)
    assert len(values) + reader.source._inbox.left_out == 2001


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mqtt://host", "there is no topic"),
        ("mqtt://host/", "there is no topic"),
        ("mqtt://host/a/#/b", "'a/#/b' is no topic"),
        ("mqtt://host/a+/b", r"'a\+/b' is no topic"),
        ("mqtt://host/%00", "is no topic"),
        ("mqtt://host:x/a", "the port must be a number"),
    ],
)
def test_a_wrong_address_is_an_error(word, message):
    with pytest.raises(SourceError, match=message):
        open_source(word, SourceOptions(print))


def test_a_kind_that_is_not_there_is_named_and_its_password_is_not_shown():
    with pytest.raises(SourceError, match=r"there is no source 'mqtx'; there are .*mqtt") as caught:
        open_source("mqtx://ann:secret@host/a", SourceOptions(print))
    assert "secret" not in str(caught.value)


def test_without_the_package_it_is_named_with_the_command_that_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("paho")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "paho", None)
    with pytest.raises(MissingPackageError, match=r"-r streamforest/requirements/mqtt\.txt"):
        open_source("mqtt://host/a", SourceOptions(print))


@needs_server
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_main_judges_messages_and_ends_with_ctrl_c(server, publish, tmp_path):
    program = Program(f"mqtt://ann:secret@127.0.0.1:{server.port}/a", cwd=tmp_path)
    try:
        ends = time.monotonic() + 60
        while not program.verdicts and time.monotonic() < ends:
            publish(server.port, "a", '{"value": 7.5, "time": 1700000000}')
            time.sleep(0.2)
        publish(server.port, "a", '{"value": 8.5, "time": 1700000001}', '{"value": "x"}')
        wait_until(lambda: program.verdicts[-1]["value"] == 8.5)
        time.sleep(0.5)
        code, err, seconds = program.end(signal.SIGINT)
    finally:
        program.kill()
    assert (code, seconds < 1) == (0, True)
    assert program.verdicts[0]["value"] == 7.5
    assert program.verdicts[0]["time"] == 1700000000
    assert "'x' is no number" in err
    assert "secret" not in err


class HugeMessage(threading.Thread):
    """A server that sends one message of a size, a piece at a time, and then a short one."""

    def __init__(self, size):
        super().__init__(daemon=True)
        self.size, self.listener = size, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as link:
            self.send(link)

    def send(self, link):
        if link.recv(4096)[8] == 5:  # the version of the protocol: it speaks 3.1.1 only
            link.sendall(b"\x20\x02\x00\x01")
            link.close()
            with self.listener.accept()[0] as again:
                self.send(again)
            return
        link.sendall(b"\x20\x02\x00\x00")
        asked = link.recv(4096)
        link.sendall(b"\x90\x03" + asked[2:4] + b"\x01")
        length, header = self.size + 3, b"\x30"
        while length:
            length, digit = divmod(length, 128)
            header += bytes([digit | (128 if length else 0)])
        link.sendall(header + b"\x00\x01t")
        for _ in range(self.size // 2**20):
            link.sendall(bytes(2**20))
        link.sendall(b"\x30\x05\x00\x01t42")
        link.recv(4096)


@needs_server
def test_a_server_of_mqtt_5_sends_no_message_that_is_longer_than_the_limit(server, publish, watch):
    reader = watch(f"mqtt://127.0.0.1:{server.port}/t")
    publish(server.port, "t", b"1", bytes(2**20), bytes(2**16 + 1), b"2")
    wait_until(lambda: len(reader.items) == 3)
    first, refused, last = reader.items
    assert (first.value, last.value) == ("1", "2")
    assert isinstance(refused, Refusal), "it was sent: a packet may be somewhat longer than a message"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")  # noqa: PTH110
def test_a_message_of_200_mb_costs_no_more_memory_than_its_limit(stop, said):
    import tracemalloc  # noqa: PLC0415

    server = HugeMessage(200 * 2**20)
    source = open_source(f"mqtt://127.0.0.1:{server.port}/t", SourceOptions(said.append))
    tracemalloc.start()
    try:
        items = []
        for block in source.read(stop, 100):
            items += block
            if len(items) == 2:
                stop.request()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        source.close()
    assert isinstance(items[0], Refusal)
    assert items[1].value == "42"
    assert peak < 20 * 2**20
