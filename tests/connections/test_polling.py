import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.connections.polling import polled
from streamforest.protocols import Reading, Refusal
from streamforest.terminal.stop import StopFlag


class Time:
    """A clock and a stop flag that share their seconds; a wait is over at once."""

    def __init__(self, end=1e9, now=50.0):
        self.now, self.end, self.requested = now, now + end, False

    def __call__(self):
        return self.now

    def wait(self, seconds):
        assert seconds > 0
        self.now = min(self.now + seconds, self.end)
        self.requested = self.requested or self.now >= self.end
        return self.requested


def looks(time, interval, costs, **more):
    """When each look was taken, from the start; each takes its time."""
    start, costs, found = time.now, iter(costs), []

    def look():
        found.append(time.now - start)
        time.now += next(costs, 0.0)
        return Reading(1.0)

    blocks = list(polled(look, interval, time, clock=time, **more))
    assert blocks == [[Reading(1.0)]] * len(found)
    return found


def test_looks_are_at_whole_intervals_from_the_start():
    assert looks(Time(5), 2.0, []) == [0, 2, 4]
    assert looks(Time(5), 2.0, [], is_first_at_once=False) == [2, 4]


def test_a_slow_look_does_not_put_off_the_later_ones_and_missed_ones_are_left_out():
    assert looks(Time(8.5), 1.0, [0.4, 0.9, 0, 3.5, 0]) == [0, 1, 2, 3, 7, 8]


def test_where_there_is_nothing_new_nothing_is_yielded():
    items = iter([None, Reading(2.0), None, Refusal("here", "why")])
    time = Time(3.5)
    blocks = list(polled(lambda: next(items), 1.0, time, clock=time))
    assert blocks == [[Reading(2.0)], [Refusal("here", "why")]]


def test_an_error_of_a_look_ends_it():
    def look():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        next(polled(look, 1.0, Time(), clock=Time()))


@given(st.floats(0.01, 86_400), st.lists(st.floats(0, 10), max_size=30))
def test_whatever_a_look_takes_each_is_at_a_tick_or_at_once_behind_its_tick_and_none_comes_twice(interval, costs):
    scaled = [cost * interval for cost in costs]
    found = looks(Time(40 * interval), interval, scaled)
    ticks = [at / interval + 1e-6 for at in found]
    assert [int(tick) for tick in ticks] == sorted({int(tick) for tick in ticks})
    assert all(tick % 1 < 1e-4 for tick in ticks[len(costs) + 1 :])


def test_a_stop_ends_a_wait_of_a_day_at_once():
    stop = StopFlag()
    blocks = polled(lambda: Reading(1.0), 86_400, stop)
    assert next(blocks) == [Reading(1.0)]
    stop.request()
    assert list(blocks) == []
    stop.close()
