import numpy as np
import pytest

from streamforest.features.observe import WARM_UP
from streamforest.features.vector import HIGHEST, N_VECTOR
from streamforest.judging.harness import KNOTS, LEAST_SCORES, HarnessedDetector, calibration


class HighestScorer:
    """Distance of the highest surprise from its mean, unknown for the first vectors; remembers what it was asked."""

    def __init__(self, unit=1.0, silent=10):
        self.unit, self.silent = unit, silent
        self.mean = np.zeros(1)
        self.learned = np.zeros(1, np.int64)
        self.calls = []

    def score(self, vector):
        self.calls.append("score")
        return np.nan if self.learned[0] < self.silent else self.unit * abs(float(vector[HIGHEST]) - self.mean[0])

    def learn(self, vector):
        self.calls.append("learn")
        self.learned += 1
        self.mean += (float(vector[HIGHEST]) - self.mean) / self.learned

    def state(self):
        return {"mean": self.mean.copy(), "learned": self.learned.copy()}

    def restore(self, state):
        self.mean, self.learned = state["mean"].copy(), state["learned"].copy()


def detector(unit=1.0, rate=0.01):
    return HarnessedDetector(HighestScorer(unit), 10, rate)


def stream(n, seed=1):
    values = np.random.default_rng(seed).normal(size=n)
    values[900] = 40.0
    return values


def test_a_point_is_scored_before_it_is_learned():
    scorer = HighestScorer()
    HarnessedDetector(scorer, 10).update_many(stream(1000))
    assert scorer.calls == ["score", "learn"] * (1000 - WARM_UP)


def test_verdicts_begin_after_the_warm_ups_of_features_scorer_and_scale():
    made = detector()
    assert made.warm_up_points == WARM_UP + 10 + LEAST_SCORES
    verdicts = made.update_many(stream(1000))
    known = ~np.isnan(verdicts["score"])
    assert known.tolist() == [i >= made.warm_up_points for i in range(1000)]
    assert not np.isnan(verdicts["expected"][WARM_UP:]).any()


def test_the_newest_values_stand_behind_the_vector_in_the_streams_unit():
    class Seen(HighestScorer):
        def learn(self, vector):
            super().learn(vector)
            self.last = vector.copy()

    scorer, values = Seen(), stream(1500)
    values[1498] = np.nan  # the forecast stands in for it
    made = HarnessedDetector(scorer, 10, newest=3)
    expected = made.update_many(values)["expected"]
    features = made.state()["records"][0]["features"]
    known = np.array([values[1497], expected[1498], values[1499]])
    assert scorer.last.shape == (N_VECTOR + 3,)
    np.testing.assert_allclose(scorer.last[N_VECTOR:], (known - features["zero"]) / features["unit"], rtol=1e-5)


def test_an_outlier_is_found_and_told_why():
    (found,) = (v for v in [detector(rate=1e-4).update_many(stream(1000))[900]])
    assert found["is_anomaly"]
    assert found["reason"] == 1


@pytest.mark.parametrize("unit", [2.0**-10, 2.0**20])
def test_the_unit_of_a_score_does_not_matter(unit):
    """A power of two changes no rounding, so that even the bits are the same."""
    one, other = (detector(u).update_many(stream(3000)) for u in (1.0, unit))
    assert one.tobytes() == other.tobytes()


def test_a_scorer_that_says_nothing_new_never_alarms():
    class Constant(HighestScorer):
        def score(self, vector):
            return 0.0 * super().score(vector)

    verdicts = HarnessedDetector(Constant(), 0).update_many(stream(3000))
    assert not verdicts["is_anomaly"].any()
    assert np.isfinite(verdicts["score"][-1])


@pytest.mark.parametrize("rate", [0.05, 0.01])
def test_the_alarm_rate_asked_for_is_the_alarm_rate_got(rate):
    verdicts = detector(rate=rate).update_many(np.random.default_rng(5).normal(size=20_000))
    assert 0.5 * rate < verdicts["is_anomaly"][2000:].mean() < 2 * rate


def test_one_by_one_in_blocks_and_resumed_give_the_same_bits():
    values = stream(1500)
    expected = detector().update_many(values)
    first, second = detector(), detector()
    single = [first.update(float(value)) for value in values[:1000]]
    assert [v.score for v in single[-5:]] == expected["score"][995:1000].tolist()
    second.restore(first.state())
    assert second.update_many(values[1000:]).tobytes() == expected[1000:].tobytes()
    with pytest.raises(ValueError, match="saved state"):
        second.restore({"scorer.mean": np.zeros(1)})


def test_the_calibration_rises():
    scores, surprises = calibration()
    assert scores.shape == surprises.shape == (KNOTS,)
    assert (np.diff(scores) > 0).all()
    assert scores[-1] < 1.0
