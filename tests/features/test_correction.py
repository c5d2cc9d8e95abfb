import math

import numpy as np
import pytest

from streamforest.features.correction import MEMORY, REACH, corrected, learn_error
from streamforest.features.observe import new_state
from tests.streams import observe

#: Of a usual residual, where they are Gaussian ones of unit width.
SCALE = 0.7


@pytest.fixture
def state():
    """Of a stream whose season is known, with nothing learned."""
    made = new_state()[0]
    made["season"] = 24
    return made


def follow(state, values, forecast=0.0, season_ago=math.nan):
    """What is expected of each value of a stream that is forecast as one number."""
    expected = []
    for value in values:
        expected.append(corrected(state, forecast, season_ago, SCALE))
        learn_error(state, value, value - forecast, SCALE)
    return np.array(expected)


def test_errors_that_follow_one_another_are_foretold(state):
    rng = np.random.default_rng(0)
    values = np.zeros(3000)
    for i in range(1, values.size):
        values[i] = 0.8 * values[i - 1] + rng.normal()
    expected = follow(state, values)
    half = values.size // 2
    assert np.abs(values - expected)[half:].mean() < 0.65 * np.abs(values)[half:].mean()


def test_errors_that_nothing_foretells_leave_the_forecast_in_its_place(state):
    values = np.random.default_rng(1).normal(size=3000)
    assert np.abs(follow(state, values)[1000:]).mean() < 0.1


def test_what_came_a_season_ago_counts_where_it_tells_more_than_the_forecast(state):
    rng = np.random.default_rng(2)
    for i in range(3000):
        ago = rng.uniform(-2.0, 2.0)
        expected = corrected(state, 0.0, ago, SCALE)
        value = ago + 0.1 * rng.normal()
        assert i < 1500 or abs(expected - ago) < 0.3
        learn_error(state, value, value, SCALE)


def test_nothing_is_corrected_by_what_is_unknown(state):
    follow(state, np.full(3000, 1.0))
    state["last_usual"], state["last_error"] = math.nan, 0.0
    assert corrected(state, 0.0, math.nan, SCALE) == 0.0


@pytest.mark.parametrize("size", [1e3, 1e15, -1e15])
def test_one_value_of_any_size_moves_no_forecast_farther_than_its_reach(state, size):
    follow(state, np.random.default_rng(3).normal(size=1000))
    before = state["input_weights"].copy()
    learn_error(state, size, size, SCALE)
    assert np.abs(state["input_weights"] - before).max() < 2.0 * REACH**2 / MEMORY
    assert abs(corrected(state, 0.0, -size, SCALE)) <= REACH * SCALE


def test_inputs_that_are_all_alike_give_finite_weights_that_share_the_error(state):
    values = np.sign(np.random.default_rng(4).normal(size=5000)) * 3.0
    values = np.repeat(values[:50], 100)  # plateaus: the last value, the last season and the last error are one number
    for value, before in zip(values[1:], values[:-1], strict=True):
        expected = corrected(state, 0.0, before, SCALE)
        learn_error(state, value, value, SCALE)
    assert expected == pytest.approx(values[-1], abs=0.3)
    assert np.isfinite(state["input_weights"]).all()


def test_a_stream_without_a_season_is_forecast_as_if_nothing_was_corrected():
    values = np.cumsum(np.random.default_rng(5).normal(size=1500))
    state = observe(values)[-1]
    assert state["season"] == 0
    assert not state["input_weights"].any()


def test_a_season_with_errors_that_follow_one_another_is_forecast_better():
    rng = np.random.default_rng(6)
    wander = np.zeros(6000)
    for i in range(1, wander.size):
        wander[i] = 0.7 * wander[i - 1] + rng.normal()
    values = 6.0 * np.sin(2.0 * np.pi * np.arange(wander.size) / 48.0) + wander
    outlook, state = observe(values)[2:]
    assert state["season"] == 48
    assert state["input_weights"].any()
    off = np.abs(values - outlook[:, 0])[3000:]
    assert off.mean() < 0.9 * np.abs(np.diff(values))[2999:].mean()
