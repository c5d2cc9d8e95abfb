import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.compiled import compiled
from streamforest.features import novelty
from streamforest.features.observe import new_state
from tests.naive import NaiveCover

EVERY = pytest.mark.parametrize("signal", range(novelty.N_SIGNALS), ids=novelty.SIGNALS)
ANY = st.floats(-1e15, 1e15) | st.floats(-10.0, 10.0) | st.integers(-3, 3).map(float)


@compiled
def _learn_all(states, k, signals, found):
    state = states[0]
    every, nearest = np.full(novelty.N_SIGNALS, np.nan), np.empty(novelty.N_SIGNALS)
    for i in range(signals.size):
        every[k] = signals[i]
        novelty.hold_against_centres(state, every, nearest)
        found[i] = novelty.novelty(nearest[k], state.radii[k])
        novelty.learn_novelty(state, k, signals[i], nearest[k])


def learn(signals, k=novelty.VALUE, states=None):
    """How new each signal was when it came; the states, whose first has learned them."""
    states, signals = new_state() if states is None else states, np.asarray(signals, dtype=float)
    found = np.empty(signals.size)
    _learn_all(states, k, signals, found)
    return found, states


def novelties(states, signals, k=novelty.VALUE):
    """How new each signal would be as the next one."""
    return np.array([learn([signal], k, states.copy())[0][0] for signal in signals])


def normal(points, seed=1, width=3.0):
    return width * np.random.default_rng(seed).normal(size=points)


# The twin


@EVERY
@pytest.mark.parametrize("make", ["normal", "walk", "counts", "two levels"])
def test_a_cover_is_the_slow_twins_bit_for_bit(signal, make):
    rng = np.random.default_rng(5)
    draws = {
        "normal": 5.0 * rng.normal(size=3000),
        "walk": np.cumsum(rng.normal(size=3000)),
        "counts": rng.poisson(30.0, size=3000).astype(float),
        "two levels": rng.choice([0.1, 1e9 + 0.1], size=500),
    }
    twin = NaiveCover(novelty.CENTRES[signal])
    found, states = learn(draws[make], signal)
    for i, value in enumerate(draws[make].tolist()):
        assert found[i] == twin.novelty(value), i
        twin.learn(value)
    assert states[0]["radii"][signal] == twin.radius
    assert states[0]["centres"][signal][: len(twin.centres)].tolist() == twin.centres
    assert states[0]["centres_used"][signal] == len(twin.centres)


@settings(deadline=None)
@given(st.lists(ANY, max_size=80), st.sampled_from(range(novelty.N_SIGNALS)))
def test_the_cover_of_any_signal_is_the_twins(signals, k):
    twin = NaiveCover(novelty.CENTRES[k])
    found, states = learn(signals, k)
    for i, value in enumerate(signals):
        assert found[i] == twin.novelty(value), i
        twin.learn(value)
    assert states[0]["radii"][k] == twin.radius
    assert states[0]["centres"][k][: len(twin.centres)].tolist() == twin.centres


# What is new


def test_the_first_signal_is_nothing_new():
    assert learn([1e9])[0] == 0.0


def test_novelty_is_the_distance_beyond_the_nearest_centres_reach_in_radii():
    _, states = learn([0.0, 10.0])
    finest = novelty.FINEST_RADIUS
    expected = [0.0, 1.0, 0.0, 4.0, 4.0, 0.0]
    signals = [finest, 2 * finest, 10.0 - finest, 10.0 + 5 * finest, 10.0 - 5 * finest, -finest / 2]
    np.testing.assert_allclose(novelties(states, signals), expected, atol=1e-5)


def test_a_value_in_the_covered_range_is_nothing_new():
    values = np.random.default_rng(1).uniform(-5.0, 5.0, size=3000)
    _, states = learn(values)
    assert not novelties(states, np.linspace(-5.0, 5.0, 1001)).any()
    beyond = novelties(states, [-20.0, -10.0, 10.0, 20.0])
    assert beyond.min() > 3.0
    assert (beyond[[0, 3]] > beyond[[1, 2]]).all(), "the farther the newer"


def test_a_gap_in_the_middle_of_the_range_is_new():
    rng = np.random.default_rng(1)
    _, states = learn(rng.choice([-50.0, 50.0], size=3000) + rng.normal(size=3000))
    assert novelties(states, [0.0])[0] > 5.0
    assert novelties(states, [-50.0, 50.0]).max() == 0.0


@settings(deadline=None)
@given(st.lists(ANY, min_size=1, max_size=80), st.sampled_from(range(novelty.N_SIGNALS)))
def test_a_value_that_comes_again_at_once_is_nothing_new_however_far_out(signals, k):
    _, states = learn(signals, k)
    assert novelties(states, signals[-1:], k) == [0.0]
    assert learn(signals[-1:] * 3, k, states)[0].tolist() == [0.0] * 3


