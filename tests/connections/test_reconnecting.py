import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.connections.reconnecting import (
    FIRST_LIMIT,
    FIRST_READING,
    Answer,
    Connection,
    Inbox,
    Silence,
    UnreachableError,
    polled,
    span,
)
from streamforest.protocols import Reading, SourceError
from streamforest.terminal.stop import StopFlag


class Clock:
    """A clock that is set by hand, and a stop flag that waits by it."""

    requested = False

    def __init__(self):
        self.now = 1000.0
        self.waits = []

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        return self.requested


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


@pytest.fixture
def connection(clock, said):
    return Connection("server", said.append, clock=clock)


@pytest.fixture
def silence(clock, said):
    return Silence("server", said.append, clock=clock)


def test_pauses_grow_to_the_longest_and_a_loss_and_the_return_are_told_once(connection, clock, said):
    connection.worked()
    clock.now += 600
    pauses = [connection.failed("gone") for _ in range(9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    clock.now += 300
    connection.worked()
    connection.worked()
    assert said == [
        "server: the connection is lost: gone; trying again in 1 s, then after growing pauses of up to 60 s",
        "server: the connection is back after 5 min",
    ]


def test_a_server_that_sends_us_away_again_and_again_is_asked_less_and_less(connection, clock):
    connection.worked()
    clock.now += 600
    pauses = []
    for _ in range(8):
        pauses.append(connection.failed("gone"))
        clock.now += pauses[-1]
        connection.worked()
        clock.now += 0.1
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    clock.now += 61
    assert connection.failed("gone") == 1


def test_no_connection_within_the_first_limit_is_an_error(connection, clock, said):
    began = clock.now

    def try_on():
        while True:
            clock.now += connection.failed("refused")

    with pytest.raises(SourceError, match=r"^server: no connection within 10 s: refused$"):
        try_on()
    assert clock.now == began + FIRST_LIMIT
    assert not said


def test_a_server_that_asks_for_patience_is_waited_for(connection, clock, said):
    for _ in range(20):
        clock.now += connection.failed(UnreachableError("too many questions", is_patient=True))
    assert len(said) == 1
    assert said[0].startswith("server: no connection yet: too many questions; trying again in 1 s")
    connection.worked()
    assert connection.was_made


def feed(silence, clock, intervals):
    for interval in intervals:
        clock.now += interval
        silence.arrived()


def test_a_silence_gives_missing_readings_farther_and_farther_apart_and_is_told_once(silence, clock, said):
    feed(silence, clock, [10] * 10)
    gaps = []
    for second in range(1, 1000):
        clock.now += 1
        if silence.is_gap():
            gaps.append(second)
    assert gaps == [51, 101, 201, 401, 801]
    assert said == ["server: nothing has come for 51 s, which is judged as a missing reading"]
    feed(silence, clock, [10, 10])
    clock.now += 51
    assert silence.is_gap()


def test_the_distance_of_missing_readings_is_bounded(silence, clock):
    feed(silence, clock, [1] * 10)
    at = []
    for second in range(1, 2000):
        clock.now += 1
        if silence.is_gap():
            at.append(second)
    assert at[-1] - at[-2] == at[-2] - at[-3] == 64 * 5


@pytest.mark.parametrize(
    ("intervals", "limit"),
    [
        ([0.01] * 1000, 5.5),  # a fast stream: readings of a second count as one
        (([0.1] * 9 + [60]) * 20, 305),  # bursts: what counts is from one to the next
        ([10] * 20 + [3000] + [10] * 5, 51),  # one long silence does not make it usual
        ([10] * 20 + [100] * 31, 501),  # a stream that became slower
    ],
    ids=["fast", "bursts", "once", "slower"],
)
def test_what_is_usual_follows_the_stream(silence, clock, intervals, limit):
    feed(silence, clock, intervals)
    clock.now += limit * 0.9
    assert not silence.is_gap()
    clock.now += limit * 0.15
    assert silence.is_gap()


def test_of_a_stream_that_is_not_known_yet_nothing_is_missing_but_a_stream_that_never_began_is_told_once(
    silence, clock, said
):
    for _ in range(100):
        clock.now += FIRST_READING / 10
        assert not silence.is_gap()
    assert said == ["server: connected, but nothing has come for 66 s; is the name right?"]
    feed(silence, clock, [1, 1])
    clock.now += 10_000
    assert not silence.is_gap()


def test_what_is_not_expected_is_not_missed(clock, said):
    silence = Silence("server", said.append, 60, clock)
    silence.arrived()
    for _ in range(100):
        clock.now += 60
        silence.rest()
        assert not silence.is_gap()
    clock.now += 301
    assert silence.is_gap()


def test_an_inbox_keeps_the_newest_and_tells_of_the_others_at_growing_counts(said):
    inbox = Inbox("server", said.append, most=10)
    for number in range(1000):
        inbox.put("topic", b"%d" % number, 0.0)
        if number in {9, 10, 50, 200}:
            inbox.take(0, 0)
    assert [payload for _, payload, _ in inbox.take(100, 0)] == [b"%d" % number for number in range(990, 1000)]
    assert [line.split("; ")[1] for line in said] == [
        "1 of the oldest left out",
        "41 of the oldest left out",
        "990 of the oldest left out",
    ]


@given(st.lists(st.one_of(st.integers(0, 60), st.none()), max_size=60))
def test_an_inbox_is_bounded_in_messages_and_bytes_and_keeps_the_order(sizes):
    inbox = Inbox("server", lambda _: None, most=5, most_bytes=100)
    sent, got = [], []
    for at, size in enumerate(sizes):
        if size is None:
            got += [int(where) for where, _, _ in inbox.take(3, 0)]
        else:
            inbox.put(str(at), bytes(size), 0.0)
            sent.append(at)
            kept = inbox._kept
            assert len(kept) <= 5
            assert inbox._bytes == sum(len(payload) for _, payload, _ in kept) <= 100
    got += [int(where) for where, _, _ in inbox.take(10, 0)]
    assert got == sorted(got)
    assert len(got) + inbox.left_out == len(sent)
    assert set(sent[-1:]) <= set(got)


def test_a_fault_of_the_client_comes_after_all_that_came_before(said):
    inbox = Inbox("server", said.append)
    inbox.put("topic", b"1", 0.0)
    inbox.fail(SourceError("broken"))
    assert len(inbox.take(10, 0)) == 1
    with pytest.raises(SourceError, match="broken"):
        inbox.take(10, 0)


def test_a_message_wakes_the_reader():
    inbox = Inbox("server", print)
    threading.Timer(0.05, inbox.put, ("topic", b"1", 0.0)).start()
    began = time.monotonic()
    assert inbox.take(10, 30)
    assert time.monotonic() - began < 5


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


def test_a_stop_ends_the_wait_for_an_answer(stop):
    never = threading.Event()
    threading.Timer(0.05, stop.request).start()
    began = time.monotonic()
    connection = Connection("server", print)
    assert list(polled(never.wait, 15, connection, lambda _has_come: None, stop)) == []
    assert time.monotonic() - began < 1
    never.set()


def test_silence_is_looked_for_while_an_answer_is_waited_for(stop):
    never, gaps = threading.Event(), iter([None, Reading(None, 1.0)])

    def missed(has_come):
        assert not has_come
        return next(gaps, None)

    blocks = polled(never.wait, 15, Connection("server", print), missed, stop)
    assert next(blocks) == [Reading(None, 1.0)]
    blocks.close()
    never.set()


def test_an_answer_and_an_error_come_through():
    def fail():
        raise UnreachableError("away")

    assert Answer(lambda: 7).take(5) == 7
    with pytest.raises(UnreachableError, match="away"):
        Answer(fail).take(5)


def test_questions_are_a_fixed_time_apart_and_come_after_growing_pauses_while_they_fail(connection, clock):
    reading = Reading(1.0)
    script = [[reading], [reading], "away", "away", "away", [], [reading]]
    asked = []

    def ask():
        asked.append(clock.now - 1000)
        clock.now += 3  # an answer takes its time
        answer = script[len(asked) - 1]
        if len(asked) == len(script):
            clock.requested = True
        if isinstance(answer, str):
            raise UnreachableError(answer)
        return answer

    def missed(has_come):
        return None if has_come else Reading(None, clock.now)

    def watched():
        for items in polled(ask, 15, connection, missed, clock, clock):
            yield items
            if clock.requested:
                return

    blocks = list(watched())
    assert asked == [0, 15, 30, 34, 39, 46, 61][: len(asked)]
    assert [items[0].value for items in blocks][:6] == [1.0, 1.0, None, None, None, None]


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3600, "60 min")])
def test_a_time_for_people(seconds, words):
    assert span(seconds) == words


def test_a_silence_that_is_not_judged_is_told_and_gives_no_missing_reading(clock, said):
    silence = Silence("server", said.append, 60, clock, is_judged=False)
    silence.arrived()
    clock.now += 301
    assert not silence.is_gap()
    assert said == ["server: nothing has come for 5 min"]
