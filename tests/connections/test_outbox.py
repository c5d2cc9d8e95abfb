import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.connections import outbox as module
from streamforest.connections.outbox import FAILURES_REPORTED, MOST_WAITING, DeliveryError, Outbox
from tests.servers import wait_until


class Receiver:
    """Takes messages, or fails as it is told to."""

    def __init__(self, repeat=0.0, values_every=0.0):
        self.repeat, self.values_every = repeat, values_every
        self.got, self.shown, self.faults = [], [], []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.is_closed = False

    def send(self, message):
        self.may_answer.wait(60)
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        self.got.append((message["id"], message["event"]))

    def show(self, verdict):
        self.shown.append(verdict["value"])

    def close(self):
        self.is_closed = True


def message(name, event="start"):
    return {"id": str(name), "event": event}


@pytest.fixture
def said():
    return []


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)


def new(receiver, said):
    return Outbox("test://h", receiver, said.append)


def test_messages_are_delivered_in_their_order_and_all_before_the_end(said):
    receiver = Receiver()
    outbox = new(receiver, said)
    for number in range(50):
        outbox.put(message(number))
    outbox.close()
    outbox.close()
    assert receiver.got == [(str(number), "start") for number in range(50)]
    assert (outbox.delivered, outbox.waiting, outbox.left_out, receiver.is_closed, said) == (50, 0, 0, True, [])


def test_to_put_a_message_never_waits_and_the_oldest_of_too_many_are_left_out_and_counted(said):
    receiver = Receiver()
    receiver.may_answer.clear()
    outbox = new(receiver, said)
    began = time.monotonic()
    for number in range(MOST_WAITING + 5):
        outbox.put(message(number))
    assert time.monotonic() - began < 5
    assert (outbox.waiting, outbox.left_out) == (MOST_WAITING, 5)
    assert said == ["test://h: messages come faster than they are delivered: the oldest are left out"]
    receiver.may_answer.set()
    outbox.close()
    assert receiver.got[-1] == (str(MOST_WAITING + 4), "start")
    assert said[-1] == "test://h: 5 messages could not be delivered"


def test_what_fails_is_tried_again_after_growing_pauses_told_once_and_its_return_too(said):
    receiver = Receiver()
    receiver.faults = [DeliveryError("down")] * 4
    began = time.monotonic()
    outbox = new(receiver, said)
    for number in range(3):
        outbox.put(message(number))
    wait_until(lambda: outbox.delivered == 3, 60)
    assert receiver.got == [("0", "start"), ("1", "start"), ("2", "start")]
    assert time.monotonic() - began > 0.01 + 0.02 + 0.04 + 0.08
    outbox.close()
    assert said == [
        "test://h: not delivered: down; trying again in 0 s, then after growing pauses of up to 60 s",
        "test://h: messages are delivered again",
    ]


def test_a_pause_that_the_receiver_asks_for_is_kept(said):
    receiver = Receiver()
    receiver.faults = [DeliveryError("slow down", pause=0.3)]
    began = time.monotonic()
    outbox = new(receiver, said)
    outbox.put(message(1))
    wait_until(lambda: receiver.got, 60)
    assert time.monotonic() - began >= 0.3
    outbox.close()


def test_what_is_refused_for_good_is_counted_and_holds_up_nothing(said):
    receiver = Receiver()
    receiver.faults = [DeliveryError("bad", is_final=True)] * (FAILURES_REPORTED + 2)
    outbox = new(receiver, said)
    for number in range(FAILURES_REPORTED + 3):
        outbox.put(message(number))
    outbox.close()
    assert receiver.got == [(str(FAILURES_REPORTED + 2), "start")]
    assert (outbox.delivered, outbox.left_out) == (1, FAILURES_REPORTED + 2)
    assert said.count("test://h: a message was refused: bad") == FAILURES_REPORTED - 1
    assert said[-2:] == [
        "test://h: a message was refused: bad; further ones are only counted",
        "test://h: 12 messages were refused",
    ]


def test_the_newest_message_of_an_open_episode_is_sent_again_until_its_end(said):
    receiver = Receiver(repeat=0.02)
    outbox = new(receiver, said)
    outbox.put(message("a"))
    outbox.put(message("a", "worse"))
    wait_until(lambda: receiver.got.count(("a", "worse")) >= 4, 60)
    outbox.put(message("a", "end"))
    wait_until(lambda: ("a", "end") in receiver.got, 60)
    outbox.close()
    assert receiver.got[0] == ("a", "start")
    assert receiver.got[-1] == ("a", "end")
    assert outbox.delivered == 3, "repeated ones are not counted"


