import numpy as np
import pytest

from streamforest.detectors.z_score import ZScoreDetector
from streamforest.judging import threshold
from streamforest.judging.decide import LEAST_ALARM_RATE, MOST_ALARM_RATE, decide, new_positions, open_verdict
from streamforest.judging.rules import NO_RULES
from streamforest.protocols import VERDICT_DTYPE
from streamforest.verdicts.episodes import EPISODE_GAP


@pytest.mark.parametrize("rate", [0.0, -1.0, LEAST_ALARM_RATE / 2, MOST_ALARM_RATE * 1.01, float("nan")])
def test_an_alarm_rate_out_of_its_range_is_refused_with_the_range(rate):
    with pytest.raises(ValueError, match=r"alarm_rate is .*, allowed is 0.000001 to 0.2"):
        ZScoreDetector(rate)


def test_infinite_values_and_unequal_shapes_are_refused_before_anything_is_learned():
    detector = ZScoreDetector()
    for values, times in (([1.0, np.inf], None), ([1.0, 2.0], [1.0]), ([[1.0]], None)):
        with pytest.raises(ValueError, match=r"infinite|shape"):
            detector.update_many(np.array(values), None if times is None else np.array(times))
    with pytest.raises(ValueError, match="value is -inf"):
        detector.update(-np.inf)
    assert detector.update(1.0).index == 0


def test_the_decision_the_threshold_and_the_p_value_agree():
    values = np.random.default_rng(1).standard_t(2, 20_000)
    verdicts = ZScoreDetector(0.01).update_many(values)
    known = verdicts[~np.isnan(verdicts["score"])]
    assert (known["is_anomaly"] == (known["score"] > known["threshold"])).all()
    assert (known["is_anomaly"] == (known["p_value"] < 0.01)).all()
    assert ((known["p_value"] >= 0.0) & (known["p_value"] <= 1.0)).all()


def decided(score, rate, excess=0.0, is_evident=True):
    """The verdict on the first score of a stream, on a calibration with knots that are no round numbers."""
    verdict, position = np.zeros(1, VERDICT_DTYPE)[0], new_positions()[0]
    open_verdict(position, 5.0, np.nan, verdict)
    scores, surprises = np.array([0.1, 0.31, 0.47, 0.83]), np.array([0.0, 0.7, 3.3, 11.1])
    tail = threshold.new_thresholds()[0]
    decide(position, tail, scores, surprises, rate, NO_RULES.numbers, score, excess, is_evident, verdict)
    assert tail["count"] == (excess == 0.0), "the limit does not learn an outlier"
    return verdict


@pytest.mark.parametrize("rate", [LEAST_ALARM_RATE, 0.001, 0.01, 0.07, MOST_ALARM_RATE])
def test_a_score_at_the_threshold_is_no_anomaly_and_the_next_one_above_is(rate):
    limit = float(decided(0.5, rate)["threshold"])
    for score, is_anomaly in ((np.nextafter(limit, 0.0), False), (limit, False), (np.nextafter(limit, 1.0), True)):
        verdict = decided(float(score), rate)
        assert verdict["threshold"] == limit, "it is known before the score"
        assert verdict["is_anomaly"] == is_anomaly == (verdict["p_value"] < rate) == (verdict["episode"] == 1)
        assert verdict["p_value"] == pytest.approx(rate, rel=1e-9)


@pytest.mark.parametrize("rate", [LEAST_ALARM_RATE, 0.001, 0.07, MOST_ALARM_RATE])
@pytest.mark.parametrize("is_evident", [True, False])
@pytest.mark.parametrize("excess", [1.5, 4.0, 1e9])
@pytest.mark.parametrize("score", [0.01, 0.5, 0.999])
def test_an_outlier_is_an_anomaly_whatever_its_score(score, excess, is_evident, rate):
    verdict = decided(score, rate, excess, is_evident)
    limit = decided(score, rate)["threshold"]
    assert (verdict["is_anomaly"], verdict["episode"], verdict["score"]) == (True, 1, score)
    assert verdict["threshold"] == pytest.approx(min(limit, 0.999 * score))
    assert verdict["threshold"] < score
    assert 0.0 <= verdict["p_value"] <= rate / excess


@pytest.mark.parametrize("rate", [LEAST_ALARM_RATE, 0.001, 0.07, MOST_ALARM_RATE])
@pytest.mark.parametrize("score", [0.01, 0.5, 0.999, 1.0])
def test_where_nothing_is_plain_no_score_is_an_anomaly(score, rate):
    verdict = decided(score, rate, is_evident=False)
    limit = decided(score, rate)["threshold"]
    assert (verdict["is_anomaly"], verdict["episode"]) == (False, 0)
    assert verdict["threshold"] == max(limit, score)
    assert verdict["p_value"] >= rate


def test_an_episode_outlives_its_gap_and_not_one_point_more():
    for apart, episodes in ((EPISODE_GAP + 1, 1), (EPISODE_GAP + 2, 2)):
        values = np.random.default_rng(1).normal(size=400)
        values[300] = values[300 + apart] = 50.0
        verdicts = ZScoreDetector(1e-5).update_many(values)
        flagged = verdicts[200:][verdicts["is_anomaly"][200:]]
        assert flagged["index"].tolist() == [300, 300 + apart]
        assert np.diff(flagged["episode"]).tolist() == [episodes - 1]


def test_one_by_one_gives_the_numbers_of_the_array_with_none_for_nan():
    values = np.random.default_rng(1).normal(size=60)
    verdicts = ZScoreDetector().update_many(values, np.arange(60.0))
    detector = ZScoreDetector()
    for value, row in zip(values, verdicts, strict=True):
        verdict = detector.update(value, float(row["time"]))
        assert (verdict.index, verdict.time, verdict.value) == (row["index"], row["time"], value)
        assert verdict.score == (None if np.isnan(row["score"]) else row["score"])
        assert verdict.episode == (row["episode"] or None)


def test_a_restored_detector_goes_on_with_the_same_bits_and_a_strange_state_is_refused():
    values = np.random.default_rng(1).normal(size=600)
    whole, first, second = ZScoreDetector(), ZScoreDetector(), ZScoreDetector()
    expected = whole.update_many(values)
    first.update_many(values[:300])
    state = first.state()
    first.update_many(values[300:])  # what is saved does not go on changing
    second.restore(state)
    assert second.update_many(values[300:]).tobytes() == expected[300:].tobytes()
    for strange in ({}, {"records": np.zeros(1)}, {"records": np.repeat(state["records"], 2)}):
        with pytest.raises(ValueError, match="the saved state has no records"):
            second.restore(strange)
