import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.features import observe as features
from streamforest.judging.reasons import own_reason, reason_for, side_of_band
from streamforest.protocols import REASONS, VERDICT_DTYPE

UP, DOWN = 3.0, -3.0
NAMES = {name: getattr(features, name.upper()) for name in features.FEATURE_NAMES}
OUTLOOK = {
    "off_forecast": features.OFF_FORECAST,
    "off_level": features.OFF_LEVEL,
    "run": features.RUN,
    "growth": features.GROWTH,
    "unrest": features.UNREST,
    "season": features.SEASON,
    "excess": features.EXCESS,
    "repeats": features.REPEATS,
}


def filled(size, places, given):
    """An array with the given numbers at their places."""
    array = np.zeros(size)
    for name, number in given.items():
        array[places[name]] = number
    return array


def looked_at(given):
    """Surprises and outlook that are given by name, and on which side of the band the point is."""
    surprises = filled(features.N_FEATURES, NAMES, {name: given.get(name, 1.0) for name in NAMES})
    off = given.get("off_forecast", given.get("off_level", UP))
    usual = {"off_forecast": off, "off_level": off, "unrest": 0.2, "excess": 0.9, "repeats": 3.0}
    outlook = usual | {name: number for name, number in given.items() if name in OUTLOOK}
    return surprises, filled(features.N_OUTLOOK, OUTLOOK, outlook), given.get("outside", 0.0)


def own(**given):
    return own_reason(*looked_at(given))


def reason(before="", **given):
    """What a point is called with the surprises and the outlook that are given by name; all others are usual.

    It lies within its band, near the edge, unless ``outside`` says where else.
    """
    surprises, outlook, outside = looked_at(given)
    own = own_reason(surprises, outlook, outside)
    number = reason_for(own, surprises, outlook, REASONS.index(before))
    return REASONS[number]


# One kind after the other


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("spike", {"outside": 1.0, "off_forecast": UP, "off_level": DOWN}),
        ("dip", {"outside": -1.0, "off_forecast": DOWN, "off_level": UP}),
        ("spike", {"outside": 1.0, "run": 1.0}),
        ("dip", {"outside": -1.0, "off_forecast": DOWN, "run": -3.0}),
        ("level shift up", {"shift": 20.0, "extreme": 20.0, "run": 4.0, "growth": 1.0}),
        ("level shift down", {"shift": 20.0, "extreme": 20.0, "run": -4.0, "growth": 1.0, "off_level": DOWN}),
        ("ramp up", {"shift": 20.0, "extreme": 20.0, "run": 9.0, "growth": 2.0}),
        ("ramp down", {"shift": 20.0, "extreme": 20.0, "run": -9.0, "growth": 2.0, "off_level": DOWN}),
        ("variance up", {"spread": 6.0, "residual": 20.0, "unrest": 0.6}),
        ("variance down", {"calm": 20.0}),
        ("flat line", {"repeat": 4.0, "residual": 20.0}),
        ("season break", {"phase": 20.0, "run": 5.0, "growth": 3.0, "extreme": 1.0, "season": 24.0}),
        ("gap", {"gap": 20.0}),
        ("gap", {"gap": 20.0, "repeat": 19.0, "residual": 19.0}),
    ],
)
def test_each_kind_is_named(words, given):
    assert reason(**given) == words


def test_the_sign_of_a_run_is_that_of_the_level_and_of_a_spike_the_side_of_the_band():
    far = {"residual": 20.0, "shift": 20.0, "extreme": 20.0}
    assert reason(**far, off_forecast=DOWN, off_level=UP, run=6.0, growth=1.0) == "level shift up"
    assert reason(**far, off_forecast=DOWN, off_level=UP, run=6.0, growth=1.5) == "ramp up"
    assert reason(**far, outside=-1.0, off_forecast=DOWN, off_level=UP, run=3.0, growth=1.5) == "dip"
    assert reason(**far, outside=1.0, off_forecast=DOWN, off_level=DOWN, run=3.0, growth=1.5) == "spike"


def test_a_usual_value_at_an_unusual_time_breaks_the_season_and_one_never_seen_shifts_it():
    run = {"phase": 20.0, "residual": 10.0, "run": 5.0, "growth": 1.0}
    assert reason(**run, extreme=0.5, season=24.0) == "season break"
    assert reason(**run, extreme=9.0, season=24.0) == "level shift up"
    assert reason(**run, extreme=0.5, season=0.0) == "level shift up"


