import numpy as np
import pytest

from streamforest import features
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.protocols import REASONS
from streamforest.reasons import reason_for

UP, DOWN = 3.0, -3.0


def reason(most, residual=UP, shift=UP, has_season=False, extreme=5.0):
    surprises = np.full(features.N_FEATURES, 1.0)
    surprises[features.EXTREME] = extreme
    surprises[most] = 20.0
    return REASONS[reason_for(surprises, residual, shift, has_season)]


@pytest.mark.parametrize(
    ("most", "sign", "words"),
    [
        (features.RESIDUAL, UP, "spike"),
        (features.RESIDUAL, DOWN, "dip"),
        (features.CHANGE, UP, "spike"),
        (features.CHANGE, DOWN, "dip"),
        (features.EXTREME, UP, "spike"),
        (features.EXTREME, DOWN, "dip"),
        (features.SHIFT, UP, "level shift up"),
        (features.SHIFT, DOWN, "level shift down"),
        (features.TREND, UP, "ramp up"),
        (features.TREND, DOWN, "ramp down"),
        (features.SPREAD, DOWN, "variance up"),
        (features.CALM, UP, "flat line"),
        (features.REPEAT, DOWN, "flat line"),
        (features.GAP, UP, "gap"),
    ],
)
def test_the_greatest_surprise_names_the_reason(most, sign, words):
    assert reason(most, residual=sign, shift=sign) == words


def test_the_sign_is_that_of_what_is_named():
    assert reason(features.RESIDUAL, residual=DOWN, shift=UP) == "dip"
    assert reason(features.SHIFT, residual=DOWN, shift=UP) == "level shift up"
    assert reason(features.TREND, residual=UP, shift=DOWN) == "ramp down"


def test_a_usual_value_at_an_unusual_time_breaks_the_season():
    assert reason(features.RESIDUAL, has_season=True, extreme=0.5) == "season break"
    assert reason(features.RESIDUAL, has_season=True, extreme=9.0) == "spike"
    assert reason(features.RESIDUAL, has_season=False, extreme=0.5) == "spike"
    assert reason(features.SHIFT, has_season=True, extreme=0.5) == "level shift up"


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


def test_a_missed_cycle_is_a_season_break(model):
    pattern = 10.0 * np.sin(2 * np.pi * np.arange(3000) / 50)
    pattern[2500:2550] = 0.0
    values = pattern + np.random.default_rng(3).normal(size=3000)
    verdicts = StreamDetector(model, 0.01).update_many(values)[2500:2550]
    assert "season break" in {REASONS[r] for r in verdicts["reason"][verdicts["is_anomaly"]]}


def test_a_normal_point_has_no_reason(model):
    verdicts = StreamDetector(model, 0.001).update_many(calm())
    assert not verdicts["reason"][~verdicts["is_anomaly"]].any()
