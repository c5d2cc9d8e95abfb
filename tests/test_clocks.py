import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.clocks import KEPT_TIMES, TURNED, Clocks

rising = st.lists(st.integers(0, 5), max_size=3 * KEPT_TIMES).map(lambda steps: np.cumsum([0.0, *steps])[1:])


def followed(times, clock=None):
    """Which times one clock takes, and the clock."""
    kept = Clocks() if clock is None else clock
    return [kept.follow(0, float(time)) for time in times], kept


def test_times_that_go_on_are_taken_and_equal_ones_too():
    assert followed([1.0, 2.0, 2.0, 5.0])[0] == [True] * 4


def test_a_time_that_goes_back_is_refused_and_changes_not_what_is_the_last():
    taken, clock = followed([1.0, 2.0, 3.0, 2.5])
    assert taken == [True, True, True, False]
    assert clock.last[0] == 3.0


def test_one_wild_time_costs_none_of_those_behind_it():
    taken, clock = followed([1.0, 2.0, 3.0, 1e9, 4.0, 5.0])
    assert taken == [True] * 6
    assert clock.last[0] == 5.0


def test_a_clock_that_was_set_back_is_believed_after_so_many_readings():
    # the step back is no larger than one before: nothing shows that the clock was ahead
    taken, _ = followed([0.0, 100.0, 200.0, *range(110, 110 + TURNED + 5)])
    assert taken == [True] * 3 + [False] * (TURNED - 1) + [True] * 6


def test_readings_that_jump_to_and_fro_set_no_clock_back():
    back = [150.0, 120.0] * TURNED
    assert followed([0.0, 100.0, 200.0, *back])[0] == [True] * 3 + [False] * len(back)


@given(rising, rising)
def test_times_taken_at_once_leave_what_those_one_by_one_do(first, second):
    at_once, one_by_one = Clocks(), Clocks()
    for times in (first, second + (first[-1] if len(first) else 0.0)):
        assert at_once.go_on(0, times)
        assert all(followed(times, one_by_one)[0])
    assert at_once.records.tobytes() == one_by_one.records.tobytes()


def test_where_one_of_them_goes_back_none_is_taken():
    _, clock = followed([1.0, 2.0])
    before = clock.records.tobytes()
    assert not clock.go_on(0, np.array([3.0, 2.5, 4.0]))
    assert not clock.go_on(0, np.array([1.5]))
    assert not clock.go_on_all(np.zeros(2, np.int64), np.array([3.0, 2.5]))
    assert clock.records.tobytes() == before


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=300), st.integers(0, 300))
def test_many_streams_at_once_leave_what_each_alone_does(steps, cut):
    streams = np.array([stream for stream, _ in steps], dtype=np.int64)
    seconds = np.cumsum([0.0, *(step for _, step in steps)])[1:]
    together, alone = Clocks(4), Clocks(4)
    for part in (slice(0, cut), slice(cut, None)):
        assert together.go_on_all(streams[part], seconds[part])
    for stream in range(4):
        assert alone.go_on(stream, seconds[streams == stream])
    assert together.records.tobytes() == alone.records.tobytes()


def test_a_stream_may_go_back_behind_another_one():
    assert Clocks(2).go_on_all(np.array([0, 1, 0, 1]), np.array([5.0, 1.0, 6.0, 2.0]))


@pytest.mark.parametrize("n", [1, 3])
def test_a_new_clock_takes_any_time(n):
    made = Clocks(n)
    assert len(made) == n
    assert (made.last == -math.inf).all()
    assert all(made.follow(stream, -1e11) for stream in range(n))


def test_streams_that_are_added_leave_those_before_as_they_are_and_one_forgotten_is_new():
    made = Clocks()
    made.follow(0, 5.0)
    made.extend(2)
    assert made.last.tolist() == [5.0, -math.inf, -math.inf]
    made.forget(0)
    assert made.records.tobytes() == Clocks(3).records.tobytes()


def test_saved_clocks_go_on_and_forged_ones_are_refused():
    _, first = followed([1.0, 2.0, 5.0])
    second = Clocks()
    second.restore(first.records)
    assert second.follow(0, 6.0)
    assert first.last[0] == 5.0
    forged = first.records.copy()
    forged["taken"] = -1
    with pytest.raises(ValueError, match="taken is outside its range"):
        second.restore(forged)
