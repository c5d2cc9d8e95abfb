import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.compiled import compiled
from streamforest.judging import threshold
from tests.naive import NaiveThreshold

RATES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 1e-4, 1e-6)


@compiled
def _run(states, surprises, rate, flags):
    for i in range(surprises.size):
        limit = threshold.limit(states[0], rate)
        flags[i] = surprises[i] > limit
        threshold.learn(states[0], surprises[i], limit, rate, flags[i])


def run(surprises, rate):
    """Which surprises are above the limit known before each; the state after them."""
    states, flags = threshold.new_thresholds(), np.empty(len(surprises), dtype=bool)
    _run(states, np.asarray(surprises, dtype=float), rate, flags)
    return flags, states[0]


def rising(draw, n, least=0.0):
    steps = draw(st.lists(st.floats(0.001, 10.0), min_size=n, max_size=n))
    return least + np.cumsum(steps)


@st.composite
def learned_states(draw):
    """A state after a stream of some kind, and the rate it was learned at."""
    rng, rate = np.random.default_rng(draw(st.integers(0, 100))), draw(st.sampled_from(RATES))
    surprises = rng.exponential(size=draw(st.integers(0, 3000))) * draw(st.floats(0.1, 5.0)) + draw(st.floats(-1, 3))
    return run(surprises, rate)[1], rate


# The twin


@pytest.mark.parametrize("rate", [0.02, 0.01, 0.001])
def test_every_limit_is_what_the_slow_twin_gives(rate):
    rng = np.random.default_rng(5)
    surprises = rng.exponential(size=4000) * np.repeat([1.0, 3.0, 0.2, 1.5], 1000)
    surprises[rng.random(4000) < 0.01] += 10.0
    surprises[2500:2520] += 20.0
    surprises[3000:3300] *= 0.05
    states, twin = threshold.new_thresholds(), NaiveThreshold()
    alarms = 0
    for surprise in surprises.tolist():
        limit = threshold.limit(states[0], rate)
        assert limit == pytest.approx(twin.limit(rate), rel=1e-9)
        is_anomaly = surprise > limit
        alarms += is_anomaly
        threshold.learn(states[0], surprise, limit, rate, is_anomaly)
        twin.learn(surprise, rate, is_anomaly)
    assert alarms > 20


# The start


@pytest.mark.parametrize("rate", RATES)
def test_a_new_stream_starts_with_the_limit_of_the_trainings_scores_and_a_lower_one_far_out(rate):
    wanted = -math.log(rate)
    far = max(wanted - threshold.GUESSED_WELL, 0.0)
    found = threshold.limit(threshold.new_thresholds()[0], rate)
    start = wanted + threshold.FAR_SLOPE * far + threshold.FIRST_CORRECTION
    # what one in ten normal points is does not alarm, however often it is asked for
    assert found == pytest.approx(max(start, min(math.log(10), wanted / 2)), abs=0.01)
    assert found <= wanted + threshold.FIRST_CORRECTION + 1e-12
    assert (found < wanted - 1.0) == (rate < 1e-3)


@pytest.mark.parametrize("rate", RATES)
def test_however_even_the_scores_are_the_limit_stays_above_what_is_common(rate):
    flags, state = run(np.full(20_000, 0.5), rate)
    assert threshold.limit(state, rate) >= min(threshold.LEAST_LIMIT, -math.log(rate) / 2)
    assert not flags.any()


@pytest.mark.parametrize("rate", [0.2, 0.01])
def test_a_limit_that_is_held_does_not_wind_up_what_would_lower_it(rate):
    rng = np.random.default_rng(13)
    lively = rng.exponential(size=20_000)
    short, long = (run(np.r_[np.full(n, 0.5), lively], rate)[0][n:] for n in (20_000, 1_000_000))
    assert abs(long[:5000].mean() - short[:5000].mean()) < 0.1 * rate
    assert 0.5 <= long[5000:].mean() / rate <= 2.0


# Alarms close together


@pytest.mark.parametrize(("apart", "total"), [(10, 1.0 + 0.5**0.5 + 3**-0.5), (11, 3.0)])
def test_the_nth_alarm_of_an_event_counts_by_the_root_of_1_over_n_and_an_event_ends_after_10_points(apart, total):
    state, rate, lifted = threshold.new_thresholds()[0], 1e-6, 0.0
    for i in range(2 * apart + 1):
        before, limit = float(state["correction"]), threshold.limit(state, rate)
        unit = (state["body"][2] - state["body"][1]) / math.log(5) / threshold.ALARM_PRIOR
        is_anomaly = i % apart == 0
        threshold.learn(state, limit + 1e-9 if is_anomaly else 0.0, limit, rate, is_anomaly)
        lifted += is_anomaly * (state["correction"] - before) / unit
    assert lifted == pytest.approx(total, rel=0.1)


# The rate


