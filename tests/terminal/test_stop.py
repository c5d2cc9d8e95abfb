import os
import select
import signal
import threading
import time

import pytest

from streamforest.terminal.stop import StopFlag


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


def test_nothing_is_requested_at_first_and_a_wait_takes_its_time(stop):
    before = time.monotonic()
    assert stop.wait(0.01) is False
    assert time.monotonic() - before >= 0.009
    assert stop.requested is False


def test_after_a_request_no_wait_takes_any_time(stop):
    stop.request()
    before = time.monotonic()
    assert stop.wait(60) is True
    assert time.monotonic() - before < 5
    assert stop.requested is True


def test_a_request_wakes_every_waiter(stop):
    answers = []
    waiters = [threading.Thread(target=lambda: answers.append(stop.wait(60))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    stop.request()
    for waiter in waiters:
        waiter.join(timeout=10)
    assert answers == [True] * 3


def test_the_descriptor_becomes_readable_with_a_request_and_stays_so(stop):
    assert select.select([stop], [], [], 0)[0] == []
    stop.request()
    for _ in range(2):
        assert select.select([stop], [], [], 0)[0] == [stop]


def test_any_number_of_requests_is_one(stop):
    for _ in range(100_000):
        stop.request()
    assert stop.requested is True


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a signal that comes by itself: not on Windows")
def test_a_signal_ends_a_wait(stop):
    before = signal.signal(signal.SIGALRM, stop.request)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert stop.wait(60) is True
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("seconds", [0, -1, -1e300])
def test_a_wait_of_no_time_returns_at_once(stop, seconds):
    assert stop.wait(seconds) is False


def test_closing_releases_the_descriptors():
    stop = StopFlag()
    descriptor = stop.fileno()
    stop.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
