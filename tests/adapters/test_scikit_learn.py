import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from streamforest.adapters.scikit_learn import StreamOutlierDetector
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import save_model

ROWS = np.random.default_rng(5).normal(20.0, 1.0, (300, 2))
#: Wanted share of flagged rows while the checks run: they ask for an outlier among 300 rows of three clusters.
CHECKED_RATE = 0.05


class Unfitted(StreamOutlierDetector):
    """Takes the model of the tests, which is made when the first test asks for it."""

    made = None

    def fit(self, X, y=None):  # noqa: N803
        given, self.model = self.model, type(self).made
        try:
            return super().fit(X, y)
        finally:
            self.model = given


@pytest.fixture(autouse=True)
def with_model(model, monkeypatch):
    monkeypatch.setattr(Unfitted, "made", model)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([Unfitted(alarm_rate=CHECKED_RATE)])
def test_scikit_learns_estimator_checks_pass(estimator, check):
    check(estimator)


def test_a_row_is_judged_as_the_next_reading_of_each_column(model):
    found = StreamOutlierDetector(model, 0.01).fit(ROWS)
    following = np.array([[20.0, 20.0], [60.0, 20.0], [20.0, np.nan]])
    for at, row in enumerate(following):
        p_values = []
        for column in range(2):
            detector = StreamDetector(model, 0.01)
            detector.update_many(np.ascontiguousarray(ROWS[:, column]))
            p_values.append(detector.update_many(row[column : column + 1])["p_value"][0])
        assert found.score_samples(following)[at] == min(1.0, 2.0 * np.nanmin(p_values))
    assert found.predict(following).tolist()[:2] == [1, -1]


def test_one_column_is_flagged_as_the_stream_detector_flags_it(model):
    column = ROWS[:, :1]
    found = StreamOutlierDetector(model, 0.02).fit(column)
    for value in (18.0, 20.0, 22.5, 23.5, 24.5, 30.0):
        detector = StreamDetector(model, 0.02)
        detector.update_many(np.ascontiguousarray(column[:, 0]))
        assert (found.predict([[value]])[0] == -1) == detector.update(value).is_anomaly


def test_nothing_is_known_before_it_is_fitted_or_warm(model):
    with pytest.raises(NotFittedError):
        StreamOutlierDetector(model).predict(ROWS)
    assert StreamOutlierDetector(model).fit(ROWS[:5]).score_samples([[99.0, 99.0]]).tolist() == [1.0]


def test_a_model_is_loaded_from_its_file_and_a_pickle_and_a_clone_work(model, tmp_path):
    save_model(model, tmp_path / "model.joblib")
    fitted = StreamOutlierDetector(tmp_path / "model.joblib").fit(ROWS)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(ROWS[:20]), fitted.score_samples(ROWS[:20]))
    with pytest.raises(NotFittedError):
        clone(fitted).predict(ROWS)
