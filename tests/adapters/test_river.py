import math
import pickle
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.model_file import save_model
from tests.batches import free_thursday

pytest.importorskip("river")

from river import anomaly, checks

from streamforest.adapters.river import RiverDetector

VALUES = np.random.default_rng(5).normal(20.0, 1.0, 300).tolist()
#: Labelled rows of three features, as river's checks take them.
ROWS = [({"a": value, "b": value * value, "c": -value}, k % 50 == 49) for k, value in enumerate(VALUES[:100])]


class Rows(list):
    """Rows that know how many features they have, as river's data sets do."""

    n_features = 3


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("river") / "model.joblib"
    save_model(model, path)
    return str(path)


def test_scores_are_those_of_the_stream_detector(model):
    river, own = RiverDetector(model, 0.01), StreamDetector(model, 0.01)
    for value in [*VALUES, 60.0, 20.0]:
        reading = {"flow": value}
        score, is_anomaly = river.score_one(reading), river.is_anomaly_one(reading)
        river.learn_one(reading)
        verdict = own.update(value)
        assert (math.isnan(score) and verdict.score is None) or score == verdict.score
        assert is_anomaly == verdict.is_anomaly


def test_times_are_those_of_the_feature_named_for_it(model):
    river, own = RiverDetector(model, time="when"), StreamDetector(model)
    for k, value in enumerate(VALUES):
        moment = datetime(2024, 5, 1, tzinfo=UTC) + timedelta(minutes=k)
        river.learn_one({"when": moment, "flow": value})
        own.update(value, moment.timestamp())
    moment += timedelta(days=2)
    assert river.score_one({"when": moment, "flow": 20.0}) == own.update(20.0, moment.timestamp()).score


def test_a_holiday_is_judged_as_by_the_stream_detector(model):
    times, values, holidays = free_thursday()
    river, flagged = RiverDetector(model, 0.05, holidays=holidays).clone(), []
    for moment, value in zip(times.tolist(), values.tolist(), strict=True):
        reading = {"time": moment, "flow": value}
        if moment >= holidays["begin"][0]:
            flagged.append(river.is_anomaly_one(reading))
        river.learn_one(reading)
    own, unaware = (StreamDetector(model, 0.05, holidays=days).update_many(values, times) for days in (holidays, None))
    assert flagged == own["is_anomaly"][-96:].tolist() != unaware["is_anomaly"][-96:].tolist()


def test_the_most_unusual_feature_decides_and_new_ones_may_come(model):
    river = RiverDetector(model)
    for value in VALUES:
        river.learn_one({"a": value, "b": 2.0 * value})
    alone = river.score_one({"b": 90.0})
    assert river.score_one({"a": 20.0, "b": 90.0, "new": 5.0}) == alone
    assert alone > river.score_one({"a": 20.0, "b": 40.0})
    assert math.isnan(river.score_one({"new": 5.0}))
    assert math.isnan(river.score_one({}))


@pytest.mark.parametrize("wrong", [{"flow": "much"}, {"flow": math.inf}, {"flow": 1.0, "time": 1e15}])
def test_what_is_no_reading_is_refused_and_not_learned(wrong, model):
    river = RiverDetector(model)
    for value in VALUES[:50]:
        river.learn_one({"a": value})
    before = river.score_one({"a": 20.0})
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        river.learn_one({"a": 99.0, **wrong})
    assert river.score_one({"a": 20.0}) == before


def test_it_stands_in_a_filter_and_survives_a_pickle(path):
    quantile = anomaly.QuantileFilter(RiverDetector(path), q=0.95, protect_anomaly_detector=False)
    for value in VALUES:
        quantile.learn_one({"flow": value})
    again = pickle.loads(pickle.dumps(quantile))
    assert again.score_one({"flow": 60.0}) == quantile.score_one({"flow": 60.0}) > 0.5


def test_a_clone_is_fresh(path):
    river = RiverDetector(path, alarm_rate=0.01)
    for value in VALUES:
        river.learn_one({"flow": value})
    clone = river.clone()
    assert (clone.model, clone.alarm_rate) == (path, 0.01)
    assert math.isnan(clone.score_one({"flow": 20.0}))


@pytest.fixture
def checked(path, monkeypatch):
    monkeypatch.setattr(RiverDetector, "_unit_test_params", classmethod(lambda _cls: iter([{"model": path}])))
    return RiverDetector(path)


def test_rivers_own_checks_without_data_pass(checked):
    names = []
    for check in checks.yield_checks(checked):
        name = getattr(check, "__name__", None) or check.func.__name__
        if getattr(check, "keywords", None):
            break  # from here on with data sets that are loaded from the network
        check(checked.clone())
        names.append(name)
    assert {"check_repr", "check_clone_is_idempotent", "check_pickling_supports_roundtrip"} <= set(names)


@pytest.mark.parametrize(
    "name",
    [
        *("check_learn_one", "check_pickling", "check_shuffle_features_no_impact", "check_emerging_features"),
        *("check_disappearing_features", "check_radically_disappearing_features"),
        *("check_predict_one_before_any_learn", "check_no_state_aliasing_with_input", "check_clone_is_independent"),
    ],
)
def test_rivers_own_checks_pass_with_rows_of_ours(name, checked):
    check = getattr(checks.common, name, None)
    if check is None:
        pytest.skip("another version of river")
    check(checked.clone(), Rows(ROWS))