def test_a_single_far_value_is_no_variance_and_many_in_a_row_on_one_side_neither():
    wild = {"spread": 10.0, "residual": 20.0, "outside": 1.0}
    assert reason(**wild, unrest=0.3) == "spike"
    assert reason(**wild, unrest=0.6) == "variance up"
    assert reason(**wild, unrest=0.6, run=6.0, growth=1.0, extreme=20.0) == "level shift up"


def test_a_value_where_it_was_expected_has_no_reason_of_its_own_whatever_it_ends():
    for point in [{"run": 6.0, "shift": 20.0}, {"run": 6.0, "season": 24.0}, {"unrest": 0.6, "spread": 20.0}]:
        assert own(**point, excess=0.3)
        assert not own(**point, excess=0.2)


def test_calm_has_to_be_rarer_than_other_things_to_be_plain():
    assert own(calm=8.5, excess=0.1) == REASONS.index("variance down")
    assert not own(calm=7.5, excess=0.1)


def test_two_or_three_equal_values_are_no_flat_line():
    assert own(repeat=9.0, repeats=3.0) == REASONS.index("flat line")
    assert own(repeat=9.0, repeats=2.0) != REASONS.index("flat line")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("variance up", {"spread": 3.0}),
        ("variance down", {"calm": 3.0}),
        ("ramp up", {"trend": 3.0}),
        ("ramp down", {"trend": 3.0, "off_level": DOWN}),
        ("level shift up", {"shift": 3.0}),
        ("level shift down", {"shift": 3.0, "off_level": DOWN}),
        ("season break", {"shape": 3.0, "season": 24.0}),
        ("season break", {"phase": 3.0, "season": 24.0}),
        ("spike", {"shape": 3.0}),
        ("dip", {"phase": 3.0, "off_forecast": DOWN}),
        ("spike", {"extreme": 3.0}),
        ("dip", {"residual": 3.0, "off_forecast": DOWN}),
        ("gap", {"gap": 1.5}),
    ],
)
def test_where_nothing_is_plain_the_greatest_surprise_names_the_reason(words, given):
    assert reason(**given) == words


# The same episode


@pytest.mark.parametrize("before", [name for name in REASONS[1:] if name not in ("spike", "dip")])
def test_what_has_shown_itself_stays_on_its_echo_and_on_the_way_back(before):
    assert reason(before=before, outside=-1.0, residual=20.0, off_forecast=DOWN) == before
    assert reason(before=before, outside=1.0, residual=20.0, off_forecast=UP) == before
    assert reason(before=before, spread=3.0) == before, "an echo, of which nothing is plain"


@pytest.mark.parametrize("before", ["spike", "dip"])
def test_spikes_and_dips_of_one_episode_lie_on_their_own_side_of_the_band(before):
    assert reason(before=before, outside=1.0, residual=20.0) == "spike"
    assert reason(before=before, outside=-1.0, residual=20.0) == "dip"
    assert reason(before=before, spread=3.0) == "variance up", "what is within the band is neither"


@pytest.mark.parametrize("before", ["spike", "dip", "gap"])
def test_what_turns_out_to_be_more_than_a_spike_is_named_anew(before):
    far = {"residual": 20.0, "shift": 20.0, "extreme": 20.0, "growth": 1.0}
    assert reason(before=before, **far, run=3.0, outside=-1.0 if before == "dip" else 1.0) == before
    assert reason(before=before, **far, run=4.0) == "level shift up"
    assert reason(before=before, **far, run=-4.0, off_level=DOWN) == "level shift down"
    assert reason(before=before, repeat=4.0) == "flat line"
    assert reason(before=before, gap=9.0) == "gap"


def test_a_spike_that_comes_back_does_not_become_a_dip_in_a_stream(model):
    values = calm()
    values[1400:1402] += 40.0
    verdicts = StreamDetector(model, 0.001).update_many(values)[1400:1410]
    assert {REASONS[r] for r in verdicts["reason"][verdicts["is_anomaly"]]} == {"spike"}
    assert len(set(verdicts["episode"][verdicts["is_anomaly"]].tolist())) == 1


def test_a_new_episode_has_its_own_reason(model):
    values = calm()
    values[1350] += 40.0
    values[1450] -= 40.0
    verdicts = StreamDetector(model, 0.001).update_many(values)
    assert verdicts["episode"][1450] > verdicts["episode"][1350] > 0
    assert (REASONS[verdicts["reason"][1350]], REASONS[verdicts["reason"][1450]]) == ("spike", "dip")