def test_one_value_takes_one_centre_however_far_out_it_is():
    found, states = learn(np.tile([0.1, 123456789.0], 500))
    assert states[0]["centres_used"][novelty.VALUE] == 2
    assert not found[2:].any()


@pytest.mark.parametrize("make", ["normal", "heavy-tailed", "counts"])
def test_what_goes_on_as_ever_is_hardly_ever_new(make):
    rng = np.random.default_rng(1)
    draws = {"normal": rng.normal(size=6000), "heavy-tailed": rng.standard_t(3, 6000), "counts": rng.poisson(9.0, 6000)}
    found, _ = learn(draws[make])
    assert np.mean(found[3000:] > 0.0) < 0.005
    assert found[3000:].max() < 3.0


def test_a_heavy_tail_leaves_less_to_be_new():
    rng = np.random.default_rng(1)
    _, wide = learn(rng.standard_t(2, 5000))
    _, narrow = learn(rng.normal(size=5000))
    assert novelties(wide, [30.0])[0] < novelties(narrow, [30.0])[0] / 5.0


def test_a_hairs_breadth_is_nothing_new_in_a_stream_that_never_moved():
    _, states = learn(np.zeros(1000))
    assert not novelties(states, [0.1, -0.1]).any()
    assert novelties(states, [1.0])[0] > 3.0


# Memory


@settings(deadline=None)
@given(st.lists(ANY, max_size=100), st.sampled_from(range(novelty.N_SIGNALS)))
def test_the_cover_never_holds_more_centres_than_it_may(signals, k):
    states = new_state()
    for value in signals:
        learn([value], k, states)
        assert states[0]["centres_used"][k] <= novelty.CENTRES[k] <= novelty.MOST_CENTRES
    assert np.isfinite(states[0]["radii"]).all()
    assert np.isinf(states[0]["centres"][k][states[0]["centres_used"][k] :]).all(), "nothing is written beyond"


@EVERY
def test_a_signal_changes_nothing_of_the_others(signal):
    _, states = learn(normal(500), signal)
    fresh = new_state()
    for name in ("centres", "centres_used", "radii"):
        for k in set(range(novelty.N_SIGNALS)) - {signal}:
            np.testing.assert_array_equal(states[0][name][k], fresh[0][name][k])
    for name in set(states.dtype.names) - {"centres", "centres_used", "radii"}:
        np.testing.assert_array_equal(states[name], fresh[name])


@settings(deadline=None)
@given(st.lists(ANY, min_size=1, max_size=200), st.sampled_from(range(novelty.N_SIGNALS)))
def test_all_that_was_seen_lately_stays_covered(signals, k):
    """Each time a centre goes, one at most a radius away stays, and radii grow by a fifth: 1 + 1 / 1.2 + ... = 6."""
    _, states = learn(signals, k)
    assert novelties(states, signals, k).max() <= 5.1


def test_a_range_left_long_ago_is_forgotten_but_for_its_centres():
    rng = np.random.default_rng(1)
    once = np.linspace(-90.0, 90.0, 500)
    for now, share in ((np.zeros(100_000), 0.9), (rng.normal(size=100_000), 0.3)):
        _, states = learn(rng.uniform(-100.0, 100.0, size=3000))
        assert not novelties(states, once).any()
        learn(now[:2000], states=states)
        assert np.mean(novelties(states, once) > 0.0) < 0.05, "not at once"
        learn(now, states=states)
        assert np.mean(novelties(states, once) > 0.0) > share
        assert not novelties(states, now[:100]).any()


# Another unit


@pytest.mark.parametrize("power", [1, 4, 20])
@EVERY
def test_another_unit_changes_nothing(power, signal):
    """Where the radius is above the finest, which is in the stream's own unit."""
    values, unit = 50.0 * normal(2000), 2.0**power
    one, states = learn(values, signal)
    other, others = learn(values * unit, signal)
    assert states[0]["radii"][signal] > novelty.FINEST_RADIUS
    np.testing.assert_array_equal(one[500:], other[500:])
    np.testing.assert_array_equal(states[0]["centres"] * unit, others[0]["centres"])
    assert states[0]["radii"][signal] * unit == others[0]["radii"][signal]


@pytest.mark.parametrize("zero", [-1000.0, 4096.0])
def test_another_zero_changes_nothing_where_the_sum_is_exact(zero):
    values = np.round(10.0 * normal(2000))
    np.testing.assert_array_equal(learn(values)[0], learn(values + zero)[0])
    np.testing.assert_array_equal(learn(values)[0], learn(-values)[0])
