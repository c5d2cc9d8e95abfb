import numpy as np
import pytest

from streamforest.adapters.next_reading import StreamRecord, judge_of
from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import save_model

VALUES = np.random.default_rng(5).normal(20.0, 1.0, 300)
TIMES = 1714521600.0 + 60.0 * np.arange(300)


def test_what_is_learned_has_the_bits_of_a_detector(model):
    record, judge = StreamRecord(), judge_of(model, 0.01)
    parts = [record.learn(VALUES[a:b], TIMES[a:b], judge) for a, b in ((0, 100), (100, 101), (101, 300))]
    whole = StreamDetector(model, 0.01).update_many(VALUES, TIMES)
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_each_look_is_at_the_next_reading_and_leaves_no_trace(model):
    record, judge, detector = StreamRecord(), judge_of(model, 0.01), StreamDetector(model, 0.01)
    record.learn(VALUES[:200], TIMES[:200], judge)
    detector.update_many(VALUES[:200], TIMES[:200])
    state = detector.state()
    seen = record.look(np.array([20.0, 55.0, np.nan]), TIMES[[200, 200, 201]], judge)
    for verdict, value, time in zip(seen, (20.0, 55.0, np.nan), TIMES[[200, 200, 201]], strict=True):
        detector.restore(state)
        assert detector.update_many(np.array([value]), np.array([time])).tobytes() == verdict.tobytes()
    detector.restore(state)
    rest = record.learn(VALUES[200:], TIMES[200:], judge)
    assert rest.tobytes() == detector.update_many(VALUES[200:], TIMES[200:]).tobytes()


def test_a_model_may_be_a_file_and_the_rate_is_checked(model, tmp_path):
    save_model(model, tmp_path / "model.joblib")
    assert judge_of(tmp_path / "model.joblib", 0.01).rate == judge_of(str(tmp_path / "model.joblib"), 0.01).rate == 0.01
    with pytest.raises(ValueError, match="alarm_rate"):
        judge_of(model, 0.7)