@pytest.mark.parametrize("rate", [0.2, 0.05, 0.01, 0.001])
@pytest.mark.parametrize("make", ["as trained", "twice as far", "half as far", "all lifted", "light tail", "drifting"])
def test_the_rate_asked_for_is_kept_whatever_the_scores_are_like(rate, make):
    rng = np.random.default_rng(8)
    n = 100_000
    scores = rng.exponential(size=n)
    made = {
        "as trained": scores,
        "twice as far": 2.0 * scores,
        "half as far": 0.5 * scores,
        "all lifted": scores + 2.0,
        "light tail": np.abs(rng.normal(size=n)),
        "drifting": scores + 2.0 + 2.0 * np.sin(np.arange(n) / 8000.0),
    }[make]
    flags, _ = run(made, rate)
    assert 0.5 <= flags[2000:].mean() / rate <= 2.0


@pytest.mark.parametrize("rate", [0.05, 0.01])
def test_scores_that_rise_without_end_cannot_keep_it_alarming(rate):
    """An adversary: every score is above all before it, in the end by far."""
    rng = np.random.default_rng(9)
    flags, _ = run(rng.exponential(size=200_000) + np.arange(200_000) * rate / 40.0, rate)
    assert flags[10_000:].mean() <= 2.0 * rate


def test_a_lasting_change_for_the_worse_is_taken_as_the_new_life():
    rng = np.random.default_rng(10)
    flags, _ = run(np.r_[rng.exponential(size=10_000), 15.0 + rng.exponential(size=60_000)], 0.01)
    assert flags[10_000:10_020].all(), "a change is flagged at first"
    assert flags[-30_000:].mean() <= 0.02


def test_a_few_far_anomalies_hardly_move_the_limit():
    rng = np.random.default_rng(11)
    calm = rng.exponential(size=20_000)
    struck = calm.copy()
    struck[5000::500] = 30.0
    before, after = (threshold.limit(run(scores, 0.001)[1], 0.001) for scores in (calm, struck))
    assert abs(after - before) < 1.5
    assert run(struck, 0.001)[0][5000::500].all()


def test_learning_takes_the_anomalous_scores_too():
    states = threshold.new_thresholds()
    before = states[0].copy()
    threshold.learn(states[0], 8.0, 7.0, 0.001, True)
    assert (states[0]["body"] > before["body"]).all()
    assert states[0]["correction"] > before["correction"]


# p-values


@settings(max_examples=100, deadline=None)
@given(learned_states())
def test_the_p_value_falls_with_the_surprise_from_1_and_is_the_rate_at_the_limit(known):
    state, rate = known
    limit = threshold.limit(state, rate)
    at = np.linspace(-5.0, max(limit, 0.0) + 30.0, 400)
    p = [threshold.p_value(state, x, limit, rate) for x in at]
    assert (np.diff(p) <= 0.0).all()
    assert 0.0 < min(p) <= max(p) <= 1.0
    if limit > 0.0:
        assert threshold.p_value(state, limit, limit, rate) == pytest.approx(rate, rel=1e-9)
    above = threshold.p_value(state, np.nextafter(limit, np.inf), limit, rate)
    assert above == pytest.approx(rate, rel=1e-9)


def test_p_values_of_normal_points_are_even():
    rng = np.random.default_rng(12)
    state = run(1.7 * rng.exponential(size=30_000), 0.001)[1]
    limit = threshold.limit(state, 0.001)
    p = np.array([threshold.p_value(state, x, limit, 0.001) for x in 1.7 * rng.exponential(size=20_000)])
    for share in (0.5, 0.1, 0.02):
        assert 0.5 <= np.mean(p <= share) / share <= 2.0


@settings(max_examples=100, deadline=None)
@given(learned_states())
def test_the_tracked_quantiles_are_in_order_and_finite(known):
    body = known[0]["body"]
    assert (np.diff(body) >= 0.0).all()
    assert np.isfinite(body).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100), st.sampled_from([0.02, 0.001]))
def test_a_lower_rate_has_a_higher_limit(seed, factor):
    state = run(np.random.default_rng(seed).exponential(size=2000), 0.01)[1]
    limits = [threshold.limit(state, rate) for rate in RATES]
    # where the slope is the least, that and FAR_SLOPE leave nothing but rounding
    assert (np.diff(limits) >= -1e-12).all()
    assert threshold.limit(state, 0.01 * factor) > threshold.limit(state, 0.01)


# Between score and surprise


@settings(deadline=None)
@given(st.data(), st.floats(0.0, 1.5))
def test_interpolation_goes_through_its_knots_and_leads_back(data, share):
    n = data.draw(st.integers(2, 20))
    xs, ys = rising(data.draw, n), rising(data.draw, n)
    for x, y in zip(xs, ys, strict=True):
        assert threshold.interpolate(x, xs, ys) == pytest.approx(y, rel=1e-12)
    x = xs[0] + share * (xs[-1] - xs[0])
    y = threshold.interpolate(x, xs, ys)
    if x <= xs[-1]:
        assert y == pytest.approx(np.interp(x, xs, ys), rel=1e-9, abs=1e-8)
    assert threshold.interpolate(y, ys, xs) == pytest.approx(x, rel=1e-9, abs=1e-8)


def test_interpolation_goes_on_with_its_last_slope_and_never_below_its_first_knot():
    xs, ys = np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 9.0])
    assert threshold.interpolate(4.0, xs, ys) == 15.0
    assert threshold.interpolate(-3.0, xs, ys) == 5.0
