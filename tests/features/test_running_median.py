import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.features.observe import new_state
from streamforest.features.running_median import (
    POINTS,
    begin_median,
    compare_median,
    is_median_better,
    learn_median,
    move_median,
)


@pytest.fixture
def state():
    made = new_state()[0]
    begin_median(made, 0.0)
    return made


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=40))
def test_it_is_the_median_of_the_last_values_and_of_the_first_one_before_them(values):
    state = new_state()[0]
    begin_median(state, values[0])
    for value in values:
        learn_median(state, value)
    assert state["running_median"] == np.median(([values[0]] * POINTS + values)[-POINTS:])


def test_four_of_nine_values_move_it_no_farther_than_to_another_of_the_rest(state):
    for value in [1.0, 1e9, 2.0, 1e9, 3.0, -1e9, 4.0, 1e9, 5.0]:
        learn_median(state, value)
    assert 1.0 <= state["running_median"] <= 5.0


def test_a_new_level_is_its_forecast_at_once(state):
    learn_median(state, 1.0)
    move_median(state, 7.0)
    assert state["running_median"] == 7.0


def test_it_is_better_once_it_has_come_nearer_more_often_and_no_longer_when_it_does_not(state):
    assert not is_median_better(state)
    for _ in range(100):
        compare_median(state, 0.0, 1.0)
        state["count"] += 1
    assert is_median_better(state)
    for _ in range(100):
        compare_median(state, 1.0, 1.0)
        state["count"] += 1
    assert not is_median_better(state)


def test_two_that_are_alike_leave_the_other_one_in_its_place():
    state = new_state()[0]
    begin_median(state, 0.0)
    random = np.random.default_rng(1)
    better = 0
    for _ in range(5000):
        value, other = random.normal(size=2)
        compare_median(state, value, other if random.random() < 0.5 else -other)
        state["running_median"] = random.normal()
        state["count"] += 1
        better += is_median_better(state)
    assert better < 1500
