import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.compiled import compiled
from streamforest.features.analogues import CONTEXT, FEWEST, LEAST_SHARE, has_analogues
from streamforest.features.observe import new_state
from streamforest.features.season import LONGEST_SEASON, hold_against_past


@compiled
def _take(states, values, distances):
    for i in range(values.size):
        hold_against_past(states[0], values[i], False, 0.0, 1.0, distances)
        states[0].count += 1


def after(values):
    """The state of a stream that took these values."""
    states = new_state()
    _take(states, np.asarray(values, dtype=float), np.empty(2))
    return states[0]


def is_usual(values, value, tolerance):
    """The same, written to be read."""
    kept = np.float32(values)[-LONGEST_SEASON:]
    near = np.float32(tolerance)
    last = [*kept[-CONTEXT:], np.float32(value)]
    if len(kept) <= CONTEXT or max(last) - min(last) <= 2.0 * tolerance:
        return False
    windows = [kept[i : i + CONTEXT + 1] for i in range(len(kept) - CONTEXT)]
    begun = [window for window in windows if all(np.abs(window[:CONTEXT] - kept[-CONTEXT:]) <= near)]
    went_on = sum(bool(np.abs(window[CONTEXT] - np.float32(value)) <= near) for window in begun)
    return went_on >= FEWEST and went_on >= LEAST_SHARE * len(begun)


@given(st.lists(st.integers(0, 3), max_size=700), st.integers(0, 3), st.sampled_from([0.25, 1.0]))
def test_it_is_what_the_words_say(values, value, tolerance):
    assert bool(has_analogues(after(values), float(value), tolerance)) == is_usual(values, value, tolerance)


def test_a_state_that_a_device_takes_at_no_time_is_usual_after_what_comes_before_it():
    """Between 2 and 8 points of one state, then one point of another."""
    rng = np.random.default_rng(1)
    values = np.concatenate([[0.0] * rng.integers(2, 9) + [-5.0] for _ in range(60)])
    values += 0.05 * rng.normal(size=values.size)
    state = after([*values, 0.02, -0.03, 0.01])
    assert has_analogues(state, -5.0, 0.2)
    assert not has_analogues(state, 5.0, 0.2), "it never was there"
    assert not has_analogues(state, 0.0, 0.2), "nothing moves"


@pytest.mark.parametrize("seed", range(3), ids="seed {}".format)
def test_outliers_at_random_are_no_analogues_of_one_another(seed):
    """One point in ten, of 6 to 40 deviations."""
    rng = np.random.default_rng(seed)
    values, where = rng.normal(size=3000), rng.random(3000) < 0.1
    values[where] += rng.uniform(6.0, 40.0, where.sum()) * rng.choice([-1.0, 1.0], where.sum())
    places = np.flatnonzero(where[600:]) + 600
    usual = [bool(has_analogues(after(values[at - LONGEST_SEASON : at]), values[at], 2.0)) for at in places]
    assert np.mean(usual) < 0.02
