import numpy as np

from streamforest.detectors.isolation_forest import StreamDetector
from streamforest.models.shipped import SHIPPED_MODEL


def test_the_shipped_model_is_of_the_present_features_and_judges():
    values = np.random.default_rng(1).normal(size=600)
    values[500] = 30.0
    verdicts = StreamDetector.load(SHIPPED_MODEL).update_many(values)
    assert np.flatnonzero(verdicts["is_anomaly"]).tolist() == [500]