@pytest.mark.parametrize(
    ("value", "lower", "upper", "side"),
    [
        (3.0, 1.0, 2.0, 1.0),
        (0.0, 1.0, 2.0, -1.0),
        (2.0, 1.0, 2.0, 0.0),
        (1.0, 1.0, 2.0, 0.0),
        (np.nan, 1.0, 2.0, 0.0),
        (3.0, np.nan, np.nan, 0.0),
    ],
)
def test_a_value_is_outside_where_it_is_beyond_an_edge(value, lower, upper, side):
    verdict = np.zeros(1, VERDICT_DTYPE)[0]
    verdict["value"], verdict["lower"], verdict["upper"] = value, lower, upper
    assert side_of_band(verdict) == side


# Anything


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0.0, 30.0), st.floats(0.0, 1.7e308)), min_size=11, max_size=11),
    st.lists(st.one_of(st.floats(-10.0, 10.0), FINITE), min_size=13, max_size=13),
    st.sampled_from([-1.0, 0.0, 1.0]),
    st.integers(0, len(REASONS) - 1),
)
@example([0.0] * 11, [0.0] * 13, 0.0, 0)
@example([1.7e308] * 11, [-1.7e308] * 13, -1.0, 0)
def test_any_point_has_a_reason(surprises, outlook, outside, before):
    assert (len(surprises), len(outlook)) == (features.N_FEATURES, features.N_OUTLOOK)
    own = own_reason(np.array(surprises), np.array(outlook), outside)
    number = reason_for(own, np.array(surprises), np.array(outlook), before)
    assert 0 < number < len(REASONS)


# Streams


def calm(seed=1):
    return 50.0 + np.random.default_rng(seed).normal(size=1500)


@pytest.mark.parametrize(
    ("what", "change", "words"),
    [
        ("spike", lambda v: v[:1] + 30.0, {"spike"}),
        ("dip", lambda v: v[:1] - 30.0, {"dip"}),
        ("flat line", lambda v: np.full(60, v[0]), {"flat line"}),
        ("missing", lambda v: v[:20] * np.nan, {"gap"}),
        ("level shift", lambda v: v[:60] + 12.0, {"level shift up", "spike", "ramp up", "variance up"}),
        ("variance burst", lambda v: 50.0 + 8.0 * (v[:40] - 50.0), {"variance up", "spike", "dip"}),
    ],
)
def test_a_planted_anomaly_is_found_and_named(model, what, change, words):
    for seed in range(3):
        values = calm(seed)
        new = change(values[1400:])
        values[1400 : 1400 + new.size] = new
        verdicts = StreamDetector(model, 0.001).update_many(values)[1400 : 1400 + new.size]
        found = {REASONS[r] for r in verdicts["reason"][verdicts["is_anomaly"]]}
        assert found & words, (what, seed, found)
        first = verdicts["reason"][verdicts["is_anomaly"]][0]
        assert REASONS[first] in words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v + 15.0, "level shift up"),
        (lambda v: v - 15.0, "level shift down"),
        (lambda v: v + np.arange(40.0), "ramp up"),
        (lambda v: v - np.arange(40.0), "ramp down"),
        (lambda v: 50.0 + 10.0 * (v - 50.0), "variance up"),
    ],
)
def test_what_lasts_is_called_what_it_is_in_the_end(model, change, words):
    for seed in range(5):
        values = calm(seed)
        values[1400:1440] = change(values[1400:1440])
        verdicts = StreamDetector(model, 0.001).update_many(values)[1400:1440]
        named = [REASONS[r] for r in verdicts["reason"][verdicts["is_anomaly"]]]
        assert named[-1] == words, (seed, named)


def test_a_missed_cycle_is_a_season_break(model):
    pattern = 10.0 * np.sin(2 * np.pi * np.arange(3000) / 50)
    pattern[2500:2550] = 0.0
    values = pattern + np.random.default_rng(3).normal(size=3000)
    verdicts = StreamDetector(model, 0.01).update_many(values)[2500:2550]
    assert "season break" in {REASONS[r] for r in verdicts["reason"][verdicts["is_anomaly"]]}


def test_a_normal_point_has_no_reason(model):
    verdicts = StreamDetector(model, 0.001).update_many(calm())
    assert not verdicts["reason"][~verdicts["is_anomaly"]].any()
