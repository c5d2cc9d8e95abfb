import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.detectors.z_score import WARM_UP, ZScoreDetector, calibration
from streamforest.protocols import REASONS


def test_a_normal_stream_is_flagged_as_often_as_asked():
    values = np.random.default_rng(1).normal(50.0, 3.0, 200_000)
    for rate in (0.01, 0.001):
        flagged = ZScoreDetector(rate).update_many(values)["is_anomaly"][1000:].mean()
        assert rate / 2 < flagged < rate * 2


def test_a_far_value_is_a_spike_and_a_low_one_a_dip():
    values = np.random.default_rng(1).normal(size=500)
    values[300], values[400] = 20.0, -20.0
    verdicts = ZScoreDetector().update_many(values)
    assert [REASONS[verdicts["reason"][i]] for i in (300, 400)] == ["spike", "dip"]


def test_nothing_is_known_in_the_warm_up_and_a_missing_reading_is_not_scored():
    values = np.random.default_rng(1).normal(size=100)
    values[50] = np.nan
    verdicts = ZScoreDetector().update_many(values)
    unknown = np.flatnonzero(np.isnan(verdicts["score"]))
    assert unknown.tolist() == [*range(WARM_UP), 50]
    assert not verdicts["is_anomaly"][unknown].any()
    assert not math.isnan(verdicts["expected"][50])


def test_the_calibration_is_that_of_a_normal_distribution():
    scores, surprises = calibration()
    assert (np.diff(scores) > 0).all()
    assert (np.diff(surprises) > 0).all()
    at_three = np.interp(3.0 / 4.0, scores, surprises)
    assert math.exp(-at_three) == pytest.approx(0.0026998, rel=1e-3)


@given(st.lists(st.one_of(st.floats(allow_infinity=False), st.just(0.0)), min_size=30, max_size=80), st.data())
def test_any_split_gives_the_same_finite_bits(values, data):
    cut = data.draw(st.integers(0, len(values)))
    whole = ZScoreDetector(0.01).update_many(np.array(values))
    parts = ZScoreDetector(0.01)
    pieces = [parts.update_many(np.array(values[:cut])), parts.update_many(np.array(values[cut:]))]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()
    scores = whole["score"][~np.isnan(whole["score"])]
    assert ((scores >= 0.0) & (scores <= 1.0)).all()