def test_of_values_the_newest_is_shown_now_and_then(said):
    receiver = Receiver(values_every=0.05)
    outbox = new(receiver, said)
    assert outbox.wants_values
    outbox.show({"value": 0})
    wait_until(lambda: receiver.shown == [0], 60)
    for number in range(1, 2000):
        outbox.show({"value": number})
    wait_until(lambda: receiver.shown[-1] == 1999, 60)
    assert len(receiver.shown) < 1000
    outbox.close()


def test_the_end_of_the_run_waits_for_what_can_be_delivered_and_tells_what_cannot(said, monkeypatch):
    monkeypatch.setattr(module, "AT_END", 0.3)
    receiver = Receiver()
    receiver.faults = [DeliveryError("down")] * 1000
    outbox = new(receiver, said)
    outbox.put(message(1))
    outbox.put(message(2))
    outbox.close()
    assert said[-1] == "test://h: 2 messages could not be delivered: down"
    assert outbox.waiting == 2


def test_a_run_that_shall_end_soon_does_not_wait(said):
    receiver = Receiver()
    receiver.may_answer.clear()
    outbox = new(receiver, said)
    outbox.put(message(1))
    began = time.monotonic()
    outbox.close(lambda: began)
    assert time.monotonic() - began < 5
    assert said == ["test://h: 1 message could not be delivered"]
    receiver.may_answer.set()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["put", "put", "down", "up", "restart"]), max_size=25))
def test_each_message_comes_at_least_once_and_in_order_however_often_the_run_is_killed(steps):
    receiver, said, put = Receiver(), [], 0
    outbox = new(receiver, said)
    for step in [*steps, "up"]:
        if step == "put":
            outbox.put(message(put))
            put += 1
        elif step == "restart":
            facts = outbox.facts()
            receiver.may_answer.set()
            outbox.close()
            outbox = new(receiver, said)
            outbox.go_on(facts)
        elif step == "down":
            receiver.may_answer.clear()
        else:
            receiver.may_answer.set()
    outbox.close()
    first = list(dict.fromkeys(name for name, _ in receiver.got))
    assert first == [str(number) for number in range(put)]


def test_an_episode_that_was_open_is_told_again_after_a_restart(said):
    receiver = Receiver(repeat=1e6)
    outbox = new(receiver, said)
    outbox.put(message("a"))
    wait_until(lambda: outbox.delivered == 1, 60)
    facts = outbox.facts()
    outbox.close()
    again = new(receiver, said)
    again.go_on(facts)
    wait_until(lambda: len(receiver.got) == 2, 60)
    assert again.delivered == 1
    again.close()


@pytest.mark.parametrize("facts", [None, [], [[1], [], 0, 0], [[], [{}], 0, 0], [[], [], "a", 0]])
def test_what_are_no_facts_is_refused(facts, said):
    outbox = new(Receiver(), said)
    with pytest.raises(ValueError, match="saved"):
        outbox.go_on(facts)
    outbox.close()


class Set(set):
    """Lines in memory, as a journal keeps them on the disk."""


def test_what_was_delivered_before_a_kill_is_not_sent_again_nor_kept_open(said):
    done, receiver = Set(), Receiver(repeat=1e6)
    outbox = Outbox("test://h", receiver, said.append, done)
    facts = outbox.facts()
    for event in ("start", "end"):
        outbox.put(message("a", event))
    outbox.put(message("b"))
    wait_until(lambda: outbox.delivered == 3, 60)
    outbox.close()
    later = Receiver(repeat=1e6)
    again = Outbox("test://h", later, said.append, done)
    again.go_on([[message("a")], [message("a")], 0, 0])
    for event in ("start", "end"):
        again.put(message("a", event))
    again.put(message("b"))
    again.put(message("c"))
    wait_until(lambda: again.delivered == 1, 60)
    assert [one["id"] for one in again.facts()[1]] == ["b", "c"]
    again.close()
    assert set(later.got) <= {("b", "start"), ("c", "start")}
    assert facts == [[], [], 0, 0]
