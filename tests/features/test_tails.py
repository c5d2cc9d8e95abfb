import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.compiled import compiled
from streamforest.features import tails
from tests.naive import NaiveTail

KNOWN = [-math.log(share) for share in tails.TAIL_SHARES]


@compiled
def _learn_all(tail, deviations, finest, memory, prior, far_weight, above):
    for count in range(deviations.size):
        for k in range(3):
            above[k] += deviations[count] > tail[k]
        known = tails.surprise(deviations[count], tail)
        tails.learn_tail(
            tail, deviations[count], known, tails.gains_of(float(count), memory, prior), finest, far_weight
        )


def learn(deviations, finest=0.01, memory=1.0, prior=1.0, far_weight=tails.FAR_WEIGHT, start=1.0):
    """The quantiles after all deviations, and how many were above each when they came."""
    tail, above = start * np.array(tails.TAIL_START), np.zeros(3)
    _learn_all(tail, np.asarray(deviations, dtype=float), finest, memory, prior, far_weight, above)
    return tail, above


@st.composite
def rising_tails(draw):
    first = draw(st.floats(0.02, 100.0))
    second = first * draw(st.floats(1.2, 50.0))
    return np.array([first, second, second + draw(st.floats(0.3, 2.0)) * (second - first)])


# The surprise


@settings(deadline=None)
@given(rising_tails())
def test_the_surprise_of_a_quantile_is_minus_the_logarithm_of_its_share(tail):
    assert [tails.surprise(at, tail) for at in tail] == pytest.approx(KNOWN, rel=1e-12)
    assert tails.surprise(0.0, tail) == 0.0


@settings(deadline=None)
@given(st.floats(0.0, 1e6), st.floats(0.02, 100.0), st.floats(1.2, 50.0), st.floats(0.1, 5.0))
def test_surprise_is_the_twins_and_its_inverse_leads_back(deviation, first, second, third):
    b = first * second
    tail = np.array([first, b, b + third * (b - first)])
    twin = NaiveTail(1.0, 0.01)
    twin.at = tail.tolist()
    found = tails.surprise(deviation, tail)
    assert found == pytest.approx(twin.surprise(deviation), rel=1e-9, abs=1e-12)
    assert tails.deviation_at(found, tail) == pytest.approx(deviation, rel=1e-9, abs=1e-12)
    assert tails.deviation_at(found, tail) == pytest.approx(twin.deviation(found), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(rising_tails(), st.floats(0.0, 1e3), st.floats(0.0, 1e3))
def test_the_farther_off_the_more_surprising(tail, one, other):
    near, far = sorted([one, other])
    assert tails.surprise(near, tail) <= tails.surprise(far, tail)


@settings(deadline=None)
@given(rising_tails(), st.floats(0.0, 1e3), st.integers(-300, 300))
def test_another_unit_of_the_deviations_changes_no_bit(tail, deviation, power):
    unit = 2.0**power
    if deviation == 0.0 or min(deviation, deviation * unit) > 1e-290:
        assert tails.surprise(deviation * unit, tail * unit) == tails.surprise(deviation, tail)


# Learning


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1e15]) | st.floats(0.0, 10.0), max_size=60),
    st.sampled_from([0.01, 0.5]),
    st.sampled_from([1.0, 10.0]),
    st.sampled_from([1.0, 100.0]),
    st.sampled_from([0.1, 1.0]),
)
def test_a_tail_is_learned_as_the_slow_twin_learns_it(deviations, finest, memory, prior, far_weight):
    twin = NaiveTail(1.0, finest, memory, prior, far_weight)
    for deviation in deviations:
        twin.learn(deviation)
    np.testing.assert_allclose(learn(deviations, finest, memory, prior, far_weight)[0], twin.at, rtol=1e-12)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_stream_is_learned_as_the_slow_twin_learns_it(seed):
    """Beyond all three memories, with anomalies among the deviations."""
    rng = np.random.default_rng(seed)
    deviations = rng.exponential(size=8000) * np.where(rng.random(8000) < 0.01, 20.0, 1.0)
    twin = NaiveTail(1.0, 0.01)
    for deviation in deviations.tolist():
        twin.learn(deviation)
    np.testing.assert_allclose(learn(deviations)[0], twin.at, rtol=1e-9)


def test_a_tracked_quantile_has_its_share_of_deviations_above_it():
    rng = np.random.default_rng(2)
    for draw in (rng.normal(size=60_000), rng.exponential(size=60_000), rng.standard_t(3, 60_000)):
        tail, above = learn(np.abs(draw))
        np.testing.assert_allclose((above / draw.size)[:2], tails.TAIL_SHARES[:2], rtol=0.15)
        assert tail[0] < tail[1] < tail[2]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1e-300, 1e15]) | st.floats(0.0, 100.0), max_size=300),
    st.sampled_from([0.01, 0.5]),
    st.sampled_from([0.1, 1.0]),
)
def test_the_quantiles_stay_apart_whatever_comes(deviations, finest, far_weight):
    a, b, c = learn(deviations, finest, far_weight=far_weight)[0]
    assert a >= finest
    assert b >= 1.2 * a
    assert tails.SHORTEST_TAIL * (1 - 1e-12) <= (c - b) / (b - a) <= tails.LONGEST_TAIL * (1 + 1e-12)


def test_silence_leads_down_to_the_finest_and_no_further():
    assert learn(np.zeros(20_000), finest=0.5)[0][0] == 0.5
    assert learn(np.zeros(20_000), finest=0.01)[0][0] == 0.01


def test_one_anomaly_moves_the_upper_quantiles_by_its_weight_only():
    usual = np.abs(np.random.default_rng(1).normal(size=3000))
    before = learn(usual)[0]
    small, full = (learn([*usual, 1e6], far_weight=weight)[0] / before - 1.0 for weight in (0.1, 1.0))
    np.testing.assert_allclose(full[1] / small[1], 10.0, rtol=1e-6)
    assert small[0] == full[0] > 0.0, "the first follows what comes to stay"
    just_not_far = 0.999 * tails.deviation_at(tails.FAR, before)
    heavy, light = (learn([*usual, just_not_far], far_weight=weight)[0] for weight in (0.1, 1.0))
    np.testing.assert_array_equal(heavy, light)


def test_what_comes_to_stay_is_far_no_more():
    rng = np.random.default_rng(1)
    usual, now = np.abs(rng.normal(size=5000)), 20.0 * np.abs(rng.normal(size=1500))
    before = learn(usual)[0]
    after = learn(np.r_[usual, now])[0]
    assert np.mean([tails.surprise(deviation, before) > tails.FAR for deviation in now]) > 0.6
    assert np.mean([tails.surprise(deviation, after) > tails.FAR for deviation in now]) < 0.03


def test_a_longer_memory_and_a_stronger_prior_move_it_less():
    rng = np.random.default_rng(1)
    usual, wider = np.abs(rng.normal(size=5000)), 3.0 * np.abs(rng.normal(size=300))
    moved = [learn(np.r_[usual, wider], memory=m)[0] / learn(usual, memory=m)[0] for m in (1.0, 10.0)]
    assert (moved[0] > moved[1])[:2].all()
    start = np.array(tails.TAIL_START)
    moved = [learn(usual[:50] * 5.0, prior=prior)[0] / start for prior in (1.0, 100.0)]
    assert (moved[0] > moved[1]).all()
